//! The last nonce of each API key in the database, and the lock that sends the requests of one key in order over all
//! machines: an advisory lock, which ends with its session.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Clock, SharedInstant};
use crate::domain::{Now, WallTime};

use super::Postgres;
use super::connection::Connection;
use super::error::PostgresError;
use super::worker::{Store, start};
use crate::ledger::error::LedgerError;
use crate::ledger::nonces::{
    HeldKey, KEY_LOCK_MAX, KeyGuard, KeyHash, KeyLock, NONCE_SENT_WITHIN, Nonce, NonceRules,
    Nonces, Pause,
};
use crate::ledger::sql::nonces::{Bounds, Clocks, ProviderTime, note};
use crate::ledger::sql::queue::Queue;
use crate::ledger::sql::{Row, Sql, SqlResult, params};

/// A process that died or lost its connection may just have sent its last nonce: a later one must not overtake it on the
/// way to the provider. So the next process waits this long after it was given out.
const SETTLED_AFTER: Duration = NONCE_SENT_WITHIN.saturating_add(Duration::from_secs(2));

/// How often a nonce on its way is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How often a wait for a lock ends, to see whether its caller still waits.
const LOCK_STEP: Duration = Duration::from_secs(5);

/// How long a provider's time is saved without a response that confirms it.
const PROVIDER_TIME_MAX: Duration = Duration::from_hours(365 * 24);

/// The name of the database's clock among those of the machines.
const DATABASE: &str = "database";

#[async_trait]
impl Nonces for Postgres {
    async fn key_lock(&self, key: &KeyHash) -> Result<KeyLock, LedgerError> {
        let busy = |_| LedgerError::KeyBusy(KEY_LOCK_MAX.as_secs());
        let lock = tokio::time::timeout(KEY_LOCK_MAX, self.lock_key(key)).await;
        Ok(Box::new(lock.map_err(busy)??))
    }

    async fn pause(&self) -> Pause {
        self.0.key_locks.pause().await
    }

