//! The console without a screen: which events give a line, and in which words.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::tui::testing::received::{delivery, forwarded, wall};

/// A console with these payments, and the lines of its start.
fn started(detail: Detail, watches: Vec<(Watch, Vec<Observation>)>) -> (Plain, Vec<String>) {
    let model = Model::new(three_setup()).unwrap();
    let mut plain = Plain::new(model, detail, TimeZone::UTC, second(0));
    let mut ready = readiness(watches, Vec::new());
    ready.verify = Vec::new();
    plain.update(second(0), Msg::Ready(ready));
    let lines = lines(&mut plain, second(0));
    (plain, lines)
}

fn quiet(detail: Detail) -> Plain {
    started(detail, Vec::new()).0
}

/// The lines of one message, without their times.
fn said(plain: &mut Plain, at: u64, msg: Msg) -> Vec<String> {
    plain.update(second(at), msg);
    untimed(&lines(plain, second(at)))
}

fn lines(plain: &mut Plain, now: Now) -> Vec<String> {
    plain.lines(now, str::to_owned)
}

fn untimed(lines: &[String]) -> Vec<String> {
    let words = lines.iter().map(|line| line.split_once(' ').unwrap().1);
    words.map(str::to_owned).collect()
}

fn observed(at: u64, state: &str, sum: &str) -> Msg {
    let payment = payment("ORDER-1042", sum, state);
    let at = second(at).wall;
    Msg::Shared {
        exchanges: Vec::new(),
        observations: vec![(shop(), Observation { at, payment })],
        failed_hooks: Vec::new(),
    }
}

fn warning(text: &str) -> Msg {
    Msg::Notice(msg::Notice {
        level: msg::Level::Warning,
        about: "disk".into(),
        text: text.into(),
    })
}

#[test]
fn the_start_names_the_profile_the_zone_and_the_accounts() {
    let watches = vec![
        (
            watch("ORDER-1042", Some("25.00")),
            seen("ORDER-1042", "25.00", &["ACTIVE"]),
        ),
        (
            watch("ORDER-1", Some("25.00")),
            seen("ORDER-1", "25.00", &["FINALIZED"]),
        ),
    ];
    let (_, lines) = started(Detail::Changes, watches);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        lines,
        [
            format!(
                "02:54:26 tilldeck {version} starts, profile sandbox; the date is 2026-11-22, times are UTC+00:00"
            )
            .as_str(),
            "02:54:26 account kanga: Kanga TPG, SIM, the built-in simulator, credentials untested",
            "02:54:26 account kinguin: Kinguin, SIM, the built-in simulator, credentials untested",
            "02:54:26 account pledg: Kinguin, SIM, the built-in simulator, credentials untested",
            "02:54:26 the simulator is at http://127.0.0.1:41207",
            "02:54:26 ready: 2 payments are watched, 1 open",
        ]
    );
}

#[test]
fn a_payment_gives_a_line_for_each_change_and_none_for_a_check_without_news() {
    let watches = vec![(watch("ORDER-1042", Some("25.00")), Vec::new())];
    let (mut plain, _) = started(Detail::Changes, watches);
    for (at, state, sum, expected) in [
        (
            1,
            "ACTIVE",
            "25.00",
            vec![
                "kanga: payment ORDER-1042: ACTIVE, not paid yet, 25.00 EMT: waiting for the payer; a part may have arrived",
            ],
        ),
        (2, "ACTIVE", "25.00", vec![]),
        (
            3,
            "FINALIZED",
            "20.00",
            vec![
                "needs attention: kanga: payment ORDER-1042: FINALIZED, DO NOT DELIVER, expected 25.00 EMT, received 20.00 EMT",
            ],
        ),
        (4, "FINALIZED", "20.00", vec![]),
        (
            5,
            "FINALIZED",
            "25.00",
            vec![
                "kanga: payment ORDER-1042 needs no attention now: PAID: expected 25.00 EMT, received 25.00 EMT",
            ],
        ),
    ] {
        let lines = said(&mut plain, at, observed(at, state, sum));
        assert_eq!(lines, expected, "{at}");
    }
    let list = Watchlist::default();
    let seen = Vec::new();
    assert_eq!(
        said(&mut plain, 6, Msg::Watchlist { list, seen }),
        ["kanga: payment ORDER-1042 is no longer watched"]
    );
}

