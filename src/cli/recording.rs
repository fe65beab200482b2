//! A recording of requests in a file: HAR, of tilldeck or another program, or ndjson of `tilldeck log --export`. Read
//! tolerantly, and redacted: another program records credentials as they are.

mod har;
mod ndjson;
mod redaction;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::domain::{AccountId, Exchange, ExchangeId, Problem, WallTime, inert};

use super::exit::usage;

/// The largest file. It is read into memory, and a part of a recording would be misleading.
const SIZE_MAX: u64 = 128 * 1024 * 1024;
/// The longest name of an account.
const ACCOUNT_MAX: usize = 64;

/// What a file holds.
#[derive(Debug)]
pub struct Recording {
    /// The oldest first. Every text is redacted.
    pub exchanges: Vec<Exchange>,
    /// The entries that name no request.
    pub skipped: usize,
}

/// A request as it was read: one without a time gets that of the request before it.
struct Entry {
    at: Option<WallTime>,
    exchange: Exchange,
}

/// Reads a recording.
///
/// # Errors
/// If the file cannot be read, is too large, is not a recording, or is damaged: where.
pub fn read(path: &Path) -> Result<Recording, Problem> {
    let name = inert::cut(&path.to_string_lossy(), 400);
    let hint = "`tilldeck log --export har` and browsers write such files";
    let bytes = content(path).map_err(|why| usage(format!("cannot read {name}: {why}"), ""))?;
    parse(&bytes).map_err(|why| usage(format!("{name} is no recording: {why}"), hint))
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    let too_large = || {
        format!(
            "it is larger than {} MiB; export less, with --since or --limit",
            SIZE_MAX / 1024 / 1024
        )
    };
    let file = File::open(path).map_err(|error| error.to_string())?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    if size > SIZE_MAX {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // The size of a pipe is not known.
    let read = file.take(SIZE_MAX + 1).read_to_end(&mut bytes);
    match read {
        Err(error) => Err(error.to_string()),
        Ok(_) if bytes.len() as u64 > SIZE_MAX => Err(too_large()),
        Ok(_) => Ok(bytes),
    }
}

fn parse(bytes: &[u8]) -> Result<Recording, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let entries = if ndjson::is_likely(bytes) {
        ndjson::read(bytes)?
    } else {
        har::read(bytes)?
    };
    let all = entries.len();
    let mut entries: Vec<Entry> = entries.into_iter().flatten().collect();
    if entries.is_empty() {
        return Err("it has no requests".to_owned());
    }
    let skipped = all - entries.len();
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
    Ok(Recording { exchanges, skipped })
}

/// A name that a recording gives as an account's; other programs know none, and their requests get the host's.
fn account(text: &str) -> AccountId {
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = text.chars().take(ACCOUNT_MAX);
    let name: String = name.map(|c| if accepted(c) { c } else { '-' }).collect();
    AccountId::new(name).unwrap_or_else(|_| AccountId::new("unknown").expect("letters make a name"))
}

#[cfg(test)]
mod tests;
