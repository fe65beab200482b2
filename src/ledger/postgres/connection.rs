//! One connection to the server, as a thread uses it: each call waits for its answer, with a time limit.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::Runtime;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use crate::clock::Clock;
use crate::domain::{Now, WallTime};

use super::error::PostgresError;
use super::target::{Driver, Target};
use crate::ledger::deliveries::NewDelivery;
use crate::ledger::error::LedgerError;
use crate::ledger::sql::selection::places;
use crate::ledger::sql::{Area, Column, Param, Row, Sql, SqlError, SqlResult, params};

/// The longest wait for one answer. A server that does not answer in this time counts as away.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A connection is probed before it is used, and the clocks are compared, if the last time of either is longer ago.
const SILENT_MAX: Duration = Duration::from_secs(15);

/// The longest wait for the answer to that.
const PROBE_MAX: Duration = Duration::from_secs(3);

const STATEMENTS_MAX: usize = 200;

/// PostgreSQL's texts cannot contain the character NUL; it is stored as this one, which Unicode reserves for programs.
const FOR_NUL: char = '\u{10FFFF}';

/// Precedes itself and [`FOR_NUL`] where a text has them.
const ESCAPE: char = '\u{10FFFE}';

/// The answer to a statement that was sent.
type Answer<T = ()> = Pin<Box<dyn Future<Output = Result<T, tokio_postgres::Error>>>>;

/// Sends a statement before its answer is awaited: the first poll puts it into the client's queue. An early answer is an
/// error, which is there to be awaited, too.
fn sent<T: 'static>(
    answer: impl Future<Output = Result<T, tokio_postgres::Error>> + 'static,
) -> Answer<T> {
    let mut answer: Answer<T> = Box::pin(answer);
    let polled = answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(done) => Box::pin(std::future::ready(done)),
        Poll::Pending => answer,
    }
}

/// The class, account key and account of a delivery.
type Whose = (i64, String, String);

/// A connection. It is lost after the first error that is not the statement's own.
pub(super) struct Connection {
    runtime: Runtime,
    client: Arc<Client>,
    /// Reads and writes the socket while a call waits; `None` once the connection is lost.
    driver: RefCell<Option<Driver>>,
    statements: RefCell<HashMap<String, Statement>>,
    /// Statements of the transaction that were sent, and whose answers are awaited at its end.
    sent: RefCell<Vec<Answer>>,
    /// The last id in each table that the transaction inserts into.
    ids: RefCell<HashMap<&'static str, i64>>,
    /// The rows and bytes of the deliveries that the transaction inserts.
    counted: RefCell<HashMap<Whose, (usize, usize)>>,
    clock: Clock,
    opened: Now,
    /// When the server last answered, on the monotonic clock.
    answered: Cell<Duration>,
    /// How far the database's clock is ahead of this machine's, in milliseconds.
    ahead: Cell<i64>,
    /// When the clocks were last compared, on the monotonic clock.
    compared: Cell<Duration>,
}