#[test]
fn a_payment_that_needs_attention_gives_a_line_for_each_change_and_no_verdict_at_its_end() {
    let watches = vec![(watch("ORDER-1042", Some("25.00")), Vec::new())];
    let (mut plain, _) = started(Detail::Changes, watches);
    let words = |state: &str, sum: &str| match state {
        "FINALIZED" => format!(
            "needs attention: kanga: payment ORDER-1042: FINALIZED, DO NOT DELIVER, expected 25.00 EMT, received {sum} EMT"
        ),
        _ => format!(
            "needs attention: kanga: payment ORDER-1042: {state}, DO NOT DELIVER, not paid yet: expected 25.00 EMT, but the \
             payment is for {sum} EMT, less than expected"
        ),
    };
    for (at, state, sum) in [
        (1, "ACTIVE", "20.00"),
        (2, "PROCESSING", "20.00"),
        (3, "FINALIZED", "20.00"),
        (4, "FINALIZED", "24.00"),
        (5, "FINALIZED", "10.00"),
    ] {
        let lines = said(&mut plain, at, observed(at, state, sum));
        assert_eq!(lines, [words(state, sum)]);
    }
    let (list, seen) = (Watchlist::default(), Vec::new());
    assert_eq!(
        said(&mut plain, 6, Msg::Watchlist { list, seen }),
        ["kanga: payment ORDER-1042 is no longer watched"]
    );
    assert_eq!(untimed(&lines(&mut plain, second(60))), [""; 0]);
}

#[test]
fn what_a_colleague_marks_as_handled_is_not_over() {
    let stored = watch("ORDER-1042", Some("25.00"));
    let (mut plain, _) = started(Detail::Changes, vec![(stored.clone(), Vec::new())]);
    said(&mut plain, 1, observed(1, "FINALIZED", "20.00"));
    said(&mut plain, 1, warning("the disk is full"));
    let marked = |at, alerts: &[&str]| {
        let alerts = alerts.iter();
        let handled = alerts.map(|alert| Handled {
            operator: "anna".into(),
            ..handled(alert, second(at).wall)
        });
        let list = Watchlist {
            watches: vec![stored.clone()],
            handled: handled.collect(),
        };
        let seen = Vec::new();
        Msg::Watchlist { list, seen }
    };
    let payment = "kanga: payment ORDER-1042: FINALIZED, DO NOT DELIVER, expected 25.00 EMT, received 20.00 EMT";
    let both = ["payment kanga ORDER-1042 less", "notice disk"];
    assert_eq!(
        said(&mut plain, 2, marked(2, &both)),
        [
            "marked as handled by anna: the disk is full".to_owned(),
            format!("marked as handled by anna: {payment}"),
        ]
    );
    assert_eq!(untimed(&lines(&mut plain, second(60))), [""; 0]);
    assert_eq!(
        said(&mut plain, 61, marked(2, &[])),
        [
            "needs attention: the disk is full".to_owned(),
            format!("needs attention: {payment}"),
        ],
        "the mark is removed"
    );
    said(&mut plain, 62, marked(62, &both));
    assert_eq!(
        said(&mut plain, 63, observed(63, "FINALIZED", "10.00")),
        [format!("needs attention: {payment}").replace("20.00", "10.00")]
    );
}

