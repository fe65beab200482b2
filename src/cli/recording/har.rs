//! HTTP Archive 1.2, as browsers and proxies write it: fields are missing, null, or of other types. Its entries are read
//! one at a time, and of an entry only what is shown: a small file may have many values.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use reqwest::Url;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::body::RawBody;
use super::{Entries, Entry, Texts, full, origin};
use crate::domain::{Exchange, ExchangeId, Outcome, WallTime, bad_json};
use crate::net::redact::{Origin, RecordedSecrets};

/// The most headers, cookies or form fields of one message that are read.
const PAIRS_MAX: usize = 4_000;

/// Whether the JSON has the field of an archive, as far as that can be read.
pub fn is_likely(bytes: &[u8]) -> bool {
    let is_archive = Cell::new(false);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    // An archive is not read beyond the name of its first field.
    let _ = json.deserialize_map(Names(&is_archive));
    is_archive.get()
}

struct Names<'a>(&'a Cell<bool>);

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            if name == "log" {
                self.0.set(true);
                break;
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

type Each<'a, 'de> = &'a mut dyn FnMut(&'de RawValue);

/// The fields of an archive down to its entries, each of which is visited.
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element()? {
            (self.each)(entry);
        }
        Ok(())
    }
}

fn each_entry<'de>(bytes: &'de [u8], each: Each<'_, 'de>) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let path = &["log", "entries"];
    let read = Within { path, each }.deserialize(&mut json);
    read.and_then(|()| json.end())
        .map_err(|error| bad_json(&error))
}

pub fn read(bytes: &[u8], entries: &mut Entries) -> Result<(), String> {
    let mut secrets = RecordedSecrets::default();
    // First of all: a later entry may repeat what an earlier one sent.
    each_entry(bytes, &mut |raw| learn(&object(Some(raw)), &mut secrets))?;
    full(&secrets)?;
    each_entry(bytes, &mut |raw| {
        entries.add(|| read_entry(&object(Some(raw)), &secrets));
    })
}

type Raw<'a> = Option<&'a RawValue>;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound = "'de: 'a")]
struct RawEntry<'a> {
    request: Raw<'a>,
    response: Raw<'a>,
    started_date_time: Raw<'a>,
    time: Raw<'a>,
    timings: Raw<'a>,
    /// [`crate::cli::export::OWN`].
    #[serde(rename = "_tilldeck")]
    own: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound = "'de: 'a")]
struct Message<'a> {
    method: Raw<'a>,
    url: Raw<'a>,
    status: Raw<'a>,
    status_text: Raw<'a>,
    /// Browsers say here why a request failed.
    #[serde(rename = "_error")]
    error: Raw<'a>,
    http_version: Raw<'a>,
    headers: Raw<'a>,
    cookies: Raw<'a>,
    post_data: Raw<'a>,
    content: Raw<'a>,
    body_size: Raw<'a>,
}

/// A body of a request or response.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound = "'de: 'a")]
struct Content<'a> {
    text: Raw<'a>,
    mime_type: Raw<'a>,
    encoding: Raw<'a>,
    comment: Raw<'a>,
    size: Raw<'a>,
    params: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Timings<'a> {
    blocked: Raw<'a>,
    dns: Raw<'a>,
    connect: Raw<'a>,
    send: Raw<'a>,
    wait: Raw<'a>,
    receive: Raw<'a>,
}

/// What HAR has no field for.
#[derive(Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Own<'a> {
    account: Raw<'a>,
    provider: Raw<'a>,
    environment: Raw<'a>,
    about: Raw<'a>,
    attempt: Raw<'a>,
    operator: Raw<'a>,
}

/// One of many in a list; what is no such pair is left out.
#[derive(Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Pair<'a> {
    name: Raw<'a>,
    value: Raw<'a>,
}

/// An object, empty where it is missing or something else.
fn object<'a, T: Deserialize<'a> + Default>(raw: Raw<'a>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

fn text<'a>(raw: Raw<'a>) -> Option<Cow<'a, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text: Option<Text<'a>> = object(raw);
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

#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names and values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(raw) = list.next_element::<&RawValue>()? {
                    let pair: Pair<'_> = object(Some(raw));
                    if pairs.len() < PAIRS_MAX
                        && let Some(name) = text(pair.name)
                    {
                        let value = text(pair.value).unwrap_or_default();
                        pairs.push((name.into_owned(), value.into_owned()));
                    }
                }
                Ok(Pairs(pairs))
            }
        }
        json.deserialize_seq(List)
    }
}

fn pairs(raw: Raw<'_>) -> Vec<(String, String)> {
    let Pairs(pairs) = object(raw);
    pairs
}

fn origin_of(entry: &RawEntry<'_>) -> Origin {
    let own: Own<'_> = object(entry.own);
    origin(&text(own.provider).unwrap_or_default())
}

