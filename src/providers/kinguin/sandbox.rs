//! Kinguin as the sandbox plays it: what it remembers, how it is played, and what can be made to happen. It is
//! written from the provider's documentation alone and shares no code with the client it is there to test.

mod access;
mod market;
mod offers;
mod prices;
mod products;
mod query;
mod routes;
mod sales;
mod shelf;
mod stock;
#[cfg(test)]
mod tests;
mod webhooks;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::CATALOGUE;
use crate::domain::time::parse_duration;
use crate::domain::{WallTime, inert, simulate};
use crate::http_server::{Request, Response, respond};
use crate::sandbox::outbox::Letter;
use crate::sandbox::{About, Dialect, Late, World};

use access::{Access, CLIENTS, OverLimit, Window};
use products::Product;
use shelf::Shelf;
use webhooks::Webhooks;

/// The id of the sandbox's client.
pub const CLIENT_ID: &str = "SANDBOX-KINGUIN-CLIENT";
/// Its secret until the first reset. It protects nothing.
pub const CLIENT_SECRET: &str = "SANDBOX-KINGUIN-SECRET-1";
/// The id of another seller's client, whose offers the first one must not see.
const OTHER_CLIENT_ID: &str = "SANDBOX-KINGUIN-OTHER-CLIENT";

const TOKEN_PATH: &str = "/auth/token";

/// The longest and the shortest life a token can be given.
const TOKEN_LIFE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// The lowest and the highest limit that can be set.
const LIMITS: (usize, usize) = (3, 100_000);

const SETTINGS: [&str; 5] = [
    "token-life",
    "limit-writes",
    "limit-reads",
    "over-limit",
    "list-shape",
];

const EVENTS: [simulate::Event; 8] = [
    simulate::Event {
        name: "reset-secret",
        subject: "a client's id; without one the first",
        about: "gives the client a new secret, says it, and refuses the old one",
    },
    simulate::Event {
        name: "revoke-tokens",
        subject: "",
        about: "makes every access token void at once",
    },
    simulate::Event {
        name: "sale",
        subject: "an offer's id",
        about: "a buyer begins to buy a key: a reservation in the state BUYING",
    },
    simulate::Event {
        name: "reservation",
        subject: "a reservation's id and a state",
        about: "moves a reservation to a state, like BOUGHT or DELIVERED",
    },
    simulate::Event {
        name: "block-offer",
        subject: "an offer's id, and a reason if not BLOCKED",
        about: "the provider blocks an offer",
    },
    simulate::Event {
        name: "order",
        subject: "a product's id",
        about: "an order of twenty is being processed",
    },
    simulate::Event {
        name: "chat",
        subject: "what the buyer writes",
        about: "a buyer sends a message",
    },
    simulate::Event {
        name: "surprise",
        subject: "",
        about: "sends the endpoint of `reserve` a webhook that no documentation names",
    },
];

/// What the index page says of the calls.
static ROUTES: LazyLock<Vec<(&str, &str, &str)>> = LazyLock::new(|| {
    let token = ("POST", TOKEN_PATH, "an access token, by client credentials");
    let calls = CATALOGUE
        .iter()
        .map(|call| (call.method, call.path, call.about));
    std::iter::once(token).chain(calls).collect()
});

/// In which of its two shapes a list of offers is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum ListShape {
    /// As live clients see it.
    #[default]
    Hal,
    /// As the API description has it.
    Spec,
}

