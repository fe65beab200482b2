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
mod supervisor;
mod targets;
mod timeline;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use parking_lot::Mutex;
use reqwest::Url;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Deck;
use super::query::QueryService;
use crate::callbacks::Limits;
use crate::config::Profile;
use crate::domain::{AccountId, ListenerStatus, Problem, WallTime};
use crate::ledger::LedgerError;
use crate::net::Gate;
pub use forward::is_forward;
pub use handover::Prepared;
use jobs::QueueState;
use port::ReceiverPort;
pub(super) use port::{Binding, OpenPort, who_answers};
pub(super) use sealing::{ConfiguredKeys, Sealing, configured, fingerprint_of, new_key, own_key};
use supervisor::Supervisor;
use targets::{ForwardTargets, saved_target};
pub use targets::{leads_back, target};

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
    /// Whether every callback is reported. Otherwise a flood is cut to the newest, with [`Event::Lagged`](crate::net::Event::Lagged).
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
    pub(super) port: ReceiverPort,
    targets: ForwardTargets,
    queues: QueueState,
    pace: Pace,
    watched: Mutex<follow::Watched>,
    /// Notifies that a callback was saved.
    saved: Notify,
}

impl Shared {
    /// Reads the account's callback secrets, so that the redactor knows them if a shop's server or a sender repeats
    /// them. If they cannot be read, everything else is still redacted.
    async fn know_secrets(&self, account: &AccountId) {
        if let Some(runtime) = self.queries.registry.find(account) {
            let secrets = runtime.manifest.callbacks.secrets;
            let _ = runtime.keys.held(secrets).await;
        }
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
#[derive(Default)]
struct Workers {
    receiver: TaskGroup,
    /// These have work as long as callbacks arrive.
    others: TaskGroup,
}

/// Tasks that stop together, also when this is dropped.
#[derive(Default)]
struct TaskGroup {
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What the service is built from.
pub(super) struct Parts {
    pub(super) queries: QueryService,
    pub(super) gate: Arc<Gate>,
    pub(super) sealing: Sealing,
    pub(super) account_key: String,
    pub(super) bound: Binding,
    pub(super) receive: Option<Receive>,
}

/// The prefix of the account keys of all runs of the embedded simulator.
const RUNS: &str = "sandbox ";

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
            bind,
            forward,
            trusted_proxies,
            every,
            pace,
        } = receive.unwrap_or_default();
        let shared = Arc::new(Shared {
            account_key: account_key.into(),
            since: queries.clock.now().wall,
            queries,
            gate,
            sealing,
            port: ReceiverPort::new(bind, &bound),
            targets: ForwardTargets::new(forward),
            queues: QueueState::default(),
            pace,
            watched: Mutex::default(),
            saved: Notify::new(),
        });
        let (status, listening) = watch::channel(match bind {
            Some(address) if read_only => ListenerStatus::Down {
                address: address.to_string(),
                why: LedgerError::ReadOnly.to_string(),
                since: shared.since,
            },
            _ => ListenerStatus::Off,
        });
        // A command that receives nothing has no follower to wait for.
        let (set_begun, begun) = watch::channel(!wanted);
        let workers = wanted.then(|| {
            let workers = Workers::default();
            let TaskGroup { tasks, stop } = &workers.others;
            tasks.spawn(follow::follow(
                shared.clone(),
                stop.clone(),
                every,
                set_begun,
            ));
            tasks.spawn(jobs::work(shared.clone(), stop.clone()));
            let TaskGroup { tasks, stop } = &workers.receiver;
            if every {
                // An unattended service; a console asks for no secret before it is needed.
                let warned = handler::warn_of_unreadable_secrets(shared.clone());
                tasks.spawn(stop.clone().run_until_cancelled_owned(warned));
            }
            let supervisor = Supervisor::new(shared.clone(), trusted_proxies, status, stop.clone());
            // The port opens once the follower runs, or the first callbacks would go unreported.
            let mut ready = begun.clone();
            tasks.spawn(async move {
                let _ = ready.wait_for(|ready| *ready).await;
                supervisor.run(bound).await;
            });
            workers
        });
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
        drop(self.shared.port.take());
        // The receiver limits its time itself; this is for a keyring that it still waits for.
        let limit = LEAVING.max(Limits::default().answering()) + Duration::from_secs(1);
        workers.receiver.stop(limit).await;
    }

    async fn stop(&self) {
        let Some(workers) = &self.workers else { return };
        // The receiver first: the workers finish what it still accepts.
        self.stop_receiver().await;
        workers.others.stop(LEAVING + Duration::from_secs(1)).await;
    }
}

impl TaskGroup {
    async fn stop(&self, limit: Duration) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(limit, self.tasks.wait()).await;
    }
}

impl Drop for TaskGroup {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Deck {
    /// Whether callbacks can be received.
    pub fn listening(&self) -> watch::Receiver<ListenerStatus> {
        self.callbacks.listening.clone()
    }

    /// The URL of the open port, also while it answers 503 because callbacks cannot be saved yet.
    pub fn port_url(&self) -> Option<String> {
        self.callbacks.shared.port.url()
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
pub(super) fn unread(what: &str, error: &LedgerError) -> Problem {
    Problem::local(
        format!("tilldeck cannot read {what}: {error}"),
        "`tilldeck doctor` checks the ledger",
    )
}
