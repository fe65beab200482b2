//! How many callbacks are kept, whose go first, and what becomes of those that cannot be kept.

use super::*;

#[tokio::test]
async fn each_kind_is_dropped_by_itself_and_what_is_due_never() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let limits = Retention {
        age: Duration::from_secs(100),
        bytes: 4 << 20,
        count: 80,
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock.clone(), limits);
    let count = async |verdict| {
        let kept = kept(&ledger).await.into_iter();
        kept.filter(|delivery| delivery.verdict == verdict).count()
    };
    let due = NewDelivery {
        jobs: vec![job(JobKind::Ask, START)],
        ..new(1_000)
    };
    let due = ledger.deliver(due).await.unwrap();
    for number in 0..100 {
        ledger.deliver(new(number)).await.unwrap();
    }
    assert_eq!(count(Verdict::Accepted).await, 1 + 81, "and the newest");
    let mut coming = tokio::task::JoinSet::new();
    for number in 0..1_300 {
        let ledger = ledger.clone();
        let again = if number % 2 == 0 { refused() } else { new(99) };
        coming.spawn(async move { ledger.deliver(again).await.unwrap() });
    }
    coming.join_all().await;
    rest(&ledger).await;
    assert_eq!(count(Verdict::Accepted).await, 1 + 80, "not pushed out");
    assert!(count(Verdict::Repeat).await <= 10);
    assert_eq!(count(Verdict::Refused).await, 650, "up to a thousand");

    // What anybody can send has an eighth of the bytes, too.
    for _ in 0..8 {
        let large = NewDelivery {
            sealed: vec![0; 200_000],
            ..refused()
        };
        ledger.deliver(large).await.unwrap();
    }
    rest(&ledger).await;
    assert_eq!(count(Verdict::Refused).await, 2);

    hand.advance(Duration::from_secs(101));
    rest(&ledger).await;
    let left = kept(&ledger).await;
    assert_eq!(left, std::slice::from_ref(&due), "an errand is due");
    let known = async |number| {
        let come = NewDelivery {
            received_at: clock.now().wall,
            ..new(number)
        };
        ledger.deliver(come).await.unwrap().verdict
    };
    assert_eq!(known(1_000).await, Verdict::Repeat);
    assert_eq!(known(5).await, Verdict::Accepted, "long forgotten");
    let now = clock.now().wall;
    let id = due.jobs[0].id;
    assert_eq!(take_due(&ledger, now).await, [id]);
    let done = ledger.finish_attempt(id, now.plus(LEASE), tried(JobState::Done));
    done.await.unwrap();
    known(6).await;
    assert_eq!(ledger.delivery(due.id).await, Ok(None));
    let left: i64 = ledger
        .run(|store| {
            store.read(|conn| conn.query_row("SELECT count(*) FROM errands", [], |row| row.get(0)))
        })
        .await
        .unwrap();
    assert_eq!(left, 0, "with the delivery");
}

#[tokio::test]
async fn what_waits_to_be_acted_upon_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 2,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
    let hint = |number, account: &str| NewDelivery {
        account: account.into(),
        ..hint(number, START)
    };
    let accounts = ["flooded", "one", "two", "three"];
    for (number, account) in (0..).zip(accounts) {
        for number in [2 * number, 2 * number + 1] {
            ledger.deliver(hint(number, account)).await.unwrap();
        }
        let refused = ledger.deliver(hint(8, account)).await;
        assert_eq!(refused, Err(LedgerError::TooManyWaiting), "a quarter");
    }
    let refused = ledger.deliver(hint(8, "four")).await;
    assert_eq!(refused, Err(LedgerError::TooManyWaiting), "all");
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

#[tokio::test]
async fn a_flood_of_one_account_pushes_out_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 20,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
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
    rest(&ledger).await;
    assert_eq!(kept(&ledger).await.len(), 20);
    assert!(ledger.delivery(first.id).await.unwrap().is_some());
    let forgotten = ledger.deliver(new(0)).await.unwrap();
    assert_eq!(forgotten.verdict, Verdict::Accepted);
    let again = ledger.deliver(order).await.unwrap();
    assert_eq!(again.verdict, Verdict::Repeat, "goods are not given twice");
}

#[tokio::test]
async fn nobody_waits_for_a_thread_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.deliver(new(1)).await.unwrap();
    let (hold, until) = mpsc::channel::<()>();
    ledger.send(move |_| {
        let _ = until.recv();
        panic!("the ledger's thread ends");
    });
    let waiting = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.deliver(new(2)).await }
    });
    while ledger.0.incoming.len() == 0 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let stopped = Err(LedgerError::Stopped);
    assert_eq!(waiting.await.unwrap(), stopped);
    for number in 3..5 {
        assert_eq!(ledger.deliver(new(number)).await, stopped);
    }
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
}

#[tokio::test]
async fn what_cannot_be_kept_is_never_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    std::fs::write(&path, "a file").unwrap();
    let nowhere = start(&path);
    let refused = nowhere.deliver(new(1)).await;
    assert!(matches!(&refused, Err(LedgerError::NotSaved(why)) if why.contains("taken")));
    assert_eq!(kept(&nowhere).await, [], "nor shown");

    let ledger = start(folder.path());
    fill_disk(&ledger, true).await;
    let large = |number| NewDelivery {
        sealed: vec![0; 200_000],
        ..new(number)
    };
    let (one, two) = tokio::join!(ledger.deliver(large(1)), ledger.deliver(large(2)));
    for refused in [one, two] {
        assert!(matches!(&refused, Err(LedgerError::NotSaved(why)) if why.contains("full")));
    }
    // There is room for something small; nobody says by turns that all is well and that it is not.
    assert!(ledger.try_again().await.is_err());
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
    fill_disk(&ledger, false).await;
    let delivery = ledger.deliver(large(1)).await.unwrap();
    let first = (Verdict::Accepted, 1);
    assert_eq!(
        (delivery.verdict, delivery.attempt),
        first,
        "it was not kept"
    );
    assert_eq!(ledger.status().await, Status::Ready);
}
