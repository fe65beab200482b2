//! The built-in providers on one loopback server: start, command, stop. Knows each provider only as a
//! [`SimulatedProvider`].

pub mod control;
pub(crate) mod controls;
pub(crate) mod faults;
pub(crate) mod fields;
pub(crate) mod granted;
mod mounts;
pub(crate) mod outbox;
pub(crate) mod page;
mod provider;
pub(crate) mod reply;
pub(crate) mod route;
pub(crate) mod sign;
pub(crate) mod simulator;
pub(crate) mod snapshot;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::domain::simulate::{self, Command};
use crate::domain::{Expected, PaymentId, WallTime};
use crate::http_server::{self, Limits, Server};

pub use controls::Done;
use mounts::Mounts;
use provider::Mount;
pub use provider::{About, Late, Sample, Saved, SimulatedProvider};
pub use simulator::Simulator;
use snapshot::SnapshotFile;

/// The sandbox's options.
#[derive(Debug, Clone)]
pub struct Options {
    /// The same seed gives the same data.
    pub seed: u64,
    /// Simulated seconds per real second; with 0 time moves only by [`Command::Advance`].
    pub speed: u32,
    /// The clock that simulated time is computed from.
    pub clock: Clock,
    /// The callback URL of each provider, by its short name: plain http on this machine.
    pub callback_urls: BTreeMap<String, String>,
    /// The file for what must survive a restart: nonces, payments, waiting callbacks.
    pub state_file: Option<PathBuf>,
}

impl Options {
    /// Seed 1, real speed, no callbacks, no file.
    pub fn new(clock: Clock) -> Self {
        Self {
            seed: 1,
            speed: 1,
            clock,
            callback_urls: BTreeMap::new(),
            state_file: None,
        }
    }
}

impl Default for Options {
    /// As [`Options::new`], by the system's clock.
    fn default() -> Self {
        Self::new(Clock::system())
    }
}

/// Why the sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener cannot be used.
    #[error("the simulator cannot serve its port: {0}")]
    Listener(#[source] io::Error),
    /// The listener is open to other machines.
    #[error(
        "the simulator listens only on loopback because its keys are public; bind it to 127.0.0.1"
    )]
    Exposed,
    /// The callback URL is not plain http on this machine.
    #[error(
        "the simulator sends callbacks only to http:// URLs on this machine, such as \
        http://127.0.0.1:8787/callbacks/shop"
    )]
    CallbackUrl,
    /// The file of an earlier run is unreadable.
    #[error("the simulator cannot read {path}: {why}; delete the file to start again", path = path.display())]
    StateFile {
        /// The file's path.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

/// The running sandbox.
pub struct Sandbox {
    mounts: Arc<Mounts>,
    servers: [Server; 2],
    dispatcher: AbortOnDropHandle<()>,
}

/// Starts the embedded providers on `listener`.
///
/// # Errors
/// If the listener is open to other machines, or if the listener, the callback URL or the saved file is unusable.
pub async fn start(
    listener: TcpListener,
    providers: Vec<Box<dyn SimulatedProvider>>,
    options: Options,
) -> Result<Sandbox, StartError> {
    let address = listener.local_addr().map_err(StartError::Listener)?;
    if !address.ip().is_loopback() {
        return Err(StartError::Exposed);
    }
    if options
        .callback_urls
        .values()
        .any(|url| !http_server::is_local_url(url))
    {
        return Err(StartError::CallbackUrl);
    }
    let unreadable = |why: String| StartError::StateFile {
        path: options.state_file.clone().unwrap_or_default(),
        why,
    };
    let mut saved = match &options.state_file {
        Some(path) => snapshot::read(path)
            .await
            .map_err(|error| unreadable(error.to_string()))?,
        None => None,
    };
    let resumed = saved.as_ref().map(|saved| saved.now);
    let same_seed = saved
        .as_ref()
        .is_some_and(|saved| saved.seed == options.seed);
    let simulator = Simulator::new(&options, resumed);
    let others = TcpListener::bind((address.ip(), 0)).await;
    let others = others.map_err(StartError::Listener)?;
    let other_address = others.local_addr().map_err(StartError::Listener)?;
    let production: Vec<_> = providers
        .iter()
        .filter_map(|one| one.production())
        .collect();
    let first = providers.into_iter().map(|one| Mount::new(one, false));
    let second = production.into_iter().map(|one| Mount::new(one, true));
    let mounts: Vec<Mount> = first.chain(second).collect();
    for mount in &mounts {
        let mut provider = mount.lock();
        let name = provider.provider();
        let state = saved
            .as_mut()
            .and_then(|saved| saved.providers.remove(name));
        provider
            .begin(&simulator, Saved { state, same_seed })
            .map_err(|why| unreadable(format!("{name}: {why}")))?;
    }
    let bases = [address, other_address].map(|address| format!("http://{address}"));
    let mut mounted = Mounts::new(simulator, mounts, bases);
    mounted.snapshot_file = options.state_file.map(SnapshotFile::new);
    let mounts = Arc::new(mounted);
    let serve = |listener, production| {
        let serving = mounts.clone();
        let server = Server::start(listener, Limits::default(), move |request| {
            let mounts = serving.clone();
            async move { mounts.serve(&request, production).await }
        });
        server.map_err(StartError::Listener)
    };
    let servers = [serve(listener, false)?, serve(others, true)?];
    let dispatcher = AbortOnDropHandle::new(tokio::spawn(mounts::deliver(mounts.clone())));
    Ok(Sandbox {
        mounts,
        servers,
        dispatcher,
    })
}

impl Sandbox {
    /// `http://127.0.0.1:PORT`, where every provider is mounted at the root.
    pub fn base_url(&self) -> String {
        self.mounts.bases[0].clone()
    }

    /// Where the production environments of those providers are that have two environments.
    pub fn production_url(&self) -> String {
        self.mounts.bases[1].clone()
    }

    /// The payments at the simulation's start: provider, id, and the shop's expectation of each.
    pub fn seeded(&self) -> Vec<(&'static str, PaymentId, Expected)> {
        let providers = self.mounts.providers.iter();
        let seeded = providers.flat_map(|mount| {
            let provider = mount.lock();
            let (name, seeded) = (provider.provider(), provider.seeded());
            seeded
                .into_iter()
                .map(move |(id, expected)| (name, id, expected))
        });
        seeded.collect()
    }

    /// The simulated time.
    pub fn now(&self) -> WallTime {
        self.mounts.simulator.now()
    }

    /// Executes a command and describes the result.
    ///
    /// # Errors
    /// A message, if the command is impossible.
    pub fn command(&self, command: &Command) -> Result<String, String> {
        self.mounts.command(command)
    }

    /// Each provider's settings and events.
    pub fn settings(&self) -> Vec<(&'static str, Vec<simulate::Setting>, Vec<simulate::Event>)> {
        let providers = self.mounts.providers.iter();
        let settings = providers.filter(|mount| !mount.production).map(|mount| {
            let mut provider = mount.lock();
            (provider.provider(), provider.settings(), provider.events())
        });
        settings.collect()
    }

    /// Sends the callbacks that are due now, each once, and returns their number. The sandbox also does this itself; with a
    /// manual clock, call it to avoid waiting.
    pub async fn pump(&self) -> usize {
        self.mounts.pump().await
    }

    /// Stops serving and sending; bounded.
    pub async fn stop(self) {
        drop(self.dispatcher);
        for server in self.servers {
            server.stop(Duration::from_millis(500)).await;
        }
    }
}
