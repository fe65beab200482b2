//! The simulator's controls at Pledg: settings, events, and scripted outcomes that fall due in simulated time.

use std::time::Duration;

use super::notice::{Fault, Style};
use super::purchase::{self, ABANDONED, CREATED, PAID, Purchase};
use super::{Memory, TOKEN_LIFE};
use crate::domain::simulate::{Event, PayerAct, Setting};
use crate::domain::{PaymentId, WallTime, inert, time};
use crate::sandbox::Simulator;
use crate::sandbox::outbox::Webhook;

/// The statuses of back mode, of which `completed` alone means paid.
pub(super) const BACK_STATUSES: [&str; 15] = [
    "waiting",
    "pending",
    "authorized",
    "pending-capture",
    "completed",
    "failed",
    "voided",
    "refunded",
    "in-review",
    "blocked",
    "retrieval-request",
    "fraud-notification",
    "chargeback-initiated",
    "solved",
    "reversed",
];

/// The delays before each retry of a notice, where retries are on. Pledg documents no rule.
const RETRY_WAITS: [Duration; 3] = [
    Duration::from_mins(1),
    Duration::from_mins(10),
    Duration::from_hours(1),
];

/// The events that an operator can trigger.
pub(super) const EVENTS: [Event; 7] = [
    Event {
        name: "purchase",
        subject: "a new reference; -PAID or -SCORING_KO at its end sets the outcome",
        about: "a payer starts a purchase of 20.00, by transfer",
    },
    Event {
        name: "pay",
        subject: "a purchase's reference",
        about: "the payer pays; Pledg notifies the merchant",
    },
    Event {
        name: "refuse",
        subject: "a reference, and a state such as FICP_FILTER_KO",
        about: "Pledg rejects the purchase (default: SCORING_KO) and notifies the merchant",
    },
    Event {
        name: "abandon",
        subject: "a purchase's reference",
        about: "the payer abandons; Pledg notifies the merchant",
    },
    Event {
        name: "debit",
        subject: "a reference of a merchant in back mode",
        about: "the merchant charges the virtual card; it can no longer be released",
    },
    Event {
        name: "status",
        subject: "a reference and a back-mode status such as pending or chargeback-initiated",
        about: "Pledg notifies the merchant of this transaction status",
    },
    Event {
        name: "revoke-tokens",
        subject: "",
        about: "revoke all access tokens now",
    },
];

/// The settings with their current values.
#[derive(Debug)]
pub(super) struct Controls {
    pub token_life: Duration,
    pub style: Style,
    pub retries: bool,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            token_life: TOKEN_LIFE,
            style: Style::default(),
            retries: false,
        }
    }
}

impl Controls {
    /// The delays before each retry; empty where retries are off.
    pub fn waits(&self) -> &'static [Duration] {
        if self.retries { &RETRY_WAITS } else { &[] }
    }

    /// All settings with their current values.
    pub fn settings(&self) -> Vec<Setting> {
        let fault = Fault::ALL
            .iter()
            .find(|(fault, _)| *fault == self.style.fault);
        vec![
            Setting::new(
                "token-life",
                format!("{}s", self.token_life.as_secs()),
                &["600s", "20s"],
                "lifetime of access tokens",
            ),
            Setting::new(
                "notice-fault",
                fault.map_or("none", |(_, name)| name),
                &[
                    "none",
                    "tampered",
                    "other-amount",
                    "wrong-secret",
                    "lower-case",
                    "swapped-order",
                    "extra-dot",
                    "alg-none",
                    "expired",
                    "unsigned",
                    "duplicate",
                    "late-error",
                ],
                "send notifications that are forged, unsigned, expired, sent twice, or in another format",
            ),
            Setting::new(
                "notice-booleans",
                if self.style.text_booleans {
                    "text"
                } else {
                    "json"
                },
                &["json", "text"],
                "write `sandbox` in back-mode notifications as true or \"true\"",
            ),
            Setting::new(
                "error-names",
                if self.style.plugin_names {
                    "plugins"
                } else {
                    "documented"
                },
                &["documented", "plugins"],
                "name of the state field in error notifications: `purchase_state` or `state`",
            ),
            Setting::new(
                "notice-retries",
                if self.retries { "on" } else { "off" },
                &["off", "on"],
                "send notifications again until the response is 200",
            ),
        ]
    }

    /// Changes a setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<String, String> {
        let known = self.settings();
        let setting = Setting::named(&known, "Pledg", name)?;
        if name == "token-life" {
            let life = time::parse_duration(value).map_err(|error| error.to_string())?;
            if life < Duration::from_secs(1) {
                return Err("enter a lifetime of at least one second".into());
            }
            self.token_life = Duration::from_secs(life.as_secs());
            let life = time::fine(self.token_life);
            return Ok(format!("Pledg: new tokens expire after {life}"));
        }
        setting.takes(value)?;
        match name {
            "notice-fault" => {
                let mut all = Fault::ALL.into_iter();
                let fault = all.find_map(|(fault, known)| (known == value).then_some(fault));
                self.style.fault = fault.unwrap_or_default();
            }
            "notice-booleans" => self.style.text_booleans = value == "text",
            "error-names" => self.style.plugin_names = value == "plugins",
            _ => self.retries = value == "on",
        }
        Ok(format!("Pledg: {name} is now {value}"))
    }
}

