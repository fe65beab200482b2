//! Saves verified changes: the vault, the config file and the running accounts change together, or not at all.

use std::path::{Path, PathBuf};

use super::super::runtime::{AccountFactory, AccountRegistry};
use super::name;
use super::verified::{Addition, Rotation};
use crate::config::edit::{self, Edit, NewSource};
use crate::config::{AccountConfig, Config, SecretSource, VaultError, VaultPlace};
use crate::domain::manage::Changed;
use crate::domain::{Account, AccountId, Problem};
use crate::providers::{self, SPECS};

/// What saving a change needs. Blocks: it writes files, and the keyring may take seconds.
pub(super) struct AccountAdmin {
    pub(super) profile: String,
    pub(super) config: PathBuf,
    pub(super) factory: AccountFactory,
    pub(super) registry: AccountRegistry,
}

impl AccountAdmin {
    pub(super) fn save_addition(&self, addition: Addition) -> Result<Changed, Problem> {
        let Addition {
            mut entry,
            secrets,
            unverified,
        } = addition;
        let mut saved: Vec<String> = Vec::new();
        let mut saved_in: Vec<(String, String)> = Vec::new();
        let mut added = || {
            for (key, source) in &mut entry.secrets {
                let new = secrets.iter().find(|(new, _)| new == key);
                let place = if let Some((_, secret)) = new {
                    let name = self.free_name(&entry.account, key, None)?;
                    let place = self.factory.vault.put(&name, secret);
                    let place = place.map_err(|error| unsaved(&error))?;
                    saved.push(name.clone());
                    *source = vault_source(&self.config, &name, &place)?;
                    place_in_words(&place)
                } else {
                    source.describe()
                };
                saved_in.push((key.clone(), place));
            }
            self.edited(&Edit::Add(entry.clone()))
        };
        let config = added().inspect_err(|_| {
            // A leftover entry does no harm: nothing refers to it, and the next secret of this account gets another name.
            for name in &saved {
                let _ = self.factory.vault.forget(name);
            }
        })?;
        let account = self.register(&config, &entry.account)?;
        let provable = providers::by_name(&entry.provider).map_or(&[][..], |m| m.proves);
        let accepted = provable.iter().filter(|key| {
            unverified.is_none() && entry.secrets.iter().any(|(known, _)| known == *key)
        });
        Ok(Changed::Added {
            account,
            saved_in,
            proved: accepted.map(ToString::to_string).collect(),
            unverified,
        })
    }

    pub(super) fn save_rotation(&self, rotation: &Rotation) -> Result<Changed, Problem> {
        let (account, key) = (&rotation.account, rotation.key);
        let overrides = &self.factory.secret_overrides;
        let config = edit::current(&self.config, &SPECS)?;
        let there = || rotation.source.resolve(&self.factory.environ);
        let (config, saved_in, todo) = if let Some(name) = &rotation.saved_as {
            let (config, place, left) = self.save_in_vault(config, rotation, name)?;
            overrides.drop(account, Some(key));
            (config, Some(place_in_words(&place)), left)
        } else if there().is_ok_and(|there| there.secret == rotation.secret) {
            overrides.drop(account, Some(key));
            (config, None, String::new())
        } else {
            overrides.insert(account, key, rotation.secret.clone());
            (config, None, by_hand(&rotation.source))
        };
        Ok(Changed::Rotated {
            account: self.register(&config, account)?,
            verified: rotation.verified,
            saved_in,
            todo,
        })
    }

    /// Replaces a secret in its place, or saves the new one under another name, points the config to it, and only then
    /// deletes the old one. Returns a message if the old one could not be deleted.
    fn save_in_vault(
        &self,
        config: Config,
        rotation: &Rotation,
        name: &str,
    ) -> Result<(Config, VaultPlace, String), Problem> {
        let (account, key, secret) = (&rotation.account, rotation.key, &rotation.secret);
        let vault = &self.factory.vault;
        let old = match &rotation.source {
            SecretSource::File { written, base } => VaultPlace::File(base.join(written)),
            _ => VaultPlace::Keyring,
        };
        if vault
            .replace(name, secret, &old)
            .map_err(|error| unsaved(&error))?
        {
            return Ok((config, old, String::new()));
        }
        let fresh = self.free_name(account, key, Some(name))?;
        let place = vault.put(&fresh, secret).map_err(|error| unsaved(&error))?;
        let named = vault_source(&self.config, &fresh, &place).and_then(|source| {
            self.edited(&Edit::SetSecret(NewSource {
                profile: self.profile.clone(),
                account: account.clone(),
                key: key.to_owned(),
                source,
            }))
        });
        let config = named.inspect_err(|_| {
            // A leftover entry does no harm, and the problem mentions it either way.
            let _ = vault.forget(&fresh);
        })?;
        let left = match vault.forget(name) {
            Ok(()) => String::new(),
            Err(error) => format!("the old secret is still stored: {error}"),
        };
        Ok((config, place, left))
    }

