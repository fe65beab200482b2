//! The result of a check of this set-up: what `tilldeck doctor` shows in a line.

use std::fmt;
use std::time::Duration;

use super::words::words;
use super::{AccountId, Problem, Tone};

words! {
    /// How well a part of the set-up is. The words are those of the screen and JSON.
    #[derive(PartialOrd, Ord)]
    pub enum Health {
        /// Nothing to do.
        Good = "good",
        /// It works, but not as well as it could, or not for long.
        Warning = "warning",
        /// It does not work.
        Bad = "bad",
    }
}

impl Health {
    /// The mark beside the word.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Good => "✔",
            Self::Warning => "!",
            Self::Bad => "✘",
        }
    }
}

impl From<Health> for Tone {
    fn from(health: Health) -> Self {
        match health {
            Health::Good => Self::Good,
            Health::Warning => Self::Warn,
            Health::Bad => Self::Bad,
        }
    }
}

/// What a check has seen. Holds no secret; text from outside is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The part that was checked: "endpoint".
    pub check: &'static str,
    /// How it is.
    pub health: Health,
    /// What was seen.
    pub message: String,
    /// What to do; empty if nothing.
    pub hint: String,
    /// The account, if the check is about one.
    pub account: Option<AccountId>,
    /// Host and port, if the check is about a server.
    pub host: Option<String>,
    /// How long the server took, connecting included.
    pub took: Option<Duration>,
}

impl Finding {
    /// Without a hint, account and server. The check's name follows, see [`Finding::named`].
    pub fn new(health: Health, message: impl Into<String>) -> Self {
        Self {
            check: "",
            health,
            message: message.into(),
            hint: String::new(),
            account: None,
            host: None,
            took: None,
        }
    }

    /// Nothing to do.
    pub fn good(message: impl Into<String>) -> Self {
        Self::new(Health::Good, message)
    }

    /// It works, but not as well as it could.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Health::Warning, message)
    }

    /// It does not work.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(Health::Bad, message)
    }

    /// Of this check, unless it names another one.
    #[must_use]
    pub fn named(self, check: &'static str) -> Self {
        let check = if self.check.is_empty() {
            check
        } else {
            self.check
        };
        Self { check, ..self }
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: hint.into(),
            ..self
        }
    }

    /// Of a problem, with its hint. Many messages have theirs after the last semicolon.
    pub fn of(health: Health, problem: &Problem) -> Self {
        let (message, hint) = match problem.message.rsplit_once("; ") {
            Some((message, hint)) if problem.hint.is_empty() => (message, hint),
            _ => (problem.message.as_str(), problem.hint.as_str()),
        };
        Self::new(health, message).hint(hint)
    }

    /// The same for an account.
    #[must_use]
    pub fn account(self, account: &AccountId) -> Self {
        Self {
            account: Some(account.clone()),
            ..self
        }
    }

    /// Its subject before the message: the account.
    pub fn line(&self) -> String {
        match &self.account {
            Some(account) => format!("{account}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// How many findings there are of each kind. Displayed as `1 bad, 2 warnings, 9 good`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    good: usize,
    warnings: usize,
    bad: usize,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, health: Health) {
        *match health {
            Health::Good => &mut self.good,
            Health::Warning => &mut self.warnings,
            Health::Bad => &mut self.bad,
        } += 1;
    }

    /// The worst of them; good if there are none.
    pub fn worst(&self) -> Health {
        match (self.bad, self.warnings) {
            (0, 0) => Health::Good,
            (0, _) => Health::Warning,
            (..) => Health::Bad,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            good,
            warnings,
            bad,
        } = self;
        let plural = if *warnings == 1 { "" } else { "s" };
        write!(f, "{bad} bad, {warnings} warning{plural}, {good} good")
    }
}
