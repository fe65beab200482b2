//! The simulator's controls at Kanga: how callbacks are sent, and events besides the payer's acts.

use std::time::Duration;

use super::payment::Change;
use super::{Rules, query};
use crate::domain::simulate::{Event, Setting};
use crate::domain::{WallTime, time};
use crate::sandbox::outbox::Webhook;

/// The delay of a late callback.
const LATE: Duration = Duration::from_mins(1);

const FAULT: &str = "callback-fault";
const METHOD: &str = "callback-method";

const UPPER_CASE: &str = "upper-case-signatures";
const FAILURES: &str = "failure-status";
const TOKEN_LIFE: &str = "payment-token-life";

impl Rules {
    /// All settings with their current values.
    pub(super) fn settings(&self) -> Vec<Setting> {
        vec![
            Setting::new(
                UPPER_CASE,
                if self.upper_case_signatures {
                    "on"
                } else {
                    "off"
                },
                &["off", "on"],
                "accept signatures in upper-case hexadecimal too",
            ),
            Setting::new(
                FAILURES,
                if self.failures_are_400 { "400" } else { "200" },
                &["200", "400"],
                "HTTP status of responses whose `result` is fail",
            ),
            Setting::new(
                TOKEN_LIFE,
                format!("{}s", self.token_life.as_secs()),
                &["10s", "60s", "900s"],
                "lifetime of payment tokens",
            ),
        ]
    }

    /// Changes a setting; `false` if there is none of this name.
    ///
    /// # Errors
    /// A message, if the value does not fit.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            UPPER_CASE => self.upper_case_signatures = value == "on",
            FAILURES => self.failures_are_400 = value == "400",
            TOKEN_LIFE => {
                self.token_life = time::parse_duration(value).map_err(|error| error.to_string())?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The fault that each new callback has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fault {
    #[default]
    None,
    Duplicate,
    Late,
    /// The final change is sent at once and the earlier ones after it.
    OutOfOrder,
}

const FAULTS: [(Fault, &str); 4] = [
    (Fault::None, "none"),
    (Fault::Duplicate, "duplicate"),
    (Fault::Late, "late"),
    (Fault::OutOfOrder, "out-of-order"),
];

/// The events that an operator can trigger.
pub(super) const EVENTS: [Event; 1] = [Event {
    name: CALLBACK,
    subject: "any payment id; it need not exist",
    about: "send a callback with an id of your choice. Kanga's callbacks have no signature, so anyone can send one",
}];

/// The one event.
pub(super) const CALLBACK: &str = "callback";

/// How callbacks are sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Controls {
    fault: Fault,
    /// By POST with a form instead of GET; the documentation does not say which.
    form: bool,
}

impl Controls {
    /// All settings with their current values.
    pub fn settings(self) -> Vec<Setting> {
        let fault = FAULTS.iter().find(|(fault, _)| *fault == self.fault);
        vec![
            Setting::new(
                FAULT,
                fault.map_or("none", |(_, name)| name),
                &["none", "duplicate", "late", "out-of-order"],
                "send each callback twice, late, or the final state before the earlier ones",
            ),
            Setting::new(
                METHOD,
                if self.form { "form" } else { "get" },
                &["get", "form"],
                "send the id in the URL of a GET or in the form of a POST",
            ),
        ]
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// A message, if there is no such setting or the value does not fit.
    pub fn set(&mut self, name: &str, value: &str) -> Result<String, String> {
        let known = self.settings();
        let setting = Setting::named(&known, "Kanga", name)?;
        setting.takes(value)?;
        if name == METHOD {
            self.form = value == "form";
        } else {
            let mut faults = FAULTS.into_iter();
            let fault = faults.find_map(|(fault, known)| (known == value).then_some(fault));
            self.fault = fault.unwrap_or_default();
        }
        Ok(format!("Kanga: {name} is now {value}"))
    }

    /// One callback.
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
        let at = if late {
            change.at.plus(LATE)
        } else {
            change.at
        };
        let times = if self.fault == Fault::Duplicate { 2 } else { 1 };
        vec![self.webhook(id, at); times]
    }
}
