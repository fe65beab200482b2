//! What the operator is notified of, and the window's title.

use std::sync::Arc;

use super::*;
use crate::tui::testing::received::delivery;

fn notified(model: &mut Model, at: u64) -> Vec<String> {
    let effects = model.notify(second(at)).into_iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Notify(text) => Some(text),
            _ => None,
        })
        .collect()
}

fn titled(model: &mut Model, at: u64) -> Vec<String> {
    let effects = model.notify(second(at)).into_iter();
    effects
        .filter_map(|effect| match effect {
            Effect::SetTitle(title) => Some(title),
            _ => None,
        })
        .collect()
}

fn warn(model: &mut Model, at: u64, about: &str) {
    let notice = msg::Notice {
        level: msg::Level::Warning,
        about: about.into(),
        text: format!("{about} is wrong"),
    };
    update(model, second(at), Msg::Notice(notice));
}

/// A console without alerts.
fn quiet() -> Model {
    let mut model = sized(sandbox_setup(), 120, 40);
    let ready = readiness(Vec::new(), Vec::new());
    update(&mut model, second(0), Msg::Ready(ready));
    model
}

#[test]
fn the_title_counts_the_alerts_and_is_set_only_where_it_changes() {
    let mut model = quiet();
    assert_eq!(titled(&mut model, 0), ["tilldeck sandbox"]);
    assert_eq!(titled(&mut model, 1), [""; 0]);
    warn(&mut model, 1, "disk");
    warn(&mut model, 1, "clock");
    assert_eq!(titled(&mut model, 1), ["(2!) tilldeck sandbox"]);
    press(&mut model, "!m", second(2));
    assert_eq!(titled(&mut model, 2), ["(1!) tilldeck sandbox"]);
}

#[test]
fn a_short_notice_goes_once_there_was_time_to_read_it_and_a_warning_stays() {
    for (level, stays) in [(msg::Level::Info, false), (msg::Level::Warning, true)] {
        let mut model = quiet();
        model.store.flash(level, "x".repeat(60));
        update(&mut model, second(1), Msg::Woke);
        update(&mut model, second(8), Msg::Woke);
        assert!(model.store.flash.is_some());
        let wake = next_wake(&model, second(8));
        assert_eq!(
            wake.is_some_and(|wake| wake <= Duration::from_secs(1)),
            !stays
        );
        update(&mut model, second(9), Msg::Woke);
        assert_eq!(model.store.flash.is_some(), stays);
    }
}

#[test]
fn an_old_notice_has_its_age() {
    let mut model = quiet();
    warn(&mut model, 1, "disk");
    for (at, words) in [(2, " Esc dismisses"), (125, " 2m ago · Esc dismisses")] {
        let shown = screen(&model, second(at), 120, 40);
        assert!(
            shown.contains(words) && shown.contains("ago") == (at > 60),
            "{shown}"
        );
    }
}

#[test]
fn a_hook_that_failed_in_an_earlier_run_is_an_alert_until_it_is_marked_as_handled() {
    let about = "hook on_paid of A-17 (shop)";
    let mark = |handled| Effect::MarkHandled {
        alert: format!("notice {about}"),
        handled,
        since: Some(WallTime(START.0 - 60_000)),
    };
    for (handled, is_shown) in [(None, true), (Some(-61), true), (Some(-59), false)] {
        let mut model = sized(sandbox_setup(), 120, 40);
        let mut ready = readiness(Vec::new(), Vec::new());
        let notice = msg::Notice {
            level: msg::Level::Warning,
            about: about.into(),
            text: format!("{about}: failed (exit status: 3)"),
        };
        let at = |seconds: i64| WallTime(START.0 + seconds * 1000);
        ready.saved.failed_hooks = vec![(notice, at(-60))];
        let mark_of = |seconds| testing::handled(&format!("notice {about}"), at(seconds));
        ready.handled = handled.map(mark_of).into_iter().collect();
        update(&mut model, second(0), Msg::Ready(ready));
        assert_eq!(alerts::count(&model.store), usize::from(is_shown));
        if !is_shown {
            continue;
        }
        press(&mut model, "!", second(0));
        let shown = screen(&model, second(0), 120, 40);
        assert!(shown.contains("exit status: 3"), "{shown}");
        assert!(shown.contains("1m │"), "{shown}");
        assert_eq!(press(&mut model, "m", second(0)), [mark(true)]);
        assert_eq!(model.store.notices, []);
        let list = Watchlist {
            watches: Vec::new(),
            handled: vec![mark_of(1)],
        };
        let seen = Vec::new();
        update(&mut model, second(1), Msg::Watchlist { list, seen });
        assert_eq!(alerts::count(&model.store), 0);
        assert!(screen(&model, second(1), 120, 40).contains("by anna"));
        assert_eq!(press(&mut model, "m", second(1)), [mark(false)]);
    }
    // Any other notice is of this run alone.
    let mut model = quiet();
    warn(&mut model, 1, "disk");
    assert_eq!(press(&mut model, "!m", second(2)), []);
}

