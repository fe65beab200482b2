//! An error for the operator: what happened, to which account, and what to do next.

use std::fmt;

/// The kind of error. Decides the exit code and the `kind` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The command line or a typed value is wrong.
    Usage,
    /// The config file, or a secret it names, is wrong.
    Config,
    /// The provider rejected the credentials.
    Refused,
    /// The provider does not know the requested object.
    NotFound,
    /// No connection, no answer in time, or the connection broke.
    Unreachable,
    /// The provider failed or rejected the request (4xx, 5xx).
    Failing,
    /// The provider's response is invalid.
    Nonsense,
    /// No slot is free in the rate budget, and the caller does not wait.
    Budget,
    /// The awaited state was not reached in time.
    TimedOut,
    /// The operator declined a confirmation.
    Declined,
    /// Stopped by the operator.
    Interrupted,
    /// A local cause: a file, a port, the terminal.
    Local,
}

impl ProblemKind {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Config => "config",
            Self::Refused => "credentials_refused",
            Self::NotFound => "not_found",
            Self::Unreachable => "unreachable",
            Self::Failing => "provider_failing",
            Self::Nonsense => "bad_answer",
            Self::Budget => "budget_exhausted",
            Self::TimedOut => "timed_out",
            Self::Declined => "declined",
            Self::Interrupted => "interrupted",
            Self::Local => "local",
        }
    }
}

/// An error for the operator. Holds no secret; text from outside is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its kind.
    pub kind: ProblemKind,
    /// What happened, and to which account.
    pub message: String,
    /// What to do next; may be empty.
    pub hint: String,
}

impl Problem {
    /// What happened and what to do next, as one text.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut out = self.message.trim_end_matches('.').to_owned();
        let mut hint = self.hint.chars();
        if let Some(first) = hint.next() {
            out.push_str(". ");
            out.extend(first.to_uppercase());
            out.push_str(hint.as_str());
        }
        out
    }

    /// An error with its next step.
    #[must_use]
    pub fn new(kind: ProblemKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Problem {}
