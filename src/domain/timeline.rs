//! All that happened to one payment, on one axis.

use std::sync::Arc;

use super::{AccountId, Delivery, ExchangeId, Observation, Outcome, PaymentId, WallTime};

/// All that is known to have happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Whose payment.
    pub account: AccountId,
    /// Which.
    pub payment: PaymentId,
    /// Oldest first.
    pub happenings: Vec<Happening>,
    /// Whether there was more, further back, than is told.
    pub cut: bool,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: WallTime,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A request of ours that concerned it.
    Call {
        /// Its number in the log.
        exchange: ExchangeId,
        /// `GET`, `POST`, …
        method: String,
        /// Path and query, redacted.
        path: String,
        /// What came of it.
        outcome: Outcome,
        /// How long it took.
        took: std::time::Duration,
    },
    /// Its state was seen to be this, for the first time or anew.
    State(Observation),
    /// A callback told of it.
    Callback(Arc<Delivery>),
}