#[test]
fn a_hook_that_failed_stays_an_alert_once_its_notice_is_dismissed() {
    let about = "hook on_paid of A-17 (shop)";
    let mut model = quiet();
    let notice = msg::Notice {
        level: msg::Level::Warning,
        about: about.into(),
        text: format!("{about}: failed (exit status: 3)"),
    };
    update(&mut model, second(1), Msg::Notice(notice.clone()));
    press(&mut model, "<esc>", second(1));
    // The ledger has those of this program as well.
    let shared = |notice| Msg::Shared {
        exchanges: Vec::new(),
        observations: Vec::new(),
        failed_hooks: vec![(notice, second(0).wall)],
    };
    update(&mut model, second(2), shared(notice.clone()));
    assert_eq!(model.store.notices, []);
    assert_eq!(alerts::count(&model.store), 1);
    let about = about.replace("A-17", "A-18");
    let resolved = about.clone();
    update(
        &mut model,
        second(3),
        shared(msg::Notice { about, ..notice }),
    );
    assert_eq!(model.store.notices.len(), 1, "of another program");
    assert_eq!(alerts::count(&model.store), 2);
    update(&mut model, second(4), Msg::Resolved(resolved));
    assert_eq!(model.store.notices, []);
    assert_eq!(alerts::count(&model.store), 1);
}

#[test]
fn alerts_from_before_the_start_are_one_notification() {
    let mut model = sized(live_setup(), 120, 40);
    warn(&mut model, 0, "disk");
    assert_eq!(notified(&mut model, 0), [""; 0], "the store is not ready");
    let account = || AccountId::new("shop").unwrap();
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.verify = Vec::new();
    ready.saved.credentials = vec![(
        account(),
        CredentialStatus {
            state: CredentialState::Refused,
            at: Some(second(0).wall),
            why: Some("the key is revoked".into()),
        },
    )];
    update(&mut model, second(0), Msg::Ready(ready));
    assert_eq!(
        notified(&mut model, 0),
        ["2 alerts · shop: credentials rejected: the key is revoked"]
    );
    assert_eq!(notified(&mut model, 60), [""; 0]);
}

#[test]
fn alerts_that_come_together_are_one_notification_and_none_is_repeated() {
    let mut model = quiet();
    warn(&mut model, 1, "disk");
    assert_eq!(notified(&mut model, 1), ["disk is wrong"]);
    for about in ["clock", "keyring"] {
        warn(&mut model, 2, about);
        assert_eq!(notified(&mut model, 2), [""; 0], "it just rang");
    }
    let wake = next_wake(&model, second(2)).unwrap();
    assert!(wake <= Duration::from_secs(4), "{wake:?}");
    assert_eq!(notified(&mut model, 6), ["2 alerts · clock is wrong"]);
    assert_eq!(notified(&mut model, 20), [""; 0]);
    // It goes and comes back: soon it is the same matter, much later it is not.
    for (gone, back, wanted) in [(30, 40, None), (50, 900, Some("disk is wrong"))] {
        model.store.dismiss("disk");
        assert_eq!(notified(&mut model, gone), [""; 0]);
        warn(&mut model, back, "disk");
        assert_eq!(notified(&mut model, back), Vec::from_iter(wanted));
    }
}

#[test]
fn an_alert_that_was_handled_elsewhere_while_it_waited_is_not_notified() {
    let mut model = quiet();
    warn(&mut model, 1, "disk");
    assert_eq!(notified(&mut model, 1), ["disk is wrong"]);
    warn(&mut model, 2, "clock");
    assert_eq!(notified(&mut model, 2), [""; 0]);
    model.store.dismiss("clock");
    assert_eq!(notified(&mut model, 6), [""; 0]);
    assert_eq!(notified(&mut model, 7), [""; 0]);
}

#[test]
fn a_failure_after_one_that_was_handled_is_notified() {
    let about = "hook on_paid of A-17 (shop)";
    let mut model = quiet();
    warn(&mut model, 1, about);
    assert_eq!(notified(&mut model, 1).len(), 1);
    let (watches, seen) = (Vec::new(), Vec::new());
    let handled = vec![testing::handled(&notice_alert(about), second(2).wall)];
    let list = Watchlist { watches, handled };
    update(&mut model, second(2), Msg::Watchlist { list, seen });
    assert_eq!(notified(&mut model, 2), [""; 0]);
    warn(&mut model, 30, about);
    assert_eq!(notified(&mut model, 30).len(), 1);
    assert_eq!(notified(&mut model, 60), [""; 0]);
}

