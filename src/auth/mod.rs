//! Access tokens and signatures: when tokens are fetched, and how bytes are signed.

pub mod grant;
pub mod jwt;
pub mod lifecycle;
pub mod sign;
pub mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, OnceCell, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use store::TokenStore;

use crate::clock::Clock;
use crate::domain::{Now, Secret, StoredIn, TokenLifetime, TokenStatus};
use crate::net::{
    Authorise, Call, Event, MaybeSecret, NetError, RequestOptions, Session, SignedRequest, redact,
};
use grant::Failure;
use lifecycle::{FetchReason, Jitter, Lifecycle, Waiter, renew_at};

/// How a provider grants tokens (OAuth 2.0, RFC 6749, 4.4, grant `client_credentials`).
#[async_trait]
pub trait FetchToken: Send + Sync {
    /// The token request, before authorising.
    fn call(&self) -> Call;

    /// Puts client id and secret into it. The secret is read for each request, so that a replaced file counts.
    ///
    /// # Errors
    /// If the secret cannot be read or used.
    async fn authorise(&self) -> Result<SignedRequest, NetError>;
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
    /// Whether the status of the token is reported.
    reports: AtomicBool,
    held: Mutex<Lifecycle>,
    /// Held while a fetch runs. Who waits for it then takes the result.
    fetching: tokio::sync::Mutex<()>,
    /// Held from the start of a fetch until its token is saved.
    saving: tokio::sync::Mutex<()>,
    /// Something changed by which the next renewal is due.
    changed: Notify,
    loaded: OnceCell<()>,
    tasks: TaskTracker,
    /// Cancels a fetch when the program exits and no caller is left.
    ending: CancellationToken,
}

impl Tokens {
    /// Tokens that are saved nowhere beyond this process. Nothing is fetched yet.
    pub fn new(session: Session, fetch: Arc<dyn FetchToken>, clock: Clock) -> Self {
        Self::stored_in(None, session, fetch, clock)
    }

    /// As [`Self::new`], for a secret that is verified before it is used: its token is not that of the account, and is not
    /// reported.
    pub fn trial(session: Session, fetch: Arc<dyn FetchToken>, clock: Clock) -> Self {
        let trial = Self::new(session, fetch, clock);
        trial.0.reports.store(false, Ordering::Relaxed);
        trial
    }