fn learn(entry: &RawEntry<'_>, secrets: &mut RecordedSecrets) {
    let origin = origin_of(entry);
    let [request, response] = [entry.request, entry.response].map(object::<Message<'_>>);
    for side in [&request, &response] {
        secrets.learn_headers(origin, &pairs(side.headers));
        for (_, value) in pairs(side.cookies) {
            secrets.learn_cookie(&value);
        }
        for raw in [side.url, side.error, side.status_text] {
            secrets.learn_text(origin, &text(raw).unwrap_or_default());
        }
    }
    request_body(&request).learn(origin, secrets);
    response_body(&response).learn(origin, secrets);
}

fn read_entry(entry: &RawEntry<'_>, secrets: &RecordedSecrets) -> Option<Entry> {
    let [request, response] = [entry.request, entry.response].map(object::<Message<'_>>);
    let url = text(request.url).filter(|url| !url.is_empty())?;
    let own: Own<'_> = object(entry.own);
    let texts = Texts {
        origin: origin_of(entry),
        secrets,
    };
    let host = Url::parse(&url).ok();
    let host = host.as_ref().and_then(Url::host_str).unwrap_or("unknown");
    let short = |raw| texts.short(&text(raw).unwrap_or_default());
    let (took, to_head) = times(entry);
    let version = |side: &Message<'_>| {
        let version = texts.cut(&text(side.http_version)?, 16);
        let is_known = !version.is_empty() && !version.eq_ignore_ascii_case("unknown");
        is_known.then_some(version)
    };
    let exchange = Exchange {
        id: ExchangeId(0),
        account: texts.account(&text(own.account).unwrap_or(host.into())),
        provider: texts.provider(&text(own.provider).unwrap_or_default()),
        environment: texts.environment(&text(own.environment).unwrap_or_default()),
        at: WallTime(0),
        method: texts.cut(&text(request.method).unwrap_or("GET".into()), 20),
        url: texts.url(&url),
        about: short(own.about),
        attempt: number(own.attempt).map_or(1, |it| u32::try_from(it).unwrap_or(1)),
        outcome: match status(&response) {
            Some(status) => Outcome::Status(status),
            None => Outcome::Failed(texts.short(&failure(&response))),
        },
        http_version: version(&response).or(version(&request)).unwrap_or_default(),
        to_head,
        took,
        request_body: request_body(&request).redacted(texts.origin, secrets),
        request_headers: texts.headers(pairs(request.headers)),
        response_headers: texts.headers(pairs(response.headers)),
        response_body: response_body(&response).redacted(texts.origin, secrets),
        response_wire: number(response.body_size),
        operator: short(own.operator),
        profile: String::new(),
    };
    let at = text(entry.started_date_time);
    let at = at.and_then(|at| WallTime::from_rfc3339(&at));
    Some(Entry { at, exchange })
}

/// The whole time, and that until the head of the response.
fn times(entry: &RawEntry<'_>) -> (Duration, Option<Duration>) {
    let timings: Timings<'_> = object(entry.timings);
    // `ssl` is a part of `connect`.
    let before = [timings.blocked, timings.dns, timings.connect, timings.send].map(millis);
    let wait = millis(timings.wait);
    let to_head = wait.map(|wait| before.into_iter().flatten().sum::<Duration>() + wait);
    let sum = to_head.unwrap_or_default() + millis(timings.receive).unwrap_or_default();
    let took = millis(entry.time).unwrap_or(sum);
    (took, to_head.map(|to_head| to_head.min(took)))
}

fn status(response: &Message<'_>) -> Option<u16> {
    let status = u16::try_from(number(response.status)?).ok();
    status.filter(|status| *status > 0)
}

fn failure<'a>(response: &Message<'a>) -> Cow<'a, str> {
    let words = [response.error, response.status_text].map(text);
    let words = words.into_iter().flatten().find(|words| !words.is_empty());
    words.unwrap_or("no response".into())
}

fn is_base64(content: &Content<'_>) -> bool {
    text(content.encoding).is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64"))
}

fn body<'a>(content: &Content<'a>) -> RawBody<'a> {
    RawBody {
        text: text(content.text),
        is_base64: is_base64(content),
        content_type: text(content.mime_type).unwrap_or_default(),
        bytes: number(content.size),
        is_cut: text(content.comment).is_some_and(|comment| comment == "cut"),
    }
}

fn request_body<'a>(request: &Message<'a>) -> RawBody<'a> {
    let content: Content<'_> = object(request.post_data);
    let mut body = body(&content);
    // A form may be recorded by its fields alone.
    let fields = pairs(content.params);
    body.text = body.text.filter(|text| !text.is_empty());
    if body.text.is_none() && !fields.is_empty() {
        body.text = serde_urlencoded::to_string(&fields).ok().map(Cow::Owned);
    }
    body.bytes = number(request.body_size).filter(|bytes| *bytes > 0);
    body
}

fn response_body<'a>(response: &Message<'a>) -> RawBody<'a> {
    body(&object(response.content))
}
