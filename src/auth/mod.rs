//! Access tokens and signatures: who fetches a token when, and how bytes are signed.

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
use lifecycle::{Fetch, FetchOutcome, Jitter, Lifecycle, Next, Why};

/// A provider's part in fetching a token (OAuth 2.0, grant `client_credentials`): which call is made, and, as
/// [`Authorise`], how client id and secret go into it. The secret is read anew for each call, so that a file that
/// was replaced is seen.
pub trait FetchToken: Authorise {
    /// The token call, before authorising.
    fn call(&self) -> Call;
}

/// How often the console looks at the time at least while a token is in hand: the monotonic clock, by which waits
/// end, stands still while a laptop sleeps.
const LOOK: Duration = Duration::from_secs(5);

/// How long a program that ends waits for a renewal under way, which would be lost for the next one.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(2);

/// How long it waits for a token to be kept: a little longer than a keyring may take.
const KEEPING_PATIENCE: Duration = Duration::from_secs(4);

/// An account's access tokens. Cheap to clone; all clones share the one token.
#[derive(Clone)]
pub struct Tokens(Arc<Shared>);

struct Shared {
    session: Session,
    fetch: Arc<dyn FetchToken>,
    clock: Clock,
    store: Option<TokenStore>,
    held: Mutex<State>,
    /// Told at each change of what is held.
    changed: watch::Sender<()>,
    loaded: OnceCell<()>,
    tasks: TaskTracker,
    /// Ends a fetch that nobody waits for any more.
    ending: CancellationToken,
}

#[derive(Default)]
struct State {
    cycle: Lifecycle,
    kept: StoredIn,
    kept_note: String,
    note: String,
    claims: Option<String>,
    /// Whether the token in hand is just being put where it is kept.
    keeping: bool,
    /// A digest of the token call that was refused.
    refused: Option<[u8; 32]>,
}

impl Tokens {
    /// Fetches nothing yet, and keeps nothing beyond this process.
    #[must_use]
    pub fn new(session: Session, fetch: Arc<dyn FetchToken>, clock: Clock) -> Self {
        Self::stored_in(None, session, fetch, clock)
    }

    /// Fetches nothing yet; what is fetched is kept in `store`, for later runs and other processes.
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

    /// How the token stands.
    #[must_use]
    pub fn status(&self) -> TokenStatus {
        let held = self.held();
        TokenStatus {
            kept: held.kept.clone(),
            kept_note: held.kept_note.clone(),
            note: held.note.clone(),
            claims: held.claims.clone(),
            ..held.cycle.status()
        }
    }

    /// The token in hand, if it is good at this instant. Never waits.
    #[must_use]
    pub fn current(&self) -> Option<Secret> {
        let now = self.0.clock.now();
        self.held().cycle.good(now).cloned()
    }

