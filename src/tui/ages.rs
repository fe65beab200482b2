//! Ages and countdowns, and when each changes.

use std::time::Duration;

use crate::domain::{Now, WallTime, time};

/// An event younger than this is shown as new.
pub const JUST_NOW: Duration = Duration::from_secs(10);

/// An age in a column. Whole minutes after the first, so that an idle screen changes once a minute.
pub fn age(at: WallTime, now: Now) -> String {
    let age = now.wall.since(at);
    if age < JUST_NOW {
        "now".into()
    } else if age < Duration::from_mins(1) {
        "<1m".into()
    } else {
        time::coarse(age)
    }
}

/// Time until [`age`] gives another text.
pub fn age_changes_in(at: WallTime, now: Now) -> Duration {
    // Zero where the clock was set back: the age counts as new.
    let age = now.wall.since(at);
    if age < JUST_NOW {
        return JUST_NOW.saturating_sub(age).max(Duration::from_millis(10));
    }
    let unit = if age < Duration::from_hours(1) {
        Duration::from_mins(1)
    } else {
        Duration::from_hours(1)
    };
    let into = u64::try_from(age.as_millis() % unit.as_millis()).unwrap_or(0);
    unit.saturating_sub(Duration::from_millis(into))
        .max(Duration::from_millis(10))
}

/// Until the next whole second, on which all countdowns tick together.
pub fn tick(now: Now) -> Duration {
    Duration::from_secs(1).saturating_sub(Duration::from_nanos(now.mono.subsec_nanos().into()))
}

/// The next whole second: one frame for all that changes within it.
pub fn whole_second(at: Duration) -> Duration {
    Duration::from_secs(at.as_secs() + u64::from(at.subsec_nanos() > 0))
}

/// `4:07`, `59:59`, `1:00:00`; rounded up to whole seconds, so that `0:01` shows for a second.
pub fn countdown(left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::second;

    #[test]
    fn an_age_is_right_and_changes_seldom() {
        let mut now = second(0);
        let mut ages = Vec::new();
        for _ in 0..5 {
            ages.push((now.mono.as_secs(), age(second(0).wall, now)));
            now = now.plus(age_changes_in(second(0).wall, now));
        }
        let ages: Vec<_> = ages.iter().map(|(at, age)| (*at, age.as_str())).collect();
        assert_eq!(
            ages,
            [
                (0, "now"),
                (10, "<1m"),
                (60, "1m"),
                (120, "2m"),
                (180, "3m")
            ]
        );
    }

    #[test]
    fn countdowns_have_no_tenths_and_end_at_one() {
        let text = |ms| countdown(Duration::from_millis(ms));
        assert_eq!(text(1), "00:01");
        assert_eq!(text(60_000), "01:00");
        assert_eq!(text(3_599_001), "1:00:00");
        assert_eq!(text(90_061_000), "25:01:01");
    }
}
