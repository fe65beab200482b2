//! The request log: written in batches, read in windows.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::exchange::in_url;
use crate::domain::{
    AccountId, Body, Exchange, ExchangeId, Outcome, Search, StatusFilter, WallTime, bad_json,
};

use super::logs::{Columns, LogKind, RowQuery, SEARCHED_MAX};
use super::selection::{Selection, patterns};
use super::value::{Param, Row, params};
use super::{Area, Sql, SqlResult, Store, report_lost};
use crate::ledger::error::LedgerError;
use crate::ledger::status::Retention;
use crate::ledger::{Ledger, with_database};

/// A query of the request log. Its words are searched in method, URL, status, failure, account, subject and operator; with a
/// subject, in all rows, but for an id in the path of a call without a subject.
pub type LogQuery = RowQuery<Requests>;

/// The request log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requests {
    /// Whether to read headers and bodies; otherwise they are empty, with the bodies' sizes.
    pub bodies: bool,
}

/// Receives a saved exchange, with its id.
pub type Recorded = Box<dyn FnOnce(Exchange) + Send>;

/// The size of a row beside its texts.
const ROW_BYTES: usize = 200;

const COLUMNS: &str = "account, provider, environment, at, method, url, about, attempt, status, failure, to_head, \
     took, request_bytes, request_cut, request_base64, response_bytes, response_cut, response_base64, http_version, \
     response_wire, profile";
const TEXTS: &str = "request_headers, response_headers, request_body, response_body";
const NO_TEXTS: &str = "'[]', '[]', '', ''";

const NEWEST: &str = "(SELECT max(id) FROM exchanges)";

impl Ledger {
    /// Saves an exchange in the background, then calls `then` with it and its id. The id is negative if it cannot be
    /// saved.
    pub fn record_later(&self, exchange: Exchange, then: Recorded) {
        with_database!(self, database => database.queue().record(exchange, then));
    }

    /// Whether exchanges wait to be written.
    pub fn has_unsaved(&self) -> bool {
        with_database!(self, database => database.queue().unsaved()) > 0
    }

    /// Waits while too many rows are in memory.
    pub async fn keep_up(&self) {
        with_database!(self, database => {
            if database.queue().unsaved() > WAITING_MAX {
                database.queue().flush().await;
            }
        });
    }

    /// One exchange in full, if it is still saved.
    pub async fn exchange(&self, id: ExchangeId) -> Result<Option<Exchange>, LedgerError> {
        self.catch_up();
        self.read(move |sql| {
            sql.optional(
                &format!("SELECT id, {COLUMNS}, {TEXTS}, operator FROM exchanges WHERE id = $1"),
                params![id.0],
                from_row,
            )
        })
        .await
    }
}

/// An exchange to save.
pub(super) struct Recording {
    /// Counts it until it is saved or lost; first, since those who wait for `then` may count them.
    pub(super) unsaved: Arc<()>,
    pub(super) exchange: Exchange,
    /// Gets it with its id; `None` once it was reported as not saved yet.
    pub(super) then: Option<Recorded>,
}

impl Recording {
    fn size(&self) -> usize {
        let [request, response] = [&self.exchange.request_body, &self.exchange.response_body];
        ROW_BYTES + request.text.len() + response.text.len()
    }

    /// Hands it over with its id; it counts as unsaved no longer.
    fn report(self, id: i64) {
        drop(self.unsaved);
        if let Some(then) = self.then {
            let id = ExchangeId(id);
            then(Exchange {
                id,
                ..self.exchange
            });
        }
    }
}

/// The most rows that wait for a database that is away, in number and bytes. Beyond it, the oldest are dropped.
pub(super) const WAITING_MAX: usize = 1024;
pub(super) const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most exchanges in one transaction: other jobs wait meanwhile.
pub(super) const CHUNK: usize = 64;