    /// The header that carries the token in hand, and the token.
    ///
    /// # Errors
    /// [`NetError::Unprepared`] if none is good; [`Tokens::ready`] gets one.
    pub fn bearer(&self) -> Result<((&'static str, HeaderText), Secret), NetError> {
        let token = self
            .current()
            .ok_or(NetError::Unprepared("the access token"))?;
        let value = Secret::new(format!("Bearer {}", token.expose()));
        Ok((("authorization", HeaderText::Secret(value)), token))
    }

    /// Makes the token known that an earlier run or another process has kept in a file, good or not. Blocks.
    pub fn learn_stored(&self) {
        if let Some(store) = &self.0.store {
            store.learn();
        }
    }

    /// Reads the token that was kept by an earlier run or another process, once.
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

    /// Sees to it that a good token is in hand: the one there is, else the one being fetched, else a new one. One
    /// that is due serves at once, and is renewed behind that.
    ///
    /// # Errors
    /// If none can be had: the credentials are refused, or no usable answer came.
    pub async fn ready(&self, how: RequestOptions) -> Result<(), NetError> {
        self.load().await;
        self.obtain(how, |cycle, now| cycle.needed(now, how.background))
            .await
            .map(drop)
    }

    /// Fetches a new token now. The one in hand serves until the new one is there, and stays if that fails.
    ///
    /// # Errors
    /// If none can be had.
    pub async fn refresh(&self, how: RequestOptions) -> Result<TokenStatus, NetError> {
        self.load().await;
        loop {
            // A fetch for another reason may have ended with a saved token, without a token call.
            let why = self.obtain(how, Lifecycle::asked).await?;
            if why == Some(Why::Asked) {
                self.saved().await;
                return Ok(self.status());
            }
        }
    }

    /// Waits until it is known where the current token is saved.
    async fn saved(&self) {
        let mut changes = self.0.changed.subscribe();
        // The sender is held by `self`, so it is there.
        while self.held().keeping && changes.changed().await.is_ok() {}
    }

    /// Does what `next` tells until a good token is in hand. Says what the fetch was for that was waited for.
    async fn obtain(
        &self,
        how: RequestOptions,
        next: impl Fn(&mut Lifecycle, Now) -> Next,
    ) -> Result<Option<Why>, NetError> {
        let mut changes = self.0.changed.subscribe();
        let mut waits: Option<Fetch> = None;
        loop {
            changes.mark_unchanged();
            let now = self.0.clock.now();
            let begin = {
                let mut held = self.held();
                if let Some(fetch) = waits {
                    match held.cycle.settled(fetch, now) {
                        FetchOutcome::Waiting => None,
                        FetchOutcome::Good => return Ok(Some(fetch.why)),
                        // This fetch only looked for replaced credentials. An operator gets a token call of their own, whose
                        // failure is the answer.
                        FetchOutcome::Failed(_)
                            if fetch.why == Why::IfReplaced && !how.background =>
                        {
                            waits = None;
                            continue;
                        }
                        FetchOutcome::Failed(error) => return Err(error),
                        FetchOutcome::AskAgain => {
                            waits = None;
                            continue;
                        }
                    }
                } else {
                    match next(&mut held.cycle, now) {
                        Next::Use(None) => return Ok(None),
                        Next::Use(Some(fetch)) => {
                            drop(held);
                            self.start(fetch, behind());
                            return Ok(None);
                        }
                        Next::GiveUp(error) => return Err(error),
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
                self.start(fetch, how);
            }
            // The sender is held by `self`, so it is there.
            let _ = changes.changed().await;
        }
    }

    /// Whether `reply` turned down the `token` its call carried (401); that one is dropped then. Nothing was carried
    /// out (RFC 9110, 15.5.2), so the call may be repeated with another.
    #[must_use]
    pub fn is_stale(&self, reply: &Reply, token: Option<&Secret>) -> bool {
        let turned_down = token.filter(|_| reply.status == 401);
        if let Some(token) = turned_down {
            self.refused(token);
        }
        turned_down.is_some()
    }

    /// The provider answered 401 to this token: it is dropped, if it is still the one in hand.
    fn refused(&self, token: &Secret) {
        if !self.held().cycle.refused(token) {
            return;
        }
        self.0.changed.send_replace(());
        let (tokens, spurned) = (self.clone(), token.clone());
        self.0.tasks.spawn(async move {
            tokens.emit();
            if let Some(store) = &tokens.0.store {
                // Under the lock, so that a newer token which another process has saved stays.
                let _lane = store.key_lock().await;
                store.forget(&spurned, tokens.0.clock.now()).await;
            }
        });
    }

    /// Forgets the token that is kept for later runs: its account, or the secret it was granted for, is no more.
    ///
    /// # Errors
    /// In words, why it is still kept, or may be.
    pub async fn delete_stored(&self) -> Result<(), String> {
        match &self.0.store {
            Some(store) => store.forget_any().await,
            None => Ok(()),
        }
    }

    /// Renews the token ahead of its expiry, as long as this is polled; nothing before a first one was asked for.
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
                self.start(fetch, behind());
            }
            let wait = async {
                match wait {
                    Some(wait) => {
                        tokio::time::sleep(wait.clamp(Duration::from_millis(1), LOOK)).await;
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

    /// Waits until what was fetched is kept, and for a renewal under way, both within limits: for a program that
    /// ends.
    pub async fn finish(&self) {
        let patience = match self.held().cycle.under_way().map(|fetch| fetch.why) {
            None => KEEPING_PATIENCE,
            Some(Why::Due) => RENEWAL_PATIENCE,
            // Their callers have gone. Cancelled here, not dropped, so that the request log records that they were sent.
            Some(Why::Needed | Why::Asked | Why::IfReplaced) => {
                self.0.ending.cancel();
                KEEPING_PATIENCE
            }
        };
        self.0.tasks.close();
        let _ = tokio::time::timeout(patience, self.0.tasks.wait()).await;
    }

    /// Begins a fetch. It is nobody's own: who waits for it may give up, and it goes on for the others.
    fn start(&self, fetch: Fetch, how: RequestOptions) {
        self.0.changed.send_replace(());
        let under_way = UnderWay {
            tokens: self.clone(),
            number: fetch.number,
        };
        let ending = self.0.ending.clone();
        self.0.tasks.spawn(async move {
            let run = under_way.tokens.run(fetch, how);
            ending.run_until_cancelled(run).await;
        });
    }

    async fn run(&self, fetch: Fetch, how: RequestOptions) {
        let shared = &self.0;
        self.emit();
        let _lane = match &shared.store {
            Some(store) => {
                let key_lock = store.key_lock().await;
                if fetch.why != Why::Asked && self.load_token(store, Some(fetch)).await {
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
            let sealed = stamped.authorise(&call).await.is_ok();
            let refused = self.held().refused;
            if sealed
                && stamped
                    .latest()
                    .is_some_and(|(_, digest)| Some(digest) == refused)
            {
                let now = shared.clock.now();
                self.held().cycle.not_replaced(fetch.number, now);
                shared.changed.send_replace(());
                self.emit();
                return;
            }
        }
        let account = shared.session.account();
        let granted = match shared.session.send(&call, &stamped, how).await {
            Ok(reply) => grant::read(&reply, account),
            Err(error) => Err(grant::unanswered(error, account)),
        };
        let now = shared.clock.now();
        let (sent, digest) = stamped.latest().unwrap_or((now, [0; 32]));
        let granted = granted.and_then(|grant| {
            redact::learn_passing(&grant.token, "access_token");
            let mut held = self.held();
            let (token, number) = (grant.token.clone(), fetch.number);
            if held
                .cycle
                .granted(number, (sent, now), token, grant.life, jitter())
            {
                held.claims = jwt::claims(&grant.token);
                held.note = grant.note;
                held.refused = None;
                held.keeping = shared.store.is_some();
                Ok(grant.token)
            } else {
                Err(grant::came_too_late(account))
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
            held.refused = digest.filter(|_| failure.is_refusal());
            held.cycle.failed(number, now, failure, jitter());
        }
        self.0.changed.send_replace(());
    }

    /// Takes up the kept token, if there is one that serves.
    async fn load_token(&self, store: &TokenStore, of: Option<Fetch>) -> bool {
        let found = store.read(self.0.clock.now(), jitter()).await;
        let note = store.note();
        let mut held = self.held();
        held.kept_note = note;
        let Some(found) = found else { return false };
        redact::learn_passing(&found.token, "access_token");
        let claims = jwt::claims(&found.token);
        let now = self.0.clock.now();
        let taken = held.cycle.found(of, now, found.token, found.life);
        if taken {
            held.kept = found.kept;
            held.note.clear();
            held.claims = claims;
            drop(held);
            self.0.changed.send_replace(());
        }
        taken
    }

    async fn save_token(&self, store: &TokenStore, token: &Secret) {
        let life = match self.held().cycle.in_hand() {
            Some((held, life)) if held == token => life,
            _ => {
                self.held().keeping = false;
                return;
            }
        };
        let put = store.write(token, life).await;
        let mut held = self.held();
        held.keeping = false;
        match put {
            Ok(kept) => {
                held.kept_note = if kept == StoredIn::Keyring {
                    String::new()
                } else {
                    store.note()
                };
                held.kept = kept;
            }
            Err(why) => {
                held.kept = StoredIn::Memory;
                held.kept_note = format!("it cannot be kept: {why}");
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

/// How a renewal goes out that nobody waits for: behind what somebody waits for, under a number of its own. Those
/// count down from the last; who asks by hand counts up.
fn behind() -> RequestOptions {
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

/// A fetch under way. If it ends without an outcome, because it crashed or the program ends, whoever waits for it
/// is told.
struct UnderWay {
    tokens: Tokens,
    number: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let failure = Failure {
            error: NetError::CalledOff,
            retry_after: None,
        };
        self.tokens.fail_if_under_way(self.number, failure);
    }
}

impl Tokens {
    fn fail_if_under_way(&self, number: u64, failure: Failure) {
        let under_way = {
            let mut held = self.held();
            held.keeping = false;
            held.cycle.under_way()
        };
        if under_way.is_some_and(|fetch| fetch.number == number) {
            self.fail(number, failure, None);
        }
    }
}

/// Authorises a token call, and notes when it went out and what it was: its life counts from then.
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
        how: RequestOptions,
    ) -> BoxFuture<'a, Result<(), NetError>> {
        self.fetch.prepare(call, how)
    }

    fn authorise<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<SignedRequest, NetError>> {
        Box::pin(async move {
            let sealed = self.fetch.authorise(call).await?;
            let stamp = (self.clock.now(), digest(&sealed));
            *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(stamp);
            Ok(sealed)
        })
    }

    fn is_stale(&self, reply: &Reply, token: Option<&Secret>) -> bool {
        self.fetch.is_stale(reply, token)
    }
}

/// Of all that authorising put into a call, so that replaced credentials can be told from the ones before.
fn digest(sealed: &SignedRequest) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for (name, value) in sealed.headers.iter().chain(&sealed.query) {
        part(name.as_bytes());
        part(match value {
            HeaderText::Open(text) => text.as_bytes(),
            HeaderText::Secret(secret) => secret.expose().as_bytes(),
        });
    }
    part(&sealed.body);
    hash.finalize().into()
}
