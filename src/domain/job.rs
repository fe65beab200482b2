//! The jobs of callbacks: their states, leases, retry schedule and results. The ledger saves them
//! (`ledger/sql/deliveries/jobs.rs`), the deck runs them (`deck/receiving/jobs.rs`). Pure: nothing here waits or sends.
//!
//! ```text
//!   created                  leased until …              succeeded
//!  ---------> Due ---------------------------> attempt -----------> Done
//!              ^                                  |
//!              |<---- failed, retries left -------|
//!              |<---- lease expired, given back --|
//!              |                                  |
//!              |                                  | hopeless, or the retries ended
//!              |                                  v
//!              `--------- the operator --------- GivenUp (dead letter)
//! ```
//!
//! - A check ([`JobKind::Check`]) and a forward ([`JobKind::Forward`]) go through all of it.
//! - A replay is a forward that the operator added ([`Job::is_replay`]). A command attempts it once; a process that
//!   receives callbacks retries it by the schedule. After a failure the operator replays the callback again.
//! - A relay ([`JobKind::Relay`]) is created with a lease and attempted once, while the provider waits. It is never due
//!   again, whatever happens: a second attempt could deliver goods twice.
//! - A lease keeps other processes away. It ends with the attempt, or after [`LEASE`] if the process died.
//! - A dead letter stays with its last result and number of attempts. The operator may start it again
//!   ([`Delivery::retryable`](super::Delivery::retryable)): the same job, due at once, its attempts counted from zero.
//!
//! See also the other retry schedules: `net/retry.rs` (attempts of one request), `net/budget/mod.rs` (holds after 429),
//! `auth/lifecycle.rs` (access tokens).

use std::time::Duration;

use super::words::words;
use super::{AccountId, Expectation, Inventory, Payment, PaymentId, PlayerId, Problem, WallTime};

/// The ledger's number of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// One job of a callback. It is retried until it succeeds or expires, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Unique within the ledger.
    pub id: JobId,
    /// Its kind.
    pub kind: JobKind,
    /// The URL that a callback is forwarded to, of one that is not verified yet: once it is; empty for a query to the
    /// provider.
    pub target: String,
    /// The operator added it by `replay`; no configured forward.
    pub is_replay: bool,
    /// How often it was tried, since it was created or the operator retried it. What was [given
    /// back](Disposition::GivenBack) is not counted.
    pub attempts: u32,
    /// To how many of these attempts the provider has answered "not found": [`JobResult::not_found`].
    pub not_found: u32,
    /// Its state.
    pub state: JobState,
    /// When it was last tried.
    pub tried_at: Option<WallTime>,
    /// The result of the last attempt: "PROCESSING", "HTTP 500", "no connection". Empty before the first.
    pub summary: String,
    /// The HTTP status of the last attempt to forward it.
    pub status: Option<u16>,
    /// How long the last try took.
    pub took: Option<Duration>,
}

words! {
    /// The kinds of job. The words are those of the ledger.
    #[derive(Hash)]
    pub enum JobKind {
        /// Query the provider: check the payment, fetch the inventory. Of a callback that is not verified yet: verify it.
        Check = "ask",
        /// Forward the same bytes to the shop's own server.
        Forward = "forward",
        /// Forward while the provider waits for the shop's answer. Never retried: the shop must not deliver goods twice.
        Relay = "relay",
    }
}

impl JobKind {
    /// In one word, as scripts and metrics have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Forward | Self::Relay => self.as_str(),
        }
    }
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waiting for its next attempt, or leased for one.
    Due {
        /// When the next attempt starts.
        at: WallTime,
    },
    /// Done.
    Done,
    /// A dead letter: no retry can succeed, or the retries ended.
    GivenUp,
}

words! {
    /// How an attempt of a job ends. The words are those of metrics and the support log.
    pub enum AttemptEnd {
        /// The job is done.
        Done = "done",
        /// It is retried.
        Retry = "retry",
        /// It failed for good: [`Job::is_dead_letter`].
        Failed = "failed",
        /// As in [`Job::is_dropped`].
        Dropped = "dropped",
    }
}

/// A job before it is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The kind of work.
    pub kind: JobKind,
    /// As in [`Job`].
    pub target: String,
    /// When it was created. Its first attempt is due at once.
    pub at: WallTime,
    /// The end of its creator's lease, if it has one: no other process takes it before.
    pub leased_until: Option<WallTime>,
}

/// While a lease lasts no other process takes the job; after it, its owner counts as dead.
pub const LEASE: Duration = Duration::from_mins(1);

/// The time limit of one attempt, well within the lease.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(45);

/// Which due jobs a process takes, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRequest {
    /// Takes jobs that are due at this time.
    pub now: WallTime,
    /// When another process may take them, if they are not finished.
    pub until: WallTime,
    /// The most jobs to take.
    pub limit: usize,
}

