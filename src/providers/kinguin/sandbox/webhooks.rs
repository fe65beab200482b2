//! Webhooks: their endpoints, bodies and results. They carry no signature: the registered headers authenticate them.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::{WallTime, inert};
use crate::http_server::{Request, Response, is_local_url};
use crate::sandbox::Sample;
use crate::sandbox::outbox::{Outbox, Webhook};

use super::inventory::{Inventory, STATES};
use super::offers::{self, money};
use super::products::Product;
use super::query::{Page, Query, date};
use super::rules::WebhookFault;
use super::{WEBHOOK_HEADER, WEBHOOK_SECRET, bad, error, json_response};

/// A webhook that was not answered 200 is repeated at once, and a second time after five minutes
/// (`docs/providers/kinguin.md#webhooks`).
const WAITS: [Duration; 2] = [Duration::ZERO, Duration::from_mins(5)];

/// Bounds the log.
const LOG_MAX: usize = 200;

/// Events besides those of a reservation's states.
const OTHERS: [&str; 3] = ["offerblocked", "chatmessage", "orderprocessing"];

/// All sellers' webhooks. Subscriptions hold the receivers' headers, which are secrets, so neither they nor queued webhooks
/// survive a restart; the log does.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Webhooks {
    #[serde(skip)]
    subscriptions: [Option<Subscription>; 2],
    #[serde(skip)]
    outbox: Outbox,
    log: Vec<Sent>,
    sent: u64,
    /// Whether the first seller's webhooks have an address although no endpoint is registered: the sandbox's callback URL.
    #[serde(skip)]
    pub set_up: bool,
    #[serde(skip)]
    pub fault: WebhookFault,
}

/// The value that the fault puts in place of the registered one.
const WRONG: &str = "SANDBOX-KINGUIN-WRONG-WEBHOOK-SECRET";

#[derive(Default)]
struct Subscription {
    version: u64,
    endpoints: BTreeMap<String, String>,
    headers: Vec<(String, String)>,
    blocked: Vec<String>,
}

impl std::fmt::Debug for Subscription {
    /// Leaves the headers out: they are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({} endpoints)", self.endpoints.len())
    }
}

/// One webhook, queued or finished.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sent {
    number: u64,
    #[serde(alias = "whose")]
    seller: usize,
    event: String,
    body: String,
    body_id: String,
    at: WallTime,
    attempts: u32,
    status: Option<u16>,
    state: State,
    /// Its number in the outbox; the count starts again after a restart.
    #[serde(skip)]
    webhook: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Waiting,
    Taken,
    GivenUp,
}