#[test]
fn what_another_alert_hides_is_not_over() {
    let watches = vec![(watch("ORDER-1042", None), Vec::new())];
    let (mut plain, _) = started(Detail::Changes, watches);
    let failing = Problem::new(ProblemKind::Failing, "HTTP 500", "");
    plain.model.store.payments[0].failure = Some(failing);
    let unchecked = "kanga: ORDER-1042 cannot be checked, HTTP 500";
    assert_eq!(
        said(&mut plain, 1, Msg::Woke),
        [format!("needs attention: {unchecked}")]
    );
    let rejected = Problem::new(ProblemKind::Refused, "the key is revoked", "");
    plain.model.store.judge(&shop(), Err(&rejected), second(2));
    assert_eq!(
        said(&mut plain, 2, Msg::Woke),
        ["needs attention: kanga: credentials rejected: the key is revoked"]
    );
    assert_eq!(untimed(&lines(&mut plain, second(60))), [""; 0]);
    plain.model.store.judge(&shop(), Ok(()), second(61));
    assert_eq!(
        said(&mut plain, 61, Msg::Woke),
        ["kanga: credentials valid"]
    );
    plain.model.store.payments[0].failure = None;
    said(&mut plain, 62, Msg::Woke);
    assert_eq!(
        untimed(&lines(&mut plain, second(72))),
        [format!("no longer: {unchecked}")]
    );
}

#[test]
fn a_fault_that_comes_back_after_a_line_that_all_is_well_is_news() {
    /// The lines of a fault, or of its end.
    type Case = fn(&mut Plain, u64, bool) -> Vec<String>;
    fn listening(plain: &mut Plain, at: u64, fails: bool) -> Vec<String> {
        let listening = if fails {
            ListenerStatus::Down {
                address: "127.0.0.1:8787".into(),
                why: "address in use".into(),
                since: second(at).wall,
            }
        } else {
            crate::tui::testing::received::up(1)
        };
        said(plain, at, Msg::ListenerStatus(listening))
    }
    fn credentials(plain: &mut Plain, at: u64, fails: bool) -> Vec<String> {
        let rejected = Problem::new(ProblemKind::Refused, "the key is revoked", "");
        let result = if fails { Err(&rejected) } else { Ok(()) };
        plain.model.store.judge(&shop(), result, second(at));
        said(plain, at, Msg::Woke)
    }
    fn ledger(plain: &mut Plain, at: u64, fails: bool) -> Vec<String> {
        let (level, text) = if fails {
            (msg::Level::Error, "the disk is full")
        } else {
            (msg::Level::Info, "the ledger can be used again")
        };
        let notice = msg::Notice {
            level,
            about: msg::LEDGER.into(),
            text: text.into(),
        };
        said(plain, at, Msg::Notice(notice))
    }
    for case in [listening as Case, credentials, ledger] {
        let mut plain = quiet(Detail::Changes);
        let all: Vec<String> = [true, false, true, false]
            .into_iter()
            .zip(1..)
            .flat_map(|(fails, at)| case(&mut plain, at, fails))
            .collect();
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all[0].starts_with("needs attention: "), "{all:?}");
        assert_eq!(all[..2], all[2..]);
        assert_eq!(untimed(&lines(&mut plain, second(60))), [""; 0], "{all:?}");
    }
}

#[test]
fn credentials_that_fail_in_another_way_are_not_valid_again() {
    let mut plain = quiet(Detail::Changes);
    for (at, kind, expected) in [
        (1, ProblemKind::Refused, "credentials rejected: why"),
        (2, ProblemKind::Unreachable, "provider unreachable: why"),
    ] {
        let problem = Problem::new(kind, "why", "");
        plain.model.store.judge(&shop(), Err(&problem), second(at));
        assert_eq!(
            said(&mut plain, at, Msg::Woke),
            [format!("needs attention: kanga: {expected}")]
        );
    }
    assert_eq!(untimed(&lines(&mut plain, second(60))), [""; 0]);
}

