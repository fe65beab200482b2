//! The last nonce of each API key, stored before it is used; and the lock that sends the requests of one key in order,
//! since a provider rejects a nonce that is lower than the last.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use tokio::sync::OwnedMutexGuard;

use crate::clock::{Clock, SharedInstant};
use crate::domain::{Now, WallTime};
use crate::private;

use super::Sqlite;
use super::writer::Store;
use crate::ledger::error::LedgerError;
use crate::ledger::nonces::{
    HeldKey, KEY_LOCK_MAX, KeyHash, KeyLock, NONCE_LEAD_MAX, Nonce, NonceRules, Nonces,
};
use crate::ledger::sql::Database as _;
use crate::ledger::status::{Persistence, Status};

/// How often a lock held by another process is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A mutex in this process, and a file lock across processes, which the system releases when a process dies.
#[derive(Debug)]
struct FileLock {
    ledger: Sqlite,
    key: KeyHash,
    _across: Option<File>,
    _here: OwnedMutexGuard<()>,
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

    fn note_provider_time(&self, key: &KeyHash, date: WallTime, seen: Now) {
        let key = key.0.clone();
        self.send(move |store| {
            let clocks = Clocks::of(&store.clock, seen);
            let date = date.plus(ROUNDED).0;
            // If it cannot be written, nonces use the previous time.
            let _ = store.write(|conn| note(conn, &key, date, clocks));
        });
    }
}

impl Sqlite {
    async fn lock_key(&self, key: &KeyHash) -> Result<FileLock, LedgerError> {
        let here = {
            let mut locks = self
                .0
                .key_locks
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        // First within the process: waiting here costs nothing, waiting for the file polls.
        let here = here.lock_owned().await;
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

/// `Date` has whole seconds (RFC 9110 6.6.1): on average the provider's time is this much later, and never more than
/// twice that.
const ROUNDED: Duration = Duration::from_millis(500);

#[async_trait]
impl HeldKey for FileLock {
    async fn next_nonce(&mut self, now: Now, rules: NonceRules) -> Result<Nonce, LedgerError> {
        let key = self.key.0.clone();
        self.ledger
            .run(move |store| next(store, &key, now, rules))
            .await
    }
}

/// A `Date` that contradicts the trusted time is trusted after this many responses in a row agree: a single one may
/// come from a cache, a proxy, or one machine of many.
const REPLIES_BELIEVED: i64 = 3;

/// The trusted time is saved again after this time, at least.
const CONFIRMED_EVERY: Duration = Duration::from_mins(1);

/// An older trusted time no longer blocks a request that this machine's clock allows: without requests, no response
/// could correct it.
const STOPS_FOR: Duration = Duration::from_mins(10);

/// Whether two clocks agree, within the precision of `Date`.
fn agree(one: i64, other: i64) -> bool {
    Duration::from_millis(one.abs_diff(other)) <= NONCE_LEAD_MAX + ROUNDED
}

/// This machine's clocks at one instant.
#[derive(Clone, Copy)]
struct Clocks {
    shared: SharedInstant,
    wall: WallTime,
}

impl Clocks {
    fn of(clock: &Clock, now: Now) -> Self {
        Self {
            shared: clock.shared(now),
            wall: now.wall,
        }
    }
}

fn note(conn: &Connection, key: &str, date: i64, now: Clocks) -> rusqlite::Result<()> {
    let believed = ProviderTime::of(conn, key, true)?;
    // A response that agrees with either clock needs no second witness.
    let at_once = believed
        .as_ref()
        .is_some_and(|known| agree(known.at(now), date))
        || agree(now.wall.0, date);
    if at_once && believed.is_some_and(|known| known.is_confirmed(date, now)) {
        return Ok(());
    }
    let claimed = ProviderTime::of(conn, key, false)?;
    let replies = claimed
        .filter(|claimed| agree(claimed.at(now), date))
        .map_or(1, |claimed| claimed.replies + 1);
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let believed = at_once || replies >= REPLIES_BELIEVED;
    if believed {
        change
            .prepare_cached("DELETE FROM provider_times WHERE key = ?1")?
            .execute([key])?;
    }
    change
        .prepare_cached(
            "INSERT OR REPLACE INTO provider_times (key, believed, replies, date, boot, at, wall)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            key,
            believed,
            replies,
            date,
            now.shared.boot,
            now.shared.ms,
            now.wall.0,
        ))?;
    change.commit()
}

/// A provider's clock, and this machine's clocks at the same instant.
struct ProviderTime {
    replies: i64,
    date: i64,
    boot: String,
    at: i64,
    wall: i64,
}

impl ProviderTime {
    fn of(conn: &Connection, key: &str, believed: bool) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached(
            "SELECT replies, date, boot, at, wall FROM provider_times WHERE key = ?1 AND believed = ?2",
        )?
        .query_row((key, believed), |row| {
            Ok(Self {
                replies: row.get(0)?,
                date: row.get(1)?,
                boot: row.get(2)?,
                at: row.get(3)?,
                wall: row.get(4)?,
            })
        })
        .optional()
    }

    /// The provider's time now: within one boot by the monotonic clock, otherwise by the difference to this machine's
    /// clock.
    fn at(&self, now: Clocks) -> i64 {
        if self.boot == now.shared.boot {
            self.after(now.shared.ms.saturating_sub(self.at))
        } else {
            self.by_wall(now.wall)
        }
    }

    fn by_wall(&self, wall: WallTime) -> i64 {
        self.after(wall.0.saturating_sub(self.wall))
    }

    fn after(&self, passed: i64) -> i64 {
        // A clock that was set back must not take the provider's time back with it.
        self.date.saturating_add(passed.max(0))
    }

    /// How long ago it was saved; `None` if the machine was restarted since.
    fn age(&self, now: SharedInstant) -> Option<Duration> {
        let ms = now.ms.saturating_sub(self.at).max(0).unsigned_abs();
        (self.boot == now.boot).then(|| Duration::from_millis(ms))
    }

    /// Whether a response with `date` adds nothing new. Compares the wall clock too: after a restart there is no other.
    fn is_confirmed(&self, date: i64, now: Clocks) -> bool {
        let same = |at: i64| Duration::from_millis(at.abs_diff(date)) <= ROUNDED;
        same(self.at(now))
            && same(self.by_wall(now.wall))
            && self
                .age(now.shared)
                .is_some_and(|age| age <= CONFIRMED_EVERY)
    }
}

/// The lower and upper limits of the next nonce.
struct Bounds {
    least: i64,
    /// The provider's time, if known.
    provider: Option<i64>,
    /// An old time, which no longer blocks a nonce that this machine's clock allows.
    unconfirmed: bool,
    wall: WallTime,
    allow_ahead: bool,
}

impl Bounds {
    fn of(conn: &Connection, key: &str, now: Clocks, rules: NonceRules) -> rusqlite::Result<Self> {
        let wall = now.wall;
        let believed = ProviderTime::of(conn, key, true)?;
        let claimed = ProviderTime::of(conn, key, false)?;
        let at = |known: &ProviderTime| known.at(now);
        let (believed_at, claimed_at) = (believed.as_ref().map(at), claimed.as_ref().map(at));
        let age = believed.and_then(|known| known.age(now.shared));
        Ok(Self {
            least: believed_at
                .filter(|at| !agree(*at, wall.0))
                // This machine's clock has milliseconds, `Date` only seconds: it is used unless the two contradict
                // each other.
                .unwrap_or(wall.0),
            // One response alone does not block what this machine's clock allows.
            provider: believed_at.or(claimed_at.map(|at| at.max(wall.0))),
            unconfirmed: age.is_none_or(|age| age > STOPS_FOR),
            wall,
            allow_ahead: rules.allow_ahead,
        })
    }