    fn note_provider_time(&self, key: &KeyHash, date: WallTime, seen: Now) {
        let key = key.0.clone();
        let given = self.given(seen);
        self.0.notes.fetch_add(1, Ordering::Relaxed);
        let written = self.0.notes_written.clone();
        self.queue().send(move |store| {
            // If it cannot be written, nonces use the previous time.
            let _ = store.with(|open| {
                let now = open.sql().value("SELECT now_ms($1)", params![given])?;
                note(open, &key, date, clocks(now))
            });
            written.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// The database's clock stands for both clocks of a machine.
fn clocks(now: i64) -> Clocks {
    Clocks {
        shared: SharedInstant {
            boot: DATABASE,
            ms: now,
        },
        wall: WallTime(now),
    }
}

/// What is known of a key while its lock is held: no other program changes it.
struct Known {
    last: Option<i64>,
    believed: Option<ProviderTime>,
    claimed: Option<ProviderTime>,
    /// The database's time, and when its answer came by the monotonic clock.
    now: i64,
    read_at: Duration,
    /// How many notes of a provider's time came before.
    notes: u64,
}

/// A mutex in this process, and an advisory lock over all, in the session of a connection of its own.
struct SessionLock {
    ledger: Postgres,
    key: KeyHash,
    known: Known,
    worker: Option<Queue<Store>>,
    here: Option<KeyGuard>,
}

impl fmt::Debug for SessionLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionLock({:?})", self.key)
    }
}

impl Postgres {
    /// The time in place of the database's: only tests have one.
    fn given(&self, now: Now) -> Option<i64> {
        self.0.clock.is_manual().then_some(now.wall.0)
    }

    async fn lock_key(&self, key: &KeyHash) -> Result<SessionLock, LedgerError> {
        // First within the process: no connection waits for another of the same process.
        let here = self.0.key_locks.lock(key.clone()).await;
        // A caller that no longer waits drops it: its thread ends, and with the session the lock.
        let worker = self.key_worker();
        let (of, (answer, answered)) = (key.clone(), tokio::sync::oneshot::channel());
        worker.send(move |store| {
            let locked = lock(store, &of, || answer.is_closed());
            let _ = answer.send(locked);
        });
        answered.await.unwrap_or(Err(LedgerError::Stopped))?;
        let mut waited = Duration::ZERO;
        let known = loop {
            let (used_at, known) = self.read_key(&worker, key).await?;
            // By the database's clock, which may have been set back since; by this machine's, no longer than it takes.
            let passed = used_at.map(|at| WallTime(known.now).since(WallTime(at)).max(waited));
            let wait = passed.map_or(Duration::ZERO, |passed| {
                SETTLED_AFTER.saturating_sub(passed)
            });
            if wait.is_zero() {
                break known;
            }
            let wait = wait.min(LOOK_AGAIN);
            tokio::time::sleep(wait).await;
            waited += wait;
        };
        Ok(SessionLock {
            ledger: self.clone(),
            key: key.clone(),
            known,
            worker: Some(worker),
            here: Some(here),
        })
    }

    /// When a nonce was given out whose response has not been seen, and what is known of the key.
    async fn read_key(
        &self,
        worker: &Queue<Store>,
        key: &KeyHash,
    ) -> Result<(Option<i64>, Known), LedgerError> {
        let notes = self.0.notes.load(Ordering::Relaxed);
        // Another connection writes them: they must be there before they are read.
        if self.0.notes_written.load(Ordering::Relaxed) < notes {
            self.queue().run(|_| Ok(())).await?;
        }
        let (of, clock) = (key.0.clone(), self.0.clock.clone());
        let read =
            worker.run(move |store| Ok(store.within_session(|open| read(open, &of, &clock))?));
        let (used_at, known) = read.await?;
        Ok((used_at, Known { notes, ..known }))
    }

    fn key_worker(&self) -> Queue<Store> {
        let idle = self.0.key_workers.lock().pop();
        idle.unwrap_or_else(|| start(self.0.setup.clone()))
    }
}

/// The lock's number: the beginning of the key's hash.
pub(super) fn number(key: &KeyHash) -> i64 {
    let digits = key.as_str().get(..16).unwrap_or_default();
    u64::from_str_radix(digits, 16)
        .unwrap_or_default()
        .cast_signed()
}

/// Waits for the lock, until the caller is gone.
fn lock(store: &mut Store, key: &KeyHash, is_gone: impl Fn() -> bool) -> Result<(), LedgerError> {
    let number = number(key);
    let mut waited = Duration::ZERO;
    while waited < KEY_LOCK_MAX && !is_gone() {
        // One transaction, after which the session has the lock, but no time limit.
        let both = format!(
            "SET LOCAL lock_timeout TO {}; SELECT pg_advisory_lock({number})",
            LOCK_STEP.as_millis()
        );
        match store.with(|open| open.batch(&both)) {
            Ok(()) => return Ok(()),
            Err(PostgresError::LockTimeout) => waited += LOCK_STEP,
            Err(error) => return Err(error.into()),
        }
    }
    Err(LedgerError::KeyBusy(KEY_LOCK_MAX.as_secs()))
}

/// When a nonce was given out whose response has not been seen, and what is known of the key.
fn read(open: &Connection, key: &str, clock: &Clock) -> SqlResult<(Option<i64>, Known)> {
    let provider = |row: Row<'_>, from: usize| -> SqlResult<Option<ProviderTime>> {
        row.get::<Option<i64>>(from)?
            .map(|_| ProviderTime::from_row(row, from))
            .transpose()
    };
    open.sql().one(
        "SELECT now_ms($1), n.last, n.used_at,
             b.replies, b.date, b.boot, b.at, b.wall, c.replies, c.date, c.boot, c.at, c.wall
         FROM (SELECT CAST($2 AS TEXT) AS key) AS k
             LEFT JOIN nonces AS n ON n.key = k.key
             LEFT JOIN provider_times AS b ON b.key = k.key AND b.believed = 1
             LEFT JOIN provider_times AS c ON c.key = k.key AND c.believed = 0",
        params![open.given_now(), key],
        |row| {
            let known = Known {
                now: row.get(0)?,
                last: row.get(1)?,
                believed: provider(row, 3)?,
                claimed: provider(row, 8)?,
                // Only now: however long the answer took, the time since must not be too long, or a nonce runs ahead.
                read_at: clock.now().mono,
                notes: 0,
            };
            Ok((row.get(2)?, known))
        },
    )
}

/// Drops what is known of providers' times that no response has confirmed for long. The last nonces stay.
pub(super) fn drop_unused(sql: &dyn Sql, now: WallTime) -> SqlResult<()> {
    let since = now.minus(PROVIDER_TIME_MAX);
    sql.execute("DELETE FROM provider_times WHERE at < $1", params![since])
        .map(drop)
}

#[async_trait]
impl HeldKey for SessionLock {
    async fn next_nonce(&mut self, now: Now, rules: NonceRules) -> Result<Nonce, LedgerError> {
        let worker = self.worker.as_ref().ok_or(LedgerError::Stopped)?;
        if self.known.notes != self.ledger.0.notes.load(Ordering::Relaxed) {
            self.known = self.ledger.read_key(worker, &self.key).await?.1;
        }
        let known = &self.known;
        let passed = now.mono.saturating_sub(known.read_at);
        let given = self.ledger.given(now);
        let at = given.unwrap_or_else(|| WallTime(known.now).plus(passed).0);
        let (believed, claimed) = (known.believed.as_ref(), known.claimed.as_ref());
        let bounds = Bounds::by(believed, claimed, clocks(at), rules);
        let nonce = bounds.after(known.last)?;
        let (key, value) = (self.key.0.clone(), nonce.value);
        let stored = worker.run(move |store| {
            // In the session that holds the lock: without it, nothing is stored.
            Ok(store.within_session(|open| {
                open.sql().execute(
                    "INSERT INTO nonces (key, last, used_at) VALUES ($1, $2, now_ms($3))
                     ON CONFLICT (key) DO UPDATE SET last = excluded.last, used_at = excluded.used_at
                         WHERE nonces.last < excluded.last",
                    params![&key, value, open.given_now()],
                )
            })?)
        });
        if stored.await? == 0 {
            return Err(LedgerError::Database(
                "the lock of this API key was lost; try again".to_owned(),
            ));
        }
        self.known.last = Some(value);
        Ok(nonce)
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take() else {
            return;
        };
        let (number, key, last) = (number(&self.key), self.key.0.clone(), self.known.last);
        let (general, here) = (self.ledger.clone(), self.here.take());
        worker.send(move |store| {
            let settle = {
                let key = key.clone();
                move |open: &Connection| {
                    open.sql().execute(
                        "UPDATE nonces SET used_at = NULL WHERE key = $1 AND last = $2",
                        params![&key, last],
                    )
                }
            };
            let settled = store.within_session(&settle);
            // A session in an unknown state must not be used again: it might still hold the lock.
            let unlocked = store.within_session(|open| {
                open.rows_within(
                    Duration::from_secs(5),
                    "SELECT pg_advisory_unlock($1)",
                    params![number],
                )
            });
            if unlocked.is_err() {
                store.close();
            }
            // Only now: a pause must not begin while the database has the lock.
            drop(here);
            if settled.is_err() {
                // The request was answered, so that the next process need not wait.
                general.queue().send(move |store| {
                    let _ = store.with(settle);
                });
            }
        });
        // The next user's jobs come after that one.
        self.ledger.0.key_workers.lock().push(worker);
    }
}
