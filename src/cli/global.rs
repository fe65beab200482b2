//! The options of every command, and the files and folders they select. Names here are a contract: scripts depend on
//! them.

use std::path::PathBuf;

use clap::Args;

use super::output::Color;
use super::values::path;
use crate::config::{self, Config, ConfigError, Environ, Locations, Vault};
use crate::deck::doctor::{LIMIT, Subject};
use crate::domain::{Problem, ProblemKind, inert};
use crate::private;
use crate::providers::SPECS;

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The profile of the config file to use, or `sandbox`, the built-in simulator.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Config file. Default: `TILLDECK_CONFIG`, then the platform's config folder.
    #[arg(long, global = true, value_parser = path(), value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State folder. Default: `TILLDECK_STATE_DIR`, then the platform's state folder.
    #[arg(long, global = true, value_parser = path(), value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// The account to use. Not needed if only one account fits.
    #[arg(long, global = true, value_name = "NAME")]
    pub account: Option<String>,
    /// Print one JSON object per line to stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// Send requests even if tilldeck cannot save them in the ledger (its database in the state folder). Each command
    /// then uses at most a tenth of each rate limit.
    #[arg(long, global = true)]
    pub uncoordinated: bool,
    /// Send even if the next nonce (Kanga's request number) is ahead of the provider's time. Until that time, the
    /// provider may reject other programs that use the same key.
    #[arg(long, global = true)]
    pub allow_nonce_ahead: bool,
    /// `sqlite`: open this machine's own ledger although the config names a shared one, for reading. No request is sent
    /// to a provider.
    #[arg(long, global = true, value_enum, value_name = "LEDGER")]
    pub ledger: Option<LedgerChoice>,
    /// When to use colors.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// A ledger in place of the configured one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LedgerChoice {
    /// The file in the state folder.
    Sqlite,
}

impl Global {
    pub fn locations(&self) -> Locations {
        Locations::of_process(self.config.clone(), self.state_dir.clone())
    }

    pub fn subject(&self) -> Subject {
        Subject {
            locations: self.locations(),
            profile: self.profile.clone(),
            account: self.account.clone(),
            console: None,
            callback_url: None,
            limit: LIMIT,
        }
    }

    pub fn config_path(&self) -> Option<PathBuf> {
        self.locations().config_file().map(|file| file.path)
    }

    pub fn load_config(&self) -> Result<Config, ConfigError> {
        config::load(&self.locations(), &SPECS)
    }

    pub fn vault(&self) -> Result<Vault, Problem> {
        Ok(Vault::system(
            self.state_folder()?.join(config::VAULT),
            &Environ::process(),
        ))
    }

    /// The state folder; an error if another user can change its content.
    pub fn state_folder(&self) -> Result<PathBuf, Problem> {
        let folder = self.locations().state_folder()?;
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
