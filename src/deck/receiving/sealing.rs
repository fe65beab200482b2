//! The key that seals callbacks, read at first use, so that a program without callbacks never waits for a keyring. The
//! config names it where a ledger is shared; otherwise it is made once and saved in the vault.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::OnceCell;

use crate::callbacks::seal::Sealer;
use crate::clock::Clock;
use crate::config::{Callbacks, Environ, SecretSource, Vault, VaultError};
use crate::deck::ledger;
use crate::domain::{DeliveryId, Problem, Secret, inert};
use crate::ledger::{KeyHash, Ledger};
use crate::providers::reread_pause;

/// The vault's name for it.
const NAME: &str = "callbacks-key";
/// How long another process may take to create it.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest wait between two reads of a source that may prompt; each failure doubles the wait.
const PROMPTED_MAX: Duration = Duration::from_mins(5);

pub(in crate::deck) struct Sealing {
    vault: Vault,
    configured: ConfiguredKeys,
    ledger: Ledger,
    clock: Clock,
    key: OnceCell<Key>,
    /// The last read of the sources.
    read: Mutex<LastRead>,
}

/// The last read of the sources of the configured key, which may prompt.
#[derive(Default)]
struct LastRead {
    at: Duration,
    /// How many reads in a row have failed.
    failed: u32,
    keys: Option<Result<Keys, String>>,
}

/// The key, and the one before it.
type Keys = ([u8; 32], Option<[u8; 32]>);

/// Where the key is that the config names, and the one before it, by which older callbacks are opened.
pub(in crate::deck) struct ConfiguredKeys {
    callbacks: Callbacks,
    environ: Environ,
}

impl ConfiguredKeys {
    pub(in crate::deck) fn new(callbacks: Callbacks, environ: &Environ) -> Self {
        let environ = environ.clone();
        Self { callbacks, environ }
    }
}

#[derive(Clone)]
pub(in crate::deck) struct Key {
    pub(in crate::deck) sealer: Arc<Sealer>,
    /// Why the key lasts for this run only.
    pub(in crate::deck) fleeting: Option<String>,
    /// Why no callback may be sealed: the other machines that share the ledger could not open it.
    pub(in crate::deck) refused: Option<String>,
}

impl Sealing {
    pub(in crate::deck) fn new(
        vault: Vault,
        configured: ConfiguredKeys,
        ledger: Ledger,
        clock: Clock,
    ) -> Self {
        Self {
            vault,
            configured,
            ledger,
            clock,
            key: OnceCell::new(),
            read: Mutex::default(),
        }
    }

    /// With other settings, whose keys are not read yet.
    pub(super) fn configured_by(&self, configured: ConfiguredKeys) -> Self {
        let (ledger, clock) = (self.ledger.clone(), self.clock.clone());
        Self::new(self.vault.clone(), configured, ledger, clock)
    }

    pub(in crate::deck) fn with_key(self, key: Option<Key>) -> Self {
        Self {
            key: OnceCell::new_with(key),
            ..self
        }
    }

    /// Whether these settings name the same keys.
    pub(super) fn is_configured_by(&self, callbacks: &Callbacks) -> bool {
        let own = &self.configured.callbacks;
        own.seal_key == callbacks.seal_key && own.previous_seal_key == callbacks.previous_seal_key
    }

    /// The key, if it is loaded and seals.
    pub(super) fn usable_key(&self) -> Option<Key> {
        let key = self.key.get().filter(|key| key.refused.is_none());
        key.cloned()
    }

    /// The key; created if there is none yet. If it cannot be saved, it serves this run only.
    pub(in crate::deck) async fn key(&self) -> Key {
        // Once in a run: a keyring may prompt at each read.
        let key = self.key.get_or_try_init(|| async {
            let lasting = |sealer| Key {
                sealer: Arc::new(sealer),
                fleeting: None,
                refused: None,
            };
            let fleeting = |why| Key {
                fleeting: Some(why),
                ..lasting(Sealer::new(fresh()))
            };
            let refused = |why: String| Key {
                refused: Some(why.clone()),
                ..fleeting(why)
            };
            if let Some(source) = &self.configured.callbacks.seal_key {
                return match self.configured_key(source).await {
                    Ok(Ok(sealer)) => Ok(lasting(sealer)),
                    Ok(Err(why)) => Ok(refused(why)),
                    Err(why) => Err(refused(why)),
                };
            }
            Ok(match self.saved_key().await {
                Ok(bytes) => lasting(Sealer::new(bytes)),
                Err(why) => fleeting(why),
            })
        });
        key.await.map_or_else(|refused| refused, Clone::clone)
    }

    /// Why it is not known yet which key seals callbacks: its source or the ledger cannot be read.
    pub(super) async fn awaited(&self) -> Option<String> {
        let key = self.key().await;
        key.refused.filter(|_| self.key.get().is_none())
    }

