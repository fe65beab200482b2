//! Access tokens and signatures: when tokens are fetched, and how bytes are signed.

pub mod grant;
pub mod jwt;
pub mod lifecycle;
pub mod sign;
pub mod store;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use store::TokenStore;

use crate::clock::Clock;
use crate::domain::{Now, RequestId, Secret, StoredIn, TokenStatus};
use crate::net::{
    Authorise, BoxFuture, Call, Event, HeaderText, NetError, Reply, RequestOptions, Session,
    SignedRequest, redact,
};
use grant::Failure;
use lifecycle::{Fetch, FetchOutcome, IssuedToken, Jitter, Lifecycle, Next, Why};

/// How a provider grants tokens (OAuth 2.0, RFC 6749, 4.4, grant `client_credentials`): which request is made, and,
/// as [`Authorise`], how client id and secret go into it. The secret is read for each request, so that a replaced
/// file counts.
pub trait FetchToken: Authorise {
    /// The token request, before authorising.
    fn call(&self) -> Call;
}

/// The longest sleep before the token's age is checked again: the monotonic clock, by which sleeps end, stands still
/// while a laptop is suspended.
const MAX_SLEEP: Duration = Duration::from_secs(5);

/// How long an exiting program waits for a running renewal, whose token would be lost.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long it waits for a token to be saved: a little longer than a keyring may take.
const SAVE_TIMEOUT: Duration = Duration::from_secs(4);

/// An account's access tokens. Cheap to clone; all clones share the one token.
#[derive(Clone)]
pub struct Tokens(Arc<Shared>);

struct Shared {
    session: Session,
    fetch: Arc<dyn FetchToken>,
    clock: Clock,
    store: Option<TokenStore>,
    held: Mutex<State>,
    /// Notified at each change of the state.
    changed: watch::Sender<()>,
    loaded: OnceCell<()>,
    tasks: TaskTracker,
    /// Cancels a fetch when the program exits and no caller is left.
    ending: CancellationToken,
}

#[derive(Default)]
struct State {
    cycle: Lifecycle,
    stored_in: StoredIn,
    stored_note: String,
    note: String,
    claims: Option<String>,
    /// Whether the current token is being saved right now.
    saving: bool,
    /// A digest of the token request that was rejected.
    rejected: Option<[u8; 32]>,
}

impl Tokens {
    /// Tokens that are saved nowhere beyond this process. Nothing is fetched yet.
    #[must_use]
    pub fn new(session: Session, fetch: Arc<dyn FetchToken>, clock: Clock) -> Self {
        Self::stored_in(None, session, fetch, clock)
    }

