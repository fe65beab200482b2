//! Opens the console, when no command is given.

mod profiles;

use std::sync::Arc;

pub use profiles::Profiles;

use super::prelude::*;
use super::{limits, stop};
use crate::config::{Config, ConfigError, Profile, Vault};
use crate::deck::{self, Options, Receive};
use crate::domain::Ui;
use crate::providers;
use crate::runtime::{self, Ended};
use crate::tui::{Model, OpenTarget, ProfileEntry, Setup, SetupError};

pub struct Console {
    /// Whether it opens with the screen of the last run. A profile that it switches to later does.
    pub restores: bool,
    pub target: Option<OpenTarget>,
}

pub fn goes_alone(command: &str) -> Problem {
    usage(
        format!("--no-restore is for the console, which the command `{command}` does not open"),
        "pass it to `tilldeck` without a command, or to `tilldeck open`",
    )
}

/// Runs the console. It handles signals itself: it must restore the terminal first.
pub fn show(start: runtime::Start) -> CommandResult {
    stop::leave_to_others();
    match runtime::run(start) {
        Ok(Ended::Left) => Ok(Exit::Done),
        Ok(Ended::Interrupted) => Ok(Exit::Interrupted),
        Err(error) => Err(local(format!("the terminal was closed: {error}"), "").into()),
    }
}

impl Command for Console {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = start.out;
        start.configured(|settings, log| self.run(settings, log, out))
    }
}

impl Console {
    /// Its log starts behind the first frame.
    fn run(self, settings: &Settings, log: LogStart, out: &Out) -> CommandResult {
        limits::ensure()?;
        if let Some(problem) = runtime::no_terminal(std::env::var_os("TERM").as_deref()) {
            return Err(problem.into());
        }
        let source = Profiles::new(settings, out);
        let (config, profile) = (&settings.config, &settings.profile);
        let model = model(config, profile, &settings.global.vault()?, out)?;
        let mut first = Profiles::start(settings, model, self.restores)?;
        if let Some(target) = self.target {
            must_exist(&target, settings)?;
            first.model.open_at(target);
        }
        let start = runtime::Start {
            first,
            source: Arc::new(source),
            start_log: Box::new(|| log.run()),
        };
        show(start)
    }
}

/// Builds the console of a profile before its first frame.
///
/// # Errors
/// If the config binds an invalid key or action, or one key twice, or names an unknown pane.
pub fn model(
    config: &Config,
    profile: &Profile,
    vault: &Vault,
    out: &Out,
) -> Result<Model, ConfigError> {
    Model::new(setup(config, profile, vault, out)).map_err(misconfigured)
}

/// The deck's options: the console receives callbacks.
pub fn options(settings: &Settings) -> Result<Options, Problem> {
    let Settings {
        config, profile, ..
    } = settings;
    Ok(Options {
        receive: Some(Receive {
            // The simulator's callbacks use their own free port.
            bind: config.callbacks.bind.filter(|_| !profile.built_in),
            trusted_proxies: config.callbacks.trusted_proxies.clone(),
            ..Receive::default()
        }),
        ..settings.options()?
    })
}

fn must_exist(target: &OpenTarget, settings: &Settings) -> Result<(), Problem> {
    let account = match target {
        OpenTarget::Account(account) => Some(account),
        OpenTarget::Payment { account, .. } => account.as_ref(),
        OpenTarget::Request(_) | OpenTarget::Callback(_) => None,
    };
    let Some(id) = account else { return Ok(()) };
    let profile = &settings.profile;
    let mut known = deck::accounts(profile, &settings.global.vault()?).into_iter();
    if known.any(|known| known.id == *id) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Usage,
        format!("profile {} has no account {id}", profile.name),
        "`tilldeck account list` shows all accounts",
    ))
}

pub fn setup(config: &Config, profile: &Profile, vault: &Vault, out: &Out) -> Setup {
    let ui = &config.ui;
    Setup {
        profile: profile.name.clone(),
        profiles: entries(config, vault),
        accounts: deck::accounts(profile, vault),
        setups: deck::manage::setups(),
        is_shared: config.ledger.url.is_some(),
        may_manage: !profile.built_in,
        catalogues: providers::REGISTRY
            .iter()
            .map(|manifest| (manifest.id, manifest.catalogue))
            .collect(),
        deadlines: providers::REGISTRY
            .iter()
            .map(|manifest| (manifest.id, manifest.deadlines))
            .collect(),
        ui: Ui {
            ascii: ui.ascii || !runtime::terminal::speaks_unicode(&Environ::process()),
            ..ui.clone()
        },
        tint: profile.tint,
        color: out.color,
        recording: None,
    }
}

fn entries(config: &Config, vault: &Vault) -> Vec<ProfileEntry> {
    let profiles = config.profiles.iter();
    let entry = |profile: &Profile| ProfileEntry {
        name: profile.name.clone(),
        built_in: profile.built_in,
        is_default: profile.name == config.default_profile,
        accounts: deck::accounts(profile, vault)
            .iter()
            .map(|account| account.environment)
            .collect(),
    };
    profiles.map(entry).collect()
}

pub fn misconfigured(error: SetupError) -> ConfigError {
    error.place.error(error.message, error.hint)
}
