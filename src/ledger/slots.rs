//! The rate budget's slots: an exact sliding window shared by all processes of the user. A slot is taken
//! before sending and freed one period after its reply was seen, so that no window at the provider, wherever
//! it begins, can hold more than the limit. Never waits; says how long to.
//!
//! Times are those of [`Clock::shared`]: within one boot of the machine a clock that nobody can set. After a restart
//! nothing tells how long it took, so what was taken before it is held for its whole time once more. Where the system
//! does not name its boots, the wall clock is what processes share: set back, it frees no slot early and holds all for
//! one more request and period at most; set forward, it frees slots early, so that each process keeps to a window of
//! its own besides.
//!
//! [`Clock::shared`]: crate::clock::Clock::shared

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::clock::{Clock, SharedInstant};
use crate::domain::Now;

use super::writer::Store;
use super::{Ledger, LedgerError, Persistence};

/// One slot that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotId {
    /// Which of the files this process has had; numbers begin anew in each.
    era: u32,
    id: i64,
    scope: Arc<str>,
    period: i64,
}

/// What slots are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What they are counted under.
    pub scope: Arc<str>,
    /// Slots there are.
    pub limit: u32,
    /// The window.
    pub period: Duration,
    /// How many are left free for more urgent callers.
    pub reserve: u32,
    /// How long a request can last from taking its slot. A process that dies never releases its slots: each is
    /// freed so long and one period after it was taken.
    pub flight: Duration,
    /// Whether slots that cannot be written are granted all the same.
    pub persistence: Persistence,
}

/// The answer to who asks for slots.
#[derive(Debug, PartialEq, Eq)]
pub enum Slots<Some = Granted> {
    /// At least one. Send, then call [`Ledger::release_slot`] for each.
    Granted(Some),
    /// None is free.
    Full {
        /// Until there is one; `None` where that depends on replies still on their way.
        next_free: Option<Duration>,
    },
    /// Some process was told by the provider to wait so long.
    Held(Duration),
}

/// Slots that were taken and are nobody's yet. Dropped with any of them, those go back: whoever asked has gone.
#[derive(Debug)]
pub struct Granted {
    ledger: Ledger,
    ids: Vec<SlotId>,
}

impl Granted {
    /// All of them, from now on the caller's.
    pub fn take(&mut self) -> Vec<SlotId> {
        std::mem::take(&mut self.ids)
    }
}

impl PartialEq for Granted {
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids
    }
}
impl Eq for Granted {}

impl Drop for Granted {
    fn drop(&mut self) {
        let ids = self.take();
        self.ledger.return_slots(ids);
    }
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Slots taken.
    pub used: u32,
    /// Until the next is free, where all are taken and that is known.
    pub next_free: Option<Duration>,
    /// How long the provider told some process to wait.
    pub held: Option<Duration>,
}

/// A slot that is not in the file: the file could not be written, or has been replaced.
pub(super) struct UnpersistedSlot {
    id: i64,
    era: u32,
    scope: Arc<str>,
    period: i64,
    in_flight: bool,
    free_at: i64,
}

/// What is asked for, in the file's units.
struct SlotRequest {
    terms: Terms,
    period: i64,
    flight: i64,
    /// At most so many.
    wanted: u32,
}

impl SlotRequest {
    fn open_to_all(&self) -> usize {
        self.terms.limit.saturating_sub(self.terms.reserve) as usize
    }

    /// How many are granted while `in_use` are taken; `None` where that is none.
    fn grant(&self, in_use: usize) -> Option<u32> {
        let free = self.open_to_all().checked_sub(in_use)?;
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        Some(free.min(self.wanted.max(1))).filter(|n| *n > 0)
    }
}

/// Instants are kept in whole milliseconds; that of a reply is rounded up, so that none of its period is lost.
const ROUND_UP: Duration = Duration::from_nanos(999_999);

/// The longest a provider's wish to be left alone is kept: a header must not lock an account for good.
pub const HOLD_MAX: Duration = Duration::from_hours(24);

fn millis(duration: Duration) -> i64 {
    // Far from the end of the range, so that sums of instants and lengths cannot overflow.
    i64::try_from(duration.as_millis()).map_or(i64::MAX / 8, |ms| ms.min(i64::MAX / 8))
}

