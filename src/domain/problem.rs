//! An error for the operator: what happened, to which account, and what to do next.

use super::words::words;
use std::fmt;

words! {
    /// The kind of error. Decides the exit code and the `kind` in JSON. The words are those of JSON.
    #[derive(Hash)]
    pub enum ProblemKind {
        /// The command line or a typed value is wrong.
        Usage = "usage",
        /// The config file, or a secret it names, is wrong.
        Config = "config",
        /// The provider rejected the credentials.
        Refused = "credentials_refused",
        /// The provider does not know the requested object.
        NotFound = "not_found",
        /// The server does not know the path (404), so its answer says nothing about the requested object.
        NoPath = "path_not_found",
        /// No connection, no answer in time, or the connection broke.
        Unreachable = "unreachable",
        /// The provider failed or rejected the request (4xx, 5xx).
        Failing = "provider_failing",
        /// The provider's response is invalid.
        Nonsense = "bad_answer",
        /// No slot is free in the rate budget, and the caller does not wait.
        Budget = "budget_exhausted",
        /// The awaited state was not reached in time.
        TimedOut = "timed_out",
        /// The operator declined a confirmation.
        Declined = "declined",
        /// Stopped by the operator.
        Interrupted = "interrupted",
        /// A local cause: a file, a port, the terminal.
        Local = "local",
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
    pub fn new(kind: ProblemKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// A command line or a typed value that is wrong.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ProblemKind::Usage, message, hint)
    }

    /// A config file, or a secret it names, that is wrong.
    pub fn config(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ProblemKind::Config, message, hint)
    }

    /// A file, a port or another local cause.
    pub fn local(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ProblemKind::Local, message, hint)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Problem {}
