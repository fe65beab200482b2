//! What is received and what is done about it: the receiver on its port, whoever works through the errands, and whoever
//! looks at both.

mod follow;
mod forward;
pub(super) mod handler;
mod jobs;
mod log_lines;
mod look;
mod players;
mod relay;
mod sealing;
mod timeline;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::Deck;
use super::query::QueryService;
use crate::callbacks::{Receiver, Setup, reachable};
use crate::config::{Profile, Vault};
use crate::domain::{AccountId, Delivery, DeliveryId, Listening, Problem, ProblemKind, WallTime};
use crate::ledger::DeliveryQuery;
use crate::net::{Event, Gate};
use crate::providers::REGISTRY;
pub use forward::target;
use handler::CallbackRouter;
use sealing::Sealing;

/// How callbacks are received.
#[derive(Debug, Clone, Default)]
pub struct Receive {
    /// Where; without it, only what is still to be done about earlier ones is done. The embedded simulator's are
    /// received in any case, on any free port.
    pub bind: Option<SocketAddr>,
    /// Where they are handed on to: one account's, or those of all that have none of their own. Made by [`target`].
    pub forward: Vec<(Option<AccountId>, Url)>,
    /// Whether each one is told, however many there are. Otherwise the newest are, and [`Event::Missed`].
    pub every: bool,
    /// How often it is looked for what nobody tells.
    pub pace: Pace,
}

/// How often it is looked for what nobody tells.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// What other processes received, did, or left when they died.
    pub others: Duration,
    /// Whether a port that was taken is free.
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

/// How long an answer under way may take when the program leaves.
const LEAVING: Duration = Duration::from_secs(2);

/// What all that work on callbacks share.
pub(super) struct Shared {
    /// Whose callbacks: a profile's, or those of one run of the embedded simulator.
    pub(super) account_key: Arc<str>,
    /// Since when the deck is open.
    pub(super) since: WallTime,
    pub(super) queries: QueryService,
    pub(super) gate: Arc<Gate>,
    pub(super) sealing: Sealing,
    forward: Vec<(Option<AccountId>, Url)>,
    pace: Pace,
    turns: jobs::KeyedMutex,
    unknown: jobs::Unknown,
    /// A callback was kept.
    came: Notify,
    /// An errand may be due.
    due: Notify,
}

impl Shared {
    /// Where an account's callbacks are handed on to.
    fn forward_of(&self, account: &str) -> Option<&Url> {
        let own = |of: &Option<AccountId>| of.as_ref().is_some_and(|of| of.as_str() == account);
        let mut all = self.forward.iter();
        let found = all
            .find(|(of, _)| own(of))
            .or_else(|| self.forward.iter().find(|(of, _)| of.is_none()));
        found.map(|(_, url)| url)
    }

    /// Reads what an account's callbacks are judged by: the redactor then knows it wherever a shop's server or whoever
    /// called repeats it. Where it cannot be read, all else is redacted all the same.
    async fn know_secrets(&self, account: &AccountId) {
        if let Some(runtime) = self.queries.registry.find(account) {
            let secrets = runtime.manifest.callbacks.secrets;
            let _ = runtime
                .keys
                .held(secrets, self.queries.clock.now().mono)
                .await;
        }
    }

    fn publish(&self, delivery: Delivery) {
        self.gate.emit(Event::Delivery(Arc::new(delivery)));
    }
}

/// The deck's part that receives.
pub(super) struct CallbackService {
    pub(super) shared: Arc<Shared>,
    workers: Option<Workers>,
    listening: watch::Receiver<Listening>,
    /// Whether what is kept from now on is told.
    begun: watch::Receiver<bool>,
}

/// What runs behind the deck.
struct Workers {
    /// Ends the receiver.
    hang_up: CancellationToken,
    receiver: TaskTracker,
    /// Ends the others, which have work to do as long as something is received.
    stop: CancellationToken,
    others: TaskTracker,
    _at_the_latest: (DropGuard, DropGuard),
}

/// What a reception is made of.
pub(super) struct Parts {
    pub(super) queries: QueryService,
    pub(super) gate: Arc<Gate>,
    pub(super) vault: Vault,
    pub(super) account_key: String,
    pub(super) bound: ListenState,
    pub(super) receive: Option<Receive>,
}

