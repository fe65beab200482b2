//! Makes this machine use the ledger that a team shares. The database and the key are checked before the config names
//! them.

use std::path::Path;

use crate::clock::Clock;
use crate::config::edit::{self, Edit};
use crate::config::{Callbacks, Environ, LedgerConfig, SecretSource, Vault};
use crate::domain::{Problem, ProblemKind, Secret};
use crate::ledger::{DatabaseReport, DatabaseSettings, Ledger, Retention};
use crate::providers::SPECS;

use super::ledger::{on_thread, read, settings, unusable};
use super::manage::{SecretValue, blocking, unsaved, vault_source};
use super::receiving::{fingerprint_of, new_key};

/// The vault's names.
const URL: &str = "ledger.url";
const SEAL_KEY: &str = "ledger.seal_key";

const NO_KEY: &str = "the seal key is not 32 bytes in base64; `openssl rand -base64 32` makes one";

/// A database that can be used as the team's ledger.
pub struct TeamLedger {
    settings: DatabaseSettings,
    url: SecretValue,
    environ: Environ,
    /// Its hosts and name, without user and password.
    pub place: String,
    /// Whether its tables are new.
    pub is_new: bool,
    /// Whether a machine has sealed callbacks with a key, which all others need.
    pub has_seal_key: bool,
}

/// Where this machine's config and secrets are.
pub struct Machine<'a> {
    /// The config file.
    pub config: &'a Path,
    /// Where tilldeck saves secrets.
    pub vault: Vault,
}

/// What joining has changed.
pub struct Joined {
    /// The schema with the tables.
    pub schema: String,
    /// The file of a key that was made; the other machines need it.
    pub new_key: Option<String>,
}

impl TeamLedger {
    /// Looks at the database, and creates the tables if there are none.
    ///
    /// # Errors
    /// If its URL cannot be read, or the database cannot be the ledger of this tilldeck.
    pub async fn open(
        url: SecretValue,
        config: &LedgerConfig,
        environ: &Environ,
    ) -> Result<Self, Problem> {
        let secret = value(&url, environ, "the URL of the ledger").await?;
        let settings = settings(secret, config, environ);
        let database = settings.clone();
        let report = on_thread(move || {
            let clock = Clock::system();
            let before = Ledger::survey(&database, &clock)?;
            if before.version.is_some() || !before.missing_rights.is_empty() {
                return Ok((false, before));
            }
            Ledger::migrate(&database, &clock)?;
            Ok((true, Ledger::survey(&database, &clock)?))
        });
        let (is_new, report) = report.await?;
        match report.problem() {
            Some(problem) => Err(problem),
            None => Ok(Self {
                settings,
                url,
                environ: environ.clone(),
                is_new,
                has_seal_key: report.seal_key.is_some(),
                place: report.place,
            }),
        }
    }

    /// Saves in the config file that this machine uses it. Without a `seal_key`, makes one.
    ///
    /// # Errors
    /// If the key is not the team's, or the config or a secret cannot be saved; then the config is unchanged.
    pub async fn join(
        self,
        seal_key: Option<SecretValue>,
        machine: Machine<'_>,
    ) -> Result<Joined, Problem> {
        let Machine { config, vault } = machine;
        let config = config.to_owned();
        let (seal_key, new_key) = if let Some(given) = seal_key {
            (given, None)
        } else {
            let (files, config) = (vault.without_keyring(), config.clone());
            let made = blocking(move || made_key(&files, &config)).await?;
            let named = match &made {
                SecretSource::File { written, .. } => Some(written.clone()),
                _ => None,
            };
            (SecretValue::At(made), named)
        };
        let key = value(&seal_key, &self.environ, "seal_key").await?;
        let fingerprint = fingerprint_of(&key).ok_or_else(|| unusable(NO_KEY))?;
        self.agree(fingerprint).await?;
        let url = self.url;
        blocking(move || {
            let save = |value, name| match value {
                SecretValue::At(source) => Ok(source),
                SecretValue::New(secret) => {
                    let place = vault.put(name, &secret).map_err(|error| unsaved(&error))?;
                    vault_source(&config, name, &place)
                }
            };
            let edit = Edit::Share {
                url: save(url, URL)?,
                seal_key: save(seal_key, SEAL_KEY)?,
            };
            edit::apply(&config, &edit, &SPECS).map_err(|error| Problem::from(&error))
        })
        .await?;
        Ok(Joined {
            schema: self.settings.schema,
            new_key,
        })
    }

    /// Saves the key's fingerprint if it is the first one.
    async fn agree(&self, fingerprint: String) -> Result<(), Problem> {
        let ledger = Ledger::connect(&self.settings, Clock::system(), Retention::shared());
        let ledger = ledger.map_err(unusable)?;
        let agreed = ledger.agree_on_seal_key(fingerprint, None).await;
        ledger.close().await;
        match agreed {
            Ok(true) => Ok(()),
            Ok(false) => Err(another_key()),
            Err(error) => Err(unusable(error)),
        }
    }
}

/// Whether this machine's key is the one by which the other machines seal callbacks; `None` while none has.
///
/// # Errors
/// If the key cannot be read.
pub async fn has_team_key(
    config: &Callbacks,
    environ: &Environ,
    report: &DatabaseReport,
) -> Result<Option<bool>, Problem> {
    let (Some(source), Some(team)) = (&config.seal_key, &report.seal_key) else {
        return Ok(None);
    };
    let matches = async |source: &SecretSource| {
        let key = read(source.clone(), environ.clone(), "seal_key").await?;
        Ok(fingerprint_of(&key).as_ref() == Some(team))
    };
    // A machine that has the new one already replaces it in the ledger.
    match &config.previous_seal_key {
        Some(previous) if matches(previous).await? => Ok(Some(true)),
        _ => matches(source).await.map(Some),
    }
}

/// The error of a machine with a key of its own.
#[must_use]
pub fn another_key() -> Problem {
    Problem::new(
        ProblemKind::Config,
        "this machine's seal key is not the one of the other machines that share the ledger",
        "callbacks cannot be received here; use the key that the other machines' configs name",
    )
}

/// Makes a key, or finds that of an attempt that failed. In a file, even where there is a keyring: the operator copies it
/// to the other machines.
fn made_key(files: &Vault, config: &Path) -> Result<SecretSource, Problem> {
    let saved = files.get(SEAL_KEY).and_then(|saved| match saved {
        Some((_, place)) => Ok(place),
        None => files.put(SEAL_KEY, &new_key()),
    });
    let place = saved.map_err(|error| unsaved(&error))?;
    vault_source(config, SEAL_KEY, &place)
}

async fn value(of: &SecretValue, environ: &Environ, what: &str) -> Result<Secret, Problem> {
    match of {
        SecretValue::New(secret) => Ok(secret.clone()),
        SecretValue::At(source) => read(source.clone(), environ.clone(), what).await,
    }
}
