//! The request log in the file: written in batches, read in windows, pruned by age, number and size.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::{Type, Value};
use rusqlite::{
    Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, named_params,
    params_from_iter,
};

use crate::domain::{AccountId, Body, Exchange, ExchangeId, Outcome, WallTime, bad_json};

use super::writer::Store;
use super::{Sqlite, age};
use crate::ledger::error::LedgerError;
use crate::ledger::exchanges::{Exchanges, LogQuery, Recorded};

/// The most words of a filter that are searched.
const WORDS_MAX: usize = 8;

/// The size of a row beside its texts.
const ROW_BYTES: usize = 200;

const COLUMNS: &str = "id, account, provider, environment, at, method, url, about, attempt, status, failure, to_head, \
     took, request_bytes, request_cut, request_base64, response_bytes, response_cut, response_base64, http_version, \
     response_wire";
const TEXTS: &str = "request_headers, response_headers, request_body, response_body";
const NO_TEXTS: &str = "'[]', '[]', '', ''";

#[async_trait]
impl Exchanges for Sqlite {
    fn record_later(&self, exchange: Exchange, then: Recorded) {
        self.save_later(exchange, then);
    }

    fn has_unsaved(&self) -> bool {
        self.is_behind()
    }

    async fn keep_up(&self) {
        self.wait_if_far_behind().await;
    }

    async fn log(&self, query: LogQuery) -> Result<Vec<Exchange>, LedgerError> {
        self.catch_up();
        self.run(move |store| store.read(|conn| log(conn, &query)))
            .await
    }

    async fn oldest(&self, query: LogQuery) -> Result<Option<ExchangeId>, LedgerError> {
        self.catch_up();
        self.run(move |store| store.read(|conn| oldest(conn, &query)))
            .await
    }

    async fn count_exchanges(&self, query: LogQuery) -> Result<usize, LedgerError> {
        self.catch_up();
        self.run(move |store| {
            store.read(|conn| {
                let (selection, values) = selection(&query);
                conn.prepare_cached(&format!("SELECT count(*) FROM (SELECT id {selection})"))?
                    .query_row(params_from_iter(values), |row| row.get::<_, i64>(0))
                    .map(|count| usize::try_from(count).unwrap_or(usize::MAX))
            })
        })
        .await
    }

    async fn exchange(&self, id: ExchangeId) -> Result<Option<Exchange>, LedgerError> {
        self.catch_up();
        self.run(move |store| {
            store.read(|conn| {
                conn.prepare_cached(&format!(
                    "SELECT {COLUMNS}, {TEXTS} FROM exchanges WHERE id = ?1"
                ))?
                .query_row([id.0], from_row)
                .optional()
            })
        })
        .await
    }
}

/// Saves exchanges in one transaction, and returns their ids.
pub(super) fn record(store: &mut Store, exchanges: &[Exchange]) -> Vec<ExchangeId> {
    let count = u32::try_from(exchanges.len()).unwrap_or(u32::MAX);
    store.recorded = store.recorded.saturating_add(count);
    // Without a file, ids are negative.
    let given: Vec<i64> = if store.has_file() {
        Vec::new()
    } else {
        exchanges.iter().map(|_| store.unpersisted_id()).collect()
    };
    let stored = store.write(|conn| {
        let change = Transaction::new_unchecked(conn, TransactionBehavior::Deferred)?;
        let mut ids = Vec::with_capacity(exchanges.len());
        for (at, exchange) in exchanges.iter().enumerate() {
            ids.push(insert(&change, given.get(at).copied(), exchange)?);
        }
        change.commit()?;
        Ok(ids)
    });
    let ids = stored.unwrap_or_else(|_| exchanges.iter().map(|_| store.unpersisted_id()).collect());
    ids.into_iter().map(ExchangeId).collect()
}

fn insert(conn: &Connection, id: Option<i64>, exchange: &Exchange) -> rusqlite::Result<i64> {
    let headers = |pairs: &[(String, String)]| {
        serde_json::to_string(pairs).expect("pairs of texts can be written as JSON")
    };
    let nanos = |length: Duration| i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
    let count = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (status, failure) = match &exchange.outcome {
        Outcome::Status(status) => (Some(*status), None),
        Outcome::Failed(why) => (None, Some(why.as_str())),
    };
    let (request_headers, response_headers) = (
        headers(&exchange.request_headers),
        headers(&exchange.response_headers),
    );
    let texts = [
        &exchange.url,
        &exchange.about,
        &request_headers,
        &response_headers,
        &exchange.request_body.text,
        &exchange.response_body.text,
    ];
    let size = ROW_BYTES + texts.iter().map(|text| text.len()).sum::<usize>();
    conn.prepare_cached(
        "INSERT INTO exchanges (id, size, account, provider, environment, at, method, url, about, attempt, status,
             failure, to_head, took, request_bytes, request_cut, request_base64, response_bytes, response_cut,
             response_base64, http_version, response_wire, request_headers, response_headers, request_body, response_body)
         VALUES (:id, :size, :account, :provider, :environment, :at, :method, :url, :about, :attempt, :status,
             :failure, :to_head, :took, :request_bytes, :request_cut, :request_base64, :response_bytes, :response_cut,
             :response_base64, :http_version, :response_wire, :request_headers, :response_headers, :request_body, :response_body)",
    )?
    .execute(named_params! {
        ":id": id,
        ":size": i64::try_from(size).unwrap_or(i64::MAX),
        ":account": exchange.account.as_str(),
        ":provider": exchange.provider,
        ":environment": exchange.environment,
        ":at": exchange.at.0,
        ":method": exchange.method,
        ":url": exchange.url,
        ":about": exchange.about,
        ":attempt": exchange.attempt,
        ":status": status,
        ":failure": failure,
        ":to_head": exchange.to_head.map(nanos),
        ":took": nanos(exchange.took),
        ":request_bytes": count(exchange.request_body.bytes),
        ":request_cut": exchange.request_body.cut,
        ":request_base64": exchange.request_body.base64,
        ":response_bytes": count(exchange.response_body.bytes),
        ":response_cut": exchange.response_body.cut,
        ":response_base64": exchange.response_body.base64,
        ":http_version": exchange.http_version,
        ":response_wire": exchange.response_wire.map(count),
        ":request_headers": request_headers,
        ":response_headers": response_headers,
        ":request_body": exchange.request_body.text,
        ":response_body": exchange.response_body.text,
    })?;
    Ok(conn.last_insert_rowid())
}

