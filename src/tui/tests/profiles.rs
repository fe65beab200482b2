//! Switching the profile, and taking over a changed config file.

use super::*;
use crate::domain::manage::Change;
use crate::tui::intent::{Intent, Question};
use crate::tui::msg::{ConfigNews, NewWatch};
use crate::tui::overlays::ask::Confirmation;
use crate::tui::overlays::profiles;
use crate::tui::store::Purpose;
use crate::tui::watched::Watched;

fn ready(setup: Setup) -> Model {
    let mut model = sized(setup, 120, 40);
    let mut ready = readiness(vec![(watch("ORDER-1042", None), Vec::new())], Vec::new());
    ready.verify = Vec::new();
    update(&mut model, second(0), Msg::Ready(ready));
    model
}

fn live() -> Model {
    ready(live_setup())
}

/// Starts a call that writes, as the form for a payment link does.
fn write(model: &mut Model) {
    press(
        model,
        "LA-1<tab>5<tab>EMT<tab><tab><tab><tab> <enter>",
        second(1),
    );
    model.overlays.clear();
    assert!(model.store.is_writing());
}

fn id(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

#[test]
fn the_window_lists_every_profile() {
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let mut model = live();
        press(&mut model, "P", second(1));
        let text = resized_screen(&mut model, second(1), width, height);
        assert_snapshot!(format!("profiles_{width}x{height}"), text);
    }
}

#[test]
fn enter_opens_the_selected_profile_and_the_current_one_changes_nothing() {
    let mut model = live();
    let switch = |name: &str| vec![Effect::SwitchProfile(name.into())];
    assert_eq!(
        press(&mut model, "Pj<enter>", second(1)),
        switch("new-shop")
    );
    assert_eq!(press(&mut model, "Pk<enter>", second(1)), switch("sandbox"));
    assert_eq!(press(&mut model, "P<enter>", second(1)), []);
    assert!(model.overlays.is_empty());
}

#[test]
fn a_check_that_is_due_when_the_profile_is_switched_is_not_sent() {
    for keys in ["Pj", ":switch to profile live"] {
        let mut model = ready(sandbox_setup());
        let check = Purpose::Check(testing::id("ORDER-1042"));
        let of = |request: &RequestId| model.store.in_flight_for(*request).unwrap();
        let checking = model.store.requests().find(|it| of(it).purpose == check);
        let checking = checking.unwrap();
        let open = Answer::Payment(Ok(payment("ORDER-1042", "5", "ACTIVE")));
        answer(&mut model, second(1), checking, open);
        press(&mut model, keys, second(1));
        let effects = press(&mut model, "<enter>", second(500));
        assert_eq!(effects, [Effect::SwitchProfile("live".into())]);
        // A profile that cannot be opened leaves this one at work.
        let problem = Problem::new(ProblemKind::Config, "no such profile", "");
        let effects = update(&mut model, second(500), Msg::Done(Err(problem)));
        let sends = |effect: &Effect| matches!(effect, Effect::Query { .. });
        assert!(effects.iter().any(sends), "{effects:?}");
    }
}

#[test]
fn a_response_of_the_explorer_stays_while_its_profile_is_reopened_or_left() {
    type Change = fn(&mut Model);
    let coming_back: Change = |model| {
        for setup in [sandbox_setup(), live_setup()] {
            let mut next = Model::new(setup).unwrap();
            next.follow(model, second(3));
            let other = screen(&next, second(3), 120, 40);
            assert!(!other.contains("Portal 2"), "{other}");
            *model = next;
        }
        press(model, "6", second(3));
    };
    for (change, is_armed) in [(reopened as Change, true), (coming_back, false)] {
        let mut model = live();
        let (request, account, _) = {
            press(&mut model, "6", second(1));
            explorer::send(&mut model, "page by page", second(1))
        };
        assert_eq!(account, id("shop"));
        let explored = explorer::explored("{\"found\": \"Portal 2\"}");
        explorer::explored_result(&mut model, second(1), request, Ok(explored));
        model.store.known_mut(&id("shop")).unwrap().arm(second(1));
        change(&mut model);
        let ready = readiness(Vec::new(), Vec::new());
        update(&mut model, second(3), Msg::Ready(ready));
        let shown = screen(&model, second(3), 120, 40);
        assert!(shown.contains("Portal 2"), "{shown}");
        assert!(model.overlays.is_empty());
        let shop = model.store.known(&id("shop")).unwrap();
        assert_eq!(shop.armed(second(3)).is_some(), is_armed);
    }
}

