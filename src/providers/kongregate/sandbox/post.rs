//! What the provider sends of its own accord, once each: events in plain fields, signed requests, and the two steps
//! of an order, whose answers decide. Keys and tokens are put in when a letter leaves, so that none is kept.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{API_KEY, GAME_ID, Memory};
use crate::domain::{Secret, WallTime, inert};
use crate::http_server::Answered;
use crate::providers::kongregate::callback::{
    INVENTORY, ORDER_PLACED, ORDER_REQUEST, SIGNED_REQUEST,
};
use crate::providers::kongregate::signed;
use crate::sandbox::outbox::Letter;
use crate::sandbox::{Sample, World};

/// More than this are not kept waiting; the oldest is lost, as a provider that sends once may lose one.
const WAITING_MAX: usize = 1_000;
/// So many of those that went out are remembered.
const SENT_MAX: usize = 50;
/// So many orders are remembered.
const ORDERS_MAX: usize = 200;

/// What is wrong with callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Fault {
    #[default]
    None,
    WrongKey,
    BadSignature,
    AlgorithmNone,
    AlgorithmSha1,
    Padded,
    NoDot,
    TwoDots,
    NotJson,
    Twice,
}

impl Fault {
    /// All of them, by the names they are set with.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::None, "none"),
        (Self::WrongKey, "wrong-key"),
        (Self::BadSignature, "bad-signature"),
        (Self::AlgorithmNone, "algorithm-none"),
        (Self::AlgorithmSha1, "algorithm-sha1"),
        (Self::Padded, "padded"),
        (Self::NoDot, "no-dot"),
        (Self::TwoDots, "two-dots"),
        (Self::NotJson, "not-json"),
        (Self::Twice, "twice"),
    ];

    /// Whether it is a fault of a signed request.
    fn is_of_signature(self) -> bool {
        !matches!(self, Self::None | Self::WrongKey | Self::Twice)
    }
}

/// Of what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A player's inventory changed.
    Inventory { player: u64 },
    /// Something that no documentation names, in plain fields.
    Unknown { player: u64 },
    /// The same, signed.
    UnknownSigned { player: u64 },
    /// What does this order hold, and cost?
    OrderRequest { order: u64 },
    /// The player agreed.
    OrderPlaced { order: u64 },
}

impl What {
    fn event(self) -> &'static str {
        match self {
            Self::Inventory { .. } => INVENTORY,
            Self::Unknown { .. } | Self::UnknownSigned { .. } => "badge_awarded",
            Self::OrderRequest { .. } => ORDER_REQUEST,
            Self::OrderPlaced { .. } => ORDER_PLACED,
        }
    }
}

/// One callback on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    number: u64,
    what: What,
    fault: Fault,
    at: WallTime,
}

/// One order, from the question what it costs to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub id: u64,
    buyer: u64,
    recipient: u64,
    info: String,
    /// In Kreds, once the game has said so.
    price: Option<u64>,
    state: String,
}

/// Callbacks and orders.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Post {
    waiting: Vec<Waiting>,
    posted: u64,
    sent: VecDeque<Value>,
    orders: VecDeque<Order>,
    ordered: u64,
}

impl Post {
    /// An order by its number as a shop knows it.
    pub fn order(&self, id: &str) -> Option<&Order> {
        self.orders.iter().find(|order| order.id.to_string() == id)
    }

    fn order_mut(&mut self, id: u64) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| order.id == id)
    }

    /// When the next callback is due.
    pub fn next(&self) -> Option<WallTime> {
        self.waiting.iter().map(|one| one.at).min()
    }

    /// The orders as they stand.
    pub fn orders(&self) -> Value {
        serde_json::to_value(&self.orders).expect("orders are JSON")
    }

    /// What is on its way: events and nothing more.
    pub fn waiting(&self) -> Value {
        let events = self.waiting.iter().map(|one| one.what.event());
        events.collect::<Vec<_>>().into()
    }

    /// What went out lately, and what came of it.
    pub fn sent(&self) -> Value {
        self.sent.iter().cloned().collect::<Vec<_>>().into()
    }

    /// Takes an order on.
    pub fn begin(&mut self, buyer: u64, recipient: u64, info: &str) -> u64 {
        self.ordered += 1;
        let id = 12_344 + self.ordered;
        if self.orders.len() >= ORDERS_MAX {
            self.orders.pop_front();
        }
        self.orders.push_back(Order {
            id,
            buyer,
            recipient,
            info: info.into(),
            price: None,
            state: "requested".into(),
        });
        id
    }
}

