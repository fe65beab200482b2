//! The key that seals callbacks: made once, saved in the vault, and read at first use, so that a program without
//! callbacks never waits for a keyring.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::OnceCell;

use crate::callbacks::seal::Sealer;
use crate::config::Vault;
use crate::domain::{DeliveryId, Problem, ProblemKind, Secret, inert};
use crate::ledger::{KeyHash, Ledger};

/// The vault's name for it.
const NAME: &str = "callbacks-key";
/// How long another process may take to create it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The sealing key, once it is loaded.
pub(in crate::deck) struct Sealing {
    vault: Vault,
    ledger: Ledger,
    key: OnceCell<Key>,
}

/// Seals and opens callbacks.
#[derive(Clone)]
pub(in crate::deck) struct Key {
    pub(in crate::deck) sealer: Arc<Sealer>,
    /// Why the key lasts for this run only.
    pub(in crate::deck) fleeting: Option<String>,
}

impl Sealing {
    pub(in crate::deck) fn new(vault: Vault, ledger: Ledger) -> Self {
        Self {
            vault,
            ledger,
            key: OnceCell::new(),
        }
    }

    /// The key; created if there is none yet. If it cannot be saved, it serves this run only.
    pub(in crate::deck) async fn key(&self) -> Key {
        // Once in a run: a keyring may prompt at each read.
        let key = self.key.get_or_init(|| async {
            match self.saved_key().await {
                Ok(bytes) => Key {
                    sealer: Arc::new(Sealer::new(bytes)),
                    fleeting: None,
                },
                Err(why) => Key {
                    sealer: Arc::new(Sealer::new(fresh())),
                    fleeting: Some(why),
                },
            }
        });
        key.await.clone()
    }

    async fn saved_key(&self) -> Result<[u8; 32], String> {
        if let Some(key) = self.read().await? {
            return Ok(key);
        }
        // Of two processes that find none, the first creates it and the second reads that.
        let name = KeyHash::of("tilldeck", NAME);
        let _key_lock = tokio::time::timeout(PATIENCE, self.ledger.key_lock(&name))
            .await
            .map_err(|_| "another tilldeck is creating it and does not finish".to_owned())?
            .map_err(|error| error.to_string())?;
        if let Some(key) = self.read().await? {
            return Ok(key);
        }
        let key = fresh();
        let secret = Secret::new(STANDARD.encode(key));
        self.in_vault(move |vault| vault.put(NAME, &secret)).await?;
        Ok(key)
    }

    async fn read(&self) -> Result<Option<[u8; 32]>, String> {
        let Some((secret, _)) = self.in_vault(|vault| vault.get(NAME)).await? else {
            return Ok(None);
        };
        let bytes = STANDARD.decode(secret.expose()).ok();
        let key = bytes.and_then(|bytes| bytes.try_into().ok());
        // Never replaced: everything that it has sealed would become unreadable.
        key.map(Some).ok_or_else(|| {
            format!("the vault entry {NAME} is not a valid key; remove it, and tilldeck creates a new one")
        })
    }

    async fn in_vault<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Vault) -> Result<T, crate::config::VaultError> + Send + 'static,
    ) -> Result<T, String> {
        let vault = self.vault.clone();
        match tokio::task::spawn_blocking(move || work(&vault)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(inert::cut(&error.to_string(), 200)),
            Err(_) => Err("an internal error stopped reading it".into()),
        }
    }
}

fn fresh() -> [u8; 32] {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the system has random numbers");
    key
}

/// The stored callback was sealed with another key.
pub(super) fn sealed_by_another(id: DeliveryId) -> Problem {
    Problem::new(
        ProblemKind::Config,
        format!(
            "callback {} cannot be opened: it was sealed with another key than the stored one",
            id.0
        ),
        "its row stays in the list; callbacks received from now on can be opened",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callbacks::Raw;
    use crate::clock::Clock;
    use crate::ledger::Retention;

    fn sealing(folder: &std::path::Path) -> Sealing {
        let ledger = Ledger::start(folder.to_owned(), Clock::system(), Retention::default());
        Sealing::new(Vault::files(folder.join("vault")), ledger)
    }

    fn raw() -> Raw {
        Raw {
            method: "POST".into(),
            target: "/callbacks/shop".into(),
            headers: Vec::new(),
            body: "x".into(),
        }
    }

    #[tokio::test]
    async fn two_that_start_at_once_have_one_key_and_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (sealing(folder.path()), sealing(folder.path()));
        let (one, other) = tokio::join!(one.key(), other.key());
        assert_eq!((&one.fleeting, &other.fleeting), (&None, &None));
        let sealed = one.sealer.seal(&raw());
        assert_eq!(other.sealer.open(&sealed), Some(raw()));
        let later = sealing(folder.path()).key().await;
        assert_eq!(later.sealer.open(&sealed), Some(raw()));
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_kept_serves_this_run_and_one_that_is_none_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vault"), "no folder").unwrap();
        let key = sealing(folder.path()).key().await;
        let why = key.fleeting.unwrap();
        assert!(why.contains("vault"), "{why}");
        assert_eq!(key.sealer.open(&key.sealer.seal(&raw())), Some(raw()));

        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::files(folder.path().join("vault"));
        vault.put(NAME, &Secret::new("no key")).unwrap();
        let why = sealing(folder.path()).key().await.fleeting.unwrap();
        assert!(why.contains("remove it"), "{why}");
        let (kept, _) = vault.get(NAME).unwrap().unwrap();
        assert_eq!(kept.expose(), "no key");
    }
}
