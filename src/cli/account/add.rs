//! `account add`: prompts for missing values, verifies the credentials, and saves the account.

use std::sync::OnceLock;

use clap::Args;

use super::answers::{Answers, answers};
use super::change;
use crate::cli::args::Global;
use crate::cli::command::Command;
use crate::cli::exit::{CommandResult, Exit, usage};
use crate::cli::interrupt::{Interrupts, until_stopped};
use crate::cli::output::Out;
use crate::cli::prompt::{self, can_ask};
use crate::cli::settings::Settings;
use crate::cli::start::{Start, block_on, warn};
use crate::cli::{request_options, words};
use crate::clock::Clock;
use crate::config::{Config, Profile, SANDBOX, edit};
use crate::deck::Deck;
use crate::domain::manage::{Changed, NewAccount, leaves_open};
use crate::domain::{Environment, Problem};
use crate::providers::SPECS;

/// Add an account. Prompts for missing values, verifies the credentials, then saves them.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// The name of the new account: letters, digits, `-`, `_` and `.`
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The provider: kanga, kinguin, kongregate or pledg.
    #[arg(long)]
    pub(super) provider: Option<String>,
    /// The provider's environment: production or sandbox.
    #[arg(long)]
    pub(super) environment: Option<String>,
    /// A value that is not secret, such as `api_key=…` or `endpoints.NAME=URL`. Repeat it for more.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// The source of a secret: `KEY=env:NAME`, `KEY=file:PATH`, `KEY=command:PROGRAM ARGUMENTS…` or
    /// `KEY=keyring:NAME`. Without it, tilldeck prompts for the secret and saves it in the keyring or a file.
    /// Never pass the secret itself.
    #[arg(long, value_name = "KEY=SOURCE")]
    pub(super) secret: Vec<String>,
    /// Verify and save without asking for confirmation.
    #[arg(long)]
    yes: bool,
    /// Save the account even if the provider is unreachable or cannot verify it, such as a Pledg account without
    /// `api_secret`. Rejected credentials are never saved.
    #[arg(long)]
    pub(super) unverified: bool,
}

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
        let work = async { out.settle(work.await) };
        let done = Box::pin(until_stopped(work, &interrupts, out)).await;
        if let Some(deck) = opened.into_inner() {
            deck.close().await;
        }
        match done {
            Some(done) => Ok(done?),
            None => Err(prompt::interrupted().into()),
        }
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
            words::environment(new.environment),
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

/// The profile for a new account: the named one, else the default, else the only one, else a new one.
pub(super) fn profile_for(
    config: &Config,
    named: Option<&str>,
    environment: Environment,
) -> Result<Profile, Problem> {
    let own: Vec<&str> = config
        .profiles
        .iter()
        .filter(|profile| !profile.built_in)
        .map(|profile| profile.name.as_str())
        .collect();
    // Production and test accounts start in different profiles, so that one command never mixes them.
    let first = match environment {
        Environment::Production => "live",
        Environment::Sandbox | Environment::Embedded => "test",
    };
    let name = match (named, config.default_profile.as_str(), own.as_slice()) {
        (Some(name), ..) => name,
        (None, SANDBOX, []) => first,
        (None, SANDBOX, [only]) => only,
        (None, SANDBOX, several) => {
            return Err(usage(
                "no profile selected for the account",
                format!("choose one with --profile: {}", several.join(", ")),
            ));
        }
        (None, default, _) => default,
    };
    // The config check rejects this name in any case, too.
    if name.eq_ignore_ascii_case(SANDBOX) {
        return Err(usage(
            "the built-in profile sandbox accepts no other accounts",
            "choose another with --profile; a new profile is created",
        ));
    }
    let known = config.profile(Some(name)).ok().cloned();
    Ok(known.unwrap_or_else(|| Profile {
        name: name.to_owned(),
        built_in: false,
        accounts: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str) -> Profile {
        Profile {
            name: name.into(),
            built_in: false,
            accounts: Vec::new(),
        }
    }

    fn chosen(config: &Config, named: Option<&str>) -> Result<String, String> {
        profile_for(config, named, Environment::Production)
            .map(|profile| profile.name)
            .map_err(|problem| problem.describe())
    }

    #[test]
    fn a_new_account_goes_to_the_profile_that_is_meant() {
        let mut config = Config::default();
        assert_eq!(chosen(&config, None).unwrap(), "live");
        assert_eq!(
            profile_for(&config, None, Environment::Sandbox)
                .unwrap()
                .name,
            "test"
        );
        assert_eq!(chosen(&config, Some("shops")).unwrap(), "shops");
        assert!(chosen(&config, Some("Sandbox")).is_err());
        config.profiles.push(profile("mine"));
        assert_eq!(chosen(&config, None).unwrap(), "mine");
        config.profiles.push(profile("other"));
        assert!(chosen(&config, None).unwrap_err().contains("mine, other"));
        config.default_profile = "other".into();
        assert_eq!(chosen(&config, None).unwrap(), "other");
    }
}
