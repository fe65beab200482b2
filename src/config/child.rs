//! Starts other programs. They inherit the environment without the variables that the config names as secret
//! sources: no browser and no password manager needs another program's keys.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::panic::resume_unwind;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use parking_lot::RwLock;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::zeroize::Zeroizing;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::{Environ, paths};

use crate::clock;

/// How long a browser is watched for a failure.
const LAUNCH_WATCHED: Duration = Duration::from_millis(250);

/// How much of a program's stderr is read for its first line.
const PRINTED_MAX: usize = 4096;

/// How long the output of an ended program is read: what it wrote last may be on its way.
const REST: Duration = Duration::from_millis(100);

/// How long to wait between checks of a program that opens a page.
const PAUSE: Duration = Duration::from_millis(5);

static WITHHELD: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// From now on, started programs do not inherit this variable.
pub(crate) fn withhold(variable: &str) {
    let mut withheld = WITHHELD.write();
    withheld.insert(variable.to_owned());
}

fn without_secrets(mut command: Command) -> Command {
    let withheld = WITHHELD.read();
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

/// Why a program did not succeed. Its own words are as it printed them: who shows them redacts them first, then cuts them.
#[derive(Debug, Error)]
pub enum ChildError {
    /// It cannot be started.
    #[error("cannot start: {0}; check that it is installed and on the PATH")]
    NotStarted(String),
    /// It ran too long, and was killed.
    #[error("killed after {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It printed too much, and was killed.
    #[error("killed because it prints too much")]
    TooLong,
    /// It failed: its status, and the first line of its stderr after a colon, or nothing.
    #[error("failed ({0}){1}")]
    Failed(ExitStatus, String),
}

impl From<io::Error> for ChildError {
    fn from(error: io::Error) -> Self {
        Self::NotStarted(error.to_string())
    }
}

/// What a program may do.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// How long it may run.
    pub time: Duration,
    /// Its stdout is shorter than this; with 0 it is ignored.
    pub most: usize,
    /// Whether it has a process group of its own: Ctrl-C in this terminal does not reach it, and it is killed with its
    /// children. In another group it could not prompt on the terminal.
    pub own_group: bool,
}

/// Starts a program without a shell, writes `input` to its stdin and waits until it ends. Its stdout is ignored. After
/// `limit`, or if the returned future is dropped, it is killed with its process group.
///
/// # Errors
/// If it cannot be started, fails, or takes too long.
pub async fn feed(words: &[String], input: &[u8], limit: Duration) -> Result<(), ChildError> {
    let (name, arguments) = words
        .split_first()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let program = paths::program(name, &Environ::process())
        .ok_or_else(|| ChildError::NotStarted("the home folder is unknown".into()))?;
    let mut command = command(program);
    command.args(arguments);
    let limits = Limits {
        time: limit,
        most: 0,
        own_group: true,
    };
    run(command, input, limits).await.map(drop)
}

/// Runs a program until it ends, and returns what it printed. Blocks, inside or outside of an async runtime.
pub(super) fn run_blocking(
    command: Command,
    limits: Limits,
) -> Result<Zeroizing<Vec<u8>>, ChildError> {
    let run = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime
            .enable_all()
            .build()?
            .block_on(run(command, b"", limits))
    };
    // On a thread of its own, since a runtime inside another one panics.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, run)?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Its own children may continue and hold its output open.
async fn run(
    command: Command,
    input: &[u8],
    limits: Limits,
) -> Result<Zeroizing<Vec<u8>>, ChildError> {
    let piped = |used: bool| if used { Stdio::piped() } else { Stdio::null() };
    let mut command = tokio::process::Command::from(command);
    command
        .stdin(piped(!input.is_empty()))
        .stdout(piped(limits.most > 0))
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if limits.own_group {
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    let group = Group(child.id().filter(|_| limits.own_group));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut printed = Zeroizing::new(Vec::with_capacity(limits.most));
    let mut complaint = Zeroizing::new(Vec::with_capacity(PRINTED_MAX));
    let streams = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                // It need not read its input.
                let _ = stdin.write_all(input).await;
            }
            Ok(())
        };
        let read = async {
            let Some(mut stdout) = stdout else {
                return Ok(());
            };
            fill(&mut stdout, &mut printed, limits.most).await;
            let fits = printed.len() < limits.most;
            fits.then_some(()).ok_or(ChildError::TooLong)
        };
        let complain = async {
            if let Some(mut stderr) = stderr {
                fill(&mut stderr, &mut complaint, PRINTED_MAX).await;
                // To the end, so that the program can go on writing.
                let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
            }
            Ok(())
        };
        tokio::try_join!(write, read, complain).map(drop)
    };
    let ended = clock::timeout(limits.time, async {
        tokio::pin!(streams);
        tokio::select! {
            done = &mut streams => done?,
            status = child.wait() => {
                // What it left running may hold its output open.
                if let Ok(done) = tokio::time::timeout(REST, streams).await {
                    done?;
                }
                return Ok(status?);
            }
        }
        Ok(child.wait().await?)
    });
    let status = match ended
        .await
        .unwrap_or(Err(ChildError::TimedOut(limits.time)))
    {
        Ok(status) => status,
        Err(error) => {
            drop(group);
            // Waits as well: without that the killed child stays a zombie while the console runs.
            let _ = child.kill().await;
            return Err(error);
        }
    };
    group.leave();
    if status.success() {
        return Ok(printed);
    }
    let words = String::from_utf8_lossy(&complaint);
    let first = words.lines().map(str::trim).find(|line| !line.is_empty());
    let first = first.map_or_else(String::new, |line| format!(": {line}"));
    Err(ChildError::Failed(status, first))
}

/// Reads the first `most` bytes. The buffer has room for them and is never reallocated, so that no copy of a secret
/// stays in memory.
async fn fill(stream: &mut (impl AsyncRead + Unpin), to: &mut Vec<u8>, most: usize) {
    while to.len() < most && stream.read_buf(to).await.is_ok_and(|length| length > 0) {}
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
        assert!(matches!(error, Err(ChildError::TimedOut(_))), "{error:?}");
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
