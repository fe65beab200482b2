//! `log`: the sent requests in the ledger.

mod callbacks;
mod open;
mod pages;
mod selection;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::export;
use super::prelude::*;
use super::report::counted;
use super::values::{limit, path};
use crate::domain::Exchange;
use crate::ledger::{
    Ledger, LedgerError, LogKind, LogQuery, Requests, RowQuery, Status, set_aside_in,
};

use pages::{PAGE, PAGE_WHOLE, Pages};
use selection::Selection;

/// How often `--follow` reads new entries.
const LOOK: Duration = Duration::from_millis(300);

const ROWS: usize = 200;

/// The most omitted rows that are counted.
const OMITTED_MAX: usize = 200_000;

/// Show the requests that tilldeck sent, or the callbacks that it received.
#[derive(Debug, Args)]
pub struct Log {
    /// Open a recording in the console, read-only: a HAR of a browser or proxy, or a file of --export har or ndjson.
    /// With --export, convert it.
    #[arg(long, value_parser = path(), value_name = "FILE", conflicts_with_all = ["deliveries", "follow", "all_profiles", "csv"])]
    open: Option<PathBuf>,
    #[command(flatten)]
    entries: Entries,
}

impl Log {
    pub fn opens_console(&self) -> bool {
        self.open.is_some() && self.entries.export.is_none()
    }
}

impl Command for Log {
    fn execute(self, start: Start<'_>) -> CommandResult {
        match self.open {
            Some(file) => open::execute(&file, self.entries, start),
            None => start.with_deck(self.entries),
        }
    }
}

/// The entries to print.
#[derive(Debug, Args)]
struct Entries {
    /// Show received callbacks instead of sent requests.
    #[arg(long)]
    deliveries: bool,
    /// Keep printing new entries.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    selection: Selection,
    /// Show only the newest N entries; a number larger than the log shows all. Default: 200, or all with --export.
    #[arg(long, value_parser = limit, value_name = "N", allow_negative_numbers = true)]
    limit: Option<usize>,
    /// Export whole requests with responses, or whole callbacks, in this format. Secrets are redacted.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["follow", "csv"])]
    export: Option<Export>,
    #[command(flatten)]
    format: AsCsv,
}

/// Formats of `log --export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Export {
    /// HTTP Archive 1.2.
    Har,
    /// One JSON object per line.
    Ndjson,
    /// Shell commands, with placeholders for secrets.
    Curl,
}

impl DeckCommand for Entries {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let out = &self.format.on(&cx.out.for_reader());
        let cx = &CommandContext { out, ..*cx };
        cx.must_read_ledger().await?;
        if self.deliveries {
            self.selection.must_suit_callbacks()?;
            self.show_callbacks(cx).await
        } else {
            self.show(cx).await
        }
    }
}

impl Entries {
    async fn show(&self, cx: &CommandContext<'_>) -> CommandResult {
        let (ledger, out) = (cx.deck.ledger(), cx.out);
        let [since, until] = self.selection.period(cx)?;
        let query = LogQuery {
            since,
            until,
            profile: self.selection.profile(cx),
            log: Requests {
                bodies: self.export.is_some(),
            },
            ..cx.deck.log_query(self.selection.search(cx))
        };
        if let Some(format) = self.export {
            let (mut pages, _) = self.begin(query, cx).await?;
            return export(format, &mut pages, out).await;
        }
        let mut heads = HEADS;
        if ledger.is_shared() {
            heads[HEADS.len() - 1] = "operator";
        }
        let mut printer = Printer {
            listing: Listing::new(out, heads, FIELDS.split(',')),
            zone: crate::clock::time_zone(),
            has_profiles: self.selection.all_profiles,
        };
        self.print(query, cx, |rows| printer.print(rows)).await
    }

