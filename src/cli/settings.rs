//! The settings of a run: the global options with the config file.

use std::time::Duration;

use super::global::{Global, LedgerChoice};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Environ, Profile};
use crate::deck::{Deck, Handover, Options};
use crate::domain::Problem;
use crate::net::{EventSender, Network, Overrides, Timeouts};

/// The settings of a command that reads the config file.
#[derive(Clone)]
pub struct Settings {
    pub global: Global,
    pub config: Config,
    pub profile: Profile,
    pub clock: Clock,
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
        })
    }

    /// Reads the config file again, for this profile.
    pub fn read_again(&self, profile: &str) -> Result<Self, ConfigError> {
        let config = self.global.load_config()?;
        Ok(Self {
            profile: config.profile(Some(profile))?.clone(),
            config,
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

    /// The name of `--account`.
    pub fn account(&self) -> Option<&str> {
        self.global.account.as_deref()
    }

    pub fn options(&self) -> Result<Options, Problem> {
        Ok(Options {
            state_dir: self.global.state_folder()?,
            vault: self.global.vault()?,
            clock: self.clock.clone(),
            network: Network {
                timeouts: Timeouts::default(),
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
        options.network.timeouts.idle = timeout;
        Deck::open(&self.profile, options).await
    }
}
