//! Whether a call is valid: the signature over its bytes (`docs/providers/kanga.md#signature`), then its JSON, read
//! strictly. Knows no state; nonces are compared in `calls.rs`.

use hyper::http::HeaderMap;
use serde_json::Value;

use crate::sandbox::fields::unique;
use crate::sandbox::sign::is_hmac_sha512;

const HEADER: &str = "api-sig";
const HEX_DIGITS: usize = 128;

/// Whether the header carries the HMAC-SHA512 of `body` under `secret`, the secret taken as text.
pub(super) fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str, upper_case: bool) -> bool {
    let mut values = headers.get_all(HEADER).iter();
    // Two signatures are none: a proxy and a server could each check another one.
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Some(signature) = unhex(value.as_bytes(), upper_case) else {
        return false;
    };
    is_hmac_sha512(secret, body, &signature)
}

fn unhex(text: &[u8], upper_case: bool) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' if upper_case => Some(b - b'A' + 10),
        _ => None,
    };
    if text.len() != HEX_DIGITS {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// A JSON object of plain values. A duplicate key, a nested value or bytes after the object are rejected: two parsers could
/// read such a body differently.
pub(super) fn fields(body: &[u8]) -> Option<Value> {
    let fields = unique(body)?;
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    fields
        .values()
        .all(is_plain)
        .then_some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use hyper::http::HeaderValue;

    use super::super::tests::{VECTOR, sign};
    use super::super::{TEST_KEY, TEST_SECRET};
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
