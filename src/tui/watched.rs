//! One payment on the watch list: its states, its verdict, and the time of its next check. Takes the current time as a
//! parameter and sends nothing.

use std::time::Duration;

use crate::domain::{
    Exchange, ExchangeId, Expected, Now, Observation, Payment, PaymentVerdict, Problem,
    ProblemKind, RequestId, WallTime, Watch, time,
};

use super::msg::{NewWatch, WatchKey};
use super::theme::Tone;

/// The first interval, and the one after a change.
const POLL_FIRST: Duration = Duration::from_secs(5);
/// The longest interval, while nothing changes or the provider fails.
const POLL_SLOWEST: Duration = Duration::from_mins(1);
/// A provider knows an id only after the payer opened the payment page, so an unknown id is normal for this long.
const UNKNOWN_IS_NORMAL: Duration = Duration::from_mins(10);
/// An id that the provider did not know for this long is checked rarely: the payer will hardly open the page any more.
const UNOPENED_AFTER: Duration = Duration::from_hours(24);
/// How often.
const POLL_UNOPENED: Duration = Duration::from_hours(1);
/// Checks of two programs within this time are made at the same time: neither has seen the other's.
const TOGETHER: Duration = Duration::from_secs(2);
/// The most state changes in memory for one payment.
const SEEN_MAX: usize = 64;

/// The effect of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Nothing,
    Changed,
    /// Reached a final state since the last check. A payment that was final at its first check is no news.
    Ended,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    pub watch: Watch,
    /// Whether the stored list has it: if another process removes it there, it goes here too.
    pub is_stored: bool,
    /// What could not be saved of it.
    pub unsaved: Option<NewWatch>,
    /// Changes only, oldest first.
    seen: Vec<Observation>,
    /// Why the last check gave no answer. The answer before it stays.
    pub failure: Option<Problem>,
    /// The time of the provider's last answer, as far as it is in the loaded requests. Without a state, it was that the id is
    /// not known.
    answered_at: Option<WallTime>,
    /// When checks began to fail.
    pub failing_since: Option<WallTime>,
    pub asking: Option<RequestId>,
    /// This program's last check.
    checked_here: Option<(ExchangeId, WallTime)>,
    interval: Duration,
    due: Option<Duration>,
    /// Whether the operator asks for a check now.
    is_urgent: bool,
}

impl Watched {
    /// A payment that is due at once, unless its last state is final.
    pub fn new(watch: Watch, seen: Vec<Observation>, now: Now) -> Self {
        let mut changes: Vec<Observation> = Vec::new();
        for observation in seen {
            if changes.last().map(|last| &last.payment) != Some(&observation.payment) {
                changes.push(observation);
            }
        }
        let mut watched = Self {
            watch,
            is_stored: false,
            unsaved: None,
            seen: changes,
            failure: None,
            answered_at: None,
            failing_since: None,
            asking: None,
            checked_here: None,
            interval: POLL_FIRST,
            due: None,
            is_urgent: false,
        };
        watched.bound();
        watched.due = watched.next_due(now).map(|_| now.mono);
        watched
    }

    /// As [`Self::new`], for a payment of the stored list.
    pub fn stored(watch: Watch, seen: Vec<Observation>, now: Now) -> Self {
        Self {
            is_stored: true,
            ..Self::new(watch, seen, now)
        }
    }

    /// A payment that a callback reported. Its state is already known, so it is not due at once.
    pub fn reported(watch: Watch, now: Now) -> Self {
        Self {
            due: None,
            ..Self::new(watch, Vec::new(), now)
        }
    }

    fn bound(&mut self) {
        if self.seen.len() > SEEN_MAX {
            self.seen.drain(..self.seen.len() - SEEN_MAX);
        }
    }

    pub fn key(&self) -> WatchKey {
        (self.watch.account.clone(), self.watch.id.clone())
    }

    pub fn is(&self, (account, id): &WatchKey) -> bool {
        self.watch.account == *account && self.watch.id == *id
    }