#[test]
fn a_clock_that_is_set_back_silences_nothing() {
    let mut plain = quiet(Detail::Changes);
    let now = Now {
        mono: second(5).mono,
        wall: wall(-3600),
    };
    let job = Job {
        tried_at: Some(now.wall),
        ..forwarded(7, 503, JobState::GivenUp)
    };
    let callback = Delivery {
        received_at: now.wall,
        jobs: vec![job],
        ..delivery(3, 1, "ORDER-1")
    };
    plain.model.store.judge(&shop(), Ok(()), now);
    plain.update(now, Msg::Delivery(Arc::new(callback)));
    let lines = untimed(&lines(&mut plain, now));
    for part in [
        "callback 3, payment changed for ORDER-1",
        "callback 3 to http://127.0.0.1:3000/kanga: ",
        "credentials valid",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{lines:?}");
    }
}

#[test]
fn a_secret_at_the_end_of_a_long_line_leaves_no_part() {
    let mut plain = quiet(Detail::Changes);
    let text = format!("{} planted-secret", "x".repeat(570));
    plain.update(second(1), warning(&text));
    let lines = plain.lines(second(1), |line| line.replace("planted-secret", "…"));
    assert!(!lines.concat().contains("plant"), "{lines:?}");
}

fn used(used: u32, held: Option<u64>) -> Msg {
    let gauge = BudgetGauge {
        counts: Counts::All,
        used,
        own: used,
        limit: 600,
        period: std::time::Duration::from_mins(1),
        next_free: None,
        waiting: 0,
        held: held.map(std::time::Duration::from_secs),
    };
    let account = shop();
    Msg::Budget(account, gauge)
}

#[test]
fn what_comes_and_goes_is_reported_once_and_its_end_once_it_stays_away() {
    let mut plain = quiet(Detail::Changes);
    let what = "kanga: over 90 % of the rate limit is used: 590 of 600 requests in 1 min";
    let begun = said(&mut plain, 1, used(590, None));
    assert_eq!(begun, [format!("needs attention: {what}")]);
    assert_eq!(said(&mut plain, 2, used(10, None)), [""; 0]);
    let again = said(&mut plain, 5, used(590, None));
    assert_eq!(again, [""; 0], "it was away for a moment only");
    assert_eq!(said(&mut plain, 6, used(10, None)), [""; 0]);
    assert!(plain.next_wake(second(6)).unwrap() <= std::time::Duration::from_secs(10));
    assert_eq!(untimed(&lines(&mut plain, second(15))), [""; 0]);
    assert_eq!(
        untimed(&lines(&mut plain, second(16))),
        [format!("no longer: {what}")]
    );
}

#[test]
fn a_notice_gives_a_line_for_each_text_and_the_next_one_ends_it() {
    let mut plain = quiet(Detail::Changes);
    for (at, level, text, expected) in [
        (
            1,
            msg::Level::Warning,
            "the disk is full",
            "needs attention: the disk is full",
        ),
        (
            2,
            msg::Level::Warning,
            "the disk is away",
            "needs attention: the disk is away",
        ),
        (3, msg::Level::Info, "the disk is back", "the disk is back"),
        (4, msg::Level::Info, "the disk is back", "the disk is back"),
    ] {
        let notice = msg::Notice {
            level,
            about: "disk".into(),
            text: text.into(),
        };
        let lines = said(&mut plain, at, Msg::Notice(notice));
        assert_eq!(lines, [expected]);
    }
    assert_eq!(untimed(&lines(&mut plain, second(30))), [""; 0]);
}

