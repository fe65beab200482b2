//! The settings of the simulated Kinguin.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sandbox::settings::{Control, Field, OFF_ON, choices};

use super::Kinguin;
use super::access::OverLimit;

choices! {
    /// The shape of offer lists.
    pub enum ListShape {
        // As live clients see it.
        Hal = "hal",
        /// As the API description has it.
        Spec = "spec",
    }
}

choices! {
    /// The fault that each new webhook has.
    pub enum WebhookFault {
        None = "none",
        /// The registered headers have another value.
        WrongHeader = "wrong-header",
        NoHeader = "no-header",
        Duplicate = "duplicate",
        /// An undocumented webhook follows.
        Unknown = "unknown",
    }
}

/// The settings with their current values. Snapshots of earlier versions lack some.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    pub token_life: Duration,
    /// Writes and reads a minute.
    pub limits: [usize; 2],
    pub over_limit: OverLimit,
    pub shape: ListShape,
    pub webhook_fault: WebhookFault,
    /// Whether one product has no commission rule.
    pub missing_rule: bool,
    pub plain_500: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            token_life: Duration::from_hours(1),
            limits: [2_000, 4_000],
            over_limit: OverLimit::default(),
            shape: ListShape::default(),
            webhook_fault: WebhookFault::default(),
            missing_rule: false,
            plain_500: false,
        }
    }
}

/// The limits that can be set.
const LIMITS: std::ops::RangeInclusive<usize> = 3..=100_000;

pub const CONTROLS: &[Control<Kinguin>] = &[
    Control::new(
        "token-life",
        &["5s", "20s", "300s", "3600s"],
        Field::Life(|kinguin| &mut kinguin.rules.token_life),
        "lifetime of new access tokens",
    ),
    Control::new(
        "limit-writes",
        &["3", "50", "2000"],
        Field::Number(|kinguin| &mut kinguin.rules.limits[0], LIMITS),
        "write calls per minute and client",
    ),
    Control::new(
        "limit-reads",
        &["3", "50", "4000"],
        Field::Number(|kinguin| &mut kinguin.rules.limits[1], LIMITS),
        "read calls per minute and client",
    ),
    Control::new(
        "over-limit",
        OverLimit::WORDS,
        Field::Choice(|kinguin| &mut kinguin.rules.over_limit),
        "over the rate limit: reject a call with 429, with or without Retry-After, or delay it",
    ),
    Control::new(
        "list-shape",
        ListShape::WORDS,
        Field::Choice(|kinguin| &mut kinguin.rules.shape),
        "format of offer lists: HAL with _embedded, as live clients see them, or as documented",
    ),
    Control::new(
        "webhook-fault",
        WebhookFault::WORDS,
        Field::Choice(|kinguin| &mut kinguin.rules.webhook_fault),
        "send webhooks with a wrong or missing secret header, twice, or of an unknown kind",
    ),
    Control::new(
        "missing-rule",
        OFF_ON,
        Field::Switch(|kinguin| &mut kinguin.rules.missing_rule),
        "leave one product without a commission rule: its offer has commissionRule null",
    ),
    Control::new(
        "plain-500",
        OFF_ON,
        Field::Switch(|kinguin| &mut kinguin.rules.plain_500),
        "respond to every call with 500 in plain text, not in the gateway's JSON",
    ),
];
