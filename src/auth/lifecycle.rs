//! Decides when a token is used, fetched, renewed or dropped. Pure arithmetic on given instants and given jitter: no
//! clock, no sleeping, no I/O.
//!
//! See also the other retry schedules: `net/retry.rs` (attempts of one request), `net/budget/mod.rs` (holds after 429),
//! `domain/job/schedule.rs` (jobs of callbacks).

use std::time::Duration;

use crate::domain::{Now, Secret, TokenFailure, TokenLifetime, TokenStatus};
use crate::net::NetError;

use super::grant::Failure;
use super::jwt;

/// The shortest time before expiry at which a token is renewed. Usually it is a tenth of the lifetime, and at most
/// half of it, or a token of 20 s would be renewed all the time.
pub const MARGIN_MIN: Duration = Duration::from_secs(30);

/// The shortest time between the starts of two automatic fetches.
pub const PAUSE: Duration = Duration::from_secs(5);

/// The first wait after a failure; it doubles with each further one.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest wait between two attempts, unless the provider requests a longer one.
pub const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// How often to check whether rejected credentials were replaced.
pub const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A random number from 0 to 1000, so that many processes do not act at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(u32);

impl Jitter {
    /// From any number; above 1000 counts as 1000.
    pub fn new(per_mille: u32) -> Self {
        Self(per_mille.min(1000))
    }

    /// That part of `of`.
    fn part(self, of: Duration) -> Duration {
        of * self.0 / 1000
    }
}

/// The age at which a token of this lifetime is renewed: up to a fifth of the margin earlier, never later.
pub fn renew_at(life: Duration, jitter: Jitter) -> Duration {
    let margin = (life / 10).max(MARGIN_MIN).min(life / 2);
    let early = margin + jitter.part(margin / 5);
    life.saturating_sub(early)
}

/// The wait after this many failures in a row (1 for the first): a random part from half of the full wait to all of
/// it.
pub fn backoff(failures: u32, jitter: Jitter) -> Duration {
    // Bounded, or the power would overflow.
    let doublings = failures.saturating_sub(1).min(16);
    let full = (BACKOFF_MIN * 2_u32.pow(doublings)).min(BACKOFF_MAX);
    // Half of the wait is certain, so that jitter cannot make it zero.
    full / 2 + jitter.part(full / 2)
}

/// The reason of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchReason {
    /// A call needs a token and none is valid.
    Needed,
    /// The current token is due for renewal, or the fetch before failed.
    Due,
    /// The operator requests a new token, whatever the current one.
    Requested,
}

/// A caller that waits for its turn to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Waiter {
    /// Its reason.
    pub why: FetchReason,
    /// Whether no operator waits for it.
    pub background: bool,
    /// The counts when it began to wait: a change is an outcome that it shares.
    requested: u32,
    failures: u32,
}

/// The life cycle of one account's tokens.
#[derive(Debug, Default)]
pub struct Lifecycle {
    /// The current token, expired or not; its lifetime is that of `shown`.
    token: Option<Secret>,
    /// The status, but for what follows from the fields below.
    pub shown: TokenStatus,
    /// The latest token that a call was rejected with: it is not loaded again from the store.
    rejected: Option<Secret>,
    /// A digest of the token request that was rejected.
    pub rejected_request: Option<[u8; 32]>,
    /// The reason of the running fetch.
    pub fetching: Option<FetchReason>,
    /// The error of the latest fetch, where it failed.
    error: Option<NetError>,
    /// How many have failed in a row.
    failures: u32,
    /// How many have ended that the operator requested.
    requested: u32,
    /// The earliest next automatic fetch, on the monotonic clock; for rejected credentials, the earliest check whether
    /// they were replaced.
    not_before: Duration,
    /// Whether this process has needed a token. Without that, nothing is fetched automatically: a console that shows no
    /// data of this account fetches no token for it.
    pub wanted: bool,
}

impl Lifecycle {
    /// The current token, if it is valid.
    pub fn valid(&self, now: Now) -> Option<&Secret> {
        // An expired token is never sent; both clocks count, see `TokenLifetime`.
        self.shown.left(now)?;
        self.token.as_ref()
    }

    /// The lifetime of `token`, if it is the current one.
    pub fn life_of(&self, token: &Secret) -> Option<TokenLifetime> {
        self.shown
            .life
            .filter(|_| self.token.as_ref() == Some(token))
    }

    /// The status.
    pub fn status(&self) -> TokenStatus {
        TokenStatus {
            fetching: self.fetching.is_some(),
            idle: !self.wanted,
            ..self.shown.clone()
        }
    }

    /// A caller begins to wait for its turn to fetch.
    pub fn waiter(&self, why: FetchReason, background: bool) -> Waiter {
        Waiter {
            why,
            background,
            requested: self.requested,
            failures: self.failures,
        }
    }

