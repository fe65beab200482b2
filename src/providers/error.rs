//! Why a call brought no answer: a kind we act on, and the provider's own code and words.

use crate::domain::{AccountId, Problem, ProblemKind};
use crate::net::NetError;

/// Why there is no answer. Text from outside is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// Key, secret or nonce are refused.
    Refused {
        /// The provider's code, or the HTTP status.
        code: String,
        /// Both causes where they cannot be told apart, and what to do.
        hint: String,
    },
    /// The provider does not know the thing.
    NotFound {
        /// The thing, as a noun phrase.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The provider turned the request away or failed.
    Failing {
        /// HTTP status, or the provider's code in words.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The reply is not what the provider documents.
    Nonsense {
        /// What is wrong with it.
        what: String,
    },
    /// The provider has no such call, or a value cannot be sent.
    Unsupported(String),
    /// No reply.
    Net(NetError),
}

impl From<NetError> for ApiError {
    fn from(error: NetError) -> Self {
        Self::Net(error)
    }
}

impl ApiError {
    /// Told to the operator of `account`.
    #[must_use]
    pub fn problem(self, account: &AccountId, provider: &str) -> Problem {
        let (kind, message, hint) = match self {
            Self::Net(error) => return error.problem(account),
            Self::Refused { code, hint } => {
                (ProblemKind::Refused, format!("{provider} refused the credentials ({code})"), hint)
            }
            Self::NotFound { what, hint } => (ProblemKind::NotFound, format!("{provider} does not know {what}"), hint),
            Self::Failing { what, hint } => (ProblemKind::Failing, format!("{provider} {what}"), hint),
            Self::Nonsense { what } => (
                ProblemKind::Nonsense,
                format!("{provider}'s answer makes no sense: {what}"),
                "nothing was concluded from it; `tilldeck log` shows the exchange. If it stays, ask the provider".to_owned(),
            ),
            Self::Unsupported(what) => (ProblemKind::Usage, what, String::new()),
        };
        Problem::new(kind, format!("account {account}: {message}"), hint)
    }
}
