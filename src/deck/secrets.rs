//! Reading an account's secrets: at first use, and taught to the redactor before anything else.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::config::{AccountConfig, Config, Environ, SecretSource};
use crate::domain::{AccountId, Problem, Secret};
use crate::net::redact;
use crate::providers::{Manifest, ReadSecret};

/// Secrets that override the config and the simulator for this run, by account and key.
#[derive(Clone, Default)]
pub(super) struct SecretOverrides(Arc<RwLock<BTreeMap<(AccountId, String), Secret>>>);

impl SecretOverrides {
    pub(super) fn insert(&self, account: &AccountId, key: &str, secret: Secret) {
        let mut held = self.0.write();
        held.insert((account.clone(), key.to_owned()), secret);
    }

    /// Removes one of an account's secrets, or all.
    pub(super) fn drop(&self, account: &AccountId, key: Option<&str>) {
        let mut held = self.0.write();
        held.retain(|(of, name), _| of != account || key.is_some_and(|key| name != key));
    }

    #[cfg(test)]
    pub(super) fn has(&self, account: &AccountId) -> bool {
        let held = self.0.read();
        held.keys().any(|(of, _)| of == account)
    }

    /// Those of these accounts.
    pub(super) fn of(&self, accounts: &[AccountId]) -> Self {
        let held = self.0.read();
        let mut secrets = held.clone();
        secrets.retain(|(of, _), _| accounts.contains(of));
        Self(Arc::new(RwLock::new(secrets)))
    }

    /// Reads an overridden secret, or the others by `then`.
    pub(super) fn before(&self, account: &AccountId, then: ReadSecret) -> ReadSecret {
        let (held, account) = (self.0.clone(), account.clone());
        Arc::new(move |key| {
            let held = held.read();
            match held.get(&(account.clone(), key.to_owned())) {
                // Looked up at each read: a rotation must count without a restart.
                None => then(key),
                Some(secret) => {
                    let secret = secret.clone();
                    redact::learn(&secret, key);
                    Box::pin(async move { Ok(secret) })
                }
            }
        })
    }
}

/// Teaches the redactor the secrets that can be read at once, used or not: a provider may echo any of them in its first
/// answer. Slow ones are taught when they are read. Blocks.
pub fn learn_fast(accounts: &[AccountConfig], environ: &Environ) {
    let secrets = accounts.iter().flat_map(|account| &account.secrets);
    for (key, source) in secrets.filter(|(_, source)| source.is_cheap()) {
        // The call that needs the secret reports the error.
        if let Ok(resolved) = source.resolve(environ) {
            redact::learn(&resolved.secret, key);
        }
    }
}

/// Teaches the redactor every secret of the config, those of a password manager and the keyring, too; of each that
/// cannot be read, says why. Blocks as long as the slowest source.
pub fn learn_all(config: &Config, environ: &Environ) -> Vec<Problem> {
    let mut sources: Vec<(Option<&AccountId>, &'static str, &SecretSource)> = Vec::new();
    let accounts = config.profiles.iter().flat_map(|profile| &profile.accounts);
    for account in accounts {
        let secrets = account.secrets.iter();
        sources.extend(secrets.map(|(key, source)| (Some(&account.id), *key, source)));
    }
    sources.extend(
        config
            .shared_secrets()
            .map(|(key, source)| (None, key, source)),
    );
    let learned = |(account, key, source): (Option<&AccountId>, &'static str, &SecretSource)| {
        let error = match source.resolve(environ) {
            Ok(resolved) => {
                redact::learn(&resolved.secret, key);
                return None;
            }
            Err(error) => error,
        };
        let whose = account.map_or(String::new(), |account| format!("account {account}: "));
        let words = format!(
            "{whose}tilldeck cannot read {key}: {}",
            error.words(redact::body)
        );
        Some(Problem::config(words, ""))
    };
    let (cheap, slow): (Vec<_>, Vec<_>) = sources.into_iter().partition(|it| it.2.is_cheap());
    std::thread::scope(|scope| {
        let slow = slow
            .into_iter()
            .map(|source| scope.spawn(move || learned(source)));
        // All are started first: each may take seconds.
        let slow: Vec<_> = slow.collect();
        let cheap = cheap.into_iter().filter_map(learned);
        cheap
            .chain(slow.into_iter().filter_map(|thread| thread.join().ok()?))
            .collect()
    })
}

pub(super) fn embedded(manifest: &Manifest, key: &str) -> Option<&'static str> {
    manifest
        .embedded
        .iter()
        .find(|(name, _)| *name == key)
        .map(|(_, value)| *value)
}

pub(super) fn embedded_secret(manifest: &'static Manifest) -> ReadSecret {
    Arc::new(move |key| {
        Box::pin(async move {
            let secret = Secret::new(embedded(manifest, key).unwrap_or_default());
            redact::learn(&secret, key);
            Ok(secret)
        })
    })
}

pub(super) fn configured_secret(config: &AccountConfig, environ: Environ) -> ReadSecret {
    let sources = config.secrets.clone();
    let account = config.id.clone();
    Arc::new(move |key| {
        let (source, environ, account) =
            (sources.get(key).cloned(), environ.clone(), account.clone());
        Box::pin(async move {
            let unreadable = |message: String, hint: String| {
                Problem::config(format!("account {account}: {message}"), hint)
            };
            let Some(source) = source else {
                return Err(unreadable(
                    format!("{key} is not set"),
                    format!("set {key} of account {account} in the config"),
                ));
            };
            // A password manager or the keyring may take seconds, and blocks.
            let resolved = tokio::task::spawn_blocking(move || source.resolve(&environ)).await;
            match resolved {
                Ok(Ok(resolved)) => {
                    redact::learn(&resolved.secret, key);
                    Ok(resolved.secret)
                }
                Ok(Err(error)) => Err(unreadable(
                    format!("tilldeck cannot read {key}: {}", error.words(redact::body)),
                    String::new(),
                )),
                Err(_) => Err(unreadable(
                    format!("{key} cannot be read: an internal error stopped reading it"),
                    String::new(),
                )),
            }
        })
    })
}
