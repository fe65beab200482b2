//! Payments over time: observations, expectations, the watch list, handled marks.

use crate::domain::{AccountId, Expectation, Note, Observation, PaymentId};

/// A payment in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentKey {
    /// The profile of its account.
    pub profile: String,
    /// Its account.
    pub account: AccountId,
    /// The shop's id.
    pub id: PaymentId,
}

/// A payment that was checked and is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwatched {
    /// Its account.
    pub account: AccountId,
    /// What was seen last.
    pub last: Observation,
    /// The expectation in force.
    pub expected: Option<Expectation>,
    /// The newest note on it.
    pub note: Option<Note>,
}
