//! Pruning of the file: of the request log by age, number and size, and of callbacks.

use super::age;
use super::writer::{Store, change};
use crate::ledger::sql::{self, deliveries, exchanges};

/// Old rows are pruned after the first burst of work, and then after this many exchanges.
pub(super) const PRUNE_EVERY: u32 = 512;

/// Rows dropped in one step, more than are recorded between two runs. Other processes can write between steps.
const STEP: usize = 1024;

/// The size of all exchanges is summed again once this part of the limit was recorded: it reads every row, a third of all
/// work in a burst of requests.
const SUMMED_PARTS: u64 = 16;

/// Pages returned to the disk in one step.
const PAGES: usize = 256;

/// Prunes some rows that are too old or too many.
pub(super) fn prune(store: &mut Store) {
    store.pruned = true;
    let last = match store.pruning {
        Some(last) if store.recorded < PRUNE_EVERY => last,
        _ => {
            store.recorded = 0;
            too_many(store)
        }
    };
    let exchanges = drop_some(store, last);
    let more = deliveries::at_rest(store) || exchanges;
    store.pruning = more.then_some(last);
}

/// The last exchange to drop because there are too many or too much. Found once for all steps and without a write lock,
/// so exchanges recorded meanwhile are not among them.
fn too_many(store: &mut Store) -> i64 {
    let limits = store.limits.clone();
    let sums = store.unsummed >= limits.bytes / SUMMED_PARTS;
    let last = <dyn sql::Store>::read(store, |sql| {
        let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let size = sums.then(|| sql.value(size, &[])).transpose()?;
        exchanges::too_many(sql, &limits, size)
    });
    if sums && last.is_ok() {
        store.unsummed = 0;
    }
    // Nothing is dropped where the file cannot be read.
    last.unwrap_or(0)
}

/// Drops some exchanges that are too old, and some up to `last`; returns whether there may be more. After a failure the
/// next run continues.
fn drop_some(store: &mut Store, last: i64) -> bool {
    let (clock, age) = (store.clock.clone(), store.limits.age);
    let dropped = store.write(|conn| {
        let change = change(conn)?;
        let since = age::reference(conn, &clock)?.minus(age);
        let more = exchanges::drop_some(&*change, since, last, STEP)?;
        change.commit()?;
        // After the commit: a vacuum inside the transaction would hold the lock for longer.
        conn.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let free: i64 = conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        Ok(more || free > 0)
    });
    dropped.unwrap_or(false)
}
