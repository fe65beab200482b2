//! Adding accounts, replacing their secrets and removing accounts: verified first, then saved. Console and command line
//! share this one implementation.

mod admin;
mod profile;
mod verified;

use super::Deck;
use super::runtime::{AccountFactory, AccountRuntime};
use super::secrets::SecretOverrides;
use crate::config::edit::{self, Edit, Entry};
use crate::config::{AccountConfig, Config, ConfigError, Environ, KeyKind, SecretSource};
use crate::domain::manage::{
    Change, Changed, NewAccount, NewSecret, Proof, ProviderSetup, SetupField, leaves_open,
    unprovable, unprovable_account,
};
use crate::domain::{AccountId, CredentialStatus, Environment, Problem, ProblemKind, Secret};
use crate::net::{Event, RequestOptions, redact};
use crate::providers::{self, Manifest, REGISTRY, SPECS};
use admin::AccountAdmin;
pub(super) use admin::{unsaved, vault_source};
pub use profile::profile_for;
use verified::{Addition, Pending, Rotation, Step};
pub use verified::{SecretValue, Verified};

/// The simulator's event that gives a client a new secret.
const RESET: &str = "reset-secret";

/// The providers that accounts can be added for.
#[must_use]
pub fn setups() -> Vec<ProviderSetup> {
    REGISTRY.iter().map(|manifest| setup(manifest)).collect()
}

