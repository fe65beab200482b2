//! `payments list` and `payments export`: the watched payments and their last known state.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;

use super::selection;
use crate::cli::command::{CommandContext, DeckCommand};
use crate::cli::exit::{CommandResult, Exit, local};
use crate::cli::output::{Table, Tone, plain, toned, whole};
use crate::cli::report::{CsvPrinter, Found, Report};
use crate::cli::values::{duration, state, verdict};
use crate::deck::Deck;
use crate::domain::{Observation, PaymentState, PaymentVerdict, Problem, WallTime, Watch, time};
use crate::ledger::PaymentKey;

/// The columns of a watched payment, after those of a result.
const WATCH_COLUMNS: [&str; 8] = [
    "expected_by",
    "expected_at",
    "watched_since",
    "changed_at",
    "watched_by",
    "note",
    "noted_by",
    "noted_at",
];

/// List watched payments with their last known state, received and expected amounts.
#[derive(Debug, Args)]
pub struct ListPayments {
    /// Which payments to list.
    #[command(flatten)]
    filters: Filters,
    /// Print the rows as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl DeckCommand for ListPayments {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let format = match (cx.out.json, self.csv) {
            (true, _) => Format::Json,
            (false, true) => Format::Csv,
            (false, false) => Format::Table,
        };
        list(&self.filters, format, cx).await
    }
}

/// Print watched payments as CSV, or as one JSON object per line with --json.
#[derive(Debug, Args)]
pub struct ExportPayments {
    /// Which payments to export.
    #[command(flatten)]
    filters: Filters,
    /// Print the rows as CSV (the default).
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl DeckCommand for ExportPayments {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let format = if cx.out.json {
            Format::Json
        } else {
            Format::Csv
        };
        list(&self.filters, format, cx).await
    }
}

/// Selects watched payments.
#[derive(Debug, Args)]
pub struct Filters {
    /// Only payments in this state.
    #[arg(long, value_parser = state, value_name = "STATE")]
    state: Option<PaymentState>,
    /// Only payments with this verdict: open, paid, less, more, `not_compared`, …
    #[arg(long, value_parser = verdict, value_name = "VERDICT")]
    verdict: Option<PaymentVerdict>,
    /// Only payments unchanged for longer than this (1h, 2d).
    #[arg(long, value_parser = duration, allow_negative_numbers = true, value_name = "TIME")]
    older_than: Option<Duration>,
    /// Only payments that changed within this time (30m, 1h).
    #[arg(long, value_parser = duration, allow_negative_numbers = true, value_name = "TIME")]
    newer_than: Option<Duration>,
}

/// The output format.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Json,
    Csv,
}

/// A watched payment and its last known state.
struct Watched {
    watch: Watch,
    report: Report,
    changed_at: Option<WallTime>,
}

async fn list(filters: &Filters, format: Format, cx: &CommandContext<'_>) -> CommandResult {
    let (deck, out) = (cx.deck, cx.out);
    let (watches, account) = selection(cx).await?;
    let profile = &cx.settings.profile.name;
    let mut vanished = BTreeSet::new();
    let csv = CsvPrinter::new(out);
    let now = cx.now().wall;
    let mut table = Table::default();
    let head = [
        "state",
        "verdict",
        "received",
        "expected",
        "difference",
        "changed",
        "id",
        "account",
    ];
    table.row(head.map(|name| toned(name, Tone::Dim)));
    let mut any = false;
    if format == Format::Csv {
        csv.header(&WATCH_COLUMNS.map(str::to_owned))?;
    }
    for watch in watches {
        if account
            .as_ref()
            .is_some_and(|account| *account != watch.account)
        {
            continue;
        }
        let is_configured = deck.accounts().any(|known| known.id == watch.account);
        if !is_configured {
            vanished.insert(watch.account.clone());
        }
        let last = if is_configured {
            deck.last_observation(&watch.account, &watch.id).await
        } else {
            // The deck knows only configured accounts.
            last_of_vanished(&watch, profile, deck).await
        };
        let known = known(watch, last?);
        if !filters.matches(&known, now) {
            continue;
        }
        any = true;
        match format {
            Format::Json => out.object(&known.object())?,
            Format::Csv => csv.record(known.record(profile))?,
            Format::Table => known.row(now, &mut table),
        }
    }
    match (format, any) {
        (Format::Table, true) => out.table(&table)?,
        (Format::Table, false) => {
            out.say("no watched payment matches; `tilldeck payments add ID` watches one");
        }
        (Format::Json | Format::Csv, _) => {}
    }
    for account in vanished {
        out.warn(&format!(
            "account {account} is not in profile {profile}; its payments show their last known state. \
             `tilldeck payments remove ID --account {account}` removes one"
        ));
    }
    Ok(Exit::Done)
}

