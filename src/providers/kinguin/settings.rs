//! Kinguin's keys in the config file.

use crate::config::ProviderSpec;
use crate::domain::Environment;
use crate::domain::manage::{KeyKind, KeySpec};

/// Identifies the client in the token call.
pub const CLIENT_ID: &str = "client_id";
/// Authenticates the client in the token call.
pub const CLIENT_SECRET: &str = "client_secret";
/// The name of the header that the seller registered with the webhooks' subscription.
pub const WEBHOOK_HEADER: &str = "webhook_header";
/// That header's value, which authenticates a webhook.
pub const WEBHOOK_SECRET: &str = "webhook_secret";

/// The endpoint of the API's calls.
pub const GATEWAY: &str = "gateway";
/// The endpoint that is the whole URL of the token call.
pub const TOKEN: &str = "token";

/// The keys of an account section.
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
            about: "the client's secret key; Kinguin shows it once",
        },
        KeySpec {
            name: WEBHOOK_HEADER,
            kind: KeyKind::HeaderName,
            required: false,
            about: "the header registered with the webhook subscription; default: X-Auth-Token",
        },
        KeySpec {
            name: WEBHOOK_SECRET,
            kind: KeyKind::Secret,
            required: false,
            about: "that header's value; tilldeck rejects webhooks without this header; if empty, it cannot verify them",
        },
    ],
    environments: &[Environment::Production, Environment::Sandbox],
    endpoints: &[GATEWAY, TOKEN],
    counts_reads: true,
};
