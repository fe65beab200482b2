//! Adding accounts, replacing their secrets and removing accounts: verified first, then saved. Console and command line
//! share this one implementation.

mod admin;
mod profile;
mod verified;

use super::Deck;
use super::runtime::AccountFactory;
use super::secrets::SecretOverrides;
use crate::config::edit::{self, Edit, Entry};
use crate::config::{ConfigError, SecretSource};
use crate::domain::manage::{
    Change, Changed, NewAccount, NewSecret, Proof, ProviderSetup, leaves_open, unprovable,
    unprovable_account,
};
use crate::domain::{AccountId, CredentialStatus, Environment, Problem, ProblemKind};
use crate::net::{Event, RequestOptions, redact};
use crate::providers::{self, Manifest, REGISTRY, SPECS};
use admin::AccountAdmin;
pub(super) use admin::{unsaved, vault_source};
pub use profile::profile_for;
use verified::{Addition, Pending, Rotation};
pub use verified::{SecretValue, Verified};

/// The simulator's event that gives a client a new secret.
const RESET: &str = "reset-secret";

/// The providers that accounts can be added for.
pub fn setups() -> Vec<ProviderSetup> {
    REGISTRY.iter().map(|manifest| setup(manifest)).collect()
}

fn setup(manifest: &Manifest) -> ProviderSetup {
    ProviderSetup {
        provider: manifest.id,
        title: manifest.title,
        environments: manifest.spec.environments,
        fields: manifest.spec.keys,
        proves: manifest.proves,
        endpoints: manifest.spec.endpoints,
        guide: manifest.guide,
        simulates_rotation: (manifest.simulator)()
            .events()
            .iter()
            .any(|event| event.name == RESET),
    }
}

impl Deck {
    /// Verifies a change of this profile's accounts with the new secrets. Saves nothing.
    ///
    /// # Errors
    /// If the change cannot be made, the provider rejects the secrets, or the provider cannot be reached and must be.
    pub async fn prove(
        &self,
        change: Change,
        options: RequestOptions,
    ) -> Result<Verified, Problem> {
        match change {
            Change::Add(new) => self.prove_addition(*new, Vec::new(), options).await,
            Change::Rotate(new) => self.prove_rotation(new, options).await,
            Change::Remove(account) => {
                self.only_own(&format!(
                    "account {account} belongs to the built-in simulator and cannot be removed"
                ))?;
                self.runtime(&account)?;
                let removed = account.clone();
                self.administer(move |admin| {
                    edit::rehearse(&admin.config, &admin.removal(&removed), &SPECS)?;
                    Ok(())
                })
                .await?;
                Ok(Verified(Pending::Remove(account)))
            }
        }
    }

