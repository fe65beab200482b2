//! The one redactor, for every exit: screen, log, ledger, export, copied curl, error, panic.
//!
//! Redacts by name (headers, query, form and JSON fields), by known value, and by the value's encoded
//! forms. Works on text as it is, torn JSON included; never re-serialises, so what is left is faithful.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::domain::Secret;

/// Headers whose value is a secret at every provider, in lower case.
const HEADERS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-sig",
    "x-api-key",
    "x-auth-token",
    "api-key",
    "authentication-info",
];

/// Query, form and JSON fields whose value is a secret at every provider, in lower case without `_` and `-`.
const FIELDS: [&str; 20] = [
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "clientsecret",
    "clientid",
    "secret",
    "apisecret",
    "apikey",
    "appid",
    "shoptoken",
    "paymenttoken",
    "merchantsecret",
    "password",
    "passwd",
    "gameauthtoken",
    "signature",
    "authorization",
    "privatekey",
    "sessionid",
    "otp",
];

/// Shorter values are redacted by name only: replacing them everywhere would garble all else.
const KNOWN_MIN: usize = 4;

/// The most values that are remembered; the oldest learnt gives way. Configured secrets are taught first
/// at each use, so they stay.
const KNOWN_MAX: usize = 256;

struct Known {
    value: Secret,
    forms: Vec<Secret>,
    name: &'static str,
}

static KNOWN: RwLock<Vec<Known>> = RwLock::new(Vec::new());

/// Makes a secret value known: from now on it is replaced by `<name>` wherever text leaves.
pub fn learn(value: &Secret, name: &'static str) {
    let text = value.expose();
    if text.len() < KNOWN_MIN {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = known.iter().position(|k| k.value == *value) {
        let kept = known.remove(at);
        known.push(kept);
        return;
    }
    if known.len() >= KNOWN_MAX {
        known.remove(0);
    }
    let escaped = serde_json::to_string(text).unwrap_or_default();
    let mut forms: Vec<String> = [
        text.to_owned(),
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
        serde_urlencoded::to_string([("", text)])
            .unwrap_or_default()
            .trim_start_matches('=')
            .to_owned(),
        escaped.trim_matches('"').to_owned(),
        STANDARD.encode(text),
        STANDARD_NO_PAD.encode(text),
        URL_SAFE.encode(text),
        URL_SAFE_NO_PAD.encode(text),
        hex(text),
    ]
    .into();
    forms.retain(|form| form.len() >= KNOWN_MIN);
    forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    known.push(Known {
        value: value.clone(),
        forms: forms.into_iter().map(Secret::new).collect(),
        name,
    });
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `text` with every known value replaced, in whatever form it stands.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut out = Cow::Borrowed(text);
    for secret in known.iter() {
        for form in &secret.forms {
            if out.contains(form.expose()) {
                out = Cow::Owned(out.replace(form.expose(), &placeholder(secret.name)));
            }
        }
    }
    out
}

/// What stands in a secret's place.
fn placeholder(name: &str) -> String {
    format!("<{name}>")
}

/// A header's value as it may be shown.
#[must_use]
pub fn header(name: &str, value: &str) -> String {
    if HEADERS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
    {
        return placeholder(name);
    }
    // Location and Link carry URLs, whose query may carry tokens.
    scrub(&pairs(value)).into_owned()
}

/// A URL as it may be shown. User info is dropped.
#[must_use]
pub fn url(url: &reqwest::Url) -> String {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    scrub(&pairs(url.as_str())).into_owned()
}

/// A body as it may be shown.
#[must_use]
pub fn body(text: &str) -> String {
    scrub(&pairs(&json_fields(text))).into_owned()
}

fn is_secret_field(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    FIELDS.contains(&plain.as_str())
}

/// Replaces the values of secret fields in JSON, whole or torn.
fn json_fields(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(quote) = text[at..].find('"').map(|i| at + i) {
        let (name, after) = string_literal(text, quote);
        at = after;
        let colon = skip_space(text, after);
        if !text[colon..].starts_with(':') || !is_secret_field(&name) {
            continue;
        }
        let value = skip_space(text, colon + 1);
        let end = value_end(text, value);
        if value < end {
            out.push_str(&text[copied..value]);
            let shown = placeholder(&name);
            if text[value..].starts_with('"') {
                out.push('"');
                out.push_str(&shown);
                out.push('"');
            } else {
                out.push_str(&shown);
            }
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The content of the string that begins at `quote`, unescaped where that works, and where it ends.
fn string_literal(text: &str, quote: usize) -> (String, usize) {
    let mut escaped = false;
    for (i, c) in text[quote + 1..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let end = quote + 1 + i + 1;
                let raw = &text[quote..end];
                return (
                    serde_json::from_str(raw).unwrap_or_else(|_| raw.trim_matches('"').to_owned()),
                    end,
                );
            }
            _ => {}
        }
    }
    (text[quote + 1..].to_owned(), text.len())
}

fn skip_space(text: &str, from: usize) -> usize {
    from + text[from..]
        .bytes()
        .take_while(u8::is_ascii_whitespace)
        .count()
}

/// Where the JSON value that begins at `from` ends; a torn one ends with the text.
fn value_end(text: &str, from: usize) -> usize {
    if text[from..].starts_with('"') {
        return string_literal(text, from).1;
    }
    if !text[from..].starts_with(['{', '[']) {
        return text[from..]
            .find([',', '}', ']', '\n', '\r'])
            .map_or(text.len(), |i| from + i);
    }
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' => {
                at = string_literal(text, at).1;
                continue;
            }
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += c.len_utf8();
    }
    text.len()
}

