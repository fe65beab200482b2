//! The system's keyring. Each request runs on its own thread with a time limit: the keyring's store may hang, and must
//! not be called inside an async runtime. Blocks.

use std::fmt;
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use parking_lot::Mutex;

use super::Environ;
use crate::domain::{Secret, inert, time};

/// How long the system's keyring may take per request.
pub const KEYRING_LIMIT: Duration = Duration::from_secs(3);

/// The value `off` disables the keyring, for tests, servers and containers.
pub const KEYRING_VARIABLE: &str = "TILLDECK_KEYRING";

/// A store of secrets by name. May block, hang or fail; called on its own thread with a time limit.
pub trait Keyring: Send + Sync {
    /// The entry's secret; `None` where there is no such entry.
    ///
    /// # Errors
    /// If the store cannot be used, or the entry is not text.
    fn get(&self, name: &str) -> Result<Option<Secret>, KeyringError>;

    /// Saves a secret in place of the previous one.
    ///
    /// # Errors
    /// If the store cannot be used.
    fn put(&self, name: &str, secret: &Secret) -> Result<(), KeyringError>;

    /// Deletes the entry; no error where it does not exist.
    ///
    /// # Errors
    /// If the store cannot be used.
    fn forget(&self, name: &str) -> Result<(), KeyringError>;
}

/// Why the keyring did not respond. Never contains stored data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Disabled by the operator, or not built in.
    #[error("{0}")]
    Off(&'static str),
    /// This machine or session has no keyring; why not is for the support log.
    #[error("no keyring on this machine")]
    Absent(String),
    /// It exists but cannot be unlocked.
    #[error("the keyring is locked ({0})")]
    Locked(String),
    /// It did not respond in time.
    #[error("the keyring did not respond within {}", time::fine(*.0))]
    Slow(Duration),
    /// It rejected this request.
    #[error("the keyring rejected the request")]
    Refused,
    /// The entry is not text.
    #[error("the keyring's entry is not text")]
    NotText,
}

impl KeyringError {
    /// Whether the keyring as a whole is unusable, so that the next request would fail, too.
    pub fn is_general(&self) -> bool {
        !matches!(self, Self::Refused | Self::NotText)
    }
}

/// A keyring with a time limit. Once found unusable it is not called again, so that a program waits for it at most
/// once.
pub struct TimedKeyring {
    store: Arc<dyn Keyring>,
    limit: Duration,
    failure: Mutex<Option<KeyringError>>,
}

impl fmt::Debug for TimedKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedKeyring")
            .field("failure", &self.failure())
            .finish_non_exhaustive()
    }
}

impl TimedKeyring {
    /// A keyring that may take `limit` per request.
    pub fn new(store: Arc<dyn Keyring>, limit: Duration) -> Self {
        Self {
            store,
            limit,
            failure: Mutex::new(None),
        }
    }

    /// The system's keyring, one per process, unless the environment disables it.
    pub fn system(environ: &Environ) -> Arc<Self> {
        static SYSTEM: LazyLock<Arc<TimedKeyring>> =
            LazyLock::new(|| Arc::new(TimedKeyring::new(Arc::new(System), KEYRING_LIMIT)));
        static OFF: LazyLock<Arc<TimedKeyring>> = LazyLock::new(|| {
            let keyring = TimedKeyring::new(Arc::new(System), KEYRING_LIMIT);
            keyring.set_failure(KeyringError::Off("TILLDECK_KEYRING disables the keyring"));
            Arc::new(keyring)
        });
        let off = environ
            .get(KEYRING_VARIABLE)
            .is_some_and(|value| value.eq_ignore_ascii_case("off"));
        if off { OFF.clone() } else { SYSTEM.clone() }
    }

    /// Why it is no longer called.
    pub fn failure(&self) -> Option<KeyringError> {
        self.failure.lock().clone()
    }

    /// Lets the next call ask the store again: the operator may have unlocked it. Not if it is disabled.
    pub fn forget_failure(&self) {
        let mut failure = self.failure.lock();
        if !matches!(*failure, Some(KeyringError::Off(_))) {
            *failure = None;
        }
    }

