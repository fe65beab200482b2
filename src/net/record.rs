//! One try, as it may be kept and shown: made here, through the redactor, and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;

use super::call::Call;
use super::call::Reply;
use super::http::AttemptResult;
use super::{http, redact};
use crate::domain::exchange::BODY_KEPT_MAX;
use crate::domain::{Account, Body, Exchange, ExchangeId, Outcome, WallTime, charset, inert};

/// Headers of a reply beyond this many are not kept.
const HEADERS_KEPT_MAX: usize = 64;
/// Stands for the bodies of a callback that is handed on; what it was for names the callback.
const WITHHELD: &str = "<sealed with the callback>";
/// Longer header values are cut.
const HEADER_KEPT_MAX: usize = 2_000;

/// Headers that come from elsewhere and carry no secret, in lower case. All others' values are not shown: which header
/// a webhook's secret is in, is the shop's choice.
const OPEN_HEADERS: [&str; 19] = [
    "host",
    "content-type",
    "content-length",
    "content-encoding",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "date",
    "connection",
    "transfer-encoding",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// The value of a header that came from elsewhere, as it may be shown.
#[must_use]
pub fn foreign_header(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    if OPEN_HEADERS.contains(&name.as_str()) {
        shortened(redact::header(&name, value))
    } else {
        format!("<{}>", inert::line(&redact::scrub(&name)))
    }
}

/// What was sent in one try.
pub struct Sent<'a> {
    /// Whose call it was.
    pub account: &'a Account,
    /// The call before authorising.
    pub call: &'a Call,
    /// Where it went.
    pub url: &'a reqwest::Url,
    /// The final headers.
    pub headers: &'a HeaderMap,
    /// Whether it came from elsewhere and is handed on: then neither body is kept, nor the query, since both may hold
    /// what is sold. The ledger has them sealed.
    pub foreign: bool,
    /// The final body.
    pub body: &'a [u8],
    /// Names of JSON fields that are secret in this call and its reply.
    pub hidden: &'static [&'static str],
    /// When it left.
    pub at: WallTime,
    /// 1 for the first try.
    pub attempt: u32,
}

/// The try as an [`Exchange`] without a number yet.
#[must_use]
pub fn exchange(sent: &Sent<'_>, tried: &AttemptResult) -> Exchange {
    if let Ok(reply) = &tried.result {
        redact::learn_handed_out(&String::from_utf8_lossy(near(&reply.body)));
    }
    let (response_headers, response_body, to_head) = match (&tried.result, &tried.head) {
        (Ok(reply), _) => (
            reply.headers.clone(),
            if sent.foreign {
                withheld(&reply.body)
            } else {
                let kind = reply.header("content-type").unwrap_or_default();
                kept_hiding(&reply.body, kind, sent.hidden)
            },
            Some(reply.to_head),
        ),
        (Err(_), Some((_, headers))) => (headers.clone(), Body::default(), None),
        (Err(_), None) => (Vec::new(), Body::default(), None),
    };
    let reply = tried.result.as_ref().ok();
    Exchange {
        id: ExchangeId(0),
        account: sent.account.id.clone(),
        provider: sent.account.provider.to_string(),
        environment: sent.account.environment.as_str().to_owned(),
        at: sent.at,
        method: sent.call.method.clone(),
        url: if sent.foreign {
            let mut url = sent.url.clone();
            url.set_query(None);
            redact::url(&url)
        } else {
            redact::url(sent.url)
        },
        about: redact::scrub(&sent.call.about).into_owned(),
        attempt: sent.attempt,
        outcome: match &tried.result {
            Ok(reply) => Outcome::Status(reply.status),
            Err(error) => Outcome::Failed(match &tried.head {
                Some((status, _)) => format!("{status}, {}", error.in_record()),
                None => error.in_record(),
            }),
        },
        http_version: reply.map_or("", |reply| reply.version).to_owned(),
        response_wire: reply.and_then(|reply| reply.wire),
        to_head,
        took: tried.took,
        request_headers: request_headers(sent, reply),
        request_body: request_body(sent),
        response_headers: response_headers
            .iter()
            .take(HEADERS_KEPT_MAX)
            .map(|(name, value)| {
                let value = shown_header(sent, name, value);
                (redact::scrub(name).into_owned(), shortened(value))
            })
            .collect(),
        response_body,
    }
}

