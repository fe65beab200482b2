//! Access control: the two environments with their credentials, the token call, and the two kinds of
//! `Authorization`. Strict where the documentation is: no credential is accepted in place of another
//! (`docs/providers/pledg.md#credentials`).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fastrand::Rng;
use hyper::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize as _, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::{Call, jwt, refuse};
use crate::sandbox::SimulatedProvider as _;
use crate::sandbox::reply::{self, with};
use crate::sandbox::route::Answer;
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

#[derive(Debug)]
pub(super) struct Backend {
    pub name: &'static str,
    pub key: &'static str,
    pub secret: &'static str,
    pub dashboard: (&'static str, &'static str),
    pub company: &'static str,
    pub merchants: &'static [Merchant],
}

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

/// Saved as its uid.
impl Serialize for Merchant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.uid)
    }
}

pub(super) fn saved<'de, D: Deserializer<'de>>(from: D) -> Result<&'static Merchant, D::Error> {
    let uid = String::deserialize(from)?;
    let known = BACKENDS.iter().find_map(|backend| backend.merchant(&uid));
    known.ok_or_else(|| serde::de::Error::custom("it contains a purchase of an unknown merchant"))
}

impl Backend {
    pub fn merchant(&self, uid: &str) -> Option<&'static Merchant> {
        self.merchants.iter().find(|merchant| merchant.uid == uid)
    }

    /// Whether a request has this pair in `Authorization: Basic`, split at the first colon. Wrapped base64 is invalid.
    fn is_given(headers: &HeaderMap, pair: (&str, &str)) -> bool {
        let encoded = reply::authorization(headers).and_then(|value| value.strip_prefix("Basic "));
        let given = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        let given = given.and_then(|given| String::from_utf8(given).ok());
        given.is_some_and(|given| given.split_once(':') == Some(pair))
    }
}

pub(super) fn grant(call: &mut Call<'_>) -> Answer {
    let refused = |status, error: &str| Box::new(reply::json(status, &json!({ "error": error })));
    let headers = call.request.headers();
    let backend = call.state.backend();
    if !Backend::is_given(headers, (backend.key, backend.secret)) {
        // RFC 6749, 5.2: 401 with the scheme that the client used.
        let refusal = refused(StatusCode::UNAUTHORIZED, "invalid_client");
        let scheme = "Basic realm=\"token\"";
        return Err(Box::new(with(*refusal, header::WWW_AUTHENTICATE, scheme)));
    }
    if !reply::is_form(headers) {
        return Err(refused(StatusCode::BAD_REQUEST, "invalid_request"));
    }
    // Exactly the documented body (`docs/providers/pledg.md#token`).
    if call.request.body() != "grant_type=client_credentials" {
        return Err(refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"));
    }
    let life = call.state.rules.token_life.0;
    call.state.tokens_issued += 1;
    let expires = call.now.plus(life);
    // It looks like a JWT. Its last part is random: tokens are looked up, not verified.
    let turn = call.state.tokens_issued;
    // No token of one environment is one of the other's.
    let name = format!("{} token", call.state.provider());
    let mut rng = Rng::with_seed(seeded_hash(call.simulator.seed(), &name, turn));
    let (iat, exp) = (call.now.0 / 1000, expires.0 / 1000);
    let head = jwt::part(&json!({ "typ": "JWT", "alg": "HS256" }));
    let claims = jwt::part(&json!({ "iat": iat, "exp": exp, "jti": turn.to_string() }));
    let signature: [u8; 32] = std::array::from_fn(|_| rng.u8(..));
    let value = format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature));
    let body = json!({
        "access_token": value,
        "token_type": "Bearer",
        "expires_in": life.as_secs(),
    });
    call.state.tokens.add((), value, call.now..expires);
    let granted = reply::json(StatusCode::OK, &body);
    // RFC 6749, 5.1.
    Ok(with(granted, header::CACHE_CONTROL, "no-store"))
}

impl Call<'_> {
    pub(super) fn bearer(&self) -> Answer<()> {
        let value = reply::authorization(self.request.headers());
        let value = value.and_then(|value| value.strip_prefix("Bearer "));
        let owner = value.and_then(|value| self.state.tokens.owner(value, self.now));
        owner.ok_or_else(|| {
            let refusal = *refuse(StatusCode::UNAUTHORIZED, "no valid access token");
            Box::new(with(refusal, header::WWW_AUTHENTICATE, "Bearer"))
        })
    }

    pub(super) fn dashboard(&self) -> Answer<()> {
        if Backend::is_given(self.request.headers(), self.state.backend().dashboard) {
            return Ok(());
        }
        let refusal = *refuse(StatusCode::UNAUTHORIZED, "login and password do not match");
        let scheme = "Basic realm=\"dashboard\"";
        Err(Box::new(with(refusal, header::WWW_AUTHENTICATE, scheme)))
    }
}
