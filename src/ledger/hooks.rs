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

/// The runs of hooks for payments.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait HookRuns: Send + Sync {
    /// Saves a run before it begins; returns whether it is the first one. Only then may it begin.
    ///
    /// # Errors
    /// If it cannot be saved.
    async fn claim_hook(&self, run: HookRun, at: WallTime) -> Result<bool, LedgerError>;
}
