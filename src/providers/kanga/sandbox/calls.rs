//! The calls of the API: estimates, tokens, checks and the test call.

use fastrand::Rng;
use hyper::http::StatusCode;
use serde_json::{Map, Value, json};

use super::prices::Market;
use super::signed;
use super::{CREDENTIALS, Call, NOT_FOUND, SHOPS, TEST_KEY, TEST_SECRET};
use crate::http_server::Response;
use crate::sandbox::reply::{self, ok};
use crate::sandbox::route::Answer;
use crate::sandbox::simulator::seeded_hash;

impl Call<'_> {
    fn fail(&self, code: Option<u16>) -> Box<Response> {
        let mut body = json!({ "result": "fail" });
        if let Some(code) = code {
            body["code"] = code.into();
        }
        let status = if self.state.rules.failures_are_400 {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        Box::new(reply::json(status, &body))
    }

    /// The fields of a call that is signed under this secret.
    fn signed(&self, secret: &str) -> Option<Value> {
        let (headers, body) = (self.request.headers(), self.request.body());
        let upper_case = self.state.rules.upper_case_signatures;
        // Signature first (`docs/providers/kanga.md#signature`): nothing is parsed before.
        signed::is_signed(headers, body, secret, upper_case).then(|| signed::fields(body))?
    }

    /// Accepts a signed call and uses up its nonce; the secret that matches identifies the shop.
    fn admit(&mut self) -> Answer<Value> {
        self.admitted().ok_or_else(|| self.fail(CREDENTIALS))
    }

    fn admitted(&mut self) -> Option<Value> {
        let mut shops = SHOPS.iter().enumerate();
        let (caller, fields) =
            shops.find_map(|(at, shop)| Some((at, self.signed(shop.secret)?)))?;
        let shop = &SHOPS[caller];
        // The secret of one shop with the key of another.
        if fields["appId"] != shop.key {
            return None;
        }
        let nonce = fields["nonce"].as_u64()?;
        let last = self.state.nonces.get(shop.name);
        if last.is_some_and(|last| nonce <= *last) {
            return None;
        }
        // Used up once the signature was right, whatever the answer (`docs/providers/kanga.md#nonce`).
        self.state.nonces.insert(shop.name.to_owned(), nonce);
        self.caller = caller;
        Some(fields)
    }
}

pub(super) fn estimate(call: &mut Call<'_>) -> Answer {
    let fields = signed::fields(call.request.body()).ok_or_else(|| call.fail(None))?;
    if !SHOPS.iter().any(|shop| fields["shopToken"] == shop.key) {
        return Err(call.fail(CREDENTIALS));
    }
    let (Some(token), Some(quantity)) = (fields["token"].as_str(), fields["quantity"].as_str())
    else {
        return Err(call.fail(None));
    };
    let prices = Market::of(call.simulator).estimate(token, quantity);
    let mut prices = prices.ok_or_else(|| call.fail(None))?;
    // Shuffled, so that a client which relies on the order fails here (`docs/providers/kanga.md#price-estimate`).
    call.state.estimates += 1;
    let seed = call.simulator.seed();
    let mut rng = Rng::with_seed(seeded_hash(seed, "estimate order", call.state.estimates));
    rng.shuffle(&mut prices);
    let prices = prices.into_iter();
    ok(prices
        .map(|(code, price)| (code.to_owned(), Value::String(price)))
        .collect::<Map<_, _>>())
}

pub(super) fn create_token(call: &mut Call<'_>) -> Answer {
    call.admit()?;
    let state = &mut *call.state;
    state.tokens_issued += 1;
    // From the seed, so that a run can be repeated exactly.
    let seed = seeded_hash(call.simulator.seed(), "payment token", state.tokens_issued);
    let mut rng = Rng::with_seed(seed);
    let value: String = (0..32).map(|_| rng.alphanumeric()).collect();
    let body = json!({ "result": "ok", "paymentToken": value });
    let (owner, life) = (SHOPS[call.caller].name, state.rules.token_life.0);
    state
        .tokens
        .add(owner, value, call.now..call.now.plus(life));
    ok(body)
}

pub(super) fn check(call: &mut Call<'_>) -> Answer {
    let fields = call.admit()?;
    let id = fields["id"].as_str().unwrap_or_default();
    let payment = call.state.payment(&SHOPS[call.caller], id);
    let payment = payment.ok_or_else(|| call.fail(NOT_FOUND))?;
    ok(json!({
        "result": "ok",
        "currency": payment.currency,
        "amount": payment.amount,
        "state": payment.progress(call.now).state.as_str(),
    }))
}

pub(super) fn test(call: &mut Call<'_>) -> Answer {
    let valid = call.signed(TEST_SECRET).is_some_and(|fields| {
        let is_absent_or = |name: &str, is: fn(&Value) -> bool| fields.get(name).is_none_or(is);
        fields["appId"] == TEST_KEY
            && fields["nonce"].is_u64()
            // The document's optional parameters, with the types of its table (`docs/providers/kanga.md#calls`).
            && is_absent_or("param1", |value| value.is_i64() || value.is_u64())
            && is_absent_or("param2", Value::is_string)
    });
    if valid {
        ok(json!({ "result": "ok" }))
    } else {
        Err(call.fail(None))
    }
}
