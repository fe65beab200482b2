//! One log file a day, the newest seven days, readable by the user alone. Every line is redacted here.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::clock::Clock;
use crate::domain::inert;
use crate::net::redact;
use crate::private;

/// How many daily files are kept.
const DAYS: usize = 7;

/// The size limit of one day: a program that fails in a loop must not fill the disk.
const DAY_MAX: u64 = 16 * 1024 * 1024;

/// The longest line, in characters.
const LINE_MAX: usize = 4_096;

/// Replaces an e-mail address.
const ADDRESS: &str = "<address>";

/// Appends lines to the file of the day, in UTC. Several processes may do so at once.
pub(super) struct DailyFile {
    folder: PathBuf,
    clock: Clock,
    day_max: u64,
    today: Option<Today>,
}

struct Today {
    date: String,
    file: File,
}

impl DailyFile {
    pub(super) fn new(folder: PathBuf, clock: Clock) -> Self {
        Self {
            folder,
            clock,
            day_max: DAY_MAX,
            today: None,
        }
    }

    /// Appends a line, redacted with the secrets known so far.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        // Redacted before it is cut, so that no half of a secret survives at the cut.
        let line = redact::body(line);
        let line = without_addresses(&inert::cut(&line, LINE_MAX)) + "\n";
        let written = self.write(line.as_bytes());
        // Opened again at the next line: the folder may have been removed, or the disk was full.
        if written.is_err() {
            self.today = None;
        }
        written
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let day_max = self.day_max;
        let mut file = self.file_of_today()?;
        // Other processes write to it, too.
        let length = file.metadata()?.len();
        if length >= day_max {
            return Ok(());
        }
        file.write_all(line)?;
        if length + line.len() as u64 >= day_max {
            file.write_all(b"this day's log is full\n")?;
        }
        Ok(())
    }

    fn file_of_today(&mut self) -> io::Result<&File> {
        let now = self.clock.now().wall.to_zoned(&TimeZone::UTC);
        let date = now.date().to_string();
        let today = match self.today.take() {
            // Without a name it is lost: the folder was removed.
            Some(today) if today.date == date && today.file.metadata()?.nlink() > 0 => today,
            _ => self.open(date)?,
        };
        Ok(&self.today.insert(today).file)
    }

    fn open(&self, date: String) -> io::Result<Today> {
        private::make_subfolder(&self.folder)?;
        let path = self.folder.join(format!("tilldeck.{date}.log"));
        let file = private::open(&path)?;
        // Each write goes to the end (POSIX `O_APPEND`), so that lines of two processes do not overwrite each other.
        fcntl_setfl(&file, fcntl_getfl(&file)? | OFlags::APPEND)?;
        self.prune(&path);
        Ok(Today { date, file })
    }

    /// Deletes all but the newest files. Files with other names are not touched.
    fn prune(&self, today: &Path) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut dated: Vec<_> = entries
            .filter(|entry| is_ours(&entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .collect();
        // Names with ISO dates sort by time.
        dated.sort();
        // Those of a clock that was ahead count as the oldest: they must not stay for ever, nor push out today's.
        let (past, ahead) = dated.split_at(dated.partition_point(|path| path <= today));
        for old in past.iter().rev().chain(ahead.iter().rev()).skip(DAYS) {
            // Another process may have removed it first.
            let _ = fs::remove_file(old);
        }
    }
}

fn is_ours(name: &str) -> bool {
    let date = name
        .strip_prefix("tilldeck.")
        .and_then(|rest| rest.strip_suffix(".log"));
    date.is_some_and(|date| date.parse::<jiff::civil::Date>().is_ok())
}