/// What was sent, with the header that the protocol itself adds: HTTP/2 has another way to name the host.
fn request_headers(sent: &Sent<'_>, reply: Option<&Reply>) -> Vec<(String, String)> {
    let is_newer = reply.is_some_and(|reply| reply.version == "HTTP/2.0");
    let host = (!is_newer && !sent.headers.contains_key("host"))
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
    if value.chars().count() > HEADER_KEPT_MAX {
        value = value.chars().take(HEADER_KEPT_MAX - 1).collect();
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

/// The size of a body that is kept sealed elsewhere, and nothing else of it.
#[must_use]
pub fn withheld(bytes: &[u8]) -> Body {
    Body {
        text: if bytes.is_empty() { "" } else { WITHHELD }.to_owned(),
        bytes: bytes.len() as u64,
        ..Body::default()
    }
}

/// Where something in it is secret, what is not JSON is secret as a whole: the upload of a file, most likely.
fn request_body(sent: &Sent<'_>) -> Body {
    if sent.foreign {
        return withheld(sent.body);
    }
    let is_json = matches!(
        sent.body.trim_ascii_start().first(),
        None | Some(b'{' | b'[')
    );
    if sent.hidden.is_empty() || is_json {
        kept_hiding(sent.body, UNDECODED, sent.hidden)
    } else {
        Body {
            text: "<body>".into(),
            bytes: sent.body.len() as u64,
            ..Body::default()
        }
    }
}

/// The type of a body that is to be kept byte for byte: what is not UTF-8 is not decoded.
const UNDECODED: &str = "text/plain; charset=utf-8";

/// A body that came as it may be shown and kept, redacted whole and then cut: a secret that straddles the cut must not
/// survive by half.
#[must_use]
pub fn kept(bytes: &[u8]) -> Body {
    kept_hiding(bytes, UNDECODED, &[])
}

/// What lies far behind the cut cannot reach back over it; looking at all of 8 MiB would cost time.
fn near(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(BODY_KEPT_MAX + 64 * 1024)]
}

/// The same for a body of this `Content-Type`, by whose charset it is decoded, with the texts of these JSON fields
/// redacted, too. What is no text is kept in base64, unless a secret may be in it.
#[must_use]
pub fn kept_hiding(bytes: &[u8], content_type: &str, hidden: &[&str]) -> Body {
    let near = near(bytes);
    let is_whole = near.len() == bytes.len();
    let mut text = match charset::decode(near, content_type, is_whole) {
        Some(text) => redact::body_hiding(&text, hidden),
        None if hidden.is_empty() && holds_no_secret(near) => return binary(bytes),
        None => redact::body_hiding(&String::from_utf8_lossy(near), hidden),
    };
    let cut = !is_whole || text.len() > BODY_KEPT_MAX;
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

/// Whether the redactor finds nothing in what is no text, nor between its zero bytes, as in UTF-16.
fn holds_no_secret(bytes: &[u8]) -> bool {
    let lossy = String::from_utf8_lossy(bytes);
    let narrow = lossy.replace('\0', "");
    redact::body(&lossy) == lossy && redact::body(&narrow) == narrow
}

fn binary(bytes: &[u8]) -> Body {
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
        let whole = kept(b"short");
        assert_eq!(
            (whole.text.as_str(), whole.bytes, whole.cut),
            ("short", 5, false)
        );
        let long = kept("ż".repeat(400_000).as_bytes());
        assert!(long.text.len() <= BODY_KEPT_MAX);
        assert_eq!((long.bytes, long.cut), (800_000, true));
        let exact = kept(&vec![b'x'; BODY_KEPT_MAX]);
        assert!(!exact.cut);
    }

    #[test]
    fn fields_that_a_call_hides_are_redacted_where_they_are_texts() {
        let page = br#"{"content":[{"id":"7","content":"PLANTED","mimeType":"text/plain"}],"body" : "PLANTED"}"#;
        assert_eq!(
            kept_hiding(page, "", &["content", "body"]).text,
            r#"{"content":[{"id":"7","content":"<content>","mimeType":"text/plain"}],"body" : "<body>"}"#
        );
        let torn = kept_hiding(br#"{"content":[{"content":"PLAN"#, "", &["content"]);
        assert!(!torn.text.contains("PLAN"), "{}", torn.text);
        assert!(kept(page).text.contains("PLANTED"));
    }

    #[test]
    fn a_secret_across_the_cut_is_redacted_first() {
        let mut body = vec![b' '; BODY_KEPT_MAX - 30];
        body.extend_from_slice(br#"{"paymentToken":"PLANTEDPLANTEDPLANTEDPLANTED"}"#);
        assert!(!kept(&body).text.contains("PLANT"));
    }
}
