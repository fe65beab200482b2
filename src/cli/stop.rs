//! Signals that end a command: Ctrl-C, Ctrl-\, SIGTERM, and SIGHUP when the terminal closes. To a service whose terminal
//! is still there, or that has none, SIGHUP means to read its configuration again.

use std::fs::File;
use std::future::{pending, poll_fn};
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::task::Poll;

use signal_hook::flag;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The terminal that controls this process; only where there is one can it be opened.
const TERMINAL: &str = "/dev/tty";

/// Whether a signal ends the process at once, as without a handler.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Whether a signal arrived since the first [`StopSignals`].
static STOPPING: OnceLock<Arc<AtomicBool>> = OnceLock::new();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The operator interrupts it, or the terminal closes.
    Interrupt,
    /// SIGTERM, the normal end of a service.
    Terminate,
}

/// The kernel ignores signals without a handler for process 1 of a container. These handlers end it as elsewhere,
/// until a command catches the signals.
pub fn end_as_first_process() {
    if rustix::process::getpid().is_init() {
        for kind in kinds() {
            let signal = kind.as_raw_value();
            // 128 + signal is the exit code a shell reports for a process that a signal ends.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, AT_ONCE.clone());
        }
    }
}

pub fn leave_to_others() {
    AT_ONCE.store(false, Ordering::SeqCst);
}

/// Whether the command should end. For blocking code; async code waits for [`StopSignals::next`].
pub fn is_stopping() -> bool {
    let stopping = STOPPING.get();
    stopping.is_some_and(|stopping| stopping.load(Ordering::SeqCst))
}

/// Catches the signals from its creation on: none ends the process by itself any more.
pub struct StopSignals(Vec<(Stop, Signal)>);

impl StopSignals {
    /// Must be called on a runtime.
    pub fn new() -> Self {
        Self::of(&kinds().collect::<Vec<_>>())
    }

    /// Without SIGHUP, which [`HangUps`] catches.
    pub fn of_service() -> Self {
        Self::of(&ENDING)
    }

    fn of(kinds: &[SignalKind]) -> Self {
        leave_to_others();
        // Once per process: the flag is global.
        STOPPING.get_or_init(|| {
            let stopping = Arc::new(AtomicBool::new(false));
            for kind in kinds {
                let _ = flag::register(kind.as_raw_value(), stopping.clone());
            }
            stopping
        });
        let streams = kinds.iter().filter_map(|kind| {
            let stop = match *kind {
                kind if kind == SignalKind::terminate() => Stop::Terminate,
                _ => Stop::Interrupt,
            };
            Some((stop, signal(*kind).ok()?))
        });
        Self(streams.collect())
    }

    pub async fn next(&mut self) -> Stop {
        let stop = poll_fn(|context| {
            let signal = self
                .0
                .iter_mut()
                .find_map(|(stop, signal)| signal.poll_recv(context).is_ready().then_some(*stop));
            signal.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        tracing::info!(?stop, "signal");
        stop
    }
}

/// What SIGHUP means to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// Its terminal is gone.
    Gone,
    /// The operator wants the configuration read again.
    Reload,
}

/// Catches SIGHUP from its creation on.
pub struct HangUps {
    /// `None` where the signal is ignored.
    signal: Option<Signal>,
    /// The terminal that controls this process, if there is one.
    terminal: Option<File>,
}

impl HangUps {
    /// Must be called on a runtime.
    pub fn new() -> Self {
        let signal = (!ignores_hang_up()).then(|| signal(SignalKind::hangup()).ok());
        Self {
            signal: signal.flatten(),
            terminal: File::open(TERMINAL).ok(),
        }
    }

    /// The next one. Before the kernel sends it for a terminal that hangs up, that terminal answers no more.
    pub async fn next(&mut self) -> HangUp {
        let Some(signal) = &mut self.signal else {
            return pending().await;
        };
        signal.recv().await;
        let terminal = self.terminal.as_ref();
        let hang_up = match terminal.filter(|terminal| !terminal.is_terminal()) {
            Some(_) => HangUp::Gone,
            None => HangUp::Reload,
        };
        tracing::info!(?hang_up, "signal");
        hang_up
    }
}

const ENDING: [SignalKind; 3] = [
    SignalKind::interrupt(),
    SignalKind::quit(),
    SignalKind::terminate(),
];

/// SIGHUP stays ignored where it is ignored, as with `nohup`.
fn kinds() -> impl Iterator<Item = SignalKind> {
    ENDING
        .into_iter()
        .chain((!ignores_hang_up()).then(SignalKind::hangup))
}

fn ignores_hang_up() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        // Unknown on this system: `nohup` detaches the terminal's input, so test that. Without a terminal nothing hangs
        // up: someone sends the signal.
        return File::open(TERMINAL).is_ok() && !std::io::stdin().is_terminal();
    };
    let mut ignored = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored
        .next()
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (SignalKind::hangup().as_raw_value() - 1)) != 0)
}
