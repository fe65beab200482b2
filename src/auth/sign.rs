//! Signatures over final bytes: HMAC in hex, and JWTs signed with HS256 (RFC 7515, RFC 7519).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Sha256, Sha512};

use crate::domain::{Secret, WallTime, hex, inert};

/// HMAC-SHA512 of `message` under the secret's own bytes (ASCII, not hex-decoded), in lower-case hex.
pub fn hmac_sha512_hex(secret: &Secret, message: &[u8]) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(message);
    hex(&mac.finalize().into_bytes())
}

/// HMAC-SHA256 of `message` under the secret's own bytes.
pub fn hmac_sha256(secret: &Secret, message: &[u8]) -> [u8; 32] {
    mac_sha256(secret, message).finalize().into_bytes().into()
}

/// Whether `mac` is [`hmac_sha256`] of `message`, all of it; in constant time.
pub fn hmac_sha256_is(secret: &Secret, message: &[u8], mac: &[u8]) -> bool {
    mac_sha256(secret, message).verify_slice(mac).is_ok()
}

fn mac_sha256(secret: &Secret, message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(message);
    mac
}

/// The header of every JWT made here, byte for byte.
const JWT_HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// Longer texts are not a JWT of a shop or a provider.
const JWT_MAX: usize = 64 * 1024;

/// Why a JWT is rejected. Says nothing about its payload, which is not verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of unpadded base64url with JSON objects in the first two.
    #[error("this is not a signed JWT: {0}")]
    Malformed(&'static str),
    /// Signed in another way, or not at all.
    #[error("it is signed with {0}; only HS256 is accepted")]
    Algorithm(String),
    /// The signature is of another secret or of other bytes.
    #[error("its signature does not match this secret and these bytes")]
    Signature,
    /// Its own time is over.
    #[error("it expired at {}", .0.rfc3339())]
    Expired(WallTime),
    /// Its own time has not begun.
    #[error("it is not valid before {}; compare the clocks", .0.rfc3339())]
    NotYet(WallTime),
}

/// A JWT with `payload`, signed with HS256 under the secret's own bytes. Treat it like a secret: its holder can use
/// it.
pub fn jwt_hs256(secret: &Secret, payload: &Value) -> String {
    let mut jwt = URL_SAFE_NO_PAD.encode(JWT_HEADER);
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(payload.to_string(), &mut jwt);
    let signature = hmac_sha256(secret, jwt.as_bytes());
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    jwt
}

/// How far the signer's clock and this machine's may differ (RFC 7519, 4.1.4 and 4.1.5 allow "a few minutes").
const LEEWAY: Duration = Duration::from_mins(1);

/// The payload of a JWT with a valid HS256 signature, whose `exp` is not over and whose `nbf` has begun, where it has
/// them; `LEEWAY` allows for different clocks.
///
/// The signature is verified over the received text, in constant time, before the payload is parsed.
///
/// # Errors
/// If it is anything else.
pub fn verify_jwt_hs256(secret: &Secret, token: &str, now: WallTime) -> Result<Value, JwtError> {
    if token.len() > JWT_MAX {
        return Err(JwtError::Malformed("it is longer than 64 KiB"));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(JwtError::Malformed("it does not have exactly three parts"));
    };
    let header = json_object(header).ok_or(JwtError::Malformed("its header cannot be read"))?;
    match &header["alg"] {
        Value::String(alg) if alg == "HS256" => {}
        Value::String(alg) => return Err(JwtError::Algorithm(inert::quoted(alg, 40))),
        _ => return Err(JwtError::Malformed("its header names no algorithm")),
    }
    // RFC 7515, 4.1.11: a critical extension that is not understood makes the JWT invalid. None is understood here.
    if !header["crit"].is_null() {
        return Err(JwtError::Malformed(
            "its header requires an unknown extension",
        ));
    }
    let signed = &token[..token.len() - signature.len() - 1];
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| JwtError::Malformed("its signature is not unpadded base64url"))?;
    if !hmac_sha256_is(secret, signed.as_bytes(), &signature) {
        return Err(JwtError::Signature);
    }
    let payload = json_object(payload).ok_or(JwtError::Malformed("its payload cannot be read"))?;
    if !payload["exp"].is_null() {
        let expires = seconds(&payload["exp"])
            .ok_or(JwtError::Malformed("its exp is not a number of seconds"))?;
        if now >= expires.plus(LEEWAY) {
            return Err(JwtError::Expired(expires));
        }
    }
    if !payload["nbf"].is_null() {
        let begins = seconds(&payload["nbf"])
            .ok_or(JwtError::Malformed("its nbf is not a number of seconds"))?;
        if now.plus(LEEWAY) < begins {
            return Err(JwtError::NotYet(begins));
        }
    }
    Ok(payload)
}