/// What one attempt of a job did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptOutcome {
    /// As in [`Job`]; inert and redacted before it is saved.
    pub summary: String,
    /// As in [`Job`].
    pub status: Option<u16>,
    /// As in [`Job`].
    pub took: Option<Duration>,
    /// The payment is paid: no later callback about it needs a check. No document says that it cannot leave another final
    /// state.
    pub settles: bool,
    /// The shop's answer, sealed.
    pub reply: Option<Vec<u8>>,
    /// Whether another attempt makes sense.
    pub next: Disposition,
}

/// Whether an attempt was the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It succeeded.
    Done,
    /// Retry by the schedule.
    Retry {
        /// The wait that the shop asks for (`Retry-After`).
        after: Option<Duration>,
    },
    /// Retry, unless the provider answered "not found" often enough.
    NotFound,
    /// Not an attempt, because it was interrupted or cannot begin here: any process may try at once.
    Released,
    /// The fault is this machine's: retry until it is mended.
    Blocked,
    /// No retry can succeed.
    PermanentFailure,
}

impl AttemptOutcome {
    /// An attempt that ended without a response.
    #[must_use]
    pub fn without_answer(summary: impl Into<String>, next: Disposition) -> Self {
        Self {
            summary: summary.into(),
            status: None,
            took: None,
            settles: false,
            reply: None,
            next,
        }
    }

    /// An attempt that shows that no other can succeed.
    #[must_use]
    pub fn hopeless(summary: impl Into<String>) -> Self {
        Self::without_answer(summary, Disposition::PermanentFailure)
    }
}

/// The result of an attempt, with the state that it leaves the job in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    /// The job's new state: [`Job::state_after`].
    pub state: JobState,
    /// When the attempt began.
    pub at: WallTime,
    /// What it did.
    pub outcome: AttemptOutcome,
}

impl JobResult {
    /// The number of "not found" answers to save, after this many. A check that ended for another reason than that the
    /// provider does not know the payment of an unproved callback has none, so that [`Job::is_dropped`] is the fact.
    #[must_use]
    pub fn not_found(&self, before: u32, known: bool) -> u32 {
        let is_unknown = self.outcome.next == Disposition::NotFound;
        if self.state == JobState::GivenUp && (known || !is_unknown) {
            0
        } else {
            before + u32::from(is_unknown)
        }
    }
}

/// What the retry schedule depends on, beside the job.
#[derive(Debug, Clone, Copy)]
pub struct RetryContext {
    /// When the attempt ended.
    pub now: WallTime,
    /// When the callback was received.
    pub received_at: WallTime,
    /// Whether the callback is proved, or its payment known to the ledger.
    pub known: bool,
    /// The retries end after this many attempts, if the schedule does not end them before.
    pub attempts_max: u32,
}

impl Job {
    /// Whether its last attempt failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        match self.state {
            JobState::Done => false,
            JobState::GivenUp => true,
            // One that ended with its process has no report.
            JobState::Due { .. } => self.attempts > 0 && !self.summary.is_empty(),
        }
    }

    /// Whether it is a check that ended because the provider does not know the payment of an unproved callback. Anyone
    /// can send such a callback, so this needs no attention.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.kind == JobKind::Check
            && self.state == JobState::GivenUp
            && self.not_found == UNKNOWN_NOT_FOUND_MAX
    }

    /// Whether it failed for good, and needs attention.
    #[must_use]
    pub fn is_dead_letter(&self) -> bool {
        self.state == JobState::GivenUp && !self.is_dropped()
    }

    /// How its last attempt ended.
    #[must_use]
    pub fn result(&self) -> AttemptEnd {
        match self.state {
            JobState::Done => AttemptEnd::Done,
            JobState::Due { .. } => AttemptEnd::Retry,
            JobState::GivenUp if self.is_dropped() => AttemptEnd::Dropped,
            JobState::GivenUp => AttemptEnd::Failed,
        }
    }

    /// The jobs, those that failed first.
    #[must_use]
    pub fn failed_first(jobs: &[Self]) -> Vec<&Self> {
        let mut jobs: Vec<&Self> = jobs.iter().collect();
        jobs.sort_by_key(|job| match job.state {
            JobState::GivenUp if job.is_dead_letter() => 0,
            JobState::Due { .. } if job.has_failed() => 1,
            JobState::Due { .. } => 2,
            JobState::Done | JobState::GivenUp => 3,
        });
        jobs
    }

    /// The state after one more attempt.
    #[must_use]
    pub fn state_after(&self, next: Disposition, of: RetryContext) -> JobState {
        let (attempts, not_found) = (self.attempts + 1, self.not_found + 1);
        let again = match next {
            Disposition::Done => return JobState::Done,
            Disposition::PermanentFailure => None,
            _ if self.kind == JobKind::Relay || attempts >= of.attempts_max => None,
            Disposition::Released => Some(Duration::ZERO),
            Disposition::Blocked => Some(BLOCKED_AGAIN),
            Disposition::NotFound if of.known && not_found >= NOT_FOUND_MAX => None,
            Disposition::NotFound if !of.known => {
                (not_found < UNKNOWN_NOT_FOUND_MAX).then_some(UNKNOWN_AGAIN)
            }
            Disposition::Retry { after } if self.kind == JobKind::Forward => {
                wait_within_day(attempts, of.now.since(of.received_at), after)
            }
            Disposition::NotFound | Disposition::Retry { .. } => wait_after(attempts),
        };
        again.map_or(JobState::GivenUp, |wait| JobState::Due {
            at: of.now.plus(wait),
        })
    }
}

