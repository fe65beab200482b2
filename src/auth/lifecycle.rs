//! When a token is used, fetched, renewed or given up. Arithmetic on given instants and given chance; never asks
//! the time, never sleeps, sends nothing.

use std::time::Duration;

use crate::domain::{Now, Secret, TokenFailure, TokenLife, TokenStatus};
use crate::net::NetError;

use super::grant::Failure;

/// A token is renewed by a tenth of its life before it expires, but at least by so much (and at most by half of
/// its life, or one of 20 s would be renewed all the time).
pub const MARGIN_MIN: Duration = Duration::from_secs(30);

/// Nothing is fetched by itself sooner after the beginning of the fetch before.
pub const PAUSE: Duration = Duration::from_secs(5);

/// The first wait after a failure; it doubles with each further one.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest wait between two tries, unless the provider asks for a longer one.
pub const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// How often it is looked at whether refused credentials were replaced.
pub const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A throw of the dice, so that many programs do not come all at once: 0 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(u32);

impl Jitter {
    /// Of any number; what is above 1000 counts as 1000.
    #[must_use]
    pub fn new(per_mille: u32) -> Self {
        Self(per_mille.min(1000))
    }

    /// That part of `of`.
    fn part(self, of: Duration) -> Duration {
        of * self.0 / 1000
    }
}

/// At which age a token of this life is to be renewed: before the margin by up to a fifth of it, never later.
#[must_use]
pub fn renew_at(life: Duration, jitter: Jitter) -> Duration {
    let margin = (life / 10).max(MARGIN_MIN).min(life / 2);
    let early = margin + jitter.part(margin / 5);
    life.saturating_sub(early)
}

/// How long to wait after so many failures in a row (1 for the first): from half of the full wait to all of it.
#[must_use]
pub fn backoff(failures: u32, jitter: Jitter) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let full = (BACKOFF_MIN * 2_u32.pow(doublings)).min(BACKOFF_MAX);
    full / 2 + jitter.part(full / 2)
}

/// Why a token is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A call needs one and none is good.
    Needed,
    /// The one in hand is to be renewed, or the fetch before has failed.
    Due,
    /// The operator asks for a new one, whatever there is.
    Asked,
    /// The credentials were refused: only if they have been replaced.
    IfReplaced,
}

/// One fetch of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Counted up from 1.
    pub number: u64,
    /// What for.
    pub why: Why,
}

/// What whoever needs a token is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Use the token in hand; where a fetch is given, begin it behind that.
    Use(Option<Fetch>),
    /// Begin this fetch, and wait for it.
    Begin(Fetch),
    /// Wait for this fetch, which is under way.
    Wait(Fetch),
    /// There is none and none is fetched now, since the fetch before ended like this.
    GiveUp(NetError),
}

/// How it stands with a fetch that was waited for.
#[derive(Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// It is under way.
    Waiting,
    /// A good token is in hand.
    Good,
    /// It failed, and no good token is in hand.
    Failed(NetError),
    /// It brought a token that is of no use any more.
    AskAgain,
}

/// The latest fetch, where it failed.
#[derive(Debug)]
struct Failed {
    number: u64,
    error: NetError,
    told: TokenFailure,
    /// On the monotonic clock: for what is refused, when to look whether it was replaced; else when to try again.
    not_before: Duration,
}

/// The life cycle of one account's tokens.
#[derive(Debug, Default)]
pub struct Lifecycle {
    token: Option<(Secret, TokenLife)>,
    /// The latest token that a call was refused with: it is not taken up again from where it is kept.
    spurned: Option<Secret>,
    under_way: Option<Fetch>,
    numbered: u64,
    /// When the latest fetch began, on the monotonic clock.
    began: Option<Duration>,
    failed: Option<Failed>,
    in_a_row: u32,
    fetched: u32,
    /// Whether this process has had a use for a token.
    wanted: bool,
}

impl Lifecycle {
    /// The token in hand, if it is good.
    #[must_use]
    pub fn good(&self, now: Now) -> Option<&Secret> {
        let (token, life) = self.token.as_ref()?;
        life.left(now)?;
        Some(token)
    }