impl Ledger {
    /// Takes at least one slot and at most `wanted`, in one go.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn take_slots(&self, terms: Terms, wanted: u32) -> Result<Slots, LedgerError> {
        let asked = SlotRequest {
            period: millis(terms.period),
            flight: millis(terms.flight),
            terms,
            wanted,
        };
        let (answer, answered) = tokio::sync::oneshot::channel();
        let ledger = self.clone();
        self.tell(move |store| {
            ledger.0.behind.release(store);
            let taken = take(store, &asked).map(|taken| taken.map(|ids| Granted { ledger, ids }));
            if let Err(Ok(Slots::Granted(mut granted))) = answer.send(taken) {
                // Whoever asked is gone and will send nothing.
                discard(store, &granted.take());
            }
        });
        answered.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// Gives back slots under which nothing was sent.
    pub fn return_slots(&self, ids: Vec<SlotId>) {
        if !ids.is_empty() {
            self.tell(move |store| discard(store, &ids));
        }
    }

    /// From `since` on, the provider wants to be left alone for so long ([`HOLD_MAX`] at most): no process takes a slot
    /// of `scope` meanwhile.
    pub fn hold_slots(&self, scope: Arc<str>, since: Now, wait: Duration) {
        self.tell(move |store| {
            let since = store.clock.shared(since);
            let longest = since.ms.saturating_add(millis(HOLD_MAX));
            let until = since.ms.saturating_add(millis(wait)).min(longest);
            // Where it cannot be written, this process keeps to it all the same.
            let _ = store.write(|conn| {
                conn.prepare_cached(
                    "INSERT INTO holds (scope, boot, since, until) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (scope) DO UPDATE SET since = ?3, boot = ?2,
                         until = iif(boot = ?2, min(max(until, ?4), ?5), ?4)",
                )?
                .execute((&*scope, since.boot, since.ms, until, longest))
            });
        });
    }

    /// The provider may be sent requests again, whatever it asked for.
    pub fn lift_hold(&self, scope: Arc<str>) {
        self.tell(move |store| {
            // Where it cannot be written, other processes keep to the hold.
            let _ = store.write(|conn| {
                conn.prepare_cached("DELETE FROM holds WHERE scope = ?1")?
                    .execute([&*scope])
            });
        });
    }

    /// How the budget of `scope` stands.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn budget(
        &self,
        scope: Arc<str>,
        limit: u32,
        period: Duration,
    ) -> Result<Counted, LedgerError> {
        let period = millis(period);
        let behind = self.0.behind.clone();
        self.ask(move |store| {
            behind.release(store);
            let now = store.clock.shared(store.clock.now());
            let loose = loose_of(store, &scope, now);
            let used = store.read(|conn| used(conn, &scope, now))? + loose.len();
            let limit = limit as usize;
            let next = if used < limit {
                None
            } else {
                store.read(|conn| nth_free(conn, &scope, now, &loose, used - limit))?
            };
            let wait = next
                .map(|at| wait_until(at, now).min(Duration::from_millis(period.unsigned_abs())));
            Ok(Counted {
                used: u32::try_from(used).unwrap_or(u32::MAX),
                next_free: wait,
                held: store.read(|conn| held(conn, &scope, now))?,
            })
        })
        .await
    }
}

fn wait_until(at: i64, now: SharedInstant) -> Duration {
    Duration::from_millis(at.saturating_sub(now.ms).unsigned_abs())
}

/// When each loose slot in use is freed; `None` while in flight.
fn loose_of(store: &mut Store, scope: &str, now: SharedInstant) -> Vec<Option<i64>> {
    store.loose.retain(|slot| slot.free_at > now.ms);
    let here = store.loose.iter().filter(|slot| &*slot.scope == scope);
    here.map(|slot| (!slot.in_flight).then_some(slot.free_at))
        .collect()
}

impl<A> Slots<A> {
    fn map<B>(self, granted: impl FnOnce(A) -> B) -> Slots<B> {
        match self {
            Self::Granted(some) => Slots::Granted(granted(some)),
            Self::Full { next_free } => Slots::Full { next_free },
            Self::Held(wait) => Slots::Held(wait),
        }
    }
}