/// Whether a header can have this name.
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A webhook about a reservation, an offer or an order that need not exist.
pub fn sample(sample: &Sample<'_>) -> Result<Webhook, String> {
    let (subject, at) = (sample.subject, date(sample.at));
    let body = match sample.event {
        "offerblocked" => json!({
            "id": subject, "productId": "5c9b71292539a4e8f1809707", "status": "ACTIVE", "block": "BLOCKED",
            "updatedAt": at, "sandboxExtra": true,
        }),
        "chatmessage" => json!({
            "senderName": "Sandbox Buyer", "message": subject, "createdAt": at, "sandboxExtra": true,
        }),
        "orderprocessing" => json!({
            "orderId": subject, "productId": "5c9b71292539a4e8f1809707", "qtyOrdered": "20", "sandboxExtra": true,
        }),
        event => {
            let event = if event.is_empty() { "BOUGHT" } else { event };
            let mut states = STATES.iter().map(|(state, _)| *state);
            let state = states.find(|state| *state == event).ok_or_else(|| {
                let known: Vec<_> = STATES.iter().map(|(state, _)| *state).collect();
                let event = inert::quoted(event, 40);
                let others = OTHERS.join(", ");
                format!(
                    "Kinguin has no webhook {event}; its webhooks are {}, {others}",
                    known.join(", ")
                )
            })?;
            json!({
                "name": "Sandbox Game", "price": money(1_660), "priceIWTR": money(1_500), "commissionRule": null,
                "productId": "5c9b71292539a4e8f1809707", "offerId": "65a0c0de0000000000000001", "status": state,
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

impl Webhooks {
    /// POST of the subscription: creates it, later changes it.
    pub fn subscribe(
        &mut self,
        seller: usize,
        request: &Request,
    ) -> Result<Response, Box<Response>> {
        let fields = offers::object(request)?;
        let mut endpoints = BTreeMap::new();
        for (event, url) in fields
            .get("endpoints")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let known =
                STATES.iter().any(|(_, known)| known == event) || OTHERS.contains(&event.as_str());
            let url = url.as_str().unwrap_or_default();
            if !known {
                let message = format!("endpoints: there is no event {}", inert::quoted(event, 40));
                return Err(bad(&[message]));
            }
            if !is_local_url(url) {
                let message = format!(
                    "endpoints.{event}: this sandbox sends only to http:// URLs on its own machine"
                );
                return Err(bad(&[message]));
            }
            endpoints.insert(event.clone(), url.to_owned());
        }
        let mut headers = Vec::new();
        for header in fields
            .get("headers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = |name: &str| header.get(name).and_then(Value::as_str);
            let (Some(name), Some(value)) = (text("name"), text("value")) else {
                return Err(bad(&["headers: name and value are needed"]));
            };
            if !is_header_name(name) || value.chars().any(char::is_control) {
                return Err(bad(&["headers: this is not a valid header"]));
            }
            headers.push((name.to_owned(), value.to_owned()));
        }
        let held = self.subscriptions[seller].get_or_insert_default();
        held.version += 1;
        held.endpoints = endpoints;
        held.headers = headers;
        held.blocked.clear();
        self.subscription(seller)
    }

    /// GET of the subscription.
    pub fn subscription(&self, seller: usize) -> Result<Response, Box<Response>> {
        let Some(held) = &self.subscriptions[seller] else {
            return Err(Box::new(error(
                StatusCode::NOT_FOUND,
                "Subscription not found",
            )));
        };
        let headers = held
            .headers
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }));
        let body = json!({
            "id": format!("65d0000000000000000000{seller:02}"),
            "subscriberId": format!("seller-{seller}"),
            "version": held.version,
            "endpoints": held.endpoints,
            "headers": headers.collect::<Vec<_>>(),
            "blockedEndpoints": held.blocked,
            "sandboxExtra": true,
        });
        Ok(json_response(StatusCode::OK, &body))
    }

    /// GET of what was sent, the newest first.
    pub fn requests(&self, seller: usize, request: &Request) -> Result<Response, Box<Response>> {
        let own = self.log.iter().rev().filter(|sent| sent.seller == seller);
        let (page, rows) = Page::of(request, &Query::of(request), own.collect())?;
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
        Ok(json_response(StatusCode::OK, &page.spring(rows.collect())))
    }

    /// Sends a reservation's current state.
    pub fn sale(
        &mut self,
        seller: usize,
        own: &Inventory,
        id: &str,
        products: &[Product],
        now: WallTime,
    ) {
        let mut sales = own.reservations.iter();
        let Some(sale) = sales.find(|sale| sale.id == id) else {
            return;
        };
        let Some((_, event)) = STATES.iter().find(|(state, _)| *state == sale.status) else {
            return;
        };
        let product = &products[sale.product];
        let offer = own.offers.iter().find(|offer| offer.id == sale.offer);
        let counts = own
            .counts()
            .get(sale.offer.as_str())
            .copied()
            .unwrap_or_default();
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
            let key = own
                .keys
                .iter()
                .find(|key| Some(&key.id) == sale.key.as_ref());
            body["releasedStockId"] = sale.key.clone().into();
            body["releasedExternalStockId"] = key.and_then(|key| key.external.clone()).into();
        }
        self.post(seller, event, &sale.id, body.to_string(), now);
    }

    /// Queues a webhook, where an endpoint is registered for it.
    pub fn post(
        &mut self,
        seller: usize,
        event: &str,
        body_id: &str,
        body: String,
        now: WallTime,
    ) -> bool {
        let to = match &self.subscriptions[seller] {
            Some(held) if held.blocked.iter().any(|blocked| blocked == event) => return false,
            Some(held) => match held.endpoints.get(event) {
                Some(url) => Some(url.clone()),
                None => return false,
            },
            None if self.set_up && seller == 0 => None,
            None => return false,
        };
        let unknown = || json!({ "status": "SANDBOX_UNDOCUMENTED", "updatedAt": date(now) });
        let further = match self.fault {
            WebhookFault::Duplicate => Some(body.clone()),
            WebhookFault::Unknown => Some(unknown().to_string()),
            WebhookFault::None | WebhookFault::WrongHeader | WebhookFault::NoHeader => None,
        };
        for body in std::iter::once(body).chain(further) {
            self.send(seller, event, body_id, to.clone(), body, now);
        }
        true
    }

    fn send(
        &mut self,
        seller: usize,
        event: &str,
        body_id: &str,
        to: Option<String>,
        body: String,
        now: WallTime,
    ) {
        // The registered headers are added when it is sent, so that secrets stay in memory as briefly as possible.
        self.outbox.push(Webhook::notice(to, body.clone(), now));
        self.sent += 1;
        if self.log.len() >= LOG_MAX {
            self.log.remove(0);
        }
        self.log.push(Sent {
            number: self.sent,
            seller,
            event: event.to_owned(),
            body,
            body_id: body_id.to_owned(),
            at: now,
            attempts: 0,
            status: None,
            state: State::Waiting,
            webhook: self.outbox.waiting().last().map(|webhook| webhook.number),
        });
    }

    /// Those to be sent now, with the headers as they were registered last.
    pub fn due(&self, now: WallTime) -> Vec<Webhook> {
        let mut due = self.outbox.due(now);
        for webhook in &mut due {
            let mut log = self.log.iter();
            let seller = log
                .find(|sent| sent.webhook == Some(webhook.number))
                .map(|sent| sent.seller);
            let held = seller.and_then(|seller| self.subscriptions[seller].as_ref());
            let mut headers = held.map_or_else(
                || vec![(WEBHOOK_HEADER.to_owned(), WEBHOOK_SECRET.to_owned())],
                |held| held.headers.clone(),
            );
            match self.fault {
                WebhookFault::NoHeader => headers.clear(),
                WebhookFault::WrongHeader => {
                    for (_, value) in &mut headers {
                        WRONG.clone_into(value);
                    }
                }
                WebhookFault::None | WebhookFault::Duplicate | WebhookFault::Unknown => {}
            }
            webhook.headers.extend(headers);
        }
        due
    }

    /// The webhooks that were not delivered yet, without the registered headers.
    pub fn waiting(&self) -> Vec<Webhook> {
        self.outbox.waiting().to_vec()
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<WallTime> {
        self.outbox.next(self.set_up)
    }

    /// Records the result of an attempt. After the last failed attempt its endpoint is blocked until it is registered again.
    pub fn record_attempt(&mut self, webhook: u64, status: Option<u16>, now: WallTime) {
        self.outbox.record_attempt(webhook, now, status, &WAITS);
        let waits = self
            .outbox
            .waiting()
            .iter()
            .any(|waiting| waiting.number == webhook);
        let mut log = self.log.iter_mut();
        let Some(sent) = log.find(|sent| sent.webhook == Some(webhook)) else {
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
            fault: self.fault,
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
