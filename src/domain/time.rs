//! Instants, and how times and durations are printed.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Zoned, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// A wall-clock instant: milliseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(pub i64);

/// One reading of the time: a monotonic part, for measuring, and the wall clock, for showing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since the clock was made; never goes back.
    pub mono: Duration,
    /// May jump either way.
    pub wall: WallTime,
}

impl Now {
    /// Whether the wall clock was set since `earlier`, or stood still while time went on: by a second or more.
    pub fn has_stepped_since(self, earlier: Self) -> bool {
        let passed = self.mono.saturating_sub(earlier.mono).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let moved = self.wall.0.saturating_sub(earlier.wall.0);
        moved.saturating_sub(passed).saturating_abs() >= 1000
    }

    /// Whether what happened at `at` is of a run that began at `started`. The wall clock may have been set since.
    pub fn is_of_run(self, started: Self, at: WallTime) -> bool {
        self.wall.since(at) <= self.mono.saturating_sub(started.mono)
    }

    /// This instant moved on by `by`, on both clocks.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self {
            mono: self.mono.saturating_add(by),
            wall: self.wall.plus(by),
        }
    }
}

impl WallTime {
    /// This instant in `zone`.
    pub fn to_zoned(self, zone: &TimeZone) -> Zoned {
        self.timestamp().to_zoned(zone.clone())
    }

    fn timestamp(self) -> Timestamp {
        // Out of range only for a damaged row; 1970 is recognised as wrong.
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// This instant moved on by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(millis(by)))
    }

    /// This instant moved back by `by`.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(millis(by)))
    }

    /// How long after `earlier`; zero where it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-22T02:54:26.120Z`. For JSON and export.
    pub fn rfc3339(self) -> String {
        jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%S.%3fZ", &self.to_zoned(&TimeZone::UTC))
            .unwrap_or_default()
    }

    /// Reads what [`WallTime::rfc3339`] wrote, or any other instant in RFC 3339.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let at: Timestamp = text.parse().ok()?;
        Some(Self(at.as_millisecond()))
    }

    /// `02:54:26` in `zone`.
    pub fn clock(self, zone: &TimeZone) -> String {
        self.strftime("%H:%M:%S", zone)
    }

    /// `2026-11-22` in `zone`.
    pub fn date(self, zone: &TimeZone) -> String {
        self.strftime("%Y-%m-%d", zone)
    }

    /// `2026-11-22 02:54:26` in `zone`.
    pub fn date_and_clock(self, zone: &TimeZone) -> String {
        self.strftime("%Y-%m-%d %H:%M:%S", zone)
    }

    /// As [`WallTime::date_and_clock`]; in the hour that the end of summer time repeats, with the offset that tells the
    /// two apart: `2026-10-25 02:30:00 +02:00`.
    pub fn unambiguous(self, zone: &TimeZone) -> String {
        let local = self.to_zoned(zone).datetime();
        if zone.to_ambiguous_timestamp(local).is_ambiguous() {
            self.strftime("%Y-%m-%d %H:%M:%S %:z", zone)
        } else {
            self.date_and_clock(zone)
        }
    }

    fn strftime(self, format: &str, zone: &TimeZone) -> String {
        jiff::fmt::strtime::format(format, &self.to_zoned(zone)).unwrap_or_default()
    }
}

