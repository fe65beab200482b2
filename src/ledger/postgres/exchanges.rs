//! Pruning of the request log in the database, by age, number and size.

use super::worker::Store;
use super::{nonces, slots};
use crate::ledger::sql::{self, exchanges};

const STEP: usize = 1024;

/// Drops some rows that are too old or too many, and all that is noted of limits and keys that are no longer used; returns
/// whether there may be more. After a failure the next run continues.
pub(super) fn prune(store: &mut Store) -> bool {
    let (clock, limits) = sql::Store::limits(store);
    let dropped = <dyn sql::Store>::write(store, |sql| {
        let now = sql.reference(&clock)?;
        slots::drop_unused(sql, now)?;
        nonces::drop_unused(sql, now)?;
        let size = sql.value("SELECT pg_total_relation_size('exchanges')", &[])?;
        let last = exchanges::too_many(sql, &limits, Some(size))?;
        exchanges::drop_some(sql, now.minus(limits.age), last, STEP)
    });
    sql::deliveries::at_rest(store) || dropped.unwrap_or_default()
}