    /// Tokens that are saved in `store`, for later runs and other processes. Nothing is fetched yet.
    #[must_use]
    pub fn stored_in(
        store: Option<TokenStore>,
        session: Session,
        fetch: Arc<dyn FetchToken>,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Shared {
            session,
            fetch,
            clock,
            store,
            held: Mutex::default(),
            changed: watch::Sender::new(()),
            loaded: OnceCell::new(),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
        }))
    }

    /// The status of the token.
    #[must_use]
    pub fn status(&self) -> TokenStatus {
        let held = self.held();
        TokenStatus {
            stored_in: held.stored_in,
            stored_note: held.stored_note.clone(),
            note: held.note.clone(),
            claims: held.claims.clone(),
            ..held.cycle.status()
        }
    }

    /// The current token, if it is valid at this instant. Never waits.
    #[must_use]
    pub fn current(&self) -> Option<Secret> {
        let now = self.0.clock.now();
        self.held().cycle.valid(now).cloned()
    }

    /// The `Authorization` header with the current token (RFC 6750, 2.1), and the token.
    ///
    /// # Errors
    /// [`NetError::Unprepared`] if none is valid; [`Tokens::ready`] gets one.
    pub fn bearer(&self) -> Result<((&'static str, HeaderText), Secret), NetError> {
        let token = self
            .current()
            .ok_or(NetError::Unprepared("the access token"))?;
        // The token goes along: a 401 must drop this one, not a newer one (`SignedRequest::token`).
        let value = Secret::new(format!("Bearer {}", token.expose()));
        Ok((("authorization", HeaderText::Secret(value)), token))
    }

    /// Teaches the redactor the token that an earlier run or another process has saved in a file, valid or not.
    /// Blocks.
    pub fn learn_stored(&self) {
        if let Some(store) = &self.0.store {
            store.learn();
        }
    }

    /// Loads the token that an earlier run or another process has saved, once.
    pub async fn load(&self) {
        self.0
            .loaded
            .get_or_init(|| async {
                if let Some(store) = &self.0.store
                    && self.load_token(store, None).await
                {
                    self.emit();
                }
            })
            .await;
    }

    /// Ensures a valid token: the current one, else the one being fetched, else a new one. A token that is due is
    /// used at once and renewed in the background.
    ///
    /// # Errors
    /// If there is none: the credentials are rejected, or no usable response arrived.
    pub async fn ready(&self, options: RequestOptions) -> Result<(), NetError> {
        self.load().await;
        self.obtain(options, |cycle, now| cycle.needed(now, options.background))
            .await
            .map(drop)
    }

    /// Fetches a new token now. The current one is used until then, and stays if the fetch fails.
    ///
    /// # Errors
    /// If the fetch fails.
    pub async fn fetch_new(&self, options: RequestOptions) -> Result<TokenStatus, NetError> {
        self.load().await;
        loop {
            // A fetch for another reason may have ended with a saved token, without a token call.
            let why = self.obtain(options, Lifecycle::requested).await?;
            if why == Some(Why::Requested) {
                self.saved().await;
                return Ok(self.status());
            }
        }
    }

    /// Waits until it is known where the current token is saved.
    async fn saved(&self) {
        let mut changes = self.0.changed.subscribe();
        // Cannot fail: `self` holds the sender.
        while self.held().saving && changes.changed().await.is_ok() {}
    }

    /// Follows `next` until there is a valid token. Returns the reason of the fetch it waited for, if any.
    async fn obtain(
        &self,
        options: RequestOptions,
        next: impl Fn(&mut Lifecycle, Now) -> Next,
    ) -> Result<Option<Why>, NetError> {
        let mut changes = self.0.changed.subscribe();
        let mut waits: Option<Fetch> = None;
        loop {
            // Before the state is read: a change after this line wakes the wait below.
            changes.mark_unchanged();
            let now = self.0.clock.now();
            let begin = {
                let mut held = self.held();
                if let Some(fetch) = waits {
                    match held.cycle.outcome(fetch, now) {
                        FetchOutcome::Waiting => None,
                        FetchOutcome::Valid => return Ok(Some(fetch.why)),
                        // This fetch only looked for replaced credentials. An operator gets a token call of their own, whose
                        // failure is the answer.
                        FetchOutcome::Failed(_)
                            if fetch.why == Why::IfReplaced && !options.background =>
                        {
                            waits = None;
                            continue;
                        }
                        FetchOutcome::Failed(error) => return Err(error),
                        FetchOutcome::Restart => {
                            waits = None;
                            continue;
                        }
                    }
                } else {
                    match next(&mut held.cycle, now) {
                        Next::Use(None) => return Ok(None),
                        Next::Use(Some(fetch)) => {
                            // Released before waiting callers are woken.
                            drop(held);
                            self.start(fetch, background_options());
                            return Ok(None);
                        }
                        Next::Fail(error) => return Err(error),
                        Next::Wait(fetch) => {
                            waits = Some(fetch);
                            None
                        }
                        Next::Begin(fetch) => {
                            waits = Some(fetch);
                            Some(fetch)
                        }
                    }
                }
            };
            if let Some(fetch) = begin {
                self.start(fetch, options);
            }
            // Cannot fail: `self` holds the sender.
            let _ = changes.changed().await;
        }
    }

    /// Whether `reply` rejected the `token` of its call (401); that token is dropped then. The call was not carried
    /// out (RFC 9110, 15.5.2), so it may be repeated with another token.
    #[must_use]
    pub fn is_stale(&self, reply: &Reply, token: Option<&Secret>) -> bool {
        let turned_down = token.filter(|_| reply.status == 401);
        if let Some(token) = turned_down {
            self.reject(token);
        }
        turned_down.is_some()
    }

    /// The provider answered 401 to this token: drops it, if it is still the current one.
    fn reject(&self, token: &Secret) {
        if !self.held().cycle.reject(token) {
            return;
        }
        // The renewal task sleeps until the old token is due; it looks again now.
        self.0.changed.send_replace(());
        let (tokens, rejected) = (self.clone(), token.clone());
        self.0.tasks.spawn(async move {
            tokens.emit();
            if let Some(store) = &tokens.0.store {
                // Under the lock, so that a newer token which another process has saved stays.
                let _key_lock = store.key_lock().await;
                // Otherwise the next run would load it and earn a 401 of its own.
                store.forget(&rejected, tokens.0.clock.now()).await;
            }
        });
    }

    /// Deletes the saved token: its account was removed, or its secret replaced.
    ///
    /// # Errors
    /// In words, why it may still be saved.
    pub async fn delete_stored(&self) -> Result<(), String> {
        match &self.0.store {
            Some(store) => store.forget_any().await,
            None => Ok(()),
        }
    }

    /// Renews the token before it expires, as long as this is polled. Does nothing until a token was needed.
    pub async fn renew(self) {
        let mut changes = self.0.changed.subscribe();
        self.load().await;
        loop {
            changes.mark_unchanged();
            let now = self.0.clock.now();
            let (fetch, wait) = {
                let mut held = self.held();
                (held.cycle.tick(now), held.cycle.wakes_in(now))
            };
            if let Some(fetch) = fetch {
                self.start(fetch, background_options());
            }
            let wait = async {
                match wait {
                    Some(wait) => {
                        tokio::time::sleep(wait.clamp(Duration::from_millis(1), MAX_SLEEP)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// For a program that exits: waits, within limits, until the token is saved and a running renewal is finished.
    pub async fn finish(&self) {
        let patience = match self.held().cycle.under_way().map(|fetch| fetch.why) {
            None => SAVE_TIMEOUT,
            Some(Why::Due) => RENEWAL_TIMEOUT,
            // No caller is left for these. Cancelled, not dropped, so that the request log records that they were
            // sent.
            Some(Why::Needed | Why::Requested | Why::IfReplaced) => {
                self.0.ending.cancel();
                SAVE_TIMEOUT
            }
        };
        // `wait` below returns only for a closed tracker.
        self.0.tasks.close();
        let _ = tokio::time::timeout(patience, self.0.tasks.wait()).await;
    }

    /// Starts a fetch as a task of its own: a caller may stop waiting, and the fetch continues for the others.
    fn start(&self, fetch: Fetch, options: RequestOptions) {
        self.0.changed.send_replace(());
        let under_way = RunningFetch {
            tokens: self.clone(),
            number: fetch.number,
        };
        let ending = self.0.ending.clone();
        self.0.tasks.spawn(async move {
            let run = under_way.tokens.run(fetch, options);
            ending.run_until_cancelled(run).await;
        });
    }

    async fn run(&self, fetch: Fetch, options: RequestOptions) {
        let shared = &self.0;
        self.emit();
        let _key_lock = match &shared.store {
            Some(store) => {
                let key_lock = store.key_lock().await;
                // Another process may have fetched while this one waited for the lock; the operator's own request
                // always goes out.
                if fetch.why != Why::Requested && self.load_token(store, Some(fetch)).await {
                    self.emit();
                    return;
                }
                key_lock
            }
            None => None,
        };
        let call = shared.fetch.call();
        let stamped = Stamped {
            fetch: shared.fetch.as_ref(),
            clock: &shared.clock,
            latest: Mutex::new(None),
        };
        if fetch.why == Why::IfReplaced {
            // Signed but not sent: the digest alone shows whether the secret's source has changed.
            let signed = stamped.authorise(&call).await.is_ok();
            let rejected = self.held().rejected;
            if signed
                && stamped
                    .latest()
                    .is_some_and(|(_, digest)| Some(digest) == rejected)
            {
                let now = shared.clock.now();
                // Nothing is sent: the same credentials would be rejected again.
                self.held().cycle.not_replaced(fetch.number, now);
                shared.changed.send_replace(());
                self.emit();
                return;
            }
        }
        let account = shared.session.account();
        let granted = match shared.session.send(&call, &stamped, options).await {
            Ok(reply) => grant::read(&reply, account),
            Err(error) => Err(grant::from_net_error(error, account)),
        };
        let now = shared.clock.now();
        // From sending on: the provider starts the lifetime before its response arrives here.
        let (sent, digest) = stamped.latest().unwrap_or((now, [0; 32]));
        let granted = granted.and_then(|grant| {
            // Before the token can be used, shown or saved.
            redact::learn_passing(&grant.token, "access_token");
            let mut held = self.held();
            let issued = IssuedToken::granted(grant.token.clone(), grant.life, sent, jitter());
            if held.cycle.granted(fetch.number, now, issued) {
                held.claims = jwt::claims(&grant.token);
                held.note = grant.note;
                held.rejected = None;
                // Set under the same lock as the token, so that the token never looks saved before it is.
                held.saving = shared.store.is_some();
                Ok(grant.token)
            } else {
                Err(grant::expired_on_arrival(account))
            }
        });
        match granted {
            Ok(token) => {
                shared.changed.send_replace(());
                if let Some(store) = &shared.store {
                    self.save_token(store, &token).await;
                    shared.changed.send_replace(());
                }
            }
            Err(failure) => self.fail(fetch.number, failure, Some(digest)),
        }
        self.emit();
    }

    fn fail(&self, number: u64, failure: Failure, digest: Option<[u8; 32]>) {
        let now = self.0.clock.now();
        {
            let mut held = self.held();
            // Only a rejection: after a time-out the same credentials are tried again.
            held.rejected = digest.filter(|_| failure.is_rejection());
            held.cycle.failed(number, now, failure, jitter());
        }
        self.0.changed.send_replace(());
    }

    /// Uses the saved token, if it serves the purpose.
    async fn load_token(&self, store: &TokenStore, of: Option<Fetch>) -> bool {
        let found = store.read(self.0.clock.now(), jitter()).await;
        let note = store.note();
        let mut held = self.held();
        held.stored_note = note;
        let Some(found) = found else { return false };
        redact::learn_passing(&found.token, "access_token");
        let claims = jwt::claims(&found.token);
        let now = self.0.clock.now();
        let saved = IssuedToken {
            token: found.token,
            life: found.life,
        };
        let taken = held.cycle.found(of, now, saved);
        if taken {
            held.stored_in = found.stored_in;
            held.note.clear();
            held.claims = claims;
            drop(held);
            self.0.changed.send_replace(());
        }
        taken
    }

    async fn save_token(&self, store: &TokenStore, token: &Secret) {
        let life = match self.held().cycle.current_token() {
            // A call may have been rejected meanwhile, or a newer fetch has replaced it.
            Some((held, life)) if held == token => life,
            _ => {
                self.held().saving = false;
                return;
            }
        };
        let put = store.write(token, life).await;
        let mut held = self.held();
        held.saving = false;
        match put {
            Ok(place) => {
                held.stored_note = if place == StoredIn::Keyring {
                    String::new()
                } else {
                    store.note()
                };
                held.stored_in = place;
            }
            Err(why) => {
                held.stored_in = StoredIn::Memory;
                held.stored_note = format!("tilldeck cannot save it: {why}");
            }
        }
    }

    fn emit(&self) {
        let account = self.0.session.account().id.clone();
        let status = self.status();
        let gate = self.0.session.gate();
        gate.emit(Event::Token(account, status));
    }

    fn held(&self) -> MutexGuard<'_, State> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Options of a renewal in the background: low priority, under a number of its own. These numbers count down from the
/// last, those of the operator's requests count up.
fn background_options() -> RequestOptions {
    static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);
    RequestOptions {
        request: RequestId(NEXT.fetch_sub(1, Ordering::Relaxed)),
        background: true,
        no_wait: false,
    }
}

fn jitter() -> Jitter {
    Jitter::new(fastrand::u32(0..=1000))
}

/// Guards a running fetch: if it ends without a result, because it panicked or the program exits, its waiters get an
/// error.
struct RunningFetch {
    tokens: Tokens,
    number: u64,
}

impl Drop for RunningFetch {
    fn drop(&mut self) {
        let failure = Failure {
            error: NetError::Cancelled,
            retry_after: None,
        };
        self.tokens.fail_if_running(self.number, failure);
    }
}

impl Tokens {
    fn fail_if_running(&self, number: u64, failure: Failure) {
        let under_way = {
            let mut held = self.held();
            held.saving = false;
            held.cycle.under_way()
        };
        if under_way.is_some_and(|fetch| fetch.number == number) {
            self.fail(number, failure, None);
        }
    }
}

/// Authorises a token request, and records when it was sent and a digest of it: the token's lifetime counts from
/// then.
struct Stamped<'a> {
    fetch: &'a dyn FetchToken,
    clock: &'a Clock,
    latest: Mutex<Option<(Now, [u8; 32])>>,
}

impl Stamped<'_> {
    fn latest(&self) -> Option<(Now, [u8; 32])> {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authorise for Stamped<'_> {
    fn prepare<'a>(
        &'a self,
        call: &'a Call,
        options: RequestOptions,
    ) -> BoxFuture<'a, Result<(), NetError>> {
        self.fetch.prepare(call, options)
    }

    fn authorise<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<SignedRequest, NetError>> {
        Box::pin(async move {
            let signed = self.fetch.authorise(call).await?;
            let stamp = (self.clock.now(), digest(&signed));
            *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(stamp);
            Ok(signed)
        })
    }

    fn is_stale(&self, reply: &Reply, token: Option<&Secret>) -> bool {
        self.fetch.is_stale(reply, token)
    }
}

/// A digest of all that authorising added, to detect replaced credentials.
fn digest(signed: &SignedRequest) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        // With the length, ("ab", "c") and ("a", "bc") differ.
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for (name, value) in signed.headers.iter().chain(&signed.query) {
        part(name.as_bytes());
        part(match value {
            HeaderText::Open(text) => text.as_bytes(),
            HeaderText::Secret(secret) => secret.expose().as_bytes(),
        });
    }
    part(&signed.body);
    hash.finalize().into()
}
