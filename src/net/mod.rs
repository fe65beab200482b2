//! The gate: the only way out. [`Session::send`] is the ordered list of checks every request passes.

pub mod budget;
pub mod call;
pub mod coding;
pub mod error;
pub mod events;
pub mod http;
mod log_lines;
pub mod proxy;
pub mod record;
pub mod redact;
pub mod retry;
pub mod trust;
mod verbatim;

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use reqwest::Url;

pub use budget::Limit;
pub use call::{Call, Content, HeaderText, Repeat, Reply, SignedRequest, form_boundary};
pub use error::NetError;
pub use events::{Event, EventReceiver, EventSender};
pub use http::{Http, Network, Timeouts};
pub use log_lines::without_query;
pub use verbatim::Verbatim;

use crate::clock::Clock;
use crate::domain::{
    Account, AccountId, BudgetGauge, Environment, Exchange, Now, RequestId, Secret, Waiting,
    WallTime, host, inert,
};
use crate::ledger::{AHEAD_MAX, Ledger, LedgerError, Persistence, Status};

/// A boxed future, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Turns a call into its final bytes: adds keys, tokens, nonces, signatures. One per account.
pub trait Authorise: Send + Sync {
    /// Gets ready what takes requests of its own, like an access token. Called before a slot of the budget is
    /// taken, so that nothing waits with a slot in its hand.
    ///
    /// # Errors
    /// If it cannot be had.
    fn prepare<'a>(
        &'a self,
        _call: &'a Call,
        _how: RequestOptions,
    ) -> BoxFuture<'a, Result<(), NetError>> {
        Box::pin(async { Ok(()) })
    }

    /// Seals one try. Called anew for each try, since a nonce serves once. Sends nothing itself.
    ///
    /// # Errors
    /// If the secret cannot be read or no nonce can be had; [`NetError::Unprepared`] where what
    /// [`Authorise::prepare`] got has run out meanwhile.
    fn authorise<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<SignedRequest, NetError>>;

    /// Whether this reply means that the authorisation was stale (a nonce overtaken by another program, a token
    /// that was revoked), so that one more try with a fresh one is worth it. Nothing was carried out then.
    /// `token` is the access token the try carried.
    fn is_stale(&self, _reply: &Reply, _token: Option<&Secret>) -> bool {
        false
    }

    /// A reply, seen at `seen`, says what the provider's time is.
    fn provider_time(&self, _date: WallTime, _seen: Now) {}
}

/// What an operator may insist on against what tilldeck promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Requests are sent although the ledger cannot be written, so that other processes know nothing of them: within
    /// a part of each limit.
    pub uncoordinated: bool,
    /// Nonces are sent that are ahead of the provider's time.
    pub allow_nonce_ahead: bool,
}

/// By how much time may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockWarning {
    /// This machine's clock is ahead of the provider's by at least so much.
    Clock(Duration),
    /// The nonces of the account's key are ahead of the provider's time by so much: other programs that use the key
    /// are refused.
    Nonces(Duration),
}

/// What all sessions share: the connection pool, the ledger, the clock, and who listens.
pub struct Gate {
    http: Http,
    ledger: Ledger,
    clock: Clock,
    events: Option<EventSender>,
    limiters: budget::RateLimiters,
    clock_warning: std::sync::Mutex<Option<(AccountId, ClockWarning)>>,
    overrides: Overrides,
}

impl Gate {
    /// A gate; nothing is opened yet.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        clock: Clock,
        network: impl Into<Network>,
        events: Option<EventSender>,
    ) -> Self {
        Self {
            http: Http::new(network.into(), clock.clone()),
            ledger,
            clock,
            events,
            limiters: budget::RateLimiters::default(),
            clock_warning: std::sync::Mutex::default(),
            overrides: Overrides::default(),
        }
    }

    /// The same, for an operator who insists.
    #[must_use]
    pub fn with_overrides(mut self, overrides: Overrides) -> Self {
        self.overrides = overrides;
        self
    }

    /// What the operator insists on.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        self.overrides
    }

    /// What was last seen to be wrong with the time, and for which account.
    #[must_use]
    pub fn clock_warning(&self) -> Option<(AccountId, ClockWarning)> {
        self.clock_warning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What of the ledger's must be written before `account` may use it.
    #[must_use]
    pub fn persistence(&self, account: &Account) -> Persistence {
        if account.environment == Environment::Embedded || self.overrides.uncoordinated {
            Persistence::BestEffort
        } else {
            Persistence::Required
        }
    }

    fn warn_of_clock(&self, account: &AccountId, warning: ClockWarning) {
        let told = Some((account.clone(), warning));
        *self
            .clock_warning
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = told;
        self.emit(Event::ClockWarning(account.clone(), warning));
    }

    /// How other machines are reached.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.http.network()
    }

    /// How the budget of `limit` stands.
    pub async fn gauge(&self, limit: &Limit) -> Option<BudgetGauge> {
        budget::gauge(self, limit).await
    }

    /// Waits until whoever listens is not far behind. Only for what nothing else waits for.
    pub async fn caught_up(&self) {
        if let Some(events) = &self.events {
            events.room().await;
        }
    }

    /// Tells whoever listens, in order and without waiting for them; and the log for support.
    pub fn emit(&self, event: Event) {
        emit(self.events.as_ref(), event);
    }

    /// Tells of an exchange once it has its number.
    fn tell_recorded(&self) -> impl FnOnce(Exchange) + Send + 'static {
        let events = self.events.clone();
        move |exchange| emit(events.as_ref(), Event::Exchange(Arc::new(exchange)))
    }
}

