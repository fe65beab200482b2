//! SQLite as a database of the shared statements.

use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{Connection, Statement, params_from_iter};

use crate::clock::Clock;
use crate::domain::{Now, WallTime};

use super::writer::Store;
use super::{age, exchanges, slots};
use crate::ledger::error::LedgerError;
use crate::ledger::slots::SlotId;
use crate::ledger::sql::exchanges::Unsaved;
use crate::ledger::sql::queue::SlotCall;
use crate::ledger::sql::{
    self, Access, Area, Column, Param, Row, Sql, SqlError, SqlResult, Statements,
};
use crate::ledger::status::Retention;

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) | Self::Time(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

/// SQLite numbers `$1, $2` as they appear.
fn is_in_order(statement: &Statement<'_>) -> bool {
    (1..=statement.parameter_count())
        .filter_map(|number| Some((number, statement.parameter_name(number)?)))
        .all(|(number, name)| name == format!("${number}"))
}

impl Sql for Connection {
    fn execute(&self, sql: &str, params: &[Param<'_>]) -> SqlResult<usize> {
        let mut statement = self.prepare_cached(sql)?;
        debug_assert!(is_in_order(&statement), "{sql}");
        Ok(statement.execute(params_from_iter(params))?)
    }

    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(Row<'_>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        let mut statement = self.prepare_cached(sql)?;
        debug_assert!(is_in_order(&statement), "{sql}");
        let mut rows = statement.query(params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            let column = |column| match row.get_ref(column) {
                Ok(ValueRef::Null) => Column::Null,
                Ok(ValueRef::Integer(value)) => Column::Int(value),
                Ok(text @ ValueRef::Text(_)) => text.as_str().map_or(Column::Unknown, Column::Text),
                Ok(ValueRef::Blob(bytes)) => Column::Bytes(bytes),
                Ok(ValueRef::Real(_)) | Err(_) => Column::Unknown,
            };
            // The file and its users share this machine's clock.
            let ahead = 0;
            each(Row {
                column: &column,
                ahead,
            })?;
        }
        Ok(())
    }

    fn insert(&self, table: &'static str, columns: &str, params: &[Param<'_>]) -> SqlResult<i64> {
        debug_assert!(!self.is_autocommit(), "{table}");
        let places = ", ?".repeat(params.len());
        let places = places.trim_start_matches(", ");
        // FAIL: for a statement that undoes itself, SQLite copies every page before it changes it. An error discards
        // the whole transaction.
        Sql::execute(
            self,
            &format!("INSERT OR FAIL INTO {table} ({columns}) VALUES ({places})"),
            params,
        )?;
        // Without RETURNING, for which SQLite copies every page before it changes it.
        Ok(self.last_insert_rowid())
    }

    fn search_index(&self) -> Option<&'static str> {
        Some("exchanges_by_words")
    }

    fn begin(&self, _: Area) -> SqlResult<()> {
        Ok(self
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute(())
            .map(drop)?)
    }

    fn end(&self, saved: bool) -> SqlResult<()> {
        let end = if saved { "COMMIT" } else { "ROLLBACK" };
        Ok(self.prepare_cached(end)?.execute(()).map(drop)?)
    }

    fn reference(&self, clock: &Clock) -> SqlResult<WallTime> {
        Ok(age::reference(self, clock)?)
    }
}

impl From<SqlError> for rusqlite::Error {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Sqlite(error) => error,
            other => Self::FromSqlConversionFailure(0, Type::Text, Box::new(other)),
        }
    }
}

/// In a burst, what no caller waits for is written together if it comes within this time.
const GATHER: Duration = Duration::from_millis(20);

/// Without work for this long, the thread puts the file in order.
const REST: Duration = Duration::from_secs(1);

/// Pruning runs in small steps, with time for other processes to write between two of them.
const BETWEEN_STEPS: Duration = Duration::from_millis(10);

impl sql::Store for Store {
    fn run(&mut self, access: Access, job: Statements<'_>) -> Result<(), LedgerError> {
        let must_be_saved = access == Access::WriteDurably;
        if access == Access::Read {
            self.must_know_file()?;
        }
        if must_be_saved {
            require_file(self)?;
        }
        self.run_on_file(access, &mut |conn| Ok(job(conn)?))?;
        // The file may have turned out damaged, without a replacement.
        if must_be_saved {
            require_file(self)?;
        }
        Ok(())
    }

    fn limits(&self) -> (Clock, Retention) {
        (self.clock.clone(), self.limits.clone())
    }

    fn unsaved_id(&mut self) -> i64 {
        self.unpersisted_id()
    }

    fn gives_ids(&self) -> bool {
        self.has_file()
    }

    fn record(&mut self, new: Unsaved) {
        // A file is never away: none are left.
        sql::exchanges::write(self, &mut Unsaved::default(), new);
    }

    fn recorded(&mut self, rows: usize, bytes: usize) {
        self.unsummed = self.unsummed.saturating_add(bytes as u64);
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.recorded = self.recorded.saturating_add(rows);
        // Also while it is busy: a program that never rests must not grow its file without end.
        if self.recorded >= exchanges::PRUNE_EVERY {
            exchanges::prune(self);
        }
    }

    fn serve(&mut self, released: Vec<(SlotId, Now)>, calls: Vec<SlotCall>) {
        slots::serve(self, released, calls);
    }

    fn gathers_for(&self) -> Duration {
        GATHER
    }

    fn patience(&self, rested: bool) -> Option<Duration> {
        if self.pruning.is_some() {
            Some(BETWEEN_STEPS)
        } else {
            (!rested && self.is_untidy()).then_some(REST)
        }
    }

    fn rest(&mut self) -> bool {
        let rests = self.pruned && self.pruning.is_none();
        if rests {
            self.empty_log();
        } else {
            exchanges::prune(self);
        }
        rests
    }
}

/// An error if the ledger has no file: a callback in memory only does not count as saved.
fn require_file(store: &Store) -> Result<(), LedgerError> {
    if store.has_file() {
        return Ok(());
    }
    Err(LedgerError::NotSaved(store.no_file()))
}
