//! Forms: as a query, and as a body in each of the three ways in which programs post fields.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};
use serde_json::Value;

use super::{content_type, is_json, object, unreadable};
use crate::callbacks::{Inbound, Refusal};

/// The posted fields in the encoding that [`pairs`] reads. `multipart/form-data` and a JSON object are re-encoded; a JSON
/// value that is not a string keeps its JSON text, and null counts as absent. Any other body counts as a form.
///
/// # Errors
/// If the body does not match its content type.
pub fn posted_form(inbound: &Inbound) -> Result<Cow<'_, [u8]>, Refusal> {
    let body = inbound.request.body();
    let kind = content_type(inbound).unwrap_or_default();
    if kind
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("multipart/form-data")
    {
        let fields = parameter(&kind, "boundary").and_then(|boundary| multipart(body, boundary));
        let fields =
            fields.ok_or_else(|| unreadable("the body is not complete multipart/form-data"))?;
        return Ok(form(&fields).into());
    }
    // Not every program that posts JSON sets its content type.
    if !body.is_empty() && is_json(&kind) || body.trim_ascii_start().starts_with(b"{") {
        let fields: Vec<(String, String)> = object(inbound)?
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::Null => None,
                Value::String(text) => Some((name, text)),
                value => Some((name, value.to_string())),
            })
            .collect();
        return Ok(form(&fields).into());
    }
    // In a value, a line end is escaped; one at the end comes from the program that posts.
    Ok(Cow::Borrowed(body.trim_ascii_end()))
}

fn form<T: AsRef<[u8]>>(fields: &[(T, T)]) -> Vec<u8> {
    let encode = |part: &T| percent_encode(part.as_ref(), NON_ALPHANUMERIC).to_string();
    let pairs = fields.iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&").into_bytes()
}

/// The named parts of a `multipart/form-data` body (RFC 7578); `None` where it does not reach its last boundary, or a
/// part has no name.
fn multipart<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let first = [b"--", boundary.as_bytes()].concat();
    let next = [b"\r\n", &first[..]].concat();
    let (before, mut rest) = cut(body, &first)?;
    // A preamble may precede the first boundary, which begins a line (RFC 2046, 5.1.1).
    if !before.is_empty() && !before.ends_with(b"\r\n") {
        return None;
    }
    let mut fields = Vec::new();
    // The last boundary ends with two hyphens; without it the body was cut off.
    while !rest.starts_with(b"--") {
        // RFC 2046, 5.1.1 allows blanks behind a boundary.
        let (_padding, part) = cut(rest, b"\r\n")?;
        let (part, behind) = cut(part, &next)?;
        let (head, value) = cut(part, b"\r\n\r\n")?;
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let name = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.trim().eq_ignore_ascii_case("content-disposition");
            named.then(|| parameter(value, "name"))?
        })?;
        fields.push((name.as_bytes(), value));
        rest = behind;
    }
    Some(fields)
}

/// A parameter of a header's value: `b` of `x; a="b"`.
fn parameter<'a>(value: &'a str, wanted: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case(wanted).then_some(value)
    })
}

/// The parts before and after the first `separator`.
fn cut<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut windows = text.windows(separator.len());
    let at = windows.position(|window| window == separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}

/// The still encoded fields of a form or a query; the value is `None` without an `=`. Ignores the content type.
pub fn pairs(form: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let pairs = form.split(|byte| *byte == b'&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=');
        equals.map_or((pair, None), |at| (&pair[..at], Some(&pair[at + 1..])))
    })
}

/// A name or value of a form: percent escapes and `+` resolved; a percent sign that begins no escape stays one, as browsers
/// have it.
pub fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    // First the `+`: `%2B` is a plus sign and must stay one.
    if text.contains(&b'+') {
        let spaces: Vec<u8> = text
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        return percent_decode(&spaces).collect::<Vec<u8>>().into();
    }
    percent_decode(text).into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::inbound;
    use super::*;

    fn posted(kind: &str, body: &str) -> Result<String, Refusal> {
        let mut inbound = inbound("POST", "/", body.to_owned());
        let kind = kind.parse().unwrap();
        inbound.request.headers_mut().insert("content-type", kind);
        let form = posted_form(&inbound)?;
        Ok(String::from_utf8(form.into_owned()).unwrap())
    }

    const MULTIPART: &str = "multipart/form-data; boundary=\"-x y\"";

    fn part(disposition: &str, value: &str) -> String {
        format!("---x y\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n")
    }

    #[test]
    fn fields_are_read_from_each_encoding() {
        let two = [
            part("form-data; name=\"a b\"", "1&2\r\n--x"),
            part(
                "form-data; name=c; filename=\"d\"\r\nContent-Type: text/plain",
                "",
            ),
            "---x y--\r\n".to_owned(),
        ]
        .concat();
        let with_preamble = format!("words\r\n{two}more");
        for (kind, body, form) in [
            ("application/x-www-form-urlencoded", "a=1&b", "a=1&b"),
            ("text/plain", "a=1", "a=1"),
            ("application/json", "", ""),
            (
                "application/json",
                r#"{"a":"1 2","b":1.50,"c":null}"#,
                "a=1%202&b=1%2E50",
            ),
            (
                "application/vnd.x+json; charset=utf-8",
                r#" {"a":{"b":[1]}}"#,
                "a=%7B%22b%22%3A%5B1%5D%7D",
            ),
            (
                "application/x-www-form-urlencoded",
                r#"{"a":"ł"}"#,
                "a=%C5%82",
            ),
            (MULTIPART, two.as_str(), "a%20b=1%262%0D%0A%2D%2Dx&c="),
            (
                MULTIPART,
                with_preamble.as_str(),
                "a%20b=1%262%0D%0A%2D%2Dx&c=",
            ),
            ("Multipart/Form-Data; Boundary=-x y", "---x y--", ""),
        ] {
            assert_eq!(posted(kind, body).as_deref(), Ok(form), "{kind}: {body}");
        }
    }

    #[test]
    fn a_body_that_does_not_match_its_content_type_is_refused() {
        let torn = part("form-data; name=a", "1");
        let nameless = [part("form-data; filename=a", "1"), "---x y--".into()].concat();
        for (kind, body, words) in [
            (MULTIPART, "", "not complete multipart"),
            (MULTIPART, "a=1", "not complete multipart"),
            (MULTIPART, torn.as_str(), "not complete multipart"),
            (MULTIPART, nameless.as_str(), "not complete multipart"),
            (
                "multipart/form-data",
                torn.as_str(),
                "not complete multipart",
            ),
            ("application/json", "a=1", "not JSON: line 1"),
            (
                "text/plain",
                "{a",
                "not JSON: its Content-Type is `text/plain`",
            ),
            ("application/json", r#"{"a":1,"a":2}"#, "unique names"),
            ("application/json", "[1]", "not a JSON object"),
        ] {
            let refused = posted(kind, body).map(|form| panic!("{body}: {form}"));
            let Err(Refusal::Unreadable(why)) = refused else {
                panic!("{kind}: {body}");
            };
            assert!(why.contains(words), "{kind}: {body}: {why}");
        }
    }
}
