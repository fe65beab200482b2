//! `ledger`: where the ledger is, and the tables of a shared one.

mod join;

use super::global::LedgerChoice;
use super::prelude::*;
use crate::deck;
use crate::ledger::{DatabaseReport, DatabaseSettings, Ledger};
use join::JoinLedger;

commands! {
    /// Show where the ledger is, and set up one that a team shares on PostgreSQL.
    pub enum LedgerCommand {
        Status(ShowLedger),
        Join(JoinLedger),
        Init(InitLedger),
        Migrate(MigrateLedger),
        Import(ImportLedger),
    }
}

/// Show where the ledger is and whether it can be used.
#[derive(Debug, Args)]
pub struct ShowLedger {
    #[command(flatten)]
    format: AsCsv,
}

const FIELDS: &str = "\
    kind,place,exists,database_schema,server_version,role,superuser,missing_rights,\
    synchronous_commit,full_page_writes,round_trip_us,clock_ahead_ms,version,newest_version,bytes,\
    requests,callbacks,seal_key_matches";

impl Command for ShowLedger {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = &self.format.on(start.out);
        start.configured(|settings, log| {
            log.run();
            let mut records = Records::new(out, FIELDS.split(','));
            block_on(async {
                let is_own = settings.global.ledger == Some(LedgerChoice::Sqlite);
                let database = if is_own { None } else { database(settings).await? };
                let Some(database) = database else {
                    let folder = settings.global.state_folder()?;
                    let file = inert::cut(&folder.join("ledger.db").to_string_lossy(), 400);
                    let exists = folder.join("ledger.db").try_exists().ok();
                    let object = json!({ "kind": "sqlite", "place": file, "exists": exists });
                    records.object(&object)?;
                    if out.format == Format::Text {
                        out.line(&file)?;
                    }
                    out.explain("a file of this machine; [ledger] url in the config names one that a team shares");
                    deck::doctor::must_be_usable(&folder)?;
                    return Ok(Exit::Done);
                };
                let clock = settings.clock.clone();
                let report = deck::on_thread(move || Ledger::survey(&database, &clock)).await?;
                let environ = Environ::process();
                let has_key =
                    deck::has_team_key(&settings.config.callbacks, &environ, &report).await;
                let has_key = has_key.unwrap_or_else(|problem| {
                    // A program that only watches the database need not have the key.
                    out.warn(&problem.describe());
                    None
                });
                let object = json!({
                    "kind": "postgresql",
                    "place": report.place,
                    "database_schema": report.schema,
                    "server_version": report.server,
                    "role": report.role,
                    "superuser": report.is_superuser,
                    "missing_rights": report.missing_rights,
                    "synchronous_commit": report.synchronous_commit,
                    "full_page_writes": report.full_page_writes,
                    "round_trip_us": u64::try_from(report.latency.as_micros()).unwrap_or(u64::MAX),
                    "clock_ahead_ms": report.clock_ahead_ms,
                    "version": report.version,
                    "newest_version": report.newest,
                    "bytes": report.bytes,
                    "requests": report.exchanges,
                    "callbacks": report.callbacks,
                    "seal_key_matches": has_key,
                });
                let mut table = Table::default();
                for (name, cell) in lines(&report) {
                    table.row([toned(name, Tone::Dim), cell]);
                }
                table.row([toned("seal key", Tone::Dim), key_line(has_key)]);
                records.object(&object)?;
                if out.format == Format::Text {
                    out.table(&table)?;
                }
                match report.problem() {
                    None if has_key == Some(false) => Err(deck::another_key().into()),
                    None => Ok(Exit::Done),
                    Some(problem) => Err(problem.into()),
                }
            })
        })
    }
}

fn key_line(matches: Option<bool>) -> Cell {
    match matches {
        None => plain("none is used yet"),
        Some(true) => toned("the one of the other machines", Tone::Good),
        Some(false) => toned("not the one of the other machines", Tone::Bad),
    }
}

fn lines(report: &DatabaseReport) -> Vec<(&'static str, Cell)> {
    let clock = match report.clock_difference() {
        None => toned("agrees with this machine's", Tone::Good),
        Some(words) => toned(words, Tone::Warn),
    };
    let tables = match report.version {
        None => toned("none", Tone::Bad),
        Some(version) if version == report.newest => {
            toned(format!("version {version}"), Tone::Good)
        }
        Some(version) => {
            let words = format!("version {version}; this tilldeck has {}", report.newest);
            toned(words, Tone::Bad)
        }
    };
    let rights = match report.missing_rights.as_slice() {
        [] if report.is_superuser => toned("all: the role is a superuser", Tone::Warn),
        [] => toned("complete", Tone::Good),
        missing => toned(format!("missing: {}", missing.join("; ")), Tone::Bad),
    };
    let full_pages = if report.full_page_writes {
        plain("on")
    } else {
        toned("off: a crash can damage the ledger", Tone::Bad)
    };
    vec![
        ("place", toned(inert::line(&report.place), Tone::Accent)),
        (
            "server",
            plain(inert::line(&format!("PostgreSQL {}", report.server))),
        ),
        ("role", plain(inert::line(&report.role))),
        ("rights", rights),
        (
            "synchronous_commit",
            plain(report.synchronous_commit.clone()),
        ),
        ("full_page_writes", full_pages),
        ("schema", plain(report.schema.clone())),
        ("tables", tables),
        (
            "round trip",
            plain(format!("{} µs", report.latency.as_micros())),
        ),
        ("clock", clock),
        ("size", plain(format!("{} KiB", report.bytes / 1024))),
        ("requests", plain(format!("about {}", report.exchanges))),
        ("callbacks", plain(format!("about {}", report.callbacks))),
    ]
}

