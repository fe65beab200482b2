//! How a command ends: its exit code, or why it failed.

use serde_json::{Value, json};

use super::output::{Out, OutputError};
use super::stop::Stop;
use crate::config::ConfigError;
use crate::domain::{Problem, ProblemKind};
use crate::ledger::LedgerError;

/// What each exit code means, for the help and the man page.
pub const EXITS: [(&str, &str); 10] = [
    ("0", "done, and every expectation was met"),
    (
        "1",
        "an expectation was not met (state, amount, currency, all pages); doctor: something is bad",
    ),
    ("2", "usage or configuration"),
    ("3", "credentials rejected"),
    ("4", "not found"),
    (
        "5",
        "the provider is unreachable, fails, or sends an invalid response",
    ),
    ("6", "rate limit reached with --no-wait"),
    ("7", "--wait timed out"),
    ("8", "cancelled at a prompt; nothing was changed"),
    (
        "130",
        "interrupted (Ctrl-C, SIGTERM, SIGHUP); listen ends with 0 on SIGTERM",
    ),
];

/// What a command ends with. The dispatcher prints a failure.
pub type CommandResult = Result<Exit, Failure>;

/// The exit code. The numbers are a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Expectation = 1,
    Usage = 2,
    Refused = 3,
    NotFound = 4,
    Provider = 5,
    Budget = 6,
    TimedOut = 7,
    Declined = 8,
    Interrupted = 130,
}

impl Exit {
    /// The exit of several results: the first error, else a failed expectation, else 0.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Done, other) => other,
            (Self::Expectation, other) if other != Self::Done => other,
            (first, _) => first,
        }
    }

    /// The exit of a service that this signal stops.
    pub fn of_service(stop: Stop) -> Self {
        match stop {
            Stop::Interrupt => Self::Interrupted,
            Stop::Terminate => Self::Done,
        }
    }
}

impl From<ProblemKind> for Exit {
    fn from(kind: ProblemKind) -> Self {
        match kind {
            ProblemKind::Usage | ProblemKind::Config | ProblemKind::Local => Self::Usage,
            ProblemKind::Refused => Self::Refused,
            ProblemKind::NotFound | ProblemKind::NoPath => Self::NotFound,
            ProblemKind::Unreachable | ProblemKind::Failing | ProblemKind::Nonsense => {
                Self::Provider
            }
            ProblemKind::Budget => Self::Budget,
            ProblemKind::TimedOut => Self::TimedOut,
            ProblemKind::Declined => Self::Declined,
            ProblemKind::Interrupted => Self::Interrupted,
        }
    }
}

#[derive(Debug)]
pub enum Failure {
    Problem(Problem),
    Config(ConfigError),
    Output(OutputError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Problem(local(error.to_string(), ""))
    }
}

impl Out {
    /// Prints the failure that ended a command, and returns the exit code.
    pub(super) fn settle(&self, done: CommandResult) -> Result<Exit, OutputError> {
        self.settle_of(json!({}), done)
    }

    /// As [`Out::settle`], of one of several results: see [`Out::fail_of`].
    pub(super) fn settle_of(
        &self,
        fields: Value,
        done: CommandResult,
    ) -> Result<Exit, OutputError> {
        match done {
            Ok(exit) => Ok(exit),
            Err(Failure::Problem(problem)) => self.fail_of(fields, &problem),
            Err(Failure::Config(error)) => self.misconfigured(&error),
            Err(Failure::Output(error)) => Err(error),
        }
    }

    pub(super) fn fail(&self, problem: &Problem) -> Result<Exit, OutputError> {
        self.fail_of(json!({}), problem)
    }

    /// Prints the failure of one of several results, and returns the exit code. Beside the error, the object for scripts
    /// has `fields` that say which one it is.
    pub(super) fn fail_of(&self, fields: Value, problem: &Problem) -> Result<Exit, OutputError> {
        // What was typed wrongly may be anything.
        let why = (problem.kind != ProblemKind::Usage).then_some(problem.message.as_str());
        tracing::warn!(kind = problem.kind.as_str(), why, "failed");
        match self.problem_of(fields, problem) {
            // A closed stdout does not matter: the exit code still reports the failure.
            Ok(()) | Err(OutputError::ReaderGone) => Ok(problem.kind.into()),
            Err(error) => Err(error),
        }
    }

    /// Prints a config error: the snippet for people, an object for scripts.
    fn misconfigured(&self, error: &ConfigError) -> Result<Exit, OutputError> {
        if self.is_json() {
            self.problem(&error.clone().into())?;
        } else {
            self.say(error.render(self.color_err).trim_end());
            self.hint(error.hint());
        }
        Ok(Exit::Usage)
    }
}

/// The arguments do not fit, or something they name does not.
pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Usage, message, hint)
}

/// Something on this machine fails.
pub fn local(message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Local, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_decides_the_exit_and_outweighs_an_expectation() {
        assert_eq!(Exit::Done.and(Exit::Done), Exit::Done);
        assert_eq!(Exit::Done.and(Exit::Expectation), Exit::Expectation);
        assert_eq!(Exit::Expectation.and(Exit::Done), Exit::Expectation);
        assert_eq!(Exit::Expectation.and(Exit::NotFound), Exit::NotFound);
        assert_eq!(Exit::NotFound.and(Exit::Provider), Exit::NotFound);
    }
}
