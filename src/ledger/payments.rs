//! Payments over time: observations, expectations, the watch list, handled marks.

use async_trait::async_trait;

use crate::domain::{
    AccountId, Expectation, Handled, Mark, Note, Observation, PaymentId, Replaced, WallTime, Watch,
};

use super::error::LedgerError;

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

/// What all processes know of payments.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait Payments: Send + Sync {
    /// Saves an observation if state, amount or currency differ from the last; returns whether they did.
    ///
    /// # Errors
    /// If it cannot be stored.
    async fn observe(
        &self,
        account: &AccountId,
        profile: &str,
        observation: &Observation,
    ) -> Result<bool, LedgerError>;

    /// All observations of a payment, oldest first.
    async fn observations(&self, of: PaymentKey) -> Result<Vec<Observation>, LedgerError>;

    /// The observations of a profile after number `after`, oldest first, and the number of the last; with `None`, only that
    /// number. At most `limit`.
    async fn observations_after(
        &self,
        profile: &str,
        after: Option<i64>,
        limit: usize,
    ) -> Result<(i64, Vec<(AccountId, Observation)>), LedgerError>;

    /// The last observation of a payment.
    async fn last_observation(&self, of: PaymentKey) -> Result<Option<Observation>, LedgerError>;

    /// All watched payments of a profile, the oldest watch first.
    async fn watches(&self, profile: &str) -> Result<Vec<Watch>, LedgerError>;

    /// All payments of a profile that were checked and are not watched, the last change first.
    async fn unwatched(&self, profile: &str) -> Result<Vec<Unwatched>, LedgerError>;

    /// Adds a payment to the watch list; one that is on it already stays unchanged. Its expectation is not changed.
    ///
    /// # Errors
    /// If it cannot be stored.
    async fn watch(&self, profile: &str, watch: &Watch) -> Result<(), LedgerError>;

    /// Removes a payment from the watch list; returns whether it was on it. Observations and expectations stay.
    ///
    /// # Errors
    /// If that cannot be stored.
    async fn unwatch(&self, of: PaymentKey) -> Result<bool, LedgerError>;

    /// Sets the expected amount of a payment, unless one is in force that may not be replaced. Returns the previous
    /// one.
    ///
    /// # Errors
    /// If it cannot be stored. The inner error is the expectation that stays in force.
    async fn expect(
        &self,
        of: PaymentKey,
        new: Expectation,
        replaced: Replaced,
    ) -> Result<Result<Option<Expectation>, Expectation>, LedgerError>;

    /// Every expectation of a payment, the oldest first; the last is in force.
    async fn expectations(&self, of: PaymentKey) -> Result<Vec<Expectation>, LedgerError>;

    /// The expectation in force.
    async fn expectation(&self, of: PaymentKey) -> Result<Option<Expectation>, LedgerError>;

    /// Saves a note on a payment.
    ///
    /// # Errors
    /// If it cannot be stored.
    async fn note(&self, of: PaymentKey, text: String, at: WallTime) -> Result<(), LedgerError>;

    /// Every note on a payment, the oldest first.
    async fn notes(&self, of: PaymentKey) -> Result<Vec<Note>, LedgerError>;

    /// The alerts of a profile that are marked as handled.
    async fn handled(&self, profile: &str) -> Result<Vec<Handled>, LedgerError>;

    /// Marks an alert as handled, or unmarks it. The operator is this ledger's.
    ///
    /// # Errors
    /// If that cannot be stored.
    async fn mark_handled(&self, profile: &str, mark: Mark) -> Result<(), LedgerError>;

    /// Each time that one of these alerts of a profile was marked or unmarked, the oldest first.
    async fn marks(&self, profile: &str, alerts: Vec<String>) -> Result<Vec<Mark>, LedgerError>;
}
