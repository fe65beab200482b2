//! Webhooks: their endpoints, bodies and results. They carry no signature: the registered headers authenticate them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::{Secret, WallTime, inert};
use crate::http_server::is_local_url;
use crate::sandbox::Sample;
use crate::sandbox::controls::choices;
use crate::sandbox::outbox::{Outbox, Webhook};
use crate::sandbox::reply::ok;
use crate::sandbox::route::Answer;

use super::inventory::STATES;
use super::offers::{self, money};
use super::products::TEST_PRODUCT;
use super::query::{Page, date};
use super::{Call, Kinguin, WEBHOOK_HEADER, WEBHOOK_SECRET, bad, not_found};

/// A webhook that was not answered 200 is repeated at once, and a second time after five minutes
/// (`docs/providers/kinguin.md#webhooks`).
pub const WAITS: [Duration; 2] = [Duration::ZERO, Duration::from_mins(5)];

const LOG_MAX: usize = 200;

/// Events besides those of a reservation's states.
const OTHERS: [&str; 3] = ["offerblocked", "chatmessage", "orderprocessing"];

choices! {
    pub enum WebhookFault {
        None = "none",
        /// The registered headers have another value.
        WrongHeader = "wrong-header",
        NoHeader = "no-header",
        Duplicate = "duplicate",
        /// An undocumented webhook follows.
        Unknown = "unknown",
    }
}

/// All sellers' webhooks. Subscriptions hold the receivers' headers, which are secrets, so neither they nor queued webhooks
/// survive a restart; the log does.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Webhooks {
    #[serde(skip)]
    subscriptions: [Option<Subscription>; 2],
    /// The number of its log entry is the note of each.
    #[serde(skip)]
    pub outbox: Outbox,
    log: Vec<Sent>,
    sent: u64,
    /// Whether the first seller's webhooks have an address although no endpoint is registered: the sandbox's callback URL.
    #[serde(skip)]
    pub set_up: bool,
}

/// The value that the fault puts in place of the registered one.
const WRONG: &str = "SANDBOX-KINGUIN-WRONG-WEBHOOK-SECRET";

#[derive(Debug, Default)]
struct Subscription {
    version: u64,
    endpoints: BTreeMap<String, String>,
    headers: Vec<(String, Secret)>,
    blocked: Vec<String>,
}

/// One webhook, queued or finished.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sent {
    pub number: u64,
    pub seller: usize,
    /// The event whose endpoint gets it.
    pub event: String,
    pub body: String,
    /// The id of its object.
    pub body_id: String,
    pub at: WallTime,
    pub attempts: u32,
    pub status: Option<u16>,
    pub state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    #[default]
    Waiting,
    Taken,
    GivenUp,
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub fn chat(message: &str, at: WallTime) -> Value {
    json!({
        "senderName": "Sandbox Buyer", "message": message, "createdAt": date(at), "sandboxExtra": true,
    })
}

pub fn order(id: &str, product: &str) -> Value {
    json!({ "orderId": id, "productId": product, "qtyOrdered": "20", "sandboxExtra": true })
}

/// A webhook about a reservation, an offer or an order that need not exist.
pub fn sample(sample: &Sample<'_>) -> Result<Webhook, String> {
    let (subject, at) = (sample.subject, date(sample.at));
    let body = match sample.event {
        "offerblocked" => json!({
            "id": subject, "productId": TEST_PRODUCT, "status": "ACTIVE", "block": "BLOCKED",
            "updatedAt": at, "sandboxExtra": true,
        }),
        "chatmessage" => chat(subject, sample.at),
        "orderprocessing" => order(subject, TEST_PRODUCT),
        event => {
            let event = if event.is_empty() { "BOUGHT" } else { event };
            let mut states = STATES.iter().map(|(state, _)| *state);
            let state = states.find(|state| *state == event).ok_or_else(|| {
                let known = STATES.map(|(state, _)| state).join(", ");
                let (event, others) = (inert::quoted(event, 40), OTHERS.join(", "));
                format!("Kinguin has no webhook {event}; its webhooks are {known}, {others}")
            })?;
            json!({
                "name": "Sandbox Game", "price": money(1_660), "priceIWTR": money(1_500), "commissionRule": null,
                "productId": TEST_PRODUCT, "offerId": "65a0c0de0000000000000001", "status": state,
                "reservationId": subject, "availableStock": 1, "buyableStock": 1, "declaredStock": 0,
                "reservedStock": 1, "requestedKeyType": "TEXT", "updatedAt": at, "popularityBid": money(0),
                "sandboxExtra": true,
            })
        }
    };
    let name = sample.header.unwrap_or(WEBHOOK_HEADER);
    if !is_header_name(name) {
        return Err(format!("{} is not a header name", inert::quoted(name, 40)));
    }
    let mut webhook = Webhook::notice(None, body.to_string(), sample.at);
    let proof = sample.secret.map(|secret| secret.expose().to_owned());
    webhook
        .headers
        .extend(proof.map(|proof| (name.to_owned(), proof)));
    Ok(webhook)
}

