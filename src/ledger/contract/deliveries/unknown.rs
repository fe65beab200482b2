//! Callbacks that anyone may have made up: they have a small share and a queue of their own, and displace nothing real.

use super::*;
use crate::domain::{Amount, Currency, Expectation, Expected, ExpectedBy, Replaced, Watch};
use crate::ledger::UNKNOWN_MAX;

/// A callback that nothing proves.
pub fn unproved(id: &str, number: u64) -> NewDelivery {
    NewDelivery {
        subject: Some(payment(id)),
        proved: false,
        ..hint(number, START)
    }
}

pub fn unknown() -> JobFilter {
    JobFilter {
        known: false,
        ..queue(&JobKind::ALL)
    }
}

pub async fn take_one(ledger: &Ledger, queue: JobFilter) -> Option<(String, JobId)> {
    let now = after(1);
    let one = ledger
        .take_jobs(queue, lease(now, now.plus(LEASE), 1))
        .await;
    let (delivery, id) = one.unwrap().pop()?;
    Some((delivery.subject.unwrap().to_string(), id))
}

/// A ledger that knows the payments WATCHED, SEEN and EXPECTED.
pub async fn with_known_payments(ledger: &Ledger) {
    let about = |id: &str| PaymentId::new(id).unwrap();
    let watch = Watch::new(shop(), about("WATCHED"), START);
    ledger.watch("live", &watch).await.unwrap();
    let mut seen = observation("NEW", "1", 0);
    seen.payment.id = about("SEEN");
    ledger.observe(&shop(), ("live", API), &seen).await.unwrap();
    let expected = Expectation {
        sum: Expected {
            amount: Amount::received("1").unwrap(),
            currency: Currency::new("EMT").unwrap(),
        },
        by: ExpectedBy::Link,
        at: START,
        operator: String::new(),
    };
    let set = ledger.expect(of("live", "EXPECTED"), expected, Replaced::Never);
    set.await.unwrap().unwrap();
}

/// Known payments, then made-up ones, then callbacks about the known ones and a genuine new one.
pub async fn flood(ledger: &Ledger, made_up: u64) {
    with_known_payments(ledger).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..made_up {
        let ledger = ledger.clone();
        let made_up = unproved(&format!("MADE-UP-{number}"), number);
        tasks.spawn(async move { ledger.deliver(made_up).await.unwrap().verdict });
    }
    let taken = tasks.join_all().await;
    assert!(
        taken
            .iter()
            .all(|verdict| *verdict == CallbackVerdict::Accepted)
    );
    for (number, id) in (made_up..).zip(["WATCHED", "SEEN", "EXPECTED", "GENUINE-NEW"]) {
        ledger.deliver(unproved(id, number)).await.unwrap();
    }
}

pub async fn a_flood_of_made_up_payments_shuts_nothing_out(mut bench: Bench) {
    // Enough for the known payments.
    bench.retention.count = 1_000;
    let ledger = bench.process(&at_start());
    flood(&ledger, 3_000).await;
    bench.prune(&at_start()).await;
    let waiting = ledger.unknown_waiting("live".into()).await.unwrap();
    assert_eq!(waiting, [("shop".to_owned(), UNKNOWN_MAX)]);
    let mut known = Vec::new();
    while let Some((id, _)) = take_one(&ledger, queue(&JobKind::ALL)).await {
        known.push(id);
    }
    assert_eq!(known, ["WATCHED", "SEEN", "EXPECTED"]);
    let (newest, _) = take_one(&ledger, unknown()).await.unwrap();
    assert_eq!(newest, "GENUINE-NEW");
    let others = ledger.take_jobs(unknown(), lease(after(1), after(31), 5_000));
    assert_eq!(others.await.unwrap().len() as u64, UNKNOWN_MAX - 1);
    let dropped = ledger.deliver(unproved("MADE-UP-0", 0)).await.unwrap();
    assert_eq!(dropped.attempt, 1, "what was dropped is forgotten");
}

/// A sender that knows a payment's id can send callbacks about it without end.
pub async fn a_payment_that_is_named_again_and_again_is_checked_at_a_measured_pace(bench: Bench) {
    let ledger = bench.process(&at_start());
    with_known_payments(&ledger).await;
    let mut checked = Vec::new();
    // Ten a second, for two minutes.
    for tenth in 0..1_200_u64 {
        let now = START.plus(Duration::from_millis(tenth * 100));
        let named = NewDelivery {
            subject: Some(payment("WATCHED")),
            proved: false,
            ..hint(7, now)
        };
        ledger.deliver(named).await.unwrap();
        for id in take_due(&ledger, now).await {
            checked.push(tenth / 10);
            let done = JobResult {
                at: now,
                ..tried(JobState::Done)
            };
            ledger
                .finish_attempt(id, now.plus(LEASE), done)
                .await
                .unwrap();
        }
    }
    assert_eq!(checked, [0, 2, 32, 62, 92]);
}

