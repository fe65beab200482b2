//! An account without its secrets, and the status of its credentials.

use std::fmt;

use super::words::words;
use super::{AccountId, Problem, ProblemKind, Tone, WallTime};

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
    pub fn title(self) -> &'static str {
        match self {
            Self::Embedded => "built-in simulator",
            other => other.as_str(),
        }
    }

    /// Whether calls may move real money, so that writes must be armed first.
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

words! {
    /// Whether an account's credentials are valid. The words are those of the ledger and JSON.
    #[derive(Default)]
    pub enum CredentialState {
        /// Never verified.
        #[default]
        Untested = "untested",
        /// The provider accepted the credentials.
        Valid = "valid",
        /// The provider rejected them.
        Refused = "refused",
        /// The secret could not be read on this machine, so no request was sent.
        Unreadable = "unreadable",
        /// No response arrived, which says nothing about the credentials.
        Unreachable = "unreachable",
        /// The response neither accepts nor rejects the credentials, or nothing was sent.
        Unverified = "unverified",
    }
}

impl CredentialState {
    /// The word on the screen.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Refused => "rejected",
            other => other.as_str(),
        }
    }

    /// How it is shown.
    pub fn tone(self) -> Tone {
        match self {
            Self::Untested => Tone::Dim,
            Self::Valid => Tone::Good,
            Self::Refused | Self::Unreadable => Tone::Bad,
            Self::Unreachable | Self::Unverified => Tone::Warn,
        }
    }
}

/// The last known state of an account's credentials. The default is untested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialStatus {
    /// Whether they are valid.
    pub state: CredentialState,
    /// When that was determined, or the attempt ended.
    pub at: Option<WallTime>,
    /// Why they are not valid, inert.
    pub why: Option<String>,
}

impl CredentialStatus {
    /// The status after a verification with this outcome.
    pub fn after(outcome: Result<(), &Problem>, at: WallTime) -> Self {
        let state = match outcome.map_err(|problem| problem.kind) {
            Ok(()) => CredentialState::Valid,
            // A provider without such a call says nothing about the credentials.
            Err(ProblemKind::Usage) => return Self::default(),
            Err(ProblemKind::Refused) => CredentialState::Refused,
            Err(ProblemKind::Config) => CredentialState::Unreadable,
            Err(ProblemKind::Unreachable | ProblemKind::TimedOut) => CredentialState::Unreachable,
            // None of these says anything about the credentials; they may be valid.
            Err(
                ProblemKind::NotFound
                | ProblemKind::NoPath
                | ProblemKind::Failing
                | ProblemKind::Nonsense
                | ProblemKind::Budget
                | ProblemKind::Declined
                | ProblemKind::Interrupted
                | ProblemKind::Local,
            ) => CredentialState::Unverified,
        };
        Self {
            state,
            at: Some(at),
            why: outcome.err().map(Problem::describe),
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
            assert_eq!(status.state.as_str(), word, "{kind:?}");
        }
    }
}
