//! `account add`: prompts for missing values, verifies the credentials, and saves the account.

use std::sync::OnceLock;

use super::change;
use super::questions::{
    account_name, ask_environment, ask_name, ask_provider, environment_of, names_of, provider_of,
};
use super::values::{Sources, Values};
use crate::cli::global::Global;
use crate::cli::interrupt::Interrupts;
use crate::cli::prelude::*;
use crate::cli::prompt::{self, can_ask};
use crate::cli::secret::SOURCES;
use crate::cli::start::{interruptible, warn};
use crate::clock::Clock;
use crate::config::{Config, Profile, edit};
use crate::deck::manage::{self, profile_for};
use crate::domain::manage::{Changed, NewAccount, Proof, leaves_open};
use crate::providers::SPECS;

/// Add an account. Prompts for missing values, verifies the credentials, then saves them.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// The name of the new account: letters, digits, `-`, `_` and `.`
    #[arg(long)]
    name: Option<String>,
    /// The provider: kanga, kinguin, kongregate or pledg.
    #[arg(long)]
    provider: Option<String>,
    /// The provider's environment: production or sandbox.
    #[arg(long)]
    environment: Option<String>,
    /// A value that is not secret, such as `api_key=…` or `endpoints.NAME=URL`. Repeat it for more.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The source of a secret: `KEY=env:NAME`, `KEY=file:PATH`, `KEY=command:PROGRAM ARGUMENTS…` or
    /// `KEY=keyring:NAME`. Without it, tilldeck prompts for the secret and saves it in the keyring or a file.
    /// Never pass the secret itself.
    #[arg(long, value_name = "KEY=SOURCE")]
    secret: Vec<String>,
    /// Verify and save without asking for confirmation.
    #[arg(long)]
    yes: bool,
    /// Save the account even if the provider is unreachable or cannot verify it, such as a Pledg account without
    /// `api_secret`. Rejected credentials are never saved.
    #[arg(long)]
    unverified: bool,
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
            let (new, sources) = self.complete(&config, &global).await?;
            let profile = profile_for(&config, global.profile.as_deref(), new.environment)?;
            self.confirm(&new, &profile).await?;
            let settings = Settings {
                global,
                config,
                profile,
                clock: Clock::system(),
                awaits_restart: false,
            };
            let deck = settings.deck(None, None).await?;
            let deck = opened.get_or_init(|| deck);
            let done = match save(new, sources, deck, &interrupts).await {
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

    /// The account as the arguments name it, completed by prompts; and the sources of its secrets.
    async fn complete(
        &self,
        config: &Config,
        global: &Global,
    ) -> Result<(NewAccount, Sources), Problem> {
        let setups = manage::setups();
        let asks = can_ask();
        let mut missing: Vec<String> = Vec::new();
        let setup = match &self.provider {
            Some(name) => provider_of(&setups, name)?,
            None if asks => ask_provider(&setups).await?,
            None => {
                let names: Vec<&str> = setups.iter().map(|setup| setup.provider.0).collect();
                let option = format!("--provider ({})", names.join(", "));
                return Err(not_a_terminal(&[option]));
            }
        };
        let mut values = Values::given(&self.set, &self.secret, setup)?;
        let environment = match &self.environment {
            Some(name) => environment_of(setup, name)?,
            None if asks => ask_environment(setup).await?,
            None => {
                if setup.environments.len() > 1 {
                    missing.push(format!("--environment ({})", names_of(setup).join(", ")));
                }
                setup.environments[0]
            }
        };
        let taken_by = |name: &AccountId| {
            let profile = profile_for(config, global.profile.as_deref(), environment);
            let accounts = profile.map_or_else(|_| Vec::new(), |profile| profile.accounts);
            let mut ids = accounts.into_iter().map(|known| known.id);
            ids.find(|known| known.as_str().eq_ignore_ascii_case(name.as_str()))
        };
        let name = match &self.name {
            Some(name) => Some(account_name(name, &taken_by)?),
            None if asks => Some(ask_name(setup, &taken_by).await?),
            None => {
                missing.push("--name NAME".into());
                None
            }
        };
        if asks {
            values.ask_for_rest(setup).await?;
        } else {
            missing.extend(values.missing(setup));
        }
        let (Some(name), []) = (name, missing.as_slice()) else {
            return Err(not_a_terminal(&missing));
        };
        let new = NewAccount {
            name,
            provider: setup.provider,
            environment,
            texts: values.texts,
            endpoints: values.endpoints,
            secrets: values.secrets,
            proof: if self.unverified {
                Proof::IfReachable
            } else {
                Proof::Needed
            },
        };
        Ok((new, values.sources))
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

async fn save(
    new: NewAccount,
    sources: Sources,
    deck: &Deck,
    interrupts: &Interrupts,
) -> Result<Changed, Problem> {
    let proved = deck.prove_addition(new, sources, request_options(false));
    let proved = proved.await.map_err(|problem| {
        if leaves_open(&problem) {
            let hint =
                "nothing was saved; try again, or pass --unverified to save the account anyway";
            return Problem::new(problem.kind, problem.message, hint);
        }
        problem
    })?;
    change::save(proved, deck, interrupts).await
}

fn not_a_terminal(missing: &[String]) -> Problem {
    let hint = if missing.iter().any(|option| option.starts_with("--secret")) {
        SOURCES.to_owned()
    } else {
        format!("add {}", missing.join(" "))
    };
    usage(format!("not a terminal: pass {}", missing.join(", ")), hint)
}