/// The provider's clock as its callbacks tell it: local time on the west coast of the United States.
pub fn provider_time(at: WallTime) -> String {
    // Its own rule rather than the system's table of zones, which may be missing.
    let zone = TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").expect("it is a rule of POSIX");
    let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone)
        .strftime("%Y-%m-%d %H:%M:%S %z")
        .to_string()
}

impl Memory {
    /// Puts a callback in, and says so in words. Without an address none is made: what Kongregate cannot send, it
    /// forgets.
    pub fn send(&mut self, what: What, world: &World) -> &'static str {
        if world.callback_url("kongregate").is_none() {
            return "no callback: no address is set for it";
        }
        let fault = self.rules.fault;
        let copies = if fault == Fault::Twice { 2 } else { 1 };
        for _ in 0..copies {
            self.post.posted += 1;
            if self.post.waiting.len() >= WAITING_MAX {
                self.post.waiting.remove(0);
            }
            self.post.waiting.push(Waiting {
                number: self.post.posted,
                what,
                fault,
                at: world.now(),
            });
        }
        "its callback goes out"
    }

    /// Sends the latest callback of an order once more.
    pub fn repeat(&mut self, order: u64, world: &World) -> String {
        let state = self.post.order_mut(order).map(|order| order.price);
        let what = match state {
            Some(Some(_)) => What::OrderPlaced { order },
            _ => What::OrderRequest { order },
        };
        let said = self.send(what, world);
        format!("order {order}, {} once more: {said}", what.event())
    }

    /// Forgets what can be sent no more: its order is forgotten, or was never known. It would be due for ever.
    pub fn forget_unsendable(&mut self) {
        let mut waiting = std::mem::take(&mut self.post.waiting);
        waiting.retain(|one| self.body(one).is_some());
        self.post.waiting = waiting;
    }

    /// The callbacks to be sent now.
    pub fn letters(&self, now: WallTime) -> Vec<Letter> {
        let due = self.post.waiting.iter().filter(|one| one.at <= now);
        due.filter_map(|one| {
            let form = self.body(one)?;
            Some(Letter {
                number: one.number,
                patience: Some(self.rules.patience),
                ..Letter::form(form, one.at)
            })
        })
        .collect()
    }

    fn body(&self, one: &Waiting) -> Option<String> {
        let key = if one.fault == Fault::WrongKey {
            "SANDBOX-ANOTHER-GAME"
        } else {
            API_KEY
        };
        let time = provider_time(one.at);
        let mut fields: Vec<(&str, String)> = Vec::new();
        let mut payload = Map::new();
        payload.insert("algorithm".into(), signed::ALGORITHM.into());
        payload.insert("event".into(), one.what.event().into());
        match one.what {
            What::Inventory { player } | What::Unknown { player } => {
                let player = self.cast.player(player)?;
                fields.extend([
                    ("event", one.what.event().to_owned()),
                    ("api_key", key.to_owned()),
                    ("time", time.clone()),
                    ("user_id", player.id.to_string()),
                    ("username", player.username.clone()),
                    ("game_auth_token", player.token()),
                ]);
                payload.insert("user_id".into(), player.id.into());
                payload.insert("time".into(), time.into());
            }
            What::UnknownSigned { player } => {
                payload.insert("user_id".into(), player.into());
                payload.insert("time".into(), time.into());
            }
            What::OrderRequest { order } | What::OrderPlaced { order } => {
                let order = self.post.orders.iter().find(|known| known.id == order)?;
                for (name, value) in [
                    ("game_id", json!(GAME_ID)),
                    ("buyer_id", json!(order.buyer)),
                    ("recipient_id", json!(order.recipient)),
                    ("order_id", json!(order.id)),
                    ("order_info", json!(order.info)),
                ] {
                    payload.insert(name.into(), value);
                }
            }
        }
        // A fault of signatures shows on plain events, too: a signed request that is there must be right.
        let signs = match self.rules.inventory.as_str() {
            "both" | "signed" => true,
            _ => one.fault.is_of_signature(),
        };
        if fields.is_empty() || signs {
            if self.rules.inventory == "signed" {
                fields.clear();
            }
            fields.push((SIGNED_REQUEST, signed_request(payload, key, one.fault)));
        }
        serde_urlencoded::to_string(fields).ok()
    }

    /// What came of sending one: it was the only try.
    pub fn heard(&mut self, letter: u64, answered: Option<&Answered>, world: &World) {
        let waiting = &mut self.post.waiting;
        let Some(at) = waiting.iter().position(|one| one.number == letter) else {
            return;
        };
        let one = waiting.remove(at);
        let came = match answered {
            Some(answered) => format!("status {}", answered.status),
            None => "no answer in time".into(),
        };
        let followed = match one.what {
            What::OrderRequest { order } => self.priced(order, answered, world),
            What::OrderPlaced { order } => self.closed(order, answered),
            What::Inventory { .. } | What::Unknown { .. } | What::UnknownSigned { .. } => {
                String::new()
            }
        };
        if self.post.sent.len() >= SENT_MAX {
            self.post.sent.pop_front();
        }
        self.post.sent.push_back(json!({
            "event": one.what.event(),
            "time": provider_time(one.at),
            "came": came,
            "followed": followed,
        }));
    }

    /// The game has said what an order holds: the player agrees if the Kreds last.
    fn priced(&mut self, order: u64, answered: Option<&Answered>, world: &World) -> String {
        let price = match body_of(answered).and_then(offer) {
            Ok(price) => price,
            Err(why) if self.is_open(order) => {
                return self.ends(order, format!("not offered: {why}"));
            }
            Err(_) => return "offered already".into(),
        };
        let Some(known) = self.post.order_mut(order) else {
            return String::new();
        };
        if known.price.is_some() {
            return "offered already".into();
        }
        let buyer = known.buyer;
        known.price = Some(price);
        let player = self.cast.player(buyer);
        if player.is_none_or(|player| !player.is_uploader() && player.kreds < price) {
            return self.ends(
                order,
                format!("refused: the buyer has less than {price} Kreds"),
            );
        }
        let said = self.send(What::OrderPlaced { order }, world);
        self.ends(order, format!("offered for {price} Kreds; {said}"))
    }

    /// The game has handed the goods over, or has not.
    fn closed(&mut self, order: u64, answered: Option<&Answered>) -> String {
        let state = body_of(answered).and_then(|body| {
            let answer: Value =
                serde_json::from_slice(body).map_err(|_| "its answer is not JSON")?;
            match answer["state"].as_str() {
                Some("completed") => Ok(true),
                Some("canceled") => Ok(false),
                _ => Err("its answer is neither completed nor canceled"),
            }
        });
        let Some(known) = self.post.order_mut(order) else {
            return String::new();
        };
        let (buyer, price) = (known.buyer, known.price.unwrap_or(0));
        let was_charged = known.state.starts_with("completed");
        match state {
            Ok(true) | Err(_) if was_charged => "completed already".into(),
            Ok(true) => {
                let player = self.cast.player_mut(buyer);
                let mut charged = 0;
                if let Some(player) = player.filter(|player| !player.is_uploader()) {
                    player.kreds = player.kreds.saturating_sub(price);
                    charged = price;
                }
                self.ends(order, format!("completed; {charged} Kreds were charged"))
            }
            Ok(false) if was_charged => "canceled after it was completed".into(),
            Ok(false) => self.ends(order, "canceled; nothing was charged".into()),
            Err(why) => self.ends(order, format!("nothing was charged: {why}")),
        }
    }

    /// Whether the game has not said yet what an order costs.
    fn is_open(&mut self, order: u64) -> bool {
        let order = self.post.order_mut(order);
        order.is_some_and(|order| order.price.is_none())
    }

    fn ends(&mut self, order: u64, state: String) -> String {
        if let Some(order) = self.post.order_mut(order) {
            order.state.clone_from(&state);
        }
        state
    }
}

