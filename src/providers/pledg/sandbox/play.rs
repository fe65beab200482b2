//! How Pledg is played, as far as that can be changed, and what can be made to happen: by a command, or because
//! the world's time has come.

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

/// How long a refused notice waits before it is tried again, where that is switched on. No rule is published.
const RETRY_WAITS: [Duration; 3] = [
    Duration::from_mins(1),
    Duration::from_mins(10),
    Duration::from_hours(1),
];

/// What can be made to happen.
pub(super) const EVENTS: [Event; 7] = [
    Event {
        name: "purchase",
        subject: "a new reference; one that ends in -PAID or -SCORING_KO goes on by itself",
        about: "a payer begins to buy for 20.00, by transfer",
    },
    Event {
        name: "pay",
        subject: "a purchase's reference",
        about: "the payer pays; the merchant is notified",
    },
    Event {
        name: "refuse",
        subject: "a reference, and a state like FICP_FILTER_KO",
        about: "the purchase is refused, as SCORING_KO unless said otherwise; the merchant is notified",
    },
    Event {
        name: "abandon",
        subject: "a purchase's reference",
        about: "the payer gives up; the merchant is notified",
    },
    Event {
        name: "debit",
        subject: "a reference of a merchant in back mode",
        about: "the merchant charges the virtual card, which cannot be released from then on",
    },
    Event {
        name: "status",
        subject: "a reference and a back-mode status like pending or chargeback-initiated",
        about: "the merchant is notified of this status of the transaction",
    },
    Event {
        name: "revoke-tokens",
        subject: "",
        about: "makes every access token void at once",
    },
];

/// How it is played.
#[derive(Debug)]
pub(super) struct Play {
    pub token_life: Duration,
    pub style: Style,
    pub retries: bool,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            token_life: TOKEN_LIFE,
            style: Style::default(),
            retries: false,
        }
    }
}

impl Play {
    /// How long a refused notice waits, by how often it was tried.
    pub fn waits(&self) -> &'static [Duration] {
        if self.retries { &RETRY_WAITS } else { &[] }
    }

    /// Every setting as it stands.
    pub fn settings(&self) -> Vec<Setting> {
        let fault = Fault::ALL
            .iter()
            .find(|(fault, _)| *fault == self.style.fault);
        vec![
            Setting {
                name: "token-life",
                value: format!("{}s", self.token_life.as_secs()),
                choices: &["600s", "20s"],
                about: "how long an access token lives",
            },
            Setting {
                name: "notice-fault",
                value: fault.map_or("none", |(_, name)| name).to_owned(),
                choices: &[
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
                about: "what is wrong with notifications",
            },
            Setting {
                name: "notice-booleans",
                value: if self.style.text_booleans {
                    "text"
                } else {
                    "json"
                }
                .to_owned(),
                choices: &["json", "text"],
                about: "whether `sandbox` in a back-mode notification is true or \"true\"",
            },
            Setting {
                name: "error-names",
                value: if self.style.plugin_names {
                    "plugins"
                } else {
                    "documented"
                }
                .to_owned(),
                choices: &["documented", "plugins"],
                about: "whether an error notification has `purchase_state` or `state`",
            },
            Setting {
                name: "notice-retries",
                value: if self.retries { "on" } else { "off" }.to_owned(),
                choices: &["off", "on"],
                about: "whether a notification that was not taken is tried again",
            },
        ]
    }

    /// Changes a setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<String, String> {
        let known = self.settings();
        let setting = Setting::named(&known, "Pledg", name)?;
        if name == "token-life" {
            let life = time::parse_duration(value).map_err(|error| error.to_string())?;
            if life < Duration::from_secs(1) {
                return Err("a token lives one second at least".into());
            }
            self.token_life = Duration::from_secs(life.as_secs());
            let life = time::fine(self.token_life);
            return Ok(format!("Pledg's new tokens live {life}"));
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
        Ok(format!("Pledg's {name} is {value} from now on"))
    }
}