    /// The token in hand, expired or not, and its life.
    #[must_use]
    pub fn in_hand(&self) -> Option<(&Secret, TokenLife)> {
        self.token.as_ref().map(|(token, life)| (token, *life))
    }

    /// The fetch under way.
    #[must_use]
    pub fn under_way(&self) -> Option<Fetch> {
        self.under_way
    }

    /// How it stands, but for where it is kept and what it says.
    #[must_use]
    pub fn status(&self) -> TokenStatus {
        TokenStatus {
            life: self.token.as_ref().map(|(_, life)| *life),
            fetching: self.under_way.is_some(),
            failure: self.failed.as_ref().map(|failed| failed.told.clone()),
            fetched: self.fetched,
            ..TokenStatus::default()
        }
    }

    /// A call needs a token. One in the `background` is not what makes a failed fetch be tried again early.
    pub fn needed(&mut self, now: Now, background: bool) -> Next {
        self.wanted = true;
        if self.good(now).is_some() {
            let renewal = self.automatic(now);
            return Next::Use(renewal.map(|why| self.begin(now, why)));
        }
        if let Some(fetch) = self.under_way {
            return Next::Wait(fetch);
        }
        let mut why = Why::Needed;
        if let Some(failed) = &self.failed {
            let early = now.mono < failed.not_before;
            if early && background {
                return Next::GiveUp(failed.error.clone());
            }
            if background && failed.told.refused {
                why = Why::IfReplaced;
            }
        }
        Next::Begin(self.begin(now, why))
    }

    /// The operator asks for a new token, whatever there is. Shares only a fetch that was asked for likewise:
    /// any other may end with a token that another process has fetched before.
    pub fn asked(&mut self, now: Now) -> Next {
        self.wanted = true;
        match self.under_way {
            Some(fetch) => Next::Wait(fetch),
            None => Next::Begin(self.begin(now, Why::Asked)),
        }
    }

    /// What is to be done by itself at this instant.
    pub fn tick(&mut self, now: Now) -> Option<Fetch> {
        if !self.wanted {
            return None;
        }
        let why = self.automatic(now)?;
        Some(self.begin(now, why))
    }

    /// When to [`Lifecycle::tick`] next, if nothing happens before: from now on the monotonic clock.
    #[must_use]
    pub fn wakes_in(&self, now: Now) -> Option<Duration> {
        if !self.wanted || self.under_way.is_some() {
            return None;
        }
        let due = if let Some((_, life)) = &self.token {
            life.renews_in(now)
        } else {
            self.failed.as_ref()?;
            Duration::ZERO
        };
        let earliest = self.earliest().unwrap_or_default();
        Some(due.max(earliest.saturating_sub(now.mono)))
    }