/// The body of an answer that counts.
fn body_of(answered: Option<&Answered>) -> Result<&[u8], &'static str> {
    let answered = answered.ok_or("the game did not answer in time")?;
    if answered.status != 200 {
        return Err("the game's answer has another status than 200");
    }
    let body = answered.body.as_deref();
    body.ok_or("the game's answer did not come to its end in time")
}

/// What the items of an order cost together, each being whole.
fn offer(body: &[u8]) -> Result<u64, &'static str> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "its answer is not JSON")?;
    let items = answer["items"]
        .as_array()
        .ok_or("its answer has no list of items")?;
    if items.is_empty() {
        return Err("its answer offers no item");
    }
    let mut total: u64 = 0;
    for item in items {
        let text = |name: &str| {
            item[name]
                .as_str()
                .is_some_and(|text| !text.trim().is_empty())
        };
        if !(text("name") && text("description") && text("image_url")) {
            return Err("an item lacks its name, description or image_url");
        }
        // In a float or in quotes it is no whole number of Kreds.
        let price = item["price"]
            .as_u64()
            .ok_or("an item's price is no whole number")?;
        total = total
            .checked_add(price)
            .ok_or("the prices are too large together")?;
    }
    Ok(total)
}

/// A signed request, or what a fault makes of one.
fn signed_request(mut payload: Map<String, Value>, key: &str, fault: Fault) -> String {
    match fault {
        Fault::AlgorithmNone => drop(payload.insert("algorithm".into(), "none".into())),
        Fault::AlgorithmSha1 => drop(payload.insert("algorithm".into(), "HMAC-SHA1".into())),
        _ => {}
    }
    let payload = match fault {
        Fault::NotJson => "event=test".to_owned(),
        _ => Value::Object(payload).to_string(),
    };
    let whole = signed::sign(&Secret::new(key), &payload);
    let (signature, signed) = whole.split_once('.').expect("it has a dot in it");
    match fault {
        Fault::BadSignature => {
            let other = signed::sign(&Secret::new("another"), &payload);
            let (other, _) = other.split_once('.').expect("it has a dot in it");
            format!("{other}.{signed}")
        }
        Fault::Padded => format!("{signature}=.{}", URL_SAFE.encode(payload)),
        Fault::NoDot => format!("{signature}{signed}"),
        Fault::TwoDots => format!("{signature}.{signed}.{signature}"),
        _ => whole,
    }
}

