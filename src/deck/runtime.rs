//! One account at work, made from its config or from the simulator's account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::RwLock;
use reqwest::Url;
use tokio_util::task::AbortOnDropHandle;

use super::hooks::ApiOf;
use super::receiving::keys::Keys;
use super::secrets::{self, SecretOverrides};
use crate::auth::{TokenStore, Tokens};
use crate::clock::Clock;
use crate::config::{AccountConfig, BudgetOverride, Environ, Profile, SecretSource, Vault};
use crate::domain::{Account, AccountId, Counts, Environment, Problem, RawCall, RawReply, filled};
use crate::ledger::{KeyHash, Ledger, NonceRules};
use crate::net::{self, Gate, Limit, NetError, RequestOptions, Session};
use crate::providers::{
    self, Client, Credentials, Manifest, PublishedLimit, Queried, Query, REGISTRY, ReadSecret,
    Verify,
};
use crate::sandbox::Sandbox;

pub(super) struct AccountRuntime {
    pub(super) account: Account,
    pub(super) manifest: &'static Manifest,
    pub(super) client: Arc<dyn Client>,
    pub(super) session: Session,
    pub(super) tokens: Option<Tokens>,
    /// The secrets that its callbacks are verified with.
    pub(super) keys: Keys,
    /// Whether this run has saved that its credentials are valid: the first accepted request does, not each one.
    pub(super) is_saved_as_valid: AtomicBool,
    /// Renews the tokens while the account runs.
    _renewal: Option<AbortOnDropHandle<()>>,
}

/// The running accounts, in the config's order. The list can change during a request, so a request holds its own
/// account and not the list.
#[derive(Clone, Default)]
pub(super) struct AccountRegistry(Arc<RwLock<Vec<Arc<AccountRuntime>>>>);

impl AccountRegistry {
    fn new(accounts: impl Iterator<Item = AccountRuntime>) -> Self {
        Self(Arc::new(RwLock::new(accounts.map(Arc::new).collect())))
    }

    pub(super) fn all(&self) -> Vec<Arc<AccountRuntime>> {
        self.0.read().clone()
    }

    pub(super) fn find(&self, id: &AccountId) -> Option<Arc<AccountRuntime>> {
        self.all()
            .into_iter()
            .find(|runtime| runtime.account.id == *id)
    }

    /// Finds the API that an account uses. Does not keep the accounts open.
    pub(super) fn api_of(&self) -> ApiOf {
        let accounts = Arc::downgrade(&self.0);
        Box::new(move |id| Some(Self(accounts.upgrade()?).find(id)?.account.base.clone()))
    }

    /// Replaces the account of this name, or adds it at the end.
    pub(super) fn insert(&self, runtime: AccountRuntime) {
        let runtime = Arc::new(runtime);
        let mut registry = self.0.write();
        match registry
            .iter_mut()
            .find(|old| old.account.id == runtime.account.id)
        {
            Some(old) => *old = runtime,
            None => registry.push(runtime),
        }
    }

    pub(super) fn remove(&self, id: &AccountId) {
        let mut registry = self.0.write();
        registry.retain(|runtime| runtime.account.id != *id);
    }
}

/// A process without the shared ledger uses this part of each limit: other such processes may run.
const UNCOORDINATED_SHARE: u32 = 10;

#[derive(Clone)]
pub(super) struct AccountFactory {
    pub(super) gate: Arc<Gate>,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) environ: Environ,
    pub(super) vault: Vault,
    /// Secrets for this run that override the config.
    pub(super) secret_overrides: SecretOverrides,
    /// Whether tokens are renewed before they expire; a short command does not.
    pub(super) renews: bool,
    /// Whether its accounts are tried out: their tokens are neither saved nor reported.
    pub(super) is_trial: bool,
}

