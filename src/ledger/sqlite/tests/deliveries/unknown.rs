//! What anybody may have made up: its small share, its queue, and what it keeps from nobody.

use super::*;
use crate::ledger::UNKNOWN_MAX;

/// A callback that nothing proves.
fn unproved(id: &str, number: u64) -> NewDelivery {
    NewDelivery {
        subject: Some(payment(id)),
        proved: false,
        ..hint(number, START)
    }
}

fn unknown() -> JobFilter {
    JobFilter {
        known: false,
        ..queue(&JobKind::ALL)
    }
}

async fn take_one(ledger: &Sqlite, queue: JobFilter) -> Option<(String, JobId)> {
    let now = after(1);
    let one = ledger
        .take_jobs(queue, lease(now, now.plus(LEASE), 1))
        .await;
    let (delivery, id) = one.unwrap().pop()?;
    Some((delivery.subject.unwrap().to_string(), id))
}

/// A ledger that knows the payments WATCHED, SEEN and EXPECTED.
async fn with_known_payments(ledger: &Sqlite) {
    let about = |id: &str| PaymentId::new(id).unwrap();
    let watch = Watch {
        account: shop(),
        id: about("WATCHED"),
        expected: None,
        since: START,
    };
    ledger.watch("live", &watch).await.unwrap();
    let mut seen = observation("NEW", "1", 0);
    seen.payment.id = about("SEEN");
    ledger.observe(&shop(), "live", &seen).await.unwrap();
    let expected = Expectation {
        sum: Expected {
            amount: Amount::received("1").unwrap(),
            currency: Currency::new("EMT").unwrap(),
        },
        by: ExpectedBy::Link,
        at: START,
        operator: String::new(),
    };
    let of = PaymentKey {
        profile: "live".into(),
        account: shop(),
        id: about("EXPECTED"),
    };
    let set = ledger.expect(of, expected, Replaced::Never);
    set.await.unwrap().unwrap();
}

async fn count(ledger: &Sqlite, sql: &'static str) -> u64 {
    let rows = ledger
        .run(move |store| store.read(|conn| conn.query_row(sql, (), |row| row.get::<_, i64>(0))));
    rows.await.unwrap().unsigned_abs()
}

#[tokio::test]
async fn a_flood_of_made_up_payments_shuts_nobody_out() {
    const FLOOD: u64 = 3_000;
    let folder = tempfile::tempdir().unwrap();
    // Ten would be room enough for what is known.
    let limits = Retention {
        count: 1_000,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
    with_known_payments(&ledger).await;
    let mut coming = tokio::task::JoinSet::new();
    for number in 0..FLOOD {
        let ledger = ledger.clone();
        let made_up = unproved(&format!("MADE-UP-{number}"), number);
        coming.spawn(async move { ledger.deliver(made_up).await.unwrap().verdict });
    }
    let taken = coming.join_all().await;
    assert!(taken.iter().all(|verdict| *verdict == Verdict::Accepted));
    for (number, id) in (FLOOD..).zip(["WATCHED", "SEEN", "EXPECTED", "GENUINE-NEW"]) {
        ledger.deliver(unproved(id, number)).await.unwrap();
    }
    rest(&ledger).await;
    let waiting = ledger.unknown_waiting("live".into()).await.unwrap();
    assert_eq!(waiting, [("shop".to_owned(), UNKNOWN_MAX)]);
    assert_eq!(
        count(&ledger, "SELECT count(*) FROM errands").await,
        UNKNOWN_MAX + 3
    );
    assert_eq!(
        count(&ledger, "SELECT count(*) FROM identities").await,
        UNKNOWN_MAX + 3,
        "what was dropped is forgotten"
    );
    let mut known = Vec::new();
    while let Some((id, _)) = take_one(&ledger, queue(&JobKind::ALL)).await {
        known.push(id);
    }
    assert_eq!(known, ["WATCHED", "SEEN", "EXPECTED"]);
    let (newest, _) = take_one(&ledger, unknown()).await.unwrap();
    assert_eq!(newest, "GENUINE-NEW");
}

/// Who knows a payment's id can send callbacks about it without end.
#[tokio::test]
async fn a_payment_that_is_named_again_and_again_is_checked_at_a_measured_pace() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
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

#[tokio::test]
async fn a_change_that_a_callback_tells_of_while_its_payment_is_checked_is_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
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

#[tokio::test]
async fn a_flood_to_one_account_pushes_out_nothing_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 20,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
    let other = NewDelivery {
        account: "other".into(),
        ..unproved("GENUINE", 1_000)
    };
    let other = ledger.deliver(other).await.unwrap();
    for number in 0..100 {
        let made_up = unproved(&format!("MADE-UP-{number}"), number);
        ledger.deliver(made_up).await.unwrap();
    }
    rest(&ledger).await;
    assert_eq!(kept(&ledger).await.len(), 20);
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

#[tokio::test]
async fn what_its_provider_knows_was_not_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let with_forward = |number| NewDelivery {
        jobs: vec![job(JobKind::Ask, START), job(JobKind::Forward, START)],
        ..unproved(&format!("NEW-{number}"), number)
    };
    let class = async |id: DeliveryId| {
        let class = ledger.run(move |store| {
            store.read(|conn| {
                let class = "SELECT class FROM deliveries WHERE id = ?1";
                conn.query_row(class, [id.0], |row| row.get::<_, i64>(0))
            })
        });
        class.await.unwrap()
    };
    let held = after(1).plus(LEASE);
    let [genuine, made_up] = [1, 2].map(with_forward);
    let genuine = ledger.deliver(genuine).await.unwrap();
    let made_up = ledger.deliver(made_up).await.unwrap();
    let asks = JobFilter {
        kinds: &[JobKind::Ask],
        ..unknown()
    };
    for (of, state) in [(&made_up, JobState::GivenUp), (&genuine, JobState::Done)] {
        let (_, id) = take_one(&ledger, asks.clone()).await.unwrap();
        assert_eq!(of.jobs[0].id, id, "the newest first");
        ledger.finish_attempt(id, held, tried(state)).await.unwrap();
    }
    // Its other job has room and goes first from now on.
    assert_eq!((class(genuine.id).await, class(made_up.id).await), (3, 4));
    assert_eq!(take_due(&ledger, after(1)).await, [genuine.jobs[1].id]);
    let (_, forward) = take_one(&ledger, unknown()).await.unwrap();
    for id in [genuine.jobs[1].id, forward] {
        ledger
            .finish_attempt(id, held, tried(JobState::Done))
            .await
            .unwrap();
    }
    assert_eq!(
        (class(genuine.id).await, class(made_up.id).await),
        (0, 2),
        "what was made up is kept like all else that anybody can send"
    );
}

#[tokio::test]
async fn a_payment_that_comes_to_be_known_goes_first_when_it_is_named_again() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.deliver(unproved("WATCHED", 1)).await.unwrap();
    with_known_payments(&ledger).await;
    let again = ledger.deliver(unproved("WATCHED", 1)).await.unwrap();
    assert_eq!(again.verdict, Verdict::Repeat);
    assert_eq!(take_one(&ledger, unknown()).await, None);
    let (first, _) = take_one(&ledger, queue(&JobKind::ALL)).await.unwrap();
    assert_eq!(first, "WATCHED");
}