/// How the provider is played.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rules {
    token_life: Duration,
    /// Writes and reads a minute.
    limits: [usize; 2],
    over_limit: OverLimit,
    shape: ListShape,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            token_life: Duration::from_hours(1),
            limits: [2_000, 4_000],
            over_limit: OverLimit::default(),
            shape: ListShape::default(),
        }
    }
}

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
            return Ok(self
                .access
                .grant(request, world.seed(), self.rules.token_life, now));
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

    /// Whose offer this is.
    fn seller_of_offer(&self, id: &str) -> Result<usize, String> {
        let mut shelves = self.shelves.iter();
        shelves
            .position(|shelf| shelf.offers.iter().any(|offer| offer.id == id))
            .ok_or_else(|| format!("it has no offer {}", inert::quoted(id, 40)))
    }

    fn sale(&mut self, offer: &str, now: WallTime) -> Result<String, String> {
        let whose = self.seller_of_offer(offer)?;
        let at = self.shelves[whose].add_sale(offer, now, &self.products);
        let own = &self.shelves[whose];
        let sale = &own.reservations[at];
        self.webhooks
            .sale(whose, own, &sale.id, &self.products, now);
        Ok(format!(
            "reservation {} of order {} is BUYING",
            sale.id, sale.order
        ))
    }

    fn move_on(&mut self, subject: &str, now: WallTime) -> Result<String, String> {
        let mut words = subject.split_whitespace();
        let (Some(id), Some(state), None) = (words.next(), words.next(), words.next()) else {
            return Err("a reservation's id and a state are needed: \"65b0… BOUGHT\"".into());
        };
        for (whose, shelf) in self.shelves.iter_mut().enumerate() {
            if let Some(at) = shelf.reservations.iter().position(|sale| sale.id == id) {
                sales::move_on(shelf, at, state, now)?;
                self.webhooks.sale(whose, shelf, id, &self.products, now);
                return Ok(format!("reservation {id} is {state}"));
            }
        }
        Err(format!("it has no reservation {}", inert::quoted(id, 40)))
    }

    fn block(&mut self, subject: &str, now: WallTime) -> Result<String, String> {
        let (id, code) = subject.split_once(' ').unwrap_or((subject, "BLOCKED"));
        let whose = self.seller_of_offer(id)?;
        if code.is_empty()
            || !code
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(format!(
                "{} is no reason; reasons are like ADMIN_DUPLICATE",
                inert::quoted(code, 40)
            ));
        }
        let own = &mut self.shelves[whose];
        let at = own.offers.iter().position(|offer| offer.id == id);
        let at = at.expect("the seller was found by this offer");
        own.offers[at].block = Some(code.to_owned());
        own.offers[at].updated = now;
        let body = offers::one(own, at, &self.products).to_string();
        self.webhooks.post(whose, "offerblocked", id, body, now);
        Ok(format!("offer {id} is blocked: {code}"))
    }

    /// Sends the first seller a webhook that is of no reservation.
    fn notice(&mut self, event: &str, id: &str, body: &Value, now: WallTime) -> String {
        if self.webhooks.post(0, event, id, body.to_string(), now) {
            format!("a webhook `{event}` goes out")
        } else {
            format!("nobody has registered an endpoint for `{event}`, so nothing goes out")
        }
    }
}

fn one_of<T: Copy>(all: &[(T, &'static str)], value: &str) -> Result<T, String> {
    let mut known = all.iter();
    let found = known.find(|(_, name)| *name == value).map(|(way, _)| *way);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
        format!(
            "{} is none of {}",
            inert::quoted(value, 40),
            names.join(", ")
        )
    })
}

