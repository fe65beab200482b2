//! `payments list` and `payments export`: the watched payments and their last known state.

use std::collections::BTreeSet;

use super::selection;
use crate::cli::args::Filters;
use crate::cli::output::{Out, OutputError, Table, Tone, plain, toned, whole};
use crate::cli::report::{CsvPrinter, Found, Report};
use crate::cli::{Context, Exit, local};
use crate::deck::Deck;
use crate::domain::{Observation, PaymentVerdict, Problem, WallTime, Watch, time};

/// The columns of a watched payment, after those of a result.
const WATCH_COLUMNS: [&str; 4] = ["expected_by", "expected_at", "watched_since", "changed_at"];

/// The output format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
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

pub async fn list(
    filters: &Filters,
    format: Format,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let (watches, account) = match selection(context, deck).await {
        Ok(selected) => selected,
        Err(problem) => return out.fail(&problem),
    };
    let profile = &context.profile.name;
    let mut vanished = BTreeSet::new();
    let csv = CsvPrinter::new(out);
    let now = context.clock.now().wall;
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
        let known = match last.map(|last| known(watch, last)) {
            Ok(known) => known,
            Err(problem) => return out.fail(&problem),
        };
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
        let words = format!(
            "account {account} is not in profile {profile}; its payments show their last known state. \
             `tilldeck payments remove ID --account {account}` removes one"
        );
        out.message(Tone::Warn, "warning:", &words);
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
    let ledger = deck.ledger();
    let last = ledger.last_observation(profile, &watch.account, &watch.id);
    last.await.map_err(|error| local(&error.to_string()))
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
    fn facts(&self) -> [Option<String>; 4] {
        let expected = self.watch.expected.as_ref();
        [
            expected.map(|expected| expected.by.as_str().to_owned()),
            expected.map(|expected| expected.at.rfc3339()),
            Some(self.watch.since.rfc3339()),
            self.changed_at.map(WallTime::rfc3339),
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
