//! What there is to know about the database, for the operator.

use crate::clock::Clock;

use super::connection::Connection;
use super::error::PostgresError;
use super::schema;
use super::target::Target;
use crate::ledger::database::DatabaseReport;
use crate::ledger::sql::{Sql, params};

/// Looks at the database. Blocks.
pub(super) fn survey(target: &Target, clock: &Clock) -> Result<DatabaseReport, PostgresError> {
    let open = Connection::open(target, clock)?;
    let sql: &dyn Sql = &open;
    let (server, role) = sql.one(
        "SELECT current_setting('server_version'), CAST(current_user AS TEXT)",
        &[],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    // Twice: the first also prepares the statement.
    let _: i64 = sql.one("SELECT CAST(1 AS BIGINT)", &[], |row| row.get(0))?;
    let began = clock.now().mono;
    let _: i64 = sql.one("SELECT CAST(1 AS BIGINT)", &[], |row| row.get(0))?;
    let latency = clock.now().mono.saturating_sub(began);
    let tables = schema::version(&open)?;
    let (bytes, exchanges, callbacks) = match tables {
        None => (0, 0, 0),
        Some(_) => sql.one(
            // Estimates: counting the rows of a large table takes long.
            "SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT),
                 CAST(coalesce(max(t.rows) FILTER (WHERE c.relname = 'exchanges'), 0) AS BIGINT),
                 CAST(coalesce(max(t.rows) FILTER (WHERE c.relname = 'deliveries'), 0) AS BIGINT)
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace,
                 LATERAL (SELECT greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) AS rows) AS t
             WHERE n.nspname = CAST($1 AS TEXT) AND c.relkind = 'r'",
            params![&target.schema],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?,
    };
    let unsigned = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(DatabaseReport {
        place: target.describe(),
        schema: target.schema.clone(),
        server,
        role,
        latency,
        clock_ahead_ms: open.ahead(),
        version: tables,
        newest: schema::NEWEST,
        bytes: unsigned(bytes),
        exchanges: unsigned(exchanges),
        callbacks: unsigned(callbacks),
    })
}
