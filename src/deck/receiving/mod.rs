//! Receiving callbacks: the receiver on its port, the workers of the job queues, and the follower that reports both.

mod follow;
mod forward;
mod handler;
mod handover;
mod inspect;
mod jobs;
pub(super) mod keys;
mod log_lines;
mod players;
mod port;
mod relay;
mod retry;
pub(super) mod sealing;
mod timeline;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::Deck;
use super::query::QueryService;
use crate::callbacks::probe::ReceiverState;
use crate::callbacks::{Limits, Receiver, Setup, reachable};
use crate::config::Profile;
use crate::domain::{AccountId, Delivery, ListenerStatus, Problem, Subject, WallTime, filled};
use crate::ledger::{KeyedMutex, LedgerError};
use crate::net::{Event, Gate};
use crate::providers::REGISTRY;
pub use forward::{is_forward, target};
use handler::CallbackRouter;
use handover::Port;
pub use handover::Prepared;
pub(super) use port::who_answers;
pub(super) use sealing::{ConfiguredKeys, Sealing, configured, fingerprint_of, new_key, own_key};

/// The settings for receiving callbacks.
#[derive(Debug, Clone, Default)]
pub struct Receive {
    /// The address to listen on; without it, only the open jobs of earlier callbacks run. The embedded simulator's
    /// callbacks are received in any case, on a free port.
    pub bind: Option<SocketAddr>,
    /// The forward target of one account, or the default for accounts without one. Made by [`target`].
    pub forward: Vec<(Option<AccountId>, Url)>,
    /// Proxies on other machines that name the senders of callbacks, for their rate limits.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether every callback is reported. Otherwise a flood is cut to the newest, with [`Event::Lagged`].
    pub every: bool,
    /// How often changes are polled for that have no notification.
    pub pace: Pace,
}

/// How often changes are polled for that have no notification.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Callbacks and jobs of other processes.
    pub others: Duration,
    /// Whether a port in use is free again.
    pub bind: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            others: Duration::from_secs(2),
            bind: Duration::from_secs(1),
        }
    }
}

/// How long a response in progress may take when the program ends.
const LEAVING: Duration = Duration::from_secs(2);

/// State that all callback tasks share.
pub(super) struct Shared {
    /// The owner of the callbacks: a profile, or one run of the embedded simulator.
    pub(super) account_key: Arc<str>,
    /// When the deck was opened.
    pub(super) since: WallTime,
    pub(super) queries: QueryService,
    pub(super) gate: Arc<Gate>,
    pub(super) sealing: Sealing,
    forward: Vec<(Option<AccountId>, Url)>,
    /// See [`jobs`].
    targets: Mutex<BTreeSet<String>>,
    trusted_proxies: Vec<IpNet>,
    pace: Pace,
    /// The configured address.
    bind: Option<SocketAddr>,
    /// By account and subject: two checks of one payment never run at once.
    subject_locks: KeyedMutex<(String, Subject)>,
    unknown: jobs::Unknown,
    /// Until when no callback to an account is verified, on the monotonic clock: its secret could not be read.
    unverifiable: Mutex<HashMap<String, Duration>>,
    watched: Mutex<follow::Watched>,
    /// The open port, for the next deck of this profile.
    port: Mutex<Option<Port>>,
    /// Notifies that a callback was saved.
    saved: Notify,
    /// Notifies that a job may be due.
    due: Notify,
}

impl Shared {
    /// An account's forward target.
    fn forward_of(&self, account: &str) -> Option<&Url> {
        let own = |of: &Option<AccountId>| of.as_ref().is_some_and(|of| of.as_str() == account);
        let mut all = self.forward.iter();
        let found = all
            .find(|(of, _)| own(of))
            // The account's own target wins over the default.
            .or_else(|| self.forward.iter().find(|(of, _)| of.is_none()));
        found.map(|(_, url)| url)
    }