#[test]
fn calls_of_an_account_that_was_removed_or_changed_do_not_come_back() {
    type Edit = fn(&mut Setup);
    let edits: [(&str, Edit, bool); 4] = [
        ("removed", |setup| drop(setup.accounts.remove(0)), false),
        (
            "another provider",
            |setup| setup.accounts[0].provider = ProviderId("pledg"),
            false,
        ),
        (
            "another environment",
            |setup| setup.accounts[0].environment = Environment::Sandbox,
            false,
        ),
        (
            "its secret in another place",
            |setup| setup.accounts[0].secret_source = "keyring shop".into(),
            true,
        ),
    ];
    for ((how, edit, stays), switches) in edits.into_iter().flat_map(|e| [(e, true), (e, false)]) {
        let mut model = live();
        press(&mut model, "6", second(1));
        let (request, account, _) = explorer::send(&mut model, "page by page", second(1));
        let found = explorer::explored("{\"found\": \"Portal 2\"}");
        explorer::explored_result(&mut model, second(1), request, Ok(found));
        let mut setup = live_setup();
        edit(&mut setup);
        let changed = Model::new(setup).unwrap();
        if switches {
            for mut next in [Model::new(sandbox_setup()).unwrap(), changed] {
                next.follow(&mut model, second(3));
                model = next;
            }
            press(&mut model, "6", second(3));
        } else {
            model.reopen(changed, &[], second(3));
        }
        update(
            &mut model,
            second(3),
            Msg::Ready(readiness(Vec::new(), Vec::new())),
        );
        let shown = screen(&model, second(3), 120, 40);
        assert_eq!(shown.contains("Portal 2"), stays, "{how}: {shown}");
        let explorer = &model.panes.explorer;
        assert_eq!(explorer.history.is_empty(), !stays, "{how}");
        let has_call = model.store.known(&account).is_some_and(|known| {
            let calls = model.store.catalogue(known.account.provider);
            !calls.is_empty()
        });
        let selected = explorer.draft().unwrap();
        assert_eq!(selected.account == account, has_call, "{how}");
    }
}

#[test]
fn the_palette_finds_each_other_profile_by_its_name() {
    let mut model = live();
    for (typed, name) in [
        ("switch to profile sand", "sandbox"),
        ("new-sh", "new-shop"),
    ] {
        let effects = press(&mut model, &format!(":{typed}<enter>"), second(1));
        assert_eq!(effects, [Effect::SwitchProfile(name.into())]);
    }
    press(&mut model, ":switch to profile live", second(1));
    assert!(screen(&model, second(1), 120, 40).contains("nothing matches"));
}

#[test]
fn a_write_in_flight_is_asked_about_before_the_profile_is_switched() {
    let mut model = ready(sandbox_setup());
    write(&mut model);
    assert_eq!(press(&mut model, "Pj<enter>", second(1)), []);
    assert_eq!(top::<Confirmation>(&model).unwrap().title, "Switch profile");
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("If you switch now"), "{shown}");
    assert!(shown.contains("switch anyway"), "{shown}");
    press(&mut model, "n", second(1));
    assert!(model.overlays.is_empty());
    let effects = press(&mut model, "Pj<enter>y", second(1));
    assert_eq!(effects, [Effect::SwitchProfile("live".into())]);
}

#[test]
fn a_change_of_the_config_waits_for_windows_and_for_writes() {
    let mut model = ready(sandbox_setup());
    assert!(!model.is_busy());
    press(&mut model, "?", second(1));
    assert!(model.is_busy());
    press(&mut model, "<esc>", second(1));
    assert!(!model.is_busy());
    write(&mut model);
    assert!(model.is_busy());
    let mut model = live();
    let change = Change::Remove(id("shop"));
    model.store.manage(&id("shop"), change, &mut Vec::new());
    assert!(model.is_busy());
}

