//! The simulated Kongregate: its routes and state. One game with its items, its players and what they own
//! (`docs/providers/kongregate.md#simulator`). Where Kongregate documents nothing, a comment at the spot says so.

mod community;
mod controls;
mod event;
mod fixtures;
mod goods;
mod orders;
mod scores;
#[cfg(test)]
mod tests;
mod users;
mod webhooks;

use hyper::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::facts::TOKEN_1001;
use crate::domain::PaymentId;
use crate::domain::catalogue::DocumentedCall;
use crate::http_server::{DeliveryResult, Request, Response, respond};
use crate::sandbox::fields::Fields;
use crate::sandbox::outbox::{Outbox, Webhook};
use crate::sandbox::route::{self, Route, get, knows, post};
use crate::sandbox::{About, Done, Sample, Saved, SimulatedProvider, Simulator, snapshot};

use community::Community;
use controls::{KeyNeeded, Rules};
use fixtures::{GameData, Instance};
use scores::Scores;
use webhooks::Webhooks;

/// The key of the sandbox's game. It protects nothing.
pub const API_KEY: &str = "SANDBOX-KONGREGATE-KEY";

const GAME_ID: u64 = 10_000;
const GAME_TITLE: &str = "Lantern Harbour";

const AUTHENTICATE: &str = "/authenticate.json";

/// Every call, below the prefix that is set.
const ROUTES: &[Route<Kongregate, CallResult>] = &[
    get(AUTHENTICATE, goods::authenticate),
    get("/items.json", goods::items),
    get("/user_items.json", goods::user_items),
    post("/use_item.json", goods::use_item),
    get("/user_info.json", users::info),
    post("/submit_statistics.json", scores::submit),
    get("/high_scores/friends/{statistic}/{user}", scores::friends),
    get("/high_scores/{scope}/{statistic}", scores::best),
    get("/kongpanions/index.json", users::kongpanions),
    get("/kongpanions.json", users::owned_kongpanions),
    post("/guilds.json", community::guild),
    post("/guilds/destroy.json", community::end_guild),
    post("/characters.json", community::character),
    post("/shared_links/create.json", community::link),
    post("/shared_links/{link}/destroy.json", community::end_link),
];

/// The simulated provider. Tokens are not saved: each follows from the number of password changes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kongregate {
    game_data: GameData,
    community: Community,
    scores: Scores,
    webhooks: Webhooks,
    rules: Rules,
    /// The number of answered calls; it seeds the random extra fields.
    answered: u64,
    #[serde(skip)]
    documented: &'static [DocumentedCall],
}

/// The provider for the sandbox; its index page lists these calls.
pub fn simulator(documented: &'static [DocumentedCall]) -> Box<dyn SimulatedProvider> {
    Box::new(Kongregate {
        documented,
        ..Kongregate::default()
    })
}

type Call<'a> = route::Call<'a, Kongregate>;

/// A call's result: the fields of the answer, or error and description.
type CallResult<T = Value> = Result<T, Failure>;

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

    /// The resource does not exist. Kongregate documents no text.
    fn not_found(what: &str) -> Self {
        Self::new(404, format!("{what} not found"))
    }
}

/// The parameters of a call: the query's, and the fields of a form or of a JSON object.
struct Params(Fields);

impl Params {
    /// A parameter that is not blank.
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(str::trim);
        value.filter(|value| !value.is_empty())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// A page; the first is 1.
    fn page(&self, name: &str) -> usize {
        let page = self.number(name).unwrap_or(1).max(1);
        usize::try_from(page).unwrap_or(usize::MAX)
    }

