//! Access control: the two environments with their credentials, the token call, and the two kinds of
//! `Authorization`. Strict where the documentation is: no credential is accepted in place of another
//! (`docs/providers/pledg.md#credentials`).

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fastrand::Rng;
use serde_json::json;

use super::{Memory, Refusal, json_response, refuse, with};
use crate::domain::WallTime;
use crate::http_server::{Request, Response};
use crate::sandbox::Simulator;
use crate::sandbox::simulator::seeded_hash;

/// The API key of the sandbox's shop, in staging.
pub const API_KEY: &str = "SANDBOX-PLEDG-KEY";
/// Its secret; it protects nothing. Key and secret are short enough that `base64` does not wrap them at 76 characters, so
/// the documented curl line works.
pub const API_SECRET: &str = "SANDBOX-PLEDG-API-SECRET";
/// Signs its purchases and notifications. It protects nothing either.
pub const MERCHANT_SECRET: &str = "SANDBOX-PLEDG-MERCHANT-SECRET-THAT-PROTECTS-NOTHING";
/// The login of its dashboard.
pub const DASHBOARD_USER: &str = "sandbox@shop.example";
/// The password of its dashboard, which protects nothing.
pub const DASHBOARD_PASSWORD: &str = "SANDBOX-PLEDG-PASSWORD-THAT-PROTECTS-NOTHING";

/// One environment.
#[derive(Debug)]
pub(super) struct Backend {
    pub name: &'static str,
    pub key: &'static str,
    pub secret: &'static str,
    pub dashboard: (&'static str, &'static str),
    pub company: &'static str,
    pub merchants: &'static [Merchant],
}

/// One payment solution.
#[derive(Debug)]
pub(super) struct Merchant {
    pub uid: &'static str,
    pub plan: Plan,
    /// Fees in hundredths of a per cent of the amount.
    pub fee: u64,
    /// The yearly rate in per cent, as JSON text.
    pub rate: &'static str,
    pub mode: Mode,
    /// Signs its purchases and notifications, where it has one.
    pub signs: Option<&'static str>,
}

/// When a payer pays.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plan {
    /// In this number of parts, a month apart.
    Installment(u64),
    /// In one part, this number of days later.
    Deferred(i64),
}

/// How a merchant is paid, which decides the kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// By bank transfer.
    Transfer,
    /// By a virtual card that the merchant's payment service provider charges.
    Back,
}

pub(super) static BACKENDS: [Backend; 2] = [
    Backend {
        name: "staging",
        key: API_KEY,
        secret: API_SECRET,
        dashboard: (DASHBOARD_USER, DASHBOARD_PASSWORD),
        company: "cmp_00000000-0000-4000-8000-000000000001",
        merchants: &[
            Merchant {
                uid: "mer_00000000-0000-4000-8000-000000000001",
                plan: Plan::Installment(3),
                fee: 100,
                rate: "23.1",
                mode: Mode::Transfer,
                signs: Some(MERCHANT_SECRET),
            },
            Merchant {
                uid: "mer_00000000-0000-4000-8000-000000000002",
                plan: Plan::Deferred(30),
                fee: 0,
                rate: "0",
                mode: Mode::Back,
                signs: Some(MERCHANT_SECRET),
            },
            Merchant {
                uid: "mer_00000000-0000-4000-8000-000000000003",
                plan: Plan::Installment(4),
                fee: 150,
                rate: "22.4",
                mode: Mode::Transfer,
                signs: None,
            },
        ],
    },
    Backend {
        name: "production",
        key: "SANDBOX-PLEDG-PRODUCTION-KEY",
        secret: "SANDBOX-PLEDG-PRODUCTION-SECRET-THAT-PROTECTS-NOTHING",
        dashboard: (
            "production@shop.example",
            "SANDBOX-PLEDG-PRODUCTION-PASSWORD-THAT-PROTECTS-NOTHING",
        ),
        company: "cmp_00000000-0000-4000-8000-000000000101",
        merchants: &[Merchant {
            uid: "mer_00000000-0000-4000-8000-000000000101",
            plan: Plan::Installment(3),
            fee: 100,
            rate: "23.1",
            mode: Mode::Transfer,
            signs: Some("SANDBOX-PLEDG-PRODUCTION-MERCHANT-SECRET-THAT-PROTECTS-NOTHING"),
        }],
    },
];

