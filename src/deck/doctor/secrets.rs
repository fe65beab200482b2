//! Whether every secret can be read from its source. None is shown.

use std::collections::BTreeMap;
use std::iter;

use super::{Finding, Findings, Health, shown};
use crate::config::{AccountConfig, Config, Environ, Profile, SecretSource, Vault, VaultError};
use crate::deck::receiving::fingerprint_of;
use crate::deck::runtime::source_in_words;
use crate::domain::{Problem, filled};
use crate::net::redact;

/// What reads secrets.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) environ: Environ,
    pub(super) vault: Vault,
}

/// One check for each account, one for the secrets of the whole config, and one for the store of saved secrets.
pub(super) fn checks(config: &Config, profile: &Profile, reader: &Reader) -> Vec<Findings> {
    if profile.built_in {
        let none = Finding::good("the simulator needs none");
        return vec![Box::pin(async { vec![none] })];
    }
    let mut checks: Vec<Findings> = Vec::new();
    for account in &profile.accounts {
        let (account, reader) = (account.clone(), reader.clone());
        checks.push(blocking(move || of_account(&account, &reader)));
    }
    let shared = config.shared_secrets();
    let shared: BTreeMap<&'static str, SecretSource> =
        filled(shared.map(|(key, source)| (key, source.clone())));
    if !shared.is_empty() {
        let reader = reader.clone();
        checks.push(blocking(move || read(&shared, &reader)));
    }
    let reader = reader.clone();
    checks.push(blocking(move || store(&reader.vault)));
    checks
}

/// A password manager or the keyring may take seconds.
fn blocking(work: impl FnOnce() -> Vec<Finding> + Send + 'static) -> Findings {
    Box::pin(async { tokio::task::spawn_blocking(work).await.unwrap_or_default() })
}

fn of_account(account: &AccountConfig, reader: &Reader) -> Vec<Finding> {
    let found = read(&account.secrets, reader).into_iter();
    found.map(|finding| finding.account(&account.id)).collect()
}

/// Reads secrets: one line for those that can be read, and one for each that cannot or has a warning.
fn read(secrets: &BTreeMap<&'static str, SecretSource>, reader: &Reader) -> Vec<Finding> {
    let problem = |words: String| Problem::config(words, "");
    let mut readable = Vec::new();
    let mut found = Vec::new();
    for (key, source) in secrets {
        match source.resolve(&reader.environ) {
            Ok(resolved) => {
                redact::learn(&resolved.secret, key);
                if key.contains("seal_key") && fingerprint_of(&resolved.secret).is_none() {
                    let words = format!("{key} is not 32 bytes in base64");
                    found.push(Finding::bad(words).hint("`openssl rand -base64 32` makes one"));
                    continue;
                }
                readable.push(format!(
                    "{key} from {}",
                    source_in_words(source, &reader.vault)
                ));
                for warning in resolved.warnings {
                    let problem = problem(format!("{key}: {warning}"));
                    found.push(Finding::of(Health::Warning, &problem));
                }
            }
            Err(error) => {
                let why = error.words(redact::body);
                let problem = problem(format!("tilldeck cannot read {key}: {why}"));
                found.push(Finding::of(Health::Bad, &problem));
            }
        }
    }
    if !readable.is_empty() {
        let words = format!("readable: {}", readable.join(", "));
        found.insert(0, Finding::good(words));
    }
    found
}

/// Where new secrets and tokens are saved.
fn store(vault: &Vault) -> Vec<Finding> {
    let unusable = |error: VaultError| {
        let problem = Problem::local(error.to_string(), "");
        Finding::of(Health::Bad, &problem)
    };
    // Only a request shows whether the keyring works. There is no such entry.
    if let Err(error) = vault.get("doctor") {
        return vec![unusable(error)];
    }
    let place = Finding::good(match vault.note() {
        Some(why) => format!(
            "tilldeck saves secrets and tokens in files in {}: {why}",
            shown(vault.folder())
        ),
        None => "tilldeck saves secrets and tokens in the system's keyring".to_owned(),
    });
    let files = vault.unreadable().into_iter().map(unusable);
    iter::once(place).chain(files).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, Environment, Secret};

    #[test]
    fn each_secret_is_read_and_named_by_its_source_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "planted-in-a-file").unwrap();
        let reader = Reader {
            environ: Environ::of([("SHOP_SECRET", "planted-in-a-variable")]),
            vault: Vault::files(folder.path().join("vault")),
        };
        let env = |name: &str| SecretSource::Env { name: name.into() };
        let file = SecretSource::File {
            written: "key".into(),
            base: folder.path().into(),
        };
        let account = AccountConfig {
            id: AccountId::new("shop").unwrap(),
            alike: AccountId::new("shop").unwrap(),
            provider: "kanga",
            environment: Environment::Production,
            texts: BTreeMap::new(),
            secrets: BTreeMap::from([
                ("api_secret", env("SHOP_SECRET")),
                ("other", env("UNSET")),
                ("third", file),
            ]),
            endpoints: BTreeMap::new(),
            budget: None,
            timeout: None,
        };
        let found = of_account(&account, &reader);
        let lines: Vec<String> = found.iter().map(Finding::line).collect();
        assert_eq!(
            lines,
            [
                "shop: readable: api_secret from env SHOP_SECRET, third from file key",
                "shop: tilldeck cannot read other: the environment variable UNSET is not set or empty",
                "shop: third: file key can be read by other users",
            ]
        );
        let hints: Vec<&str> = found.iter().map(|it| it.hint.as_str()).collect();
        assert_eq!(
            hints,
            ["", "set it before starting tilldeck", "run chmod 600 on it"]
        );
        let health: Vec<Health> = found.iter().map(|it| it.health).collect();
        assert_eq!(health, [Health::Good, Health::Bad, Health::Warning]);
    }

    #[test]
    fn a_seal_key_of_another_length_is_bad() {
        let reader = Reader {
            environ: Environ::of([("SEAL", "cGxhbnRlZA==")]),
            vault: Vault::files("/nowhere".into()),
        };
        let source = SecretSource::Env {
            name: "SEAL".into(),
        };
        let keys = BTreeMap::from([("`seal_key` in [callbacks]", source)]);
        let found = read(&keys, &reader);
        assert_eq!(
            found[0].message,
            "`seal_key` in [callbacks] is not 32 bytes in base64"
        );
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn saved_secrets_are_in_files_where_there_is_no_keyring_and_unreadable_ones_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let environ = Environ::of([("TILLDECK_KEYRING", "off")]);
        let vault = Vault::system(folder.path().join("vault"), &environ);
        let found = store(&vault);
        assert!(found[0].message.contains("in files in "), "{found:?}");
        assert_eq!((found.len(), found[0].health), (1, Health::Good));
        vault.put("valid", &Secret::new("planted")).unwrap();
        std::os::unix::fs::symlink("valid", vault.folder().join("link")).unwrap();
        let found = store(&vault);
        assert!(
            found[1].message.contains("/link is a symbolic link"),
            "{found:?}"
        );
        assert_eq!((found.len(), found[1].health), (2, Health::Bad));
    }
}