    /// Tokens that are saved in `store`, for later runs and other processes. Nothing is fetched yet.
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
            reports: AtomicBool::new(true),
            held: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            saving: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            loaded: OnceCell::new(),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
        }))
    }

    /// The status of the token.
    pub fn status(&self) -> TokenStatus {
        self.0.held.lock().status()
    }

    /// The current token, if it is valid at this instant. Never waits.
    pub fn current(&self) -> Option<Secret> {
        let now = self.0.clock.now();
        self.0.held.lock().valid(now).cloned()
    }

    /// The `Authorization` header with the current token (RFC 6750, 2.1), and the token.
    ///
    /// # Errors
    /// [`NetError::Unprepared`] if none is valid; [`Tokens::ready`] gets one.
    pub fn bearer(&self) -> Result<((&'static str, MaybeSecret), Secret), NetError> {
        let token = self
            .current()
            .ok_or(NetError::Unprepared("the access token"))?;
        // With each request: tokens of other accounts must not push out one that is in use.
        redact::learn_temporary(&token, "access_token");
        // The token goes along: a 401 must drop this one, not a newer one (`SignedRequest::credential`).
        let value = Secret::new(format!("Bearer {}", token.expose()));
        Ok((("authorization", MaybeSecret::Secret(value)), token))
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
                    && self.load_token(store).await
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
        // Again, where the token that a fetch brought has expired since.
        while !self.is_usable() {
            self.fetch(FetchReason::Needed, options).await?;
        }
        Ok(())
    }

    /// Whether a call can use the current token, which is renewed where it is due.
    fn is_usable(&self) -> bool {
        let now = self.0.clock.now();
        let mut held = self.0.held.lock();
        let was_wanted = std::mem::replace(&mut held.wanted, true);
        let usable = held.valid(now).is_some();
        let due = held.renews_in(now) == Some(Duration::ZERO);
        drop(held);
        if !was_wanted {
            self.emit();
        }
        if usable && due {
            drop(self.start(FetchReason::Due, RequestOptions::background()));
        }
        usable
    }

    /// Fetches a new token now. The current one is used until then, and stays if the fetch fails.
    ///
    /// # Errors
    /// If the fetch fails.
    pub async fn fetch_new(&self, options: RequestOptions) -> Result<TokenStatus, NetError> {
        self.load().await;
        self.0.held.lock().wanted = true;
        self.fetch(FetchReason::Requested, options).await?;
        // Until it is known where the token is saved.
        drop(self.0.saving.lock().await);
        Ok(self.status())
    }

    /// Whether the `token` of a call was rejected, which a 401 says; that token is dropped then. After a 401 the call was
    /// not carried out (RFC 9110, 15.5.2), so it may be repeated with another token.
    pub fn is_stale(&self, rejected: bool, token: Option<&Secret>) -> bool {
        let turned_down = token.filter(|_| rejected);
        if let Some(token) = turned_down {
            self.reject(token);
        }
        turned_down.is_some()
    }

    /// The provider answered 401 to this token: drops it, if it is still the current one.
    fn reject(&self, token: &Secret) {
        if !self.0.held.lock().reject(token) {
            return;
        }
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

    /// Deletes the saved token, and reports and saves nothing more: its account was removed, or its secret replaced.
    ///
    /// # Errors
    /// In words, why it may still be saved.
    pub async fn retire(&self) -> Result<(), String> {
        self.0.reports.store(false, Ordering::Relaxed);
        match &self.0.store {
            Some(store) => store.retire().await,
            None => Ok(()),
        }
    }

    /// Renews the token before it expires, as long as this is polled. Does nothing until a token was needed.
    pub async fn renew(self) {
        self.load().await;
        while !self.0.ending.is_cancelled() {
            let renews_in = self.0.held.lock().renews_in(self.0.clock.now());
            let changed = self.0.changed.notified();
            match renews_in {
                Some(Duration::ZERO) => {
                    drop(
                        self.fetch(FetchReason::Due, RequestOptions::background())
                            .await,
                    );
                }
                Some(wait) => drop(tokio::time::timeout(wait.min(MAX_SLEEP), changed).await),
                None => changed.await,
            }
        }
    }

    /// For a program that exits: waits, within limits, until the token is saved and a running renewal is finished.
    pub async fn finish(&self) {
        let fetching = self.0.held.lock().fetching;
        let patience = match fetching {
            None => SAVE_TIMEOUT,
            Some(FetchReason::Due) => RENEWAL_TIMEOUT,
            // No caller is left for these. Cancelled, not dropped, so that the request log records that they were
            // sent.
            Some(FetchReason::Needed | FetchReason::Requested) => {
                self.0.ending.cancel();
                SAVE_TIMEOUT
            }
        };
        // `wait` below returns only for a closed tracker.
        self.0.tasks.close();
        let _ = tokio::time::timeout(patience, self.0.tasks.wait()).await;
    }

    async fn fetch(&self, why: FetchReason, options: RequestOptions) -> Result<(), NetError> {
        // No outcome: it panicked, or the program exits.
        let outcome = self.start(why, options).await;
        outcome.unwrap_or(Err(NetError::Cancelled))
    }

    /// Starts a fetch as a task of its own: a caller may stop waiting, and the fetch continues for the others.
    fn start(
        &self,
        why: FetchReason,
        options: RequestOptions,
    ) -> oneshot::Receiver<Result<(), NetError>> {
        let (outcome, receiver) = oneshot::channel();
        let tokens = self.clone();
        let caller = self.0.held.lock().waiter(why, options.background);
        self.0.tasks.spawn(async move {
            let run = tokens.take_turn(caller, options, outcome);
            tokens.0.ending.run_until_cancelled(run).await;
        });
        receiver
    }

    /// Fetches once no other fetch runs, unless that one brought the outcome; then saves the token.
    async fn take_turn(
        &self,
        caller: Waiter,
        options: RequestOptions,
        outcome: oneshot::Sender<Result<(), NetError>>,
    ) {
        let turn = self.0.fetching.lock().await;
        // Its caller gave up before its turn.
        if outcome.is_closed() && caller.why != FetchReason::Due {
            return;
        }
        let known = self.0.held.lock().turn(caller, self.0.clock.now());
        if let Some(known) = known {
            let _ = outcome.send(known);
            return;
        }
        let running = RunningFetch {
            tokens: self,
            _turn: turn,
        };
        self.emit();
        let _saving = self.0.saving.lock().await;
        let _key_lock = match &self.0.store {
            Some(store) => store.key_lock().await,
            None => None,
        };
        let fetched = self.run(caller, options).await;
        drop(running);
        // The caller may have given up.
        let _ = outcome.send(fetched.as_ref().map(drop).map_err(Clone::clone));
        if let (Ok(Some(token)), Some(store)) = (fetched, &self.0.store) {
            self.save_token(store, &token).await;
            self.emit();
        }
    }

    /// Gets a token: one that another process has saved meanwhile, else a new one, which it returns.
    async fn run(
        &self,
        caller: Waiter,
        options: RequestOptions,
    ) -> Result<Option<Secret>, NetError> {
        let shared = &self.0;
        if let Some(store) = &shared.store
            && caller.why != FetchReason::Requested
            && self.load_token(store).await
        {
            return Ok(None);
        }
        let call = shared.fetch.call();
        let stamped = Stamped {
            fetch: shared.fetch.as_ref(),
            clock: &shared.clock,
            latest: Mutex::new(None),
        };
        let needs_replaced = self.0.held.lock().needs_replaced(caller);
        // Signed but not sent: the digest alone shows whether the secret's source has changed.
        if needs_replaced && stamped.authorise(&call).await.is_ok() {
            let now = shared.clock.now();
            let mut held = self.0.held.lock();
            // Nothing is sent: the same credentials would be rejected again.
            if stamped.latest().map(|(_, digest)| digest) == held.rejected_request
                && let Some(error) = held.not_replaced(now)
            {
                return Err(error);
            }
        }
        let account = shared.session.account();
        // Calls of the operator wait for this fetch, whoever began it.
        let options = RequestOptions {
            background: false,
            ..options
        };
        let granted = match shared.session.send(&call, &stamped, options).await {
            Ok(reply) => grant::read(&reply, account),
            Err(error) => Err(grant::from_net_error(error, account)),
        };
        let now = shared.clock.now();
        // From sending on: the provider starts the lifetime before its response arrives here.
        let (sent, digest) = stamped.latest().unwrap_or((now, [0; 32]));
        let granted = granted.and_then(|grant| {
            // Before the token can be used, shown or saved.
            redact::learn_temporary(&grant.token, "access_token");
            let life = TokenLifetime {
                since: sent,
                aged: Duration::ZERO,
                life: grant.life,
                renew_at: renew_at(grant.life, jitter()),
            };
            let mut held = self.0.held.lock();
            if !held.granted(now, &grant.token, life) {
                return Err(grant::expired_on_arrival(account));
            }
            // Until it is saved, below.
            held.shown.stored_in = StoredIn::Memory;
            held.shown.note = grant.note;
            Ok(Some(grant.token))
        });
        granted.map_err(|failure| {
            let error = failure.error.clone();
            self.fail(failure, Some(digest));
            error
        })
    }

    fn fail(&self, failure: Failure, digest: Option<[u8; 32]>) {
        let now = self.0.clock.now();
        let mut held = self.0.held.lock();
        // Only a rejection: after a time-out the same credentials are tried again.
        held.rejected_request = digest.filter(|_| failure.is_rejection());
        held.failed(now, failure, jitter());
    }

    /// Uses the saved token, if it serves the purpose.
    async fn load_token(&self, store: &TokenStore) -> bool {
        let found = store.read(self.0.clock.now(), jitter()).await;
        let note = store.note();
        let mut held = self.0.held.lock();
        held.shown.stored_note = note;
        let found = match found {
            Ok(Some(found)) => found,
            missing => {
                let unread = |why| format!("tilldeck cannot read the saved token: {why}");
                let note = missing.err().map_or_else(String::new, unread);
                if held.shown.life.is_none() && held.shown.note != note {
                    held.shown.note = note;
                    drop(held);
                    self.emit();
                }
                return false;
            }
        };
        redact::learn_temporary(&found.token, "access_token");
        let now = self.0.clock.now();
        let taken = held.found(now, &found.token, found.life);
        if taken {
            held.shown.stored_in = found.stored_in;
        }
        taken
    }

    async fn save_token(&self, store: &TokenStore, token: &Secret) {
        // A call may have been rejected meanwhile, or a newer fetch has replaced it.
        let Some(life) = self.0.held.lock().life_of(token) else {
            return;
        };
        let put = store.write(token, life).await;
        let (stored_in, note) = match put {
            Ok(StoredIn::Keyring) => (StoredIn::Keyring, String::new()),
            Ok(place) => (place, store.note()),
            Err(why) => (StoredIn::Memory, format!("tilldeck cannot save it: {why}")),
        };
        let mut held = self.0.held.lock();
        held.shown.stored_in = stored_in;
        held.shown.stored_note = note;
    }

    fn emit(&self) {
        if self.0.reports.load(Ordering::Relaxed) {
            let account = self.0.session.account().id.clone();
            let status = self.status();
            let gate = self.0.session.gate();
            gate.emit(Event::Token(account, status));
        }
        self.0.changed.notify_one();
    }
}

fn jitter() -> Jitter {
    Jitter::new(fastrand::u32(0..=1000))
}

/// A running fetch, which the next one waits for. If it ends without an outcome, because it panicked or the program
/// exits, it has failed.
struct RunningFetch<'a> {
    tokens: &'a Tokens,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Drop for RunningFetch<'_> {
    fn drop(&mut self) {
        let fetching = self.tokens.0.held.lock().fetching;
        if fetching.is_some() {
            let failure = Failure {
                error: NetError::Cancelled,
                retry_after: None,
            };
            self.tokens.fail(failure, None);
        }
        self.tokens.emit();
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
        *self.latest.lock()
    }
}

#[async_trait]
impl Authorise for Stamped<'_> {
    async fn authorise(&self, _: &Call) -> Result<SignedRequest, NetError> {
        let signed = self.fetch.authorise().await?;
        let stamp = (self.clock.now(), digest(&signed));
        *self.latest.lock() = Some(stamp);
        Ok(signed)
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
            MaybeSecret::Open(text) => text.as_bytes(),
            MaybeSecret::Secret(secret) => secret.expose().as_bytes(),
        });
    }
    part(&signed.body);
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
