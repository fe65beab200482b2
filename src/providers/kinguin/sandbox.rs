//! The simulated Kinguin: its state, settings and events. Written from the provider's documentation alone; it shares no
//! code with the client that it tests (`docs/providers/kinguin.md#simulator`).

mod access;
mod controls;
mod inventory;
mod market;
mod offers;
mod products;
mod query;
mod routes;
mod sales;
mod seeds;
mod stock;
#[cfg(test)]
mod tests;
mod webhooks;

use std::time::Duration;

use hyper::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::WallTime;
use crate::domain::catalogue::DocumentedCall;
use crate::http_server::{DeliveryResult, Request, Response, text};
use crate::sandbox::outbox::{Outbox, Webhook};
use crate::sandbox::route::{self, Answer};
use crate::sandbox::{About, Sample, Saved, SimulatedProvider, Simulator, reply, snapshot};

use access::{Access, Window};
use controls::Rules;
use inventory::Inventory;
use products::Product;
use webhooks::Webhooks;

pub const CLIENT_ID: &str = "SANDBOX-KINGUIN-CLIENT";
/// Its secret until the first reset. It protects nothing.
pub const CLIENT_SECRET: &str = "SANDBOX-KINGUIN-SECRET-1";
/// The header of its webhooks where no others are registered.
pub const WEBHOOK_HEADER: &str = "X-Auth-Token";
/// That header's value. It protects nothing either.
pub const WEBHOOK_SECRET: &str = "SANDBOX-KINGUIN-WEBHOOK-SECRET-THAT-PROTECTS-NOTHING";

const TOKEN_PATH: &str = "/auth/token";

/// The simulated provider. Skipped fields do not survive a restart; tokens, keys and webhook headers are secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kinguin {
    access: Access,
    rules: Rules,
    inventories: Vec<Inventory>,
    webhooks: Webhooks,
    /// By client: writes and reads.
    #[serde(skip)]
    windows: [[Window; 2]; 2],
    #[serde(skip)]
    products: Vec<Product>,
    #[serde(skip)]
    documented: &'static [DocumentedCall],
    #[serde(skip)]
    production: bool,
}

impl Kinguin {
    fn clients(&self) -> &'static [&'static str; 2] {
        &access::CLIENTS[usize::from(self.production)]
    }
}

type Call<'a> = route::Call<'a, Kinguin>;

/// The provider for the sandbox; its index page lists these calls.
pub fn simulator(documented: &'static [DocumentedCall]) -> Box<dyn SimulatedProvider> {
    Box::new(Kinguin {
        documented,
        ..Kinguin::default()
    })
}

/// A refusal in the gateway's words.
fn error(status: StatusCode, message: &str) -> Box<Response> {
    let reason = status.canonical_reason().unwrap_or_default();
    let body = json!({
        "status": status.as_u16(), "error": reason, "message": message, "sandboxExtra": true,
    });
    Box::new(reply::json(status, &body))
}

fn not_found(message: &str) -> Box<Response> {
    error(StatusCode::NOT_FOUND, message)
}

fn bad(message: &str) -> Box<Response> {
    error(StatusCode::BAD_REQUEST, message)
}

impl Call<'_> {
    fn inventory(&self) -> &Inventory {
        &self.state.inventories[self.caller]
    }

    fn inventory_mut(&mut self) -> &mut Inventory {
        &mut self.state.inventories[self.caller]
    }

    fn product(&self, id: &str) -> Option<&Product> {
        let mut products = self.state.products.iter();
        products.find(|product| product.id == id)
    }

    fn json(&self) -> Answer<Value> {
        serde_json::from_slice(self.request.body()).map_err(|_| bad("JSON parse error"))
    }

    fn object(&self) -> Answer<Value> {
        let object = self.json().ok().filter(Value::is_object);
        object.ok_or_else(|| bad("JSON parse error: an object is expected"))
    }
}

