//! The providers, all of one shape. To add one: `mod x;` here and `&x::MANIFEST` in [`REGISTRY`].

mod cached_secret;
pub mod error;
mod inbound;
pub mod kanga;
pub mod kinguin;
pub mod kongregate;
pub mod pledg;
mod table;

#[cfg(test)]
mod contract;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
pub use cached_secret::{CachedSecret, reread_pause};
pub use error::ApiError;

use crate::auth::{FetchToken, Tokens};
use crate::callbacks;
use crate::config::ProviderSpec;
use crate::domain::manage::Guide;
use crate::domain::{
    Ability, Counts, Deadline, Digest, DocumentedCall, Environment, Estimate, EstimateRequest,
    Inventory, LinkRequest, Payment, PaymentId, PaymentLink, Player, PlayerClaim, PlayerId,
    PlayerToken, ProviderId, RawCall, RawReply, RowIds, Secret, catalogue,
    stock::{NewKey, Uploaded},
};
use crate::ledger::{Ledger, NonceRules};
use crate::net::{Authorise, BoxFuture, Call, Reply, redact};
use crate::sandbox::SimulatedProvider;

/// Every provider this version speaks to.
pub static REGISTRY: &[&Manifest] = &[
    &kanga::MANIFEST,
    &kinguin::MANIFEST,
    &kongregate::MANIFEST,
    &pledg::MANIFEST,
];

/// The config keys of every provider's accounts.
pub static SPECS: LazyLock<Vec<&'static ProviderSpec>> =
    LazyLock::new(|| REGISTRY.iter().map(|manifest| &manifest.spec).collect());

/// What a provider is, as data.
pub struct Manifest {
    /// Short name, as in the config file.
    pub id: ProviderId,
    /// Display name.
    pub title: &'static str,
    /// Its keys in the config file.
    pub spec: ProviderSpec,
    /// Host of each endpoint in each environment; the first API endpoint first.
    pub endpoints: &'static [Endpoint],
    /// The rate limits that tilldeck observes.
    pub limits: &'static [PublishedLimit],
    /// The timeout of a request.
    pub timeout: Duration,
    /// Creates an account's token fetcher, where its calls need tokens.
    pub tokens: Option<MakeFetch>,
    /// The operations that its accounts support besides raw calls.
    pub abilities: &'static [Ability],
    /// How its credentials are verified.
    pub verify: Verify,
    /// The secrets that verifying uses, so that its success proves them; by config key.
    pub proves: &'static [&'static str],
    /// How to get an account and its credentials, step by step.
    pub guide: &'static [Guide],
    /// Each documented call.
    pub catalogue: &'static [DocumentedCall],
    /// How its callbacks are verified and parsed.
    pub callbacks: callbacks::Spec,
    /// Reads the player that an accepted callback's body names, where its callbacks name players.
    pub player_claim: Option<ReadPlayer>,
    /// Reads the ids that an accepted callback's body names, which follow-ups take.
    pub callback_ids: fn(&callbacks::Inbound) -> RowIds,
    /// The callbacks that must be answered in time.
    pub deadlines: &'static [Deadline],
    /// Makes the client of one account.
    pub connect: fn(Credentials) -> Arc<dyn Client>,
    /// Its part of the embedded simulator.
    pub simulator: fn() -> Box<dyn SimulatedProvider>,
    /// The simulator's account: its texts and its secrets by key.
    pub embedded: &'static [(&'static str, &'static str)],
}

/// How an account's credentials are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// By [`Client::verify`].
    Call,
    /// By fetching an access token, and nothing else: no other call is both harmless and certain.
    TokenCall,
}

/// One endpoint of a provider.
pub struct Endpoint {
    /// Its name in the config file: "api".
    pub name: &'static str,
    /// Which environment.
    pub environment: Environment,
    /// Its URL.
    pub url: &'static str,
}

impl Endpoint {
    const fn production(name: &'static str, url: &'static str) -> Self {
        let environment = Environment::Production;
        Self {
            name,
            environment,
            url,
        }
    }

