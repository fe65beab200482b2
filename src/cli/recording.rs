//! A recording of requests in a file: HAR, of tilldeck or another program, or ndjson of `tilldeck log --export`. Read
//! tolerantly, and redacted: another program records credentials as they are.

mod body;
mod har;
mod ndjson;

use std::fs::File;
use std::path::Path;

use serde::de::IgnoredAny;

use crate::domain::{AccountId, Environment, Exchange, ExchangeId, Problem, WallTime, inert};
use crate::net::redact::{Origin, RecordedSecrets};
use crate::private;
use crate::providers::REGISTRY;

use super::exit::usage;

/// The largest file. It is read into memory, and a part of a recording would be misleading.
const SIZE_MAX: usize = 128 * 1024 * 1024;
const REQUESTS_MAX: usize = 100_000;
/// Longer headers are cut.
const HEADER_MAX: usize = 2_000;
const URL_MAX: usize = 8_000;
const ACCOUNT_MAX: usize = 64;

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

/// A request as it was read: one without a time gets that of the request before it.
struct Entry {
    at: Option<WallTime>,
    exchange: Exchange,
}

struct Entries {
    read: Vec<Entry>,
    most: usize,
    skipped: usize,
    omitted: usize,
}

impl Entries {
    /// Adds an entry, which is read if there is room.
    fn add(&mut self, read: impl FnOnce() -> Option<Entry>) {
        if self.read.len() == self.most {
            self.omitted += 1;
            return;
        }
        match read() {
            Some(entry) => self.read.push(entry),
            None => self.skipped += 1,
        }
    }
}

/// An error if the file has more secrets than can be searched in it.
fn full(secrets: &RecordedSecrets) -> Result<(), String> {
    if secrets.is_full() {
        return Err("it has too many different secrets to redact; open a part of it".to_owned());
    }
    Ok(())
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

    fn url(&self, text: &str) -> String {
        inert::cut(&self.secrets.url(self.origin, text), URL_MAX)
    }

    fn headers(&self, headers: Vec<(String, String)>) -> Vec<(String, String)> {
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

fn parse(bytes: &[u8], most: usize) -> Result<Recording, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Only what an archive begins with is on the first line, or its field `log`.
    let first_line = ndjson::lines(bytes).next().map_or(bytes, |(_, line)| line);
    let is_ndjson =
        !har::is_likely(bytes) && serde_json::from_slice::<IgnoredAny>(first_line).is_ok();
    let mut entries = Entries {
        read: Vec::new(),
        most,
        skipped: 0,
        omitted: 0,
    };
    if is_ndjson {
        ndjson::read(bytes, &mut entries)?;
    } else {
        har::read(bytes, &mut entries)?;
    }
    let Entries {
        read: mut entries,
        skipped,
        omitted,
        ..
    } = entries;
    if entries.is_empty() {
        return Err("it has no requests".to_owned());
    }
    let first = entries.iter().find_map(|entry| entry.at);
    let mut last = first.unwrap_or(WallTime(0));
    for entry in &mut entries {
        last = entry.at.unwrap_or(last);
        entry.exchange.at = last;
    }
    let exchanges = entries.into_iter().map(|entry| entry.exchange);
    let mut exchanges: Vec<Exchange> = exchanges.collect();
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