#[test]
fn a_request_gives_a_line_when_it_begins_to_fail_and_when_it_works_again() {
    let refused = || Outcome::Failed("connection refused".into());
    let sent = |at, outcome| Msg::Exchange(exchange(at, "/check?x=1", outcome));
    let mut plain = quiet(Detail::Changes);
    let mut all = quiet(Detail::All);
    for (at, outcome, expected) in [
        (1, Outcome::Status(200), None),
        (
            2,
            refused(),
            Some(
                "kanga: POST /check, ORDER-1042: failed, connection refused after 12 ms, request 2",
            ),
        ),
        (3, refused(), None),
        (
            4,
            Outcome::Status(503),
            Some("kanga: POST /check, ORDER-1042: status 503 after 12 ms, request 4"),
        ),
        (
            5,
            Outcome::Refused(200, "fail 9000".into()),
            Some("kanga: POST /check, ORDER-1042: status 200, fail 9000 after 12 ms, request 5"),
        ),
        (
            6,
            Outcome::Status(200),
            Some("kanga: POST /check, ORDER-1042: status 200 after 12 ms, request 6"),
        ),
        (7, Outcome::Status(200), None),
    ] {
        let lines = said(&mut plain, 1, sent(at, outcome.clone()));
        assert_eq!(lines, Vec::from_iter(expected), "{at}");
        assert_eq!(said(&mut all, 1, sent(at, outcome)).len(), 1, "{at}");
    }
}

#[test]
fn a_callback_gives_a_line_and_its_forward_when_it_fails_and_when_it_succeeds_after_all() {
    let due = |attempts| {
        let state = JobState::Due { at: wall(90) };
        Job {
            attempts,
            ..forwarded(7, 503, state)
        }
    };
    let callback = |job: Job| {
        Msg::Delivery(Arc::new(Delivery {
            jobs: vec![job],
            ..delivery(3, 1, "ORDER-1")
        }))
    };
    let mut plain = quiet(Detail::Changes);
    let verdict = "kanga: callback 3, payment changed for ORDER-1: accepted, not verified: Kanga does not sign, so \
                   tilldeck asks Kanga, answered 200";
    let failing = "kanga: callback 3 to http://127.0.0.1:3000/kanga: HTTP 503, forward at 02:55:56";
    for (job, expected) in [
        (due(1), vec![verdict, failing]),
        (due(2), vec![]),
        (
            forwarded(7, 200, JobState::Done),
            vec!["kanga: callback 3 to http://127.0.0.1:3000/kanga: forwarded: HTTP 200 4 ms"],
        ),
    ] {
        assert_eq!(said(&mut plain, 2, callback(job)), expected);
    }
    let old = Delivery {
        received_at: wall(-5),
        ..delivery(2, 1, "ORDER-1")
    };
    let old = Msg::Delivery(Arc::new(old));
    assert_eq!(said(&mut plain, 2, old), [""; 0], "of an earlier run");
}

#[test]
fn what_fails_for_long_is_not_reported_again_whatever_else_was_reported_since() {
    const MANY: i64 = 4_001;
    let due = |attempts| Job {
        attempts,
        ..forwarded(1, 503, JobState::Due { at: wall(90) })
    };
    let callback = |id, jobs| {
        Msg::Delivery(Arc::new(Delivery {
            jobs,
            ..delivery(id, 1, "ORDER-1")
        }))
    };
    let mut plain = quiet(Detail::Changes);
    assert_eq!(said(&mut plain, 2, callback(1, vec![due(1)])).len(), 2);
    let done = |id| forwarded(id, 200, JobState::Done);
    let others = 2..=MANY;
    let jobs = others.clone().map(done).collect();
    assert_eq!(said(&mut plain, 2, callback(2, jobs)).len(), 1);
    for id in others.skip(1) {
        plain.update(second(2), callback(id, Vec::new()));
    }
    lines(&mut plain, second(2));
    assert_eq!(said(&mut plain, 3, callback(1, vec![due(2)])), [""; 0]);
    assert_eq!(
        said(&mut plain, 4, callback(1, vec![done(1)])),
        ["kanga: callback 1 to http://127.0.0.1:3000/kanga: forwarded: HTTP 200 4 ms"]
    );

    let fails = |about: &str| {
        Msg::Exchange(Arc::new(Exchange {
            about: about.into(),
            ..(*exchange(5, "/check", Outcome::Status(503))).clone()
        }))
    };
    for number in 1..=2_000 {
        plain.update(second(5), fails(&format!("ORDER-{number}")));
    }
    plain.update(second(5), fails("A"));
    lines(&mut plain, second(5));
    assert_eq!(said(&mut plain, 6, fails("A")), [""; 0]);
}

