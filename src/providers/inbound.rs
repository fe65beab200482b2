//! What the callback parsers of several providers share: a JSON object in a POST, a form, a header that occurs once, the
//! bytes that identify a message. Pure; accepts or rejects nothing itself.

mod form;
mod surrogates;

use std::borrow::Cow;

use hyper::http::{HeaderValue, Method, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use crate::callbacks::{Inbound, Refusal};
use crate::domain::inert;
use crate::domain::unique_keys::UniqueKeys;

pub use form::{decoded, pairs, posted_form};

/// No provider's notification is larger. The bound makes parsing cheap for bodies from strangers.
const OBJECT_MAX: usize = 256 * 1024;

/// The posted JSON object. A name that occurs twice is rejected: the shop's own program may read the other value.
///
/// # Errors
/// If the method is not POST, or the body is not such an object.
pub fn posted_object(inbound: &Inbound) -> Result<Map<String, Value>, Refusal> {
    if inbound.request.method() != Method::POST {
        return Err(Refusal::Method { allowed: "POST" });
    }
    if inbound.request.body().is_empty() {
        return Err(unreadable("the body is empty"));
    }
    object(inbound)
}

/// The JSON object that a body is.
fn object(inbound: &Inbound) -> Result<Map<String, Value>, Refusal> {
    let body = inbound.request.body();
    if body.len() > OBJECT_MAX {
        return Err(unreadable("the body is larger than 256 KiB"));
    }
    let parse = |body: &[u8]| serde_json::from_slice::<UniqueKeys<Value>>(body);
    // An unpaired surrogate must not cost the whole message (RFC 8259, 8.2).
    let parsed = parse(body).or_else(|error| match surrogates::replaced(body) {
        Some(replaced) => parse(&replaced),
        None => Err(error),
    });
    match parsed {
        Ok(object) => Ok(object.0.into_iter().collect()),
        // The error's own text could quote the body, so only its position is shown.
        Err(error) if error.is_data() => Err(unreadable(
            "the body is not a JSON object with unique names",
        )),
        Err(error) => {
            let at = if error.is_eof() {
                "it ends too early".to_owned()
            } else {
                format!("line {}, column {}", error.line(), error.column())
            };
            Err(unreadable(&match content_type(inbound) {
                Some(kind) if !is_json(&kind) => format!(
                    "the body is not JSON: its Content-Type is {} ({at})",
                    inert::quoted(&kind, 60)
                ),
                _ => format!("the body is not JSON: {at}"),
            }))
        }
    }
}

/// The `Content-Type`'s value as it was sent.
fn content_type(inbound: &Inbound) -> Option<Cow<'_, str>> {
    let kind = inbound.request.headers().get(CONTENT_TYPE)?;
    Some(String::from_utf8_lossy(kind.as_bytes()))
}

/// Whether a `Content-Type` is JSON's, or of a format based on JSON (`+json`).
fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.ends_with("/json") || kind.ends_with("+json")
}

/// [`Refusal::Unreadable`] in these words.
pub fn unreadable(message: &str) -> Refusal {
    Refusal::Unreadable(message.to_owned())
}

/// The header of this name.
///
/// # Errors
/// If it is missing or occurs twice; the message leaves its value out.
pub fn header<'a>(inbound: &'a Inbound, name: &str) -> Result<&'a HeaderValue, Refusal> {
    let mut all = inbound.request.headers().get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Refusal::Refused(format!("the header {name} is missing"))),
        // The shop's own server may check the other one.
        (Some(_), Some(_)) => Err(Refusal::Refused(format!("the header {name} occurs twice"))),
    }
}