/// The model goes on with the accounts `shop`, which is unchanged, `outlet`, which is not, and `extra`, which is new.
fn reopened(model: &mut Model) {
    let mut setup = live_setup();
    setup.accounts[1].host = "other.example".into();
    setup.accounts[2] = account("extra", Environment::Sandbox);
    model.reopen(Model::new(setup).unwrap(), &[id("shop")], second(3));
    let (width, height) = (120, 40);
    update(model, second(3), Msg::Resized { width, height });
}

#[test]
fn a_payment_that_could_not_be_saved_is_saved_once_its_profile_is_reopened() {
    let mut model = live();
    for (account, payment) in [("shop", "A-1"), ("shop", "A-2"), ("trial", "A-3")] {
        let new = NewWatch {
            account: id(account),
            ..new_watch(payment, Some("5"))
        };
        let watch = Watch::new(new.account.clone(), new.id.clone(), START);
        let watched = Watched::new(watch, Vec::new(), second(1));
        model.store.payments.push(watched);
        let full = Err(Problem::new(ProblemKind::Local, "the disk is full", ""));
        update(&mut model, second(1), Msg::Watched(new, full));
    }
    reopened(&mut model);
    let watch = |payment| Watch {
        account: id("shop"),
        ..watch(payment, None)
    };
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.watches = ["A-2", "B-1"].map(|of| (watch(of), Vec::new())).into();
    let effects = update(&mut model, second(3), Msg::Ready(ready));
    let saved = effects.iter().filter_map(|effect| match effect {
        Effect::Watch(new) => Some((new.id.as_str(), new.expected.clone())),
        _ => None,
    });
    let sum = || Some(emt("5"));
    assert_eq!(saved.collect::<Vec<_>>(), [("A-1", sum()), ("A-2", sum())]);
    let listed = model.store.payments.iter();
    let listed = listed.map(|watched| watched.watch.id.as_str());
    assert_eq!(
        listed.collect::<Vec<_>>(),
        ["A-1", "A-2", "B-1"],
        "extra has none"
    );
}

#[test]
fn a_payment_that_could_not_be_saved_is_asked_about_before_the_console_ends() {
    let mut model = ready(sandbox_setup());
    let (new, why) = (new_watch("ORDER-1042", Some("5")), "the disk is full");
    let full = Err(Problem::new(ProblemKind::Local, why, ""));
    update(&mut model, second(1), Msg::Watched(new.clone(), full));
    for (keys, verb, then) in [
        ("q", "quit", Effect::Quit),
        ("Pj<enter>", "switch", Effect::SwitchProfile("live".into())),
    ] {
        let mut model = model.clone();
        assert_eq!(press(&mut model, keys, second(1)), []);
        let shown = screen(&model, second(1), 120, 40);
        let asks = format!("A payment is not saved yet. If you {verb} now");
        assert!(shown.contains(&asks), "{shown}");
        let small = screen(&model, second(1), 30, 5);
        let small = small.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(small.contains("A payment is not saved yet."), "{small}");
        assert_eq!(press(&mut model, "y", second(1)), [then]);
    }
    assert!(!model.is_busy(), "a mended config file may mend the ledger");
    update(&mut model, second(2), Msg::Watched(new, Ok(None)));
    assert_eq!(press(&mut model, "q", second(2)), [Effect::Quit]);
}

