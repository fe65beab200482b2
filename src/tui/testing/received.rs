//! Callbacks and timelines for tests.

use std::sync::Arc;
use std::time::Duration;

use super::{START, busy, emt, id, note, payment, second, shop};
use crate::domain::{
    Body, CallbackVerdict, Delivery, DeliveryId, ExchangeId, Job, JobId, JobKind, JobState,
    ListenerStatus, Observation, Outcome, PaymentVerdict, Received, RowIds, Subject, Timeline,
    TimelineEntry, TimelineEvent, WallTime,
};
use crate::tui::{Model, Msg, update};

/// This many seconds after the start; negative before it.
pub fn wall(at: i64) -> WallTime {
    WallTime(START.0 + at * 1_000)
}

/// An accepted callback about a payment, received at second `at`; its id is `number`.
pub fn delivery(number: i64, at: i64, payment: &str) -> Delivery {
    Delivery {
        id: DeliveryId(number),
        account: shop().to_string(),
        provider: "kanga".into(),
        received_at: wall(at),
        happened_at: None,
        from: "127.0.0.1".into(),
        method: "POST".into(),
        verdict: CallbackVerdict::Accepted,
        why: "nothing: Kanga does not sign, so tilldeck asks Kanga".into(),
        kind: "payment changed".into(),
        subject: Some(Subject::Payment(id(payment))),
        attempt: 1,
        status: 200,
        bytes: 28,
        jobs: vec![asked(number, "PROCESSING")],
    }
}

/// A job that checked the payment.
pub fn asked(number: i64, told: &str) -> Job {
    Job {
        id: JobId(number),
        kind: JobKind::Check,
        target: String::new(),
        is_replay: false,
        attempts: 1,
        not_found: 0,
        state: JobState::Done,
        tried_at: Some(wall(1)),
        summary: told.into(),
        status: None,
        took: Some(Duration::from_millis(12)),
    }
}

/// A job that forwarded the callback.
pub fn forwarded(number: i64, status: u16, state: JobState) -> Job {
    Job {
        id: JobId(number),
        kind: JobKind::Forward,
        target: "http://127.0.0.1:3000/kanga".into(),
        is_replay: false,
        attempts: 1,
        not_found: 0,
        state,
        tried_at: Some(wall(1)),
        summary: format!("HTTP {status}"),
        status: Some(status),
        took: Some(Duration::from_millis(4)),
    }
}

pub fn up(heartbeat: i64) -> ListenerStatus {
    ListenerStatus::Up {
        url: "http://127.0.0.1:8787".into(),
        heartbeat: wall(heartbeat),
    }
}

/// One callback with each verdict, and jobs in every state; the newest last.
pub fn deliveries() -> Vec<Arc<Delivery>> {
    let base = |number, at| delivery(number, at, "ORDER-1042");
    let mut all = vec![
        delivery(1, -90_000, "ORDER-1040"),
        Delivery {
            verdict: CallbackVerdict::Unreadable,
            why: "transactionKey is missing".into(),
            kind: String::new(),
            subject: None,
            status: 400,
            jobs: Vec::new(),
            ..base(2, -600)
        },
        Delivery {
            verdict: CallbackVerdict::UnknownAccount,
            account: "shopp".into(),
            provider: String::new(),
            why: "no account has this name".into(),
            kind: String::new(),
            subject: None,
            status: 404,
            jobs: Vec::new(),
            ..base(3, -540)
        },
        Delivery {
            verdict: CallbackVerdict::Refused,
            why: "the key is not that of the game".into(),
            kind: "INVENTORY".into(),
            subject: Some(Subject::Player(crate::domain::PlayerId(765))),
            status: 403,
            jobs: Vec::new(),
            ..base(4, -300)
        },
        base(5, -120),
        Delivery {
            verdict: CallbackVerdict::Repeat,
            attempt: 2,
            jobs: Vec::new(),
            ..base(6, -60)
        },
    ];
    let mut both = delivery(7, -30, "ORDER-1041");
    both.jobs = vec![
        asked(7, "paid, FINALIZED, expected 25.00 EMT"),
        forwarded(8, 200, JobState::Done),
    ];
    all.push(both);
    let mut failing = delivery(8, -12, "ORDER-1043");
    failing.jobs = vec![
        asked(9, "NEW"),
        forwarded(10, 500, JobState::Due { at: wall(16) }),
    ];
    all.push(failing);
    let mut lost = delivery(9, -8, "SUBSCRIPTION-2026-11-a7f3");
    lost.jobs = vec![Job {
        attempts: 8,
        ..forwarded(11, 502, JobState::GivenUp)
    }];
    all.push(lost);
    let mut new = delivery(10, 2, "ORDER-1042");
    new.jobs = vec![Job {
        attempts: 0,
        summary: String::new(),
        state: JobState::Due { at: wall(2) },
        tried_at: None,
        took: None,
        ..asked(12, "")
    }];
    all.push(new);
    all.into_iter().map(Arc::new).collect()
}

