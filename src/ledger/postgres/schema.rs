//! The tables, version by version. A released step is never changed; a new version is one more step.

use super::connection::Connection;
use super::error::PostgresError;
use super::target::quoted;
use crate::ledger::sql::{Sql, params};

/// The migration steps: each leads to the next version; the first from an empty schema to version 1.
const STEPS: [&str; 8] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
];

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
    let (there, closed): (bool, Option<String>) = sql.value(
        "SELECT to_regclass('ledger') IS NOT NULL, (SELECT CAST(nspname AS TEXT) FROM pg_namespace
             WHERE nspname = CAST($1 AS TEXT) AND NOT has_schema_privilege(oid, 'USAGE'))",
        params![schema],
    )?;
    // Tables of a schema that the role may not use look like tables that do not exist.
    if let Some(schema) = closed {
        return Err(PostgresError::Forbidden(format!(
            "it may not use the schema {schema}"
        )));
    }
    if !there {
        return Ok(None);
    }
    Ok(sql.first("SELECT version FROM ledger", &[])?)
}

/// Fails where the tables belong to a role whose rights this one does not have: grants allow no change of a table.
fn require_owner(connection: &Connection, schema: &str) -> Result<(), PostgresError> {
    let owner: Option<String> = connection.sql().first(
        "SELECT CAST(pg_get_userbyid(relowner) AS TEXT) FROM pg_class
             WHERE oid = to_regclass('ledger') AND NOT pg_has_role(relowner, 'USAGE')",
        &[],
    )?;
    match owner {
        None => Ok(()),
        Some(owner) => Err(PostgresError::NotOwner {
            schema: schema.to_owned(),
            owner,
        }),
    }
}

/// Creates the schema if it does not exist and brings its tables to the newest version; returns the version before.
/// Only one program at a time does this, in one transaction.
pub(super) fn migrate(connection: &Connection, schema: &str) -> Result<usize, PostgresError> {
    require_owner(connection, schema)?;
    // The name is checked: only letters, digits and `_`.
    connection.long_batch(&format!(
        "BEGIN; SELECT pg_advisory_xact_lock(hashtext('tilldeck migrate {schema}'));
         CREATE SCHEMA IF NOT EXISTS {}",
        quoted(schema)
    ))?;
    let before = match steps(connection, schema) {
        Ok(before) => before,
        Err(error) => {
            // Where it fails, too, the server discards the transaction with the session.
            let _ = connection.batch("ROLLBACK");
            return Err(error);
        }
    };
    connection.long_batch("COMMIT")?;
    Ok(before)
}

fn steps(connection: &Connection, schema: &str) -> Result<usize, PostgresError> {
    let before = version(connection, schema)?.unwrap_or(0);
    if before > NEWEST {
        return Err(PostgresError::Newer {
            schema: schema.to_owned(),
        });
    }
    for step in &STEPS[before..] {
        // A large table takes long.
        connection.long_batch(step)?;
    }
    connection.batch(&format!("UPDATE ledger SET version = {NEWEST}"))?;
    Ok(before)
}
