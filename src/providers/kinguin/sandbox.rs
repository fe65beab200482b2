//! The simulated Kinguin: its state, settings and events. Written from the provider's documentation alone; it shares no
//! code with the client that it tests (`docs/providers/kinguin.md#simulator`).

mod access;
mod events;
mod inventory;
mod market;
mod offers;
mod prices;
mod products;
mod query;
mod routes;
mod rules;
mod sales;
mod stock;
#[cfg(test)]
mod tests;
mod webhooks;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::CATALOGUE;
use crate::domain::{WallTime, simulate};
use crate::http_server::{DeliveryResult, Request, Response, respond};
use crate::sandbox::outbox::Webhook;
use crate::sandbox::simulator::seeded_hash;
use crate::sandbox::{About, Late, Sample, SimulatedProvider, Simulator, snapshot};

use access::{Access, CLIENTS, OverLimit, Window};
use events::EVENTS;
use inventory::Inventory;
use products::Product;
use rules::{ListShape, Rules};
use webhooks::Webhooks;

/// The id of the sandbox's client.
pub const CLIENT_ID: &str = "SANDBOX-KINGUIN-CLIENT";
/// Its secret until the first reset. It protects nothing.
pub const CLIENT_SECRET: &str = "SANDBOX-KINGUIN-SECRET-1";
/// The header of its webhooks where no others are registered.
pub const WEBHOOK_HEADER: &str = "X-Auth-Token";
/// That header's value. It protects nothing either.
pub const WEBHOOK_SECRET: &str = "SANDBOX-KINGUIN-WEBHOOK-SECRET-THAT-PROTECTS-NOTHING";
/// The id of another seller's client, whose offers the first one must not see.
const OTHER_CLIENT_ID: &str = "SANDBOX-KINGUIN-OTHER-CLIENT";

const TOKEN_PATH: &str = "/auth/token";

/// The calls for the index page.
static ROUTES: LazyLock<Vec<(&str, &str, &str)>> = LazyLock::new(|| {
    let token = ("POST", TOKEN_PATH, "an access token, by client credentials");
    let calls = CATALOGUE
        .iter()
        .map(|call| (call.method, call.path, call.about));
    std::iter::once(token).chain(calls).collect()
});

/// The simulated provider.
#[derive(Debug, Default)]
pub struct Kinguin {
    memory: Mutex<Memory>,
}

/// Its state. Skipped fields do not survive a restart; tokens, keys and webhook headers are secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    access: Access,
    rules: Rules,
    /// One seller for each client.
    inventories: Vec<Inventory>,
    webhooks: Webhooks,
    /// By client: writes and reads.
    #[serde(skip)]
    windows: [[Window; 2]; 2],
    #[serde(skip)]
    products: Vec<Product>,
    #[serde(skip)]
    began: Option<WallTime>,
    #[serde(skip)]
    revision: u64,
}

/// A change by a call that sends a webhook.
enum Event {
    /// This reservation has another state.
    Sale(String),
}

/// The provider for the sandbox.
#[must_use]
pub fn simulator() -> Box<dyn SimulatedProvider> {
    Box::new(Kinguin::default())
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}

/// A refusal in the gateway's words.
fn error(status: StatusCode, message: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or_default();
    let body = json!({
        "status": status.as_u16(), "error": reason, "message": message, "sandboxExtra": true,
    });
    json_response(status, &body)
}

/// 400 with all validation errors.
fn bad<T: AsRef<str>>(wrong: &[T]) -> Box<Response> {
    let texts: Vec<&str> = wrong.iter().map(AsRef::as_ref).collect();
    Box::new(error(StatusCode::BAD_REQUEST, &texts.join("; ")))
}

fn only(method: &'static str) -> Response {
    let mut refusal = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let allow = HeaderValue::from_static(method);
    refusal.headers_mut().insert(header::ALLOW, allow);
    refusal
}

impl Kinguin {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn answer(
        &mut self,
        request: &Request,
        simulator: &Simulator,
    ) -> Result<Response, Box<Response>> {
        let now = simulator.now();
        if request.uri().path() == TOKEN_PATH {
            self.revision += 1;
            // Seeded by the run's start, so that tokens of another run or another simulator are rejected.
            let seed = seeded_hash(
                simulator.seed(),
                "kinguin world",
                simulator.start().0.cast_unsigned(),
            );
            return Ok(self.access.grant(request, seed, self.rules.token_life, now));
        }
        if let Some(answered) = routes::public(request, self, simulator.seed()) {
            return Ok(answered);
        }
        let client = self.access.bearer(request.headers(), now)?;
        let late = self.admit(client, routes::reads(request), simulator)?;
        let mut response = routes::answer(request, self, client, simulator.seed(), now)
            .unwrap_or_else(|refusal| *refusal);
        if !routes::reads(request) {
            self.revision += 1;
        }
        if let Some(late) = late {
            response.extensions_mut().insert(late);
        }
        Ok(response)
    }

