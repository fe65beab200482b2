//! The only module that reads the system's time, and a manual clock for tests.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio::time::error::Elapsed;

use crate::domain::{Now, WallTime};

/// Reads the time. Cheap to clone; all clones of a clock agree.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// When the clock was created: since the machine started, and on the clock that stands still in sleep.
    System(Duration, Instant),
    ManualClock(Arc<Mutex<Set>>),
}

/// The state of a manual clock.
#[derive(Debug, Clone, Copy)]
struct Set {
    now: Now,
    /// One of [`BOOTS`], if the system names its boots.
    boot: Option<usize>,
    /// How long the machine has slept.
    slept: Duration,
}

/// The boots that a manual clock can go through.
const BOOTS: [&str; 3] = ["first boot", "second boot", "third boot"];

/// An instant on the clock that all processes of this machine share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedInstant {
    /// Identifies the machine's current boot: after another boot the clock starts again. `wall` where the system does
    /// not identify it: then the processes share the wall clock, which may be set.
    pub boot: &'static str,
    /// In milliseconds.
    pub ms: i64,
}

/// The value of [`SharedInstant::boot`] where only the wall clock is shared.
const WALL: &str = "wall";

/// Whether the system's clock shows 1970 or later: HTTP has no date before that.
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the time"
)]
pub fn is_set() -> bool {
    SystemTime::now() >= UNIX_EPOCH
}

/// How long a result may take that has arrived while this process was stopped.
const GRACE: Duration = Duration::from_millis(100);

/// As [`tokio::time::timeout`], but a stop of this process (Ctrl-Z) that used up the limit loses no result that has
/// arrived meanwhile.
///
/// # Errors
/// If the limit has passed.
pub async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut work = std::pin::pin!(work);
    match tokio::time::timeout(limit, &mut work).await {
        Ok(done) => Ok(done),
        Err(_) => tokio::time::timeout(GRACE, work).await,
    }
}

impl Clock {
    /// The system's clocks. The monotonic clock starts at zero now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place that reads the time"
    )]
    pub fn system() -> Self {
        Self(Source::System(since_boot(), Instant::now()))
    }

    /// A clock that stands still until its [`ManualClock`] moves it.
    pub fn by_hand(start: WallTime) -> (Self, ManualClock) {
        let now = Now {
            mono: Duration::ZERO,
            wall: start,
        };
        let at = Arc::new(Mutex::new(Set {
            now,
            boot: Some(0),
            slept: Duration::ZERO,
        }));
        (Self(Source::ManualClock(at.clone())), ManualClock(at))
    }

    /// Whether only a [`ManualClock`] moves it: then a sleep does not tell that its time has come.
    pub fn is_manual(&self) -> bool {
        matches!(self.0, Source::ManualClock(_))
    }

    /// The current time.
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place that reads the time"
    )]
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System(began, _) => {
                let wall = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Now {
                    mono: since_boot().saturating_sub(*began),
                    wall: WallTime(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
                }
            }
            Source::ManualClock(at) => at.lock().now,
        }
    }

    /// How long the machine has been awake since the clock was created, as connection pools count.
    pub fn awake(&self) -> Duration {
        match &self.0 {
            Source::System(_, began) => began.elapsed(),
            Source::ManualClock(at) => {
                let at = at.lock();
                at.now.mono.saturating_sub(at.slept)
            }
        }
    }

    /// Converts `now`, read from this clock, to the time shared by all processes. Within one boot this time cannot be
    /// set, and it continues while the machine sleeps.
    pub fn shared(&self, now: Now) -> SharedInstant {
        let (boot, began) = match &self.0 {
            Source::System(began, _) => (boot_id(), *began),
            Source::ManualClock(at) => {
                let boot = at.lock().boot;
                let boot = boot.map_or(WALL, |boot| BOOTS[boot % BOOTS.len()]);
                (boot, Duration::ZERO)
            }
        };
        // Without a boot id, a reboot looks like a clock that was set.
        let ms = if boot == WALL {
            now.wall.0
        } else {
            let since_boot = began.saturating_add(now.mono);
            i64::try_from(since_boot.as_millis()).unwrap_or(i64::MAX)
        };
        SharedInstant { boot, ms }
    }
}

/// The machine's time zone, from `TZ` or `/etc/localtime`.
pub fn time_zone() -> TimeZone {
    // `TimeZone::system` walks the whole zone database to learn the zone's name, which is shown nowhere.
    if std::env::var_os("TZ").is_none()
        && let Ok(tzif) = std::fs::read("/etc/localtime")
        && let Ok(zone) = TimeZone::tzif("local", &tzif)
    {
        return zone;
    }
    TimeZone::system()
}

/// The machine's boot and the namespace of its clocks: a container may have its own.
fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let Ok(id) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else {
            return WALL.to_owned();
        };
        // time_namespaces(7): a container's boot clock may have an offset of its own.
        let clocks = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
        format!("{} {}", id.trim(), clocks.display())
    })
}

/// Continues while the machine sleeps, and is the same in all processes.
fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // CLOCK_MONOTONIC stands still during suspend on Linux (clock_getres(2)).
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
    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut at = self.0.lock();
        at.now = at.now.plus(by);
    }

    /// Moves both clocks forward while the machine sleeps.
    pub fn sleep(&self, by: Duration) {
        self.advance(by);
        self.0.lock().slept += by;
    }

    /// Sets only the wall clock, in either direction, as a user or NTP may.
    pub fn set_wall(&self, wall: WallTime) {
        self.0.lock().now.wall = wall;
    }

    /// Restarts the machine: the shared clock starts again.
    pub fn reboot(&self) {
        let mut at = self.0.lock();
        at.boot = at.boot.map(|boot| boot + 1);
        at.now.mono = Duration::ZERO;
    }

    /// From now on, behaves like a system that does not identify its boots: processes share the wall clock.
    pub fn share_wall(&self) {
        self.0.lock().boot = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_zone_is_the_one_that_the_system_names() {
        let (ours, named) = (time_zone(), TimeZone::system());
        for second in [0, 1_500_000_000, 1_790_000_000, 1_805_000_000] {
            let at = jiff::Timestamp::from_second(second).unwrap();
            assert_eq!(ours.to_offset(at), named.to_offset(at));
        }
    }

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

    #[tokio::test(start_paused = true)]
    async fn what_arrives_just_after_the_limit_counts() {
        let limit = Duration::from_secs(5);
        for (late, arrives) in [(0, true), (50, true), (200, false)] {
            let work = tokio::time::sleep(limit + Duration::from_millis(late));
            assert_eq!(timeout(limit, work).await.is_ok(), arrives, "{late}");
        }
    }
}