/// What became of the receiver's port.
pub(super) enum ListenState {
    /// None is wanted.
    Off,
    To(TcpListener),
    Not(SocketAddr, io::Error),
}

impl ListenState {
    /// Takes the port that is wanted.
    pub(super) async fn new(profile: &Profile, receive: Option<&Receive>) -> Self {
        let Some(receive) = receive else {
            return Self::Off;
        };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        match receive.bind.or(profile.built_in.then_some(any)) {
            Some(address) => Self::at(address).await,
            None => Self::Off,
        }
    }

    async fn at(address: SocketAddr) -> Self {
        match TcpListener::bind(address).await {
            Ok(listener) => Self::To(listener),
            Err(error) => Self::Not(address, error),
        }
    }

    /// Where each provider's simulator is to send its callbacks.
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
        REGISTRY.iter().map(|manifest| url(manifest.id.0)).collect()
    }
}

/// How the names of the realms of all runs of the embedded simulator begin.
const RUNS: &str = "sandbox ";

/// What a run of the simulator has left undone for so many milliseconds, it will not do: it has ended.
const RUN_OVER: i64 = 24 * 60 * 60 * 1000;

/// In whose name callbacks are kept.
pub(super) fn account_key(profile: &Profile) -> String {
    if profile.built_in {
        // Runs of the simulator know nothing of each other's payments.
        format!("{RUNS}{:016x}", fastrand::u64(..))
    } else {
        profile.name.clone()
    }
}