    /// Reads the account's callback secrets, so that the redactor knows them if a shop's server or a sender repeats
    /// them. If they cannot be read, everything else is still redacted.
    async fn know_secrets(&self, account: &AccountId) {
        if let Some(runtime) = self.queries.registry.find(account) {
            let secrets = runtime.manifest.callbacks.secrets;
            let _ = runtime.keys.held(secrets).await;
        }
    }

    /// The open port; it stays open as long as this lives.
    pub(super) fn take_port(&self) -> Option<Port> {
        self.port().take()
    }

    fn port(&self) -> MutexGuard<'_, Option<Port>> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, delivery: Delivery) {
        self.publish_as(&mut self.watched(), delivery);
    }

    /// With the lock held, so that the last published state is also the one that is noted.
    fn publish_as(&self, watched: &mut follow::Watched, delivery: Delivery) {
        watched.note(&delivery);
        self.gate.emit(Event::Delivery(Arc::new(delivery)));
    }

    fn watched(&self) -> MutexGuard<'_, follow::Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The deck's callback service.
pub(super) struct CallbackService {
    pub(super) shared: Arc<Shared>,
    workers: Option<Workers>,
    listening: watch::Receiver<ListenerStatus>,
    /// Whether new callbacks are reported.
    begun: watch::Receiver<bool>,
}

/// The background tasks.
struct Workers {
    /// Stops the receiver.
    stop_receiver: CancellationToken,
    receiver: TaskTracker,
    /// Stops the workers, which have work as long as callbacks arrive.
    stop: CancellationToken,
    others: TaskTracker,
    _stop_on_drop: (DropGuard, DropGuard),
}

/// What the service is built from.
pub(super) struct Parts {
    pub(super) queries: QueryService,
    pub(super) gate: Arc<Gate>,
    pub(super) sealing: Sealing,
    pub(super) account_key: String,
    pub(super) bound: ListenState,
    pub(super) receive: Option<Receive>,
}

/// The state of the receiver's port.
pub(super) enum ListenState {
    /// No port is configured.
    Off,
    To(TcpListener),
    Not(SocketAddr, io::Error),
}

impl ListenState {
    /// Binds the configured port, or takes over the open one.
    pub(super) async fn new(
        profile: &Profile,
        receive: Option<&Receive>,
        port: Option<Port>,
    ) -> Self {
        let Some(receive) = receive else {
            return Self::Off;
        };
        // The simulator runs in this process, so any free port of this machine does.
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let Some(address) = receive.bind.or(profile.built_in.then_some(any)) else {
            return Self::Off;
        };
        match port.and_then(|port| port.at(address)) {
            Some(listener) => Self::To(listener),
            None => Self::at(address).await,
        }
    }

    /// The open port, for the next deck.
    fn port(&self) -> Option<Port> {
        match self {
            Self::To(listener) => Port::of(listener),
            Self::Off | Self::Not(..) => None,
        }
    }

    async fn at(address: SocketAddr) -> Self {
        match TcpListener::bind(address).await {
            Ok(listener) => Self::To(listener),
            Err(error) => Self::Not(address, error),
        }
    }

    /// The URL that each provider's simulator sends its callbacks to.
    pub(super) fn callback_urls(&self) -> std::collections::BTreeMap<String, String> {
        let address = match self {
            Self::To(listener) => listener.local_addr().ok(),
            Self::Off | Self::Not(..) => None,
        };
        let Some(address) = address else {
            return std::collections::BTreeMap::new();
        };
        let address = reachable(address);
        let url = |name: &str| {
            (
                name.to_owned(),
                format!("http://{address}/callbacks/{name}"),
            )
        };
        filled(REGISTRY.iter().map(|manifest| url(manifest.id.0)))
    }
}

/// The prefix of the account keys of all runs of the embedded simulator.
const RUNS: &str = "sandbox ";

/// Open jobs of a simulator run that are this old, in milliseconds, are dropped: that run has ended.
const RUN_OVER: i64 = 24 * 60 * 60 * 1000;

/// The key that callbacks are saved under.
pub(super) fn account_key(profile: &Profile) -> String {
    if profile.built_in {
        // Each run of the simulator has its own payments.
        format!("{RUNS}{:016x}", fastrand::u64(..))
    } else {
        profile.name.clone()
    }
}

