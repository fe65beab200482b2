//! `ledger join`: makes this machine use the ledger of a team.

use crate::cli::global::Global;
use crate::cli::interrupt::Interrupts;
use crate::cli::prelude::*;
use crate::cli::prompt;
use crate::cli::secret::{SOURCES, source_of};
use crate::cli::start::interruptible;
use crate::config::edit;
use crate::deck::manage::SecretValue;
use crate::deck::{Machine, TeamLedger};
use crate::providers::SPECS;

/// Use a ledger that a team shares on PostgreSQL: prompts for the database's URL, creates the tables if there are none,
/// and saves it in the config file. The first machine makes the key that seals callbacks; the others need it.
#[derive(Debug, Args)]
pub struct JoinLedger {
    /// The source of the URL: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…` or `keyring:NAME`. Without it,
    /// tilldeck prompts for the URL and saves it in the keyring or a file.
    #[arg(long, value_name = "SOURCE")]
    url: Option<String>,
    /// The source of the key that seals callbacks, such as `file:PATH`. Without it, tilldeck prompts for the key of the
    /// other machines, or makes the first one.
    #[arg(long, value_name = "SOURCE")]
    seal_key: Option<String>,
}

impl Command for JoinLedger {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let Start {
            global, log, out, ..
        } = start;
        log.run();
        let interrupts = Interrupts::default();
        block_on(interruptible(
            self.run(global, &interrupts, out),
            &interrupts,
            out,
        ))
    }
}

impl JoinLedger {
    async fn run(self, global: Global, interrupts: &Interrupts, out: &Out) -> CommandResult {
        let path = global.config_path();
        let path =
            path.ok_or_else(|| local("there is no place for a config file; set HOME", ""))?;
        // The file may not exist yet.
        let config = edit::current(&path, &SPECS)?;
        let machine = Machine {
            config: path.clone(),
            vault: global.vault()?,
        };
        if config.ledger.url.is_some() {
            return Err(Problem::new(
                ProblemKind::Config,
                "the config names a shared ledger already",
                "`tilldeck ledger status` shows it; `tilldeck ledger init` creates its tables",
            )
            .into());
        }
        // Checked before any prompt.
        edit::writable(&path)?;
        let given = |what: &str, source: Option<&String>| {
            let source = source.map(|text| source_of(what, text)).transpose();
            source.map(|source| source.map(SecretValue::At))
        };
        let url = given("--url", self.url.as_ref())?;
        let seal_key = given("--seal-key", self.seal_key.as_ref())?;
        let url = match url {
            Some(url) => url,
            None => prompted("--url", "postgres://USER:PASSWORD@HOST/DATABASE").await?,
        };
        let team = TeamLedger::open(url, machine, &Environ::process()).await?;
        let configured = config.callbacks.seal_key.as_ref();
        let seal_key = match seal_key {
            None if configured.is_none() && team.needs_key()? => {
                Some(prompted("--seal-key", "the seal key of the other machines").await?)
            }
            given => given,
        };
        let (place, is_new) = (inert::line(&team.place).into_owned(), team.is_new);
        let key = team.key(seal_key, configured).await?;
        // From here on Ctrl-C waits: a seal key without its config entry would be lost.
        interrupts.block();
        let joined = team.join(key).await?;
        let written = inert::cut(&path.to_string_lossy(), 400);
        let object = json!({
            "place": place,
            "database_schema": joined.schema,
            "created": is_new,
            "config": written,
            "seal_key_file": joined.new_key,
        });
        let tables = if is_new { "new tables" } else { "the tables" };
        let words = format!(
            "this machine uses {tables} in schema {} of {place}",
            joined.schema
        );
        out.result(&object, &words)?;
        out.explain(&format!("{written} names the database"));
        if let Some(key) = &joined.new_key {
            out.explain(&format!(
                "the key that seals callbacks is in {}; copy this file to the other machines, for example with scp, and \
                 run `tilldeck ledger join --seal-key file:PATH` there",
                inert::cut(key, 400)
            ));
        }
        if global.state_folder()?.join("ledger.db").exists() {
            out.explain(
                "`tilldeck ledger import` copies what this machine has saved so far; end its other tilldecks first. While \
                 it copies callbacks and payments, the other machines wait",
            );
        }
        Ok(Exit::Done)
    }
}

async fn prompted(option: &str, what: &str) -> Result<SecretValue, Problem> {
    if !prompt::can_ask() {
        let message = format!("not a terminal: pass {option} SOURCE");
        return Err(usage(message, SOURCES));
    }
    prompt::secret(what).await.map(SecretValue::New)
}