    /// The key, if there is one. Creates none, and needs no ledger.
    pub(in crate::deck) async fn existing(&self) -> Option<Arc<Sealer>> {
        if let Some(key) = self.key.get() {
            return Some(key.sealer.clone());
        }
        let sealer = match &self.configured.callbacks.seal_key {
            Some(source) => {
                let (key, previous) = self.configured_keys(source).await.ok()?;
                Sealer::new(key).with_previous(previous)
            }
            None => Sealer::new(self.read().await.ok()??),
        };
        Some(Arc::new(sealer))
    }

    /// The outer error lasts until a source or the ledger can be read.
    async fn configured_key(
        &self,
        source: &SecretSource,
    ) -> Result<Result<Sealer, String>, String> {
        let (key, previous) = if let Some(keys) = self.last_read(source) {
            keys?
        } else {
            let keys = self.configured_keys(source).await;
            let at = self.clock.now().mono;
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            let failed = if keys.is_err() { read.failed + 1 } else { 0 };
            *read = LastRead {
                at,
                failed,
                keys: Some(keys.clone()),
            };
            keys?
        };
        let agreed = self
            .ledger
            .agree_on_seal_key(fingerprint(key), previous.map(fingerprint))
            .await
            .map_err(|error| error.to_string())?;
        Ok(if agreed {
            Ok(Sealer::new(key).with_previous(previous))
        } else {
            Err(
                "seal_key in [callbacks] is not the key of the other machines that share the ledger; configure the same \
                 key, and after a change of the key also the old one as previous_seal_key"
                    .to_owned(),
            )
        })
    }

    /// What the last read brought, until it is time for the next. The key is asked for again and again while the ledger is
    /// away or a source cannot be read, but a keyring may prompt at each read.
    fn last_read(&self, source: &SecretSource) -> Option<Result<Keys, String>> {
        let previous = self.configured.callbacks.previous_seal_key.as_ref();
        let is_slow = [Some(source), previous]
            .into_iter()
            .flatten()
            .any(|it| !it.is_cheap());
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pause = reread_pause(is_slow);
        if is_slow {
            pause = (pause * 2_u32.saturating_pow(read.failed.saturating_sub(1))).min(PROMPTED_MAX);
        }
        let since = self.clock.now().mono.saturating_sub(read.at);
        let keys = read.keys.as_ref();
        keys.filter(|keys| keys.is_ok() || since < pause).cloned()
    }

    async fn configured_keys(&self, source: &SecretSource) -> Result<Keys, String> {
        let ConfiguredKeys { callbacks, environ } = &self.configured;
        let key = configured(source, environ, "seal_key").await?;
        let previous = match &callbacks.previous_seal_key {
            Some(source) => Some(configured(source, environ, "previous_seal_key").await?),
            None => None,
        };
        Ok((key, previous))
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
        let secret = new_key();
        let key = bytes(&secret).expect("it was just made");
        self.in_vault(move |vault| vault.put(NAME, &secret)).await?;
        Ok(key)
    }

    async fn read(&self) -> Result<Option<[u8; 32]>, String> {
        self.in_vault(own_key).await?
    }

    async fn in_vault<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Vault) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, String> {
        let vault = self.vault.clone();
        match tokio::task::spawn_blocking(move || work(&vault)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(inert::cut(&error.to_string(), 400)),
            Err(_) => Err("an internal error stopped reading it".into()),
        }
    }
}

/// The key of this machine, if there is one. The outer error is the vault's.
pub(in crate::deck) fn own_key(
    vault: &Vault,
) -> Result<Result<Option<[u8; 32]>, String>, VaultError> {
    let Some((secret, _)) = vault.get(NAME)? else {
        return Ok(Ok(None));
    };
    // Never replaced: everything that it has sealed would become unreadable.
    Ok(bytes(&secret).map(Some).ok_or_else(|| {
        format!(
            "the vault entry {NAME} is not a valid key; remove it, and tilldeck creates a new one"
        )
    }))
}

pub(in crate::deck) async fn configured(
    source: &SecretSource,
    environ: &Environ,
    name: &str,
) -> Result<[u8; 32], String> {
    let secret = ledger::read(source.clone(), environ.clone(), name).await;
    let secret = secret.map_err(|problem| problem.to_string())?;
    bytes(&secret).ok_or_else(|| {
        format!("{name} is not 32 bytes in base64; `openssl rand -base64 32` makes one")
    })
}

/// What tells a sealing key from another without revealing it; `None` if the secret is no such key.
pub(in crate::deck) fn fingerprint_of(secret: &Secret) -> Option<String> {
    bytes(secret).map(fingerprint)
}

/// A key that no one has.
pub(in crate::deck) fn new_key() -> Secret {
    Secret::new(STANDARD.encode(fresh()))
}

fn bytes(secret: &Secret) -> Option<[u8; 32]> {
    STANDARD.decode(secret.expose()).ok()?.try_into().ok()
}

