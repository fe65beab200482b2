//! The request log in the database: written in batches, pruned by age.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::{Exchange, ExchangeId, WallTime};

use super::worker::Store;
use super::{nonces, slots};
use crate::ledger::exchanges::Recorded;
use crate::ledger::sql::exchanges::insert;
use crate::ledger::sql::{self, Area, params};

/// The most rows in one transaction.
const CHUNK: usize = 64;

/// Old rows are pruned after this many new ones, and at the first.
const PRUNE_EVERY: usize = 512;

/// Rows dropped in one step.
const STEP: i64 = 1024;

/// Exchanges that wait to be written.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Rows>);

#[derive(Default)]
struct Rows {
    queue: VecDeque<(Exchange, Recorded)>,
    /// A job writes them and continues until none wait.
    tended: bool,
    unpersisted: i64,
    recorded: usize,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; returns whether a job must be sent to write it.
    pub(super) fn push(&self, exchange: Exchange, then: Recorded) -> bool {
        let mut rows = self.lock();
        rows.queue.push_back((exchange, then));
        !std::mem::replace(&mut rows.tended, true)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// Writes all that wait.
    pub(super) fn write(&self, store: &mut Store) {
        loop {
            let chunk: Vec<_> = {
                let mut rows = self.lock();
                let some = rows.queue.len().min(CHUNK);
                rows.tended = some > 0;
                rows.queue.drain(..some).collect()
            };
            if chunk.is_empty() {
                return;
            }
            let (exchanges, thens): (Vec<_>, Vec<_>) = chunk.into_iter().unzip();
            let ids = sql::Store::write(store, |sql| {
                let change = sql.change(Area::Exchanges)?;
                let ids: sql::SqlResult<Vec<i64>> = exchanges
                    .iter()
                    .map(|exchange| insert(&*change, None, exchange))
                    .collect();
                let ids = ids?;
                change.commit()?;
                Ok(ids)
            });
            let prune = {
                let mut rows = self.lock();
                let before = rows.recorded;
                rows.recorded += exchanges.len();
                before == 0 || before / PRUNE_EVERY != rows.recorded / PRUNE_EVERY
            };
            // Numbers below zero: not in the ledger.
            let ids = ids.unwrap_or_else(|_| {
                let mut rows = self.lock();
                let mut next = || {
                    rows.unpersisted += 1;
                    rows.unpersisted - 1_000_000_000_000
                };
                exchanges.iter().map(|_| next()).collect()
            });
            for ((exchange, id), then) in exchanges.into_iter().zip(ids).zip(thens) {
                // Only now: the receiver may look it up by its id.
                then(Exchange {
                    id: ExchangeId(id),
                    ..exchange
                });
            }
            if prune {
                self::prune(store);
            }
        }
    }
}

/// Drops some rows that are too old or too many; returns whether there may be more.
pub(super) fn prune(store: &mut Store) -> bool {
    let exchanges = drop_old(store).is_ok_and(|dropped| i64::try_from(dropped) == Ok(STEP));
    sql::deliveries::at_rest(store) || exchanges
}

/// Drops some exchanges that are too old, and all that is noted of limits and keys that are no longer used. After a failure the next run continues.
fn drop_old(store: &mut Store) -> Result<usize, crate::ledger::LedgerError> {
    let (clock, limits) = sql::Store::limits(store);
    let age = i64::try_from(limits.age.as_millis()).unwrap_or(i64::MAX);
    let count = i64::try_from(limits.count).unwrap_or(i64::MAX);
    let bytes = i64::try_from(limits.bytes).unwrap_or(i64::MAX);
    sql::Store::write(store, |sql| {
        let now = sql.reference(&clock)?;
        slots::drop_unused(sql, now)?;
        nonces::drop_unused(sql, now)?;
        let since = WallTime(now.0.saturating_sub(age));
        let old = sql.execute(
            "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges WHERE at < $1 ORDER BY at LIMIT $2)",
            params![since, STEP],
        )?;
        // Numbers have few gaps, so that no row need be counted.
        let many = sql.execute(
            "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges
                 WHERE id <= (SELECT max(id) FROM exchanges) - $1 ORDER BY id LIMIT $2)",
            params![count, STEP],
        )?;
        // The sum reads every row. A table of half the size cannot exceed it.
        let size: i64 = sql.one("SELECT pg_total_relation_size('exchanges')", &[], |row| {
            row.get(0)
        })?;
        if size < bytes / 2 {
            return Ok(old + many);
        }
        let much = sql.execute(
            "DELETE FROM exchanges WHERE id IN (
                 SELECT id FROM (SELECT id, CAST(sum(size) OVER (ORDER BY id DESC) AS BIGINT) AS held
                     FROM exchanges) AS sums
                 WHERE held > $1 ORDER BY id LIMIT $2)",
            params![bytes, STEP],
        )?;
        Ok(old + many + much)
    })
}
