//! HTTP Archive 1.2, as browsers and proxies write it: fields are missing, null, or of other types. Its entries are read
//! one at a time, and of an entry only what is shown: a small file may have many values.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use reqwest::Url;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::RawValue;

use super::RawRequest;
use super::side::{Pairs, RawSide};
use crate::domain::bad_json;

/// The most headers, cookies or form fields of one message that are read.
const PAIRS_MAX: usize = 4_000;

type Each<'a, 'de> = &'a mut dyn FnMut(&'de RawValue);

/// The fields down to a list, each element of which is visited.
struct Within<'a, 'de> {
    path: &'static [&'static str],
    each: Each<'a, 'de>,
}

impl<'de> DeserializeSeed<'de> for Within<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            json.deserialize_seq(self)
        } else {
            json.deserialize_map(self)
        }
    }
}

impl<'de> Visitor<'de> for Within<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an HTTP Archive")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((wanted, path)) = self.path.split_first() else {
            return Err(A::Error::custom("entries are no list"));
        };
        let mut is_found = false;
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if name == *wanted {
                is_found = true;
                let each = &mut *self.each;
                map.next_value_seed(Within { path, each })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if is_found {
            Ok(())
        } else {
            Err(A::Error::missing_field(wanted))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            (self.each)(element);
        }
        Ok(())
    }
}

pub fn each_request<'a>(
    bytes: &'a [u8],
    each: &mut dyn FnMut(RawRequest<'a>),
) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let entries = Within {
        path: &["log", "entries"],
        each: &mut |entry| each(request(entry)),
    };
    let read = entries.deserialize(&mut json);
    read.and_then(|()| json.end())
        .map_err(|error| bad_json(&error))
}

type Raw<'a> = Option<&'a RawValue>;

/// Finds fields of an object by their names.
struct Fields<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Fields<N> {
    type Value = [Raw<'de>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            match self.0.iter().position(|wanted| *wanted == name) {
                Some(at) => found[at] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    /// A pair may be written as a list.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        for field in &mut found {
            *field = list.next_element()?;
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// The fields of these names: none where the object is missing or something else.
fn fields<'a, const N: usize>(object: Raw<'a>, names: [&'static str; N]) -> [Raw<'a>; N] {
    let json = object.map_or("", RawValue::get);
    let mut json = serde_json::Deserializer::from_slice(json.as_bytes());
    json.deserialize_any(Fields(names)).unwrap_or([None; N])
}

fn text(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text: Option<Text<'_>> = serde_json::from_slice(raw?.get().as_bytes()).ok();
    text.map(|text| text.0)
}

/// A count; archives write -1 for an unknown one.
fn number(raw: Raw<'_>) -> Option<u64> {
    decimal(raw)?.trunc().to_u64()
}

fn decimal(raw: Raw<'_>) -> Option<Decimal> {
    let text = raw?.get();
    let number = Decimal::from_scientific(text).or_else(|_| text.parse());
    number.ok().filter(|number| !number.is_sign_negative())
}

/// Milliseconds, with fractions.
fn millis(raw: Raw<'_>) -> Option<Duration> {
    let micros = decimal(raw)?.checked_mul(Decimal::ONE_THOUSAND)?;
    micros.round().to_u64().map(Duration::from_micros)
}

/// A list of names and values; what is no such pair is left out.
fn pairs(list: Raw<'_>) -> Pairs {
    let mut pairs = Vec::new();
    let each: Each<'_, '_> = &mut |pair| {
        let [name, value] = fields(Some(pair), ["name", "value"]).map(text);
        if pairs.len() < PAIRS_MAX
            && let Some(name) = name
        {
            pairs.push((name.into_owned(), value.unwrap_or_default().into_owned()));
        }
    };
    let mut json =
        serde_json::Deserializer::from_slice(list.map_or("[]", RawValue::get).as_bytes());
    // Something else has none.
    let _ = Within { path: &[], each }.deserialize(&mut json);
    pairs
}

fn request(entry: &RawValue) -> RawRequest<'_> {
    let names = [
        "request",
        "response",
        "startedDateTime",
        "time",
        "timings",
        // What HAR has no field for: `crate::cli::export::OWN`.
        "_tilldeck",
    ];
    let [request, response, at, time, timings, own] = fields(Some(entry), names);
    let names = [
        "account",
        "provider",
        "environment",
        "about",
        "operator",
        "error",
    ];
    let [account, provider, environment, about, operator, refusal] = fields(own, names).map(text);
    let [attempt] = fields(own, ["attempt"]);
    let [method, url, sent_version, sent] =
        fields(request, ["method", "url", "httpVersion", "bodySize"]);
    let [status, error, status_text, version, wire] = fields(
        response,
        ["status", "_error", "statusText", "httpVersion", "bodySize"],
    );
    let url = text(url).unwrap_or_default();
    let status = number(status).and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| *status > 0);
    let mut failures = [error, status_text].into_iter().filter_map(text);
    let mut versions = [version, sent_version].into_iter().filter_map(text);
    let is_known = |it: &Cow<'_, str>| !it.is_empty() && !it.eq_ignore_ascii_case("unknown");
    let (took, to_head) = times(time, timings);
    let (mut request, _) = side(request, "postData");
    request.body = request.body.filter(|text| !text.is_empty());
    let (response, bytes_received) = side(response, "content");
    RawRequest {
        account: account.unwrap_or_else(|| host(&url).into()),
        provider: provider.unwrap_or_default(),
        environment: environment.unwrap_or_default(),
        at: text(at).unwrap_or_default(),
        method: text(method).unwrap_or("GET".into()),
        url,
        about: about.unwrap_or_default(),
        attempt: number(attempt).map_or(1, |it| u32::try_from(it).unwrap_or(1)),
        status,
        error: match status {
            Some(_) => refusal,
            None => failures.find(|it| !it.is_empty()),
        },
        took,
        to_head,
        bytes_sent: number(sent).filter(|bytes| *bytes > 0),
        bytes_received,
        bytes_received_wire: number(wire),
        http_version: versions.find(is_known),
        operator: operator.unwrap_or_default(),
        request,
        response,
    }
}