#[test]
fn marks_stay_while_the_profile_is_reopened_and_its_ledger_cannot_be_read() {
    let mut model = live();
    let watches = || {
        let all = ["A-1", "A-2", "A-3"].into_iter();
        let shops = all.zip(0..).map(|(payment, at)| Watch {
            account: id("shop"),
            since: second(at).wall,
            ..watch(payment, None)
        });
        shops.collect::<Vec<Watch>>()
    };
    let stored = watches().into_iter().map(|watch| (watch, Vec::new()));
    let ready = readiness(stored.collect(), Vec::new());
    update(&mut model, second(1), Msg::Ready(ready));
    let copied = |effects: &[Effect]| explorer::copied(effects).to_owned();
    press(&mut model, "  ", second(1));
    let marked = copied(&press(&mut model, "y", second(1)));
    assert_eq!(marked.lines().count(), 2);
    reopened(&mut model);
    let mut unread = readiness(Vec::new(), Vec::new());
    unread.is_unread = true;
    update(&mut model, second(3), Msg::Ready(unread));
    let list = Watchlist {
        watches: watches(),
        handled: Vec::new(),
    };
    let seen = Vec::new();
    update(&mut model, second(3), Msg::Watchlist { list, seen });
    let saved = msg::Saved::default();
    update(&mut model, second(3), Msg::Saved(saved));
    assert_eq!(copied(&press(&mut model, "y", second(3))), marked);
}

#[test]
fn a_receiver_that_works_after_its_profile_was_reopened_is_not_said_to_fail() {
    let mut model = live();
    let down = ListenerStatus::Down {
        address: "127.0.0.1:8787".into(),
        why: "in use".into(),
        since: second(1).wall,
    };
    update(&mut model, second(1), Msg::ListenerStatus(down));
    assert_eq!(model.store.notices.len(), 1);
    reopened(&mut model);
    update(
        &mut model,
        second(3),
        Msg::ListenerStatus(testing::received::up(3)),
    );
    assert_eq!(model.store.notices, []);
}

#[test]
fn the_amount_that_is_estimated_stays_while_the_simulator_is_reopened() {
    let mut model = ready(sandbox_setup());
    let question = Question {
        account: testing::shop(),
        token: currency("EMT"),
        quantity: amount("5"),
    };
    let intent = Command::Do(Intent::Estimate(question));
    let (now, out) = (second(1), &mut Vec::new());
    model.carry_out(intent, &mut EffectSink { now, out });
    let fresh = Model::new(sandbox_setup()).unwrap();
    model.reopen(fresh, &[testing::shop()], second(3));
    let ready = readiness(Vec::new(), Vec::new());
    let effects = update(&mut model, second(3), Msg::Ready(ready));
    // The first one was cancelled with its profile.
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Query {
            op: Op::Estimate(estimate),
            ..
        } => Some(estimate.quantity.as_str()),
        _ => None,
    });
    assert_eq!(asked, Some("5"));
    press(&mut model, "4", second(3));
    let shown = screen(&model, second(3), 120, 40);
    assert!(shown.contains("price of 5 EMT"), "{shown}");
}

#[test]
fn only_unchanged_accounts_stay_armed_while_the_screen_stays() {
    let mut model = live();
    for name in ["shop", "outlet"] {
        let known = model.store.known_mut(&id(name)).unwrap();
        known.arm(second(1));
        known.stands(CredentialStatus::after(Ok(()), second(1).wall));
    }
    press(&mut model, "5/pos<enter>f", second(1));
    let estimate = press(&mut model, "4e", second(1));
    assert_eq!(estimate, []);
    press(&mut model, "<esc>5", second(1));
    reopened(&mut model);
    let armed = |name: &str| model.store.known(&id(name)).unwrap().armed(second(3));
    assert!(armed("shop").is_some());
    assert_eq!(armed("outlet"), None);
    assert!(model.store.known(&id("trial")).is_none());
    let status = |name: &str| model.store.known(&id(name)).unwrap().status.clone();
    assert_ne!(status("shop"), CredentialStatus::default());
    assert_eq!(status("outlet"), CredentialStatus::default());
    let shown = screen(&model, second(3), 120, 40);
    assert!(shown.contains("starting…"), "{shown}");
    assert!(shown.contains("searching requests for `pos`"), "{shown}");
    assert!(!shown.contains("─ 1 Credentials ─"), "{shown}");
}

#[test]
fn the_found_call_that_is_selected_stays_so_when_other_accounts_change() {
    let mut model = live();
    press(&mut model, "6/offers shop<enter>", second(1));
    let best = press(&mut model, "y", second(1));
    press(&mut model, "j", second(1));
    let selected = press(&mut model, "y", second(1));
    assert_ne!(selected, best);
    reopened(&mut model);
    assert_eq!(press(&mut model, "y", second(3)), selected);
}

