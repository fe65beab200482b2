//! Kongregate's JSON as read, and how it reports success and failure. `success` decides, whatever the HTTP status and the
//! content type are (`docs/providers/kongregate.md#answers`); unknown fields are ignored.

use serde_json::{Map, Number, Value};

use crate::domain::{bad_json, inert};
use crate::net::redact;
use crate::providers::ApiError;

/// The fields of an answer.
pub type Fields = Map<String, Value>;

/// Fields of which an answer has one where it does not say `success` although all went well: the kongpanions and the
/// end of a guild are documented so.
const EXPECTED: [&str; 4] = ["kongpanions", "guild_identifier", "items", "users"];

/// The code for a key, a player's number and a player's token that do not belong together.
const FORBIDDEN: &str = "403";
/// The code and description that public clients see for a missing or unknown key
/// (`docs/providers/kongregate.md#failures`).
const NO_GAME: (&str, Option<&str>) = ("400", Some("Required: game_id"));

/// The fields of a successful answer.
///
/// # Errors
/// The provider's failure, with its own message where there is one.
pub fn outcome(status: u16, body: &[u8]) -> Result<Fields, ApiError> {
    if status == 429 || status >= 500 {
        return Err(by_status(status, body));
    }
    let fields = match body.trim_ascii_start().first() {
        None if status >= 400 => return Err(by_status(status, body)),
        // Public clients see this for invalid values.
        None => {
            return Err(ApiError::unexpected(format!(
                "it is empty (status {status}); Kongregate sends that for some invalid values"
            )));
        }
        Some(b'<') => return Err(by_status(status, body)),
        Some(_) => match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) if status >= 400 => return Err(by_status(status, body)),
            Ok(_) => return Err(ApiError::unexpected("it is JSON, but not an object")),
            Err(error) => {
                let words = inert::cut(&redact::body(&bad_json(&error)), 120);
                return Err(ApiError::unexpected(format!("it is not JSON: {words}")));
            }
        },
    };
    match success(&fields) {
        Some(true) if fields.get("error").is_some_and(|error| !error.is_null()) => Err(
            ApiError::unexpected("`success` is true, but it has an `error`"),
        ),
        Some(true) => Ok(fields),
        Some(false) => Err(failure(&fields)),
        None if fields.contains_key("error") => Err(failure(&fields)),
        None if status == 200 && is_expected(&fields) => Ok(fields),
        None if status >= 400 => Err(by_status(status, body)),
        None => Err(ApiError::unexpected(
            "it does not say whether the call succeeded",
        )),
    }
}

fn is_expected(fields: &Fields) -> bool {
    fields
        .keys()
        .any(|name| EXPECTED.contains(&name.as_str()) || name.ends_with("_scores"))
}

fn success(fields: &Fields) -> Option<bool> {
    match fields.get("success")? {
        Value::Bool(yes) => Some(*yes),
        Value::String(text) if text == "true" => Some(true),
        // Only `true` is success: a guess could report a failed write as done.
        _ => Some(false),
    }
}

/// Whether an answer may reject the game's key; it may also mean the player's token.
pub fn may_reject_key(body: &[u8]) -> bool {
    let Ok(fields) = serde_json::from_slice::<Fields>(body) else {
        return false;
    };
    let code = code(&fields);
    let words = fields.get("error_description").and_then(Value::as_str);
    success(&fields) != Some(true) && (code == FORBIDDEN || (code.as_str(), words) == NO_GAME)
}

/// What an answer says of a failure.
pub fn refusal(body: &[u8]) -> Option<String> {
    let fields: Fields = serde_json::from_slice(body).ok()?;
    let failed = match success(&fields) {
        Some(success) => !success,
        None => fields.contains_key("error"),
    };
    failed.then(|| format!("error {}", code(&fields)).trim_end().to_owned())
}

