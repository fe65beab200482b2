//! The simulated Kongregate: its routes and state. One game with its items, its players and what they own
//! (`docs/providers/kongregate.md#simulator`). Where Kongregate documents nothing, a comment at the spot says so.

mod community;
mod controls;
mod fixtures;
mod goods;
mod orders;
mod scores;
#[cfg(test)]
mod tests;
mod users;
mod webhooks;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::catalogue::CATALOGUE;
use crate::domain::{PaymentId, WallTime, simulate};
use crate::http_server::{DeliveryResult, Request, Response, respond};
use crate::sandbox::outbox::Webhook;
use crate::sandbox::{About, Sample, SimulatedProvider, Simulator, snapshot};

use community::Community;
use controls::Rules;
use fixtures::{GameData, Instance};
use scores::Scores;
use webhooks::WebhookQueue;

/// The key of the sandbox's game. It protects nothing.
pub const API_KEY: &str = "SANDBOX-KONGREGATE-KEY";
/// The first token of the examples' player. It protects nothing.
pub const TOKEN_1001: &str = "SANDBOX-TOKEN-1001-1";

/// The number of the sandbox's game.
const GAME_ID: u64 = 10_000;
/// Its title.
const GAME_TITLE: &str = "Lantern Harbour";

/// The calls for the index page.
static ROUTES: LazyLock<Vec<(&str, String, String)>> = LazyLock::new(|| {
    let calls = CATALOGUE.iter();
    calls
        .map(|call| {
            let about = if call.path == super::catalogue::AUTHENTICATE {
                format!(
                    "{} Player 1001's token is {TOKEN_1001}; its last number counts the player's passwords",
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

/// The simulated provider with its default state.
#[must_use]
pub fn simulator() -> Box<dyn SimulatedProvider> {
    Box::new(Kongregate::default())
}

/// Its state. Tokens are not saved: each follows from the number of password changes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    #[serde(alias = "cast")]
    game_data: GameData,
    community: Community,
    scores: Scores,
    #[serde(alias = "post")]
    webhooks: WebhookQueue,
    rules: Rules,
    /// The number of answered calls; it seeds the random extra fields.
    answered: u64,
    #[serde(skip)]
    revision: u64,
}

/// A call's result: the fields of the answer, or error and description.
type CallResult = Result<Value, Failure>;

/// A failure as Kongregate reports it, with status 200.
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

    /// Key, token and player do not belong together.
    fn credentials() -> Self {
        Self::new(403, "Invalid credentials")
    }

    /// The key is missing or unknown; the answer is as public clients see it.
    fn no_game() -> Self {
        Self::new(400, "Required: game_id")
    }

    /// The resource does not exist. Kongregate documents no text.
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

    /// Required parameters.
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

/// The list of missing parameters, in the words of the authenticate call.
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
    /// Checks the key of a call whose API description lists none.
    fn unlisted(&self, params: &Params) -> Result<(), Failure> {
        if self.rules.key_needed == "where-listed" {
            return Ok(());
        }
        params.game()
    }

    /// The result, and whether it is a list of users, which Kongregate sends as plain text.
    fn route(&mut self, request: &Request, simulator: &Simulator) -> Option<(CallResult, bool)> {
        let path = request.uri().path();
        let parts = parts(path, &self.rules.prefix)?;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let posts = request.method() == Method::POST;
        let params = Params::of(request);
        let now = simulator.now();
        let result = match parts.as_slice() {
            ["authenticate.json"] if reads => self.authenticate(&params),
            ["items.json"] if reads => self.items(&params),
            ["user_items.json"] if reads => self.user_items(&params),
            ["use_item.json"] if posts => self.use_item(&params, simulator),
            ["user_info.json"] if reads => {
                return Some(match self.unlisted(&params) {
                    Ok(()) => users::info(&params, &self.game_data),
                    Err(failure) => (Err(failure), false),
                });
            }
            ["submit_statistics.json"] if posts => self.submit(&params, now),
            ["high_scores", "friends", statistic, user] if reads => self
                .unlisted(&params)
                .and_then(|()| self.scores.friends(statistic, user, &self.game_data)),
            ["high_scores", scope, statistic] if reads => self.unlisted(&params).and_then(|()| {
                self.scores
                    .best(scope, statistic, &params, &self.game_data, now)
            }),
            ["kongpanions", "index.json"] if reads => {
                self.unlisted(&params).map(|()| users::kongpanions())
            }
            ["kongpanions.json"] if reads => self
                .unlisted(&params)
                .and_then(|()| users::owned_kongpanions(&params, &self.game_data)),
            ["guilds.json"] if posts => self.community.guild(&params),
            ["guilds", "destroy.json"] if posts => self.community.end_guild(&params),
            ["characters.json"] if posts => self.community.character(&params, &self.game_data),
            ["shared_links", "create.json"] if posts => {
                self.community.link(&params, &self.game_data, now)
            }
            ["shared_links", id, "destroy.json"] if posts => {
                self.community.end_link(id, &params, &self.game_data)
            }
            _ => return None,
        };
        if posts && result.is_ok() {
            self.revision += 1;
        }
        Some((result, false))
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
        saved: Option<Value>,
        same_seed: bool,
    ) -> Result<(), String> {
        let mut memory: Memory = snapshot::resume(saved)?;
        if !same_seed || memory.game_data.players.is_empty() {
            memory.game_data = GameData::seeded(simulator.seed());
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
        let Some((result, is_list)) = memory.route(request, simulator) else {
            let page =
                "<html><body><h1>The page you were looking for doesn't exist.</h1></body></html>";
            return respond(StatusCode::NOT_FOUND, "text/html; charset=utf-8", page);
        };
        let body = result.unwrap_or_else(|failure| {
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
        let order = memory.webhooks.orders.named(id.as_str())?.id;
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
        &controls::EVENTS
    }

    fn event(&self, event: &str, subject: &str, simulator: &Simulator) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.revision += 1;
        memory.trigger(event, subject, simulator)
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String> {
        webhooks::sample(sample)
    }

    fn waiting(&self) -> Vec<Webhook> {
        self.memory().webhooks(WallTime(i64::MAX))
    }

    fn state(&self, _simulator: &Simulator) -> Value {
        let memory = self.memory();
        let players = memory.game_data.players.iter().map(|player| {
            let owned = memory.game_data.owned(player.id).map(Instance::row);
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
            "orders": memory.webhooks.orders.as_json(),
            "callbacks_waiting": memory.webhooks.waiting(),
            "callbacks_sent": memory.webhooks.sent(),
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
        self.memory().webhooks.next()
    }

    fn record_attempt(
        &self,
        webhook: u64,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    ) {
        let memory = &mut *self.memory();
        memory.record_answer(webhook, answered, simulator);
        memory.revision += 1;
    }
}
