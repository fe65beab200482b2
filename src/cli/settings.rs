//! The settings of a run: the global options with the config file.

use std::time::Duration;

use super::global::{Global, LedgerChoice};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Environ, LedgerConfig, Profile};
use crate::deck::{Deck, Handover, Options};
use crate::domain::{Account, Problem, inert};
use crate::net::{EventSender, Network, Overrides};

#[derive(Clone)]
pub struct Settings {
    pub global: Global,
    pub config: Config,
    pub profile: Profile,
    pub clock: Clock,
    /// Whether the config file names another ledger by now, which only a restart takes over.
    pub awaits_restart: bool,
}

impl Settings {
    pub fn load(global: Global) -> Result<Self, ConfigError> {
        let config = global.load_config()?;
        let profile = config.profile(global.profile.as_deref())?.clone();
        Ok(Self {
            global,
            config,
            profile,
            clock: Clock::system(),
            awaits_restart: false,
        })
    }

    pub fn read_again(&self, profile: &str) -> Result<Self, ConfigError> {
        let settings = self.with_config_again()?;
        Ok(Self {
            profile: settings.config.profile(Some(profile))?.clone(),
            ..settings
        })
    }

    /// Reads the config file again, and leaves the profile as it is.
    pub fn with_config_again(&self) -> Result<Self, ConfigError> {
        let config = self.global.load_config()?;
        let (config, awaits_restart) = keep_ledger(&self.config.ledger, config);
        Ok(Self {
            config,
            awaits_restart,
            ..self.clone()
        })
    }

    /// Whether a deck that these settings opened can go on with the others. The built-in profile's has none of the file.
    pub fn has_deck_of(&self, other: &Self) -> bool {
        let parts = |settings: &Self| {
            let config = settings.config.clone();
            let (callbacks, ledger) = (config.callbacks, config.ledger);
            (callbacks, ledger, config.network, config.hooks)
        };
        self.profile.built_in
            || (self.profile.accounts == other.profile.accounts && parts(self) == parts(other))
    }

    pub fn account(&self) -> Option<&str> {
        self.global.account.as_deref()
    }

    pub fn options(&self) -> Result<Options, Problem> {
        Ok(Options {
            state_dir: self.global.state_folder()?,
            vault: self.global.vault()?,
            clock: self.clock.clone(),
            network: Network {
                idle: None,
                config: self.config.network.clone(),
                environ: Environ::process(),
            },
            events: None,
            renew: false,
            environ: Environ::process(),
            config: self.global.config_path(),
            overrides: Overrides {
                uncoordinated: self.global.uncoordinated,
                allow_nonce_ahead: self.global.allow_nonce_ahead,
                read_only: self.global.ledger == Some(LedgerChoice::Sqlite)
                    && self.config.ledger.url.is_some(),
            },
            receive: None,
            ledger: self.config.ledger.clone(),
            callbacks: self.config.callbacks.clone(),
            hooks: self.config.hooks.clone(),
            handover: Handover::default(),
            recording: None,
        })
    }

    pub async fn deck(
        &self,
        events: Option<EventSender>,
        timeout: Option<Duration>,
    ) -> Result<Deck, Problem> {
        let mut options = Options {
            events,
            ..self.options()?
        };
        options.network.idle = timeout;
        Deck::open(&self.profile, options).await
    }
}

/// The account that an option names.
pub fn known_account<'a>(
    option: &str,
    name: &str,
    accounts: &'a [Account],
) -> Result<&'a Account, Problem> {
    let known = accounts.iter().find(|account| account.id.as_str() == name);
    known.ok_or_else(|| {
        let names: Vec<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
        Problem::usage(
            format!(
                "{option} names an unknown account: {}",
                inert::quoted(name, 64)
            ),
            format!("the accounts are: {}", names.join(", ")),
        )
    })
}

/// A config that was read while a program runs, with the ledger that is in force, and whether it names another one. Jobs
/// of callbacks, nonces and slots are in the ledger: a program that changed it would leave them behind.
fn keep_ledger(in_force: &LedgerConfig, read: Config) -> (Config, bool) {
    let is_other = read.ledger != *in_force;
    let ledger = in_force.clone();
    (Config { ledger, ..read }, is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_ledger_waits_for_a_restart_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let at = |host: &str| format!("url = \"postgres://till@{host}/till\"\n");
        let load = |ledger: &str, rest: &str| {
            let seal_key = "[callbacks]\nseal_key = { env = \"KEY\" }\n";
            std::fs::write(&path, format!("[ledger]\n{ledger}{seal_key}{rest}")).unwrap();
            let global = Global {
                config: Some(path.clone()),
                ..Global::default()
            };
            global.load_config().unwrap()
        };
        let file = String::new();
        for (in_force, read, is_other) in [
            (&file, &file, false),
            (&at("one"), &at("one"), false),
            (&file, &at("one"), true),
            (&at("one"), &at("two"), true),
            (&at("one"), &file, true),
            (&file, &"operator = \"night shift\"\n".to_owned(), true),
        ] {
            let in_force = load(in_force, "").ledger;
            let fresh = load(read, "[ui]\nmouse = false\n");
            let (in_use, awaits_restart) = keep_ledger(&in_force, fresh.clone());
            assert_eq!(awaits_restart, is_other, "{read}");
            let ledger = in_force;
            assert_eq!(in_use, Config { ledger, ..fresh }, "{read}");
        }
    }
}
