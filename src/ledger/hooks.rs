//! Which hooks have run, so that each runs once for all programs that share the ledger.

use crate::domain::{AccountId, HookEvent, PaymentId, WallTime};

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