/// Create the tables of the shared ledger that the config names. Existing tables stay as they are.
#[derive(Debug, Args)]
pub struct InitLedger;

impl Command for InitLedger {
    fn execute(self, start: Start<'_>) -> CommandResult {
        migrate(start, true)
    }
}

/// Bring the tables of the shared ledger to this version of tilldeck. End other tilldecks first.
#[derive(Debug, Args)]
pub struct MigrateLedger;

impl Command for MigrateLedger {
    fn execute(self, start: Start<'_>) -> CommandResult {
        migrate(start, false)
    }
}

/// Copy this machine's ledger, a file in the state folder, into the shared one. End other tilldecks of this machine
/// first.
#[derive(Debug, Args)]
pub struct ImportLedger;

impl Command for ImportLedger {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = start.out;
        start.configured(|settings, log| {
            log.run();
            block_on(async {
                let file = settings.global.state_folder()?.join("ledger.db");
                let shown = inert::cut(&file.to_string_lossy(), 400);
                if !file.exists() {
                    let why = format!("there is no ledger in {shown}");
                    return Err(local(why, "name its folder with --state-dir").into());
                }
                let vault = settings.global.vault()?;
                let imported =
                    deck::import(&settings.config, &Environ::process(), vault, file).await?;
                let imported = imported.ok_or_else(no_shared)?;
                let object = json!({
                    "place": shown,
                    "imported": imported.is_new,
                    "requests": imported.exchanges,
                    "callbacks": imported.callbacks,
                    "others": imported.others,
                    "expectations_kept": imported.expectations_kept,
                    "sealed_by_another": imported.sealed_by_another,
                });
                let words = if imported.is_new {
                    format!(
                        "{} requests, {} callbacks and {} other entries of {shown} are in the shared ledger",
                        imported.exchanges, imported.callbacks, imported.others
                    )
                } else {
                    format!("{shown} is already in the shared ledger; nothing was changed")
                };
                out.result(&object, &words)?;
                if imported.expectations_kept > 0 {
                    out.warn(&format!(
                        "{} payments have another expected amount in the shared ledger, which stays in force; \
                         `tilldeck payments expect` changes one",
                        imported.expectations_kept
                    ));
                }
                if imported.sealed_by_another > 0 {
                    out.warn(&format!(
                        "{} callbacks could not be opened with this machine's keys; they are listed, but cannot be \
                         forwarded again",
                        imported.sealed_by_another
                    ));
                }
                Ok(Exit::Done)
            })
        })
    }
}

fn no_shared() -> Problem {
    Problem::new(
        ProblemKind::Config,
        "the config names no shared ledger",
        "set `url` in [ledger]; a ledger in a file needs no command",
    )
}

fn migrate(start: Start<'_>, creates: bool) -> CommandResult {
    let out = start.out;
    start.configured(|settings, log| {
        log.run();
        block_on(async {
            let Some(database) = database(settings).await? else {
                return Err(no_shared().into());
            };
            let (there, clock) = (database.clone(), settings.clock.clone());
            let report = deck::on_thread(move || Ledger::survey(&there, &clock)).await?;
            let schema = database.schema.clone();
            let (before, words) = match report.version {
                Some(version) if version == report.newest => (
                    version,
                    format!(
                        "the ledger in schema {schema} is already current; nothing was changed"
                    ),
                ),
                found if found.is_none() != creates => {
                    let problem = report
                        .problem()
                        .expect("its tables are not those of this version");
                    return Err(problem.into());
                }
                _ => {
                    let clock = settings.clock.clone();
                    let before =
                        deck::on_thread(move || Ledger::migrate(&database, &clock)).await?;
                    let words = match before {
                        0 => format!("the ledger is ready in schema {schema}"),
                        version => format!(
                            "the ledger in schema {schema} was of version {version} and is current"
                        ),
                    };
                    (before, words)
                }
            };
            let object = json!({ "database_schema": schema, "version_before": before });
            out.result(&object, &words)?;
            Ok(Exit::Done)
        })
    })
}

async fn database(settings: &Settings) -> Result<Option<DatabaseSettings>, Problem> {
    deck::database(&settings.config.ledger, &Environ::process()).await
}
