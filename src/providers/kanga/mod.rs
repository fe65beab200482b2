//! Kanga TPG (Token Payment Gateway): payments in crypto-currencies.
//! Facts are from <https://support.kanga.exchange/guide/kanga-tpg-api/>.

mod api;
mod auth;
pub mod sandbox;
mod settings;
mod wire;

use std::time::Duration;

use super::{Documented, Endpoint, Manifest};
use crate::domain::{Environment, ProviderId};

/// Kanga's registration.
pub static MANIFEST: Manifest = Manifest {
    id: ProviderId("kanga"),
    title: "Kanga TPG",
    spec: settings::SPEC,
    endpoints: &[
        Endpoint {
            name: "api",
            environment: Environment::Production,
            url: "https://api.kanga.exchange",
        },
        Endpoint {
            name: "pay",
            environment: Environment::Production,
            url: "https://kanga.exchange",
        },
    ],
    // Kanga publishes no limit. Clients in the field answer 429 with back-off; this keeps a runaway
    // script from ever getting there.
    limit: Some((600, Duration::from_mins(1))),
    uses_access_tokens: false,
    catalogue: &[
        Documented {
            method: "POST",
            path: api::ESTIMATE,
            writes: false,
            about: "price estimate, unsigned",
        },
        Documented {
            method: "POST",
            path: api::CREATE,
            writes: true,
            about: "payment token for one link",
        },
        Documented {
            method: "POST",
            path: api::CHECK,
            writes: false,
            about: "state of a payment",
        },
        Documented {
            method: "POST",
            path: api::TEST,
            writes: false,
            about: "test of the signature",
        },
    ],
    connect: api::connect,
    dialect: || Box::new(sandbox::Kanga::default()),
    embedded: &[
        (settings::API_KEY, sandbox::API_KEY),
        (settings::API_SECRET, sandbox::API_SECRET),
    ],
};
