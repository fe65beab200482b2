//! The start of a period as operators type it: a duration ago, a day, or an instant.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

use super::{WallTime, inert, time};

/// The start of a period. [`Since::instant`] adds what it leaves open: the day or the time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// A duration ago.
    Ago(Duration),
    /// The beginning of a day, counted back from today.
    DaysBack(i64),
    /// A local time of today.
    Today(Time),
    /// A local date and time.
    Local(DateTime),
    /// An instant.
    At(WallTime),
}

/// Why a text is not a start time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a time; write how long ago (30m, 24h, 7d), `today`, `yesterday`, a date (2026-11-28), a date and time \
     (\"2026-11-28 14:30\", 2026-11-28T14:30Z), or a time of today (14:30)"
)]
pub struct SinceError(String);

impl Since {
    /// Parses a start time. A date begins at midnight; a time without a zone is local.
    ///
    /// # Errors
    /// If the text has none of these forms.
    pub fn parse(written: &str) -> Result<Self, SinceError> {
        let text = written.trim();
        match text.to_ascii_lowercase().as_str() {
            "today" => return Ok(Self::DaysBack(0)),
            "yesterday" => return Ok(Self::DaysBack(1)),
            _ => {}
        }
        // What the screen prints ("2 h ago") is read, too.
        if let Ok(ago) = time::parse_duration(text.strip_suffix(" ago").unwrap_or(text)) {
            return Ok(Self::Ago(ago));
        }
        // The local parser would accept such a text too and ignore its zone.
        if let Some(at) = with_zone(text) {
            return Ok(Self::At(at));
        }
        if let Ok(at) = text.parse::<DateTime>() {
            return Ok(Self::Local(at));
        }
        if let Ok(day) = text.parse::<Date>() {
            return Ok(Self::Local(day.to_datetime(Time::midnight())));
        }
        // Without a colon "14" would be a time of day to the parser, and a forgotten unit to its writer.
        if text.contains(':')
            && let Ok(time) = text.parse::<Time>()
        {
            return Ok(Self::Today(time));
        }
        Err(SinceError(inert::quoted(written, 60)))
    }

    /// The instant, seen from `now` in `zone`. A local time that a clock change skips counts as the one after the
    /// gap.
    pub fn instant(&self, now: WallTime, zone: &TimeZone) -> WallTime {
        let today = || now.to_zoned(zone).date();
        let local = |at: DateTime| {
            let zoned = at.to_zoned(zone.clone());
            zoned.map_or(now, |zoned| of_zoned(&zoned))
        };
        match self {
            Self::Ago(ago) => now.minus(*ago),
            Self::DaysBack(days) => {
                // By calendar days: a day of a clock change has 23 or 25 hours.
                let day = today().checked_sub(days.days()).unwrap_or(Date::MIN);
                local(day.to_datetime(Time::midnight()))
            }
            Self::Today(time) => local(today().to_datetime(*time)),
            Self::Local(at) => local(*at),
            Self::At(at) => *at,
        }
    }
}

/// An instant with its zone: `…Z`, `…+01:00`, `…[Europe/Warsaw]`.
fn with_zone(text: &str) -> Option<WallTime> {
    // Written as `date +'%F %T %z'` does, too.
    let joined = text
        .rsplit_once(' ')
        .filter(|(_, zone)| zone.starts_with(['+', '-', 'Z', 'z']))
        .map(|(before, zone)| format!("{before}{zone}"));
    let text = joined.as_deref().unwrap_or(text);
    let zoned = text.parse::<Zoned>().ok();
    zoned
        .map(|zoned| of_zoned(&zoned))
        .or_else(|| WallTime::from_rfc3339(text))
}

fn of_zoned(zoned: &Zoned) -> WallTime {
    WallTime(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12:00 in Warsaw on 28 November 2026.
    fn noon() -> WallTime {
        WallTime::from_rfc3339("2026-11-28T11:00:00Z").unwrap()
    }

    fn begins(written: &str) -> Result<String, String> {
        let warsaw = TimeZone::get("Europe/Warsaw").unwrap();
        let since = Since::parse(written).map_err(|error| error.to_string())?;
        Ok(since.instant(noon(), &warsaw).rfc3339())
    }

    #[test]
    fn a_beginning_is_read_in_every_form_people_write() {
        for (written, instant) in [
            ("1h", "2026-11-28T10:00:00.000Z"),
            ("1 d 1 h", "2026-11-27T10:00:00.000Z"),
            ("2 days ago", "2026-11-26T11:00:00.000Z"),
            ("1w", "2026-11-21T11:00:00.000Z"),
            ("today", "2026-11-27T23:00:00.000Z"),
            (" Yesterday ", "2026-11-26T23:00:00.000Z"),
            ("2026-11-28", "2026-11-27T23:00:00.000Z"),
            ("2026-07-01", "2026-06-30T22:00:00.000Z"),
            ("2026-11-28 09:30", "2026-11-28T08:30:00.000Z"),
            ("2026-11-28T09:30:15", "2026-11-28T08:30:15.000Z"),
            ("2026-11-28T09:30Z", "2026-11-28T09:30:00.000Z"),
            ("2026-11-28 09:30:00+02:00", "2026-11-28T07:30:00.000Z"),
            ("2026-11-28 09:30:00 +0200", "2026-11-28T07:30:00.000Z"),
            (
                "2026-11-28T09:30[America/New_York]",
                "2026-11-28T14:30:00.000Z",
            ),
            ("09:30", "2026-11-28T08:30:00.000Z"),
        ] {
            assert_eq!(begins(written).as_deref(), Ok(instant), "{written}");
        }
    }

    #[test]
    fn what_the_log_prints_is_read_again() {
        let warsaw = TimeZone::get("Europe/Warsaw").unwrap();
        assert_eq!(
            begins(&noon().date_and_clock(&warsaw)),
            Ok(noon().rfc3339())
        );
        assert_eq!(begins(&noon().rfc3339()), Ok(noon().rfc3339()));
    }

    #[test]
    fn what_is_no_beginning_is_refused_with_the_forms_there_are() {
        for bad in [
            "",
            "soon",
            "10",
            "2026",
            "2026-13-01",
            "28.11.2026",
            "tomorrow",
            "-5m",
        ] {
            let refusal = begins(bad).unwrap_err();
            for form in ["7d", "yesterday", "2026-11-28", "14:30"] {
                assert!(refusal.contains(form), "{bad:?}: {refusal}");
            }
        }
    }
}
