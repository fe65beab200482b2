//! The events that an operator can trigger at Kinguin.

use serde_json::{Value, json};

use crate::domain::{WallTime, inert, simulate};

use super::access::CLIENTS;
use super::{Memory, offers, query, sales};

/// Every event.
pub const EVENTS: [simulate::Event; 8] = [
    simulate::Event {
        name: "reset-secret",
        subject: "a client's id; default: the first",
        about: "give the client a new secret, show it, and reject the old one",
    },
    simulate::Event {
        name: "revoke-tokens",
        subject: "",
        about: "revoke all access tokens now",
    },
    simulate::Event {
        name: "sale",
        subject: "an offer's id; default: the first",
        about: "a buyer starts to buy a key: a reservation in the state BUYING",
    },
    simulate::Event {
        name: "reservation",
        subject: "a reservation's id and a state",
        about: "move a reservation to a state, such as BOUGHT or DELIVERED",
    },
    simulate::Event {
        name: "block-offer",
        subject: "an offer's id, and a reason (default: BLOCKED)",
        about: "Kinguin blocks an offer",
    },
    simulate::Event {
        name: "order",
        subject: "a product's id; default: the first",
        about: "an order of twenty keys is being processed",
    },
    simulate::Event {
        name: "chat",
        subject: "the buyer's message",
        about: "a buyer sends a message",
    },
    simulate::Event {
        name: "surprise",
        subject: "",
        about: "send a webhook of an undocumented kind to the endpoint of `reserve`",
    },
];

impl Memory {
    /// Triggers an event and describes the result.
    ///
    /// # Errors
    /// A message, if there is no such event or the subject does not fit.
    pub fn trigger(&mut self, event: &str, subject: &str, now: WallTime) -> Result<String, String> {
        match event {
            "reset-secret" => {
                let mut clients = CLIENTS.iter();
                let client = match subject {
                    "" => Some(0),
                    subject => clients.position(|client| client.id == subject),
                };
                let client = client.ok_or_else(|| {
                    format!("Kinguin has no client {}", inert::quoted(subject, 40))
                })?;
                let secret = self.access.reset(client);
                Ok(format!(
                    "the secret of {} is now {secret}; the old one is invalid",
                    CLIENTS[client].id
                ))
            }
            "revoke-tokens" => Ok(format!("revoked access tokens: {}", self.access.revoke())),
            "sale" => self.sale(subject, now),
            "reservation" => self.move_on(subject, now),
            "block-offer" => self.block(subject, now),
            "order" => {
                let mut products = self.products.iter();
                let product = match subject {
                    "" => products.next(),
                    subject => products.find(|product| product.id == subject),
                };
                let product = product.ok_or_else(|| {
                    format!("Kinguin has no product {}", inert::quoted(subject, 40))
                })?;
                let order = "SBX-900001";
                let body = json!({
                    "orderId": order, "productId": product.id, "qtyOrdered": "20", "sandboxExtra": true,
                });
                Ok(self.notice("orderprocessing", order, &body, now))
            }
            "chat" => {
                let body = json!({
                    "senderName": "Sandbox Buyer",
                    "message": subject,
                    "createdAt": query::date(now),
                    "sandboxExtra": true,
                });
                Ok(self.notice("chatmessage", "", &body, now))
            }
            "surprise" => {
                let body =
                    json!({ "status": "SANDBOX_UNDOCUMENTED", "updatedAt": query::date(now) });
                Ok(self.notice("reserve", "", &body, now))
            }
            _ => Err(format!(
                "Kinguin has no event {}; its events are {}",
                inert::quoted(event, 40),
                EVENTS.map(|event| event.name).join(", ")
            )),
        }
    }

    /// The seller of an offer.
    fn seller_of_offer(&self, id: &str) -> Result<usize, String> {
        let mut inventories = self.inventories.iter();
        inventories
            .position(|inventory| inventory.offers.iter().any(|offer| offer.id == id))
            .ok_or_else(|| format!("Kinguin has no offer {}", inert::quoted(id, 40)))
    }

    fn sale(&mut self, offer: &str, now: WallTime) -> Result<String, String> {
        // The first seller is the one whose credentials the built-in account has.
        let first = self.inventories[0]
            .offers
            .first()
            .map(|offer| offer.id.clone());
        let offer = match (offer, &first) {
            ("", Some(first)) => first,
            (offer, _) => offer,
        };
        let seller = self.seller_of_offer(offer)?;
        let at = self.inventories[seller].add_sale(offer, now, &self.products);
        let own = &self.inventories[seller];
        let sale = &own.reservations[at];
        self.webhooks
            .sale(seller, own, &sale.id, &self.products, now);
        Ok(format!(
            "reservation {} of order {} is BUYING",
            sale.id, sale.order
        ))
    }

    fn move_on(&mut self, subject: &str, now: WallTime) -> Result<String, String> {
        let mut words = subject.split_whitespace();
        let (Some(id), Some(state), None) = (words.next(), words.next(), words.next()) else {
            return Err("enter a reservation's id and a state: \"65b0… BOUGHT\"".into());
        };
        for (seller, inventory) in self.inventories.iter_mut().enumerate() {
            if let Some(at) = inventory.reservations.iter().position(|sale| sale.id == id) {
                sales::move_on(inventory, at, state, now)?;
                self.webhooks
                    .sale(seller, inventory, id, &self.products, now);
                return Ok(format!("reservation {id} is {state}"));
            }
        }
        Err(format!(
            "Kinguin has no reservation {}",
            inert::quoted(id, 40)
        ))
    }

    fn block(&mut self, subject: &str, now: WallTime) -> Result<String, String> {
        let (id, code) = subject.split_once(' ').unwrap_or((subject, "BLOCKED"));
        let seller = self.seller_of_offer(id)?;
        if code.is_empty()
            || !code
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(format!(
                "{} is not a reason; a reason looks like ADMIN_DUPLICATE",
                inert::quoted(code, 40)
            ));
        }
        let own = &mut self.inventories[seller];
        let at = own.offers.iter().position(|offer| offer.id == id);
        let at = at.expect("the seller was found by this offer");
        own.offers[at].block = Some(code.to_owned());
        own.offers[at].updated = now;
        let body = offers::one(own, at, &self.products).to_string();
        self.webhooks.post(seller, "offerblocked", id, body, now);
        Ok(format!("offer {id} is blocked: {code}"))
    }

    /// Sends the first seller a webhook that belongs to no reservation.
    fn notice(&mut self, event: &str, id: &str, body: &Value, now: WallTime) -> String {
        if self.webhooks.post(0, event, id, body.to_string(), now) {
            format!("sending a webhook `{event}`")
        } else {
            format!("no webhook sent: no endpoint is registered for `{event}`")
        }
    }
}
