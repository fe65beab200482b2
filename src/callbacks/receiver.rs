//! The receiver: each request is judged, made durable, answered, and only then reported.

mod judged;
mod relay;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

pub use judged::Arrival;
use judged::{incomplete, readable};
use relay::TimedOut;

use super::health::{HEARTBEAT, HealthCheck};
use super::limits::Limits;
use super::probe::CHALLENGE;
use super::rate::{Sender, TokenBuckets, sender};
use super::seal::Sealer;
use super::{Address, Answer, CallbackHandler, CallbackHandlers, Inbound, ParsedCallback, Refusal};
use crate::clock::Clock;
use crate::domain::{CallbackVerdict, Delivery, ListenerStatus, Problem, ProblemKind};
use crate::http_server::{
    Admission, Outcome, Peer, Request, Response, Server, Unread, UnsupportedProtocol, respond, text,
};
use crate::ledger::{Ledger, NewDelivery};
use crate::net::coding;

/// A reverse proxy ends the request earlier than this.
const JUDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Memory for callbacks that are being judged and saved, in KiB. It has its own limit, since that work continues after
/// the sender disconnects.
const IN_PROGRESS_KIB: usize = 64 * 1024;
/// How often a problem of one account is reported.
const REPORT_AGAIN: Duration = Duration::from_secs(30);
/// The `Retry-After` of a callback that cannot be saved or judged now (RFC 9110 10.2.3).
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The text of the answer to such a callback.
const UNABLE: &str = "This callback cannot be saved now. Please send it again.\n";

/// What a receiver needs.
pub struct Setup {
    /// Its limits.
    pub limits: Limits,
    /// Where callbacks are saved.
    pub ledger: Ledger,
    /// The clock for their time of receipt.
    pub clock: Clock,
    /// Seals their bytes.
    pub sealer: Arc<Sealer>,
    /// As in [`NewDelivery`].
    pub account_key: String,
    /// Proxies on other machines that name the senders.
    pub trusted_proxies: Vec<IpNet>,
    /// Finds each account's handler.
    pub handlers: Arc<dyn CallbackHandlers>,
}

/// Answers every request on `listener` with 503, while callbacks cannot be saved yet.
///
/// # Errors
/// If the listener does not know its own address.
pub fn turn_away(listener: TcpListener, limits: Limits) -> io::Result<Server> {
    let admit = |_: &Parts| Admission::Discard;
    Server::start_admitting(listener, limits.server, admit, |_| async {
        Outcome::Answer(unable())
    })
}

/// A running receiver. Dropped, it closes its connections.
pub struct Receiver {
    server: Server,
    shared: Arc<Shared>,
    listening: watch::Receiver<ListenerStatus>,
    health: AbortOnDropHandle<()>,
    _foreign: AbortOnDropHandle<()>,
}

struct Shared {
    setup: Setup,
    rates: Mutex<TokenBuckets>,
    room: Arc<Semaphore>,
    /// When each account's last problem was reported.
    unable_reported: Mutex<HashMap<String, Duration>>,
    /// Judging and saving continue if the sender disconnects: the callback may be durable already.
    tasks: TaskTracker,
    health: Arc<HealthCheck>,
}

