//! Adding, rotating and removing accounts in the console.

use std::fmt::Write as _;

use super::*;
use crate::domain::manage::{Change, Changed, NewAccount, NewSecret, Proof};
use crate::tui::overlays;

const PLANTED: &str = "planted-client-secret-8f3a";

fn ready(setup: Setup) -> Model {
    let mut model = sized(setup, 120, 40);
    let mut readiness = readiness(Vec::new(), Vec::new());
    readiness.simulator = None;
    readiness.verify = Vec::new();
    update(&mut model, second(0), Msg::Ready(readiness));
    press(&mut model, "1", second(0));
    model
}

fn paste(model: &mut Model, text: &str) {
    update(model, second(1), Msg::Paste(text.into()));
}

/// The form filled in for a Kinguin sandbox account.
fn filled() -> Model {
    let mut model = ready(live_setup());
    press(&mut model, "a <tab> <tab>keys<tab>CLIENT-1<tab>", second(1));
    paste(&mut model, PLANTED);
    model
}

fn change_of(effects: &[Effect]) -> (RequestId, Change) {
    match effects {
        [Effect::Manage(request, change)] => (*request, change.clone()),
        other => panic!("{other:?}"),
    }
}

/// The payment checks among these effects.
fn check_of(effects: &[Effect]) -> Option<RequestId> {
    effects.iter().find_map(|effect| match effect {
        Effect::Query { request, .. } => Some(*request),
        _ => None,
    })
}

fn managed(model: &mut Model, request: RequestId, result: Result<Changed, Problem>) -> Vec<Effect> {
    update(model, second(2), Msg::AccountChanged(request, result))
}

fn refused() -> Problem {
    Problem::new(
        ProblemKind::Refused,
        "account keys: Kinguin rejected the credentials (401)",
        "nothing was saved",
    )
}

fn unreachable() -> Problem {
    Problem::new(
        ProblemKind::Unreachable,
        "account keys: id.sandbox.kinguin.net refused the connection",
        "nothing was saved",
    )
}

fn kinguin(name: &str) -> Account {
    Account {
        provider: ProviderId("kinguin"),
        provider_title: "Kinguin",
        host: "gateway.sandbox.kinguin.net".into(),
        secret_source: "tilldeck's own file".into(),
        uses_access_tokens: true,
        abilities: &[],
        ..account(name, Environment::Sandbox)
    }
}

fn added() -> Changed {
    Changed::Added {
        account: kinguin("keys"),
        unverified: None,
        saved_in: vec![("client_secret".into(), "the keyring".into())],
        proved: vec!["client_secret".into()],
    }
}

