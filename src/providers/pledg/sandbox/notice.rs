//! The notifications of a purchase: the four documented bodies, signed where the merchant has a secret, and their faults
//! (`docs/providers/pledg.md#notifications`).

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::facts::SIGNED;
use super::access::{BACKENDS, Mode};
use super::jwt;
use super::purchase::{self, ABANDONED, PAID, Purchase, Sent};
use crate::domain::{Secret, WallTime, inert};
use crate::sandbox::Sample;
use crate::sandbox::outbox::Webhook;
use crate::sandbox::settings::choices;

/// The delay of a late error notice after the notice of the payment.
const LATE: Duration = Duration::from_mins(1);

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

choices! {
    /// The fault that each new notice has.
    pub(super) enum Fault {
        None = "none",
        /// A signed value is changed after signing: the amount of a transfer, the id in back mode.
        Tampered = "tampered",
        /// Another amount, correctly signed.
        OtherAmount = "other-amount",
        WrongSecret = "wrong-secret",
        /// Back mode.
        LowerCase = "lower-case",
        /// Back mode.
        SwappedOrder = "swapped-order",
        /// A JWT's.
        ExtraDot = "extra-dot",
        /// A JWT's: `alg` is `none`, and there is no signature.
        AlgNone = "alg-none",
        /// A JWT's: it is expired.
        Expired = "expired",
        /// Nothing is signed, though the merchant has a secret.
        Unsigned = "unsigned",
        Duplicate = "duplicate",
        /// An error notice follows that of a payment.
        LateError = "late-error",
    }
}

/// How notices are written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Style {
    pub fault: Fault,
    /// Whether the sandbox has a callback URL, for purchases that name none.
    pub set_up: bool,
    /// `sandbox` of back mode as the text "true" and not as a boolean.
    pub text_booleans: bool,
    /// Error notices with the names the newest plug-ins read, not the documented ones.
    pub plugin_names: bool,
}

impl Style {
    /// The webhooks for the purchase's state; saved as its latest notice.
    pub fn webhooks(self, purchase: &mut Purchase, now: WallTime) -> Vec<Webhook> {
        let writer = self.writer(purchase, now);
        if purchase.state != PAID {
            let sent = writer.error(purchase, &purchase.state);
            return self.post(purchase, sent, now);
        }
        let sent = match purchase.merchant.mode {
            Mode::Transfer => writer.transfer(purchase),
            Mode::Back => writer.back(purchase, "completed"),
        };
        let mut webhooks = self.post(purchase, sent, now);
        match self.fault {
            Fault::Duplicate => webhooks.extend(webhooks.clone()),
            Fault::LateError => {
                let paid = purchase.notice.clone();
                let late = now.plus(LATE);
                let sent = self
                    .writer(purchase, late)
                    .error(purchase, "MERCHANT_TIMEOUT_KO");
                webhooks.extend(self.post(purchase, sent, late));
                // The late error is a fault; the payment stays the latest notice.
                purchase.notice = paid;
            }
            _ => {}
        }
        webhooks
    }

    /// A notice of back mode with any of its statuses.
    pub fn status(self, purchase: &mut Purchase, status: &str, now: WallTime) -> Vec<Webhook> {
        let sent = self.writer(purchase, now).back(purchase, status);
        self.post(purchase, sent, now)
    }

    /// The webhook, where there is an address; saved as the purchase's latest notice.
    fn post(self, purchase: &mut Purchase, sent: Sent, at: WallTime) -> Vec<Webhook> {
        // Neither the purchase nor the sandbox names an address.
        if sent.to.is_none() && !self.set_up {
            return Vec::new();
        }
        let webhook = sent.webhook(at);
        purchase.notice = Some(sent);
        vec![webhook]
    }

    /// Writes with the merchant's secret, or with the fault's wrong one.
    fn writer(self, purchase: &Purchase, at: WallTime) -> Writer<'static> {
        let own = purchase.merchant.signs;
        let others = BACKENDS[1].merchants[0].signs;
        let secret = match self.fault {
            Fault::Unsigned => None,
            // A wrong secret must differ from the right one.
            Fault::WrongSecret => own.and(others.filter(|_| own != others).or(Some(""))),
            _ => own,
        };
        Writer {
            style: self,
            secret,
            at,
        }
    }
}

/// Writes notices of one moment.
struct Writer<'a> {
    style: Style,
    secret: Option<&'a str>,
    at: WallTime,
}

