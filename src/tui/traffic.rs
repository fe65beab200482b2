//! Requests of the last minute, counted by second. Takes the current time as a parameter.

use std::time::Duration;

use crate::domain::Now;

pub const SECONDS: usize = 60;

/// A ring buffer with one count for each second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    counts: [u32; SECONDS],
    /// The second of the latest count, on the monotonic clock.
    latest: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            counts: [0; SECONDS],
            latest: 0,
        }
    }
}

fn slot(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).unwrap_or(0)
}

impl Traffic {
    pub fn sent(&mut self, now: Now) {
        let second = now.mono.as_secs().max(self.latest);
        let gap = second - self.latest;
        for passed in (1..=gap).take(SECONDS) {
            self.counts[slot(self.latest + passed)] = 0;
        }
        self.latest = second;
        let count = &mut self.counts[slot(second)];
        *count = count.saturating_add(1);
    }

    /// The counts of the last minute, oldest first, the running second last.
    pub fn minute(&self, now: Now) -> [u32; SECONDS] {
        let running = now.mono.as_secs().max(self.latest);
        let mut minute = [0; SECONDS];
        for (ago, count) in (0..).zip(minute.iter_mut().rev()) {
            let Some(second) = running.checked_sub(ago) else {
                break;
            };
            if second <= self.latest && second + SECONDS as u64 > self.latest {
                *count = self.counts[slot(second)];
            }
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