/// The waits after the first attempts, in seconds.
const WAITS: [u64; 6] = [1, 5, 30, 2 * 60, 10 * 60, 30 * 60];
/// The longest of [`WAITS`].
const LONGEST_SHORT: Duration = Duration::from_mins(30);
/// After these, one attempt an hour until a day has passed.
const HOURLY: u32 = 23;
/// The wait after [`Disposition::Blocked`]. A keyring or a password manager may prompt at each read of a secret.
pub const BLOCKED_AGAIN: Duration = Duration::from_mins(1);
/// How long a callback is forwarded again after it was received.
pub const DAY: Duration = Duration::from_hours(24);
/// After this many "not found" answers, over some minutes, the payment counts as made up: anyone can send a callback
/// with an invented id.
const NOT_FOUND_MAX: u32 = 5;
/// The same for a payment that this ledger does not know either.
pub const UNKNOWN_NOT_FOUND_MAX: u32 = 2;
/// The wait between those two attempts.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(30);

/// The wait after this many failed attempts; `None` ends the retries.
fn wait_after(attempts: u32) -> Option<Duration> {
    let short = usize::try_from(attempts.saturating_sub(1)).ok();
    match short.and_then(|at| WAITS.get(at)) {
        Some(seconds) => Some(Duration::from_secs(*seconds)),
        None => (attempts <= u32::try_from(WAITS.len()).unwrap_or(u32::MAX) + HOURLY)
            .then_some(Duration::from_hours(1)),
    }
}

/// As [`wait_after`], for a callback of this age, with the wait that the shop asked for (`Retry-After`). That wait is
/// cut to what is left of the callback's day. A callback that could not be tried on its day still gets the first, short
/// waits.
fn wait_within_day(attempts: u32, age: Duration, requested: Option<Duration>) -> Option<Duration> {
    let wait = wait_after(attempts)?;
    let (left, requested) = (DAY.saturating_sub(age), requested.unwrap_or_default());
    if left.is_zero() && (wait > LONGEST_SHORT || requested > LONGEST_SHORT) {
        return None;
    }
    Some(wait.max(requested.min(left.max(LONGEST_SHORT))))
}

/// What the check of a payment has found that a callback caused.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedPayment {
    /// The account of the payment.
    pub account: AccountId,
    /// The payment.
    pub id: PaymentId,
    /// The response.
    pub result: Result<Payment, Problem>,
    /// The expected amount of the payment.
    pub expected: Option<Expectation>,
}

