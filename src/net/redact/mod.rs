//! The one redactor, for every exit: screen, log, ledger, export, copied curl, error, panic.
//!
//! Redacts by name (headers, query, form and JSON fields), by known value, and by the value's encoded
//! forms (`known`). Works on text as it is, torn JSON included; never re-serialises, so what is left is faithful.

mod escapes;
mod known;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::domain::Secret;

pub use known::{learn, learn_passing, scrub};
use known::{placeholder, scrub_torn};

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
const FIELDS: [&str; 22] = [
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
    "signedrequest",
    "signature",
    "authorization",
    "privatekey",
    "sessionid",
    "otp",
    // Kinguin looks a game key up by its text.
    "textkey",
];

/// No secret field's name is longer than this, escapes included.
const NAME_MAX: usize = 128;

/// Names of the fields in which a response grants tokens, normalised for comparison and as shown.
const HANDED_OUT: [(&str, &str); 4] = [
    ("accesstoken", "access_token"),
    ("refreshtoken", "refresh_token"),
    ("idtoken", "id_token"),
    ("paymenttoken", "paymentToken"),
];

/// Makes the tokens known that a JSON body grants by name: the same response may repeat them under another name.
pub fn learn_handed_out(body: &str) {
    // A quick test first: nearly no response grants a token.
    if !body.contains("oken\"") {
        return;
    }
    let mut at = 0;
    while let Some(quote) = body[at..].find('"').map(|i| at + i) {
        let (name, after) = string_literal(body, quote);
        at = after;
        let colon = skip_space(body, after);
        let value = skip_space(body, (colon + 1).min(body.len()));
        if !body[colon..].starts_with(':') || !body[value..].starts_with('"') {
            continue;
        }
        let plain = plain(&name);
        if let Some((_, name)) = HANDED_OUT.iter().find(|(known, _)| *known == plain) {
            let (token, after) = string_literal(body, value);
            learn_passing(&Secret::new(token), name);
            at = after;
        }
    }
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
    // Location and Link carry URLs, whose query may carry tokens; some headers carry JSON. Known values are replaced
    // first: the rules by name would end a value at the first delimiter inside it.
    pairs(&json_fields(&scrub(value), &[])).into_owned()
}