    const fn sandbox(name: &'static str, url: &'static str) -> Self {
        let environment = Environment::Sandbox;
        Self {
            name,
            environment,
            url,
        }
    }
}

/// A rate limit: the published one, or our own where none is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedLimit {
    /// The endpoint whose calls it counts. With [`Counts::All`] those of the account's other endpoints are counted, too.
    pub endpoint: &'static str,
    /// Which calls it counts.
    pub counts: Counts,
    /// The number of calls in one period.
    pub requests: u32,
}

impl PublishedLimit {
    /// The window of every published limit.
    pub const PERIOD: Duration = Duration::from_mins(1);

    const fn of(endpoint: &'static str, counts: Counts, requests: u32) -> Self {
        Self {
            endpoint,
            counts,
            requests,
        }
    }
}

/// Reads one of the account's secrets when it is needed.
pub type ReadSecret = Arc<
    dyn Fn(&'static str) -> BoxFuture<'static, Result<Secret, crate::domain::Problem>>
        + Send
        + Sync,
>;

/// Reads the player that an accepted callback names.
pub type ReadPlayer = fn(&callbacks::Inbound) -> Option<PlayerClaim>;

/// Creates an account's token fetcher.
pub type MakeFetch = fn(&Credentials) -> Arc<dyn FetchToken>;

/// What a client is made from.
#[derive(Clone)]
pub struct Credentials {
    /// The config's keys that are not secrets.
    pub texts: std::collections::BTreeMap<&'static str, String>,
    /// Reads a secret by its key.
    pub read_secret: ReadSecret,
    /// The keys of the secrets that are set, and whether reading them may take long or prompt.
    pub secrets: std::collections::BTreeMap<&'static str, bool>,
    /// The base URL of each endpoint, by name: that of the payer's page is the base of links.
    pub endpoints: Vec<(&'static str, reqwest::Url)>,
    /// Stores the nonces.
    pub ledger: Ledger,
    /// The rules for nonces.
    pub nonces: NonceRules,
    /// The clock for nonces.
    pub clock: crate::clock::Clock,
    /// The account's access tokens, where [`Manifest::tokens`] is set.
    pub tokens: Option<Tokens>,
}

impl Credentials {
    /// The base of an endpoint's URL, without a slash at its end.
    fn endpoint(&self, name: &str) -> &str {
        let mut endpoints = self.endpoints.iter();
        endpoints
            .find(|(known, _)| *known == name)
            .map_or("", |(_, url)| url.as_str().trim_end_matches('/'))
    }
}

/// A call whose reply is read as an `A`.
pub struct Query<A> {
    /// What is sent.
    pub call: Call,
    /// Reads the reply. An error if the provider rejected the call or failed, or the reply is unreadable.
    pub read: Box<dyn FnOnce(Reply) -> Result<A, ApiError> + Send>,
}

impl<A> Query<A> {
    /// A call and the function that reads its reply.
    pub fn new(
        call: Call,
        read: impl FnOnce(Reply) -> Result<A, ApiError> + Send + 'static,
    ) -> Self {
        let read = Box::new(read);
        Self { call, read }
    }
}

/// What an operation becomes: a query; an error if the provider does not have it, or a value cannot be sent.
pub type Queried<A> = Result<Query<A>, ApiError>;

/// One account at one provider. Each operation is one function: from values to a call, and from its reply to the
/// answer. Without I/O, except that a link may read a secret. An operation has a default where only some providers have it: those whose
/// [`Manifest::abilities`] name it.
#[expect(clippy::missing_errors_doc, reason = "`Queried` describes them once")]
#[async_trait]
pub trait Client: Authorise {
    /// Checks the credentials by a call that changes nothing, where [`Manifest::verify`] is [`Verify::Call`].
    fn verify(&self) -> Queried<()> {
        Err(ApiError::Unsupported(
            "this provider has no call that only checks credentials".into(),
        ))
    }

    /// Checks whether a request is signed right, without an account.
    fn test_signature(&self) -> Queried<()> {
        Err(ApiError::Lacks(Ability::SignatureTest))
    }

    /// The state of a payment.
    fn check_payment(&self, _id: &PaymentId) -> Queried<Payment> {
        Err(ApiError::Lacks(Ability::Payments))
    }

    /// What a payer would pay in each currency.
    fn estimate(&self, _sum: &EstimateRequest) -> Queried<Estimate> {
        Err(ApiError::Lacks(Ability::Estimates))
    }

    /// A token for one payment link. A write.
    fn create_payment_token(&self) -> Queried<Secret> {
        Err(ApiError::Lacks(Ability::Links))
    }

    /// The link a payer is sent to, with a payment token if one is given.
    ///
    /// # Errors
    /// If the provider has no links.
    fn link(&self, _link: &LinkRequest, _token: Option<&Secret>) -> Result<PaymentLink, ApiError> {
        Err(ApiError::Lacks(Ability::Links))
    }

    /// Checks whether the token is this player's.
    fn authenticate_player(&self, _player: &PlayerToken) -> Queried<Player> {
        Err(ApiError::Lacks(Ability::Players))
    }

    /// What a player owns.
    fn player_items(&self, _player: PlayerId) -> Queried<Inventory> {
        Err(ApiError::Lacks(Ability::Players))
    }

    /// Adds a key to the stock of an offer. A write.
    fn add_key(&self, _key: &NewKey) -> Queried<Uploaded> {
        Err(ApiError::Lacks(Ability::Stock))
    }

    /// The signed link to the payer's page for the purchase in `data` (JSON). Sends nothing.
    ///
    /// # Errors
    /// If the provider has no such links, `data` is not a purchase, or the secret cannot be read.
    async fn purchase_link(&self, _data: &str) -> Result<Secret, ApiError> {
        Err(ApiError::Lacks(Ability::PurchaseLinks))
    }

    /// Any call.
    ///
    /// # Errors
    /// If a value cannot be sent.
    fn raw(&self, call: &RawCall) -> Result<Call, ApiError>;

    /// Finds the provider's own failure in a raw reply: a 200 may contain one.
    ///
    /// # Errors
    /// The provider's failure.
    fn judge(&self, call: &RawCall, raw: &RawReply) -> Result<(), ApiError>;

    /// A raw reply as a table, for the calls that the provider can read.
    fn digest(&self, _call: &RawCall, _reply: &RawReply) -> Option<Digest> {
        None
    }

    /// The names of JSON fields that are secret only in a raw call to this path and in its reply.
    fn hidden(&self, _path: &str) -> &'static [&'static str] {
        &[]
    }
}

/// A digest with everything that looks like a secret removed.
fn redacted(mut digest: Digest) -> Digest {
    for cell in digest.rows.iter_mut().flatten() {
        *cell = redact::scrub(cell).into_owned();
    }
    digest
}

/// A provider by its short name.
pub fn by_name(name: &str) -> Option<&'static Manifest> {
    REGISTRY
        .iter()
        .copied()
        .find(|manifest| manifest.id.0 == name)
}

