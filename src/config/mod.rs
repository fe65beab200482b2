//! Turns file and environment into a checked [`Config`]. Reads no secret on loading. Knows no provider: the caller
//! passes what the accounts of each provider need.

mod check;
pub mod child;
pub mod edit;
mod environ;
mod error;
mod file;
mod keyring;
mod paths;
mod places;
mod secret;
mod vault;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use crate::domain::Ui;
use crate::domain::manage::KeySpec;
use crate::domain::{AccountId, Color, Environment, HookEvent, inert};

pub use environ::Environ;
pub use error::ConfigError;
pub use file::nearest;
pub use keyring::{KEYRING_LIMIT, KEYRING_VARIABLE, Keyring, KeyringError};
pub use paths::{ConfigPath, Locations};
pub use places::{AddressError, HomeError, address, in_home};
pub use secret::{Resolved, SecretError, SecretSource};
pub use vault::{Vault, VaultError, VaultPlace};

/// A config file that explains every key, as written by `config init`.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// The folder for secrets in the state folder, used where no keyring works.
pub const VAULT: &str = "vault";

/// The built-in profile: the simulator.
pub const SANDBOX: &str = "sandbox";

/// What a provider's account needs in the config file.
#[derive(Debug, PartialEq, Eq)]
pub struct ProviderSpec {
    /// The value of `provider =`.
    pub name: &'static str,
    /// The provider's name for people: "Kanga TPG".
    pub title: &'static str,
    /// The keys of an account.
    pub keys: &'static [KeySpec],
    /// The values of `environment =`; the first is the default.
    pub environments: &'static [Environment],
    /// The endpoints whose URL can be overridden.
    pub endpoints: &'static [&'static str],
    /// Whether reads have a rate limit of their own: `reads` in `budget`.
    pub counts_reads: bool,
}

/// The checked configuration. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file, if there was one.
    pub path: Option<PathBuf>,
    /// The profile used by default. It exists.
    pub default_profile: String,
    /// The built-in profile first, then in the order of the file.
    pub profiles: Vec<Profile>,
    /// The callback receiver.
    pub callbacks: Callbacks,
    /// Where the ledger is.
    pub ledger: LedgerConfig,
    /// The connections to other machines.
    pub network: Network,
    /// The programs that run at an event.
    pub hooks: Hooks,
    /// The console.
    pub ui: Ui,
    /// Settings that are valid but may be a mistake.
    pub warnings: Vec<String>,
}

/// A program with its arguments for each event that has one; never empty.
pub type Hooks = BTreeMap<HookEvent, Vec<String>>;

/// Accounts used together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The value of `--profile`.
    pub name: String,
    /// Whether its accounts are the simulator's; then `accounts` is empty.
    pub built_in: bool,
    /// Its color in the console, which tells it from other profiles.
    pub tint: Option<Color>,
    /// In the order of the file.
    pub accounts: Vec<AccountConfig>,
}

impl Profile {
    /// The accounts that are the same in a later version of this profile.
    pub fn unchanged(&self, later: &Self) -> Vec<AccountId> {
        let accounts = later.accounts.iter();
        let same = accounts.filter(|account| self.accounts.contains(account));
        same.map(|account| account.id.clone()).collect()
    }
}

/// A configured account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// The operator's name for it.
    pub id: AccountId,
    /// The first account of the profile with the same provider and the same sources of secrets: where every name of an
    /// account at its provider is secret, the provider counts the requests of both as one.
    pub alike: AccountId,
    /// One of the specs' names.
    pub provider: &'static str,
    /// One of the provider's environments.
    pub environment: Environment,
    /// The keys written as values.
    pub texts: BTreeMap<&'static str, String>,
    /// The keys written as sources of secrets.
    pub secrets: BTreeMap<&'static str, SecretSource>,
    /// The overridden endpoints: absolute URLs without a trailing slash.
    pub endpoints: BTreeMap<&'static str, String>,
    /// A rate limit in place of the published one.
    pub budget: Option<BudgetOverride>,
    /// The longest time to wait for a response, in place of the provider's default.
    pub timeout: Option<Duration>,
}

/// A rate limit in place of the published one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetOverride {
    /// Requests per period; at least 1.
    pub requests: u32,
    /// The length of the period.
    pub period: Duration,
    /// Reads per period, where the provider counts reads separately.
    pub reads: Option<u32>,
}

