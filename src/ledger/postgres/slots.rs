//! The slots in the database, on its clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{Now, WallTime};

use super::Postgres;
use super::connection::Connection;
use super::worker::Store;
use crate::ledger::error::LedgerError;
use crate::ledger::slots::{Counted, HOLD_MAX, RateSlots, SlotId, SlotOutcome, SlotRequest};
use crate::ledger::sql::queue::SlotCall;
use crate::ledger::sql::{Param, Row, Sql, SqlResult, params};
use crate::ledger::status::Persistence;

fn millis(duration: Duration) -> i64 {
    // Far from the end of the range, so that sums cannot overflow.
    i64::try_from(duration.as_millis()).map_or(i64::MAX / 8, |ms| ms.min(i64::MAX / 8))
}

fn length(ms: i64) -> Duration {
    Duration::from_millis(ms.max(0).unsigned_abs())
}

#[async_trait]
impl RateSlots for Postgres {
    async fn take_slot(&self, terms: SlotRequest) -> Result<SlotOutcome, LedgerError> {
        self.0.slots.take_slot(terms, Arc::new(self.clone())).await
    }

    fn return_slot(&self, id: SlotId) {
        self.0.slots.send(move |store| discard(store, &id));
    }

    fn release_slot(&self, id: SlotId, seen_at: Now) {
        self.0.slots.release_slot(id, seen_at);
    }

    fn hold_slots(&self, scope: Arc<str>, _: Now, wait: Duration) {
        let (wait, longest) = (millis(wait.min(HOLD_MAX)), millis(HOLD_MAX));
        self.0.slots.send(move |store| {
            // If it cannot be written, at least this process waits.
            let _ = store.with(|open| {
                open.sql().execute(
                    "INSERT INTO holds (scope, since, until)
                         SELECT CAST($1 AS TEXT), now, now + $2 FROM now_ms($3) AS now
                     ON CONFLICT (scope) DO UPDATE SET since = excluded.since,
                         until = least(greatest(holds.until - max(holds.since - excluded.since, 0), excluded.until),
                             excluded.since + $4)",
                    params![&*scope, wait, open.given_now(), longest],
                )
            });
        });
    }

    fn lift_hold(&self, scope: Arc<str>) {
        self.0.slots.send(move |store| {
            // If it cannot be written, other processes still wait.
            let _ = store.with(|open| {
                open.sql()
                    .execute("DELETE FROM holds WHERE scope = $1", params![&*scope])
            });
        });
    }

    async fn budget(
        &self,
        scope: Arc<str>,
        limit: u32,
        period: Duration,
    ) -> Result<Counted, LedgerError> {
        self.0.slots.write_released();
        let counted = self.0.slots.run(move |store| {
            let operator = store.setup.operator.clone();
            let mut counted = store.with(|open| count(open, &scope, limit, &operator))?;
            counted.next_free = counted.next_free.map(|wait| wait.min(period));
            Ok(counted)
        });
        counted.await
    }
}

fn count(open: &Connection, scope: &str, limit: u32, operator: &str) -> SqlResult<Counted> {
    open.sql().one(
        "WITH here AS (SELECT slots.*, now FROM slots, now_ms($1) AS now WHERE scope = $2 AND free_at > now)
         SELECT (SELECT count(*) FROM here),
             (SELECT free_at - now FROM here WHERE seen_at IS NOT NULL ORDER BY free_at
                 OFFSET max((SELECT count(*) FROM here) - $3, 0) LIMIT 1),
             (SELECT until - max(since, now) FROM holds, now_ms($1) AS now WHERE scope = $2 AND until > now),
             (SELECT count(*) FROM here WHERE holder = $4)",
        params![open.given_now(), scope, i64::from(limit), operator],
        |row| {
            let [used, own] = [row.get(0)?, row.get(3)?].map(|n: i64| u32::try_from(n).unwrap_or(u32::MAX));
            let free: Option<i64> = row.get(1)?;
            Ok(Counted {
                used,
                own,
                next_free: free.filter(|_| used >= limit).map(length),
                held: row.get::<Option<i64>>(2)?.map(length),
            })
        },
    )
}

