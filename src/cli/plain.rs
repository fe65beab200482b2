//! The console without a screen, `tilldeck --plain`: prints its lines to stdout.

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use super::console::{self, Profiles};
use super::prelude::*;
use super::stop::{HangUp, HangUps, StopSignals};
use crate::runtime::{self, PlainStart, terminal};
use crate::tui::Detail;

/// The most lines that wait for a slow reader of stdout.
const LINES_MAX: usize = 1_024;
/// How long the end waits for such a reader.
const PATIENCE: Duration = Duration::from_millis(400);

/// The lines for a terminal that cannot show the console, and says so.
pub fn chosen_by_terminal(out: &Out) -> Option<Detail> {
    let term = std::env::var_os("TERM");
    let why = terminal::incapable(term.as_deref())?;
    // Without any terminal, only `dumb` asks for lines: they go on until someone ends them.
    if !std::io::stdout().is_terminal() && term.is_none_or(|term| term != "dumb") {
        return None;
    }
    if !out.is_json() {
        out.say(&format!(
            "{why}: tilldeck prints plain lines in place of the screen; Ctrl-C stops it"
        ));
    }
    Some(Detail::Changes)
}

pub fn goes_alone(command: &str) -> Problem {
    usage(
        format!("--plain prints the console as lines; the command `{command}` needs no --plain"),
        "run `tilldeck --plain` without a command",
    )
}

pub struct Plain(pub Detail);

impl Command for Plain {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = start.out;
        start.configured(|settings, log| self.run(settings, log, out))
    }
}

impl Plain {
    fn run(self, settings: &Settings, log: LogStart, out: &Out) -> CommandResult {
        log.run();
        let Settings {
            config, profile, ..
        } = settings;
        let model = console::model(config, profile, &settings.global.vault()?, out)?;
        let start = PlainStart {
            first: Profiles::start(settings, model, false)?,
            source: Arc::new(Profiles::new(settings, out)),
            detail: self.0,
            reload: Arc::new(Notify::new()),
        };
        on_threads(print(start, &out.for_reader()))
    }
}

async fn print(start: PlainStart, out: &Out) -> CommandResult {
    let mut stops = StopSignals::of_service();
    let mut hang_ups = HangUps::new();
    let reload = start.reload.clone();
    let clock = start.first.options.clock.clone();
    let terminal_gone = async {
        while hang_ups.next().await == HangUp::Reload {
            reload.notify_one();
        }
    };
    let (printing, mut failed) = Printing::start(out);
    let ended = async {
        tokio::select! {
            biased;
            _ = stops.next() => Ok(Exit::Interrupted),
            () = terminal_gone => Ok(Exit::Interrupted),
            Ok(error) = &mut failed => Err(error),
            () = out.reader_gone() => Err(OutputError::ReaderGone),
        }
    };
    let run = runtime::run_plain(
        start,
        |line| printing.queue.put(clock.now().wall, line),
        ended,
    );
    let ended = Box::pin(run).await;
    printing.end().await;
    Ok(ended??)
}

/// Prints on a thread of its own: a slow reader of stdout delays neither callbacks nor the end.
struct Printing {
    queue: Arc<Queue>,
    ended: oneshot::Receiver<()>,
}

impl Printing {
    /// The printer, and how stdout failed.
    fn start(out: &Out) -> (Self, oneshot::Receiver<OutputError>) {
        let queue = Arc::new(Queue::default());
        let (failed_to, failed) = oneshot::channel();
        let (ended_to, ended) = oneshot::channel();
        let (out, lines) = (out.clone(), queue.clone());
        std::thread::spawn(move || {
            let mut lines = std::iter::from_fn(|| lines.take());
            let printed = lines.try_for_each(|(at, line)| print_line(&out, at, &line));
            if let Err(error) = printed {
                let _ = failed_to.send(error);
            }
            let _ = ended_to.send(());
        });
        (Self { queue, ended }, failed)
    }

    async fn end(self) {
        self.queue.close();
        let _ = tokio::time::timeout(PATIENCE, self.ended).await;
    }
}

/// Prints a line, which begins with its time of day, or the object for it.
fn print_line(out: &Out, at: WallTime, line: &str) -> Result<(), OutputError> {
    let text = line.split_once(' ').map_or(line, |(_, text)| text);
    let object = json!({ "at": at.rfc3339(), "text": text });
    out.result(&object, line)
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<(WallTime, String)>,
    /// The lines after these that a slow reader misses.
    gap: Option<Gap>,
    is_closed: bool,
}

struct Gap {
    omitted: usize,
    /// The first of them: when it was, and its time of day.
    at: WallTime,
    since: String,
}

impl Gap {
    fn line(self) -> (WallTime, String) {
        let Self { omitted, at, since } = self;
        let line = format!(
            "{since} {omitted} lines omitted: stdout is read too slowly; `tilldeck log` has the requests"
        );
        (at, line)
    }
}

impl Queue {
    /// Adds a line, which begins with its time.
    fn put(&self, at: WallTime, line: &str) {
        let mut waiting = self.waiting.lock();
        // One place is for the line about the gap.
        if waiting.lines.len() + 1 < LINES_MAX {
            let gap = waiting.gap.take();
            waiting.lines.extend(gap.map(Gap::line));
            waiting.lines.push_back((at, line.to_owned()));
        } else {
            let time = line.split(' ').next().unwrap_or_default();
            let gap = waiting.gap.get_or_insert_with(|| Gap {
                omitted: 0,
                at,
                since: time.to_owned(),
            });
            gap.omitted += 1;
        }
        self.changed.notify_one();
    }

    /// Waits for the next line; `None` at the end.
    fn take(&self) -> Option<(WallTime, String)> {
        let is_idle = |waiting: &mut Waiting| {
            waiting.lines.is_empty() && waiting.gap.is_none() && !waiting.is_closed
        };
        let mut waiting = self.waiting.lock();
        self.changed.wait_while(&mut waiting, is_idle);
        let line = waiting.lines.pop_front();
        line.or_else(|| waiting.gap.take().map(Gap::line))
    }

    fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_a_slow_reader_misses_are_counted_where_they_are_missing() {
        const GAP: &str =
            "lines omitted: stdout is read too slowly; `tilldeck log` has the requests";
        let queue = Queue::default();
        let put = |line: &str| queue.put(WallTime(0), line);
        let take = || queue.take().map(|(_, line)| line);
        for at in 0..LINES_MAX + 6 {
            put(&format!("10:00:{at} line {at}"));
        }
        assert_eq!(take().unwrap(), "10:00:0 line 0");
        assert!(take().is_some());
        put("11:00:00 the next");
        for _ in 0..2 {
            put("12:00:00 no room");
        }
        // Nothing follows, and the queue is not closed.
        let rest: Vec<String> = (0..LINES_MAX).map_while(|_| take()).collect();
        assert_eq!(
            rest[LINES_MAX - 3..],
            [
                format!("10:00:{} 7 {GAP}", LINES_MAX - 1),
                "11:00:00 the next".to_owned(),
                format!("12:00:00 2 {GAP}"),
            ]
        );
    }
}
