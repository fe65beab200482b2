//! The one redactor, for every exit: screen, log, ledger, export, copied curl, error, panic.
//!
//! Redacts by name (headers, query, form and JSON fields), by known value, and by the value's encoded
//! forms (`known`). Works on text as it is, torn JSON included; never re-serialises, so what is left is faithful.

mod escapes;
mod fields;
mod foreign;
mod known;

use std::borrow::Cow;

use crate::domain::Secret;

use fields::{Names, plain, skip_space, string_literal};
pub use foreign::{Origin, RecordedSecrets, base64_decoded, foreign_header, foreign_url};
use known::{KnownSecrets, placeholder, scrub_also, scrub_torn};
pub use known::{learn, learn_temporary, scrub};

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
        if !body[colon..].starts_with(':') {
            continue;
        }
        let value = skip_space(body, colon + 1);
        if !body[value..].starts_with('"') {
            continue;
        }
        let plain = plain(&name);
        if let Some((_, name)) = HANDED_OUT.iter().find(|(known, _)| *known == plain) {
            let (token, after) = string_literal(body, value);
            learn_temporary(&Secret::new(token), name);
            at = after;
        }
    }
}

/// A header's value as it may be shown.
pub fn header(name: &str, value: &str) -> String {
    if is_secret_header(name) {
        return placeholder(name);
    }
    Rules::default().text(value)
}

fn is_secret_header(name: &str) -> bool {
    HEADERS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A URL as it may be shown. User info is dropped.
pub fn url(url: &reqwest::Url) -> String {
    Rules::default().url(url)
}

/// A body as it may be shown.
pub fn body(text: &str) -> String {
    body_hiding(text, &[])
}

/// A body as it may be shown; strings in JSON fields of these names are secret, too. Other values stay: elsewhere the
/// same name may be a list.
pub fn body_hiding(text: &str, hidden: &[&str]) -> String {
    let names = Names {
        hidden,
        ..Names::default()
    };
    Rules { names, more: None }.body(text)
}

/// A field's value as it may be shown.
pub fn field<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if Names::default().has(name) {
        Cow::Owned(placeholder(name))
    } else {
        scrub(value)
    }
}

#[derive(Clone, Copy, Default)]
struct Rules<'a> {
    names: Names<'a>,
    /// Values beside those that are known everywhere.
    more: Option<&'a KnownSecrets>,
}

impl Rules<'_> {
    /// A header's value. Location and Link carry URLs, whose query may carry tokens; some headers carry JSON.
    fn text(&self, text: &str) -> String {
        // Known values are replaced first: the rules by name would end a value at the first delimiter inside it.
        self.by_name(scrub_also(text, self.more), &[fields::json, fields::pairs])
    }

    fn url(&self, url: &reqwest::Url) -> String {
        let mut url = url.clone();
        // Credentials in a URL are a secret whatever they are.
        if !url.username().is_empty() || url.password().is_some() {
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
        let known = scrub_also(url.as_str(), self.more);
        self.by_name(known, &[fields::pairs])
    }

    fn body(&self, text: &str) -> String {
        // Pairs last: they end at a quote, and would cut a JSON string with `=` in it before its field was found.
        self.by_name(scrub_torn(text, self.more), &FINDERS)
    }

    fn by_name(&self, mut text: Cow<'_, str>, finders: &[Finder]) -> String {
        for find in finders {
            let found = find(&text, self.names);
            text = fields::replaced(text, found);
        }
        text.into_owned()
    }
}

type Finder = fn(&str, Names<'_>) -> Vec<fields::Field>;

/// What finds the secret fields of a body.
const FINDERS: [Finder; 4] = [
    fields::form_parts,
    fields::json,
    fields::inner_json,
    fields::pairs,
];

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
    fn no_part_of_a_multipart_form_is_searched_to_the_forms_end() {
        const PARTS: usize = 100_000;
        // One kind of empty line only: the other one is searched for in vain. From each part to the end, that takes minutes.
        for end in ["\n", "\r\n"] {
            let part = format!("form-data; name=\"access_token\"{end}{end}x{end}--");
            let (found, finding) = std::sync::mpsc::channel();
            std::thread::spawn(move || {
                found.send(fields::form_parts(&part.repeat(PARTS), Names::default()).len())
            });
            let found = finding.recv_timeout(std::time::Duration::from_secs(10));
            assert_eq!(found, Ok(PARTS));
        }
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
        // Of a page that is no JSON.
        for text in [
            "\"oken\"é",
            "\"token\" »",
            "\"oken\":é",
            "\"oken\": \"é",
            "\"oken\"",
        ] {
            learn_handed_out(text);
        }
        assert_eq!(scrub("bearer"), "bearer", "a word is no token");
    }
}
