//! What the ledger does in SQL that every database runs: statements and the rules around them, written once. A database
//! implements [`Sql`] and [`Store`] for its connections, and works through a [`queue::Queue`].
//!
//! Statements use what all databases share: `$1, $2, …`, which first appear in this order (SQLite numbers them so);
//! 64-bit integers, text and bytes; 0 and 1 for false and true; `max(a, b)` and `min(a, b)`, which are null where one of
//! them is.

#![expect(
    clippy::missing_errors_doc,
    reason = "each call fails once the ledger has stopped, or if it cannot be read or saved"
)]

mod credentials;
pub(super) mod deliveries;
pub(super) mod exchanges;
pub(super) mod hooks;
pub(super) mod logs;
pub(super) mod nonces;
pub(super) mod payments;
pub(super) mod queue;
pub(super) mod selection;
mod value;

use std::ops::Deref;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::domain::{Now, WallTime};

use super::deliveries::NewDelivery;
use super::error::LedgerError;
use super::slots::SlotId;
use super::status::Retention;
use super::{Ledger, with_database};
use exchanges::Unsaved;
use queue::SlotCall;
use value::FromRow;
#[cfg(feature = "postgres")]
pub(super) use value::params;
pub(super) use value::{Column, Param, Row};

/// Why a statement did not run, or its row cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqlError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] super::postgres::error::PostgresError),
    #[error("column {column} cannot be read: {why}")]
    Malformed { column: usize, why: String },
}

pub(super) type SqlResult<T> = Result<T, SqlError>;

/// What a transaction changes. Where writers of one area must not run at the same time, the database runs them one after
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    /// Callbacks, their jobs and deduplication keys.
    Deliveries,
    /// Observations and expectations.
    Payments,
    /// The request log.
    Exchanges,
    /// What is known of the providers' time.
    Nonces,
}

