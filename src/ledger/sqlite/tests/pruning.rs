//! How old rows are dropped: in small steps, and as new ones come.

use super::*;
use crate::domain::JobState;
use crate::ledger::contract::deliveries::*;

#[tokio::test]
async fn much_is_dropped_in_small_steps_between_which_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 10,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
    record(&shared(&ledger), exchange("https://api.example/")).await;
    let file = Connection::open(folder.path().join("ledger.db")).unwrap();
    file.execute_batch(
        "CREATE TEMP TABLE one AS SELECT * FROM exchanges;
         ALTER TABLE one DROP COLUMN words;
         UPDATE one SET id = NULL;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO exchanges SELECT one.* FROM one, n",
    )
    .unwrap();
    let count = |file: &Connection| {
        file.query_row("SELECT count(*) FROM exchanges", (), |row| {
            row.get::<_, i64>(0)
        })
    };
    let step = ledger.run(move |store| {
        exchanges::prune(store);
        store.read(count)
    });
    let left = step.await.unwrap();
    assert!((1_977..3_001).contains(&left), "{left} are left");
    // The rest follows by itself, and leaves time for this one to write.
    file.busy_timeout(Duration::from_secs(5)).unwrap();
    let mut written = 0;
    while count(&file).unwrap() > 10 {
        file.execute("UPDATE clock SET jumped_at = NULL", ())
            .unwrap();
        written += 1;
        tokio::task::yield_now().await;
    }
    assert!(written > 1, "{written}");
}

#[tokio::test]
async fn the_size_of_all_requests_is_summed_again_after_a_part_of_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        bytes: 8 * 1024,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
    let more = async |rows: i64| {
        for _ in 0..rows {
            record(&shared(&ledger), exchange("https://api.example/")).await;
        }
        let size = ledger.run(|store| {
            // A run that is under way does not look for more.
            while store.pruning.is_some() {
                exchanges::prune(store);
            }
            exchanges::prune(store);
            store.read(|file| {
                file.query_row("SELECT sum(size), max(size) FROM exchanges", (), |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                })
            })
        });
        size.await.unwrap()
    };
    let (full, row) = more(100).await;
    assert!((8 * 1024 - row..=8 * 1024).contains(&full), "{full}");
    let rows = 512 / row;
    assert!(rows > 0, "{row}");
    assert_eq!(more(rows).await, (full + rows * row, row), "not summed");
    assert_eq!(more(1).await, (full, row));
}

#[tokio::test]
async fn old_callbacks_and_their_jobs_are_dropped_as_new_ones_come() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let limits = Retention {
        age: Duration::from_secs(100),
        count: 80,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock.clone(), limits);
    let due = NewDelivery {
        jobs: vec![job(JobKind::Check, START)],
        ..new(1_000)
    };
    let due = shared(&ledger).deliver(due).await.unwrap();
    for number in 0..100 {
        shared(&ledger).deliver(new(number)).await.unwrap();
    }
    assert_eq!(
        saved(&shared(&ledger)).await.len(),
        1 + 81,
        "and the newest"
    );
    hand.advance(Duration::from_secs(101));
    let now = clock.now().wall;
    let id = due.jobs[0].id;
    assert_eq!(take_due(&shared(&ledger), now).await, [id]);
    let done = tried(JobState::Done);
    let done = shared(&ledger)
        .finish_attempt(id, now.plus(LEASE), done)
        .await;
    done.unwrap();
    let later = NewDelivery {
        received_at: now,
        ..new(1_001)
    };
    shared(&ledger).deliver(later).await.unwrap();
    assert_eq!(shared(&ledger).delivery(due.id).await, Ok(None));
    assert_eq!(count(&ledger, "jobs").await, 0, "with the delivery");
}
