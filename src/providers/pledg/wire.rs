//! Pledg's JSON as sent: failures.

use serde_json::Value;

/// The provider's error.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The provider's name of the error, where it has one: `invalid_client`, `maintenance`.
    pub kind: Option<String>,
    /// Its message, which includes the name. Untrusted until made inert.
    pub message: String,
}

/// Reads a failure in any of Pledg's shapes (`docs/providers/pledg.md#failures`): `{"error":{"debug":"…"}}` (API),
/// `{"error":"…"}` (the token call; RFC 6749, 5.2) and `{"type":"…","message":"…"}` (the payer's page), the last also inside
/// `error`.
pub fn failure(body: &[u8]) -> Option<Failure> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let build = |kind: Option<String>, message: Option<String>| {
        let parts: Vec<&str> = kind.iter().chain(&message).map(String::as_str).collect();
        (!parts.is_empty()).then(|| Failure {
            message: parts.join(", "),
            kind: kind.clone(),
        })
    };
    match &body["error"] {
        Value::Null if body["type"].is_string() && body["message"].is_string() => {
            build(text(&body["type"]), text(&body["message"]))
        }
        error @ Value::String(_) => build(text(error), text(&body["error_description"])),
        error @ Value::Object(_) => {
            let message = ["debug", "message"]
                .iter()
                .find_map(|name| text(&error[name]));
            // An `error` object is a failure, even one that says nothing.
            build(text(&error["type"]), message).or(Some(Failure {
                kind: None,
                message: "an error without a message".into(),
            }))
        }
        _ => None,
    }
}
