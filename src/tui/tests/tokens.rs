//! The Tokens pane and its windows.

use std::time::Duration;

use super::*;

fn name(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

fn report(model: &mut Model, at: u64, account: &str, status: TokenStatus) {
    let account = name(account);
    update(model, second(at), Msg::Token(account, status));
}

fn begun(setup: Setup, width: u16, height: u16) -> Model {
    let mut model = sized(setup, width, height);
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.verify = Vec::new();
    for effect in update(&mut model, second(0), Msg::Ready(ready)) {
        if let Effect::Query { request, .. } = effect {
            let result = Answer::Estimate(Ok(quote(0, &[("BTC", "0.0015")])));
            answer(&mut model, second(0), request, result);
        }
    }
    model
}

fn failed(refused: bool, why: &str, again: Option<u64>) -> TokenFailure {
    TokenFailure {
        at: second(30).wall,
        why: why.into(),
        refused,
        again: again.map(Duration::from_secs),
    }
}

#[test]
fn a_rejected_token_request_rejects_the_credentials_until_a_newer_verdict() {
    let mut setup = sandbox_setup();
    setup
        .accounts
        .push(token_account("keys", Environment::Sandbox));
    let mut model = begun(setup, 120, 40);
    let id = name("keys");
    let failing = |failure| TokenStatus {
        failure: Some(failure),
        ..token(1, 3600)
    };
    let rejected = failing(failed(true, "revoked", None));
    let expect = |model: &mut Model, at, status: &TokenStatus, expected| {
        report(model, at, id.as_str(), status.clone());
        let known = model.store.known(&id).unwrap();
        assert_eq!(known.status.state.shown(), expected, "{at}");
    };
    expect(&mut model, 1, &token(1, 3600), "untested");
    let unreachable = failing(failed(false, "no response", Some(40)));
    expect(&mut model, 30, &unreachable, "untested");
    expect(&mut model, 31, &rejected, "rejected");
    model.store.judge(&name("keys"), Ok(()), second(51));
    // The same failure, reported once more.
    expect(&mut model, 52, &rejected, "valid");
    let unset = Problem::new(ProblemKind::Config, "KS is not set", "");
    model.store.judge(&name("keys"), Err(&unset), second(60));
    expect(&mut model, 61, &token(1, 3600), "unreadable");
    expect(&mut model, 63, &token(62, 3600), "valid");
}

/// One account for each state of a token.
fn every_state() -> Model {
    let mut setup = sandbox_setup();
    let names = [
        "fresh", "due", "renewing", "refused", "expired", "missing", "last",
    ];
    for name in names {
        setup
            .accounts
            .push(token_account(name, Environment::Sandbox));
    }
    let mut model = begun(setup, 120, 40);
    report(&mut model, 0, "fresh", token(0, 3600));
    let mut due = token(0, 3600);
    if let Some(life) = &mut due.life {
        life.renew_at = Duration::from_secs(35);
    }
    report(&mut model, 0, "due", due);
    report(
        &mut model,
        0,
        "renewing",
        TokenStatus {
            fetching: true,
            ..token(0, 44)
        },
    );
    report(
        &mut model,
        0,
        "refused",
        TokenStatus {
            failure: Some(failed(
                true,
                "account refused: Kinguin refused the client id or secret (401)",
                None,
            )),
            ..TokenStatus::default()
        },
    );
    report(
        &mut model,
        0,
        "expired",
        TokenStatus {
            failure: Some(failed(
                false,
                "account expired: no connection to id.kinguin.net",
                Some(49),
            )),
            stored_in: StoredIn::File,
            stored_note: "the keyring is locked".into(),
            ..token(0, 20)
        },
    );
    report(&mut model, 0, "last", token(0, 90));
    press(&mut model, "2", second(40));
    model
}

fn shown(model: &mut Model, at: u64, name: &str) {
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let text = resized_screen(model, second(at), width, height);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), text);
    }
}

