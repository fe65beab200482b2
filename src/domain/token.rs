//! The status of an account's access token. Pure: everything follows from a given instant.

use std::time::Duration;

use super::words::words;
use super::{Now, WallTime};

/// The lifetime of one access token on both clocks: the monotonic clock cannot be set but may stand still while the
/// machine sleeps; the wall clock goes on. The older age counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLifetime {
    /// An instant of this process at which the age was known.
    pub since: Now,
    /// Its age then; zero when its request was sent.
    pub aged: Duration,
    /// Its lifetime, counted from the sending of its request.
    pub life: Duration,
    /// The age at which it is renewed; less than `life`.
    pub renew_at: Duration,
}

impl TokenLifetime {
    /// Time since its request was sent. A wall clock that was set back makes it no younger.
    pub fn age(&self, now: Now) -> Duration {
        // The older one: a token that is used too long is rejected, one renewed early costs a request.
        let mono = now.mono.saturating_sub(self.since.mono);
        let wall = now.wall.since(self.since.wall);
        self.aged.saturating_add(mono.max(wall))
    }

    /// Until it expires; `None` once it has.
    pub fn left(&self, now: Now) -> Option<Duration> {
        self.life
            .checked_sub(self.age(now))
            .filter(|left| !left.is_zero())
    }

    /// The time until its renewal; zero once that is due.
    pub fn renews_in(&self, now: Now) -> Duration {
        self.renew_at.saturating_sub(self.age(now))
    }

    /// When its request was sent, by the wall clock.
    pub fn requested_at(&self) -> WallTime {
        self.since.wall.minus(self.aged)
    }
}

words! {
    /// The state of a token. The words are those of JSON.
    #[derive(Hash)]
    pub enum TokenState {
        /// No token, and no fetch is running.
        Missing = "missing",
        /// Valid.
        Fresh = "fresh",
        /// Valid, but due for renewal.
        Due = "due",
        /// A fetch is running; the current token, if any, is used until it expires.
        Refreshing = "refreshing",
        /// The provider rejected the credentials, and there is no valid token.
        Refused = "refused",
        /// The current token has expired.
        Expired = "expired",
    }
}

words! {
    /// Where a token is saved between runs. The words are those of JSON.
    #[derive(Default)]
    pub enum StoredIn {
        /// Only in this process.
        #[default]
        Memory = "memory",
        /// In the system's keyring.
        Keyring = "keyring",
        /// In a file that only the user can read.
        File = "file",
    }
}

/// The latest attempt to fetch a token, where it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFailure {
    /// When its outcome was known.
    pub at: WallTime,
    /// What happened and to which account, inert.
    pub why: String,
    /// Whether the provider rejected the credentials, so that an automatic retry is useless.
    pub refused: bool,
    /// When it is retried automatically, on the monotonic clock; `None` where it is not.
    pub again: Option<Duration>,
}

/// The status of an account's access token. Never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenStatus {
    /// The lifetime of the current token, expired or not.
    pub life: Option<TokenLifetime>,
    /// Whether a fetch is running.
    pub fetching: bool,
    /// The latest attempt, where it failed.
    pub failure: Option<TokenFailure>,
    /// How many were fetched by this process.
    pub fetched: u32,
    /// Whether no call of this process has needed it: then it is not renewed.
    pub idle: bool,
    /// Defaults that were assumed for missing fields of the response that granted it, or why the saved one cannot be
    /// read, inert; may be empty.
    pub note: String,
    /// Where it is saved between runs.
    pub stored_in: StoredIn,
    /// Why it is not saved in a safer place, inert; may be empty.
    pub stored_note: String,
    /// The claims of a token that is a JWT: its payload as JSON, redacted and inert. Never verified.
    pub claims: Option<String>,
}

impl TokenStatus {
    /// The state at this instant.
    pub fn state(&self, now: Now) -> TokenState {
        if self.fetching {
            return TokenState::Refreshing;
        }
        match self.life.map(|life| (life, life.left(now))) {
            Some((life, Some(_))) if life.renews_in(now).is_zero() => TokenState::Due,
            Some((_, Some(_))) => TokenState::Fresh,
            _ if self.failure.as_ref().is_some_and(|f| f.refused) => TokenState::Refused,
            Some((_, None)) => TokenState::Expired,
            None => TokenState::Missing,
        }
    }

    /// Why there is no valid token, if fetching one failed. While a token is valid, its renewal may still succeed.
    pub fn failed(&self, now: Now) -> Option<&TokenFailure> {
        let failure = self.failure.as_ref();
        failure.filter(|_| self.left(now).is_none())
    }

    /// The time until the current token expires; `None` where there is no valid one.
    pub fn left(&self, now: Now) -> Option<Duration> {
        self.life.and_then(|life| life.left(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono: u64, wall: i64) -> Now {
        Now {
            mono: Duration::from_secs(mono),
            wall: WallTime(wall * 1000),
        }
    }

    fn life() -> TokenLifetime {
        TokenLifetime {
            since: at(100, 5_000),
            aged: Duration::ZERO,
            life: Duration::from_mins(10),
            renew_at: Duration::from_mins(9),
        }
    }

    #[test]
    fn the_older_age_counts_after_a_suspend_and_after_a_clock_set_back() {
        let life = life();
        assert_eq!(life.left(at(160, 5_060)), Some(Duration::from_mins(9)));
        assert_eq!(
            life.left(at(110, 5_700)),
            None,
            "asleep for ten minutes: the monotonic clock stood still"
        );
        assert_eq!(
            life.left(at(160, 1_400)),
            Some(Duration::from_mins(9)),
            "set back by an hour: it lives no longer"
        );
    }

    #[test]
    fn the_state_follows_from_the_instant() {
        let mut status = TokenStatus::default();
        assert_eq!(status.state(at(0, 0)), TokenState::Missing);
        status.life = Some(life());
        assert_eq!(status.state(at(639, 5_539)), TokenState::Fresh);
        assert_eq!(status.state(at(640, 5_540)), TokenState::Due);
        assert_eq!(status.state(at(700, 5_600)), TokenState::Expired);
        status.failure = Some(TokenFailure {
            at: WallTime(0),
            why: String::new(),
            refused: true,
            again: None,
        });
        assert_eq!(
            status.state(at(640, 5_540)),
            TokenState::Due,
            "a token that is good stays good"
        );
        assert_eq!(status.state(at(700, 5_600)), TokenState::Refused);
        status.fetching = true;
        assert_eq!(status.state(at(700, 5_600)), TokenState::Refreshing);
    }
}