/// A URL as it may be shown. User info is dropped.
#[must_use]
pub fn url(url: &reqwest::Url) -> String {
    let mut url = url.clone();
    // Credentials in a URL are a secret whatever they are.
    if !url.username().is_empty() || url.password().is_some() {
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    pairs(&scrub(url.as_str())).into_owned()
}

/// A body as it may be shown.
#[must_use]
pub fn body(text: &str) -> String {
    body_hiding(text, &[])
}

/// A body as it may be shown; strings in JSON fields of these names are secret, too. Other values stay: elsewhere the
/// same name may be a list.
#[must_use]
pub fn body_hiding(text: &str, hidden: &[&str]) -> String {
    let known = scrub_torn(text);
    let known = form_parts(&known, hidden);
    // Pairs last: they end at a quote, and would cut a JSON string with `=` in it before its field was found.
    pairs(&inner_json_fields(&json_fields(&known, hidden))).into_owned()
}

/// Replaces the contents of secret fields in a multipart form (RFC 7578), whole or torn.
fn form_parts<'a>(text: &'a str, hidden: &[&str]) -> Cow<'a, str> {
    const NAMED: &str = "name=";
    if !text.contains("form-data") {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("form-data") {
        let (before, part) = rest.split_at(at);
        out.push_str(before);
        // A part's head ends with an empty line and its content before the next boundary; some senders leave out the
        // CR.
        let head_end = ["\r\n\r\n", "\n\n"]
            .into_iter()
            .filter_map(|end| Some(part.find(end)? + end.len()))
            .min()
            .unwrap_or(part.len());
        let (head, content) = part.split_at(head_end);
        let end = content.find("\n--").unwrap_or(content.len());
        let name = head.split([';', '\r', '\n']).find_map(|option| {
            let name = option.trim().strip_prefix(NAMED)?;
            Some(name.trim_matches('"'))
        });
        out.push_str(head);
        match name {
            Some(name) if is_secret_field(name) || hidden.contains(&name) => {
                let length = content[..end].trim_end_matches('\r').len();
                if length > 0 {
                    out.push_str(&placeholder(name));
                }
                out.push_str(&content[length..end]);
            }
            _ => out.push_str(&content[..end]),
        }
        rest = &content[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A field's value as it may be shown.
#[must_use]
pub fn field<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret_field(name) {
        Cow::Owned(placeholder(name))
    } else {
        scrub(value)
    }
}

fn is_secret_field(name: &str) -> bool {
    FIELDS.contains(&plain(name).as_str())
}

/// A field name without case, `_` and `-`.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Replaces the values of secret fields in JSON, whole or torn.
fn json_fields<'a>(text: &'a str, hidden: &[&str]) -> Cow<'a, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(quote) = text[at..].find('"').map(|i| at + i) {
        let (name, after) = string_literal(text, quote);
        at = after;
        let colon = skip_space(text, after);
        if !text[colon..].starts_with(':') {
            continue;
        }
        let value = skip_space(text, colon + 1);
        // Strings only: elsewhere the same name may be a list of what the operator needs.
        let hides = hidden.contains(&&*name) && text[value..].starts_with('"');
        if !hides && !is_secret_field(&name) {
            continue;
        }
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

/// Replaces the values of secret fields in JSON inside a JSON string: another server's answer, quoted in an error.
fn inner_json_fields(text: &str) -> Cow<'_, str> {
    const QUOTE: &str = "\\\"";
    let mut out = String::new();
    let mut copied = 0;
    for (quote, _) in text.match_indices(QUOTE) {
        let name = quote + QUOTE.len();
        let Some(end) = text[name..].find(QUOTE).map(|i| name + i) else {
            break;
        };
        let colon = skip_space(text, end + QUOTE.len());
        if name < copied || !text[colon..].starts_with(':') || !is_secret_field(&text[name..end]) {
            continue;
        }
        let value = skip_space(text, colon + 1);
        let (from, stops): (usize, &[char]) = match text[value..].strip_prefix(QUOTE) {
            Some(_) => (value + QUOTE.len(), &['"']),
            None => (value, &['"', ',', '}', '\\']),
        };
        // A quote escaped inside the inner string has more backslashes.
        let limiter = text[from..]
            .match_indices(stops)
            .find(|(at, _)| !text[from..from + at].ends_with(r"\\"))
            .map_or(text.len(), |(at, _)| from + at);
        let limiter = from + text[from..limiter].trim_end_matches('\\').len();
        if from < limiter {
            out.push_str(&text[copied..from]);
            out.push_str(&placeholder(&text[name..end]));
            copied = limiter;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The content of the string that begins at `quote`, unescaped where that works, and where it ends.
fn string_literal(text: &str, quote: usize) -> (Cow<'_, str>, usize) {
    let (mut escaped, mut plain) = (false, true);
    for (i, c) in text[quote + 1..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => (escaped, plain) = (true, false),
            '"' => {
                let end = quote + 1 + i + 1;
                let content = text[quote + 1..end - 1].trim_matches('"');
                let unescaped = if plain {
                    None
                } else {
                    serde_json::from_str(&text[quote..end]).ok()
                };
                return (unescaped.map_or(content.into(), Cow::Owned), end);
            }
            _ => {}
        }
    }
    (text[quote + 1..].into(), text.len())
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

/// Where the value of a pair ends. Placeholders inside it are part of it.
fn pair_end(text: &str, from: usize, ends: impl Fn(char) -> bool + Copy) -> usize {
    let mut at = from;
    while let Some(next) = text[at..].find(ends) {
        at += next;
        let Some(rest) = text[at..].strip_prefix('<') else {
            return at;
        };
        let mut bytes = rest.bytes().take(NAME_MAX);
        let name = bytes.position(|byte| !is_of_a_name(byte));
        match name {
            Some(length) if rest.as_bytes()[length] == b'>' => at += length + 2,
            _ => return at,
        }
    }
    text.len()
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' ')
}

/// Replaces the values of secret `name=value` pairs: a query, a form, a URL inside other text.
fn pairs(text: &str) -> Cow<'_, str> {
    let begins =
        |c: char| matches!(c, '&' | '?' | ';' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace();
    let mut out = String::new();
    let mut copied = 0;
    // Each part is searched once, so that a body of nothing but `=` takes linear time.
    let (mut start, mut looked) = (0, 0);
    for (equals, _) in text.match_indices('=') {
        if let Some(at) = text[looked..equals].rfind(begins).map(|i| looked + i) {
            start = at + text[at..].chars().next().map_or(1, char::len_utf8);
        }
        looked = equals;
        if equals < copied || equals - start > NAME_MAX {
            continue;
        }
        let name = percent_decode_str(&text[start..equals]).decode_utf8_lossy();
        if !is_secret_field(&name) {
            continue;
        }
        let value = equals + 1;
        let end = pair_end(text, value, begins);
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
    fn json_within_json_is_redacted_too() {
        let inner = r#"{ "access_token" : "a\"b}c", "id":7, "otp":123456, "x":"otp" }"#;
        let outer = serde_json::json!({ "error": format!("upstream said {inner}") }).to_string();
        assert_eq!(
            body(&outer),
            r#"{"error":"upstream said { \"access_token\" : \"<access_token>\", \"id\":7, \"otp\":<otp>, \"x\":\"otp\" }"}"#
        );
        assert_eq!(body(r#"\"secret\":\"abc"#), r#"\"secret\":\"<secret>"#);
        assert_eq!(body(r#"{"a":"\"secret\":"}"#), r#"{"a":"\"secret\":"}"#);
        for text in [
            "\\\"",
            "\\\"secret\\\"",
            "\\\"secret\\\":\\",
            "\\\"otp\\\": ż",
        ] {
            let _ = body(text);
        }
    }

    #[test]
    fn hostile_bodies_cost_no_more_than_their_length() {
        // Each of these took minutes when every `=` or quote was looked back from.
        for part in ["=", "a=", "\"", "\\\"", "{\"secret\":", "[{", "&secret="] {
            let _ = body(&part.repeat(60_000 / part.len()));
        }
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
            body("event=x&api_key=k%2F1&game_auth_token=t+1&signed_request=a.b&user_id=7"),
            "event=x&api_key=<api_key>&game_auth_token=<game_auth_token>&signed_request=<signed_request>&user_id=7"
        );
        assert_eq!(
            body(r#"{"api_key":"k","game_auth_token":"t","signed_request":"a.b","id":7}"#),
            r#"{"api_key":"<api_key>","game_auth_token":"<game_auth_token>","signed_request":"<signed_request>","id":7}"#
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
    fn a_known_value_that_a_torn_body_ends_in_is_replaced() {
        learn(&Secret::new("tOrn-żecret-value"), "torn");
        assert_eq!(body("x tOrn-ż"), "x <torn>");
        assert_eq!(body("x tOrn-żecret-valu"), "x <torn>");
        assert_eq!(
            body("x tOrn"),
            "x tOrn",
            "too short to be told from other words"
        );
        assert_eq!(body("tOrn-ż x"), "tOrn-ż x");
        for end in [
            "%C5%BCe",
            "%C5%BC%6",
            r"\u017C",
            r"\u017Ce\u00",
            "&#380;&#10",
        ] {
            assert_eq!(body(&format!("x tOrn-{end}")), "x <torn>", "{end}");
        }
    }

    #[test]
    fn secret_fields_of_a_multipart_form_are_replaced() {
        let part = |name: &str, content: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
        };
        let form = [
            part("user_id", "765"),
            part("game_auth_token", "PLANTED\r\nPLANTED"),
            part("Api-Key", "PLANTED"),
            part("note", "kept"),
            "--x--\r\n".to_owned(),
        ];
        let form = form.concat();
        let shown = body(&form);
        assert!(!shown.contains("PLANTED"), "{shown}");
        assert!(shown.contains("<game_auth_token>\r\n--x"), "{shown}");
        assert!(
            shown.contains("765") && shown.contains("kept\r\n--x--"),
            "{shown}"
        );
        for end in 0..form.len() {
            let torn = body(&form[..end]);
            assert!(
                !torn.contains("PLANTED") || !form[..end].contains("PLANTED"),
                "{torn}"
            );
        }
        let unix = part("api_key", "PLANTED").replace("\r\n", "\n");
        assert!(!body(&unix).contains("PLANTED"));
    }

    #[test]
    fn a_token_that_is_handed_out_is_known_wherever_the_same_reply_has_it_again() {
        learn_handed_out(
            r#"{"access_token" : "handed-out\u002d0001","expires_in":"handed-out-0001","x":{"paymentToken":"handed-out-0002"}}"#,
        );
        assert_eq!(
            scrub("handed-out-0001 handed-out-0002"),
            "<access_token> <paymentToken>"
        );
        learn_handed_out(r#"{"access_token":"bearer","token_type":"bearer","id_token":"#);
        assert_eq!(scrub("bearer"), "bearer", "a word is no token");
    }
}