fn take(store: &mut Store, asked: &SlotRequest) -> Result<Slots<Vec<SlotId>>, LedgerError> {
    // First, since it may bring slots along that are not in the file.
    store.follow_file();
    let era = store.era;
    let now = store.clock.shared(store.clock.now());
    let loose = loose_of(store, &asked.terms.scope, now);
    let numbered = |era: u32, ids: Vec<i64>| -> Vec<SlotId> {
        let slots = ids.into_iter().map(|id| SlotId {
            era,
            id,
            scope: asked.terms.scope.clone(),
            period: asked.period,
        });
        slots.collect()
    };
    let clock = store.clock.clone();
    match store.write(|conn| take_in_file(conn, asked, &clock, &loose)) {
        // The file proved damaged and was replaced; what could be read of it counts too.
        Ok(Slots::Granted(ids)) if store.era != era => {
            let taken = numbered(store.era, ids);
            discard(store, &taken);
            return take(store, asked);
        }
        Ok(taken) => return Ok(taken.map(|ids| numbered(store.era, ids))),
        Err(LedgerError::NotKept(_) | LedgerError::Locked(_))
            if asked.terms.persistence == Persistence::BestEffort => {}
        Err(error) => return Err(error),
    }
    let scope = &asked.terms.scope;
    let in_file = store.read(|conn| used(conn, scope, now)).unwrap_or(0);
    let in_use = in_file + loose.len();
    let Some(granted) = asked.grant(in_use) else {
        let over = in_use.saturating_sub(asked.open_to_all());
        let next = store.read(|conn| nth_free(conn, scope, now, &loose, over));
        return Ok(full(next.unwrap_or(None), now));
    };
    let ids: Vec<i64> = (0..granted).map(|_| store.unkept_id()).collect();
    store.loose.extend(ids.iter().map(|id| UnpersistedSlot {
        id: *id,
        era: store.era,
        scope: scope.clone(),
        period: asked.period,
        in_flight: true,
        free_at: now.ms + asked.flight + asked.period,
    }));
    Ok(Slots::Granted(numbered(store.era, ids)))
}

fn full<Some>(next: Option<i64>, now: SharedInstant) -> Slots<Some> {
    Slots::Full {
        next_free: next.map(|at| wait_until(at, now)),
    }
}

fn take_in_file(
    conn: &Connection,
    asked: &SlotRequest,
    clock: &Clock,
    loose: &[Option<i64>],
) -> rusqlite::Result<Slots<Vec<i64>>> {
    let scope = &*asked.terms.scope;
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    // Only now: the lock may have been waited for, and what other processes wrote meanwhile lies after any earlier
    // instant, as if the clock had been set back.
    let now = clock.shared(clock.now());
    begin_anew(&change, asked, now)?;
    if let Some(wait) = held(&change, scope, now)? {
        change.commit()?;
        return Ok(Slots::Held(wait));
    }
    change
        .prepare_cached("DELETE FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at <= ?3")?
        .execute((scope, now.boot, now.ms))?;
    let in_use = used(&change, scope, now)? + loose.len();
    let taken = if let Some(granted) = asked.grant(in_use) {
        let mut insert = change.prepare_cached(
            "INSERT INTO slots (scope, boot, period, flight, free_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let free_at = now.ms + asked.flight + asked.period;
        let mut ids = Vec::new();
        for _ in 0..granted {
            insert.execute((scope, now.boot, asked.period, asked.flight, free_at))?;
            ids.push(change.last_insert_rowid());
        }
        Slots::Granted(ids)
    } else {
        let over = in_use.saturating_sub(asked.open_to_all());
        full(nth_free(&change, scope, now, loose, over)?, now)
    };
    change.commit()?;
    Ok(taken)
}

/// Rows whose clock is not this one, because the machine was started anew or a shared wall clock was set back, get
/// their whole time from now: late enough, since all of it lies before this instant.
fn begin_anew(
    change: &Connection,
    asked: &SlotRequest,
    now: SharedInstant,
) -> rusqlite::Result<()> {
    let scope = &*asked.terms.scope;
    let foreign: bool = change
        .prepare_cached(
            "SELECT (SELECT min(boot) FROM slots WHERE scope = ?1) < ?2
                 OR (SELECT max(boot) FROM slots WHERE scope = ?1) > ?2
                 OR EXISTS (SELECT 1 FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at > ?3)
                 OR EXISTS (SELECT 1 FROM holds WHERE scope = ?1 AND boot <> ?2)",
        )?
        .query_row(
            (scope, now.boot, now.ms + asked.flight + asked.period),
            |row| row.get::<_, Option<bool>>(0),
        )?
        // Without any row there is nothing to compare.
        .unwrap_or(false);
    if !foreign {
        return Ok(());
    }
    change
        .prepare_cached(
            "UPDATE slots SET boot = ?2, free_at = ?3 + period + iif(seen_at IS NULL, flight, 0)
             WHERE scope = ?1 AND (boot <> ?2 OR free_at > ?3 + period + iif(seen_at IS NULL, flight, 0))",
        )?
        .execute((scope, now.boot, now.ms))?;
    change
        .prepare_cached(
            "UPDATE holds SET boot = ?2, since = ?3, until = ?3 + min(until - since, ?4)
             WHERE scope = ?1 AND boot <> ?2",
        )?
        .execute((scope, now.boot, now.ms, millis(HOLD_MAX)))?;
    Ok(())
}

/// How long nothing of `scope` is to be sent. A clock that was set back to before it was asked for ends it.
fn held(conn: &Connection, scope: &str, now: SharedInstant) -> rusqlite::Result<Option<Duration>> {
    let until: Option<i64> = conn
        .prepare_cached(
            "SELECT until FROM holds WHERE scope = ?1 AND boot = ?2 AND since <= ?3 AND until > ?3",
        )?
        .query_row((scope, now.boot, now.ms), |row| row.get(0))
        .optional()?;
    Ok(until.map(|until| wait_until(until, now)))
}

/// Those of another boot are all in use until [`begin_anew`] has seen them.
fn used(conn: &Connection, scope: &str, now: SharedInstant) -> rusqlite::Result<usize> {
    let count: i64 = conn
        .prepare_cached(
            "SELECT (SELECT count(*) FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at > ?3)
                 + (SELECT count(*) FROM slots WHERE scope = ?1 AND boot < ?2)
                 + (SELECT count(*) FROM slots WHERE scope = ?1 AND boot > ?2)",
        )?
        .query_row((scope, now.boot, now.ms), |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX / 2))
}

