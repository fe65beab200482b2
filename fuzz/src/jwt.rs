//! JSON Web Tokens: those that prove a callback, and those that are shown.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tilldeck::auth::{jwt, sign};
use tilldeck::domain::Secret;

use super::{Input, NOW, assert_inert, unguessable};

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new(unguessable()));

/// `0` and a token as it is; or `1`, a header and a payload, each on a line, which are encoded and signed.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let signed = input.choose(&[false, true]);
    let (token, parts) = if signed {
        let (header, payload) = (input.line(), input.line());
        let encoded = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let mac = sign::hmac_sha256(&SECRET, encoded.as_bytes());
        let token = format!("{encoded}.{}", URL_SAFE_NO_PAD.encode(mac));
        (token, Some((header, payload)))
    } else {
        (String::from_utf8_lossy(input.rest()).into_owned(), None)
    };
    if let Some(claims) = jwt::claims(&Secret::new(token.as_str())) {
        assert_inert(&claims);
        assert!(claims.chars().count() <= 4_001);
    }
    match sign::verify_jwt_hs256(&SECRET, &token, NOW) {
        Ok(payload) => {
            let (header, said) = parts.expect("a token that was not signed here is not accepted");
            let header: Value = serde_json::from_slice(header).expect("a header is JSON");
            assert_eq!(header["alg"], "HS256");
            assert_eq!(
                serde_json::from_slice::<Value>(said).ok(),
                Some(payload.clone())
            );
            if let Some(end) = payload["exp"].as_i64() {
                // Clocks may differ by a minute.
                assert!(
                    end.saturating_add(60).saturating_mul(1_000) > NOW.0,
                    "an expired one is accepted"
                );
            }
        }
        Err(error) => assert_inert(&error.to_string()),
    }
}
