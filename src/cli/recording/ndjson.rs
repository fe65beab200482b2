//! One JSON object per line, as `tilldeck log --export ndjson` and `tilldeck log --json` write it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::redaction::{self, RawBody};
use super::{Entry, account};
use crate::domain::{Exchange, ExchangeId, Outcome, WallTime, bad_json_reason};

/// A line. What is missing has its default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    account: String,
    provider: String,
    environment: String,
    at: String,
    method: String,
    url: String,
    about: String,
    attempt: u32,
    status: Option<u16>,
    error: Option<String>,
    ms: u64,
    bytes_sent: u64,
    bytes_received: u64,
    bytes_received_wire: Option<u64>,
    http_version: Option<String>,
    operator: String,
    request: Side,
    response: Side,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Side {
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_cut: bool,
    encoding: Option<String>,
}

impl Side {
    fn body(&self, bytes: u64) -> RawBody<'_> {
        RawBody {
            text: self.body.as_deref(),
            is_base64: self.encoding.as_deref() == Some("base64"),
            content_type: "",
            bytes: Some(bytes),
            is_cut: self.body_cut,
        }
    }
}

/// Whether the first line is an object of its own that is no archive.
pub fn is_likely(bytes: &[u8]) -> bool {
    let first = lines(bytes).next();
    let first = first.and_then(|(_, line)| serde_json::from_slice::<Value>(line).ok());
    first.is_some_and(|value| value.is_object() && value.get("log").is_none())
}

/// The lines that are not blank, with their numbers.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// The requests of the lines.
pub fn read(bytes: &[u8]) -> Result<Vec<Option<Entry>>, String> {
    let mut all = Vec::new();
    for (number, line) in lines(bytes) {
        let line: Line = serde_json::from_slice(line).map_err(|error| {
            let (why, column) = (bad_json_reason(&error), error.column());
            format!("{why} (line {number}, column {column})")
        })?;
        if line.method.is_empty() || line.url.is_empty() {
            return Err(format!(
                "line {number} has no `method` and `url` of a request"
            ));
        }
        for side in [&line.request, &line.response] {
            redaction::learn_headers(&side.headers);
        }
        line.response.body(0).learn();
        all.push(line);
    }
    Ok(all.into_iter().map(|line| Some(entry(line))).collect())
}

fn entry(line: Line) -> Entry {
    let short = |text: &str| redaction::text(text, 200);
    let exchange = Exchange {
        id: ExchangeId(0),
        account: account(&line.account),
        provider: short(&line.provider),
        environment: short(&line.environment),
        at: WallTime(0),
        method: redaction::text(&line.method, 20),
        url: redaction::url(&line.url),
        about: short(&line.about),
        attempt: line.attempt.max(1),
        outcome: match line.status {
            Some(status) => Outcome::Status(status),
            None => Outcome::Failed(short(line.error.as_deref().unwrap_or("no response"))),
        },
        http_version: redaction::text(&line.http_version.unwrap_or_default(), 16),
        to_head: None,
        took: Duration::from_millis(line.ms),
        request_body: line.request.body(line.bytes_sent).redacted(),
        response_body: line.response.body(line.bytes_received).redacted(),
        request_headers: redaction::headers(line.request.headers),
        response_headers: redaction::headers(line.response.headers),
        response_wire: line.bytes_received_wire,
        operator: short(&line.operator),
        profile: String::new(),
    };
    let at = WallTime::from_rfc3339(&line.at);
    Entry { at, exchange }
}