/// Drops the slots and holds of limits that are no longer used: whoever uses a limit drops its own. A day later, so that
/// a clock that is ahead for a while drops none that counts.
pub(super) fn drop_unused(sql: &dyn Sql, now: WallTime) -> SqlResult<()> {
    let since = WallTime(now.0.saturating_sub(millis(HOLD_MAX)));
    sql.execute("DELETE FROM slots WHERE free_at < $1", params![since])?;
    sql.execute("DELETE FROM holds WHERE until < $1", params![since])?;
    Ok(())
}

fn take(store: &mut Store, terms: &SlotRequest) -> Result<SlotOutcome<SlotId>, LedgerError> {
    let operator = store.setup.operator.clone();
    let id = i64::from_ne_bytes(random()) & i64::MAX;
    let slot = |id| SlotId {
        id,
        scope: terms.scope.clone(),
        period: millis(terms.period),
    };
    let open_to_all = i64::from(terms.limit.saturating_sub(terms.reserve));
    let read = |row: Row<'_>| {
        let (taken, wait, held): (bool, Option<i64>, Option<i64>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(match held {
            Some(held) => SlotOutcome::Held(length(held)),
            None if taken => SlotOutcome::Granted(slot(id)),
            None => SlotOutcome::Full {
                next_free: wait.map(length),
            },
        })
    };
    let taken = store.with(|open| {
        let statement = "SELECT taken, wait, held FROM take_slot($1, $2, $3, $4, $5, $6, $7)";
        let params: &[Param<'_>] = params![
            &*terms.scope,
            open_to_all,
            millis(terms.period),
            millis(terms.flight),
            id,
            &operator,
            open.given_now(),
        ];
        open.sql().one(statement, params, read)
    });
    match taken {
        // The simulator's, and those of `--uncoordinated`: each process counts its own as well.
        Err(error) if error.is_passing() && terms.persistence == Persistence::BestEffort => {
            Ok(SlotOutcome::Granted(slot(UNCOUNTED)))
        }
        taken => Ok(taken?),
    }
}

/// The number of a slot that is not in the database.
const UNCOUNTED: i64 = -1;

fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

fn discard(store: &mut Store, slot: &SlotId) {
    // If it cannot be written, the slot is used for longer, as if this process had died.
    let _ = store.with(|open| {
        open.sql()
            .execute("DELETE FROM slots WHERE id = $1", params![slot.id])
    });
}

/// Writes the releases, and takes a slot for each caller.
pub(super) fn serve(store: &mut Store, released: Vec<(SlotId, Now)>, calls: Vec<SlotCall>) {
    // The period begins when the database learns of the response, which is later, so never too early.
    let released = released.into_iter().map(|(id, _)| id);
    store
        .released
        .extend(released.filter(|slot| slot.id != UNCOUNTED));
    write_releases(store);
    for call in calls {
        // The calls before it may have taken long.
        if call.is_gone() {
            continue;
        }
        let taken = take(store, &call.terms);
        if let Some(unused) = call.answer(taken) {
            discard(store, &unused);
        }
    }
}

/// Writes the releases that wait; those that cannot be written wait for the next attempt.
fn write_releases(store: &mut Store) {
    let waiting = std::mem::take(&mut store.released);
    if waiting.is_empty() {
        return;
    }
    let written = store.with(|open| {
        let ids: Vec<i64> = waiting.iter().map(|slot| slot.id).collect();
        let scopes: Vec<&str> = waiting.iter().map(|slot| &*slot.scope).collect();
        let periods: Vec<i64> = waiting.iter().map(|slot| slot.period).collect();
        let now = match open.given_now() {
            Param::Int(now) => Some(now),
            _ => None,
        };
        // A row that has expired meanwhile (the machine slept during the request) is inserted again: its period
        // begins only now.
        open.execute_with(
            "INSERT INTO slots (id, scope, period, flight, seen_at, free_at, holder)
                 SELECT id, scope, period, 0, now, now + period, ''
                 FROM unnest($1::INT8[], $2::TEXT[], $3::INT8[]) AS given (id, scope, period), now_ms($4) AS now
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, free_at = excluded.free_at",
            &[&ids, &scopes, &periods, &now],
        )
    });
    if written.is_err() {
        store.released = waiting;
    }
}
