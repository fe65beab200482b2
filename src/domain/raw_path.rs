//! The path of a raw call: as typed, and as it can be sent.

use std::fmt::Write as _;

/// Why a path cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path has a fragment (`#…`), which HTTP never sends")]
pub struct HasFragment;

impl HasFragment {
    /// What to do about it.
    pub const HINT: &str = "leave it out, or write %23 where a `#` is meant";
}

/// A path or URL without its query, which may name a payer or contain a shop's secret.
pub fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or(path)
}

/// The text with each `%` that does not begin a percent-encoded byte (RFC 3986, 2.1) replaced by `%25`.
pub fn without_stray_percent(text: &str) -> String {
    let mut parts = text.split('%');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_escape = matches!(part.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
        // A `%` that begins no escape is meant as itself.
        whole.push_str(if is_escape { "%" } else { "%25" });
        whole.push_str(part);
    }
    whole
}

/// The path with everything percent-encoded that a URL must not contain: blanks, quotes, letters beyond ASCII, a
/// stray `%`. Existing escapes stay. So do backslashes and control characters, which the gate rejects.
///
/// # Errors
/// If it has a fragment.
pub fn sendable(written: &str) -> Result<String, HasFragment> {
    let mut path = String::with_capacity(written.len());
    for byte in without_stray_percent(written.trim()).bytes() {
        match byte {
            b'#' => return Err(HasFragment),
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+'
            | b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?' | b'%' | b'[' | b']' => {
                path.push(byte.into());
            }
            b'\\' => path.push('\\'),
            plain if plain.is_ascii_alphanumeric() || plain.is_ascii_control() => {
                path.push(plain.into());
            }
            other => {
                let _ = write!(path, "%{other:02X}");
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_url_may_hold_is_percent_encoded_and_the_rest_stays() {
        for (written, sent) in [
            ("/x?name=Half Life", "/x?name=Half%20Life"),
            ("/x?name=Half%20Life&y=a+b", "/x?name=Half%20Life&y=a+b"),
            ("/ż?q=\"<a>\"", "/%C5%BC?q=%22%3Ca%3E%22"),
            ("/x?filter[a]=1|2^3`{}", "/x?filter[a]=1%7C2%5E3%60%7B%7D"),
            (" /x \n", "/x"),
            ("/a\\b\n/c", "/a\\b\n/c"),
            ("/x?q=100%&z=~_-.!*'()%4", "/x?q=100%25&z=~_-.!*'()%254"),
        ] {
            assert_eq!(sendable(written).as_deref(), Ok(sent), "{written:?}");
        }
    }

    #[test]
    fn a_fragment_is_refused() {
        assert_eq!(sendable("/x?a=1#part"), Err(HasFragment));
        assert_eq!(sendable("/x?a=1%23part").as_deref(), Ok("/x?a=1%23part"));
    }
}
