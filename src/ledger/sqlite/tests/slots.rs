//! Slots: taken, freed, shared, never too many.

use super::*;

#[tokio::test]
async fn slots_are_freed_one_period_after_the_reply_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let processes = [(); 2].map(|()| start_by(folder.path(), &clock));
    let [one, two] = &processes;
    let first = granted(take(one, 0).await);
    let second = granted(take(two, 1).await);
    let full = |next_free| Slots::Full { next_free };
    assert_eq!(take(two, 1).await, full(None), "one is kept free");
    granted(take(one, 0).await);
    assert_eq!(take(two, 0).await, full(None), "all in flight");
    hand.advance(Duration::from_secs(2));
    one.release_slot(first, clock.now());
    one.flush().await;
    hand.advance(Duration::from_secs(10));
    assert_eq!(take(two, 0).await, full(Some(Duration::from_secs(50))));
    assert_eq!(take(two, 1).await, full(None), "a second one must be freed");
    let budget = two.budget("kanga".into(), 3, MINUTE).await;
    assert_eq!(budget, Ok(counted(3, Some(Duration::from_secs(50)))));
    two.release_slot(second, clock.now());
    two.flush().await;
    assert_eq!(take(two, 1).await, full(Some(MINUTE)));
    hand.advance(Duration::from_secs(50));
    assert_eq!(
        one.budget("kanga".into(), 3, MINUTE).await,
        Ok(counted(2, None))
    );
    granted(take(two, 0).await);
    assert_eq!(
        one.budget("other".into(), 3, MINUTE).await,
        Ok(counted(0, None))
    );
}

#[tokio::test]
async fn a_dead_process_holds_its_slots_as_long_as_a_request_can_last() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let begin = || start_by(folder.path(), &clock);
    let dying = begin();
    for _ in 0..3 {
        granted(take(&dying, 0).await);
    }
    close(dying);
    let next = begin();
    hand.advance(FLIGHT + Duration::from_millis(59_999));
    assert!(matches!(take(&next, 0).await, Slots::Full { .. }));
    hand.advance(Duration::from_millis(1));
    granted(take(&next, 0).await);
}

/// Three slots whose replies were seen, 59 s ago.
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

fn full_for(seconds: u64) -> Slots {
    Slots::Full {
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
async fn who_had_to_wait_for_the_lock_counts_from_when_it_was_had() {
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
        told = status.wait_for(|status| *status == Status::Locked) => drop(told.unwrap()),
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
    assert_eq!(take(&ledger, 0).await, Slots::Held(MINUTE));
    hand.advance(Duration::from_secs(30));
    hand.reboot();
    assert_eq!(take(&ledger, 0).await, Slots::Held(MINUTE));
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

#[tokio::test]
async fn the_highest_limits_do_not_overflow() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for _ in 0..2 {
        let all = Terms {
            period: Duration::MAX,
            flight: Duration::MAX,
            ..terms("s", u32::MAX, 0)
        };
        let slot = ledger.take_slot(all).await;
        let id = granted(slot.unwrap());
        let last = Now {
            mono: Duration::MAX,
            wall: WallTime(i64::MAX),
        };
        ledger.release_slot(id, last);
    }
    let none = ledger.take_slot(terms("s", 0, 7)).await.unwrap();
    assert_eq!(none, Slots::Full { next_free: None }, "no slots at all");
    assert_eq!(ledger.status().await, Status::Ready);
}

#[derive(Debug, Clone)]
enum Step {
    Take { process: usize, reserve: u32 },
    Release { nth: usize },
    Die { nth: usize },
    Wait { ms: u64 },
    SetClock { ms: i64 },
    Disk { process: usize, full: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2_usize, 0..2_u32).prop_map(|(process, reserve)| Step::Take { process, reserve }),
        4 => (0..8_usize).prop_map(|nth| Step::Release { nth }),
        1 => (0..8_usize).prop_map(|nth| Step::Die { nth }),
        4 => (1..40_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => (-200_000..200_000_i64).prop_map(|ms| Step::SetClock { ms }),
        1 => (0..1_usize, any::<bool>()).prop_map(|(process, full)| Step::Disk { process, full }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In any order, with replies that come late or never, clocks that are set, and one process that at times
    /// cannot write: no more than the limit were in flight or answered within the last period.
    #[test]
    fn the_budget_is_never_exceeded(steps in proptest::collection::vec(step(), 1..60)) {
        const LIMIT: u32 = 3;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (clock, hand) = clock();
            let begin = || start_by(folder.path(), &clock);
            // The one that cannot write comes second at the counter: what it holds, the other cannot see.
            let processes = [begin(), begin()];
            let mut full_disk = false;
            let mut in_flight: Vec<(usize, SlotId, Duration)> = Vec::new();
            let mut until: Vec<Duration> = Vec::new();
            for step in steps {
                let mono = clock.now().mono;
                match step {
                    Step::Take { process, reserve } => {
                        let process = if full_disk { 0 } else { process };
                        let slot = processes[process].take_slot(terms("s", LIMIT, reserve)).await.unwrap();
                        if let Slots::Granted(granted) = slot {
                            in_flight.retain(|(_, _, taken)| *taken + FLIGHT + MINUTE > mono);
                            until.retain(|end| *end > mono);
                            let open = LIMIT - reserve;
                            let used = in_flight.len() + until.len() + 1;
                            assert!(used <= open as usize, "{in_flight:?} {until:?}");
                            in_flight.push((process, granted.take(), mono));
                        }
                    }
                    Step::Release { nth } if nth < in_flight.len() => {
                        let (process, id, taken) = in_flight.remove(nth);
                        // Requests end within their limit.
                        if taken + FLIGHT >= mono {
                            processes[process].release_slot(id, clock.now());
                            processes[process].flush().await;
                            until.push(mono + MINUTE);
                        } else {
                            in_flight.push((process, id, taken));
                        }
                    }
                    Step::Die { nth } if nth < in_flight.len() => {
                        let (_, _, taken) = in_flight.remove(nth);
                        until.push(taken + MINUTE);
                    }
                    Step::Wait { ms } => hand.advance(Duration::from_millis(ms)),
                    Step::SetClock { ms } => hand.set_wall(WallTime(clock.now().wall.0 + ms)),
                    Step::Disk { process, full } => {
                        full_disk |= full;
                        forbid_writing(&processes[process], full).await;
                    }
                    Step::Release { .. } | Step::Die { .. } => {}
                }
            }
        });
    }
}

#[tokio::test]
async fn who_no_longer_waits_for_a_slot_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let (hold, until) = mpsc::channel::<()>();
    ledger.send(move |_| assert!(until.recv().is_err()));
    {
        let mut asking = std::pin::pin!(ledger.take_slot(terms("kanga", 3, 0)));
        let asked = std::future::poll_fn(|cx| std::task::Poll::Ready(asking.as_mut().poll(cx)));
        assert!(asked.await.is_pending());
    }
    drop(hold);
    assert_eq!(
        ledger.budget("kanga".into(), 3, MINUTE).await,
        Ok(counted(0, None))
    );
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
