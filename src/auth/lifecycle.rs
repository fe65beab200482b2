//! Decides when a token is used, fetched, renewed or dropped. Pure arithmetic on given instants and given jitter: no
//! clock, no sleeping, no I/O.
//!
//! See also the other retry schedules: `net/retry.rs` (attempts of one request), `net/budget/mod.rs` (holds after 429),
//! `domain/job.rs` (jobs of callbacks).

use std::time::Duration;

use crate::domain::{Now, Secret, TokenFailure, TokenLife, TokenStatus};
use crate::net::NetError;

use super::grant::Failure;

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
    #[must_use]
    pub fn new(per_mille: u32) -> Self {
        Self(per_mille.min(1000))
    }

    /// That part of `of`.
    fn part(self, of: Duration) -> Duration {
        of * self.0 / 1000
    }
}

/// The age at which a token of this lifetime is renewed: up to a fifth of the margin earlier, never later.
#[must_use]
pub fn renew_at(life: Duration, jitter: Jitter) -> Duration {
    let margin = (life / 10).max(MARGIN_MIN).min(life / 2);
    let early = margin + jitter.part(margin / 5);
    life.saturating_sub(early)
}

/// The wait after this many failures in a row (1 for the first): a random part from half of the full wait to all of
/// it.
#[must_use]
pub fn backoff(failures: u32, jitter: Jitter) -> Duration {
    // Bounded, or the power would overflow.
    let doublings = failures.saturating_sub(1).min(16);
    let full = (BACKOFF_MIN * 2_u32.pow(doublings)).min(BACKOFF_MAX);
    // Half of the wait is certain, so that jitter cannot make it zero.
    full / 2 + jitter.part(full / 2)
}

/// The reason of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A call needs a token and none is valid.
    Needed,
    /// The current token is due for renewal, or the fetch before failed.
    Due,
    /// The operator requests a new token, whatever the current one.
    Requested,
    /// The credentials were rejected: fetch only if they have been replaced since.
    IfReplaced,
}

/// One fetch of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Counted up from 1.
    pub number: u64,
    /// Its reason.
    pub why: Why,
}

/// The next step for a caller that needs a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Use the current token; start the given fetch, if any, in the background.
    Use(Option<Fetch>),
    /// Start this fetch, and wait for it.
    Begin(Fetch),
    /// Wait for this running fetch.
    Wait(Fetch),
    /// There is no token and no fetch starts now, since the fetch before failed with this error.
    Fail(NetError),
}

/// The outcome of a fetch for a caller that waits for it.
#[derive(Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// It is still running.
    Waiting,
    /// There is a valid token.
    Valid,
    /// It failed, and there is no valid token.
    Failed(NetError),
    /// It brought a token that has expired since: start over.
    Restart,
}

/// An access token and its lifetime.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: Secret,
    /// Its lifetime.
    pub life: TokenLife,
}

impl IssuedToken {
    /// One that the provider grants for this long. The request for it was sent at `sent`.
    #[must_use]
    pub fn granted(token: Secret, lives: Duration, sent: Now, jitter: Jitter) -> Self {
        let life = TokenLife {
            since: sent,
            aged: Duration::ZERO,
            life: lives,
            renew_at: renew_at(lives, jitter),
        };
        Self { token, life }
    }
}

/// The latest fetch, where it failed.
#[derive(Debug)]
struct Failed {
    number: u64,
    error: NetError,
    failure: TokenFailure,
    /// The earliest next attempt, on the monotonic clock; for rejected credentials, the earliest check whether they
    /// were replaced.
    not_before: Duration,
}

/// The life cycle of one account's tokens.
#[derive(Debug, Default)]
pub struct Lifecycle {
    token: Option<IssuedToken>,
    /// The latest token that a call was rejected with: it is not loaded again from the store.
    rejected: Option<Secret>,
    under_way: Option<Fetch>,
    numbered: u64,
    /// When the latest fetch began, on the monotonic clock.
    began: Option<Duration>,
    failed: Option<Failed>,
    failures: u32,
    fetched: u32,
    /// Whether this process has needed a token. Without that, nothing is fetched automatically.
    wanted: bool,
}

impl Lifecycle {
    /// The current token, if it is valid.
    #[must_use]
    pub fn valid(&self, now: Now) -> Option<&Secret> {
        let IssuedToken { token, life } = self.token.as_ref()?;
        // An expired token is never sent; both clocks count, see `TokenLife`.
        life.left(now)?;
        Some(token)
    }

