//! SQLite as a database of the shared statements.

use std::sync::{Arc, Weak};

use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{Connection, Statement, params_from_iter};

use crate::clock::Clock;
use crate::domain::WallTime;

use super::task::Task;
use super::writer::Store;
use super::{Shared, Sqlite, age};
use crate::ledger::error::LedgerError;
use crate::ledger::sql::batch::Batcher;
use crate::ledger::sql::deliveries::Incoming;
use crate::ledger::sql::exchanges::Recording;
use crate::ledger::sql::{
    self, Access, Area, Change, Column, Database, Param, Row, Sql, SqlError, SqlResult, Statements,
};
use crate::ledger::status::{Retention, Status};

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

/// Begins a transaction. SQLite has one lock, whatever is changed.
pub(super) fn change(conn: &Connection) -> SqlResult<Change<'_>> {
    (conn as &dyn Sql).change(Area::Exchanges)
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
        let places = vec!["?"; params.len()].join(", ");
        Sql::execute(
            self,
            &format!("INSERT INTO {table} ({columns}) VALUES ({places})"),
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

impl Database for Sqlite {
    type Store = Store;
    type Weak = Weak<Shared>;

    fn send(&self, job: impl FnOnce(&mut Store) + Send + 'static) {
        // Fails only where the thread has ended; `run` then reports it, other jobs have no caller.
        let _ = self.0.jobs.send(Task::Run(Box::new(job)));
    }

    fn incoming(&self) -> &Arc<Incoming> {
        &self.0.incoming
    }

    fn log_queue(&self) -> &Arc<Batcher<Recording>> {
        &self.0.behind.log
    }

    fn catch_up(&self) {
        let behind = self.0.behind.clone();
        self.send(move |store| behind.write_all(store));
    }

    fn downgrade(&self) -> Self::Weak {
        Arc::downgrade(&self.0)
    }

    fn upgrade(weak: &Self::Weak) -> Option<Self> {
        weak.upgrade().map(Self)
    }
}

impl sql::Store for Store {
    fn run(&mut self, access: Access, job: Statements<'_>) -> Result<(), LedgerError> {
        let must_be_saved = access == Access::WriteDurably;
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

    fn recorded(&mut self, rows: usize, bytes: usize) {
        self.unsummed = self.unsummed.saturating_add(bytes as u64);
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.recorded = self.recorded.saturating_add(rows);
    }
}

/// An error if the ledger has no file: a callback in memory only does not count as saved.
fn require_file(store: &Store) -> Result<(), LedgerError> {
    if store.has_file() {
        return Ok(());
    }
    Err(LedgerError::NotSaved(match store.status() {
        Status::Degraded { why } => why,
        _ => "it has no file".into(),
    }))
}