/// One part of a JWT: a JSON object in unpadded base64url.
pub(super) fn json_object(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// A `NumericDate` (RFC 7519, 2): seconds since 1970; a fraction is cut off.
pub(super) fn seconds(date: &Value) -> Option<WallTime> {
    let text = date.as_number()?.to_string();
    let whole = text
        .split_once('.')
        .map_or(text.as_str(), |(whole, _)| whole);
    let seconds: i64 = whole.parse().ok()?;
    Some(WallTime(seconds.saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const JWT: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJkYXRhIjp7Im1lcmNoYW50VWlkIjoibWVyX3Rlc3QiLCJhbW91bnRDZW50cyI6MjAwMCwicmVmZXJlbmNlIjoiUjEifX0.WEdj8qA0zKp9ePreqXd5bw_BmzjMy6QeGkEx4O3KnOw";

    fn payload() -> Value {
        json!({"data": {"merchantUid": "mer_test", "amountCents": 2000, "reference": "R1"}})
    }

    fn verified(token: &str) -> Result<Value, JwtError> {
        verify_jwt_hs256(&Secret::new("SECRET"), token, WallTime(1_000_000))
    }

    /// A JWT with this header, rightly signed.
    fn with_header(header: &str, payload: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let mac = hmac_sha256(&Secret::new("SECRET"), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// Test cases 1, 2 and 4 of RFC 4231, whose keys are text.
    #[test]
    fn the_vectors_of_rfc_4231_hold() {
        let counted: String = ('\u{1}'..='\u{19}').collect();
        let table: [(&str, &[u8], &str); 3] = [
            (
                &"\u{b}".repeat(20),
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                "Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &counted,
                &[0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
        ];
        for (key, message, wanted) in table {
            let key = Secret::new(key);
            let mac = hmac_sha256(&key, message);
            assert_eq!(hex(&mac), wanted);
            assert!(hmac_sha256_is(&key, message, &mac));
            assert!(!hmac_sha256_is(&key, message, &mac[..31]));
            assert!(!hmac_sha256_is(&key, &[message, b"."].concat(), &mac));
        }
    }

    #[test]
    fn a_jwt_is_made_byte_for_byte_and_verified_again() {
        assert_eq!(jwt_hs256(&Secret::new("SECRET"), &payload()), JWT);
        assert_eq!(verified(JWT), Ok(payload()));
        // Published at jwt.io: other order in the header, another secret.
        let published = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        let secret = Secret::new("your-256-bit-secret");
        let claims = verify_jwt_hs256(&secret, published, WallTime(0)).unwrap();
        assert_eq!(claims["sub"], "1234567890");
        assert_eq!(verified(published), Err(JwtError::Signature));
    }

    #[test]
    fn what_is_not_signed_with_hs256_over_these_bytes_is_refused() {
        let other = |at: usize, with: char| {
            let mut text: Vec<char> = JWT.chars().collect();
            text[at] = with;
            text.into_iter().collect::<String>()
        };
        assert_eq!(verified(&other(60, 'z')), Err(JwtError::Signature));
        let last = JWT.len() - 2;
        assert_eq!(verified(&other(last, 'A')), Err(JwtError::Signature));
        for alg in ["none", "None", "RS256", "HS512", "hs256"] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            let told = verified(&with_header(&header, "{}")).unwrap_err();
            assert!(matches!(&told, JwtError::Algorithm(_)), "{alg}: {told}");
        }
        let (signed, _) = JWT.rsplit_once('.').unwrap();
        for malformed in [
            String::new(),
            "..".into(),
            signed.into(),
            format!("{JWT}."),
            format!("{JWT}.e30"),
            format!("{JWT}="),
            format!(" {JWT}"),
            with_header("{}", "{}"),
            with_header(r#"{"alg":7}"#, "{}"),
            with_header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, "{}"),
            with_header(JWT_HEADER, "[]"),
            with_header(JWT_HEADER, "{"),
            "a".repeat(JWT_MAX + 1),
        ] {
            let told = verified(&malformed).unwrap_err();
            assert!(
                matches!(told, JwtError::Malformed(_)),
                "{malformed}: {told}"
            );
        }
        assert_eq!(verified(&format!("{signed}.")), Err(JwtError::Signature));
    }

    #[test]
    fn a_jwt_whose_time_is_over_is_refused() {
        let until = |exp: Value| verified(&jwt_hs256(&Secret::new("SECRET"), &json!({"exp": exp})));
        for ahead in [json!(1001), json!(1000), json!(941)] {
            assert!(until(ahead).is_ok(), "clocks may differ by a minute");
        }
        let at = WallTime(940_000);
        assert_eq!(until(json!(940)), Err(JwtError::Expired(at)));
        for odd in [json!("1001"), json!(true), json!([])] {
            assert!(matches!(until(odd), Err(JwtError::Malformed(_))));
        }
        let fraction = with_header(JWT_HEADER, r#"{"exp":1001.75}"#);
        assert!(verified(&fraction).is_ok());
    }

    #[test]
    fn a_jwt_whose_time_has_not_begun_is_refused() {
        let from = |nbf: Value| verified(&jwt_hs256(&Secret::new("SECRET"), &json!({"nbf": nbf})));
        for begun in [json!(0), json!(1000), json!(1060)] {
            assert!(from(begun).is_ok(), "clocks may differ by a minute");
        }
        let at = WallTime(1_061_000);
        assert_eq!(from(json!(1061)), Err(JwtError::NotYet(at)));
        for odd in [json!("1000"), json!(true), json!([])] {
            assert!(matches!(from(odd), Err(JwtError::Malformed(_))));
        }
    }

    /// Published by Kanga for its TEST call.
    const SECRET: &str = "8B2EFBECA2BEBB2C413BCFD7915E9209D80F3F4222042B31DD9D605E39F2035F";
    const PUBLISHED: &str = "19626ab50989ecae16031cf6f90c90203d38b1d17797960d38551b80c37449c118e60050f941077c491ff50bdf48d21841a9379026b10903100708745f6c9a12";

    fn sign(body: &str) -> String {
        hmac_sha512_hex(&Secret::new(SECRET), body.as_bytes())
    }

    #[test]
    fn the_published_vector_holds() {
        assert_eq!(sign(r#"{"appId":"TEST","nonce":1234}"#), PUBLISHED);
    }

    #[test]
    fn other_bytes_make_another_signature() {
        assert_eq!(
            sign(r#"{"appId":"TEST", "nonce":1234}"#),
            "69c7bcf0a97ce85247932d3145c805a5e9f55b05693351f502b393a13c9441e5afcfcb9ff192a57ac81e7623c97d606357460347b44c62c76899a901e292293c"
        );
        assert!(
            sign(r#"{"nonce":1234,"appId":"TEST"}"#)
                .starts_with("b8958041b9403a627016017b35b99a21")
        );
        assert_eq!(
            sign(r#"{"id":"ORDER34H773A1","appId":"TEST","nonce":1700000000000}"#),
            "2c4e42391c99668e06e2d42e2ffaa63a4c588c41a37cf0f17575d5beb72379bc127aea904d97d4fa8b80883f6ea3fe830cddce494fe62b8b0d656be49cb913fa"
        );
        assert!(
            sign(r#"{"appId":"TEST","nonce":1234,"param1":7,"param2":"zażółć"}"#)
                .starts_with("66132fc30c5312b5e08ae318875c4c9a")
        );
    }

    #[test]
    fn the_secret_is_not_hex_decoded() {
        let decoded: Vec<u8> = (0..SECRET.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&SECRET[i..i + 2], 16).unwrap())
            .collect();
        let mut mac = Hmac::<Sha512>::new_from_slice(&decoded).unwrap();
        mac.update(br#"{"appId":"TEST","nonce":1234}"#);
        let wrong_way = mac.finalize().into_bytes();
        assert_eq!(
            wrong_way[..4],
            [0x37, 0x2c, 0x2b, 0x0c],
            "the known wrong-way result"
        );
        assert!(!PUBLISHED.starts_with("372c2b0c"));
    }
}
