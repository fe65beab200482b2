//! How much of a rate limit is used.

use std::time::Duration;

/// One account's budget at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetGauge {
    /// Slots taken: in flight, or whose reply was seen less than one period ago.
    pub used: u32,
    /// Slots there are.
    pub limit: u32,
    /// The length of the window.
    pub period: Duration,
    /// Until the next slot frees; `None` where one is free now or all are in flight.
    pub next_free: Option<Duration>,
    /// Requests waiting for a slot.
    pub waiting: u32,
}
