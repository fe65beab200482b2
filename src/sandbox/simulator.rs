//! What every simulated provider shares: the seed, the simulated time, and the current fault. Knows no provider.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::domain::simulate::Fault;
use crate::domain::{Now, WallTime};

use super::Options;

/// The most that one command moves the simulated clock.
pub const ADVANCE_MAX: Duration = Duration::from_hours(366 * 24);

/// The shared state of a simulation. Simulated time is computed from the injected clock: nothing runs in the background.
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
    /// A simulation that starts now, but never before `resumed`, the last time of an earlier run.
    pub fn new(options: &Options, resumed: Option<WallTime>) -> Self {
        let opened = options.clock.now();
        Self {
            // Never earlier than the last run: its payments would lie in the future.
            start: resumed.map_or(opened.wall, |at| at.max(opened.wall)),
            clock: options.clock.clone(),
            opened,
            speed: options.speed,
            seed: options.seed,
            callback_urls: options.callback_urls.clone(),
            moved: Mutex::default(),
        }
    }

    /// The longest sleep that misses nothing: a manual clock jumps, and a machine that slept wakes, without notice.
    pub fn longest_sleep(&self) -> Duration {
        if self.clock.is_manual() {
            Duration::from_millis(250)
        } else {
            Duration::from_secs(10)
        }
    }

    /// The simulated time. It never goes back, even if the wall clock does.
    pub fn now(&self) -> WallTime {
        // By the monotonic clock, which cannot be set.
        let real = self.clock.now().mono.saturating_sub(self.opened.mono);
        let simulated = real.saturating_mul(self.speed);
        self.start.plus(simulated).plus(self.moved.lock().advanced)
    }

    /// When the simulation started.
    pub fn start(&self) -> WallTime {
        self.start
    }

    /// The real time, as `Date` headers show it.
    pub fn outside(&self) -> WallTime {
        let set_back = i64::try_from(self.moved.lock().set_back.as_millis()).unwrap_or(i64::MAX);
        WallTime(self.clock.now().wall.0.saturating_sub(set_back))
    }

    /// Sets [`Simulator::outside`] back by this time; zero corrects it. Simulated time is unaffected.
    ///
    /// # Errors
    /// If it is more than 366 days.
    pub fn set_back(&self, by: Duration) -> Result<(), String> {
        if by > ADVANCE_MAX {
            return Err("set the clock back by at most 366 days".into());
        }
        self.moved.lock().set_back = by;
        Ok(())
    }

    /// The real time for `ahead` of simulated time; `None` where simulated time stands still.
    pub fn outside_span(&self, ahead: Duration) -> Option<Duration> {
        ahead.checked_div(self.speed)
    }

    /// The seed of all random data.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A provider's callback URL, used unless a call names another address.
    pub fn callback_url(&self, provider: &str) -> Option<&str> {
        self.callback_urls.get(provider).map(String::as_str)
    }

    /// Moves the simulated time forward.
    ///
    /// # Errors
    /// If it is more than 366 days at once.
    pub fn advance(&self, by: Duration) -> Result<(), String> {
        if by > ADVANCE_MAX {
            return Err("move the clock forward by at most 366 days at once".into());
        }
        let mut moved = self.moved.lock();
        moved.advanced = moved.advanced.saturating_add(by);
        Ok(())
    }

    /// The current fault.
    pub fn fault(&self) -> Fault {
        self.moved.lock().fault
    }

    /// Sets the fault.
    pub fn set_fault(&self, fault: Fault) {
        self.moved.lock().fault = fault;
    }
}

/// A pseudo-random number that depends only on its arguments.
pub fn seeded_hash(seed: u64, name: &str, at: u64) -> u64 {
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
    fn simulated_time_is_elapsed_time_times_speed_plus_what_was_advanced() {
        let (clock, manual_clock) = Clock::by_hand(WallTime(1_000));
        let simulator = simulator(clock, 60, None);
        assert_eq!(simulator.now(), WallTime(1_000));
        manual_clock.advance(Duration::from_secs(2));
        assert_eq!(simulator.now(), WallTime(121_000));
        simulator.advance(Duration::from_hours(1)).unwrap();
        assert_eq!(simulator.now(), WallTime(3_721_000));
        manual_clock.set_wall(WallTime(0));
        assert_eq!(
            simulator.now(),
            WallTime(3_721_000),
            "a wall clock set back moves nothing"
        );
        assert!(simulator.advance(Duration::MAX).is_err());
    }

    #[test]
    fn a_resumed_simulation_does_not_go_back_in_time() {
        let (clock, _) = Clock::by_hand(WallTime(1_000));
        let later = simulator(clock.clone(), 1, Some(WallTime(9_000)));
        assert_eq!(later.now(), WallTime(9_000));
        assert_eq!(
            simulator(clock, 1, Some(WallTime(3))).now(),
            WallTime(1_000)
        );
    }
}
