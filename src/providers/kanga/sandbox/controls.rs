//! The simulator's controls at Kanga: settings, how callbacks are sent, and events besides the payer's acts.

use std::time::Duration;

use super::payment::Change;
use super::{Kanga, query};
use crate::domain::{WallTime, inert, time};
use crate::sandbox::outbox::Webhook;
use crate::sandbox::settings::{Control, Field, OFF_ON, choices};
use crate::sandbox::triggers::Trigger;

/// The delay of a late callback.
const LATE: Duration = Duration::from_mins(1);

choices! {
    /// The fault that each new callback has.
    pub(super) enum Fault {
        None = "none",
        Duplicate = "duplicate",
        Late = "late",
        /// The final change is sent at once and the earlier ones after it.
        OutOfOrder = "out-of-order",
    }
}

/// Settings, most of them for what the documentation leaves open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub fault: Fault,
    /// By POST with a form instead of GET; the documentation does not say which.
    pub form: bool,
    /// Whether a signature in upper-case hex is accepted.
    pub upper_case_signatures: bool,
    /// Whether `{"result":"fail"}` comes with HTTP status 400 and not with 200.
    pub failures_are_400: bool,
    /// The lifetime of a payment token, in simulated time.
    pub token_life: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            fault: Fault::None,
            form: false,
            upper_case_signatures: false,
            failures_are_400: false,
            token_life: Duration::from_mins(15),
        }
    }
}

pub(super) const CONTROLS: &[Control<Kanga>] = &[
    Control::new(
        "callback-fault",
        Fault::WORDS,
        Field::Choice(|kanga| &mut kanga.rules.fault),
        "send each callback twice, late, or the final state before the earlier ones",
    ),
    Control::new(
        "callback-method",
        &["get", "form"],
        Field::Switch(|kanga| &mut kanga.rules.form),
        "send the id in the URL of a GET or in the form of a POST",
    ),
    Control::new(
        "upper-case-signatures",
        OFF_ON,
        Field::Switch(|kanga| &mut kanga.rules.upper_case_signatures),
        "accept signatures in upper-case hexadecimal too",
    ),
    Control::new(
        "failure-status",
        &["200", "400"],
        Field::Switch(|kanga| &mut kanga.rules.failures_are_400),
        "HTTP status of responses whose `result` is fail",
    ),
    Control::new(
        "payment-token-life",
        &["10s", "60s", "900s"],
        Field::Life(|kanga| &mut kanga.rules.token_life),
        "lifetime of payment tokens",
    ),
];

pub(super) const TRIGGERS: &[Trigger<Kanga>] = &[
    Trigger::new(
        "callback",
        "any payment id; it need not exist",
        "send a callback with an id of your choice. Kanga's callbacks have no signature, so anyone can send one",
        |scene| {
            scene.state.queue_callback(scene.subject, scene.simulator)?;
            let subject = inert::quoted(scene.subject, 60);
            Ok(format!("sending a callback with the id {subject}"))
        },
    ),
    Trigger::new(
        "clock-back",
        "a time such as 10s or 1h; 0s corrects the clock",
        "set the Date headers back by this time, as a provider whose clock is wrong; nonces and states are unaffected",
        |scene| {
            let by = time::parse_duration(scene.subject).map_err(|error| error.to_string())?;
            scene.simulator.set_back(by)?;
            let date = scene.simulator.outside().rfc3339();
            Ok(format!("Date headers now show {date}"))
        },
    ),
];

impl Rules {
    pub fn webhook(self, id: &str, at: WallTime) -> Webhook {
        if self.form {
            Webhook::form(query(id), at)
        } else {
            Webhook::hint(query(id), at)
        }
    }

    /// The callbacks for one state change.
    pub fn webhooks(self, id: &str, change: &Change) -> Vec<Webhook> {
        let late = match self.fault {
            Fault::Late => true,
            // The final change on time, all earlier ones late: that is the order that misleads a shop.
            Fault::OutOfOrder => !change.state.is_final(),
            Fault::None | Fault::Duplicate => false,
        };
        let delay = if late { LATE } else { Duration::ZERO };
        let times = if self.fault == Fault::Duplicate { 2 } else { 1 };
        vec![self.webhook(id, change.at.plus(delay)); times]
    }
}