    pub(super) fn save_removal(&self, account: AccountId) -> Result<Changed, Problem> {
        let settings = self.find(&edit::current(&self.config, &SPECS)?, &account)?;
        let names: Vec<String> = settings
            .secrets
            .iter()
            .filter_map(|(key, source)| self.saved_as(&settings, key, source))
            .collect();
        self.edited(&self.removal(&account))?;
        // After the config file was written: if that fails, the account goes on as before.
        self.registry.remove(&account);
        self.factory.secret_overrides.drop(&account, None);
        let left: Vec<String> = names
            .iter()
            .filter_map(|name| self.factory.vault.forget(name).err())
            .map(|error| format!("its secret is still stored: {error}"))
            .collect();
        Ok(Changed::Removed {
            account,
            left: left.join("; "),
        })
    }

    pub(super) fn removal(&self, account: &AccountId) -> Edit {
        Edit::Remove {
            profile: self.profile.clone(),
            account: account.clone(),
        }
    }

    fn edited(&self, edit: &Edit) -> Result<Config, Problem> {
        Ok(edit::apply(&self.config, edit, &SPECS)?)
    }

    /// The settings of one of the profile's accounts.
    pub(super) fn find(
        &self,
        config: &Config,
        account: &AccountId,
    ) -> Result<AccountConfig, Problem> {
        let profile = config.profile(Some(&self.profile)).ok();
        let mut accounts = profile.into_iter().flat_map(|profile| &profile.accounts);
        let found = accounts.find(|known| known.id == *account);
        found.cloned().ok_or_else(|| {
            let profile = &self.profile;
            Problem::config(
                format!("account {account} of profile {profile} is no longer in the config file"),
                "another program changed the file; check it, then try again",
            )
        })
    }

    /// Starts the account anew, as it is in the config now.
    fn register(&self, config: &Config, account: &AccountId) -> Result<Account, Problem> {
        let runtime = self.factory.configured(&self.find(config, account)?)?;
        let account = runtime.account.clone();
        self.registry.insert(runtime);
        Ok(account)
    }

    /// A free name in the vault: another config file, or an account that was removed by hand, may have left an entry
    /// under the usual one.
    ///
    /// Never returns one of `taken`, even if the vault cannot be read at the moment.
    fn free_name(
        &self,
        account: &AccountId,
        key: &str,
        taken: Option<&str>,
    ) -> Result<String, Problem> {
        let usual = name(&self.profile, account, key);
        // Bounded: a vault that reports every name as taken must not hang the command.
        let others = (2..100).map(|count| format!("{usual}-{count}"));
        let names = std::iter::once(usual.clone()).chain(others);
        for name in names.filter(|name| Some(name.as_str()) != taken) {
            let there = self.factory.vault.get(&name);
            if there.map_err(|error| unsaved(&error))?.is_none() {
                return Ok(name);
            }
        }
        Err(Problem::local(
            format!("a hundred secrets with names like {usual} are stored already"),
            "delete the unused ones",
        ))
    }

    /// The vault's name of a secret that tilldeck stores itself; `None` where the operator stores it elsewhere.
    pub(super) fn saved_as(
        &self,
        config: &AccountConfig,
        key: &str,
        source: &SecretSource,
    ) -> Option<String> {
        let named = match source {
            SecretSource::Keyring { name } => name.as_str(),
            SecretSource::File { written, base } => {
                let path = base.join(written);
                if !self.factory.vault.holds(&path) {
                    return None;
                }
                Path::new(written).file_name()?.to_str()?
            }
            SecretSource::Env { .. } | SecretSource::Command { .. } => return None,
        };
        let usual = name(&self.profile, &config.id, key);
        let rest = named.strip_prefix(usual.as_str())?;
        let ours = rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|count| count.bytes().all(|b| b.is_ascii_digit()));
        ours.then(|| named.to_owned())
    }
}

/// A secret in the vault, as the config file names it.
pub(in crate::deck) fn vault_source(
    config: &Path,
    name: &str,
    place: &VaultPlace,
) -> Result<SecretSource, Problem> {
    match place {
        VaultPlace::Keyring => Ok(SecretSource::Keyring { name: name.into() }),
        VaultPlace::File(path) => {
            // The config file may be read from another working folder.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let written = path.to_str().ok_or_else(|| {
                Problem::local(
                    "the state folder's path is not UTF-8, so the config file cannot name it",
                    "choose another folder with --state-dir",
                )
            })?;
            Ok(SecretSource::File {
                written: written.to_owned(),
                base: config.parent().map(PathBuf::from).unwrap_or_default(),
            })
        }
    }
}

pub(in crate::deck) fn unsaved(error: &VaultError) -> Problem {
    Problem::local(
        format!("tilldeck cannot save the secret: {error}"),
        "check the state folder's permissions and the free disk space",
    )
}

fn place_in_words(place: &VaultPlace) -> String {
    match place {
        VaultPlace::Keyring => "the keyring".into(),
        VaultPlace::File(path) => format!("tilldeck's file {}", path.display()),
    }
}

/// What the operator must do where tilldeck cannot replace the secret.
fn by_hand(source: &SecretSource) -> String {
    let shown = source.describe();
    match source {
        SecretSource::Env { .. } => format!("set {shown} to the new secret where you set it"),
        SecretSource::File { .. } => format!("write the new secret to {shown}"),
        SecretSource::Command { .. } => format!("store the new secret where {shown} reads it"),
        SecretSource::Keyring { .. } => {
            format!("store the new secret in {shown}, service tilldeck")
        }
    }
}