/// The inventory of a player, which a callback caused to load.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedInventory {
    /// The player's game.
    pub account: AccountId,
    /// The player.
    pub player: PlayerId,
    /// The response.
    pub result: Result<Inventory, Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_again_for_a_day_and_ever_less_often() {
        let waits: Vec<u64> = (1..)
            .map_while(wait_after)
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits[..7], [1, 5, 30, 120, 600, 1800, 3600]);
        assert!(waits.is_sorted());
        let day = Duration::from_secs(waits.iter().sum());
        let hours = day.as_secs() / 3600;
        assert_eq!(hours, 23, "{day:?}");
    }

    #[test]
    fn however_long_a_shop_asks_to_wait_its_callback_is_tried_for_a_day() {
        let minutes = Duration::from_mins;
        // When it is tried, where the shop asks for the same wait each time.
        let tried = |first: Duration, asked: Duration| {
            let mut ages = vec![first];
            for attempts in 1.. {
                let age = ages[ages.len() - 1];
                let Some(wait) = wait_within_day(attempts, age, Some(asked)) else {
                    break;
                };
                ages.push(age + wait);
            }
            ages
        };
        for asked in [
            minutes(1),
            minutes(59),
            minutes(20 * 60),
            DAY,
            30 * DAY,
            Duration::MAX,
        ] {
            let ages = tried(Duration::ZERO, asked);
            let last = *ages.last().unwrap();
            assert!(last <= DAY + minutes(60), "{asked:?}: {last:?}");
            assert!(last >= minutes(20 * 60), "{asked:?}: {last:?}");
        }
        assert_eq!(tried(Duration::ZERO, 2 * DAY), [Duration::ZERO, DAY]);
        // It came while tilldeck or the shop was away.
        assert_eq!(tried(3 * DAY, minutes(1)).len(), 7);
        assert_eq!(tried(3 * DAY, minutes(31)).len(), 1);
    }

    #[test]
    fn what_an_attempt_did_decides_the_next_state_and_a_relay_is_never_due_again() {
        let now = WallTime(1_000_000);
        let of = |known, attempts_max| RetryContext {
            now,
            received_at: now,
            known,
            attempts_max,
        };
        let due = |seconds| JobState::Due {
            at: now.plus(Duration::from_secs(seconds)),
        };
        let again = |after: Option<u64>| Disposition::Retry {
            after: after.map(Duration::from_secs),
        };
        let (ask, forward, relay) = (JobKind::Check, JobKind::Forward, JobKind::Relay);
        let dead = JobState::GivenUp;
        for (kind, (attempts, not_found), next, of, state) in [
            (ask, (0, 0), Disposition::Done, of(true, 99), JobState::Done),
            (
                ask,
                (0, 0),
                Disposition::PermanentFailure,
                of(true, 99),
                dead,
            ),
            (ask, (1, 0), again(Some(60)), of(true, 99), due(5)),
            (forward, (1, 0), again(Some(60)), of(true, 99), due(60)),
            (forward, (0, 0), again(None), of(true, 1), dead),
            (forward, (29, 0), again(None), of(true, 99), dead),
            (
                forward,
                (29, 0),
                Disposition::Released,
                of(true, 99),
                due(0),
            ),
            (ask, (3, 3), Disposition::NotFound, of(true, 99), due(120)),
            (ask, (4, 4), Disposition::NotFound, of(true, 99), dead),
            (ask, (0, 0), Disposition::NotFound, of(false, 99), due(30)),
            (ask, (1, 1), Disposition::NotFound, of(false, 99), dead),
            // What else has failed is no answer.
            (ask, (4, 3), Disposition::NotFound, of(true, 99), due(600)),
            (ask, (1, 0), Disposition::NotFound, of(false, 99), due(30)),
            (
                relay,
                (0, 0),
                Disposition::Done,
                of(true, 99),
                JobState::Done,
            ),
            (relay, (0, 0), again(Some(1)), of(true, 99), dead),
            (relay, (0, 0), Disposition::Released, of(true, 99), dead),
            (
                ask,
                (999, 0),
                Disposition::Blocked,
                of(false, 9999),
                due(60),
            ),
        ] {
            assert_eq!(
                job(kind, attempts, not_found).state_after(next, of),
                state,
                "{kind:?} {attempts} {not_found} {next:?}"
            );
        }
    }

    #[test]
    fn a_check_is_dropped_only_where_it_ended_because_an_unknown_payment_is_not_found() {
        let again = Disposition::Retry { after: None };
        let (hopeless, unknown) = (Disposition::PermanentFailure, Disposition::NotFound);
        for ((attempts, not_found), next, known, is_dropped) in [
            ((1, 1), unknown, false, true),
            ((3, 1), unknown, false, true),
            ((1, 2), hopeless, true, false),
            ((1, 1), hopeless, false, false),
            ((28, 2), again, true, false),
            ((28, 1), unknown, true, false),
            ((4, 4), unknown, true, false),
            // The retries ended before the second answer.
            ((28, 0), unknown, false, false),
        ] {
            let of = RetryContext {
                now: WallTime(0),
                received_at: WallTime(0),
                known,
                attempts_max: if attempts == 28 { 29 } else { 99 },
            };
            let mut job = job(JobKind::Check, attempts, not_found);
            let result = JobResult {
                state: job.state_after(next, of),
                at: WallTime(0),
                outcome: AttemptOutcome::without_answer("", next),
            };
            job.not_found = result.not_found(not_found, known);
            job.state = result.state;
            let end = if is_dropped {
                AttemptEnd::Dropped
            } else {
                AttemptEnd::Failed
            };
            assert_eq!(job.result(), end, "{attempts} {not_found} {next:?} {known}");
        }
    }

    fn job(kind: JobKind, attempts: u32, not_found: u32) -> Job {
        Job {
            id: JobId(1),
            kind,
            target: String::new(),
            is_replay: false,
            attempts,
            not_found,
            state: JobState::Due { at: WallTime(0) },
            tried_at: None,
            summary: String::new(),
            status: None,
            took: None,
        }
    }
}
