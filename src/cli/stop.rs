//! The signals that end a command: Ctrl-C, SIGTERM, and SIGHUP where the terminal goes away.

use std::future::poll_fn;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::task::Poll;

use signal_hook::flag;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Exit;

/// Whether a signal ends the process at once, as it does where no process has a handler for it.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Whether one has come since the first [`StopSignals`].
static HAS_COME: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Why a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The operator interrupts it, or the terminal goes away.
    Interrupt,
    /// SIGTERM: the regular end of a service.
    Terminate,
}

impl Stop {
    /// How a service ends that is stopped so.
    pub fn of_service(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Done,
        }
    }
}

/// The first process of a container is spared every signal that it has no handler for. From now on these end it as they
/// end any other, until a command catches them.
pub fn end_as_first_process() {
    if rustix::process::getpid().is_init() {
        for kind in kinds() {
            let signal = kind.as_raw_value();
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, AT_ONCE.clone());
        }
    }
}

/// Leaves the signals to someone else from now on.
pub fn leave_to_others() {
    AT_ONCE.store(false, Ordering::SeqCst);
}

/// Whether the command was asked to end. For what blocks; the rest waits for [`StopSignals::next`].
pub fn has_come() -> bool {
    let has_come = HAS_COME.get();
    has_come.is_some_and(|has_come| has_come.load(Ordering::SeqCst))
}

/// Catches the signals from when it is made: none ends the process by itself any more.
pub struct StopSignals(Vec<(Stop, Signal)>);

impl StopSignals {
    /// Must be called on a runtime.
    pub fn new() -> Self {
        leave_to_others();
        HAS_COME.get_or_init(|| {
            let has_come = Arc::new(AtomicBool::new(false));
            for kind in kinds() {
                let _ = flag::register(kind.as_raw_value(), has_come.clone());
            }
            has_come
        });
        let heard = kinds().filter_map(|kind| {
            let stop = match kind {
                kind if kind == SignalKind::terminate() => Stop::Terminate,
                _ => Stop::Interrupt,
            };
            Some((stop, signal(kind).ok()?))
        });
        Self(heard.collect())
    }

    /// The next signal.
    pub async fn next(&mut self) -> Stop {
        let stop = poll_fn(|context| {
            let came = self
                .0
                .iter_mut()
                .find_map(|(stop, signal)| signal.poll_recv(context).is_ready().then_some(*stop));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        tracing::info!(?stop, "signal");
        stop
    }
}

/// SIGHUP stays ignored where it is, as `nohup` has it.
fn kinds() -> impl Iterator<Item = SignalKind> {
    [SignalKind::interrupt(), SignalKind::terminate()]
        .into_iter()
        .chain((!ignores_hang_up()).then(SignalKind::hangup))
}

fn ignores_hang_up() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        // The system does not tell: `nohup` takes the terminal's input away.
        return !std::io::stdin().is_terminal();
    };
    let mut ignored = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored
        .next()
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (SignalKind::hangup().as_raw_value() - 1)) != 0)
}
