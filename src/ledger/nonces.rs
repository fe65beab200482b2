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

use crate::clock::{Clock, SharedInstant};
use crate::domain::{Now, WallTime};
use crate::private;

use super::writer::Store;
use super::{Ledger, LedgerError, Persistence, Status};

/// Longer than a request whose answer comes as late and as slowly as is usual; whoever holds the lane longer is stuck.
pub const LANE_LIMIT: Duration = Duration::from_mins(3);

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
pub struct KeyLock {
    ledger: Ledger,
    key: KeyHash,
    _across: Option<File>,
    _here: OwnedMutexGuard<()>,
}

impl Ledger {
    /// Waits for the lane of a key. Dropping the future gives up.
    ///
    /// # Errors
    /// If another process holds it for over three minutes, or its file cannot be locked although the ledger can be written.
    pub async fn key_lock(&self, key: &KeyHash) -> Result<KeyLock, LedgerError> {
        let busy = |_| LedgerError::LaneBusy(LANE_LIMIT.as_secs());
        tokio::time::timeout(LANE_LIMIT, self.enter_lane(key))
            .await
            .map_err(busy)?
    }

    async fn enter_lane(&self, key: &KeyHash) -> Result<KeyLock, LedgerError> {
        let here = {
            let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lanes.entry(key.clone()).or_default())
        };
        let here = here.lock_owned().await;
        let path = self.0.folder.join("lanes").join(format!("{}.lock", key.0));
        let unlockable = |error: std::io::Error| LedgerError::Unlockable {
            path: path.clone(),
            why: error.to_string(),
        };
        let file = path.clone();
        let degraded = matches!(*self.0.status.borrow(), Status::Degraded { .. });
        let folder = self.0.folder.clone();
        let opened = tokio::task::spawn_blocking(move || match lane_file(&file) {
            // A lock needs nothing to be written.
            Err(_) if degraded => File::open(folder),
            opened => opened,
        });
        let opened = opened.await;
        let across = match opened.unwrap_or_else(|crash| Err(crash.into())) {
            Ok(file) => Some(locked(file).await.map_err(unlockable)?),
            // Only this process is kept in order: with the simulator, or for one who insists.
            Err(_) if degraded => None,
            Err(error) => return Err(unlockable(error)),
        };
        Ok(KeyLock {
            ledger: self.clone(),
            key: key.clone(),
            _across: across,
            _here: here,
        })
    }
}

fn lane_file(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        private::make_subfolder(folder)?;
    }
    private::open(path)
}

async fn locked(file: File) -> std::io::Result<File> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LANE_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// What a nonce is made by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NonceRules {
    /// Whether it is used where it cannot be stored.
    pub persistence: Persistence,
    /// Whether it is used where it is ahead of the provider's time.
    pub allow_ahead: bool,
}

/// A nonce, stored for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce {
    /// In milliseconds since 1970, unless an earlier one was higher.
    pub value: i64,
    /// How far it is ahead of the provider's time, where that is more than [`AHEAD_MAX`].
    pub ahead: Option<Duration>,
}

/// Further ahead of the provider's time than this, a nonce shuts out other programs that use the key. A clock that
/// is further off than this is not what nonces are made from.
pub const AHEAD_MAX: Duration = Duration::from_secs(2);

/// `Date` has whole seconds: on average the provider's time is so much later, and never more than twice that.
const ROUNDED: Duration = Duration::from_millis(500);

impl KeyLock {
    /// The next nonce: the provider's time in milliseconds, or one more than the last where that is higher. The time
    /// is this machine's, as long as the provider's `Date` does not show that to be wrong. It is stored for good
    /// before it is returned; by [`Persistence::BestEffort`] it is known to this process alone where it cannot be.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be written, if there is no higher number, or if it would be ahead of the
    /// provider's time and that is not allowed.
    pub async fn next_nonce(&mut self, now: Now, rules: NonceRules) -> Result<Nonce, LedgerError> {
        let key = self.key.0.clone();
        self.ledger
            .ask(move |store| next(store, &key, now, rules))
            .await
    }
}

/// A `Date` that contradicts what is believed is believed itself once so many replies in a row have agreed on it: one
/// alone may come from a cache, from a proxy, or from one machine of many.
const REPLIES_BELIEVED: i64 = 3;