impl CallbackService {
    /// The key that callbacks are saved under.
    pub(super) fn account_key(&self) -> &str {
        &self.shared.account_key
    }

    /// Waits until new callbacks are reported. Before, one that arrived after a query would be neither listed nor
    /// reported.
    pub(super) async fn followed(&self) {
        let mut begun = self.begun.clone();
        let _ = begun.wait_for(|begun| *begun).await;
    }

    /// Starts receiving, if configured, and starts the workers.
    pub(super) fn start(parts: Parts) -> Self {
        let Parts {
            queries,
            gate,
            sealing,
            account_key,
            bound,
            receive,
        } = parts;
        // The team's receivers process none that a file of this machine has.
        let read_only = gate.overrides.read_only;
        let wanted = receive.is_some() && !read_only;
        let Receive {
            forward,
            trusted_proxies,
            every,
            pace,
            bind,
        } = receive.unwrap_or_default();
        let shared = Arc::new(Shared {
            account_key: account_key.into(),
            since: queries.clock.now().wall,
            sealing,
            queries,
            gate,
            targets: Mutex::new(forward.iter().map(|(_, url)| url.to_string()).collect()),
            forward,
            trusted_proxies,
            pace,
            bind,
            subject_locks: KeyedMutex::default(),
            unknown: jobs::Unknown::default(),
            unverifiable: Mutex::default(),
            watched: Mutex::default(),
            port: Mutex::new(bound.port()),
            saved: Notify::new(),
            due: Notify::new(),
        });
        let (state, listening) = watch::channel(match bind {
            Some(address) if read_only => ListenerStatus::Down {
                address: address.to_string(),
                why: LedgerError::ReadOnly.to_string(),
                since: shared.since,
            },
            _ => ListenerStatus::Off,
        });
        // A command that receives nothing has no follower to wait for.
        let (set_begun, begun) = watch::channel(!wanted);
        let workers = if wanted {
            let workers = Workers::new();
            let (follower, stop) = (shared.clone(), workers.stop.clone());
            workers
                .others
                .spawn(follow::follow(follower, stop, every, set_begun));
            let (worker, stop) = (shared.clone(), workers.stop.clone());
            workers.others.spawn(async move {
                let over = WallTime(worker.since.0.saturating_sub(RUN_OVER));
                // If this cannot be written, the next run does it.
                let _ = worker.queries.ledger.end_abandoned_jobs(RUNS, over).await;
                let queues =
                    jobs::JOB_QUEUES.map(|queue| jobs::work(worker.clone(), queue, stop.clone()));
                let [asks, unknown_asks, forwards, unknown_forwards] = queues;
                tokio::join!(asks, unknown_asks, forwards, unknown_forwards);
            });
            let (server, stop_receiver) = (shared.clone(), workers.stop_receiver.clone());
            // The port opens once the follower runs, or the first callbacks would go unreported.
            let mut ready = begun.clone();
            workers.receiver.spawn(async move {
                let _ = ready.wait_for(|ready| *ready).await;
                serve(server, bound, state, stop_receiver).await;
            });
            // A tracker's `wait` returns only once it is closed.
            workers.receiver.close();
            workers.others.close();
            Some(workers)
        } else {
            None
        };
        Self {
            shared,
            workers,
            listening,
            begun,
        }
    }

    /// Whether workers run here.
    pub(super) fn workers(&self) -> bool {
        self.workers.is_some()
    }

    /// Stops the receiver; its port closes, unless the next deck has taken it over.
    async fn stop_receiver(&self) {
        let Some(workers) = &self.workers else { return };
        drop(self.shared.take_port());
        workers.stop_receiver.cancel();
        // The receiver limits its time itself; this is for a keyring that it still waits for.
        let limit = LEAVING.max(Limits::default().answering()) + Duration::from_secs(1);
        let _ = tokio::time::timeout(limit, workers.receiver.wait()).await;
    }

