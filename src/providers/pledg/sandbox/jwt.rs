//! JWTs signed with HS256 (RFC 7515, RFC 7519), as Pledg reads and writes them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::domain::{WallTime, inert};
use crate::sandbox::sign::hmac_sha256;

/// The clocks of two machines may differ (RFC 7519, 4.1.4).
const LEEWAY: Duration = Duration::from_mins(1);

/// One part of a JWT: JSON in unpadded base64url.
pub(super) fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A JWT with this payload, signed under the secret's text.
pub(super) fn sign(secret: &str, payload: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
    let signed = format!("{head}.{}", part(payload));
    format!("{signed}.{}", hmac_sha256(secret, &signed))
}

/// The payload of a JWT, and which of the secrets signed it. The payload is not read before one matches.
pub(super) fn verify<'s>(
    jwt: &str,
    secrets: impl IntoIterator<Item = &'s str>,
    now: WallTime,
) -> Result<(Value, &'s str), String> {
    let read = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let parts: Vec<&str> = jwt.split('.').collect();
    let [head, payload, signature] = parts[..] else {
        return Err("it does not have exactly three parts".into());
    };
    let head = read(head).ok_or("its header cannot be read")?;
    if head["alg"] != "HS256" {
        let alg = inert::quoted(head["alg"].as_str().unwrap_or_default(), 40);
        return Err(format!("it is signed with {alg}; only HS256 is accepted"));
    }
    // RFC 7515, 4.1.11: no extension is understood here.
    if !head["crit"].is_null() {
        return Err("its header requires an unknown extension".into());
    }
    let signed = &jwt[..jwt.len() - signature.len() - 1];
    let mut secrets = secrets.into_iter();
    let secret = secrets.find(|secret| hmac_sha256(secret, signed) == signature);
    let secret = secret.ok_or("its signature does not match this secret and these bytes")?;
    let payload = read(payload).ok_or("its payload cannot be read")?;
    let time = |name: &str| match &payload[name] {
        Value::Null => Ok(None),
        seconds => match seconds.as_i64() {
            Some(seconds) => Ok(Some(WallTime(seconds.saturating_mul(1000)))),
            None => Err(format!("its {name} is not a number of seconds")),
        },
    };
    if time("exp")?.is_some_and(|at| now >= at.plus(LEEWAY)) {
        return Err("it expired".into());
    }
    if time("nbf")?.is_some_and(|at| now.plus(LEEWAY) < at) {
        return Err("it is not valid yet".into());
    }
    Ok((payload, secret))
}