impl Connection {
    /// Connects and checks that the server can keep the ledger's promises.
    pub(super) fn open(target: &Target, clock: &Clock) -> Result<Self, PostgresError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| PostgresError::Away(error.to_string()))?;
        let (client, driver) = runtime.block_on(target.connect())?;
        let connection = Self {
            runtime,
            client: Arc::new(client),
            driver: RefCell::new(Some(driver)),
            statements: RefCell::default(),
            sent: RefCell::default(),
            ids: RefCell::default(),
            counted: RefCell::default(),
            clock: clock.clone(),
            opened: clock.now(),
            answered: Cell::default(),
            ahead: Cell::default(),
            compared: Cell::default(),
        };
        connection.check(target)?;
        Ok(connection)
    }

    /// Refuses a server that would lose or mix up what it is given, and compares the clocks.
    fn check(&self, target: &Target) -> Result<(), PostgresError> {
        let facts = self.wait(
            ANSWER_MAX,
            self.client.query_one(
                "SELECT current_setting('server_version_num')::INT8, pg_is_in_recovery(),
                     current_setting('synchronous_commit'), current_setting('fsync'),
                     coalesce(current_setting('tilldeck.process', true), ''), current_setting('server_encoding')",
                &[],
            ),
        )?;
        let (version, standby): (i64, bool) = (facts.get(0), facts.get(1));
        let (commit, fsync, process, encoding): (&str, &str, &str, &str) =
            (facts.get(2), facts.get(3), facts.get(4), facts.get(5));
        if version < 130_000 {
            return Err(PostgresError::TooOld(version / 10_000));
        }
        if process != target.process {
            return Err(PostgresError::Pooler);
        }
        if standby {
            return Err(PostgresError::Standby);
        }
        if encoding != "UTF8" {
            return Err(PostgresError::Encoding(encoding.to_owned()));
        }
        if fsync != "on" || !matches!(commit, "on" | "remote_apply" | "remote_write" | "local") {
            return Err(PostgresError::NotDurable {
                setting: if fsync == "on" {
                    "synchronous_commit"
                } else {
                    "fsync"
                },
            });
        }
        self.compare_clocks(ANSWER_MAX)
    }

    /// Compares the clocks. The server's may be set while a connection is open.
    fn compare_clocks(&self, limit: Duration) -> Result<(), PostgresError> {
        let before = self.clock.now().wall;
        let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::INT8";
        let found = self.wait(limit, self.client.query_one(query, &[]))?;
        let after = self.clock.now();
        self.compared.set(after.mono);
        if !self.clock.is_manual() {
            let between = (before.0, after.wall.0);
            self.ahead
                .set(difference(self.ahead.get(), found.get(0), between));
        }
        Ok(())
    }

    /// The statements that every database has.
    pub(super) fn sql(&self) -> &dyn Sql {
        self
    }

    /// How far the database's clock is ahead of this machine's, in milliseconds; 0 where they agree to a second.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead.get()
    }

    /// The time for `now_ms`: only tests give one.
    pub(super) fn given_now(&self) -> Param<'static> {
        if self.clock.is_manual() {
            Param::Int(self.clock.now().wall.0)
        } else {
            Param::Null
        }
    }

    /// Whether this machine's clock was set since the connection was opened, so that [`Self::ahead`] no longer holds.
    pub(super) fn has_stepped(&self) -> bool {
        !self.clock.is_manual() && self.clock.now().has_stepped_since(self.opened)
    }

    /// Whether it can still be used. After a while without an answer, asks for one: while the machine slept, the server or
    /// the network may have dropped it unnoticed.
    pub(super) fn is_alive(&self) -> bool {
        let last = self.answered.get().min(self.compared.get());
        self.is_open()
            && (self.clock.now().mono.saturating_sub(last) <= SILENT_MAX
                || self.compare_clocks(PROBE_MAX).is_ok())
    }

    /// Notices a server that has closed it meanwhile.
    pub(super) fn is_open(&self) -> bool {
        let mut driver = self.driver.borrow_mut();
        let Some(driving) = driver.as_mut() else {
            return false;
        };
        let ended = self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = driving => true,
                () = tokio::task::yield_now() => false,
            }
        });
        if ended {
            *driver = None;
        }
        !ended
    }

    pub(super) fn wait<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PostgresError> {
        let mut driver = self.driver.borrow_mut();
        let Some(driving) = driver.as_mut() else {
            return Err(PostgresError::Away("the connection was lost".to_owned()));
        };
        let mut is_over = false;
        let done = self.runtime.block_on(async {
            let mut answer = pin!(answer);
            tokio::select! {
                done = &mut answer => done.map_err(PostgresError::from),
                ended = driving => {
                    is_over = true;
                    // The last answer may have come together with the end, and tells why.
                    match poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await {
                        Poll::Ready(Ok(done)) => Ok(done),
                        Poll::Ready(Err(error)) if !error.is_closed() => Err(error.into()),
                        _ => Err(match ended {
                            Ok(()) => PostgresError::Away("the server closed the connection".to_owned()),
                            Err(error) => PostgresError::from(error),
                        }),
                    }
                }
                () = tokio::time::sleep(limit) => {
                    Err(PostgresError::Away(format!("no answer within {} s", limit.as_secs())))
                }
            }
        });
        if is_over || matches!(done, Err(PostgresError::Away(_))) {
            *driver = None;
        } else {
            self.answered.set(self.clock.now().mono);
        }
        done
    }

    /// Awaits the answers to all statements that were sent.
    fn answered(&self) -> Result<(), PostgresError> {
        let sent = std::mem::take(&mut *self.sent.borrow_mut());
        self.wait(ANSWER_MAX, async {
            for answer in sent {
                answer.await?;
            }
            Ok(())
        })
    }

    fn prepared(&self, sql: &str) -> Result<Statement, PostgresError> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let statement = self.wait(ANSWER_MAX, self.client.prepare(sql));
        let statement = statement.map_err(|error| self.cause(error))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_MAX {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) fn batch(&self, sql: &str) -> Result<(), PostgresError> {
        self.wait(ANSWER_MAX, self.client.batch_execute(sql))
    }

    /// As [`Self::batch`], however long it takes. A server that is gone is still noticed, by the socket.
    pub(super) fn long_batch(&self, sql: &str) -> Result<(), PostgresError> {
        self.wait(Duration::MAX, self.client.batch_execute(sql))
    }

    /// Runs a query and waits this long for its rows.
    pub(super) fn rows_within(
        &self,
        limit: Duration,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, PostgresError> {
        let statement = self.prepared(sql)?;
        let bound = self.bound(params);
        self.wait(limit, self.client.query(&statement, &refs(&bound)))
            .map_err(|error| self.cause(error))
    }

    /// The error of the statement that made the server discard the transaction, if it was sent before.
    fn cause(&self, error: PostgresError) -> PostgresError {
        match error {
            PostgresError::Aborted => self.answered().err().unwrap_or(error),
            error => error,
        }
    }

    fn bound(&self, params: &[Param<'_>]) -> Vec<Bound> {
        let bound = |param: &Param<'_>| match param {
            Param::Null => Bound::Null,
            Param::Int(value) => Bound::Int(*value),
            Param::Time(at) => Bound::Int(at.saturating_add(self.ahead())),
            Param::Text(text) => Bound::Text(escaped(text)),
            Param::Bytes(bytes) => Bound::Bytes(bytes.to_vec()),
        };
        params.iter().map(bound).collect()
    }
}

