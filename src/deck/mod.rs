//! An open profile: accounts with their sessions, the ledger, the built-in simulator. The only place where these are
//! put together; console, command line and tests all use it.

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
mod operations;
mod payments;
mod preferences;
mod query;
mod receiving;
mod runtime;
mod search;
mod secrets;
mod simulator;
mod tokens;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use bring::import;
pub use follow::{Follower, News};
pub use handover::Handover;
pub use join::{Joined, Machine, TeamLedger, another_key, has_team_key};
pub use ledger::{database, on_thread};
pub use receiving::{Pace, Prepared, Receive, is_forward, target};
pub use runtime::accounts;
use runtime::{AccountFactory, AccountRegistry, AccountRuntime};
pub use secrets::{learn_all, learn_fast};
pub use simulator::{Posted, Proof, TestCallback, post, serve, trigger};

use hooks::Hooks;
use ledger::Source;
use query::QueryService;
use receiving::{CallbackService, ConfiguredKeys, ListenState, Parts, Sealing};

use crate::clock::Clock;
use crate::config::{self, Callbacks, Environ, LedgerConfig, Profile, Vault};
use crate::domain::{
    Ability, Account, AccountId, BudgetGauge, CredentialStatus, Exchange, Problem, RawCall,
};
use crate::ledger::{Ledger, LedgerError, Status};
use crate::net::{ClockWarning, EventSender, Gate, Network, Overrides};
use crate::providers::REGISTRY;
use crate::sandbox::Sandbox;

const FLUSH_MAX: Duration = Duration::from_secs(10);

/// The settings that a deck is opened with.
pub struct Options {
    /// The ledger's folder.
    pub state_dir: PathBuf,
    /// The source of time.
    pub clock: Clock,
    /// How connections to other machines are made, and their timeouts.
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

/// Says which provider's account an ability needs.
fn needs(ability: Option<Ability>, profile: &str) -> String {
    let Some(ability) = ability else {
        return format!("profile {profile} has no accounts");
    };
    let able = REGISTRY
        .iter()
        .filter(|manifest| manifest.abilities.contains(&ability));
    let titles: Vec<&str> = able.map(|manifest| manifest.title).collect();
    format!(
        "{} need a {} account; profile {profile} has none",
        ability.noun(),
        titles.join(" or ")
    )
}

impl Deck {
    /// Opens a profile. The ledger opens behind this; secrets are read at first use.
    ///
    /// # Errors
    /// If the built-in simulator cannot be started, or a newer tilldeck wrote the ledger.
    pub async fn open(profile: &Profile, options: Options) -> Result<Self, Problem> {
        let Options {
            state_dir,
            clock,
            network,
            events,
            environ,
            renew,
            config,
            vault,
            mut overrides,
            receive,
            ledger,
            callbacks,
            hooks,
            handover,
            recording,
        } = options;
        // The simulator's accounts belong to this run, so its ledger is this machine's file.
        overrides.read_only &= !profile.built_in;
        let source = match (recording, handover.ledger) {
            (Some(requests), _) => Source::Recording(requests),
            (None, Some(ledger)) => Source::Open(ledger),
            _ if profile.built_in => Source::File,
            _ if overrides.read_only => Source::ReadOnlyFile,
            _ => Source::Configured(&ledger),
        };
        let opened = ledger::open(source, state_dir.clone(), &environ, &clock);
        let receives = receive.as_ref().filter(|_| !overrides.read_only);
        let bound = ListenState::new(profile, receives, handover.receiver.port);
        let listening = listening(profile, bound, &clock);
        // Before anything is sent: jobs and nonces of a newer ledger would be ignored.
        let (ledger, listening) = tokio::join!(opened, listening);
        let (ledger, (bound, simulator)) = (ledger?, listening?);
        let watch = handover.watch.for_port(!matches!(bound, ListenState::Off));
        let hooks = hooks::Parts {
            // Another ledger knows which hooks have run.
            programs: hooks.into_iter().filter(|_| !overrides.read_only).collect(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            events: events.clone(),
            watch: receive.is_some().then(|| Mutex::new(watch)),
        };
        let hooks = Hooks::new(profile, hooks);
        let mut gate = Gate::new(ledger.clone(), clock.clone(), network, events);
        gate.observer = Some(hooks.observer());
        gate.overrides = overrides;
        gate.profile.clone_from(&profile.name);
        let gate = Arc::new(gate);
        let factory = AccountFactory {
            gate: gate.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            environ,
            vault,
            secret_overrides: handover.secrets,
            renews: renew,
            is_trial: false,
        };
        let registry = AccountRegistry::new(running(profile, simulator.as_ref(), &factory));
        learn_secrets(profile, &factory.environ, &registry).await;
        let payments = match &simulator {
            Some(simulator) => payments::simulated(&profile.name, simulator.seeded(), &clock).await,
            None => ledger.clone(),
        };
        let queries = QueryService {
            profile: profile.name.as_str().into(),
            registry: registry.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            payments,
            hooks,
        };
        let keys = ConfiguredKeys::new(callbacks, &factory.environ);
        let sealing = Sealing::new(factory.vault.clone(), keys, ledger.clone(), clock.clone());
        let sealing = match &simulator {
            Some(_) => sealing.simulated(),
            None => sealing,
        };
        let service = CallbackService::start(Parts {
            queries: queries.clone(),
            gate: gate.clone(),
            sealing: sealing.with_key(handover.receiver.seal_key),
            account_key: receiving::account_key(profile),
            bound,
            receive,
        });
        Ok(Self {
            profile: profile.name.clone(),
            config,
            state_dir,
            registry,
            factory,
            gate,
            ledger,
            clock,
            simulator,
            queries,
            callbacks: service,
            changed: Notify::new(),
            send_again: AtomicBool::new(false),
        })
    }

    /// The profile's accounts, in the config's order.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        let registry = self.registry.all().into_iter();
        registry.map(|runtime| runtime.account.clone())
    }

