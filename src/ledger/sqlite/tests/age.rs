//! A clock that was wrong for one run, and what is still saved afterwards.

use super::*;
use crate::ledger::contract::deliveries::lease;

const DAY: Duration = Duration::from_hours(24);

/// What a process does that runs for so many days later, or earlier: it writes, rests for two hours and ends.
async fn run(folder: &Path, days: i64) {
    run_for(2 * DAY / 24, folder, days).await;
}

async fn run_for(time: Duration, folder: &Path, days: i64) {
    let wall = WallTime(START.0 + days * 24 * 3_600_000);
    let (clock, hand) = Clock::by_hand(wall);
    let ledger = Sqlite::start(folder.to_owned(), clock, Retention::default());
    let mut call = exchange("https://api.example/later");
    call.at = wall;
    record(&shared(&ledger), call).await;
    hand.advance(time);
    ledger.queue().send(exchanges::prune);
    ledger.flush().await;
    close(ledger);
}

/// The exchanges that are left. Read beside the ledger, which takes note of the time when it is opened.
fn saved(folder: &Path) -> Vec<i64> {
    let file = Connection::open(folder.join("ledger.db")).unwrap();
    let mut ids = file
        .prepare("SELECT id FROM exchanges ORDER BY id")
        .unwrap();
    let ids = ids.query_map((), |row| row.get(0)).unwrap();
    ids.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_one_run_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 0).await;
    for days in [40, 0, 400, 39, 0, -9_000, 0, 40, -9_000, 400] {
        run(folder.path(), days).await;
    }
    // What was written in a year long past looks old, and is alone in that.
    assert_eq!(saved(folder.path()).len(), 11 - 2);
}

#[tokio::test]
async fn short_runs_with_wrong_clocks_far_apart_do_not_bear_each_other_out() {
    let folder = tempfile::tempdir().unwrap();
    for days in [0, 40, 40, 80, 42, 400] {
        run_for(DAY / 2_880, folder.path(), days).await;
    }
    assert_eq!(saved(folder.path()).len(), 6);
}

#[tokio::test]
async fn a_clock_that_goes_on_for_a_day_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    for days in [0, 1, 40] {
        run(folder.path(), days).await;
    }
    assert_eq!(saved(folder.path()), [1, 2, 3], "it has just jumped");
    run(folder.path(), 42).await;
    assert_eq!(saved(folder.path()), [3, 4]);
    // It was not used for long, and then every day.
    run(folder.path(), 80).await;
    assert_eq!(saved(folder.path()), [3, 4, 5]);
    run(folder.path(), 81).await;
    run(folder.path(), 82).await;
    assert_eq!(saved(folder.path()), [5, 6, 7]);
}

#[tokio::test]
async fn what_is_written_while_the_clock_is_ahead_does_not_bear_it_out() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 0).await;
    let wall = START.plus(40 * DAY);
    let (clock, hand) = Clock::by_hand(wall);
    let ahead = Sqlite::start(folder.path().to_owned(), clock, Retention::default());
    for _ in 0..20 {
        hand.advance(DAY / 24);
        let mut call = exchange("https://api.example/ahead");
        call.at = wall;
        record(&shared(&ahead), call).await;
        ahead.queue().send(exchanges::prune);
    }
    ahead.flush().await;
    assert_eq!(saved(folder.path()).len(), 21);
    close(ahead);
}

#[tokio::test]
async fn a_file_that_is_replaced_while_the_clock_is_ahead_keeps_its_time() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), 0).await;
    let (clock, hand) = clock();
    let ledger = Sqlite::start(folder.path().to_owned(), clock, Retention::default());
    ledger.flush().await;
    hand.set_wall(START.plus(40 * DAY));
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    record(&shared(&ledger), exchange("https://api.example/")).await;
    ledger.queue().send(exchanges::prune);
    ledger.flush().await;
    close(ledger);
    assert_eq!(saved(folder.path()).len(), 1, "its time is START");
}

/// An order that the shop was asked about is known again, however old it is and whatever the clock says meanwhile.
#[tokio::test]
async fn an_order_is_relayed_once_although_the_clock_was_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let order = NewDelivery {
        account_key: "live".into(),
        account: "mygame".into(),
        provider: "kongregate".into(),
        received_at: START,
        happened_at: None,
        from: "203.0.113.7".into(),
        method: "POST".into(),
        verdict: CallbackVerdict::Accepted,
        why: "a signature".into(),
        kind: "item_order_placed".into(),
        subject: None,
        proved: true,
        dedup_key: Some(DedupKey::Message([9; 32])),
        status: 200,
        bytes: 12,
        sealed: b"sealed bytes".to_vec(),
        jobs: vec![NewJob {
            kind: JobKind::Relay,
            target: "http://127.0.0.1:3000/hook".into(),
            at: START,
            leased_until: None,
        }],
    };
    let first = start(folder.path());
    let saved = shared(&first).deliver(order.clone()).await.unwrap();
    let taken = JobFilter {
        account_key: "live".into(),
        kinds: &JobKind::ALL,
        known: true,
        account: None,
        targets: None,
        busy: Vec::new(),
    };
    let taken = shared(&first)
        .take_jobs(taken, lease(START, START.plus(MINUTE), 1))
        .await;
    assert_eq!(taken.unwrap().len(), 1);
    let done = JobResult {
        state: crate::domain::JobState::Done,
        at: START,
        outcome: AttemptOutcome::without_answer("HTTP 200", Disposition::Done),
    };
    let (id, held_until) = (saved.jobs[0].id, START.plus(MINUTE));
    let done = shared(&first).finish_attempt(id, held_until, done).await;
    done.unwrap();
    close(first);
    // Even where a wrong clock is believed in the end.
    for days in [40, 0, 40, 42, 0] {
        run(folder.path(), days).await;
        let again = start(folder.path());
        let saved = shared(&again).deliver(order.clone()).await.unwrap();
        assert_eq!(saved.verdict, CallbackVerdict::Repeat, "after {days} days");
        close(again);
    }
}
