//! Kinguin's keys in the config file.

use crate::config::{KeyKind, KeySpec, ProviderSpec};

/// Names the client in the token call.
pub const CLIENT_ID: &str = "client_id";
/// Proves it in the token call.
pub const CLIENT_SECRET: &str = "client_secret";

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
    ],
    environments: &["production", "sandbox"],
    endpoints: &[GATEWAY, TOKEN],
};