    fn required<const N: usize>(&self, names: [&str; N]) -> CallResult<[&str; N]> {
        let given = names.map(|name| self.get(name));
        if given.iter().any(Option::is_none) {
            return Err(Failure::new(400, required(&names)));
        }
        Ok(given.map(Option::unwrap_or_default))
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

impl Call<'_> {
    fn params(&self) -> Params {
        let body = Fields::of_body(self.request.body()).unwrap_or_default();
        Params(self.query().and(body))
    }

    /// The parameters of a call that needs the game's key.
    fn keyed(&self) -> CallResult<Params> {
        let params = self.params();
        if params.get("api_key") == Some(API_KEY) {
            return Ok(params);
        }
        // The key is missing or unknown; the answer is as public clients see it.
        Err(Failure::new(400, "Required: game_id"))
    }

    /// The parameters of a call whose API description lists no key.
    fn unlisted(&self) -> CallResult<Params> {
        if self.state.rules.key_needed == KeyNeeded::WhereListed {
            return Ok(self.params());
        }
        self.keyed()
    }

    /// The user of this number, also one who does not play the game.
    fn user(&self, id: Option<u64>) -> CallResult<u64> {
        let known = id.filter(|id| self.state.game_data.name(*id).is_some());
        known.ok_or_else(|| Failure::not_found("User"))
    }
}

impl Kongregate {
    /// A path without the prefix that is set; `None` where it has another.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let below = path.strip_prefix(self.rules.prefix.0.trim_end_matches('/'))?;
        below.starts_with('/').then_some(below)
    }
}

impl SimulatedProvider for Kongregate {
    fn provider(&self) -> &'static str {
        "kongregate"
    }

    fn about(&self) -> About {
        let documented = self.documented.iter();
        let calls = documented.map(|call| (call.method, format!("/api{}", call.path), call.about));
        let token = (
            "GET",
            format!("/api{AUTHENTICATE}?user_id=1001&game_auth_token={TOKEN_1001}"),
            "player 1001 with the first token; its last number counts the player's passwords",
        );
        About {
            title: "Kongregate",
            keys: vec![(GAME_TITLE, API_KEY)],
            routes: calls.chain(std::iter::once(token)).collect(),
        }
    }

    fn begin(&mut self, simulator: &Simulator, saved: Saved) -> Result<(), String> {
        let mut new: Self = snapshot::resume(saved.state)?;
        new.documented = self.documented;
        if !saved.same_seed || new.game_data.players.is_empty() {
            new.game_data = GameData::seeded(simulator.seed());
            new.scores = Scores::seeded(simulator.seed(), simulator.start());
        }
        controls::is_prefix(&new.rules.prefix.0)?;
        new.forget_unsendable();
        *self = new;
        Ok(())
    }

    fn claims(&self, path: &str) -> bool {
        self.below(path).is_some_and(|below| knows(ROUTES, below))
    }

    fn answer(&mut self, request: &Request, simulator: &Simulator) -> Response {
        const JSON: &str = "application/json; charset=utf-8";
        const HTML: &str = "text/html; charset=utf-8";
        self.answered += 1;
        if self.rules.down {
            let page = "<html><head><title>Kongregate</title></head><body><h1>We'll be back soon</h1></body></html>";
            return respond(StatusCode::SERVICE_UNAVAILABLE, HTML, page);
        }
        if self.rules.blank {
            return respond(StatusCode::OK, JSON, "");
        }
        let path = self.below(request.uri().path()).unwrap_or_default();
        let Ok(result) = Call::new(self, request, simulator).route(ROUTES, path) else {
            let page =
                "<html><body><h1>The page you were looking for doesn't exist.</h1></body></html>";
            return respond(StatusCode::NOT_FOUND, HTML, page);
        };
        let body = result.unwrap_or_else(|failure| {
            json!({
                "success": false,
                "error": failure.error,
                "error_description": failure.description,
            })
        });
        // Kongregate sends a list of users as plain text.
        let kind = match body.get("users") {
            Some(_) => "text/plain; charset=utf-8",
            None => JSON,
        };
        respond(StatusCode::OK, kind, body.to_string())
    }

    fn repeat_callback(&mut self, id: &PaymentId, simulator: &Simulator) -> Option<Done> {
        self.repeat(id.as_str(), simulator).map(Ok)
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String> {
        webhooks::sample(sample)
    }

    fn state(&self, _simulator: &Simulator) -> Value {
        let players = self.game_data.players.iter().map(|player| {
            let owned = self.game_data.owned(player.id).map(Instance::row);
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
            "orders": self.webhooks.orders.all,
            "callbacks_waiting": self.webhooks.waiting(),
            "callbacks_sent": self.webhooks.sent,
        })
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.webhooks.outbox
    }

    fn complete(&self, webhook: Webhook) -> Webhook {
        Webhook {
            body: self.body(&webhook),
            answer_timeout: Some(self.rules.answer_timeout.0),
            ..webhook
        }
    }

    fn attempted(
        &mut self,
        sent: &Webhook,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    ) {
        self.log(sent, answered, simulator);
    }
}
