//! The simulator's controls at Kinguin: settings and events.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::OverLimit;
use super::offers::{self, ListShape};
use super::webhooks::{self, Sent, WebhookFault, surprise};
use super::{Kinguin, sales};
use crate::domain::inert;
use crate::sandbox::Done;
use crate::sandbox::controls::{self, Life, OFF_ON, controls};

controls! {
    Kinguin:
    /// The settings with their current values.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    settings Rules {
        "token-life" token_life: Life = Life(Duration::from_hours(1)), ["5s", "20s", "300s", "3600s"],
            "lifetime of new access tokens";
        "limit-writes" limit_writes: usize = 2_000, ["3", "50", "2000"],
            "write calls per minute and client";
        "limit-reads" limit_reads: usize = 4_000, ["3", "50", "4000"],
            "read calls per minute and client";
        "over-limit" over_limit: OverLimit = OverLimit::Refuse, OverLimit::WORDS,
            "over the rate limit: reject a call with 429, with or without Retry-After, or delay it";
        "list-shape" shape: ListShape = ListShape::Hal, ListShape::WORDS,
            "format of offer lists: HAL with _embedded, as live clients see them, or as documented";
        "webhook-fault" webhook_fault: WebhookFault = WebhookFault::None, WebhookFault::WORDS,
            "send webhooks with a wrong or missing secret header, twice, or of an unknown kind";
        "missing-rule" missing_rule: bool = false, OFF_ON,
            "leave one product without a commission rule: its offer has commissionRule null";
        "busy-stock" busy_stock: bool = false, OFF_ON,
            "respond to every upload of keys with 409, as while an offer is busy";
        "plain-500" plain_500: bool = false, OFF_ON,
            "respond to every call with 500 in plain text, not in the gateway's JSON";
    }
    events {
        "reset-secret" ("a client's id; default: the first")
            "give the client a new secret, show it, and reject the old one" => reset_secret;
        "revoke-tokens" ("")
            "revoke all access tokens now"
            => |scene| Ok(format!("revoked access tokens: {}", scene.state.access.tokens.revoke()));
        "sale" ("an offer's id; default: the first")
            "a buyer starts to buy a key: a reservation in the state BUYING" => sale;
        "reservation" ("a reservation's id and a state")
            "move a reservation to a state, such as BOUGHT or DELIVERED" => move_on;
        "block-offer" ("an offer's id, and a reason (default: BLOCKED)")
            "Kinguin blocks an offer" => block;
        "order" ("a product's id; default: the first")
            "an order of twenty keys is being processed" => order;
        "chat" ("the buyer's message")
            "a buyer sends a message" => |scene| {
                let body = webhooks::chat(scene.subject, scene.now);
                Ok(notify(scene, "chatmessage", "", &body))
            };
        "surprise" ("")
            "send a webhook of an undocumented kind to the endpoint of `reserve`"
            => |scene| Ok(notify(scene, "reserve", "", &surprise(scene.now)));
    }
}

type Scene<'a> = controls::Scene<'a, Kinguin>;

/// The place of what has this id; the first where the subject is empty.
fn place<T>(all: &[T], id: &str, is: impl Fn(&T) -> bool, what: &str) -> Result<usize, String> {
    let place = match id {
        "" => (!all.is_empty()).then_some(0),
        _ => all.iter().position(is),
    };
    place.ok_or_else(|| format!("Kinguin has no {what} {}", inert::quoted(id, 40)))
}

fn reset_secret(scene: &mut Scene<'_>) -> Done {
    let id = scene.subject;
    let clients = scene.state.clients();
    let at = place(clients, id, |client| *client == id, "client")?;
    let (client, access) = (clients[at], &mut scene.state.access);
    let secret = access.reset(client, at);
    Ok(format!(
        "the secret of {client} is now {secret}; the old one is invalid"
    ))
}

/// The seller of an offer, and the offer's place.
fn offer(scene: &Scene<'_>, id: &str) -> Result<(usize, usize), String> {
    let sellers = scene.state.inventories.iter().enumerate();
    let mut offers = sellers.filter_map(|(seller, own)| {
        let at = own.offers.iter().position(|offer| offer.id == id)?;
        Some((seller, at))
    });
    let found = offers.next();
    found.ok_or_else(|| format!("Kinguin has no offer {}", inert::quoted(id, 40)))
}

fn sale(scene: &mut Scene<'_>) -> Done {
    // The first seller is the one whose credentials the built-in account has.
    let first = scene.state.inventories[0].offers.first();
    let id = match (scene.subject, first) {
        ("", Some(first)) => first.id.clone(),
        (subject, _) => subject.to_owned(),
    };
    let (seller, _) = offer(scene, &id)?;
    let state = &mut *scene.state;
    let own = &mut state.inventories[seller];
    let at = own.add_sale(&id, scene.now, &state.products);
    let sale = own.reservations[at].clone();
    state.announce(seller, &sale.id, scene.now);
    Ok(format!(
        "reservation {} of order {} is BUYING",
        sale.id, sale.order
    ))
}

fn move_on(scene: &mut Scene<'_>) -> Done {
    let (Some(id), Some(state), None) = (scene.word(0), scene.word(1), scene.word(2)) else {
        return Err("enter a reservation's id and a state: \"65b0… BOUGHT\"".into());
    };
    for seller in 0..scene.state.inventories.len() {
        let inventory = &mut scene.state.inventories[seller];
        if let Some(at) = inventory.reservations.iter().position(|sale| sale.id == id) {
            sales::move_on(inventory, at, state, scene.now)?;
            scene.state.announce(seller, id, scene.now);
            return Ok(format!("reservation {id} is {state}"));
        }
    }
    let id = inert::quoted(id, 40);
    Err(format!("Kinguin has no reservation {id}"))
}

fn block(scene: &mut Scene<'_>) -> Done {
    let subject = scene.subject;
    let (id, code) = subject.split_once(' ').unwrap_or((subject, "BLOCKED"));
    let (seller, at) = offer(scene, id)?;
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if code.is_empty() || !code.bytes().all(fits) {
        let code = inert::quoted(code, 40);
        return Err(format!(
            "{code} is not a reason; a reason looks like ADMIN_DUPLICATE"
        ));
    }
    let own = &mut scene.state.inventories[seller];
    own.offers[at].block = Some(code.to_owned());
    own.offers[at].updated = scene.now;
    let body = offers::one(own, at, &scene.state.products);
    scene.state.post(&Sent {
        seller,
        event: "offerblocked".into(),
        body: body.to_string(),
        body_id: id.to_owned(),
        at: scene.now,
        ..Sent::default()
    });
    Ok(format!("offer {id} is blocked: {code}"))
}

fn order(scene: &mut Scene<'_>) -> Done {
    let (id, products) = (scene.subject, &scene.state.products);
    let product = &products[place(products, id, |product| product.id == id, "product")?];
    // By the time: a receiver takes the same order for a repeat, also after a restart.
    let order = format!("SBX-{}", scene.now.0);
    let body = webhooks::order(&order, &product.id);
    Ok(notify(scene, "orderprocessing", &order, &body))
}

/// Sends the first seller a webhook that belongs to no reservation.
fn notify(scene: &mut Scene<'_>, event: &str, id: &str, body: &Value) -> String {
    let notice = Sent {
        event: event.to_owned(),
        body: body.to_string(),
        body_id: id.to_owned(),
        at: scene.now,
        ..Sent::default()
    };
    if scene.state.post(&notice) {
        format!("sending a webhook `{event}`")
    } else {
        format!("no webhook sent: no endpoint is registered for `{event}`")
    }
}