/// The busy sandbox with callbacks; their pane has the focus.
pub fn receiving() -> Model {
    let mut model = busy();
    update(&mut model, second(3), Msg::ListenerStatus(up(1)));
    for delivery in deliveries() {
        update(&mut model, second(3), Msg::Delivery(delivery));
    }
    model.focus = crate::tui::Pane::Callbacks;
    model
}

pub fn received() -> Received {
    let text = r#"{"transactionKey":"ORDER-1042","state":"PROCESSING"}"#;
    let body = |text: &str| Body {
        text: text.into(),
        bytes: u64::try_from(text.len()).unwrap(),
        ..Body::default()
    };
    Received {
        target: "/callbacks/kanga?transactionKey=ORDER-1042".into(),
        headers: vec![
            ("host".into(), "127.0.0.1:8787".into()),
            ("x-shop-key".into(), "‹redacted›".into()),
        ],
        body: body(text),
        replies: vec![(JobId(10), body("{\"error\":\"database is locked\"}"))],
        ids: RowIds::default(),
    }
}

fn entry(at: i64, what: TimelineEvent) -> TimelineEntry {
    TimelineEntry { at: wall(at), what }
}

pub fn call(at: i64, exchange: i64, outcome: Outcome) -> TimelineEntry {
    entry(
        at,
        TimelineEvent::Call {
            operator: String::new(),
            exchange: ExchangeId(exchange),
            method: "POST".into(),
            path: "/api/v2/tpg/transaction".into(),
            outcome,
            took: Duration::from_millis(12),
        },
    )
}

pub fn state(at: i64, word: &str) -> TimelineEntry {
    entry(
        at,
        TimelineEvent::State(Observation {
            at: wall(at),
            payment: payment("ORDER-1042", "25.00", word),
        }),
    )
}

pub fn callback(delivery: Delivery) -> TimelineEntry {
    TimelineEntry {
        at: delivery.received_at,
        what: TimelineEvent::Callback(Arc::new(delivery)),
    }
}

/// A payment with every kind of timeline entry.
pub fn timeline() -> Timeline {
    let ok = || Outcome::Status(200);
    let mut entries = vec![
        entry(
            -86_010,
            TimelineEvent::Watched {
                operator: "anna".into(),
            },
        ),
        call(-86_000, 1, ok()),
        state(-86_000, "NEW"),
    ];
    entries.extend((0..12).map(|n| call(-900 + n * 20, 10 + n, ok())));
    entries.extend([
        call(-640, 30, Outcome::Failed("timed out after 10 s".into())),
        callback(delivery(5, -600, "ORDER-1042")),
        call(-600, 31, ok()),
        state(-599, "PROCESSING"),
        call(-240, 32, ok()),
        state(-240, "FINALIZING"),
        callback(delivery(6, -200, "ORDER-1042")),
        callback(Delivery {
            verdict: CallbackVerdict::Repeat,
            attempt: 2,
            jobs: Vec::new(),
            ..delivery(7, -190, "ORDER-1042")
        }),
        callback(Delivery {
            verdict: CallbackVerdict::Refused,
            why: "the signature does not fit".into(),
            status: 403,
            jobs: Vec::new(),
            ..delivery(8, -185, "ORDER-1042")
        }),
        call(-181, 33, ok()),
        state(-180, "FINALIZED"),
        entry(
            -90,
            TimelineEvent::Noted(note("asked the shop to wait", START)),
        ),
        entry(
            -60,
            TimelineEvent::Marked {
                verdict: PaymentVerdict::Less,
                handled: true,
                operator: "anna".into(),
            },
        ),
    ]);
    let latest = entries.iter().rev().find_map(|it| match &it.what {
        TimelineEvent::State(seen) => Some(seen.clone()),
        _ => None,
    });
    Timeline {
        account: shop(),
        payment: id("ORDER-1042"),
        latest,
        expected: Some(emt("25.00")),
        entries,
        cut: false,
    }
}
