//! Callbacks, sent once each (`docs/providers/kongregate.md#callbacks`): events in plain fields, and signed requests. Keys
//! and tokens are added at sending, so that none is saved.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::facts::{ALGORITHM, INVENTORY, ORDER_PLACED, ORDER_REQUEST, SIGNED_REQUEST};
use super::event::EventKind;
use super::orders::Orders;
use super::{API_KEY, GAME_ID, Kongregate};
use crate::domain::{Secret, WallTime, inert};
use crate::http_server::DeliveryResult;
use crate::sandbox::controls::{Wait, choices};
use crate::sandbox::outbox::{Outbox, Webhook};
use crate::sandbox::sign::hmac_sha256;
use crate::sandbox::{Sample, Simulator};

/// The number of sent callbacks that are remembered.
const SENT_MAX: usize = 50;

choices! {
    pub enum Fault {
        None = "none",
        WrongKey = "wrong-key",
        BadSignature = "bad-signature",
        AlgorithmNone = "algorithm-none",
        AlgorithmSha1 = "algorithm-sha1",
        Padded = "padded",
        NoDot = "no-dot",
        TwoDots = "two-dots",
        NotJson = "not-json",
        Duplicate = "duplicate",
    }
}

choices! {
    #[serde(rename_all = "kebab-case")]
    pub enum InventoryEvents {
        Plain = "plain",
        Signed = "signed",
        Both = "both",
    }
}

/// What a waiting callback reports and with which fault; the note of its webhook.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    what: EventKind,
    fault: Fault,
}

impl Note {
    fn of(webhook: &Webhook) -> Option<Self> {
        Self::deserialize(&webhook.note).ok()
    }
}

/// Callbacks and orders.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Webhooks {
    #[serde(default)]
    pub outbox: Outbox,
    /// The callbacks sent lately, and their results.
    pub sent: VecDeque<Value>,
    pub orders: Orders,
}

impl Webhooks {
    pub fn waiting(&self) -> Value {
        let notes = self.outbox.waiting().iter().filter_map(Note::of);
        notes.map(|note| note.what.event()).collect()
    }
}

/// The time format of its callbacks: local time on the west coast of the United States.
pub fn provider_time(at: WallTime) -> String {
    // An explicit rule, because the system's time zone database may be missing.
    let zone = TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").expect("it is a rule of POSIX");
    let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone)
        .strftime("%Y-%m-%d %H:%M:%S %z")
        .to_string()
}

impl Kongregate {
    /// Queues a callback and describes that. Without a callback URL none is queued: Kongregate does not retry later.
    pub fn send(&mut self, what: EventKind, simulator: &Simulator) -> &'static str {
        if simulator.callback_url("kongregate").is_none() {
            return "no callback sent: no callback URL is set";
        }
        let fault = self.rules.fault;
        let copies = if fault == Fault::Duplicate { 2 } else { 1 };
        for _ in 0..copies {
            self.webhooks.outbox.push(Webhook {
                note: json!(Note { what, fault }),
                ..Webhook::form(String::new(), simulator.now())
            });
        }
        "sending the callback"
    }

    /// Drops callbacks whose order is no longer known: they could never be sent and would stay due.
    pub fn forget_unsendable(&mut self) {
        let mut outbox = std::mem::take(&mut self.webhooks.outbox);
        outbox.retain(|webhook| self.body(webhook).is_some());
        self.webhooks.outbox = outbox;
    }

    /// The body of a callback that is sent now; `None` where its player or order is not known.
    pub fn body(&self, webhook: &Webhook) -> Option<String> {
        let Note { what, fault } = Note::of(webhook)?;
        let key = if fault == Fault::WrongKey {
            "SANDBOX-ANOTHER-GAME"
        } else {
            API_KEY
        };
        let (event, time) = (what.event(), provider_time(webhook.next));
        let mut fields = Vec::new();
        let payload = match what {
            EventKind::Inventory { player } | EventKind::Unknown { player } => {
                let player = self.game_data.player(player)?;
                let token = player.token();
                let about = [&player.id.to_string(), &player.username, &token];
                fields = plain(event, Some(key), &time, about.map(String::as_str));
                json!({
                    "algorithm": ALGORITHM,
                    "event": event,
                    "user_id": player.id,
                    "username": player.username,
                    "game_auth_token": token,
                    "time": time,
                })
            }
            EventKind::UnknownSigned { player } => {
                json!({ "algorithm": ALGORITHM, "event": event, "user_id": player, "time": time })
            }
            EventKind::OrderRequest { order } | EventKind::OrderPlaced { order } => {
                let order = self.webhooks.orders.known(order)?;
                json!({
                    "algorithm": ALGORITHM,
                    "event": event,
                    "game_id": GAME_ID,
                    "buyer_id": order.buyer,
                    "recipient_id": order.recipient,
                    "order_id": order.id,
                    "order_info": order.info,
                })
            }
        };
        // A plain event with a bad signed request beside it must be rejected too, so faults of signatures apply to it.
        let inventory = self.rules.inventory;
        let signs = inventory != InventoryEvents::Plain
            || !matches!(fault, Fault::None | Fault::WrongKey | Fault::Duplicate);
        if fields.is_empty() || signs {
            if inventory == InventoryEvents::Signed {
                fields.clear();
            }
            fields.push((SIGNED_REQUEST, signed_request(payload, key, fault)));
        }
        serde_urlencoded::to_string(fields).ok()
    }

    /// Logs the result of the only attempt; a game's answer moves its order on.
    pub fn log(
        &mut self,
        webhook: &Webhook,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    ) {
        let Some(Note { what, .. }) = Note::of(webhook) else {
            return;
        };
        let outcome = match answered {
            Some(answered) => format!("status {}", answered.status),
            None => "no response in time".into(),
        };
        let followed = match what {
            EventKind::OrderRequest { order } => self.apply_price(order, answered, simulator),
            EventKind::OrderPlaced { order } => self.apply_delivery(order, answered),
            EventKind::Inventory { .. }
            | EventKind::Unknown { .. }
            | EventKind::UnknownSigned { .. } => String::new(),
        };
        if self.webhooks.sent.len() >= SENT_MAX {
            self.webhooks.sent.pop_front();
        }
        self.webhooks.sent.push_back(json!({
            "event": what.event(),
            "time": provider_time(webhook.next),
            "came": outcome,
            "followed": followed,
        }));
    }
}

