//! The jobs of callbacks: their states, leases and results; when they are retried: `schedule`. The ledger saves them
//! (`ledger/sql/deliveries/jobs.rs`), the deck runs them (`deck/receiving/jobs.rs`). Pure: nothing here waits or sends.
//!
//! ```text
//!   created                  leased until …              succeeded
//!  ---------> Due ---------------------------> attempt -----------> Done
//!              ^                                  |
//!              |<---- failed, retries left -------|
//!              |<---- lease expired, released ----|
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

mod schedule;

use std::time::Duration;

pub use schedule::{BLOCKED_AGAIN, DAY, RetryContext, UNKNOWN_NOT_FOUND_MAX};

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
    /// How often it was tried, since it was created or the operator retried it. What was
    /// [released](Disposition::Released) is not counted, and what was [blocked](Disposition::Blocked) counts once, as
    /// long as nothing else does.
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
    /// When its first attempt is due.
    pub at: WallTime,
    /// The end of its creator's lease, if it has one: no other process takes it before.
    pub leased_until: Option<WallTime>,
}

/// While a lease lasts no other process takes the job; after it, its owner counts as dead.
pub const LEASE: Duration = Duration::from_mins(1);

/// The longest lease, of the jobs of one callback. One that seems longer is free: the clock was set back.
pub const LEASE_MAX: Duration = Duration::from_mins(10);

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
    /// It found nothing new, which may be too early: retry shortly, as long as the callback is new. No failure.
    Unchanged,
    /// Not an attempt, because it was interrupted or cannot begin here: any process may try at once.
    Released,
    /// The fault is this machine's: retry until it is mended.
    Blocked,
    /// No retry can succeed.
    PermanentFailure,
}

impl AttemptOutcome {
    /// An attempt that ended without a response.
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
    pub fn not_found(&self, before: u32, known: bool) -> u32 {
        let is_unknown = self.outcome.next == Disposition::NotFound;
        if self.state == JobState::GivenUp && (known || !is_unknown) {
            0
        } else {
            before + u32::from(is_unknown)
        }
    }
}

impl Job {
    /// Whether its last attempt failed.
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
    pub fn is_dropped(&self) -> bool {
        self.kind == JobKind::Check
            && self.state == JobState::GivenUp
            && self.not_found == UNKNOWN_NOT_FOUND_MAX
    }

    /// Whether it failed for good, and needs attention.
    pub fn is_dead_letter(&self) -> bool {
        self.state == JobState::GivenUp && !self.is_dropped()
    }

    /// How its last attempt ended.
    pub fn result(&self) -> AttemptEnd {
        match self.state {
            JobState::Done => AttemptEnd::Done,
            JobState::Due { .. } => AttemptEnd::Retry,
            JobState::GivenUp if self.is_dropped() => AttemptEnd::Dropped,
            JobState::GivenUp => AttemptEnd::Failed,
        }
    }

    /// The jobs, those that failed first.
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
    /// Whether this process has asked the provider. Otherwise it is what another one saved.
    pub here: bool,
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

    pub(super) fn job(kind: JobKind, attempts: u32, not_found: u32) -> Job {
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
