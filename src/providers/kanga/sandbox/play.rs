//! How callbacks are sent, as far as that can be changed, and what can be made to happen besides what payers do.

use std::time::Duration;

use super::payment::Change;
use super::{Rules, query};
use crate::domain::simulate::{Event, Setting};
use crate::domain::{WallTime, time};
use crate::sandbox::outbox::Webhook;

/// How much later than it should a callback comes that is late.
const LATE: Duration = Duration::from_mins(1);

const FAULT: &str = "callback-fault";
const METHOD: &str = "callback-method";

const UPPER_CASE: &str = "upper-case-signatures";
const FAILURES: &str = "failure-status";
const TOKEN_LIFE: &str = "payment-token-life";

impl Rules {
    /// What the documentation leaves open, as settings.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let setting = |name, value: String, choices, about| Setting {
            name,
            value,
            choices,
            about,
        };
        vec![
            setting(
                UPPER_CASE,
                if self.upper_case_signatures {
                    "on"
                } else {
                    "off"
                }
                .to_owned(),
                &["off", "on"],
                "whether a signature in upper-case hex is accepted",
            ),
            setting(
                FAILURES,
                if self.failures_are_400 { "400" } else { "200" }.to_owned(),
                &["200", "400"],
                "the HTTP status of answers that say fail",
            ),
            setting(
                TOKEN_LIFE,
                format!("{}s", self.token_life.as_secs()),
                &["10s", "60s", "900s"],
                "how long a payment token is good for",
            ),
        ]
    }

    /// Changes one of them; whether it is one.
    ///
    /// # Errors
    /// In words, if the value does not fit.
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

/// What is wrong with each callback from now on.
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

/// What can be made to happen.
pub(super) const EVENTS: [Event; 1] = [Event {
    name: CALLBACK,
    subject: "an id, of a payment or not",
    about: "sends a callback with this id, which anybody could send",
}];

/// The one event.
pub(super) const CALLBACK: &str = "callback";

/// How callbacks are sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Play {
    fault: Fault,
    /// By POST with a form, and not by GET; the documentation does not say.
    form: bool,
}

impl Play {
    /// Every setting as it stands.
    pub fn settings(self) -> Vec<Setting> {
        let fault = FAULTS.iter().find(|(fault, _)| *fault == self.fault);
        vec![
            Setting {
                name: FAULT,
                value: fault.map_or("none", |(_, name)| name).to_owned(),
                choices: &["none", "duplicate", "late", "out-of-order"],
                about: "what is wrong with callbacks",
            },
            Setting {
                name: METHOD,
                value: if self.form { "form" } else { "get" }.to_owned(),
                choices: &["get", "form"],
                about: "whether the id comes in the URL of a GET or in the form of a POST",
            },
        ]
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// In words, if there is no such setting or the value does not fit.
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
        Ok(format!("Kanga's {name} is {value} from now on"))
    }

    /// One callback.
    pub fn webhook(self, id: &str, at: WallTime) -> Webhook {
        if self.form {
            Webhook::form(query(id), at)
        } else {
            Webhook::hint(query(id), at)
        }
    }

    /// What tells of a change.
    pub fn webhooks(self, id: &str, change: &Change) -> Vec<Webhook> {
        let late = match self.fault {
            Fault::Late => true,
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
