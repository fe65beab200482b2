//! An open profile: accounts with their sessions, the ledger, the built-in simulator, the receiver. Console, command line and
//! tests all use it.

mod bring;
pub mod doctor;
mod explore;
mod follow;
mod handover;
mod hooks;
mod join;
mod ledger;
pub mod manage;
pub mod metrics;
mod open;
mod operations;
mod payments;
mod pick;
mod preferences;
mod query;
mod receiving;
mod runtime;
mod search;
mod secrets;
mod simulator;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use bring::import;
pub use follow::{Follower, News};
pub use handover::Handover;
pub use join::{Joined, Machine, TeamLedger, another_key, has_team_key};
pub use ledger::{database, on_thread};
pub use receiving::{Pace, Prepared, Receive, is_forward, leads_back, target};
pub use runtime::accounts;
use runtime::{AccountFactory, AccountRegistry};
pub use secrets::{learn_all, learn_fast};
pub use simulator::{Posted, Proof, TestCallback, post, serve, trigger};

use query::QueryService;
use receiving::CallbackService;

use crate::clock::Clock;
use crate::config::{self, Callbacks, Environ, LedgerConfig, Vault};
use crate::domain::{AccountId, BudgetGauge, CredentialStatus, Exchange, Problem};
use crate::ledger::{Ledger, LedgerError, Status};
use crate::net::{ClockWarning, EventSender, Gate, Network, Overrides};
use crate::sandbox::Sandbox;

const FLUSH_MAX: Duration = Duration::from_secs(10);

/// The settings that a deck is opened with.
pub struct Options {
    /// The ledger's folder.
    pub state_dir: PathBuf,
    /// The source of time.
    pub clock: Clock,
    /// How connections to other machines are made, and their timeout.
    pub network: Network,
    /// Receives each exchange and other events.
    pub events: Option<EventSender>,
    /// Whether access tokens are renewed before they expire, while the deck is open.
    pub renew: bool,
    /// Where a secret's environment variable is looked up.
    pub environ: Environ,
    /// The config file that accounts are added to and removed from; it need not exist.
    pub config: Option<PathBuf>,
    /// The store of secrets that tilldeck saves, and of access tokens between runs.
    pub vault: Vault,
    /// Safety limits that the operator overrides.
    pub overrides: Overrides,
    /// Whether and how callbacks are received while the deck is open; `None` for a command that ends at once.
    pub receive: Option<Receive>,
    /// Where the ledger is.
    pub ledger: LedgerConfig,
    /// The keys that seal callbacks.
    pub callbacks: Callbacks,
    /// The programs that run at an event. The built-in profile runs none.
    pub hooks: config::Hooks,
    /// What an earlier deck of the same profile hands over; the default without one.
    pub handover: Handover,
    /// The requests of a recording, in a ledger in memory in place of the one above: nothing is saved, and a profile
    /// without accounts sends nothing.
    pub recording: Option<Vec<Exchange>>,
}

/// An open profile.
pub struct Deck {
    profile: String,
    config: Option<PathBuf>,
    state_dir: PathBuf,
    registry: AccountRegistry,
    factory: AccountFactory,
    gate: Arc<Gate>,
    ledger: Ledger,
    clock: Clock,
    simulator: Option<Sandbox>,
    queries: QueryService,
    callbacks: CallbackService,
    /// Notifies of changes that this process makes to the watch list, expectations and marks.
    changed: Notify,
    /// Whether the watch list is sent once more.
    send_again: AtomicBool,
}

impl Deck {
    /// The store that survives this process.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The current use of each account's rate limits; some are not to be [shown](BudgetGauge::is_shown).
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn gauges(&self) -> Result<Vec<(AccountId, BudgetGauge)>, Problem> {
        let mut reads = Vec::new();
        for runtime in self.registry.all() {
            for limit in runtime.session.holding_limits() {
                // All at once: the ledger's thread then wakes once.
                let (gate, limit) = (self.gate.clone(), limit.clone());
                let read = tokio::spawn(async move { gate.gauge(&limit).await });
                reads.push((runtime.account.id.clone(), read));
            }
        }
        let mut gauges = Vec::new();
        for (account, read) in reads {
            let read = read.await.unwrap_or(Err(LedgerError::Stopped));
            let gauge = read.map_err(|error| {
                Problem::local(format!("tilldeck cannot read the rate limits: {error}"), "")
            })?;
            gauges.push((account, gauge));
        }
        Ok(gauges)
    }

    /// Lifts the pause that an account's provider asked for (429).
    pub async fn lift_holds(&self, account: &AccountId) {
        if let Some(runtime) = self.registry.find(account) {
            runtime.session.lift_holds().await;
        }
    }

    /// An account whose provider's clock is behind this machine's, and by how much.
    pub fn clock_warning(&self) -> Option<(AccountId, ClockWarning)> {
        self.gate.clock_warning()
    }

    /// The simulator's address, if one is running.
    pub fn simulator_url(&self) -> Option<String> {
        self.simulator.as_ref().map(Sandbox::base_url)
    }

    /// The last verified state of each account's credentials.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn remembered_credentials(
        &self,
    ) -> Result<Vec<(AccountId, CredentialStatus)>, Problem> {
        let mut known = Vec::new();
        // The simulator's credentials are valid by construction.
        if self.simulator.is_none() {
            for account in self.accounts() {
                let status = self.ledger.recall_credentials(&self.profile, &account.id);
                let status = status.await.map_err(|error| {
                    let what =
                        format!("tilldeck cannot read the state of the credentials: {error}");
                    Problem::local(what, "")
                })?;
                known.push((account.id.clone(), status));
            }
        }
        Ok(known)
    }

    /// Waits until new tokens are saved, within limits.
    pub async fn finish_tokens(&self) {
        for runtime in self.registry.all() {
            if let Some(tokens) = &runtime.tokens {
                tokens.finish().await;
            }
        }
    }

    /// Waits until all hooks that wait or run have ended.
    pub async fn finish_hooks(&self) {
        self.queries.hooks.finish().await;
    }

    /// Waits until all hooks that wait or run have ended. From `ending` on, those that wait are left to the next tilldeck,
    /// and the wait is limited.
    pub async fn finish_hooks_until(&self, ending: &CancellationToken) {
        tokio::select! {
            () = self.finish_hooks() => {}
            () = ending.cancelled() => self.queries.hooks.end().await,
        }
    }

    /// Stops receiving, stops the simulator and waits until the ledger has written all.
    pub async fn close(self) {
        self.stop_receiving().await;
        // Before the simulator, which may be the one that grants them.
        self.finish_tokens().await;
        self.queries.hooks.end().await;
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
        // Another program may hold the lock for long; there is no reason to wait for it without anything to write.
        let locked = *self.ledger.status_changes().borrow() == Status::Locked;
        if !locked || self.ledger.has_unsaved() {
            let _ = tokio::time::timeout(FLUSH_MAX, self.ledger.close()).await;
        }
    }
}
