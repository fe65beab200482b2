//! The slots of one scope as this process sees them: an exact sliding window. Pure arithmetic on given instants: no
//! waiting, no clock, no I/O.
//!
//! A slot counts from before its request is sent until one period after its response was seen. A request reaches the
//! provider between those two instants, so no window of one period at the provider, wherever it begins, can hold
//! more requests than there are slots.

use std::collections::VecDeque;
use std::time::Duration;

/// The window of this process, on the monotonic clock: a change of the wall clock, by which processes share theirs,
/// does not affect it.
#[derive(Debug, Clone)]
pub struct Window {
    limit: u32,
    period: Duration,
    in_flight: u32,
    /// When each slot whose response was seen is free again; ascending.
    freeing: VecDeque<Duration>,
    held_until: Option<Duration>,
}

impl Window {
    /// All slots free.
    pub fn new(limit: u32, period: Duration) -> Self {
        Self {
            limit,
            period,
            in_flight: 0,
            freeing: VecDeque::new(),
            held_until: None,
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

    /// The next step for a request that leaves `reserve` slots free. Never a slot beyond this window, which also counts
    /// what the ledger could not save.
    pub fn step(&mut self, now: Duration, reserve: u32) -> Step {
        match self.held(now) {
            Some(left) => Step::Wait(Some(left)),
            None if self.has_room(now, reserve) => Step::Take,
            None => Step::Wait(self.next(now, reserve)),
        }
    }

    fn has_room(&mut self, now: Duration, reserve: u32) -> bool {
        self.used(now) < self.limit.saturating_sub(reserve)
    }

    /// Takes a slot that leaves `reserve` free; `false` if there is none.
    pub fn take(&mut self, now: Duration, reserve: u32) -> bool {
        let room = self.has_room(now, reserve);
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

    /// Nothing is sent until then.
    pub fn hold(&mut self, until: Duration) {
        self.held_until = self.held_until.max(Some(until));
    }

    /// Ends the hold.
    pub fn lift(&mut self) {
        self.held_until = None;
    }

    /// How long the hold lasts; `None` where there is none.
    pub fn held(&mut self, now: Duration) -> Option<Duration> {
        self.held_until = self.held_until.filter(|until| *until > now);
        self.held_until.map(|until| until.saturating_sub(now))
    }
}

/// The next step for a request that needs a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Take one in the ledger.
    Take,
    /// Wait this long, or for a response where the time is not known; then call again.
    Wait(Option<Duration>),
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_mins(1);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_slot_is_free_one_period_after_its_reply_was_seen() {
        let mut window = Window::new(2, PERIOD);
        assert!(window.take(s(0), 0) && window.take(s(1), 0));
        assert!(!window.take(s(2), 0));
        assert_eq!(window.next(s(2), 0), None, "both replies are on their way");
        assert_eq!(window.step(s(2), 0), Step::Wait(None));
        window.seen(s(5));
        assert_eq!(window.step(s(6), 0), Step::Wait(Some(s(59))));
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
    fn a_hold_stops_everything_until_it_is_over() {
        let mut window = Window::new(10, PERIOD);
        window.hold(s(30));
        window.hold(s(20));
        assert_eq!(window.step(s(29), 0), Step::Wait(Some(s(1))));
        assert_eq!(window.step(s(30), 0), Step::Take);
        window.hold(s(60));
        window.lift();
        assert_eq!(window.step(s(31), 0), Step::Take);
    }
}
