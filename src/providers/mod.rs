//! The providers, all shaped alike. A further one is `mod x;` and `&x::MANIFEST` in [`REGISTRY`].

pub mod error;
pub mod kanga;

#[cfg(test)]
mod contract;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub use error::ApiError;

use crate::auth::{FetchToken, Tokens};
use crate::config::ProviderSpec;
use crate::domain::manage::Guide;
use crate::domain::{
    Answer, Counts, Digest, Documented, Environment, LinkRequest, Op, PaymentLink, ProviderId,
    RawCall, RawReply, Secret, WallTime, catalogue,
};
use crate::ledger::Ledger;
use crate::net::{Authorise, BoxFuture, Call, Reply};
use crate::sandbox::Dialect;

/// Every provider this version speaks to.
pub static REGISTRY: &[&Manifest] = &[&kanga::MANIFEST];

/// What every provider's account needs in the config file.
pub static SPECS: LazyLock<Vec<&'static ProviderSpec>> =
    LazyLock::new(|| REGISTRY.iter().map(|manifest| &manifest.spec).collect());

/// What a provider is, as data.
pub struct Manifest {
    /// Short name, as in the config file.
    pub id: ProviderId,
    /// Name for people.
    pub title: &'static str,
    /// Its keys in the config file.
    pub spec: ProviderSpec,
    /// Host of each endpoint in each environment; the first API endpoint first.
    pub endpoints: &'static [Endpoint],
    /// The rate limits it is kept to.
    pub limits: &'static [PublishedLimit],
    /// Makes what fetches an account's access tokens, where its calls need such.
    pub tokens: Option<MakeFetch>,
    /// How an account is come by, from opening it to its credentials.
    pub guide: &'static [Guide],
    /// Each documented call.
    pub catalogue: &'static [Documented],
    /// Makes the client of one account.
    pub connect: fn(Credentials) -> Arc<dyn Client>,
    /// Its part of the embedded simulator.
    pub dialect: fn() -> Box<dyn Dialect>,
    /// The simulator's account: its texts and its secrets by key.
    pub embedded: &'static [(&'static str, &'static str)],
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

/// A rate limit, as published or as kept to where none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedLimit {
    /// Of which endpoint it counts the calls.
    pub endpoint: &'static str,
    /// Which calls it counts.
    pub counts: Counts,
    /// How many in one period.
    pub requests: u32,
    /// The window.
    pub period: Duration,
}

/// Reads one of the account's secrets, at first use.
pub type ReadSecret = Arc<
    dyn Fn(&'static str) -> BoxFuture<'static, Result<Secret, crate::domain::Problem>>
        + Send
        + Sync,
>;

/// Makes what fetches an account's access tokens.
pub type MakeFetch = fn(&Credentials) -> Arc<dyn FetchToken>;

/// What a client is made from.
#[derive(Clone)]
pub struct Credentials {
    /// A key of the config file that is no secret.
    pub texts: std::collections::BTreeMap<&'static str, String>,
    /// Reads a secret by its key.
    pub read_secret: ReadSecret,
    /// Where the payer's page is: the base of links.
    pub endpoints: Vec<(&'static str, reqwest::Url)>,
    /// Keeps the nonces.
    pub ledger: Ledger,
    /// Tells the time for nonces.
    pub clock: crate::clock::Clock,
    /// The account's access tokens, where [`Manifest::tokens`] makes such.
    pub tokens: Option<Tokens>,
}

/// One account at one provider: operation to call, reply to answer. Both without I/O.
pub trait Client: Authorise {
    /// The call that asks `op`.
    ///
    /// # Errors
    /// If the provider has no such call, or a value cannot be sent.
    fn call(&self, op: &Op) -> Result<Call, ApiError>;

    /// What `reply` says to `op`.
    ///
    /// # Errors
    /// If the provider refused or failed, or the reply makes no sense.
    fn answer(&self, op: &Op, reply: &Reply, at: WallTime) -> Result<Answer, ApiError>;

    /// What the provider itself says in a raw reply: a failure may stand inside a 200.
    ///
    /// # Errors
    /// The provider's failure.
    fn judge(&self, raw: &RawReply) -> Result<(), ApiError>;

    /// What a raw reply says in the provider's terms, where the call is one it knows how to read.
    fn digest(&self, _call: &RawCall, _reply: &RawReply) -> Option<Digest> {
        None
    }

    /// The link a payer is sent to, with a payment token if one is given.
    ///
    /// # Errors
    /// If the provider has no links.
    fn link(&self, _link: &LinkRequest, _token: Option<&Secret>) -> Result<PaymentLink, ApiError> {
        Err(ApiError::Unsupported(
            "this provider has no payment links".into(),
        ))
    }
}

/// A provider by its short name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Manifest> {
    REGISTRY
        .iter()
        .copied()
        .find(|manifest| manifest.id.0 == name)
}

impl Manifest {
    /// Whether a call writes, as its documentation has it.
    #[must_use]
    pub fn writes(&self, method: &str, path: &str) -> bool {
        catalogue::writes(self.catalogue, method, path)
    }
}
