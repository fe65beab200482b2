//! Kinguin's keys in the config file.

use crate::config::{KeyKind, KeySpec, ProviderSpec};

/// Names the client in the token call.
pub const CLIENT_ID: &str = "client_id";
/// Proves it in the token call.
pub const CLIENT_SECRET: &str = "client_secret";
/// The name of the header that the seller registered with the webhooks' subscription.
pub const WEBHOOK_HEADER: &str = "webhook_header";
/// That header's value, which proves a webhook.
pub const WEBHOOK_SECRET: &str = "webhook_secret";

/// The endpoint of the API's calls.
pub const GATEWAY: &str = "gateway";
/// The endpoint that is the whole URL of the token call.
pub const TOKEN: &str = "token";

/// What an account section may hold.
pub const SPEC: ProviderSpec = ProviderSpec {
    name: "kinguin",
    title: "Kinguin",
    keys: &[
        KeySpec {
            name: CLIENT_ID,
            kind: KeyKind::Text,
            required: true,
            about: "the client id, from the merchant panel's Developer section",
        },
        KeySpec {
            name: CLIENT_SECRET,
            kind: KeyKind::Secret,
            required: true,
            about: "the client's secret key, shown there once",
        },
        KeySpec {
            name: WEBHOOK_HEADER,
            kind: KeyKind::HeaderName,
            required: false,
            about: "the header registered with the webhooks' subscription; X-Auth-Token without it",
        },
        KeySpec {
            name: WEBHOOK_SECRET,
            kind: KeyKind::Secret,
            required: false,
            about: "that header's value; webhooks without it are refused",
        },
    ],
    environments: &["production", "sandbox"],
    endpoints: &[GATEWAY, TOKEN],
};
