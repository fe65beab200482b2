//! An account without its secrets, and the status of its credentials.

use std::fmt;

use super::words::words;
use super::{AccountId, Problem, ProblemKind, WallTime};

/// A provider's short name, as written in the config file: `kanga`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(pub &'static str);

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

words! {
    /// What an account's calls affect. The words are those of the badge, the config file and JSON.
    #[derive(Hash)]
    pub enum Environment {
        /// Real money.
        Production = "production",
        /// The provider's own test system.
        Sandbox = "sandbox",
        /// The simulator inside this program.
        Embedded = "embedded",
    }
}

impl Environment {
    /// Its name in a sentence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Embedded => "built-in simulator",
            other => other.as_str(),
        }
    }

    /// Whether calls may move real money, so that writes must be armed first.
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
    /// Its provider.
    pub provider: ProviderId,
    /// The provider's name for people: "Kanga TPG".
    pub provider_title: &'static str,
    /// What its calls affect.
    pub environment: Environment,
    /// Host and port of its first API endpoint: "api.kanga.exchange", "127.0.0.1:9000".
    pub host: String,
    /// The base URL of its paths: `https://api.kanga.exchange`, or `https://proxy.example/kanga` where overridden.
    /// Without user name and trailing slash.
    pub base: String,
    /// The source of its secret: "env `KANGA_API_SECRET`", "keyring shop", "built in". Never the secret.
    pub secret_source: String,
    /// Whether calls need an access token that expires (OAuth 2.0).
    pub uses_access_tokens: bool,
    /// Its operations besides raw calls.
    pub abilities: &'static [Ability],
}

impl Account {
    /// Whether it supports this operation.
    #[must_use]
    pub fn can(&self, ability: Ability) -> bool {
        self.abilities.contains(&ability)
    }
}

/// An operation that only some providers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ability {
    /// The state of a payment.
    Payments,
    /// The link that a payer is sent to.
    Links,
    /// What a payer would pay in each currency.
    Estimates,
    /// The players of a game and what they own.
    Players,
    /// Whether a request is signed right, without an account.
    SignatureTest,
    /// Calls that can be authorised in one way or another.
    AuthMethods,
    /// The signed link to the page where a payer makes a purchase.
    PurchaseLinks,
    /// Keys in the stock of an offer.
    Stock,
}

impl Ability {
    /// A noun for it, for "has no …".
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Links => "payment links",
            Self::Estimates => "price estimates",
            Self::Players => "players",
            Self::SignatureTest => "signature tests",
            Self::AuthMethods => "choice between basic and bearer",
            Self::PurchaseLinks => "signed purchase links",
            Self::Stock => "stock of keys",
        }
    }
}

/// The last known state of an account's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialStatus {
    /// Never verified.
    Untested,
    /// Verification is running.
    Verifying,
    /// The provider accepted the credentials.
    Good {
        /// When the answer arrived.
        at: WallTime,
    },
    /// The provider rejected them.
    Refused {
        /// When the answer arrived.
        at: WallTime,
        /// The provider's or our own words, inert.
        why: String,
    },
    /// The secret could not be read on this machine, so no request was sent.
    Unreadable {
        /// When it was tried.
        at: WallTime,
        /// What is wrong, inert.
        why: String,
    },
    /// No response arrived, which says nothing about the credentials.
    Unreachable {
        /// When the attempt ended.
        at: WallTime,
        /// What went wrong, inert.
        why: String,
    },
    /// The response neither accepts nor rejects the credentials, or nothing was sent.
    Unverified {
        /// When the attempt ended.
        at: WallTime,
        /// What went wrong, inert.
        why: String,
    },
}

impl CredentialStatus {
    /// The status after a verification with this outcome.
    #[must_use]
    pub fn after(outcome: Result<(), &Problem>, at: WallTime) -> Self {
        match outcome {
            Ok(()) => Self::Good { at },
            Err(problem) => {
                let why = problem.describe();
                match problem.kind {
                    // A provider without such a call says nothing about the credentials.
                    ProblemKind::Usage => Self::Untested,
                    ProblemKind::Refused => Self::Refused { at, why },
                    ProblemKind::Config => Self::Unreadable { at, why },
                    ProblemKind::Unreachable | ProblemKind::TimedOut => {
                        Self::Unreachable { at, why }
                    }
                    // None of these says anything about the credentials; they may be valid.
                    ProblemKind::NotFound
                    | ProblemKind::Failing
                    | ProblemKind::Nonsense
                    | ProblemKind::Budget
                    | ProblemKind::Declined
                    | ProblemKind::Interrupted
                    | ProblemKind::Local => Self::Unverified { at, why },
                }
            }
        }
    }

    /// The word on the screen.
    #[must_use]
    pub fn shown(&self) -> &'static str {
        match self {
            Self::Good { .. } => "valid",
            Self::Refused { .. } => "rejected",
            Self::Untested
            | Self::Verifying
            | Self::Unreadable { .. }
            | Self::Unreachable { .. }
            | Self::Unverified { .. } => self.word(),
        }
    }

    /// The word in the ledger and in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Untested => "untested",
            Self::Verifying => "verifying",
            Self::Good { .. } => "valid",
            Self::Refused { .. } => "refused",
            Self::Unreadable { .. } => "unreadable",
            Self::Unreachable { .. } => "unreachable",
            Self::Unverified { .. } => "unverified",
        }
    }

    /// When it was determined.
    #[must_use]
    pub fn at(&self) -> Option<WallTime> {
        match self {
            Self::Untested | Self::Verifying => None,
            Self::Good { at }
            | Self::Refused { at, .. }
            | Self::Unreadable { at, .. }
            | Self::Unreachable { at, .. }
            | Self::Unverified { at, .. } => Some(*at),
        }
    }

    /// Why they are not valid.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Untested | Self::Verifying | Self::Good { .. } => None,
            Self::Refused { why, .. }
            | Self::Unreadable { why, .. }
            | Self::Unreachable { why, .. }
            | Self::Unverified { why, .. } => Some(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_answered_is_not_called_unreachable() {
        let at = WallTime(1);
        for (kind, word) in [
            (ProblemKind::Refused, "refused"),
            (ProblemKind::Config, "unreadable"),
            (ProblemKind::Unreachable, "unreachable"),
            (ProblemKind::TimedOut, "unreachable"),
            (ProblemKind::NotFound, "unverified"),
            (ProblemKind::Failing, "unverified"),
            (ProblemKind::Nonsense, "unverified"),
            (ProblemKind::Budget, "unverified"),
            (ProblemKind::Usage, "untested"),
        ] {
            let problem = Problem::new(kind, "what", "");
            let status = CredentialStatus::after(Err(&problem), at);
            assert_eq!(status.word(), word, "{kind:?}");
        }
    }
}
