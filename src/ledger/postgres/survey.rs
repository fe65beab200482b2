//! What there is to know about the database, for the operator.

use crate::clock::Clock;

use super::connection::Connection;
use super::error::PostgresError;
use super::schema;
use super::target::Target;
use crate::ledger::database::DatabaseReport;
use crate::ledger::sql::{Sql, params};

pub(super) fn survey(target: &Target, clock: &Clock) -> Result<DatabaseReport, PostgresError> {
    let open = Connection::open(target, clock)?;
    let sql = open.sql();
    let (server, role, is_superuser) = sql.value(
        "SELECT current_setting('server_version'), CAST(current_user AS TEXT),
             (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)",
        &[],
    )?;
    let (synchronous_commit, full_page_writes) = sql.value(
        "SELECT current_setting('synchronous_commit'), current_setting('full_page_writes') = 'on'",
        &[],
    )?;
    // Twice: the first also prepares the statement.
    let _: i64 = sql.value("SELECT CAST(1 AS BIGINT)", &[])?;
    let began = clock.now().mono;
    let _: i64 = sql.value("SELECT CAST(1 AS BIGINT)", &[])?;
    let latency = clock.now().mono.saturating_sub(began);
    let missing_rights = missing_rights(sql, &target.schema)?;
    let tables = match schema::version(&open, &target.schema) {
        Err(PostgresError::Forbidden(_)) if !missing_rights.is_empty() => None,
        version => version?,
    };
    let (bytes, exchanges, callbacks) = match tables {
        None => (0, 0, 0),
        Some(_) => sql.value(
            // Estimates: counting the rows of a large table takes long.
            "SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT),
                 CAST(coalesce(max(t.rows) FILTER (WHERE c.relname = 'exchanges'), 0) AS BIGINT),
                 CAST(coalesce(max(t.rows) FILTER (WHERE c.relname = 'deliveries'), 0) AS BIGINT)
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace,
                 LATERAL (SELECT greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) AS rows) AS t
             WHERE n.nspname = CAST($1 AS TEXT) AND c.relkind = 'r'",
            params![&target.schema],
        )?,
    };
    let seal_key = match tables {
        Some(version) if version > 0 && missing_rights.is_empty() => {
            sql.value("SELECT seal_key FROM ledger", &[])?
        }
        _ => None,
    };
    Ok(DatabaseReport {
        place: target.describe(),
        schema: target.schema.clone(),
        server,
        role,
        is_superuser,
        missing_rights,
        synchronous_commit,
        full_page_writes,
        latency,
        clock_ahead_ms: open.ahead(),
        version: tables,
        newest: schema::NEWEST,
        bytes,
        exchanges,
        callbacks,
        seal_key,
    })
}

/// The rights of docs/operating.md, "Roles", that the connection's role lacks. Catalogs can be read without them.
pub(super) fn missing_rights(sql: &dyn Sql, schema: &str) -> Result<Vec<String>, PostgresError> {
    let mut missing = Vec::new();
    sql.query(
        "WITH n AS (SELECT oid FROM pg_namespace WHERE nspname = CAST($1 AS TEXT)),
             wanted (kind, name, word, held) AS (
                 SELECT 0, 'schema ' || CAST($1 AS TEXT), 'USAGE', has_schema_privilege(n.oid, 'USAGE') FROM n
                 UNION ALL
                 SELECT 1, CAST(c.relname AS TEXT), word, has_table_privilege(c.oid, word)
                     FROM n JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind = 'r',
                         unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS word
                 UNION ALL
                 SELECT 2, CAST(c.relname AS TEXT), word, has_sequence_privilege(c.oid, word)
                     FROM n JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind = 'S',
                         unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS word
                 UNION ALL
                 SELECT 3, CAST(p.proname AS TEXT), 'EXECUTE', has_function_privilege(p.oid, 'EXECUTE')
                     FROM n JOIN pg_proc AS p ON p.pronamespace = n.oid
             )
         SELECT string_agg(word, ', ') || ' on ' || name FROM wanted WHERE NOT held
             GROUP BY kind, name ORDER BY kind, name",
        params![schema],
        &mut |row| {
            missing.push(row.get(0)?);
            Ok(())
        },
    )?;
    Ok(missing)
}
