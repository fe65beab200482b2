//! The slots' rows: counted, inserted and released within one transaction.

use rusqlite::Connection;

use super::super::recovery::ALL_LIMITS;
use super::super::writer::{UnpersistedSlot, change};
use super::{LONGEST, SlotRow, full, millis, nth_free, unpersisted_of, wait_until};
use crate::clock::{Clock, SharedInstant};
use crate::ledger::slots::{HOLD_MAX, SlotId, SlotOutcome};

/// Whose slots are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit<'a> {
    pub(super) scope: &'a str,
    pub(super) period: i64,
    pub(super) flight: i64,
}

/// A slot in the file whose response was seen.
pub(super) struct Release<'a> {
    pub(super) slot: &'a SlotId,
    pub(super) seen: SharedInstant,
}

/// The releases and requests of one transaction.
pub(super) struct Batch<'a> {
    pub(super) released: &'a [Release<'a>],
    pub(super) requests: &'a [SlotRow<'a>],
    pub(super) unpersisted: Vec<UnpersistedSlot>,
    pub(super) clock: Clock,
}

impl Batch<'_> {
    /// Returns the answer to each request, in their order.
    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<Vec<SlotOutcome<i64>>> {
        let change = change(conn)?;
        // First: the count must include them.
        release(conn, self.released)?;
        // Only now: the lock may have taken long, and rows that other processes wrote meanwhile would be later than an
        // earlier instant, as if the clock had been set back.
        let now = self.clock.shared(self.clock.now());
        let mut taken = Vec::with_capacity(self.requests.len());
        let mut last: Option<(Limit<'_>, Usage)> = None;
        for request in self.requests {
            let limit = request.limit();
            // Most requests of a batch are of one limit, which is read once.
            let mut usage = match last {
                Some((of, usage)) if of == limit => usage,
                _ => Usage::put_right(conn, request, now)?,
            };
            taken.push(self.take(conn, request, &mut usage)?);
            last = Some((limit, usage));
        }
        // Also saves what `put_right` has corrected.
        change.commit()?;
        Ok(taken)
    }

    fn take(
        &self,
        conn: &Connection,
        request: &SlotRow<'_>,
        usage: &mut Usage,
    ) -> rusqlite::Result<SlotOutcome<i64>> {
        let (scope, now) = (&*request.terms.scope, usage.at);
        if let Some(until) = usage.unknown_until {
            return Ok(full(Some(until), now));
        }
        if let Some(until) = usage.held_until {
            return Ok(SlotOutcome::Held(wait_until(until, now)));
        }
        let unpersisted = unpersisted_of(&self.unpersisted, scope);
        if let Some(over) = (usage.used + unpersisted.len()).checked_sub(request.open_to_all()) {
            let frees = frees(conn, scope, now, over)?;
            return Ok(full(nth_free(frees, &unpersisted, over), now));
        }
        let id = usage.next_id();
        let free_at = now.ms + request.flight + request.period;
        // FAIL: for a statement that undoes itself, SQLite copies every page before it changes it. An error discards
        // the whole transaction.
        conn.prepare_cached(
            "INSERT OR FAIL INTO slots (id, scope, boot, period, flight, free_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((id, scope, now.boot, request.period, request.flight, free_at))?;
        usage.used += 1;
        Ok(SlotOutcome::Granted(id))
    }
}

/// What the file says about a limit.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    at: SharedInstant,
    /// Slots of another boot all count until [`restart_periods`] has updated them.
    pub(super) used: usize,
    /// How many slots are free again and still have their row.
    expired: i64,
    /// Whether rows are of another boot, or from before a shared wall clock was set back.
    foreign: bool,
    /// When a pause of the limit ends. A clock that was set back to before the pause ends it.
    pub(super) held_until: Option<i64>,
    /// When the last slot that [`forget_slots`] marked as unknown is free; `None` if it is. Requests in flight are not
    /// waited for: each enters its slot again once its response is seen, see [`release`].
    ///
    /// [`forget_slots`]: super::super::recovery::forget_slots
    pub(super) unknown_until: Option<i64>,
    /// Whether such a pause or mark is over and still has its row, which a restart of the machine would begin again.
    hold_is_over: bool,
    last_id: Option<i64>,
}