/// An account to run, as the config or the simulator describes it.
struct AccountSetup<'a> {
    account: Account,
    manifest: &'static Manifest,
    texts: BTreeMap<&'static str, String>,
    read_secret: ReadSecret,
    /// The keys of the secrets that are set, and whether reading them may take long.
    secrets: BTreeMap<&'static str, bool>,
    endpoints: Vec<(&'static str, Url)>,
    /// Who the provider counts the requests of.
    identity: &'a str,
    budget: Option<&'a BudgetOverride>,
    timeout: Duration,
}

impl AccountFactory {
    /// The accounts of a profile: the simulator's if it is running.
    pub(super) fn all(&self, profile: &Profile, simulator: Option<&Sandbox>) -> AccountRegistry {
        let Some(simulator) = simulator else {
            let accounts = profile.accounts.iter();
            return AccountRegistry::new(accounts.filter_map(|it| self.configured(it).ok()));
        };
        let base = Url::parse(&simulator.base_url()).expect("a loopback address makes a URL");
        let manifests = REGISTRY.iter();
        AccountRegistry::new(manifests.map(|manifest| self.embedded(manifest, &base)))
    }

    /// The simulator's account of one provider.
    pub(super) fn embedded(&self, manifest: &'static Manifest, base: &Url) -> AccountRuntime {
        let texts =
            manifest.spec.keys.iter().filter_map(|key| {
                Some((key.name, secrets::embedded(manifest, key.name)?.to_owned()))
            });
        let set = manifest.embedded.iter().map(|(key, _)| (*key, false));
        self.start(AccountSetup {
            account: embedded_account(manifest, &net::http::authority(base)),
            manifest,
            texts: filled(texts),
            read_secret: secrets::embedded_secret(manifest),
            secrets: filled(set),
            endpoints: manifest.simulated(base),
            identity: manifest.id.0,
            budget: None,
            timeout: manifest.timeout,
        })
    }

    /// An account of the config file, which names only known providers.
    pub(super) fn configured(&self, config: &AccountConfig) -> Result<AccountRuntime, Problem> {
        let manifest = providers::by_name(config.provider)
            .ok_or_else(|| Problem::usage("this provider is not known", ""))?;
        // Where every name of the account at its provider is secret, a name in the config identifies it.
        let mut keys = manifest.spec.keys.iter().filter(|key| key.required);
        let name = keys.find_map(|key| config.texts.get(key.name));
        let set = config.secrets.iter();
        let set = set.map(|(key, source)| (*key, !source.is_cheap()));
        // The account's own, then the config's for all, then the provider's.
        let timeout = config.timeout.or(self.gate.network().config.timeout);
        Ok(self.start(AccountSetup {
            account: account(config, manifest, &self.vault),
            manifest,
            texts: config.texts.clone(),
            read_secret: secrets::configured_secret(config, self.environ.clone()),
            secrets: filled(set),
            endpoints: endpoints(config, manifest),
            identity: name.map_or(config.alike.as_str(), String::as_str),
            budget: config.budget.as_ref(),
            timeout: timeout.unwrap_or(manifest.timeout),
        }))
    }

    fn start(&self, setup: AccountSetup<'_>) -> AccountRuntime {
        let limits = self.limits(&setup);
        let AccountSetup {
            account, manifest, ..
        } = setup;
        let session = Session::new(
            self.gate.clone(),
            account.clone(),
            setup.endpoints.clone(),
            limits,
        );
        let session = session.with_timeout(setup.timeout);
        // A secret that was rotated in this run wins over a variable that still has the old one.
        let read_secret = setup.read_secret;
        let read_secret = self.secret_overrides.before(&account.id, read_secret);
        let mut credentials = Credentials {
            texts: setup.texts,
            read_secret,
            secrets: setup.secrets,
            endpoints: setup.endpoints,
            ledger: self.ledger.clone(),
            nonces: NonceRules {
                persistence: self.gate.persistence(&account),
                allow_ahead: self.gate.overrides.allow_nonce_ahead,
                is_simulated: account.environment == Environment::Embedded,
            },
            clock: self.clock.clone(),
            tokens: None,
        };
        let keys = Keys::new(&manifest.spec, &credentials);
        // Fetching tokens needs the credentials without tokens.
        let tokens = self.tokens(manifest, &session, &credentials, setup.identity);
        credentials.tokens.clone_from(&tokens);
        let renewal = tokens.clone().filter(|_| self.renews);
        let renewal = renewal.map(|tokens| AbortOnDropHandle::new(tokio::spawn(tokens.renew())));
        AccountRuntime {
            account,
            manifest,
            client: (manifest.connect)(credentials),
            session,
            tokens,
            keys,
            is_saved_as_valid: AtomicBool::new(false),
            _renewal: renewal,
        }
    }

