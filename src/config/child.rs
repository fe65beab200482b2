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
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::zeroize::Zeroizing;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Environ, paths};
use crate::clock::Clock;
use crate::domain::inert;

/// How long a browser is watched for a failure.
const LAUNCH_WATCHED: Duration = Duration::from_millis(250);

/// How much of a program's stderr is read for its first line, and how much of that is shown.
const PRINTED_MAX: usize = 4096;
const COMPLAINT_MAX: usize = 200;

/// How long the stderr of an ended program is read: what it wrote last may be on its way.
const REST: Duration = Duration::from_millis(100);

/// How long to wait between checks of a silent program.
const PAUSE: Duration = Duration::from_millis(5);

static WITHHELD: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// From now on, started programs do not inherit this variable.
pub(crate) fn withhold(variable: &str) {
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

/// Why a program that was given its input did not succeed. Its own words are inert, but not redacted.
#[derive(Debug, Error)]
pub enum FeedError {
    /// It cannot be started.
    #[error("cannot start: {0}; check that it is installed and on the PATH")]
    NotStarted(String),
    /// It ran too long, and was killed with its process group.
    #[error("killed after {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It failed: its status, and the first line of its stderr after a colon, or nothing.
    #[error("failed ({0}){1}")]
    Failed(ExitStatus, String),
}

/// Starts a program without a shell, writes `input` to its stdin and waits until it ends. Its stdout is ignored. After
/// `limit`, or if the returned future is dropped, it is killed with its process group.
///
/// # Errors
/// If it cannot be started, fails, or takes too long.
pub async fn feed(words: &[String], input: &[u8], limit: Duration) -> Result<(), FeedError> {
    let not_started = |why: io::Error| FeedError::NotStarted(why.to_string());
    let (name, arguments) = words
        .split_first()
        .ok_or_else(|| not_started(io::ErrorKind::NotFound.into()))?;
    let program = paths::program(name, &Environ::process())
        .ok_or_else(|| FeedError::NotStarted("the home folder is unknown".into()))?;
    let mut command = tokio::process::Command::from(command(program));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Its own group: Ctrl-C in this terminal does not reach it, and it can be killed with its children.
        .process_group(0);
    let mut child = command.spawn().map_err(not_started)?;
    let group = Group(child.id());
    let (mut stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut printed = Vec::new();
    let ended = tokio::time::timeout(limit, async {
        let write = async {
            if let Some(mut stdin) = stdin.take() {
                // It need not read its input.
                let _ = stdin.write_all(input).await;
            }
        };
        let read = drain(stderr, &mut printed);
        tokio::pin!(write, read);
        let (mut has_written, mut has_read) = (false, false);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = &mut write, if !has_written => has_written = true,
                () = &mut read, if !has_read => has_read = true,
            }
        };
        if !has_read {
            // What it left running may hold its stderr open.
            let _ = tokio::time::timeout(REST, read).await;
        }
        status
    });
    let Ok(status) = ended.await else {
        drop(group);
        // Without it the killed child stays a zombie while the console runs.
        let _ = child.wait().await;
        return Err(FeedError::TimedOut(limit));
    };
    group.leave();
    let status = status.map_err(not_started)?;
    if status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&printed);
    let first = words.lines().find(|line| !line.trim().is_empty());
    let first = first.map_or_else(String::new, |line| format!(": {}", line.trim()));
    Err(FeedError::Failed(status, inert::cut(&first, COMPLAINT_MAX)))
}

/// Reads to the end, so that the program can go on writing, and keeps the beginning.
async fn drain(stream: Option<tokio::process::ChildStderr>, printed: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
        let room = PRINTED_MAX.saturating_sub(printed.len()).min(length);
        printed.extend_from_slice(&chunk[..room]);
    }
}

/// A process group that is killed when this is dropped.
struct Group(Option<u32>);

impl Group {
    /// Lets it live: its program has ended, and what it left running is its own affair.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
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
        let ready = self.end().is_some_and(|end| {
            poll(&mut [end], Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        });
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

    fn shell(script: &str, folder: &tempfile::TempDir) -> Vec<String> {
        let folder = folder.path().display().to_string();
        ["/bin/sh", "-c", script, &folder].map(str::to_owned).into()
    }

    /// A pipe in the folder: two results, once a program has written a line to it, and once all writers have gone.
    fn pipe(folder: &tempfile::TempDir) -> [tokio::sync::oneshot::Receiver<()>; 2] {
        use std::io::BufRead as _;
        let pipe = folder.path().join("pipe");
        assert!(command("mkfifo").arg(&pipe).status().unwrap().success());
        let (began_to, began) = tokio::sync::oneshot::channel();
        let (gone_to, gone) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut lines = io::BufReader::new(std::fs::File::open(pipe).unwrap()).lines();
            lines.next().unwrap().unwrap();
            let _ = began_to.send(());
            assert!(lines.next().is_none());
            let _ = gone_to.send(());
        });
        [began, gone]
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_shows_the_first_line_of_its_complaint() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(1 << 20);
        for (script, wanted) in [
            ("cat > $0/input; echo seen; echo well >&2", Ok(())),
            ("exec 0<&-", Ok(())),
            ("yes complaint | head -c 200000 >&2", Ok(())),
            (
                "echo >&2; echo no >&2; exit 3",
                Err("failed (exit status: 3): no"),
            ),
            ("exit 1", Err("failed (exit status: 1)")),
            ("kill -9 $$", Err("failed (signal: 9 (SIGKILL))")),
            // What it leaves running holds its stderr open.
            ("sleep 30 & exit 4", Err("failed (exit status: 4)")),
        ] {
            let fed = feed(&shell(script, &folder), long.as_bytes(), LAUNCH_LIMIT).await;
            let fed = fed.map_err(|error| error.to_string());
            assert_eq!(fed, wanted.map_err(str::to_owned), "{script}");
        }
        let input = std::fs::read(folder.path().join("input")).unwrap();
        assert_eq!(input.len(), long.len());
        let missing = ["/no/such/program".to_owned()];
        let error = feed(&missing, b"", LAUNCH_LIMIT).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot start: No such file"));
    }

    /// Its child opens the pipe, ignores what it can, and outlives it.
    const HANGS: &str = "(trap '' TERM HUP; echo; exec sleep 30) > $0/pipe & wait";

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let [_, gone] = pipe(&folder);
        let limit = Duration::from_millis(200);
        let error = feed(&shell(HANGS, &folder), b"input", limit).await;
        assert!(matches!(error, Err(FeedError::TimedOut(_))), "{error:?}");
        gone.await.unwrap();
    }

    #[tokio::test]
    async fn a_program_that_is_no_longer_wanted_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let [began, gone] = pipe(&folder);
        let words = shell(HANGS, &folder);
        let feeding = tokio::spawn(async move { feed(&words, b"", LAUNCH_LIMIT).await });
        began.await.unwrap();
        feeding.abort();
        gone.await.unwrap();
    }

    /// Longer than any program here takes.
    const LAUNCH_LIMIT: Duration = Duration::from_secs(20);
}
