//! The gate: the only way out. [`Session::send`] is the ordered list of checks every request passes.

mod attempt;
pub mod budget;
pub mod call;
pub mod coding;
pub mod connecting;
pub mod error;
pub mod events;
mod failure;
mod forwarding;
pub mod http;
mod log_lines;
mod probe;
pub mod proxy;
pub mod record;
pub mod redact;
mod resolver;
pub mod retry;
pub mod trust;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;

use attempt::{Attempt, Outbound};
pub use budget::Limit;
use budget::WaitReporter;
pub use call::{
    Call, ForwardedRequest, MaybeSecret, Repeat, Reply, RequestBody, SignedRequest, form_boundary,
};
pub use error::NetError;
pub use events::{Event, EventReceiver, EventSender};
pub use http::{Http, Network};
pub use probe::Reached;
use retry::Decision;

use crate::clock::Clock;
use crate::domain::raw_path::without_query;
use crate::domain::{
    Account, AccountId, BudgetGauge, Counts, Environment, Now, RequestId, Secret, Waiting,
    WallTime, host, inert,
};
use crate::ledger::{Ledger, LedgerError, Persistence, Recorded};

/// A boxed future, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Turns a call into its final bytes: adds keys, tokens, nonces, signatures. One per account.
#[async_trait]
pub trait Authorise: Send + Sync {
    /// Gets what takes requests of its own, such as an access token. Called before a slot is taken, so that no slot
    /// is held during that time.
    ///
    /// # Errors
    /// If no token can be obtained.
    async fn prepare(&self, _call: &Call, _options: RequestOptions) -> Result<(), NetError> {
        Ok(())
    }

    /// Signs one attempt. Called again for each attempt, since a nonce is valid once. Sends nothing itself.
    ///
    /// # Errors
    /// If the secret cannot be read or no nonce is available; [`NetError::Unprepared`] where the result of
    /// [`Authorise::prepare`] has expired meanwhile.
    async fn authorise(&self, call: &Call) -> Result<SignedRequest, NetError>;

    /// Whether this response rejects an outdated nonce, token or secret, so that one more attempt with a fresh one is
    /// worthwhile. The provider did not carry out the call then. `credential` is that of the attempt
    /// ([`SignedRequest::credential`]). May read the source of a secret, which takes seconds where that is a password
    /// manager.
    ///
    /// `renewed` says that this response is to such an attempt already: the call is not sent again, whatever this returns.
    async fn is_stale(&self, _reply: &Reply, _credential: Option<&Secret>, _renewed: bool) -> bool {
        false
    }

    /// What the body of this response says where it reports a failure, in a few words: `fail 9000`. The log shows it where
    /// the status is that of a success.
    fn refusal(&self, _reply: &Reply) -> Option<String> {
        None
    }

    /// Whether requests have a nonce, which is made from the time.
    fn has_nonces(&self) -> bool {
        false
    }

    /// Called with the provider's time from a response seen at `seen`.
    fn provider_time(&self, _date: WallTime, _seen: Now) {}
}

/// Safety rules that the operator has switched off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Send requests although the ledger cannot be written and other processes cannot see them: within a part of each
    /// limit.
    pub uncoordinated: bool,
    /// Send nonces that are ahead of the provider's time.
    pub allow_nonce_ahead: bool,
    /// Send nothing that other machines must know of: this ledger is not the one that they share.
    pub read_only: bool,
}

/// How far a clock or a nonce is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockWarning {
    /// This machine's clock is ahead of the provider's by at least this much; whether nonces are made from it.
    Clock(Duration, bool),
    /// The nonces of the account's key are ahead of the provider's time by this much: the provider rejects other
    /// programs that use the key.
    Nonces(Duration),
}

/// Sees events as they are sent.
pub type Observer = Box<dyn Fn(&Event) + Send + Sync>;

/// Shared by all sessions: the connection pool, the ledger, the clock and the event channel.
pub struct Gate {
    http: Http,
    ledger: Ledger,
    clock: Clock,
    events: Option<EventSender>,
    limiters: budget::RateLimiters,
    clock_warning: parking_lot::Mutex<Option<(AccountId, ClockWarning)>>,
    /// Sees each event but exchanges. It must return at once.
    pub(crate) observer: Option<Observer>,
    /// The safety rules that are off.
    pub(crate) overrides: Overrides,
    /// The profile of the accounts: the request log names it.
    pub(crate) profile: String,
}

impl Gate {
    /// A gate; nothing is opened yet.
    pub fn new(
        ledger: Ledger,
        clock: Clock,
        network: Network,
        events: Option<EventSender>,
    ) -> Self {
        Self {
            http: Http::new(network, clock.clone()),
            ledger,
            clock,
            events,
            observer: None,
            limiters: budget::RateLimiters::default(),
            clock_warning: parking_lot::Mutex::default(),
            overrides: Overrides::default(),
            profile: String::new(),
        }
    }

    /// The latest clock warning and its account.
    pub fn clock_warning(&self) -> Option<(AccountId, ClockWarning)> {
        self.clock_warning.lock().clone()
    }

