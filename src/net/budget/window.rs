//! The slots of one scope as this process sees them: an exact sliding window, and the slots that were taken in the
//! ledger ahead of use. Pure arithmetic on given instants: no waiting, no clock, no I/O.
//!
//! A slot counts from before its request is sent until one period after its response was seen. A request reaches the
//! provider between those two instants, so no window of one period at the provider, wherever it begins, can hold
//! more requests than there are slots.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::Now;

/// The window of this process, on the monotonic clock: a change of the wall clock, by which processes share theirs,
/// does not affect it.
#[derive(Debug, Clone)]
pub struct Window {
    limit: u32,
    period: Duration,
    in_flight: u32,
    /// When each slot whose response was seen is free again; ascending.
    freeing: VecDeque<Duration>,
}

impl Window {
    /// All slots free.
    #[must_use]
    pub fn new(limit: u32, period: Duration) -> Self {
        Self {
            limit,
            period,
            in_flight: 0,
            freeing: VecDeque::new(),
        }
    }

    /// How many slots are used.
    pub fn used(&mut self, now: Duration) -> u32 {
        while self.freeing.front().is_some_and(|free| *free <= now) {
            self.freeing.pop_front();
        }
        let freeing = u32::try_from(self.freeing.len()).unwrap_or(u32::MAX);
        self.in_flight.saturating_add(freeing)
    }

    /// How many can be taken that leave `reserve` free.
    pub fn room(&mut self, now: Duration, reserve: u32) -> u32 {
        let used = self.used(now);
        self.limit.saturating_sub(reserve).saturating_sub(used)
    }

    /// Takes a slot that leaves `reserve` free; `false` if there is none.
    pub fn take(&mut self, now: Duration, reserve: u32) -> bool {
        let room = self.room(now, reserve) > 0;
        self.in_flight += u32::from(room);
        room
    }

    /// Until a slot that leaves `reserve` free can be taken, where that does not depend on a response.
    pub fn next(&mut self, now: Duration, reserve: u32) -> Option<Duration> {
        let over = (self.used(now) + 1).checked_sub(self.limit.saturating_sub(reserve))?;
        // The instants are ascending, so the n-th release makes the n-th slot free.
        let nth = usize::try_from(over).ok()?.checked_sub(1)?;
        self.freeing.get(nth).map(|free| free.saturating_sub(now))
    }

    /// The response to a request that used a slot was seen, or the request was cancelled.
    pub fn seen(&mut self, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        // Keeps the queue ascending even if the given clock goes back.
        let last = self.freeing.back().copied().unwrap_or_default();
        self.freeing
            .push_back(now.saturating_add(self.period).max(last));
    }

    /// Nothing was sent under one of the slots.
    pub fn unused(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

/// The longest a slot taken in the ledger stays in the cache; after that it is returned. The time a request may last
/// counts from when its slot was taken.
pub const READY_MAX: Duration = Duration::from_secs(1);

/// A burst: requests that take slots in the ledger less than this apart.
const BURST: Duration = Duration::from_millis(20);

/// The most slots taken ahead at once.
const PREFETCH_MAX: u32 = 32;

/// The next step for a request that needs a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<Id> {
    /// Send under this slot, which was taken in the ledger at that instant.
    Go(Id, Now),
    /// Take up to this many in the ledger, then call again.
    Take(u32),
    /// Wait this long, or for a response where the time is not known; then call again.
    Wait(Option<Duration>),
}

/// The window of this process, and the slots it has taken in the ledger and not used yet.
#[derive(Debug)]
pub struct SlotCache<Id> {
    window: Window,
    ready: VecDeque<(Id, Now)>,
    ahead: u32,
    taken_at: Option<Duration>,
    held_until: Option<Duration>,
}

impl<Id> SlotCache<Id> {
    /// An empty one.
    #[must_use]
    pub fn new(limit: u32, period: Duration) -> Self {
        Self {
            window: Window::new(limit, period),
            ready: VecDeque::new(),
            ahead: 1,
            taken_at: None,
            held_until: None,
        }
    }

    /// The next step for a request that leaves `reserve` slots free, while `queued` others wait behind it.
    pub fn step(&mut self, now: Now, reserve: u32, queued: u32) -> Step<Id> {
        if let Some(left) = self.held(now) {
            return Step::Wait(Some(left));
        }
        let room = self.window.room(now.mono, reserve);
        if room == 0 {
            return Step::Wait(self.window.next(now.mono, reserve));
        }
        if let Some((id, at)) = self.ready.pop_front() {
            // A cached slot is already counted in the file; only here it starts to count in this process's own
            // window.
            self.window.take(now.mono, reserve);
            return Step::Go(id, at);
        }
        let burst = self
            .taken_at
            .is_some_and(|at| now.mono.saturating_sub(at) < BURST);
        // Doubled as long as requests follow each other: one transaction then serves many.
        self.ahead = if burst {
            self.ahead.saturating_mul(2)
        } else {
            1
        };
        // A killed process leaves its cached slots used until they expire, so the cache stays small: 2 % of the
        // limit.
        let most = (self.window.limit / 50).clamp(1, PREFETCH_MAX);
        self.ahead = self.ahead.max(queued.saturating_add(1)).min(most);
        self.taken_at = Some(now.mono);
        // Never beyond this process's own window, which also counts what the file could not store.
        Step::Take(self.ahead.min(room))
    }

