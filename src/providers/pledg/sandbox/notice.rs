//! The notifications of a purchase: the four documented bodies, signed where the merchant has a secret, and their faults
//! (`docs/providers/pledg.md#notifications`).

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::facts::SIGNED;
use super::access::{BACKENDS, Mode};
use super::controls::{Fault, Rules};
use super::purchase::{self, ABANDONED, BACK_STATUSES, PAID, Purchase};
use super::{Pledg, jwt};
use crate::domain::{Secret, WallTime, inert};
use crate::sandbox::Sample;
use crate::sandbox::outbox::Webhook;

/// The delay of a late error notice after the notice of the payment.
const LATE: Duration = Duration::from_mins(1);

impl Pledg {
    /// Queues the notices of a purchase's state, and describes that.
    pub fn notify(&mut self, at: usize, now: WallTime) -> String {
        let purchase = &self.purchases[at];
        let writer = Writer::of(purchase, self.rules, now);
        let notice = match (purchase.state.as_str(), purchase.merchant.mode) {
            (PAID, Mode::Transfer) => writer.transfer(purchase),
            (PAID, Mode::Back) => writer.back(purchase, "completed"),
            (state, _) => writer.error(purchase, state),
        };
        let mut notices = vec![notice];
        match self.rules.fault {
            _ if purchase.state != PAID => {}
            Fault::Duplicate => notices.push(notices[0].clone()),
            Fault::LateError => {
                let late = Writer::of(purchase, self.rules, now.plus(LATE));
                notices.push(late.error(purchase, "MERCHANT_TIMEOUT_KO"));
            }
            _ => {}
        }
        let state = purchase.state.clone();
        self.post(at, &state, notices)
    }

    /// Queues a notice of back mode with any of its statuses, and describes that.
    pub fn notify_of(&mut self, at: usize, status: &str, now: WallTime) -> String {
        let purchase = &self.purchases[at];
        let notice = Writer::of(purchase, self.rules, now).back(purchase, status);
        self.post(at, status, vec![notice])
    }

    fn post(&mut self, at: usize, state: &str, notices: Vec<Webhook>) -> String {
        let purchase = &mut self.purchases[at];
        let mut sent = 0;
        for (number, notice) in notices.into_iter().enumerate() {
            // Neither the purchase nor the sandbox names an address.
            if notice.to.is_none() && !self.set_up {
                continue;
            }
            // What follows the first is a fault, which is not sent again.
            if number == 0 {
                purchase.notice = Some(notice.clone());
            }
            self.outbox.push(notice);
            sent += 1;
        }
        let description = match sent {
            0 => "no notification sent: the purchase names no notification URL on this machine"
                .to_owned(),
            1 => "sending the notification".to_owned(),
            many => format!("sending {many} notifications"),
        };
        format!("{} is {state}; {description}", purchase.reference)
    }
}

/// Writes notices of one moment.
struct Writer<'a> {
    rules: Rules,
    secret: Option<&'a str>,
    at: WallTime,
}

impl Writer<'static> {
    /// Writes with the merchant's secret, or with the fault's wrong one.
    fn of(purchase: &Purchase, rules: Rules, at: WallTime) -> Self {
        let own = purchase.merchant.signs;
        let others = BACKENDS[1].merchants[0].signs;
        let secret = match rules.fault {
            Fault::Unsigned => None,
            // A wrong secret must differ from the right one.
            Fault::WrongSecret => own.and(others.filter(|_| own != others).or(Some(""))),
            _ => own,
        };
        Self { rules, secret, at }
    }
}

impl Writer<'_> {
    fn transfer(&self, purchase: &Purchase) -> Webhook {
        let fault = self.rules.fault;
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

    fn back(&self, purchase: &Purchase, status: &str) -> Webhook {
        let text_booleans = self.rules.text_booleans;
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
            if self.rules.fault == Fault::SwappedOrder {
                fields.reverse();
            }
            // The secret stands between the fields, not around them (`docs/providers/pledg.md#back-mode`).
            let hash = Sha256::digest(fields.join(secret));
            let hex = |byte: &u8| format!("{byte:02X}");
            let mut signature: String = hash.iter().map(hex).collect();
            if self.rules.fault == Fault::LowerCase {
                signature.make_ascii_lowercase();
            }
            notice["signature"] = signature.into();
        }
        if self.rules.fault == Fault::Tampered {
            notice["id"] = "psp_another".into();
        }
        Webhook::notice(purchase.payment_url.clone(), notice.to_string(), self.at)
    }

    fn error(&self, purchase: &Purchase, state: &str) -> Webhook {
        let notice = if self.rules.plugin_names {
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
    fn signed(&self, mut notice: Value, to: Option<&String>) -> Webhook {
        let to = to.cloned();
        let Some(secret) = self.secret else {
            return Webhook::notice(to, notice.to_string(), self.at);
        };
        let right = jwt::sign(secret, &notice);
        let parts: Vec<&str> = right.split('.').collect();
        let jwt = match self.rules.fault {
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
        let body = json!({ "signature": jwt });
        Webhook::notice(to, body.to_string(), self.at)
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
        rules: Rules::default(),
        secret: sample.secret.map(Secret::expose),
        at: sample.at,
    };
    match sample.event {
        "" | "transfer" => Ok(writer.transfer(purchase)),
        status if BACK_STATUSES.contains(&status) => Ok(writer.back(purchase, status)),
        state if state == ABANDONED || purchase::is_refusal(state) => {
            Ok(writer.error(purchase, state))
        }
        event => Err(format!(
            "Pledg has no notification {}; it has transfer, {ABANDONED}, states such as SCORING_KO, and {}",
            inert::quoted(event, 40),
            BACK_STATUSES.join(", ")
        )),
    }
}

/// `2020-09-17 15:00:02.052177`: microseconds, and no zone.
fn created(at: WallTime) -> String {
    // The documented form; the clock has milliseconds, so the last three digits are zeros.
    let text = at.rfc3339().replace('T', " ");
    format!("{}000", text.trim_end_matches('Z'))
}
