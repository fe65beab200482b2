//! Exchanges as JSON lines, HTTP Archive 1.2 or curl commands, one at a time. The ledger stores them redacted.

use hyper::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use crate::domain::time::millis;
use crate::domain::{Body, Exchange, Outcome, WallTime, curl as curl_command, inert, raw_path};

/// Characters not allowed in a URI (RFC 3986). Non-ASCII is always encoded, such as that of a placeholder.
const NO_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// In the part after the authority; the authority itself may have an IPv6 address in brackets.
const NO_PATH: &AsciiSet = &NO_URI.add(b'[').add(b']');

/// The field of an entry with what HAR has no field for.
pub const OWN: &str = "_tilldeck";

/// The only page of an archive: readers expect each entry to belong to a page.
const PAGE: &str = "page_1";

/// An exchange without headers and bodies.
pub fn summary(exchange: &Exchange) -> Value {
    let (status, error) = exchange.outcome.parts();
    let mut object = json!({
        "id": exchange.id,
        "account": exchange.account,
        "provider": exchange.provider,
        "environment": exchange.environment,
        "at": exchange.at.rfc3339(),
        "method": exchange.method,
        "url": exchange.url,
        "about": exchange.about,
        "attempt": exchange.attempt,
        "status": status,
        "error": error,
        "ms": millis(exchange.took),
        "bytes_sent": exchange.request_body.bytes,
        "bytes_received": exchange.response_body.bytes,
        "bytes_received_wire": exchange.response_wire,
        "http_version": version(exchange),
    });
    let texts = [
        ("profile", &exchange.profile),
        ("operator", &exchange.operator),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        object[name] = text.as_str().into();
    }
    object
}

fn version(exchange: &Exchange) -> Option<&str> {
    Some(exchange.http_version.as_str()).filter(|version| !version.is_empty())
}

/// One side of an exchange. `encoding` is `base64` where the body is not text.
pub fn side(headers: &[(String, String)], body: &Body) -> Value {
    let mut side = json!({ "headers": headers, "body": body.text, "body_cut": body.cut });
    if body.base64 {
        side["encoding"] = "base64".into();
    }
    side
}

/// An exchange with headers and bodies.
pub fn whole(exchange: &Exchange) -> Value {
    let mut object = summary(exchange);
    object["request"] = side(&exchange.request_headers, &exchange.request_body);
    object["response"] = side(&exchange.response_headers, &exchange.response_body);
    object
}

/// An exchange as a curl command, below a comment that describes it.
pub fn curl(exchange: &Exchange) -> String {
    let outcome = exchange.outcome.to_string();
    let description = [
        exchange.at.rfc3339().as_str(),
        exchange.account.as_str(),
        &exchange.about,
        "->",
        &outcome,
    ]
    .into_iter()
    .filter(|word| !word.is_empty())
    .collect::<Vec<_>>()
    .join(" ");
    let note = curl_command::note(&description);
    format!("{note}\n{}\n", curl_command::command(exchange))
}

/// The start of an HTTP Archive; its first entry has this time.
pub fn har_begin(first: Option<WallTime>) -> String {
    let creator = json!({ "name": "tilldeck", "version": env!("CARGO_PKG_VERSION") });
    let page = |at: WallTime| {
        json!({
            "startedDateTime": at.rfc3339(),
            "id": PAGE,
            "title": "tilldeck log",
            "pageTimings": { "onContentLoad": -1, "onLoad": -1 },
        })
    };
    let pages = Value::from_iter(first.map(page));
    format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"pages\":{pages},\"entries\":[")
}

pub const HAR_END: &str = "]}}";

pub fn har_entry(exchange: &Exchange) -> String {
    inert::json(&entry(exchange).to_string()).into_owned()
}

/// A URL as valid in an archive: placeholders and a provider's free text are percent-encoded, and so is a `%` that
/// starts no escape, which readers of archives cannot decode.
fn uri(url: &str) -> String {
    let url = raw_path::without_stray_percent(url);
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| authority + at);
    let (origin, path) = url.split_at(path);
    let origin = utf8_percent_encode(origin, NO_URI);
    format!("{origin}{}", utf8_percent_encode(path, NO_PATH))
}

fn pairs(pairs: &[(String, String)]) -> Value {
    let pair = |(name, value): &(String, String)| json!({ "name": name, "value": value });
    pairs.iter().map(pair).collect()
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map_or("", |(_, value)| value)
}

