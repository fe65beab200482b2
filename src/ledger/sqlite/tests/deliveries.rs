//! Callbacks in the file: written in batches, across its removal, and not at all.

use super::*;
use crate::domain::{
    Amount, Currency, DeliveryId, Expectation, Expected, ExpectedBy, HookEvent, JobState, Mark,
    Replaced, Watch,
};
use crate::ledger::UNKNOWN_MAX;
use crate::ledger::contract::deliveries::unknown::{flood, take_one, unknown, unproved};
use crate::ledger::contract::deliveries::*;

#[tokio::test]
async fn callbacks_that_come_together_are_written_together() {
    const COUNT: u64 = 700;
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.flush().await;
    let before = transactions(folder.path());
    let hold = busy(&ledger).await;
    let tasks: Vec<_> = (0..COUNT)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { shared(&ledger).deliver(new(number)).await.unwrap() })
        })
        .collect();
    // Each takes a KiB of the space.
    while ledger.queue().waiting_kib() < usize::try_from(COUNT).unwrap() {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let mut given = Vec::new();
    for one in tasks {
        given.push(one.await.unwrap());
    }
    assert_eq!(transactions(folder.path()) - before, 2, "512 and the rest");
    given.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
    close(ledger);
    assert_eq!(
        saved(&shared(&start(folder.path()))).await,
        given,
        "as reported"
    );
}

#[tokio::test]
async fn open_jobs_survive_the_removal_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [start(folder.path()), start(folder.path())];
    shared(&one).deliver(new(1)).await.unwrap();
    let due = shared(&one).deliver(hint(2, START)).await.unwrap();
    saved(&shared(&two)).await;
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    let fresh = shared(&one).deliver(new(3)).await.unwrap();
    assert!(fresh.id > due.id, "no number has two meanings");
    let also = shared(&two).deliver(new(1)).await.unwrap();
    assert_eq!(also.verdict, CallbackVerdict::Repeat, "it was saved before");
    let expected = [also, fresh, due.clone()];
    assert_eq!(saved(&shared(&one)).await, expected);
    assert_eq!(saved(&shared(&two)).await, expected, "brought over once");
    assert_eq!(take_due(&shared(&two), START).await, [due.jobs[0].id]);
    let repeat = shared(&one).deliver(hint(2, after(40))).await.unwrap();
    assert_eq!(
        (repeat.verdict, repeat.attempt),
        (CallbackVerdict::Repeat, 2)
    );
}

#[tokio::test]
async fn no_caller_waits_for_a_thread_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    shared(&ledger).deliver(new(1)).await.unwrap();
    let hold = busy(&ledger).await;
    let waiting = tokio::spawn({
        let ledger = ledger.clone();
        async move { shared(&ledger).deliver(new(2)).await }
    });
    while ledger.queue().waiting_kib() == 0 {
        tokio::task::yield_now().await;
    }
    hold.send(()).unwrap();
    let stopped = Err(LedgerError::Stopped);
    assert_eq!(waiting.await.unwrap(), stopped);
    for number in 3..5 {
        assert_eq!(shared(&ledger).deliver(new(number)).await, stopped);
    }
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
}

#[tokio::test]
async fn what_must_survive_a_power_cut_is_never_reported_as_saved_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    std::fs::write(&path, "a file").unwrap();
    let nowhere = shared(&start(&path));
    let (payment, at) = (of("live", "A-17"), START);
    let run = HookRun {
        of: payment.clone(),
        event: HookEvent::Paid,
    };
    let expected = Expectation {
        sum: Expected {
            amount: Amount::received("1").unwrap(),
            currency: Currency::new("BTC").unwrap(),
        },
        by: ExpectedBy::Command,
        at,
        operator: String::new(),
    };
    let mark = Mark {
        alert: "payment".into(),
        at,
        handled: true,
        operator: String::new(),
    };
    let watch = Watch::new(shop(), payment.id.clone(), at);
    let never = Replaced::Never;
    let answers = [
        nowhere.claim_hook(run, at).await.map(drop),
        nowhere.watch("live", &watch).await,
        nowhere.unwatch(payment.clone()).await.map(drop),
        nowhere
            .expect(payment.clone(), expected, never)
            .await
            .map(drop),
        nowhere.note(payment, "called the payer".into(), at).await,
        nowhere.mark_handled("live", mark).await,
    ];
    for (at, answer) in answers.into_iter().enumerate() {
        assert!(
            matches!(answer, Err(LedgerError::NotSaved(_))),
            "{at}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_callback_that_cannot_be_saved_is_never_reported_as_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    std::fs::write(&path, "a file").unwrap();
    let nowhere = start(&path);
    let refused = shared(&nowhere).deliver(new(1)).await;
    assert!(matches!(&refused, Err(LedgerError::NotSaved(why)) if why.contains("taken")));
    assert_eq!(saved(&shared(&nowhere)).await, [], "nor shown");

    let ledger = start(folder.path());
    fill_disk(&ledger, true).await;
    let large = |number| NewDelivery {
        sealed: vec![0; 200_000],
        ..new(number)
    };
    let both = shared(&ledger);
    let (one, two) = tokio::join!(both.deliver(large(1)), both.deliver(large(2)));
    for refused in [one, two] {
        assert!(matches!(&refused, Err(LedgerError::NotSaved(why)) if why.contains("full")));
    }
    // There is room for something small; the status must not flap.
    assert!(ledger.try_again().await.is_err());
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
    fill_disk(&ledger, false).await;
    let delivery = shared(&ledger).deliver(large(1)).await.unwrap();
    let first = (CallbackVerdict::Accepted, 1);
    assert_eq!(
        (delivery.verdict, delivery.attempt),
        first,
        "it was not saved"
    );
    assert_eq!(ledger.status().await, Status::Ready);
}

#[tokio::test]
async fn the_share_of_a_callback_follows_from_what_its_check_finds() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let with_forward = |number| NewDelivery {
        jobs: vec![job(JobKind::Check, START), job(JobKind::Forward, START)],
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
    let genuine = shared(&ledger).deliver(genuine).await.unwrap();
    let made_up = shared(&ledger).deliver(made_up).await.unwrap();
    let asks = JobFilter {
        kinds: &[JobKind::Check],
        ..unknown()
    };
    for (of, state) in [(&made_up, JobState::GivenUp), (&genuine, JobState::Done)] {
        let (_, id) = take_one(&shared(&ledger), asks.clone()).await.unwrap();
        assert_eq!(of.jobs[0].id, id);
        shared(&ledger)
            .finish_attempt(id, held, tried(state))
            .await
            .unwrap();
    }
    assert_eq!((class(genuine.id).await, class(made_up.id).await), (3, 4));
    assert_eq!(
        take_due(&shared(&ledger), after(1)).await,
        [genuine.jobs[1].id]
    );
    let (_, forward) = take_one(&shared(&ledger), unknown()).await.unwrap();
    for id in [genuine.jobs[1].id, forward] {
        shared(&ledger)
            .finish_attempt(id, held, tried(JobState::Done))
            .await
            .unwrap();
    }
    assert_eq!(
        (class(genuine.id).await, class(made_up.id).await),
        (0, 2),
        "what was made up has the share of all else that anyone can send"
    );
}

#[tokio::test]
async fn no_row_is_left_of_made_up_callbacks_that_were_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 1_000,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
    flood(&shared(&ledger), 3_000).await;
    ledger.prune().await;
    for table in ["jobs", "dedup_keys"] {
        assert_eq!(count(&ledger, table).await, UNKNOWN_MAX + 3, "{table}");
    }
}