fn host(url: &str) -> String {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.unwrap_or("unknown").to_owned()
}

/// A request or a response, whose body is in the field called `content`, and the size of that.
fn side<'a>(message: Raw<'a>, content: &'static str) -> (RawSide<'a>, Option<u64>) {
    let names = ["headers", "cookies", "queryString", content];
    let [headers, cookies, query, content] = fields(message, names);
    let names = ["text", "mimeType", "encoding", "comment", "size", "params"];
    let [body, kind, encoding, comment, size, params] = fields(content, names);
    let mut body = text(body);
    // A form may be recorded by its fields alone.
    let form = pairs(params);
    if body.as_ref().is_none_or(|text| text.is_empty()) && !form.is_empty() {
        body = serde_urlencoded::to_string(&form).ok().map(Cow::Owned);
    }
    let cookies = pairs(cookies).into_iter().map(|(_, value)| value);
    let others = fields(message, ["url", "redirectURL", "_error", "statusText"]);
    // As JSON, in which secrets are found by their names. A recorder may write an object instead of pairs.
    let as_json = form.into_iter().chain(pairs(query));
    let as_json = as_json.map(|(name, value)| Cow::Owned(json!({ name: value }).to_string()));
    let objects = [headers, query, params].into_iter().flatten();
    let objects = objects.filter(|raw| raw.get().starts_with('{'));
    let others = others.into_iter().filter_map(text).chain(as_json);
    let others = others.chain(objects.map(|raw| Cow::Borrowed(raw.get())));
    let message = RawSide {
        headers: pairs(headers),
        body,
        body_cut: text(comment).is_some_and(|comment| comment == "cut"),
        encoding: text(encoding),
        content_type: Some(text(kind).unwrap_or_default()),
        cookies: cookies.collect(),
        others: others.collect(),
    };
    (message, number(size))
}

/// The whole time, and that until the head of the response.
fn times(time: Raw<'_>, timings: Raw<'_>) -> (Duration, Option<Duration>) {
    let names = ["blocked", "dns", "connect", "send", "wait", "receive"];
    // `ssl` is a part of `connect`.
    let [blocked, dns, connect, send, wait, receive] = fields(timings, names).map(millis);
    let before = [blocked, dns, connect, send].into_iter().flatten();
    let to_head = wait.map(|wait| before.sum::<Duration>() + wait);
    let sum = to_head.unwrap_or_default() + receive.unwrap_or_default();
    let took = millis(time).unwrap_or(sum);
    (took, to_head.map(|to_head| to_head.min(took)))
}
