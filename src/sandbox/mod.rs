//! The embedded providers on one loopback server: start, command, stop. Each provider speaks through its
//! [`SimulatedProvider`]; this file knows none of them.

pub mod control;
pub mod faults;
pub mod granted;
pub mod outbox;
pub mod page;
mod provider;
pub mod simulator;
pub mod snapshot;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderValue, Method, StatusCode, header};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::domain::simulate::{self, Command, Fault};
use crate::domain::{Expected, PaymentId, WallTime, time};
use crate::http_server::{self, Limits, Outcome, Request, Server, text};

pub use provider::{About, Late, Sample, SimulatedProvider};
pub use simulator::Simulator;
use snapshot::{Snapshot, SnapshotFile};

/// How the sandbox is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Same seed, same world.
    pub seed: u64,
    /// Seconds of the world that pass in one second; with 0 it moves only by [`Command::Advance`].
    pub speed: u32,
    /// Tells the time the world's time is computed from.
    pub clock: Clock,
    /// Where each provider, by its short name, reports changes to: plain http on this machine.
    pub callback_urls: BTreeMap<String, String>,
    /// The file for what must survive a restart: nonces, payments, callbacks on their way.
    pub keep: Option<PathBuf>,
}

impl Options {
    /// Seed 1, real speed, no callbacks, nothing kept.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            seed: 1,
            speed: 1,
            clock,
            callback_urls: BTreeMap::new(),
            keep: None,
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
    /// The listener is of no use.
    #[error("the sandbox cannot serve its port: {0}")]
    Listener(#[source] io::Error),
    /// The listener is open to other machines.
    #[error("the sandbox listens on loopback only, its keys being public; bind it to 127.0.0.1")]
    Exposed,
    /// The callback URL is of another machine, or not plain http.
    #[error(
        "the sandbox sends callbacks to http:// URLs of this machine only, like http://127.0.0.1:8787/callbacks/shop"
    )]
    CallbackUrl,
    /// The file of an earlier run is unreadable.
    #[error("the sandbox cannot read {path}: {why}; delete the file to begin anew", path = path.display())]
    Keep {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The running sandbox.
pub struct Sandbox {
    inner: Arc<Inner>,
    server: Server,
    dispatcher: AbortOnDropHandle<()>,
}

struct Inner {
    simulator: Simulator,
    providers: Vec<Box<dyn SimulatedProvider>>,
    snapshot_file: Option<SnapshotFile>,
    base: String,
    changed: Notify,
    posting: Mutex<()>,
}

/// Starts the embedded providers on `listener`.
///
/// # Errors
/// If the listener is open to other machines, or it, the callback URL or the kept file is unusable.
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
    let unreadable = |why: String| StartError::Keep {
        path: options.keep.clone().unwrap_or_default(),
        why,
    };
    let mut kept = match &options.keep {
        Some(path) => snapshot::read(path)
            .await
            .map_err(|error| unreadable(error.to_string()))?,
        None => None,
    };
    let resumed = kept.as_ref().map(|kept| kept.now);
    let same_seed = kept.as_ref().is_some_and(|kept| kept.seed == options.seed);
    let simulator = Simulator::new(&options, resumed);
    for provider in &providers {
        let own = kept
            .as_mut()
            .and_then(|kept| kept.providers.remove(provider.provider()));
        provider
            .begin(&simulator, own, same_seed)
            .map_err(|why| unreadable(format!("{}: {why}", provider.provider())))?;
    }
    let inner = Arc::new(Inner {
        simulator,
        providers,
        snapshot_file: options.keep.map(SnapshotFile::new),
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

    /// The payments the world began with: provider, id, and what the shop expects of each.
    #[must_use]
    pub fn seeded(&self) -> Vec<(&'static str, PaymentId, Expected)> {
        let providers = self.inner.providers.iter();
        let seeded = providers.flat_map(|provider| {
            let seeded = provider.seeded().into_iter();
            seeded.map(|(id, expected)| (provider.provider(), id, expected))
        });
        seeded.collect()
    }

    /// The time of the simulated world.
    #[must_use]
    pub fn now(&self) -> WallTime {
        self.inner.simulator.now()
    }

    /// Makes something happen, and says in words what did.
    ///
    /// # Errors
    /// In words, if it cannot happen.
    pub fn command(&self, command: &Command) -> Result<String, String> {
        self.inner.command(command)
    }

    /// How each provider is played, as far as that can be changed, and what can be made to happen at it.
    #[must_use]
    pub fn settings(
        &self,
    ) -> Vec<(
        &'static str,
        Vec<simulate::Setting>,
        &'static [simulate::Event],
    )> {
        let providers = self.inner.providers.iter();
        providers
            .map(|provider| (provider.provider(), provider.settings(), provider.events()))
            .collect()
    }

    /// Sends the callbacks that are due now, each once, and says how many. The sandbox does it by itself; a
    /// hand-driven world need not wait for that.
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
                // Told by the injected clock: a client compares its own with it.
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
        let Some(provider) = self.providers.iter().find(|provider| provider.claims(path)) else {
            let words = "There is nothing here. The page / says what is.\n";
            return Outcome::Answer(text(StatusCode::NOT_FOUND, words));
        };
        let fault = if provider.is_api(path) {
            self.simulator.fault()
        } else {
            Fault::None
        };
        if fault == Fault::ServerError
            && let Some(down) = provider.down()
        {
            return Outcome::Answer(down);
        }
        if let Some(refusal) = faults::instead(fault) {
            return Outcome::Answer(refusal);
        }
        let reply = provider.answer(request, &self.simulator);
        if let Err(words) = self.commit() {
            return Outcome::Answer(text(StatusCode::INTERNAL_SERVER_ERROR, &words));
        }
        if let Some(Late(by)) = reply.extensions().get() {
            tokio::time::sleep(*by).await;
        }
        faults::play(fault, reply).await
    }

    fn command(&self, command: &Command) -> Result<String, String> {
        let unknown = |id: &PaymentId| Err(format!("the sandbox knows no payment {id}"));
        let result = match command {
            Command::SetFault(fault) => {
                self.simulator.set_fault(*fault);
                Ok(format!("API calls from now on: {}", fault.describe()))
            }
            Command::Advance(by) => self.simulator.advance(*by).map(|()| {
                let now = self.simulator.now().rfc3339();
                format!("moved on by {}; the sandbox has {now}", time::fine(*by))
            }),
            Command::SetBack(by) => self.simulator.set_back(*by).map(|()| {
                let date = self.simulator.outside().rfc3339();
                format!("set back by {}; Date headers say {date}", time::fine(*by))
            }),
            Command::Set {
                provider,
                setting,
                value,
            } => self
                .provider(provider)
                .and_then(|provider| provider.set(setting, value)),
            Command::Event {
                provider,
                event,
                subject,
            } => self
                .provider(provider)
                .and_then(|provider| provider.event(event, subject, &self.simulator)),
            Command::Payer { payment, act } => {
                let mut providers = self.providers.iter();
                providers
                    .find_map(|provider| provider.act(payment, *act, &self.simulator))
                    .unwrap_or_else(|| unknown(payment))
            }
            Command::RepeatCallback(payment) => {
                let mut providers = self.providers.iter();
                providers
                    .find_map(|provider| provider.repeat_callback(payment, &self.simulator))
                    .unwrap_or_else(|| unknown(payment))
            }
        };
        self.commit()?;
        result
    }

    fn provider(&self, id: &str) -> Result<&dyn SimulatedProvider, String> {
        let mut providers = self.providers.iter();
        let found = providers.find(|provider| provider.provider() == id);
        found.map(AsRef::as_ref).ok_or_else(|| {
            let known: Vec<_> = self.providers.iter().map(|d| d.provider()).collect();
            format!(
                "the sandbox plays no {}; it plays {}",
                crate::domain::inert::quoted(id, 40),
                known.join(", ")
            )
        })
    }

    /// Keeps what changed and wakes the postman.
    fn commit(&self) -> Result<(), String> {
        self.changed.notify_one();
        let Some(snapshot_file) = &self.snapshot_file else {
            return Ok(());
        };
        let revision = || {
            self.providers
                .iter()
                .map(|provider| provider.revision())
                .fold(0, u64::wrapping_add)
        };
        let snapshot = || {
            let providers = self.providers.iter();
            let kept =
                providers.map(|provider| (provider.provider().to_owned(), provider.snapshot()));
            Snapshot::new(self.simulator.seed(), self.simulator.now(), kept.collect())
        };
        snapshot_file
            .save(revision, snapshot)
            .map_err(|error| format!("The sandbox cannot keep its state: {error}\n"))
    }

    async fn pump(&self) -> usize {
        const PATIENCE: Duration = Duration::from_secs(5);
        // One round at a time, or a letter would go out twice.
        let _round = self.posting.lock().await;
        let mut sent = 0;
        for provider in &self.providers {
            let set_up = self.simulator.callback_url(provider.provider());
            for webhook in provider.due(&self.simulator) {
                let Some(to) = webhook.to.as_deref().or(set_up) else {
                    // It waits for a run that has a callback URL.
                    continue;
                };
                let patience = webhook.patience.unwrap_or(PATIENCE);
                let answered = http_server::send(&webhook.request(to), patience).await.ok();
                provider.tried(webhook.number, answered.as_ref(), &self.simulator);
                sent += 1;
            }
        }
        if sent > 0 {
            // A full disk delays nothing here: the next call that must be durable reports it.
            let _ = self.commit();
        }
        sent
    }
}

/// Sends callbacks as they fall due, until aborted.
async fn deliver(inner: Arc<Inner>) {
    // A hand-driven clock may jump at any time without a word, so no sleep is longer than this.
    const LONGEST: Duration = Duration::from_millis(250);
    loop {
        inner.pump().await;
        let now = inner.simulator.now();
        let next = inner
            .providers
            .iter()
            .filter_map(|provider| provider.next_due(&inner.simulator))
            .min();
        let Some(next) = next else {
            inner.changed.notified().await;
            continue;
        };
        let pause = inner
            .simulator
            .outside_span(next.since(now))
            .unwrap_or(LONGEST);
        let pause = pause.clamp(Duration::from_millis(1), LONGEST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = inner.changed.notified() => {}
        }
    }
}