impl Memory {
    /// Makes one of [`EVENTS`] happen.
    pub fn happen(
        &mut self,
        event: &str,
        subject: &str,
        simulator: &Simulator,
    ) -> Result<String, String> {
        if event == "revoke-tokens" {
            let many = self.tokens.revoke();
            return Ok(format!("{many} of Pledg's access tokens are void"));
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
                    return Err(format!("{state} is no refusal; those end in _KO"));
                }
                self.move_on(reference, state, now)
            }
            "debit" => {
                let purchase = self.latest(reference)?;
                if purchase.state != PAID {
                    return Err(format!(
                        "{reference} is {}, so no card was made",
                        purchase.state
                    ));
                }
                purchase.debited = true;
                self.revision += 1;
                Ok(format!("{reference}: the virtual card is charged"))
            }
            "status" => {
                let status =
                    further.and_then(|given| BACK_STATUSES.into_iter().find(|s| *s == given));
                let status = status.ok_or_else(|| {
                    format!("give a reference and one of {}", BACK_STATUSES.join(", "))
                })?;
                let style = self.play.style;
                let webhook = style.status(self.latest(reference)?, status, now);
                Ok(self.posted(reference, status, webhook.into_iter().collect()))
            }
            _ => {
                let names: Vec<_> = EVENTS.iter().map(|event| event.name).collect();
                Err(format!(
                    "Pledg has no event {}; it has {}",
                    inert::quoted(event, 40),
                    names.join(", ")
                ))
            }
        }
    }

    fn buy(&mut self, reference: &str, simulator: &Simulator) -> Result<String, String> {
        if PaymentId::new(reference).is_err() {
            return Err("give the reference of a new purchase, like ORDER-3005".into());
        }
        if self.place(reference).is_ok() {
            return Err(format!("there is a purchase {reference} already"));
        }
        let data = purchase::Data::by_transfer(reference);
        let uid = self.made(data, simulator.seed(), simulator.now());
        Ok(format!("{reference} is made: {uid}"))
    }

    /// What a payer does, where Pledg knows it.
    pub fn act(&mut self, reference: &str, act: PayerAct, now: WallTime) -> Result<String, String> {
        match act {
            PayerAct::Pay => self.move_on(reference, PAID, now),
            PayerAct::Cancel => self.move_on(reference, ABANDONED, now),
            PayerAct::Fail => self.move_on(reference, "SCORING_KO", now),
            PayerAct::PayOnChain | PayerAct::PayPart | PayerAct::Overpay => {
                Err("at Pledg a payer can pay, cancel or fail".into())
            }
        }
    }

    /// Does what references say, for those whose time has come.
    pub fn follow_scripts(&mut self, now: WallTime) {
        for at in 0..self.purchases.len() {
            if let Some((due, state)) = self.purchases[at].script()
                && due <= now
            {
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
        all.rposition(|purchase| purchase.reference == reference)
            .ok_or_else(|| format!("Pledg knows no purchase {}", inert::quoted(reference, 60)))
    }

    fn move_on(&mut self, reference: &str, state: &str, now: WallTime) -> Result<String, String> {
        let at = self.place(reference)?;
        let was = &self.purchases[at].state;
        if was != CREATED {
            return Err(format!("{reference} is {was} already"));
        }
        Ok(self.enter(at, state, now))
    }

    fn enter(&mut self, at: usize, state: &str, now: WallTime) -> String {
        let purchase = &mut self.purchases[at];
        state.clone_into(&mut purchase.state);
        let webhooks = self.play.style.queue_webhooks(purchase, now);
        let reference = purchase.reference.clone();
        self.posted(&reference, state, webhooks)
    }

    fn posted(&mut self, reference: &str, state: &str, webhooks: Vec<Webhook>) -> String {
        self.revision += 1;
        let told = match webhooks.len() {
            0 => "no notification: it names no URL of this machine for it".to_owned(),
            1 => "its notification goes out".to_owned(),
            many => format!("{many} notifications go out"),
        };
        for webhook in webhooks {
            self.outbox.post(webhook);
        }
        format!("{reference} is {state}; {told}")
    }
}