/// What is believed is written down anew after this time, at least.
const CONFIRMED_EVERY: Duration = Duration::from_mins(1);

/// What has not been confirmed for this long stops no request that this machine's clock has nothing against: without
/// requests there is no reply that could put it right.
const STOPS_FOR: Duration = Duration::from_mins(10);

/// Whether two clocks show the same, as far as `Date` can tell.
fn agree(one: i64, other: i64) -> bool {
    Duration::from_millis(one.abs_diff(other)) <= AHEAD_MAX + ROUNDED
}

impl Ledger {
    /// A provider said in a reply (its `Date`), which was seen at `seen`, what its time is. From that the nonces of
    /// `key` are made: at once where it agrees with this machine's clock or with what is believed already, else once
    /// several replies have agreed on it. Waits for nothing.
    pub fn note_provider_time(&self, key: &KeyHash, date: WallTime, seen: Now) {
        let key = key.0.clone();
        self.tell(move |store| {
            let clocks = Clocks::of(&store.clock, seen);
            let date = date.plus(ROUNDED).0;
            // Where it cannot be written, nonces are made from what was known before.
            let _ = store.write(|conn| note(conn, &key, date, clocks));
        });
    }
}

/// What this machine's clocks show at one instant.
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

/// What a provider's clock showed, and this machine's clocks at the same instant.
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

    /// What it shows now: within one boot by the clock that nobody sets, else by what this machine's clock was off.
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
        self.date.saturating_add(passed.max(0))
    }

    /// How long ago it was written down; `None` where the machine was started since.
    fn age(&self, now: SharedInstant) -> Option<Duration> {
        let ms = now.ms.saturating_sub(self.at).max(0).unsigned_abs();
        (self.boot == now.boot).then(|| Duration::from_millis(ms))
    }

    /// Whether a reply that shows `date` says nothing new. By the wall clock too: after the next start of the machine
    /// that is all there is to go by.
    fn is_confirmed(&self, date: i64, now: Clocks) -> bool {
        let same = |at: i64| Duration::from_millis(at.abs_diff(date)) <= ROUNDED;
        same(self.at(now))
            && same(self.by_wall(now.wall))
            && self
                .age(now.shared)
                .is_some_and(|age| age <= CONFIRMED_EVERY)
    }
}

/// What the next nonce is at least, and at most.
struct Bounds {
    least: i64,
    /// The provider's time, where that is known.
    provider: Option<i64>,
    /// What no longer stops a nonce that is not ahead of this machine's clock.
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
                .unwrap_or(wall.0),
            // One reply alone is no reason to refuse what this machine's clock has nothing against.
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
        let ahead = self.provider.map(ahead_of).filter(|by| *by > AHEAD_MAX);
        let tried = self.unconfirmed && ahead_of(self.wall.0) <= AHEAD_MAX;
        match ahead {
            Some(by) if !self.allow_ahead && !tried => Err(LedgerError::NonceAhead(by)),
            ahead => Ok(Nonce { value, ahead }),
        }
    }
}

fn next(store: &mut Store, key: &str, now: Now, rules: NonceRules) -> Result<Nonce, LedgerError> {
    let now = Clocks::of(&store.clock, now);
    loop {
        let bounds = store.read(|conn| Bounds::of(conn, key, now, rules))?;
        let era = store.era;
        let given = store.nonces.get(key).copied();
        let stored = store.write_durably(|conn| advance(conn, key, given, &bounds));
        if store.era != era {
            // The file was replaced meanwhile, and what the old one knew was taken along.
            continue;
        }
        let nonce = match stored {
            Ok(nonce) => nonce?,
            Err(LedgerError::NotKept(_) | LedgerError::Locked(_))
                if rules.persistence == Persistence::BestEffort =>
            {
                let stored = store.read(|conn| last(conn, key)).unwrap_or_default();
                bounds.after(stored.max(given))?
            }
            Err(error) => return Err(error),
        };
        store.nonces.insert(key.to_owned(), nonce.value);
        return Ok(nonce);
    }
}

fn last(conn: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT last FROM nonces WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// The inner error is one of the nonce and not of the file.
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

/// The last nonces of a file that is being replaced, as far as they can still be read.
pub(super) fn carried(conn: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
    conn.prepare("SELECT key, last FROM nonces")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