    /// The fetch that time brings about: the token is due or over, or its fetch has failed a while ago.
    fn automatic(&self, now: Now) -> Option<Why> {
        let due = match &self.token {
            Some((_, life)) => life.renews_in(now).is_zero(),
            None => self.failed.is_some(),
        };
        let early = self.earliest().is_some_and(|earliest| now.mono < earliest);
        if !due || early || self.under_way.is_some() {
            return None;
        }
        let refused = self.failed.as_ref().is_some_and(|f| f.told.refused);
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

    /// Whether this fetch is the one under way; it is not any more.
    fn ends(&mut self, number: u64) -> bool {
        let ends = self.under_way.is_some_and(|fetch| fetch.number == number);
        if ends {
            self.under_way = None;
        }
        ends
    }

    /// The fetch brought a token, whose request was sent at `sent`. `false` where it has expired already: then
    /// the fetch goes on being under way, and has failed.
    #[must_use]
    pub fn granted(
        &mut self,
        number: u64,
        (sent, now): (Now, Now),
        token: Secret,
        lives: Duration,
        jitter: Jitter,
    ) -> bool {
        let life = TokenLife {
            since: sent,
            aged: Duration::ZERO,
            life: lives,
            renew_at: renew_at(lives, jitter),
        };
        if life.left(now).is_none() {
            return false;
        }
        if self.ends(number) {
            self.fetched += 1;
            self.take(token, life);
        }
        true
    }

    /// A token that is kept, by this process or another, was read: at the beginning, or in the course of the
    /// fetch of this number, which then ends. Says whether it is taken up.
    pub fn found(&mut self, of: Option<Fetch>, now: Now, token: Secret, life: TokenLife) -> bool {
        let Some(left) = life.left(now) else {
            return false;
        };
        // The age of the current token is measured on the monotonic clock; the saved copy has wall-clock times, by which a
        // clock that was set back would make it young again.
        let in_hand = self.token.as_ref().is_some_and(|(held, _)| *held == token);
        if in_hand || self.spurned.as_ref() == Some(&token) {
            return false;
        }
        let left_in_hand = self.token.as_ref().and_then(|(_, life)| life.left(now));
        if left_in_hand.is_some_and(|in_hand| left <= in_hand) {
            return false;
        }
        if let Some(fetch) = of {
            let is_fresh = !life.renews_in(now).is_zero();
            let serves = match fetch.why {
                Why::Needed | Why::IfReplaced => true,
                Why::Due => is_fresh,
                Why::Asked => false,
            };
            if !serves || !self.ends(fetch.number) {
                return false;
            }
        }
        self.take(token, life);
        true
    }

    fn take(&mut self, token: Secret, life: TokenLife) {
        self.token = Some((token, life));
        self.failed = None;
        self.in_a_row = 0;
    }

    /// The fetch brought none. The token in hand stays.
    pub fn failed(&mut self, number: u64, now: Now, failure: Failure, jitter: Jitter) {
        if !self.ends(number) {
            return;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        let refused = failure.is_refusal();
        let own = if refused {
            LOOK_AGAIN
        } else {
            backoff(self.in_a_row, jitter)
        };
        let wait = failure.retry_after.map_or(own, |asked| asked.max(own));
        let not_before = now.mono.saturating_add(wait);
        self.failed = Some(Failed {
            number,
            told: TokenFailure {
                at: now.wall,
                why: failure.error.to_string(),
                refused,
                again: (!refused).then_some(not_before),
            },
            error: failure.error,
            not_before,
        });
    }

    /// The credentials are the ones that were refused, so nothing was sent.
    pub fn not_replaced(&mut self, number: u64, now: Now) {
        if !self.ends(number) {
            return;
        }
        if let Some(failed) = &mut self.failed {
            failed.number = number;
            failed.not_before = now.mono.saturating_add(LOOK_AGAIN);
        }
    }

    /// A call with this token was answered 401: it is dropped, if it is still the one in hand.
    pub fn refused(&mut self, token: &Secret) -> bool {
        let in_hand = self.token.as_ref().is_some_and(|(held, _)| held == token);
        if in_hand {
            self.spurned = self.token.take().map(|(token, _)| token);
        }
        in_hand
    }

    /// Whether this token was refused by a call.
    #[must_use]
    pub fn is_spurned(&self, token: &Secret) -> bool {
        self.spurned.as_ref() == Some(token)
    }

    /// How it stands for whoever waits for this fetch. Of one that was asked for its own outcome counts; of any
    /// other, whether there is a good token.
    #[must_use]
    pub fn settled(&self, fetch: Fetch, now: Now) -> FetchOutcome {
        if self
            .under_way
            .is_some_and(|other| other.number == fetch.number)
        {
            return FetchOutcome::Waiting;
        }
        let failed = self.failed.as_ref().filter(|f| f.number >= fetch.number);
        match failed {
            Some(failed) if fetch.why == Why::Asked || self.good(now).is_none() => {
                FetchOutcome::Failed(failed.error.clone())
            }
            _ if self.good(now).is_some() => FetchOutcome::Good,
            _ => FetchOutcome::AskAgain,
        }
    }
}

#[cfg(test)]
mod tests;
