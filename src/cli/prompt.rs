//! Prompts at the terminal. Typed secrets are not echoed, and echo is restored however the prompt ends. Reading blocks
//! its own thread, so that a signal can end the wait. `rpassword` restores echo only when its read returns, so a signal
//! during the wait would leave the terminal without echo.

use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::sync::OnceLock;

use parking_lot::Mutex;
use rustix::process::Signal;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::zeroize::Zeroizing;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::task::JoinHandle;

use super::exit::local;
use crate::domain::secret::trimmed;
use crate::domain::{Problem, ProblemKind, Secret, inert};
use crate::runtime::terminal;

/// The longest line a terminal delivers.
const LINE_MAX: usize = 4096;

/// Whether stdin and stderr are a terminal, so that prompts work.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line.
pub async fn ask(question: &str) -> Result<String, Problem> {
    line(question).await.ok_or_else(interrupted)
}

/// `None` at the end of the input.
async fn line(question: &str) -> Option<String> {
    let question = question.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        put(&question);
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(1..) => Some(answer.trim().to_owned()),
            Ok(_) | Err(_) => None,
        }
    });
    read.await.ok().flatten()
}

/// Asks for a yes. With any other answer, or none, fails with the message `otherwise`.
pub async fn confirm(question: &str, otherwise: &str) -> Result<(), Problem> {
    match line(question).await {
        Some(answer) if is_yes(&answer) => Ok(()),
        Some(_) | None => Err(declined(otherwise)),
    }
}

fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    ["y", "yes"]
        .iter()
        .any(|yes| answer.eq_ignore_ascii_case(yes))
}

/// The error after an answer that is not yes.
pub fn declined(otherwise: &str) -> Problem {
    Problem::new(
        ProblemKind::Declined,
        format!("not confirmed: {otherwise}"),
        "",
    )
}

fn put(question: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question}");
    let _ = stderr.flush();
}

async fn hidden(question: &str) -> Result<Secret, Problem> {
    let _echo = Echo::off(question)?;
    STOPS.get_or_init(|| {
        // Before the question: it may be stopped as soon as it is seen.
        let signals = [Signal::TSTP, Signal::CONT];
        let signals = signals.map(|kind| signal(SignalKind::from_raw(kind.as_raw())).ok());
        tokio::spawn(hide_after_stops(signals))
    });
    put(question);
    match tokio::task::spawn_blocking(unseen_line).await {
        Ok(Ok(Some(secret))) => Ok(secret),
        Ok(Ok(None)) | Err(_) => Err(interrupted()),
        Ok(Err(error)) => Err(local(
            format!(
                "cannot read from the terminal: {}",
                inert::cut(&error.to_string(), 120)
            ),
            "pass the secret's source instead; see `--help`",
        )),
    }
}

/// Asks for a secret without echo until one is typed; returns it without surrounding whitespace.
pub async fn secret(question: &str) -> Result<Secret, Problem> {
    loop {
        match optional_secret(question).await? {
            Some(secret) => return Ok(secret),
            None => put("a value is required\n"),
        }
    }
}

/// As [`secret`]; `None` if nothing is typed.
pub async fn optional_secret(question: &str) -> Result<Option<Secret>, Problem> {
    let typed = hidden(&format!("{question} (not shown): ")).await?;
    let typed = trimmed(typed.expose());
    Ok((!typed.is_empty()).then(|| Secret::new(typed)))
}

/// Reads a line from the terminal; `None` at its end. Leaves the terminal's modes alone: a late reader would change
/// them after they were restored.
fn unseen_line() -> std::io::Result<Option<Secret>> {
    // Never reallocated, so that no copy of a secret stays in memory; a terminal delivers no longer line.
    let mut text = Zeroizing::new(String::with_capacity(LINE_MAX));
    let room = u64::try_from(LINE_MAX).expect("4 KiB fit");
    let read = BufReader::with_capacity(1, File::open("/dev/tty")?)
        .take(room)
        .read_line(&mut text)?;
    Ok((read > 0).then(|| Secret::new(text.trim_end_matches(['\r', '\n']))))
}

pub fn interrupted() -> Problem {
    Problem::new(ProblemKind::Interrupted, "interrupted", "")
}

/// The prompt whose answer is not echoed, while there is one.
static HIDDEN: Mutex<Option<Hidden>> = Mutex::new(None);

/// The task that catches Ctrl-Z from the first such prompt on.
static STOPS: OnceLock<JoinHandle<()>> = OnceLock::new();

/// A terminal without echo.
struct Hidden {
    terminal: File,
    as_it_was: Termios,
    question: String,
}

impl Hidden {
    fn hide(&self) -> rustix::io::Result<()> {
        let mut unseen = self.as_it_was.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        unseen.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&self.terminal, OptionalActions::Now, &unseen)
    }

    fn restore(&self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.as_it_was);
    }
}

fn with_hidden(act: impl FnOnce(&mut Option<Hidden>)) {
    act(&mut HIDDEN.lock());
}

/// At Ctrl-Z, gives the shell the terminal as it was. A shell sets its own modes, so echo is turned off again once this
/// process continues, whatever has stopped it.
async fn hide_after_stops(stops: [Option<unix::Signal>; 2]) {
    let [Some(mut stops), Some(mut continues)] = stops else {
        return;
    };
    loop {
        tokio::select! {
            Some(()) = stops.recv() => {
                with_hidden(|hidden| hidden.iter().for_each(Hidden::restore));
                let _ = terminal::stop();
            }
            Some(()) = continues.recv() => with_hidden(|hidden| {
                if let Some(hidden) = hidden {
                    let _ = hidden.hide();
                    put(&format!("\n{}", hidden.question));
                }
            }),
            else => return,
        }
    }
}

/// Restores the terminal's modes on drop: a reader that is abandoned does not restore them.
struct Echo;

impl Echo {
    /// Turns echo off, also for what is typed before the reader starts.
    fn off(question: &str) -> Result<Self, Problem> {
        // Without a terminal, the reader reports the error.
        let Ok(terminal) = File::open("/dev/tty") else {
            return Ok(Self);
        };
        let hide = || {
            let hidden = Hidden {
                as_it_was: tcgetattr(&terminal)?,
                terminal,
                question: question.to_owned(),
            };
            hidden.hide()?;
            with_hidden(|current| *current = Some(hidden));
            Ok(Self)
        };
        let hidden: rustix::io::Result<Self> = hide();
        hidden.map_err(|error| {
            local(
                format!("this terminal cannot hide what is typed: {error}"),
                "pass the secret by env:NAME, file:PATH or command:… instead",
            )
        })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        with_hidden(|hidden| hidden.take().iter().for_each(Hidden::restore));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_a_yes_in_any_case_and_nothing_else_is() {
        for yes in ["y", "Y", "yes", "Yes", "YES", " y ", "yes\r"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "n", "no", "yess", "ye", "y y", "1", "ok"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
