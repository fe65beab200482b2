//! The retry schedule of jobs: what follows an attempt, and after which wait.
//!
//! See also the other retry schedules: `net/retry.rs` (attempts of one request), `net/budget/mod.rs` (holds after 429),
//! `auth/lifecycle.rs` (access tokens).

use std::time::Duration;

use super::{Disposition, Job, JobKind, JobState};
use crate::domain::WallTime;

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

/// When a check that found nothing new runs again, in seconds after its callback was received.
const UNCHANGED_AGAIN: [u64; 3] = [2, 8, 30];
/// The last of [`UNCHANGED_AGAIN`].
const LATEST_UNCHANGED: Duration = Duration::from_secs(30);

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
    /// The state after one more attempt.
    pub fn state_after(&self, next: Disposition, of: RetryContext) -> JobState {
        let (attempts, not_found) = (self.attempts + 1, self.not_found + 1);
        let again = match next {
            Disposition::Done => return JobState::Done,
            Disposition::Unchanged => {
                let age = of.now.since(of.received_at);
                // After the clock was set back, the callback would stay new.
                let is_ahead = of.received_at.since(of.now) > LATEST_UNCHANGED;
                let mut checks = UNCHANGED_AGAIN.into_iter().map(Duration::from_secs);
                match checks.find(|at| *at > age && !is_ahead && attempts < of.attempts_max) {
                    Some(at) => Some(at.saturating_sub(age)),
                    None => return JobState::Done,
                }
            }
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

#[cfg(test)]
mod tests {
    use super::super::tests::job;
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
    fn a_check_that_finds_nothing_new_runs_thrice_more_while_its_callback_is_new() {
        let received_at = WallTime(1_000_000);
        let check = job(JobKind::Check, 0, 0);
        let after = |millis| {
            let of = RetryContext {
                now: received_at.plus(Duration::from_millis(millis)),
                received_at,
                known: true,
                attempts_max: 99,
            };
            check.state_after(Disposition::Unchanged, of)
        };
        for (age, due) in [(40, 2), (2_000, 8), (7_999, 8), (8_040, 30)] {
            let at = received_at.plus(Duration::from_secs(due));
            assert_eq!(after(age), JobState::Due { at }, "{age}");
        }
        assert_eq!(after(30_000), JobState::Done);
        let set_back = RetryContext {
            now: WallTime(0),
            received_at,
            known: true,
            attempts_max: 99,
        };
        let state = check.state_after(Disposition::Unchanged, set_back);
        assert_eq!(state, JobState::Done);
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
        let (check, forward, relay) = (JobKind::Check, JobKind::Forward, JobKind::Relay);
        let dead = JobState::GivenUp;
        for (kind, (attempts, not_found), next, of, state) in [
            (
                check,
                (0, 0),
                Disposition::Done,
                of(true, 99),
                JobState::Done,
            ),
            (
                check,
                (0, 0),
                Disposition::PermanentFailure,
                of(true, 99),
                dead,
            ),
            (check, (1, 0), again(Some(60)), of(true, 99), due(5)),
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
            (check, (3, 3), Disposition::NotFound, of(true, 99), due(120)),
            (check, (4, 4), Disposition::NotFound, of(true, 99), dead),
            (check, (0, 0), Disposition::NotFound, of(false, 99), due(30)),
            (check, (0, 0), Disposition::Unchanged, of(false, 99), due(2)),
            (
                check,
                (0, 0),
                Disposition::Unchanged,
                of(true, 1),
                JobState::Done,
            ),
            (check, (1, 1), Disposition::NotFound, of(false, 99), dead),
            // What else has failed is no answer.
            (check, (4, 3), Disposition::NotFound, of(true, 99), due(600)),
            (check, (1, 0), Disposition::NotFound, of(false, 99), due(30)),
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
                check,
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
}
