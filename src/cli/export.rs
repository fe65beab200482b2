//! Exchanges in other formats, one at a time: JSON lines, HTTP Archive 1.2, curl. What the ledger kept is redacted
//! already.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{Body, Exchange, Outcome, curl as curl_command, inert};

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One exchange without headers and bodies.
pub fn summary(exchange: &Exchange) -> Value {
    let (status, error) = match &exchange.outcome {
        Outcome::Status(status) => (Some(*status), None),
        Outcome::Failed(why) => (None, Some(why.as_str())),
    };
    json!({
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
    })
}

/// One exchange with headers and bodies.
pub fn whole(exchange: &Exchange) -> Value {
    let mut object = summary(exchange);
    let side = |headers: &[(String, String)], body: &Body| json!({ "headers": headers, "body": body.text, "body_cut": body.cut });
    if let Value::Object(fields) = &mut object {
        fields.insert(
            "request".into(),
            side(&exchange.request_headers, &exchange.request_body),
        );
        fields.insert(
            "response".into(),
            side(&exchange.response_headers, &exchange.response_body),
        );
    }
    object
}

/// One exchange as a command, under a comment that says what it was.
pub fn curl(exchange: &Exchange) -> String {
    let outcome = match &exchange.outcome {
        Outcome::Status(status) => status.to_string(),
        Outcome::Failed(why) => why.clone(),
    };
    format!(
        "# {} {} {} -> {outcome}\n{}\n",
        exchange.at.rfc3339(),
        exchange.account,
        inert::line(&exchange.about),
        curl_command::command(exchange)
    )
}

/// What stands before the entries of an HTTP Archive.
pub fn har_begin() -> String {
    let creator = json!({ "name": "tilldeck", "version": env!("CARGO_PKG_VERSION") });
    format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[")
}

/// What stands after them.
pub const HAR_END: &str = "]}}";

/// One exchange as an entry of an HTTP Archive, on one line.
pub fn har_entry(exchange: &Exchange) -> String {
    inert::json(&entry(exchange).to_string()).into_owned()
}

fn entry(exchange: &Exchange) -> Value {
    let pairs = |pairs: &[(String, String)]| {
        pairs
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect::<Vec<_>>()
    };
    let header = |headers: &[(String, String)], name: &str| {
        headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
            .to_owned()
    };
    let query: Vec<(String, String)> = exchange
        .url
        .split_once('?')
        .and_then(|(_, query)| serde_urlencoded::from_str(query).ok())
        .unwrap_or_default();
    let (status, error) = match &exchange.outcome {
        Outcome::Status(status) => (*status, ""),
        Outcome::Failed(why) => (0, why.as_str()),
    };
    let wait = exchange.to_head.unwrap_or(exchange.took);
    let mut request = json!({
        "method": exchange.method,
        "url": exchange.url,
        "httpVersion": "unknown",
        "cookies": [],
        "headers": pairs(&exchange.request_headers),
        "queryString": pairs(&query),
        "headersSize": -1,
        "bodySize": exchange.request_body.bytes,
    });
    if exchange.request_body.bytes > 0 {
        request["postData"] = json!({
            "mimeType": header(&exchange.request_headers, "content-type"),
            "text": exchange.request_body.text,
        });
    }
    json!({
        "startedDateTime": exchange.at.rfc3339(),
        "time": millis(exchange.took),
        "request": request,
        "response": {
            "status": status,
            "statusText": error,
            "httpVersion": "unknown",
            "cookies": [],
            "headers": pairs(&exchange.response_headers),
            "content": {
                "size": exchange.response_body.bytes,
                "mimeType": header(&exchange.response_headers, "content-type"),
                "text": exchange.response_body.text,
                "comment": if exchange.response_body.cut { "cut" } else { "" },
            },
            "redirectURL": header(&exchange.response_headers, "location"),
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": { "send": 0, "wait": millis(wait), "receive": millis(exchange.took.saturating_sub(wait)) },
        "comment": format!("account {}, attempt {}", exchange.account, exchange.attempt),
    })
}

#[cfg(test)]
mod tests {
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
                cut: false,
            },
            response_headers: vec![("content-type".into(), "application/json".into())],
            response_body: Body {
                text: "{}".into(),
                bytes: 2,
                cut: false,
            },
        }
    }

    #[test]
    fn an_exchange_is_exported_as_har() {
        let (begin, entry) = (har_begin(), har_entry(&exchange()));
        let whole = format!("{begin}\n{entry},\n{entry}\n{HAR_END}");
        let archive: Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(archive["log"]["version"], "1.2");
        let entry = &archive["log"]["entries"][1];
        assert_eq!(entry["startedDateTime"], "2026-11-22T02:54:26.120Z");
        assert_eq!(
            entry["request"]["queryString"],
            json!([{ "name": "a", "value": "1 2" }])
        );
        assert_eq!(entry["request"]["postData"]["mimeType"], "application/json");
        assert_eq!(
            entry["timings"],
            json!({ "send": 0, "wait": 30, "receive": 11 })
        );
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
