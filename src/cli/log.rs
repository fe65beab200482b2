//! `log`: the outbound requests that the ledger has kept.

use std::time::Duration;

use serde_json::Value;

use super::args::{Export, Log};
use super::output::{Out, OutputError, Table, Tone, plain, toned, whole};
use super::report::counted;
use super::{Context, Exit, deliveries, export, local};
use crate::deck::Deck;
use crate::domain::{AccountId, Exchange, ExchangeId, Outcome, WallTime};
use crate::ledger::{Ledger, LedgerError, LogQuery, Status};

/// How often `--follow` looks for more.
const LOOK: Duration = Duration::from_millis(300);

/// So many rows are listed where nothing else is said.
const ROWS: usize = 200;

/// So many rows are read at a time; fewer where they come with bodies.
const PAGE: usize = 500;
const PAGE_WHOLE: usize = 100;

pub async fn run(
    args: &Log,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let ledger = deck.ledger();
    if let Status::Degraded { why } = ledger.status().await {
        return out.fail(&local(&format!("the ledger cannot be read: {why}")));
    }
    let account = match context.account().map(AccountId::new).transpose() {
        Ok(account) => account,
        Err(error) => return out.fail(&local(&error.to_string())),
    };
    let mut query = LogQuery {
        since: args.since_when(context),
        account,
        limit: args.most(),
        bodies: args.export.is_some(),
        ..LogQuery::default()
    };
    // Where following begins, whether or not the newest is among those shown.
    let newest = LogQuery {
        limit: 1,
        ..LogQuery::default()
    };
    let newest = match ledger.log(newest).await {
        Ok(rows) => rows.first().map_or(ExchangeId(0), |row| row.id),
        Err(error) => return out.fail(&local(&error.to_string())),
    };
    let all = LogQuery {
        limit: usize::MAX,
        ..query.clone()
    };
    match ledger.count_exchanges(all).await {
        Ok(count) => args.report_omitted(count, "request", out),
        Err(error) => return out.fail(&local(&error.to_string())),
    }
    let mut pages = match Pages::begin(ledger, query.clone()).await {
        Ok(pages) => pages,
        Err(error) => return out.fail(&local(&error.to_string())),
    };
    if let Some(format) = args.export {
        return match export(format, &mut pages, out).await? {
            Ok(()) => Ok(Exit::Done),
            Err(error) => out.fail(&local(&error.to_string())),
        };
    }
    let zone = jiff::tz::TimeZone::system();
    let mut last = None;
    loop {
        match pages.next().await {
            Ok(rows) if rows.is_empty() => break,
            Ok(rows) => {
                print(&rows, &zone, out)?;
                last = rows.last().map(|row| row.id);
            }
            Err(error) => return out.fail(&local(&error.to_string())),
        }
    }
    if last.is_none() && !args.follow && !out.json {
        out.say(&deliveries::none("requests", context));
    }
    if !args.follow {
        return Ok(Exit::Done);
    }
    let mut last = last.map_or(newest, |last| last.max(newest));
    loop {
        query.after = Some(last);
        look_again(out).await?;
        query.since = None;
        match ledger.log(query.clone()).await {
            Ok(more) if more.is_empty() => {}
            Ok(mut more) => {
                more.reverse();
                print(&more, &zone, out)?;
                last = more.last().map_or(last, |row| row.id);
            }
            Err(error) => {
                return out.fail(&local(&error.to_string()));
            }
        }
    }
}

/// Waits until it is time to look for more.
///
/// # Errors
/// If nobody reads any more.
pub(super) async fn look_again(out: &Out) -> Result<(), OutputError> {
    tokio::select! {
        biased;
        () = out.reader_gone() => Err(OutputError::ReaderGone),
        () = tokio::time::sleep(LOOK) => Ok(()),
    }
}

/// What the log shows, the oldest first, a page at a time: a long log is never in memory as a whole.
struct Pages<'a> {
    ledger: &'a Ledger,
    query: LogQuery,
}

impl<'a> Pages<'a> {
    /// The newest exchanges that `query` asks for.
    async fn begin(ledger: &'a Ledger, query: LogQuery) -> Result<Self, LedgerError> {
        let oldest = ledger.oldest(query.clone()).await?;
        let after = oldest.map(|id| ExchangeId(id.0 - 1));
        // None is found: nothing is left to be shown.
        let limit = after.map_or(0, |_| query.limit);
        let query = LogQuery {
            after,
            limit,
            ..query
        };
        Ok(Self { ledger, query })
    }

