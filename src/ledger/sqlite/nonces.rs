//! The last nonce of each API key, stored before it is used; and the lock that sends the requests of one key in order,
//! since a provider rejects a nonce that is lower than the last.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};

use crate::domain::{Now, WallTime};
use crate::private;

use super::Sqlite;
use super::writer::{Store, change};
use crate::ledger::error::LedgerError;
use crate::ledger::nonces::{
    HeldKey, KEY_LOCK_MAX, KeyGuard, KeyHash, KeyLock, Nonce, NonceRules, Nonces, Pause,
};
use crate::ledger::sql;
use crate::ledger::sql::nonces::{Bounds, Clocks, note};
use crate::ledger::status::{Persistence, Status};

/// How often a lock held by another process is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A mutex in this process, and a file lock across processes, which the system releases when a process dies.
#[derive(Debug)]
struct FileLock {
    ledger: Sqlite,
    key: KeyHash,
    _across: Option<File>,
    _here: KeyGuard,
}

#[async_trait]
impl Nonces for Sqlite {
    async fn key_lock(&self, key: &KeyHash) -> Result<KeyLock, LedgerError> {
        // A process that is stopped (SIGSTOP, a debugger) holds its lock; waiting for ever would freeze this one,
        // too.
        let busy = |_| LedgerError::KeyBusy(KEY_LOCK_MAX.as_secs());
        let lock = tokio::time::timeout(KEY_LOCK_MAX, self.lock_key(key)).await;
        Ok(Box::new(lock.map_err(busy)??))
    }

    async fn pause(&self) -> Pause {
        self.0.key_locks.pause().await
    }

    fn note_provider_time(&self, key: &KeyHash, date: WallTime, seen: Now) {
        let key = key.0.clone();
        self.queue().send(move |store| {
            let clocks = Clocks::of(&store.clock, seen);
            // If it cannot be written, nonces use the previous time.
            let _ = <dyn sql::Store>::write(store, |sql| note(sql, &key, date, clocks));
        });
    }
}

impl Sqlite {
    async fn lock_key(&self, key: &KeyHash) -> Result<FileLock, LedgerError> {
        // First within the process: waiting here costs nothing, waiting for the file polls.
        let here = self.0.key_locks.lock(key.clone()).await;
        let path = self.0.folder.join("lanes").join(format!("{}.lock", key.0));
        let unlockable = |error: std::io::Error| LedgerError::Unlockable {
            path: path.clone(),
            why: error.to_string(),
        };
        let file = path.clone();
        let degraded = matches!(*self.0.status.borrow(), Status::Degraded { .. });
        let folder = self.0.folder.clone();
        // Opening may block on a network file system.
        let opened = tokio::task::spawn_blocking(move || match lock_file(&file) {
            // Locking works even where nothing can be written.
            Err(_) if degraded => File::open(folder),
            opened => opened,
        });
        let opened = opened.await;
        let across = match opened.unwrap_or_else(|crash| Err(crash.into())) {
            Ok(file) => Some(locked(file).await.map_err(unlockable)?),
            // Only this process is coordinated: with the simulator, or with --uncoordinated.
            Err(_) if degraded => None,
            Err(error) => return Err(unlockable(error)),
        };
        Ok(FileLock {
            ledger: self.clone(),
            key: key.clone(),
            _across: across,
            _here: here,
        })
    }
}

fn lock_file(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        private::make_subfolder(folder)?;
    }
    private::open(path)
}

async fn locked(file: File) -> std::io::Result<File> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Polled, since a blocking lock could not be cancelled by dropping the future.
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[async_trait]
impl HeldKey for FileLock {
    async fn next_nonce(&mut self, now: Now, rules: NonceRules) -> Result<Nonce, LedgerError> {
        let key = self.key.0.clone();
        let queue = self.ledger.queue();
        queue.run(move |store| next(store, &key, now, rules)).await
    }
}

fn next(store: &mut Store, key: &str, now: Now, rules: NonceRules) -> Result<Nonce, LedgerError> {
    let now = Clocks::of(&store.clock, now);
    let bounds = <dyn sql::Store>::read(store, |sql| Bounds::of(sql, key, now, rules))?;
    // Also one that could not be written: the provider may have seen it.
    let given = store.nonces.get(key).copied();
    let advance = |conn: &Connection| advance(conn, key, given, &bounds);
    // Durable before it is sent: after a power failure the same nonce must not come again
    // (`docs/providers/kanga.md#nonce`). The built-in simulator ends with this process and waits for no disk.
    let stored = if rules.is_simulated {
        store.write(advance)
    } else {
        store.write_durably(advance)
    };
    let nonce = match stored {
        Ok(nonce) => nonce?,
        Err(LedgerError::NotSaved(_) | LedgerError::Newer(_) | LedgerError::Locked(_))
            if rules.persistence == Persistence::BestEffort =>
        {
            let stored = store.read(|conn| last(conn, key)).unwrap_or_default();
            bounds.after(stored.max(given))?
        }
        Err(error) => return Err(error),
    };
    store.nonces.insert(key.to_owned(), nonce.value);
    Ok(nonce)
}

fn last(conn: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT last FROM nonces WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// The outer error is the file's, the inner one the nonce's.
fn advance(
    conn: &Connection,
    key: &str,
    given: Option<i64>,
    bounds: &Bounds,
) -> rusqlite::Result<Result<Nonce, LedgerError>> {
    let change = change(conn)?;
    let nonce = match bounds.after(last(conn, key)?.max(given)) {
        Ok(nonce) => nonce,
        Err(error) => return Ok(Err(error)),
    };
    conn.prepare_cached(
        "INSERT INTO nonces (key, last) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET last = excluded.last",
    )?
    .execute((key, nonce.value))?;
    change.commit()?;
    Ok(Ok(nonce))
}
