//! Usage of a rate limit, and which calls it counts.

use std::time::Duration;

use super::words::words;
use super::{AccountId, time};

words! {
    /// Which calls a limit counts. The words are those of the screen and JSON.
    #[derive(Hash, PartialOrd, Ord)]
    pub enum Counts {
        /// Every call.
        All = "all",
        /// POST, PUT, DELETE, PATCH.
        Writes = "writes",
        /// Every other method.
        Reads = "reads",
    }
}

impl Counts {
    /// Whether a call with this method is counted.
    pub fn covers(self, method: &str) -> bool {
        let writes = matches!(method, "POST" | "PUT" | "DELETE" | "PATCH");
        match self {
            Self::All => true,
            Self::Writes => writes,
            Self::Reads => !writes,
        }
    }
}

/// One of an account's budgets at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetGauge {
    /// Which calls it counts.
    pub counts: Counts,
    /// Slots taken: in flight, or whose response was seen less than one period ago. Those of other processes of
    /// this user are counted too.
    pub used: u32,
    /// How many of them this operator has taken: all, unless a team shares the ledger.
    pub own: u32,
    /// The total number of slots.
    pub limit: u32,
    /// The length of the window.
    pub period: Duration,
    /// Until the next slot frees; `None` where one is free now or all are in flight.
    pub next_free: Option<Duration>,
    /// Requests of this process that wait for a slot.
    pub waiting: u32,
    /// How long nothing is sent, because the provider answered 429 although slots were free: another program uses the
    /// same credentials.
    pub held: Option<Duration>,
}

impl BudgetGauge {
    /// The `limit` of calls that no limit counts, such as those for tokens: they only wait where the provider asks for that.
    pub const UNCOUNTED: u32 = u32::MAX;

    /// The calls that it is about, in a word.
    pub fn calls(&self) -> &'static str {
        if self.limit == Self::UNCOUNTED {
            "others"
        } else {
            self.counts.as_str()
        }
    }

    /// Whether it is worth a row: one that counts nothing is, only while the provider asks to wait.
    pub fn is_shown(&self) -> bool {
        self.limit < Self::UNCOUNTED || self.held.is_some()
    }

    /// Whether over 90 % of it is used: other programs that share it may soon have to wait.
    pub fn is_nearly_used(&self) -> bool {
        u64::from(self.used) * 10 > u64::from(self.limit) * 9
    }

    /// What is used of how many slots: "12/2000", or "12/2000 (3 yours)" where colleagues share them.
    pub fn count(&self) -> String {
        let Self {
            used, own, limit, ..
        } = self;
        if *limit == Self::UNCOUNTED {
            return "not counted".to_owned();
        }
        let own = (own != used).then(|| format!(" ({own} yours)"));
        format!("{used}/{limit}{}", own.unwrap_or_default())
    }

    /// What is used, for people: "over 90 % of the rate limit is used: 470 of 500 requests in 60 s".
    pub fn describe_use(&self) -> String {
        let what = match self.counts {
            Counts::All => "requests",
            Counts::Reads => "reads",
            Counts::Writes => "writes",
        };
        format!(
            "over 90 % of the rate limit is used: {} of {} {what} in {}",
            self.used,
            self.limit,
            time::fine(self.period)
        )
    }
}

/// One request of this process that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The account whose request waits.
    pub account: AccountId,
    /// `GET`, `POST`, …
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Its subject in a few words; may be empty.
    pub about: String,
    /// The reason, inert: "rate limit reached (429)", "connection refused".
    pub why: String,
    /// The earliest time it continues, on the monotonic clock, where that is known.
    pub until: Option<Duration>,
    /// How long that was when the wait began.
    pub left: Option<Duration>,
}

impl Waiting {
    /// For a message: "connection refused; retrying in 0.8 s".
    pub fn describe(&self) -> String {
        match self.left {
            Some(left) => format!("{}; retrying in {}", self.why, time::fine(left)),
            None => self.why.clone(),
        }
    }
}