#[test]
fn refused_callbacks_in_a_row_are_an_alert_until_a_genuine_one_comes() {
    let mut model = quiet();
    let mut comes = |number: i64, verdict, wanted: usize| {
        let delivery = Delivery {
            verdict,
            why: "the signature is wrong".into(),
            ..delivery(number, number, "A-17")
        };
        update(&mut model, second(9), Msg::Delivery(Arc::new(delivery)));
        assert_eq!(alerts::count(&model.store), wanted, "callback {number}");
    };
    comes(1, CallbackVerdict::Refused, 0);
    comes(2, CallbackVerdict::Refused, 0);
    comes(3, CallbackVerdict::Unreadable, 0);
    comes(4, CallbackVerdict::Refused, 1);
    comes(5, CallbackVerdict::Repeat, 0);
    comes(6, CallbackVerdict::Refused, 0);
    comes(7, CallbackVerdict::Refused, 0);
    comes(8, CallbackVerdict::Refused, 1);
    press(&mut model, "!", second(9));
    let text = screen(&model, second(9), 120, 40);
    assert!(
        text.contains("3 callbacks in a row were rejected: the signature is wrong; if"),
        "{text}"
    );
    press(&mut model, "<enter>", second(9));
    assert_eq!(model.focus, Pane::Callbacks);
}

#[test]
fn a_rate_limit_is_an_alert_while_over_nine_tenths_are_used() {
    let mut model = quiet();
    let mut uses = |at: u64, used: u32, wanted: usize| {
        let gauge = BudgetGauge {
            counts: Counts::All,
            used,
            limit: 600,
            period: Duration::from_mins(1),
            next_free: None,
            waiting: 0,
            held: None,
            own: 0,
        };
        let account = shop();
        update(&mut model, second(at), Msg::Budget(account, gauge));
        assert_eq!(alerts::count(&model.store), wanted, "{used}");
    };
    uses(0, 540, 0);
    uses(1, 541, 1);
    uses(2, 540, 0);
    uses(3, 600, 1);
    let now = second(3);
    let wake = next_wake(&model, now).unwrap();
    assert!(wake <= Duration::from_mins(1), "{wake:?}");
    update(&mut model, second(63), Msg::Woke);
    assert_eq!(alerts::count(&model.store), 0, "its slots are free again");
}

#[test]
fn a_token_that_cannot_be_renewed_is_an_alert_once_it_has_expired() {
    let mut model = sized(three_setup(), 120, 40);
    let mut start = readiness(Vec::new(), Vec::new());
    start.verify = Vec::new();
    update(&mut model, second(0), Msg::Ready(start));
    let account = || AccountId::new("kinguin").unwrap();
    let failure = TokenFailure {
        at: second(30).wall,
        why: "account kinguin: no connection".into(),
        refused: false,
        again: None,
    };
    let status = TokenStatus {
        failure: Some(failure),
        ..token(0, 90)
    };
    let report = |model: &mut Model, at, status| {
        let account = account();
        update(model, second(at), Msg::Token(account, status));
    };
    report(&mut model, 30, status.clone());
    assert_eq!(alerts::count(&model.store), 0, "it is valid yet");
    let wake = next_wake(&model, second(30)).unwrap();
    assert!(wake <= Duration::from_mins(1), "{wake:?}");
    update(&mut model, second(90), Msg::Woke);
    let [alert] = &alerts::all(&model.store)[..] else {
        panic!("{:?}", alerts::all(&model.store));
    };
    assert_eq!(
        alert.what,
        "the access token cannot be renewed: no connection"
    );
    let since = alert.since;
    report(&mut model, 100, status);
    assert_eq!(
        alerts::all(&model.store)[0].since,
        since,
        "each retry fails"
    );
    report(&mut model, 120, token(120, 90));
    assert_eq!(alerts::count(&model.store), 0);
}

#[test]
fn a_warning_among_the_alerts_says_that_it_is_one() {
    let mut model = quiet();
    warn(&mut model, 1, "disk");
    press(&mut model, "!", second(1));
    for (width, height) in [(120, 40), (40, 10)] {
        let shown = screen(&model, second(1), width, height);
        assert!(shown.contains("warning: disk is wrong"), "{shown}");
    }
}

#[test]
fn a_notice_has_no_place_to_go_to() {
    let mut model = quiet();
    warn(&mut model, 1, "disk");
    press(&mut model, "!", second(2));
    let shown = screen(&model, second(2), 120, 40);
    assert!(
        shown.contains("m handled") && !shown.contains("go there"),
        "{shown}"
    );
    press(&mut model, "<enter>", second(2));
    let flash = model.store.flash.clone().unwrap().text;
    assert!(flash.starts_with("cannot go to "), "{flash}");
}