impl CallbackService {
    /// Begins to receive, where that is wanted, and to do what is due.
    pub(super) fn start(parts: Parts) -> Self {
        let Parts {
            queries,
            gate,
            vault,
            account_key,
            bound,
            receive,
        } = parts;
        let wanted = receive.is_some();
        let Receive {
            forward,
            every,
            pace,
            ..
        } = receive.unwrap_or_default();
        let shared = Arc::new(Shared {
            account_key: account_key.into(),
            since: queries.clock.now().wall,
            sealing: Sealing::new(vault, queries.ledger.clone()),
            queries,
            gate,
            forward,
            pace,
            turns: jobs::KeyedMutex::default(),
            unknown: jobs::Unknown::default(),
            came: Notify::new(),
            due: Notify::new(),
        });
        let (tell, listening) = watch::channel(Listening::Off);
        let (tell_begun, begun) = watch::channel(!wanted);
        let workers = if wanted {
            let workers = Workers::new();
            let (teller, stop) = (shared.clone(), workers.stop.clone());
            workers
                .others
                .spawn(follow::follow(teller, stop, every, tell_begun));
            let (worker, stop) = (shared.clone(), workers.stop.clone());
            workers.others.spawn(async move {
                let over = WallTime(worker.since.0.saturating_sub(RUN_OVER));
                // Where this cannot be written, the next run does it.
                let _ = worker.queries.ledger.forsake_errands(RUNS, over).await;
                let queues = jobs::JOB_QUEUES
                    .map(|key_lock| jobs::work(worker.clone(), key_lock, stop.clone()));
                let [asks, unknown_asks, forwards, unknown_forwards] = queues;
                tokio::join!(asks, unknown_asks, forwards, unknown_forwards);
            });
            let (server, hang_up) = (shared.clone(), workers.hang_up.clone());
            let mut ready = begun.clone();
            workers.receiver.spawn(async move {
                let _ = ready.wait_for(|ready| *ready).await;
                serve(server, bound, tell, hang_up).await;
            });
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

    /// Whether somebody does what is due.
    pub(super) fn workers(&self) -> bool {
        self.workers.is_some()
    }

    async fn stop(&self) {
        let Some(workers) = &self.workers else { return };
        workers.hang_up.cancel();
        let _ =
            tokio::time::timeout(LEAVING + Duration::from_secs(1), workers.receiver.wait()).await;
        workers.stop.cancel();
        let _ = tokio::time::timeout(LEAVING + Duration::from_secs(1), workers.others.wait()).await;
    }
}

impl Workers {
    fn new() -> Self {
        let (hang_up, stop) = (CancellationToken::new(), CancellationToken::new());
        Self {
            receiver: TaskTracker::new(),
            others: TaskTracker::new(),
            _at_the_latest: (hang_up.clone().drop_guard(), stop.clone().drop_guard()),
            hang_up,
            stop,
        }
    }
}

/// Keeps the receiver on its port, and tells how it fares.
async fn serve(
    shared: Arc<Shared>,
    mut bound: ListenState,
    tell: watch::Sender<Listening>,
    hang_up: CancellationToken,
) {
    let since = shared.queries.clock.now().wall;
    let receiver = loop {
        let (address, error) = match bound {
            ListenState::Off => return,
            ListenState::To(listener) => {
                let address = listener.local_addr();
                match start(&shared, listener).await {
                    Ok(receiver) => break receiver,
                    Err(error) => match address {
                        Ok(address) => (address, error),
                        Err(_) => return,
                    },
                }
            }
            ListenState::Not(address, error) => (address, error),
        };
        let down = Listening::Down {
            address: address.to_string(),
            why: why_not(&error),
            since,
        };
        if *tell.borrow() != down {
            tell.send_replace(down.clone());
            shared.gate.emit(Event::Listening(down));
        }
        tokio::select! {
            () = hang_up.cancelled() => return,
            () = tokio::time::sleep(shared.pace.bind) => {}
        }
        bound = ListenState::at(address).await;
    };
    let mut listening = receiver.listening();
    listening.mark_changed();
    loop {
        tokio::select! {
            () = hang_up.cancelled() => break,
            changed = listening.changed() => {
                if changed.is_err() {
                    break;
                }
                let now = listening.borrow_and_update().clone();
                let before = tell.send_replace(now.clone());
                // Each heartbeat is a change.
                if let Listening::Up { url, .. } = &now
                    && !matches!(before, Listening::Up { .. })
                {
                    tracing::info!(url, "callbacks are received");
                }
                shared.gate.emit(Event::Listening(now));
            }
        }
    }
    receiver.stop(LEAVING).await;
    tell.send_replace(Listening::Off);
}

async fn start(shared: &Arc<Shared>, listener: TcpListener) -> io::Result<Receiver> {
    let key = shared.sealing.key().await;
    if let Some(why) = key.fleeting {
        let text = format!(
            "the key that callbacks are sealed with cannot be kept ({why}): what is received now cannot be opened or \
             handed on again once tilldeck has ended"
        );
        let about = "callbacks key".to_owned();
        shared.gate.emit(Event::Warning { about, text });
    }
    Receiver::start(
        listener,
        Setup {
            limits: crate::callbacks::Limits::default(),
            ledger: shared.queries.ledger.clone(),
            clock: shared.queries.clock.clone(),
            sealer: key.sealer,
            account_key: shared.account_key.to_string(),
            handlers: Arc::new(CallbackRouter(shared.clone())),
        },
    )
}

/// Why a port cannot be had, and what to do.
fn why_not(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there, perhaps another tilldeck; end it, or choose another address with `bind` in \
             [callbacks] or --bind"
                .into()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are the system's; choose a higher one, and let a reverse proxy stand before it".into()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; 127.0.0.1 it always has".into()
        }
        _ => format!("{error}; choose another address with `bind` in [callbacks] or --bind"),
    }
}

impl Deck {
    /// Whether callbacks can be received.
    #[must_use]
    pub fn listening(&self) -> watch::Receiver<Listening> {
        self.callbacks.listening.clone()
    }

    /// Receives no more callbacks. What is being answered is answered and what is being done is finished, within
    /// limits.
    pub async fn stop_receiving(&self) {
        self.callbacks.stop().await;
    }

    /// Callbacks older than `before`, newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn deliveries(
        &self,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Arc<Delivery>>, Problem> {
        // Not before: what came in between would be neither listed nor told.
        let mut ready = self.callbacks.begun.clone();
        let _ = ready.wait_for(|ready| *ready).await;
        let query = DeliveryQuery {
            account_key: Some(self.callbacks.shared.account_key.to_string()),
            before,
            limit,
            ..DeliveryQuery::default()
        };
        let found = self.ledger.deliveries(query).await;
        let found = found.map_err(|error| unread("callbacks", &error))?;
        Ok(found.into_iter().map(Arc::new).collect())
    }
}

/// The ledger does not tell what is asked of it.
fn unread(what: &str, error: &crate::ledger::LedgerError) -> Problem {
    Problem::new(
        ProblemKind::Local,
        format!("{what} cannot be read: {error}"),
        "what this run receives is shown all the same",
    )
}
