//! A recording of requests in a file: HAR, of tilldeck or another program, or ndjson of `tilldeck log --export`. Read
//! tolerantly, and redacted: another program records credentials as they are.

mod har;
mod ndjson;
mod side;

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::domain::{
    AccountId, Environment, Exchange, ExchangeId, Outcome, Problem, WallTime, inert,
};
use crate::net::redact::{Origin, RecordedSecrets};
use crate::private;
use crate::providers::REGISTRY;

use super::exit::usage;
use side::{Pairs, RawSide};

/// The largest file. It is read into memory, and a part of a recording would be misleading.
const SIZE_MAX: usize = 128 * 1024 * 1024;
const REQUESTS_MAX: usize = 100_000;
/// Longer headers are cut.
const HEADER_MAX: usize = 2_000;
const URL_MAX: usize = 8_000;
const ACCOUNT_MAX: usize = 64;
/// The time of a request whose time is missing: it gets that of the request before it.
const UNDATED: WallTime = WallTime(i64::MIN);

#[derive(Debug)]
pub struct Recording {
    /// The oldest first. Every text is redacted.
    pub exchanges: Vec<Exchange>,
    /// The entries that name no request.
    pub skipped: usize,
    /// The requests after the first [`REQUESTS_MAX`].
    pub omitted: usize,
}

impl Recording {
    /// What a reader must know that is not in it.
    pub fn notes(&self) -> Vec<String> {
        let skipped = match self.skipped {
            0 => None,
            1 => Some("1 entry of the recording names no request and is left out".to_owned()),
            n => Some(format!(
                "{n} entries of the recording name no request and are left out"
            )),
        };
        let omitted = (self.omitted > 0).then(|| {
            format!(
                "the {} entries of the recording after the first {} requests are left out",
                self.omitted,
                self.exchanges.len()
            )
        });
        skipped.into_iter().chain(omitted).collect()
    }
}

/// A request as a recording has it, unredacted. Its fields are those of a line of ndjson, and what is missing is empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRequest<'a> {
    account: Cow<'a, str>,
    provider: Cow<'a, str>,
    environment: Cow<'a, str>,
    at: Cow<'a, str>,
    method: Cow<'a, str>,
    url: Cow<'a, str>,
    about: Cow<'a, str>,
    attempt: u32,
    status: Option<u16>,
    /// Why there is no status.
    error: Option<Cow<'a, str>>,
    #[serde(rename = "ms", deserialize_with = "millis")]
    took: Duration,
    #[serde(skip)]
    to_head: Option<Duration>,
    bytes_sent: Option<u64>,
    bytes_received: Option<u64>,
    bytes_received_wire: Option<u64>,
    http_version: Option<Cow<'a, str>>,
    operator: Cow<'a, str>,
    request: RawSide<'a>,
    response: RawSide<'a>,
}

fn millis<'de, D: Deserializer<'de>>(json: D) -> Result<Duration, D::Error> {
    u64::deserialize(json).map(Duration::from_millis)
}

/// Who recorded an entry: only tilldeck names the provider.
fn origin(provider: &str) -> Origin {
    if REGISTRY.iter().any(|it| it.id.to_string() == provider) {
        Origin::Own
    } else {
        Origin::Foreign
    }
}

struct Texts<'a> {
    origin: Origin,
    secrets: &'a RecordedSecrets,
}

impl Texts<'_> {
    /// A name that a recording gives as an account's; other programs know none, and their requests get the host's.
    fn account(&self, text: &str) -> AccountId {
        let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let text = self.secrets.text(self.origin, text);
        let name = text.chars().take(ACCOUNT_MAX);
        let name: String = name.map(|c| if accepted(c) { c } else { '-' }).collect();
        let unknown = |_| AccountId::new("unknown").expect("letters make a name");
        AccountId::new(name).unwrap_or_else(unknown)
    }

    fn cut(&self, text: &str, max: usize) -> String {
        inert::cut(&self.secrets.text(self.origin, text), max)
    }

    fn short(&self, text: &str) -> String {
        self.cut(text, 200)
    }

    /// The account's environment, if it is one: another program knows none.
    fn environment(&self, text: &str) -> String {
        let known = Environment::from_word(text).filter(|_| self.origin == Origin::Own);
        known.map_or("", Environment::as_str).to_owned()
    }

    fn provider(&self, text: &str) -> String {
        if self.origin == Origin::Own { text } else { "" }.to_owned()
    }

    fn headers(&self, headers: Pairs) -> Pairs {
        let shown = |(name, value): (String, String)| {
            let value = self.secrets.header(self.origin, &name, &value);
            (self.cut(&name, HEADER_MAX), inert::cut(&value, HEADER_MAX))
        };
        headers.into_iter().map(shown).collect()
    }
}

