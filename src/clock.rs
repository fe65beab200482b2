//! The only reader of the time; and a hand-driven clock for tests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::{Now, WallTime};

/// Tells the time. Cheap to clone; all clones of one tell the same.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { began: Instant },
    Hand(Arc<Mutex<Now>>),
}

impl Clock {
    /// The system's clocks; the monotonic one begins at zero now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks for the time"
    )]
    pub fn system() -> Self {
        Self(Source::System {
            began: Instant::now(),
        })
    }

    /// A clock that stands still until its [`Hand`] moves it.
    #[must_use]
    pub fn by_hand(start: WallTime) -> (Self, Hand) {
        let at = Arc::new(Mutex::new(Now {
            mono: Duration::ZERO,
            wall: start,
        }));
        (Self(Source::Hand(at.clone())), Hand(at))
    }

    /// This instant.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks for the time"
    )]
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System { began } => {
                let wall = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Now {
                    mono: began.elapsed(),
                    wall: WallTime(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
                }
            }
            Source::Hand(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// Moves a clock made by [`Clock::by_hand`].
#[derive(Debug, Clone)]
pub struct Hand(Arc<Mutex<Now>>);

impl Hand {
    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *at = at.plus(by);
    }

    /// Sets the wall clock alone, either way, as a user or NTP may.
    pub fn set_wall(&self, wall: WallTime) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall = wall;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_driven_clock_moves_only_by_hand() {
        let (clock, hand) = Clock::by_hand(WallTime(1_000));
        assert_eq!(clock.now().wall, WallTime(1_000));
        hand.advance(Duration::from_secs(2));
        assert_eq!(
            clock.now(),
            Now {
                mono: Duration::from_secs(2),
                wall: WallTime(3_000)
            }
        );
        hand.set_wall(WallTime(10));
        assert_eq!(
            clock.now(),
            Now {
                mono: Duration::from_secs(2),
                wall: WallTime(10)
            }
        );
    }
}