    /// The entries to show, and how many match; says how many are left out.
    async fn begin<'a, L: LogKind>(
        &self,
        mut query: RowQuery<L>,
        cx: &CommandContext<'a>,
    ) -> Result<(Pages<'a, L>, usize), LedgerError> {
        let ledger = cx.deck.ledger();
        let page = self.export.map_or(PAGE, |_| PAGE_WHOLE);
        query.limit = self.most();
        let pages = Pages::begin(ledger, query.clone(), page).await?;
        query.limit = self.counted();
        let count = ledger.count(query).await?;
        self.report_omitted(count, L::NOUN, cx.out);
        if count == 0 {
            warn_of_account(cx);
        }
        Ok((pages, count))
    }

    async fn print<L: LogKind>(
        &self,
        query: RowQuery<L>,
        cx: &CommandContext<'_>,
        mut print: impl FnMut(&[L::Row]) -> Result<(), OutputError>,
    ) -> CommandResult {
        let (mut pages, count) = self.begin(query, cx).await?;
        loop {
            let rows = pages.next().await?;
            print(&rows)?;
            if rows.is_empty() {
                break;
            }
        }
        if !self.follow {
            if count == 0 {
                cx.out.explain(&none(L::NOUN, cx.settings));
            }
            return Ok(Exit::Done);
        }
        let mut pages = pages.follow();
        let mut is_away = false;
        loop {
            look_again(cx.out).await?;
            match pages.next().await {
                Ok(rows) => {
                    is_away = false;
                    print(&rows)?;
                }
                // A database that others use as well comes back by itself.
                Err(error) if passes(&error, cx.deck.ledger()).await => {
                    if !std::mem::replace(&mut is_away, true) {
                        let message = format!("{error}; new entries appear once it can be read");
                        cx.out.warn(&message);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Warns where the account is not configured. Call it where no entry matches: a removed account still has some.
fn warn_of_account(cx: &CommandContext<'_>) {
    let Some(name) = cx.settings.account() else {
        return;
    };
    if !cx.deck.accounts().any(|known| known.id.as_str() == name) {
        let (profile, name) = (&cx.settings.profile.name, inert::quoted(name, 64));
        let words = format!("profile {profile} has no account {name}");
        cx.out.warn(&words);
    }
}

/// Says that nothing matches, and names an older ledger that was moved away: its entries are not read.
fn none(noun: &str, settings: &Settings) -> String {
    let options = settings.options();
    let aside = options.map_or_else(|_| Vec::new(), |options| set_aside_in(&options.state_dir));
    match aside.last() {
        None => format!("no matching {noun}s yet"),
        Some(path) => format!(
            "no matching {noun}s; an earlier, damaged ledger at {} may have some",
            path.display()
        ),
    }
}

/// Whether the shared database can be read again without an operator.
async fn passes(error: &LedgerError, ledger: &Ledger) -> bool {
    let stays = matches!(ledger.status().await, Status::Away { passes: false, .. });
    matches!(error, LedgerError::Database(_)) && !stays
}

async fn look_again(out: &Out) -> Result<(), OutputError> {
    tokio::select! {
        biased;
        () = out.reader_gone() => Err(OutputError::ReaderGone),
        () = tokio::time::sleep(LOOK) => Ok(()),
    }
}

async fn export(format: Export, pages: &mut Pages<'_, Requests>, out: &Out) -> CommandResult {
    let mut writer = Writer::new(format, out);
    loop {
        let rows = pages.next().await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            writer.exchange(row, export::whole)?;
        }
    }
    writer.end()?;
    Ok(Exit::Done)
}

struct Writer<'a> {
    format: Export,
    out: &'a Out,
    is_begun: bool,
}

impl<'a> Writer<'a> {
    fn new(format: Export, out: &'a Out) -> Self {
        Self {
            format,
            out,
            is_begun: false,
        }
    }

    /// Writes one row; `whole` is its JSON line.
    fn exchange(
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

    fn end(self) -> Result<(), OutputError> {
        if self.format != Export::Har {
            return Ok(());
        }
        if !self.is_begun {
            self.out.bytes(export::har_begin(None).as_bytes())?;
        }
        self.out.line(&format!("\n{}", export::HAR_END))
    }
}

impl Entries {
    /// The number of rows to show. An export has no default limit: a file looks complete, even if it is not.
    fn most(&self) -> usize {
        let default = if self.export.is_some() {
            usize::MAX
        } else {
            ROWS
        };
        self.limit.unwrap_or(default)
    }

    /// How many rows are counted: those that are shown, and some more. The ledger of a team may have millions.
    fn counted(&self) -> usize {
        self.most().saturating_add(OMITTED_MAX)
    }

    fn report_omitted(&self, count: usize, noun: &str, out: &Out) {
        let left_out = count.saturating_sub(self.most());
        if left_out == OMITTED_MAX {
            out.note(&format!(
                "at least {left_out} older {noun}s omitted; use --since or --limit"
            ));
        } else if left_out > 0 {
            let rows = counted(left_out as u64, &format!("older {noun}"));
            out.note(&format!("{rows} omitted; --limit {count} shows all"));
        }
    }
}

const HEADS: [&str; 10] = [
    "sent", "account", "method", "path", "about", "status", "    took", "    size", "",
    // In a shared ledger.
    "",
];
const FIELDS: &str = "\
    id,account,provider,environment,at,method,url,about,attempt,status,error,ms,bytes_sent,\
    bytes_received,bytes_received_wire,http_version,profile,operator";

struct Printer {
    listing: Listing<{ HEADS.len() }>,
    zone: TimeZone,
    has_profiles: bool,
}

impl Printer {
    fn print(&mut self, rows: &[Exchange]) -> Result<(), OutputError> {
        for row in rows {
            let cells = self.cells(row);
            self.listing.row(&export::summary(row), cells)?;
        }
        self.listing.flush()
    }

    fn cells(&self, row: &Exchange) -> [Cell; HEADS.len()] {
        let tone = if row.outcome.is_failure() {
            Tone::Bad
        } else {
            Tone::Good
        };
        let account = match row.profile.as_str() {
            profile if self.has_profiles && !profile.is_empty() => {
                format!("{profile}/{}", row.account)
            }
            _ => row.account.to_string(),
        };
        let attempt = if row.attempt > 1 {
            format!("try {}", row.attempt)
        } else {
            String::new()
        };
        [
            toned(row.at.unambiguous(&self.zone), Tone::Dim),
            plain(account),
            plain(row.method.as_str()),
            plain(row.path()),
            whole(&row.about, Tone::Accent),
            toned(row.outcome.to_string(), tone),
            plain(format!("{:>5} ms", row.took.as_millis())),
            plain(format!("{:>6} B", row.response_body.bytes)),
            toned(attempt, Tone::Warn),
            toned(row.operator.as_str(), Tone::Dim),
        ]
    }
}