impl SimulatedProvider for Kinguin {
    fn provider(&self) -> &'static str {
        if self.production {
            "kinguin-production"
        } else {
            "kinguin"
        }
    }

    fn about(&self) -> About {
        let token = (
            "POST",
            TOKEN_PATH.to_owned(),
            "an access token, by client credentials",
        );
        let documented = self.documented.iter();
        let calls = documented.map(|call| (call.method, call.path.to_owned(), call.about));
        About {
            title: "Kinguin",
            keys: vec![
                ("Sandbox Keys", self.clients()[0]),
                ("Other Sandbox Keys", self.clients()[1]),
            ],
            routes: std::iter::once(token).chain(calls).collect(),
        }
    }

    fn begin(&mut self, simulator: &Simulator, saved: Saved) -> Result<(), String> {
        let mut new: Self = snapshot::resume(saved.state)?;
        new.documented = self.documented;
        new.production = self.production;
        new.products = products::all(simulator.seed());
        new.webhooks.set_up = simulator.callback_url(self.provider()).is_some();
        if !saved.same_seed || new.inventories.is_empty() {
            let seeded = |at| Inventory::seeded(at, simulator, &new.products);
            new.inventories = (0..2).map(seeded).collect();
            new.webhooks.forget();
        }
        let known = |inventory: &Inventory| {
            let offers = inventory.offers.iter().map(|offer| offer.product);
            let sales = inventory.reservations.iter().map(|sale| sale.product);
            offers.chain(sales).all(|at| at < new.products.len())
        };
        if new.inventories.len() != 2 || !new.inventories.iter().all(known) {
            return Err("it refers to products or sellers that do not exist".into());
        }
        new.inventories.iter_mut().for_each(Inventory::refill);
        new.webhooks.resume();
        *self = new;
        Ok(())
    }

    fn production(&self) -> Option<Box<dyn SimulatedProvider>> {
        let production = Self {
            documented: self.documented,
            production: true,
            ..Self::default()
        };
        Some(Box::new(production))
    }

    fn pass_time(&mut self, simulator: &Simulator) -> bool {
        products::miss_rule(&mut self.products, self.rules.missing_rule);
        let mut cancelled = Vec::new();
        for (seller, own) in self.inventories.iter_mut().enumerate() {
            for sale in &mut own.reservations {
                // At the time it was due, not now: the simulated clock may have jumped over it.
                if let Some(due) = sale.due.filter(|due| *due <= simulator.now()) {
                    sale.enter("CANCELED", due);
                    cancelled.push((seller, sale.id.clone(), due));
                }
            }
        }
        for (seller, id, due) in &cancelled {
            self.announce(*seller, id, *due);
        }
        !cancelled.is_empty()
    }

    fn next_change(&self, _: &Simulator) -> Option<WallTime> {
        let sales = self.inventories.iter().flat_map(|own| &own.reservations);
        sales.filter_map(|sale| sale.due).min()
    }

    fn claims(&self, path: &str) -> bool {
        path == TOKEN_PATH
            || ["/sales-manager-api/", "/library/", "/kpc/", "/envoy2/"]
                .iter()
                .any(|prefix| path.starts_with(prefix))
    }

    fn answer(&mut self, request: &Request, simulator: &Simulator) -> Response {
        if self.rules.plain_500 {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n");
        }
        routes::answer(Call::new(self, request, simulator))
    }

    fn state(&self, simulator: &Simulator) -> Value {
        let now = simulator.now();
        let sellers = self.inventories.iter().zip(0..).map(|(inventory, at)| {
            let mut keys = std::collections::BTreeMap::<&str, usize>::new();
            for key in &inventory.keys {
                *keys.entry(key.status.as_str()).or_default() += 1;
            }
            let sales = inventory.reservations.iter().filter(|sale| !sale.archived);
            let sales = sales
                .map(|sale| json!({ "id": sale.id, "offer": sale.offer, "state": sale.status }));
            json!({
                "seller": inventory.name,
                "client": self.clients()[at],
                "offers": inventory.offers.len(),
                "keys": keys,
                "reservations": sales.collect::<Vec<_>>(),
                "webhooks": self.webhooks.state(at),
                "writes_this_minute": self.windows[at][0].used(now),
                "reads_this_minute": self.windows[at][1].used(now),
            })
        });
        json!({
            "sellers": sellers.collect::<Vec<_>>(),
            "tokens_good": self.access.tokens.valid_count(now),
            "tokens_granted": self.access.issued,
        })
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String> {
        webhooks::sample(sample)
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.webhooks.outbox
    }

    fn waits(&self) -> &'static [Duration] {
        &webhooks::WAITS
    }

    fn complete(&self, webhook: Webhook) -> Webhook {
        self.webhooks.complete(webhook, self.rules.webhook_fault)
    }

    fn attempted(&mut self, sent: &Webhook, answered: Option<&DeliveryResult>, _: &Simulator) {
        self.webhooks
            .attempted(sent, answered.map(|answered| answered.status));
    }
}