    /// The subject of its notices.
    pub fn about(&self) -> String {
        self.watch.about()
    }

    /// The stable name of its alert. A new verdict is a new alert.
    pub fn alert_key(&self) -> String {
        let verdict = self.verdict().map_or("", PaymentVerdict::as_str);
        format!("{} {verdict}", self.about())
    }

    pub fn seen(&self) -> &[Observation] {
        &self.seen
    }

    pub fn latest(&self) -> Option<&Payment> {
        self.seen.last().map(|observation| &observation.payment)
    }

    pub fn changed_at(&self) -> Option<WallTime> {
        self.seen.last().map(|observation| observation.at)
    }

    /// Forgets its states, and checks it: its account may have another host now.
    pub fn forget(&mut self) {
        self.seen.clear();
        self.failure = None;
        self.answered_at = None;
        self.failing_since = None;
        self.poll_now();
    }

    pub fn is_final(&self) -> bool {
        self.latest()
            .is_some_and(|payment| payment.state.is_final())
    }

    /// Whether no check is worth it: final, and not with an amount that may be readable later.
    pub fn is_over(&self) -> bool {
        self.is_final() && self.verdict() != Some(PaymentVerdict::UnreadableAmount)
    }

    fn next_due(&self, now: Now) -> Option<Duration> {
        (!self.is_over()).then(|| now.mono + self.interval)
    }

    pub fn expected(&self) -> Option<&Expected> {
        self.watch.expected.as_ref().map(|expected| &expected.sum)
    }

    /// Its verdict; `None` before the first state.
    pub fn verdict(&self) -> Option<PaymentVerdict> {
        let payment = self.latest()?;
        Some(payment.verdict(self.expected()))
    }

    pub fn needs_attention(&self) -> bool {
        let latest = self.latest();
        latest.is_some_and(|payment| payment.needs_attention(self.expected()))
    }

    pub fn answered_at(&self) -> Option<WallTime> {
        self.answered_at
    }

    /// Takes over the time of an answer in the log of requests that gave no other state.
    pub fn answered(&mut self, at: WallTime) {
        if self.is_reported() {
            self.answered_at = self.answered_at.max(Some(at));
        }
    }

    /// Whether the provider has reported on it before, even as not known.
    pub fn is_reported(&self) -> bool {
        self.last_answer().is_some()
    }

    fn last_answer(&self) -> Option<WallTime> {
        self.answered_at.max(self.changed_at())
    }

    /// The time of its last answer, if the last check failed or is long overdue (see [`Self::late_at`]); `None` if there is
    /// none, or no more to come.
    pub fn stale_since(&self, now: Now, round: Duration) -> Option<WallTime> {
        let is_late = self.late_at(round).is_some_and(|at| at <= now.mono);
        let is_stale = !self.is_over() && (self.failure.is_some() || is_late);
        self.last_answer().filter(|_| is_stale)
    }

    /// When a check that is still not answered is late, even behind those of all other payments, which may take `round`.
    pub fn late_at(&self, round: Duration) -> Option<Duration> {
        let due = self.due.filter(|_| !self.is_over())?;
        Some(due + self.interval.max(POLL_SLOWEST) + round)
    }

    /// How long the provider has not known it, by its last answer; `None` where that was a state.
    fn unopened_for(&self) -> Option<Duration> {
        let answered = self.answered_at.filter(|_| self.seen.is_empty());
        answered.map(|at| at.since(self.watch.since))
    }

    /// Whether the payer did not open the page within a day.
    pub fn is_unopened(&self) -> bool {
        self.unopened_for() > Some(UNOPENED_AFTER)
    }

    /// When the next check is due; `None` while one is in progress, and where none is worth it.
    pub fn due(&self) -> Option<Duration> {
        let due = if self.is_urgent {
            Some(Duration::ZERO)
        } else {
            self.due
        };
        due.filter(|_| self.asking.is_none())
    }

