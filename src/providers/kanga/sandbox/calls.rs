//! The calls of the API: estimates, tokens, checks and the test call.

use fastrand::Rng;
use hyper::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::prices::Market;
use super::{CREDENTIALS, Call, NOT_FOUND, SHOPS, TEST_KEY, TEST_SECRET};
use crate::domain::unique_keys::UniqueKeys;
use crate::http_server::Response;
use crate::sandbox::reply::{self, ok};
use crate::sandbox::route::Answer;
use crate::sandbox::sign::hmac_sha512;
use crate::sandbox::simulator::seeded_hash;

const HEADER: &str = "api-sig";

/// Whether the header carries the HMAC-SHA512 of `body` under `secret`, the secret taken as text.
fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str, upper_case: bool) -> bool {
    let mut values = headers.get_all(HEADER).iter();
    // Two signatures are none: a proxy and a server could each check another one.
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let (value, right) = (
        value.to_str().unwrap_or_default(),
        hmac_sha512(secret, body),
    );
    value == right || upper_case && value.eq_ignore_ascii_case(&right)
}

/// A JSON object of plain values. A duplicate key, a nested value or bytes after the object are rejected: two parsers could
/// read such a body differently.
fn fields(body: &[u8]) -> Option<Value> {
    let UniqueKeys(fields) = serde_json::from_slice(body).ok()?;
    let is_plain = |(_, value): &(String, Value)| !value.is_object() && !value.is_array();
    let all_plain = fields.iter().all(is_plain);
    all_plain.then(|| Value::Object(fields.into_iter().collect()))
}

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
        is_signed(headers, body, secret, upper_case).then(|| fields(body))?
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
    let fields = fields(call.request.body()).ok_or_else(|| call.fail(None))?;
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

#[cfg(test)]
mod tests {
    use hyper::http::HeaderValue;

    use super::super::tests::{VECTOR, sign};
    use super::*;

    const BODY: &str = r#"{"appId":"TEST","nonce":1234}"#;

    fn header(signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("API-Sig", HeaderValue::from_str(signature).unwrap());
        headers
    }

    fn accepted(signature: &str) -> bool {
        is_signed(&header(signature), BODY.as_bytes(), TEST_SECRET, false)
    }

    // docs/providers/kanga.md#signature
    #[test]
    fn the_published_vector_is_accepted() {
        assert_eq!(TEST_KEY, "TEST");
        assert_eq!(sign(BODY, TEST_SECRET.as_bytes()), VECTOR);
        assert!(accepted(VECTOR));
    }

    // docs/providers/kanga.md#signature
    #[test]
    fn signatures_over_other_bytes_or_by_a_decoded_secret_are_refused() {
        let spaced = sign(r#"{"appId":"TEST", "nonce":1234}"#, TEST_SECRET.as_bytes());
        assert!(spaced.starts_with("69c7bcf0a97ce852"));
        let swapped = sign(r#"{"nonce":1234,"appId":"TEST"}"#, TEST_SECRET.as_bytes());
        assert!(swapped.starts_with("b8958041b9403a62"));
        let decoded: Vec<u8> = (0..TEST_SECRET.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&TEST_SECRET[at..at + 2], 16).unwrap())
            .collect();
        let hex_decoded = sign(BODY, &decoded);
        assert!(hex_decoded.starts_with("372c2b0ca7d7979d"));
        for wrong in [&spaced, &swapped, &hex_decoded] {
            assert!(!accepted(wrong));
        }
        let swapped_body = br#"{"nonce":1234,"appId":"TEST"}"#;
        assert!(
            is_signed(&header(&swapped), swapped_body, TEST_SECRET, false),
            "order is free, the bytes must match"
        );
    }

    // docs/providers/kanga.md#signature
    #[test]
    fn an_upper_case_signature_is_refused_unless_switched_on() {
        let upper = header(&VECTOR.to_uppercase());
        assert!(!is_signed(&upper, BODY.as_bytes(), TEST_SECRET, false));
        assert!(is_signed(&upper, BODY.as_bytes(), TEST_SECRET, true));
    }

    #[test]
    fn a_missing_doubled_or_torn_signature_is_refused() {
        assert!(!is_signed(
            &HeaderMap::new(),
            BODY.as_bytes(),
            TEST_SECRET,
            false
        ));
        let mut doubled = header(VECTOR);
        doubled.append(HEADER, HeaderValue::from_static(VECTOR));
        assert!(!is_signed(&doubled, BODY.as_bytes(), TEST_SECRET, false));
        for torn in ["", &VECTOR[..126], &format!("{VECTOR}00")] {
            assert!(!accepted(torn));
        }
    }

    // docs/providers/kanga.md#simulator
    #[test]
    fn duplicate_keys_nested_values_and_trailing_bytes_are_refused() {
        for bad in [
            r#"{"appId":"A","nonce":1,"nonce":2}"#,
            r#"{"appId":"A","\u0061ppId":"B"}"#,
            r#"{"appId":"A","nonce":{"a":1}}"#,
            r#"{"appId":"A"}x"#,
            r#"{"appId":"A"}{}"#,
            r#"{"appId":"A""#,
            r#"["appId"]"#,
            "\u{feff}{}",
            "",
        ] {
            assert_eq!(fields(bad.as_bytes()), None, "{bad}");
        }
        let fields = fields(b" {\"nonce\": 5, \"appId\":\"A\", \"x\":null}\n").unwrap();
        assert_eq!(
            (fields["nonce"].as_u64(), fields["appId"].as_str()),
            (Some(5), Some("A"))
        );
    }

    // docs/providers/kanga.md#nonce
    #[test]
    fn a_nonce_is_a_non_negative_integer() {
        let nonce = |text: &str| {
            let body = format!(r#"{{"nonce":{text}}}"#);
            fields(body.as_bytes()).and_then(|fields| fields["nonce"].as_u64())
        };
        assert_eq!(nonce("1571776939000"), Some(1_571_776_939_000));
        assert_eq!(nonce("18446744073709551615"), Some(u64::MAX));
        for bad in [
            "-1",
            "1.0",
            "1e3",
            "\"5\"",
            "null",
            "true",
            "18446744073709551616",
        ] {
            assert_eq!(nonce(bad), None, "{bad}");
        }
    }
}
