//! How distances are named.

use super::*;
use crate::domain::{DeliveryId, JobId, Payment, PaymentId, Reported, Subject, inert};
use proptest::prelude::*;

fn call(at: i64) -> TimelineEntry {
    ended(at, Outcome::Status(200))
}

fn ended(at: i64, outcome: Outcome) -> TimelineEntry {
    TimelineEntry {
        at: WallTime(at * 1_000),
        what: TimelineEvent::Call {
            operator: String::new(),
            exchange: ExchangeId(at),
            method: "POST".into(),
            path: format!("/check?at={at}"),
            outcome,
            took: Duration::from_millis(5),
        },
    }
}

fn state(at: i64, word: &str) -> TimelineEntry {
    let at = WallTime(at * 1_000);
    let payment = Payment {
        id: PaymentId::new("A-17").unwrap(),
        currency: Reported::currency("EMT"),
        amount: Reported::amount("25.00"),
        state: PaymentState::from_word(word),
    };
    TimelineEntry {
        at,
        what: TimelineEvent::State(Observation { at, payment }),
    }
}

fn delivery(at: i64, verdict: CallbackVerdict) -> Delivery {
    Delivery {
        id: DeliveryId(at),
        account: "kanga".into(),
        provider: "kanga".into(),
        received_at: WallTime(at * 1_000),
        happened_at: None,
        from: "127.0.0.1".into(),
        method: "GET".into(),
        verdict,
        why: String::new(),
        kind: String::new(),
        subject: Some(Subject::Payment(PaymentId::new("A-17").unwrap())),
        attempt: 1,
        status: 200,
        bytes: 0,
        jobs: Vec::new(),
    }
}

fn callback(at: i64) -> TimelineEntry {
    of(delivery(at, CallbackVerdict::Accepted))
}

fn of(delivery: Delivery) -> TimelineEntry {
    TimelineEntry {
        at: delivery.received_at,
        what: TimelineEvent::Callback(Arc::new(delivery)),
    }
}

fn checking(at: i64, state: JobState, tried_at: Option<i64>) -> TimelineEntry {
    let job = Job {
        id: JobId(at),
        kind: JobKind::Check,
        target: String::new(),
        is_replay: false,
        attempts: u32::from(tried_at.is_some()),
        not_found: 0,
        state,
        tried_at: tried_at.map(|at| WallTime(at * 1_000)),
        summary: String::new(),
        status: None,
        took: None,
    };
    of(Delivery {
        jobs: vec![job],
        ..delivery(at, CallbackVerdict::Accepted)
    })
}

