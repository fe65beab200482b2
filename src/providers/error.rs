//! Why a call has no answer: a kind to act on, and the provider's own code and message.

use std::fmt;

use crate::domain::{Ability, AccountId, Problem, ProblemKind, inert};
use crate::net::NetError;

/// Why a call has no answer. Text from outside is already made inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// The provider's response says why: the credentials are rejected, the thing is unknown, the request is rejected, or
    /// nobody can read it.
    Answered {
        /// The kind to act on.
        kind: ProblemKind,
        /// What the provider does or did; follows its name.
        what: String,
        /// What to do; names both causes where one code stands for two.
        hint: String,
    },
    /// A 404 that is not the provider's own error: the address is wrong, or something else than the API answers.
    NoPath,
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
    /// The provider rejected key, secret or nonce, with its code or the HTTP status.
    pub fn refused(code: impl fmt::Display, hint: &str) -> Self {
        let what = format!("rejected the credentials ({code})");
        Self::answered(ProblemKind::Refused, what, hint)
    }

    /// The provider does not know the thing, which is a noun phrase.
    pub fn not_found(what: impl fmt::Display, hint: &str) -> Self {
        Self::answered(ProblemKind::NotFound, format!("does not know {what}"), hint)
    }

    /// The provider rejected the request or failed; `what` is its code or message in words.
    pub fn failing(what: impl Into<String>, hint: &str) -> Self {
        Self::answered(ProblemKind::Failing, what.into(), hint)
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

    /// The response is not what the provider documents; `what` is wrong with it.
    pub fn unexpected(what: impl fmt::Display) -> Self {
        Self::answered(
            ProblemKind::Nonsense,
            format!("sent a response that tilldeck cannot read: {what}"),
            "`tilldeck log` shows the request and the response; if the error persists, contact the provider",
        )
    }

    fn answered(kind: ProblemKind, what: String, hint: &str) -> Self {
        let hint = hint.to_owned();
        Self::Answered { kind, what, hint }
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
            Self::Answered { kind, what, hint } => (kind, format!("{provider} {what}"), hint),
            Self::NoPath => (
                ProblemKind::NoPath,
                format!("{provider} does not know this path (status 404, without {provider}'s own error)"),
                "check the path, which follows the endpoint's URL (Kongregate's paths end in .json), `endpoints` of the \
                account in the config, and the proxy in between; `tilldeck log` shows the URL"
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
