//! A value nobody may see: no `Display`, no `Serialize`, a `Debug` that shows nothing, wiped on drop.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// A key, password or token. Its text is read only by [`Secret::expose`], so every use can be found.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a value out of sight.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value itself. To be signed or sent with, never printed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
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
    fn secrets_have_a_redacted_debug() {
        let planted = Secret::new("planted-secret-value");
        assert_eq!(format!("{planted:?} {planted:#?}"), "Secret(…) Secret(…)");
        assert_eq!(planted, Secret::new("planted-secret-value"));
        assert_ne!(planted, Secret::new("another"));
    }
}