    /// The account's access tokens, if its provider has them.
    fn tokens(
        &self,
        manifest: &Manifest,
        session: &Session,
        credentials: &Credentials,
        identity: &str,
    ) -> Option<Tokens> {
        let fetch = manifest.tokens?(credentials);
        if self.is_trial {
            return Some(Tokens::trial(session.clone(), fetch, self.clock.clone()));
        }
        // A token from one simulator run is invalid in the next.
        let is_embedded = session.account().environment == Environment::Embedded;
        let url = session.resolve(&fetch.call()).ok().filter(|_| !is_embedded);
        // By the name that the provider knows alone: another setting must not hide the token from `TokenStore::retire`.
        let store =
            url.map(|url| TokenStore::new(self.vault.clone(), self.ledger.clone(), &url, identity));
        let clock = self.clock.clone();
        Some(Tokens::stored_in(store, session.clone(), fetch, clock))
    }

    /// The account's rate limits: as published, or as the operator set them.
    fn limits(&self, setup: &AccountSetup<'_>) -> Vec<Limit> {
        let own = setup.budget;
        let published = setup.manifest.limits.iter();
        published
            .map(|limit| {
                let number = own.and_then(|own| match limit.counts {
                    Counts::Reads => own.reads,
                    Counts::All | Counts::Writes => Some(own.requests),
                });
                // The published number in another period would be another limit.
                let (requests, period) = match (number, own) {
                    (Some(number), Some(own)) => (number, own.period),
                    _ => (limit.requests, PublishedLimit::PERIOD),
                };
                let requests = if self.gate.overrides.uncoordinated {
                    // Other processes cannot be seen, so each gets a part of the limit.
                    (requests / UNCOORDINATED_SHARE).max(1)
                } else {
                    requests
                };
                let host = setup
                    .endpoints
                    .iter()
                    .find(|(name, _)| *name == limit.endpoint)
                    .map(|(_, url)| net::http::authority(url))
                    .unwrap_or_default();
                // A hash: the ledger is no place for a client id, and two accounts with one key share one limit.
                let mut scope = KeyHash::of(&host, setup.identity).as_str().to_owned();
                if limit.counts != Counts::All {
                    scope = format!("{scope} {}", limit.counts.as_str());
                }
                Limit {
                    scope: scope.into(),
                    endpoint: limit.endpoint,
                    counts: limit.counts,
                    requests,
                    period,
                }
            })
            .collect()
    }
}

impl AccountRuntime {
    /// Sends a query of the client and reads its reply.
    pub(super) async fn send<A>(
        &self,
        query: Queried<A>,
        options: RequestOptions,
    ) -> Result<A, Problem> {
        let exchange = async {
            let Query { call, read } = query?;
            let client = self.client.as_ref();
            read(self.session.send(&call, client, options).await?)
        };
        exchange.await.map_err(|error| self.problem(error))
    }

    pub(super) async fn verify(&self, options: RequestOptions) -> Result<(), Problem> {
        // A stored token would still authorise with credentials that the provider has revoked.
        if let Some(tokens) = &self.tokens {
            let granted = tokens.fetch_new(options).await;
            granted.map_err(|error| self.problem(error.into()))?;
        }
        match self.manifest.verify {
            Verify::Call => self.send(self.client.verify(), options).await,
            Verify::TokenCall => Ok(()),
        }
    }