    /// The turn of a caller to fetch: the fetch begins, unless there is an outcome already.
    pub fn turn(&mut self, caller: Waiter, now: Now) -> Option<Result<(), NetError>> {
        let has_outcome = match caller.why {
            FetchReason::Needed | FetchReason::Due => self.failures != caller.failures,
            // Any other fetch may have begun with the secret before.
            FetchReason::Requested => self.requested != caller.requested,
        };
        let done = match caller.why {
            FetchReason::Needed => self.valid(now).is_some(),
            FetchReason::Due => self.renews_in(now) != Some(Duration::ZERO),
            FetchReason::Requested => has_outcome && self.error.is_none(),
        };
        if done {
            return Some(Ok(()));
        }
        // The operator's own call tries again at once; polling waits.
        let early =
            caller.background && caller.why == FetchReason::Needed && now.mono < self.not_before;
        if let Some(error) = &self.error
            && (early || has_outcome)
        {
            return Some(Err(error.clone()));
        }
        self.fetching = Some(caller.why);
        self.not_before = now.mono.saturating_add(PAUSE);
        None
    }

    /// Whether this fetch must not repeat the latest credentials, which were rejected. An operator's call may repeat
    /// them, and then sees the answer.
    pub fn needs_replaced(&self, caller: Waiter) -> bool {
        let failure = self.shown.failure.as_ref();
        caller.background
            && caller.why != FetchReason::Requested
            && failure.is_some_and(|failure| failure.refused)
    }

    /// The time until the next automatic fetch; `None` while there is none to come.
    pub fn renews_in(&self, now: Now) -> Option<Duration> {
        if !self.wanted || self.fetching.is_some() {
            return None;
        }
        let due = match self.shown.life {
            Some(life) => life.renews_in(now),
            None => self.error.as_ref().map(|_| Duration::ZERO)?,
        };
        Some(due.max(self.not_before.saturating_sub(now.mono)))
    }

    /// The fetch granted a token. `false` if it has expired already: the fetch then still runs, and the caller must
    /// report its failure.
    pub fn granted(&mut self, now: Now, token: &Secret, life: TokenLifetime) -> bool {
        // A response may take longer than the token lives.
        let in_time = life.left(now).is_some();
        if in_time {
            self.shown.fetched += 1;
            self.take(token, life);
        }
        in_time
    }

    /// A saved token was read, at the start or during a fetch, which then ends. Returns whether it is used.
    pub fn found(&mut self, now: Now, token: &Secret, life: TokenLifetime) -> bool {
        // The age of the current token is measured on the monotonic clock; the saved copy has wall-clock times, by which a
        // clock that was set back would make it young again.
        if self.life_of(token).is_some() || self.rejected.as_ref() == Some(token) {
            return false;
        }
        // The one that lives longer stays.
        let is_longer = life.left(now) > self.shown.left(now);
        let is_used = is_longer
            && match self.fetching {
                None | Some(FetchReason::Needed) => true,
                // A renewal must not end with a token that is itself due.
                Some(FetchReason::Due) => !life.renews_in(now).is_zero(),
                // A saved token proves nothing about the credentials.
                Some(FetchReason::Requested) => false,
            };
        if is_used {
            self.take(token, life);
        }
        is_used
    }

    fn end(&mut self) {
        if self.fetching.take() == Some(FetchReason::Requested) {
            self.requested += 1;
        }
    }

    fn take(&mut self, token: &Secret, life: TokenLifetime) {
        self.end();
        self.error = None;
        self.failures = 0;
        self.rejected_request = None;
        self.token = Some(token.clone());
        self.shown.life = Some(life);
        self.shown.failure = None;
        self.shown.claims = jwt::claims(token);
        self.shown.note.clear();
    }

    /// The fetch failed. The current token stays.
    pub fn failed(&mut self, now: Now, failure: Failure, jitter: Jitter) {
        self.end();
        self.failures = self.failures.saturating_add(1);
        let refused = failure.is_rejection();
        // Rejected credentials are only compared, so the interval does not grow.
        let own = if refused {
            LOOK_AGAIN
        } else {
            backoff(self.failures, jitter)
        };
        // Never earlier than the provider requests (RFC 9110, 10.2.3), and never without back-off.
        let wait = own.max(failure.retry_after.unwrap_or_default());
        // This replaces the usual pause, and may be shorter.
        self.not_before = now.mono.saturating_add(wait);
        self.shown.failure = Some(TokenFailure {
            at: now.wall,
            why: failure.error.to_string(),
            refused,
            again: (!refused).then_some(self.not_before),
        });
        self.error = Some(failure.error);
    }

    /// The credentials are still the rejected ones, so nothing was sent. Returns the error of the rejection.
    pub fn not_replaced(&mut self, now: Now) -> Option<NetError> {
        self.end();
        self.not_before = now.mono.saturating_add(LOOK_AGAIN);
        self.error.clone()
    }

    /// A call with this token was answered 401: drops the token, if it is still the current one.
    pub fn reject(&mut self, token: &Secret) -> bool {
        let is_current = self.life_of(token).is_some();
        if is_current {
            self.shown.life = None;
            self.rejected = self.token.take();
        }
        is_current
    }
}

#[cfg(test)]
mod tests;
