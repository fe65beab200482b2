//! One JSON object per line, as `tilldeck log --export ndjson` and `tilldeck log --json` write it.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::body::RawBody;
use super::{Entries, Entry, Texts, full, origin};
use crate::domain::{Exchange, ExchangeId, Outcome, WallTime, bad_json_reason};
use crate::net::redact::RecordedSecrets;

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
        let kind = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        RawBody {
            text: self.body.as_deref().map(Cow::Borrowed),
            is_base64: self.encoding.as_deref() == Some("base64"),
            content_type: kind.map_or("", |(_, kind)| kind).into(),
            bytes: Some(bytes),
            is_cut: self.body_cut,
        }
    }
}

/// The lines that are not blank, with their numbers.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

fn each_line(bytes: &[u8], each: &mut dyn FnMut(Line)) -> Result<(), String> {
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
        each(line);
    }
    Ok(())
}

pub fn read(bytes: &[u8], entries: &mut Entries) -> Result<(), String> {
    let mut secrets = RecordedSecrets::default();
    each_line(bytes, &mut |line| learn(&line, &mut secrets))?;
    full(&secrets)?;
    each_line(bytes, &mut |line| {
        entries.add(|| Some(entry(line, &secrets)));
    })
}

fn learn(line: &Line, secrets: &mut RecordedSecrets) {
    let origin = origin(&line.provider);
    for side in [&line.request, &line.response] {
        secrets.learn_headers(origin, &side.headers);
        side.body(0).learn(origin, secrets);
    }
    for text in [Some(&line.url), line.error.as_ref()].into_iter().flatten() {
        secrets.learn_text(origin, text);
    }
}

fn entry(line: Line, secrets: &RecordedSecrets) -> Entry {
    let texts = Texts {
        origin: origin(&line.provider),
        secrets,
    };
    let exchange = Exchange {
        id: ExchangeId(0),
        account: texts.account(&line.account),
        provider: texts.provider(&line.provider),
        environment: texts.environment(&line.environment),
        at: WallTime(0),
        method: texts.cut(&line.method, 20),
        url: texts.url(&line.url),
        about: texts.short(&line.about),
        attempt: line.attempt.max(1),
        outcome: match line.status {
            Some(status) => Outcome::Status(status),
            None => Outcome::Failed(texts.short(line.error.as_deref().unwrap_or("no response"))),
        },
        http_version: texts.cut(&line.http_version.unwrap_or_default(), 16),
        to_head: None,
        took: Duration::from_millis(line.ms),
        request_body: line
            .request
            .body(line.bytes_sent)
            .redacted(texts.origin, secrets),
        response_body: line
            .response
            .body(line.bytes_received)
            .redacted(texts.origin, secrets),
        request_headers: texts.headers(line.request.headers),
        response_headers: texts.headers(line.response.headers),
        response_wire: line.bytes_received_wire,
        operator: texts.short(&line.operator),
        profile: String::new(),
    };
    let at = WallTime::from_rfc3339(&line.at);
    Entry { at, exchange }
}