    async fn stop(&self) {
        let Some(workers) = &self.workers else { return };
        // The receiver first: the workers finish what it still accepts.
        self.stop_receiver().await;
        workers.stop.cancel();
        let _ = tokio::time::timeout(LEAVING + Duration::from_secs(1), workers.others.wait()).await;
    }
}

impl Workers {
    fn new() -> Self {
        let (stop_receiver, stop) = (CancellationToken::new(), CancellationToken::new());
        Self {
            receiver: TaskTracker::new(),
            others: TaskTracker::new(),
            _stop_on_drop: (
                stop_receiver.clone().drop_guard(),
                stop.clone().drop_guard(),
            ),
            stop_receiver,
            stop,
        }
    }
}

/// Why the port stays closed after a receiver that forwards has ended, or does not answer.
const FORWARDER_ENDED: &str = "`tilldeck listen`, which forwards them, has ended or does not answer; start it again, or start this program again to receive them \
     without forwarding";

/// Keeps the receiver bound to its port, and reports its health.
async fn serve(
    shared: Arc<Shared>,
    mut bound: ListenState,
    state: watch::Sender<ListenerStatus>,
    stop: CancellationToken,
) {
    let down =
        |since: &mut Option<WallTime>, address: &SocketAddr, why: String| ListenerStatus::Down {
            address: address.to_string(),
            why,
            since: *since.get_or_insert_with(|| shared.queries.clock.now().wall),
        };
    // When the outage began.
    let mut since = None;
    let mut left_to_other = false;
    let receiver = loop {
        let (address, error) = match bound {
            ListenState::Off => return,
            ListenState::To(listener) => {
                let address = listener.local_addr();
                // Before the port is served: a callback must not wait for a keyring's prompt.
                if let (Some(why), Ok(address)) = (shared.sealing.awaited().await, &address) {
                    let why_down = format!("tilldeck cannot save callbacks: {why}");
                    let down = down(&mut since, address, why_down);
                    // The ledger reports itself what is wrong with it.
                    if shared.queries.ledger.status().await.failure().is_none() {
                        state.send_replace(down.clone());
                    }
                    shared.gate.emit(Event::ListenerStatus(down));
                    if !turn_away(&shared, listener, &stop, &why).await {
                        return;
                    }
                    let port = shared.take_port().and_then(|port| port.at(*address));
                    bound = match port {
                        Some(listener) => ListenState::To(listener),
                        None => ListenState::at(*address).await,
                    };
                    *shared.port() = bound.port();
                    continue;
                }
                match start(&shared, listener).await {
                    Ok(receiver) => break receiver,
                    Err(error) => {
                        // While it is open, it can neither be bound again nor accept anything.
                        drop(shared.take_port());
                        match address {
                            Ok(address) => (address, error),
                            Err(_) => return,
                        }
                    }
                }
            }
            // Tried again: the program that holds the port may end.
            ListenState::Not(address, error) => (address, error),
        };
        let elsewhere = tokio::select! {
            () = stop.cancelled() => return,
            elsewhere = shared.elsewhere(address, &error) => elsewhere,
        };
        // What this process received in its place would not be forwarded.
        left_to_other |= elsewhere == Some(ReceiverState::Forwards) && shared.forward.is_empty();
        let now = if elsewhere.is_some() {
            since = None;
            let url = format!("http://{}", reachable(address));
            ListenerStatus::Elsewhere { url }
        } else if left_to_other {
            down(&mut since, &address, FORWARDER_ENDED.to_owned())
        } else {
            down(&mut since, &address, bind_error(&error))
        };
        // Tried every second, reported once.
        if *state.borrow() != now {
            state.send_replace(now.clone());
            shared.gate.emit(Event::ListenerStatus(now));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(shared.pace.bind) => {}
        }
        bound = if left_to_other {
            ListenState::Not(address, error)
        } else {
            ListenState::at(address).await
        };
        *shared.port() = bound.port();
    };
    let mut listening = receiver.listening();
    // The first state counts as a change, or it would never be passed on.
    listening.mark_changed();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            changed = listening.changed() => {
                if changed.is_err() {
                    break;
                }
                let now = listening.borrow_and_update().clone();
                let before = state.send_replace(now.clone());
                // Each health check is a change.
                if let ListenerStatus::Up { url, .. } = &now
                    && !matches!(before, ListenerStatus::Up { .. })
                {
                    tracing::info!(url, "listening for callbacks");
                }
                shared.gate.emit(Event::ListenerStatus(now));
            }
        }
    }
    receiver.stop().await;
    state.send_replace(ListenerStatus::Off);
}

