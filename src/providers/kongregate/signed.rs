//! Signed requests: the signature, a dot, and the text that it covers (`docs/providers/kongregate.md#signed-requests`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::auth::sign;
use crate::domain::{Secret, inert};

use super::facts::ALGORITHM;
use super::wire::Fields;

#[cfg(test)]
/// A signed request over this payload's text, under the game's key.
pub fn sign(key: &Secret, payload: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature = URL_SAFE_NO_PAD.encode(sign::hmac_sha256(key, payload.as_bytes()));
    format!("{signature}.{payload}")
}

/// The payload of a signed request without a check; pass only one that was verified before.
pub fn unverified(text: &str) -> Option<Fields> {
    let (_, payload) = text.split_once('.')?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The payload of a signed request, if its signature matches the received text and the game's key. Before the check only
/// the algorithm's name is read.
///
/// # Errors
/// A message that names the failed check.
pub fn verify(key: &Secret, text: &str) -> Result<Fields, String> {
    let (signature, payload) = text
        .split_once('.')
        .ok_or("the signed request contains no dot")?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| "the signature is not unpadded base64url")?;
    let bytes = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| "the signed data is not unpadded base64url")?;
    let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) else {
        return Err("the signed data is not a JSON object".into());
    };
    match fields.get("algorithm").and_then(Value::as_str) {
        // Kongregate's own sample compares it in capitals.
        Some(name) if name.to_ascii_uppercase() == ALGORITHM => {}
        Some(other) => {
            let other = inert::quoted(other, 40);
            return Err(format!(
                "it names the algorithm {other}; only {ALGORITHM} is accepted"
            ));
        }
        None => return Err("it names no algorithm".into()),
    }
    if sign::hmac_sha256_is(key, payload.as_bytes(), &signature) {
        Ok(fields)
    } else {
        Err("the signature does not match these bytes and the account's api_key".into())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Key and signed request as published.
    pub const PUBLISHED_KEY: &str = "748e63d7-c48c-418c-aa25-80456de2b98c";
    pub const PUBLISHED: &str = "GbmlDg_VNvaFZFKMR6iIXBqQWtdCyzgwSPTc1IB7pC8.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImV2ZW50IjoidGVzdCJ9";
    /// An order under the same key.
    pub const ORDER: &str = "fr5f21PAoLIwS2CMcHAZshxVgr4yA8whrcp_9bjaUTs.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsImV2ZW50IjoiaXRlbV9vcmRlcl9yZXF1ZXN0IiwiZ2FtZV9pZCI6MTAwMDAsImJ1eWVyX2lkIjo3NjUsInJlY2lwaWVudF9pZCI6NzY1LCJvcmRlcl9pZCI6MTIzNDUsIm9yZGVyX2luZm8iOiJzd29yZCJ9";

    // docs/providers/kongregate.md#signed-requests
    #[test]
    fn the_published_request_is_made_and_accepted() {
        let key = Secret::new(PUBLISHED_KEY);
        let payload = r#"{"algorithm":"HMAC-SHA256","event":"test"}"#;
        assert_eq!(sign(&key, payload), PUBLISHED);
        assert_eq!(verify(&key, PUBLISHED).unwrap()["event"], "test");
        let order = r#"{"algorithm":"HMAC-SHA256","event":"item_order_request","game_id":10000,"buyer_id":765,"recipient_id":765,"order_id":12345,"order_info":"sword"}"#;
        assert_eq!(sign(&key, order), ORDER);
        assert_eq!(verify(&key, ORDER).unwrap()["order_id"], 12345);
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let key = Secret::new(PUBLISHED_KEY);
        let with = |payload: &str| sign(&key, payload);
        let (signature, payload) = PUBLISHED.split_once('.').unwrap();
        let (other, _) = ORDER.split_once('.').unwrap();
        for (text, words) in [
            (signature.to_owned(), "no dot"),
            (String::new(), "no dot"),
            (".".into(), "JSON object"),
            (format!("{PUBLISHED}."), "the signed data is not unpadded"),
            (
                format!("{PUBLISHED}.{payload}"),
                "the signed data is not unpadded",
            ),
            (
                format!("{signature}=.{payload}"),
                "the signature is not unpadded",
            ),
            (
                format!("{signature}.{payload}=="),
                "the signed data is not unpadded",
            ),
            (format!("{other}.{payload}"), "does not match these bytes"),
            (format!(".{payload}"), "does not match these bytes"),
            (
                format!("{}.{payload}", &signature[..40]),
                "does not match these bytes",
            ),
            (with(r#"{"algorithm":"none"}"#), "`none`"),
            (with(r#"{"algorithm":"HMAC-SHA1"}"#), "`HMAC-SHA1`"),
            (with(r#"{"algorithm":"a\u001b[2J"}"#), "`a\\u{1b}[2J`"),
            (with(r#"{"algorithm":7}"#), "names no algorithm"),
            (with(r#"{"event":"test"}"#), "names no algorithm"),
            (with("event=test"), "JSON object"),
            (with("[]"), "JSON object"),
        ] {
            let why = verify(&key, &text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
        let other_key = Secret::new("another-key");
        assert!(verify(&other_key, PUBLISHED).is_err());
        assert!(verify(&key, &with(r#"{"algorithm":"hmac-sha256"}"#)).is_ok());
    }
}