/// Every remark in order, with the second of its row; last what is missing a quarter of an hour later.
fn describe(entries: &[TimelineEntry]) -> Vec<String> {
    let mut told: Vec<String> = rows(entries)
        .iter()
        .flat_map(|row| {
            let at = entries[row.first].at.0 / 1_000;
            row.remarks
                .iter()
                .map(move |remark| format!("{at}: {remark}"))
        })
        .collect();
    let last = entries.last().map_or(WallTime(0), |it| it.at);
    let late = last.plus(Duration::from_secs(905));
    told.extend(missing(entries, late).map(|remark| remark.to_string()));
    told
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn distances_are_named() {
    let due = JobState::Due {
        at: WallTime(99_000),
    };
    let cases: &[(&str, Vec<TimelineEntry>, &[&str])] = &[
        ("nothing", vec![], &[]),
        (
            "polling was faster than the callback",
            vec![state(0, "NEW"), state(100, "FINALIZED"), callback(140)],
            &["140: FINALIZED seen 40 s before its callback"],
        ),
        (
            "a callback that never came, and one that came in time",
            vec![
                state(0, "NEW"),
                state(100, "FINALIZING"),
                callback(200),
                call(200),
                state(201, "FINALIZED"),
            ],
            &[
                "100: no callback reported FINALIZING",
                "201: seen 1 s after callback 200",
            ],
        ),
        (
            "no callback yet",
            vec![state(0, "NEW"), state(100, "FINALIZING")],
            &["no callback for 15 min since FINALIZING"],
        ),
        (
            "the first that is known is no change",
            vec![state(0, "FINALIZED")],
            &[],
        ),
        (
            "the third of a payment whose end is known",
            vec![
                state(0, "NEW"),
                callback(10),
                state(11, "FINALIZED"),
                callback(900),
                of(delivery(3_600, CallbackVerdict::Repeat)),
            ],
            &[
                "11: seen 1 s after callback 10",
                "900: callback 900 reports nothing new",
                "3600: callback 3600 reports nothing new",
            ],
        ),
        (
            "a check that is not made yet may tell something",
            vec![
                state(0, "NEW"),
                callback(10),
                state(11, "ACTIVE"),
                checking(20, due, None),
            ],
            &["11: seen 1 s after callback 10"],
        ),
        (
            "a check that was made late",
            vec![
                state(0, "NEW"),
                checking(10, JobState::Done, Some(300)),
                state(301, "ACTIVE"),
            ],
            &["301: seen 4 min 51 s after callback 10"],
        ),
        (
            "a change long after a callback is not what it told of",
            vec![
                state(0, "NEW"),
                state(5, "ACTIVE"),
                callback(10),
                state(4_000, "CANCELED"),
            ],
            &[
                "10: ACTIVE seen 5 s before its callback",
                "no callback for 15 min since CANCELED",
            ],
        ),
        (
            "what is refused tells nothing and is not counted",
            vec![
                state(0, "NEW"),
                of(delivery(5, CallbackVerdict::Refused)),
                callback(10),
                state(12, "ACTIVE"),
            ],
            &["12: seen 2 s after callback 10"],
        ),
        (
            "a provider that is not asked",
            vec![callback(0), of(delivery(60, CallbackVerdict::Repeat))],
            &["60: callback 60 reports nothing new"],
        ),
        (
            "calls without change; the one that saw it stands alone",
            vec![
                state(0, "NEW"),
                call(10),
                call(20),
                call(30),
                call(40),
                state(40, "ACTIVE"),
                callback(41),
            ],
            &[
                "10: checked 3 times without change",
                "41: ACTIVE seen 1 s before its callback",
            ],
        ),
        (
            "a state that is seen again is no change",
            vec![state(0, "NEW"), call(9), state(10, "NEW"), callback(500)],
            &["500: NEW seen 8 min 20 s before its callback"],
        ),
        (
            "attempts that failed checked nothing",
            [1, 2, 3].map(|at| ended(at, Outcome::Status(503))).into(),
            &["1: 3 attempts failed"],
        ),
        (
            "two calls are no run, nor are such that ended otherwise",
            vec![
                call(1),
                call(2),
                ended(3, Outcome::Status(503)),
                call(4),
                call(5),
            ],
            &[],
        ),
    ];
    for (name, entries, remarks) in cases {
        assert_eq!(describe(entries), *remarks, "{name}");
    }
}

#[test]
fn a_payment_is_not_called_late_within_the_first_minute() {
    let entries = [state(0, "NEW"), state(100, "FINALIZED")];
    assert_eq!(missing(&entries, WallTime(159_999)), None);
    let told = missing(&entries, WallTime(299_000)).unwrap();
    assert_eq!(told.to_string(), "no callback for 3 min since FINALIZED");
}

#[test]
fn a_state_that_was_invented_is_inert() {
    let state = PaymentState::from_word("\u{1b}[2Jx");
    let told = Remark::NeverReported(state).to_string();
    assert!(!told.chars().any(inert::is_hostile), "{told}");
}

fn entry() -> impl Strategy<Value = TimelineEntry> {
    let at = 0..2_000_i64;
    let word = proptest::sample::select(vec!["NEW", "ACTIVE", "FINALIZING", "FINALIZED", "x"]);
    let verdict = proptest::sample::select(CallbackVerdict::ALL.to_vec());
    prop_oneof![
        3 => at.clone().prop_map(call),
        2 => (at.clone(), word).prop_map(|(at, word)| state(at, word)),
        2 => (at, verdict).prop_map(|(at, verdict)| of(delivery(at, verdict))),
    ]
}

proptest! {
    #[test]
    fn every_happening_is_reported_once_and_remarks_name_what_there_is(
        mut entries in proptest::collection::vec(entry(), 0..40),
        sorted in any::<bool>(),
    ) {
        if sorted {
            entries.sort_by_key(|it| it.at);
        }
        let rows = rows(&entries);
        let mut next = 0;
        let mut callbacks = Vec::new();
        for row in &rows {
            prop_assert_eq!(row.first, next);
            prop_assert!(row.last >= row.first);
            next = row.last + 1;
            let own = genuine(&entries[row.first]).map(|delivery| delivery.id);
            callbacks.extend(own);
            for remark in &row.remarks {
                match remark {
                    Remark::Unchanged(times) | Remark::Failed(times) => {
                        prop_assert_eq!(*times, row.last - row.first + 1);
                    }
                    Remark::NothingNew(callback) => prop_assert_eq!(Some(*callback), own),
                    Remark::SeenAfter { callback, .. } => {
                        prop_assert!(callbacks.contains(callback));
                    }
                    Remark::SeenBefore { by, .. } => {
                        prop_assert!(own.is_some() && by.as_secs() < 2_000);
                    }
                    Remark::NeverReported(_) => {}
                    Remark::NotReported { .. } => prop_assert!(false, "that is no row's"),
                }
            }
        }
        prop_assert_eq!(next, entries.len());
    }
}
