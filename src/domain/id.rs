//! Identifiers: one newtype each, checked when made.

use serde::{Deserialize, Serialize};

/// Shows a newtype of a text as that text.
macro_rules! shown_as_text {
    ($($id:ty),+) => {$(
        impl std::fmt::Display for $id {
            /// Inert: what could move the cursor or reorder text is shown escaped.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(&$crate::domain::inert::line(&self.0)) }
        }
        impl std::fmt::Debug for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { std::fmt::Debug::fmt(&self.0, f) }
        }
    )+};
}
pub(super) use shown_as_text;

/// Shows a newtype of a number as that number.
macro_rules! shown_as_number {
    ($($id:ty),+) => {$(
        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { std::fmt::Display::fmt(&self.0, f) }
        }
    )+};
}
pub(super) use shown_as_number;

/// The longest payment id that is accepted, in characters. No provider documents a limit; an id is
/// sent in a URL and shown in a table row, and shops make short ones.
pub const PAYMENT_ID_MAX: usize = 256;

/// The longest account name that is accepted, in characters.
pub const ACCOUNT_ID_MAX: usize = 64;

/// Why a text is not an identifier, or not a note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// The name of the value ("the payment id").
        what: &'static str,
    },
    /// More characters than the limit.
    #[error("{what} has {length} characters; at most {max} are accepted")]
    TooLong {
        /// The name of the value.
        what: &'static str,
        /// How many characters it has.
        length: usize,
        /// How many are accepted.
        max: usize,
    },
    /// A character outside the accepted set.
    #[error("{what} has {found} at position {position}; {accepted}")]
    Character {
        /// The name of the value.
        what: &'static str,
        /// The character, escaped.
        found: String,
        /// Counted from 1.
        position: usize,
        /// What is accepted, as a clause.
        accepted: &'static str,
    },
    /// `.` or `..`.
    #[error(
        "the account name is `{0}`, which a URL resolves as a folder, so no callback could reach it; choose another"
    )]
    Dots(String),
}

/// The texts that are accepted as one kind of value.
pub(super) struct Rule {
    /// The kind, for errors.
    pub(super) what: &'static str,
    pub(super) max: usize,
    pub(super) accepts: fn(char) -> bool,
    /// The same as a clause, for errors.
    pub(super) accepted: &'static str,
}

impl Rule {
    pub(super) fn check(&self, text: &str) -> Result<(), IdError> {
        let Self { what, max, .. } = *self;
        if text.is_empty() {
            return Err(IdError::Empty { what });
        }
        let length = text.chars().count();
        if length > max {
            return Err(IdError::TooLong { what, length, max });
        }
        match text.chars().enumerate().find(|(_, c)| !(self.accepts)(*c)) {
            None => Ok(()),
            Some((at, c)) => Err(IdError::Character {
                what,
                found: match c {
                    ' ' => "a space".into(),
                    _ if c.is_ascii_graphic() => format!("`{c}`"),
                    _ => format!("U+{:04X}", u32::from(c)),
                },
                position: at + 1,
                accepted: self.accepted,
            }),
        }
    }
}

/// The operator's name for one account, as written in the config file: letters, digits, `-`, `_`, `.`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    const RULE: Rule = Rule {
        what: "the account name",
        max: ACCOUNT_ID_MAX,
        accepts: |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'),
        accepted: "letters, digits, `-`, `_` and `.` are accepted",
    };

    /// Validates a name.
    ///
    /// # Errors
    /// If it is empty, longer than [`ACCOUNT_ID_MAX`], has another character, or is `.` or `..`.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        Self::RULE.check(&text)?;
        if matches!(text.as_str(), "." | "..") {
            return Err(IdError::Dots(text));
        }
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The shop's own unique id of one payment (Kanga: `transactionKey`, `id`). No provider documents an alphabet, and shops
/// use spaces, slashes and national letters: any text without control characters is one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentId(String);

impl PaymentId {
    const RULE: Rule = Rule {
        what: "the payment id",
        max: PAYMENT_ID_MAX,
        accepts: |c| !c.is_control(),
        accepted: "any text without control characters is accepted",
    };

    /// Validates an id and stores it exactly as given.
    ///
    /// # Errors
    /// If it is empty or blank, longer than [`PAYMENT_ID_MAX`] characters, or has a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        // Blank, but no line break in it: that gets the error which names it.
        if text.trim().is_empty() && text.chars().all(|c| !c.is_control()) {
            return Err(IdError::Empty {
                what: Self::RULE.what,
            });
        }
        Self::RULE.check(&text)?;
        Ok(Self(text))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of one request in this process; its answer has the same number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

shown_as_text!(AccountId, PaymentId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_id_is_any_text_without_control_characters() {
        let longest = "ł".repeat(256);
        for text in [
            "ORDER34H773A1",
            "A 17/b?c&d",
            "ORDER-łódź ✓/1",
            "заказ №7",
            "注文-1",
            " A ",
            "A\u{202e}B",
            &longest,
        ] {
            assert_eq!(PaymentId::new(text).unwrap().as_str(), text);
        }
        let refusal = |text: &str| PaymentId::new(text).unwrap_err().to_string();
        assert_eq!(refusal(""), "the payment id is empty");
        assert_eq!(refusal("  "), "the payment id is empty");
        assert_eq!(
            refusal(&"ł".repeat(257)),
            "the payment id has 257 characters; at most 256 are accepted"
        );
        for (control, named) in [
            ("A\u{1b}[2J", "U+001B"),
            ("A\n", "U+000A"),
            ("\u{9b}1m", "U+009B"),
        ] {
            assert!(refusal(control).contains(named), "{control:?}");
        }
    }

    #[test]
    fn an_id_that_reorders_text_is_shown_inert() {
        let id = PaymentId::new("A\u{202e}B").unwrap();
        assert_eq!(id.to_string(), "A\\u{202e}B");
    }

    #[test]
    fn an_account_name_fits_a_toml_key_and_a_url() {
        assert!(AccountId::new("shop-1_b.c").is_ok());
        assert_eq!(
            AccountId::new("my shop").unwrap_err().to_string(),
            "the account name has a space at position 3; letters, digits, `-`, `_` and `.` are accepted"
        );
        for dots in [".", ".."] {
            let why = AccountId::new(dots).unwrap_err().to_string();
            assert!(why.contains(&format!("`{dots}`")), "{why}");
        }
        assert!(AccountId::new("...").is_ok());
    }
}