fn entry(exchange: &Exchange) -> Value {
    // HAR 1.2: the parts must add up to the whole, also in whole milliseconds.
    let time = millis(exchange.took);
    let wait = exchange
        .to_head
        .map_or(time, |to_head| millis(to_head).min(time));
    let mut entry = json!({
        "pageref": PAGE,
        "startedDateTime": exchange.at.rfc3339(),
        "time": time,
        "request": request(exchange),
        "response": response(exchange),
        "cache": {},
        "timings": { "send": 0, "wait": wait, "receive": time - wait },
        // Without it Chromium takes the first entry for a document and each JSON response for a script.
        "_resourceType": "fetch",
        "comment": format!("account {}, attempt {}", exchange.account, exchange.attempt),
    });
    entry[OWN] = json!({
        "account": exchange.account,
        "provider": exchange.provider,
        "environment": exchange.environment,
        "about": exchange.about,
        "attempt": exchange.attempt,
        "operator": exchange.operator,
        "error": exchange.outcome.parts().1,
    });
    entry
}

/// Adds a body's text. HAR has no `encoding` for that of a request; some readers know it.
fn with_text(mut content: Value, headers: &[(String, String)], body: &Body) -> Value {
    content["mimeType"] = header(headers, "content-type").into();
    content["text"] = body.text.as_str().into();
    if body.base64 {
        content["encoding"] = "base64".into();
    }
    if body.cut {
        content["comment"] = "cut".into();
    }
    content
}

fn request(exchange: &Exchange) -> Value {
    let query: Vec<(String, String)> = exchange
        .url
        .split_once('?')
        .and_then(|(_, query)| serde_urlencoded::from_str(query).ok())
        .unwrap_or_default();
    let body = &exchange.request_body;
    let mut request = json!({
        "method": exchange.method,
        "url": uri(&exchange.url),
        "httpVersion": version(exchange).unwrap_or("unknown"),
        "cookies": [],
        "headers": pairs(&exchange.request_headers),
        "queryString": pairs(&query),
        "headersSize": -1,
        "bodySize": body.bytes,
    });
    if body.bytes > 0 {
        request["postData"] = with_text(json!({}), &exchange.request_headers, body);
    }
    request
}

