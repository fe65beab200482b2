//! Access tokens and signatures: who fetches a token when, and how bytes are signed.

pub mod grant;
pub mod jwt;
pub mod lifecycle;
pub mod sign;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{Secret, TokenLife, TokenStatus};
use crate::net::{Authorise, Call, Event, HeaderText, How, NetError, Session, redact};

/// A provider's part in fetching a token (OAuth 2.0, grant `client_credentials`): which call is made, and, as
/// [`Authorise`], how client id and secret go into it. The secret is read anew for each call, so that a file that
/// was replaced is seen.
pub trait FetchToken: Authorise {
    /// The token call, before authorising.
    fn call(&self) -> Call;
}

/// An account's access tokens. Cheap to clone; all clones share the one token.
#[derive(Clone)]
pub struct Tokens(Arc<Shared>);

struct Shared {
    session: Session,
    fetch: Arc<dyn FetchToken>,
    clock: Clock,
    held: Mutex<Held>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    token: Option<Secret>,
    status: TokenStatus,
}

impl Tokens {
    /// Fetches nothing yet.
    #[must_use]
    pub fn new(session: Session, fetch: Arc<dyn FetchToken>, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            session,
            fetch,
            clock,
            held: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }))
    }

    /// How the token stands.
    #[must_use]
    pub fn status(&self) -> TokenStatus {
        self.held().status.clone()
    }

    /// The token in hand, if it is good at this instant. Never waits.
    #[must_use]
    pub fn current(&self) -> Option<Secret> {
        let held = self.held();
        held.status.left(self.0.clock.now())?;
        held.token.clone()
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

    /// Sees to it that a good token is in hand: the one there is, else the one being fetched, else a new one.
    ///
    /// # Errors
    /// If none can be had: the credentials are refused, or no usable answer came.
    pub async fn ready(&self, how: How) -> Result<(), NetError> {
        if self.current().is_some() {
            return Ok(());
        }
        let _one = self.0.fetching.lock().await;
        if self.current().is_some() {
            return Ok(());
        }
        self.fetch(how).await
    }

    /// Fetches a new token now. The one in hand serves until the new one is there, and stays if that fails.
    ///
    /// # Errors
    /// If none can be had.
    pub async fn refresh(&self, how: How) -> Result<TokenStatus, NetError> {
        let _one = self.0.fetching.lock().await;
        self.fetch(how).await?;
        Ok(self.status())
    }

    /// The provider answered 401 to this token: it is dropped, if it is still the one in hand.
    pub fn refused(&self, token: &Secret) {
        let mut held = self.held();
        if held.token.as_ref() == Some(token) {
            held.token = None;
            held.status.life = None;
        }
    }

    async fn fetch(&self, how: How) -> Result<(), NetError> {
        let shared = &self.0;
        let call = shared.fetch.call();
        let since = shared.clock.now();
        let reply = shared
            .session
            .send(&call, shared.fetch.as_ref(), how)
            .await?;
        let grant = grant::read(&reply, shared.session.account()).map_err(|f| f.error)?;
        redact::learn_passing(&grant.token, "access_token");
        let status = {
            let mut held = self.held();
            held.token = Some(grant.token);
            held.status.fetched += 1;
            held.status.life = Some(TokenLife {
                since,
                aged: Duration::ZERO,
                life: grant.life,
                renew_at: grant.life * 9 / 10,
            });
            held.status.clone()
        };
        let account = shared.session.account().id.clone();
        shared
            .session
            .gate()
            .tell(Event::Token(account, status))
            .await;
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