impl Receiver {
    /// Receives on `listener` until stopped.
    ///
    /// # Errors
    /// If the listener does not know its own address.
    pub fn start(listener: TcpListener, setup: Setup) -> io::Result<Self> {
        let (clock, ledger) = (setup.clock.clone(), setup.ledger.clone());
        let forwards = setup.handlers.forwards();
        let (health, listening) = HealthCheck::new(clock, ledger, setup.sealer.clone(), forwards);
        let limits = setup.limits;
        let shared = Arc::new(Shared {
            rates: Mutex::new(TokenBuckets::new(limits.rate)),
            room: Arc::new(Semaphore::new(IN_PROGRESS_KIB)),
            unable_reported: Mutex::default(),
            setup,
            tasks: TaskTracker::new(),
            health: Arc::new(health),
        });
        let server = {
            let (admitting, shared) = (shared.clone(), shared.clone());
            let admit = move |head: &Parts| admitting.admit(head);
            Server::start_admitting(listener, limits.server, admit, move |request| {
                let shared = shared.clone();
                async move { Outcome::Answer(shared.answer(request).await) }
            })?
        };
        let run_probe = shared.health.clone().run_probe(server.address(), limits);
        let health = AbortOnDropHandle::new(tokio::spawn(run_probe));
        let report = shared.clone().report_foreign(server.foreign());
        Ok(Self {
            _foreign: AbortOnDropHandle::new(tokio::spawn(report)),
            server,
            shared,
            listening,
            health,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The result of its own probes; [`ListenerStatus::Off`] before the first.
    pub fn listening(&self) -> watch::Receiver<ListenerStatus> {
        self.listening.clone()
    }

    /// Accepts no new connections, and finishes requests in progress, those too whose body is still arriving, for as long
    /// as an order may take: the shop may have delivered, and the provider charges only with its answer.
    pub async fn stop(self) {
        self.health.abort();
        self.shared.tasks.close();
        let patience = self.shared.setup.limits.answering();
        // A request that takes longer ends with the runtime.
        let finished = self.shared.tasks.wait();
        let _ = tokio::join!(
            self.server.stop(patience),
            tokio::time::timeout(patience, finished)
        );
        self.shared.health.stop();
    }
}

impl Shared {
    fn sender(&self, headers: &HeaderMap, extensions: &Extensions) -> Sender {
        sender(headers, extensions, &self.setup.trusted_proxies)
    }

    /// Reads a body only for a known account, and only up to the largest size of its provider's callbacks.
    fn admit(&self, head: &Parts) -> Admission {
        let sender = self.sender(&head.headers, &head.extensions);
        if !matches!(sender, Sender::Local(_)) {
            let now = self.setup.clock.now().mono;
            let mut rates = self.rates.lock();
            // Before the body is read, so that a flood costs no memory (RFC 6585, 4).
            if let Err(wait) = rates.take(sender.address(), now) {
                let words = "Too many callbacks from this address.\n";
                return Admission::Refuse(later(StatusCode::TOO_MANY_REQUESTS, words, wait));
            }
        }
        let address = Address::of(head.uri.path());
        let handler = address.and_then(|to| self.setup.handlers.find(&to.account));
        handler.map_or(Admission::Discard, |handler| {
            Admission::Judge(handler.body_max())
        })
    }

    async fn answer(self: &Arc<Self>, request: Request) -> Response {
        let path = request.uri().path();
        if path == HEARTBEAT {
            return self.health.answer_probe(&request, true);
        }
        // Too many large bodies at once: 503, so that the provider sends it again.
        if request.extensions().get() == Some(&Unread(StatusCode::SERVICE_UNAVAILABLE)) {
            return unable();
        }
        // Scanners probe many paths: what is not below /callbacks/ leaves no row.
        let Some(address) = Address::of(path) else {
            return text(StatusCode::NOT_FOUND, "Not found.\n");
        };
        let name = address.account.into_owned();
        let from = self
            .sender(request.headers(), request.extensions())
            .address();
        let handler = self.setup.handlers.find(&name);
        // No provider's callback has this header: it leaves no row.
        if request.headers().contains_key(CHALLENGE) {
            return self.health.answer_probe(&request, handler.is_some());
        }
        let mut bytes = size(&request);
        if let Some(handler) = &handler
            && coding::may_grow(request.body(), request.headers())
        {
            // Decompressed it may have any size up to this limit.
            bytes += handler.body_max();
        }
        // Capped at the whole, or a body above it would wait for ever.
        let kib = u32::try_from((bytes / 1024 + 1).min(IN_PROGRESS_KIB)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(kib);
        let Ok(room) = tokio::time::timeout(JUDGE_TIMEOUT, room).await else {
            return unable();
        };
        let inbound = Inbound {
            request,
            from,
            at: self.setup.clock.now().wall,
        };
        let (answer_sender, answer) = oneshot::channel();
        let shared = self.clone();
        self.tasks.spawn(async move {
            let _room = room;
            let (answer, saved) = match handler {
                Some(handler) => shared.receive(&name, &*handler, inbound).await,
                None => shared.miss(&name, &inbound).await,
            };
            // The sender may have closed the connection.
            let _ = answer_sender.send(answer);
            if let Some(delivery) = saved {
                shared.setup.handlers.saved(delivery);
            }
        });
        // The task panicked: 503, so that the provider sends again what was not saved.
        answer.await.unwrap_or_else(|_| unable())
    }

    /// Saves a callback that belongs to no account.
    async fn miss(&self, name: &str, inbound: &Inbound) -> (Response, Option<Delivery>) {
        let mut why = if name.is_empty() {
            "the path ends before the account's name: /callbacks/NAME".to_owned()
        } else {
            "no account has this name".to_owned()
        };
        if let Some(Unread(status)) = inbound.request.extensions().get() {
            why = format!("{why}; {}", incomplete(*status));
        }
        let arrival = self.arrival(name, "", inbound);
        self.reject(&arrival, &Refusal::NoAccount(why), None).await
    }

    /// Judges a callback, saves it, and returns the answer.
    async fn receive(
        &self,
        name: &str,
        handler: &dyn CallbackHandler,
        inbound: Inbound,
    ) -> (Response, Option<Delivery>) {
        let judged = async {
            let readable = readable(&inbound, handler.body_max())?;
            let judged = tokio::time::timeout(JUDGE_TIMEOUT, handler.read(&readable)).await;
            judged.unwrap_or_else(|_| Err(Refusal::Unable(secrets_too_slow(name))))
        };
        match judged.await {
            Ok(parsed) => self.accept(name, handler, &inbound, parsed).await,
            Err(refusal) => {
                let arrival = self.arrival(name, handler.provider(), &inbound);
                if let Refusal::Unable(problem) = &refusal {
                    self.report_unable(name, problem.clone());
                }
                self.reject(&arrival, &refusal, handler.forward_to()).await
            }
        }
    }

    fn arrival<'a>(
        &'a self,
        account: &'a str,
        provider: &'a str,
        inbound: &'a Inbound,
    ) -> Arrival<'a> {
        Arrival {
            account_key: &self.setup.account_key,
            account,
            provider,
            inbound,
        }
    }

    /// Saves a callback that is rejected, or cannot be verified yet.
    async fn reject(
        &self,
        arrival: &Arrival<'_>,
        refusal: &Refusal,
        forward_to: Option<String>,
    ) -> (Response, Option<Delivery>) {
        let new = arrival.rejected(refusal, forward_to);
        match self.save(new, arrival.inbound).await {
            Some(delivery) => (refusal.answer(), Some(delivery)),
            None => (unable(), None),
        }
    }

    /// Saves a valid callback, with its jobs.
    async fn accept(
        &self,
        name: &str,
        handler: &dyn CallbackHandler,
        inbound: &Inbound,
        parsed: ParsedCallback,
    ) -> (Response, Option<Delivery>) {
        let arrival = self.arrival(name, handler.provider(), inbound);
        let new = arrival.accepted(&parsed, handler.forward_to());
        // A 200 would make the provider forget the callback, so without a durable row it gets 503.
        let Some(delivery) = self.save(new, inbound).await else {
            return (unable(), None);
        };
        let answer = match parsed.answer {
            Answer::Plain => text(StatusCode::OK, "ok"),
            Answer::Relayed { otherwise } => {
                let dedup_key = arrival.dedup_key(&parsed);
                let body = match delivery.verdict {
                    // Only the first delivery calls the shop; a repeat gets the same answer, or an order would be
                    // delivered twice.
                    CallbackVerdict::Accepted => {
                        match self.relay(handler, inbound, &delivery).await {
                            Ok(answer) => answer,
                            Err(TimedOut) => self.saved_answer(dedup_key).await,
                        }
                    }
                    _ => self.first_answer(dedup_key).await,
                };
                json(body.unwrap_or_else(|| Bytes::from_static(otherwise.as_bytes())))
            }
        };
        (answer, Some(delivery))
    }

    async fn save(&self, new: NewDelivery, inbound: &Inbound) -> Option<Delivery> {
        let name = new.account.clone();
        let new = NewDelivery {
            // Sealed as received, so that a forward sends the same bytes.
            sealed: self.setup.sealer.seal(inbound),
            ..new
        };
        match self.setup.ledger.deliver(new).await {
            Ok(delivery) => Some(delivery),
            Err(error) => {
                // Unknown names are endless, so they are not worth a warning each.
                if let Some(handler) = self.setup.handlers.find(&name) {
                    let message = format!("account {name}: a callback was not saved: {error}");
                    self.report_unable(&name, Problem::local(message, handler.if_unsaved()));
                }
                None
            }
        }
    }

    /// Reports each protocol once that a proxy speaks in place of HTTP/1.1. Strangers try such protocols, too.
    async fn report_foreign(
        self: Arc<Self>,
        mut clients: watch::Receiver<Option<(UnsupportedProtocol, Peer)>>,
    ) {
        let mut reported = Vec::new();
        while clients.changed().await.is_ok() {
            let Some((foreign, Peer(peer))) = *clients.borrow_and_update() else {
                continue;
            };
            let ip = peer.ip().to_canonical();
            let mut trusted = self.setup.trusted_proxies.iter();
            let is_proxy = ip.is_loopback() || trusted.any(|network| network.contains(&ip));
            if !is_proxy || reported.contains(&foreign) {
                continue;
            }
            reported.push(foreign);
            let (protocol, change) = match foreign {
                UnsupportedProtocol::Proxy => (
                    "the PROXY protocol",
                    "turn it off there (haproxy: `send-proxy`; nginx: `proxy_protocol on`)",
                ),
                UnsupportedProtocol::Http2 => (
                    "HTTP/2",
                    "let it use HTTP/1.1 (haproxy: without `proto h2`; Caddy: without `h2c`)",
                ),
            };
            self.setup.handlers.foreign(format!(
                "the proxy at {ip} sends {protocol}, which the receiver does not understand, so its callbacks are lost; {change}"
            ));
        }
    }

    fn report_unable(&self, name: &str, problem: Problem) {
        let now = self.setup.clock.now().mono;
        {
            let mut reported = self.unable_reported.lock();
            let lately = |at: &Duration| now.saturating_sub(*at) < REPORT_AGAIN;
            if reported.get(name).is_some_and(lately) {
                return;
            }
            reported.insert(name.to_owned(), now);
        }
        self.setup.handlers.unable(name, problem);
    }
}

fn secrets_too_slow(name: &str) -> Problem {
    Problem::new(
        ProblemKind::TimedOut,
        format!(
            "account {name}: callbacks cannot be verified: reading its secrets takes longer than {} s",
            JUDGE_TIMEOUT.as_secs()
        ),
        "check whether a keyring or password manager waits for your input",
    )
}

/// The approximate memory it takes.
fn size(request: &Request) -> usize {
    let headers = request.headers().iter();
    let head: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    request.body().len() + head
}

fn json(body: Bytes) -> Response {
    respond(StatusCode::OK, "application/json", body)
}

fn unable() -> Response {
    later(StatusCode::SERVICE_UNAVAILABLE, UNABLE, RETRY_AFTER)
}

fn later(status: StatusCode, words: &str, wait: Duration) -> Response {
    let mut response = text(status, words);
    // Whole seconds (RFC 9110, 10.2.3), rounded up so that the sender does not come too early.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}
