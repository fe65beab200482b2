//! Opens the console, when no command is given.

use super::exit::{CommandResult, Exit, local};
use super::log_start::LogStart;
use super::output::Out;
use super::settings::Settings;
use super::start::{Command, Start};
use super::{limits, stop};
use crate::config::{self, Config, Environ, Profile, Vault};
use crate::deck::{self, Options, Receive};
use crate::domain::Problem;
use crate::providers;
use crate::runtime::{self, Ended};
use crate::tui::{Model, Setup, ThemeChoice, UiOptions};

/// The command line without a command.
pub struct Console;

impl Command for Console {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = start.out;
        start.configured(|settings, log| run(settings, log, out))
    }
}

/// Its log starts behind the first frame.
fn run(settings: &Settings, log: LogStart, out: &Out) -> CommandResult {
    limits::ensure()?;
    if let Some(problem) = runtime::no_terminal(std::env::var_os("TERM").as_deref()) {
        return Err(problem.into());
    }
    let Settings {
        config, profile, ..
    } = settings;
    let vault = settings.global.vault()?;
    let model = model(config, profile, &vault, out)?;
    let options = Options {
        receive: Some(Receive {
            // The simulator's callbacks use their own free port.
            bind: config.callbacks.bind.filter(|_| !profile.built_in),
            trusted_proxies: config.callbacks.trusted_proxies.clone(),
            ..Receive::default()
        }),
        ..settings.options()?
    };
    let start = runtime::Start {
        start_log: Box::new(|| log.run()),
        model,
        profile: profile.clone(),
        options,
        verify_on_start: config.ui.verify_on_start,
        notify: config.ui.notify.clone(),
    };
    // The console handles signals itself: it must restore the terminal first.
    stop::leave_to_others();
    match runtime::run(start) {
        Ok(Ended::Left) => Ok(Exit::Done),
        Ok(Ended::Interrupted) => Ok(Exit::Interrupted),
        Err(error) => Err(local(format!("the terminal was closed: {error}")).into()),
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
) -> Result<Model, Problem> {
    let ui = &config.ui;
    let setup = Setup {
        profile: profile.name.clone(),
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
        ui: UiOptions {
            theme: match ui.theme {
                config::Theme::Auto => ThemeChoice::Auto,
                config::Theme::Dark => ThemeChoice::Dark,
                config::Theme::Light => ThemeChoice::Light,
            },
            color: out.color,
            ascii: ui.ascii || !runtime::terminal::speaks_unicode(&Environ::process()),
            mouse: ui.mouse,
            reduced_motion: ui.reduced_motion,
            panes: ui.panes.clone(),
            keys: ui
                .keys
                .iter()
                .map(|(action, keys)| (action.clone(), keys.keys.clone()))
                .collect(),
        },
    };
    Model::new(setup).map_err(|problem| {
        let path = config
            .path
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        Problem {
            message: format!("{path}: {}", problem.message),
            ..problem
        }
    })
}
