//! The embedded providers on one loopback server: start, command, stop. Each provider speaks through its
//! [`Dialect`]; this file knows none of them.

pub mod control;
mod dialect;
pub mod faults;
pub mod granted;
pub mod keep;
pub mod outbox;
pub mod page;
#[cfg(test)]
pub(crate) mod testing;
pub mod world;

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

pub use dialect::{About, Dialect, Late, Sample};
use keep::{Keeper, Kept};
pub use world::World;

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
    postman: AbortOnDropHandle<()>,
}

struct Inner {
    world: World,
    dialects: Vec<Box<dyn Dialect>>,
    keeper: Option<Keeper>,
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
    dialects: Vec<Box<dyn Dialect>>,
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
        Some(path) => keep::read(path)
            .await
            .map_err(|error| unreadable(error.to_string()))?,
        None => None,
    };
    let resumed = kept.as_ref().map(|kept| kept.now);
    let same_seed = kept.as_ref().is_some_and(|kept| kept.seed == options.seed);
    let world = World::new(&options, resumed);
    for dialect in &dialects {
        let own = kept
            .as_mut()
            .and_then(|kept| kept.dialects.remove(dialect.provider()));
        dialect
            .begin(&world, own, same_seed)
            .map_err(|why| unreadable(format!("{}: {why}", dialect.provider())))?;
    }
    let inner = Arc::new(Inner {
        world,
        dialects,
        keeper: options.keep.map(Keeper::new),
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
    let postman = AbortOnDropHandle::new(tokio::spawn(deliver(inner.clone())));
    Ok(Sandbox {
        inner,
        server,
        postman,
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
        let dialects = self.inner.dialects.iter();
        let seeded = dialects.flat_map(|dialect| {
            let seeded = dialect.seeded().into_iter();
            seeded.map(|(id, expected)| (dialect.provider(), id, expected))
        });
        seeded.collect()
    }

    /// The time of the simulated world.
    #[must_use]
    pub fn now(&self) -> WallTime {
        self.inner.world.now()
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
        let dialects = self.inner.dialects.iter();
        dialects
            .map(|dialect| (dialect.provider(), dialect.settings(), dialect.events()))
            .collect()
    }

    /// Sends the callbacks that are due now, each once, and says how many. The sandbox does it by itself; a
    /// hand-driven world need not wait for that.
    pub async fn pump(&self) -> usize {
        self.inner.pump().await
    }

    /// Stops serving and sending; bounded.
    pub async fn stop(self) {
        drop(self.postman);
        self.server.stop(Duration::from_millis(500)).await;
    }
}

impl Inner {
    async fn serve(&self, request: &Request) -> Outcome {
        let outside = self.world.outside();
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
            return Outcome::Answer(control::index(&self.base, &self.world, &self.dialects));
        }
        if path == "/_control/state" && reads {
            return Outcome::Answer(control::state(&self.world, &self.dialects));
        }
        if path.starts_with(control::PREFIX) {
            return Outcome::Answer(match control::command(request) {
                Ok(command) => control::report(self.command(&command)),
                Err(refusal) => *refusal,
            });
        }
        let Some(dialect) = self.dialects.iter().find(|dialect| dialect.claims(path)) else {
            let words = "There is nothing here. The page / says what is.\n";
            return Outcome::Answer(text(StatusCode::NOT_FOUND, words));
        };
        let fault = if dialect.is_api(path) {
            self.world.fault()
        } else {
            Fault::None
        };
        if fault == Fault::ServerError
            && let Some(down) = dialect.down()
        {
            return Outcome::Answer(down);
        }
        if let Some(refusal) = faults::instead(fault) {
            return Outcome::Answer(refusal);
        }
        let reply = dialect.answer(request, &self.world);
        if let Err(words) = self.settle() {
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
                self.world.set_fault(*fault);
                Ok(format!("API calls from now on: {}", fault.describe()))
            }
            Command::Advance(by) => self.world.advance(*by).map(|()| {
                let now = self.world.now().rfc3339();
                format!("moved on by {}; the sandbox has {now}", time::fine(*by))
            }),
            Command::SetBack(by) => self.world.set_back(*by).map(|()| {
                let date = self.world.outside().rfc3339();
                format!("set back by {}; Date headers say {date}", time::fine(*by))
            }),
            Command::Set {
                provider,
                setting,
                value,
            } => self
                .dialect(provider)
                .and_then(|dialect| dialect.set(setting, value)),
            Command::Event {
                provider,
                event,
                subject,
            } => self
                .dialect(provider)
                .and_then(|dialect| dialect.event(event, subject, &self.world)),
            Command::Payer { payment, act } => {
                let mut dialects = self.dialects.iter();
                dialects
                    .find_map(|dialect| dialect.act(payment, *act, &self.world))
                    .unwrap_or_else(|| unknown(payment))
            }
            Command::RepeatCallback(payment) => {
                let mut dialects = self.dialects.iter();
                dialects
                    .find_map(|dialect| dialect.repeat_callback(payment, &self.world))
                    .unwrap_or_else(|| unknown(payment))
            }
        };
        self.settle()?;
        result
    }

    fn dialect(&self, provider: &str) -> Result<&dyn Dialect, String> {
        let mut dialects = self.dialects.iter();
        let found = dialects.find(|dialect| dialect.provider() == provider);
        found.map(AsRef::as_ref).ok_or_else(|| {
            let known: Vec<_> = self.dialects.iter().map(|d| d.provider()).collect();
            format!(
                "the sandbox plays no {}; it plays {}",
                crate::domain::inert::quoted(provider, 40),
                known.join(", ")
            )
        })
    }

    /// Keeps what changed and wakes the postman.
    fn settle(&self) -> Result<(), String> {
        self.changed.notify_one();
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        let revision = || {
            self.dialects
                .iter()
                .map(|dialect| dialect.revision())
                .fold(0, u64::wrapping_add)
        };
        let snapshot = || {
            let dialects = self.dialects.iter();
            let kept = dialects.map(|dialect| (dialect.provider().to_owned(), dialect.kept()));
            Kept::new(self.world.seed(), self.world.now(), kept.collect())
        };
        keeper
            .keep(revision, snapshot)
            .map_err(|error| format!("The sandbox cannot keep its state: {error}\n"))
    }

    async fn pump(&self) -> usize {
        const PATIENCE: Duration = Duration::from_secs(5);
        // One round at a time, or a letter would go out twice.
        let _round = self.posting.lock().await;
        let mut sent = 0;
        for dialect in &self.dialects {
            let set_up = self.world.callback_url(dialect.provider());
            for letter in dialect.due(&self.world) {
                let Some(to) = letter.to.as_deref().or(set_up) else {
                    // It waits for a run that has a callback URL.
                    continue;
                };
                let patience = letter.patience.unwrap_or(PATIENCE);
                let answered = http_server::send(&letter.request(to), patience).await.ok();
                dialect.tried(letter.number, answered.as_ref(), &self.world);
                sent += 1;
            }
        }
        if sent > 0 {
            // A full disk delays nothing here: the next call that must be durable reports it.
            let _ = self.settle();
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
        let now = inner.world.now();
        let next = inner
            .dialects
            .iter()
            .filter_map(|dialect| dialect.next_due(&inner.world))
            .min();
        let Some(next) = next else {
            inner.changed.notified().await;
            continue;
        };
        let pause = inner.world.outside_span(next.since(now)).unwrap_or(LONGEST);
        let pause = pause.clamp(Duration::from_millis(1), LONGEST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = inner.changed.notified() => {}
        }
    }
}