/// A field that is a text and not empty.
pub fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = object.get(name)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// Joins parts unambiguously: different parts never give the same bytes.
pub fn parts(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        // With the length, ("ab", "c") and ("a", "bc") differ.
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::callbacks::ParsedCallback;
    use crate::domain::{WallTime, inert};
    use crate::http_server::Request;

    /// A request to an account's callback address, without headers.
    pub fn inbound(method: &str, target: &str, body: impl Into<bytes::Bytes>) -> Inbound {
        let mut request = Request::new(body.into());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = target.parse().unwrap();
        Inbound {
            request,
            from: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            at: WallTime(1_795_316_066_000),
        }
    }

    /// Whether no control character reaches the screen through a parsed field. The receiver makes `kind` inert before it
    /// saves it.
    pub fn is_inert(result: &Result<ParsedCallback, Refusal>) -> bool {
        let shown = match result {
            Ok(parsed) => parsed.subject.iter().map(ToString::to_string).collect(),
            Err(Refusal::Refused(why) | Refusal::Unreadable(why)) => vec![why.clone()],
            Err(_) => Vec::new(),
        };
        shown
            .iter()
            .all(|text| !text.contains(inert::is_hostile) && text.chars().count() <= 300)
    }

    /// The reason why a callback is unreadable.
    pub fn why_unreadable(result: Result<ParsedCallback, Refusal>) -> String {
        match result {
            Err(Refusal::Unreadable(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// The reason why a callback is rejected.
    pub fn why_refused(result: Result<ParsedCallback, Refusal>) -> String {
        match result {
            Err(Refusal::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_object_is_read_and_nothing_that_two_readers_could_understand_differently() {
        let valid = posted_object(&inbound("POST", "/", r#"{"a":{"b":1,"b":2},"c":"d"}"#)).unwrap();
        assert_eq!(text(&valid, "c"), Some("d"));
        assert_eq!(text(&valid, "a"), None);
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        let large = format!("{{\"a\":[{}0]}}", "0,".repeat(500_000));
        for (body, message) in [
            ("", "empty"),
            ("[]", "not a JSON object"),
            ("\"\\u001b[2J\"", "not a JSON object"),
            (r#"{"a":1,"a":2}"#, "unique names"),
            (r#"{"a":1,"\u0061":2}"#, "unique names"),
            (r#"{"a":1} {}"#, "not JSON: line 1"),
            ("{\"a\":", "not JSON"),
            ("{\"a\":\"\u{1b}\"}", "not JSON"),
            (deep.as_str(), "not JSON"),
            (large.as_str(), "larger than 256 KiB"),
        ] {
            match posted_object(&inbound("POST", "/", body.to_owned())) {
                Err(Refusal::Unreadable(why)) => assert!(why.contains(message), "{body}: {why}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        let bytes = posted_object(&inbound("POST", "/", &b"{\"a\":\"\xff\"}"[..]));
        assert!(matches!(bytes, Err(Refusal::Unreadable(_))));
        for method in ["GET", "PUT", "HEAD"] {
            let parsed = posted_object(&inbound(method, "/", "{}"));
            assert_eq!(parsed, Err(Refusal::Method { allowed: "POST" }));
        }
    }

    #[test]
    fn half_a_character_loses_no_message_and_what_is_no_json_is_called_what_it_is() {
        let valid = posted_object(&inbound("POST", "/", r#"{"a":"b\ud800"}"#)).unwrap();
        assert_eq!(text(&valid, "a"), Some("b\u{fffd}"));
        let why = |kind: &str, body: &[u8]| {
            let mut inbound = inbound("POST", "/", body.to_vec());
            let headers = inbound.request.headers_mut();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            match posted_object(&inbound) {
                Err(Refusal::Unreadable(why)) => why,
                other => panic!("{other:?}"),
            }
        };
        let form = why("application/x-www-form-urlencoded", b"a=1");
        assert!(
            form.contains("`application/x-www-form-urlencoded`"),
            "{form}"
        );
        let json = why("application/json; charset=utf-8", b"{");
        assert!(json.ends_with("not JSON: it ends too early"), "{json}");
    }

    #[test]
    fn parts_are_not_run_together() {
        assert_ne!(parts(&["ab", "c"]), parts(&["a", "bc"]));
        assert_ne!(parts(&["a", ""]), parts(&["a"]));
        assert_eq!(parts(&["a", "b"]), parts(&["a", "b"]));
    }
}