/// A callback about a player or an order that need not exist.
pub fn sample(sample: &Sample<'_>) -> Result<Letter, String> {
    if sample.header.is_some() {
        return Err("Kongregate's callbacks are proved in their body, not in a header".into());
    }
    let (subject, secret) = (sample.subject, sample.secret);
    let event = if sample.event.is_empty() {
        INVENTORY
    } else {
        sample.event
    };
    let mut fields: Vec<(&str, String)> = Vec::new();
    match (event, secret) {
        (ORDER_REQUEST | ORDER_PLACED, Some(secret)) => {
            let payload = json!({
                "algorithm": signed::ALGORITHM, "event": event, "game_id": GAME_ID, "buyer_id": 1,
                "recipient_id": 1, "order_id": subject, "order_info": "tea-tin",
            });
            fields.push((SIGNED_REQUEST, signed::sign(secret, &payload.to_string())));
        }
        (INVENTORY | ORDER_REQUEST | ORDER_PLACED, secret) => {
            fields.push(("event", event.to_owned()));
            fields.extend(secret.map(|secret| ("api_key", secret.expose().to_owned())));
            fields.extend([
                ("time", provider_time(sample.at)),
                ("user_id", subject.to_owned()),
                ("username", "Sandbox Player".to_owned()),
                ("game_auth_token", "SANDBOX-TOKEN-OF-NOBODY".to_owned()),
            ]);
        }
        (event, _) => {
            return Err(format!(
                "Kongregate has no event {}; it has {INVENTORY}, {ORDER_REQUEST}, {ORDER_PLACED}",
                inert::quoted(event, 40)
            ));
        }
    }
    let form = serde_urlencoded::to_string(fields).map_err(|error| error.to_string())?;
    Ok(Letter::form(form, sample.at))
}

/// How long a receiver may take, where nobody set it otherwise. Kongregate says only that it cuts slow ones off.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What an order may be called.
pub fn order_info(text: &str) -> Result<&str, String> {
    if text.is_empty() || text.len() > 200 || text.contains(char::is_control) {
        return Err(format!(
            "{} is nothing that can be ordered",
            inert::quoted(text, 40)
        ));
    }
    Ok(text)
}