    fn set_failure(&self, why: KeyringError) {
        if let KeyringError::Absent(cause) = &why {
            tracing::warn!(cause, "no keyring on this machine");
        }
        *self.failure.lock() = Some(why);
    }

    /// Calls the store, unless the keyring is known to be unusable.
    ///
    /// # Errors
    /// If it is unusable or does not respond.
    pub fn call<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Keyring) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        match self.failure() {
            Some(why) => Err(why),
            None => self.retry(question),
        }
    }

    /// Calls the store even where it was unusable before, since the operator may have unlocked it; not if it is
    /// disabled.
    ///
    /// # Errors
    /// If it does not respond.
    pub fn retry<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Keyring) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        if let Some(off @ KeyringError::Off(_)) = self.failure() {
            return Err(off);
        }
        let (send, receive) = mpsc::channel();
        let store = self.store.clone();
        // Its own thread: a hanging call is abandoned and blocks neither the runtime nor the exit.
        let thread = std::thread::Builder::new()
            .name("keyring".into())
            .spawn(move || {
                let _ = send.send(question(store.as_ref()));
            });
        let answer = match thread {
            Ok(_) => receive.recv_timeout(self.limit).unwrap_or_else(|error| {
                Err(match error {
                    mpsc::RecvTimeoutError::Timeout => KeyringError::Slow(self.limit),
                    mpsc::RecvTimeoutError::Disconnected => {
                        KeyringError::Absent("its library failed".into())
                    }
                })
            }),
            Err(error) => Err(KeyringError::Absent(inert::cut(&error.to_string(), 120))),
        };
        match &answer {
            Err(why) if why.is_general() => self.set_failure(why.clone()),
            // It works again, for example because the operator unlocked it.
            _ => *self.failure.lock() = None,
        }
        answer
    }
}

/// The platform's keyring, with the service name "tilldeck".
struct System;

#[cfg(not(feature = "keyring"))]
const NOT_BUILT: KeyringError = KeyringError::Off("this build has no keyring");

#[cfg(not(feature = "keyring"))]
impl Keyring for System {
    fn get(&self, _: &str) -> Result<Option<Secret>, KeyringError> {
        Err(NOT_BUILT)
    }

    fn put(&self, _: &str, _: &Secret) -> Result<(), KeyringError> {
        Err(NOT_BUILT)
    }

    fn forget(&self, _: &str) -> Result<(), KeyringError> {
        Err(NOT_BUILT)
    }
}

#[cfg(feature = "keyring")]
mod platform {
    use keyring_core::{Entry, Error, api::CredentialStoreApi as _};

    use super::{Keyring, KeyringError, Secret, System, inert};

    fn entry(name: &str) -> Result<Entry, Error> {
        #[cfg(target_os = "macos")]
        let store = apple_native_keyring_store::keychain::Store::new()?;
        #[cfg(not(target_os = "macos"))]
        let store = dbus_secret_service_keyring_store::Store::new()?;
        store.build("tilldeck", name, None)
    }

    /// Some errors contain stored data, so only kinds known to be safe are shown.
    fn classify(error: Error) -> KeyringError {
        match error {
            Error::PlatformFailure(why) => KeyringError::Absent(inert::cut(&why.to_string(), 160)),
            Error::NoStorageAccess(why) => KeyringError::Locked(inert::cut(&why.to_string(), 160)),
            Error::BadEncoding(_) => KeyringError::NotText,
            _ => KeyringError::Refused,
        }
    }

    impl Keyring for System {
        fn get(&self, name: &str) -> Result<Option<Secret>, KeyringError> {
            match entry(name).and_then(|entry| entry.get_password()) {
                Ok(text) => Ok(Some(Secret::new(text))),
                Err(Error::NoEntry) => Ok(None),
                Err(error) => Err(classify(error)),
            }
        }

        fn put(&self, name: &str, secret: &Secret) -> Result<(), KeyringError> {
            entry(name)
                .and_then(|entry| entry.set_password(secret.expose()))
                .map_err(classify)
        }

        fn forget(&self, name: &str) -> Result<(), KeyringError> {
            match entry(name).and_then(|entry| entry.delete_credential()) {
                Ok(()) | Err(Error::NoEntry) => Ok(()),
                Err(error) => Err(classify(error)),
            }
        }
    }
}
