//! Slots over reboots, wall clocks that are set, locks and files that cannot be written.

use super::*;
use crate::ledger::contract::slots::{Spenders, Step, step};

/// Three slots whose responses were seen, 59 s ago.
async fn almost_free(folder: &Path, hand_clock: &(Clock, ManualClock)) -> Sqlite {
    let (clock, hand) = hand_clock;
    let ledger = Sqlite::start(folder.to_owned(), clock.clone(), Retention::default());
    for _ in 0..3 {
        let id = granted(take(&ledger, 0).await);
        ledger.release_slot(id, clock.now());
    }
    ledger.flush().await;
    hand.advance(Duration::from_secs(59));
    ledger
}

fn full_for(seconds: u64) -> SlotOutcome {
    SlotOutcome::Full {
        next_free: Some(Duration::from_secs(seconds)),
    }
}

#[tokio::test]
async fn a_wall_clock_that_is_set_moves_no_slot_either_way_in_any_process() {
    for days in [-400, -1, 1, 40] {
        let folder = tempfile::tempdir().unwrap();
        let hand_clock = clock();
        let (clock, hand) = &hand_clock;
        let ledger = almost_free(folder.path(), &hand_clock).await;
        hand.set_wall(WallTime(START.0 + days * 86_400_000));
        let fresh = start_by(folder.path(), clock);
        for process in [&ledger, &fresh] {
            assert_eq!(take(process, 0).await, full_for(1), "{days} days");
        }
        hand.advance(Duration::from_secs(1));
        granted(take(&fresh, 0).await);
    }
}

#[tokio::test]
async fn after_a_restart_of_the_machine_a_whole_period_is_waited_whatever_its_clock_says() {
    for days in [-400, 0, 40] {
        let folder = tempfile::tempdir().unwrap();
        let hand_clock = clock();
        let (clock, hand) = &hand_clock;
        close(almost_free(folder.path(), &hand_clock).await);
        hand.set_wall(WallTime(START.0 + days * 86_400_000));
        hand.reboot();
        let ledger = start_by(folder.path(), clock);
        let counted = ledger.budget("kanga".into(), 3, MINUTE).await.unwrap();
        assert_eq!(counted.used, 3);
        assert_eq!(take(&ledger, 0).await, full_for(60), "{days} days");
        hand.advance(Duration::from_secs(59));
        assert_eq!(take(&ledger, 0).await, full_for(1), "{days} days");
        hand.advance(Duration::from_secs(1));
        granted(take(&ledger, 0).await);
    }
}

/// Slots that another process took and released while this one waited for the database's lock are no slots from the
/// future.
#[tokio::test]
async fn a_process_that_waited_for_the_lock_counts_from_when_it_got_it() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let ledger = start_by(folder.path(), &clock);
    ledger.flush().await;
    let other = Connection::open(folder.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut status = ledger.status_changes();
    let mut taking = std::pin::pin!(take(&ledger, 0));
    tokio::select! {
        early = &mut taking => panic!("{early:?}"),
        locked = status.wait_for(|status| *status == Status::Locked) => drop(locked.unwrap()),
    }
    hand.advance(Duration::from_secs(10));
    let seen = clock.shared(clock.now());
    let insert = "INSERT INTO slots (scope, boot, period, flight, seen_at, free_at) VALUES ('kanga', ?1, 60000, ?2, ?3, ?4)";
    for (flight, at) in [(0, Some(seen.ms)), (0, Some(seen.ms)), (30_000, None)] {
        let row = (seen.boot, flight, at, seen.ms + 60_000 + flight);
        other.execute(insert, row).unwrap();
    }
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(taking.await, full_for(60));
}

