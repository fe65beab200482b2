//! Why a call has no answer: a kind to act on, and the provider's own code and message.

use crate::domain::{Ability, AccountId, Problem, ProblemKind};
use crate::net::NetError;

/// Why a call has no answer. Text from outside is already made inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// The provider rejected key, secret or nonce.
    Refused {
        /// The provider's code, or the HTTP status.
        code: String,
        /// What to do; names both causes where one code stands for two.
        hint: String,
    },
    /// The provider does not know the thing.
    NotFound {
        /// The missing thing, as a noun phrase.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The provider rejected the request or failed.
    Failing {
        /// HTTP status, or the provider's code in words.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The response is not what the provider documents.
    Unexpected {
        /// What is wrong with it.
        what: String,
    },
    /// The provider does not have this ability.
    Lacks(Ability),
    /// The provider has no such call, or a value cannot be sent.
    Unsupported(String),
    /// The request got no response.
    Net(NetError),
}

impl From<NetError> for ApiError {
    fn from(error: NetError) -> Self {
        Self::Net(error)
    }
}

impl ApiError {
    /// The error as the operator of `account` sees it.
    #[must_use]
    pub fn problem(self, account: &AccountId, provider: &str) -> Problem {
        let (kind, message, hint) = match self {
            Self::Net(error) => return error.problem(account),
            Self::Refused { code, hint } => (
                ProblemKind::Refused,
                format!("{provider} rejected the credentials ({code})"),
                hint,
            ),
            Self::NotFound { what, hint } => (
                ProblemKind::NotFound,
                format!("{provider} does not know {what}"),
                hint,
            ),
            Self::Failing { what, hint } => {
                (ProblemKind::Failing, format!("{provider} {what}"), hint)
            }
            Self::Unexpected { what } => (
                ProblemKind::Nonsense,
                format!("{provider} sent a response that tilldeck cannot read: {what}"),
                "`tilldeck log` shows the request and the response; if the error persists, contact the provider"
                    .to_owned(),
            ),
            Self::Lacks(ability) => {
                let message = format!("{provider} has no {}", ability.noun());
                (ProblemKind::Usage, message, String::new())
            }
            Self::Unsupported(what) => (ProblemKind::Usage, what, String::new()),
        };
        Problem::new(kind, format!("account {account}: {message}"), hint)
    }
}
