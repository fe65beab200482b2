//! Identifiers: one newtype each, checked when made.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest payment id that is accepted, in characters. No provider documents a limit; an id is
/// sent in a URL and shown in a table row, and shops make short ones.
pub const PAYMENT_ID_MAX: usize = 256;

/// The longest account name that is accepted, in characters.
pub const ACCOUNT_ID_MAX: usize = 64;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// What was being read, as a noun phrase ("the payment id").
        what: &'static str,
    },
    /// More characters than the limit.
    #[error("{what} has {length} characters; at most {max} are accepted")]
    TooLong {
        /// What was being read.
        what: &'static str,
        /// How many characters it has.
        length: usize,
        /// How many are accepted.
        max: usize,
    },
    /// A character outside the accepted set.
    #[error("{what} has {found} at position {position}; {accepted}")]
    Character {
        /// What was being read.
        what: &'static str,
        /// The character, escaped.
        found: String,
        /// Counted from 1.
        position: usize,
        /// What is accepted, as a clause.
        accepted: &'static str,
    },
}

fn check(
    text: &str,
    what: &'static str,
    max: usize,
    accepted: &'static str,
    accepts: impl Fn(char) -> bool,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    let length = text.chars().count();
    if length > max {
        return Err(IdError::TooLong { what, length, max });
    }
    match text.chars().enumerate().find(|(_, c)| !accepts(*c)) {
        None => Ok(()),
        Some((at, c)) => Err(IdError::Character {
            what,
            found: if c.is_ascii_graphic() {
                format!("`{c}`")
            } else {
                format!("U+{:04X}", u32::from(c))
            },
            position: at + 1,
            accepted,
        }),
    }
}

/// The operator's name for one account, as written in the config file: letters, digits, `-`, `_`, `.`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// If it is empty, longer than [`ACCOUNT_ID_MAX`], or has another character.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        check(
            &text,
            "the account name",
            ACCOUNT_ID_MAX,
            "letters, digits, `-`, `_` and `.` are accepted",
            |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
        )?;
        Ok(Self(text))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The shop's own unique id of one payment (Kanga: `transactionKey`, `id`): printable ASCII.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentId(String);

impl PaymentId {
    /// Checks and keeps an id exactly as given.
    ///
    /// # Errors
    /// If it is empty, longer than [`PAYMENT_ID_MAX`], begins or ends with a space, or has a character
    /// that is not printable ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        const WHAT: &str = "the payment id";
        let text = text.into();
        check(
            &text,
            WHAT,
            PAYMENT_ID_MAX,
            "printable ASCII is accepted",
            |c| c == ' ' || c.is_ascii_graphic(),
        )?;
        if text.starts_with(' ') || text.ends_with(' ') {
            let position = if text.starts_with(' ') { 1 } else { text.len() };
            return Err(IdError::Character {
                what: WHAT,
                found: "a space".into(),
                position,
                accepted: "it may not begin or end with one",
            });
        }
        Ok(Self(text))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Numbers one thing asked in this process; the answer carries it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

macro_rules! shown_as_text {
    ($($id:ty),+) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&self.0, f) }
        }
    )+};
}
shown_as_text!(AccountId, PaymentId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_id_is_printable_ascii_of_bounded_length() {
        assert_eq!(
            PaymentId::new("ORDER34H773A1").unwrap().as_str(),
            "ORDER34H773A1"
        );
        assert_eq!(PaymentId::new("A 17/b?c&d").unwrap().as_str(), "A 17/b?c&d");
        assert_eq!(
            PaymentId::new(""),
            Err(IdError::Empty {
                what: "the payment id"
            })
        );
        let long = PaymentId::new("x".repeat(10_000)).unwrap_err();
        assert_eq!(
            long.to_string(),
            "the payment id has 10000 characters; at most 256 are accepted"
        );
        let control = PaymentId::new("A\u{1b}[2J").unwrap_err();
        assert_eq!(
            control.to_string(),
            "the payment id has U+001B at position 2; printable ASCII is accepted"
        );
        let letters = PaymentId::new("zamówienie").unwrap_err();
        assert_eq!(
            letters.to_string(),
            "the payment id has U+00F3 at position 4; printable ASCII is accepted"
        );
        assert!(PaymentId::new(" A").is_err());
        assert!(PaymentId::new("A ").is_err());
    }

    #[test]
    fn an_account_name_fits_a_toml_key_and_a_url() {
        assert!(AccountId::new("shop-1_b.c").is_ok());
        assert_eq!(
            AccountId::new("my shop").unwrap_err().to_string(),
            "the account name has U+0020 at position 3; letters, digits, `-`, `_` and `.` are accepted"
        );
    }
}
