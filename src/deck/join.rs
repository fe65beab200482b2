//! Makes this machine use the ledger that a team shares. The database and the key are checked before the config names
//! them.

use std::path::{Path, PathBuf};

use crate::clock::Clock;
use crate::config::edit::{self, Edit};
use crate::config::{Callbacks, Environ, SecretSource, Vault};
use crate::domain::{Problem, Secret};
use crate::ledger::{DatabaseReport, DatabaseSettings, KeyHash, Ledger, Retention};
use crate::providers::SPECS;

use super::ledger::{on_thread, read, settings, unusable};
use super::manage::{SecretValue, blocking, unsaved, vault_source};
use super::receiving::{fingerprint_of, new_key};

/// The beginnings of the vault's names. What distinguishes the content follows, so that no entry of another config is
/// replaced, and an attempt that was interrupted finds its own.
const URL: &str = "ledger.url";
const SEAL_KEY: &str = "ledger.seal_key";

const NO_KEY: &str = "the seal key is not 32 bytes in base64; `openssl rand -base64 32` makes one";

/// Where this machine's config and secrets are.
pub struct Machine {
    /// The config file, which need not exist yet.
    pub config: PathBuf,
    /// Where tilldeck saves secrets.
    pub vault: Vault,
}

/// A database that can be used as the team's ledger.
pub struct TeamLedger {
    settings: DatabaseSettings,
    url: SecretValue,
    environ: Environ,
    machine: Machine,
    /// The fingerprint of the key that seals its callbacks.
    seal_key: Option<String>,
    /// Its hosts and name, without user and password.
    pub place: String,
    /// Whether its tables are new.
    pub is_new: bool,
}

/// The key by which this machine seals callbacks once it has joined.
pub struct JoinKey {
    fingerprint: String,
    origin: KeyOrigin,
}

enum KeyOrigin {
    Given(SecretValue),
    /// The config names it already.
    Configured,
    /// This machine makes it; `None` where an earlier attempt saved it.
    Made(Option<Secret>),
}

/// What joining has changed.
pub struct Joined {
    /// The schema with the tables.
    pub schema: String,
    /// The file of a key that this machine made; the other machines need it.
    pub new_key: Option<String>,
}