/// When `n` more than one of the slots whose reply was seen are free.
fn nth_free(
    conn: &Connection,
    scope: &str,
    now: SharedInstant,
    loose: &[Option<i64>],
    n: usize,
) -> rusqlite::Result<Option<i64>> {
    let mut query = conn.prepare_cached(
        "SELECT free_at FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at > ?3 AND seen_at IS NOT NULL
         ORDER BY free_at LIMIT ?4",
    )?;
    let wanted = i64::try_from(n).map_or(i64::MAX, |n| n.saturating_add(1));
    let rows = query.query_map((scope, now.boot, now.ms, wanted), |row| row.get(0))?;
    let mut frees: Vec<i64> = rows.collect::<Result<_, _>>()?;
    frees.extend(loose.iter().copied().flatten());
    frees.sort_unstable();
    Ok(frees.get(n).copied())
}

pub(super) fn release(store: &mut Store, slots: &[(SlotId, Now)]) {
    store.follow_file();
    let mut kept = Vec::with_capacity(slots.len());
    for (slot, seen) in slots {
        let seen = store.clock.shared(seen.plus(ROUND_UP));
        let mut loose = store.loose.iter_mut();
        if let Some(loose) = loose.find(|loose| loose.is(slot)) {
            loose.in_flight = false;
            loose.free_at = seen.ms.saturating_add(loose.period);
        } else if slot.era == store.era {
            kept.push((slot, seen));
        }
    }
    // Where this cannot be written, the slots are held for longer, as if this process had died. A row that has
    // lapsed meanwhile (the machine slept, with the request on its way) is put back: its period begins only now.
    if kept.is_empty() {
        return;
    }
    let _ = store.write(|conn| {
        let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        {
            let mut release = change.prepare_cached(
                "INSERT INTO slots (id, scope, period, boot, flight, seen_at, free_at)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5 + ?3)
                 ON CONFLICT (id) DO UPDATE SET boot = ?4, seen_at = ?5, free_at = ?5 + period",
            )?;
            for (slot, seen) in &kept {
                release.execute((slot.id, &*slot.scope, slot.period, seen.boot, seen.ms))?;
            }
        }
        change.commit()
    });
}

fn discard(store: &mut Store, slots: &[SlotId]) {
    store.follow_file();
    store
        .loose
        .retain(|loose| !slots.iter().any(|slot| loose.is(slot)));
    let era = store.era;
    let _ = store.write(|conn| {
        let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        for slot in slots.iter().filter(|slot| slot.era == era) {
            change
                .prepare_cached("DELETE FROM slots WHERE id = ?1")?
                .execute([slot.id])?;
        }
        change.commit()
    });
}

impl UnpersistedSlot {
    fn is(&self, slot: &SlotId) -> bool {
        self.id == slot.id && self.era == slot.era
    }
}

/// The slots of a file that is being replaced, as far as they can still be read.
pub(super) fn carried(
    conn: &Connection,
    era: u32,
    now: SharedInstant,
) -> rusqlite::Result<Vec<UnpersistedSlot>> {
    let sql = "SELECT id, scope, period, seen_at IS NULL,
                   iif(boot = ?1, free_at, ?2 + period + iif(seen_at IS NULL, flight, 0)) FROM slots";
    conn.prepare(sql)?
        .query_map((now.boot, now.ms), |row| {
            Ok(UnpersistedSlot {
                id: row.get(0)?,
                era,
                scope: row.get::<_, String>(1)?.into(),
                period: row.get(2)?,
                in_flight: row.get(3)?,
                free_at: row.get(4)?,
            })
        })?
        .collect()
}
