//! How much of a rate limit is used, and which calls it counts.

use std::time::Duration;

use super::{AccountId, time};

/// Which calls a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counts {
    /// Every call.
    All,
    /// POST, PUT, DELETE, PATCH.
    Writes,
    /// Every other method.
    Reads,
}

impl Counts {
    /// Whether a call with this method is counted.
    #[must_use]
    pub fn covers(self, method: &str) -> bool {
        let writes = matches!(method, "POST" | "PUT" | "DELETE" | "PATCH");
        match self {
            Self::All => true,
            Self::Writes => writes,
            Self::Reads => !writes,
        }
    }

    /// As shown and as written in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Writes => "writes",
            Self::Reads => "reads",
        }
    }
}

/// One of an account's budgets at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetGauge {
    /// Which calls it counts.
    pub counts: Counts,
    /// Slots taken: in flight, or whose reply was seen less than one period ago. Those of other processes of
    /// this user are counted too.
    pub used: u32,
    /// Slots there are.
    pub limit: u32,
    /// The length of the window.
    pub period: Duration,
    /// Until the next slot frees; `None` where one is free now or all are in flight.
    pub next_free: Option<Duration>,
    /// Requests of this process that wait for a slot.
    pub waiting: u32,
    /// The provider answered 429 although slots were free: another program spends with these credentials.
    /// So long nothing is sent.
    pub held: Option<Duration>,
}

/// One request of this process that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Whose.
    pub account: AccountId,
    /// `GET`, `POST`, …
    pub method: String,
    /// Where to, without its query.
    pub path: String,
    /// What it is about, in a few words; may be empty.
    pub about: String,
    /// What for, inert: "for a slot in the rate budget", "for the access token".
    pub why: String,
    /// When it goes on at the earliest, on the monotonic clock, where that is known.
    pub until: Option<Duration>,
    /// How long that was when it began to wait.
    pub left: Option<Duration>,
}

impl Waiting {
    /// In words, as it began: "for a slot in the rate budget, 20 s".
    #[must_use]
    pub fn describe(&self) -> String {
        match self.left {
            Some(left) => format!("{}, {}", self.why, time::fine(left)),
            None => self.why.clone(),
        }
    }
}