impl Manifest {
    /// The endpoints at a simulator, each below `base` at the path it has at the provider.
    pub fn simulated(&self, base: &reqwest::Url) -> Vec<(&'static str, reqwest::Url)> {
        let names = self.spec.endpoints.iter();
        names
            .map(|name| {
                let own = self
                    .endpoints
                    .iter()
                    .find(|endpoint| endpoint.name == *name);
                let own = own.and_then(|endpoint| reqwest::Url::parse(endpoint.url).ok());
                let mut url = base.clone();
                if let Some(own) = own {
                    url.set_path(own.path());
                }
                (*name, url)
            })
            .collect()
    }

    /// Whether a call writes, according to its documentation.
    pub fn writes(&self, method: &str, path: &str) -> bool {
        catalogue::writes(self.catalogue, method, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Config, EXAMPLE, Environ, Locations};

    fn load(text: &str) -> Config {
        try_load(text).unwrap()
    }

    fn try_load(text: &str) -> Result<Config, config::ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let locations = Locations {
            config: Some(path),
            state: None,
            environ: Environ::of([]),
            platform_config: None,
            platform_state: None,
        };
        config::load(&locations, &SPECS)
    }

    /// The console's list of calls cuts the purposes at about this width.
    #[test]
    fn the_beginning_of_its_purpose_tells_each_call_from_the_others() {
        for manifest in REGISTRY {
            let mut seen = std::collections::BTreeSet::new();
            for call in manifest.catalogue {
                let begin: String = call.about.chars().take(26).collect();
                assert!(seen.insert(begin), "{}: {}", call.method, call.about);
            }
        }
    }

