//! Why a call has no answer: a kind to act on, and the provider's own code and message.

use crate::domain::{Ability, AccountId, Problem, ProblemKind, inert};
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
    /// A 404 that is not the provider's own error: the address is wrong, or something else than the API answers.
    NoPath,
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
    /// [`ApiError::Refused`] with this code.
    pub fn refused(code: impl Into<String>, hint: &str) -> Self {
        Self::Refused {
            code: code.into(),
            hint: hint.into(),
        }
    }

    /// [`ApiError::NotFound`] of this thing.
    pub fn not_found(what: impl Into<String>, hint: &str) -> Self {
        Self::NotFound {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// [`ApiError::Failing`] in these words.
    pub fn failing(what: impl Into<String>, hint: &str) -> Self {
        Self::Failing {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// A 429, with the redacted text of its `Retry-After`; `shared` is what another program may use, too.
    pub(super) fn too_many(retry_after: Option<&str>, shared: &str) -> Self {
        let after = retry_after.map(|after| format!(", retry after {}", inert::cut(after, 40)));
        let after = after.unwrap_or_default();
        Self::failing(
            format!("rejected the request: too many requests (429){after}"),
            &format!("another program may be using this {shared}; try again later"),
        )
    }

    /// [`ApiError::Unexpected`] in these words.
    pub fn unexpected(what: impl Into<String>) -> Self {
        Self::Unexpected { what: what.into() }
    }

    /// A body that is not the expected JSON; `why` is redacted.
    pub(super) fn unreadable(status: u16, body: &[u8], why: &str) -> Self {
        Self::unexpected(match body.trim_ascii_start().first() {
            None => format!("it is empty (status {status})"),
            Some(b'<') => format!("it is an HTML page, not JSON (status {status})"),
            Some(_) => format!("it is not the expected JSON: {}", inert::cut(why, 120)),
        })
    }

    /// The error as the operator of `account` sees it.
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
            Self::NoPath => (
                ProblemKind::NoPath,
                format!("{provider} does not know this path (status 404, without {provider}'s own error)"),
                "check the path, which follows the endpoint's URL (Kongregate's paths end in .json), `endpoints` of the \
                account in the config, and the proxy in between; `tilldeck log` shows the URL"
                    .to_owned(),
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
