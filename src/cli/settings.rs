//! The settings of a run: the global options, the config file, and where the state is.

use std::path::PathBuf;
use std::time::Duration;

use super::args::Global;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, Environ, Locations, Profile, Vault};
use crate::deck::{Deck, Options};
use crate::domain::{Problem, ProblemKind, inert};
use crate::net::{EventSender, Network, Overrides, Timeouts};
use crate::private;
use crate::providers::SPECS;

/// The settings of a command that reads the config file.
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
            },
            receive: None,
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

impl Global {
    pub fn locations(&self) -> Locations {
        Locations::of_process(self.config.clone(), self.state_dir.clone())
    }

    pub fn config_path(&self) -> Option<PathBuf> {
        self.locations().config_file().map(|file| file.path)
    }

    pub fn load_config(&self) -> Result<Config, ConfigError> {
        config::load(&self.locations(), &SPECS)
    }

    /// Where tilldeck saves secrets.
    pub fn vault(&self) -> Result<Vault, Problem> {
        Ok(Vault::system(
            self.state_folder()?.join(config::VAULT),
            &Environ::process(),
        ))
    }

    /// The state folder; an error if another user can change its content.
    pub fn state_folder(&self) -> Result<PathBuf, Problem> {
        let folder = self.locations().state_folder();
        let folder = folder.map_err(|error| Problem::from(&error))?;
        match private::danger_of_folder(&folder) {
            None => Ok(folder),
            Some(danger) => Err(Problem::new(
                ProblemKind::Config,
                format!(
                    "the state folder {} {danger}",
                    inert::cut(&folder.to_string_lossy(), 400)
                ),
                format!(
                    "{}, or choose another folder with --state-dir",
                    danger.remedy(&folder)
                ),
            )),
        }
    }
}