pub async fn a_change_reported_while_its_payment_is_checked_is_checked_too(bench: Bench) {
    let ledger = bench.process(&at_start());
    let named = |now| NewDelivery {
        proved: false,
        subject: Some(payment("NEW")),
        ..hint(7, now)
    };
    ledger.deliver(named(START)).await.unwrap();
    let first = take_one(&ledger, unknown()).await;
    assert!(first.is_some());
    let meanwhile = ledger.deliver(named(after(1))).await.unwrap();
    let due = meanwhile.jobs[0].state;
    assert_eq!(due, JobState::Due { at: after(3) });
}

pub async fn a_flood_to_one_account_pushes_out_nothing_of_another(mut bench: Bench) {
    bench.retention = Retention {
        count: 20,
        ..Retention::default()
    };
    let ledger = bench.process(&at_start());
    let other = NewDelivery {
        account: "other".into(),
        ..unproved("GENUINE", 1_000)
    };
    let other = ledger.deliver(other).await.unwrap();
    for number in 0..100 {
        let made_up = unproved(&format!("MADE-UP-{number}"), number);
        ledger.deliver(made_up).await.unwrap();
    }
    bench.prune(&at_start()).await;
    assert_eq!(saved(&ledger).await.len(), 20);
    assert!(ledger.delivery(other.id).await.unwrap().is_some());
    let of_other = JobFilter {
        account: Some("other".into()),
        ..unknown()
    };
    assert_eq!(
        take_one(&ledger, of_other.clone()).await.unwrap().0,
        "GENUINE"
    );
    assert_eq!(take_one(&ledger, of_other).await, None);
}

pub async fn a_payment_that_its_provider_knows_was_not_made_up(bench: Bench) {
    let ledger = bench.process(&at_start());
    let with_forward = |number| NewDelivery {
        jobs: vec![job(JobKind::Check, START), job(JobKind::Forward, START)],
        ..unproved(&format!("NEW-{number}"), number)
    };
    let held = after(1).plus(LEASE);
    let [genuine, made_up] = [1, 2].map(with_forward);
    let genuine = ledger.deliver(genuine).await.unwrap();
    let made_up = ledger.deliver(made_up).await.unwrap();
    let asks = JobFilter {
        kinds: &[JobKind::Check],
        ..unknown()
    };
    for (of, state) in [(&made_up, JobState::GivenUp), (&genuine, JobState::Done)] {
        let (_, id) = take_one(&ledger, asks.clone()).await.unwrap();
        assert_eq!(of.jobs[0].id, id, "the newest first");
        ledger.finish_attempt(id, held, tried(state)).await.unwrap();
    }
    // Its other job has room and goes first from now on.
    assert_eq!(take_due(&ledger, after(1)).await, [genuine.jobs[1].id]);
    let (_, forward) = take_one(&ledger, unknown()).await.unwrap();
    assert_eq!(forward, made_up.jobs[1].id);
}

pub async fn a_made_up_callback_is_found_while_it_is_replayed(bench: Bench) {
    let ledger = bench.process(&at_start());
    let made_up = ledger.deliver(unproved("MADE-UP", 1)).await.unwrap();
    let replay = job(JobKind::Forward, START);
    ledger.add_job(made_up.id, replay).await.unwrap();
    let waiting = ledger.unknown_waiting("live".into()).await.unwrap();
    assert_eq!(waiting, [("shop".to_owned(), 0)]);
    let (_, check) = take_one(&ledger, unknown()).await.unwrap();
    assert_eq!(check, made_up.jobs[0].id);
}

pub async fn a_payment_that_becomes_known_goes_first_when_it_is_named_again(bench: Bench) {
    let ledger = bench.process(&at_start());
    ledger.deliver(unproved("WATCHED", 1)).await.unwrap();
    with_known_payments(&ledger).await;
    let again = ledger.deliver(unproved("WATCHED", 1)).await.unwrap();
    assert_eq!(again.verdict, CallbackVerdict::Repeat);
    assert_eq!(take_one(&ledger, unknown()).await, None);
    let (first, _) = take_one(&ledger, queue(&JobKind::ALL)).await.unwrap();
    assert_eq!(first, "WATCHED");
}