impl TeamLedger {
    /// Looks at the database, and creates the tables if there are none.
    ///
    /// # Errors
    /// If the config file cannot be edited, the URL cannot be read, or the database cannot be the ledger of this tilldeck.
    pub async fn open(
        url: SecretValue,
        machine: Machine,
        environ: &Environ,
    ) -> Result<Self, Problem> {
        let path = machine.config.clone();
        // Before anything else changes.
        let config = blocking(move || {
            let config = edit::current(&path, &SPECS)?;
            let anywhere = || SecretSource::Keyring { name: URL.into() };
            let edit = Edit::Share {
                url: anywhere(),
                seal_key: config.callbacks.seal_key.is_none().then(anywhere),
            };
            edit::rehearse(&path, &edit, &SPECS)?;
            Ok(config)
        })
        .await?;
        let secret = value(&url, environ, "the URL of the ledger").await?;
        let settings = settings(secret, &config.ledger, environ);
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
                machine,
                is_new,
                seal_key: report.seal_key,
                place: report.place,
            }),
        }
    }

    /// Whether the operator must give the key of the other machines: this one has not made it.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn needs_key(&self) -> Result<bool, Problem> {
        let Some(fingerprint) = &self.seal_key else {
            return Ok(false);
        };
        let files = self.machine.vault.without_keyring();
        let made = files.get(&name(SEAL_KEY, fingerprint));
        Ok(made.map_err(|error| unsaved(&error))?.is_none())
    }

    /// Reads the key and changes nothing. `given` is the key that the operator gives, `configured` one that the config
    /// names already; without both, this machine makes one.
    ///
    /// # Errors
    /// If it cannot be read, or is no key.
    pub async fn key(
        &self,
        given: Option<SecretValue>,
        configured: Option<&SecretSource>,
    ) -> Result<JoinKey, Problem> {
        let environ = &self.environ;
        let (origin, key) = match (given, configured, &self.seal_key) {
            (Some(given), ..) => {
                let key = value(&given, environ, "seal_key").await?;
                (KeyOrigin::Given(given), key)
            }
            (None, Some(source), _) => {
                let key = read(source.clone(), environ.clone(), "seal_key").await?;
                (KeyOrigin::Configured, key)
            }
            (None, None, None) => {
                let key = new_key();
                (KeyOrigin::Made(Some(key.clone())), key)
            }
            // `join` finds the key by its name.
            (None, None, Some(fingerprint)) => {
                return Ok(JoinKey {
                    fingerprint: fingerprint.clone(),
                    origin: KeyOrigin::Made(None),
                });
            }
        };
        Ok(JoinKey {
            fingerprint: fingerprint_of(&key).ok_or_else(|| unusable(NO_KEY))?,
            origin,
        })
    }

    /// Saves in the config file that this machine uses it.
    ///
    /// # Errors
    /// If the key is not the team's, or the config or a secret cannot be saved; then the config is unchanged.
    pub async fn join(self, key: JoinKey) -> Result<Joined, Problem> {
        let JoinKey {
            fingerprint,
            origin,
        } = key;
        let (seal_key, new_key) = match origin {
            KeyOrigin::Given(key) => (Some(key), None),
            KeyOrigin::Configured => (None, None),
            KeyOrigin::Made(new) => {
                // In a file, even where there is a keyring: the operator copies it to the other machines. Before the
                // database knows its fingerprint.
                let files = self.machine.vault.without_keyring();
                let (entry, path) = (name(SEAL_KEY, &fingerprint), self.machine.config.clone());
                let made = blocking(move || made_key(&files, &entry, new.as_ref(), &path)).await?;
                let file = match &made {
                    SecretSource::File { written, .. } => Some(written.clone()),
                    _ => None,
                };
                (Some(SecretValue::At(made)), file)
            }
        };
        self.agree(fingerprint.clone()).await?;
        let Machine { config, vault } = self.machine;
        let of_url = KeyHash::of("ledger.url", self.settings.url.expose());
        let url = self.url;
        blocking(move || {
            let save = |value, name: String| match value {
                SecretValue::At(source) => Ok(source),
                SecretValue::New(secret) => {
                    let place = vault.put(&name, &secret).map_err(|error| unsaved(&error))?;
                    vault_source(&config, &name, &place)
                }
            };
            let seal_key = seal_key.map(|key| save(key, name(SEAL_KEY, &fingerprint)));
            let edit = Edit::Share {
                url: save(url, name(URL, &of_url.as_str()[..16]))?,
                seal_key: seal_key.transpose()?,
            };
            Ok(edit::apply(&config, &edit, &SPECS)?)
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
        let agreed = ledger.agree_on_seal_key(Some(fingerprint), None).await;
        ledger.close().await;
        match agreed {
            Ok(true) => Ok(()),
            Ok(false) => Err(another_key()),
            Err(error) => Err(unusable(error)),
        }
    }
}

fn name(of: &str, fingerprint: &str) -> String {
    format!("{of}-{fingerprint}")
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
pub fn another_key() -> Problem {
    Problem::config(
        "this machine's seal key is not the one of the other machines that share the ledger",
        "callbacks cannot be received here; use the key that the other machines' configs name",
    )
}

/// Saves a new key; without one, finds the key that an earlier attempt saved.
fn made_key(
    files: &Vault,
    name: &str,
    new: Option<&Secret>,
    config: &Path,
) -> Result<SecretSource, Problem> {
    let place = match new {
        Some(key) => files.put(name, key).map(Some),
        None => files.get(name).map(|saved| saved.map(|(_, place)| place)),
    };
    let place = place.map_err(|error| unsaved(&error))?;
    vault_source(config, name, &place.ok_or_else(another_key)?)
}

async fn value(of: &SecretValue, environ: &Environ, what: &str) -> Result<Secret, Problem> {
    match of {
        SecretValue::New(secret) => Ok(secret.clone()),
        SecretValue::At(source) => read(source.clone(), environ.clone(), what).await,
    }
}
