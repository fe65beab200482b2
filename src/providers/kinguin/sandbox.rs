//! Kinguin as the sandbox plays it: its routes, and how it is played. It is written from the provider's
//! documentation alone and shares no code with the client it is there to test.

mod access;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::{WallTime, inert, simulate};
use crate::http_server::{Request, Response, respond, text};
use crate::sandbox::outbox::Letter;
use crate::sandbox::{About, Dialect, World};

use access::{Access, CLIENTS};

/// The id of the sandbox's client.
pub const CLIENT_ID: &str = "SANDBOX-KINGUIN-CLIENT";
/// Its secret until the first reset. It protects nothing.
pub const CLIENT_SECRET: &str = "SANDBOX-KINGUIN-SECRET-1";
/// The id of another seller's client.
pub const OTHER_CLIENT_ID: &str = "SANDBOX-KINGUIN-OTHER-CLIENT";

const EVENTS: [simulate::Event; 2] = [
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
];

/// The simulated provider.
#[derive(Debug, Default)]
pub struct Kinguin {
    memory: Mutex<Memory>,
}

/// All it remembers. What is skipped does not survive a restart: tokens, keys and webhook headers are secrets.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    access: Access,
    token_life: Duration,
    #[serde(skip)]
    revision: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            access: Access::default(),
            token_life: Duration::from_hours(1),
            revision: 0,
        }
    }
}

/// The provider for the sandbox.
#[must_use]
pub fn dialect() -> Box<dyn Dialect> {
    Box::new(Kinguin::default())
}

impl Kinguin {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}

/// A refusal in the gateway's words.
fn error(status: StatusCode, message: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or_default();
    let body = json!({ "status": status.as_u16(), "error": reason, "message": message });
    json_response(status, &body)
}

fn only(method: &'static str) -> Response {
    let mut refusal = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let allow = HeaderValue::from_static(method);
    refusal.headers_mut().insert(header::ALLOW, allow);
    refusal
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
            routes: &[],
        }
    }

    fn begin(&self, _world: &World, kept: Option<Value>, _same_seed: bool) -> Result<(), String> {
        let memory: Memory = match kept {
            Some(kept) => serde_json::from_value(kept).map_err(|error| error.to_string())?,
            None => Memory::default(),
        };
        *self.memory() = memory;
        Ok(())
    }

    fn claims(&self, path: &str) -> bool {
        path == "/auth/token"
            || ["/sales-manager-api/", "/library/", "/kpc/", "/envoy2/"]
                .iter()
                .any(|prefix| path.starts_with(prefix))
    }

    fn is_api(&self, _path: &str) -> bool {
        true
    }

    fn answer(&self, request: &Request, world: &World) -> Response {
        let memory = &mut *self.memory();
        let path = request.uri().path();
        if path == "/auth/token" {
            memory.revision += 1;
            let life = memory.token_life;
            return memory
                .access
                .grant(request, world.seed(), life, world.now());
        }
        let _client = match memory.access.bearer(request.headers(), world.now()) {
            Ok(client) => client,
            Err(refusal) => return *refusal,
        };
        match (request.method(), path) {
            (&Method::GET, "/sales-manager-api/api/v1/merchants") => json_response(
                StatusCode::OK,
                &json!({ "type": "MERCHANT", "status": "ACTIVE" }),
            ),
            _ => text(StatusCode::NOT_FOUND, "Not Found\n"),
        }
    }

    fn events(&self) -> &'static [simulate::Event] {
        &EVENTS
    }

    fn event(&self, event: &str, subject: &str, _world: &World) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.revision += 1;
        match event {
            "reset-secret" => {
                let client = if subject.is_empty() {
                    0
                } else {
                    let mut clients = CLIENTS.iter();
                    clients
                        .position(|client| client.id == subject)
                        .ok_or_else(|| format!("it has no client {}", inert::quoted(subject, 40)))?
                };
                let secret = memory.access.reset(client);
                Ok(format!(
                    "the secret of {} is {secret} from now on; the old one is refused",
                    CLIENTS[client].id
                ))
            }
            "revoke-tokens" => {
                let count = memory.access.revoke();
                Ok(format!("{count} access tokens are void"))
            }
            _ => Err(format!("it has no event {}", inert::quoted(event, 40))),
        }
    }

    fn state(&self, world: &World) -> Value {
        let memory = self.memory();
        let (good, issued) = memory.access.count(world.now());
        json!({ "tokens_good": good, "tokens_issued": issued })
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
