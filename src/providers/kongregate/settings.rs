//! Kongregate's keys in the config file.

use crate::config::ProviderSpec;
use crate::domain::Environment;
use crate::domain::manage::{KeyKind, KeySpec};

/// The game's key: identifies the game and authenticates its owner, so all of it is secret.
pub const API_KEY: &str = "api_key";
/// How the fields of a POST are written.
pub const POST_ENCODING: &str = "post_encoding";

/// The endpoint of all calls.
pub const API: &str = "api";

/// Fields of a POST as a form: what every public client sends (`docs/providers/kongregate.md#encoding`).
pub const FORM: &str = "form";
/// Fields of a POST as a JSON object: what the newer API description says.
pub const JSON: &str = "json";

/// The keys of an account section. Kongregate has no sandbox.
pub const SPEC: ProviderSpec = ProviderSpec {
    name: "kongregate",
    title: "Kongregate",
    keys: &[
        KeySpec {
            name: API_KEY,
            kind: KeyKind::Secret,
            required: true,
            about: "the game's API key, from the game's page with /api added to its address",
        },
        KeySpec {
            name: POST_ENCODING,
            kind: KeyKind::Choice(&[FORM, JSON]),
            required: false,
            about: "encoding of write requests: form (default) or json",
        },
    ],
    environments: &[Environment::Production],
    endpoints: &[API],
    counts_reads: false,
};
