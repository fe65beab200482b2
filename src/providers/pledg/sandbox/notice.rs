//! The notifications of a purchase: the four documented bodies, signed where the merchant has a secret, and their faults
//! (`docs/providers/pledg.md#notifications`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::access::{BACKENDS, Mode};
use super::controls::BACK_STATUSES;
use super::purchase::{self, ABANDONED, PAID, Purchase};
use crate::auth::sign;
use crate::domain::{Secret, WallTime, inert};
use crate::providers::pledg::signature;
use crate::sandbox::Sample;
use crate::sandbox::outbox::Webhook;

/// The delay of a late error notice after the notice of the payment.
const LATE: Duration = Duration::from_mins(1);

/// A notice that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    /// `None` is the sandbox's callback URL.
    to: Option<String>,
    body: String,
}

impl Sent {
    /// The notice as a webhook.
    pub fn webhook(&self, at: WallTime) -> Webhook {
        Webhook::notice(self.to.clone(), self.body.clone(), at)
    }
}

/// The fault that each new notice has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// A signed value is changed after signing: the amount of a transfer, the id in back mode.
    Tampered,
    /// Another amount, correctly signed.
    OtherAmount,
    WrongSecret,
    /// Back mode.
    LowerCase,
    /// Back mode.
    SwappedOrder,
    /// A JWT's.
    ExtraDot,
    /// A JWT's: `alg` is `none`, and there is no signature.
    AlgNone,
    /// A JWT's: it is expired.
    Expired,
    /// Nothing is signed, though the merchant has a secret.
    Unsigned,
    Duplicate,
    /// An error notice follows that of a payment.
    LateError,
}

