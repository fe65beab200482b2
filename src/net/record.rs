//! The record of one attempt. Made only here, through the redactor.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;

use super::call::Call;
use super::http::AttemptResult;
use super::{http, redact};
use crate::domain::exchange::BODY_KEPT_MAX;
use crate::domain::{Account, Body, Exchange, ExchangeId, Outcome, WallTime, charset, inert};

const HEADERS_MAX: usize = 64;
/// Replaces the body of a forwarded callback; the purpose of the request names the callback.
const WITHHELD: &str = "<sealed with the callback>";
/// The most characters of a refusal.
const REFUSAL_MAX: usize = 40;
/// Longer header values are cut.
const HEADER_VALUE_MAX: usize = 2_000;

/// The value of a foreign header, as it may be shown.
pub fn foreign_header(name: &str, value: &str) -> String {
    shortened(redact::foreign_header(name, value))
}

/// The request of one attempt.
pub struct Sent<'a> {
    /// Whose call it was.
    pub account: &'a Account,
    /// The account's profile.
    pub profile: &'a str,
    /// The call before authorising.
    pub call: &'a Call,
    /// Where it went.
    pub url: &'a reqwest::Url,
    /// The final headers.
    pub headers: &'a HeaderMap,
    /// Whether it is a forwarded callback: neither body nor query is recorded then, since both may hold the goods
    /// sold. The ledger has them encrypted.
    pub foreign: bool,
    /// The final body.
    pub body: &'a [u8],
    /// Names of JSON fields that are secret in this call and its response.
    pub hidden: &'static [&'static str],
    /// When it left.
    pub at: WallTime,
    /// 1 for the first try.
    pub attempt: u32,
}

/// The attempt as an [`Exchange`] without a number yet. `refusal` is what [`super::Authorise::refusal`] reads.
pub fn exchange(sent: &Sent<'_>, tried: &AttemptResult, refusal: Option<String>) -> Exchange {
    if let Ok(reply) = &tried.result {
        // First: the response may repeat a token that it grants, in a header or under another name.
        redact::learn_handed_out(&String::from_utf8_lossy(near(&reply.body)));
    }
    let reply = tried.result.as_ref().ok();
    let head = tried.head.as_ref().map(|(_, headers)| headers);
    let response_headers = reply.map(|reply| &reply.headers).or(head);
    Exchange {
        id: ExchangeId(0),
        account: sent.account.id.clone(),
        provider: sent.account.provider.to_string(),
        environment: sent.account.environment.as_str().to_owned(),
        at: sent.at,
        method: sent.call.method.clone(),
        url: if sent.foreign {
            let mut url = sent.url.clone();
            // As the body: the query may hold the goods sold.
            url.set_query(None);
            redact::url(&url)
        } else {
            redact::url(sent.url)
        },
        about: redact::scrub(&sent.call.about).into_owned(),
        attempt: sent.attempt,
        outcome: match &tried.result {
            Ok(reply) => match refusal.filter(|_| reply.status < 400) {
                Some(why) => {
                    Outcome::Refused(reply.status, inert::cut(&redact::scrub(&why), REFUSAL_MAX))
                }
                None => Outcome::Status(reply.status),
            },
            // A status that was received is shown even where its body could not be read.
            Err(error) => Outcome::Failed(match &tried.head {
                Some((status, _)) => format!("{status}, {}", error.in_record()),
                None => error.in_record(),
            }),
        },
        http_version: reply.map_or("", |reply| reply.version).to_owned(),
        response_wire: reply.and_then(|reply| reply.wire),
        operator: String::new(),
        profile: sent.profile.to_owned(),
        to_head: reply.map(|reply| reply.to_head),
        took: tried.took,
        request_headers: request_headers(sent),
        request_body: request_body(sent),
        response_headers: response_headers
            .into_iter()
            .flatten()
            // A server may send thousands; the record is saved for weeks.
            .take(HEADERS_MAX)
            .map(|(name, value)| {
                let value = shown_header(sent, name, value);
                (redact::scrub(name).into_owned(), shortened(value))
            })
            .collect(),
        response_body: match reply {
            Some(reply) if sent.foreign => withheld(&reply.body),
            Some(reply) => {
                let kind = reply.header("content-type").unwrap_or_default();
                body_hiding(&reply.body, kind, sent.hidden)
            }
            None => Body::default(),
        },
    }
}

/// The request headers, with the `Host` that the protocol adds.
fn request_headers(sent: &Sent<'_>) -> Vec<(String, String)> {
    let host = (!sent.headers.contains_key("host"))
        .then(|| ("host".to_owned(), http::authority(sent.url)));
    let others = sent.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let shown = shown_header(sent, name.as_str(), &value);
        (redact::scrub(name.as_str()).into_owned(), shown)
    });
    others.chain(host).collect()
}

/// A header's value, cut where it is over-long.
fn shortened(mut value: String) -> String {
    if value.chars().count() > HEADER_VALUE_MAX {
        value = value.chars().take(HEADER_VALUE_MAX - 1).collect();
        value.push('…');
    }
    value
}

fn shown_header(sent: &Sent<'_>, name: &str, value: &str) -> String {
    if sent.foreign {
        foreign_header(name, value)
    } else {
        redact::header(name, value)
    }
}

/// A body that is recorded by its size only.
pub fn withheld(bytes: &[u8]) -> Body {
    Body {
        text: if bytes.is_empty() { "" } else { WITHHELD }.to_owned(),
        bytes: bytes.len() as u64,
        ..Body::default()
    }
}

