//! Slots: taken, freed, shared, never too many.

use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Bench;
use super::fixtures::*;
use crate::clock::{Clock, ManualClock};
use crate::domain::{Now, WallTime};
use crate::ledger::{HOLD_MAX, Ledger, SlotId, SlotOutcome, SlotRequest, Status};

pub async fn a_slot_is_freed_one_period_after_the_response_was_seen(bench: Bench) {
    let (clock, hand) = clock();
    let processes = [(); 2].map(|()| bench.process(&clock));
    let [one, two] = &processes;
    let first = granted(take(&**one, 0).await);
    let second = granted(take(&**two, 1).await);
    let full = |next_free| SlotOutcome::Full { next_free };
    assert_eq!(take(&**two, 1).await, full(None), "one is reserved");
    granted(take(&**one, 0).await);
    assert_eq!(take(&**two, 0).await, full(None), "all in flight");
    hand.advance(Duration::from_secs(2));
    one.release_slot(first, clock.now());
    one.flush().await;
    hand.advance(Duration::from_secs(10));
    assert_eq!(take(&**two, 0).await, full(Some(Duration::from_secs(50))));
    assert_eq!(
        take(&**two, 1).await,
        full(None),
        "a second one must be freed"
    );
    let budget = two.budget("kanga".into(), 3, MINUTE).await;
    assert_eq!(budget, Ok(counted(3, Some(Duration::from_secs(50)))));
    two.release_slot(second, clock.now());
    two.flush().await;
    assert_eq!(take(&**two, 1).await, full(Some(MINUTE)));
    hand.advance(Duration::from_secs(50));
    assert_eq!(
        one.budget("kanga".into(), 3, MINUTE).await,
        Ok(counted(2, None))
    );
    granted(take(&**two, 0).await);
    assert_eq!(
        one.budget("other".into(), 3, MINUTE).await,
        Ok(counted(0, None))
    );
}

pub async fn a_dead_process_holds_its_slots_as_long_as_a_request_can_last(bench: Bench) {
    let (clock, hand) = clock();
    let begin = || bench.process(&clock);
    let dying = begin();
    for _ in 0..3 {
        granted(take(&*dying, 0).await);
    }
    drop(dying);
    let next = begin();
    hand.advance(FLIGHT + Duration::from_millis(59_999));
    assert!(matches!(take(&*next, 0).await, SlotOutcome::Full { .. }));
    hand.advance(Duration::from_millis(1));
    granted(take(&*next, 0).await);
}

pub async fn the_highest_limits_do_not_overflow(bench: Bench) {
    let ledger = bench.process(&at_start());
    for _ in 0..2 {
        let all = SlotRequest {
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
    assert_eq!(
        none,
        SlotOutcome::Full { next_free: None },
        "no slots at all"
    );
    assert_eq!(ledger.status().await, Status::Ready);
}

pub async fn a_hold_lasts_its_time_in_every_process_until_it_is_lifted(bench: Bench) {
    let (clock, hand) = clock();
    let [one, two] = [(); 2].map(|()| bench.process(&clock));
    let held = async |seconds| {
        assert_eq!(
            take(&*two, 0).await,
            SlotOutcome::Held(Duration::from_secs(seconds))
        );
    };
    one.hold_slots("kanga".into(), clock.now(), MINUTE);
    one.flush().await;
    held(60).await;
    hand.advance(Duration::from_secs(20));
    one.hold_slots("kanga".into(), clock.now(), Duration::from_secs(1));
    one.flush().await;
    held(40).await;
    let shown = one.budget("kanga".into(), 3, MINUTE).await.unwrap();
    assert_eq!(shown.held, Some(Duration::from_secs(40)));
    let other = two.take_slot(terms("kinguin", 3, 0)).await.unwrap();
    granted(other);
    hand.advance(Duration::from_secs(40));
    granted(take(&*two, 0).await);
    one.hold_slots("kanga".into(), clock.now(), 2 * HOLD_MAX);
    one.flush().await;
    held(HOLD_MAX.as_secs()).await;
    two.lift_hold("kanga".into());
    two.flush().await;
    granted(take(&*one, 0).await);
}

/// The caller goes before it has its answer.
pub async fn a_slot_whose_caller_has_gone_is_returned(bench: Bench) {
    let ledger = bench.process(&at_start());
    ledger.flush().await;
    for _ in 0..3 {
        let mut taking = std::pin::pin!(take(&*ledger, 0));
        std::future::poll_fn(|cx| {
            let _ = taking.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    }
    ledger.flush().await;
    let free = ledger.budget("kanga".into(), 3, MINUTE).await;
    assert_eq!(free, Ok(counted(0, None)));
}

#[derive(Debug, Clone)]
pub enum Step {
    Take {
        process: usize,
        reserve: u32,
    },
    Release {
        nth: usize,
    },
    Die {
        nth: usize,
    },
    Wait {
        ms: u64,
    },
    SetClock {
        ms: i64,
    },
    /// The first process cannot write, or can again.
    Disk {
        full: bool,
    },
}

/// Steps of two processes, and of time.
pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2_usize, 0..2_u32).prop_map(|(process, reserve)| Step::Take { process, reserve }),
        4 => (0..8_usize).prop_map(|nth| Step::Release { nth }),
        1 => (0..8_usize).prop_map(|nth| Step::Die { nth }),
        4 => (1..40_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// Two processes and their clock.
pub struct Spenders {
    pub processes: [Ledger; 2],
    pub clock: Clock,
    pub hand: ManualClock,
}

impl Spenders {
    /// Checks after each step that no more than the limit were in flight or answered within the last period.
    pub async fn spend(&self, steps: Vec<Step>, set_disk: impl AsyncFn(bool)) {
        const LIMIT: u32 = 3;
        let Self {
            processes,
            clock,
            hand,
        } = self;
        let mut full_disk = false;
        let mut in_flight: Vec<(usize, SlotId, Duration)> = Vec::new();
        let mut until: Vec<Duration> = Vec::new();
        for step in steps {
            let mono = clock.now().mono;
            match step {
                Step::Take { process, reserve } => {
                    // The other process cannot see slots that this one cannot write.
                    let process = if full_disk { 0 } else { process };
                    let slot = processes[process].take_slot(terms("s", LIMIT, reserve));
                    if let SlotOutcome::Granted(granted) = slot.await.unwrap() {
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
                Step::Disk { full } => {
                    full_disk |= full;
                    set_disk(full).await;
                }
                Step::Release { .. } | Step::Die { .. } => {}
            }
        }
    }
}

/// In any order, with responses that come late or never.
pub async fn the_budget_is_never_exceeded(bench: Bench) {
    let cases = move || {
        let runtime = runtime();
        let steps = proptest::collection::vec(step(), 1..60);
        let mut runner = TestRunner::new(Config {
            source_file: Some(file!()),
            ..Config::with_cases(48)
        });
        let held = runner.run(&steps, |steps| {
            runtime.block_on(async {
                let bench = bench.another();
                let (clock, hand) = clock();
                let processes = [(); 2].map(|()| bench.process(&clock));
                let spenders = Spenders {
                    processes,
                    clock,
                    hand,
                };
                spenders.spend(steps, async |_| ()).await;
            });
            Ok(())
        });
        if let Err(failed) = held {
            panic!("{failed}");
        }
    };
    // A runtime of its own blocks, which a task must not.
    tokio::task::spawn_blocking(cases).await.unwrap();
}