    /// Whether `account` may send only what the ledger has saved.
    pub fn persistence(&self, account: &Account) -> Persistence {
        if account.environment == Environment::Embedded || self.overrides.uncoordinated {
            Persistence::BestEffort
        } else {
            Persistence::Required
        }
    }

    fn emit_clock_warning(&self, account: &AccountId, warning: ClockWarning) {
        // Saved as well as emitted: a command without an event channel reads it at its end.
        let reported = Some((account.clone(), warning));
        *self.clock_warning.lock() = reported;
        self.emit(Event::ClockWarning(account.clone(), warning));
    }

    /// Proxy, certificates and timeout.
    pub fn network(&self) -> &Network {
        self.http.network()
    }

    /// The gauge of `limit`.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn gauge(&self, limit: &Limit) -> Result<BudgetGauge, LedgerError> {
        budget::gauge(self, limit).await
    }

    /// Waits until the reader of events is not far behind. Only for senders that nothing else depends on.
    pub async fn caught_up(&self) {
        if let Some(events) = &self.events {
            events.room().await;
        }
    }

    /// Sends an event to the reader, in order and without waiting, and to the support log.
    pub fn emit(&self, event: Event) {
        if let Some(observer) = &self.observer {
            observer(&event);
        }
        emit(self.events.as_ref(), event);
    }

    /// Emits an exchange once the ledger has numbered it. If it was reported as running, that ends then.
    fn emit_recorded(&self, running: Option<RequestId>) -> Recorded {
        let events = self.events.clone();
        Box::new(move |exchange| {
            emit(events.as_ref(), Event::Exchange(Arc::new(exchange)));
            if let Some(request) = running {
                emit(events.as_ref(), Event::Running(request, None));
            }
        })
    }
}

fn emit(events: Option<&EventSender>, event: Event) {
    log_lines::log(&event);
    if let Some(events) = events {
        events.send(event);
    }
}

/// Options of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestOptions {
    /// The number under which its wait is reported.
    pub request: RequestId,
    /// Low priority: behind all other requests, and leaves part of the budget free.
    pub background: bool,
    /// Fail at once where no slot is free.
    pub no_wait: bool,
}

impl RequestOptions {
    /// Options of a request that no operator waits for: low priority, under a number of its own. These numbers count down
    /// from the last, those of the operator's requests count up.
    pub fn background() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);
        Self {
            request: RequestId(NEXT.fetch_sub(1, Ordering::Relaxed)),
            background: true,
            no_wait: false,
        }
    }
}