/// Answers 503 on the port until the ledger and the key that seals can be used, or the key cannot for another reason than
/// `why`. False if it was stopped.
async fn turn_away(
    shared: &Shared,
    listener: TcpListener,
    stop: &CancellationToken,
    why: &str,
) -> bool {
    let server = crate::callbacks::turn_away(listener, Limits::default());
    let changed = async {
        loop {
            tokio::time::sleep(shared.pace.bind).await;
            let ledger = shared.queries.ledger.try_again().await;
            if ledger.is_ok() && shared.sealing.awaited().await.as_deref() != Some(why) {
                return true;
            }
        }
    };
    let changed = tokio::select! {
        () = stop.cancelled() => false,
        changed = changed => changed,
    };
    if let Ok(server) = server {
        server.stop(LEAVING).await;
    }
    changed
}

async fn start(shared: &Arc<Shared>, listener: TcpListener) -> io::Result<Receiver> {
    let key = shared.sealing.key().await;
    if let Some(why) = key.refused {
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    if let Some(why) = key.fleeting {
        let text = format!(
            "the key that seals callbacks cannot be saved ({why}). After tilldeck ends, callbacks of this run cannot be \
             opened or forwarded again"
        );
        let about = "callbacks key".to_owned();
        shared.gate.emit(Event::Warning { about, text });
    }
    Receiver::start(
        listener,
        Setup {
            limits: Limits::default(),
            ledger: shared.queries.ledger.clone(),
            clock: shared.queries.clock.clone(),
            sealer: key.sealer,
            account_key: shared.account_key.to_string(),
            trusted_proxies: shared.trusted_proxies.clone(),
            handlers: Arc::new(CallbackRouter(shared.clone())),
        },
    )
}

/// Why a port cannot be bound, and what to do.
fn bind_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program, perhaps another tilldeck, uses this port; end it, or choose another address with `bind` in \
             [callbacks] or --bind"
                .into()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root; choose a higher one, and put a reverse proxy in front".into()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have this address; 127.0.0.1 always works".into()
        }
        // The key that seals callbacks: no other address helps.
        io::ErrorKind::InvalidData => error.to_string(),
        _ => format!("{error}; choose another address with `bind` in [callbacks] or --bind"),
    }
}

impl Deck {
    /// Whether callbacks can be received.
    #[must_use]
    pub fn listening(&self) -> watch::Receiver<ListenerStatus> {
        self.callbacks.listening.clone()
    }

    /// The URL of the open port, also while it answers 503 because callbacks cannot be saved yet.
    #[must_use]
    pub fn port_url(&self) -> Option<String> {
        let port = self.callbacks.shared.port();
        let address = port.as_ref().and_then(Port::address)?;
        Some(format!("http://{}", crate::callbacks::reachable(address)))
    }

    /// Stops receiving callbacks; their jobs go on. Responses in progress are finished, within limits.
    pub async fn stop_receiver(&self) {
        self.callbacks.stop_receiver().await;
    }

    /// Stops receiving callbacks, and their jobs. Responses and attempts in progress are finished, within limits.
    pub async fn stop_receiving(&self) {
        self.callbacks.stop().await;
    }
}

/// Reports a failed read; the ledger's status covers failed writes only.
pub(super) fn unread(what: &str, error: &crate::ledger::LedgerError) -> Problem {
    Problem::local(
        format!("tilldeck cannot read {what}: {error}"),
        "`tilldeck doctor` checks the ledger",
    )
}
