//! Values that a provider reported, readable or not.

use std::fmt;

use serde::Serialize;

use super::amount::SHOWN_MAX;
use super::{Amount, Currency, inert};

/// A value as a provider reported it. An unreadable one stays as text, so that the other values beside it are not
/// lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported<T> {
    /// Parsed.
    Read(T),
    /// The text, which cannot be parsed; hostile until made inert. Empty where there was none.
    Unread(String),
}

impl<T: AsRef<str>> Reported<T> {
    /// The text, exactly as received.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Read(value) => value.as_ref(),
            Self::Unread(text) => text,
        }
    }

    /// The value, where it could be parsed.
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Unread(_) => None,
        }
    }
}
impl Reported<Amount> {
    /// Parses an amount; stores the text where that fails.
    pub fn amount(text: &str) -> Self {
        Amount::received(text).map_or_else(|_| Self::Unread(text.to_owned()), Self::Read)
    }
}
impl Reported<Currency> {
    /// Parses a currency; stores the text where that fails.
    pub fn currency(text: &str) -> Self {
        Currency::new(text).map_or_else(|_| Self::Unread(text.to_owned()), Self::Read)
    }
}
impl<T: AsRef<str>> fmt::Display for Reported<T> {
    /// Inert, and cut where it is too long; `?` where it is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(value) => f.pad(&inert::cut(value.as_ref(), SHOWN_MAX)),
            Self::Unread(text) if text.is_empty() => f.pad("?"),
            Self::Unread(text) => f.pad(&inert::cut(text, 40)),
        }
    }
}
impl<T: AsRef<str>> Serialize for Reported<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_over_long_amount_is_cut_where_it_is_shown_and_stays_exact_elsewhere() {
        let long = format!("{}1", "0".repeat(200));
        let amount = Reported::amount(&long);
        assert!(amount.read().is_some());
        assert_eq!(amount.to_string(), format!("{}…", "0".repeat(79)));
        assert_eq!(amount.as_str(), long);
        assert_eq!(Reported::amount("25.00").to_string(), "25.00");
    }
}