/// Exchanges that are not in the database. If they are dropped, they are counted in the program's log.
#[derive(Default)]
pub(in crate::ledger) struct Unsaved(pub(super) VecDeque<Recording>);

impl Drop for Unsaved {
    fn drop(&mut self) {
        report_lost("requests", self.0.len());
    }
}

/// Saves exchanges, `new` ones after those that wait. If the database is away, all of them wait.
pub(in crate::ledger) fn write(store: &mut dyn Store, waiting: &mut Unsaved, mut new: Unsaved) {
    let waiting = &mut waiting.0;
    waiting.append(&mut new.0);
    while !waiting.is_empty() {
        if !save(store, waiting) {
            return report_delayed(store, waiting);
        }
    }
}

/// Reports exchanges that wait, each once, and drops the oldest beyond the limits.
fn report_delayed(store: &mut dyn Store, waiting: &mut VecDeque<Recording>) {
    let mut bytes = 0;
    for one in waiting.iter_mut() {
        bytes += one.size();
        if let Some(then) = one.then.take() {
            let id = ExchangeId(store.unsaved_id());
            then(Exchange {
                id,
                ..one.exchange.clone()
            });
        }
    }
    let before = waiting.len();
    while (waiting.len() > WAITING_MAX || bytes > WAITING_BYTES_MAX)
        && let Some(oldest) = waiting.pop_front()
    {
        bytes -= oldest.size();
    }
    report_lost("requests", before - waiting.len());
}

/// Saves the first exchanges in one transaction; returns false, and they stay, if the database is away.
fn save(store: &mut dyn Store, waiting: &mut VecDeque<Recording>) -> bool {
    let some = waiting.len().min(CHUNK);
    let given: Vec<i64> = if store.gives_ids() {
        Vec::new()
    } else {
        (0..some).map(|_| store.unsaved_id()).collect()
    };
    let saved = store.write(|sql| {
        let change = sql.change(Area::Exchanges)?;
        let mut ids = Vec::with_capacity(some);
        let mut bytes = 0;
        for (at, one) in waiting.iter().take(some).enumerate() {
            let (id, size) = insert(&*change, given.get(at).copied(), &one.exchange)?;
            ids.push(id);
            bytes += size;
        }
        change.commit()?;
        Ok((ids, bytes))
    });
    match saved {
        Ok((ids, bytes)) => {
            // Only now: the receiver may look it up by its id.
            for (one, id) in waiting.drain(..some).zip(ids) {
                one.report(id);
            }
            store.recorded(some, bytes);
        }
        Err(_) if store.is_away() => return false,
        Err(error) => {
            // That a file cannot be written is reported by its state.
            if matches!(error, LedgerError::Database(_)) {
                report_lost("requests", some);
            }
            for one in waiting.drain(..some) {
                one.report(store.unsaved_id());
            }
        }
    }
    true
}

/// Inserts an exchange; `id` where it has one already. Returns its id and size.
fn insert(sql: &dyn Sql, id: Option<i64>, exchange: &Exchange) -> SqlResult<(i64, usize)> {
    let headers = |pairs: &[(String, String)]| {
        serde_json::to_string(pairs).expect("pairs of texts can be written as JSON")
    };
    let (status, failure) = exchange.outcome.parts();
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
    let mut row: Vec<Param<'_>> = params![
        size,
        &exchange.account,
        &exchange.provider,
        &exchange.environment,
        exchange.at,
        &exchange.method,
        &exchange.url,
        &exchange.about,
        exchange.attempt,
        status,
        failure,
        exchange.to_head,
        exchange.took,
        exchange.request_body.bytes,
        exchange.request_body.cut,
        exchange.request_body.base64,
        exchange.response_body.bytes,
        exchange.response_body.cut,
        exchange.response_body.base64,
        &exchange.http_version,
        exchange.response_wire,
        &exchange.profile,
        &request_headers,
        &response_headers,
        &exchange.request_body.text,
        &exchange.response_body.text,
    ]
    .to_vec();
    let mut named = "";
    if let Some(id) = id {
        row.push(id.into());
        named = ", id";
    }
    let id = sql.insert(
        "exchanges",
        &format!("size, {COLUMNS}, {TEXTS}{named}"),
        &row,
    )?;
    Ok((id, size))
}

