//! Whether callbacks can be saved, tried without one.

use super::connection::Connection;
use super::error::PostgresError;
use super::survey;
use crate::ledger::sql::{Area, params};

/// The size of a large callback: the table must get more space from the disk.
const SIZE: usize = 64 * 1024;

/// Saves something, and leaves nothing behind.
///
/// # Errors
/// Why a callback could not be saved.
pub(super) fn save(open: &Connection, schema: &str) -> Result<(), PostgresError> {
    let sql = open.sql();
    if let Some(right) = survey::missing_rights(sql, schema)?.into_iter().next() {
        return Err(PostgresError::Forbidden(right));
    }
    let change = sql.change(Area::Deliveries)?;
    change.execute(
        "INSERT INTO deliveries (sealed, id, class, size, account_key, account, provider, received_at, sender, method,
             verdict, why, kind, attempt, status, bytes)
         VALUES ($1, -1, 0, 0, '', '', '', 0, '', '', '', '', '', 0, 0, 0)",
        params![&vec![0; SIZE]],
    )?;
    drop(change);
    // The commit must succeed as well.
    sql.execute("UPDATE ledger SET version = version", &[])?;
    Ok(())
}
