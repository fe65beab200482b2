//! Which hooks have run, so that each runs once for all programs that share the ledger.

use async_trait::async_trait;

use crate::domain::{AccountId, HookEvent, PaymentId, WallTime};

use super::error::LedgerError;

/// A hook's run for one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// The profile of the payment's account.
    pub profile: String,
    /// The payment's account.
    pub account: AccountId,
    /// The payment.
    pub payment: PaymentId,
    /// What happened to it.
    pub event: HookEvent,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedHook {
    /// The run.
    pub run: HookRun,
    /// When it began.
    pub at: WallTime,
    /// Why it failed, redacted and inert.
    pub why: String,
}

/// The runs of hooks for payments.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait HookRuns: Send + Sync {
    /// Saves a run before it begins; returns whether it is the first one. Only then may it begin.
    ///
    /// # Errors
    /// If it cannot be saved.
    async fn claim_hook(&self, run: HookRun, at: WallTime) -> Result<bool, LedgerError>;

    /// Saves that a run failed, and why.
    ///
    /// # Errors
    /// If it cannot be saved.
    async fn fail_hook(&self, run: HookRun, why: String) -> Result<(), LedgerError>;

    /// The runs of a profile since `since` that failed and whose alert is not marked as handled since, the oldest first; of more
    /// than `most`, the latest.
    async fn failed_hooks(
        &self,
        profile: &str,
        since: WallTime,
        most: usize,
    ) -> Result<Vec<FailedHook>, LedgerError>;
}
