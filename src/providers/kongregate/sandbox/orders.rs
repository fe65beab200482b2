//! Orders of a game's own goods, from the request for a price to the end: the game's answers decide
//! (`docs/providers/kongregate.md#orders`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Memory;
use super::post::What;
use crate::domain::inert;
use crate::http_server::DeliveryResult;
use crate::sandbox::Simulator;

/// So many orders are remembered.
const ORDERS_MAX: usize = 200;

/// One order, from the question what it costs to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub id: u64,
    pub buyer: u64,
    pub recipient: u64,
    pub info: String,
    /// In Kreds, once the game has said so.
    price: Option<u64>,
    state: String,
}

/// All orders that are remembered, in the order begun.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Orders {
    all: VecDeque<Order>,
    begun: u64,
}

impl Orders {
    /// An order by its number as a shop knows it.
    pub fn named(&self, id: &str) -> Option<&Order> {
        self.all.iter().find(|order| order.id.to_string() == id)
    }

    /// An order by its number.
    pub fn known(&self, id: u64) -> Option<&Order> {
        self.all.iter().find(|order| order.id == id)
    }

    fn known_mut(&mut self, id: u64) -> Option<&mut Order> {
        self.all.iter_mut().find(|order| order.id == id)
    }

    /// The orders as they stand.
    pub fn told(&self) -> Value {
        serde_json::to_value(&self.all).expect("orders are JSON")
    }

    /// Takes an order on.
    pub fn begin(&mut self, buyer: u64, recipient: u64, info: &str) -> u64 {
        self.begun += 1;
        let id = 12_344 + self.begun;
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

impl Memory {
    /// Sends the latest callback of an order once more.
    pub fn repeat(&mut self, order: u64, simulator: &Simulator) -> String {
        let state = self.post.orders.known(order).map(|order| order.price);
        let what = match state {
            Some(Some(_)) => What::OrderPlaced { order },
            _ => What::OrderRequest { order },
        };
        let said = self.send(what, simulator);
        format!("order {order}, {} once more: {said}", what.event())
    }

    /// The game has said what an order holds: the player agrees if the Kreds last.
    pub fn priced(
        &mut self,
        order: u64,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    ) -> String {
        let price = match body_of(answered).and_then(offer) {
            Ok(price) => price,
            Err(why) if self.is_open(order) => {
                return self.ends(order, format!("not offered: {why}"));
            }
            Err(_) => return "offered already".into(),
        };
        let Some(known) = self.post.orders.known_mut(order) else {
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
        let said = self.send(What::OrderPlaced { order }, simulator);
        self.ends(order, format!("offered for {price} Kreds; {said}"))
    }

    /// The game has handed the goods over, or has not.
    pub fn closed(&mut self, order: u64, answered: Option<&DeliveryResult>) -> String {
        let state = body_of(answered).and_then(|body| {
            let answer: Value =
                serde_json::from_slice(body).map_err(|_| "its answer is not JSON")?;
            match answer["state"].as_str() {
                Some("completed") => Ok(true),
                Some("canceled") => Ok(false),
                _ => Err("its answer is neither completed nor canceled"),
            }
        });
        let Some(known) = self.post.orders.known_mut(order) else {
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
    fn is_open(&self, order: u64) -> bool {
        let order = self.post.orders.known(order);
        order.is_some_and(|order| order.price.is_none())
    }

    fn ends(&mut self, order: u64, state: String) -> String {
        if let Some(order) = self.post.orders.known_mut(order) {
            order.state.clone_from(&state);
        }
        state
    }
}

/// The body of an answer that counts.
fn body_of(answered: Option<&DeliveryResult>) -> Result<&[u8], &'static str> {
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
        // A float or a text is refused: prices are whole Kreds (`docs/providers/kongregate.md#orders`).
        let price = item["price"]
            .as_u64()
            .ok_or("an item's price is no whole number")?;
        total = total
            .checked_add(price)
            .ok_or("the prices are too large together")?;
    }
    Ok(total)
}

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
