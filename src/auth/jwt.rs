//! The claims of an access token that is a JWT. For display only: only the provider can verify it, and to clients a
//! token is opaque (RFC 6749, 1.4). Its lifetime comes from `expires_in`, never from `exp`.

use crate::domain::{Secret, inert};
use crate::net::redact;

use super::sign;

/// Longer payloads are not decoded.
const PAYLOAD_MAX: usize = 16 * 1024;

/// The claims are cut to this many characters.
const SHOWN_MAX: usize = 4_000;

/// The payload of a token that looks like a JWT (three parts, a JSON object in the first two), as one line of
/// JSON: redacted, inert, cut.
pub fn claims(token: &Secret) -> Option<String> {
    let mut parts = token.expose().split('.');
    let (header, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || payload.len() > PAYLOAD_MAX || header.len() > PAYLOAD_MAX {
        return None;
    }
    sign::json_object(header)?;
    let payload = sign::json_object(payload)?;
    Some(inert::cut(&redact::body(&payload.to_string()), SHOWN_MAX))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn of(header: &str, payload: &str) -> Option<String> {
        let token = format!(
            "{}.{}.c2ln",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        claims(&Secret::new(token))
    }

    #[test]
    fn a_jwts_claims_are_shown_and_its_secrets_are_not() {
        redact::learn(&Secret::new("planted-in-a-claim"), "api_secret");
        let shown = of(
            r#"{"alg":"RS256"}"#,
            r#"{"exp":1E2,"sub":"shop\u001b[2J\u202e","password":"p","x":"planted-in-a-claim"}"#,
        );
        let shown = shown.unwrap();
        assert!(shown.contains(r#""sub":"shop"#), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
        assert!(
            shown.contains("<api_secret>") && shown.contains("<password>"),
            "{shown}"
        );
        let long = json!({"a": "x".repeat(9_000)}).to_string();
        assert!(of("{}", &long).unwrap().chars().count() <= SHOWN_MAX + 1);
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        for token in [
            "",
            "opaque",
            "a.b",
            "a.b.c",
            "e30.e30",
            "e30.e30.x.y",
            "e30.e30=.x",
            "W10.e30.x",
        ] {
            assert_eq!(claims(&Secret::new(token)), None, "{token}");
        }
        assert_eq!(claims(&Secret::new("e30.e30.")).as_deref(), Some("{}"));
        assert_eq!(
            of("{}", &json!({"a": "x".repeat(20_000)}).to_string()),
            None
        );
    }
}