    /// The current token and its lifetime, expired or not.
    #[must_use]
    pub fn current_token(&self) -> Option<(&Secret, TokenLife)> {
        self.token.as_ref().map(|held| (&held.token, held.life))
    }

    /// The running fetch.
    #[must_use]
    pub fn under_way(&self) -> Option<Fetch> {
        self.under_way
    }

    /// The status, without where the token is saved and its claims.
    #[must_use]
    pub fn status(&self) -> TokenStatus {
        TokenStatus {
            life: self.token.as_ref().map(|held| held.life),
            fetching: self.under_way.is_some(),
            failure: self.failed.as_ref().map(|failed| failed.failure.clone()),
            fetched: self.fetched,
            idle: !self.wanted,
            ..TokenStatus::default()
        }
    }

    /// A call needs a token. A background call does not trigger an early retry after a failure.
    pub fn needed(&mut self, now: Now, background: bool) -> Next {
        self.wanted = true;
        if self.valid(now).is_some() {
            let renewal = self.automatic(now);
            return Next::Use(renewal.map(|why| self.begin(now, why)));
        }
        if let Some(fetch) = self.under_way {
            return Next::Wait(fetch);
        }
        let mut why = Why::Needed;
        if let Some(failed) = &self.failed {
            let early = now.mono < failed.not_before;
            // The operator's own call tries again at once; polling waits.
            if early && background {
                return Next::Fail(failed.error.clone());
            }
            // Polling must not repeat rejected credentials; an operator's call may, and then sees the answer.
            if background && failed.failure.refused {
                why = Why::IfReplaced;
            }
        }
        Next::Begin(self.begin(now, why))
    }

    /// The operator requests a new token. Joins only a fetch of the same reason: any other may end with a token that
    /// another process has saved.
    pub fn requested(&mut self, now: Now) -> Next {
        self.wanted = true;
        match self.under_way {
            // One fetch at a time: the caller looks at its reason afterwards, and starts over if it was another.
            Some(fetch) => Next::Wait(fetch),
            None => Next::Begin(self.begin(now, Why::Requested)),
        }
    }

    /// The fetch to start automatically at this instant, if any.
    pub fn tick(&mut self, now: Now) -> Option<Fetch> {
        // A console that shows no data of this account fetches no token for it.
        if !self.wanted {
            return None;
        }
        let why = self.automatic(now)?;
        Some(self.begin(now, why))
    }

    /// How long until the next [`Lifecycle::tick`], if nothing happens before.
    #[must_use]
    pub fn wakes_in(&self, now: Now) -> Option<Duration> {
        if !self.wanted || self.under_way.is_some() {
            return None;
        }
        let due = if let Some(IssuedToken { life, .. }) = &self.token {
            life.renews_in(now)
        } else {
            self.failed.as_ref()?;
            Duration::ZERO
        };
        let earliest = self.earliest().unwrap_or_default();
        Some(due.max(earliest.saturating_sub(now.mono)))
    }

    /// The reason for an automatic fetch: the token is due or expired, or the fetch before failed long enough ago.
    fn automatic(&self, now: Now) -> Option<Why> {
        let due = match &self.token {
            Some(held) => held.life.renews_in(now).is_zero(),
            None => self.failed.is_some(),
        };
        let early = self.earliest().is_some_and(|earliest| now.mono < earliest);
        if !due || early || self.under_way.is_some() {
            return None;
        }
        let refused = self.failed.as_ref().is_some_and(|f| f.failure.refused);
        Some(if refused { Why::IfReplaced } else { Why::Due })
    }

    fn earliest(&self) -> Option<Duration> {
        let paused = self.began.map(|began| began.saturating_add(PAUSE));
        let failed = self.failed.as_ref();
        match failed {
            // The back-off after a failure replaces the usual pause, and may be shorter.
            Some(failed) => Some(failed.not_before),
            None => paused,
        }
    }

    fn begin(&mut self, now: Now, why: Why) -> Fetch {
        self.numbered += 1;
        let fetch = Fetch {
            number: self.numbered,
            why,
        };
        self.under_way = Some(fetch);
        self.began = Some(now.mono);
        fetch
    }

    /// Ends this fetch; `false` if it is not the running one.
    fn ends(&mut self, number: u64) -> bool {
        let ends = self.under_way.is_some_and(|fetch| fetch.number == number);
        if ends {
            self.under_way = None;
        }
        ends
    }