impl Fault {
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::None, "none"),
        (Self::Tampered, "tampered"),
        (Self::OtherAmount, "other-amount"),
        (Self::WrongSecret, "wrong-secret"),
        (Self::LowerCase, "lower-case"),
        (Self::SwappedOrder, "swapped-order"),
        (Self::ExtraDot, "extra-dot"),
        (Self::AlgNone, "alg-none"),
        (Self::Expired, "expired"),
        (Self::Unsigned, "unsigned"),
        (Self::Duplicate, "duplicate"),
        (Self::LateError, "late-error"),
    ];
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
    /// Queues the webhooks for the purchase's state; saved as its latest notice.
    pub fn queue_webhooks(self, purchase: &mut Purchase, now: WallTime) -> Vec<Webhook> {
        let secret = self.secret(purchase);
        let secret = secret.as_ref();
        if purchase.state != PAID {
            let state = purchase.state.clone();
            return self
                .error(purchase, secret, &state, now)
                .into_iter()
                .collect();
        }
        let mut webhooks: Vec<Webhook> = match purchase.merchant().mode {
            Mode::Transfer => self.transfer(purchase, secret, now),
            Mode::Back => self.back(purchase, secret, "completed", now),
        }
        .into_iter()
        .collect();
        match self.fault {
            Fault::Duplicate => webhooks.extend(webhooks.clone()),
            Fault::LateError => {
                let paid = purchase.notice.clone();
                let late = now.plus(LATE);
                webhooks.extend(self.error(purchase, secret, "MERCHANT_TIMEOUT_KO", late));
                // The late error is a fault; the payment stays the latest notice.
                purchase.notice = paid;
            }
            _ => {}
        }
        webhooks
    }

    /// A notice of back mode with any of its statuses.
    pub fn status(self, purchase: &mut Purchase, status: &str, now: WallTime) -> Option<Webhook> {
        let secret = self.secret(purchase);
        self.back(purchase, secret.as_ref(), status, now)
    }

    fn transfer(
        self,
        purchase: &mut Purchase,
        secret: Option<&Secret>,
        now: WallTime,
    ) -> Option<Webhook> {
        let extra = u64::from(self.fault == Fault::OtherAmount);
        let mut metadata = purchase.metadata.clone();
        metadata.insert("pledg_session".into(), json!({ "id": purchase.uid }));
        let mut notice = json!({
            "reference": purchase.reference,
            "created": created(now),
            "transfer_order_item_uid": purchase.uid.replacen("pur_", "tri_", 1),
            "merchant_uid": purchase.merchant,
            "purchase_uid": purchase.uid,
            "amount_cents": purchase.amount + extra,
            "metadata": metadata,
        });
        // A merchant with a secret gets the JWT and nothing else (`docs/providers/pledg.md#transfer-notices`).
        let body = if let Some(secret) = secret {
            self.signed(secret, &notice, now)
        } else {
            if self.fault == Fault::Tampered {
                notice["amount_cents"] = (purchase.amount + 1).into();
            }
            notice
        };
        let to = purchase.payment_url.clone();
        self.note(purchase, to, &body, now)
    }

    fn back(
        self,
        purchase: &mut Purchase,
        secret: Option<&Secret>,
        status: &str,
        now: WallTime,
    ) -> Option<Webhook> {
        let sandbox = if self.text_booleans {
            json!("true")
        } else {
            json!(true)
        };
        let mut notice = Map::new();
        let mut put = |name: &str, value: Value| notice.insert(name.to_owned(), value);
        put("created_at", now.rfc3339().into());
        put("id", purchase.uid.replacen("pur_", "psp_", 1).into());
        put(
            "additional_data",
            json!({ "card": "virtual", "charge_id": purchase.uid.replacen("pur_", "ch_", 1) }),
        );
        put("metadata", purchase.metadata.clone().into());
        put("status", status.into());
        put("sandbox", sandbox);
        put("error", "".into());
        put("reference", purchase.reference.clone().into());
        if let Some(secret) = secret {
            let hash = match self.fault {
                Fault::SwappedOrder => {
                    let plain = |name: &&'static str| (*name, signature::plain(&notice[*name]));
                    let fields: Vec<_> = signature::SIGNED.iter().rev().map(plain).collect();
                    let fields = fields.iter();
                    signature::joined(
                        secret,
                        fields.map(|(name, value)| (*name, value.as_deref().unwrap_or_default())),
                    )
                }
                _ => signature::back_mode(secret, &notice).expect("all six fields are there"),
            };
            let hash = if self.fault == Fault::LowerCase {
                hash.to_ascii_lowercase()
            } else {
                hash
            };
            notice.insert("signature".into(), hash.into());
        }
        if self.fault == Fault::Tampered {
            notice.insert("id".into(), "psp_another".into());
        }
        let to = purchase.payment_url.clone();
        self.note(purchase, to, &notice.into(), now)
    }

    fn error(
        self,
        purchase: &mut Purchase,
        secret: Option<&Secret>,
        state: &str,
        at: WallTime,
    ) -> Option<Webhook> {
        let notice = if self.plugin_names {
            let (acceptance, why) = if purchase::is_refusal(state) {
                ("REJECTED", json!(state))
            } else {
                (state, Value::Null)
            };
            json!({
                "reference": purchase.reference,
                "uid": purchase.uid,
                "state": state,
                "acceptance_state": acceptance,
                "acceptance_rejection_type": why,
            })
        } else {
            json!({
                "reference": purchase.reference,
                "purchase_state": state,
                "purchase_uid": purchase.uid,
            })
        };
        let body = match secret {
            Some(secret) => self.signed(secret, &notice, at),
            None => notice,
        };
        let to = purchase.error_url.clone();
        self.note(purchase, to, &body, at)
    }

    /// The merchant's secret, or the fault's wrong one.
    fn secret(self, purchase: &Purchase) -> Option<Secret> {
        let own = purchase.merchant().signs?;
        if self.fault == Fault::Unsigned {
            return None;
        }
        let of_the_other = BACKENDS[1].merchants[0].signs.unwrap_or_default();
        // A wrong secret must differ from the right one.
        let other = if own == of_the_other {
            ""
        } else {
            of_the_other
        };
        let wrong = self.fault == Fault::WrongSecret;
        Some(Secret::new(if wrong { other } else { own }))
    }

    /// `{"signature": …}` and nothing else.
    fn signed(self, secret: &Secret, notice: &Value, at: WallTime) -> Value {
        let mut jwt = sign::jwt_hs256(secret, notice);
        match self.fault {
            Fault::AlgNone => {
                let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
                let payload = URL_SAFE_NO_PAD.encode(notice.to_string());
                jwt = format!("{header}.{payload}.");
            }
            Fault::Expired => {
                let mut over = notice.clone();
                over["exp"] = (at.0 / 1000 - 60).into();
                jwt = sign::jwt_hs256(secret, &over);
            }
            Fault::ExtraDot => jwt.push('.'),
            Fault::Tampered => {
                let mut altered = notice.clone();
                if let Some(amount) = notice["amount_cents"].as_u64() {
                    altered["amount_cents"] = (amount + 1).into();
                } else {
                    altered["reference"] = "another".into();
                }
                let payload = URL_SAFE_NO_PAD.encode(altered.to_string());
                let parts: Vec<&str> = jwt.split('.').collect();
                jwt = [parts[0], &payload, parts[2]].join(".");
            }
            _ => {}
        }
        json!({ "signature": jwt })
    }

    /// The webhook, where there is an address; saved as the purchase's latest notice.
    fn note(
        self,
        purchase: &mut Purchase,
        to: Option<String>,
        body: &Value,
        at: WallTime,
    ) -> Option<Webhook> {
        // Neither the purchase nor the sandbox names an address.
        if to.is_none() && !self.set_up {
            return None;
        }
        let body = body.to_string();
        let sent = Sent { to, body };
        let webhook = sent.webhook(at);
        purchase.notice = Some(sent);
        Some(webhook)
    }
}

/// A notice about a purchase that need not exist.
pub(super) fn sample(sample: &Sample<'_>) -> Result<Webhook, String> {
    if sample.header.is_some() {
        return Err("Pledg's notifications are signed in their body, not by a header".into());
    }
    let style = Style {
        set_up: true,
        ..Style::default()
    };
    let data = purchase::Data::by_transfer(sample.subject);
    let turn = sample.at.0.unsigned_abs();
    let mut purchase = Purchase::new(data, 0, turn, sample.at);
    let (purchase, secret, at) = (&mut purchase, sample.secret, sample.at);
    let webhook = match sample.event {
        "" | "transfer" => style.transfer(purchase, secret, at),
        status if BACK_STATUSES.contains(&status) => style.back(purchase, secret, status, at),
        state if state == ABANDONED || purchase::is_refusal(state) => {
            style.error(purchase, secret, state, at)
        }
        event => {
            return Err(format!(
                "Pledg has no notification {}; it has transfer, {ABANDONED}, states such as SCORING_KO, and {}",
                inert::quoted(event, 40),
                BACK_STATUSES.join(", ")
            ));
        }
    };
    Ok(webhook.expect("an address is set up"))
}

/// `2020-09-17 15:00:02.052177`: microseconds, and no zone.
fn created(at: WallTime) -> String {
    // The documented form; the clock has milliseconds, so the last three digits are zeros.
    let text = at.rfc3339().replace('T', " ");
    format!("{}000", text.trim_end_matches('Z'))
}