    #[test]
    fn the_header_that_proves_webhooks_has_a_headers_name() {
        let named = |name: &str| {
            try_load(&format!(
                "[profiles.p.accounts.keys]\nprovider = \"kinguin\"\nclient_id = \"id\"\n\
                 client_secret = {{ env = \"A\" }}\nwebhook_header = \"{name}\"\n\
                 webhook_secret = {{ env = \"B\" }}"
            ))
        };
        let account = named("X-Shop_1.Token").unwrap();
        let account = &account.profile(Some("p")).unwrap().accounts[0];
        assert_eq!(account.texts["webhook_header"], "X-Shop_1.Token");
        assert!(account.secrets.contains_key("webhook_secret"));
        for name in ["X Token", "X:Token", "Tökén", "X-Token: value", "(x)"] {
            let refused = named(name).unwrap_err().to_string();
            assert!(refused.contains("not a header name"), "{name}: {refused}");
            assert!(!refused.contains("value"), "{refused}");
        }
    }

    #[test]
    fn a_setting_that_a_provider_cannot_use_is_an_error() {
        let refused = |account: &str| try_load(account).unwrap_err();
        let game =
            "[profiles.p.accounts.game]\nprovider = \"kongregate\"\napi_key = { env = \"A\" }\n";
        let error = refused(&format!("{game}post_encoding = \"jsno\"\n"));
        assert!(error.message().contains("post_encoding"), "{error}");
        assert_eq!(error.hint(), "did you mean `json`? known: form, json");
        let error = refused(&format!(
            "{game}budget = {{ requests = 5, period = \"1s\", reads = 5 }}\n"
        ));
        assert!(
            error.message().starts_with("unknown setting `reads`"),
            "{error}"
        );
    }

    #[test]
    fn the_examples_comments_tell_the_defaults_and_every_key_of_every_provider() {
        // A key that is commented out begins with `#` and no space.
        let mut uncommented = String::new();
        for row in EXAMPLE.lines() {
            let key = row.starts_with('#') && !row.starts_with("# ") && row.len() > 1;
            uncommented.push_str(if key { &row[1..] } else { row });
            uncommented.push('\n');
        }
        let all = load(&uncommented);
        let default = Config::default();
        assert_eq!(all.default_profile, default.default_profile);
        assert_eq!(default.callbacks.bind, None);
        assert_eq!(all.callbacks.bind, Some(config::LISTEN));
        assert!(all.ui.keys.keys().eq(["help", "quit"]));
        assert_eq!(all.ui.colors.len(), crate::domain::Tone::ALL.len());
        let ui = config::Ui {
            keys: std::collections::BTreeMap::new(),
            // Examples: each theme has its own.
            colors: crate::domain::Colors::new(),
            ..all.ui.clone()
        };
        assert_eq!(ui, default.ui);
        let accounts = &all.profile(Some("live")).unwrap().accounts;
        assert!(accounts.iter().any(|account| account.budget.is_some()));
        for spec in SPECS.iter() {
            let account = accounts.iter().find(|one| one.provider == spec.name);
            let account = account.unwrap_or_else(|| panic!("{} is missing", spec.name));
            assert_eq!(account.environment, spec.environments[0]);
            assert_eq!(account.endpoints.len(), spec.endpoints.len());
            for key in spec.keys {
                let set =
                    account.texts.contains_key(key.name) || account.secrets.contains_key(key.name);
                assert!(set, "{} of {} is not in the example", key.name, spec.name);
            }
        }
    }
}