/// Replaces e-mail addresses: operators send this file to support, so it must contain no personal data.
fn without_addresses(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "\"'`<>(),;:=/?&".contains(c);
    let words = text.split_inclusive(ends).map(|word| {
        let (bare, end) = match word.char_indices().next_back() {
            Some((at, last)) if ends(last) => word.split_at(at),
            _ => (word, ""),
        };
        // A word with an at sign is more likely an address than anything that support needs.
        if bare.contains('@') || bare.contains("%40") {
            Cow::Owned([ADDRESS, end].concat())
        } else {
            Cow::Borrowed(word)
        }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::{Secret, WallTime};

    struct Trial {
        outer: tempfile::TempDir,
        hand: ManualClock,
        log: DailyFile,
    }

    fn trial() -> Trial {
        let outer = tempfile::tempdir().unwrap();
        let start = WallTime::from_rfc3339("2026-11-22T23:59:59.000Z").unwrap();
        let (clock, hand) = Clock::by_hand(start);
        let log = DailyFile::new(outer.path().join("logs"), clock);
        Trial { outer, hand, log }
    }

    impl Trial {
        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.log.folder).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }

        fn first(&self) -> String {
            fs::read_to_string(self.log.folder.join("tilldeck.2026-11-22.log")).unwrap()
        }
    }

    #[test]
    fn eight_days_leave_seven_files_and_what_else_is_there() {
        let mut trial = trial();
        private::make_folder(&trial.log.folder).unwrap();
        for other in ["notes.log", "tilldeck.old.log"] {
            fs::write(trial.log.folder.join(other), "").unwrap();
        }
        for _ in 0..8 {
            trial.log.append("one").unwrap();
            trial.log.append("two").unwrap();
            trial.hand.advance(Duration::from_hours(24));
        }
        let days = (23..=29).map(|day| format!("tilldeck.2026-11-{day}.log"));
        let expected: Vec<String> = ["notes.log".to_owned()]
            .into_iter()
            .chain(days)
            .chain(["tilldeck.old.log".to_owned()])
            .collect();
        assert_eq!(trial.names(), expected);
        let newest = fs::read_to_string(trial.log.folder.join("tilldeck.2026-11-29.log"));
        assert_eq!(newest.unwrap(), "one\ntwo\n");
    }

    #[test]
    fn the_day_ends_at_midnight_utc() {
        let mut trial = trial();
        trial.log.append("before").unwrap();
        trial.hand.advance(Duration::from_secs(1));
        trial.log.append("after").unwrap();
        assert_eq!(trial.first(), "before\n");
        let names = ["tilldeck.2026-11-22.log", "tilldeck.2026-11-23.log"];
        assert_eq!(trial.names(), names);
    }

    #[test]
    fn two_processes_write_to_one_file() {
        let mut trial = trial();
        let mut other = DailyFile::new(trial.log.folder.clone(), trial.log.clock.clone());
        trial.log.append("one").unwrap();
        other.append("two").unwrap();
        trial.log.append("three").unwrap();
        assert_eq!(trial.first(), "one\ntwo\nthree\n");
    }

    #[test]
    fn file_and_folder_are_the_users_alone_and_no_link_is_followed() {
        let mut trial = trial();
        trial.log.append("one").unwrap();
        let mode =
            |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = trial.log.folder.join("tilldeck.2026-11-22.log");
        assert_eq!((mode(&trial.log.folder), mode(&path)), (0o700, 0o600));

        let victim = trial.outer.path().join("victim");
        fs::write(&victim, "as it was").unwrap();
        symlink(&victim, trial.log.folder.join("tilldeck.2026-11-23.log")).unwrap();
        trial.hand.advance(Duration::from_hours(24));
        assert!(trial.log.append("two").is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
    }

    #[test]
    fn what_could_not_be_written_is_tried_again_with_the_next_line() {
        let mut trial = trial();
        fs::write(&trial.log.folder, "a file in its place").unwrap();
        assert!(trial.log.append("one").is_err());
        fs::remove_file(&trial.log.folder).unwrap();
        trial.log.append("two").unwrap();
        assert_eq!(trial.first(), "two\n");
    }

    #[test]
    fn a_folder_that_was_removed_is_made_again_with_the_next_line() {
        let mut trial = trial();
        trial.log.append("one").unwrap();
        fs::remove_dir_all(&trial.log.folder).unwrap();
        trial.log.append("two").unwrap();
        assert_eq!(trial.first(), "two\n");
    }

    #[test]
    fn files_of_a_clock_that_was_ahead_push_out_none_of_today_and_go_first() {
        let mut trial = trial();
        private::make_folder(&trial.log.folder).unwrap();
        let ahead = |day| format!("tilldeck.2027-01-0{day}.log");
        for day in 1..=8 {
            fs::write(trial.log.folder.join(ahead(day)), "").unwrap();
        }
        trial.log.append("one").unwrap();
        let mut left: Vec<String> = (3..=8).map(ahead).collect();
        left.insert(0, "tilldeck.2026-11-22.log".into());
        assert_eq!(trial.names(), left);
        for _ in 0..6 {
            trial.hand.advance(Duration::from_hours(24));
            trial.log.append("one").unwrap();
        }
        let days: Vec<String> = (22..=28)
            .map(|day| format!("tilldeck.2026-11-{day}.log"))
            .collect();
        assert_eq!(trial.names(), days);
    }

    #[test]
    fn a_day_takes_no_more_than_its_share_of_the_disk() {
        let mut trial = trial();
        trial.log.day_max = 100;
        for _ in 0..50 {
            trial.log.append("twenty characters...").unwrap();
        }
        assert!(trial.first().starts_with("twenty characters...\n"));
        assert!(trial.first().contains("this day's log is full\n"));
        assert!(trial.first().len() < 200, "{}", trial.first().len());
        trial.hand.advance(Duration::from_hours(24));
        trial.log.append("a new day").unwrap();
        assert_eq!(trial.names().len(), 2);
    }

    #[test]
    fn a_line_is_redacted_by_value_and_name_inert_and_of_bounded_length() {
        let mut trial = trial();
        redact::learn(&Secret::new("planted-for-the-support-log"), "api_secret");
        for (line, expected) in [
            (
                "why=\"was planted-for-the-support-log\"",
                "why=\"was <api_secret>\"",
            ),
            (
                "path=/x?access_token=abcdefgh",
                "path=/x?access_token=<access_token>",
            ),
            ("two\nlines \u{1b}[31m", "two\\nlines \\u{1b}[31m"),
            ("to=payer@shop.example, and", "to=<address>, and"),
            (
                "path=/users/a.b%40shop.example/x",
                "path=/users/<address>/x",
            ),
            ("at 2026-11-22T23:59:59.000Z", "at 2026-11-22T23:59:59.000Z"),
        ] {
            let before = fs::metadata(trial.log.folder.join("tilldeck.2026-11-22.log"))
                .map_or(0, |about| usize::try_from(about.len()).unwrap());
            trial.log.append(line).unwrap();
            assert_eq!(trial.first()[before..], format!("{expected}\n"));
        }
        trial.log.append(&"x".repeat(10_000)).unwrap();
        assert!(trial.first().len() < 5_000);
    }
}