/// The gate bound to one account.
#[derive(Clone)]
pub struct Session {
    gate: Arc<Gate>,
    account: Arc<Account>,
    endpoints: Arc<[(&'static str, Url)]>,
    limits: Arc<[Limit]>,
    /// For the calls that none of them counts.
    uncounted: Option<Limit>,
    idle: Duration,
}

impl Session {
    /// A session for `account`, whose calls may go to `endpoints` and nowhere else.
    pub fn new(
        gate: Arc<Gate>,
        account: Account,
        endpoints: Vec<(&'static str, Url)>,
        limits: Vec<Limit>,
    ) -> Self {
        Self {
            uncounted: Limit::uncounted(&limits),
            idle: gate.network().idle.unwrap_or(http::IDLE),
            gate,
            account: account.into(),
            endpoints: endpoints.into(),
            limits: limits.into(),
        }
    }

    /// The same with this response timeout, where the operator sets none.
    #[must_use]
    pub fn with_timeout(mut self, idle: Duration) -> Self {
        self.idle = self.gate.network().idle.unwrap_or(idle);
        self
    }

    /// Ends the holds after a 429. Another process that already knows of a hold keeps waiting.
    pub async fn lift_holds(&self) {
        budget::lift(self).await;
    }

    /// The gate it is bound to.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The account it is bound to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Where its calls may go.
    pub fn endpoints(&self) -> &[(&'static str, Url)] {
        &self.endpoints
    }

    /// Its rate limits.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// Its rate limits, and what holds the calls that none of them counts.
    pub fn holding_limits(&self) -> impl Iterator<Item = &Limit> {
        self.limits.iter().chain(&self.uncounted)
    }

    fn limit(&self, call: &Call) -> Option<&Limit> {
        let counting = self.limits.iter().find(|limit| match limit.counts {
            // Those of the account's other endpoints, too.
            Counts::All => true,
            counts => limit.endpoint == call.endpoint && counts.covers(&call.method),
        });
        counting.or(self.uncounted.as_ref())
    }

    /// Sends `call`, in this order: host allowed, slot taken, signed, sent, recorded redacted, then retried or
    /// returned.
    ///
    /// # Errors
    /// If no complete response arrived; [`NetError::Unconfirmed`] where a write may have been carried out all the
    /// same. A response with an error status is not an error here.
    pub async fn send(
        &self,
        call: &Call,
        authorise: &dyn Authorise,
        options: RequestOptions,
    ) -> Result<Reply, NetError> {
        // Boxed: it is several kilobytes large, and callers move what they await.
        let reply = Box::pin(self.send_with_retries(call, authorise, options)).await;
        reply.map_err(|error| match call.repeat {
            Repeat::Safe => error,
            Repeat::Never | Repeat::NoResponse => error.for_write(),
        })
    }

    async fn send_with_retries(
        &self,
        call: &Call,
        authorise: &dyn Authorise,
        options: RequestOptions,
    ) -> Result<Reply, NetError> {
        // First: a path that leads to another host must cost neither a slot nor a nonce, and no token must be fetched
        // for it.
        let url = self.resolve(call)?;
        let outbound = Outbound {
            session: self,
            call,
            url: &url,
            authorise,
            options,
        };
        let mut first = None;
        let mut waits = retry::waits();
        let mut renewed = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Attempt {
                began,
                result: tried,
                credential,
                held,
            } = outbound.attempt(attempt).await?;
            let first = *first.get_or_insert(began);
            if let Ok(reply) = &tried {
                // At once and only once: the fresh nonce, token or secret needs no wait, and a second rejection has
                // another cause.
                let is_stale = authorise.is_stale(reply, credential.as_ref(), renewed);
                if is_stale.await && !renewed {
                    renewed = true;
                    continue;
                }
                // 304 answers a conditional request and points nowhere (RFC 9110, 15.4.5).
                if (300..400).contains(&reply.status) && reply.status != 304 {
                    let to = reply.header("location").unwrap_or("nowhere");
                    return Err(NetError::Redirected {
                        host: http::authority(&url),
                        status: reply.status,
                        to: inert::cut(&redact::header("location", to), 120),
                    });
                }
            }
            if let Some(left) = held {
                if options.no_wait {
                    return Err(NetError::RateLimited {
                        left,
                        no_wait: true,
                    });
                }
                // The wait itself is not used, only counted: these retries end after `TRIES_MAX` like the others.
                if left > budget::HOLD_WAITED_MAX || waits.next().is_none() {
                    return tried;
                }
                // The next attempt waits for its slot until the hold is over; that wait is shown and can be
                // cancelled.
                continue;
            }
            let requested = match retry::decide(call.repeat, &tried) {
                Decision::Return => return tried,
                Decision::Retry => None,
                Decision::RetryAfter(wait) => Some(wait),
            };
            // On the monotonic clock: a clock that is set meanwhile ends no retries early.
            let elapsed = self.gate.clock.now().mono.saturating_sub(first);
            let Some(wait) = waits
                .next()
                .map(|own| requested.map_or(own, |requested| requested.max(own)))
            else {
                return tried;
            };
            if options.no_wait && requested.is_some() || elapsed > retry::LAST_START {
                return tried;
            }
            let why = match &tried {
                Ok(reply) if reply.status == 429 => budget::RATE_LIMITED.to_owned(),
                Ok(reply) => format!("status {}", reply.status),
                Err(error) => error.in_brief().to_owned(),
            };
            let mut reporter = WaitReporter::new(self, call, options);
            reporter.emit(&why, Some(wait));
            tokio::time::sleep(wait).await;
        }
    }

    fn waiting(&self, call: &Call, why: String, left: Option<Duration>) -> Waiting {
        Waiting {
            account: self.account.id.clone(),
            method: call.method.clone(),
            path: redact::scrub(without_query(&call.path)).into_owned(),
            about: redact::scrub(&call.about).into_owned(),
            why,
            until: left.map(|left| self.gate.clock.now().mono.saturating_add(left)),
            left,
        }
    }

    /// The URL of a call.
    ///
    /// # Errors
    /// If that is not one of the account's endpoints, or plain http to another machine.
    pub fn resolve(&self, call: &Call) -> Result<Url, NetError> {
        let bad = || NetError::BadPath(inert::quoted(&call.path, 80));
        let (_, base) = self
            .endpoints
            .iter()
            .find(|(name, _)| *name == call.endpoint)
            .ok_or_else(bad)?;
        // `//` would begin a host name.
        if !call.path.starts_with('/')
            || call.path.starts_with("//")
            || call
                .path
                .contains(|c: char| c.is_control() || c == '\\' || c == ' ')
        {
            return Err(bad());
        }
        let path_only = without_query(&call.path);
        // Servers and proxies decode `%2e%2e` before they resolve it, so the decoded path is checked.
        let climbs = percent_encoding::percent_decode_str(path_only)
            .decode_utf8_lossy()
            .split(['/', '\\'])
            .any(|part| part == "..");
        if climbs {
            return Err(bad());
        }
        // `/` is the endpoint itself: an endpoint with a path gets no slash at its end.
        let url = if call.path == "/" {
            base.clone()
        } else {
            let joined = format!("{}{}", base.as_str().trim_end_matches('/'), call.path);
            Url::parse(&joined).map_err(|_| bad())?
        };
        // The last line of defence: whatever the URL parser made of the path, the credentials go to this host only.
        if url.host() != base.host() || url.port_or_known_default() != base.port_or_known_default()
        {
            return Err(NetError::ForeignHost(http::authority(&url)));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback(&url) => Ok(url),
            _ => Err(NetError::PlainHttp(http::authority(&url))),
        }
    }
}

/// Whether the URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(host::is_loopback)
}
