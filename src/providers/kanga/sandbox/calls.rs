//! The calls of the API: estimates, tokens, checks and the test call.

use axum::http::StatusCode;
use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::signed::{self, Fields};
use super::{
    CREDENTIALS, Kanga, Memory, NOT_FOUND, SHOPS, Shop, TEST_KEY, TEST_SECRET, json_response,
    prices,
};
use crate::http_server::{Request, Response};
use crate::sandbox::Simulator;
use crate::sandbox::simulator::seeded_hash;

impl Kanga {
    pub(super) fn fail(&self, code: Option<u16>) -> Response {
        let mut body = Map::new();
        body.insert("result".into(), "fail".into());
        if let Some(code) = code {
            body.insert("code".into(), code.into());
        }
        let status = if self.rules().failures_are_400 {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        json_response(status, &body.into())
    }

    /// Accepts a signed call and uses up its nonce.
    fn admit(&self, request: &Request, memory: &mut Memory) -> Option<(&'static Shop, Fields)> {
        let body = request.body();
        // Signature first (`docs/providers/kanga.md#signature`): the secret that matches identifies the shop; nothing is
        // parsed before.
        let shop = SHOPS.iter().find(|shop| {
            let upper_case = self.rules().upper_case_signatures;
            signed::is_signed(request.headers(), body, shop.secret, upper_case)
        })?;
        let fields = Fields::read(body)?;
        // The secret of one shop with the key of another.
        if fields.text("appId")? != shop.key {
            return None;
        }
        let nonce = fields.integer("nonce")?;
        let last = memory.nonces.get(shop.name);
        if last.is_some_and(|last| nonce <= *last) {
            return None;
        }
        // Used up once the signature was right, whatever the answer (`docs/providers/kanga.md#nonce`).
        memory.nonces.insert(shop.name.to_owned(), nonce);
        memory.revision += 1;
        Some((shop, fields))
    }

    pub(super) fn estimate(&self, request: &Request, simulator: &Simulator) -> Response {
        let fields = Fields::read(request.body());
        let Some(fields) = fields else {
            return self.fail(None);
        };
        let known = |key: &str| SHOPS.iter().any(|shop| shop.key == key);
        // The estimate is unsigned, so the key alone is checked.
        if !fields.text("shopToken").is_some_and(known) {
            return self.fail(CREDENTIALS);
        }
        let (Some(token), Some(quantity)) = (fields.text("token"), fields.text("quantity")) else {
            return self.fail(None);
        };
        let elapsed = simulator.now().since(simulator.start());
        let Some(mut prices) = prices::estimate(simulator.seed(), elapsed, token, quantity) else {
            return self.fail(None);
        };
        // Shuffled, so that a client which relies on the order fails here (`docs/providers/kanga.md#price-estimate`).
        let number = {
            let mut memory = self.memory();
            memory.estimates += 1;
            memory.estimates
        };
        let mut rng = Rng::with_seed(seeded_hash(simulator.seed(), "estimate order", number));
        rng.shuffle(&mut prices);
        let prices: Map<_, _> = prices
            .into_iter()
            .map(|(code, price)| (code.to_owned(), Value::String(price)))
            .collect();
        json_response(StatusCode::OK, &prices.into())
    }

    pub(super) fn create_token(&self, request: &Request, simulator: &Simulator) -> Response {
        let memory = &mut *self.memory();
        let Some((shop, _)) = self.admit(request, memory) else {
            return self.fail(CREDENTIALS);
        };
        memory.tokens_issued += 1;
        let number = memory.tokens_issued;
        // From the seed, so that a run can be repeated exactly.
        let mut rng = Rng::with_seed(seeded_hash(simulator.seed(), "payment token", number));
        let value: String = (0..32).map(|_| rng.alphanumeric()).collect();
        let now = simulator.now();
        let expires = now.plus(self.rules().token_life);
        memory.tokens.add(value.clone(), shop.name, now, expires);
        let body = json!({ "result": "ok", "paymentToken": value });
        json_response(StatusCode::OK, &body)
    }

    pub(super) fn check(&self, request: &Request, simulator: &Simulator) -> Response {
        let memory = &mut *self.memory();
        let Some((shop, fields)) = self.admit(request, memory) else {
            return self.fail(CREDENTIALS);
        };
        let id = fields.text("id").unwrap_or_default();
        let Some(payment) = memory.payment(shop, id) else {
            return self.fail(NOT_FOUND);
        };
        let body = json!({
            "result": "ok",
            "currency": payment.currency,
            "amount": payment.amount,
            "state": payment.progress(simulator.now()).state.as_str(),
        });
        json_response(StatusCode::OK, &body)
    }

    pub(super) fn test(&self, request: &Request) -> Response {
        let body = request.body();
        let upper_case = self.rules().upper_case_signatures;
        let valid = signed::is_signed(request.headers(), body, TEST_SECRET, upper_case)
            && Fields::read(body).is_some_and(|fields| {
                fields.text("appId") == Some(TEST_KEY)
                    && fields.integer("nonce").is_some()
                    // The document's optional parameters, with the types of its table
                    // (`docs/providers/kanga.md#calls`).
                    && fields.is_absent_or("param1", |value| value.is_i64() || value.is_u64())
                    && fields.is_absent_or("param2", Value::is_string)
            });
        if valid {
            json_response(StatusCode::OK, &json!({ "result": "ok" }))
        } else {
            self.fail(None)
        }
    }
}
