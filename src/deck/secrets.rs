//! How an account's secrets are read: at first use, and taught to the redactor before anything else.

use std::sync::Arc;

use crate::config::{AccountConfig, Environ};
use crate::domain::{Problem, ProblemKind, Secret};
use crate::net::redact;
use crate::providers::{Manifest, ReadSecret};

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
            let told = |message: String, hint: String| {
                Problem::new(
                    ProblemKind::Config,
                    format!("account {account}: {message}"),
                    hint,
                )
            };
            let Some(source) = source else {
                return Err(told(
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
                Ok(Err(error)) => Err(told(
                    format!("{key} cannot be read: {error}"),
                    String::new(),
                )),
                Err(_) => Err(told(
                    format!("{key} cannot be read: reading it crashed"),
                    String::new(),
                )),
            }
        })
    })
}
