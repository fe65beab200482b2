//! Nonces and the locks of their keys.

use std::sync::Mutex;
use std::time::Duration;

use super::Bench;
use super::fixtures::*;
use crate::clock::{Clock, ManualClock};
use crate::domain::WallTime;
use crate::ledger::{KeyHash, KeyLock, Ledger, LedgerError, Nonce, NonceRules, Status};

const HOUR: Duration = Duration::from_hours(1);

/// A process that holds the lock of one key, on a clock that is moved by hand.
struct Holder {
    ledger: Ledger,
    lock: KeyLock,
    clock: Clock,
    hand: ManualClock,
}

impl Holder {
    /// Its clock is `off` ms ahead of the provider's, which shows [`START`].
    async fn off_by(bench: &Bench, off: i64) -> Self {
        let (clock, hand) = Clock::by_hand(WallTime(START.0 + off));
        let ledger = bench.process(&clock);
        let lock = ledger.key_lock(&key()).await.unwrap();
        Self {
            ledger,
            lock,
            clock,
            hand,
        }
    }

    async fn next(&mut self) -> Result<Nonce, LedgerError> {
        let rules = NonceRules::default();
        self.lock.next_nonce(self.clock.now(), rules).await
    }

    /// Reports as many responses with this `Date`.
    async fn sees(&self, date: WallTime, responses: u32) {
        for _ in 0..responses {
            let seen = self.clock.now();
            self.ledger.note_provider_time(&key(), date, seen);
            self.ledger.flush().await;
        }
    }

    /// The next nonce at this time.
    async fn value_at(&mut self, wall: i64) -> Result<i64, LedgerError> {
        self.hand.set_wall(WallTime(wall));
        self.next().await.map(|nonce| nonce.value)
    }
}

pub async fn a_nonce_is_never_reused_and_never_runs_ahead(bench: Bench) {
    let mut first = Holder::off_by(&bench, 0).await;
    assert_eq!(first.value_at(1000).await, Ok(1000));
    assert_eq!(first.value_at(1000).await, Ok(1001));
    assert_eq!(first.value_at(400).await, Ok(1002), "clock set back");
    assert_eq!(first.value_at(5000).await, Ok(5000));
    drop(first);
    let mut next = Holder::off_by(&bench, 0).await;
    assert_eq!(next.value_at(5000).await, Ok(5001), "another process");
    let other = KeyHash::of("kanga", "other");
    next.lock = next.ledger.key_lock(&other).await.unwrap();
    assert_eq!(next.value_at(7).await, Ok(7), "another key");
    assert_eq!(next.value_at(i64::MAX).await, Ok(i64::MAX));
    assert_eq!(next.value_at(8).await, Err(LedgerError::NoncesExhausted));
}

pub async fn eight_processes_get_distinct_rising_nonces(bench: Bench) {
    let given = Mutex::new(Vec::new());
    let process = async || {
        let clock = at_start();
        let ledger = bench.process(&clock);
        for _ in 0..10 {
            let mut lock = ledger.key_lock(&key()).await.unwrap();
            for _ in 0..5 {
                let nonce = lock.next_nonce(clock.now(), NonceRules::default());
                let value = nonce.await.unwrap().value;
                given.lock().unwrap().push(value);
            }
        }
        assert_eq!(ledger.status().await, Status::Ready);
    };
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| runtime().block_on(process()));
        }
    });
    let given = given.into_inner().unwrap();
    assert_eq!(given.len(), 400);
    assert!(
        given.is_sorted_by(|a, b| a < b),
        "in the order given: {given:?}"
    );
    assert_eq!(given[0], START.0);
}

pub async fn a_key_lock_has_one_holder_until_dropped(bench: Bench) {
    let clock = at_start();
    let [one, two] = [(); 2].map(|()| bench.process(&clock));
    let held = one.key_lock(&key()).await.unwrap();
    for ledger in [&one, &two] {
        let key = key();
        let mut waiting = std::pin::pin!(ledger.key_lock(&key));
        let soon = tokio::time::timeout(Duration::from_millis(40), &mut waiting).await;
        assert!(soon.is_err(), "held");
    }
    let free = two.key_lock(&KeyHash::of("kanga", "other")).await;
    assert!(free.is_ok(), "another key's lock");
    drop(held);
    let mut lock = two.key_lock(&key()).await.unwrap();
    let nonce = lock.next_nonce(clock.now(), NonceRules::default()).await;
    assert!(nonce.is_ok());
}

