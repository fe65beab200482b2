//! Pledg's keys in the config file. Three credentials that are never tried in place of each other: the API key's pair for
//! the token call, the merchant's secret for signatures, the dashboard's login for the calls that take it
//! (`docs/providers/pledg.md#credentials`).

use crate::config::ProviderSpec;
use crate::domain::Environment;
use crate::domain::manage::{KeyKind, KeySpec};

/// User name of the token call.
pub const API_KEY: &str = "api_key";
/// Password of the token call.
pub const API_SECRET: &str = "api_secret";
/// Signs purchases and notifications.
pub const MERCHANT_SECRET: &str = "merchant_secret";
/// The dashboard's login. Not a secret: it is an e-mail address, and the file should show which login an account uses.
pub const DASHBOARD_USER: &str = "dashboard_user";
/// The dashboard's password.
pub const DASHBOARD_PASSWORD: &str = "dashboard_password";

/// The endpoint of all calls.
pub const API: &str = "api";
/// Where payers make a purchase; no call goes there.
pub const FRONT: &str = "front";

/// The keys of an account section. The API secret is optional because an account that only signs purchases needs none; a
/// call that needs a missing secret reports it.
pub const SPEC: ProviderSpec = ProviderSpec {
    name: "pledg",
    title: "Pledg",
    keys: &[
        KeySpec {
            name: API_KEY,
            kind: KeyKind::Text,
            required: true,
            about: "the client API key, issued by Pledg on request",
        },
        KeySpec {
            name: API_SECRET,
            kind: KeyKind::Secret,
            required: false,
            about: "the secret issued with the API key; fetches the access tokens",
        },
        KeySpec {
            name: MERCHANT_SECRET,
            kind: KeyKind::Secret,
            required: false,
            about: "the \"Secret Key\" of the dashboard; signs purchases and notifications",
        },
        KeySpec {
            name: DASHBOARD_USER,
            kind: KeyKind::Text,
            required: false,
            about: "the e-mail address of the dashboard login, for calls that need it",
        },
        KeySpec {
            name: DASHBOARD_PASSWORD,
            kind: KeyKind::Secret,
            required: false,
            about: "the password of the dashboard login",
        },
    ],
    environments: &[Environment::Production, Environment::Sandbox],
    endpoints: &[API, FRONT],
    counts_reads: false,
};