/// In whole milliseconds, for JSON.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in at most four characters, for a column: `now`, `42s`, `7m`, `3h`, `12d`.
pub fn coarse(duration: Duration) -> String {
    match duration.as_secs() {
        0 => "now".into(),
        s @ 1..60 => format!("{s}s"),
        s @ 60..3_600 => format!("{}m", s / 60),
        s @ 3_600..86_400 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

/// A measured duration in at most two units, for a sentence: `42 s`, `7 min 5 s`, `3 h`, `12 d 4 h`. See [`exact`]
/// for a configured one.
pub fn fine(duration: Duration) -> String {
    let two = |large: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {rest}"),
    };
    match duration.as_secs() {
        0 if !duration.is_zero() => format!("{} ms", duration.as_millis()),
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => two(s / 60, "min", s % 60, "s"),
        s @ 3_600..86_400 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        s => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

/// A configured duration, complete: `1.5 s`, `1 min 30 s`, `1 d 2 h 3 min`.
pub fn exact(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
    ];
    let mut parts: Vec<String> = units
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    let rest = match format!("{}.{:09}", seconds % 60, duration.subsec_nanos()) {
        _ if seconds == 0
            && duration.subsec_nanos().is_multiple_of(1_000_000)
            && !duration.is_zero() =>
        {
            format!("{} ms", duration.as_millis())
        }
        rest => format!("{} s", rest.trim_end_matches('0').trim_end_matches('.')),
    };
    if parts.is_empty() || rest != "0 s" {
        parts.push(rest);
    }
    parts.join(" ")
}

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a duration; write a number and a unit, like 30s, 10m, 2h, 1h30m, 7d or 1w")]
pub struct DurationError(String);

/// Reads a duration as users write them: `30s`, `10m`, `1h30m`, `250ms`, `7d`, `1w`, `2 days`; and
/// what [`fine`] and [`coarse`] print of it. A day has 24 hours.
///
/// # Errors
/// If it has no unit, is negative, or is not a duration.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let refuse = || DurationError(super::inert::quoted(text, 40));
    // jiff's friendly format: units in words and letters, several in one text.
    let span: Span = text.trim().parse().map_err(|_| refuse())?;
    let signed: SignedDuration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| refuse())?;
    Duration::try_from(signed).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_was_set_is_noticed_and_one_that_is_slewed_is_not() {
        let earlier = Now {
            mono: Duration::from_secs(5),
            wall: WallTime(1_000_000),
        };
        for (mono, wall, stepped) in [
            (5_000, 1_000_000, false),
            (65_000, 1_060_000, false),
            (65_000, 1_060_999, false),
            (65_000, 1_061_000, true),
            (65_000, 1_059_000, true),
            (65_000, 1_000_000, true),
        ] {
            let now = Now {
                mono: Duration::from_millis(mono),
                wall: WallTime(wall),
            };
            assert_eq!(now.has_stepped_since(earlier), stepped, "{now:?}");
        }
    }

    #[test]
    fn times_are_printed_for_machines_and_people() {
        let at = WallTime(1_795_316_066_120);
        assert_eq!(at.rfc3339(), "2026-11-22T02:54:26.120Z");
        assert_eq!(WallTime::from_rfc3339(&at.rfc3339()), Some(at));
        assert_eq!(WallTime::from_rfc3339("yesterday"), None);
        assert_eq!(at.clock(&TimeZone::UTC), "02:54:26");
        assert_eq!(at.date_and_clock(&TimeZone::UTC), "2026-11-22 02:54:26");
        assert_eq!(WallTime(-5).rfc3339(), "1969-12-31T23:59:59.995Z");
    }

    #[test]
    fn only_a_repeated_hour_is_printed_with_its_offset() {
        // By rule, so that the test needs no time zone database.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (at, shown) in [
            ("2026-10-24T23:59:59Z", "2026-10-25 01:59:59"),
            ("2026-10-25T00:30:00Z", "2026-10-25 02:30:00 +02:00"),
            ("2026-10-25T01:30:00Z", "2026-10-25 02:30:00 +01:00"),
            ("2026-10-25T02:00:00Z", "2026-10-25 03:00:00"),
            ("2026-03-29T01:00:00Z", "2026-03-29 03:00:00"),
        ] {
            let at = WallTime::from_rfc3339(at).unwrap();
            assert_eq!(at.unambiguous(&zone), shown);
        }
    }

    #[test]
    fn durations_are_short_in_columns_and_clear_in_sentences() {
        let seconds = Duration::from_secs;
        let shown = |s| (coarse(seconds(s)), fine(seconds(s)));
        assert_eq!(shown(0), ("now".into(), "0 s".into()));
        assert_eq!(shown(59), ("59s".into(), "59 s".into()));
        assert_eq!(shown(425), ("7m".into(), "7 min 5 s".into()));
        assert_eq!(shown(60), ("1m".into(), "1 min".into()));
        assert_eq!(fine(Duration::from_millis(400)), "400 ms");
        assert_eq!(shown(11_520), ("3h".into(), "3 h 12 min".into()));
        assert_eq!(shown(1_051_200), ("12d".into(), "12 d 4 h".into()));
    }

    #[test]
    fn a_duration_that_was_set_is_printed_with_nothing_left_out() {
        for (given, printed) in [
            ("1.5s", "1.5 s"),
            ("0s", "0 s"),
            ("250ms", "250 ms"),
            ("0.1ms", "0.0001 s"),
            ("20s", "20 s"),
            ("90s", "1 min 30 s"),
            ("90.25s", "1 min 30.25 s"),
            ("10m", "10 min"),
            ("26h 3m 4s", "1 d 2 h 3 min 4 s"),
        ] {
            let duration = parse_duration(given).unwrap();
            assert_eq!(exact(duration), printed, "{given}");
            assert_eq!(parse_duration(printed), Ok(duration), "{given}");
        }
    }

    #[test]
    fn durations_are_read_with_units_only() {
        assert_eq!(parse_duration("10m"), Ok(Duration::from_mins(10)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2d"), Ok(Duration::from_hours(48)));
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1w"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(parse_duration(" 1 d 1 h "), Ok(Duration::from_hours(25)));
        assert_eq!(parse_duration("2 days"), Ok(Duration::from_hours(48)));
        assert_eq!(parse_duration("1.5h"), Ok(Duration::from_mins(90)));
        for bad in ["", "10", "-5s", "soon", "5 parsecs", "1mo"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_duration_that_is_printed_is_read_again(ms in proptest::prelude::any::<u32>(), days in 0_u64..4_000) {
            let duration = Duration::from_millis(ms.into()) + Duration::from_hours(24 * days);
            let printed = fine(duration);
            let read = parse_duration(&printed);
            proptest::prop_assert_eq!(read.as_ref().map(|read| fine(*read)), Ok(printed));
            // Two units are printed: what is smaller is left out.
            let read = read.unwrap();
            proptest::prop_assert!(read <= duration && duration < read + Duration::from_hours(1));
            if duration >= Duration::from_secs(1) {
                let printed = coarse(duration);
                let read = parse_duration(&printed);
                proptest::prop_assert_eq!(read.map(coarse), Ok(printed));
            }
        }
    }
}