/// The last exchange to drop because there are too many or too much. `size` is that of all on the disk; without it, only
/// their number counts.
pub(in crate::ledger) fn too_many(
    sql: &dyn Sql,
    limits: &Retention,
    size: Option<u64>,
) -> SqlResult<i64> {
    // Numbers have few gaps, so that no row need be counted.
    let by_count: i64 = sql.value(
        "SELECT coalesce(max(id), 0) - $1 FROM exchanges",
        params![limits.count],
    )?;
    // The sum reads every row, and other jobs wait meanwhile. Half the size cannot exceed it.
    if size.is_none_or(|size| size < limits.bytes / 2) {
        return Ok(by_count);
    }
    let by_size: i64 = sql.value(
        "SELECT coalesce(max(id), 0) FROM (
             SELECT id, CAST(sum(size) OVER (ORDER BY id DESC) AS BIGINT) AS held FROM exchanges) AS sums
         WHERE held > $1",
        params![limits.bytes],
    )?;
    Ok(by_size.max(by_count))
}

/// Drops some exchanges sent before `since`, and some up to `last`, at most `step` of each; returns whether there may be
/// more.
pub(in crate::ledger) fn drop_some(
    sql: &dyn Sql,
    since: WallTime,
    last: i64,
    step: usize,
) -> SqlResult<bool> {
    let old = sql.execute(
        "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges WHERE at < $1 ORDER BY at LIMIT $2)",
        params![since, step],
    )?;
    let many = sql.execute(
        "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges WHERE id <= $1 ORDER BY id LIMIT $2)",
        params![last, step],
    )?;
    Ok(old == step || many == step)
}

/// How the database runs a query; `explain` is its word for that, and `column` the one of the answer.
#[cfg(test)]
pub(in crate::ledger) fn plan(
    sql: &dyn Sql,
    query: &LogQuery,
    (explain, column): (&str, usize),
) -> SqlResult<String> {
    let selection = query.selection(sql);
    let lines: Vec<String> = sql.all(
        &format!("{explain} {}", query.log.statement(sql, &selection)),
        selection.values(),
        |row| row.get(column),
    )?;
    Ok(lines.join("\n"))
}

impl LogKind for Requests {
    type Row = Exchange;
    const NOUN: &'static str = "request";

    fn id(row: &Exchange) -> i64 {
        row.id.0
    }
}

impl Columns for Requests {
    const AT: &'static str = "at";
    const IS_BEHIND: bool = true;

    fn table(sql: &dyn Sql, search: &Search) -> String {
        match sql.search_index() {
            // A subject has an index of its own.
            Some(index) if search.about.is_none() => format!("exchanges INDEXED BY {index}"),
            Some(_) | None => "exchanges".into(),
        }
    }

    fn require<'q>(query: &'q LogQuery, selection: &mut Selection<'q>) {
        let search = &query.search;
        if let Some(profile) = &query.profile {
            let profile = selection.place(profile);
            selection.require_that(&format!("profile = {profile} OR profile = ''"));
        }
        selection.require("operator =", search.operator.as_ref());
        selection.require("method =", search.method.as_ref());
        match search.status {
            Some(StatusFilter::Codes(first, last)) => {
                selection.require("status >=", Some(first));
                selection.require("status <=", Some(last));
            }
            Some(StatusFilter::Failed) => {
                // No index has the failures beside a status, so that of these only the newest are searched.
                let searched = selection.place(SEARCHED_MAX);
                selection.require_that(&format!(
                    "status IS NULL OR failure IS NOT NULL AND id > {NEWEST} - {searched}"
                ));
            }
            None => {}
        }
        match &search.about {
            Some(about) => require_about(about, selection),
            None if search.words.is_empty() => {}
            None => selection.require(&format!("id > {NEWEST} -"), Some(SEARCHED_MAX)),
        }
        for pattern in patterns(&search.words) {
            let pattern = selection.place(pattern);
            selection.require_that(&format!("words LIKE lower({pattern}) ESCAPE '\\'"));
        }
    }

    fn rows(&self, sql: &dyn Sql, selection: &Selection<'_>) -> SqlResult<Vec<Exchange>> {
        sql.all(
            &self.statement(sql, selection),
            selection.values(),
            from_row,
        )
    }
}