/// A payment solution by its uid, and where it is.
pub(super) fn merchant(uid: &str) -> Option<(&'static Backend, &'static Merchant)> {
    BACKENDS.iter().find_map(|backend| {
        let mut merchants = backend.merchants.iter();
        Some((backend, merchants.find(|merchant| merchant.uid == uid)?))
    })
}

/// The token call.
pub(super) fn grant(request: &Request, memory: &mut Memory, simulator: &Simulator) -> Response {
    let refused = |status, error: &str| json_response(status, &json!({ "error": error }));
    let pair = basic(request.headers());
    let backend = pair.and_then(|pair| {
        let mut backends = BACKENDS.iter();
        backends.find(|backend| is(&pair, (backend.key, backend.secret)))
    });
    let Some(backend) = backend else {
        // RFC 6749, 5.2: 401 with the scheme that the client used.
        let refusal = refused(StatusCode::UNAUTHORIZED, "invalid_client");
        return with(refusal, header::WWW_AUTHENTICATE, "Basic realm=\"token\"");
    };
    if !is_form(request.headers()) {
        return refused(StatusCode::BAD_REQUEST, "invalid_request");
    }
    // Exactly the documented body (`docs/providers/pledg.md#token`).
    if request.body() != "grant_type=client_credentials" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let now = simulator.now();
    let life = memory.controls.token_life;
    memory.tokens_issued += 1;
    memory.revision += 1;
    let expires = now.plus(life);
    let value = token(simulator.seed(), memory.tokens_issued, now, expires);
    memory.tokens.add(value.clone(), backend.name, now, expires);
    let body = json!({
        "access_token": value,
        "token_type": "Bearer",
        "expires_in": life.as_secs(),
    });
    let granted = json_response(StatusCode::OK, &body);
    // RFC 6749, 5.1.
    with(granted, header::CACHE_CONTROL, "no-store")
}

/// A token that looks like a JWT. Its last part is random: tokens are looked up, not verified.
fn token(seed: u64, turn: u64, now: WallTime, expires: WallTime) -> String {
    let mut rng = Rng::with_seed(seeded_hash(seed, "pledg token", turn));
    let claims = json!({ "iat": now.0 / 1000, "exp": expires.0 / 1000, "jti": turn.to_string() });
    let signature: [u8; 32] = std::array::from_fn(|_| rng.u8(..));
    let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The environment of the request's valid token.
pub(super) fn bearer(
    headers: &HeaderMap,
    memory: &Memory,
    simulator: &Simulator,
) -> Result<&'static Backend, Refusal> {
    let value = authorization(headers).and_then(|value| value.strip_prefix("Bearer "));
    let name = value.and_then(|value| memory.tokens.owner(value, simulator.now()));
    let mut backends = BACKENDS.iter();
    let backend = backends.find(|backend| Some(backend.name) == name);
    backend.ok_or_else(unauthorized_response)
}

/// The environment of the request's dashboard login.
pub(super) fn dashboard(headers: &HeaderMap) -> Result<&'static Backend, Refusal> {
    let pair = basic(headers);
    let backend = pair.and_then(|pair| {
        let mut backends = BACKENDS.iter();
        backends.find(|backend| is(&pair, backend.dashboard))
    });
    backend.ok_or_else(|| {
        let refusal = *refuse(StatusCode::UNAUTHORIZED, "login and password do not match");
        Box::new(with(
            refusal,
            header::WWW_AUTHENTICATE,
            "Basic realm=\"dashboard\"",
        ))
    })
}

/// Whether a merchant belongs to another environment than `backend`.
pub(super) fn is_in_other_environment(backend: &Backend, uid: &str) -> bool {
    merchant(uid).is_some_and(|(theirs, _)| theirs.name != backend.name)
}

/// The answer to a call without a valid token.
pub(super) fn unauthorized_response() -> Refusal {
    let refusal = *refuse(StatusCode::UNAUTHORIZED, "no valid access token");
    Box::new(with(refusal, header::WWW_AUTHENTICATE, "Bearer"))
}

/// The pair in `Authorization: Basic`, split at the first colon. Wrapped base64 is invalid.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = authorization(headers)?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn is(pair: &(String, String), known: (&str, &str)) -> bool {
    (pair.0.as_str(), pair.1.as_str()) == known
}

/// The `Authorization` header, if there is exactly one.
fn authorization(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return None;
    };
    value.to_str().ok()
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