    /// The store that survives this process.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The current use of each account's rate limits.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn gauges(&self) -> Result<Vec<(AccountId, BudgetGauge)>, Problem> {
        let mut reads = Vec::new();
        for runtime in self.registry.all() {
            for limit in runtime.session.limits() {
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
    #[must_use]
    pub fn clock_warning(&self) -> Option<(AccountId, ClockWarning)> {
        self.gate.clock_warning()
    }

    /// The simulator's address, if one is running.
    #[must_use]
    pub fn simulator_url(&self) -> Option<String> {
        self.simulator.as_ref().map(Sandbox::base_url)
    }

    fn runtime(&self, id: &AccountId) -> Result<Arc<AccountRuntime>, Problem> {
        let runtime = self.registry.find(id);
        runtime.ok_or_else(|| self.no_account(id.as_str()))
    }

    fn no_account(&self, name: &str) -> Problem {
        let names: Vec<String> = self
            .accounts()
            .map(|account| account.id.to_string())
            .collect();
        Problem::usage(
            format!(
                "profile {} has no account {}",
                self.profile,
                crate::domain::inert::quoted(name, 64)
            ),
            if names.is_empty() {
                "it has no accounts; `tilldeck account add` adds one".to_owned()
            } else if self.simulator.is_some() {
                let names = names.join(", ");
                format!("the simulator's accounts are: {names}; --profile chooses your own")
            } else {
                format!("its accounts are: {}", names.join(", "))
            },
        )
    }

    /// Which accounts can do it instead. Some commands name the account by an option, others by an argument, so this
    /// names the accounts and no option.
    fn able(&self, can: &impl Fn(&Account) -> bool, ability: Option<Ability>) -> String {
        let able = self.accounts().filter(can);
        let names: Vec<String> = able.map(|account| account.id.to_string()).collect();
        match names.as_slice() {
            [] => needs(ability, &self.profile),
            [one] => format!("use the account `{one}`"),
            several => format!("use one of the accounts `{}`", several.join("`, `")),
        }
    }

    /// The account called `name`; without a name, the only account that has `ability`.
    ///
    /// # Errors
    /// If there is no such account, it cannot do that, or there are several to choose from.
    pub fn pick(&self, name: Option<&str>, ability: Option<Ability>) -> Result<Account, Problem> {
        let can = |account: &Account| ability.is_none_or(|ability| account.can(ability));
        let noun = ability.map_or("", Ability::noun);
        if let Some(name) = name {
            let account = self
                .accounts()
                .find(|account| account.id.as_str() == name)
                .ok_or_else(|| self.no_account(name))?;
            return if can(&account) {
                Ok(account)
            } else {
                Err(Problem::usage(
                    format!("account {name}: {} has no {noun}", account.provider_title),
                    self.able(&can, ability),
                ))
            };
        }
        let mut able = self.accounts().filter(can);
        match (able.next(), able.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Problem::usage(
                needs(ability, &self.profile),
                "add one with `tilldeck account add`, or choose another profile with --profile",
            )),
            (Some(first), Some(second)) => Err(Problem::usage(
                format!(
                    "several accounts of profile {} fit: {}, {}{}",
                    self.profile,
                    first.id,
                    second.id,
                    able.next().map_or("", |_| ", …")
                ),
                "choose one with --account",
            )),
        }
    }

    /// Whether a raw call with this method and path is a write.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn writes(&self, account: &AccountId, method: &str, path: &str) -> Result<bool, Problem> {
        Ok(self.runtime(account)?.manifest.writes(method, path))
    }