    /// The failure that a provider reports in a raw response. A write may have taken effect even if the provider or a
    /// proxy reports a failure.
    pub(super) fn judged(&self, call: &RawCall, raw: &RawReply) -> Result<(), Problem> {
        self.client.judge(call, raw).map_err(|error| {
            let problem = self.problem(error);
            let writes = self.manifest.writes(&call.method, &call.path);
            if !writes || !matches!(raw.status, 408 | 500..) {
                return problem;
            }
            let message = format!("{}; the write may have taken effect", problem.message);
            Problem::new(problem.kind, message, NetError::LOOK_FIRST)
        })
    }

    pub(super) fn problem(&self, error: providers::ApiError) -> Problem {
        error.problem(&self.account.id, self.account.provider_title)
    }
}

/// The accounts of a profile, as shown before anything is opened.
pub fn accounts(profile: &Profile, vault: &Vault) -> Vec<Account> {
    if profile.built_in {
        return REGISTRY
            .iter()
            .map(|manifest| embedded_account(manifest, "this program"))
            .collect();
    }
    profile
        .accounts
        .iter()
        .filter_map(|config| {
            let manifest = providers::by_name(config.provider)?;
            Some(account(config, manifest, vault))
        })
        .collect()
}

fn embedded_account(manifest: &Manifest, host: &str) -> Account {
    Account {
        id: AccountId::new(manifest.id.0).expect("a provider's short name is a fine account name"),
        provider: manifest.id,
        provider_title: manifest.title,
        environment: Environment::Embedded,
        host: host.to_owned(),
        base: format!("http://{host}"),
        secret_source: "built in".into(),
        uses_access_tokens: manifest.tokens.is_some(),
        abilities: manifest.abilities,
    }
}

fn account(config: &AccountConfig, manifest: &Manifest, vault: &Vault) -> Account {
    let first = endpoints(config, manifest).into_iter().next();
    let first = first.map(|(_, url)| url);
    Account {
        id: config.id.clone(),
        provider: manifest.id,
        provider_title: manifest.title,
        environment: config.environment,
        host: first.as_ref().map(net::http::authority).unwrap_or_default(),
        base: first.as_ref().map(base).unwrap_or_default(),
        secret_source: config
            .secrets
            .values()
            .next()
            .map(|source| source_in_words(source, vault))
            .unwrap_or_default(),
        uses_access_tokens: manifest.tokens.is_some(),
        abilities: manifest.abilities,
    }
}

fn base(url: &Url) -> String {
    let path = url.path().trim_end_matches('/');
    format!("{}://{}{path}", url.scheme(), net::http::authority(url))
}

/// A secret's source in words; for one that tilldeck stores itself, the store.
pub(super) fn source_in_words(source: &SecretSource, vault: &Vault) -> String {
    match source {
        SecretSource::File { written, base } if vault.holds(&base.join(written)) => {
            match vault.note() {
                Some(why) => format!("tilldeck's own file: {why}"),
                None => "tilldeck's own file".into(),
            }
        }
        SecretSource::File { .. }
        | SecretSource::Env { .. }
        | SecretSource::Command { .. }
        | SecretSource::Keyring { .. } => source.describe(),
    }
}

/// Where the calls of an account may go.
pub(super) fn endpoints(config: &AccountConfig, manifest: &Manifest) -> Vec<(&'static str, Url)> {
    let environment = config.environment;
    manifest
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.environment == environment)
        .filter_map(|endpoint| {
            let url = config
                .endpoints
                .get(endpoint.name)
                // An overridden endpoint: a proxy, or another host of the provider.
                .map_or(endpoint.url, String::as_str);
            Some((endpoint.name, Url::parse(url).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoints_path_stays_and_its_user_does_not() {
        for (url, wanted) in [
            ("https://api.kanga.exchange", "https://api.kanga.exchange"),
            (
                "https://name:word@proxy.example:8443/x/?a=b#c",
                "https://proxy.example:8443/x",
            ),
            ("http://[::1]:9000/", "http://[::1]:9000"),
        ] {
            assert_eq!(base(&Url::parse(url).unwrap()), wanted);
        }
    }
}