    /// Counts a call, rejects it, or returns the delay of its answer.
    fn admit(
        &mut self,
        client: usize,
        reads: bool,
        simulator: &Simulator,
    ) -> Result<Option<Late>, Box<Response>> {
        let now = simulator.now();
        let limit = self.rules.limits[usize::from(reads)];
        let window = &mut self.windows[client][usize::from(reads)];
        let wait = window.wait(limit, now);
        // `None` where the simulated clock stands still: a delayed call would never be answered, so it is rejected.
        let outside = simulator.outside_span(wait);
        match (self.rules.over_limit, outside) {
            _ if wait.is_zero() => {
                window.enter(now, wait);
                Ok(None)
            }
            (OverLimit::Delay, Some(outside)) => {
                window.enter(now, wait);
                Ok(Some(Late(outside)))
            }
            (over, outside) => {
                let mut refusal = error(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
                if over == OverLimit::RefuseWithRetryAfter {
                    let seconds = outside.unwrap_or(wait).as_millis().div_ceil(1_000).max(1);
                    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                    let headers = refusal.headers_mut();
                    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                }
                Err(Box::new(refusal))
            }
        }
    }
}

impl SimulatedProvider for Kinguin {
    fn provider(&self) -> &'static str {
        "kinguin"
    }

    fn about(&self) -> About {
        About {
            title: "Kinguin",
            keys: vec![
                ("Sandbox Keys", CLIENTS[0].id),
                ("Other Sandbox Keys", CLIENTS[1].id),
            ],
            routes: &ROUTES,
        }
    }

    fn begin(
        &self,
        simulator: &Simulator,
        saved: Option<Value>,
        same_seed: bool,
    ) -> Result<(), String> {
        let mut memory: Memory = snapshot::resume(saved)?;
        memory.products = products::all(simulator.seed());
        products::miss_rule(&mut memory.products, memory.rules.missing_rule);
        memory.webhooks.set_up = simulator.callback_url("kinguin").is_some();
        memory.webhooks.fault = memory.rules.webhook_fault;
        memory.began = Some(simulator.start());
        if !same_seed || memory.inventories.is_empty() {
            let seeded =
                |at| Inventory::seeded(at, simulator.seed(), simulator.start(), &memory.products);
            memory.inventories = (0..CLIENTS.len()).map(seeded).collect();
            memory.webhooks.forget();
        }
        let known = |inventory: &Inventory| {
            let offers = inventory.offers.iter().map(|offer| offer.product);
            let sales = inventory.reservations.iter().map(|sale| sale.product);
            offers
                .chain(sales)
                .all(|product| product < memory.products.len())
        };
        if memory.inventories.len() != CLIENTS.len() || !memory.inventories.iter().all(known) {
            return Err("it refers to products or sellers that do not exist".into());
        }
        memory.inventories.iter_mut().for_each(Inventory::refill);
        memory.webhooks.resume();
        *self.memory() = memory;
        Ok(())
    }

    fn claims(&self, path: &str) -> bool {
        path == TOKEN_PATH
            || ["/sales-manager-api/", "/library/", "/kpc/", "/envoy2/"]
                .iter()
                .any(|prefix| path.starts_with(prefix))
    }

    fn is_api(&self, _path: &str) -> bool {
        true
    }

    fn answer(&self, request: &Request, simulator: &Simulator) -> Response {
        let answered = self.memory().answer(request, simulator);
        answered.unwrap_or_else(|refusal| *refusal)
    }

    fn settings(&self) -> Vec<simulate::Setting> {
        self.memory().rules.settings()
    }

    fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.revision += 1;
        let message = memory.rules.set(setting, value)?;
        memory.webhooks.fault = memory.rules.webhook_fault;
        let missing = memory.rules.missing_rule;
        products::miss_rule(&mut memory.products, missing);
        Ok(message)
    }

    fn events(&self) -> &'static [simulate::Event] {
        &EVENTS
    }

    fn event(&self, event: &str, subject: &str, simulator: &Simulator) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.revision += 1;
        memory.trigger(event, subject, simulator.now())
    }

    fn state(&self, simulator: &Simulator) -> Value {
        let memory = self.memory();
        let now = simulator.now();
        let (valid, issued) = memory.access.count(now);
        let sellers = memory
            .inventories
            .iter()
            .enumerate()
            .map(|(at, inventory)| {
                let mut keys = std::collections::BTreeMap::<&str, usize>::new();
                for key in &inventory.keys {
                    *keys.entry(key.status.word()).or_default() += 1;
                }
                let sales = inventory.reservations.iter().filter(|sale| !sale.archived);
                let sales = sales.map(
                    |sale| json!({ "id": sale.id, "offer": sale.offer, "state": sale.status }),
                );
                json!({
                    "seller": inventory.name,
                    "client": CLIENTS[at].id,
                    "offers": inventory.offers.len(),
                    "keys": keys,
                    "reservations": sales.collect::<Vec<_>>(),
                    "webhooks": memory.webhooks.state(at),
                    "writes_this_minute": memory.windows[at][0].used(now),
                    "reads_this_minute": memory.windows[at][1].used(now),
                })
            });
        json!({
            "sellers": sellers.collect::<Vec<_>>(),
            "tokens_good": valid,
            "tokens_granted": issued,
        })
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String> {
        webhooks::sample(sample)
    }

    fn waiting(&self) -> Vec<Webhook> {
        self.memory().webhooks.waiting()
    }

    fn revision(&self) -> u64 {
        self.memory().revision
    }

    fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.memory()).expect("its maps have text keys")
    }

    fn due(&self, simulator: &Simulator) -> Vec<Webhook> {
        self.memory().webhooks.due(simulator.now())
    }

    fn next_due(&self, _simulator: &Simulator) -> Option<WallTime> {
        self.memory().webhooks.next()
    }

    fn record_attempt(
        &self,
        webhook: u64,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    ) {
        let status = answered.map(|answered| answered.status);
        let memory = &mut *self.memory();
        memory
            .webhooks
            .record_attempt(webhook, status, simulator.now());
        memory.revision += 1;
    }
}
