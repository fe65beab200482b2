//! The embedded providers on one loopback server: start, command, stop. Each provider speaks through its
//! [`Dialect`]; this file knows none of them.

pub mod control;
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
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::domain::simulate::{self, Command, Fault, PayerAct};
use crate::domain::{Expected, PaymentId, Secret, WallTime, time};
use crate::http_server::{self, Answered, Limits, Outcome, Request, Response, Server, text};

use keep::{Keeper, Kept};
use outbox::Letter;
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

/// What the index page says of one provider.
#[derive(Debug, Clone)]
pub struct About {
    /// Its name for people.
    pub title: &'static str,
    /// Its accounts: name and API key, never the secret.
    pub keys: Vec<(&'static str, &'static str)>,
    /// Method, path and purpose.
    pub routes: &'static [(&'static str, &'static str, &'static str)],
}

/// A callback that is made up on demand, about something that need not exist.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// About what: a payment's id, a reservation's, a purchase's reference, a player's number.
    pub subject: &'a str,
    /// What it tells, in the provider's word; empty for what it mostly tells.
    pub event: &'a str,
    /// Proves it, where the provider's callbacks are proved at all.
    pub secret: Option<&'a Secret>,
    /// The header that carries the proof, where that is the shop's choice.
    pub header: Option<&'a str>,
    /// When it tells of it.
    pub at: WallTime,
}

/// One provider, as the sandbox plays it. It keeps its own state behind `&self`; a call must not block.
pub trait Dialect: Send + Sync {
    /// The provider's short name.
    fn provider(&self) -> &'static str;
    /// What the index page says of it.
    fn about(&self) -> About;
    /// Takes up its part of the world, from what an earlier run kept where there is something.
    ///
    /// # Errors
    /// If what was kept makes no sense.
    fn begin(&self, world: &World, kept: Option<Value>, same_seed: bool) -> Result<(), String>;
    /// Whether this path is the provider's.
    fn claims(&self, path: &str) -> bool;
    /// Whether this path, being the provider's, is an API call: faults are played on those alone.
    fn is_api(&self, path: &str) -> bool;
    /// Answers a request.
    fn answer(&self, request: &Request, world: &World) -> Response;
    /// Does what a payer does; `None` where it knows no such payment.
    fn act(
        &self,
        _payment: &PaymentId,
        _act: PayerAct,
        _world: &World,
    ) -> Option<Result<String, String>> {
        None
    }
    /// Sends the payment's latest callback once more; `None` where it knows no such payment.
    fn repeat_callback(
        &self,
        _payment: &PaymentId,
        _world: &World,
    ) -> Option<Result<String, String>> {
        None
    }
    /// The payments the world began with and what the shop expects of each.
    fn seeded(&self) -> Vec<(PaymentId, Expected)> {
        Vec::new()
    }
    /// How it is played, as far as that can be changed.
    fn settings(&self) -> Vec<simulate::Setting> {
        Vec::new()
    }
    /// Changes one of its settings, and says in words what is so from now on.
    ///
    /// # Errors
    /// In words, if it has no such setting or the value does not fit.
    fn set(&self, setting: &str, _value: &str) -> Result<String, String> {
        Err(format!(
            "it has no setting {}",
            crate::domain::inert::quoted(setting, 40)
        ))
    }
    /// What can be made to happen at it, besides what payers do.
    fn events(&self) -> &'static [simulate::Event] {
        &[]
    }
    /// Makes one of its events happen, and says in words what did.
    ///
    /// # Errors
    /// In words, if it has no such event or the subject does not fit.
    fn event(&self, event: &str, _subject: &str, _world: &World) -> Result<String, String> {
        Err(format!(
            "it has no event {}",
            crate::domain::inert::quoted(event, 40)
        ))
    }
    /// A callback as the provider would send it, to no address yet.
    ///
    /// # Errors
    /// In words, if it sends none like that.
    fn sample(&self, _sample: &Sample<'_>) -> Result<Letter, String> {
        Err("no callbacks of this provider are made up here".into())
    }
    /// The callbacks that have not been taken yet.
    fn waiting(&self) -> Vec<Letter> {
        Vec::new()
    }
    /// Its state for people and tests, without keys, secrets and tokens.
    fn state(&self, world: &World) -> Value;
    /// A number that changes whenever [`Dialect::kept`] does.
    fn revision(&self) -> u64;
    /// What must survive a restart. No secrets.
    fn kept(&self) -> Value;
    /// The callbacks to be sent now.
    fn due(&self, world: &World) -> Vec<Letter>;
    /// When there will be one to be sent; `None` where nothing waits, or nothing could go out.
    fn next_due(&self, world: &World) -> Option<WallTime>;
    /// What came of sending one; `None` where no answer came.
    fn tried(&self, letter: u64, answered: Option<&Answered>, world: &World);
}

/// Put among a response's extensions: it leaves this much later, by the clock outside the world.
#[derive(Debug, Clone, Copy)]
pub struct Late(pub Duration);

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
            Outcome::HangUp => Outcome::HangUp,
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