    /// The next ones; empty after the last.
    async fn next(&mut self) -> Result<Vec<Exchange>, LedgerError> {
        let most = if self.query.bodies { PAGE_WHOLE } else { PAGE };
        let page = LogQuery {
            limit: self.query.limit.min(most),
            ..self.query.clone()
        };
        let mut rows = self.ledger.log(page).await?;
        rows.reverse();
        self.query.limit -= rows.len();
        self.query.after = rows.last().map(|row| row.id).or(self.query.after);
        Ok(rows)
    }
}

/// Writes each exchange in another format. The inner error is the ledger's.
async fn export(
    format: Export,
    pages: &mut Pages<'_>,
    out: &Out,
) -> Result<Result<(), LedgerError>, OutputError> {
    let mut writer = Writer::new(format, out);
    loop {
        match pages.next().await {
            Ok(rows) if rows.is_empty() => break,
            Ok(rows) => {
                for row in &rows {
                    writer.exchange(row, export::whole)?;
                }
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    writer.end()?;
    Ok(Ok(()))
}

/// Writes an export, one row after another.
pub(super) struct Writer<'a> {
    format: Export,
    out: &'a Out,
    is_begun: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(format: Export, out: &'a Out) -> Self {
        Self {
            format,
            out,
            is_begun: false,
        }
    }

    /// One row. `whole` makes a JSON line of it.
    pub(super) fn exchange(
        &mut self,
        row: &Exchange,
        whole: impl FnOnce(&Exchange) -> Value,
    ) -> Result<(), OutputError> {
        let is_begun = std::mem::replace(&mut self.is_begun, true);
        match self.format {
            Export::Har => {
                let before = if is_begun {
                    ",".to_owned()
                } else {
                    export::har_begin(Some(row.at))
                };
                let entry = export::har_entry(row);
                self.out.bytes(format!("{before}\n{entry}").as_bytes())
            }
            Export::Ndjson => self.out.object(&whole(row)),
            Export::Curl => self.out.line(&export::curl(row)),
        }
    }

    /// What stands behind the last row.
    pub(super) fn end(self) -> Result<(), OutputError> {
        if self.format != Export::Har {
            return Ok(());
        }
        if !self.is_begun {
            self.out.bytes(export::har_begin(None).as_bytes())?;
        }
        self.out.line(&format!("\n{}", export::HAR_END))
    }
}

impl Log {
    /// How many rows are shown. An export is whole: a list may be looked through, a file looks complete.
    pub(super) fn most(&self) -> usize {
        let default = if self.export.is_some() {
            usize::MAX
        } else {
            ROWS
        };
        self.limit.map_or(default, |limit| limit.max(1))
    }

    /// Says how many of `count` rows are not shown.
    pub(super) fn report_omitted(&self, count: usize, noun: &str, out: &Out) {
        let left_out = count.saturating_sub(self.most());
        if left_out > 0 {
            let rows = counted(left_out as u64, &format!("older {noun}"));
            out.message(
                Tone::Dim,
                "note:",
                &format!("{rows} left out; --limit {count} shows all"),
            );
        }
    }

    /// The instant that `--since` names.
    pub(super) fn since_when(&self, context: &Context) -> Option<WallTime> {
        let since = self.since.as_ref()?;
        Some(since.instant(context.clock.now().wall, &jiff::tz::TimeZone::system()))
    }
}

fn print(rows: &[Exchange], zone: &jiff::tz::TimeZone, out: &Out) -> Result<(), OutputError> {
    if out.json {
        return rows
            .iter()
            .try_for_each(|row| out.object(&export::summary(row)));
    }
    let mut table = Table::default();
    for row in rows {
        let stamp = row.at.date_and_clock(zone);
        let (status, tone) = match &row.outcome {
            Outcome::Status(status @ 0..400) => (status.to_string(), Tone::Good),
            Outcome::Status(status) => (status.to_string(), Tone::Bad),
            Outcome::Failed(why) => (why.clone(), Tone::Bad),
        };
        let attempt = if row.attempt > 1 {
            format!("try {}", row.attempt)
        } else {
            String::new()
        };
        table.row([
            toned(stamp, Tone::Dim),
            plain(row.account.as_str()),
            plain(row.method.as_str()),
            plain(row.path()),
            whole(&row.about, Tone::Strong),
            toned(status, tone),
            plain(format!("{:>5} ms", row.took.as_millis())),
            plain(format!("{:>6} B", row.response_body.bytes)),
            toned(attempt, Tone::Warn),
        ]);
    }
    out.table(&table)
}