/// The callback receiver's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Callbacks {
    /// Where the console listens; with `None` it does not. `tilldeck listen` then uses [`LISTEN`].
    pub bind: Option<SocketAddr>,
    /// Proxies on other machines whose `X-Forwarded-For` names the senders.
    pub trusted_proxies: Vec<IpNet>,
    /// The key that seals saved callbacks: 32 bytes in base64. With `None`, tilldeck creates one for this machine.
    pub seal_key: Option<SecretSource>,
    /// The key before it, by which older callbacks are opened.
    pub previous_seal_key: Option<SecretSource>,
}

/// Where the ledger is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerConfig {
    /// The PostgreSQL database that a team shares; with `None` the ledger is a file in the state folder.
    pub url: Option<DatabaseUrl>,
    /// The schema with the ledger's tables, a plain name.
    pub schema: Option<String>,
    /// Who uses this program; with `None` it is "user@host".
    pub operator: Option<String>,
}

/// The URL of a PostgreSQL database, as libpq has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// It has no password.
    Plain(String),
    /// It may have a password.
    Secret(SecretSource),
}

impl DatabaseUrl {
    /// The variable with the password where the URL has none, as libpq reads it.
    pub(crate) const PASSWORD: &str = "PGPASSWORD";
}

/// The connections to other machines. The usual environment variables may name a proxy and certificates, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// The URL of a proxy, in place of the environment's; empty for none.
    pub proxy: Option<String>,
    /// A PEM file of CAs to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The longest time to wait for a response, where an account sets none.
    pub timeout: Option<Duration>,
}

/// The largest `timeout`; a longer one is surely a mistake.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// The default address of `tilldeck listen`.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

impl Default for Config {
    /// The config without a file: only the built-in profile.
    fn default() -> Self {
        let sandbox = Profile {
            name: SANDBOX.to_owned(),
            built_in: true,
            tint: None,
            accounts: Vec::new(),
        };
        Self {
            path: None,
            default_profile: SANDBOX.to_owned(),
            profiles: vec![sandbox],
            callbacks: Callbacks::default(),
            ledger: LedgerConfig::default(),
            network: Network::default(),
            hooks: Hooks::new(),
            ui: Ui::default(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// The secrets that belong to no account, with where the config names them.
    pub fn shared_secrets(&self) -> impl Iterator<Item = (&'static str, &SecretSource)> {
        let url = match &self.ledger.url {
            Some(DatabaseUrl::Secret(source)) => Some(source),
            Some(DatabaseUrl::Plain(_)) | None => None,
        };
        let callbacks = &self.callbacks;
        [
            ("`url` in [ledger]", url),
            ("`seal_key` in [callbacks]", callbacks.seal_key.as_ref()),
            (
                "`previous_seal_key` in [callbacks]",
                callbacks.previous_seal_key.as_ref(),
            ),
        ]
        .into_iter()
        .filter_map(|(key, source)| Some((key, source?)))
    }

    /// The named profile, else the default one.
    ///
    /// # Errors
    /// If it does not exist; the error lists all profiles.
    pub fn profile(&self, name: Option<&str>) -> Result<&Profile, ConfigError> {
        let name = name.unwrap_or(&self.default_profile);
        let found = self.profiles.iter().find(|profile| profile.name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = self.profiles.iter().map(|p| p.name.as_str()).collect();
            ConfigError::of_nothing(
                format!("unknown profile {}", inert::quoted(name, 64)),
                format!("the profiles are: {}", names.join(", ")),
            )
        })
    }
}

/// Reads and checks the config file; reads no secret. Returns the defaults if there is no file at the platform's path.
///
/// # Errors
/// If a named file does not exist, cannot be read, or is invalid.
pub fn load(
    locations: &Locations,
    specs: &'static [&'static ProviderSpec],
) -> Result<Config, ConfigError> {
    let Some(ConfigPath { path, named }) = locations.config_file() else {
        return Ok(Config::default());
    };
    match file::read(&path)? {
        Some(text) => check::check(&path, &text, specs),
        // A broken link is a mistake: with the defaults, the accounts would be missing without a word.
        None if path.is_symlink() => Err(edit::dangling(&path)),
        None if named => Err(ConfigError::of_file(
            &path,
            "the config file does not exist",
            "create it with `tilldeck config init`, or omit --config and TILLDECK_CONFIG",
        )),
        None => Ok(Config::default()),
    }
}

#[cfg(test)]
mod tests;