#[test]
fn an_access_token_is_received_renewed_or_cannot_be_renewed() {
    let account = || AccountId::new("kinguin").unwrap();
    let failure = TokenFailure {
        at: second(5).wall,
        why: "the provider is unreachable".into(),
        refused: false,
        again: None,
    };
    let failing = TokenStatus {
        failure: Some(failure),
        ..token(0, 3600)
    };
    let renewed = TokenStatus {
        fetched: 2,
        ..token(30, 3600)
    };
    let mut plain = quiet(Detail::Changes);
    for (at, status, expected) in [
        (
            0,
            token(0, 3600),
            vec!["kinguin: access token received, valid for 1 h"],
        ),
        (1, token(0, 3600), vec![]),
        (
            5,
            failing.clone(),
            vec![
                "kinguin: the access token cannot be renewed: the provider is unreachable. The current one is valid for 59 \
                 min 55 s",
            ],
        ),
        (6, failing.clone(), vec![]),
        (
            30,
            renewed,
            vec!["kinguin: access token renewed, valid for 1 h"],
        ),
        (
            4000,
            failing.clone(),
            vec![
                "needs attention: kinguin: the access token cannot be renewed: the provider is unreachable",
            ],
        ),
        (
            4001,
            TokenStatus {
                fetched: 0,
                ..token(4001, 3600)
            },
            vec!["kinguin: access token received, valid for 1 h"],
        ),
        (
            4002,
            TokenStatus {
                failure: failing.failure.clone(),
                ..token(4001, 3600)
            },
            vec![
                "kinguin: the access token cannot be renewed: the provider is unreachable. The current one is valid for 59 \
                 min 59 s",
            ],
        ),
        (
            4003,
            TokenStatus {
                fetched: 0,
                ..token(4003, 3600)
            },
            vec!["kinguin: access token received, valid for 1 h"],
        ),
    ] {
        let account = account();
        let lines = said(&mut plain, at, Msg::Token(account, status));
        assert_eq!(lines, expected, "{at}");
    }
}

#[test]
fn credentials_a_pause_after_429_and_the_receiver_give_lines() {
    let mut plain = quiet(Detail::Changes);
    plain.model.store.judge(&shop(), Ok(()), second(1));
    assert_eq!(said(&mut plain, 1, Msg::Woke), ["kanga: credentials valid"]);
    assert_eq!(said(&mut plain, 2, Msg::Woke), [""; 0]);
    let rejected = Problem::new(ProblemKind::Refused, "the key is revoked", "");
    plain.model.store.judge(&shop(), Err(&rejected), second(3));
    assert_eq!(
        said(&mut plain, 3, Msg::Woke),
        ["needs attention: kanga: credentials rejected: the key is revoked"]
    );
    assert_eq!(
        said(&mut plain, 4, used(3, Some(30))),
        [
            "kanga: rate limit, status 429: the next request is sent at 02:55:00; another program may be using this key"
        ]
    );
    assert_eq!(said(&mut plain, 34, used(3, None)), [""; 0]);
    assert_eq!(
        untimed(&lines(&mut plain, second(44))),
        ["kanga: the pause after status 429 is over"]
    );
    let up = Msg::ListenerStatus(crate::tui::testing::received::up(44));
    assert_eq!(
        said(&mut plain, 44, up.clone()),
        ["callbacks are received at http://127.0.0.1:8787"]
    );
    assert_eq!(said(&mut plain, 45, up), [""; 0]);
    let down = Msg::ListenerStatus(ListenerStatus::Down {
        address: "127.0.0.1:8787".into(),
        why: "address in use".into(),
        since: second(46).wall,
    });
    assert_eq!(
        said(&mut plain, 46, down),
        ["needs attention: cannot receive callbacks at 127.0.0.1:8787: address in use"]
    );
}