impl Requests {
    /// The statement that reads the rows of a selection.
    fn statement(self, sql: &dyn Sql, selection: &Selection<'_>) -> String {
        let texts = if self.bodies { TEXTS } else { NO_TEXTS };
        let columns = format!("SELECT id, {COLUMNS}, {texts}, operator");
        let selection = selection.text();
        if sql.search_index().is_some() {
            // The search reads the index alone; then only the rows that it found are read.
            format!("{columns} FROM exchanges WHERE id IN (SELECT id {selection})")
        } else {
            format!("{columns} {selection}")
        }
    }
}

/// As [`Exchange::is_about`].
fn require_about<'q>(about: &'q str, selection: &mut Selection<'q>) {
    const PARTS: &str =
        "replace(replace(replace(replace(url, '?', '/'), '&', '/'), '=', '/'), '#', '/') || '/'";
    let ids = in_url(about);
    let (about, searched) = (selection.place(about), selection.place(SEARCHED_MAX));
    let mut any = vec![format!("about = {about}")];
    for (pattern, id) in patterns(&ids).into_iter().zip(ids) {
        let pattern = selection.place(pattern);
        let id = selection.place(format!("/{id}/"));
        // LIKE is fast, but ignores the case in one of the databases.
        any.push(format!(
            "about = '' AND id > {NEWEST} - {searched} AND url LIKE {pattern} ESCAPE '\\' \
             AND replace({PARTS}, {id}, '') <> {PARTS}"
        ));
    }
    selection.require_that(&any.join(" OR "));
}

fn from_row(row: Row<'_>) -> SqlResult<Exchange> {
    let headers = |column: usize| {
        row.parsed(column, |text: String| {
            serde_json::from_slice::<Vec<(String, String)>>(text.as_bytes())
                .map_err(|error| bad_json(&error))
        })
    };
    let body = |bytes: usize, text: usize| -> SqlResult<Body> {
        Ok(Body {
            text: row.get(text)?,
            bytes: row.get(bytes)?,
            cut: row.get(bytes + 1)?,
            base64: row.get(bytes + 2)?,
        })
    };
    let failure: Option<String> = row.get(10)?;
    let outcome = match (row.get(9)?, failure) {
        (Some(status), None) => Outcome::Status(status),
        (Some(status), Some(why)) => Outcome::Refused(status, why),
        (None, why) => Outcome::Failed(why.unwrap_or_default()),
    };
    Ok(Exchange {
        id: ExchangeId(row.get(0)?),
        account: row.parsed(1, |name: String| AccountId::new(name))?,
        provider: row.get(2)?,
        environment: row.get(3)?,
        at: row.get(4)?,
        method: row.get(5)?,
        url: row.get(6)?,
        about: row.get(7)?,
        attempt: row.get(8)?,
        outcome,
        to_head: row.get(11)?,
        took: row.get(12)?,
        request_headers: headers(22)?,
        request_body: body(13, 24)?,
        response_headers: headers(23)?,
        response_body: body(16, 25)?,
        http_version: row.get(19)?,
        response_wire: row.get(20)?,
        profile: row.get(21)?,
        operator: row.get(26)?,
    })
}
