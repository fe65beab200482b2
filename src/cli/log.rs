//! `log`: the sent requests in the ledger.

use std::time::Duration;

use serde_json::Value;

use super::args::{Export, Log};
use super::output::{Out, OutputError, Table, Tone, plain, toned, whole};
use super::report::counted;
use super::{Context, Exit, deliveries, export, local};
use crate::deck::Deck;
use crate::domain::{AccountId, Exchange, ExchangeId, Outcome, WallTime};
use crate::ledger::{Ledger, LedgerError, LogQuery, Status};

/// How often `--follow` reads new entries.
const LOOK: Duration = Duration::from_millis(300);

/// The default of `--limit`.
const ROWS: usize = 200;

/// Rows read at a time; fewer with bodies.
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
        return out.fail(&local(&format!("tilldeck cannot read the ledger: {why}")));
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
    // `--follow` starts here, even where --limit hides the newest.
    // Only its id is needed, so one row.
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
    let zone = crate::clock::time_zone();
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
        // From here on `after` selects; a clock that is set back must not hide new entries.
        query.since = None;
        match ledger.log(query.clone()).await {
            Ok(more) if more.is_empty() => {}
            Ok(mut more) => {
                // The ledger returns the newest first.
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

/// Waits for the next read.
///
/// # Errors
/// If stdout is closed.
pub(super) async fn look_again(out: &Out) -> Result<(), OutputError> {
    tokio::select! {
        biased;
        () = out.reader_gone() => Err(OutputError::ReaderGone),
        () = tokio::time::sleep(LOOK) => Ok(()),
    }
}

/// The rows to show, oldest first, read in pages: a long log never fits in memory.
struct Pages<'a> {
    ledger: &'a Ledger,
    query: LogQuery,
}

impl<'a> Pages<'a> {
    /// The newest exchanges that match `query`.
    async fn begin(ledger: &'a Ledger, query: LogQuery) -> Result<Self, LedgerError> {
        let oldest = ledger.oldest(query.clone()).await?;
        let after = oldest.map(|id| ExchangeId(id.0 - 1));
        // No match: nothing to show.
        let limit = after.map_or(0, |_| query.limit);
        let query = LogQuery {
            after,
            limit,
            ..query
        };
        Ok(Self { ledger, query })
    }

    /// The next page; empty after the last.
    async fn next(&mut self) -> Result<Vec<Exchange>, LedgerError> {
        let most = if self.query.bodies { PAGE_WHOLE } else { PAGE };
        let page = LogQuery {
            limit: self.query.limit.min(most),
            ..self.query.clone()
        };
        let mut rows = self.ledger.log(page).await?;
        // The ledger returns the newest first.
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

/// Writes an export row by row.
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

    /// Writes one row; `whole` is its JSON line.
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

    /// Writes the end of the export.
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
    /// The number of rows to show. An export has no default limit: a file looks complete, even if it is not.
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
                &format!("{rows} omitted; --limit {count} shows all"),
            );
        }
    }

    /// The instant of `--since`.
    pub(super) fn since_when(&self, context: &Context) -> Option<WallTime> {
        let since = self.since.as_ref()?;
        Some(since.instant(context.clock.now().wall, &crate::clock::time_zone()))
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
