//! The console without a screen, `tilldeck --plain`: prints its lines to stdout.

use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::Duration;

use clap::ValueEnum;
use tokio::sync::oneshot;

use super::console;
use super::exit::{CommandResult, Exit, usage};
use super::log_start::LogStart;
use super::output::{Out, OutputError};
use super::settings::Settings;
use super::start::{Command, Start, on_threads};
use super::stop::StopSignals;
use crate::clock::time_zone;
use crate::domain::Problem;
use crate::runtime::{self, PlainStart};
use crate::tui;

/// The most lines that wait for a slow reader of stdout.
const LINES_MAX: usize = 1_024;
/// How long the end waits for such a reader.
const PATIENCE: Duration = Duration::from_millis(400);

/// Which events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lines {
    /// What changes, fails or needs attention.
    Changes,
    /// Every request, wait and attempt too.
    All,
}

impl From<Lines> for tui::Detail {
    fn from(lines: Lines) -> Self {
        match lines {
            Lines::Changes => Self::Changes,
            Lines::All => Self::All,
        }
    }
}

/// The lines for a terminal that cannot show the console, and says so.
pub fn chosen_by_terminal(out: &Out) -> Option<Lines> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_dumb.then(|| {
        out.say("TERM=dumb: tilldeck prints plain lines in place of the screen; Ctrl-C stops it");
        Lines::Changes
    })
}

/// The error of `--plain` beside a command.
pub fn goes_alone(command: &str) -> Problem {
    usage(
        format!("--plain prints the console as lines; the command `{command}` needs no --plain"),
        "run `tilldeck --plain` without a command",
    )
}

/// The console without a screen.
pub struct Plain {
    lines: Lines,
}

impl Plain {
    pub fn new(lines: Lines) -> Self {
        Self { lines }
    }
}

impl Command for Plain {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = start.out;
        if out.is_json() {
            return Err(usage(
                "--plain prints sentences, not JSON",
                "`tilldeck listen --json` prints callbacks, and `tilldeck log --follow --json` requests",
            )
            .into());
        }
        start.configured(|settings, log| self.run(settings, log, out))
    }
}

/// Why the lines end.
enum End {
    Signal,
    /// Stdout is closed, or fails.
    Output(OutputError),
}

impl Plain {
    fn run(self, settings: &Settings, log: LogStart, out: &Out) -> CommandResult {
        log.run();
        let Settings {
            config, profile, ..
        } = settings;
        let vault = settings.global.vault()?;
        let mut setup = console::setup(config, profile, &vault, out);
        // No countdown changes a line, and no pane is drawn.
        setup.ui.reduced_motion = true;
        let model = console::built(config, setup)?;
        let options = console::options(settings)?;
        let now = settings.clock.now();
        let start = PlainStart {
            plain: tui::Plain::new(model, self.lines.into(), time_zone(), now),
            profile: profile.clone(),
            options,
            verify_on_start: config.ui.verify_on_start,
        };
        on_threads(print(start, &out.for_reader()))
    }
}

/// Prints until a signal, or until stdout is closed.
async fn print(start: PlainStart, out: &Out) -> CommandResult {
    let mut stops = StopSignals::new();
    let (mut printing, mut failed) = Printing::start(out);
    let ended = async {
        tokio::select! {
            biased;
            _ = stops.next() => End::Signal,
            Ok(error) = &mut failed => End::Output(error),
            () = out.reader_gone() => End::Output(OutputError::ReaderGone),
        }
    };
    let run = runtime::run_plain(start, |line| printing.line(line), ended);
    let ended = Box::pin(run).await;
    printing.end().await;
    match ended? {
        End::Signal => Ok(Exit::Interrupted),
        End::Output(error) => Err(error.into()),
    }
}

/// Prints on a thread of its own: a slow reader of stdout delays neither callbacks nor the end.
struct Printing {
    lines: SyncSender<String>,
    ended: oneshot::Receiver<()>,
    /// The lines that a slow reader misses.
    omitted: usize,
}

impl Printing {
    /// The printer, and how stdout failed.
    fn start(out: &Out) -> (Self, oneshot::Receiver<OutputError>) {
        let (to, lines) = mpsc::sync_channel::<String>(LINES_MAX);
        let (failed_to, failed) = oneshot::channel();
        let (ended_to, ended) = oneshot::channel();
        let out = out.clone();
        std::thread::spawn(move || {
            let printed = lines.iter().try_for_each(|line| out.line(&line));
            if let Err(error) = printed {
                let _ = failed_to.send(error);
            }
            let _ = ended_to.send(());
        });
        let printing = Self {
            lines: to,
            ended,
            omitted: 0,
        };
        (printing, failed)
    }

    fn line(&mut self, line: &str) {
        if self.omitted > 0 {
            let gap = format!(
                "{} lines omitted: stdout is read too slowly; `tilldeck log` has the requests",
                self.omitted
            );
            if self.lines.try_send(gap).is_ok() {
                self.omitted = 0;
            }
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line.to_owned()) {
            self.omitted += 1;
        }
    }

    /// Prints the rest, as far as the reader takes it.
    async fn end(self) {
        drop(self.lines);
        let _ = tokio::time::timeout(PATIENCE, self.ended).await;
    }
}
