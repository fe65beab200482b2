//! The simulator's controls at Kanga: settings, how callbacks are sent, and events besides the payer's acts.

use std::time::Duration;

use super::payment::Change;
use super::{Kanga, query};
use crate::domain::{WallTime, inert, time};
use crate::sandbox::Done;
use crate::sandbox::controls::{self, Life, OFF_ON, choices, controls};
use crate::sandbox::outbox::Webhook;

/// The delay of a late callback.
const LATE: Duration = Duration::from_mins(1);

choices! {
    pub enum Fault {
        None = "none",
        Duplicate = "duplicate",
        Late = "late",
        /// The final change is sent at once and the earlier ones after it.
        OutOfOrder = "out-of-order",
    }
}

controls! {
    Kanga:
    /// Settings, most of them for what the documentation leaves open.
    #[derive(Debug, Clone, Copy)]
    settings Rules {
        "callback-fault" fault: Fault = Fault::None, Fault::WORDS,
            "send each callback twice, late, or the final state before the earlier ones";
        "callback-method" form: bool = false, ["get", "form"],
            "send the id in the URL of a GET or in the form of a POST";
        "upper-case-signatures" upper_case_signatures: bool = false, OFF_ON,
            "accept signatures in upper-case hexadecimal too";
        "failure-status" failures_are_400: bool = false, ["200", "400"],
            "HTTP status of responses whose `result` is fail";
        "payment-token-life" token_life: Life = Life(Duration::from_mins(15)), ["10s", "60s", "900s"],
            "lifetime of payment tokens";
    }
    events {
        "callback" ("any payment id; it need not exist")
            "send a callback with an id of your choice. Kanga's callbacks have no signature, so anyone can send one"
            => callback;
        "clock-back" ("a time such as 10s or 1h; 0s corrects the clock")
            "set the Date headers back by this time, as a provider whose clock is wrong; nonces and states are unaffected"
            => clock_back;
    }
}

type Scene<'a> = controls::Scene<'a, Kanga>;

fn callback(scene: &mut Scene<'_>) -> Done {
    scene.state.queue_callback(scene.subject, scene.simulator)?;
    let subject = inert::quoted(scene.subject, 60);
    Ok(format!("sending a callback with the id {subject}"))
}

fn clock_back(scene: &mut Scene<'_>) -> Done {
    let by = time::parse_duration(scene.subject).map_err(|error| error.to_string())?;
    scene.simulator.set_back(by)?;
    let date = scene.simulator.outside().rfc3339();
    Ok(format!("Date headers now show {date}"))
}

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
