//! Nonces and the locks of their keys.

use std::sync::Mutex;
use std::time::Duration;

use super::Bench;
use super::fixtures::*;
use crate::clock::{Clock, ManualClock};
use crate::domain::WallTime;
use crate::ledger::{KeyHash, Ledger, LedgerError, Nonce, NonceRules, Status};

const HOUR: Duration = Duration::from_hours(1);

/// A process that uses one key, on a clock that is moved by hand.
struct User {
    ledger: Ledger,
    key: KeyHash,
    clock: Clock,
    hand: ManualClock,
}

impl User {
    /// Its clock is `off` ms ahead of the provider's, which shows [`START`].
    fn off_by(bench: &Bench, off: i64) -> Self {
        let (clock, hand) = Clock::by_hand(WallTime(START.0 + off));
        Self {
            ledger: bench.process(&clock),
            key: key(),
            clock,
            hand,
        }
    }

    /// The nonce of a further request.
    async fn next_by(&self, rules: NonceRules) -> Result<Nonce, LedgerError> {
        let mut lock = self.ledger.key_lock(&self.key).await?;
        lock.next_nonce(self.clock.now(), rules).await
    }

    async fn next(&self) -> Result<Nonce, LedgerError> {
        self.next_by(NonceRules::default()).await
    }

    /// Reports as many responses with this `Date`.
    async fn sees(&self, date: WallTime, responses: u32) {
        for _ in 0..responses {
            let seen = self.clock.now();
            self.ledger.note_provider_time(&self.key, date, seen);
            self.ledger.flush().await;
        }
    }

    /// The nonce of a further request at this time.
    async fn value_at(&self, wall: i64) -> Result<i64, LedgerError> {
        self.hand.set_wall(WallTime(wall));
        self.next().await.map(|nonce| nonce.value)
    }
}

pub async fn a_nonce_is_never_reused_and_never_runs_ahead(bench: Bench) {
    let first = User::off_by(&bench, 0);
    assert_eq!(first.value_at(1000).await, Ok(1000));
    assert_eq!(first.value_at(1000).await, Ok(1001));
    assert_eq!(first.value_at(400).await, Ok(1002), "clock set back");
    assert_eq!(first.value_at(5000).await, Ok(5000));
    let mut lock = first.ledger.key_lock(&key()).await.unwrap();
    for expected in [5001, 5002] {
        let nonce = lock.next_nonce(first.clock.now(), NonceRules::default());
        assert_eq!(nonce.await.unwrap().value, expected, "of one request");
    }
    drop((lock, first));
    let mut next = User::off_by(&bench, 0);
    assert_eq!(next.value_at(5000).await, Ok(5003), "another process");
    next.key = KeyHash::of("kanga", "other");
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

pub async fn a_process_that_pauses_holds_no_key_lock(bench: Bench) {
    let (clock, key) = (at_start(), key());
    let [one, two] = [(); 2].map(|()| bench.process(&clock));
    let soon = Duration::from_millis(40);
    let held = one.key_lock(&key).await.unwrap();
    let mut next = std::pin::pin!(one.key_lock(&key));
    assert!(tokio::time::timeout(soon, &mut next).await.is_err());
    let mut pause = std::pin::pin!(one.pause());
    assert!(tokio::time::timeout(soon, &mut pause).await.is_err());
    drop(held);
    // The one that waits makes way.
    let (paused, still) = tokio::join!(pause, tokio::time::timeout(soon, &mut next));
    assert!(still.is_err());
    drop(two.key_lock(&key).await.unwrap());
    drop(paused);
    next.await.unwrap();
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
        let user = User::off_by(&bench, off);
        // As many as it takes to be trusted against this machine's clock.
        user.sees(START, 3).await;
        let nonce = user.next().await.unwrap();
        assert_eq!((nonce.value, nonce.ahead), (wanted, None), "{off} ms off");
        user.hand.advance(Duration::from_secs(9));
        let nonce = user.next().await.unwrap();
        assert_eq!(nonce.value, wanted + 9_000, "{off} ms off");
    }
}

pub async fn a_nonce_that_ran_ahead_stops_the_next_until_the_provider_catches_up_or_the_operator_allows_it(
    bench: Bench,
) {
    let user = User::off_by(&bench, 7_200_000);
    let first = user.next().await.unwrap();
    assert_eq!(first.value, START.0 + 7_200_000, "nothing is known yet");
    user.sees(START, 1).await;
    user.hand.set_wall(START);
    let by = Duration::from_millis(7_199_001);
    assert_eq!(user.next().await, Err(LedgerError::NonceAhead(by)));
    let rules = NonceRules {
        allow_ahead: true,
        ..NonceRules::default()
    };
    let allowed = user.next_by(rules).await.unwrap();
    assert_eq!((allowed.value, allowed.ahead), (first.value + 1, Some(by)));
    user.hand.advance(2 * HOUR);
    let next = user.next().await.unwrap();
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
        let user = User::off_by(&bench, 0);
        for known in [0, 1] {
            user.sees(START, known).await;
            let last = user.next().await.unwrap();
            user.sees(wrong, 1).await;
            let next = user.next().await.unwrap();
            assert_eq!((next.value, next.ahead), (last.value + 1, None), "{name}");
        }
    }
}

pub async fn a_wrong_time_that_was_trusted_stops_nothing_for_long(bench: Bench) {
    let user = User::off_by(&bench, 0);
    user.next().await.unwrap();
    user.sees(WallTime(START.0 - 3_600_000), 3).await;
    let refused = user.next().await;
    assert!(matches!(refused, Err(LedgerError::NonceAhead(_))));
    user.hand.advance(11 * MINUTE);
    let tried = user.next().await.unwrap();
    assert!(tried.ahead.is_some(), "with a warning: {tried:?}");
    user.sees(START.plus(11 * MINUTE), 1).await;
    assert_eq!(user.next().await.unwrap().ahead, None);
}