    /// Records that a check was cancelled; the next one comes after the usual interval.
    pub fn cancelled(&mut self, now: Now) {
        self.asking = None;
        self.is_urgent = false;
        self.due = self.next_due(now);
    }

    /// Checks it soon, because it may have changed.
    pub fn poll_soon(&mut self, now: Now) {
        if !self.is_over() {
            self.interval = POLL_FIRST;
            self.due = Some(self.due.map_or(now.mono, |due| due.min(now.mono)));
        }
    }

    /// Checks it before all that are due, and ahead of their pace, even in a final state: the operator asks for it.
    pub fn poll_now(&mut self) {
        self.is_urgent = true;
    }

    /// When its current state began. An alert handled earlier was about another state.
    pub fn began(&self) -> Option<WallTime> {
        let expected = self.watch.expected.as_ref().map(|expected| expected.at);
        self.changed_at().max(expected)
    }

    pub fn apply(&mut self, result: Result<Payment, Problem>, now: Now) -> Change {
        self.asking = None;
        self.is_urgent = false;
        // A check before its time, which the operator asked for, puts no later one off.
        let was_due = self.due.is_none_or(|due| due <= now.mono);
        let before = self.interval;
        let longer = |next: Duration| match next.min(POLL_SLOWEST) {
            next if was_due => next,
            next => next.min(before),
        };
        let change = match result {
            Ok(payment) => {
                let was_reported = self.is_reported();
                self.succeeded(now.wall);
                if self.latest() == Some(&payment) {
                    self.interval = longer(slower(before));
                    Change::Nothing
                } else {
                    self.interval = POLL_FIRST;
                    let ended = was_reported && payment.state.is_final();
                    self.seen.push(Observation {
                        at: now.wall,
                        payment,
                    });
                    self.bound();
                    if ended {
                        Change::Ended
                    } else {
                        Change::Changed
                    }
                }
            }
            Err(problem) if problem.kind == ProblemKind::NotFound && self.seen.is_empty() => {
                self.succeeded(now.wall);
                self.interval = if self.is_unopened() {
                    POLL_UNOPENED
                } else {
                    longer(slower(before))
                };
                Change::Nothing
            }
            Err(problem) => {
                self.failure = Some(problem);
                self.failing_since.get_or_insert(now.wall);
                self.interval = longer(before * 2);
                self.due = self.due.filter(|_| !was_due).or(self.next_due(now));
                return Change::Nothing;
            }
        };
        self.due = self.next_due(now);
        change
    }

    /// Records that the provider answered.
    fn succeeded(&mut self, at: WallTime) {
        self.failure = None;
        self.failing_since = None;
        self.answered_at = Some(at);
    }

    /// Adds a state that was observed elsewhere or earlier; states that follow each other are different.
    pub fn observed(&mut self, seen: &Observation, now: Now) -> Change {
        let (before, was_reported) = (self.latest().cloned(), self.is_reported());
        let at = self.seen.partition_point(|known| known.at <= seen.at);
        self.seen.insert(at, seen.clone());
        self.seen
            .dedup_by(|later, earlier| later.payment == earlier.payment);
        self.bound();
        if self.latest() == before.as_ref() {
            return Change::Nothing;
        }
        self.succeeded(self.answered_at.map_or(seen.at, |at| at.max(seen.at)));
        self.interval = POLL_FIRST;
        self.due = self.next_due(now);
        if was_reported && self.is_final() {
            Change::Ended
        } else {
            Change::Changed
        }
    }

    pub fn checked_here(&mut self, exchange: &Exchange) {
        self.checked_here = Some((exchange.id, exchange.at));
    }