fn known(watch: Watch, last: Option<Observation>) -> Watched {
    let changed_at = last.as_ref().map(|last| last.at);
    Watched {
        report: Report {
            account: watch.account.clone(),
            id: watch.id.as_str().to_owned(),
            line: None,
            found: last.map_or(Found::NotSeen, |last| Found::Payment(last.payment)),
            expected: watch.expected.as_ref().map(|expected| expected.sum.clone()),
            // The ledger saves no time for a check that found no change.
            at: None,
        },
        watch,
        changed_at,
    }
}

/// The last known state of a payment whose account is no longer configured.
async fn last_of_vanished(
    watch: &Watch,
    profile: &str,
    deck: &Deck,
) -> Result<Option<Observation>, Problem> {
    let of = PaymentKey {
        profile: profile.to_owned(),
        account: watch.account.clone(),
        id: watch.id.clone(),
    };
    let last = deck.ledger().last_observation(of);
    last.await.map_err(|error| local(error.to_string()))
}

impl Filters {
    /// Whether a payment matches the filters.
    fn matches(&self, watched: &Watched, now: WallTime) -> bool {
        let payment = watched.report.payment();
        // A payment that was never seen counts from when it was added.
        let age = now.since(watched.changed_at.unwrap_or(watched.watch.since));
        self.state
            .as_ref()
            .is_none_or(|state| payment.is_some_and(|payment| payment.state == *state))
            && self
                .verdict
                .is_none_or(|verdict| watched.report.verdict() == Some(verdict))
            && self.older_than.is_none_or(|least| age > least)
            && self.newer_than.is_none_or(|most| age <= most)
    }
}

impl Watched {
    /// Who set the expected amount and when, when the payment was added to the watch list, when it last changed.
    /// The same for the newest note.
    fn facts(&self) -> [Option<String>; 8] {
        let expected = self.watch.expected.as_ref();
        let note = self.watch.note.as_ref();
        let operator = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        [
            expected.map(|expected| expected.by.as_str().to_owned()),
            expected.map(|expected| expected.at.rfc3339()),
            Some(self.watch.since.rfc3339()),
            self.changed_at.map(WallTime::rfc3339),
            operator(&self.watch.operator),
            note.map(|note| note.text.clone()),
            note.and_then(|note| operator(&note.operator)),
            note.map(|note| note.at.rfc3339()),
        ]
    }

    fn object(&self) -> serde_json::Value {
        let mut object = self.report.object();
        for (name, fact) in WATCH_COLUMNS.into_iter().zip(self.facts()) {
            object[name] = fact.into();
        }
        object
    }

    fn record(&self, profile: &str) -> Vec<String> {
        let facts = self.facts().map(Option::unwrap_or_default);
        self.report
            .record(profile)
            .into_iter()
            .chain(facts)
            .collect()
    }

    fn row(&self, now: WallTime, table: &mut Table) {
        let expected = self.report.expected.as_ref();
        let (state, sum, tone) = match self.report.payment() {
            Some(payment) => (
                format!("{}", payment.state),
                payment.sum(),
                payment.severity(expected).into(),
            ),
            None => ("not checked yet".to_owned(), String::new(), Tone::Dim),
        };
        let verdict = self.report.verdict().map_or("", PaymentVerdict::words);
        let wanted = match expected {
            Some(expected) => expected.to_string(),
            None => "none".into(),
        };
        let age = now.since(self.changed_at.unwrap_or(self.watch.since));
        table.row([
            toned(state, tone),
            toned(verdict, tone),
            plain(sum),
            toned(wanted, Tone::Dim),
            plain(self.report.difference().unwrap_or_default()),
            toned(time::coarse(age), Tone::Dim),
            whole(self.watch.id.as_str(), Tone::Strong),
            toned(self.watch.account.as_str(), Tone::Dim),
        ]);
    }
}