fn emit(events: Option<&EventSender>, event: Event) {
    log_lines::log(&event);
    if let Some(events) = events {
        events.send(event);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.limiters.close(&self.ledger, &self.clock);
    }
}

/// How one request is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestOptions {
    /// Under which number the waiting is told.
    pub request: RequestId,
    /// Whether it goes behind all else and leaves part of the budget free.
    pub background: bool,
    /// Whether to give up at once where no slot is free.
    pub no_wait: bool,
}

/// The gate bound to one account.
#[derive(Clone)]
pub struct Session {
    gate: Arc<Gate>,
    account: Account,
    endpoints: Vec<(&'static str, Url)>,
    limits: Arc<[Limit]>,
    idle: Duration,
}

impl Session {
    /// A session for `account`, whose calls may go to `endpoints` and nowhere else.
    #[must_use]
    pub fn new(
        gate: Arc<Gate>,
        account: Account,
        endpoints: Vec<(&'static str, Url)>,
        limits: Vec<Limit>,
    ) -> Self {
        Self {
            idle: gate.network().timeouts.idle.unwrap_or(http::IDLE),
            gate,
            account,
            endpoints,
            limits: limits.into(),
        }
    }

    /// The same, with a time of its own for which a reply may stay away, where the operator names none.
    #[must_use]
    pub fn with_timeout(mut self, idle: Duration) -> Self {
        self.idle = self.gate.network().timeouts.idle.unwrap_or(idle);
        self
    }

    /// Sends again although the provider asked to be left alone for longer (429). Another process that knows of that
    /// wish keeps to it.
    pub async fn lift_holds(&self) {
        budget::lift(self).await;
    }

    /// The gate it is bound to.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The account it is bound to.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The rate limits it is kept to.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The limit that counts `call`.
    fn limit(&self, call: &Call) -> Option<&Limit> {
        self.limits
            .iter()
            .find(|limit| limit.endpoint == call.endpoint && limit.counts.covers(&call.method))
    }

    /// Sends `call`, in this order: host allowed, slot taken, authorised and sealed, sent, recorded
    /// redacted, tried again or returned.
    ///
    /// # Errors
    /// If no whole reply came; [`NetError::Unconfirmed`] where a write may have been carried out all the same. A reply
    /// with an error status is a reply.
    pub async fn send(
        &self,
        call: &Call,
        authorise: &dyn Authorise,
        how: RequestOptions,
    ) -> Result<Reply, NetError> {
        let reply = self.send_again_and_again(call, authorise, how).await;
        reply.map_err(|error| match call.repeat {
            Repeat::Safe => error,
            Repeat::Never => error.of_a_write(),
        })
    }

    async fn send_again_and_again(
        &self,
        call: &Call,
        authorise: &dyn Authorise,
        how: RequestOptions,
    ) -> Result<Reply, NetError> {
        let url = self.resolve(call)?;
        let began = self.gate.clock.now().mono;
        let mut waits = retry::waits();
        let mut renewed = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Attempt {
                result: tried,
                token,
                held,
            } = self.attempt(call, &url, authorise, how, attempt).await?;
            if let Ok(reply) = &tried {
                if !renewed && authorise.is_stale(reply, token.as_ref()) {
                    renewed = true;
                    continue;
                }
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
                if how.no_wait {
                    return Err(NetError::TurnedAway { left });
                }
                if left > budget::HOLD_WAITED_MAX || waits.next().is_none() {
                    return tried;
                }
                // The next try waits for its slot until the hold is over, where that can be seen and called off.
                continue;
            }
            let Some(asked) = retry::again(call.repeat, &tried) else {
                return tried;
            };
            let elapsed = self.gate.clock.now().mono.saturating_sub(began);
            let Some(wait) = waits
                .next()
                .map(|own| asked.map_or(own, |asked| asked.max(own)))
            else {
                return tried;
            };
            if how.no_wait && asked.is_some() || elapsed > retry::LAST_START {
                return tried;
            }
            let why = match &tried {
                Ok(reply) => format!("until it is tried again: {} answered", reply.status),
                Err(error) => format!("until it is tried again: {}", error.in_brief()),
            };
            let waiting = self.waiting(call, why, Some(wait));
            self.gate.emit(Event::Waiting(how.request, Some(waiting)));
            tokio::time::sleep(wait).await;
            self.gate.emit(Event::Waiting(how.request, None));
        }
    }

