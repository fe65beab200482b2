//! The key that seals callbacks, read at first use, so that a program without callbacks never waits for a keyring. The
//! config names it where a ledger is shared; otherwise it is made once and saved in the vault. The ledger has its
//! fingerprint, so that none is made while the vault cannot be read.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::callbacks::Inbound;
use crate::callbacks::seal::Sealer;
use crate::clock::Clock;
use crate::config::{Callbacks, Environ, SecretSource, Vault, VaultError};
use crate::deck::ledger;
use crate::domain::{DeliveryId, Problem, Secret, inert};
use crate::ledger::{KeyHash, Ledger};
use crate::providers::reread_pause;

/// The vault's name for it.
const NAME: &str = "callbacks-key";
/// That of the embedded simulator, whose callbacks are in the same ledger.
const SIMULATORS: &str = "simulated-callbacks-key";
/// How long another process may take to create it.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest wait between two reads of a source that may prompt; each failure doubles the wait.
const PROMPTED_MAX: Duration = Duration::from_mins(5);

pub(in crate::deck) struct Sealing {
    vault: Vault,
    name: &'static str,
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
    /// Why no callback may be sealed: it is not the key that sealed the ledger's other callbacks.
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
            name: NAME,
            configured,
            ledger,
            clock,
            key: OnceCell::new(),
            read: Mutex::default(),
        }
    }

    /// That of the simulator. In a file, since opening a keyring for made-up callbacks would only cost time.
    pub(in crate::deck) fn simulated(self) -> Self {
        Self {
            vault: self.vault.without_keyring(),
            name: SIMULATORS,
            ..self
        }
    }

    /// With other settings, whose keys are not read yet.
    pub(super) fn configured_by(&self, configured: ConfiguredKeys) -> Self {
        let (ledger, clock) = (self.ledger.clone(), self.clock.clone());
        Self {
            name: self.name,
            ..Self::new(self.vault.clone(), configured, ledger, clock)
        }
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
            match self.saved_key().await {
                Ok(Ok(bytes)) => Ok(lasting(Sealer::new(bytes))),
                Ok(Err(why)) => Ok(fleeting(why)),
                Err(why) => Err(refused(why)),
            }
        });
        key.await.map_or_else(|refused| refused, Clone::clone)
    }

    /// Opens the sealed bytes of a callback.
    pub(super) async fn open(&self, id: DeliveryId, sealed: &[u8]) -> Result<Inbound, Problem> {
        let key = self.key().await;
        match (key.sealer.open(sealed), key.refused) {
            (Some(inbound), _) => Ok(inbound),
            // It may be known later.
            (None, Some(why)) => Err(Problem::local(
                format!("callback {} cannot be opened: {why}", id.0),
                "",
            )),
            (None, None) => Err(sealed_by_another(id)),
        }
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
        let sources = [
            Some(source),
            self.configured.callbacks.previous_seal_key.as_ref(),
        ];
        let is_slow = sources.into_iter().flatten().any(|it| !it.is_cheap());
        let (key, previous) = if let Some(keys) = self.last_read(is_slow) {
            keys?
        } else {
            let keys = self.configured_keys(source).await;
            self.note_read(keys.clone());
            keys?
        };
        // On one machine, the operator may replace a key that is lost.
        let agreed = !self.ledger.is_shared() || self.agree(Some(key), previous).await?;
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
    fn last_read(&self, is_slow: bool) -> Option<Result<Keys, String>> {
        let read = self.read.lock();
        let mut pause = reread_pause(is_slow);
        if is_slow {
            pause = (pause * 2_u32.saturating_pow(read.failed.saturating_sub(1))).min(PROMPTED_MAX);
        }
        let since = self.clock.now().mono.saturating_sub(read.at);
        let keys = read.keys.as_ref();
        keys.filter(|keys| keys.is_ok() || since < pause).cloned()
    }

    fn note_read(&self, keys: Result<Keys, String>) {
        let at = self.clock.now().mono;
        let mut read = self.read.lock();
        let failed = if keys.is_err() { read.failed + 1 } else { 0 };
        *read = LastRead {
            at,
            failed,
            keys: Some(keys),
        };
    }

    /// As [`Ledger::agree_on_seal_key`]; the simulator's key agrees with none.
    async fn agree(
        &self,
        key: Option<[u8; 32]>,
        previous: Option<[u8; 32]>,
    ) -> Result<bool, String> {
        if self.name == SIMULATORS {
            return Ok(true);
        }
        let [key, previous] = [key, previous].map(|key| key.map(fingerprint));
        let agreed = self.ledger.agree_on_seal_key(key, previous).await;
        agreed.map_err(|error| error.to_string())
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

    /// The vault's key; created if none has sealed callbacks yet, where the inner error says why it cannot be saved. The
    /// outer error lasts until the vault has the key that has sealed them.
    async fn saved_key(&self) -> Result<Result<[u8; 32], String>, String> {
        if let Some(Err(why)) = self.last_read(true) {
            return Err(why);
        }
        let failed = self.read.lock().failed;
        if failed > 0 {
            self.vault.try_keyring_again();
        }
        let mut found = self.read().await;
        if !matches!(found, Ok(Some(_))) {
            if self.agree(None, None).await? {
                match self.create().await {
                    Ok(key) => found = Ok(Some(key)),
                    Err(why) => return Ok(Err(why)),
                }
            } else {
                // Another process may have created it since.
                found = self.read().await;
            }
        }
        let why = match found {
            // A ledger that cannot be read saves no callback either.
            Ok(Some(key)) if self.agree(Some(key), None).await.unwrap_or(true) => {
                return Ok(Ok(key));
            }
            Ok(Some(_)) => "the vault has another key".to_owned(),
            Ok(None) => self.vault.note().unwrap_or("the vault has no key".into()),
            Err(why) => why,
        };
        let why = format!(
            "the key that sealed earlier callbacks is missing: {why}; unlock the keyring or bring the key back; if it is lost, \
             name a new one as `seal_key` in [callbacks]"
        );
        self.note_read(Err(why.clone()));
        Err(why)
    }

    async fn create(&self) -> Result<[u8; 32], String> {
        // Of two processes that find none, the first creates it and the second reads that.
        let name = KeyHash::of("tilldeck", self.name);
        let _key_lock = tokio::time::timeout(PATIENCE, self.ledger.key_lock(&name))
            .await
            .map_err(|_| "another tilldeck is creating it and does not finish".to_owned())?
            .map_err(|error| error.to_string())?;
        if let Some(key) = self.read().await? {
            return Ok(key);
        }
        let secret = new_key();
        let key = bytes(&secret).expect("it was just made");
        let name = self.name;
        self.in_vault(move |vault| vault.put(name, &secret)).await?;
        Ok(key)
    }

    async fn read(&self) -> Result<Option<[u8; 32]>, String> {
        let name = self.name;
        self.in_vault(move |vault| key_in(vault, name)).await?
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
    key_in(vault, NAME)
}

fn key_in(vault: &Vault, name: &str) -> Result<Result<Option<[u8; 32]>, String>, VaultError> {
    let Some((secret, _)) = vault.get(name)? else {
        return Ok(Ok(None));
    };
    // Never replaced: everything that it has sealed would become unreadable.
    Ok(bytes(&secret)
        .map(Some)
        .ok_or_else(|| format!("the vault entry {name} is not a valid key")))
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
fn sealed_by_another(id: DeliveryId) -> Problem {
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
    #[cfg(feature = "postgres")]
    use crate::config::LedgerConfig;
    use crate::config::{Keyring, KeyringError};
    use crate::domain::{ProblemKind, WallTime};
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
    async fn two_that_start_at_once_have_one_key_and_it_is_saved() {
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
    async fn a_key_that_cannot_be_saved_serves_this_run_and_one_that_is_none_is_not_replaced() {
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
        assert!(why.contains("not a valid key"), "{why}");
        let (kept, _) = vault.get(NAME).unwrap().unwrap();
        assert_eq!(kept.expose(), "no key");
    }

    /// A keyring with one entry, or none while it is locked.
    struct OneEntry(Mutex<Result<Option<Secret>, KeyringError>>);

    impl OneEntry {
        fn set(&self, entry: Result<Option<Secret>, KeyringError>) {
            *self.0.lock() = entry;
        }
    }

    impl Keyring for OneEntry {
        fn get(&self, _: &str) -> Result<Option<Secret>, KeyringError> {
            self.0.lock().clone()
        }

        fn put(&self, _: &str, secret: &Secret) -> Result<(), KeyringError> {
            let mut entry = self.0.lock();
            entry
                .as_mut()
                .map_err(|why| why.clone())?
                .replace(secret.clone());
            Ok(())
        }

        fn forget(&self, _: &str) -> Result<(), KeyringError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_missing_key_is_not_replaced_until_it_is_back_or_the_operator_names_another() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Arc::new(OneEntry(Mutex::new(Ok(None))));
        let (clock, hand) = Clock::by_hand(WallTime(0));
        let sealing = || Sealing {
            vault: Vault::with(folder.path().join("vault"), keyring.clone(), PATIENCE),
            ..configured_sealing(folder.path(), Callbacks::default(), clock.clone())
        };
        let first = sealing().key().await;
        assert_eq!((first.fleeting, first.refused), (None, None));
        let sealed = first.sealer.seal(&inbound());
        let key = keyring.get(NAME).unwrap();
        for (found, cause) in [
            (Err(KeyringError::Locked("no prompt".into())), "is locked"),
            (Ok(None), "no key"),
            (Ok(Some(new_key())), "another key"),
        ] {
            keyring.set(found);
            let later = sealing();
            let why = later.awaited().await.unwrap();
            assert!(why.contains(cause), "{why}");
            let unopened = later.open(DeliveryId(1), &sealed).await.unwrap_err();
            assert_eq!(unopened.kind, ProblemKind::Local, "it is tried again");
            keyring.set(Ok(key.clone()));
            assert_eq!(later.awaited().await, Some(why), "no prompt every second");
            hand.advance(Duration::from_secs(30));
            assert_eq!(later.awaited().await, None);
            assert!(later.open(DeliveryId(1), &sealed).await.is_ok());
        }
        let simulated = || sealing().simulated();
        let own = simulated().key().await;
        assert_eq!((own.fleeting, own.refused), (None, None));
        let sealed = own.sealer.seal(&inbound());
        assert!(simulated().open(DeliveryId(2), &sealed).await.is_ok());
        assert_eq!(sealing().awaited().await, None, "its key is another");
        keyring.set(Ok(None));
        let file = folder.path().join("seal_key");
        crate::private::replace(&file, new_key().expose().as_bytes()).unwrap();
        let callbacks = Callbacks {
            seal_key: Some(SecretSource::File {
                written: "seal_key".into(),
                base: folder.path().to_owned(),
            }),
            ..Callbacks::default()
        };
        let replaced = configured_sealing(folder.path(), callbacks, clock);
        assert_eq!(replaced.key().await.refused, None);
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
