//! One JSON object per line, as `tilldeck log --export ndjson` and `tilldeck log --json` write it.

use super::RawRequest;
use crate::domain::bad_json_reason;

/// The lines that are not blank, with their numbers.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

pub fn each_request<'a>(
    bytes: &'a [u8],
    each: &mut dyn FnMut(RawRequest<'a>),
) -> Result<(), String> {
    for (number, line) in lines(bytes) {
        let request: RawRequest<'_> = serde_json::from_slice(line).map_err(|error| {
            let (why, column) = (bad_json_reason(&error), error.column());
            format!("{why} (line {number}, column {column})")
        })?;
        if request.method.is_empty() || request.url.is_empty() {
            return Err(format!(
                "line {number} has no `method` and `url` of a request"
            ));
        }
        each(request);
    }
    Ok(())
}
