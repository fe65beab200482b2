//! Output: rows for people, one JSON object per line or CSV for scripts. Outside text is made inert.

mod csv;
mod listing;
mod table;

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::{Value, json};

pub use csv::{AsCsv, cell as csv_cell, line as csv_line};
pub use listing::{Listing, Records};
pub use table::{Cell, Table, plain, toned, whole};

use super::stop;
pub use crate::domain::Tone;
use crate::domain::{Problem, ProblemKind, inert};
use crate::net::redact;
use crate::runtime::terminal;

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    pub fn wanted(self, terminal: bool) -> bool {
        let decorates = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        self.shown(terminal) && (self == Self::Always || decorates)
    }

    /// The same for colours that are no decoration, which is what `NO_COLOR` is about.
    fn shown(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && is_capable(),
        }
    }
}

/// Whether the terminal shows colors and moves its cursor.
fn is_capable() -> bool {
    terminal::incapable(std::env::var_os("TERM").as_deref()).is_none()
}

#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// No error: `tilldeck log | head` is fine.
    #[error("its reader closed it")]
    ReaderGone,
    /// A signal arrived in the meantime.
    #[error("its reader does not read")]
    Stopped,
    /// A write failed: the disk is full, or the device is broken. The output is incomplete.
    #[error(transparent)]
    Failed(io::Error),
}

#[derive(Debug, Clone, Default)]
pub struct Out {
    pub format: Format,
    pub color: bool,
    pub color_err: bool,
    /// What was asked for.
    choice: Color,
    /// What the command does without a reader.
    reader: Reader,
    /// How a long command shows its progress. Clones share it.
    progress: Arc<Mutex<Progress>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    /// One JSON object per line.
    Json,
    /// A CSV header, then one record per row. Only commands that print a table have it.
    Csv,
}

/// What a command does when its reader closes stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Reader {
    /// It continues: its exit code is a result, too.
    #[default]
    Optional,
    /// It ends.
    Needed,
}

#[derive(Debug, Default)]
enum Progress {
    /// A short command prints a line for each wait.
    #[default]
    Lines,
    /// A long command without a terminal on stderr prints no lines for waits.
    Silent,
    /// A long command on a terminal shows a progress bar.
    Bar(ProgressBar),
}

impl Out {
    pub fn new(json: bool, color: Color) -> Self {
        Self {
            format: if json { Format::Json } else { Format::Text },
            color: color.wanted(io::stdout().is_terminal()),
            color_err: color.wanted(io::stderr().is_terminal()),
            choice: color,
            ..Self::default()
        }
    }

    pub fn with_format(&self, format: Format) -> Self {
        Self {
            format,
            ..self.clone()
        }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether stdout shows colors that are content, not decoration: a QR code cannot be scanned without.
    pub fn colors_codes(&self) -> bool {
        self.choice.shown(io::stdout().is_terminal())
    }

    /// The same streams for a command that only prints: it ends when its reader closes stdout.
    pub fn for_reader(&self) -> Self {
        Self {
            reader: Reader::Needed,
            ..self.clone()
        }
    }

    /// Waits until the reader closes stdout. A write would notice it too, but a command may have nothing to write for
    /// hours.
    pub async fn reader_gone(&self) {
        while has_reader() {
            tokio::time::sleep(LOOK_FOR_READER).await;
        }
    }

    /// Shows the progress of a long command from now on, if stderr is a terminal that can.
    pub fn begin_progress(&self, total: u64) {
        let progress = if io::stderr().is_terminal() && is_capable() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = "{bar:24} {pos}/{len}, {rate}, {eta} left {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.with_key(
                    "rate",
                    |state: &ProgressState, to: &mut dyn fmt::Write| {
                        let _ = write!(to, "{:.1}/s", state.per_sec());
                    },
                ));
            }
            Progress::Bar(bar)
        } else {
            Progress::Silent
        };
        *self.progress.lock() = progress;
    }

    pub fn advance_progress(&self) {
        if let Progress::Bar(bar) = &*self.progress.lock() {
            bar.inc(1);
        }
    }

    pub fn end_progress(&self) {
        if let Progress::Bar(bar) = std::mem::take(&mut *self.progress.lock()) {
            bar.finish_and_clear();
        }
    }

    /// Prints what a command waits for; `None` ends the wait.
    pub fn waiting(&self, words: Option<&str>) {
        match (&*self.progress.lock(), words) {
            (Progress::Bar(bar), words) => bar.set_message(match words {
                Some(words) => format!("waiting: {}", inert::cut(&redact::scrub(words), 60)),
                None => String::new(),
            }),
            (Progress::Lines, Some(words)) => {
                say(&format!(
                    "{} {words}",
                    paint(self.color_err, Tone::Dim, "waiting:")
                ));
            }
            (Progress::Silent, _) | (Progress::Lines, None) => {}
        }
    }

    /// Runs an action on a stream while the bar is hidden.
    fn apart<T>(&self, print: impl FnOnce() -> T) -> T {
        match &*self.progress.lock() {
            Progress::Bar(bar) => bar.suspend(print),
            Progress::Lines | Progress::Silent => print(),
        }
    }

    pub fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.color, tone, text)
    }

    pub fn bytes(&self, bytes: &[u8]) -> Result<(), OutputError> {
        match self.apart(|| write_whole(&io::stdout().lock(), bytes)) {
            Err(OutputError::ReaderGone) if self.reader == Reader::Optional => Ok(()),
            written => written,
        }
    }

    pub fn line(&self, line: &str) -> Result<(), OutputError> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    pub fn table(&self, table: &Table) -> Result<(), OutputError> {
        let lines = table.lines(self);
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Writes a result to stdout: an object for scripts, else a line.
    pub fn result(&self, object: &Value, line: &str) -> Result<(), OutputError> {
        if self.is_json() {
            self.object(object)
        } else {
            self.line(line)
        }
    }

    /// Writes a JSON object with its schema, on one line, to stdout.
    pub fn object(&self, fields: &serde_json::Value) -> Result<(), OutputError> {
        let mut object = serde_json::Map::new();
        object.insert("schema".into(), json!(1));
        if let serde_json::Value::Object(fields) = fields {
            object.extend(fields.clone());
        }
        self.line(&inert::json(&serde_json::Value::Object(object).to_string()))
    }

    /// Writes a message to stderr. Failures are ignored.
    pub fn say(&self, words: &str) {
        self.apart(|| say(words));
    }

    pub fn message(&self, tone: Tone, label: &str, words: &str) {
        self.say(&format!("{} {words}", paint(self.color_err, tone, label)));
    }

    /// Writes a remark to stderr that scripts do not need.
    pub fn explain(&self, words: &str) {
        if self.format == Format::Text {
            self.say(words);
        }
    }

    pub fn note(&self, words: &str) {
        self.message(Tone::Dim, "note:", words);
    }

    pub fn warn(&self, words: &str) {
        self.message(Tone::Warn, "warning:", words);
    }

    /// Prints a failure: with `--json` an object to stdout, else a message to stderr.
    pub fn problem(&self, problem: &Problem) -> Result<(), OutputError> {
        self.problem_of(json!({}), problem)
    }

    /// As [`Out::problem`]; the object has these `fields`, too.
    pub fn problem_of(&self, mut fields: Value, problem: &Problem) -> Result<(), OutputError> {
        if self.is_json() {
            fields["error"] = problem_json(problem);
            return self.object(&fields);
        }
        let message = redact::scrub(&problem.message);
        let hint = redact::scrub(&problem.hint);
        self.message(Tone::Bad, "error:", &message);
        self.hint(&hint);
        Ok(())
    }

    /// Writes below an error what to do; nothing if there is no hint.
    pub fn hint(&self, hint: &str) {
        if !hint.is_empty() {
            self.message(Tone::Dim, " hint:", hint);
        }
    }
}

