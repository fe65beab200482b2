//! What the judges of several providers read alike: a JSON object in a POST, a form, a header that comes once, the bytes that
//! make two messages one. Pure; decides on nothing.

use std::borrow::Cow;

use axum::http::{HeaderValue, Method};
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::once::Once;
use crate::callbacks::{Inbound, Refusal};

/// No provider's notification is larger: reading one must not take long, whoever sends it.
const OBJECT_MAX: usize = 256 * 1024;

/// The JSON object that was posted. A name that stands twice in it is refused: the shop's own program may read the
/// other one of the two.
///
/// # Errors
/// If it was not posted, or is no such object.
pub fn posted_object(inbound: &Inbound) -> Result<Map<String, Value>, Refusal> {
    if inbound.request.method() != Method::POST {
        return Err(Refusal::Method { allowed: "POST" });
    }
    let body = inbound.request.body();
    if body.is_empty() {
        return Err(unreadable("the body is empty"));
    }
    if body.len() > OBJECT_MAX {
        return Err(unreadable("the body is larger than 256 KiB"));
    }
    match serde_json::from_slice::<Once<Value>>(body) {
        Ok(object) => Ok(object.0.into_iter().collect()),
        // Its own words could quote the body.
        Err(error) if error.is_data() => Err(unreadable(
            "the body is no JSON object whose names stand in it once",
        )),
        Err(error) => Err(unreadable(&format!(
            "the body is no JSON: line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}

/// [`Refusal::Unreadable`] in these words.
pub fn unreadable(words: &str) -> Refusal {
    Refusal::Unreadable(words.to_owned())
}

/// The header of this name.
///
/// # Errors
/// If it is missing or there twice; which, without its value.
pub fn header<'a>(inbound: &'a Inbound, name: &str) -> Result<&'a HeaderValue, Refusal> {
    let mut all = inbound.request.headers().get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Refusal::Refused(format!("the header {name} is missing"))),
        (Some(_), Some(_)) => Err(Refusal::Refused(format!(
            "the header {name} is there twice"
        ))),
    }
}

/// A field that is a text and not empty.
pub fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = object.get(name)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// The fields of a form or a query as they stand there, a value only behind an `=`. The content type is not asked for:
/// what reads as a form is one.
pub fn pairs(form: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let pairs = form.split(|byte| *byte == b'&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=');
        equals.map_or((pair, None), |at| (&pair[..at], Some(&pair[at + 1..])))
    })
}

/// A name or value of a form: percent escapes and `+` resolved; a percent sign that begins no escape stays one, as browsers have it.
pub fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if text.contains(&b'+') {
        let spaces: Vec<u8> = text
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        return percent_decode(&spaces).collect::<Vec<u8>>().into();
    }
    percent_decode(text).into()
}

/// The same bytes for the same parts, and for no others.
pub fn parts(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::callbacks::Told;
    use crate::domain::{WallTime, inert};
    use crate::http_server::Request;

    /// A request to an account's callback address, without headers.
    pub fn inbound(method: &str, target: &str, body: impl Into<bytes::Bytes>) -> Inbound {
        let mut request = Request::new(body.into());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = target.parse().unwrap();
        Inbound {
            request,
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
            at: WallTime(1_795_316_066_000),
        }
    }

    /// What no provider's judge may let through to a screen, put in each place that it reads. Its kind is made inert by
    /// whoever keeps it.
    pub fn is_inert(result: &Result<Told, Refusal>) -> bool {
        let shown = match result {
            Ok(told) => told.subject.iter().map(ToString::to_string).collect(),
            Err(Refusal::Refused(why) | Refusal::Unreadable(why)) => vec![why.clone()],
            Err(Refusal::Method { .. } | Refusal::Unable(_)) => Vec::new(),
        };
        shown
            .iter()
            .all(|text| !text.contains(inert::is_hostile) && text.chars().count() <= 300)
    }

    /// The reason for which a callback is unreadable.
    pub fn why_unreadable(result: Result<Told, Refusal>) -> String {
        match result {
            Err(Refusal::Unreadable(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// The reason for which a callback is refused.
    pub fn why_refused(result: Result<Told, Refusal>) -> String {
        match result {
            Err(Refusal::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_object_is_read_and_nothing_that_two_readers_could_understand_differently() {
        let good = posted_object(&inbound("POST", "/", r#"{"a":{"b":1,"b":2},"c":"d"}"#)).unwrap();
        assert_eq!(text(&good, "c"), Some("d"));
        assert_eq!(text(&good, "a"), None);
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        let large = format!("{{\"a\":[{}0]}}", "0,".repeat(500_000));
        for (body, words) in [
            ("", "empty"),
            ("[]", "no JSON object"),
            ("\"\\u001b[2J\"", "no JSON object"),
            (r#"{"a":1,"a":2}"#, "stand in it once"),
            (r#"{"a":1,"\u0061":2}"#, "stand in it once"),
            (r#"{"a":1} {}"#, "no JSON: line 1"),
            ("{\"a\":", "no JSON"),
            ("{\"a\":\"\u{1b}\"}", "no JSON"),
            (deep.as_str(), "no JSON"),
            (large.as_str(), "larger than 256 KiB"),
        ] {
            match posted_object(&inbound("POST", "/", body.to_owned())) {
                Err(Refusal::Unreadable(why)) => assert!(why.contains(words), "{body}: {why}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        let bytes = posted_object(&inbound("POST", "/", &b"{\"a\":\"\xff\"}"[..]));
        assert!(matches!(bytes, Err(Refusal::Unreadable(_))));
        for method in ["GET", "PUT", "HEAD"] {
            let told = posted_object(&inbound(method, "/", "{}"));
            assert_eq!(told, Err(Refusal::Method { allowed: "POST" }));
        }
    }

    #[test]
    fn parts_are_not_run_together() {
        assert_ne!(parts(&["ab", "c"]), parts(&["a", "bc"]));
        assert_ne!(parts(&["a", ""]), parts(&["a"]));
        assert_eq!(parts(&["a", "b"]), parts(&["a", "b"]));
    }
}