#[test]
fn the_tokens_of_the_sandbox() {
    let mut model = begun(three_setup(), 120, 40);
    report(&mut model, 0, "kinguin", token(0, 3600));
    report(
        &mut model,
        0,
        "pledg",
        TokenStatus {
            claims: Some(r#"{"sub":"client","exp":1795316666,"roles":["PURCHASE"]}"#.into()),
            fetched: 4,
            ..token(0, 600)
        },
    );
    press(&mut model, "2j", second(12));
    shown(&mut model, 12, "tokens");
    press(&mut model, "i", second(12));
    shown(&mut model, 12, "claims");
    press(&mut model, "<esc>y", second(12));
    shown(&mut model, 12, "copy_token");
}

#[test]
fn every_state_of_a_token() {
    let mut model = every_state();
    press(&mut model, "jjj", second(40));
    shown(&mut model, 40, "tokens_refused");
    press(&mut model, "j", second(40));
    shown(&mut model, 40, "tokens_expired");
    press(&mut model, "f", second(40));
    assert_snapshot!(
        "tokens_zoomed_80x24",
        resized_screen(&mut model, second(40), 80, 24)
    );
}

#[test]
fn without_colour_or_motion_the_words_show_the_state() {
    let mut model = every_state();
    model.options.ascii = true;
    model.color = false;
    model.options.reduced_motion = true;
    model.theme = Theme::new(&model.options, model.tint, model.color);
    let text = resized_screen(&mut model, second(40), 120, 60);
    assert!(text.is_ascii());
    for word in [
        "valid", "due", "renewing", "rejected", "expired", "none yet",
    ] {
        assert!(text.contains(word), "{word}:\n{text}");
    }
    assert!(text.contains("03:54:26"), "the clock time it ends\n{text}");
    assert!(!text.contains("59:20"), "{text}");
    assert_snapshot!("tokens_ascii_120x60", text);
}

#[test]
fn a_countdown_ticks_each_second_and_only_where_it_is_seen() {
    let mut model = begun(three_setup(), 120, 40);
    press(&mut model, "2f", second(1));
    assert_eq!(next_wake(&model, second(1)), None, "nothing to count");
    report(&mut model, 0, "kinguin", token(0, 20));
    let now = Now {
        mono: Duration::from_millis(3_400),
        wall: second(3).wall.plus(Duration::from_millis(400)),
    };
    assert_eq!(next_wake(&model, now), Some(Duration::from_millis(600)));
    assert!(screen(&model, now, 120, 40).contains("00:17"));
    press(&mut model, "3", now);
    assert_eq!(next_wake(&model, now), None, "another pane has the screen");
    press(&mut model, "2", now);
    model.options.reduced_motion = true;
    assert_eq!(
        next_wake(&model, now),
        Some(Duration::from_millis(600)),
        "a tenth of its life has passed at the fourth second"
    );
    assert_eq!(next_wake(&model, second(4)), Some(Duration::from_secs(2)));
    model.options.reduced_motion = false;
    assert_eq!(next_wake(&model, second(20)), None, "it has expired");
    assert!(screen(&model, second(20), 120, 40).contains("expired"));
}

/// The request for a token, and its account.
fn asked<'e>(effects: &'e [Effect], wanted: &Op) -> (RequestId, &'e AccountId) {
    match effects {
        [
            Effect::Query {
                request,
                account,
                op,
                ..
            },
        ] if op == wanted => (*request, account),
        other => panic!("{other:?}"),
    }
}

#[test]
fn r_renews_once_and_shows_the_result() {
    let mut model = begun(three_setup(), 120, 40);
    let effects = press(&mut model, "2j", second(1));
    assert_eq!(effects, []);
    let effects = press(&mut model, "r", second(1));
    let (request, account) = asked(&effects, &Op::RenewToken);
    assert_eq!(account.as_str(), "pledg");
    assert_eq!(press(&mut model, "r", second(1)), [], "one is under way");
    let waiting = Some(Waiting {
        left: None,
        account: name("pledg"),
        method: "POST".into(),
        path: "/oauth/token".into(),
        about: String::new(),
        why: "rate limit reached".into(),
        until: Some(Duration::from_secs(9)),
    });
    update(&mut model, second(1), Msg::Waiting(request, waiting));
    let text = screen(&model, second(1), 120, 40);
    assert!(text.contains("waiting: rate limit reached"), "{text}");
    let result = Err(Problem::new(
        ProblemKind::Refused,
        "account pledg: refused",
        "check the secret",
    ));
    answer(&mut model, second(2), request, Answer::Renewed(result));
    let text = screen(&model, second(2), 120, 40);
    assert!(text.contains("account pledg: refused. Check the secret"));
    assert!(!text.contains("waiting: rate"));
}

#[test]
fn escape_stops_waiting_for_a_refresh() {
    let mut model = begun(three_setup(), 120, 40);
    let effects = press(&mut model, "2r", second(1));
    let (request, _) = asked(&effects, &Op::RenewToken);
    assert_eq!(
        press(&mut model, "<esc>", second(1)),
        [Effect::Cancel(request)]
    );
    let late = Answer::Renewed(Ok(()));
    answer(&mut model, second(2), request, late);
    assert!(!screen(&model, second(2), 120, 40).contains("new access token"));
    assert_eq!(press(&mut model, "r", second(3)).len(), 1, "asked anew");
}

#[test]
fn a_token_is_copied_after_a_yes_and_is_in_no_model_and_no_debug() {
    let planted = "planted-access-token-4711";
    let mut model = begun(three_setup(), 120, 40);
    report(&mut model, 0, "kinguin", token(0, 3600));
    assert_eq!(press(&mut model, "2y<esc>", second(1)), []);
    assert_eq!(press(&mut model, "yn", second(1)), [], "n is no yes");
    let effects = press(&mut model, "yy", second(1));
    let (request, account) = asked(&effects, &Op::CopyToken);
    assert_eq!(account.as_str(), "kinguin");
    let token = Msg::Answered(request, Answer::Token(Ok(Secret::new(planted))));
    assert!(!format!("{token:?}").contains(planted));
    let copied = update(&mut model, second(2), token.clone());
    let [Effect::Copy { text, what }] = &copied[..] else {
        panic!("{copied:?}");
    };
    assert_eq!((text.expose(), &**what), (planted, "the access token"));
    assert!(!format!("{model:?}{copied:?}").contains(planted));
    assert_eq!(
        update(&mut model, second(3), token),
        [],
        "one that was not asked for goes nowhere"
    );
}

