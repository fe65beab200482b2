//! Kinguin as the sandbox plays it: what it remembers, how it is played, and what can be made to happen. It is
//! written from the provider's documentation alone and shares no code with the client it is there to test.

mod access;
mod events;
mod market;
mod offers;
mod prices;
mod products;
mod query;
mod routes;
mod rules;
mod sales;
mod shelf;
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
use crate::http_server::{Answered, Request, Response, respond};
use crate::sandbox::outbox::Letter;
use crate::sandbox::world::scatter;
use crate::sandbox::{About, Dialect, Late, Sample, World, keep};

use access::{Access, CLIENTS, OverLimit, Window};
use events::EVENTS;
use products::Product;
use rules::{ListShape, Rules};
use shelf::Shelf;
use webhooks::Webhooks;

/// The id of the sandbox's client.
pub const CLIENT_ID: &str = "SANDBOX-KINGUIN-CLIENT";
/// Its secret until the first reset. It protects nothing.
pub const CLIENT_SECRET: &str = "SANDBOX-KINGUIN-SECRET-1";
/// The header that its webhooks carry where nobody has registered others.
pub const WEBHOOK_HEADER: &str = "X-Auth-Token";
/// That header's value. It protects nothing either.
pub const WEBHOOK_SECRET: &str = "SANDBOX-KINGUIN-WEBHOOK-SECRET-THAT-PROTECTS-NOTHING";
/// The id of another seller's client, whose offers the first one must not see.
const OTHER_CLIENT_ID: &str = "SANDBOX-KINGUIN-OTHER-CLIENT";

const TOKEN_PATH: &str = "/auth/token";

/// What the index page says of the calls.
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

/// All it remembers. What is skipped does not survive a restart; tokens, keys and webhook headers are secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    access: Access,
    rules: Rules,
    /// One seller for each client.
    shelves: Vec<Shelf>,
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

/// What an answered call has done that others are told of.
enum Event {
    /// This reservation has another state.
    Sale(String),
}

/// The provider for the sandbox.
#[must_use]
pub fn dialect() -> Box<dyn Dialect> {
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

/// 400 with all that is wrong.
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
    fn answer(&mut self, request: &Request, world: &World) -> Result<Response, Box<Response>> {
        let now = world.now();
        if request.uri().path() == TOKEN_PATH {
            self.revision += 1;
            // Tokens of another run, or of another simulator, are none here.
            let seed = scatter(
                world.seed(),
                "kinguin world",
                world.start().0.cast_unsigned(),
            );
            return Ok(self.access.grant(request, seed, self.rules.token_life, now));
        }
        if let Some(answered) = routes::public(request, self, world.seed()) {
            return Ok(answered);
        }
        let client = self.access.bearer(request.headers(), now)?;
        let late = self.admit(client, routes::reads(request), world)?;
        let mut response = routes::answer(request, self, client, world.seed(), now)
            .unwrap_or_else(|refusal| *refusal);
        if !routes::reads(request) {
            self.revision += 1;
        }
        if let Some(late) = late {
            response.extensions_mut().insert(late);
        }
        Ok(response)
    }

    /// Counts a call, or refuses it, or says how late its answer is to be.
    fn admit(
        &mut self,
        client: usize,
        reads: bool,
        world: &World,
    ) -> Result<Option<Late>, Box<Response>> {
        let now = world.now();
        let limit = self.rules.limits[usize::from(reads)];
        let window = &mut self.windows[client][usize::from(reads)];
        let wait = window.wait(limit, now);
        // A world that stands still would never let a delayed call in.
        let outside = world.outside_span(wait);
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

impl Dialect for Kinguin {
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

    fn begin(&self, world: &World, kept: Option<Value>, same_seed: bool) -> Result<(), String> {
        let mut memory: Memory = keep::resume(kept)?;
        memory.products = products::all(world.seed());
        products::miss_rule(&mut memory.products, memory.rules.missing_rule);
        memory.webhooks.set_up = world.callback_url("kinguin").is_some();
        memory.webhooks.fault = memory.rules.webhook_fault;
        memory.began = Some(world.start());
        if !same_seed || memory.shelves.is_empty() {
            let seeded = |at| Shelf::seeded(at, world.seed(), world.start(), &memory.products);
            memory.shelves = (0..CLIENTS.len()).map(seeded).collect();
            memory.webhooks.forget();
        }
        let known = |shelf: &Shelf| {
            let offers = shelf.offers.iter().map(|offer| offer.product);
            let sales = shelf.reservations.iter().map(|sale| sale.product);
            offers
                .chain(sales)
                .all(|product| product < memory.products.len())
        };
        if memory.shelves.len() != CLIENTS.len() || !memory.shelves.iter().all(known) {
            return Err("it speaks of products or sellers that there are not".into());
        }
        memory.shelves.iter_mut().for_each(Shelf::refill);
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

    fn answer(&self, request: &Request, world: &World) -> Response {
        let answered = self.memory().answer(request, world);
        answered.unwrap_or_else(|refusal| *refusal)
    }

    fn settings(&self) -> Vec<simulate::Setting> {
        self.memory().rules.settings()
    }

    fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.revision += 1;
        let said = memory.rules.set(setting, value)?;
        memory.webhooks.fault = memory.rules.webhook_fault;
        let missing = memory.rules.missing_rule;
        products::miss_rule(&mut memory.products, missing);
        Ok(said)
    }

    fn events(&self) -> &'static [simulate::Event] {
        &EVENTS
    }

    fn event(&self, event: &str, subject: &str, world: &World) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.revision += 1;
        memory.happen(event, subject, world.now())
    }

    fn state(&self, world: &World) -> Value {
        let memory = self.memory();
        let now = world.now();
        let (good, issued) = memory.access.count(now);
        let sellers = memory.shelves.iter().enumerate().map(|(at, shelf)| {
            let mut keys = std::collections::BTreeMap::<&str, usize>::new();
            for key in &shelf.keys {
                *keys.entry(key.status.word()).or_default() += 1;
            }
            let sales = shelf.reservations.iter().filter(|sale| !sale.archived);
            let sales = sales
                .map(|sale| json!({ "id": sale.id, "offer": sale.offer, "state": sale.status }));
            json!({
                "seller": shelf.name,
                "client": CLIENTS[at].id,
                "offers": shelf.offers.len(),
                "keys": keys,
                "reservations": sales.collect::<Vec<_>>(),
                "webhooks": memory.webhooks.state(at),
                "writes_this_minute": memory.windows[at][0].used(now),
                "reads_this_minute": memory.windows[at][1].used(now),
            })
        });
        json!({
            "sellers": sellers.collect::<Vec<_>>(),
            "tokens_good": good,
            "tokens_granted": issued,
        })
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Letter, String> {
        webhooks::sample(sample)
    }

    fn waiting(&self) -> Vec<Letter> {
        self.memory().webhooks.waiting()
    }

    fn revision(&self) -> u64 {
        self.memory().revision
    }

    fn kept(&self) -> Value {
        serde_json::to_value(&*self.memory()).expect("its maps have text keys")
    }

    fn due(&self, world: &World) -> Vec<Letter> {
        self.memory().webhooks.due(world.now())
    }

    fn next_due(&self, _world: &World) -> Option<WallTime> {
        self.memory().webhooks.next()
    }

    fn tried(&self, letter: u64, answered: Option<&Answered>, world: &World) {
        let status = answered.map(|answered| answered.status);
        let memory = &mut *self.memory();
        memory.webhooks.tried(letter, status, world.now());
        memory.revision += 1;
    }
}