pub async fn a_key_lock_held_for_too_long_is_an_error(bench: Bench) {
    let [one, two] = [(); 2].map(|()| bench.process(&at_start()));
    let _held = one.key_lock(&key()).await.unwrap();
    two.flush().await;
    // From here on, time passes while all wait.
    tokio::time::pause();
    let busy = two.key_lock(&key()).await.unwrap_err();
    assert_eq!(busy, LedgerError::KeyBusy(180));
}

pub async fn nonces_follow_the_providers_time_once_the_clock_is_known_to_be_wrong(bench: Bench) {
    for (off, wanted) in [
        (7_200_000, START.0 + 500),
        (-86_400_000, START.0 + 500),
        // Within the precision of `Date`, the clock is right.
        (2_000, START.0 + 2_000),
        (-2_000, START.0 - 2_000),
    ] {
        let bench = bench.another();
        let mut holder = Holder::off_by(&bench, off).await;
        // As many as it takes to be trusted against this machine's clock.
        holder.sees(START, 3).await;
        let nonce = holder.next().await.unwrap();
        assert_eq!((nonce.value, nonce.ahead), (wanted, None), "{off} ms off");
        holder.hand.advance(Duration::from_secs(9));
        let nonce = holder.next().await.unwrap();
        assert_eq!(nonce.value, wanted + 9_000, "{off} ms off");
    }
}

pub async fn a_nonce_that_ran_ahead_stops_the_next_until_the_provider_catches_up_or_the_operator_allows_it(
    bench: Bench,
) {
    let mut holder = Holder::off_by(&bench, 7_200_000).await;
    let first = holder.next().await.unwrap();
    assert_eq!(first.value, START.0 + 7_200_000, "nothing is known yet");
    holder.sees(START, 1).await;
    holder.hand.set_wall(START);
    let by = Duration::from_millis(7_199_001);
    assert_eq!(holder.next().await, Err(LedgerError::NonceAhead(by)));
    let rules = NonceRules {
        allow_ahead: true,
        ..NonceRules::default()
    };
    let allowed = holder.lock.next_nonce(holder.clock.now(), rules).await;
    let allowed = allowed.unwrap();
    assert_eq!((allowed.value, allowed.ahead), (first.value + 1, Some(by)));
    holder.hand.advance(2 * HOUR);
    let next = holder.next().await.unwrap();
    assert_eq!((next.value, next.ahead), (first.value + 2, None));
}

pub async fn a_single_wrong_date_neither_moves_a_nonce_nor_stops_one(bench: Bench) {
    for (name, wrong) in [
        ("an hour ahead", START.plus(HOUR)),
        ("an hour behind", WallTime(START.0 - 3_600_000)),
        ("in 1970", WallTime(0)),
        ("in 9999", WallTime(253_402_300_799_000)),
    ] {
        let bench = bench.another();
        let mut holder = Holder::off_by(&bench, 0).await;
        for known in [0, 1] {
            holder.sees(START, known).await;
            let last = holder.next().await.unwrap();
            holder.sees(wrong, 1).await;
            let next = holder.next().await.unwrap();
            assert_eq!((next.value, next.ahead), (last.value + 1, None), "{name}");
        }
    }
}

pub async fn a_wrong_time_that_was_trusted_stops_nothing_for_long(bench: Bench) {
    let mut holder = Holder::off_by(&bench, 0).await;
    holder.next().await.unwrap();
    holder.sees(WallTime(START.0 - 3_600_000), 3).await;
    let refused = holder.next().await;
    assert!(matches!(refused, Err(LedgerError::NonceAhead(_))));
    holder.hand.advance(11 * MINUTE);
    let tried = holder.next().await.unwrap();
    assert!(tried.ahead.is_some(), "with a warning: {tried:?}");
    holder.sees(START.plus(11 * MINUTE), 1).await;
    assert_eq!(holder.next().await.unwrap().ahead, None);
}