    /// How many slots to take ahead, before any request waits for them: during a burst, once half of the cache is
    /// used.
    pub fn refill(&mut self, now: Now, reserve: u32) -> Option<u32> {
        let bursting = self.ahead > 1 && self.held(now).is_none();
        let low = u32::try_from(self.ready.len()).unwrap_or(u32::MAX) <= self.ahead / 2;
        let room = self.window.room(now.mono, reserve);
        let wanted = self.ahead.min(room);
        if !bursting || !low || wanted == 0 {
            return None;
        }
        self.taken_at = Some(now.mono);
        Some(wanted)
    }

    /// Adds slots that were taken in the ledger at that instant.
    pub fn granted(&mut self, ids: impl IntoIterator<Item = Id>, at: Now) {
        self.ready.extend(ids.into_iter().map(|id| (id, at)));
    }

    /// Removes the cached slots that are too old, or all of them, for return to the ledger.
    pub fn remove_unused(&mut self, now: Now, all: bool) -> Vec<Id> {
        let old = |at: &Now| {
            // By both clocks, and the larger age counts.
            now.mono.saturating_sub(at.mono) > READY_MAX || now.wall.since(at.wall) > READY_MAX
        };
        let (keep, back): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.ready)
            .into_iter()
            .partition(|(_, at)| !all && !old(at));
        self.ready = keep;
        back.into_iter().map(|(id, _)| id).collect()
    }

    /// Whether the cache holds any slot.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The response to a request was seen, or the request was cancelled.
    pub fn seen(&mut self, now: Now) {
        self.window.seen(now.mono);
    }

    /// Nothing was sent under a slot.
    pub fn unused(&mut self) {
        self.window.unused();
    }

    /// Nothing is sent until then.
    pub fn hold(&mut self, until: Duration) {
        self.held_until = Some(self.held_until.map_or(until, |held| held.max(until)));
    }

    /// Ends the hold.
    pub fn lift(&mut self) {
        self.held_until = None;
    }

    /// How long the hold lasts; `None` where there is none.
    pub fn held(&mut self, now: Now) -> Option<Duration> {
        let left = self
            .held_until?
            .checked_sub(now.mono)
            .filter(|left| !left.is_zero());
        if left.is_none() {
            self.held_until = None;
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::WallTime;

    const PERIOD: Duration = Duration::from_mins(1);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn now(seconds: u64) -> Now {
        Now {
            mono: s(seconds),
            wall: WallTime(i64::try_from(seconds).unwrap() * 1000),
        }
    }

    #[test]
    fn a_slot_is_free_one_period_after_its_reply_was_seen() {
        let mut window = Window::new(2, PERIOD);
        assert!(window.take(s(0), 0) && window.take(s(1), 0));
        assert!(!window.take(s(2), 0));
        assert_eq!(window.next(s(2), 0), None, "both replies are on their way");
        window.seen(s(5));
        assert_eq!(window.next(s(6), 0), Some(s(59)));
        assert!(!window.take(s(64), 0));
        assert!(window.take(s(65), 0));
        window.unused();
        assert_eq!(window.used(s(65)), 1);
    }

    #[test]
    fn background_leaves_its_reserve() {
        let mut window = Window::new(10, PERIOD);
        let mut taken = 0;
        while window.take(s(0), 3) {
            taken += 1;
        }
        assert_eq!(taken, 7);
        window.seen(s(1));
        assert_eq!(window.next(s(2), 3), Some(s(59)));
        assert_eq!(window.next(s(2), 0), None, "free now");
        assert!(window.take(s(2), 0));
    }

    #[test]
    fn slots_are_taken_ahead_in_a_burst_only_and_go_back_unused() {
        let mut slot_cache: SlotCache<u32> = SlotCache::new(2000, PERIOD);
        assert_eq!(slot_cache.step(now(0), 0, 0), Step::Take(1));
        slot_cache.granted([1], now(0));
        assert_eq!(slot_cache.step(now(0), 0, 0), Step::Go(1, now(0)));
        assert_eq!(slot_cache.step(now(0), 0, 0), Step::Take(2));
        slot_cache.granted([2, 3], now(0));
        assert_eq!(slot_cache.step(now(0), 0, 0), Step::Go(2, now(0)));
        assert!(slot_cache.remove_unused(now(1), false).is_empty());
        assert_eq!(slot_cache.remove_unused(now(2), false), [3]);
        assert_eq!(
            slot_cache.step(now(2), 0, 0),
            Step::Take(1),
            "the burst is over"
        );
        assert_eq!(
            slot_cache.step(now(9), 0, 500),
            Step::Take(32),
            "as many as wait, within reason"
        );
    }

    #[test]
    fn a_small_limit_is_never_taken_ahead() {
        let mut slot_cache: SlotCache<u32> = SlotCache::new(3, PERIOD);
        for _ in 0..5 {
            assert_eq!(slot_cache.step(now(0), 0, 100), Step::Take(1));
        }
    }

    #[test]
    fn a_hold_stops_everything_until_it_is_over() {
        let mut slot_cache: SlotCache<u32> = SlotCache::new(10, PERIOD);
        slot_cache.hold(s(30));
        slot_cache.hold(s(20));
        assert_eq!(slot_cache.step(now(29), 0, 0), Step::Wait(Some(s(1))));
        assert_eq!(slot_cache.step(now(30), 0, 0), Step::Take(1));
    }
}
