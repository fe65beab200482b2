//! `log`: the outbound requests that the ledger has kept.

use std::time::Duration;

use super::args::{Export, Log};
use super::output::{Out, OutputError, Table, Tone, plain, toned, whole};
use super::{Context, Exit, export, local};
use crate::deck::Deck;
use crate::domain::{AccountId, Exchange, ExchangeId, Outcome, WallTime};
use crate::ledger::{LogQuery, Status};

/// How often `--follow` looks for more.
pub(super) const LOOK: Duration = Duration::from_millis(300);

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
        limit: args.limit.max(1),
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
    let mut rows = match ledger.log(query.clone()).await {
        Ok(rows) => rows,
        Err(error) => {
            return out.fail(&local(&error.to_string()));
        }
    };
    rows.reverse();
    if let Some(format) = args.export {
        match format {
            Export::Har => out.line(&export::har(&rows))?,
            Export::Ndjson => rows
                .iter()
                .try_for_each(|row| out.object(&export::whole(row)))?,
            Export::Curl => rows
                .iter()
                .try_for_each(|row| out.line(&export::curl(row)))?,
        }
        return Ok(Exit::Done);
    }
    if rows.is_empty() && !args.follow && !out.json {
        out.say("the ledger has no such requests yet");
    }
    let zone = jiff::tz::TimeZone::system();
    print(&rows, &zone, out)?;
    if !args.follow {
        return Ok(Exit::Done);
    }
    let mut last = rows.last().map_or(newest, |row| row.id.max(newest));
    loop {
        query.after = Some(last);
        tokio::time::sleep(LOOK).await;
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

impl Log {
    /// The instant that `--since` names.
    pub(super) fn since_when(&self, context: &Context) -> Option<WallTime> {
        let since = i64::try_from(self.since?.as_millis()).unwrap_or(i64::MAX);
        Some(WallTime(context.clock.now().wall.0.saturating_sub(since)))
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