pub fn subscribe(call: &mut Call<'_>) -> Answer {
    let fields = call.object()?;
    let mut endpoints = BTreeMap::new();
    for (event, url) in fields["endpoints"].as_object().into_iter().flatten() {
        let known = STATES.iter().map(|(_, known)| *known).chain(OTHERS);
        let url = url.as_str().unwrap_or_default();
        if !known.into_iter().any(|known| known == event) {
            let event = inert::quoted(event, 40);
            return Err(bad(&format!("endpoints: there is no event {event}")));
        }
        if !is_local_url(url) {
            return Err(bad(&format!(
                "endpoints.{event}: this sandbox sends only to http:// URLs on its own machine"
            )));
        }
        endpoints.insert(event.clone(), url.to_owned());
    }
    let mut headers = Vec::new();
    for header in fields["headers"].as_array().into_iter().flatten() {
        let (Some(name), Some(value)) = (header["name"].as_str(), header["value"].as_str()) else {
            return Err(bad("headers: name and value are needed"));
        };
        if !is_header_name(name) || value.chars().any(char::is_control) {
            return Err(bad("headers: this is not a valid header"));
        }
        headers.push((name.to_owned(), Secret::new(value)));
    }
    let held = call.state.webhooks.subscriptions[call.caller].get_or_insert_default();
    held.version += 1;
    held.endpoints = endpoints;
    held.headers = headers;
    held.blocked.clear();
    subscription(call)
}

pub fn subscription(call: &mut Call<'_>) -> Answer {
    let seller = call.caller;
    let held = call.state.webhooks.subscriptions[seller].as_ref();
    let held = held.ok_or_else(|| not_found("Subscription not found"))?;
    let headers = held.headers.iter();
    let headers = headers.map(|(name, value)| json!({ "name": name, "value": value.expose() }));
    ok(json!({
        "id": format!("65d0000000000000000000{seller:02}"),
        "subscriberId": format!("seller-{seller}"),
        "version": held.version,
        "endpoints": held.endpoints,
        "headers": headers.collect::<Vec<_>>(),
        "blockedEndpoints": held.blocked,
        "sandboxExtra": true,
    }))
}

pub fn requests(call: &mut Call<'_>) -> Answer {
    let log = call.state.webhooks.log.iter().rev();
    let own = log.filter(|sent| sent.seller == call.caller);
    let (page, rows) = Page::of(call.request, own.collect())?;
    let rows = rows.into_iter().map(|sent| {
        json!({
            "id": sent.number.to_string(),
            "event": sent.event,
            "createdAt": date(sent.at),
            "request": {
                "toSent": { "body": sent.body, "bodyId": sent.body_id },
                "deployAttempts": sent.attempts,
                "responseStatus": sent.status,
                "status": match sent.state {
                    State::Waiting => "WAITING",
                    State::Taken => "DELIVERED",
                    State::GivenUp => "FAILED",
                },
            },
            "sandboxExtra": true,
        })
    });
    ok(page.spring(rows.collect()))
}

impl Kinguin {
    /// Posts a reservation's current state.
    pub fn announce(&mut self, seller: usize, id: &str, now: WallTime) {
        let own = &self.inventories[seller];
        let Some(sale) = own.sale(id) else {
            return;
        };
        let Some((_, event)) = STATES.iter().find(|(state, _)| *state == sale.status) else {
            return;
        };
        let (product, offer) = (&self.products[sale.product], own.offer(&sale.offer));
        let counts = own.counts_of(&sale.offer);
        let mut body = json!({
            "name": product.name,
            "price": money(sale.price),
            "priceIWTR": money(sale.iwtr),
            "commissionRule": offers::rule(product),
            "productId": product.id,
            "offerId": sale.offer,
            "status": sale.status,
            "reservationId": sale.id,
            "availableStock": counts.available,
            "buyableStock": offer.map_or(0, |offer| counts.buyable(offer)),
            "declaredStock": offer.map_or(0, |offer| offer.declared),
            "reservedStock": counts.reserved,
            "requestedKeyType": "TEXT",
            "updatedAt": date(sale.updated),
            "popularityBid": money(0),
            "sandboxExtra": true,
        });
        if sale.status == "DELIVERED" {
            let mut keys = own.keys.iter();
            let key = keys.find(|key| Some(&key.id) == sale.key.as_ref());
            body["releasedStockId"] = sale.key.clone().into();
            body["releasedExternalStockId"] = key.and_then(|key| key.external.clone()).into();
        }
        self.post(&Sent {
            seller,
            event: (*event).to_owned(),
            body: body.to_string(),
            body_id: id.to_owned(),
            at: now,
            ..Sent::default()
        });
    }