#[test]
fn no_token_is_copied_or_renewed_while_a_request_for_it_is_in_progress() {
    let mut model = begun(three_setup(), 120, 40);
    press(&mut model, "2r", second(1));
    for key in ["y", "r"] {
        assert_eq!(press(&mut model, key, second(1)), [], "{key}");
        assert!(model.overlays.is_empty(), "{key}");
        let flash = model.store.flash.clone().unwrap().text;
        let why = "a request for this token is in progress";
        assert!(flash.ends_with(why), "{key}: {flash}");
    }
}

#[test]
fn claims_are_said_to_be_unverified_and_hostile_ones_are_inert() {
    let mut model = begun(three_setup(), 120, 40);
    assert_eq!(press(&mut model, "2i", second(1)), []);
    assert!(matches!(model.overlays.as_slice(), []), "there are none");
    let mut status = token(0, 600);
    status.claims = Some(format!(
        r#"{{"exp":1795316666,"x":"a\u202eb","long":"{}"}}"#,
        "漢".repeat(400)
    ));
    report(&mut model, 0, "kinguin", status);
    press(&mut model, "i", second(1));
    let text = screen(&model, second(1), 80, 24);
    assert!(text.contains("not verified"), "{text}");
    assert!(
        text.contains("1795316666,  (2026-11-22 03:04:26)"),
        "{text}"
    );
    press(&mut model, "G", second(1));
    let text = screen(&model, second(1), 44, 11);
    assert!(text.chars().all(|c| c == '\n' || !inert::is_hostile(c)));
}

#[test]
fn nine_accounts_scroll_and_long_names_are_cut() {
    let mut setup = sandbox_setup();
    for at in 0..9 {
        let name = format!("merchant-with-a-name-as-long-as-can-be-{at}");
        setup
            .accounts
            .push(token_account(&name, Environment::Sandbox));
    }
    let mut model = begun(setup, 80, 24);
    press(&mut model, "2G", second(1));
    let text = screen(&model, second(1), 80, 24);
    assert!(text.contains("none yet"), "{text}");
    assert_eq!(model.panes.tokens.list.selected, 8);
    let effects = press(&mut model, "r", second(1));
    let (_, account) = asked(&effects, &Op::RenewToken);
    assert!(account.as_str().ends_with('8'), "{account}");
}

#[test]
fn every_size_is_drawn_with_every_window() {
    let mut model = every_state();
    for request in 0..40 {
        let waiting = Waiting {
            left: None,
            account: name("due"),
            method: "POST".into(),
            path: "/x".repeat(90),
            about: "\u{1b}[2J".into(),
            why: "rate limit reached".into(),
            until: Some(Duration::from_secs(request)),
        };
        let msg = Msg::Waiting(RequestId(request), Some(waiting));
        update(&mut model, second(40), msg);
    }
    for (account, held, used) in [("due", Some(9), 3), ("fresh", None, 9), ("last", None, 0)] {
        let gauge = BudgetGauge {
            counts: Counts::Writes,
            used,
            own: used,
            limit: 9,
            period: Duration::from_millis(1_500),
            next_free: Some(Duration::from_secs(3)),
            waiting: used,
            held: held.map(Duration::from_secs),
        };
        let account = name(account);
        update(&mut model, second(40), Msg::Budget(account, gauge));
    }
    for keys in ["2", "5g", "5G", "2y", "<esc>S<tab>", "<esc>2f"] {
        press(&mut model, keys, second(40));
        for width in [1, 19, 40, 41, 59, 60, 76, 80, 107, 120, 200] {
            for height in [1, 9, 10, 11, 12, 15, 22, 24, 40, 70] {
                let text = resized_screen(&mut model, second(40), width, height);
                assert!(text.chars().all(|c| c == '\n' || !inert::is_hostile(c)));
            }
        }
    }
}

#[test]
fn keys_work_in_every_window_at_every_size() {
    for window in [
        "", "?", "!", "L", "S", ":", "3a", "4e", "5<enter>", "6<enter>", "7<enter>", "8a", "1a",
        "1i", "5/", "2i",
    ] {
        for (width, height) in [
            (1, 1),
            (1, 80),
            (250, 1),
            (39, 9),
            (40, 9),
            (39, 10),
            (40, 10),
            (60, 12),
        ] {
            let mut model = every_state();
            press(&mut model, window, second(40));
            update(&mut model, second(40), Msg::Resized { width, height });
            press(
                &mut model,
                "jkGg<down><up><tab><right><left>x<enter>",
                second(40),
            );
            resized_screen(&mut model, second(41), width, height);
        }
    }
}
