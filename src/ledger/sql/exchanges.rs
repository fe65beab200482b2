//! The request log: written in batches, read in windows.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::exchange::in_url;
use crate::domain::{
    AccountId, Body, Exchange, ExchangeId, Outcome, Search, StatusFilter, WallTime, bad_json,
};

use super::selection::{Selection, patterns};
use super::value::{Param, Row, params};
use super::{Area, Sql, SqlResult, Store, report_lost};
use crate::ledger::error::LedgerError;
use crate::ledger::status::Retention;
use crate::ledger::{Ledger, with_database};

/// The newest rows, in which texts are searched that no index finds.
pub const SEARCHED_MAX: usize = 200_000;

/// A selection of exchanges. The default selects none; set a limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Only older ones than this.
    pub before: Option<ExchangeId>,
    /// Only newer ones than this; the limit then leaves out the newest, so that a follower misses none.
    pub after: Option<ExchangeId>,
    /// Only those sent at this instant or later.
    pub since: Option<WallTime>,
    /// Only those sent before this instant.
    pub until: Option<WallTime>,
    /// Only this profile's, and those of older versions, which saved no profile.
    pub profile: Option<String>,
    /// Only what it finds: its words in method, URL, status, failure, account, subject or operator. Of a log of
    /// millions, only the newest [`SEARCHED_MAX`] are searched for words, unless the search names a subject, and for an
    /// id in the path of a call without a subject.
    pub search: Search,
    /// At most this many.
    pub limit: usize,
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
    #[must_use]
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

    fn catch_up(&self) {
        with_database!(self, database => database.queue().write_all());
    }

    /// The newest first.
    pub async fn log(&self, query: LogQuery) -> Result<Vec<Exchange>, LedgerError> {
        self.catch_up();
        self.read(move |sql| log(sql, &query)).await
    }

    /// The oldest of the newest exchanges that `query` selects.
    pub async fn oldest(&self, query: LogQuery) -> Result<Option<ExchangeId>, LedgerError> {
        self.catch_up();
        self.read(move |sql| {
            let oldest = Wanted::of(&query).selection(sql).oldest(sql)?;
            Ok(oldest.map(ExchangeId))
        })
        .await
    }

    /// The number of exchanges that `query` selects.
    pub async fn count_exchanges(&self, query: LogQuery) -> Result<usize, LedgerError> {
        self.catch_up();
        self.read(move |sql| Wanted::of(&query).selection(sql).count(sql))
            .await
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

fn log(sql: &dyn Sql, query: &LogQuery) -> SqlResult<Vec<Exchange>> {
    let wanted = Wanted::of(query);
    let selection = wanted.selection(sql);
    let mut found = sql.all(
        &wanted.statement(sql, &selection),
        selection.values(),
        from_row,
    )?;
    // A follower's query reads oldest first, so that its limit leaves out the newest.
    found.sort_by_key(|exchange| std::cmp::Reverse(exchange.id));
    Ok(found)
}

/// How the database runs a query; `explain` is its word for that, and `column` the one of the answer.
#[cfg(test)]
pub(in crate::ledger) fn plan(
    sql: &dyn Sql,
    query: &LogQuery,
    (explain, column): (&str, usize),
) -> SqlResult<String> {
    let wanted = Wanted::of(query);
    let selection = wanted.selection(sql);
    let lines: Vec<String> = sql.all(
        &format!("{explain} {}", wanted.statement(sql, &selection)),
        selection.values(),
        |row| row.get(column),
    )?;
    Ok(lines.join("\n"))
}

/// A query in the words of SQL.
struct Wanted<'a> {
    query: &'a LogQuery,
    patterns: Vec<String>,
    /// The subject as the path of a call may have it.
    in_path: Vec<String>,
    id_patterns: Vec<String>,
}

impl<'a> Wanted<'a> {
    fn of(query: &'a LogQuery) -> Self {
        let in_path = query.search.about.as_deref();
        let in_path = in_path.map_or_else(Vec::new, in_url);
        Self {
            query,
            patterns: patterns(&query.search.words),
            id_patterns: patterns(&in_path),
            in_path: in_path.iter().map(|id| format!("/{id}/")).collect(),
        }
    }

    /// The statement that reads the rows of a selection.
    fn statement(&self, sql: &dyn Sql, selection: &Selection<'_>) -> String {
        let texts = if self.query.bodies { TEXTS } else { NO_TEXTS };
        let columns = format!("SELECT id, {COLUMNS}, {texts}, operator");
        let selection = selection.text();
        if sql.search_index().is_some() {
            // The search reads the index alone; then only the rows that it found are read.
            format!("{columns} FROM exchanges WHERE id IN (SELECT id {selection})")
        } else {
            format!("{columns} {selection}")
        }
    }

    fn selection(&self, sql: &dyn Sql) -> Selection<'_> {
        let (query, search) = (self.query, &self.query.search);
        let mut selection = match sql.search_index() {
            // A subject has an index of its own.
            Some(index) if search.about.is_none() => {
                Selection::of(&format!("exchanges INDEXED BY {index}"))
            }
            Some(_) | None => Selection::of("exchanges"),
        };
        selection.require("id <", query.before.map(|id| id.0));
        selection.require("id >", query.after.map(|id| id.0));
        selection.require("at >=", query.since);
        selection.require("at <", query.until);
        if let Some(profile) = &query.profile {
            let profile = selection.place(profile);
            selection.require_that(&format!("profile = {profile} OR profile = ''"));
        }
        selection.require("account =", search.account.as_ref());
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
        self.require_about(&mut selection);
        self.require_words(&mut selection);
        selection.newest(query.limit, query.after.is_some());
        selection
    }

    /// As [`Exchange::is_about`].
    fn require_about<'s>(&'s self, selection: &mut Selection<'s>) {
        const PARTS: &str = "replace(replace(replace(replace(url, '?', '/'), '&', '/'), '=', '/'), '#', '/') || '/'";
        let Some(about) = &self.query.search.about else {
            return;
        };
        let (about, searched) = (selection.place(about), selection.place(SEARCHED_MAX));
        let mut any = vec![format!("about = {about}")];
        for (id, pattern) in self.in_path.iter().zip(&self.id_patterns) {
            let (pattern, id) = (selection.place(pattern), selection.place(id));
            // LIKE is fast, but ignores the case in one of the databases.
            any.push(format!(
                "about = '' AND id > {NEWEST} - {searched} AND url LIKE {pattern} ESCAPE '\\' \
                 AND replace({PARTS}, {id}, '') <> {PARTS}"
            ));
        }
        selection.require_that(&any.join(" OR "));
    }

    fn require_words<'s>(&'s self, selection: &mut Selection<'s>) {
        if !self.patterns.is_empty() && self.query.search.about.is_none() {
            selection.require(&format!("id > {NEWEST} -"), Some(SEARCHED_MAX));
        }
        for pattern in &self.patterns {
            let pattern = selection.place(pattern);
            selection.require_that(&format!("words LIKE lower({pattern}) ESCAPE '\\'"));
        }
    }
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