impl Connection {
    /// Sends a statement; its answer is awaited at the end of the transaction.
    fn send(&self, answer: impl Future<Output = Result<(), tokio_postgres::Error>> + 'static) {
        self.sent.borrow_mut().push(sent(answer));
    }

    fn show(
        &self,
        row: &tokio_postgres::Row,
        each: &mut dyn FnMut(Row<'_>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        let texts: Vec<Option<String>> = (0..row.len()).map(|at| unescaped(row, at)).collect();
        let column = |at: usize| match texts.get(at) {
            Some(Some(text)) => Column::Text(text),
            _ => column(row, at),
        };
        each(Row {
            column: &column,
            ahead: self.ahead(),
        })
    }

    /// The next id of a table. The transaction holds the lock of the table's area, so no other takes one meanwhile: ids
    /// become visible in their order.
    pub(super) fn next_id(&self, table: &'static str) -> SqlResult<i64> {
        if !self.ids.borrow().contains_key(table) {
            let last: i64 = self.sql().value(
                &format!(
                    "SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM {table}_id_seq"
                ),
                &[],
            )?;
            self.ids.borrow_mut().insert(table, last);
        }
        let mut ids = self.ids.borrow_mut();
        let id = ids.entry(table).or_default();
        *id += 1;
        Ok(*id)
    }

    /// Runs a statement whose parameters are of other types than [`Param`] has; returns the number of rows that it
    /// changed.
    pub(super) fn execute_with(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, PostgresError> {
        let statement = self.prepared(sql)?;
        self.wait(ANSWER_MAX, self.client.execute(&statement, params))
    }
}

impl Sql for Connection {
    fn execute(&self, sql: &str, params: &[Param<'_>]) -> SqlResult<usize> {
        let statement = self.prepared(sql)?;
        let bound = self.bound(params);
        let changed = self.wait(ANSWER_MAX, self.client.execute(&statement, &refs(&bound)));
        let changed = changed.map_err(|error| self.cause(error))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(Row<'_>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        self.rows_within(ANSWER_MAX, sql, params)?
            .iter()
            .try_for_each(|row| self.show(row, each))
    }

    fn query_each(
        &self,
        sql: &str,
        params: &[Vec<Param<'_>>],
        each: &mut dyn FnMut(Row<'_>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        let statement = self.prepared(sql)?;
        let answers = params.iter().map(|params| {
            let (client, statement) = (self.client.clone(), statement.clone());
            let bound = self.bound(params);
            sent(async move { client.query(&statement, &refs(&bound)).await })
        });
        // All are sent before the first answer is awaited.
        let answers: Vec<_> = answers.collect();
        let rows = self.wait(ANSWER_MAX, async {
            let mut rows = Vec::with_capacity(answers.len());
            for answer in answers {
                rows.extend(answer.await?);
            }
            Ok(rows)
        });
        let rows = rows.map_err(|error| self.cause(error))?;
        rows.iter().try_for_each(|row| self.show(row, each))
    }

    fn insert(&self, table: &'static str, columns: &str, params: &[Param<'_>]) -> SqlResult<i64> {
        let id = self.next_id(table)?;
        let places = places(params.len() + 1);
        let statement = self.prepared(&format!(
            "INSERT INTO {table} ({columns}, id) VALUES ({places})"
        ))?;
        let mut bound = self.bound(params);
        bound.push(Bound::Int(id));
        let client = self.client.clone();
        self.send(async move {
            let sent = client.execute(&statement, &refs(&bound)).await;
            sent.map(drop)
        });
        Ok(id)
    }

    fn count_delivery(&self, new: &NewDelivery, class: i64, size: usize) {
        let key = (class, new.account_key.clone(), new.account.clone());
        let mut counted = self.counted.borrow_mut();
        let (rows, bytes) = counted.entry(key).or_default();
        *rows += 1;
        *bytes += size;
    }

    fn begin(&self, area: Area) -> SqlResult<()> {
        let begin = match area {
            // What one writer has read stays true until it commits, as with SQLite.
            Area::Deliveries | Area::Payments => format!("BEGIN; {}", lock(area)),
            // The log needs not survive a crash of the server to the last row.
            Area::Exchanges => {
                format!("BEGIN; SET LOCAL synchronous_commit TO off; {}", lock(area))
            }
            Area::Nonces => "BEGIN".to_owned(),
        };
        Ok(self.batch(&begin)?)
    }

    fn end(&self, saved: bool) -> SqlResult<()> {
        let ids = std::mem::take(&mut *self.ids.borrow_mut());
        let counted = std::mem::take(&mut *self.counted.borrow_mut());
        if !saved {
            self.sent.borrow_mut().clear();
            return Ok(self.batch("ROLLBACK")?);
        }
        for ((class, account_key, account), (rows, bytes)) in &counted {
            self.execute(
                "INSERT INTO delivery_tally VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (class, account_key, account) DO UPDATE
                     SET rows = delivery_tally.rows + excluded.rows, bytes = delivery_tally.bytes + excluded.bytes",
                params![*class, account_key, account, *rows, *bytes],
            )?;
        }
        let last: Vec<String> = ids
            .iter()
            .map(|(table, last)| format!("SELECT setval('{table}_id_seq', {last}); "))
            .collect();
        let (client, commit) = (self.client.clone(), format!("{}COMMIT", last.concat()));
        self.send(async move { client.batch_execute(&commit).await });
        // The first error is the cause of the others; the server has then discarded the transaction.
        self.answered().map_err(Into::into)
    }

    fn reference(&self, _: &Clock) -> SqlResult<WallTime> {
        let now = self.given_now();
        self.sql().value("SELECT now_ms($1)", &[now])
    }
}

/// The statement by which the writers of an area wait for each other, until the end of their transactions.
pub(super) fn lock(area: Area) -> String {
    let area = area as i32;
    format!("SELECT pg_advisory_xact_lock(hashtext('tilldeck ' || current_schema), {area})")
}

impl From<SqlError> for PostgresError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Postgres(error) => error,
            other => Self::Malformed(other.to_string()),
        }
    }
}

impl From<SqlError> for LedgerError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Postgres(error) => error.into(),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

/// How far the server's clock is ahead, read between two instants of this machine's; `known` if that has not changed.
fn difference(known: i64, server: i64, (before, after): (i64, i64)) -> i64 {
    let ahead = server - before.midpoint(after);
    // An answer that came late is as uncertain. Within a second, machines with the same source of time differ anyway.
    if (ahead - known).abs() < (after - before).max(1000) {
        known
    } else if ahead.abs() < 1000 {
        0
    } else {
        ahead
    }
}

/// A text as it is stored.
fn escaped(text: &str) -> String {
    let mut stored = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\0' => stored.push(FOR_NUL),
            FOR_NUL | ESCAPE => stored.extend([ESCAPE, char]),
            char => stored.push(char),
        }
    }
    stored
}