    /// One more than the last, or the time.
    fn after(&self, last: Option<i64>) -> Result<Nonce, LedgerError> {
        let value = match last.map(|last| last.checked_add(1)) {
            None => self.least,
            Some(Some(next)) => next.max(self.least),
            Some(None) => return Err(LedgerError::NoncesExhausted),
        };
        let ahead_of = |at: i64| WallTime(value).since(WallTime(at).plus(ROUNDED));
        let ahead = self
            .provider
            .map(ahead_of)
            .filter(|by| *by > NONCE_LEAD_MAX);
        // An old belief stops no request: only a response could correct it.
        let tried = self.unconfirmed && ahead_of(self.wall.0) <= NONCE_LEAD_MAX;
        match ahead {
            Some(by) if !self.allow_ahead && !tried => Err(LedgerError::NonceAhead(by)),
            ahead => Ok(Nonce { value, ahead }),
        }
    }
}

fn next(store: &mut Store, key: &str, now: Now, rules: NonceRules) -> Result<Nonce, LedgerError> {
    let now = Clocks::of(&store.clock, now);
    let bounds = store.read(|conn| Bounds::of(conn, key, now, rules))?;
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
        Err(LedgerError::NotSaved(_) | LedgerError::Locked(_))
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
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let nonce = match bounds.after(last(&change, key)?.max(given)) {
        Ok(nonce) => nonce,
        Err(error) => return Ok(Err(error)),
    };
    change
        .prepare_cached(
            "INSERT INTO nonces (key, last) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET last = excluded.last",
        )?
        .execute((key, nonce.value))?;
    change.commit()?;
    Ok(Ok(nonce))
}
