//! `payments list` and `payments export`: the watched payments, or all that were checked, and their last known state.

use std::collections::BTreeSet;
use std::time::Duration;

use super::selection;
use crate::cli::prelude::*;
use crate::cli::report::{COLUMNS, Found, Report};
use crate::cli::values::{state, verdict};
use crate::domain::amount::SHOWN_MAX;
use crate::domain::time::parse_duration;
use crate::domain::{Expectation, Note, Observation, PaymentState, PaymentVerdict, Watch, time};
use crate::ledger::Unwatched;

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
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    format: AsCsv,
}

impl DeckCommand for ListPayments {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        list(&self.filters, &self.format.on(cx.out), cx).await
    }
}

/// Print watched payments as CSV, or as one JSON object per line with --json.
#[derive(Debug, Args)]
pub struct ExportPayments {
    #[command(flatten)]
    filters: Filters,
    /// Print the rows as CSV (the default).
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl DeckCommand for ExportPayments {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let format = if cx.out.is_json() {
            Format::Json
        } else {
            Format::Csv
        };
        list(&self.filters, &cx.out.with_format(format), cx).await
    }
}

/// Selects payments.
#[derive(Debug, Args)]
pub struct Filters {
    /// Also payments that were checked and are not watched. The last change comes first.
    #[arg(long)]
    all: bool,
    /// Only payments in this state.
    #[arg(long, value_parser = state(), ignore_case = true, value_name = "STATE")]
    state: Option<PaymentState>,
    /// Only payments with this verdict.
    #[arg(long, value_parser = verdict(), ignore_case = true, value_name = "VERDICT")]
    verdict: Option<PaymentVerdict>,
    /// Only payments unchanged for longer than this (1h, 2d).
    #[arg(long, value_parser = parse_duration, allow_negative_numbers = true, value_name = "TIME")]
    older_than: Option<Duration>,
    /// Only payments that changed within this time (30m, 1h).
    #[arg(long, value_parser = parse_duration, allow_negative_numbers = true, value_name = "TIME")]
    newer_than: Option<Duration>,
}

struct Known {
    report: Report,
    expected: Option<Expectation>,
    note: Option<Note>,
    /// The operator who added it to the watch list, in a ledger that a team shares.
    watched_by: String,
    /// When it was added to the watch list; `None` if it is not on it.
    since: Option<WallTime>,
    changed_at: Option<WallTime>,
}

async fn list(filters: &Filters, out: &Out, cx: &CommandContext<'_>) -> CommandResult {
    let profile = &cx.settings.profile.name;
    let now = cx.now().wall;
    let fields = COLUMNS.into_iter().chain(WATCH_COLUMNS);
    let mut listing = Listing::new(out, filters.heads(), fields);
    let mut any = false;
    let (payments, vanished) = payments(filters, cx).await?;
    for known in payments {
        if !filters.matches(&known, now) {
            continue;
        }
        any = true;
        match out.format {
            Format::Csv => listing.record(known.record(profile))?,
            Format::Text | Format::Json => listing.row(&known.object(), known.cells(now))?,
        }
    }
    listing.flush()?;
    if !any {
        out.explain(filters.none());
    }
    for account in vanished {
        out.warn(&format!(
            "account {account} is not in profile {profile}; its payments show their last known state. \
             `tilldeck payments remove ID --account {account}` removes one"
        ));
    }
    Ok(Exit::Done)
}

/// The payments of the command line's account, or of all, and the accounts that are no longer configured.
async fn payments(
    filters: &Filters,
    cx: &CommandContext<'_>,
) -> Result<(Vec<Known>, BTreeSet<AccountId>), Problem> {
    let deck = cx.deck;
    let (watches, account) = selection(cx).await?;
    let is_selected = |of: &AccountId| account.as_ref().is_none_or(|account| account == of);
    let is_configured = |of: &AccountId| deck.accounts().any(|known| known.id == *of);
    let mut seen = deck.watched_observations().await?;
    let mut vanished = BTreeSet::new();
    let mut payments = Vec::new();
    for watch in watches {
        if !is_selected(&watch.account) {
            continue;
        }
        if !is_configured(&watch.account) {
            vanished.insert(watch.account.clone());
        }
        let last = seen.remove(&(watch.account.clone(), watch.id.clone()));
        let last = last.and_then(|mut seen| seen.pop());
        payments.push(Known::watched(watch, last));
    }
    if filters.all {
        let others = deck.unwatched().await?.into_iter();
        let others = others.filter(|other| is_selected(&other.account));
        payments.extend(others.map(Known::unwatched));
        payments.sort_by_key(|known| std::cmp::Reverse(known.changed_or_added()));
    }
    Ok((payments, vanished))
}