pub fn read(path: &Path) -> Result<Recording, Problem> {
    let name = inert::cut(&path.to_string_lossy(), 400);
    let hint = "`tilldeck log --export har` and browsers write such files";
    let bytes = content(path).map_err(|why| usage(format!("cannot read {name}: {why}"), ""))?;
    parse(&bytes, REQUESTS_MAX).map_err(|why| usage(format!("{name} is no recording: {why}"), hint))
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    match private::read_at_most(file, SIZE_MAX, &mut bytes) {
        Err(error) => Err(error.to_string()),
        Ok(true) => Ok(bytes),
        Ok(false) => Err(format!(
            "it is larger than {} MiB; export less, with --since or --limit",
            SIZE_MAX / 1024 / 1024
        )),
    }
}

fn learn(request: &RawRequest<'_>, secrets: &mut RecordedSecrets) {
    let origin = origin(&request.provider);
    request.request.learn(origin, secrets);
    request.response.learn(origin, secrets);
    for text in [Some(&request.url), request.error.as_ref()] {
        secrets.learn_text(origin, text.map_or("", |text| text));
    }
}

/// The redacted exchange; `None` where the entry names no request.
fn exchange(raw: RawRequest<'_>, secrets: &RecordedSecrets) -> Option<Exchange> {
    if raw.url.is_empty() {
        return None;
    }
    let origin = origin(&raw.provider);
    let texts = Texts { origin, secrets };
    let failure = raw.error.as_deref().map(|why| texts.short(why));
    Some(Exchange {
        id: ExchangeId(0),
        account: texts.account(&raw.account),
        provider: texts.provider(&raw.provider),
        environment: texts.environment(&raw.environment),
        at: WallTime::from_rfc3339(&raw.at).unwrap_or(UNDATED),
        method: texts.cut(&raw.method, 20),
        url: inert::cut(&secrets.url(origin, &raw.url), URL_MAX),
        about: texts.short(&raw.about),
        attempt: raw.attempt.max(1),
        outcome: match (raw.status, failure) {
            (Some(status), None) => Outcome::Status(status),
            (Some(status), Some(why)) => Outcome::Refused(status, why),
            (None, why) => Outcome::Failed(why.unwrap_or_else(|| "no response".to_owned())),
        },
        http_version: texts.cut(&raw.http_version.unwrap_or_default(), 16),
        to_head: raw.to_head,
        took: raw.took,
        request_body: raw.request.redacted_body(raw.bytes_sent, &texts),
        response_body: raw.response.redacted_body(raw.bytes_received, &texts),
        request_headers: texts.headers(raw.request.headers),
        response_headers: texts.headers(raw.response.headers),
        response_wire: raw.bytes_received_wire,
        operator: texts.short(&raw.operator),
        profile: String::new(),
    })
}

/// Whether a file is an archive, not lines: it is one value over several lines, or has the field of an archive.
fn is_archive(first_line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Line {
        log: Option<IgnoredAny>,
    }
    let line: Result<Line, _> = serde_json::from_slice(first_line);
    line.map_or(true, |line| line.log.is_some())
}

fn parse(bytes: &[u8], most: usize) -> Result<Recording, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first_line = ndjson::lines(bytes).next().map_or(bytes, |(_, line)| line);
    let each_request = if is_archive(first_line) {
        har::each_request
    } else {
        ndjson::each_request
    };
    let mut secrets = RecordedSecrets::default();
    // First of all: a later entry may repeat what an earlier one sent.
    each_request(bytes, &mut |request| learn(&request, &mut secrets))?;
    if secrets.is_full() {
        return Err("it has too many different secrets to redact; open a part of it".to_owned());
    }
    let mut exchanges = Vec::new();
    let (mut skipped, mut omitted) = (0, 0);
    each_request(bytes, &mut |request| {
        if exchanges.len() == most {
            omitted += 1;
            return;
        }
        match exchange(request, &secrets) {
            Some(exchange) => exchanges.push(exchange),
            None => skipped += 1,
        }
    })?;
    if exchanges.is_empty() {
        return Err("it has no requests".to_owned());
    }
    let mut times = exchanges.iter().map(|exchange| exchange.at);
    let mut last = times.find(|at| *at != UNDATED).unwrap_or(WallTime(0));
    for exchange in &mut exchanges {
        if exchange.at == UNDATED {
            exchange.at = last;
        }
        last = exchange.at;
    }
    // Stable: a page may have sent several in the same millisecond.
    exchanges.sort_by_key(|exchange| exchange.at);
    for (exchange, id) in exchanges.iter_mut().zip(1..) {
        exchange.id = ExchangeId(id);
    }
    Ok(Recording {
        exchanges,
        skipped,
        omitted,
    })
}

#[cfg(test)]
mod tests;