impl Usage {
    pub(super) fn read(
        conn: &Connection,
        limit: Limit<'_>,
        at: SharedInstant,
    ) -> rusqlite::Result<Self> {
        let Limit {
            scope,
            period,
            flight,
        } = limit;
        conn.prepare_cached(
            "SELECT coalesce((SELECT rows FROM slot_tally WHERE scope = ?1), 0),
                 (SELECT count(*) FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at <= ?3),
                 EXISTS (SELECT 1 FROM slots WHERE scope = ?1 AND boot < ?2)
                     OR EXISTS (SELECT 1 FROM slots WHERE scope = ?1 AND (boot, free_at) > (?2, ?5))
                     OR coalesce(hold.boot <> ?2, 0) OR coalesce(mark.boot <> ?2 OR mark.since > ?3, 0),
                 iif(hold.boot = ?2 AND hold.since <= ?3 AND hold.until > ?3, hold.until, NULL),
                 iif(mark.boot = ?2 AND mark.since <= ?3 AND mark.since + ?4 > ?3 AND mark.until > ?3,
                     mark.since + ?4, NULL),
                 coalesce(hold.boot = ?2 AND hold.until <= ?3, 0) OR coalesce(mark.boot = ?2 AND mark.until <= ?3, 0),
                 (SELECT max(id) FROM slots)
             FROM (SELECT 1) LEFT JOIN holds AS hold ON hold.scope = ?1 LEFT JOIN holds AS mark ON mark.scope = ?6",
        )?
        .query_row(
            (scope, at.boot, at.ms, period, at.ms + flight + period, ALL_LIMITS),
            |row| {
                let (rows, expired): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(Self {
                    at,
                    used: usize::try_from(rows - expired).unwrap_or(usize::MAX / 2),
                    expired,
                    foreign: row.get(2)?,
                    held_until: row.get(3)?,
                    unknown_until: row.get(4)?,
                    hold_is_over: row.get(5)?,
                    last_id: row.get(6)?,
                })
            },
        )
    }

    /// Reads it after rows of earlier boots have their whole time again; where many slots are free, deletes their rows.
    fn put_right(
        change: &Connection,
        request: &SlotRow<'_>,
        at: SharedInstant,
    ) -> rusqlite::Result<Self> {
        let limit = request.limit();
        let mut usage = Self::read(change, limit, at)?;
        if usage.foreign {
            restart_periods(change, limit.scope, at)?;
            usage = Self::read(change, limit, at)?;
        }
        // Not one by one, which changes pages with every request; but after a restart of the machine all rows count.
        let delete_from = (request.terms.limit / 16).clamp(1, EXPIRED_MAX);
        if usage.expired >= i64::from(delete_from) {
            change
                // Only this boot's: instants of another boot cannot be compared until they are restarted.
                .prepare_cached(
                    "DELETE FROM slots WHERE scope = ?1 AND boot = ?2 AND free_at <= ?3",
                )?
                .execute((limit.scope, at.boot, at.ms))?;
        }
        if usage.hold_is_over {
            change
                .prepare_cached(
                    "DELETE FROM holds WHERE scope IN (?1, ?2) AND boot = ?3 AND until <= ?4",
                )?
                .execute((limit.scope, ALL_LIMITS, at.boot, at.ms))?;
        }
        Ok(usage)
    }

    /// An id that no other slot has, also in the file that replaces a damaged one: that may lack the last rows, so the
    /// first id and the gaps are random. Ascending, so that the slots of one time are in one page, which is written to
    /// the log whole.
    fn next_id(&mut self) -> i64 {
        let id = match self.last_id {
            Some(last @ ..LAST_ID) => last + fastrand::i64(1..=ID_GAP),
            _ => fastrand::i64(1..=LAST_ID / 2),
        };
        self.last_id = Some(id);
        id
    }
}

/// The most slots of a limit that are free again and keep their row.
const EXPIRED_MAX: u32 = 64;

/// With gaps up to [`ID_GAP`], a table that is never empty gets there in a hundred billion slots.
const LAST_ID: i64 = 1 << 62;
const ID_GAP: i64 = 1 << 24;

/// Rows of another boot, or from before a shared wall clock was set back, get their whole time again from now: late
/// enough, since they were written earlier.
fn restart_periods(change: &Connection, scope: &str, now: SharedInstant) -> rusqlite::Result<()> {
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

/// When the first slots in the file with a seen response are free: `n` and one more.
pub(super) fn frees(
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

/// A row that has expired meanwhile (the machine slept during the request) is inserted again: its period begins only
/// now.
fn release(conn: &Connection, released: &[Release<'_>]) -> rusqlite::Result<()> {
    let mut update = conn.prepare_cached(
        "UPDATE slots SET boot = ?2, seen_at = ?3, free_at = ?3 + period WHERE id = ?1",
    )?;
    for Release { slot, seen } in released {
        let ms = seen.ms.min(LONGEST);
        if update.execute((slot.id, seen.boot, ms))? == 0 {
            conn.prepare_cached(
                "INSERT INTO slots (id, scope, period, boot, flight, seen_at, free_at)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5 + ?3)",
            )?
            .execute((slot.id, &*slot.scope, slot.period, seen.boot, ms))?;
        }
    }
    Ok(())
}
