//! `account add`: prompts for missing values, verifies the credentials, and saves the account.

use std::sync::OnceLock;

use super::answers::{AddAccount, Answers, answers};
use super::change;
use crate::cli::global::Global;
use crate::cli::interrupt::Interrupts;
use crate::cli::prelude::*;
use crate::cli::prompt::{self, can_ask};
use crate::cli::start::{interruptible, warn};
use crate::clock::Clock;
use crate::config::{Config, Profile, edit};
use crate::deck::manage::profile_for;
use crate::domain::manage::{Changed, NewAccount, leaves_open};
use crate::providers::SPECS;

impl Command for AddAccount {
    fn execute(self, start: Start<'_>) -> CommandResult {
        start.log.run();
        block_on(self.run(start.global, start.out))
    }
}

impl AddAccount {
    /// Opens its own deck: the profile may not exist yet.
    async fn run(self, global: Global, out: &Out) -> CommandResult {
        let path = global.config_path();
        // Checked before any prompt and any request.
        let config = match &path {
            None => Config::default(),
            Some(path) => {
                edit::writable(path)?;
                edit::current(path, &SPECS)?
            }
        };
        let interrupts = Interrupts::default();
        // Lives until after a signal, so that the ledger's rows of sent requests are written.
        let opened = OnceLock::new();
        let work = async {
            let answers = answers(&self, &config, &global).await?;
            let new = &answers.0;
            let profile = profile_for(&config, global.profile.as_deref(), new.environment)?;
            self.confirm(new, &profile).await?;
            let settings = Settings {
                global,
                config,
                profile,
                clock: Clock::system(),
                awaits_restart: false,
            };
            let deck = settings.deck(None, None).await?;
            let deck = opened.get_or_init(|| deck);
            let done = match save(answers, deck, &interrupts).await {
                Ok(changed) => change::print(&changed, &settings, path, out).map(|()| Exit::Done),
                Err(problem) => out.fail(&problem),
            };
            warn(deck, out).await;
            Ok(done?)
        };
        let done = interruptible(work, &interrupts, out).await;
        if let Some(deck) = opened.into_inner() {
            deck.close().await;
        }
        done
    }

    async fn confirm(&self, new: &NewAccount, profile: &Profile) -> Result<(), Problem> {
        // Without a terminal every value was passed on the command line, which is confirmation enough.
        if self.yes || !can_ask() {
            return Ok(());
        }
        let live = if new.environment.is_live() {
            ", LIVE: real money"
        } else {
            ""
        };
        let question = format!(
            "{} at {} ({}{live}) in profile {}: verify and save it? [y/N] ",
            new.name,
            new.provider,
            new.environment.title(),
            profile.name
        );
        prompt::confirm(&question, "nothing was sent and nothing saved").await
    }
}

async fn save(answers: Answers, deck: &Deck, interrupts: &Interrupts) -> Result<Changed, Problem> {
    let (new, sources) = answers;
    let proved = deck
        .prove_addition(new, sources, request_options(false))
        .await;
    let proved = proved.map_err(|problem| {
        if leaves_open(&problem) {
            let hint =
                "nothing was saved; try again, or pass --unverified to save the account anyway";
            return Problem::new(problem.kind, problem.message, hint);
        }
        problem
    })?;
    change::save(proved, deck, interrupts).await
}
