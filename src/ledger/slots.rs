//! The rate budget's slots: an exact sliding window shared by all processes of the user. A slot is taken
//! before sending and freed one period after its reply was seen, so that no window at the provider, wherever
//! it begins, can hold more than the limit. Never waits; says how long to.
//!
//! The window is held against the wall clock, the only one that processes share. A clock set back frees no
//! slot early: all are then held for one more request and period at most. One set forward by some seconds
//! frees slots that many seconds early, which nothing in a file can tell from time that has passed.

use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::domain::WallTime;

use super::writer::Store;
use super::{Ledger, LedgerError};

/// One slot that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotId {
    /// Which of the files this process has had; numbers begin anew in each.
    era: u32,
    id: i64,
}

/// The answer to who asks for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Send now, then call [`Ledger::release_slot`].
    Granted(SlotId),
    /// None is free.
    Full {
        /// Until there is one; `None` where that depends on replies still on their way.
        next_free: Option<Duration>,
    },
}

/// A slot that is not in the file: the file could not be written, or has been replaced.
pub(super) struct Loose {
    id: SlotId,
    scope: String,
    period: i64,
    in_flight: bool,
    free_at: i64,
}

struct Terms {
    scope: String,
    limit: u32,
    period: i64,
    reserve: u32,
    flight: i64,
}

impl Terms {
    fn open_to_all(&self) -> usize {
        self.limit.saturating_sub(self.reserve) as usize
    }
}

fn millis(duration: Duration) -> i64 {
    // Far from the end of the range, so that sums of instants and lengths cannot overflow.
    i64::try_from(duration.as_millis()).map_or(i64::MAX / 8, |ms| ms.min(i64::MAX / 8))
}

impl Ledger {
    /// Takes a slot of `scope`, leaving `reserve` of the `limit` free for more urgent callers. A process
    /// that dies never releases its slots: one is freed `max_flight` and one period after it was taken.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn take_slot(
        &self,
        scope: &str,
        limit: u32,
        period: Duration,
        reserve: u32,
        max_flight: Duration,
    ) -> Result<Slot, LedgerError> {
        let terms = Terms {
            scope: scope.to_owned(),
            limit,
            period: millis(period),
            reserve,
            flight: millis(max_flight),
        };
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.tell(move |store| {
            let taken = take(store, &terms);
            if let Err(Ok(Slot::Granted(id))) = answer.send(taken) {
                // Whoever asked is gone and will send nothing.
                discard(store, id);
            }
        });
        answered.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// Says when the reply was seen, or the request given up: the slot stays used for one period from then.
    pub fn release_slot(&self, id: SlotId, seen_at: WallTime) {
        self.tell(move |store| release(store, id, seen_at.0));
    }

    /// Gives back a slot under which nothing was sent.
    pub fn return_slot(&self, id: SlotId) {
        self.tell(move |store| discard(store, id));
    }

    /// How many slots of `scope` are used, and if that is all of `limit`, until the next is free (where that
    /// is known).
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn budget(
        &self,
        scope: &str,
        limit: u32,
        period: Duration,
    ) -> Result<(u32, Option<Duration>), LedgerError> {
        let (scope, period) = (scope.to_owned(), millis(period));
        self.ask(move |store| {
            let now = store.clock.now().wall.0;
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
            Ok((u32::try_from(used).unwrap_or(u32::MAX), wait))
        })
        .await
    }
}

fn wait_until(at: i64, now: i64) -> Duration {
    Duration::from_millis(at.saturating_sub(now).unsigned_abs())
}

/// When each loose slot in use is freed; `None` while in flight.
fn loose_of(store: &mut Store, scope: &str, now: i64) -> Vec<Option<i64>> {
    store.loose.retain(|slot| slot.free_at > now);
    let here = store.loose.iter().filter(|slot| slot.scope == scope);
    here.map(|slot| (!slot.in_flight).then_some(slot.free_at))
        .collect()
}

fn take(store: &mut Store, terms: &Terms) -> Result<Slot, LedgerError> {
    // First, since it may bring slots along that are not in the file.
    store.follow_file();
    let era = store.era;
    let now = store.clock.now().wall.0;
    let loose = loose_of(store, &terms.scope, now);
    match store.write(|conn| take_in_file(conn, terms, now, &loose)) {
        // The file proved damaged and was replaced; what could be read of it counts too.
        Ok(Taken::Slot(id)) if store.era != era => {
            let era = store.era;
            discard(store, SlotId { era, id });
            return take(store, terms);
        }
        Ok(Taken::Slot(id)) => return Ok(Slot::Granted(SlotId { era: store.era, id })),
        Ok(Taken::Full(next)) => return Ok(full(next, now)),
        Err(LedgerError::NotKept(_)) => {}
        Err(error) => return Err(error),
    }
    let in_file = store
        .read(|conn| used(conn, &terms.scope, now))
        .unwrap_or(0);
    let in_use = in_file + loose.len();
    if let Some(over) = in_use.checked_sub(terms.open_to_all()) {
        let next = store.read(|conn| nth_free(conn, &terms.scope, now, &loose, over));
        return Ok(full(next.unwrap_or(None), now));
    }
    let id = SlotId {
        era: store.era,
        id: store.unkept_id(),
    };
    store.loose.push(Loose {
        id,
        scope: terms.scope.clone(),
        period: terms.period,
        in_flight: true,
        free_at: now + terms.flight + terms.period,
    });
    Ok(Slot::Granted(id))
}