fn log(conn: &Connection, query: &LogQuery) -> rusqlite::Result<Vec<Exchange>> {
    let texts = if query.bodies { TEXTS } else { NO_TEXTS };
    let (selection, values) = selection(query);
    let mut found: Vec<Exchange> = conn
        .prepare_cached(&format!("SELECT {COLUMNS}, {texts} {selection}"))?
        .query_map(params_from_iter(values), from_row)?
        .collect::<Result<_, _>>()?;
    // A follower's query reads oldest first, so that its limit leaves out the newest.
    found.sort_by_key(|exchange| std::cmp::Reverse(exchange.id));
    Ok(found)
}

fn oldest(conn: &Connection, query: &LogQuery) -> rusqlite::Result<Option<ExchangeId>> {
    let (selection, values) = selection(query);
    let oldest: Option<i64> = conn
        .prepare_cached(&format!("SELECT min(id) FROM (SELECT id {selection})"))?
        .query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(oldest.map(ExchangeId))
}

/// The FROM and WHERE clauses of a query, with their values.
fn selection(query: &LogQuery) -> (String, Vec<Value>) {
    let mut conditions = String::from("1");
    let mut values: Vec<Value> = Vec::new();
    let mut require = |condition: &str, value: Value| {
        conditions.push_str(" AND ");
        conditions.push_str(condition);
        values.push(value);
    };
    if let Some(ExchangeId(id)) = query.before {
        require("id < ?", id.into());
    }
    if let Some(ExchangeId(id)) = query.after {
        require("id > ?", id.into());
    }
    if let Some(WallTime(at)) = query.since {
        require("at >= ?", at.into());
    }
    if let Some(account) = &query.account {
        require("account = ?", account.as_str().to_owned().into());
    }
    for word in query.filter.split_whitespace().take(WORDS_MAX) {
        // `%` and `_` are wildcards of LIKE; an operator means them literally.
        let pattern = word
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        require(
            "method || ' ' || url || ' ' || coalesce(status, failure, '') || ' ' || account || ' ' || about LIKE ? ESCAPE '\\'",
            format!("%{pattern}%").into(),
        );
    }
    let order = if query.after.is_some() { "ASC" } else { "DESC" };
    values.push(i64::try_from(query.limit).unwrap_or(i64::MAX).into());
    let selection = format!("FROM exchanges WHERE {conditions} ORDER BY id {order} LIMIT ?");
    (selection, values)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Exchange> {
    let length = |nanos: i64| Duration::from_nanos(nanos.unsigned_abs());
    let headers = |column: usize| -> rusqlite::Result<Vec<(String, String)>> {
        let text: String = row.get(column)?;
        serde_json::from_str(&text)
            .map_err(|error| malformed(column, std::io::Error::other(bad_json(&error))))
    };
    let body = |bytes: usize, text: usize| -> rusqlite::Result<Body> {
        Ok(Body {
            text: row.get(text)?,
            bytes: row.get::<_, i64>(bytes)?.unsigned_abs(),
            cut: row.get(bytes + 1)?,
            base64: row.get(bytes + 2)?,
        })
    };
    let outcome = match row.get(9)? {
        Some(status) => Outcome::Status(status),
        None => Outcome::Failed(row.get::<_, Option<String>>(10)?.unwrap_or_default()),
    };
    Ok(Exchange {
        id: ExchangeId(row.get(0)?),
        account: account(row, 1)?,
        provider: row.get(2)?,
        environment: row.get(3)?,
        at: WallTime(row.get(4)?),
        method: row.get(5)?,
        url: row.get(6)?,
        about: row.get(7)?,
        attempt: row.get(8)?,
        outcome,
        to_head: row.get::<_, Option<i64>>(11)?.map(length),
        took: length(row.get(12)?),
        request_headers: headers(21)?,
        request_body: body(13, 23)?,
        response_headers: headers(22)?,
        response_body: body(16, 24)?,
        http_version: row.get(19)?,
        response_wire: row.get::<_, Option<i64>>(20)?.map(i64::unsigned_abs),
    })
}

/// An account's name from a column.
pub(super) fn account(row: &Row<'_>, column: usize) -> rusqlite::Result<AccountId> {
    AccountId::new(row.get::<_, String>(column)?).map_err(|error| malformed(column, error))
}

/// The error for a text that this program cannot have written.
pub(super) fn malformed(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

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
        let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        let since = age::reference(&change, &clock)?.0.saturating_sub(age);
        let old = change
            .prepare_cached(
                "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?
            .execute((since, STEP))?;
        let many = change
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