    /// One try; the outer error is one that no further try can mend.
    async fn attempt(
        &self,
        call: &Call,
        url: &Url,
        authorise: &dyn Authorise,
        how: RequestOptions,
        attempt: u32,
    ) -> Result<Attempt, NetError> {
        let gate = &self.gate;
        let mut unprepared = 0;
        let (slot, sealed) = loop {
            self.must_be_shared(call, how).await?;
            authorise.prepare(call, how).await?;
            let slot = budget::take(self, call, how).await?;
            let authorised = authorise.authorise(call).await;
            // What slot or nonce could not be written is known to nobody else, and is not used.
            self.must_be_shared(call, how).await?;
            match authorised {
                Ok(_) if slot.has_lapsed(gate.clock.now()) => {}
                Ok(_) if slot.is_held(gate.clock.now()).await => {}
                Ok(sealed) => break (slot, sealed),
                Err(NetError::Unprepared(_)) if unprepared < UNPREPARED_MAX => unprepared += 1,
                // No nonce could be stored in time.
                Err(NetError::Locked) if !how.no_wait && unprepared < UNPREPARED_MAX => {
                    unprepared += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let headers = sealed.headers(&call.method);
        let url = &sealed.url(url);
        let began = gate.clock.now();
        let sent = record::Sent {
            account: &self.account,
            call,
            url,
            headers: &headers,
            foreign: sealed.verbatim.is_some(),
            body: &sealed.body,
            hidden: sealed.hidden,
            at: began.wall,
            attempt,
        };
        let unanswered = Unanswered {
            gate,
            sent: &sent,
            began,
            slot: Some(slot),
        };
        let outgoing = http::Outgoing {
            method: &call.method,
            url,
            headers: headers.clone(),
            body: sealed.body.clone(),
            idle: self.idle,
            decodes: sealed
                .verbatim
                .as_ref()
                .is_none_or(|verbatim| !verbatim.status_decides),
            longest: None,
        };
        let tried = if let Some(verbatim) = &sealed.verbatim {
            verbatim::send(gate, outgoing, verbatim).await
        } else {
            gate.http.send(outgoing).await
        };
        let seen = gate.clock.now();
        if let Ok(reply) = &tried.result
            && sealed.verbatim.is_none()
        {
            self.compare_clocks(began, seen, reply, authorise);
        }
        // Before the next call of this key, which has its slot already, may go.
        let held = match (&tried.result, self.limit(call)) {
            (Ok(reply), Some(limit)) if reply.status == 429 => {
                let wait = budget::refused(gate, limit, reply);
                let (account, ms) = (self.account.id.as_str(), wait.as_millis());
                let asked = reply.retry_after().is_some();
                tracing::warn!(account, ms, asked, "requests are held after a 429");
                Some(wait)
            }
            _ => None,
        };
        if let Some(by) = sealed.nonce_ahead {
            gate.warn_of_clock(&self.account.id, ClockWarning::Nonces(by));
        }
        // The next call of this key may go once this one's reply was seen.
        drop(sealed.permit);
        // Recorded before anything is awaited: whoever calls this off now does not undo what was sent.
        let slot = unanswered.answered();
        let exchange = record::exchange(&sent, &tried);
        gate.ledger.record_later(exchange, gate.tell_recorded());
        slot.seen(seen).await;
        gate.ledger.keep_up().await;
        Ok(Attempt {
            result: tried.result,
            token: sealed.token,
            held,
        })
    }

    /// Without the ledger, neither slots nor nonces are shared with other processes: then only the simulator is
    /// asked, unless the operator insists. Where another program has locked it, that is waited for.
    async fn must_be_shared(&self, call: &Call, how: RequestOptions) -> Result<(), NetError> {
        let Self { gate, account, .. } = self;
        if gate.persistence(account) == Persistence::BestEffort {
            return Ok(());
        }
        let began = gate.clock.now().mono;
        let mut told = false;
        let shared = loop {
            let Status::Degraded { .. } = gate.ledger.status().await else {
                break Ok(());
            };
            // It may be writable again, and nothing else may be written for long.
            let tried = gate.ledger.try_again().await;
            let Status::Degraded { why } = gate.ledger.status().await else {
                break Ok(());
            };
            let waited = gate.clock.now().mono.saturating_sub(began);
            if !matches!(tried, Err(LedgerError::Locked(_))) || waited > LOCK_WAITED_MAX {
                break Err(NetError::Uncounted(why));
            }
            if how.no_wait {
                break Err(NetError::Locked);
            }
            if !std::mem::replace(&mut told, true) {
                let waiting = self.waiting(call, budget::LOCKED.to_owned(), None);
                gate.emit(Event::Waiting(how.request, Some(waiting)));
            }
            tokio::time::sleep(budget::LOOK_AGAIN).await;
        };
        if told {
            gate.emit(Event::Waiting(how.request, None));
        }
        shared
    }

    /// A request of this session that waits.
    fn waiting(&self, call: &Call, why: String, left: Option<Duration>) -> Waiting {
        Waiting {
            account: self.account.id.clone(),
            method: call.method.clone(),
            path: call
                .path
                .split(['?', '#'])
                .next()
                .unwrap_or_default()
                .to_owned(),
            about: redact::scrub(&call.about).into_owned(),
            why,
            until: left.map(|left| self.gate.clock.now().mono.saturating_add(left)),
            left,
        }
    }

    /// Where a call would go.
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
        // Two slashes would begin the name of a host.
        if !call.path.starts_with('/')
            || call.path.starts_with("//")
            || call
                .path
                .contains(|c: char| c.is_control() || c == '\\' || c == ' ')
        {
            return Err(bad());
        }
        let path_only = call.path.split(['?', '#']).next().unwrap_or_default();
        let climbs = percent_encoding::percent_decode_str(path_only)
            .decode_utf8_lossy()
            .split(['/', '\\'])
            .any(|part| part == "..");
        if climbs {
            return Err(bad());
        }
        // `/` is the endpoint itself: one that has a path of its own gets no slash at its end.
        let url = if call.path == "/" {
            base.clone()
        } else {
            let joined = format!("{}{}", base.as_str().trim_end_matches('/'), call.path);
            Url::parse(&joined).map_err(|_| bad())?
        };
        if url.host() != base.host() || url.port_or_known_default() != base.port_or_known_default()
        {
            return Err(NetError::ForeignHost {
                host: http::authority(&url),
            });
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback(&url) => Ok(url),
            _ => Err(NetError::PlainHttp {
                host: http::authority(&url),
            }),
        }
    }

    fn compare_clocks(&self, sent: Now, seen: Now, reply: &Reply, authorise: &dyn Authorise) {
        let Some(date) = reply.date() else {
            return;
        };
        // A reply that took long may have been dated at its beginning, and an error page by another machine.
        let is_prompt = seen.mono.saturating_sub(sent.mono) <= AHEAD_MAX;
        if is_prompt && (200..300).contains(&reply.status) {
            authorise.provider_time(date, seen);
        }
        // The header has whole seconds: up to 999 ms of what looks like a lead is rounding.
        let ahead = sent.wall.since(date.plus(Duration::from_millis(999)));
        if ahead > AHEAD_MAX {
            self.gate
                .warn_of_clock(&self.account.id, ClockWarning::Clock(ahead));
        }
    }
}

/// How long a lock of another program on the ledger is waited for.
const LOCK_WAITED_MAX: Duration = Duration::from_mins(1);

/// How often a call is prepared anew because what was prepared ran out while it waited for a slot, or because the ledger
/// was locked.
const UNPREPARED_MAX: u32 = 3;

/// What one try brought.
struct Attempt {
    result: Result<Reply, NetError>,
    token: Option<Secret>,
    /// For how long nothing more is to be sent.
    held: Option<Duration>,
}

/// A request under way. Dropped before its reply, because whoever asked has called it off, it is recorded all
/// the same: what was sent was sent.
struct Unanswered<'a> {
    gate: &'a Gate,
    sent: &'a record::Sent<'a>,
    began: Now,
    slot: Option<budget::Permit<'a>>,
}

impl<'a> Unanswered<'a> {
    fn answered(mut self) -> budget::Permit<'a> {
        self.slot.take().expect("it is taken here alone")
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let now = self.gate.clock.now();
        slot.given_up(now);
        let tried = http::AttemptResult {
            result: Err(NetError::CalledOff),
            head: None,
            took: now.mono.saturating_sub(self.began.mono),
        };
        let exchange = record::exchange(self.sent, &tried);
        let ledger = &self.gate.ledger;
        ledger.record_later(exchange, self.gate.tell_recorded());
    }
}

/// Whether the URL's host is this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(host::is_loopback)
}
