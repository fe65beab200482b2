//! The slots in the file.
//!
//! Times are those of [`Clock::shared`]: within one boot a clock that cannot be set. After a restart its length is
//! unknown, so earlier slots are held for their whole time again. If the system does not name its boots, processes
//! share the wall clock: set back, it frees no slot early and holds all for at most one more request and period; set
//! forward, it frees slots early, so each process also counts a window of its own.
//!
//! [`Clock::shared`]: crate::clock::Clock::shared

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::clock::{Clock, SharedInstant};
use crate::domain::Now;

use super::Sqlite;
use super::recovery::ALL_LIMITS;
use super::writer::{Store, UnpersistedSlot};
use crate::ledger::error::LedgerError;
use crate::ledger::slots::{Counted, Granted, HOLD_MAX, RateSlots, SlotId, Slots, Terms};
use crate::ledger::sql::Database as _;
use crate::ledger::status::Persistence;

/// The request, in the file's units.
struct SlotRequest {
    terms: Terms,
    period: i64,
    flight: i64,
}

impl SlotRequest {
    fn open_to_all(&self) -> usize {
        self.terms.limit.saturating_sub(self.terms.reserve) as usize
    }
}

/// Instants are whole milliseconds; a response's is rounded up, so that no part of its period is lost.
const ROUND_UP: Duration = Duration::from_nanos(999_999);

fn millis(duration: Duration) -> i64 {
    // Far from the end of the range, so that sums cannot overflow.
    i64::try_from(duration.as_millis()).map_or(i64::MAX / 8, |ms| ms.min(i64::MAX / 8))
}

#[async_trait]
impl RateSlots for Sqlite {
    async fn take_slot(&self, terms: Terms) -> Result<Slots, LedgerError> {
        let request = SlotRequest {
            period: millis(terms.period),
            flight: millis(terms.flight),
            terms,
        };
        let (answer, answered) = tokio::sync::oneshot::channel();
        let (behind, ledger) = (self.0.behind.clone(), Arc::new(self.clone()));
        self.send(move |store| {
            // Releases that still wait in memory would make the count too high.
            behind.release(store);
            let granted = |id| Granted {
                ledger,
                id: Some(id),
            };
            let taken = take(store, &request).map(|taken| taken.map(granted));
            // Taken apart here: on this thread, `Granted`'s own `Drop` would queue a job behind others.
            if let Err(Ok(Slots::Granted(granted))) = answer.send(taken) {
                // The caller is gone and sends nothing.
                discard(store, &granted.take());
            }
        });
        answered.await.unwrap_or(Err(LedgerError::Stopped))
    }

    fn return_slot(&self, id: SlotId) {
        self.send(move |store| discard(store, &id));
    }

    fn release_slot(&self, id: SlotId, seen_at: Now) {
        self.release_later(id, seen_at);
    }