    /// As [`Deck::prove`] for a new account with some secrets that stay where they are (`sources`).
    ///
    /// # Errors
    /// As [`Deck::prove`].
    pub async fn prove_addition(
        &self,
        new: NewAccount,
        sources: Vec<(&'static str, SecretSource)>,
        options: RequestOptions,
    ) -> Result<Verified, Problem> {
        self.only_own("the built-in profile sandbox accepts no other accounts")?;
        let secret_overrides = SecretOverrides::default();
        let elsewhere: Vec<&'static str> = sources.iter().map(|(key, _)| *key).collect();
        let mut secrets = sources;
        for (key, secret) in &new.secrets {
            redact::learn(secret, key);
            secret_overrides.insert(&new.name, key, secret.clone());
            // A placeholder until the secret is saved and its place is known.
            let name = name(&self.profile, &new.name, key);
            secrets.push((key, SecretSource::Keyring { name }));
        }
        let order = providers::by_name(new.provider.0).map_or(&[][..], |m| m.spec.keys);
        // The config file gets them in the provider's order, not in that of typing.
        secrets.sort_by_key(|(key, _)| order.iter().position(|spec| spec.name == *key));
        let entry = Entry {
            profile: self.profile.clone(),
            account: new.name,
            provider: new.provider.0.to_owned(),
            environment: new.environment,
            texts: owned(new.texts),
            secrets: owned(secrets),
            endpoints: new.endpoints.into_iter().collect(),
        };
        let (rehearsed, held) = (entry.clone(), secret_overrides.clone());
        let config = self.administer(move |admin| {
            let sound = rehearsed.check(&SPECS);
            sound.map_err(|error| wrongly_given(&error))?;
            let account = rehearsed.account.clone();
            let after = edit::rehearse(&admin.config, &Edit::Add(rehearsed), &SPECS)?;
            let config = admin.find(&after, &account)?;
            // As the config names them, so that a source without a secret is not saved as one.
            for key in elsewhere {
                let Some(source) = config.secrets.get(key) else {
                    continue;
                };
                let read = source.resolve(&admin.factory.environ);
                let read = read.map_err(|error| {
                    let why = error.words(redact::body);
                    let message = format!("account {account}: tilldeck cannot read {key}: {why}");
                    Problem::config(message, "nothing was saved")
                })?;
                redact::learn(&read.secret, key);
                held.insert(&account, key, read.secret);
            }
            Ok(config)
        });
        let config = config.await?;
        let runtime = self.factory_with(secret_overrides).configured(&config)?;
        let proves = runtime.manifest.proves;
        let provable = proves.iter().any(|key| config.secrets.contains_key(key));
        // Before anything is written: a wrong secret must not reach the config file or the vault.
        let tried = match new.proof {
            Proof::Waived => Err(Problem::new(
                ProblemKind::Unreachable,
                "it was not verified, as requested",
                "",
            )),
            // Beyond a granted token, a call checks the other secrets too.
            _ if provable => runtime.verify(options).await,
            _ => Err(unprovable_account(&runtime.account, proves)),
        };
        let may_be_open = new.proof != Proof::Needed;
        let unverified = match tried {
            Ok(()) => None,
            Err(problem) if may_be_open && (!provable || leaves_open(&problem)) => Some(problem),
            Err(problem) => return Err(not_saved(problem)),
        };
        Ok(Verified(Pending::Add(Addition {
            entry,
            secrets: new.secrets,
            unverified,
        })))
    }

    async fn prove_rotation(
        &self,
        new: NewSecret,
        options: RequestOptions,
    ) -> Result<Verified, Problem> {
        let NewSecret {
            account,
            key,
            secret,
            unverified,
        } = new;
        let runtime = self.runtime(&account)?;
        let spec = runtime.manifest.spec.keys.iter();
        let names: Vec<_> = spec
            .filter(|spec| spec.is_secret())
            .map(|spec| spec.name)
            .collect();
        let known = names.iter().copied().find(|name| *name == key);
        let key = known.ok_or_else(|| no_secret(&account, &key, &names))?;
        let provable = runtime.manifest.proves.contains(&key);
        redact::learn(&secret, key);
        let secret_overrides = SecretOverrides::default();
        secret_overrides.insert(&account, key, secret.clone());
        let factory = self.factory_with(secret_overrides);
        let (trial, pending) = if runtime.account.environment == Environment::Embedded {
            let events = (runtime.manifest.simulator)().events();
            if !(provable && events.iter().any(|event| event.name == RESET)) {
                return Err(Problem::usage(
                    format!("account {account}: the built-in simulator has a fixed secret"),
                    "only accounts of the config file can get a new one",
                ));
            }
            let account = account.clone();
            (
                factory.embedded(runtime.manifest, &self.simulated()?),
                Pending::Simulated {
                    account,
                    key,
                    secret,
                },
            )
        } else {
            if !provable && !unverified {
                return Err(unprovable(&runtime.account, key));
            }
            let of = account.clone();
            let current = self.administer(move |admin| {
                let config = admin.find(&edit::current(&admin.config, &SPECS)?, &of)?;
                let source = config.secrets.get(key).cloned();
                let source = source.ok_or_else(|| {
                    let known: Vec<_> = config.secrets.keys().copied().collect();
                    no_secret(&of, key, &known)
                })?;
                let saved_as = admin.saved_as(&config, key, &source);
                let rotation = Rotation {
                    account: of,
                    key,
                    secret,
                    verified: provable,
                    source,
                    saved_as,
                };
                Ok((config, rotation))
            });
            let (config, rotation) = current.await?;
            (factory.configured(&config)?, Pending::Rotate(rotation))
        };
        if !provable {
            return Ok(Verified(pending));
        }
        let tried = match &trial.tokens {
            // A granted token is enough to verify a new secret.
            Some(tokens) => {
                let granted = tokens.fetch_new(options).await;
                granted.map(drop).map_err(|error| error.problem(&account))
            }
            None => trial.verify(options).await,
        };
        match tried {
            Ok(()) => Ok(Verified(pending)),
            Err(problem) => {
                let hint = match problem.kind {
                    ProblemKind::Refused => {
                        "the old secret stays; check that the new one is complete".to_owned()
                    }
                    _ if problem.hint.is_empty() => {
                        "the old secret stays, since the new one could not be verified; try again"
                            .to_owned()
                    }
                    _ => format!("the old secret stays; {}", problem.hint),
                };
                Err(Problem::new(problem.kind, problem.message, hint))
            }
        }
    }

    /// Saves a verified change and applies it. A change that cannot be saved completely is undone.
    ///
    /// # Errors
    /// If it cannot be saved; nothing has changed then.
    pub async fn save(&self, proved: Verified) -> Result<Changed, Problem> {
        let superseded = proved.0.superseded();
        let superseded = superseded.and_then(|account| self.registry.find(account));
        let mut changed = match proved.0 {
            Pending::Simulated {
                account,
                key,
                secret,
            } => {
                self.factory.secret_overrides.insert(&account, key, secret);
                let runtime = self.runtime(&account)?;
                let runtime = self.factory.embedded(runtime.manifest, &self.simulated()?);
                let account = runtime.account.clone();
                self.registry.insert(runtime);
                Changed::Rotated {
                    account,
                    verified: true,
                    saved_in: None,
                    todo: "it is lost when the simulator ends".into(),
                }
            }
            Pending::Add(addition) => {
                self.administer(move |admin| admin.save_addition(addition))
                    .await?
            }
            Pending::Rotate(rotation) => {
                self.administer(move |admin| admin.save_rotation(&rotation))
                    .await?
            }
            Pending::Remove(account) => {
                self.administer(move |admin| admin.save_removal(account))
                    .await?
            }
        };
        let forgotten = match superseded.as_ref().and_then(|it| it.tokens.as_ref()) {
            Some(tokens) => tokens.retire().await,
            None => Ok(()),
        };
        match &mut changed {
            Changed::Removed { left, .. } => {
                if let Err(why) = forgotten {
                    let gap = if left.is_empty() { "" } else { "; " };
                    *left = format!("{left}{gap}its access token is still stored: {why}");
                }
            }
            Changed::Rotated { account, .. } => self.emit_token(&account.id),
            Changed::Added { .. } => {}
        }
        let (account, tried) = match &changed {
            Changed::Added {
                account,
                unverified,
                ..
            } => (account, unverified.as_ref().map_or(Ok(()), Err)),
            Changed::Rotated {
                account,
                verified: true,
                ..
            } => (account, Ok(())),
            Changed::Rotated { .. } | Changed::Removed { .. } => return Ok(changed),
        };
        // The simulator's credentials end with this process.
        if account.environment != Environment::Embedded {
            let status = CredentialStatus::after(tried, self.clock.now().wall);
            let remembered = self
                .ledger
                .remember_credentials(&self.profile, &account.id, &status);
            // The ledger's own status reports a failed write.
            let _ = remembered.await;
        }
        Ok(changed)
    }

    fn emit_token(&self, account: &AccountId) {
        if let Ok(runtime) = self.runtime(account)
            && let Some(tokens) = &runtime.tokens
        {
            let event = Event::Token(account.clone(), tokens.status());
            self.gate.emit(event);
        }
    }

    fn only_own(&self, otherwise: &str) -> Result<(), Problem> {
        if self.simulator.is_none() {
            return Ok(());
        }
        Err(Problem::usage(
            otherwise,
            "choose your own profile with --profile; `tilldeck account add` creates the first one",
        ))
    }

    /// The config file, which need not exist.
    pub(super) fn config_file(&self) -> Result<std::path::PathBuf, Problem> {
        self.config.clone().ok_or_else(|| {
            Problem::config(
                "this system has no folder for config files",
                "choose a file with --config",
            )
        })
    }

    /// Runs what reads or changes the config file and the vault, on a thread of its own.
    async fn administer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AccountAdmin) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let admin = AccountAdmin {
            profile: self.profile.clone(),
            config: self.config_file()?,
            factory: self.factory.clone(),
            registry: self.registry.clone(),
        };
        blocking(move || work(&admin)).await
    }

    fn simulated(&self) -> Result<reqwest::Url, Problem> {
        let base = self.simulator_url().and_then(|url| url.parse().ok());
        base.ok_or_else(|| Problem::usage("no simulator is running", ""))
    }

    /// Makes runtimes with the new secrets, for verification only: no other caller can find them.
    fn factory_with(&self, secret_overrides: SecretOverrides) -> AccountFactory {
        AccountFactory {
            secret_overrides,
            // A trial runs for one verification.
            renews: false,
            is_trial: true,
            ..self.factory.clone()
        }
    }
}

