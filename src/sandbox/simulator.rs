//! What every embedded provider shares: the seed, the time of the simulated world, and the fault being
//! played. Knows no provider.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::simulate::Fault;
use crate::domain::{Now, WallTime};

use super::Options;

/// The most one command moves the world's clock on.
pub const ADVANCE_MAX: Duration = Duration::from_hours(366 * 24);

/// The simulated world. Its time is computed from the injected clock: nothing in it runs by itself.
#[derive(Debug)]
pub struct Simulator {
    clock: Clock,
    opened: Now,
    start: WallTime,
    speed: u32,
    seed: u64,
    callback_urls: BTreeMap<String, String>,
    moved: Mutex<Moved>,
}

/// What commands change.
#[derive(Debug, Default, Clone, Copy)]
struct Moved {
    advanced: Duration,
    set_back: Duration,
    fault: Fault,
}

impl Simulator {
    /// A world that begins now, but never before `resumed`, the time an earlier run had come to.
    #[must_use]
    pub fn new(options: &Options, resumed: Option<WallTime>) -> Self {
        let opened = options.clock.now();
        Self {
            start: resumed.map_or(opened.wall, |at| at.max(opened.wall)),
            clock: options.clock.clone(),
            opened,
            speed: options.speed,
            seed: options.seed,
            callback_urls: options.callback_urls.clone(),
            moved: Mutex::default(),
        }
    }

    /// The world's time. It never goes back, whatever the wall clock does.
    #[must_use]
    pub fn now(&self) -> WallTime {
        let real = self.clock.now().mono.saturating_sub(self.opened.mono);
        let lived = real.saturating_mul(self.speed);
        self.start.plus(lived).plus(self.moved().advanced)
    }

    /// When the world began.
    #[must_use]
    pub fn start(&self) -> WallTime {
        self.start
    }

    /// The wall clock outside the world, which `Date` headers tell.
    #[must_use]
    pub fn outside(&self) -> WallTime {
        let set_back = i64::try_from(self.moved().set_back.as_millis()).unwrap_or(i64::MAX);
        WallTime(self.clock.now().wall.0.saturating_sub(set_back))
    }

    /// Sets the clock that [`Simulator::outside`] tells back; with nothing, right. The world's own time goes on.
    ///
    /// # Errors
    /// If it is more than [`ADVANCE_MAX`].
    pub fn set_back(&self, by: Duration) -> Result<(), String> {
        if by > ADVANCE_MAX {
            return Err("the clock is set back by at most 366 days".into());
        }
        self.moved().set_back = by;
        Ok(())
    }

    /// How long the driver of the world may sleep for `ahead` of world time; `None` where it stands still.
    #[must_use]
    pub fn outside_span(&self, ahead: Duration) -> Option<Duration> {
        ahead.checked_div(self.speed)
    }

    /// What everything random is derived from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Where a provider reports changes to, if anywhere, unless it was told another address.
    #[must_use]
    pub fn callback_url(&self, provider: &str) -> Option<&str> {
        self.callback_urls.get(provider).map(String::as_str)
    }

    /// Moves the time on.
    ///
    /// # Errors
    /// If it is more than [`ADVANCE_MAX`] at once.
    pub fn advance(&self, by: Duration) -> Result<(), String> {
        if by > ADVANCE_MAX {
            return Err("the clock moves on by at most 366 days at once".into());
        }
        let mut moved = self.moved();
        moved.advanced = moved.advanced.saturating_add(by);
        Ok(())
    }

    /// The fault being played.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.moved().fault
    }

    /// Plays this fault from now on.
    pub fn set_fault(&self, fault: Fault) {
        self.moved().fault = fault;
    }

    fn moved(&self) -> MutexGuard<'_, Moved> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that depends on nothing but its arguments and looks random.
#[must_use]
pub fn scatter(seed: u64, name: &str, at: u64) -> u64 {
    // FNV-1a over the name, then the finisher of SplitMix64.
    let named = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(named)
        .wrapping_add(at.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulator(clock: Clock, speed: u32, resumed: Option<WallTime>) -> Simulator {
        let options = Options {
            speed,
            ..Options::new(clock)
        };
        Simulator::new(&options, resumed)
    }

    #[test]
    fn the_worlds_time_is_elapsed_time_times_speed_plus_what_was_advanced() {
        let (clock, hand) = Clock::by_hand(WallTime(1_000));
        let simulator = simulator(clock, 60, None);
        assert_eq!(simulator.now(), WallTime(1_000));
        hand.advance(Duration::from_secs(2));
        assert_eq!(simulator.now(), WallTime(121_000));
        simulator.advance(Duration::from_hours(1)).unwrap();
        assert_eq!(simulator.now(), WallTime(3_721_000));
        hand.set_wall(WallTime(0));
        assert_eq!(
            simulator.now(),
            WallTime(3_721_000),
            "a wall clock set back moves nothing"
        );
        assert!(simulator.advance(Duration::MAX).is_err());
    }

    #[test]
    fn a_world_resumed_does_not_go_back() {
        let (clock, _) = Clock::by_hand(WallTime(1_000));
        let later = simulator(clock.clone(), 1, Some(WallTime(9_000)));
        assert_eq!(later.now(), WallTime(9_000));
        assert_eq!(
            simulator(clock, 1, Some(WallTime(3))).now(),
            WallTime(1_000)
        );
    }
}
