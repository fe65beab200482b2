//! Who may call, and how often: clients with their secrets, access tokens, and the two sliding windows of a minute
//! each. All times are simulated time.

use std::time::Duration;

use fastrand::Rng;
use hyper::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::WallTime;
use crate::sandbox::controls::choices;
use crate::sandbox::fields::Fields;
use crate::sandbox::granted::Granted;
use crate::sandbox::route::Answer;
use crate::sandbox::simulator::seeded_hash;
use crate::sandbox::{SimulatedProvider as _, reply};

use super::{Call, error};

/// The client of each seller, in the sandbox environment and in production. Neither sees the other's offers.
pub const CLIENTS: [[&str; 2]; 2] = [
    [super::CLIENT_ID, "SANDBOX-KINGUIN-OTHER-CLIENT"],
    [
        "SANDBOX-KINGUIN-PRODUCTION-CLIENT",
        "SANDBOX-KINGUIN-PRODUCTION-OTHER-CLIENT",
    ],
];

pub const WINDOW: Duration = Duration::from_mins(1);

/// An access token's length in the provider's sample.
const TOKEN_LEN: usize = 86;

/// Clients and the tokens they were granted. Tokens are secrets and do not survive a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Access {
    resets: [u32; 2],
    pub issued: u64,
    #[serde(skip)]
    pub tokens: Granted<usize>,
}

pub fn grant(call: &mut Call<'_>) -> Answer {
    let (clients, name) = (call.state.clients(), call.state.provider());
    let (request, access) = (call.request, &mut call.state.access);
    let refuse = |status, error: &str, why: &str| {
        // RFC 6749, 5.2 has the first two; public clients read `message` (`docs/providers/kinguin.md#failures`).
        let body = json!({ "error": error, "error_description": why, "message": why });
        Box::new(reply::json(status, &body))
    };
    let bad = |why: &str| refuse(StatusCode::BAD_REQUEST, "invalid_request", why);
    // RFC 6749, 4.4.2 requires a form, and so does Kinguin (`docs/providers/kinguin.md#token`).
    if !reply::is_form(request.headers()) {
        return Err(bad("The body must be application/x-www-form-urlencoded"));
    }
    let form = Fields::of_form(request.body()).ok_or_else(|| bad("The body is not a form"))?;
    let names = ["grant_type", "client_id", "client_secret"];
    // RFC 6749, 3.2: no parameter may occur more than once.
    if let Some(name) = form.doubled().filter(|name| names.contains(name)) {
        return Err(bad(&format!("The parameter {name} occurs twice")));
    }
    let field = |name: &str| {
        let value = form.filled(name);
        value.ok_or_else(|| bad(&format!("The parameter {name} is missing")))
    };
    if field("grant_type")? != "client_credentials" {
        let (kind, why) = (
            "unsupported_grant_type",
            "Only the grant type client_credentials is supported",
        );
        return Err(refuse(StatusCode::BAD_REQUEST, kind, why));
    }
    let (id, secret) = (field("client_id")?, field("client_secret")?);
    let client = clients.iter().position(|client| *client == id);
    let client = client.filter(|at| access.secret(id, *at) == secret);
    // One answer for an unknown client and a wrong secret, so that ids cannot be probed.
    let client = client.ok_or_else(|| {
        let why = "Client authentication failed";
        refuse(StatusCode::UNAUTHORIZED, "invalid_client", why)
    })?;
    access.issued += 1;
    // Seeded by the run's start, so that tokens of another run, environment or simulator are rejected.
    let (seed, start) = (call.simulator.seed(), call.simulator.start());
    let seed = seeded_hash(seed, name, start.0.cast_unsigned());
    let mut rng = Rng::with_seed(seeded_hash(seed, "kinguin token", access.issued));
    let value: String = (0..TOKEN_LEN).map(|_| rng.alphanumeric()).collect();
    let life = call.state.rules.token_life.0;
    let body = json!({
        "access_token": value,
        "expires_in": life.as_secs(),
        "token_type": "bearer",
        "scope": null,
    });
    access
        .tokens
        .add(client, value, call.now..call.now.plus(life));
    let granted = reply::json(StatusCode::OK, &body);
    // RFC 6749, 5.1.
    Ok(reply::with(granted, header::CACHE_CONTROL, "no-store"))
}

impl Access {
    /// A client's secret, which counts the resets.
    fn secret(&self, client: &str, at: usize) -> String {
        let secret = client.replace("CLIENT", "SECRET");
        format!("{secret}-{}", self.resets[at] + 1)
    }

    /// The client whose token a call carries.
    pub fn bearer(&self, headers: &HeaderMap, now: WallTime) -> Answer<usize> {
        let token = reply::authorization(headers)
            .and_then(|value| value.split_once(' '))
            // The scheme's name has no case (RFC 9110, 11.1).
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let client = token.and_then(|token| self.tokens.owner(token, now));
        client.ok_or_else(|| {
            let message = "Full authentication is required to access this resource";
            let refusal = *error(StatusCode::UNAUTHORIZED, message);
            // A 401 must name a scheme (RFC 9110, 11.6.1).
            Box::new(reply::with(refusal, header::WWW_AUTHENTICATE, "Bearer"))
        })
    }

    /// Gives a client a new secret, as the developer section does; the old one is invalid at once. Granted tokens stay
    /// valid until they expire.
    pub fn reset(&mut self, client: &str, at: usize) -> String {
        self.resets[at] += 1;
        self.secret(client, at)
    }
}

choices! {
    pub enum OverLimit {
        // 429 without `Retry-After`.
        Refuse = "refuse",
        /// 429 with `Retry-After`.
        RefuseWithRetryAfter = "refuse-with-retry-after",
        /// The answer comes once the window has room.
        Delay = "delay",
    }
}

/// A sliding window of one client's calls.
#[derive(Debug, Default)]
pub struct Window {
    /// Ascending; a delayed call is entered at the time it is let in.
    entered: Vec<WallTime>,
}

impl Window {
    /// The time until one more call fits; zero if it fits now.
    pub fn wait(&mut self, limit: usize, now: WallTime) -> Duration {
        let left = self.entered.partition_point(|at| at.plus(WINDOW) <= now);
        self.entered.drain(..left);
        match self.entered.len().checked_sub(limit) {
            Some(before) => self.entered[before].plus(WINDOW).since(now),
            None => Duration::ZERO,
        }
    }

    pub fn enter(&mut self, now: WallTime, wait: Duration) {
        self.entered.push(now.plus(wait));
    }

    /// The number of calls in the window, delayed ones included.
    pub fn used(&self, now: WallTime) -> usize {
        let inside = self.entered.iter();
        inside.filter(|at| at.plus(WINDOW) > now).count()
    }
}