/// Replaces the values of secret `name=value` pairs: a query, a form, a URL inside other text.
fn pairs(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    for (equals, _) in text.match_indices('=') {
        if equals < copied {
            continue;
        }
        let begins = |c: char| {
            matches!(c, '&' | '?' | ';' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace()
        };
        let start = text[..equals].rfind(begins).map_or(0, |i| {
            i + text[i..].chars().next().map_or(1, char::len_utf8)
        });
        let name = percent_decode_str(&text[start..equals]).decode_utf8_lossy();
        if !is_secret_field(&name) {
            continue;
        }
        let value = equals + 1;
        let end = text[value..].find(begins).map_or(text.len(), |i| value + i);
        if value < end {
            out.push_str(&text[copied..value]);
            out.push_str(&placeholder(&name));
            copied = end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_fields_are_redacted_by_name_and_the_rest_stays_to_the_letter() {
        assert_eq!(
            body(r#"{ "id" : "A-17",  "appId":"KEY-abc", "nonce":1E2, "appId" : "again" }"#),
            r#"{ "id" : "A-17",  "appId":"<appId>", "nonce":1E2, "appId" : "<appId>" }"#
        );
        assert_eq!(
            body(r#"{"payment_token": 12345, "x":1}"#),
            r#"{"payment_token": <payment_token>, "x":1}"#
        );
        assert_eq!(
            body(r#"{"access_token":{"a":["}",1]},"x":1}"#),
            r#"{"access_token":<access_token>,"x":1}"#
        );
        assert_eq!(
            body(r#"{"a\u0070pId":"KEY"}"#),
            r#"{"a\u0070pId":"<appId>"}"#
        );
        assert_eq!(
            body(r#"{"token":"EMT","quantity":"3000"}"#),
            r#"{"token":"EMT","quantity":"3000"}"#
        );
    }

    #[test]
    fn torn_and_strange_bodies_are_redacted_too() {
        assert_eq!(
            body(r#"{"result":"ok","paymentToken":"abcde"#),
            r#"{"result":"ok","paymentToken":"<paymentToken>""#
        );
        assert_eq!(body(r#"{"secret":["a","b"#), r#"{"secret":<secret>"#);
        assert_eq!(
            body("grant_type=client_credentials&client_secret=s%20x&a=b"),
            "grant_type=client_credentials&client_secret=<client_secret>&a=b"
        );
        assert_eq!(
            body("client%5Fsecret=abc"),
            "client%5Fsecret=<client_secret>"
        );
        for text in [
            "",
            "\"",
            "\\",
            "{\"secret\":",
            "=",
            "zażółć=\"secret\"",
            "{\"secret\":]}",
            "\"secret\":}",
        ] {
            let _ = body(text);
        }
    }

    #[test]
    fn urls_and_headers_are_redacted_by_name() {
        let address =
            reqwest::Url::parse("https://user:pw@h/p?currency=BTC&paymentToken=LRmV%41&x=1#f")
                .unwrap();
        assert_eq!(
            url(&address),
            "https://h/p?currency=BTC&paymentToken=<paymentToken>&x=1#f"
        );
        assert_eq!(header("Api-Sig", "19626ab5"), "<Api-Sig>");
        assert_eq!(
            header("location", "https://h/?access_token=abc"),
            "https://h/?access_token=<access_token>"
        );
        assert_eq!(
            header("content-type", "text/html; charset=utf-8"),
            "text/html; charset=utf-8"
        );
    }

    #[test]
    fn known_values_are_found_in_all_their_forms() {
        let value = "planted/Secret+1 \"q\" żó";
        learn(&Secret::new(value), "planted");
        learn(&Secret::new("abc"), "short");
        let forms = [
            value.to_owned(),
            utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
            serde_urlencoded::to_string([("k", value)]).unwrap(),
            serde_json::to_string(value).unwrap(),
            STANDARD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
            hex(value),
        ];
        for form in forms {
            let shown = scrub(&form).into_owned();
            assert!(shown.contains("<planted>"), "{form} became {shown}");
            assert!(!shown.contains("planted/Secret"), "{shown}");
        }
        assert_eq!(scrub("abc"), "abc", "too short to be replaced everywhere");
    }
}
