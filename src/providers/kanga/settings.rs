//! Kanga's keys in the config file.

use crate::config::ProviderSpec;
use crate::domain::Environment;
use crate::domain::manage::{KeyKind, KeySpec};

/// Identifies the shop in every call and in the payment page's URL.
pub const API_KEY: &str = "api_key";
/// Signs calls.
pub const API_SECRET: &str = "api_secret";

/// The keys of an account section.
pub const SPEC: ProviderSpec = ProviderSpec {
    name: "kanga",
    title: "Kanga TPG",
    keys: &[
        KeySpec {
            name: API_KEY,
            kind: KeyKind::Text,
            required: true,
            about: "the API key, from Payment gateway > API in the web account",
        },
        KeySpec {
            name: API_SECRET,
            kind: KeyKind::Secret,
            required: true,
            about: "the API secret, from the same page",
        },
    ],
    environments: &[Environment::Production],
    endpoints: &["api", "pay"],
    counts_reads: false,
};
