//! The built-in providers on one loopback server: start, command, stop. Knows each provider only as a
//! [`SimulatedProvider`].

pub mod control;
pub(crate) mod faults;
pub(crate) mod fields;
pub(crate) mod granted;
pub(crate) mod outbox;
pub(crate) mod page;
mod provider;
pub(crate) mod reply;
pub(crate) mod route;
pub(crate) mod settings;
pub(crate) mod sign;
pub(crate) mod simulator;
pub(crate) mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod triggers;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderValue, Method, StatusCode, header};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::domain::simulate::{self, Command, Fault};
use crate::domain::{Expected, PaymentId, WallTime, time};
use crate::http_server::{self, DeliveryResult, Limits, Outcome, Request, Server, text};

use outbox::Attempt;
pub use provider::{About, Late, Sample, SimulatedProvider};
pub use simulator::Simulator;
use snapshot::{Snapshot, SnapshotFile};

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
    #[must_use]
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
    inner: Arc<Inner>,
    server: Server,
    dispatcher: AbortOnDropHandle<()>,
}

/// A provider of the sandbox, used by one call at a time.
pub struct Mount(std::sync::Mutex<Box<dyn SimulatedProvider>>);

impl Mount {
    fn lock(&self) -> MutexGuard<'_, Box<dyn SimulatedProvider>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Inner {
    simulator: Simulator,
    providers: Vec<Mount>,
    /// Changes with every state that must be saved.
    revision: AtomicU64,
    snapshot_file: Option<SnapshotFile>,
    base: String,
    changed: Notify,
    posting: Mutex<()>,
}

/// Starts the embedded providers on `listener`.
///
/// # Errors
/// If the listener is open to other machines, or if the listener, the callback URL or the saved file is unusable.
pub async fn start(
    listener: TcpListener,
    mut providers: Vec<Box<dyn SimulatedProvider>>,
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
    for provider in &mut providers {
        let own = saved
            .as_mut()
            .and_then(|saved| saved.providers.remove(provider.provider()));
        provider
            .begin(&simulator, own, same_seed)
            .map_err(|why| unreadable(format!("{}: {why}", provider.provider())))?;
    }
    let inner = Arc::new(Inner {
        simulator,
        providers: providers
            .into_iter()
            .map(|provider| Mount(std::sync::Mutex::new(provider)))
            .collect(),
        // Not what `SnapshotFile` begins with: the first commit saves the seeded state.
        revision: AtomicU64::new(1),
        snapshot_file: options.state_file.map(SnapshotFile::new),
        base: format!("http://{address}"),
        changed: Notify::new(),
        posting: Mutex::default(),
    });
    let serving = inner.clone();
    let server = Server::start(listener, Limits::default(), move |request| {
        let inner = serving.clone();
        async move { inner.serve(&request).await }
    })
    .map_err(StartError::Listener)?;
    let dispatcher = AbortOnDropHandle::new(tokio::spawn(deliver(inner.clone())));
    Ok(Sandbox {
        inner,
        server,
        dispatcher,
    })
}

impl Sandbox {
    /// `http://127.0.0.1:PORT`, where every provider is mounted at the root.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.inner.base.clone()
    }

    /// The payments at the simulation's start: provider, id, and the shop's expectation of each.
    #[must_use]
    pub fn seeded(&self) -> Vec<(&'static str, PaymentId, Expected)> {
        let providers = self.inner.providers.iter();
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
    #[must_use]
    pub fn now(&self) -> WallTime {
        self.inner.simulator.now()
    }

    /// Executes a command and describes the result.
    ///
    /// # Errors
    /// A message, if the command is impossible.
    pub fn command(&self, command: &Command) -> Result<String, String> {
        self.inner.command(command)
    }

    /// Each provider's settings and events.
    #[must_use]
    pub fn settings(
        &self,
    ) -> Vec<(
        &'static str,
        Vec<simulate::Setting>,
        &'static [simulate::Event],
    )> {
        let providers = self.inner.providers.iter();
        let settings = providers.map(|mount| {
            let mut provider = mount.lock();
            (provider.provider(), provider.settings(), provider.events())
        });
        settings.collect()
    }

    /// Sends the callbacks that are due now, each once, and returns their number. The sandbox also does this itself; with a
    /// manual clock, call it to avoid waiting.
    pub async fn pump(&self) -> usize {
        self.inner.pump().await
    }

    /// Stops serving and sending; bounded.
    pub async fn stop(self) {
        drop(self.dispatcher);
        self.server.stop(Duration::from_millis(500)).await;
    }
}

