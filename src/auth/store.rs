//! An account's access token between runs: in the vault, under a name that tells nothing, and fetched by one
//! process at a time.

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::grant;
use super::lifecycle::{Jitter, renew_at};
use crate::config::{Vault, VaultPlace};
use crate::domain::{Now, Secret, StoredIn, TokenLife, WallTime, inert};
use crate::ledger::{KeyHash, KeyLock, Ledger};
use crate::net::redact;

/// How long another process may hold the lane: a token call with all its tries takes less. Then this one fetches
/// for itself, which costs a token call and harms nothing.
const KEY_LOCK_WAIT: Duration = Duration::from_secs(40);

/// So far may the clock have been set back since a token was kept; one that is further in the future was kept by
/// another clock, and its age is unknown.
const FUTURE_MAX: Duration = Duration::from_secs(5);

/// Where one account's token is kept.
#[derive(Clone)]
pub struct TokenStore {
    vault: Vault,
    ledger: Ledger,
    key: KeyHash,
}

/// A kept token as it was found.
pub(super) struct StoredTokenFound {
    pub token: Secret,
    pub life: TokenLife,
    pub kept: StoredIn,
}

/// As written in the vault.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredToken {
    schema: u32,
    access_token: String,
    /// Milliseconds since 1970 at which its request was sent.
    asked_at: i64,
    /// Milliseconds from then.
    life: u64,
}

impl TokenStore {
    /// For the tokens that `client` gets from the token endpoint `url`.
    #[must_use]
    pub fn new(vault: Vault, ledger: Ledger, url: &Url, client: &str) -> Self {
        Self {
            vault,
            ledger,
            key: KeyHash::of(url.as_str(), client),
        }
    }

    fn name(&self) -> String {
        format!("token-{}", self.key.as_str())
    }

    /// Why it is not kept in a better place; empty where there is nothing to say.
    pub(super) fn note(&self) -> String {
        self.vault.note().unwrap_or_default()
    }

    /// The right to fetch, for one process at a time; `None` where another holds it for too long.
    pub(super) async fn key_lock(&self) -> Option<KeyLock> {
        let key_lock = tokio::time::timeout(KEY_LOCK_WAIT, self.ledger.key_lock(&self.key)).await;
        key_lock.ok()?.ok()
    }

    /// Makes the token known that is kept in a file; the keyring may prompt. Blocks.
    pub(super) fn learn(&self) {
        let kept = self.vault.without_keyring().get(&self.name());
        if let Ok(Some((secret, _))) = kept
            && let Ok(wire) = serde_json::from_str::<StoredToken>(secret.expose())
        {
            redact::learn_passing(&Secret::new(wire.access_token), "access_token");
        }
    }

    /// The kept token, if it can be trusted. What cannot be read is as good as none: a new one takes its place.
    pub(super) async fn read(&self, now: Now, jitter: Jitter) -> Option<StoredTokenFound> {
        let (vault, name) = (self.vault.clone(), self.name());
        let got = tokio::task::spawn_blocking(move || vault.get(&name)).await;
        let (secret, place) = got.ok()?.ok()??;
        let wire: StoredToken = serde_json::from_str(secret.expose()).ok()?;
        let life = Duration::from_millis(wire.life);
        let asked_at = WallTime(wire.asked_at);
        let trusted = wire.schema == 1
            && grant::check_token(&wire.access_token).is_ok()
            && !life.is_zero()
            && life <= grant::LIFE_MAX
            && asked_at.since(now.wall) <= FUTURE_MAX;
        trusted.then(|| StoredTokenFound {
            token: Secret::new(wire.access_token),
            life: TokenLife {
                since: now,
                aged: now.wall.since(asked_at),
                life,
                renew_at: renew_at(life, jitter),
            },
            kept: stored_as(&place),
        })
    }

    /// Keeps a token in place of the one before it.
    ///
    /// # Errors
    /// In words, why it cannot be kept.
    pub(super) async fn write(&self, token: &Secret, life: TokenLife) -> Result<StoredIn, String> {
        let wire = StoredToken {
            schema: 1,
            access_token: token.expose().to_owned(),
            asked_at: life.asked_at().0,
            life: u64::try_from(life.life.as_millis()).unwrap_or(u64::MAX),
        };
        let text = serde_json::to_string(&wire).expect("texts and numbers are JSON");
        let (vault, name, secret) = (self.vault.clone(), self.name(), Secret::new(text));
        let put = tokio::task::spawn_blocking(move || vault.put(&name, &secret)).await;
        match put {
            Ok(Ok(place)) => Ok(stored_as(&place)),
            Ok(Err(error)) => Err(inert::cut(&error.to_string(), 200)),
            Err(_) => Err("keeping it crashed".into()),
        }
    }

    /// Forgets whatever token is kept.
    ///
    /// # Errors
    /// In words, why it is still kept, or may be.
    pub(super) async fn forget_any(&self) -> Result<(), String> {
        let (vault, name) = (self.vault.clone(), self.name());
        match tokio::task::spawn_blocking(move || vault.forget(&name)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(inert::cut(&error.to_string(), 200)),
            Err(_) => Err("forgetting it crashed".into()),
        }
    }

    /// Forgets the kept token if it is this one, which is of no use any more.
    pub(super) async fn forget(&self, spurned: &Secret, now: Now) {
        let found = self.read(now, Jitter::new(0)).await;
        if found.is_some_and(|found| found.token == *spurned) {
            let (vault, name) = (self.vault.clone(), self.name());
            // A failure does no harm: the process that loads the token is refused with 401 and replaces it.
            let _ = tokio::task::spawn_blocking(move || vault.forget(&name)).await;
        }
    }
}

fn stored_as(place: &VaultPlace) -> StoredIn {
    match place {
        VaultPlace::Keyring => StoredIn::Keyring,
        VaultPlace::File(_) => StoredIn::File,
    }
}