    /// Whether this call can be made: the provider's client accepts it, and it stays within the account's base URL.
    ///
    /// # Errors
    /// If it cannot.
    pub fn could_send(&self, account: &AccountId, call: &RawCall) -> Result<(), Problem> {
        let runtime = self.runtime(account)?;
        let call = runtime
            .client
            .raw(call)
            .map_err(|error| runtime.problem(error))?;
        runtime
            .session
            .resolve(&call)
            .map(drop)
            .map_err(|error| runtime.problem(error.into()))
    }

    /// The failure that a provider reports inside a raw response. Rejected credentials are an event, too.
    ///
    /// # Errors
    /// The provider's failure.
    pub fn judge_raw(
        &self,
        account: &AccountId,
        call: &RawCall,
        raw: &crate::domain::RawReply,
    ) -> Result<(), Problem> {
        let runtime = self.runtime(account)?;
        let judged = runtime.judged(call, raw);
        // Success says nothing, since some calls are not signed; of a game, it may be the player's token that is rejected.
        if judged.is_err() && !runtime.account.can(Ability::Players) {
            let hooks = &self.queries.hooks;
            hooks.on_answer(account, judged.as_ref().copied());
        }
        judged
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

/// The receiver, and the simulator of the built-in profile, which needs the receiver's address.
async fn listening(
    profile: &Profile,
    bound: impl Future<Output = ListenState>,
    clock: &Clock,
) -> Result<(ListenState, Option<Sandbox>), Problem> {
    let bound = bound.await;
    if !profile.built_in {
        return Ok((bound, None));
    }
    let simulator = simulator::start(clock, bound.callback_urls()).await?;
    Ok((bound, Some(simulator)))
}

/// The accounts of a profile at work: the simulator's if it is running.
fn running(
    profile: &Profile,
    simulator: Option<&Sandbox>,
    factory: &AccountFactory,
) -> Vec<AccountRuntime> {
    let Some(simulator) = simulator else {
        let accounts = profile.accounts.iter();
        return accounts
            .filter_map(|config| factory.configured(config).ok())
            .collect();
    };
    let base = Url::parse(&simulator.base_url()).expect("a loopback address makes a URL");
    REGISTRY
        .iter()
        .map(|manifest| factory.embedded(manifest, &base))
        .collect()
}

/// Teaches the redactor the accounts' secrets and the access tokens of earlier runs, as far as they can be read at
/// once. Done before anything is sent, received or recorded, since a response may echo them.
async fn learn_secrets(profile: &Profile, environ: &Environ, registry: &AccountRegistry) {
    let (accounts, environ) = (profile.accounts.clone(), environ.clone());
    let tokens: Vec<_> = registry
        .all()
        .iter()
        .filter_map(|runtime| runtime.tokens.clone())
        .collect();
    let learnt = tokio::task::spawn_blocking(move || {
        secrets::learn_fast(&accounts, &environ);
        for tokens in tokens {
            tokens.learn_stored();
        }
    });
    let _ = learnt.await;
}