fn name_of<T: PartialEq>(all: &[(T, &'static str)], value: &T) -> String {
    let mut known = all.iter();
    known
        .find(|(way, _)| way == value)
        .map_or("", |(_, name)| name)
        .to_owned()
}

const SHAPES: [(ListShape, &str); 2] = [(ListShape::Hal, "hal"), (ListShape::Spec, "spec")];

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
        let mut memory: Memory = match kept {
            Some(kept) => serde_json::from_value(kept).map_err(|error| error.to_string())?,
            None => Memory::default(),
        };
        memory.products = products::all(world.seed());
        memory.began = Some(world.start());
        if !same_seed || memory.shelves.is_empty() {
            let seeded = |at| Shelf::seeded(at, world.seed(), world.start(), &memory.products);
            memory.shelves = (0..CLIENTS.len()).map(seeded).collect();
            memory.webhooks = Webhooks::default();
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
        let rules = self.memory().rules.clone();
        let [token_life, writes, reads, over, shape] = SETTINGS;
        let setting = |name, value, choices, about| simulate::Setting {
            name,
            value,
            choices,
            about,
        };
        vec![
            setting(
                token_life,
                format!("{}s", rules.token_life.as_secs()),
                &["5s", "20s", "300s", "3600s"],
                "how long access tokens live from now on",
            ),
            setting(
                writes,
                rules.limits[0].to_string(),
                &["3", "50", "2000"],
                "writes a minute for each client",
            ),
            setting(
                reads,
                rules.limits[1].to_string(),
                &["3", "50", "4000"],
                "reads a minute for each client",
            ),
            setting(
                over,
                name_of(&OverLimit::ALL, &rules.over_limit),
                &["refuse", "refuse-with-retry-after", "delay"],
                "what becomes of calls over the limit",
            ),
            setting(
                shape,
                name_of(&SHAPES, &rules.shape),
                &["hal", "spec"],
                "how lists of offers are written: as live clients see them, or as documented",
            ),
        ]
    }

    fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        let memory = &mut *self.memory();
        let limit = || {
            let limit = value.parse().ok();
            let limit = limit.filter(|limit| (LIMITS.0..=LIMITS.1).contains(limit));
            limit.ok_or_else(|| {
                format!(
                    "a limit is a whole number from {} to {}",
                    LIMITS.0, LIMITS.1
                )
            })
        };
        let said = match setting {
            "token-life" => {
                let life = parse_duration(value).map_err(|error| error.to_string())?;
                if !(TOKEN_LIFE.0..=TOKEN_LIFE.1).contains(&life) {
                    return Err("an access token lives from 1s to 24h".into());
                }
                memory.rules.token_life = Duration::from_secs(life.as_secs());
                format!("new access tokens live for {} s", life.as_secs())
            }
            "limit-writes" => {
                memory.rules.limits[0] = limit()?;
                format!("{value} writes a minute for each client")
            }
            "limit-reads" => {
                memory.rules.limits[1] = limit()?;
                format!("{value} reads a minute for each client")
            }
            "over-limit" => {
                memory.rules.over_limit = one_of(&OverLimit::ALL, value)?;
                format!("calls over the limit: {value}")
            }
            "list-shape" => {
                memory.rules.shape = one_of(&SHAPES, value)?;
                format!("lists of offers: {value}")
            }
            _ => {
                return Err(format!(
                    "it has no setting {}; its settings are {}",
                    inert::quoted(setting, 40),
                    SETTINGS.join(", ")
                ));
            }
        };
        memory.revision += 1;
        Ok(said)
    }

    fn events(&self) -> &'static [simulate::Event] {
        &EVENTS
    }

    fn event(&self, event: &str, subject: &str, world: &World) -> Result<String, String> {
        let memory = &mut *self.memory();
        let now = world.now();
        memory.revision += 1;
        match event {
            "reset-secret" => {
                let mut clients = CLIENTS.iter();
                let client = match subject {
                    "" => Some(0),
                    subject => clients.position(|client| client.id == subject),
                };
                let client = client
                    .ok_or_else(|| format!("it has no client {}", inert::quoted(subject, 40)))?;
                let secret = memory.access.reset(client);
                Ok(format!(
                    "the secret of {} is {secret} from now on; the old one is refused",
                    CLIENTS[client].id
                ))
            }
            "revoke-tokens" => Ok(format!("{} access tokens are void", memory.access.revoke())),
            "sale" => memory.sale(subject, now),
            "reservation" => memory.move_on(subject, now),
            "block-offer" => memory.block(subject, now),
            "order" => {
                let product = memory.products.iter().find(|product| product.id == subject);
                let product = product
                    .ok_or_else(|| format!("it has no product {}", inert::quoted(subject, 40)))?;
                let order = "SBX-900001";
                let body = json!({
                    "orderId": order, "productId": product.id, "qtyOrdered": "20", "sandboxExtra": true,
                });
                Ok(memory.notice("orderprocessing", order, &body, now))
            }
            "chat" => {
                let body = json!({
                    "senderName": "Sandbox Buyer",
                    "message": subject,
                    "createdAt": query::date(now),
                    "sandboxExtra": true,
                });
                Ok(memory.notice("chatmessage", "", &body, now))
            }
            "surprise" => {
                let body =
                    json!({ "status": "SANDBOX_UNDOCUMENTED", "updatedAt": query::date(now) });
                Ok(memory.notice("reserve", "", &body, now))
            }
            _ => Err(format!(
                "it has no event {}; its events are {}",
                inert::quoted(event, 40),
                EVENTS.map(|event| event.name).join(", ")
            )),
        }
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

    fn tried(&self, letter: u64, status: Option<u16>, world: &World) {
        let memory = &mut *self.memory();
        memory.webhooks.tried(letter, status, world.now());
        memory.revision += 1;
    }
}
