//! The last nonce of each API key, stored before it is used; and the lock that sends the requests of one key in order,
//! since a provider rejects a nonce that is lower than the last.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::domain::{Now, WallTime, hex};

use super::error::LedgerError;
use super::status::Persistence;

/// Longer than any usual request; a process that holds the lock longer is stuck.
pub const KEY_LOCK_MAX: Duration = Duration::from_mins(3);

/// Identifies an API key without revealing it: SHA-256 of provider and key, in hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub(super) String);

impl KeyHash {
    /// The key itself is not stored.
    pub fn of(provider: &str, key: &str) -> Self {
        let mut hash = Sha256::new();
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((provider.len() as u64).to_be_bytes());
        hash.update(provider);
        hash.update(key);
        Self(hex(&hash.finalize()))
    }

    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({})", self.0)
    }
}

/// One mutex for each key, within this process.
#[derive(Debug)]
pub struct KeyedMutex<K> {
    locks: Mutex<HashMap<K, Weak<tokio::sync::Mutex<()>>>>,
    /// Each holder reads it; a pause writes it.
    pauses: Arc<RwLock<()>>,
}

/// The lock of a key, until dropped.
pub type KeyGuard = (OwnedMutexGuard<()>, OwnedRwLockReadGuard<()>);

/// While it lasts, no key is locked.
pub type Pause = OwnedRwLockWriteGuard<()>;

impl<K> Default for KeyedMutex<K> {
    fn default() -> Self {
        Self {
            locks: Mutex::default(),
            pauses: Arc::default(),
        }
    }
}

impl<K: Eq + Hash> KeyedMutex<K> {
    /// Waits for the lock of a key. Dropping the future stops waiting.
    pub async fn lock(&self, key: K) -> KeyGuard {
        let lock = {
            let mut locks = self.locks.lock();
            // Entries without a holder go here, or the map would grow with each key.
            locks.retain(|_, lock| lock.strong_count() > 0);
            let lock = locks.get(&key).and_then(Weak::upgrade).unwrap_or_default();
            locks.insert(key, Arc::downgrade(&lock));
            lock
        };
        loop {
            let held = lock.clone().lock_owned().await;
            if let Ok(reads) = self.pauses.clone().try_read_owned() {
                return (held, reads);
            }
            // Those that wait do not delay the pause that begins.
            drop(held);
            drop(self.pauses.read().await);
        }
    }

    /// Waits until no key is locked. From the call on, no lock is given out until the pause ends.
    pub async fn pause(&self) -> Pause {
        self.pauses.clone().write_owned().await
    }
}

/// How a nonce is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NonceRules {
    /// Whether it is used if it cannot be stored.
    pub persistence: Persistence,
    /// Whether it is used if it is ahead of the provider's time.
    pub allow_ahead: bool,
    /// Whether it is for the built-in simulator, so that it need not survive a power failure.
    pub is_simulated: bool,
}

/// A stored nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce {
    /// In milliseconds since 1970, unless an earlier one was higher.
    pub value: i64,
    /// How far it is ahead of the provider's time, if that is more than [`NONCE_LEAD_MAX`].
    pub ahead: Option<Duration>,
}

/// A nonce is sent within this time after it was given out, or not at all: later, another process that shares the ledger
/// may have taken the lock of a process that seemed dead.
pub const NONCE_SENT_WITHIN: Duration = Duration::from_secs(3);

/// A nonce further ahead of the provider's time than this blocks other programs that use the key. A clock that is
/// further off is not used for nonces.
pub const NONCE_LEAD_MAX: Duration = Duration::from_secs(2);

/// The nonces of API keys, in order over all processes that share the ledger.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait Nonces: Send + Sync {
    /// Waits for the lock of a key. Dropping the future stops waiting.
    ///
    /// # Errors
    /// If another process holds it for over three minutes, or its file cannot be locked although the ledger can be
    /// written.
    async fn key_lock(&self, key: &KeyHash) -> Result<KeyLock, LedgerError>;

    /// Waits until this process holds no key's lock. It gets none until the pause is dropped.
    async fn pause(&self) -> Pause;

    /// Reports the `Date` of a provider's response, seen at `seen`. Nonces of `key` follow it at once if it agrees with
    /// this machine's clock or the trusted time, otherwise after several responses agree. Does not wait.
    fn note_provider_time(&self, key: &KeyHash, date: WallTime, seen: Now);
}

/// The exclusive right to use one API key, until dropped. It ends with its process, too.
pub type KeyLock = Box<dyn HeldKey>;

/// See [`KeyLock`].
#[async_trait]
pub trait HeldKey: fmt::Debug + Send {
    /// The next nonce: the provider's time in milliseconds, or one more than the last if that is higher. This machine's
    /// clock is used unless the provider's `Date` contradicts it. The nonce is stored durably before it is returned;
    /// with [`Persistence::BestEffort`] it may be in memory only.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be written, if there is no higher number, or if the nonce would be too far
    /// ahead of the provider's time.
    async fn next_nonce(&mut self, now: Now, rules: NonceRules) -> Result<Nonce, LedgerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_hash_tells_providers_and_keys_apart() {
        let hash = KeyHash::of("kanga", "planted");
        assert_eq!(hash.as_str().len(), 64);
        assert!(!format!("{hash:?}").contains("planted"));
        assert_ne!(KeyHash::of("ab", "c"), KeyHash::of("a", "bc"));
    }

    #[tokio::test]
    async fn one_key_is_locked_by_one_at_a_time() {
        let locks = KeyedMutex::default();
        let first = locks.lock(("shop", "A")).await;
        let _other = locks.lock(("shop", "B")).await;
        let _elsewhere = locks.lock(("shop2", "A")).await;
        {
            let second = locks.lock(("shop", "A"));
            tokio::pin!(second);
            let soon = Duration::from_millis(5);
            assert!(tokio::time::timeout(soon, &mut second).await.is_err());
            drop(first);
            second.await;
        }
        let _ = locks.lock(("shop", "C")).await;
        let left = locks.locks.lock().len();
        assert_eq!(left, 3, "unused keys are removed");
    }
}
