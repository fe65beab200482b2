//! Kongregate as the sandbox plays it: its routes and what it remembers. One game with its items, its players and
//! what they own (`docs/providers/kongregate.md#simulator`). Where nothing is published, the file that decides it says so.

mod cast;
mod community;
mod goods;
mod orders;
mod people;
mod play;
mod post;
mod scores;
#[cfg(test)]
mod tests;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::catalogue::CATALOGUE;
use crate::domain::{PaymentId, WallTime, simulate};
use crate::http_server::{DeliveryResult, Request, Response, respond};
use crate::sandbox::outbox::Webhook;
use crate::sandbox::{About, Sample, SimulatedProvider, Simulator, snapshot};

use cast::{Cast, Instance};
use community::Community;
use play::Rules;
use post::WebhookQueue;
use scores::Scores;

/// The key of the sandbox's game. It protects nothing.
pub const API_KEY: &str = "SANDBOX-KONGREGATE-KEY";
/// The first token of the player that examples are about. It protects nothing.
pub const TOKEN_1001: &str = "SANDBOX-TOKEN-1001-1";

/// The number of the sandbox's game.
const GAME_ID: u64 = 10_000;
/// Its title.
const GAME_TITLE: &str = "Lantern Harbour";

/// What the index page says of the calls.
static ROUTES: LazyLock<Vec<(&str, String, String)>> = LazyLock::new(|| {
    let calls = CATALOGUE.iter();
    calls
        .map(|call| {
            let about = if call.path == super::catalogue::AUTHENTICATE {
                format!(
                    "{} Player 1001's token is {TOKEN_1001}, whose end counts the player's passwords",
                    call.about
                )
            } else {
                call.about.to_owned()
            };
            (call.method, format!("/api{}", call.path), about)
        })
        .collect()
});

static SHOWN_ROUTES: LazyLock<Vec<(&str, &str, &str)>> = LazyLock::new(|| {
    let routes = ROUTES.iter();
    routes
        .map(|(method, path, about)| (*method, path.as_str(), about.as_str()))
        .collect()
});

/// The simulated provider.
#[derive(Debug, Default)]
pub struct Kongregate {
    memory: Mutex<Memory>,
}

/// Makes it.
#[must_use]
pub fn simulator() -> Box<dyn SimulatedProvider> {
    Box::new(Kongregate::default())
}

/// All it remembers. No token is kept: they follow from how often a password was changed.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    cast: Cast,
    community: Community,
    scores: Scores,
    post: WebhookQueue,
    rules: Rules,
    /// How many calls were answered, from which what comes at random is derived.
    answered: u64,
    #[serde(skip)]
    revision: u64,
}

/// What is told to who asks: the fields of the answer, or error and description.
type CallResult = Result<Value, Failure>;

/// A failure as Kongregate tells it, with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    error: u16,
    description: String,
}

impl Failure {
    fn new(error: u16, description: impl Into<String>) -> Self {
        let description = description.into();
        Self { error, description }
    }

    /// Of a key, a token and a player that do not belong together.
    fn credentials() -> Self {
        Self::new(403, "Invalid credentials")
    }

    /// Of a key that is missing or not known, as seen in the field.
    fn no_game() -> Self {
        Self::new(400, "Required: game_id")
    }

    /// Of a thing that is not there. No text is published.
    fn not_found(what: &str) -> Self {
        Self::new(404, format!("{what} not found"))
    }
}

/// The parameters of a call: the query's, and the fields of a form or of a JSON object.
struct Params(Vec<(String, String)>);

impl Params {
    fn of(request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let mut all: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let body = request.body();
        if body.trim_ascii_start().starts_with(b"{") {
            let fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
            all.extend(fields.into_iter().map(|(name, value)| match value {
                Value::String(text) => (name, text),
                Value::Null => (name, String::new()),
                other => (name, other.to_string()),
            }));
        } else {
            let fields: Vec<(String, String)> =
                serde_urlencoded::from_bytes(body).unwrap_or_default();
            all.extend(fields);
        }
        Self(all)
    }

