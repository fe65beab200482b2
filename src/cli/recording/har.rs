//! HTTP Archive 1.2, as browsers and proxies write it: fields are missing, null, or of other types.

use std::time::Duration;

use reqwest::Url;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::Deserialize;
use serde_json::Value;

use super::redaction::{self, RawBody};
use super::{Entry, account};
use crate::cli::export::OWN;
use crate::domain::{Exchange, ExchangeId, Outcome, WallTime, bad_json};

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Value>,
}

/// The entries of an archive; `None` for one that names no request.
pub fn read(bytes: &[u8]) -> Result<Vec<Option<Entry>>, String> {
    let archive: Archive = serde_json::from_slice(bytes).map_err(|error| bad_json(&error))?;
    let entries = archive.log.entries;
    // First of all: a later entry may repeat what an earlier one sent.
    for entry in &entries {
        for side in ["request", "response"] {
            redaction::learn_headers(&headers(&entry[side]));
        }
        response_body(entry).learn();
    }
    Ok(entries.iter().map(read_entry).collect())
}

fn read_entry(entry: &Value) -> Option<Entry> {
    let (request, response) = (&entry["request"], &entry["response"]);
    let url = text(&request["url"]).filter(|url| !url.is_empty())?;
    let own = &entry[OWN];
    let host = Url::parse(url).ok();
    let host = host.as_ref().and_then(Url::host_str).unwrap_or("unknown");
    let short = |value: &Value| redaction::text(text(value).unwrap_or_default(), 200);
    let (took, to_head) = times(entry);
    let exchange = Exchange {
        id: ExchangeId(0),
        account: account(text(&own["account"]).unwrap_or(host)),
        provider: short(&own["provider"]),
        environment: short(&own["environment"]),
        at: WallTime(0),
        method: redaction::text(text(&request["method"]).unwrap_or("GET"), 20),
        url: redaction::url(url),
        about: short(&own["about"]),
        attempt: number(&own["attempt"]).map_or(1, |it| u32::try_from(it).unwrap_or(1)),
        outcome: outcome(response),
        http_version: version(response).or(version(request)).unwrap_or_default(),
        to_head,
        took,
        request_body: request_body(request),
        request_headers: redaction::headers(headers(request)),
        response_headers: redaction::headers(headers(response)),
        response_body: response_body(entry).redacted(),
        response_wire: number(&response["bodySize"]),
        operator: short(&own["operator"]),
        profile: String::new(),
    };
    let at = text(&entry["startedDateTime"]).and_then(WallTime::from_rfc3339);
    Some(Entry { at, exchange })
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

/// A count; archives write -1 for an unknown one.
fn number(value: &Value) -> Option<u64> {
    decimal(value)?.trunc().to_u64()
}

fn decimal(value: &Value) -> Option<Decimal> {
    let text = value.as_number()?.to_string();
    let number = Decimal::from_scientific(&text).or_else(|_| text.parse());
    number.ok().filter(|number| !number.is_sign_negative())
}

/// Milliseconds, with fractions.
fn millis(value: &Value) -> Option<Duration> {
    let micros = decimal(value)?.checked_mul(Decimal::ONE_THOUSAND)?;
    micros.round().to_u64().map(Duration::from_micros)
}

/// The whole time, and that until the head of the response.
fn times(entry: &Value) -> (Duration, Option<Duration>) {
    let part = |name| millis(&entry["timings"][name]);
    // `ssl` is a part of `connect`.
    let before = ["blocked", "dns", "connect", "send"].map(part);
    let to_head = part("wait").map(|wait| before.into_iter().flatten().sum::<Duration>() + wait);
    let sum = to_head.unwrap_or_default() + part("receive").unwrap_or_default();
    let took = millis(&entry["time"]).unwrap_or(sum);
    (took, to_head.map(|to_head| to_head.min(took)))
}

fn outcome(response: &Value) -> Outcome {
    let status = number(&response["status"]).and_then(|status| u16::try_from(status).ok());
    if let Some(status @ 1..) = status {
        return Outcome::Status(status);
    }
    // Browsers say in a field of their own why a request failed.
    let words = [&response["_error"], &response["statusText"]].map(text);
    let words = words.into_iter().flatten().find(|words| !words.is_empty());
    Outcome::Failed(redaction::text(words.unwrap_or("no response"), 200))
}

fn version(side: &Value) -> Option<String> {
    let version = text(&side["httpVersion"])?;
    let is_known = !version.is_empty() && !version.eq_ignore_ascii_case("unknown");
    is_known.then(|| redaction::text(version, 16))
}

/// The names and values of headers, query parameters or form fields.
fn pairs(list: &Value) -> Vec<(String, String)> {
    let pairs = list.as_array().map_or(&[][..], Vec::as_slice).iter();
    let pairs = pairs.filter_map(|pair| {
        let value = text(&pair["value"]).unwrap_or_default();
        Some((text(&pair["name"])?.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

fn headers(side: &Value) -> Vec<(String, String)> {
    pairs(&side["headers"])
}

fn is_base64(value: &Value) -> bool {
    text(&value["encoding"]) == Some("base64")
}

fn is_cut(value: &Value) -> bool {
    text(&value["comment"]) == Some("cut")
}

fn request_body(request: &Value) -> crate::domain::Body {
    let data = &request["postData"];
    // A form may be recorded by its fields alone.
    let fields = pairs(&data["params"]);
    let form = (!fields.is_empty()).then(|| serde_urlencoded::to_string(&fields).ok());
    let written = text(&data["text"]).filter(|text| !text.is_empty());
    let form = form.flatten().filter(|_| written.is_none());
    RawBody {
        text: written.or(form.as_deref()),
        is_base64: is_base64(data),
        content_type: text(&data["mimeType"]).unwrap_or_default(),
        bytes: number(&request["bodySize"]).filter(|bytes| *bytes > 0),
        is_cut: is_cut(data),
    }
    .redacted()
}

fn response_body(entry: &Value) -> RawBody<'_> {
    let content = &entry["response"]["content"];
    RawBody {
        text: text(&content["text"]),
        is_base64: is_base64(content),
        content_type: text(&content["mimeType"]).unwrap_or_default(),
        bytes: number(&content["size"]),
        is_cut: is_cut(content),
    }
}