fn code(fields: &Fields) -> String {
    match fields.get("error") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

const UNUSABLE: &str = "check the values sent; use_item cannot use a used-up or an unlimited item";

/// The error for `success: false`. Kongregate publishes no list of codes; the meaning of these three is known.
fn failure(fields: &Fields) -> ApiError {
    let code = code(fields);
    let words = fields.get("error_description").and_then(Value::as_str);
    let excerpt = |text: &str| inert::cut(&redact::body(text), 200);
    let reason = match (code.is_empty(), words.filter(|words| !words.is_empty())) {
        (false, Some(words)) => format!("{}: {}", excerpt(&code), excerpt(words)),
        (true, Some(words)) => excerpt(words),
        (false, None) => excerpt(&code),
        (true, None) => "without a reason".into(),
    };
    match (code.as_str(), words) {
        (FORBIDDEN, _) => ApiError::refused(
            reason,
            "the game's key, the player's number and the player's game_auth_token must match; the token changes with \
            the player's password. `tilldeck account verify` checks the key alone",
        ),
        NO_GAME => ApiError::refused(
            reason,
            "Kongregate finds no game by this key: compare api_key with the one at the game's page with /api added to \
            its address",
        ),
        ("404", _) => ApiError::not_found(
            format!("the requested resource ({reason})"),
            "check the ids and names sent; a player's number stays, a name may change",
        ),
        // An item that cannot be used, among others.
        ("400", _) => ApiError::failing(format!("rejected the request ({reason})"), UNUSABLE),
        _ => ApiError::failing(
            format!("rejected the request ({reason})"),
            "check the values sent; `tilldeck log` shows the request and the response",
        ),
    }
}

/// The error by HTTP status alone, where the body is not one of Kongregate's answers.
fn by_status(status: u16, body: &[u8]) -> ApiError {
    let page = if body.trim_ascii_start().starts_with(b"<") {
        ", an HTML page"
    } else {
        ""
    };
    match status {
        401 | 403 => ApiError::refused(
            format!("status {status}{page}"),
            "Kongregate itself rejects with status 200, so a proxy may have sent this. Compare api_key with the one at \
            the game's page with /api added to its address",
        ),
        404 => ApiError::NoPath,
        // The API description has 400, without a body, for an item that cannot be used.
        400 => ApiError::failing(format!("rejected the request (status 400{page})"), UNUSABLE),
        429 => ApiError::too_many(None, "key"),
        _ => ApiError::failing(
            format!("is failing (status {status}{page})"),
            "try again later: Kongregate is probably down. Check a player's items before you use one again",
        ),
    }
}

/// A whole number that is not negative, also one in quotes.
pub fn whole(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A text; a number is one, too.
pub fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(Number::to_string(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, ProblemKind};

    fn kind(status: u16, body: &str) -> Result<(), (ProblemKind, String)> {
        let account = AccountId::new("game").unwrap();
        outcome(status, body.as_bytes()).map(drop).map_err(|error| {
            let problem = error.problem(&account, "Kongregate");
            (problem.kind, problem.message)
        })
    }

    // docs/providers/kongregate.md#failures
    #[test]
    fn a_key_may_be_rejected_by_403_and_by_a_missing_game() {
        for (body, may_reject) in [
            (r#"{"success":false,"error":403}"#, true),
            (r#"{"success":false,"error":"403"}"#, true),
            (r#"{"error":403}"#, true),
            (
                r#"{"success":false,"error":400,"error_description":"Required: game_id"}"#,
                true,
            ),
            (
                r#"{"success":false,"error":400,"error_description":"Required: id"}"#,
                false,
            ),
            (r#"{"success":true,"error":403}"#, false),
            (r#"{"success":false,"error":404}"#, false),
            ("<html>403</html>", false),
        ] {
            assert_eq!(may_reject_key(body.as_bytes()), may_reject, "{body}");
        }
    }

    // docs/providers/kongregate.md#answers, docs/providers/kongregate.md#contradictions
    #[test]
    fn the_success_field_decides_at_any_status() {
        for (status, body) in [
            (200, r#"{"success":true}"#),
            (200, r#"{"success":true,"error":null,"more":[1]}"#),
            (200, r#"{"success":"true"}"#),
            (400, r#"{"success":true,"remaining_uses":3}"#),
            (200, r#"{"kongpanions":[]}"#),
            (
                200,
                r#"{"server_identifier":"Default","guild_identifier":"g1"}"#,
            ),
            (200, r#"{"lifetime_scores":[]}"#),
        ] {
            assert_eq!(kind(status, body), Ok(()), "{status} {body}");
        }
        let table = [
            (
                200,
                r#"{"success":true,"error":404}"#,
                ProblemKind::Nonsense,
                "`error`",
            ),
            (
                200,
                r#"{"success":false,"error":403,"error_description":"Invalid credentials"}"#,
                ProblemKind::Refused,
                "403: Invalid credentials",
            ),
            (
                200,
                r#"{"success":false,"error":"400","error_description":"Required: game_id"}"#,
                ProblemKind::Refused,
                "400: Required: game_id",
            ),
            (
                400,
                r#"{"success":false,"error":true}"#,
                ProblemKind::Failing,
                "(true)",
            ),
            (
                200,
                r#"{"success":null}"#,
                ProblemKind::Failing,
                "without a reason",
            ),
            (
                200,
                r#"{"error":404,"error_description":"x\u001b[2J"}"#,
                ProblemKind::NotFound,
                "does not know the requested resource (404: x\\u{1b}[2J)",
            ),
            (200, r#"{"success":1}"#, ProblemKind::Failing, "rejected"),
            (
                200,
                r#"{"x":1}"#,
                ProblemKind::Nonsense,
                "does not say whether",
            ),
            (200, "", ProblemKind::Nonsense, "it is empty (status 200)"),
            (200, " \r\n", ProblemKind::Nonsense, "it is empty"),
            (
                400,
                "",
                ProblemKind::Failing,
                "rejected the request (status 400)",
            ),
            (200, "[]", ProblemKind::Nonsense, "not an object"),
            (200, r#"{"success":tr"#, ProblemKind::Nonsense, "not JSON"),
            (
                503,
                "<html>Down</html>",
                ProblemKind::Failing,
                "503, an HTML page",
            ),
            (
                200,
                "<html>Down</html>",
                ProblemKind::Failing,
                "200, an HTML page",
            ),
            (503, r#"{"success":true}"#, ProblemKind::Failing, "503"),
            (404, "<html>", ProblemKind::NoPath, "404"),
            (429, "", ProblemKind::Failing, "429"),
        ];
        for (status, body, wanted, words) in table {
            let (kind, message) = kind(status, body).unwrap_err();
            assert_eq!(kind, wanted, "{status} {body}: {message}");
            assert!(message.contains(words), "{message}");
        }
    }
}
