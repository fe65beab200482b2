//! The log for support: what the program did, one line for each event, in a daily file of the state folder.
//!
//! Any layer writes to it with the macros of `tracing`; they do nothing until [`start`] is called. A line is formatted
//! in place, and redacted and written by a separate thread, so that no caller waits for the disk. If too many lines
//! wait, further ones are left out and counted.

mod file;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::clock::Clock;
use crate::config::Environ;
use file::DailyFile;

/// Sets the level: `off`, `error`, `warn`, `info`, `debug` or `trace`.
pub const LEVEL: &str = "TILLDECK_LOG";

/// The most lines that wait for the disk.
const WAITING_MAX: usize = 1_024;

/// How long the end of the program waits for the disk.
const FLUSH_MAX: Duration = Duration::from_millis(300);

/// The writer, once the log is started.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// The folder of the daily files.
pub fn folder(state: &Path) -> PathBuf {
    state.join("logs")
}

/// Starts the log in `folder`. A second call changes nothing.
///
/// Never fails the program: if no file can be written, there is no log.
pub fn start(folder: PathBuf, clock: Clock, environ: &Environ) {
    let written = environ.get(LEVEL);
    let level = written
        .as_deref()
        .map(|level| level.to_string_lossy().parse());
    // Reported below, once there is a log to report it in.
    let understood = !matches!(level, Some(Err(_)));
    let level = level.and_then(Result::ok).unwrap_or(LevelFilter::INFO);
    if level == LevelFilter::OFF || QUEUE.get().is_some() {
        return;
    }
    let (queue, lines) = Queue::new();
    let file = DailyFile::new(folder, clock.clone());
    let waiting = queue.waiting.clone();
    let thread = std::thread::Builder::new().name("support log".to_owned());
    if thread.spawn(move || write(&lines, &waiting, file)).is_err() || QUEUE.set(queue).is_err() {
        return;
    }
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Lines)
        .with_timer(Stamp(clock))
        .with_ansi(false)
        .with_target(false)
        .log_internal_errors(false);
    // Libraries may log anything, secrets included, so their lines are left out.
    let ours = Targets::new().with_target("tilldeck", level);
    let subscriber = tracing_subscriber::registry().with(ours).with(lines);
    // Fails only where a test has set one already.
    let _ = tracing::subscriber::set_global_default(subscriber);
    if !understood {
        tracing::warn!("{LEVEL} is not a valid level: use off, error, warn, info, debug or trace");
    }
}

/// Waits until all lines are written, within a limit. Call it before the process ends.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        let (done, written) = mpsc::channel();
        if queue.to.send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(FLUSH_MAX);
        }
    }
}

enum Message {
    Line(String),
    Flush(mpsc::Sender<()>),
}

struct Queue {
    to: mpsc::Sender<Message>,
    waiting: Arc<AtomicUsize>,
    left_out: AtomicUsize,
}

impl Queue {
    fn new() -> (Self, mpsc::Receiver<Message>) {
        let (to, lines) = mpsc::channel();
        let queue = Self {
            to,
            waiting: Arc::default(),
            left_out: AtomicUsize::new(0),
        };
        (queue, lines)
    }

    fn push(&self, line: &[u8]) {
        // Left out rather than waited for: a slow disk must not slow the program.
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.left_out.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let mut line = String::from_utf8_lossy(line).trim_end().to_owned();
        let left_out = self.left_out.swap(0, Ordering::AcqRel);
        if left_out > 0 {
            let _ = write!(line, " lines_left_out_before={left_out}");
        }
        let _ = self.to.send(Message::Line(line));
    }
}

fn write(lines: &mpsc::Receiver<Message>, waiting: &AtomicUsize, mut file: DailyFile) {
    while let Ok(message) = lines.recv() {
        match message {
            Message::Line(line) => {
                waiting.fetch_sub(1, Ordering::AcqRel);
                // A write error cannot be reported anywhere; the next line tries again.
                let _ = file.append(&line);
            }
            Message::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// Receives formatted lines.
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl io::Write for Lines {
    /// `tracing` writes each line in one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(queue) = QUEUE.get() {
            queue.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// UTC, as in JSON and exports.
struct Stamp(Clock);

impl FormatTime for Stamp {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        to.write_str(&self.0.now().wall.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_find_no_room_are_counted_and_hold_up_nobody() {
        let (queue, lines) = Queue::new();
        for _ in 0..WAITING_MAX + 7 {
            queue.push(b"a line\n");
        }
        assert_eq!(lines.try_iter().count(), WAITING_MAX);
        queue.waiting.store(0, Ordering::Release);
        queue.push(b"the next\n");
        let Ok(Message::Line(line)) = lines.recv() else {
            panic!("no line");
        };
        assert_eq!(line, "the next lines_left_out_before=7");
    }
}