/// The recorded request body. Where a call has secret fields, a body that is not JSON is hidden completely: most
/// likely it is a file upload.
fn request_body(sent: &Sent<'_>) -> Body {
    if sent.foreign {
        return withheld(sent.body);
    }
    let is_json = matches!(
        sent.body.trim_ascii_start().first(),
        None | Some(b'{' | b'[')
    );
    if sent.hidden.is_empty() || is_json {
        body_hiding(sent.body, UNDECODED, sent.hidden)
    } else {
        Body {
            text: "<body>".into(),
            bytes: sent.body.len() as u64,
            ..Body::default()
        }
    }
}

/// The `Content-Type` for bodies that are recorded byte for byte: text that is not UTF-8 is not decoded.
pub const UNDECODED: &str = "text/plain; charset=utf-8";

/// A received body for the record: redacted first, then cut, so that no half of a secret survives at the cut.
pub fn body(bytes: &[u8]) -> Body {
    body_hiding(bytes, UNDECODED, &[])
}

/// Only the beginning is redacted: text far behind the cut cannot affect it, and 8 MiB would take long.
fn near(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(BODY_KEPT_MAX + 64 * 1024)]
}

/// The same for a body of this `Content-Type`: decoded by its charset, with these JSON fields redacted. Binary data
/// is saved as base64, unless it may hold a secret.
pub fn body_hiding(bytes: &[u8], content_type: &str, hidden: &[&str]) -> Body {
    let redacted = |text: &str| redact::body_hiding(text, hidden);
    if hidden.is_empty() {
        body_by(bytes, content_type, redacted)
    } else {
        let text = charset::decode(near(bytes), content_type, is_near(bytes));
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(near(bytes)));
        cut(bytes, narrowed(&text, redacted))
    }
}

/// The same for a body that `redacted` redacts.
pub fn body_by(bytes: &[u8], content_type: &str, redacted: impl Fn(&str) -> String) -> Body {
    let near = near(bytes);
    let lossy = String::from_utf8_lossy(near);
    match charset::decode(near, content_type, is_near(bytes)) {
        Some(text) => cut(bytes, narrowed(&text, &redacted)),
        // Base64 would hide a secret from every later redaction, so such data is shown as redacted text instead.
        None => match narrowed(&lossy, &redacted) {
            shown if shown == lossy => binary(bytes),
            shown => cut(bytes, shown),
        },
    }
}

fn is_near(bytes: &[u8]) -> bool {
    near(bytes).len() == bytes.len()
}

/// The redacted text of a body, cut where it is over-long.
fn cut(bytes: &[u8], mut text: String) -> Body {
    let cut = !is_near(bytes) || text.len() > BODY_KEPT_MAX;
    // Redaction may lengthen a text, so the limit counts afterwards.
    if text.len() > BODY_KEPT_MAX {
        text.truncate(text.floor_char_boundary(BODY_KEPT_MAX));
    }
    Body {
        text,
        base64: false,
        bytes: bytes.len() as u64,
        cut,
    }
}

/// A redacted text; without its zero bytes where these separate the characters of a secret, as in UTF-16.
fn narrowed(text: &str, redacted: impl Fn(&str) -> String) -> String {
    let narrow = text.replace('\0', "");
    let shown = redacted(&narrow);
    if shown != narrow || narrow.len() == text.len() {
        shown
    } else {
        redacted(text)
    }
}

fn binary(bytes: &[u8]) -> Body {
    // Base64 makes four characters of three bytes.
    let some = &bytes[..bytes.len().min(BODY_KEPT_MAX / 4 * 3)];
    Body {
        text: STANDARD.encode(some),
        base64: true,
        bytes: bytes.len() as u64,
        cut: some.len() < bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_bodies_are_cut_with_the_cut_shown() {
        let whole = body(b"short");
        assert_eq!(
            (whole.text.as_str(), whole.bytes, whole.cut),
            ("short", 5, false)
        );
        let long = body("ż".repeat(400_000).as_bytes());
        assert!(long.text.len() <= BODY_KEPT_MAX);
        assert_eq!((long.bytes, long.cut), (800_000, true));
        let exact = body(&vec![b'x'; BODY_KEPT_MAX]);
        assert!(!exact.cut);
    }

    #[test]
    fn fields_that_a_call_hides_are_redacted_where_they_are_texts() {
        let page = br#"{"content":[{"id":"7","content":"PLANTED","mimeType":"text/plain"}],"body" : "PLANTED"}"#;
        assert_eq!(
            body_hiding(page, "", &["content", "body"]).text,
            r#"{"content":[{"id":"7","content":"<content>","mimeType":"text/plain"}],"body" : "<body>"}"#
        );
        let torn = body_hiding(br#"{"content":[{"content":"PLAN"#, "", &["content"]);
        assert!(!torn.text.contains("PLAN"), "{}", torn.text);
        assert!(body(page).text.contains("PLANTED"));
    }

    #[test]
    fn a_secret_in_utf_16_without_a_mark_is_redacted() {
        let secret = "Wide-pl4nted-in-a-test";
        redact::learn(&crate::domain::Secret::new(secret), "wide");
        let text = format!("{{\"a\":\"{secret}\"}}");
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let wide: Vec<u8> = text.encode_utf16().flat_map(bytes).collect();
            for odd in [&b""[..], b"\xff"] {
                let shown = body(&[&wide, odd].concat()).text;
                assert!(shown.contains(r#"{"a":"<wide>"}"#), "{shown}");
            }
        }
        assert_eq!(body(b"a\0b").text, "a\0b");
    }

    #[test]
    fn a_secret_across_the_cut_is_redacted_first() {
        let mut bytes = vec![b' '; BODY_KEPT_MAX - 30];
        bytes.extend_from_slice(br#"{"paymentToken":"PLANTEDPLANTEDPLANTEDPLANTED"}"#);
        assert!(!body(&bytes).text.contains("PLANT"));
    }
}
