//! A secret value: no `Display`, no `Serialize`, a `Debug` without the value, wiped on drop.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::charset::BYTE_ORDER_MARK;

/// A key, password or token. Its text is read only by [`Secret::expose`], so every use can be found.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value itself. For signing and sending only, never for printing.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A secret's text without what an editor, a clipboard or a shell leaves around one: blanks, line ends, byte order
/// marks and other characters without width. No key and no password of any provider begins or ends with one.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace() || matches!(c, BYTE_ORDER_MARK | '\u{200b}'..='\u{200f}' | '\u{2060}')
    })
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// In constant time for values of one length.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose()
            .as_bytes()
            .ct_eq(other.expose().as_bytes())
            .into()
    }
}
impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_around_a_secret_is_no_part_of_it() {
        for text in [
            "a b",
            "\u{feff}a b",
            " a b\r\n",
            "a b\t\u{a0}",
            "\n\u{200b}a b\u{3000}\n\n",
        ] {
            assert_eq!(trimmed(text), "a b");
        }
    }

    #[test]
    fn secrets_have_a_redacted_debug() {
        let planted = Secret::new("planted-secret-value");
        assert_eq!(format!("{planted:?} {planted:#?}"), "Secret(…) Secret(…)");
        assert_eq!(planted, Secret::new("planted-secret-value"));
        assert_ne!(planted, Secret::new("another"));
    }
}