impl Inner {
    async fn serve(&self, request: &Request) -> Outcome {
        let outside = self.simulator.outside();
        match self.route(request).await {
            Outcome::Answer(mut response) => {
                // From the injected clock, because a client compares its own clock with this header.
                let at = UNIX_EPOCH + outside.since(WallTime(0));
                if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(at)) {
                    response.headers_mut().insert(header::DATE, date);
                }
                Outcome::Answer(response)
            }
            Outcome::Reset => Outcome::Reset,
        }
    }

    async fn route(&self, request: &Request) -> Outcome {
        let path = request.uri().path();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if path == "/" && reads {
            return Outcome::Answer(control::index(&self.base, &self.simulator, &self.providers));
        }
        if path == "/_control/state" && reads {
            return Outcome::Answer(control::state(&self.simulator, &self.providers));
        }
        if path.starts_with(control::PREFIX) {
            return Outcome::Answer(match control::command(request) {
                Ok(command) => control::report(self.command(&command)),
                Err(refusal) => *refusal,
            });
        }
        let mut providers = self.providers.iter();
        let Some(mount) = providers.find(|mount| mount.lock().claims(path)) else {
            let words = "Not found. The page / lists what this server has.\n";
            return Outcome::Answer(text(StatusCode::NOT_FOUND, words));
        };
        let is_api = mount.lock().is_api(path);
        let fault = if is_api {
            self.simulator.fault()
        } else {
            Fault::None
        };
        if fault == Fault::ServerError
            && let Some(down) = mount.lock().down()
        {
            return Outcome::Answer(down);
        }
        if let Some(refusal) = faults::replacement(fault) {
            return Outcome::Answer(refusal);
        }
        let reply = self.at(mount).answer(request, &self.simulator);
        // A payer's page may make its payment by a GET.
        if !reads || !is_api {
            self.changed();
        }
        if let Err(words) = self.commit() {
            return Outcome::Answer(text(StatusCode::INTERNAL_SERVER_ERROR, &words));
        }
        if let Some(Late(by)) = reply.extensions().get() {
            tokio::time::sleep(*by).await;
        }
        faults::apply(fault, reply).await
    }

    /// A provider, with what fell due applied.
    fn at<'a>(&self, mount: &'a Mount) -> MutexGuard<'a, Box<dyn SimulatedProvider>> {
        let mut provider = mount.lock();
        if provider.pass_time(&self.simulator) {
            self.changed();
        }
        provider
    }

    fn changed(&self) {
        self.revision.fetch_add(1, Ordering::Relaxed);
    }

    fn command(&self, command: &Command) -> Result<String, String> {
        let unknown = |id: &PaymentId| Err(format!("there is no payment {id}"));
        let result = match command {
            Command::SetFault(fault) => {
                self.simulator.set_fault(*fault);
                Ok(format!(
                    "fault {} is set: {}",
                    fault.name(),
                    fault.describe()
                ))
            }
            Command::Advance(by) => self.simulator.advance(*by).map(|()| {
                let now = self.simulator.now().rfc3339();
                format!(
                    "moved the clock forward by {}; the simulator's time is {now}",
                    time::fine(*by)
                )
            }),
            Command::SetBack(by) => self.simulator.set_back(*by).map(|()| {
                let date = self.simulator.outside().rfc3339();
                format!(
                    "set Date headers back by {}; they now show {date}",
                    time::fine(*by)
                )
            }),
            Command::Set {
                provider,
                setting,
                value,
            } => self
                .provider(provider)
                .and_then(|mut provider| provider.set(setting, value)),
            Command::Event {
                provider,
                event,
                subject,
            } => self
                .provider(provider)
                .and_then(|mut provider| provider.event(event, subject, &self.simulator)),
            Command::Payer { payment, act } => {
                let mut providers = self.providers.iter();
                providers
                    .find_map(|mount| self.at(mount).act(payment, *act, &self.simulator))
                    .unwrap_or_else(|| unknown(payment))
            }
            Command::RepeatCallback(payment) => {
                let mut providers = self.providers.iter();
                providers
                    .find_map(|mount| self.at(mount).repeat_callback(payment, &self.simulator))
                    .unwrap_or_else(|| unknown(payment))
            }
        };
        self.changed();
        self.commit()?;
        result
    }

    fn provider(&self, id: &str) -> Result<MutexGuard<'_, Box<dyn SimulatedProvider>>, String> {
        let mut providers = self.providers.iter().map(|mount| self.at(mount));
        let found = providers.find(|provider| provider.provider() == id);
        found.ok_or_else(|| {
            let names = self.providers.iter().map(|mount| mount.lock().provider());
            let (id, names) = (
                crate::domain::inert::quoted(id, 40),
                names.collect::<Vec<_>>(),
            );
            format!(
                "the simulator has no provider {id}; its providers are {}",
                names.join(", ")
            )
        })
    }

    /// Saves changes and wakes the dispatcher.
    fn commit(&self) -> Result<(), String> {
        self.changed.notify_one();
        let Some(snapshot_file) = &self.snapshot_file else {
            return Ok(());
        };
        let revision = || self.revision.load(Ordering::Relaxed);
        let snapshot = || {
            let providers = self.providers.iter().map(Mount::lock);
            let saved =
                providers.map(|provider| (provider.provider().to_owned(), provider.snapshot()));
            Snapshot::new(self.simulator.seed(), self.simulator.now(), saved.collect())
        };
        snapshot_file
            .save(revision, snapshot)
            .map_err(|error| format!("The simulator cannot save its state: {error}\n"))
    }

    async fn pump(&self) -> usize {
        const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
        // One round at a time, or a webhook would be sent twice.
        let _round = self.posting.lock().await;
        let mut sent = 0;
        for mount in &self.providers {
            let (due, name) = {
                let mut provider = self.at(mount);
                (
                    provider.outbox().due(self.simulator.now()),
                    provider.provider(),
                )
            };
            let set_up = self.simulator.callback_url(name);
            for webhook in due {
                let webhook = mount.lock().complete(webhook);
                let Some(to) = webhook.to.as_deref().or(set_up) else {
                    // It waits until the sandbox runs with a callback URL.
                    continue;
                };
                let answer_timeout = webhook.answer_timeout.unwrap_or(ANSWER_TIMEOUT);
                let answered = http_server::send(&webhook.request(to), answer_timeout)
                    .await
                    .ok();
                self.record(mount, webhook.number, answered.as_ref());
                sent += 1;
            }
        }
        if sent > 0 {
            // An error here delays no callback: the next call that must be durable reports it.
            let _ = self.commit();
        }
        sent
    }

    fn record(&self, mount: &Mount, webhook: u64, answered: Option<&DeliveryResult>) {
        let mut provider = mount.lock();
        let attempt = Attempt {
            webhook,
            at: self.simulator.now(),
            status: answered.map(|answered| answered.status),
        };
        let waits = provider.waits();
        if let Some(sent) = provider.outbox().record(attempt, waits) {
            provider.attempted(&sent, answered, &self.simulator);
        }
        self.changed();
    }

    /// When the next callback can be sent, or time alone changes a state.
    fn next_due(&self) -> Option<WallTime> {
        let each = self.providers.iter().filter_map(|mount| {
            let mut provider = mount.lock();
            let set_up = self.simulator.callback_url(provider.provider()).is_some();
            let change = provider.next_change(&self.simulator);
            change
                .into_iter()
                .chain(provider.outbox().next(set_up))
                .min()
        });
        each.min()
    }
}

/// Sends callbacks as they fall due, until aborted.
async fn deliver(inner: Arc<Inner>) {
    let longest = inner.simulator.longest_sleep();
    loop {
        inner.pump().await;
        let now = inner.simulator.now();
        let Some(next) = inner.next_due() else {
            inner.changed.notified().await;
            continue;
        };
        let pause = inner
            .simulator
            .outside_span(next.since(now))
            .unwrap_or(longest);
        let pause = pause.clamp(Duration::from_millis(1), longest);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = inner.changed.notified() => {}
        }
    }
}
