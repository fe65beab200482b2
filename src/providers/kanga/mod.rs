//! Kanga TPG (Token Payment Gateway): payments in crypto-currencies.
//! Its facts, their sources and their contradictions are in `docs/providers/kanga.md`.

mod api;
mod auth;
mod callback;
mod sandbox;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

use super::{Endpoint, Manifest, PublishedLimit, Verify};
use crate::domain::manage::{Guide, GuideTopic};
use crate::domain::{Ability, Counts, DocumentedCall, ProviderId, RowIds};
use crate::net;

/// Kanga's registration.
pub static MANIFEST: Manifest = Manifest {
    id: ProviderId("kanga"),
    title: "Kanga TPG",
    spec: settings::SPEC,
    endpoints: &[
        Endpoint::production("api", "https://api.kanga.exchange"),
        Endpoint::production("pay", "https://kanga.exchange"),
    ],
    // Our choice: Kanga publishes no limit (`docs/providers/kanga.md#limits`). This stops a runaway script before Kanga
    // does.
    limits: &[PublishedLimit::of("api", Counts::All, 600)],
    timeout: net::http::IDLE,
    tokens: None,
    abilities: &[
        Ability::Payments,
        Ability::Links,
        Ability::Estimates,
        Ability::SignatureTest,
    ],
    verify: Verify::Call,
    proves: &[settings::API_SECRET],
    guide: GUIDE,
    catalogue: CATALOGUE,
    callbacks: callback::SPEC,
    player_claim: None,
    callback_ids: |_| RowIds::default(),
    deadlines: &[],
    connect: api::connect,
    simulator: || Box::new(sandbox::Kanga::default()),
    embedded: &[
        (settings::API_KEY, sandbox::API_KEY),
        (settings::API_SECRET, sandbox::API_SECRET),
    ],
};

const CATALOGUE: &[DocumentedCall] = &[
    DocumentedCall::post(
        auth::ESTIMATE,
        &[],
        r#"{"token": "EMT", "quantity": "3000"}"#,
        "price estimate, unsigned",
    )
    .reading(),
    DocumentedCall::post(
        auth::ESTIMATE_ALSO,
        &[],
        r#"{"token": "EMT", "quantity": "3000"}"#,
        "price estimate on the payment page's host, unsigned (the URL in the documentation's heading)",
    )
    .reading(),
    DocumentedCall::post(api::CREATE, &[], "{}", "payment token for one link"),
    DocumentedCall::post(
        api::CHECK,
        &[],
        r#"{"id": "ORDER-1001"}"#,
        "state of a payment",
    )
    .reading(),
    DocumentedCall::post(auth::TEST, &[], "{}", "test of the signature").reading(),
];

/// From <https://support.kanga.exchange/guide/kanga-tpg-api/>, and for today's menus from
/// <https://support.kanga.exchange/guide/creating-your-kanga-payment-gateway-store> and
/// <https://support.kanga.exchange/guide/kanga-payment-gateway-api>.
const GUIDE: &[Guide] = &[Guide {
    title: "A merchant account and its API key",
    about: GuideTopic::SetUp,
    steps: &[
        "Open an account at https://kanga.exchange and complete its verification.",
        "In the web account, under Payment gateway > My store, choose \"Submit your application\". Kanga takes up to five business \
         days.",
        "Under Payment gateway > API, create a key; the page shows the secret. Kanga's API text calls this \
        tab TPG > TPG API.",
        "Set the callback address there too, so that Kanga reports changed payments.",
        "Add the account in Credentials, or by `tilldeck account add`: enter the key and the secret; tilldeck verifies them.",
    ],
}];