impl Filters {
    fn heads(&self) -> [&'static str; 9] {
        let watched = if self.all { "watched" } else { "" };
        [
            "state",
            "verdict",
            "amount",
            "expected",
            "difference",
            "changed",
            "id",
            "account",
            watched,
        ]
    }

    fn none(&self) -> &'static str {
        if self.all {
            "no payment matches; `tilldeck check ID` checks one"
        } else {
            "no watched payment matches; `tilldeck payments add ID` watches one"
        }
    }

    fn matches(&self, known: &Known, now: WallTime) -> bool {
        let payment = known.report.payment();
        let age = now.since(known.changed_or_added());
        self.state
            .as_ref()
            .is_none_or(|state| payment.is_some_and(|payment| payment.state == *state))
            && self
                .verdict
                .is_none_or(|verdict| known.report.verdict() == Some(verdict))
            && self.older_than.is_none_or(|least| age > least)
            && self.newer_than.is_none_or(|most| age <= most)
    }
}

impl Known {
    fn watched(watch: Watch, last: Option<Observation>) -> Self {
        Self {
            since: Some(watch.since),
            ..Self::new(watch, last)
        }
    }

    fn unwatched(payment: Unwatched) -> Self {
        let unwatched = Watch {
            expected: payment.expected,
            note: payment.note,
            ..Watch::new(payment.account, payment.id, WallTime(0))
        };
        Self::new(unwatched, payment.last)
    }

    /// A payment that is not watched.
    fn new(payment: Watch, last: Option<Observation>) -> Self {
        let expected = payment.expected.as_ref();
        Self {
            changed_at: last.as_ref().map(|last| last.at),
            report: Report {
                account: payment.account,
                id: payment.id.as_str().to_owned(),
                line: None,
                found: last.map_or(Found::NotSeen, |last| Found::Payment(last.payment)),
                expected: expected.map(|expected| expected.sum.clone()),
                // The ledger saves no time for a check that found no change.
                at: None,
            },
            expected: payment.expected,
            note: payment.note,
            watched_by: payment.operator,
            since: None,
        }
    }

    /// A payment that was never seen counts from when it was added.
    fn changed_or_added(&self) -> WallTime {
        self.changed_at.or(self.since).unwrap_or(WallTime(0))
    }

    /// Who set the expected amount and when, when the payment was added to the watch list, when it last changed.
    /// The same for the newest note.
    fn facts(&self) -> [Option<String>; 8] {
        let expected = self.expected.as_ref();
        let note = self.note.as_ref();
        let operator = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        [
            expected.map(|expected| expected.by.as_str().to_owned()),
            expected.map(|expected| expected.at.rfc3339()),
            self.since.map(WallTime::rfc3339),
            self.changed_at.map(WallTime::rfc3339),
            operator(&self.watched_by),
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
        let fields = self.report.record(profile).into_iter().chain(facts);
        fields.map(|text| csv_cell(&text)).collect()
    }

    fn cells(&self, now: WallTime) -> [Cell; 9] {
        let expected = self.report.expected.as_ref();
        let (state, sum, tone) = match self.report.payment() {
            Some(payment) => (
                format!("{}", payment.state),
                payment.sum(),
                payment.tone(expected),
            ),
            None => ("no state yet".to_owned(), String::new(), Tone::Dim),
        };
        let verdict = self.report.verdict().map_or("", PaymentVerdict::words);
        let wanted = match expected {
            Some(expected) => expected.to_string(),
            None => "none".into(),
        };
        let age = self.changed_at.or(self.since);
        let age = age.map_or_else(String::new, |at| time::coarse(now.since(at)));
        let difference = self.report.difference().unwrap_or_default();
        [
            toned(state, tone),
            toned(verdict, tone),
            plain(sum),
            toned(wanted, Tone::Dim),
            plain(inert::cut(&difference, SHOWN_MAX)),
            toned(age, Tone::Dim),
            whole(&self.report.id, Tone::Accent),
            toned(self.report.account.as_str(), Tone::Dim),
            toned(if self.since.is_none() { "no" } else { "" }, Tone::Dim),
        ]
    }
}
