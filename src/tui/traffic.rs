//! Requests of the last minute, counted by second. Takes the current time as a parameter.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::Now;

pub const SECONDS: usize = 60;

/// The seconds with requests and their counts, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic(VecDeque<(u64, u32)>);

impl Traffic {
    pub fn sent(&mut self, now: Now) {
        let second = now.mono.as_secs();
        match self.0.back_mut() {
            Some((last, count)) if *last >= second => *count = count.saturating_add(1),
            _ => self.0.push_back((second, 1)),
        }
        if self.0.len() > SECONDS {
            self.0.pop_front();
        }
    }

    /// The counts of the last minute, oldest first, the running second last.
    pub fn minute(&self, now: Now) -> [u32; SECONDS] {
        let latest = self.0.back().map_or(0, |(second, _)| *second);
        let running = now.mono.as_secs().max(latest);
        let mut minute = [0; SECONDS];
        for (ago, count) in (0..).zip(minute.iter_mut().rev()) {
            let same = self.0.iter().find(|(second, _)| second + ago == running);
            *count = same.map_or(0, |(_, count)| *count);
        }
        minute
    }

    /// The time until the counts change by themselves; `None` if all are zero. With reduced motion they change every
    /// ten seconds only.
    pub fn changes_in(&self, now: Now, still: bool) -> Option<Duration> {
        let any = self.minute(now).iter().any(|count| *count > 0);
        let step = if still { 10_000 } else { 1_000 };
        let into = now.mono.as_millis() % step;
        any.then(|| Duration::from_millis(u64::try_from(step - into).unwrap_or(1_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::second;

    #[test]
    fn a_minute_moves_on_and_forgets() {
        let mut traffic = Traffic::default();
        assert_eq!(traffic.changes_in(second(0), false), None);
        for at in [3, 3, 5, 62] {
            traffic.sent(second(at));
        }
        let minute = traffic.minute(second(62));
        assert_eq!((minute[59], minute[2], minute[0]), (1, 1, 2));
        let minute = traffic.minute(second(63));
        assert_eq!(
            (minute[58], minute[1], minute.iter().sum::<u32>()),
            (1, 1, 2)
        );
        assert!(traffic.changes_in(second(121), false).is_some());
        assert_eq!(traffic.changes_in(second(122), false), None);
        assert_eq!(traffic.minute(second(10_000)), [0; SECONDS]);
        traffic.sent(second(20_000));
        assert_eq!(traffic.minute(second(20_000)).iter().sum::<u32>(), 1);
    }

    #[test]
    fn a_busy_second_is_counted_in_full_and_late_reads_lose_nothing() {
        let mut traffic = Traffic::default();
        for _ in 0..70_000 {
            traffic.sent(second(9));
        }
        assert_eq!(traffic.minute(second(9))[59], 70_000);
        assert_eq!(traffic.minute(second(68))[0], 70_000);
        assert_eq!(traffic.minute(second(69)), [0; SECONDS]);
    }
}