    /// A parameter that is not blank.
    fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// A page; the first is 1.
    fn page(&self, name: &str) -> usize {
        let page = self.number(name).unwrap_or(1).max(1);
        usize::try_from(page).unwrap_or(usize::MAX)
    }

    /// Parameters that must be there.
    fn required<const N: usize>(&self, names: [&str; N]) -> Result<[&str; N], Failure> {
        let given = names.map(|name| self.get(name));
        if given.iter().any(Option::is_none) {
            return Err(Failure::new(400, required(&names)));
        }
        Ok(given.map(Option::unwrap_or_default))
    }

    /// Whether the key is the game's.
    fn game(&self) -> Result<(), Failure> {
        match self.get("api_key") {
            Some(API_KEY) => Ok(()),
            Some(_) | None => Err(Failure::no_game()),
        }
    }
}

/// As the answer of authenticate names what is missing.
fn required(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("{one} is a required parameter"),
        [first, last] => format!("{first} and {last} are required parameters"),
        [rest @ .., last] => format!("{}, and {last} are required parameters", rest.join(", ")),
    }
}

impl Kongregate {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts of a path below the prefix; `None` where it is not below.
fn parts<'p>(path: &'p str, prefix: &str) -> Option<Vec<&'p str>> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    Some(rest.strip_prefix('/')?.split('/').collect())
}

impl Memory {
    /// The key of a call whose API description lists none.
    fn unlisted(&self, params: &Params) -> Result<(), Failure> {
        if self.rules.key_needed == "where-listed" {
            return Ok(());
        }
        params.game()
    }

    /// What is told, and whether it is a list of users, which comes as plain text.
    fn route(&mut self, request: &Request, simulator: &Simulator) -> Option<(CallResult, bool)> {
        let path = request.uri().path();
        let parts = parts(path, &self.rules.prefix)?;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let posts = request.method() == Method::POST;
        let params = Params::of(request);
        let now = simulator.now();
        let said = match parts.as_slice() {
            ["authenticate.json"] if reads => self.authenticate(&params),
            ["items.json"] if reads => self.items(&params),
            ["user_items.json"] if reads => self.user_items(&params),
            ["use_item.json"] if posts => self.use_item(&params, simulator),
            ["user_info.json"] if reads => {
                return Some(match self.unlisted(&params) {
                    Ok(()) => people::info(&params, &self.cast),
                    Err(failure) => (Err(failure), false),
                });
            }
            ["submit_statistics.json"] if posts => self.submit(&params, now),
            ["high_scores", "friends", statistic, user] if reads => self
                .unlisted(&params)
                .and_then(|()| self.scores.friends(statistic, user, &self.cast)),
            ["high_scores", scope, statistic] if reads => self
                .unlisted(&params)
                .and_then(|()| self.scores.best(scope, statistic, &params, &self.cast, now)),
            ["kongpanions", "index.json"] if reads => {
                self.unlisted(&params).map(|()| people::kongpanions())
            }
            ["kongpanions.json"] if reads => self
                .unlisted(&params)
                .and_then(|()| people::owned_kongpanions(&params, &self.cast)),
            ["guilds.json"] if posts => self.community.guild(&params),
            ["guilds", "destroy.json"] if posts => self.community.end_guild(&params),
            ["characters.json"] if posts => self.community.character(&params, &self.cast),
            ["shared_links", "create.json"] if posts => {
                self.community.link(&params, &self.cast, now)
            }
            ["shared_links", id, "destroy.json"] if posts => {
                self.community.end_link(id, &params, &self.cast)
            }
            _ => return None,
        };
        if posts && said.is_ok() {
            self.revision += 1;
        }
        Some((said, false))
    }
}