    /// Queues a webhook, where an endpoint is registered for it.
    pub fn post(&mut self, new: &Sent) -> bool {
        let webhooks = &mut self.webhooks;
        let to = match &webhooks.subscriptions[new.seller] {
            Some(held) if held.blocked.contains(&new.event) => return false,
            Some(held) => match held.endpoints.get(&new.event) {
                Some(url) => Some(url.clone()),
                None => return false,
            },
            None if webhooks.set_up && new.seller == 0 => None,
            None => return false,
        };
        let further = match self.rules.webhook_fault {
            WebhookFault::Duplicate => Some(new.body.clone()),
            WebhookFault::Unknown => Some(surprise(new.at).to_string()),
            WebhookFault::None | WebhookFault::WrongHeader | WebhookFault::NoHeader => None,
        };
        for body in std::iter::once(new.body.clone()).chain(further) {
            webhooks.sent += 1;
            // The registered headers are added when it is sent, so that secrets stay in memory as briefly as possible.
            webhooks.outbox.push(Webhook {
                note: webhooks.sent.into(),
                ..Webhook::notice(to.clone(), body.clone(), new.at)
            });
            if webhooks.log.len() >= LOG_MAX {
                webhooks.log.remove(0);
            }
            webhooks.log.push(Sent {
                number: webhooks.sent,
                body,
                ..new.clone()
            });
        }
        true
    }
}

/// The body of a webhook of an undocumented kind.
pub fn surprise(now: WallTime) -> Value {
    json!({ "status": "SANDBOX_UNDOCUMENTED", "updatedAt": date(now) })
}

impl Webhooks {
    /// The webhook with the headers as they were registered last.
    pub fn complete(&self, mut webhook: Webhook, fault: WebhookFault) -> Webhook {
        let mut log = self.log.iter();
        let sent = log.find(|sent| webhook.note == sent.number);
        let held = sent.and_then(|sent| self.subscriptions[sent.seller].as_ref());
        let usual = [(WEBHOOK_HEADER.to_owned(), Secret::new(WEBHOOK_SECRET))];
        let registered = held.map_or(&usual[..], |held| &held.headers).iter();
        let headers = registered.filter_map(|(name, value)| match fault {
            WebhookFault::NoHeader => None,
            WebhookFault::WrongHeader => Some((name.clone(), WRONG.to_owned())),
            WebhookFault::None | WebhookFault::Duplicate | WebhookFault::Unknown => {
                Some((name.clone(), value.expose().to_owned()))
            }
        });
        webhook.headers.extend(headers);
        webhook
    }

    /// Logs the result of an attempt. After the last failed attempt its endpoint is blocked until it is registered again.
    pub fn attempted(&mut self, webhook: &Webhook, status: Option<u16>) {
        let waits = self.outbox.holds(webhook.number);
        let mut log = self.log.iter_mut();
        let Some(sent) = log.find(|sent| webhook.note == sent.number) else {
            return;
        };
        sent.attempts += 1;
        sent.status = status;
        sent.state = match (waits, status) {
            (true, _) => State::Waiting,
            (false, Some(200)) => State::Taken,
            (false, _) => State::GivenUp,
        };
        if sent.state == State::GivenUp
            && let Some(held) = &mut self.subscriptions[sent.seller]
            && !held.blocked.contains(&sent.event)
        {
            held.blocked.push(sent.event.clone());
        }
    }

    /// Clears subscriptions and log of another simulation.
    pub fn forget(&mut self) {
        *self = Self {
            set_up: self.set_up,
            ..Self::default()
        };
    }

    /// Queued webhooks are lost at a restart, because their headers are not saved.
    pub fn resume(&mut self) {
        for sent in &mut self.log {
            if sent.state == State::Waiting {
                sent.state = State::GivenUp;
            }
        }
    }

    /// Counts for the state page: subscribed, waiting and delivered events of a seller. No headers.
    pub fn state(&self, seller: usize) -> Value {
        let count = |state| {
            let own = self.log.iter().filter(|sent| sent.seller == seller);
            own.filter(|sent| sent.state == state).count()
        };
        let held = self.subscriptions[seller].as_ref();
        json!({
            "endpoints": held.map_or(0, |held| held.endpoints.len()),
            "blocked": held.map(|held| held.blocked.clone()).unwrap_or_default(),
            "waiting": count(State::Waiting),
            "taken": count(State::Taken),
            "given_up": count(State::GivenUp),
        })
    }
}