#[tokio::test]
async fn a_hold_lasts_its_time_whatever_is_done_to_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let ledger = start_by(folder.path(), &clock);
    ledger.hold_slots("kanga".into(), clock.now(), MINUTE);
    hand.set_wall(WallTime(START.0 + 86_400_000));
    assert_eq!(take(&ledger, 0).await, SlotOutcome::Held(MINUTE));
    hand.advance(Duration::from_secs(30));
    // No process outlives a restart. This one stands for the next, but its instants of the monotonic clock are older.
    hand.reboot();
    assert_eq!(take(&ledger, 0).await, SlotOutcome::Held(MINUTE));
    hand.advance(MINUTE);
    granted(take(&ledger, 0).await);
}

#[tokio::test]
async fn a_shared_wall_clock_set_back_frees_nothing_early_and_blocks_for_one_period_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let hand_clock = clock();
    let (_, hand) = &hand_clock;
    hand.share_wall();
    let ledger = almost_free(folder.path(), &hand_clock).await;
    hand.set_wall(WallTime(START.0 - 86_400_000));
    assert_eq!(take(&ledger, 0).await, full_for(60));
    hand.advance(Duration::from_secs(59));
    assert_eq!(take(&ledger, 0).await, full_for(1));
    hand.advance(Duration::from_secs(1));
    granted(take(&ledger, 0).await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// As for any ledger, and also while the wall clock is set and one process at times cannot write.
    #[test]
    fn the_budget_is_never_exceeded(steps in proptest::collection::vec(any_step(), 1..60)) {
        runtime().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (clock, hand) = clock();
            let begin = || start_by(folder.path(), &clock);
            let (one, two) = (begin(), begin());
            let set_disk = async |full| forbid_writing(&one, full).await;
            let processes = [&one, &two].map(shared);
            let spenders = Spenders { processes, clock: clock.clone(), hand };
            spenders.spend(steps, set_disk).await;
        });
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        15 => step(),
        1 => (-200_000..200_000_i64).prop_map(|ms| Step::SetClock { ms }),
        1 => any::<bool>().prop_map(|full| Step::Disk { full }),
    ]
}

#[tokio::test]
async fn a_caller_that_has_gone_before_its_turn_takes_no_slot() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let hold = busy(&ledger).await;
    {
        let mut taking = std::pin::pin!(ledger.take_slot(terms("kanga", 3, 0)));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(taking.as_mut().poll(cx)));
        assert!(polled.await.is_pending());
    }
    drop(hold);
    assert_eq!(
        ledger.budget("kanga".into(), 3, MINUTE).await,
        Ok(counted(0, None))
    );
}

#[tokio::test]
async fn of_slots_that_are_free_again_few_rows_are_left() {
    for (limit, left) in [(30, 0), (160, 9), (10_000, 63)] {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = clock();
        let ledger = start_by(folder.path(), &clock);
        for more in [left, 1] {
            for _ in 0..more {
                let slot = ledger.take_slot(terms("s", limit, 0)).await.unwrap();
                ledger.release_slot(granted(slot), clock.now());
            }
            ledger.flush().await;
            hand.advance(MINUTE);
            let slot = ledger.take_slot(terms("s", limit, 0)).await.unwrap();
            ledger.return_slot(granted(slot));
            let rows = if more == left { left } else { 0 };
            assert_eq!(count(&ledger, "slots").await, rows, "of {limit}");
            let used = ledger.budget("s".into(), limit, MINUTE).await.unwrap().used;
            assert_eq!(used, 0);
        }
    }
}

#[tokio::test]
async fn a_slot_that_is_not_in_the_file_is_returned_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    forbid_writing(&ledger, true).await;
    let one = granted(take(&ledger, 0).await);
    let two = granted(take(&ledger, 0).await);
    ledger.return_slot(one);
    let counted = ledger.budget("kanga".into(), 3, MINUTE).await.unwrap();
    assert_eq!(counted.used, 1);
    ledger.return_slot(two);
    let counted = ledger.budget("kanga".into(), 3, MINUTE).await.unwrap();
    assert_eq!(counted.used, 0);
}
