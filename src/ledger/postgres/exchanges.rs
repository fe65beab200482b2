//! Pruning of the request log in the database, by age, number and size.

use super::worker::Store;
use super::{nonces, slots};
use crate::ledger::sql::{self, params};

/// The most rows in one transaction.
pub(super) const CHUNK: usize = 64;

const STEP: usize = 1024;

/// Drops some rows that are too old or too many; returns whether there may be more.
pub(super) fn prune(store: &mut Store) -> bool {
    let exchanges = drop_old(store).is_ok_and(|dropped| dropped == STEP);
    sql::deliveries::at_rest(store) || exchanges
}

/// Drops some exchanges that are too old, and all that is noted of limits and keys that are no longer used. After a failure the next run continues.
fn drop_old(store: &mut Store) -> Result<usize, crate::ledger::LedgerError> {
    let (clock, limits) = sql::Store::limits(store);
    sql::Store::write(store, |sql| {
        let now = sql.reference(&clock)?;
        slots::drop_unused(sql, now)?;
        nonces::drop_unused(sql, now)?;
        let since = now.minus(limits.age);
        let old = sql.execute(
            "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges WHERE at < $1 ORDER BY at LIMIT $2)",
            params![since, STEP],
        )?;
        // Numbers have few gaps, so that no row need be counted.
        let many = sql.execute(
            "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges
                 WHERE id <= (SELECT max(id) FROM exchanges) - $1 ORDER BY id LIMIT $2)",
            params![limits.count, STEP],
        )?;
        // The sum reads every row. A table of half the size cannot exceed it.
        let size: u64 = sql.value("SELECT pg_total_relation_size('exchanges')", &[])?;
        if size < limits.bytes / 2 {
            return Ok(old + many);
        }
        let much = sql.execute(
            "DELETE FROM exchanges WHERE id IN (
                 SELECT id FROM (SELECT id, CAST(sum(size) OVER (ORDER BY id DESC) AS BIGINT) AS held
                     FROM exchanges) AS sums
                 WHERE held > $1 ORDER BY id LIMIT $2)",
            params![limits.bytes, STEP],
        )?;
        Ok(old + many + much)
    })
}
