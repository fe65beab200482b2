//! Orders of a game's own items, from the price request to the end: the game's answers decide
//! (`docs/providers/kongregate.md#orders`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Kongregate;
use super::event::EventKind;
use crate::domain::WallTime;
use crate::http_server::DeliveryResult;
use crate::sandbox::Simulator;

const ORDERS_MAX: usize = 200;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub id: u64,
    pub buyer: u64,
    pub recipient: u64,
    pub info: String,
    /// In Kreds, once the game has answered it.
    price: Option<u64>,
    state: String,
}

/// All remembered orders, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Orders {
    pub all: VecDeque<Order>,
}

impl Orders {
    pub fn named(&self, id: &str) -> Option<&Order> {
        self.all.iter().find(|order| order.id.to_string() == id)
    }

    pub fn known(&self, id: u64) -> Option<&Order> {
        self.all.iter().find(|order| order.id == id)
    }

    fn known_mut(&mut self, id: u64) -> Option<&mut Order> {
        self.all.iter_mut().find(|order| order.id == id)
    }

    pub fn begin(&mut self, [buyer, recipient]: [u64; 2], info: &str, now: WallTime) -> u64 {
        // By the time: a new simulation at the same receiver must not use the ids of an earlier one.
        let seconds = u64::try_from(now.0 / 1_000).unwrap_or_default();
        let last = self.all.back().map_or(0, |order| order.id);
        let id = seconds.max(last + 1);
        if self.all.len() >= ORDERS_MAX {
            self.all.pop_front();
        }
        self.all.push_back(Order {
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

impl Kongregate {
    /// Sends the latest callback of an order again.
    pub fn repeat(&mut self, id: &str, simulator: &Simulator) -> Option<String> {
        let known = self.webhooks.orders.named(id)?;
        let order = known.id;
        let what = match known.price {
            Some(_) => EventKind::OrderPlaced { order },
            None => EventKind::OrderRequest { order },
        };
        let sent_notice = self.send(what, simulator);
        let event = what.event();
        Some(format!("order {order}, {event} again: {sent_notice}"))
    }

    /// Applies the game's price: the player accepts it if they have enough Kreds.
    pub fn apply_price(
        &mut self,
        order: u64,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    ) -> String {
        let Some(known) = self.webhooks.orders.known_mut(order) else {
            return String::new();
        };
        if known.price.is_some() {
            return "already priced".into();
        }
        let price = match body_of(answered).and_then(offer) {
            Ok(price) => price,
            Err(why) => return self.set_state(order, format!("no price: {why}")),
        };
        // Before the check of the buyer's Kreds, so that a repeated answer is recognised.
        known.price = Some(price);
        let player = self.game_data.player(known.buyer);
        if player.is_none_or(|player| !player.is_uploader() && player.kreds < price) {
            return self.set_state(
                order,
                format!("rejected: the buyer has less than {price} Kreds"),
            );
        }
        let sent_notice = self.send(EventKind::OrderPlaced { order }, simulator);
        self.set_state(order, format!("priced at {price} Kreds; {sent_notice}"))
    }

    /// Applies the game's answer to a placed order: completed or canceled.
    pub fn apply_delivery(&mut self, order: u64, answered: Option<&DeliveryResult>) -> String {
        let state = body_of(answered).and_then(|body| {
            let answer: Value =
                serde_json::from_slice(body).map_err(|_| "the game's answer is not JSON")?;
            match answer["state"].as_str() {
                Some("completed") => Ok(true),
                Some("canceled") => Ok(false),
                _ => Err("the game's answer is neither completed nor canceled"),
            }
        });
        let Some(known) = self.webhooks.orders.known_mut(order) else {
            return String::new();
        };
        let (buyer, price) = (known.buyer, known.price.unwrap_or(0));
        let was_charged = known.state.starts_with("completed");
        match state {
            // A repeat charges nothing twice (`docs/providers/kongregate.md#simulator`).
            Ok(true) | Err(_) if was_charged => "already completed".into(),
            Ok(true) => {
                let player = self.game_data.player_mut(buyer);
                let mut charged = 0;
                if let Some(player) = player.filter(|player| !player.is_uploader()) {
                    player.kreds = player.kreds.saturating_sub(price);
                    charged = price;
                }
                self.set_state(order, format!("completed; charged {charged} Kreds"))
            }
            Ok(false) if was_charged => "canceled after completion".into(),
            Ok(false) => self.set_state(order, "canceled; no charge".into()),
            Err(why) => self.set_state(order, format!("no charge: {why}")),
        }
    }

    fn set_state(&mut self, order: u64, state: String) -> String {
        if let Some(order) = self.webhooks.orders.known_mut(order) {
            order.state.clone_from(&state);
        }
        state
    }
}

/// The body of a complete answer with status 200.
fn body_of(answered: Option<&DeliveryResult>) -> Result<&[u8], &'static str> {
    let answered = answered.ok_or("the game did not answer in time")?;
    // Any other status counts as no answer, so nothing is charged.
    if answered.status != 200 {
        return Err("the game's answer does not have status 200");
    }
    let body = answered.body.as_deref();
    body.ok_or("the game's answer did not end in time")
}

/// The total price of an order's items; each item must be complete.
fn offer(body: &[u8]) -> Result<u64, &'static str> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|_| "the game's answer is not JSON")?;
    let items = answer["items"]
        .as_array()
        .ok_or("the game's answer has no list of items")?;
    if items.is_empty() {
        return Err("the game's answer has no items");
    }
    let mut total: u64 = 0;
    for item in items {
        let text = |name: &str| item[name].as_str().unwrap_or_default().trim();
        let needed = ["name", "description", "image_url"];
        if needed.iter().any(|name| text(name).is_empty()) {
            return Err("an item lacks its name, description or image_url");
        }
        // A float or a string is rejected: prices are whole Kreds (`docs/providers/kongregate.md#orders`).
        let price = item["price"]
            .as_u64()
            .ok_or("an item's price is not a whole number")?;
        total = total
            .checked_add(price)
            .ok_or("the sum of the prices is too large")?;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_run_gives_no_order_the_id_of_an_earlier_one() {
        let ids = |at| {
            let mut orders = Orders::default();
            [0, 1].map(|_| orders.begin([1_001, 1_001], "sword", WallTime(at)))
        };
        assert_eq!((ids(5_000), ids(7_000)), ([5, 6], [7, 8]));
    }
}