pub(super) trait Sql {
    /// Runs a statement; returns the number of rows that it changed.
    fn execute(&self, sql: &str, params: &[Param<'_>]) -> SqlResult<usize>;

    /// Runs a query; calls `each` with its rows, in order.
    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(Row<'_>) -> SqlResult<()>,
    ) -> SqlResult<()>;

    /// Runs a query once for each of several parameters, in their order; calls `each` with all rows.
    fn query_each(
        &self,
        sql: &str,
        params: &[Vec<Param<'_>>],
        each: &mut dyn FnMut(Row<'_>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        params
            .iter()
            .try_for_each(|params| self.query(sql, params, each))
    }

    /// Inserts a row into a table that has ids; returns its id. In a transaction, it may be sent only with the next
    /// statement, and its errors appear then.
    fn insert(&self, table: &'static str, columns: &str, params: &[Param<'_>]) -> SqlResult<i64>;

    /// The covering index for searches of the request log, where the database needs a hint.
    fn search_index(&self) -> Option<&'static str> {
        None
    }

    /// Counts a delivery that the transaction inserts, where the database does not do that by itself.
    fn count_delivery(&self, _new: &NewDelivery, _class: i64, _size: usize) {}

    fn begin(&self, area: Area) -> SqlResult<()>;

    /// Ends the transaction: its changes are saved, or discarded.
    fn end(&self, saved: bool) -> SqlResult<()>;

    /// The instant that ages count from. In a transaction, since it may be saved.
    fn reference(&self, clock: &Clock) -> SqlResult<WallTime>;
}

impl dyn Sql + '_ {
    /// The only row of a query that always has one.
    pub(super) fn value<T: FromRow>(&self, sql: &str, params: &[Param<'_>]) -> SqlResult<T> {
        self.one(sql, params, T::from_row)
    }

    /// The first row of a query, if it has one.
    pub(super) fn first<T: FromRow>(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> SqlResult<Option<T>> {
        self.optional(sql, params, T::from_row)
    }

    /// All rows of a query.
    pub(super) fn rows<T: FromRow>(&self, sql: &str, params: &[Param<'_>]) -> SqlResult<Vec<T>> {
        self.all(sql, params, T::from_row)
    }

    /// As `rows`, each read by `read`. A row that cannot be read, since another program has written it, is left out: it
    /// must not hide the others.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(Row<'_>) -> SqlResult<T>,
    ) -> SqlResult<Vec<T>> {
        let mut rows = Vec::new();
        self.query(sql, params, &mut |row| {
            rows.extend(readable(read(row))?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// As `first`, read by `read`.
    pub(super) fn optional<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(Row<'_>) -> SqlResult<T>,
    ) -> SqlResult<Option<T>> {
        let mut first = None;
        self.query(sql, params, &mut |row| {
            if first.is_none() {
                first = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(first)
    }

    /// As `value`, read by `read`.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: &[Param<'_>],
        read: impl FnMut(Row<'_>) -> SqlResult<T>,
    ) -> SqlResult<T> {
        self.optional(sql, params, read)?
            .ok_or_else(|| SqlError::Malformed {
                column: 0,
                why: "there is no row".to_owned(),
            })
    }

    /// Begins a transaction, which is discarded unless [`Change::commit`] is called.
    pub(super) fn change(&self, area: Area) -> SqlResult<Change<'_>> {
        self.begin(area)?;
        Ok(Change {
            sql: self,
            open: true,
        })
    }
}

pub(super) struct Change<'a> {
    sql: &'a dyn Sql,
    open: bool,
}

impl Change<'_> {
    pub(super) fn commit(mut self) -> SqlResult<()> {
        let ended = self.sql.end(true);
        self.open = ended.is_err();
        ended
    }
}

impl<'a> Deref for Change<'a> {
    type Target = dyn Sql + 'a;

    fn deref(&self) -> &Self::Target {
        self.sql
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if self.open {
            // A connection that cannot discard it has lost it.
            let _ = self.sql.end(false);
        }
    }
}

impl Ledger {
    pub(super) fn read<T: Send + 'static>(
        &self,
        job: impl Fn(&dyn Sql) -> SqlResult<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, LedgerError>> + Send {
        self.run(Access::Read, job)
    }

    fn write<T: Send + 'static>(
        &self,
        job: impl Fn(&dyn Sql) -> SqlResult<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, LedgerError>> + Send {
        self.run(Access::Write, job)
    }

    /// Runs a job that writes what must survive a power failure.
    fn write_durably<T: Send + 'static>(
        &self,
        job: impl Fn(&dyn Sql) -> SqlResult<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, LedgerError>> + Send {
        self.run(Access::WriteDurably, job)
    }

    /// Compiled once for each job, whichever database runs it.
    fn run<T: Send + 'static>(
        &self,
        access: Access,
        job: impl Fn(&dyn Sql) -> SqlResult<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, LedgerError>> + Send {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            let _ = answer.send(store.result(access, job));
        });
        with_database!(self, database => database.queue().send(move |store| job(store)));
        async { answered.await.unwrap_or(Err(LedgerError::Stopped)) }
    }
}

/// A job that any database runs.
type Job = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// Statements to run. A result goes into a variable that they capture.
pub(super) type Statements<'a> = &'a mut dyn FnMut(&dyn Sql) -> SqlResult<()>;

/// What statements do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// What is written survives a power failure. Fails where there is no database that could keep it.
    WriteDurably,
}

/// A connection, and what to do when it fails.
pub(super) trait Store {
    /// Runs statements. `job` may run more than once, so it must be one transaction.
    fn run(&mut self, access: Access, job: Statements<'_>) -> Result<(), LedgerError>;

    /// The clock, and how much history is saved.
    fn limits(&self) -> (Clock, Retention);

    /// Whether what could not be written now can be written later, on a new connection.
    fn is_away(&self) -> bool {
        false
    }

    /// An id for an exchange that is not in the database: negative, and growing with time like those that are.
    fn unsaved_id(&mut self) -> i64;

    /// Whether exchanges get an id from the database.
    fn gives_ids(&self) -> bool {
        true
    }

    /// Saves exchanges. Where the database can be away, they then wait for the next call.
    fn record(&mut self, new: Unsaved);

    /// Counts saved exchanges and their size: after some, old ones are pruned.
    fn recorded(&mut self, rows: usize, bytes: usize);

    /// Releases slots and takes one for each caller, who has it once it is in the database.
    fn serve(&mut self, released: Vec<(SlotId, Now)>, calls: Vec<SlotCall>);

    /// In a burst, released slots and exchanges that come within this time are written together.
    fn gathers_for(&self) -> Duration {
        // A round trip takes long enough.
        Duration::ZERO
    }

    /// How long to wait for work before [`Store::rest`]; `None` for ever. `rested` if there was none since.
    fn patience(&self, _rested: bool) -> Option<Duration> {
        None
    }

    /// Uses the time without work; returns whether that was all there was to do.
    fn rest(&mut self) -> bool {
        true
    }
}

/// What was read, if it can be; else its row is reported.
fn readable<T>(read: SqlResult<T>) -> SqlResult<Option<T>> {
    match read {
        Err(SqlError::Malformed { column, why }) => {
            tracing::error!(column, why, "the ledger has a row that cannot be read");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Reports rows that were not saved.
fn report_lost(what: &str, rows: usize) {
    if rows > 0 {
        tracing::error!(
            rows,
            what,
            "the ledger has lost rows that could not be written"
        );
    }
}

impl dyn Store + '_ {
    pub(super) fn read<T>(
        &mut self,
        job: impl Fn(&dyn Sql) -> SqlResult<T>,
    ) -> Result<T, LedgerError> {
        self.result(Access::Read, job)
    }

    pub(super) fn write<T>(
        &mut self,
        job: impl Fn(&dyn Sql) -> SqlResult<T>,
    ) -> Result<T, LedgerError> {
        self.result(Access::Write, job)
    }

    /// As [`Store::run`], for a job with a result.
    fn result<T>(
        &mut self,
        access: Access,
        job: impl Fn(&dyn Sql) -> SqlResult<T>,
    ) -> Result<T, LedgerError> {
        let mut result = None;
        self.run(access, &mut |sql| {
            result = Some(job(sql)?);
            Ok(())
        })?;
        Ok(result.expect("a job that succeeds has a result"))
    }
}