fn fingerprint(key: [u8; 32]) -> String {
    KeyHash::of("seal_key", &STANDARD.encode(key)).as_str()[..16].to_owned()
}

fn fresh() -> [u8; 32] {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the system has random numbers");
    key
}

/// The stored callback was sealed with another key.
pub(super) fn sealed_by_another(id: DeliveryId) -> Problem {
    Problem::config(
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
    use crate::callbacks::Inbound;
    #[cfg(feature = "postgres")]
    use crate::config::LedgerConfig;
    use crate::domain::WallTime;
    use crate::http_server::Request;
    use crate::ledger::Retention;

    fn sealing(folder: &std::path::Path) -> Sealing {
        configured_sealing(folder, Callbacks::default(), Clock::system())
    }

    fn configured_sealing(folder: &std::path::Path, callbacks: Callbacks, clock: Clock) -> Sealing {
        let ledger = Ledger::start(folder.to_owned(), clock.clone(), Retention::default());
        let configured = ConfiguredKeys::new(callbacks, &Environ::process());
        Sealing::new(
            Vault::files(folder.join("vault")),
            configured,
            ledger,
            clock,
        )
    }

    fn inbound() -> Inbound {
        Inbound::saved(Request::new("x".into()))
    }

    #[tokio::test]
    async fn two_that_start_at_once_have_one_key_and_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (sealing(folder.path()), sealing(folder.path()));
        let (one, other) = tokio::join!(one.key(), other.key());
        assert_eq!((&one.fleeting, &other.fleeting), (&None, &None));
        let sealed = one.sealer.seal(&inbound());
        assert!(other.sealer.open(&sealed).is_some());
        let later = sealing(folder.path()).key().await;
        assert!(later.sealer.open(&sealed).is_some());
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_kept_serves_this_run_and_one_that_is_none_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vault"), "no folder").unwrap();
        let key = sealing(folder.path()).key().await;
        let why = key.fleeting.unwrap();
        assert!(why.contains("vault"), "{why}");
        assert!(key.sealer.open(&key.sealer.seal(&inbound())).is_some());

        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::files(folder.path().join("vault"));
        vault.put(NAME, &Secret::new("no key")).unwrap();
        let why = sealing(folder.path()).key().await.fleeting.unwrap();
        assert!(why.contains("remove it"), "{why}");
        let (kept, _) = vault.get(NAME).unwrap().unwrap();
        assert_eq!(kept.expose(), "no key");
    }

    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn a_source_that_was_read_is_not_read_again_while_the_ledger_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seal_key");
        crate::private::replace(&file, new_key().expose().as_bytes()).unwrap();
        let callbacks = Callbacks {
            seal_key: Some(SecretSource::File {
                written: "seal_key".into(),
                base: folder.path().to_owned(),
            }),
            ..Callbacks::default()
        };
        let (clock, manual_clock) = Clock::by_hand(WallTime(0));
        let url = Secret::new("postgres://till@127.0.0.1:9/till");
        let away = ledger::settings(url, &LedgerConfig::default(), &Environ::of([]));
        let sealing = Sealing {
            ledger: Ledger::connect(&away, clock.clone(), Retention::shared()).unwrap(),
            ..configured_sealing(folder.path(), callbacks, clock)
        };
        for _ in 0..2 {
            let why = sealing.awaited().await.unwrap();
            assert!(!why.contains("seal_key"), "{why}");
            let _ = std::fs::remove_file(&file);
            manual_clock.advance(Duration::from_mins(1));
        }
    }

    #[tokio::test]
    async fn a_source_that_cannot_be_read_is_read_again_after_a_pause() {
        for (is_slow, pauses) in [(false, [1, 1]), (true, [30, 60])] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("seal_key");
            let source = if is_slow {
                let file = file.to_str().unwrap().to_owned();
                SecretSource::Command {
                    words: vec!["cat".into(), file],
                }
            } else {
                SecretSource::File {
                    written: "seal_key".into(),
                    base: folder.path().to_owned(),
                }
            };
            let callbacks = Callbacks {
                seal_key: Some(source),
                ..Callbacks::default()
            };
            let (clock, manual_clock) = Clock::by_hand(WallTime(0));
            let sealing = configured_sealing(folder.path(), callbacks, clock);
            let second = Duration::from_secs(1);
            let why = sealing.key().await.refused.unwrap();
            assert!(why.contains("seal_key"), "{why}");
            manual_clock.advance(second * pauses[0]);
            assert_eq!(sealing.key().await.refused.as_ref(), Some(&why));
            crate::private::replace(&file, new_key().expose().as_bytes()).unwrap();
            manual_clock.advance(second * (pauses[1] - 1));
            assert_eq!(sealing.key().await.refused, Some(why));
            manual_clock.advance(second);
            assert_eq!(sealing.key().await.refused, None);
            assert_eq!(sealing.awaited().await, None);
        }
    }
}
