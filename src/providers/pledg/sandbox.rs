//! Pledg as the sandbox plays it: its routes and what it remembers. Staging and production are both here, told
//! apart by their credentials and uids alone, since one listener has one name: nothing of the one opens the other.

mod access;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::{WallTime, inert, simulate, time};
use crate::http_server::{Request, Response, respond, text};
use crate::sandbox::outbox::Letter;
use crate::sandbox::{About, Dialect, World};

pub use access::{API_KEY, API_SECRET, DASHBOARD_PASSWORD, DASHBOARD_USER, MERCHANT_SECRET};
use access::{BACKENDS, Backend, Token};

/// How long a token lives unless set otherwise, as documented.
const TOKEN_LIFE: Duration = Duration::from_mins(10);

/// The simulated provider.
#[derive(Debug, Default)]
pub struct Pledg {
    memory: Mutex<Memory>,
}

/// All it remembers. What is skipped does not survive a restart: tokens are secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    tokens_issued: u64,
    #[serde(skip)]
    tokens: VecDeque<Token>,
    #[serde(skip)]
    play: Play,
    #[serde(skip)]
    revision: u64,
}

/// How it is played.
#[derive(Debug)]
struct Play {
    token_life: Duration,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            token_life: TOKEN_LIFE,
        }
    }
}

const SETTINGS: [&str; 1] = ["token-life"];

impl Pledg {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A simulation by its path's parts, without the open prefix.
    fn simulate(of: &str, uid: &str, request: &Request, only: Option<&Backend>) -> Response {
        let answer = schedule::Asked::read(request.body()).and_then(|asked| match of {
            "merchants" => {
                let known = access::merchant(uid)
                    .filter(|(backend, _)| only.is_none_or(|only| only.name == backend.name));
                let (_, merchant) = known.ok_or_else(|| unknown("merchant", uid))?;
                Ok(asked.of(merchant))
            }
            _ => {
                let known = BACKENDS.iter().find(|backend| backend.company == uid);
                let backend = known.ok_or_else(|| unknown("company", uid))?;
                let items: Vec<Value> = backend.merchants.iter().map(|one| asked.of(one)).collect();
                Ok(json!({ "items": items }))
            }
        });
        match answer {
            Ok(schedule) => json_response(StatusCode::OK, &schedule),
            Err(refusal) => *refusal,
        }
    }
}

/// An answer that refuses; boxed, being large.
type Refusal = Box<Response>;

fn refuse(status: StatusCode, debug: &str) -> Refusal {
    Box::new(json_response(
        status,
        &json!({ "error": { "debug": debug } }),
    ))
}

fn unknown(what: &str, uid: &str) -> Refusal {
    let words = format!("no {what} {}", inert::quoted(uid, 60));
    refuse(StatusCode::NOT_FOUND, &words)
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}

fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}

/// The open calls are made by browsers from shops' own pages.
fn for_browsers(response: Response) -> Response {
    let response = with(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    let response = with(
        response,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "POST, OPTIONS",
    );
    with(
        response,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "content-type",
    )
}

fn only_post() -> Response {
    let refusal = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    with(refusal, header::ALLOW, "POST")
}

fn not_found() -> Response {
    *refuse(StatusCode::NOT_FOUND, "no such resource")
}

impl Dialect for Pledg {
    fn provider(&self) -> &'static str {
        "pledg"
    }

    fn about(&self) -> About {
        About {
            title: "Pledg",
            keys: BACKENDS
                .iter()
                .map(|backend| (backend.name, backend.key))
                .collect(),
            routes: &[
                ("POST", "/api/token", "access token"),
                (
                    "POST",
                    "/api/merchants/<MERCHANT_UID>/simulate_payment_schedule",
                    "payment schedule, with a token",
                ),
                (
                    "POST",
                    "/api/users/me/merchants/<MERCHANT_UID>/simulate_payment_schedule",
                    "the same, open",
                ),
                (
                    "POST",
                    "/api/users/me/companies/<COMPANY_UID>/simulate_payment_schedule",
                    "all schedules of a company, open",
                ),
            ],
        }
    }

    fn begin(&self, _world: &World, kept: Option<Value>, _same_seed: bool) -> Result<(), String> {
        *self.memory() = match kept {
            Some(kept) => serde_json::from_value(kept).map_err(|error| error.to_string())?,
            None => Memory::default(),
        };
        Ok(())
    }

    fn claims(&self, path: &str) -> bool {
        path == "/api/token"
            || ["/api/merchants/", "/api/users/me/"]
                .iter()
                .any(|prefix| path.starts_with(prefix))
    }

    fn is_api(&self, _path: &str) -> bool {
        true
    }

    fn answer(&self, request: &Request, world: &World) -> Response {
        let path = request.uri().path();
        let parts: Vec<&str> = path
            .trim_start_matches('/')
            .trim_end_matches('/')
            .split('/')
            .collect();
        let post = request.method() == Method::POST;
        match parts.as_slice() {
            ["api", "token"] if post => access::grant(request, &mut self.memory(), world),
            [
                "api",
                "users",
                "me",
                of @ ("merchants" | "companies"),
                uid,
                "simulate_payment_schedule",
            ] => for_browsers(match *request.method() {
                Method::POST => Self::simulate(of, uid, request, None),
                Method::OPTIONS => text(StatusCode::NO_CONTENT, ""),
                _ => only_post(),
            }),
            ["api", "merchants", uid, "simulate_payment_schedule"] if post => {
                match access::bearer(request.headers(), &self.memory(), world) {
                    Ok(backend) if !access::crosses(backend, uid) => {
                        Self::simulate("merchants", uid, request, Some(backend))
                    }
                    Ok(_) => *access::unauthorised(),
                    Err(refusal) => *refusal,
                }
            }
            ["api", "token"] | ["api", "merchants", _, "simulate_payment_schedule"] => only_post(),
            _ => not_found(),
        }
    }

    fn settings(&self) -> Vec<simulate::Setting> {
        let memory = self.memory();
        vec![simulate::Setting {
            name: SETTINGS[0],
            value: format!("{}s", memory.play.token_life.as_secs()),
            choices: &["600s", "20s"],
            about: "how long an access token lives",
        }]
    }

    fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        let play = &mut self.memory().play;
        if setting == SETTINGS[0] {
            let life = time::parse_duration(value).map_err(|error| error.to_string())?;
            if life < Duration::from_secs(1) {
                return Err("a token lives one second at least".into());
            }
            play.token_life = life;
            return Ok(format!(
                "Pledg's tokens live {} from now on",
                time::fine(life)
            ));
        }
        Err(format!(
            "Pledg has no setting {}; it has {}",
            inert::quoted(setting, 40),
            SETTINGS.join(", ")
        ))
    }

    fn state(&self, world: &World) -> Value {
        let memory = self.memory();
        let now = world.now();
        let alive = memory.tokens.iter().filter(|token| token.expires > now);
        json!({
            "tokens_issued": memory.tokens_issued,
            "tokens_alive": alive.count(),
        })
    }

    fn revision(&self) -> u64 {
        self.memory().revision
    }

    fn kept(&self) -> Value {
        serde_json::to_value(&*self.memory()).expect("its maps have text keys")
    }

    fn due(&self, _world: &World) -> Vec<Letter> {
        Vec::new()
    }

    fn next_due(&self, _world: &World) -> Option<WallTime> {
        None
    }

    fn tried(&self, _letter: u64, _status: Option<u16>, _world: &World) {}
}