impl SimulatedProvider for Kongregate {
    fn provider(&self) -> &'static str {
        "kongregate"
    }

    fn about(&self) -> About {
        About {
            title: "Kongregate",
            keys: vec![(GAME_TITLE, API_KEY)],
            routes: &SHOWN_ROUTES,
        }
    }

    fn begin(
        &self,
        simulator: &Simulator,
        kept: Option<Value>,
        same_seed: bool,
    ) -> Result<(), String> {
        let mut memory: Memory = snapshot::resume(kept)?;
        if !same_seed || memory.cast.players.is_empty() {
            memory.cast = Cast::seeded(simulator.seed());
            memory.scores = Scores::seeded(simulator.seed(), simulator.start());
        }
        memory.rules.check()?;
        memory.forget_unsendable();
        *self.memory() = memory;
        Ok(())
    }

    fn claims(&self, path: &str) -> bool {
        let memory = self.memory();
        let Some(parts) = parts(path, &memory.rules.prefix) else {
            return false;
        };
        let below = format!("/{}", parts.join("/"));
        CATALOGUE
            .iter()
            .any(|call| call.covers(call.method, &below))
    }

    fn is_api(&self, _path: &str) -> bool {
        true
    }

    fn answer(&self, request: &Request, simulator: &Simulator) -> Response {
        const JSON: &str = "application/json; charset=utf-8";
        let memory = &mut *self.memory();
        memory.answered += 1;
        if memory.rules.down {
            let page = "<html><head><title>Kongregate</title></head><body><h1>We'll be back soon</h1></body></html>";
            let html = "text/html; charset=utf-8";
            return respond(StatusCode::SERVICE_UNAVAILABLE, html, page);
        }
        if memory.rules.blank {
            return respond(StatusCode::OK, JSON, "");
        }
        let Some((said, is_list)) = memory.route(request, simulator) else {
            let page =
                "<html><body><h1>The page you were looking for doesn't exist.</h1></body></html>";
            return respond(StatusCode::NOT_FOUND, "text/html; charset=utf-8", page);
        };
        let body = said.unwrap_or_else(|failure| {
            json!({
                "success": false,
                "error": failure.error,
                "error_description": failure.description,
            })
        });
        let kind = if is_list {
            "text/plain; charset=utf-8"
        } else {
            JSON
        };
        respond(StatusCode::OK, kind, body.to_string())
    }

    fn repeat_callback(
        &self,
        id: &PaymentId,
        simulator: &Simulator,
    ) -> Option<Result<String, String>> {
        let memory = &mut *self.memory();
        let order = memory.post.orders.named(id.as_str())?.id;
        memory.revision += 1;
        Some(Ok(memory.repeat(order, simulator)))
    }

    fn settings(&self) -> Vec<simulate::Setting> {
        self.memory().rules.settings()
    }

    fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.revision += 1;
        memory.rules.set(setting, value)
    }

    fn events(&self) -> &'static [simulate::Event] {
        &play::EVENTS
    }

    fn event(&self, event: &str, subject: &str, simulator: &Simulator) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.revision += 1;
        memory.happen(event, subject, simulator)
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String> {
        post::sample(sample)
    }

    fn waiting(&self) -> Vec<Webhook> {
        self.memory().webhooks(WallTime(i64::MAX))
    }

    fn state(&self, _world: &Simulator) -> Value {
        let memory = self.memory();
        let players = memory.cast.players.iter().map(|player| {
            let owned = memory.cast.owned(player.id).map(Instance::row);
            json!({
                "user_id": player.id,
                "username": player.username,
                "kreds": player.kreds,
                "passwords_changed": player.passwords - 1,
                "items": owned.collect::<Vec<_>>(),
            })
        });
        json!({
            "players": players.collect::<Vec<_>>(),
            "orders": memory.post.orders.told(),
            "callbacks_waiting": memory.post.waiting(),
            "callbacks_sent": memory.post.sent(),
        })
    }

    fn revision(&self) -> u64 {
        self.memory().revision
    }

    fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.memory()).expect("its maps have text keys")
    }

    fn due(&self, simulator: &Simulator) -> Vec<Webhook> {
        let memory = self.memory();
        if simulator.callback_url("kongregate").is_none() {
            return Vec::new();
        }
        memory.webhooks(simulator.now())
    }

    fn next_due(&self, simulator: &Simulator) -> Option<WallTime> {
        simulator.callback_url("kongregate")?;
        self.memory().post.next()
    }

    fn tried(&self, webhook: u64, answered: Option<&DeliveryResult>, simulator: &Simulator) {
        let memory = &mut *self.memory();
        memory.record_answer(webhook, answered, simulator);
        memory.revision += 1;
    }
}
