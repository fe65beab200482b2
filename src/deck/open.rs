//! Opens a profile. The only place where the parts of a deck are put together.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::hooks::{self, Hooks};
use super::ledger::{self, Source};
use super::query::QueryService;
use super::receiving::{
    self, Binding, CallbackService, ConfiguredKeys, OpenPort, Parts, Receive, Sealing,
};
use super::runtime::{AccountFactory, AccountRegistry};
use super::{Deck, Options, payments, secrets, simulator};
use crate::clock::Clock;
use crate::config::{Environ, Profile};
use crate::domain::Problem;
use crate::net::Gate;
use crate::sandbox::Sandbox;

impl Deck {
    /// Opens a profile. The ledger opens behind this; secrets are read at first use.
    ///
    /// # Errors
    /// If the built-in simulator cannot be started, or a newer tilldeck or another program wrote the ledger.
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
        let listening = listen(profile, receives, handover.receiver.port, &clock);
        // Before anything is sent: jobs and nonces of a newer ledger would be ignored.
        let (ledger, listening) = tokio::join!(opened, listening);
        let (ledger, (bound, simulator)) = (ledger?, listening?);
        let watch = handover.watch.for_port(!matches!(bound, Binding::Off));
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
        let registry = factory.all(profile, simulator.as_ref());
        hooks.start(registry.api_of());
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
        let mut sealing = sealing.with_key(handover.receiver.seal_key);
        if profile.built_in {
            sealing = sealing.simulated();
        }
        let callbacks = CallbackService::start(Parts {
            queries: queries.clone(),
            gate: gate.clone(),
            sealing,
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
            callbacks,
            changed: Notify::new(),
            send_again: AtomicBool::new(false),
        })
    }
}

/// Binds the receiver's port, and starts the simulator of the built-in profile, which needs its address.
async fn listen(
    profile: &Profile,
    receive: Option<&Receive>,
    open: Option<OpenPort>,
    clock: &Clock,
) -> Result<(Binding, Option<Sandbox>), Problem> {
    let bound = Binding::new(profile, receive, open).await;
    if !profile.built_in {
        return Ok((bound, None));
    }
    let simulator = simulator::start(clock, bound.callback_urls()).await?;
    Ok((bound, Some(simulator)))
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