/// The plain fields of an event about a player: number, name and token.
fn plain(
    event: &str,
    api_key: Option<&str>,
    time: &str,
    [user_id, username, token]: [&str; 3],
) -> Vec<(&'static str, String)> {
    let fields = [
        ("event", Some(event)),
        ("api_key", api_key),
        ("time", Some(time)),
        ("user_id", Some(user_id)),
        ("username", Some(username)),
        ("game_auth_token", Some(token)),
    ];
    let sent = fields.into_iter();
    let sent = sent.filter_map(|(name, value)| Some((name, value?.to_owned())));
    sent.collect()
}

/// A signed request: the signature, a dot, and the payload that it covers. Altered by the fault.
fn signed_request(mut payload: Value, key: &str, fault: Fault) -> String {
    match fault {
        Fault::AlgorithmNone => payload["algorithm"] = "none".into(),
        Fault::AlgorithmSha1 => payload["algorithm"] = "HMAC-SHA1".into(),
        _ => {}
    }
    let payload = match fault {
        Fault::NotJson => "event=test".to_owned(),
        _ => payload.to_string(),
    };
    let signed = URL_SAFE_NO_PAD.encode(&payload);
    let key = if fault == Fault::BadSignature {
        "another"
    } else {
        key
    };
    let signature = hmac_sha256(key, &signed);
    match fault {
        Fault::Padded => format!("{signature}=.{}", URL_SAFE.encode(payload)),
        Fault::NoDot => format!("{signature}{signed}"),
        Fault::TwoDots => format!("{signature}.{signed}.{signature}"),
        _ => format!("{signature}.{signed}"),
    }
}

/// A callback about a player or an order that need not exist.
pub fn sample(sample: &Sample<'_>) -> Result<Webhook, String> {
    if sample.header.is_some() {
        return Err(
            "Kongregate's callbacks are authenticated in their body, not by a header".into(),
        );
    }
    let (subject, secret) = (sample.subject, sample.secret);
    let event = if sample.event.is_empty() {
        INVENTORY
    } else {
        sample.event
    };
    let fields = match (event, secret) {
        (ORDER_REQUEST | ORDER_PLACED, Some(secret)) => {
            let payload = json!({
                "algorithm": ALGORITHM, "event": event, "game_id": GAME_ID, "buyer_id": 1,
                "recipient_id": 1, "order_id": subject, "order_info": "tea-tin",
            });
            let signed = signed_request(payload, secret.expose(), Fault::None);
            vec![(SIGNED_REQUEST, signed)]
        }
        (INVENTORY | ORDER_REQUEST | ORDER_PLACED, secret) => {
            let about = [subject, "Sandbox Player", "SANDBOX-TOKEN-OF-NOBODY"];
            let key = secret.map(Secret::expose);
            plain(event, key, &provider_time(sample.at), about)
        }
        (event, _) => {
            return Err(format!(
                "Kongregate has no event {}; its events are {INVENTORY}, {ORDER_REQUEST}, {ORDER_PLACED}",
                inert::quoted(event, 40)
            ));
        }
    };
    let form = serde_urlencoded::to_string(fields).map_err(|error| error.to_string())?;
    Ok(Webhook::form(form, sample.at))
}

/// The default time for a receiver's answer. Our choice: Kongregate documents only that it cuts off slow ones.
pub const ANSWER_TIMEOUT: Wait = Wait(Duration::from_secs(5));
