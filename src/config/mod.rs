//! File and environment to a checked [`Config`]. Resolves no secret on loading, and knows no provider:
//! it is told what each one's account needs.

mod check;
pub mod child;
pub mod edit;
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

use crate::domain::{AccountId, inert};

pub use error::{ConfigError, Place};
pub use file::nearest;
pub use keyring::{KEYRING_LIMIT, KEYRING_VARIABLE, Keyring, KeyringError};
pub use paths::{ConfigPath, Environ, Locations};
pub use places::{AddressError, HomeError, address, in_home};
pub use secret::{Resolved, SecretError, SecretSource};
pub use vault::{Vault, VaultError, VaultPlace};

/// A config file with every key explained, as `config init` writes it.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// The folder in the state folder where secrets are kept that no keyring takes.
pub const VAULT: &str = "vault";

/// The profile that is built in: the embedded simulator.
pub const SANDBOX: &str = "sandbox";

/// What a provider's account needs in the config file.
#[derive(Debug, PartialEq, Eq)]
pub struct ProviderSpec {
    /// As written after `provider =`.
    pub name: &'static str,
    /// For people: "Kanga TPG".
    pub title: &'static str,
    /// The keys an account has.
    pub keys: &'static [KeySpec],
    /// What may be written after `environment =`; the first is the default.
    pub environments: &'static [&'static str],
    /// The endpoints whose URL can be overridden.
    pub endpoints: &'static [&'static str],
}

/// One key of a provider's account.
#[derive(Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// As written: `api_key`.
    pub name: &'static str,
    /// Whether it may stand in the file.
    pub kind: KeyKind,
    /// Whether an account must have it.
    pub required: bool,
    /// What it is, as a noun phrase.
    pub about: &'static str,
}

/// Whether a key may stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Written as it is.
    Text,
    /// The name of an HTTP header, written as it is.
    HeaderName,
    /// Only where it comes from is written.
    Secret,
}

/// The configuration, checked. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from, if there was one.
    pub path: Option<PathBuf>,
    /// The profile used where none is asked for. It exists.
    pub default_profile: String,
    /// The built-in one first, then as in the file.
    pub profiles: Vec<Profile>,
    /// The callback receiver.
    pub callbacks: Callbacks,
    /// How other machines are reached.
    pub network: Network,
    /// The console.
    pub ui: Ui,
    /// What is not wrong but may not be meant.
    pub warnings: Vec<String>,
}

/// Accounts that are worked with at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// As asked for by `--profile`.
    pub name: String,
    /// Whether its accounts are the embedded simulator's; the list here is empty then.
    pub built_in: bool,
    /// As in the file.
    pub accounts: Vec<AccountConfig>,
}

/// One account, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// The operator's name for it.
    pub id: AccountId,
    /// One of the names in the specs.
    pub provider: &'static str,
    /// One of the provider's environments.
    pub environment: String,
    /// The keys that stand in the file.
    pub texts: BTreeMap<&'static str, String>,
    /// The keys that stand elsewhere.
    pub secrets: BTreeMap<&'static str, SecretSource>,
    /// The endpoints that are overridden: absolute URLs without a slash at the end.
    pub endpoints: BTreeMap<&'static str, String>,
    /// Another rate limit than the provider's published one.
    pub budget: Option<BudgetOverride>,
    /// For how long a reply may stay away, where that is not the provider's usual time.
    pub timeout: Option<Duration>,
}

/// A rate limit other than the published one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetOverride {
    /// How many in one period; at least 1.
    pub requests: u32,
    /// The length of the window.
    pub period: Duration,
    /// How many reads in one period, where the provider counts them apart.
    pub reads: Option<u32>,
}

/// The callback receiver's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Callbacks {
    /// Where the console listens; `None`, and it does not. `tilldeck listen` then takes [`LISTEN`].
    pub bind: Option<SocketAddr>,
}

/// How other machines are reached. A proxy and certificates may be named by the usual environment variables, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// The URL of a proxy, instead of the environment's; empty, and none is used.
    pub proxy: Option<String>,
    /// A PEM file of authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// For how long a reply may stay away, where an account has no time of its own.
    pub timeout: Option<Duration>,
}

/// The longest time for which a reply may be waited for; a longer one is surely a mistake.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(10);

/// Where `tilldeck listen` listens unless told otherwise.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

/// The console's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a line in the file"
)]
pub struct Ui {
    /// The colours.
    pub theme: Theme,
    /// Lines and marks in plain ASCII.
    pub ascii: bool,
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// Nothing moves by itself.
    pub reduced_motion: bool,
    /// Whether the console asks each provider at its start if the credentials are good.
    pub verify_on_start: bool,
    /// Action name to its keys; the console knows which actions and keys there are.
    pub keys: BTreeMap<String, KeyBinding>,
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            theme: Theme::Auto,
            ascii: false,
            mouse: true,
            reduced_motion: false,
            verify_on_start: false,
            keys: BTreeMap::new(),
        }
    }
}

/// Which colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// As the terminal's background asks for.
    Auto,
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
}

/// The keys bound to an action, and where that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBinding {
    /// As written: `ctrl-r`.
    pub keys: Vec<String>,
    /// For an error about them.
    pub place: Place,
}

impl Default for Config {
    /// As without any file: the built-in profile alone.
    fn default() -> Self {
        let sandbox = Profile {
            name: SANDBOX.to_owned(),
            built_in: true,
            accounts: Vec::new(),
        };
        Self {
            path: None,
            default_profile: SANDBOX.to_owned(),
            profiles: vec![sandbox],
            callbacks: Callbacks::default(),
            network: Network::default(),
            ui: Ui::default(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// The profile asked for, else the default one.
    ///
    /// # Errors
    /// If there is none of that name; the error lists those there are.
    pub fn profile(&self, name: Option<&str>) -> Result<&Profile, ConfigError> {
        let name = name.unwrap_or(&self.default_profile);
        let found = self.profiles.iter().find(|profile| profile.name == name);
        found.ok_or_else(|| {
            ConfigError::of_nothing(
                format!("there is no profile {}", inert::quoted(name, 64)),
                self.profile_list(),
            )
        })
    }

    fn profile_list(&self) -> String {
        let names: Vec<_> = self.profiles.iter().map(|p| p.name.as_str()).collect();
        format!("there are: {}", names.join(", "))
    }
}

/// Reads and checks the config file; resolves no secret. Without a file at the platform's place, the
/// defaults.
///
/// # Errors
/// If a file that was named does not exist, cannot be read, or anything in it is wrong.
pub fn load(
    locations: &Locations,
    specs: &'static [&'static ProviderSpec],
) -> Result<Config, ConfigError> {
    let Some(ConfigPath { path, named }) = locations.config_file() else {
        return Ok(Config::default());
    };
    match file::read(&path)? {
        Some(text) => check::check(&path, &text, specs),
        None if path.is_symlink() => Err(edit::dangling(&path)),
        None if named => Err(ConfigError::of_file(
            &path,
            "the config file does not exist",
            "create it with `tilldeck config init`, or leave --config and TILLDECK_CONFIG out",
        )),
        None => Ok(Config::default()),
    }
}

#[cfg(test)]
mod tests;
