//! Pledg's JSON as sent: failures and payment schedules. Money is an integer of cents.

use serde::Deserialize;
use serde_json::{Number, Value};

use crate::domain::amount::Cents;

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

/// One payment of a schedule.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Part {
    /// Without fees.
    pub amount_cents: Cents,
    /// On top of the amount.
    #[serde(default)]
    pub fees: Cents,
    /// `2021-12-17`.
    pub payment_date: String,
}

/// One way of paying, with its payments.
#[derive(Debug, PartialEq, Eq)]
pub struct Solution {
    /// INSTALLMENT or DEFERRED.
    pub kind: &'static str,
    /// In order.
    pub parts: Vec<Part>,
    /// The yearly rate in percent (taux annuel effectif global), by its own text.
    pub taeg: Option<String>,
}

/// The answer of a schedule simulation: of one solution, or of all of a company's under `items`.
pub fn solutions(body: &[u8]) -> Option<Vec<Solution>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match &body["items"] {
        Value::Array(items) => items.iter().map(solution).collect(),
        Value::Null => Some(vec![solution(&body)?]),
        _ => None,
    }
}

fn solution(item: &Value) -> Option<Solution> {
    let kinds = ["INSTALLMENT", "DEFERRED"].into_iter();
    // The provider's own plug-ins accept upper and lower case.
    let mut named = kinds.filter_map(|kind| {
        let found = item
            .get(kind)
            .or_else(|| item.get(kind.to_ascii_lowercase()))?;
        Some((kind, found))
    });
    let (kind, parts) = named.next()?;
    let parts: Vec<Part> = match parts {
        Value::Array(parts) => parts.iter().map(part).collect::<Option<_>>()?,
        one @ Value::Object(_) => vec![part(one)?],
        _ => return None,
    };
    Some(Solution {
        kind,
        parts,
        taeg: item["taeg"].as_number().map(Number::to_string),
    })
}

fn part(value: &Value) -> Option<Part> {
    Part::deserialize(value).ok()
}
