//! The last nonce of each API key, stored before it is used; and the lane that lets calls of one key go
//! out one after another, since a provider refuses a nonce that was overtaken.

use std::fmt::{self, Write as _};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;

use crate::domain::WallTime;

use super::writer::Store;
use super::{Ledger, LedgerError, files};

/// Longer than any request and its retries; whoever holds the lane longer is stuck.
pub const LANE_LIMIT: Duration = Duration::from_secs(90);

/// How often a lane held by another process is tried again.
const LANE_PAUSE: Duration = Duration::from_millis(10);

/// Names an API key without telling it: SHA-256 of provider and key, in hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(String);

impl KeyHash {
    /// Of a key; the key itself is not kept.
    #[must_use]
    pub fn of(provider: &str, key: &str) -> Self {
        let mut hash = Sha256::new();
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((provider.len() as u64).to_be_bytes());
        hash.update(provider);
        hash.update(key);
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({})", self.0)
    }
}

/// The right to use one API key, until dropped. Nobody else has it: in this process by a lock in memory,
/// across processes by a lock on a file, which the system takes back when a process dies.
#[derive(Debug)]
pub struct Lane {
    ledger: Ledger,
    key: KeyHash,
    _across: Option<File>,
    _here: OwnedMutexGuard<()>,
}

impl Ledger {
    /// Waits for the lane of a key. Dropping the future gives up.
    ///
    /// # Errors
    /// If another process holds it for over 90 s.
    pub async fn lane(&self, key: &KeyHash) -> Result<Lane, LedgerError> {
        let busy = |_| LedgerError::LaneBusy(LANE_LIMIT.as_secs());
        tokio::time::timeout(LANE_LIMIT, self.enter_lane(key))
            .await
            .map_err(busy)
    }

    async fn enter_lane(&self, key: &KeyHash) -> Lane {
        let here = {
            let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lanes.entry(key.clone()).or_default())
        };
        let here = here.lock_owned().await;
        let path = self.0.folder.join("lanes").join(format!("{}.lock", key.0));
        let opened = tokio::task::spawn_blocking(move || lane_file(&path)).await;
        // Without a file, only this process is kept in order; the ledger's status tells so.
        let mut across = opened.ok().and_then(Result::ok);
        while let Some(file) = &across {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LANE_PAUSE).await,
                Err(TryLockError::Error(_)) => across = None,
            }
        }
        Lane {
            ledger: self.clone(),
            key: key.clone(),
            _across: across,
            _here: here,
        }
    }
}

fn lane_file(path: &Path) -> std::io::Result<File> {
    files::private_file(path).or_else(|_| {
        if let Some(folder) = path.parent() {
            files::make_folder(folder)?;
        }
        files::private_file(path)
    })
}

impl Lane {
    /// The next nonce: the time in milliseconds, or one more than the last where that is higher. It is
    /// stored for good before it is returned; where the ledger cannot be written, it is only known to this
    /// process, and the status is [`super::Status::Degraded`].
    ///
    /// # Errors
    /// If the ledger has stopped, or there is no higher number.
    pub async fn next_nonce(&mut self, now: WallTime) -> Result<i64, LedgerError> {
        let key = self.key.0.clone();
        self.ledger.ask(move |store| next(store, key, now)).await
    }
}

fn next(store: &mut Store, key: String, now: WallTime) -> Result<i64, LedgerError> {
    let after = |last: i64| last.checked_add(1).ok_or(LedgerError::NoncesExhausted);
    loop {
        let era = store.era;
        let mut least = now.0;
        if let Some(given) = store.nonces.get(&key) {
            least = least.max(after(*given)?);
        }
        let stored = store.write_durably(|conn| advance(conn, &key, least));
        if store.era != era {
            // The file was replaced meanwhile, and what the old one knew was taken along.
            continue;
        }
        let nonce = match stored {
            Ok(nonce) => nonce.ok_or(LedgerError::NoncesExhausted)?,
            Err(LedgerError::NotKept(_)) => {
                match store.read(|conn| last(conn, &key)).unwrap_or_default() {
                    Some(stored) => least.max(after(stored)?),
                    None => least,
                }
            }
            Err(error) => return Err(error),
        };
        store.nonces.insert(key, nonce);
        return Ok(nonce);
    }
}

fn last(conn: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT last FROM nonces WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

fn advance(conn: &Connection, key: &str, least: i64) -> rusqlite::Result<Option<i64>> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let nonce = match last(&change, key)?.map(|last| last.checked_add(1)) {
        None => least,
        Some(Some(next)) => next.max(least),
        Some(None) => return Ok(None),
    };
    change
        .prepare_cached(
            "INSERT INTO nonces (key, last) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET last = excluded.last",
        )?
        .execute((key, nonce))?;
    change.commit()?;
    Ok(Some(nonce))
}

/// The last nonces of a file that is being replaced, as far as they can still be read.
pub(super) fn carried(conn: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
    conn.prepare("SELECT key, last FROM nonces")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
