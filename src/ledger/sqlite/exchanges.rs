//! Pruning of the request log in the file, by age, number and size.

use super::age;
use super::sql::change;
use super::writer::Store;

/// Rows dropped in one step, more than are recorded between two runs. Other processes can write between steps.
const STEP: u32 = 1024;

/// Pages returned to the disk in one step.
const PAGES: usize = 256;

/// The last exchange to drop because there are too many or too much. Found once for all steps and without a write lock,
/// so exchanges recorded meanwhile are not among them.
pub(super) fn too_many(store: &mut Store) -> i64 {
    let count = i64::try_from(store.limits.count).unwrap_or(i64::MAX);
    let bytes = i64::try_from(store.limits.bytes).unwrap_or(i64::MAX);
    let last = store.read(|conn| {
        // Numbers have no gaps but where an insert failed, so that no row need be counted.
        let by_count = conn
            .prepare_cached("SELECT coalesce(max(id), 0) - ?1 FROM exchanges")?
            .query_row([count], |row| row.get(0))?;
        // The sum reads every row, and other jobs wait meanwhile. A file of half the size cannot exceed it.
        let size: i64 = conn
            .prepare_cached("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")?
            .query_row((), |row| row.get(0))?;
        if size < bytes / 2 {
            return Ok(by_count);
        }
        let by_size: i64 = conn
            .prepare_cached(
                "SELECT coalesce(max(id), 0) FROM (
                     SELECT id, sum(size) OVER (ORDER BY id DESC) AS held FROM exchanges) WHERE held > ?1",
            )?
            .query_row([bytes], |row| row.get(0))?;
        Ok(by_size.max(by_count))
    });
    // Nothing is dropped where the file cannot be read.
    last.unwrap_or(0)
}

/// Drops some exchanges that are too old, and some up to `last`; returns whether there may be more. After a failure the
/// next run continues.
pub(super) fn prune(store: &mut Store, last: i64) -> bool {
    let clock = store.clock.clone();
    let age = i64::try_from(store.limits.age.as_millis()).unwrap_or(i64::MAX);
    let dropped = store.write(|conn| {
        let change = change(conn)?;
        let since = age::reference(conn, &clock)?.0.saturating_sub(age);
        let old = conn
            .prepare_cached(
                "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?
            .execute((since, STEP))?;
        let many = conn
            .prepare_cached(
                "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges WHERE id <= ?1 ORDER BY id LIMIT ?2)",
            )?
            .execute((last, STEP))?;
        change.commit()?;
        // After the commit: a vacuum inside the transaction would hold the lock for longer.
        conn.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let free: i64 = conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        let whole = STEP as usize;
        Ok(old == whole || many == whole || free > 0)
    });
    dropped.unwrap_or(false)
}
