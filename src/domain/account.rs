//! An account without its secrets, and whether its credentials are good.

use std::fmt;

use super::{AccountId, WallTime};

/// A provider's short name, as written in the config file: `kanga`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(pub &'static str);

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// What an account's calls can move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Real money.
    Production,
    /// The provider's own test system.
    Sandbox,
    /// The simulator inside this program.
    Embedded,
}

impl Environment {
    /// The word in the badge, the config file and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
            Self::Embedded => "embedded",
        }
    }

    /// Whether writes must be armed first.
    #[must_use]
    pub fn is_live(self) -> bool {
        self == Self::Production
    }
}

/// One account as the operator set it up; its secrets are elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The operator's name for it.
    pub id: AccountId,
    /// Whose account it is.
    pub provider: ProviderId,
    /// The provider's name for people: "Kanga TPG".
    pub provider_title: &'static str,
    /// What its calls can move.
    pub environment: Environment,
    /// Host and port of its first API endpoint: "api.kanga.exchange", "127.0.0.1:9000".
    pub host: String,
    /// Where its secret comes from, in words: "env `KANGA_API_SECRET`", "keyring shop", "built in". Never the secret.
    pub secret_source: String,
    /// Whether calls need an access token that expires (OAuth 2.0).
    pub uses_access_tokens: bool,
}

/// What is known of an account's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialStatus {
    /// Never asked.
    Untested,
    /// Being asked.
    Verifying,
    /// The provider accepted key and secret.
    Good {
        /// When the answer arrived.
        at: WallTime,
    },
    /// The provider refused them, or the secret could not be read.
    Refused {
        /// When the answer arrived.
        at: WallTime,
        /// The provider's or our own words, inert.
        why: String,
    },
    /// No usable answer came, which says nothing about the credentials.
    Unreachable {
        /// When it was given up.
        at: WallTime,
        /// What went wrong, inert.
        why: String,
    },
}
