//! Saves an account's access token between runs: in the vault, under a hashed name. Only one process at a time
//! fetches a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::grant;
use super::lifecycle::{Jitter, renew_at};
use crate::config::{Vault, VaultError, VaultPlace};
use crate::domain::{Now, Secret, StoredIn, TokenLifetime, WallTime, inert};
use crate::ledger::{KeyHash, KeyLock, Ledger};
use crate::net::redact;

/// How long to wait for another process that holds the key lock: a token request with all its retries takes less.
/// After that this process fetches its own token, which costs one request and does no harm.
const KEY_LOCK_WAIT: Duration = Duration::from_secs(40);

/// How far a saved token may lie in the future, because the clock was set back. One further ahead was saved by
/// another clock, and its age is unknown.
const FUTURE_MAX: Duration = Duration::from_secs(5);

/// The saved token of one account.
#[derive(Clone)]
pub struct TokenStore {
    vault: Vault,
    ledger: Ledger,
    key: KeyHash,
    /// Whether nothing is saved any longer.
    is_retired: Arc<AtomicBool>,
}

/// A saved token as it was read.
pub(super) struct StoredTokenFound {
    pub token: Secret,
    pub life: TokenLifetime,
    pub stored_in: StoredIn,
}

/// The JSON in the vault.
#[derive(Serialize, Deserialize)]
// A newer version's entry counts as unreadable and is fetched again, rather than half understood.
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
    pub fn new(vault: Vault, ledger: Ledger, url: &Url, client: &str) -> Self {
        Self {
            vault,
            ledger,
            key: KeyHash::of(url.as_str(), client),
            is_retired: Arc::default(),
        }
    }

    fn name(&self) -> String {
        format!("token-{}", self.key.as_str())
    }

    /// Why it is not saved in a safer place; may be empty.
    pub(super) fn note(&self) -> String {
        self.vault.note().unwrap_or_default()
    }

    /// The lock under which one process at a time fetches; `None` where another holds it for too long.
    pub(super) async fn key_lock(&self) -> Option<KeyLock> {
        let key_lock = tokio::time::timeout(KEY_LOCK_WAIT, self.ledger.key_lock(&self.key)).await;
        key_lock.ok()?.ok()
    }

    /// Teaches the redactor a token that is saved in a file; the keyring is skipped, since it may prompt. Blocks.
    pub(super) fn learn(&self) {
        let stored = self.vault.without_keyring().get(&self.name());
        if let Ok(Some((secret, _))) = stored
            && let Ok(wire) = serde_json::from_slice::<StoredToken>(secret.expose().as_bytes())
        {
            redact::learn_temporary(&Secret::new(wire.access_token), "access_token");
        }
    }

    /// The saved token, if it can be trusted. One with unexpected content counts as none and is replaced.
    ///
    /// # Errors
    /// In words, why its file cannot be read, and what to do.
    pub(super) async fn read(
        &self,
        now: Now,
        jitter: Jitter,
    ) -> Result<Option<StoredTokenFound>, String> {
        let got = self.in_vault("reading", Vault::get).await?;
        Ok(got.and_then(|(secret, place)| parse(&secret, &place, now, jitter)))
    }

    /// Works with the vault's entry. `doing` names the work in the error for a crash.
    async fn in_vault<T: Send + 'static>(
        &self,
        doing: &str,
        work: impl FnOnce(&Vault, &str) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, String> {
        let (vault, name) = (self.vault.clone(), self.name());
        match tokio::task::spawn_blocking(move || work(&vault, &name)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(inert::cut(&error.to_string(), 400)),
            Err(_) => Err(format!("{doing} it crashed")),
        }
    }

    /// Saves a token in place of the one before.
    ///
    /// # Errors
    /// In words, why it cannot be saved.
    pub(super) async fn write(
        &self,
        token: &Secret,
        life: TokenLifetime,
    ) -> Result<StoredIn, String> {
        let wire = StoredToken {
            schema: 1,
            access_token: token.expose().to_owned(),
            asked_at: life.requested_at().0,
            life: u64::try_from(life.life.as_millis()).unwrap_or(u64::MAX),
        };
        let text = serde_json::to_string(&wire).expect("texts and numbers are JSON");
        let secret = Secret::new(text);
        let is_retired = self.is_retired.clone();
        let put = self.in_vault("saving", move |vault, name| {
            let place = vault.put(name, &secret)?;
            // While it was saved, or before: it may have found nothing to delete.
            if is_retired.load(Ordering::SeqCst) {
                vault.forget(name)?;
            }
            Ok(place)
        });
        Ok(stored_as(&put.await?))
    }

    /// Deletes any saved token, and saves no other.
    ///
    /// # Errors
    /// In words, why it may still be saved.
    pub(super) async fn retire(&self) -> Result<(), String> {
        self.is_retired.store(true, Ordering::SeqCst);
        self.forget_any().await
    }

    /// Deletes any saved token.
    ///
    /// # Errors
    /// In words, why it may still be saved.
    pub(super) async fn forget_any(&self) -> Result<(), String> {
        self.in_vault("deleting", Vault::forget).await
    }

    /// Deletes the saved token if it is this one, which the provider rejected.
    pub(super) async fn forget(&self, rejected: &Secret, now: Now) {
        let found = self.read(now, Jitter::new(0)).await;
        if let Ok(Some(found)) = found
            && found.token == *rejected
        {
            // A failure does no harm: the process that loads the token gets a 401 and replaces it.
            let _ = self.forget_any().await;
        }
    }
}

/// The token in a vault's entry. The file may have been edited or written by another version: each field is checked.
fn parse(entry: &Secret, place: &VaultPlace, now: Now, jitter: Jitter) -> Option<StoredTokenFound> {
    let wire: StoredToken = serde_json::from_slice(entry.expose().as_bytes()).ok()?;
    let life = Duration::from_millis(wire.life);
    let asked_at = WallTime(wire.asked_at);
    let trusted = wire.schema == 1
        && grant::check_token(&wire.access_token).is_ok()
        && !life.is_zero()
        && life <= grant::LIFE_MAX
        && asked_at.since(now.wall) <= FUTURE_MAX;
    trusted.then(|| StoredTokenFound {
        token: Secret::new(wire.access_token),
        life: TokenLifetime {
            // The monotonic clock starts anew in each process, so the age is taken over as a length.
            since: now,
            aged: now.wall.since(asked_at),
            life,
            renew_at: renew_at(life, jitter),
        },
        stored_in: stored_as(place),
    })
}

fn stored_as(place: &VaultPlace) -> StoredIn {
    match place {
        VaultPlace::Keyring => StoredIn::Keyring,
        VaultPlace::File(_) => StoredIn::File,
    }
}