impl Memory {
    /// Triggers one of [`EVENTS`].
    pub fn trigger(
        &mut self,
        event: &str,
        subject: &str,
        simulator: &Simulator,
    ) -> Result<String, String> {
        if event == "revoke-tokens" {
            let many = self.tokens.revoke();
            return Ok(format!("revoked access tokens: {many}"));
        }
        let mut given = subject.split_whitespace();
        let (reference, further) = (given.next().unwrap_or_default(), given.next());
        let now = simulator.now();
        match event {
            "purchase" => self.buy(reference, simulator),
            "pay" => self.move_on(reference, PAID, now),
            "abandon" => self.move_on(reference, ABANDONED, now),
            "refuse" => {
                let state = further.unwrap_or("SCORING_KO");
                if !purchase::is_refusal(state) {
                    let state = inert::quoted(state, 40);
                    return Err(format!("{state} is not a refusal; a refusal ends in _KO"));
                }
                self.move_on(reference, state, now)
            }
            "debit" => {
                let purchase = self.latest(reference)?;
                if purchase.state != PAID {
                    return Err(format!(
                        "{reference} is {}, so it has no virtual card",
                        purchase.state
                    ));
                }
                purchase.debited = true;
                self.revision += 1;
                Ok(format!("{reference}: charged the virtual card"))
            }
            "status" => {
                let status =
                    further.and_then(|given| BACK_STATUSES.into_iter().find(|s| *s == given));
                let status = status.ok_or_else(|| {
                    format!("enter a reference and one of {}", BACK_STATUSES.join(", "))
                })?;
                let style = self.controls.style;
                let webhook = style.status(self.latest(reference)?, status, now);
                Ok(self.posted(reference, status, webhook.into_iter().collect()))
            }
            _ => {
                let names: Vec<_> = EVENTS.iter().map(|event| event.name).collect();
                Err(format!(
                    "Pledg has no event {}; its events are {}",
                    inert::quoted(event, 40),
                    names.join(", ")
                ))
            }
        }
    }

    fn buy(&mut self, reference: &str, simulator: &Simulator) -> Result<String, String> {
        if PaymentId::new(reference).is_err() {
            return Err("enter the reference of a new purchase, such as ORDER-3005".into());
        }
        if self.place(reference).is_ok() {
            return Err(format!("purchase {reference} already exists"));
        }
        let data = purchase::Data::by_transfer(reference);
        let uid = self.made(data, simulator.seed(), simulator.now());
        Ok(format!("created {reference}: {uid}"))
    }

    /// Applies a payer's act, where Pledg supports it.
    pub fn act(&mut self, reference: &str, act: PayerAct, now: WallTime) -> Result<String, String> {
        match act {
            PayerAct::Pay => self.move_on(reference, PAID, now),
            PayerAct::Cancel => self.move_on(reference, ABANDONED, now),
            PayerAct::Fail => self.move_on(reference, "SCORING_KO", now),
            PayerAct::PayOnChain | PayerAct::PayPart | PayerAct::Overpay => {
                Err("at Pledg the payer's actions are pay, cancel and fail".into())
            }
        }
    }

    /// Applies the scripted outcomes that are due.
    pub fn follow_scripts(&mut self, now: WallTime) {
        for at in 0..self.purchases.len() {
            if let Some((due, state)) = self.purchases[at].script()
                && due <= now
            {
                // At the time it was due, not now: the simulated clock may have jumped over it.
                self.enter(at, &state, due);
            }
        }
    }

    /// When the next script is due.
    pub fn next_script(&self) -> Option<WallTime> {
        let scripts = self.purchases.iter().filter_map(Purchase::script);
        scripts.map(|(at, _)| at).min()
    }

    /// The latest purchase of this reference.
    pub fn latest(&mut self, reference: &str) -> Result<&mut Purchase, String> {
        let at = self.place(reference)?;
        Ok(&mut self.purchases[at])
    }

    fn place(&self, reference: &str) -> Result<usize, String> {
        let mut all = self.purchases.iter();
        // The last one: after a refusal a reference can be used again (`docs/providers/pledg.md#signed-purchases`).
        all.rposition(|purchase| purchase.reference == reference)
            .ok_or_else(|| format!("Pledg has no purchase {}", inert::quoted(reference, 60)))
    }

    fn move_on(&mut self, reference: &str, state: &str, now: WallTime) -> Result<String, String> {
        let at = self.place(reference)?;
        let was = &self.purchases[at].state;
        // All other states are final.
        if was != CREATED {
            return Err(format!("{reference} is already {was}"));
        }
        Ok(self.enter(at, state, now))
    }

    fn enter(&mut self, at: usize, state: &str, now: WallTime) -> String {
        let purchase = &mut self.purchases[at];
        state.clone_into(&mut purchase.state);
        let webhooks = self.controls.style.queue_webhooks(purchase, now);
        let reference = purchase.reference.clone();
        self.posted(&reference, state, webhooks)
    }

    fn posted(&mut self, reference: &str, state: &str, webhooks: Vec<Webhook>) -> String {
        self.revision += 1;
        let description = match webhooks.len() {
            0 => "no notification sent: the purchase names no notification URL on this machine"
                .to_owned(),
            1 => "sending the notification".to_owned(),
            many => format!("sending {many} notifications"),
        };
        for webhook in webhooks {
            self.outbox.push(webhook);
        }
        format!("{reference} is {state}; {description}")
    }
}
