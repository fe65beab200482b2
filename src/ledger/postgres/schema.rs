//! The tables, version by version. A released step is never changed; a new version is one more step.

use super::connection::Connection;
use super::error::PostgresError;
use crate::ledger::sql::{Sql, params};

/// The migration steps: each leads to the next version; the first from an empty schema to version 1.
const STEPS: [&str; 1] = [include_str!("schema/1.sql")];

/// The version of this program.
pub(super) const NEWEST: usize = STEPS.len();

/// Fails unless the tables are those of this program.
pub(super) fn require(connection: &Connection, schema: &str) -> Result<(), PostgresError> {
    let schema = schema.to_owned();
    match version(connection, &schema)? {
        None => Err(PostgresError::NotThere { schema }),
        Some(version) if version < NEWEST => Err(PostgresError::Older { schema }),
        Some(version) if version > NEWEST => Err(PostgresError::Newer { schema }),
        Some(_) => Ok(()),
    }
}

/// The version of the tables; `None` if there are none.
pub(super) fn version(
    connection: &Connection,
    schema: &str,
) -> Result<Option<usize>, PostgresError> {
    let sql: &dyn Sql = connection;
    // With the schema's name: without it, a role that may not use the schema would find no table, and no error.
    let there: bool = sql.one(
        "SELECT to_regclass($1) IS NOT NULL",
        params![&format!("{schema}.ledger")],
        |row| row.get(0),
    )?;
    if !there {
        return Ok(None);
    }
    Ok(sql.optional("SELECT version FROM ledger", &[], |row| row.get(0))?)
}

/// Creates the schema if it does not exist and brings its tables to the newest version; returns the version before.
/// Only one program at a time does this, in one transaction.
pub(super) fn migrate(connection: &Connection, schema: &str) -> Result<usize, PostgresError> {
    // The name is checked: only letters, digits and `_`.
    connection.batch(&format!(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtext('tilldeck migrate {schema}'));
         CREATE SCHEMA IF NOT EXISTS {schema}"
    ))?;
    let migrated = steps(connection, schema);
    connection.batch(if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    })?;
    migrated
}

fn steps(connection: &Connection, schema: &str) -> Result<usize, PostgresError> {
    let before = version(connection, schema)?.unwrap_or(0);
    if before > NEWEST {
        return Err(PostgresError::Newer {
            schema: schema.to_owned(),
        });
    }
    for step in &STEPS[before..] {
        connection.batch(step)?;
    }
    connection.batch(&format!("UPDATE ledger SET version = {NEWEST}"))?;
    Ok(before)
}