    /// The fetch granted a token. `false` if it has expired already: the fetch then still runs, and the caller must
    /// report its failure.
    #[must_use]
    pub fn granted(&mut self, number: u64, now: Now, issued: IssuedToken) -> bool {
        // A response that took longer than the token lives.
        if issued.life.left(now).is_none() {
            return false;
        }
        if self.ends(number) {
            self.fetched += 1;
            self.take(issued);
        }
        true
    }

    /// A saved token was read, at the start or during the fetch of this number, which then ends. Returns whether it
    /// is used.
    pub fn found(&mut self, of: Option<Fetch>, now: Now, saved: IssuedToken) -> bool {
        let IssuedToken { token, life } = &saved;
        let Some(left) = life.left(now) else {
            return false;
        };
        // The age of the current token is measured on the monotonic clock; the saved copy has wall-clock times, by which a
        // clock that was set back would make it young again.
        let is_current = self.token.as_ref().is_some_and(|held| held.token == *token);
        if is_current || self.rejected.as_ref() == Some(token) {
            return false;
        }
        let left_of_current = self.token.as_ref().and_then(|held| held.life.left(now));
        // The one that lives longer stays.
        if left_of_current.is_some_and(|current| left <= current) {
            return false;
        }
        if let Some(fetch) = of {
            let is_fresh = !life.renews_in(now).is_zero();
            let serves = match fetch.why {
                Why::Needed | Why::IfReplaced => true,
                // A renewal must not end with a token that is itself due.
                Why::Due => is_fresh,
                Why::Requested => false,
            };
            if !serves || !self.ends(fetch.number) {
                return false;
            }
        }
        self.take(saved);
        true
    }

    fn take(&mut self, issued: IssuedToken) {
        self.token = Some(issued);
        self.failed = None;
        self.failures = 0;
    }

    /// The fetch failed. The current token stays.
    pub fn failed(&mut self, number: u64, now: Now, failure: Failure, jitter: Jitter) {
        if !self.ends(number) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let refused = failure.is_rejection();
        // Rejected credentials are only compared, so the interval does not grow.
        let own = if refused {
            LOOK_AGAIN
        } else {
            backoff(self.failures, jitter)
        };
        let wait = failure
            .retry_after
            // Never earlier than the provider requests (RFC 9110, 10.2.3), and never without back-off.
            .map_or(own, |requested| requested.max(own));
        let not_before = now.mono.saturating_add(wait);
        self.failed = Some(Failed {
            number,
            failure: TokenFailure {
                at: now.wall,
                why: failure.error.to_string(),
                refused,
                again: (!refused).then_some(not_before),
            },
            error: failure.error,
            not_before,
        });
    }

    /// The credentials are still the rejected ones, so nothing was sent.
    pub fn not_replaced(&mut self, number: u64, now: Now) {
        if !self.ends(number) {
            return;
        }
        if let Some(failed) = &mut self.failed {
            failed.number = number;
            failed.not_before = now.mono.saturating_add(LOOK_AGAIN);
        }
    }

    /// A call with this token was answered 401: drops the token, if it is still the current one.
    pub fn reject(&mut self, token: &Secret) -> bool {
        let is_current = self.token.as_ref().is_some_and(|held| held.token == *token);
        if is_current {
            self.rejected = self.token.take().map(|held| held.token);
        }
        is_current
    }

    /// Whether a call with this token was rejected.
    #[must_use]
    pub fn is_rejected(&self, token: &Secret) -> bool {
        self.rejected.as_ref() == Some(token)
    }

    /// The outcome for a caller that waits for this fetch. A fetch that the operator requested counts by its own
    /// result, any other by whether there is a valid token.
    #[must_use]
    pub fn outcome(&self, fetch: Fetch, now: Now) -> FetchOutcome {
        if self
            .under_way
            .is_some_and(|other| other.number == fetch.number)
        {
            return FetchOutcome::Waiting;
        }
        // A later fetch may have failed for the same callers.
        let failed = self.failed.as_ref().filter(|f| f.number >= fetch.number);
        match failed {
            Some(failed) if fetch.why == Why::Requested || self.valid(now).is_none() => {
                FetchOutcome::Failed(failed.error.clone())
            }
            // A failed renewal does no harm while the old token is valid.
            _ if self.valid(now).is_some() => FetchOutcome::Valid,
            _ => FetchOutcome::Restart,
        }
    }
}

#[cfg(test)]
mod tests;