fn setup(manifest: &Manifest) -> ProviderSetup {
    let environments = manifest.spec.environments.iter();
    ProviderSetup {
        provider: manifest.id,
        title: manifest.title,
        environments: environments
            .map(|name| match *name {
                "sandbox" => Environment::Sandbox,
                _ => Environment::Production,
            })
            .collect(),
        fields: manifest
            .spec
            .keys
            .iter()
            .map(|key| SetupField {
                key: key.name,
                about: key.about,
                secret: key.kind == KeyKind::Secret,
                required: key.required,
                proved: manifest.proves.contains(&key.name),
            })
            .collect(),
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
                let edit = Edit::Remove {
                    profile: self.profile.clone(),
                    account: account.clone(),
                };
                let admin = self.admin()?;
                blocking(move || {
                    let after = edit::rehearse(&admin.config, &edit, &SPECS);
                    after.map(drop).map_err(|error| Problem::from(&error))
                })
                .await?;
                Ok(Verified(Pending::Config(Step::Remove(account))))
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
        let held: Vec<&'static str> = new.secrets.iter().map(|(key, _)| *key).collect();
        let mut secrets: Vec<(&'static str, SecretValue)> = Vec::new();
        for (key, source) in sources {
            secrets.push((key, SecretValue::At(source)));
        }
        for (key, secret) in new.secrets {
            redact::learn(&secret, key);
            secret_overrides.insert(&new.name, key, secret.clone());
            secrets.push((key, SecretValue::New(secret)));
        }
        let order = providers::by_name(new.provider.0).map_or(&[][..], |m| m.spec.keys);
        // The config file gets them in the provider's order, not in that of typing.
        secrets.sort_by_key(|(key, _)| order.iter().position(|spec| spec.name == *key));
        let entry = Entry {
            profile: self.profile.clone(),
            account: new.name.clone(),
            provider: new.provider.0.to_owned(),
            environment: new.environment.as_str().to_owned(),
            texts: owned(new.texts),
            secrets: Vec::new(),
            endpoints: new.endpoints.into_iter().collect(),
        };
        let admin = self.admin()?;
        let mut rehearsed = entry.clone();
        for (key, value) in &secrets {
            let source = match value {
                SecretValue::At(source) => source.clone(),
                // A placeholder until the secret is saved and its place is known.
                SecretValue::New(_) => SecretSource::Keyring {
                    name: name(&self.profile, &new.name, key),
                },
            };
            rehearsed.secrets.push(((*key).to_owned(), source));
        }
        let (config, read) = blocking(move || {
            let sound = rehearsed.check(&SPECS);
            sound.map_err(|error| wrongly_given(&error))?;
            let edit = Edit::Add(rehearsed.clone());
            let after = edit::rehearse(&admin.config, &edit, &SPECS);
            let after = after.map_err(|error| Problem::from(&error))?;
            let config = find(&after, &rehearsed.profile, &rehearsed.account)?;
            let read = read_elsewhere(&config, &held, &admin.factory.environ)?;
            Ok((config, read))
        })
        .await?;
        for (key, secret) in read {
            redact::learn(&secret, key);
            secret_overrides.insert(&new.name, key, secret);
        }
        let unverified = if new.proof == Proof::Waived {
            Some(Problem::new(
                ProblemKind::Unreachable,
                "it was not verified, as requested",
                "",
            ))
        } else {
            let runtime = self.trial(&config, secret_overrides)?;
            let proves = runtime.manifest.proves;
            let provable = proves.iter().any(|key| config.secrets.contains_key(key));
            // Before anything is written: a wrong secret must not reach the config file or the vault.
            let tried = if provable {
                self.try_out(&runtime, false, options).await
            } else {
                Err(unprovable_account(&runtime.account, proves))
            };
            match tried {
                Ok(()) => None,
                Err(problem)
                    if new.proof == Proof::IfReachable && (!provable || leaves_open(&problem)) =>
                {
                    Some(problem)
                }
                Err(problem) => return Err(not_saved(problem)),
            }
        };
        Ok(Verified(Pending::Config(Step::Add(Addition {
            entry,
            secrets,
            unverified,
        }))))
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
            .filter(|spec| spec.kind == KeyKind::Secret)
            .map(|spec| spec.name)
            .collect();
        let known = names.iter().copied().find(|name| *name == key);
        let key = known.ok_or_else(|| no_secret(&account, &key, &names))?;
        let provable = runtime.manifest.proves.contains(&key);
        redact::learn(&secret, key);
        let secret_overrides = SecretOverrides::default();
        secret_overrides.insert(&account, key, secret.clone());
        let (trial, place) = if runtime.account.environment == Environment::Embedded {
            let events = (runtime.manifest.simulator)().events();
            if !(provable && events.iter().any(|event| event.name == RESET)) {
                return Err(Problem::usage(
                    format!("account {account}: the built-in simulator has a fixed secret"),
                    "only accounts of the config file can get a new one",
                ));
            }
            (
                self.factory_with(secret_overrides)
                    .embedded(runtime.manifest, &self.simulated()?),
                None,
            )
        } else {
            if !provable && !unverified {
                return Err(unprovable(&runtime.account, key));
            }
            let admin = self.admin()?;
            let profile = self.profile.clone();
            let of = account.clone();
            let (config, place) = blocking(move || {
                let config = edit::current(&admin.config, &SPECS);
                let config = config.map_err(|error| Problem::from(&error))?;
                let config = find(&config, &profile, &of)?;
                let source = config.secrets.get(key).cloned();
                let source = source.ok_or_else(|| {
                    let known: Vec<_> = config.secrets.keys().copied().collect();
                    no_secret(&of, key, &known)
                })?;
                let saved_as = admin.saved_as(&config, key, &source);
                Ok((config, (source, saved_as)))
            })
            .await?;
            (self.trial(&config, secret_overrides)?, Some(place))
        };
        let pending = match place {
            Some((source, saved_as)) => Pending::Config(Step::Rotate(Rotation {
                account: account.clone(),
                key,
                secret,
                verified: provable,
                source,
                saved_as,
            })),
            None => Pending::Simulated {
                account: account.clone(),
                key,
                secret,
            },
        };
        if !provable {
            return Ok(Verified(pending));
        }
        let tried = self.try_out(&trial, true, options).await;
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
        let before = proved
            .0
            .account()
            .and_then(|account| self.registry.find(account));
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
            Pending::Config(step) => {
                let admin = self.admin()?;
                blocking(move || admin.save(step)).await?
            }
        };
        // A token of the old secret, or of a removed account, must not be used again.
        let forgotten = match before.as_ref().and_then(|runtime| runtime.tokens.as_ref()) {
            // A secret that grants no token leaves the existing tokens valid.
            Some(tokens)
                if !matches!(
                    changed,
                    Changed::Rotated {
                        verified: false,
                        ..
                    }
                ) =>
            {
                tokens.retire().await
            }
            _ => Ok(()),
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
        let at = self.clock.now().wall;
        let verdict = match &changed {
            Changed::Added {
                account,
                unverified,
                ..
            } => Some((
                account,
                CredentialStatus::after(unverified.as_ref().map_or(Ok(()), Err), at),
            )),
            Changed::Rotated {
                account,
                verified: true,
                ..
            } => Some((account, CredentialStatus::after(Ok(()), at))),
            Changed::Rotated { .. } | Changed::Removed { .. } => None,
        };
        if let Some((account, status)) = verdict
            // The simulator's credentials end with this process.
            && account.environment != Environment::Embedded
        {
            // The ledger's own status reports a failed write.
            let _ = self
                .ledger
                .remember_credentials(&self.profile, &account.id, &status)
                .await;
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

    fn admin(&self) -> Result<AccountAdmin, Problem> {
        Ok(AccountAdmin {
            profile: self.profile.clone(),
            config: self.config_file()?,
            factory: self.factory.clone(),
            registry: self.registry.clone(),
        })
    }

    fn simulated(&self) -> Result<reqwest::Url, Problem> {
        let base = self.simulator_url().and_then(|url| url.parse().ok());
        base.ok_or_else(|| Problem::usage("no simulator is running", ""))
    }

    fn factory_with(&self, secret_overrides: SecretOverrides) -> AccountFactory {
        AccountFactory {
            secret_overrides,
            // A trial runs for one verification.
            renews: false,
            is_trial: true,
            ..self.factory.clone()
        }
    }

    /// A runtime with the new secrets, for verification only: no other caller can find it.
    fn trial(
        &self,
        config: &AccountConfig,
        secret_overrides: SecretOverrides,
    ) -> Result<AccountRuntime, Problem> {
        let runtime = self.factory_with(secret_overrides).configured(config);
        runtime.ok_or_else(|| Problem::usage("this provider is not known", ""))
    }

    /// Whether the provider accepts the credentials. A granted token is enough to verify a new secret; for a new
    /// account the other secrets are checked too.
    async fn try_out(
        &self,
        runtime: &AccountRuntime,
        secret_alone: bool,
        options: RequestOptions,
    ) -> Result<(), Problem> {
        if let Some(tokens) = runtime.tokens.as_ref().filter(|_| secret_alone) {
            let granted = tokens.fetch_new(options).await;
            return granted
                .map(drop)
                .map_err(|error| error.problem(&runtime.account.id));
        }
        runtime.verify(options).await
    }
}

/// Reads the secrets that stay in their own place, so that a source without a secret is not saved as one.
fn read_elsewhere(
    config: &AccountConfig,
    held: &[&str],
    environ: &Environ,
) -> Result<Vec<(&'static str, Secret)>, Problem> {
    let elsewhere = config.secrets.iter().filter(|(key, _)| !held.contains(key));
    elsewhere
        .map(|(key, source)| match source.resolve(environ) {
            Ok(resolved) => Ok((*key, resolved.secret)),
            Err(error) => Err(Problem::config(
                format!("account {}: tilldeck cannot read {key}: {error}", config.id),
                "nothing was saved",
            )),
        })
        .collect()
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

fn find(config: &Config, profile: &str, account: &AccountId) -> Result<AccountConfig, Problem> {
    let profiles = config.profiles.iter();
    let mut accounts = profiles
        .filter(|known| known.name == profile)
        .flat_map(|profile| &profile.accounts);
    let found = accounts.find(|known| known.id == *account);
    found.cloned().ok_or_else(|| {
        Problem::config(
            format!("account {account} of profile {profile} is no longer in the config file"),
            "another program changed the file; check it, then try again",
        )
    })
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