    /// Puts the next check off after one by another program, so that a team checks each payment once; returns whether it
    /// did. Of two checks at the same time, only the later one counts.
    pub fn checked_elsewhere(&mut self, exchange: &Exchange, now: Now) -> bool {
        let is_own = self.checked_here.is_some_and(|(id, at)| {
            id == exchange.id || (id < exchange.id && exchange.at.since(at) < TOGETHER)
        });
        // Only the answer to one of its own says that an id is not known.
        let is_spared = !is_own && !self.is_unchecked();
        let Some(due) = self.due.filter(|_| is_spared) else {
            return false;
        };
        if self.is_reported() {
            self.succeeded(
                self.answered_at
                    .map_or(exchange.at, |at| at.max(exchange.at)),
            );
        }
        self.is_urgent = false;
        if self.interval < POLL_SLOWEST {
            self.interval = slower(self.interval).min(POLL_SLOWEST);
        }
        self.due = Some(due.max(now.mono + self.interval + TOGETHER));
        true
    }

    /// Whether it waits for its first response.
    pub fn is_unchecked(&self) -> bool {
        !self.is_reported() && self.failure.is_none()
    }

    /// Glyph, word and tone of its state.
    pub fn badge(&self) -> (&'static str, String, Tone) {
        let Some(payment) = self.latest() else {
            let (glyph, word, tone) = match self.unopened_for() {
                None if self.failure.is_some() => ("!", "unknown", Tone::Bad),
                None => ("◌", "checking", Tone::Dim),
                Some(_) if self.is_unopened() => ("?", "NOT FOUND", Tone::Dim),
                Some(time) if time > UNKNOWN_IS_NORMAL => ("?", "NOT FOUND", Tone::Warn),
                Some(_) => ("◌", "not opened", Tone::Dim),
            };
            return (glyph, word.into(), tone);
        };
        let (glyph, word) = payment.badge(self.expected());
        (glyph, word, payment.tone(self.expected()))
    }

    /// Glyph, words and tone of the comparison with the expected amount, or of a failed or late check (see
    /// [`Self::stale_since`]).
    pub fn mark(&self, now: Now, round: Duration) -> (&'static str, String, Tone) {
        if self.stale_since(now, round).is_some() {
            let words = match self.answered_at {
                Some(at) => format!("old: {}", time::coarse(now.wall.since(at))),
                None => "not checked".into(),
            };
            return ("!", words, Tone::Warn);
        }
        let Some(payment) = self.latest() else {
            // Only the provider says that nothing was paid yet; an id that it does not find may be wrong.
            let unopened = self.unopened_for().filter(|it| *it <= UNKNOWN_IS_NORMAL);
            let is_awaited = unopened.is_some() && self.watch.expected.is_some();
            let words = if is_awaited { "awaiting payment" } else { "" };
            return ("", words.into(), Tone::Dim);
        };
        // The payer can change the amount while it is open.
        let verdict = match payment.departure(self.expected()) {
            Some(_) if !self.is_final() => payment.verdict_once_finalized(self.expected()),
            _ => payment.verdict(self.expected()),
        };
        let (glyph, words) = verdict.mark();
        let tone = payment.tone(self.expected());
        (glyph, words.into(), tone)
    }

    pub fn explain(&self) -> (Tone, String) {
        let Some(payment) = self.latest() else {
            return self.explain_unseen();
        };
        let tone = match payment.tone(self.expected()) {
            Tone::Busy => Tone::Plain,
            tone => tone,
        };
        (tone, payment.explain(self.expected()))
    }

    fn explain_unseen(&self) -> (Tone, String) {
        match self.unopened_for() {
            None if self.failure.is_some() => (Tone::Dim, "no answer since the start".into()),
            None => (Tone::Dim, "waiting for the first response".into()),
            Some(_) if self.is_unopened() => (
                Tone::Dim,
                "the payer did not open the payment page within a day; checked hourly".into(),
            ),
            Some(time) if time > UNKNOWN_IS_NORMAL => (
                Tone::Warn,
                format!(
                    "not found for {}: check the id and the account; still checking",
                    time::fine(time)
                ),
            ),
            Some(_) => (
                Tone::Plain,
                "not opened: the payer has not opened the payment page, or the id is wrong".into(),
            ),
        }
    }
}

fn slower(interval: Duration) -> Duration {
    interval * 3 / 2
}