fn name(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

#[test]
fn an_account_is_verified_then_saved_and_listed_without_a_restart() {
    let mut model = filled();
    let (request, change) = change_of(&press(&mut model, "<enter>", second(1)));
    assert_eq!(
        change,
        Change::Add(Box::new(NewAccount {
            name: name("keys"),
            provider: ProviderId("kinguin"),
            environment: Environment::Sandbox,
            texts: vec![("client_id", "CLIENT-1".into())],
            endpoints: Vec::new(),
            secrets: vec![("client_secret", Secret::new(PLANTED))],
            proof: Proof::Needed,
        }))
    );
    assert_eq!(
        press(&mut model, "<enter>", second(1)),
        [],
        "once is enough"
    );
    assert!(screen(&model, second(1), 120, 40).contains("verifying with Kinguin"));
    managed(&mut model, request, Ok(added()));
    assert!(matches!(model.overlays.as_slice(), []));
    let known = model.panes.credentials.selected(&model.store).unwrap();
    assert_eq!(known.account, kinguin("keys"));
    assert_eq!(
        known.status,
        CredentialStatus::after(Ok(()), second(2).wall)
    );
    let shown = screen(&model, second(2), 120, 40);
    assert!(
        shown.contains("keys is valid and saved: client_secret in the keyring"),
        "{shown}"
    );
    assert!(shown.contains("secret: tilldeck's own file"), "{shown}");
}

#[test]
fn refused_credentials_are_not_saved_and_stay_in_the_form() {
    let mut model = filled();
    let (request, _) = change_of(&press(&mut model, "<enter>", second(1)));
    managed(&mut model, request, Err(refused()));
    let shown = screen(&model, second(2), 120, 40);
    assert!(shown.contains("rejected the credentials (401)"), "{shown}");
    assert!(
        shown.contains("CLIENT-1") && shown.contains("••••"),
        "{shown}"
    );
    assert_eq!(model.store.accounts.len(), 3);
    let (again, change) = change_of(&press(&mut model, "<enter>", second(3)));
    assert_ne!(again, request);
    assert!(matches!(change, Change::Add(new) if new.proof == Proof::Needed));
}

#[test]
fn without_a_way_to_verify_it_is_saved_only_by_choice() {
    let mut model = filled();
    let (request, _) = change_of(&press(&mut model, "<enter>", second(1)));
    managed(&mut model, request, Err(unreachable()));
    let shown = screen(&model, second(2), 120, 40);
    assert!(shown.contains("save unverified"), "{shown}");
    let (request, change) = change_of(&press(&mut model, "<enter>", second(3)));
    assert!(matches!(change, Change::Add(new) if new.proof == Proof::Needed));
    managed(&mut model, request, Err(unreachable()));
    let (request, change) = change_of(&press(&mut model, " <enter>", second(3)));
    assert!(matches!(change, Change::Add(new) if new.proof == Proof::Waived));
    let Changed::Added {
        account, saved_in, ..
    } = added()
    else {
        unreachable!()
    };
    let changed = Changed::Added {
        account,
        unverified: Some(unreachable()),
        saved_in,
        proved: Vec::new(),
    };
    managed(&mut model, request, Ok(changed));
    let known = model.panes.credentials.selected(&model.store).unwrap();
    assert_eq!(known.status.state.as_str(), "unreachable");
    assert!(screen(&model, second(3), 120, 40).contains("keys is saved unverified"));
}

#[test]
fn verifying_can_be_cancelled() {
    let mut model = filled();
    let (request, _) = change_of(&press(&mut model, "<enter>", second(1)));
    assert_eq!(
        press(&mut model, "<esc>", second(1)),
        [Effect::Cancel(request)]
    );
    assert!(
        is_top::<overlays::account_add::State>(&model),
        "the fields stay"
    );
    let flash = model.store.flash.as_ref().unwrap();
    assert_eq!(flash.text, "cancelled the change of account keys");
    managed(&mut model, request, Err(refused()));
    assert!(!screen(&model, second(2), 120, 40).contains("401"));
    managed(&mut model, request, Ok(added()));
    assert_eq!(
        model.store.accounts.len(),
        4,
        "saved before it was cancelled"
    );
}

#[test]
fn a_form_stays_as_it_is_while_its_request_runs() {
    let mut model = filled();
    let (request, _) = change_of(&press(&mut model, "<enter>", second(1)));
    let before = screen(&model, second(1), 120, 40);
    assert_eq!(
        press(&mut model, "x<up><up><up><up> <enter>", second(1)),
        []
    );
    press(&mut model, "<down><down><down><down>", second(1));
    assert_eq!(screen(&model, second(1), 120, 40), before);
    paste(&mut model, "another");
    let flash = &model.store.flash.as_ref().unwrap().text;
    assert!(flash.ends_with("a request is in progress"), "{flash}");
    managed(&mut model, request, Ok(added()));
    assert!(model.overlays.is_empty());
}

#[test]
fn an_invalid_form_sends_no_request() {
    let mut model = ready(live_setup());
    assert_eq!(press(&mut model, "a<tab><tab>SHOP<enter>", second(1)), []);
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("account shop already exists"), "{shown}");
    assert!(shown.contains("required: the API secret"), "{shown}");
    let mut model = filled();
    press(&mut model, "<tab><tab>api=x<enter>", second(1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(
        shown.contains("the endpoints are: gateway, token"),
        "{shown}"
    );
}

#[test]
fn a_secret_in_a_form_is_nowhere_to_be_seen() {
    let mut model = filled();
    let mut seen = format!("{model:?}");
    for (width, height) in [(200, 60), (120, 40), (60, 15)] {
        seen += &resized_screen(&mut model, second(1), width, height);
    }
    let effects = press(&mut model, "<enter>", second(1));
    let (request, _) = change_of(&effects);
    write!(seen, "{effects:?} {model:?}").unwrap();
    managed(&mut model, request, Err(refused()));
    write!(seen, "{model:?}{}", screen(&model, second(2), 120, 40)).unwrap();
    managed(&mut model, request, Ok(added()));
    write!(seen, "{model:?}").unwrap();
    let mut model = ready(live_setup());
    press(&mut model, "R", second(1));
    paste(&mut model, PLANTED);
    let effects = press(&mut model, "<enter>", second(1));
    write!(
        seen,
        "{effects:?} {model:?}{}",
        screen(&model, second(1), 120, 40)
    )
    .unwrap();
    for piece in PLANTED.as_bytes().windows(8) {
        assert!(!seen.contains(str::from_utf8(piece).unwrap()));
    }
}

#[test]
fn a_rejected_secret_leaves_the_old_one_and_a_valid_one_replaces_it() {
    let mut model = ready(live_setup());
    press(&mut model, "R", second(1));
    assert_eq!(press(&mut model, "<enter>", second(1)), [], "nothing typed");
    paste(&mut model, PLANTED);
    let (request, change) = change_of(&press(&mut model, "<enter>", second(1)));
    assert_eq!(
        change,
        Change::Rotate(NewSecret {
            account: name("shop"),
            key: "api_secret".into(),
            secret: Secret::new(PLANTED),
            unverified: false,
        })
    );
    let problem = Problem::new(ProblemKind::Refused, "refused", "the old secret stays");
    managed(&mut model, request, Err(problem));
    assert!(screen(&model, second(2), 120, 40).contains("The old secret stays"));
    let (request, _) = change_of(&press(&mut model, "<enter>", second(2)));
    let rotated = Changed::Rotated {
        account: account("shop", Environment::Production),
        verified: true,
        saved_in: None,
        todo: "set env KANGA_API_SECRET to the new secret where you set it".into(),
    };
    managed(&mut model, request, Ok(rotated));
    let shown = screen(&model, second(2), 120, 40);
    assert!(shown.contains("set env KANGA_API_SECRET"), "{shown}");
    assert_eq!(model.store.accounts.len(), 3);
}

#[test]
fn a_live_account_goes_only_by_its_name_and_takes_its_payments_along() {
    let mut model = ready(live_setup());
    model.store.payments.push(watched::Watched::new(
        Watch {
            account: name("shop"),
            ..watch("A-17", None)
        },
        Vec::new(),
        second(0),
    ));
    let asked = check_of(&press(&mut model, "doutlet<enter>", second(1)));
    assert!(screen(&model, second(1), 120, 40).contains("type shop to remove it"));
    press(&mut model, "<esc>", second(1));
    let effects = press(&mut model, "dshop<enter>", second(1));
    let (request, change) = change_of(&effects);
    assert_eq!(change, Change::Remove(name("shop")));
    let removed = Changed::Removed {
        account: name("shop"),
        left: String::new(),
    };
    let effects = managed(&mut model, request, Ok(removed));
    assert_eq!(effects, [Effect::Cancel(asked.unwrap())]);
    assert!(model.store.known(&name("shop")).is_none());
    assert!(model.store.payments.is_empty());
    assert!(screen(&model, second(2), 120, 40).contains("shop is removed"));

    press(&mut model, "Gd", second(3));
    let (_, change) = change_of(&press(&mut model, "ndy", second(3)));
    assert_eq!(change, Change::Remove(name("trial")), "not live: no typing");
}

#[test]
fn the_console_works_after_the_last_account_is_removed() {
    let mut model = ready(live_setup());
    for account in ["shop", "outlet", "trial"] {
        let removed = Changed::Removed {
            account: name(account),
            left: String::new(),
        };
        managed(&mut model, RequestId(900), Ok(removed));
    }
    let shown = screen(&model, second(2), 120, 40);
    assert!(shown.contains("a adds one"), "{shown}");
    press(&mut model, "vdRAL3c4e5i<tab><esc>1a", second(3));
    assert!(is_top::<overlays::account_add::State>(&model));
}

#[test]
fn the_sandbox_loses_no_account_and_says_so() {
    let mut model = ready(sandbox_setup());
    assert_eq!(press(&mut model, "d", second(1)), []);
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("are fixed; a adds your own"), "{shown}");
}

#[test]
fn the_guide_lies_over_the_form_and_gives_it_back() {
    let mut model = filled();
    let f1 = ratatui::crossterm::event::KeyCode::F(1).into();
    update(&mut model, second(1), Msg::Key(f1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("Reset of a client's secret"), "{shown}");
    press(&mut model, "l", second(1));
    assert!(screen(&model, second(1), 120, 40).contains("A merchant account and its API key"));
    press(&mut model, "<esc>", second(1));
    assert!(screen(&model, second(1), 120, 40).contains("CLIENT-1"));
    press(&mut model, "<esc>i", second(1));
    assert!(is_top::<overlays::guide::State>(&model));
}

#[test]
fn windows_of_accounts() {
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let shot = |name: &str, model: &mut Model| {
            let text = resized_screen(model, second(2), width, height);
            assert_snapshot!(format!("{name}_{width}x{height}"), text);
        };
        let mut model = filled();
        shot("account_add", &mut model);
        let (request, _) = change_of(&press(&mut model, "<enter>", second(1)));
        managed(&mut model, request, Err(unreachable()));
        shot("account_unreachable", &mut model);
        press(&mut model, "<esc>i", second(2));
        press(&mut model, "l", second(2));
        shot("account_guide", &mut model);
        press(&mut model, "<esc>", second(2));
        model
            .store
            .adopt(kinguin("keys"), CredentialStatus::default());
        update(&mut model, second(2), Msg::Woke);
        press(&mut model, "GR", second(2));
        paste(&mut model, PLANTED);
        shot("account_rotate", &mut model);
        press(&mut model, "<esc>gd", second(2));
        shot("account_remove", &mut model);
    }
}

#[test]
fn windows_of_accounts_in_ascii_and_where_there_is_no_room() {
    let mut setup = live_setup();
    setup.ui.ascii = true;
    setup.color = false;
    for keys in ["a", "R", "d", "i"] {
        let mut model = ready(setup.clone());
        press(&mut model, keys, second(1));
        paste(&mut model, "pasted");
        assert!(resized_screen(&mut model, second(1), 80, 24).is_ascii());
        for (width, height) in [(40, 10), (41, 11), (30, 5), (1, 1)] {
            resized_screen(&mut model, second(1), width, height);
        }
    }
}
