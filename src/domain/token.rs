//! How an account's access token stands. Everything here follows from a given instant; nothing asks the time.

use std::time::Duration;

use super::{Now, WallTime};

/// The life of one access token, known by both clocks: the monotonic one, which no one sets but which stands
/// still while the machine sleeps, and the wall clock, which goes on. The older age counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLife {
    /// An instant of this process at which the age was known.
    pub since: Now,
    /// How old it was then; zero at the instant its request was sent.
    pub aged: Duration,
    /// How long it lives from when its request was sent.
    pub life: Duration,
    /// The age at which it is to be renewed; less than `life`.
    pub renew_at: Duration,
}

impl TokenLife {
    /// Time since its request was sent. A wall clock that was set back makes it no younger.
    #[must_use]
    pub fn age(&self, now: Now) -> Duration {
        let mono = now.mono.saturating_sub(self.since.mono);
        let wall = now.wall.since(self.since.wall);
        self.aged.saturating_add(mono.max(wall))
    }

    /// Until it expires; `None` once it has.
    #[must_use]
    pub fn left(&self, now: Now) -> Option<Duration> {
        self.life
            .checked_sub(self.age(now))
            .filter(|left| !left.is_zero())
    }

    /// Until it is to be renewed; zero once that is due.
    #[must_use]
    pub fn renews_in(&self, now: Now) -> Duration {
        self.renew_at.saturating_sub(self.age(now))
    }

    /// When its request was sent, by the wall clock.
    #[must_use]
    pub fn asked_at(&self) -> WallTime {
        WallTime(
            self.since
                .wall
                .0
                .saturating_sub(i64::try_from(self.aged.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// The word for how a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenState {
    /// There is none, and none is being fetched.
    Missing,
    /// Good for a while.
    Fresh,
    /// Still good; time to renew it.
    Due,
    /// One is being fetched; the one in hand, if any, serves until it expires.
    Refreshing,
    /// The provider refused the credentials it is fetched with, and none is in hand that is still good.
    Refused,
    /// The one in hand has expired.
    Expired,
}

impl TokenState {
    /// As shown and as written in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Fresh => "fresh",
            Self::Due => "due",
            Self::Refreshing => "refreshing",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
}

/// Where a token is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoredIn {
    /// Only in this process.
    #[default]
    Memory,
    /// In the system's keyring.
    Keyring,
    /// In a file that only the user can read.
    File,
}

impl StoredIn {
    /// As shown and as written in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Keyring => "keyring",
            Self::File => "file",
        }
    }
}

/// The latest attempt to fetch a token, where it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFailure {
    /// When its outcome was known.
    pub at: WallTime,
    /// What happened and to which account, inert.
    pub why: String,
    /// Whether the provider refused the credentials, so that trying again by itself is no use.
    pub refused: bool,
    /// When it is tried again by itself, on the monotonic clock; `None` where it is not.
    pub again: Option<Duration>,
}

/// How an account's access token stands. Never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenStatus {
    /// The token in hand, expired or not.
    pub life: Option<TokenLife>,
    /// Whether one is being fetched.
    pub fetching: bool,
    /// The latest attempt, where it failed.
    pub failure: Option<TokenFailure>,
    /// How many were fetched by this process.
    pub fetched: u32,
    /// What was odd about the answer that granted the token in hand, and how it was taken; empty where nothing was.
    pub note: String,
    /// Where it is kept between runs.
    pub kept: StoredIn,
    /// Why it is not kept in a better place, inert; empty where there is nothing to say.
    pub kept_note: String,
    /// What the token says of itself where it is a JWT: its payload as JSON, redacted and inert. Never verified.
    pub claims: Option<String>,
}

impl TokenStatus {
    /// The word for it at this instant.
    #[must_use]
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

    /// Until the token in hand expires; `None` where there is none that is good.
    #[must_use]
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

    fn life() -> TokenLife {
        TokenLife {
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
