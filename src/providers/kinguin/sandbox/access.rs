//! Who may call, and how often: clients with their secrets, access tokens, and the two sliding windows of a minute
//! each. All times are simulated time.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::WallTime;
use crate::http_server::{Request, Response};
use crate::sandbox::granted::Granted;
use crate::sandbox::simulator::seeded_hash;

use super::{error, json_response, only};

/// A client of the developer section.
pub struct Client {
    /// Its id; not a secret.
    pub id: &'static str,
    /// The prefix of its secrets; the number of resets follows.
    secrets: &'static str,
}

/// One client of each seller.
pub const CLIENTS: [Client; 2] = [
    Client {
        id: super::CLIENT_ID,
        secrets: "SANDBOX-KINGUIN-SECRET",
    },
    Client {
        id: super::OTHER_CLIENT_ID,
        secrets: "SANDBOX-KINGUIN-OTHER-SECRET",
    },
];

/// The window the limits are counted in.
pub const WINDOW: Duration = Duration::from_mins(1);

/// An access token's length in the provider's sample.
const TOKEN_LEN: usize = 86;

/// Clients and the tokens they were granted. Tokens are secrets and do not survive a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Access {
    /// How often each client's secret was reset.
    resets: [u32; 2],
    issued: u64,
    #[serde(skip)]
    tokens: Granted<usize>,
}

impl Access {
    fn secret(&self, client: usize) -> String {
        format!("{}-{}", CLIENTS[client].secrets, self.resets[client] + 1)
    }

    /// Answers the token call.
    pub fn grant(
        &mut self,
        request: &Request,
        seed: u64,
        life: Duration,
        now: WallTime,
    ) -> Response {
        if request.method() != Method::POST {
            return only("POST");
        }
        let refuse = |status, error: &str, why: &str| {
            // RFC 6749, 5.2 has the first two; public clients read `message` (`docs/providers/kinguin.md#failures`).
            let body = json!({ "error": error, "error_description": why, "message": why });
            json_response(status, &body)
        };
        let bad = |why: &str| refuse(StatusCode::BAD_REQUEST, "invalid_request", why);
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        // RFC 6749, 4.4.2 requires a form, and so does Kinguin (`docs/providers/kinguin.md#token`).
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return bad("The body must be application/x-www-form-urlencoded");
        }
        let Ok(form) = serde_urlencoded::from_bytes::<Vec<(String, String)>>(request.body()) else {
            return bad("The body is not a form");
        };
        let field = |name: &str| {
            let mut values = form.iter().filter(|(known, _)| known == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) if !value.is_empty() => Ok(value.as_str()),
                // RFC 6749, 3.2: no parameter may occur more than once.
                (Some(_), Some(_)) => Err(format!("The parameter {name} occurs twice")),
                _ => Err(format!("The parameter {name} is missing")),
            }
        };
        match field("grant_type") {
            Ok("client_credentials") => {}
            Ok(_) => {
                let why = "Only the grant type client_credentials is supported";
                return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", why);
            }
            Err(why) => return bad(&why),
        }
        let (id, secret) = match (field("client_id"), field("client_secret")) {
            (Ok(id), Ok(secret)) => (id, secret),
            (Err(why), _) | (_, Err(why)) => return bad(&why),
        };
        let client = CLIENTS.iter().position(|client| client.id == id);
        let Some(client) = client.filter(|client| self.secret(*client) == secret) else {
            // One answer for an unknown client and a wrong secret, so that ids cannot be probed.
            let why = "Client authentication failed";
            return refuse(StatusCode::UNAUTHORIZED, "invalid_client", why);
        };
        let value = self.issue(client, seed, life, now);
        let mut granted = json_response(
            StatusCode::OK,
            &json!({
                "access_token": value,
                "expires_in": life.as_secs(),
                "token_type": "bearer",
                "scope": null,
            }),
        );
        // RFC 6749, 5.1.
        let no_store = HeaderValue::from_static("no-store");
        granted
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_store);
        granted
    }

    fn issue(&mut self, client: usize, seed: u64, life: Duration, now: WallTime) -> String {
        self.issued += 1;
        let mut rng = Rng::with_seed(seeded_hash(seed, "kinguin token", self.issued));
        let value: String = (0..TOKEN_LEN).map(|_| rng.alphanumeric()).collect();
        let expires = now.plus(life);
        self.tokens.add(value.clone(), client, now, expires);
        value
    }

    /// The client whose token a call carries.
    ///
    /// # Errors
    /// The error response, if there is no valid token.
    pub fn bearer(&self, headers: &HeaderMap, now: WallTime) -> Result<usize, Box<Response>> {
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        // Two `Authorization` headers are none: two servers could each read another one.
        let value = match (all.next(), all.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        };
        let token = value
            .and_then(|value| value.split_once(' '))
            // The scheme's name has no case (RFC 9110, 11.1).
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let client = token.and_then(|token| self.tokens.owner(token, now));
        client.ok_or_else(|| {
            let mut refusal = error(
                StatusCode::UNAUTHORIZED,
                "Full authentication is required to access this resource",
            );
            // A 401 must name a scheme (RFC 9110, 11.6.1).
            let scheme = HeaderValue::from_static("Bearer");
            let headers = refusal.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, scheme);
            Box::new(refusal)
        })
    }

    /// Gives a client a new secret, as the developer section does; the old one is invalid at once. Granted tokens stay
    /// valid until they expire.
    pub fn reset(&mut self, client: usize) -> String {
        self.resets[client] += 1;
        self.secret(client)
    }

    /// Revokes every token.
    pub fn revoke(&mut self) -> usize {
        self.tokens.revoke()
    }

    /// The number of valid tokens, and of all tokens ever granted.
    pub fn count(&self, now: WallTime) -> (usize, u64) {
        (self.tokens.valid_count(now), self.issued)
    }
}

/// How calls over the limit are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OverLimit {
    /// 429 without `Retry-After`.
    #[default]
    Refuse,
    /// 429 with `Retry-After`.
    RefuseWithRetryAfter,
    /// The answer comes once the window has room.
    Delay,
}

impl OverLimit {
    /// Every way with its name.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Refuse, "refuse"),
        (Self::RefuseWithRetryAfter, "refuse-with-retry-after"),
        (Self::Delay, "delay"),
    ];
}

/// A sliding window of one client's calls.
#[derive(Debug, Default)]
pub struct Window {
    /// Ascending; a delayed call is entered at the time it is let in.
    entered: VecDeque<WallTime>,
}

impl Window {
    /// The time until one more call fits; zero if it fits now.
    pub fn wait(&mut self, limit: usize, now: WallTime) -> Duration {
        while self
            .entered
            .front()
            .is_some_and(|at| at.plus(WINDOW) <= now)
        {
            self.entered.pop_front();
        }
        match self.entered.len().checked_sub(limit) {
            Some(before) => self.entered[before].plus(WINDOW).since(now),
            None => Duration::ZERO,
        }
    }

    /// Enters one call, `wait` from now.
    pub fn enter(&mut self, now: WallTime, wait: Duration) {
        self.entered.push_back(now.plus(wait));
    }

    /// The number of calls in the window, delayed ones included.
    pub fn used(&self, now: WallTime) -> usize {
        let inside = self.entered.iter();
        inside.filter(|at| at.plus(WINDOW) > now).count()
    }
}
