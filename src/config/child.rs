//! Starts other programs. They inherit the environment without the variables that the config names as secret
//! sources: no browser and no password manager needs another program's keys.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use secrecy::zeroize::Zeroizing;

use crate::clock::Clock;

/// How long a browser is watched for a failure.
const LAUNCH_WATCHED: Duration = Duration::from_millis(250);

/// How long to wait between checks of a silent program.
const PAUSE: Duration = Duration::from_millis(5);

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

static WITHHELD: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// From now on, started programs do not inherit this variable.
pub(super) fn withhold(variable: &str) {
    let mut withheld = WITHHELD.write().unwrap_or_else(PoisonError::into_inner);
    withheld.insert(variable.to_owned());
}

fn without_secrets(mut command: Command) -> Command {
    let withheld = WITHHELD.read().unwrap_or_else(PoisonError::into_inner);
    for variable in &*withheld {
        command.env_remove(variable);
    }
    command
}

/// A command for a program.
pub(super) fn command(program: impl AsRef<OsStr>) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place that creates a command"
    )]
    without_secrets(Command::new(program))
}

/// Opens a page with the desktop's opener, which outlives this program. Blocks for a moment.
///
/// # Errors
/// If there is no such program, or every one fails.
pub fn open(page: &str) -> io::Result<()> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for launcher in ::open::commands(page) {
        let mut launcher = without_secrets(launcher);
        launcher
            // A prompt on stdin would compete with the console for the terminal.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Ctrl-C in this terminal must not reach the browser.
        std::os::unix::process::CommandExt::process_group(&mut launcher, 0);
        let mut child = match launcher.spawn() {
            Ok(child) => child,
            Err(error) => {
                failed = error;
                continue;
            }
        };
        match wait(&mut child, LAUNCH_WATCHED) {
            Some(status) if !status.success() => {
                let program = launcher.get_program().to_string_lossy();
                failed = io::Error::other(format!("{program} failed ({status})"));
            }
            Some(_) => return Ok(()),
            None => {
                std::thread::spawn(move || child.wait());
                return Ok(());
            }
        }
    }
    Err(failed)
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    for _ in 0..=limit.as_millis() / PAUSE.as_millis() {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(PAUSE),
            Ok(status) => return status,
            Err(_) => return None,
        }
    }
    None
}

/// The output of a program that has ended.
pub(super) struct Printed {
    pub status: ExitStatus,
    pub out: Zeroizing<Vec<u8>>,
    pub err: Zeroizing<Vec<u8>>,
}

/// Why a program returned no output.
pub(super) enum Unread {
    NotStarted(io::Error),
    TimedOut,
    TooLong,
}

/// Runs a program until it exits. Its own children may continue and hold its output open.
pub(super) fn run(mut command: Command, limit: Duration, most: usize) -> Result<Printed, Unread> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Unread::NotStarted)?;
    let printed = read(&mut child, limit, most);
    if printed.is_err() {
        let _ = child.kill();
        // Without it the killed child stays a zombie while the console runs.
        let _ = child.wait();
    }
    printed
}

fn read(child: &mut Child, limit: Duration, most: usize) -> Result<Printed, Unread> {
    let clock = Clock::system();
    let (mut out, mut err) = (
        Pipe::new(child.stdout.take(), most),
        Pipe::new(child.stderr.take(), most),
    );
    loop {
        // Checked before reading: all output of an ended program is already there.
        let status = child.try_wait().map_err(Unread::NotStarted)?;
        let patience = if status.is_some() {
            Duration::ZERO
        } else {
            PAUSE
        };
        while out.left() > 0 && wait_for(&out, &err, patience) && clock.now().mono < limit {
            out.take();
            err.take();
        }
        if out.left() == 0 {
            return Err(Unread::TooLong);
        }
        if let Some(status) = status {
            return Ok(Printed {
                status,
                out: out.read,
                err: err.read,
            });
        }
        if clock.now().mono >= limit {
            return Err(Unread::TimedOut);
        }
    }
}

/// Waits up to `patience` until one of the streams is readable.
fn wait_for(
    out: &Pipe<impl Read + AsFd>,
    err: &Pipe<impl Read + AsFd>,
    patience: Duration,
) -> bool {
    let ends = [out.end(), err.end()];
    let mut waited: Vec<PollFd<'_>> = ends.into_iter().flatten().collect();
    let patience = Timespec::try_from(patience).ok();
    poll(&mut waited, patience.as_ref()).is_ok_and(|ready| ready > 0)
}

/// One of a program's streams. Its buffer is never reallocated, so that no copy of a secret stays in memory.
struct Pipe<P> {
    end: Option<P>,
    read: Zeroizing<Vec<u8>>,
    most: usize,
}

impl<P: Read + AsFd> Pipe<P> {
    fn new(end: Option<P>, most: usize) -> Self {
        Self {
            end,
            read: Zeroizing::new(Vec::with_capacity(most)),
            most,
        }
    }

    fn left(&self) -> usize {
        self.most - self.read.len()
    }

    fn end(&self) -> Option<PollFd<'_>> {
        let end = self.end.as_ref()?;
        Some(PollFd::new(end, PollFlags::IN))
    }

    /// Reads what is available.
    fn take(&mut self) {
        let ready = self
            .end()
            .is_some_and(|end| poll(&mut [end], Some(&AT_ONCE)).is_ok_and(|ready| ready > 0));
        let mut chunk = Zeroizing::new([0; 4096]);
        let room = chunk.len().min(self.left());
        let Some(end) = self.end.as_mut().filter(|_| ready) else {
            return;
        };
        match end.read(&mut chunk[..room]) {
            Ok(0) => self.end = None,
            Ok(length) => self.read.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.end = None,
        }
        if self.left() == 0 {
            self.end = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_program_inherits_a_variable_that_holds_a_secret() {
        withhold("PLANTED_IN_A_TEST");
        let launchers = ::open::commands("https://shop.example/").into_iter();
        for started in launchers.map(without_secrets).chain([command("true")]) {
            let mut variables = started.get_envs();
            assert!(
                variables.any(|(name, value)| name == "PLANTED_IN_A_TEST" && value.is_none()),
                "{started:?}"
            );
        }
    }
}
