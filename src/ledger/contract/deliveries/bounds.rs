//! How many callbacks are saved, and which are dropped first.

use super::*;

pub async fn each_kind_is_dropped_by_itself_and_due_jobs_never(mut bench: Bench) {
    let (clock, hand) = clock();
    bench.retention = Retention {
        age: Duration::from_secs(100),
        bytes: 4 << 20,
        count: 80,
    };
    let ledger = bench.process(&clock);
    let count = async |verdict| {
        bench.prune(&clock).await;
        let saved = saved(&ledger).await.into_iter();
        saved.filter(|delivery| delivery.verdict == verdict).count()
    };
    let due = NewDelivery {
        jobs: vec![job(JobKind::Check, START)],
        ..new(1_000)
    };
    let due = ledger.deliver(due).await.unwrap();
    for number in 0..100 {
        ledger.deliver(new(number)).await.unwrap();
    }
    assert_eq!(count(CallbackVerdict::Accepted).await, 1 + 80);
    // The clock was ahead, or another machine's is.
    let far = START.plus(Duration::from_secs(1_000)).0;
    bench.update(&format!(
        "UPDATE deliveries SET received_at = {far} WHERE id = 22"
    ));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1_300 {
        let ledger = ledger.clone();
        let again = if number % 2 == 0 { refused() } else { new(99) };
        tasks.spawn(async move { ledger.deliver(again).await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(
        count(CallbackVerdict::Accepted).await,
        1 + 80,
        "not pushed out"
    );
    assert!(count(CallbackVerdict::Repeat).await <= 10);
    assert_eq!(
        count(CallbackVerdict::Refused).await,
        650,
        "up to a thousand"
    );

    // What anyone can send has an eighth of the bytes, too.
    for _ in 0..8 {
        let large = NewDelivery {
            sealed: vec![0; 200_000],
            ..refused()
        };
        ledger.deliver(large).await.unwrap();
    }
    assert_eq!(count(CallbackVerdict::Refused).await, 2);

    hand.advance(Duration::from_secs(101));
    bench.prune(&clock).await;
    let left: Vec<_> = saved(&ledger).await.into_iter().map(|it| it.id.0).collect();
    assert_eq!(left, [22, due.id.0], "dated later; its job is due");
    let known = async |number| {
        let again = NewDelivery {
            received_at: clock.now().wall,
            ..new(number)
        };
        ledger.deliver(again).await.unwrap().verdict
    };
    assert_eq!(known(1_000).await, CallbackVerdict::Repeat);
    assert_eq!(known(5).await, CallbackVerdict::Accepted, "long forgotten");
    let now = clock.now().wall;
    let id = due.jobs[0].id;
    assert_eq!(take_due(&ledger, now).await, [id]);
    let held = now.plus(LEASE);
    let done = ledger.finish_attempt(id, held, tried(JobState::Done));
    done.await.unwrap();
    bench.prune(&clock).await;
    assert_eq!(ledger.delivery(due.id).await, Ok(None));
    let job = ledger.finish_attempt(id, held, tried(JobState::Done));
    assert_eq!(job.await, Err(LedgerError::Gone), "with the delivery");
}

pub async fn open_jobs_are_bounded(mut bench: Bench) {
    bench.retention = Retention {
        count: 2,
        ..Retention::default()
    };
    let ledger = bench.process(&at_start());
    let hint = |number, account: &str| NewDelivery {
        account: account.into(),
        ..hint(number, START)
    };
    let unverified = |number, account: &str| NewDelivery {
        verdict: CallbackVerdict::Unverified,
        subject: None,
        proved: false,
        dedup_key: None,
        ..hint(number, account)
    };
    for new in [&hint as &dyn Fn(u64, &str) -> NewDelivery, &unverified] {
        for (number, account) in (0..).zip(["flooded", "one", "two", "three"]) {
            for number in [2 * number, 2 * number + 1] {
                ledger.deliver(new(number, account)).await.unwrap();
            }
            let refused = ledger.deliver(new(8, account)).await;
            assert_eq!(refused, Err(LedgerError::TooManyWaiting), "a quarter");
        }
        let refused = ledger.deliver(new(8, "four")).await;
        assert_eq!(refused, Err(LedgerError::TooManyWaiting), "all");
    }
    for number in 100..110 {
        let made_up = unknown::unproved(&format!("MADE-UP-{number}"), number);
        ledger.deliver(made_up).await.unwrap();
    }
    let left = saved(&ledger).await.into_iter();
    let left = left.filter(|delivery| delivery.verdict == CallbackVerdict::Unverified);
    assert_eq!(left.count(), 8, "none is dropped for another");
    let nothing_to_do = NewDelivery {
        jobs: vec![],
        ..hint(9, "four")
    };
    ledger.deliver(nothing_to_do).await.unwrap();
    let first = take_due(&ledger, START).await[0];
    let done = ledger.finish_attempt(first, START.plus(LEASE), tried(JobState::Done));
    done.await.unwrap();
    let room = ledger.deliver(hint(8, "flooded")).await.unwrap();
    assert_eq!(room.attempt, 1, "what was refused does not count");
}

pub async fn a_flood_of_one_account_pushes_out_nothing_of_others(mut bench: Bench) {
    bench.retention = Retention {
        count: 20,
        ..Retention::default()
    };
    let ledger = bench.process(&at_start());
    let order = NewDelivery {
        account: "orders".into(),
        jobs: vec![job(JobKind::Relay, START)],
        ..new(9_999)
    };
    let first = ledger.deliver(order.clone()).await.unwrap();
    let taken = take_due(&ledger, START).await;
    let done = ledger.finish_attempt(taken[0], START.plus(LEASE), tried(JobState::Done));
    done.await.unwrap();
    for number in 0..300 {
        ledger.deliver(new(number)).await.unwrap();
    }
    bench.prune(&at_start()).await;
    assert_eq!(saved(&ledger).await.len(), 20);
    assert!(ledger.delivery(first.id).await.unwrap().is_some());
    let forgotten = ledger.deliver(new(0)).await.unwrap();
    assert_eq!(forgotten.verdict, CallbackVerdict::Accepted);
    let again = ledger.deliver(order).await.unwrap();
    assert_eq!(
        again.verdict,
        CallbackVerdict::Repeat,
        "goods are not given twice"
    );
}