#[test]
fn what_was_asked_before_is_no_longer_waited_for_and_its_number_is_not_used_again() {
    let mut model = live();
    let before = press(&mut model, "1v", second(1));
    let [Effect::Query { request: first, .. }] = before[..] else {
        panic!("{before:?}");
    };
    reopened(&mut model);
    assert_eq!(model.store.requests().count(), 0);
    let shown = screen(&model, second(3), 120, 40);
    assert!(!shown.contains("cancelled"), "{shown}");
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.verify = Vec::new();
    update(&mut model, second(3), Msg::Ready(ready));
    let after = press(&mut model, "v", second(4));
    let [
        Effect::Query {
            request: second, ..
        },
    ] = after[..]
    else {
        panic!("{after:?}");
    };
    assert!(second > first);
}

#[test]
fn settings_are_taken_over_without_a_start() {
    let mut model = live();
    let mut setup = live_setup();
    let keys = crate::domain::Words {
        words: vec!["f2".to_owned()],
        ..Default::default()
    };
    setup.ui.keys = [("help".to_owned(), keys)].into();
    setup.ui.ascii = true;
    model.set_preferences(&Model::new(setup).unwrap());
    let shown = screen(&model, second(1), 120, 40);
    assert!(
        shown.contains("F2 help") && shown.contains("+= 3 Payments"),
        "{shown}"
    );
    assert!(!shown.contains("starting"), "{shown}");
}

#[test]
fn a_config_file_that_cannot_be_used_is_shown_until_it_can() {
    let mut model = live();
    let why = "/c.toml:3:1: unknown key `accont`";
    let problem = Problem::new(ProblemKind::Config, why, "write account");
    for news in [ConfigNews::Unusable(problem), ConfigNews::Waits] {
        update(&mut model, second(1), Msg::Config(news));
        assert_eq!(
            model.store.notices.len(),
            1,
            "the later replaces the earlier"
        );
    }
    let shown = screen(&model, second(1), 120, 40);
    assert!(
        shown.contains("it is read again once no window is open"),
        "{shown}"
    );
    update(&mut model, second(2), Msg::Config(ConfigNews::Current));
    assert!(model.store.notices.is_empty());
    assert_eq!(model.store.flash, None);
}

#[test]
fn an_account_is_added_from_the_sandbox_where_its_profile_is_clear() {
    let mut model = ready(sandbox_setup());
    press(&mut model, "1a", second(1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("New account in your config file"), "{shown}");
    assert!(shown.contains("and opens"), "{shown}");
    let mut setup = sandbox_setup();
    for profile in &mut setup.profiles {
        profile.is_default = profile.built_in;
    }
    let mut model = ready(setup);
    press(&mut model, "1a", second(1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("P switches to live or new-shop"), "{shown}");
    press(&mut model, "P", second(1));
    assert!(is_top::<profiles::State>(&model));
}

#[test]
fn a_profile_that_cannot_be_opened_is_left_for_another_one_or_reopened() {
    let mut model = sized(live_setup(), 120, 40);
    press(&mut model, "?", second(0));
    let problem = Problem::new(ProblemKind::Local, "the ledger is newer", "update tilldeck");
    update(&mut model, second(0), Msg::NotReady(problem));
    assert!(!model.is_busy(), "a mended config file opens it");
    let shown = screen(&model, second(0), 120, 40);
    assert!(
        shown.contains("q quits, P opens this or another profile."),
        "{shown}"
    );
    assert_eq!(press(&mut model, "?1a:", second(1)), []);
    assert!(model.overlays.is_empty());
    press(&mut model, "P", second(1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(
        shown.contains("the ledger is newer") && shown.contains("─ Profiles ─"),
        "{shown}"
    );
    assert!(shown.contains("Enter switch"), "{shown}");
    for (keys, name) in [("<enter>", "live"), ("Pk<enter>", "sandbox")] {
        let effects = press(&mut model, keys, second(1));
        assert_eq!(effects, [Effect::SwitchProfile(name.into())]);
    }
}