fn response(exchange: &Exchange) -> Value {
    let (status, text) = match &exchange.outcome {
        Outcome::Status(status) | Outcome::Refused(status, _) => {
            let known = StatusCode::from_u16(*status).ok();
            let reason = known.and_then(|status| status.canonical_reason());
            (*status, reason.unwrap_or_default())
        }
        // HAR 1.2 knows no failed request; browsers write status 0.
        Outcome::Failed(why) => (0, why.as_str()),
    };
    let body = &exchange.response_body;
    let size = json!({ "size": body.bytes });
    let mut content = with_text(size, &exchange.response_headers, body);
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    if let Some(wire) = exchange.response_wire {
        content["compression"] = (signed(body.bytes) - signed(wire)).into();
    }
    json!({
        "status": status,
        "statusText": text,
        "httpVersion": version(exchange).unwrap_or("unknown"),
        "cookies": [],
        "headers": pairs(&exchange.response_headers),
        "content": content,
        "redirectURL": header(&exchange.response_headers, "location"),
        "headersSize": -1,
        "bodySize": exchange.response_wire.map_or(-1, signed),
        // Without it Chromium adds the two sizes above, one of which is always -1.
        "_transferSize": exchange.response_wire.map_or(0, signed),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{AccountId, ExchangeId, WallTime};

    fn exchange() -> Exchange {
        Exchange {
            id: ExchangeId(7),
            account: AccountId::new("shop").unwrap(),
            provider: "kanga".into(),
            environment: "production".into(),
            at: WallTime(1_795_316_066_120),
            method: "POST".into(),
            url: "https://api.kanga.exchange/api/v2/tpg/transaction?a=1%202".into(),
            about: "A-17".into(),
            attempt: 2,
            outcome: Outcome::Status(200),
            http_version: "HTTP/2.0".into(),
            response_wire: Some(1),
            operator: String::new(),
            profile: String::new(),
            to_head: Some(Duration::from_millis(30)),
            took: Duration::from_millis(41),
            request_headers: vec![
                ("content-type".into(), "application/json".into()),
                ("host".into(), "api.kanga.exchange".into()),
                ("api-sig".into(), "<api-sig>".into()),
            ],
            request_body: Body {
                text: r#"{"id":"it's"}"#.into(),
                bytes: 13,
                ..Body::default()
            },
            response_headers: vec![("content-type".into(), "application/json".into())],
            response_body: Body {
                text: "{}".into(),
                bytes: 2,
                ..Body::default()
            },
        }
    }

    /// An archive with this exchange alone.
    fn archived(exchange: &Exchange) -> Value {
        let whole = format!(
            "{}\n{}\n{HAR_END}",
            har_begin(Some(exchange.at)),
            har_entry(exchange)
        );
        serde_json::from_str(&whole).unwrap()
    }

    #[test]
    fn an_archive_says_what_went_over_the_wire() {
        let archive = archived(&exchange());
        assert_eq!(archive["log"]["version"], "1.2");
        let page = &archive["log"]["pages"][0];
        assert_eq!(page["startedDateTime"], "2026-11-22T02:54:26.120Z");
        let entry = &archive["log"]["entries"][0];
        assert_eq!(entry["pageref"], page["id"]);
        assert_eq!(entry["startedDateTime"], page["startedDateTime"]);
        let (request, response) = (&entry["request"], &entry["response"]);
        assert_eq!(
            request["queryString"],
            json!([{ "name": "a", "value": "1 2" }])
        );
        assert_eq!(request["postData"]["mimeType"], "application/json");
        assert_eq!(request["bodySize"], 13);
        for side in [request, response] {
            assert_eq!(side["httpVersion"], "HTTP/2.0");
        }
        assert_eq!(response["statusText"], "OK");
        assert_eq!(response["bodySize"], 1, "on the wire");
        assert_eq!(response["_transferSize"], 1, "as Chromium has it");
        assert_eq!(entry["_resourceType"], "fetch");
        assert_eq!(response["content"]["size"], 2, "decoded");
        assert_eq!(response["content"]["compression"], 1);
        let refused = archived(&Exchange {
            outcome: Outcome::Refused(200, "fail 9000".into()),
            ..exchange()
        });
        let entry = &refused["log"]["entries"][0];
        assert_eq!(entry["response"]["status"], 200);
        assert_eq!(entry[OWN]["error"], "fail 9000");
    }

    #[test]
    fn the_parts_of_the_time_add_up() {
        let micros = Duration::from_micros;
        let cases = [
            (Some(micros(1_900)), micros(3_100), [3, 1, 2]),
            (Some(micros(41_500)), micros(41_400), [41, 41, 0]),
            (None, micros(10_000_999), [10_000, 10_000, 0]),
        ];
        for (to_head, took, [time, wait, receive]) in cases {
            let entry = entry(&Exchange {
                to_head,
                took,
                ..exchange()
            });
            assert_eq!(entry["time"], time);
            let timings = json!({ "send": 0, "wait": wait, "receive": receive });
            assert_eq!(entry["timings"], timings);
        }
    }

    #[test]
    fn an_archive_has_uris() {
        let cases = [
            (
                "https://api.example/x?api_key=<api_key>",
                "https://api.example/x?api_key=%3Capi_key%3E",
            ),
            (
                "http://[::1]:80/x?f[a]=1&g={x}|%20",
                "http://[::1]:80/x?f%5Ba%5D=1&g=%7Bx%7D%7C%20",
            ),
            (
                "https://a.example/100%?q=5%&r=%zz%41%4",
                "https://a.example/100%25?q=5%25&r=%25zz%41%254",
            ),
            ("http://a.example?ł=\u{1b}", "http://a.example?%C5%82=%1B"),
            (
                "http://h/50%?a=%zz&b=%%41%4",
                "http://h/50%25?a=%25zz&b=%25%41%254",
            ),
        ];
        for (url, written) in cases {
            assert_eq!(uri(url), written);
        }
    }

    #[test]
    fn a_body_that_is_no_text_is_exported_in_base64() {
        let binary = Body {
            text: "UEsDBP8=".into(),
            base64: true,
            bytes: 5,
            cut: false,
        };
        let sent = Exchange {
            request_body: binary.clone(),
            response_body: binary,
            ..exchange()
        };
        let archive = archived(&sent);
        let entry = &archive["log"]["entries"][0];
        for body in [&entry["request"]["postData"], &entry["response"]["content"]] {
            assert_eq!(body["text"], "UEsDBP8=");
            assert_eq!(body["encoding"], "base64");
        }
        assert_eq!(whole(&sent)["response"]["encoding"], "base64");
        assert!(curl(&sent).contains(r"printf 'PK\003\004\377' | curl"));
        let text = archived(&exchange());
        let content = &text["log"]["entries"][0]["response"]["content"];
        assert_eq!(content.get("encoding"), None);
    }

    #[test]
    fn an_exchange_is_exported_as_curl_with_placeholders() {
        let command = curl(&exchange());
        assert!(command.contains("-H 'api-sig: <api-sig>'"), "{command}");
        assert!(
            command.contains(r#"--data-raw '{"id":"it'\''s"}'"#),
            "{command}"
        );
        assert!(!command.contains("-H 'host"), "{command}");
    }
}