    fn hold_slots(&self, scope: Arc<str>, since: Now, wait: Duration) {
        self.send(move |store| {
            let since = store.clock.shared(since);
            let longest = since.ms.saturating_add(millis(HOLD_MAX));
            let until = since.ms.saturating_add(millis(wait)).min(longest);
            // If it cannot be written, at least this process waits.
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

    fn lift_hold(&self, scope: Arc<str>) {
        self.send(move |store| {
            // If it cannot be written, other processes still wait.
            let _ = store.write(|conn| {
                conn.prepare_cached("DELETE FROM holds WHERE scope = ?1")?
                    .execute([&*scope])
            });
        });
    }

    async fn budget(
        &self,
        scope: Arc<str>,
        limit: u32,
        period: Duration,
    ) -> Result<Counted, LedgerError> {
        let period = millis(period);
        let behind = self.0.behind.clone();
        self.run(move |store| {
            behind.release(store);
            let now = store.clock.shared(store.clock.now());
            // Slots that only this process knows count as well, or the gauge would show more than may be sent.
            let unpersisted = unpersisted_in(store, &scope, now);
            let used = store.read(|conn| used(conn, &scope, now))? + unpersisted.len();
            let limit = limit as usize;
            let unknown = store.read(|conn| unknown_until(conn, period, now))?;
            let used = unknown.map_or(used, |_| used.max(limit));
            let next = if unknown.is_some() {
                unknown
            } else if used < limit {
                None
            } else {
                let n = used - limit;
                let frees = store.read(|conn| frees(conn, &scope, now, n))?;
                nth_free(frees, &unpersisted, n)
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

/// When each unpersisted slot is freed; `None` while its request is in flight.
fn unpersisted_in(store: &mut Store, scope: &str, now: SharedInstant) -> Vec<Option<i64>> {
    store.unpersisted.retain(|slot| slot.free_at > now.ms);
    let here = store
        .unpersisted
        .iter()
        .filter(|slot| &*slot.scope == scope);
    here.map(|slot| (!slot.in_flight).then_some(slot.free_at))
        .collect()
}

fn take(store: &mut Store, request: &SlotRequest) -> Result<Slots<SlotId>, LedgerError> {
    let now = store.clock.shared(store.clock.now());
    let unpersisted = unpersisted_in(store, &request.terms.scope, now);
    let numbered = |id: i64| SlotId {
        id,
        scope: request.terms.scope.clone(),
        period: request.period,
    };
    let clock = store.clock.clone();
    match store.write(|conn| take_in_file(conn, request, &clock, &unpersisted)) {
        Ok(taken) => return Ok(taken.map(numbered)),
        // Only the simulator and `--uncoordinated` get here: their slots are counted in memory.
        Err(LedgerError::NotSaved(_) | LedgerError::Locked(_))
            if request.terms.persistence == Persistence::BestEffort => {}
        Err(error) => return Err(error),
    }
    let scope = &request.terms.scope;
    // An unreadable file counts as empty, since this process's own slots are counted beside it.
    let in_file = store.read(|conn| used(conn, scope, now)).unwrap_or(0);
    let in_use = in_file + unpersisted.len();
    if let Some(over) = in_use.checked_sub(request.open_to_all()) {
        let next = store.read(|conn| frees(conn, scope, now, over));
        let next = next
            .ok()
            .and_then(|frees| nth_free(frees, &unpersisted, over));
        return Ok(full(next, now));
    }
    let id = store.unpersisted_id();
    store.unpersisted.push(UnpersistedSlot {
        id,
        scope: scope.clone(),
        period: request.period,
        in_flight: true,
        free_at: now.ms + request.flight + request.period,
    });
    Ok(Slots::Granted(numbered(id)))
}

fn full<G>(next: Option<i64>, now: SharedInstant) -> Slots<G> {
    Slots::Full {
        next_free: next.map(|at| wait_until(at, now)),
    }
}

fn take_in_file(
    conn: &Connection,
    request: &SlotRequest,
    clock: &Clock,
    unpersisted: &[Option<i64>],
) -> rusqlite::Result<Slots<i64>> {
    let scope = &*request.terms.scope;
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    // Only now: the lock may have taken long, and rows that other processes wrote meanwhile would be later than an
    // earlier instant, as if the clock had been set back.
    let now = clock.shared(clock.now());
    restart_periods(&change, request, now)?;
    if let Some(until) = unknown_until(&change, request.period, now)? {
        change.commit()?;
        return Ok(full(Some(until), now));
    }
    if let Some(wait) = held(&change, scope, now)? {
        // Also saves what `restart_periods` has corrected.
        change.commit()?;
        return Ok(Slots::Held(wait));
    }
    change
        // Only this boot's: instants of another boot cannot be compared until they are restarted.
        .prepare_cached("DELETE FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at <= ?3")?
        .execute((scope, now.boot, now.ms))?;
    change
        .prepare_cached("DELETE FROM holds WHERE scope = ?1 AND boot = ?2 AND until <= ?3")?
        .execute((ALL_LIMITS, now.boot, now.ms))?;
    let in_use = used(&change, scope, now)? + unpersisted.len();
    let taken = if let Some(over) = in_use.checked_sub(request.open_to_all()) {
        let frees = frees(&change, scope, now, over)?;
        full(nth_free(frees, unpersisted, over), now)
    } else {
        let free_at = now.ms + request.flight + request.period;
        change
            .prepare_cached(
                "INSERT INTO slots (id, scope, boot, period, flight, free_at)
                 VALUES (abs(random() >> 1), ?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((scope, now.boot, request.period, request.flight, free_at))?;
        Slots::Granted(change.last_insert_rowid())
    };
    change.commit()?;
    Ok(taken)
}

/// Rows of another boot, or from before a shared wall clock was set back, get their whole time again from now: late
/// enough, since they were written earlier.
fn restart_periods(
    change: &Connection,
    request: &SlotRequest,
    now: SharedInstant,
) -> rusqlite::Result<()> {
    let scope = &*request.terms.scope;
    let foreign: bool = change
        .prepare_cached(
            "SELECT (SELECT min(boot) FROM slots WHERE scope = ?1) < ?2
                 OR (SELECT max(boot) FROM slots WHERE scope = ?1) > ?2
                 OR EXISTS (SELECT 1 FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at > ?3)
                 OR EXISTS (SELECT 1 FROM holds WHERE scope IN (?1, ?4) AND boot <> ?2)
                 OR EXISTS (SELECT 1 FROM holds WHERE scope = ?4 AND since > ?5)",
        )?
        .query_row(
            (
                scope,
                now.boot,
                now.ms + request.flight + request.period,
                ALL_LIMITS,
                now.ms,
            ),
            |row| row.get::<_, Option<bool>>(0),
        )?
        // Without rows there is nothing to compare.
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
             WHERE scope IN (?1, ?5) AND boot <> ?2 OR scope = ?5 AND since > ?3",
        )?
        .execute((scope, now.boot, now.ms, millis(HOLD_MAX), ALL_LIMITS))?;
    Ok(())
}

/// How long requests of `scope` are paused. A clock that was set back to before the pause ends it.
fn held(conn: &Connection, scope: &str, now: SharedInstant) -> rusqlite::Result<Option<Duration>> {
    let until: Option<i64> = conn
        .prepare_cached(
            "SELECT until FROM holds WHERE scope = ?1 AND boot = ?2 AND since <= ?3 AND until > ?3",
        )?
        .query_row((scope, now.boot, now.ms), |row| row.get(0))
        .optional()?;
    Ok(until.map(|until| wait_until(until, now)))
}

/// When the last slot that [`super::recovery::forget_slots`] marked as unknown is free; `None` if it is. Requests in
/// flight are not waited for: each enters its slot again once its response is seen, see [`release`].
fn unknown_until(
    conn: &Connection,
    period: i64,
    now: SharedInstant,
) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached(
        "SELECT since + ?4 FROM holds WHERE scope = ?1 AND boot = ?2 AND since <= ?3 AND since + ?4 > ?3 AND until > ?3",
    )?
    .query_row((ALL_LIMITS, now.boot, now.ms, period), |row| row.get(0))
    .optional()
}

/// Slots of another boot all count as in use until [`restart_periods`] has updated them.
fn used(conn: &Connection, scope: &str, now: SharedInstant) -> rusqlite::Result<usize> {
    let count: i64 = conn
        .prepare_cached(
            "SELECT coalesce((SELECT rows FROM slot_tally WHERE scope = ?1), 0)
                 - (SELECT count(*) FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at <= ?3)",
        )?
        .query_row((scope, now.boot, now.ms), |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX / 2))
}

/// When the first slots in the file with a seen response are free: `n` and one more.
fn frees(
    conn: &Connection,
    scope: &str,
    now: SharedInstant,
    n: usize,
) -> rusqlite::Result<Vec<i64>> {
    let mut query = conn.prepare_cached(
        "SELECT free_at FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at > ?3 AND seen_at IS NOT NULL
         ORDER BY free_at LIMIT ?4",
    )?;
    let wanted = i64::try_from(n).map_or(i64::MAX, |n| n.saturating_add(1));
    let rows = query.query_map((scope, now.boot, now.ms, wanted), |row| row.get(0))?;
    rows.collect()
}

/// When `n` more slots are free, in the file or unpersisted.
fn nth_free(mut frees: Vec<i64>, unpersisted: &[Option<i64>], n: usize) -> Option<i64> {
    frees.extend(unpersisted.iter().copied().flatten());
    frees.sort_unstable();
    frees.get(n).copied()
}

pub(super) fn release(store: &mut Store, slots: &[(SlotId, Now)]) {
    let mut in_file = Vec::with_capacity(slots.len());
    for (slot, seen) in slots {
        let seen = store.clock.shared(seen.plus(ROUND_UP));
        let mut unpersisted = store.unpersisted.iter_mut();
        if let Some(unpersisted) = unpersisted.find(|unpersisted| unpersisted.id == slot.id) {
            unpersisted.in_flight = false;
            unpersisted.free_at = seen.ms.saturating_add(unpersisted.period);
        } else {
            in_file.push((slot, seen));
        }
    }
    // If this cannot be written, the slots are held longer, as if this process had died. A row that has expired
    // meanwhile (the machine slept during the request) is inserted again: its period begins only now.
    if in_file.is_empty() {
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
            for (slot, seen) in &in_file {
                release.execute((slot.id, &*slot.scope, slot.period, seen.boot, seen.ms))?;
            }
        }
        change.commit()
    });
}

fn discard(store: &mut Store, slot: &SlotId) {
    store
        .unpersisted
        .retain(|unpersisted| unpersisted.id != slot.id);
    let _ = store.write(|conn| {
        conn.prepare_cached("DELETE FROM slots WHERE id = ?1")?
            .execute([slot.id])
    });
}
