//! The only reader of the time; and a hand-driven clock for tests.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::{Now, WallTime};

/// Tells the time. Cheap to clone; all clones of one tell the same.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// When it was made, since the machine was started.
    System(Duration),
    ManualClock(Arc<Mutex<Set>>),
}

/// What a hand-driven clock is set to.
#[derive(Debug, Clone, Copy)]
struct Set {
    now: Now,
    /// One of [`BOOTS`], if the system names them.
    boot: Option<usize>,
}

/// The boots that a hand-driven clock can go through.
const BOOTS: [&str; 3] = ["first boot", "second boot", "third boot"];

/// An instant on the clock that the processes of this machine share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedInstant {
    /// Names the running of the machine since it was started; another one began its clock anew. `wall` where the
    /// system does not name it: there the wall clock is shared, which may be set.
    pub boot: &'static str,
    /// In milliseconds.
    pub ms: i64,
}

/// What [`SharedInstant::boot`] is where nothing but the wall clock is shared.
const WALL: &str = "wall";

impl Clock {
    /// The system's clocks; the monotonic one begins at zero now.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System(since_boot()))
    }

    /// A clock that stands still until its [`ManualClock`] moves it.
    #[must_use]
    pub fn by_hand(start: WallTime) -> (Self, ManualClock) {
        let now = Now {
            mono: Duration::ZERO,
            wall: start,
        };
        let at = Arc::new(Mutex::new(Set { now, boot: Some(0) }));
        (Self(Source::ManualClock(at.clone())), ManualClock(at))
    }

    /// This instant.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks for the time"
    )]
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System(began) => {
                let wall = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Now {
                    mono: since_boot().saturating_sub(*began),
                    wall: WallTime(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
                }
            }
            Source::ManualClock(at) => at.lock().unwrap_or_else(PoisonError::into_inner).now,
        }
    }

    /// `now`, which this clock told, as the processes of this machine share it: within one boot nobody can set it, and it
    /// goes on while the machine sleeps.
    #[must_use]
    pub fn shared(&self, now: Now) -> SharedInstant {
        let (boot, began) = match &self.0 {
            Source::System(began) => (boot_id(), *began),
            Source::ManualClock(at) => {
                let boot = at.lock().unwrap_or_else(PoisonError::into_inner).boot;
                let boot = boot.map_or(WALL, |boot| BOOTS[boot % BOOTS.len()]);
                (boot, Duration::ZERO)
            }
        };
        let ms = if boot == WALL {
            now.wall.0
        } else {
            let since_boot = began.saturating_add(now.mono);
            i64::try_from(since_boot.as_millis()).unwrap_or(i64::MAX)
        };
        SharedInstant { boot, ms }
    }
}

/// Which run of the machine this is, and which namespace of clocks: a container may have one of its own.
fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let Ok(id) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else {
            return WALL.to_owned();
        };
        let clocks = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
        format!("{} {}", id.trim(), clocks.display())
    })
}

/// Goes on while the machine sleeps, and is the same in all its processes.
fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// Moves a clock made by [`Clock::by_hand`].
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Set>>);

impl ManualClock {
    fn set(&self) -> MutexGuard<'_, Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let mut at = self.set();
        at.now = at.now.plus(by);
    }

    /// Sets the wall clock alone, either way, as a user or NTP may.
    pub fn set_wall(&self, wall: WallTime) {
        self.set().now.wall = wall;
    }

    /// Starts the machine anew: the clock that nobody sets begins again.
    pub fn reboot(&self) {
        let mut at = self.set();
        at.boot = at.boot.map(|boot| boot + 1);
        at.now.mono = Duration::ZERO;
    }

    /// From now on as on a system that does not name its boots: processes share the wall clock.
    pub fn share_wall(&self) {
        self.set().boot = None;
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