impl Writer<'_> {
    fn transfer(&self, purchase: &Purchase) -> Sent {
        let fault = self.style.fault;
        let mut metadata = purchase.metadata.clone();
        metadata.insert("pledg_session".into(), json!({ "id": purchase.uid }));
        let mut notice = json!({
            "reference": purchase.reference,
            "created": created(self.at),
            "transfer_order_item_uid": purchase.uid.replacen("pur_", "tri_", 1),
            "merchant_uid": purchase.merchant,
            "purchase_uid": purchase.uid,
            "amount_cents": purchase.amount + u64::from(fault == Fault::OtherAmount),
            "metadata": metadata,
        });
        if self.secret.is_none() && fault == Fault::Tampered {
            notice["amount_cents"] = (purchase.amount + 1).into();
        }
        self.signed(notice, purchase.payment_url.as_ref())
    }

    fn back(&self, purchase: &Purchase, status: &str) -> Sent {
        let text_booleans = self.style.text_booleans;
        let mut notice = json!({
            "created_at": self.at.rfc3339(),
            "id": purchase.uid.replacen("pur_", "psp_", 1),
            "additional_data":
                { "card": "virtual", "charge_id": purchase.uid.replacen("pur_", "ch_", 1) },
            "metadata": purchase.metadata,
            "status": status,
            "sandbox": if text_booleans { json!("true") } else { json!(true) },
            "error": "",
            "reference": purchase.reference,
        });
        if let Some(secret) = self.secret {
            let mut fields = SIGNED.map(|name| match &notice[name] {
                Value::String(text) => format!("{name}={text}"),
                other => format!("{name}={other}"),
            });
            if self.style.fault == Fault::SwappedOrder {
                fields.reverse();
            }
            // The secret stands between the fields, not around them (`docs/providers/pledg.md#back-mode`).
            let hash = Sha256::digest(fields.join(secret));
            let hex = |byte: &u8| format!("{byte:02X}");
            let mut signature: String = hash.iter().map(hex).collect();
            if self.style.fault == Fault::LowerCase {
                signature.make_ascii_lowercase();
            }
            notice["signature"] = signature.into();
        }
        if self.style.fault == Fault::Tampered {
            notice["id"] = "psp_another".into();
        }
        Sent {
            to: purchase.payment_url.clone(),
            body: notice.to_string(),
        }
    }

    fn error(&self, purchase: &Purchase, state: &str) -> Sent {
        let notice = if self.style.plugin_names {
            let is_refusal = purchase::is_refusal(state);
            json!({
                "reference": purchase.reference,
                "uid": purchase.uid,
                "state": state,
                "acceptance_state": if is_refusal { "REJECTED" } else { state },
                "acceptance_rejection_type": is_refusal.then_some(state),
            })
        } else {
            json!({
                "reference": purchase.reference,
                "purchase_state": state,
                "purchase_uid": purchase.uid,
            })
        };
        self.signed(notice, purchase.error_url.as_ref())
    }

    /// The notice as it is; of a merchant with a secret `{"signature": …}` and nothing else
    /// (`docs/providers/pledg.md#transfer-notices`).
    fn signed(&self, mut notice: Value, to: Option<&String>) -> Sent {
        let to = to.cloned();
        let Some(secret) = self.secret else {
            let body = notice.to_string();
            return Sent { to, body };
        };
        let right = jwt::sign(secret, &notice);
        let parts: Vec<&str> = right.split('.').collect();
        let jwt = match self.style.fault {
            Fault::AlgNone => {
                let head = jwt::part(&json!({ "typ": "JWT", "alg": "none" }));
                format!("{head}.{}.", parts[1])
            }
            Fault::Expired => {
                notice["exp"] = (self.at.0 / 1000 - 60).into();
                jwt::sign(secret, &notice)
            }
            Fault::ExtraDot => format!("{right}."),
            Fault::Tampered => {
                if let Some(amount) = notice["amount_cents"].as_u64() {
                    notice["amount_cents"] = (amount + 1).into();
                } else {
                    notice["reference"] = "another".into();
                }
                [parts[0], &jwt::part(&notice), parts[2]].join(".")
            }
            _ => right,
        };
        let body = json!({ "signature": jwt }).to_string();
        Sent { to, body }
    }
}

/// A notice about a purchase that need not exist.
pub(super) fn sample(sample: &Sample<'_>) -> Result<Webhook, String> {
    if sample.header.is_some() {
        return Err("Pledg's notifications are signed in their body, not by a header".into());
    }
    let purchase = &Purchase {
        uid: purchase::uid("pur", 0, sample.at.0.unsigned_abs()),
        ..Purchase::new(&BACKENDS[0].merchants[0], sample.subject, sample.at)
    };
    let writer = Writer {
        style: Style::default(),
        secret: sample.secret.map(Secret::expose),
        at: sample.at,
    };
    let sent = match sample.event {
        "" | "transfer" => writer.transfer(purchase),
        status if BACK_STATUSES.contains(&status) => writer.back(purchase, status),
        state if state == ABANDONED || purchase::is_refusal(state) => writer.error(purchase, state),
        event => {
            return Err(format!(
                "Pledg has no notification {}; it has transfer, {ABANDONED}, states such as SCORING_KO, and {}",
                inert::quoted(event, 40),
                BACK_STATUSES.join(", ")
            ));
        }
    };
    Ok(sent.webhook(sample.at))
}

/// `2020-09-17 15:00:02.052177`: microseconds, and no zone.
fn created(at: WallTime) -> String {
    // The documented form; the clock has milliseconds, so the last three digits are zeros.
    let text = at.rfc3339().replace('T', " ");
    format!("{}000", text.trim_end_matches('Z'))
}