enum Taken {
    Slot(i64),
    Full(Option<i64>),
}

fn full(next: Option<i64>, now: i64) -> Slot {
    Slot::Full {
        next_free: next.map(|at| wait_until(at, now)),
    }
}

fn take_in_file(
    conn: &Connection,
    terms: &Terms,
    now: i64,
    loose: &[Option<i64>],
) -> rusqlite::Result<Taken> {
    let scope = terms.scope.as_str();
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    change
        .prepare_cached("DELETE FROM slots WHERE scope = ?1 AND free_at <= ?2")?
        .execute((scope, now))?;
    let last: Option<i64> = change
        .prepare_cached("SELECT max(free_at) FROM slots WHERE scope = ?1")?
        .query_row([scope], |row| row.get(0))?;
    if last.is_some_and(|last| last > now + terms.flight + terms.period) {
        // The clock was set back. All replies were seen before this instant, so one period from now is late
        // enough, and soon enough not to block for as long as the clock was set back.
        change
            .prepare_cached(
                "UPDATE slots SET free_at = ?2 + period + iif(seen_at IS NULL, flight, 0)
                 WHERE scope = ?1 AND free_at > ?2 + period + iif(seen_at IS NULL, flight, 0)",
            )?
            .execute((scope, now))?;
    }
    let in_use = used(&change, scope, now)? + loose.len();
    let taken = if let Some(over) = in_use.checked_sub(terms.open_to_all()) {
        Taken::Full(nth_free(&change, scope, now, loose, over)?)
    } else {
        change
            .prepare_cached(
                "INSERT INTO slots (scope, period, flight, free_at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((
                scope,
                terms.period,
                terms.flight,
                now + terms.flight + terms.period,
            ))?;
        Taken::Slot(change.last_insert_rowid())
    };
    change.commit()?;
    Ok(taken)
}

fn used(conn: &Connection, scope: &str, now: i64) -> rusqlite::Result<usize> {
    let count: i64 = conn
        .prepare_cached("SELECT count(*) FROM slots WHERE scope = ?1 AND free_at > ?2")?
        .query_row((scope, now), |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX / 2))
}

/// When `n` more than one of the slots whose reply was seen are free.
fn nth_free(
    conn: &Connection,
    scope: &str,
    now: i64,
    loose: &[Option<i64>],
    n: usize,
) -> rusqlite::Result<Option<i64>> {
    let mut query = conn.prepare_cached(
        "SELECT free_at FROM slots WHERE scope = ?1 AND free_at > ?2 AND seen_at IS NOT NULL
         ORDER BY free_at LIMIT ?3",
    )?;
    let wanted = i64::try_from(n).map_or(i64::MAX, |n| n.saturating_add(1));
    let rows = query.query_map((scope, now, wanted), |row| row.get(0))?;
    let mut frees: Vec<i64> = rows.collect::<Result<_, _>>()?;
    frees.extend(loose.iter().copied().flatten());
    frees.sort_unstable();
    Ok(frees.get(n).copied())
}

fn release(store: &mut Store, slot: SlotId, seen_at: i64) {
    if let Some(loose) = store.loose.iter_mut().find(|loose| loose.id == slot) {
        loose.in_flight = false;
        loose.free_at = seen_at.saturating_add(loose.period);
        return;
    }
    // Where this cannot be written, the slot is held for longer, as if this process had died.
    let _ = in_file(store, slot, |conn| {
        conn.prepare_cached("UPDATE slots SET seen_at = ?2, free_at = ?2 + period WHERE id = ?1")?
            .execute((slot.id, seen_at))
    });
}

fn discard(store: &mut Store, slot: SlotId) {
    store.loose.retain(|loose| loose.id != slot);
    let _ = in_file(store, slot, |conn| {
        conn.prepare_cached("DELETE FROM slots WHERE id = ?1")?
            .execute([slot.id])
    });
}

/// Changes the slot's row, unless its number is another's in the file of today.
fn in_file(
    store: &mut Store,
    slot: SlotId,
    change: impl Fn(&Connection) -> rusqlite::Result<usize>,
) -> Result<(), LedgerError> {
    store.follow_file();
    if slot.era == store.era {
        store.write(change)?;
    }
    Ok(())
}

/// The slots of a file that is being replaced, as far as they can still be read.
pub(super) fn carried(conn: &Connection, era: u32) -> rusqlite::Result<Vec<Loose>> {
    conn.prepare("SELECT id, scope, period, seen_at IS NULL, free_at FROM slots")?
        .query_map([], |row| {
            Ok(Loose {
                id: SlotId {
                    era,
                    id: row.get(0)?,
                },
                scope: row.get(1)?,
                period: row.get(2)?,
                in_flight: row.get(3)?,
                free_at: row.get(4)?,
            })
        })?
        .collect()
}