fn not_saved(problem: Problem) -> Problem {
    let hint = match problem.kind {
        ProblemKind::Refused => {
            "nothing was saved; check that key and secret are complete and belong to this environment"
                .to_owned()
        }
        _ if leaves_open(&problem) => "nothing was saved".to_owned(),
        _ if problem.hint.is_empty() => "nothing was saved".to_owned(),
        _ => format!("nothing was saved; {}", problem.hint),
    };
    Problem::new(problem.kind, problem.message, hint)
}

fn no_secret(account: &AccountId, key: &str, known: &[&str]) -> Problem {
    Problem::usage(
        format!(
            "account {account} has no secret {}",
            crate::domain::inert::quoted(key, 40)
        ),
        format!("its secrets are: {}", known.join(", ")),
    )
}

/// Rewords an error about a new account: it comes from the input and not from a file.
fn wrongly_given(error: &ConfigError) -> Problem {
    Problem::usage(
        format!("this account cannot be added: {}", error.message()),
        error.hint(),
    )
}

fn owned<T>(pairs: Vec<(&'static str, T)>) -> Vec<(String, T)> {
    let pairs = pairs.into_iter();
    pairs.map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        Err(Problem::local(
            "an internal error in tilldeck ended this change",
            "check the config file before you try again",
        ))
    })
}

fn name(profile: &str, account: &AccountId, key: &str) -> String {
    format!("{profile}.{account}.{key}")
}