#[test]
fn a_profile_that_is_reopened_is_listed_again_and_one_that_cannot_open_gives_a_line() {
    let watches = || vec![(watch("ORDER-1042", None), Vec::new())];
    let (mut plain, _) = started(Detail::Changes, watches());
    let failing = Problem::new(ProblemKind::Failing, "HTTP 500", "");
    plain.model.store.payments[0].failure = Some(failing);
    assert_eq!(said(&mut plain, 1, Msg::Woke).len(), 1);
    let full = "needs attention: the disk is full";
    assert_eq!(said(&mut plain, 1, warning("the disk is full")), [full]);
    let reopen = |plain: &mut Plain| {
        let fresh = Model::new(three_setup()).unwrap();
        plain.reopen(fresh, &[], second(1));
        said(plain, 1, Msg::Config(msg::ConfigNews::Reloaded))
    };
    let reloaded = ["the config file changed and was read again"];
    assert_eq!(reopen(&mut plain), reloaded);
    let problem = Problem::new(ProblemKind::Local, "the state folder is away", "mount it");
    assert_eq!(
        said(&mut plain, 2, Msg::NotReady(problem)),
        ["needs attention: the profile cannot be opened: the state folder is away. Mount it"]
    );
    assert_eq!(plain.failure(), None, "the config file may be mended");
    assert_eq!(reopen(&mut plain), reloaded);
    let mut ready = readiness(watches(), Vec::new());
    ready.verify = Vec::new();
    let lines = said(&mut plain, 3, Msg::Ready(ready));
    assert!(lines[0].starts_with("account kanga: "), "{lines:?}");
    let [.., ready, again] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!(ready, "ready: 1 payment is watched, 1 open");
    assert_eq!(again, full, "it is still wrong");
    let later = untimed(&self::lines(&mut plain, second(60)));
    assert_eq!(later, [""; 0], "the check may still fail");
}

#[test]
fn a_ledger_that_cannot_be_read_is_not_reported_as_an_empty_one() {
    let model = Model::new(three_setup()).unwrap();
    let mut plain = Plain::new(model, Detail::Changes, TimeZone::UTC, second(0));
    let mut ready = readiness(Vec::new(), Vec::new());
    (ready.is_unread, ready.verify) = (true, Vec::new());
    let start = said(&mut plain, 0, Msg::Ready(ready));
    assert_eq!(
        start.last().unwrap(),
        "ready: the ledger cannot be read; what is watched appears once it can"
    );
    let read = Msg::Saved(msg::Saved::default());
    let read = said(&mut plain, 1, read);
    assert_eq!(read, ["the ledger can be read: no payment is watched"]);
    assert_eq!(said(&mut plain, 2, Msg::Woke), [""; 0]);
}

#[test]
fn a_new_day_is_named_before_its_first_line() {
    let mut plain = quiet(Detail::Changes);
    plain.update(second(80_000), warning("the disk is full"));
    assert_eq!(
        lines(&mut plain, second(80_000)),
        [
            "01:07:46 the date is 2026-11-23, times are UTC+00:00",
            "01:07:46 needs attention: the disk is full"
        ]
    );
}

#[test]
fn no_line_has_a_control_character_or_no_end() {
    let hostile = "a\u{1b}[2J\u{7}\u{202e}b\nc ".repeat(200);
    let mut plain = quiet(Detail::All);
    let messages = [
        warning(&hostile),
        Msg::Done(Ok(hostile.clone())),
        Msg::Exchange(exchange(1, &hostile, Outcome::Failed(hostile.clone()))),
        Msg::Delivery(Arc::new(Delivery {
            account: hostile.clone(),
            kind: hostile.clone(),
            ..delivery(3, 1, "ORDER-1")
        })),
    ];
    for msg in messages {
        plain.update(second(1), msg);
    }
    let lines = lines(&mut plain, second(1));
    assert!(lines.len() >= 4, "{lines:?}");
    for line in lines {
        assert!(!line.contains(inert::is_hostile), "{line:?}");
        assert!(line.chars().count() < 700, "{line}");
    }
}