/// A text that is stored in another way, if the column has one.
fn unescaped(row: &tokio_postgres::Row, at: usize) -> Option<String> {
    if row.columns()[at].type_() != &Type::TEXT {
        return None;
    }
    let stored: Option<&str> = row.try_get(at).ok()?;
    let mut rest = stored
        .filter(|text| text.contains([FOR_NUL, ESCAPE]))?
        .chars();
    let mut text = String::new();
    while let Some(char) = rest.next() {
        text.push(match char {
            FOR_NUL => '\0',
            // Alone, it is from a version that escaped neither.
            ESCAPE if rest.as_str().starts_with([ESCAPE, FOR_NUL]) => rest.next()?,
            char => char,
        });
    }
    Some(text)
}

fn or_null<'a, T>(
    value: Result<Option<T>, tokio_postgres::Error>,
    some: impl FnOnce(T) -> Column<'a>,
) -> Column<'a> {
    match value {
        Ok(Some(value)) => some(value),
        Ok(None) => Column::Null,
        Err(_) => Column::Unknown,
    }
}

fn column(row: &tokio_postgres::Row, at: usize) -> Column<'_> {
    let Some(kind) = row.columns().get(at) else {
        return Column::Unknown;
    };
    match *kind.type_() {
        Type::INT8 => or_null(row.try_get(at), Column::Int),
        Type::INT4 => or_null(row.try_get::<_, Option<i32>>(at), |value| {
            Column::Int(value.into())
        }),
        Type::BOOL => or_null(row.try_get::<_, Option<bool>>(at), |value| {
            Column::Int(value.into())
        }),
        Type::TEXT => or_null(row.try_get(at), Column::Text),
        Type::BYTEA => or_null(row.try_get(at), Column::Bytes),
        _ => Column::Unknown,
    }
}

/// A parameter, in the type that the statement wants. Owned, since some answers are awaited later.
enum Bound {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values stay out of logs.
        f.write_str("parameter")
    }
}

impl ToSql for Bound {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) if *kind == Type::INT4 => i32::try_from(*value)?.to_sql(kind, out),
            Self::Int(value) => value.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::INT4 | Type::TEXT | Type::BYTEA)
    }

    to_sql_checked!();
}

/// As the client takes them.
fn refs(bound: &[Bound]) -> Vec<&(dyn ToSql + Sync)> {
    bound.iter().map(|bound| bound as _).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_difference_changes_once_they_are_apart_by_more_than_the_answer_took_and_a_second()
    {
        for (known, server, took, now) in [
            (0, 999, 0, 0),
            (0, 5_000, 20, 4_990),
            (0, -5_000, 20, -5_010),
            (0, 1_500, 2_000, 0),
            (4_990, 5_500, 20, 4_990),
            (4_990, 9_000, 20, 8_990),
            (4_990, 500, 20, 0),
        ] {
            assert_eq!(
                difference(known, server, (0, took)),
                now,
                "{known} {server}"
            );
        }
    }
}