pub fn problem_json(problem: &Problem) -> Value {
    let words = |text: &str| redact::scrub(&inert::unescaped(text)).into_owned();
    let kind = match problem.kind {
        // Scripts know a 404 by one word, as by one exit code.
        ProblemKind::NoPath => ProblemKind::NotFound,
        kind => kind,
    };
    json!({
        "kind": kind.as_str(),
        "message": words(&problem.message),
        "hint": words(&problem.hint),
    })
}

fn say(words: &str) {
    let line = format!("{}\n", redact::scrub(words));
    let _ = write_whole(&io::stderr().lock(), line.as_bytes());
}

/// How often a waiting command checks whether its reader is still there.
const LOOK_FOR_READER: Duration = Duration::from_millis(500);

/// A pipe that is ready takes this much at once. A longer write could block and ignore signals.
const WRITTEN_AT_ONCE: usize = 4096;

/// After a signal, a stream may be full this many times in a row before the write stops: output in progress is
/// completed if possible.
const REFUSED_MAX: u32 = 2;

/// Writes all bytes in several writes. Not with `std`'s `write_all`: after a failure it does not report how much was
/// written.
fn write_whole(stream: &impl AsFd, mut left: &[u8]) -> Result<(), OutputError> {
    let mut refused = 0;
    while !left.is_empty() {
        if !is_ready(stream)? {
            // Without a signal a slow reader may take as long as it likes.
            refused += u32::from(stop::is_stopping());
            if refused >= REFUSED_MAX {
                return Err(OutputError::Stopped);
            }
            continue;
        }
        refused = 0;
        match rustix::io::write(stream, &left[..left.len().min(WRITTEN_AT_ONCE)]) {
            Ok(0) => return Err(OutputError::Failed(io::ErrorKind::WriteZero.into())),
            Ok(written) => left = &left[written..],
            // Another program with the same pipe made it non-blocking.
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(Errno::PIPE) => return Err(OutputError::ReaderGone),
            Err(errno) => return Err(OutputError::Failed(errno.into())),
        }
    }
    Ok(())
}

fn is_ready(stream: &impl AsFd) -> Result<bool, OutputError> {
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    let mut polled = [PollFd::new(stream, PollFlags::OUT)];
    match poll(&mut polled, Some(&patience)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(OutputError::Failed(errno.into())),
    }
}

fn has_reader() -> bool {
    let stdout = io::stdout();
    // No requested events: `poll` reports errors and hang-ups anyway.
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec::default();
    let closed = PollFlags::ERR | PollFlags::HUP;
    poll(&mut polled, Some(&now)).is_err() || !polled[0].revents().intersects(closed)
}

fn paint(color: bool, tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Plain => "",
        Tone::Good => "32",
        Tone::Busy => "36",
        Tone::Warn | Tone::Live => "33",
        Tone::Bad => "31",
        Tone::Dim | Tone::Sim => "2",
        Tone::Accent => "1",
    };
    if !color || text.is_empty() || code.is_empty() {
        return text.to_owned();
    }
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_inert_in_json_and_loses_nothing() {
        let hostile = "a\u{9b}31m\u{7f}\u{202e}b\u{200b}\u{e0001}ż漢";
        let object = json!({ hostile: hostile }).to_string();
        let text = inert::json(&object);
        assert!(!text.contains(inert::is_hostile), "{text}");
        assert!(
            text.contains("\\u009b31m\\u007f\\u202eb\\u200b\\udb40\\udc01ż漢"),
            "{text}"
        );
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read[hostile], hostile);
    }
}
