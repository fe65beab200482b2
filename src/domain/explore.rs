//! One call of the explorer and its response, ready for display.

use std::time::Duration;

/// A call as entered: a documented one, or any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCall {
    /// `GET`, `POST`, …
    pub method: String,
    /// From the root of the account's first API endpoint, with its query.
    pub path: String,
    /// Sent unchanged, unless the provider's scheme adds fields.
    pub body: Option<String>,
    /// As in [`super::RawRequest`].
    pub auth: Option<super::AuthMethod>,
}

/// Its response. Redacted, so that it may be shown and copied; not inert yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explored {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, where there is one.
    pub content_type: Option<String>,
    /// From sending to the end of the response.
    pub took: Duration,
    /// How many bytes the body had, after decompression.
    pub bytes: usize,
    /// The body, cut where it is longer than is shown.
    pub text: String,
    /// Whether it was cut.
    pub cut: bool,
    /// The provider's own error message, if any: some providers send errors with status 200.
    pub failure: Option<String>,
    /// The response as a table, where the call is known.
    pub digest: Option<Digest>,
}

/// A response as a table. Texts are redacted; not inert yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digest {
    /// Its title: "offers 0-24 of 251".
    pub title: String,
    /// The columns; those that distinguish rows come first, ids last.
    pub columns: Vec<Column>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
    /// A note on the figures: "price is what the buyer pays, IWTR what you receive".
    pub note: &'static str,
}

/// One column of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// Its kind of content, which decides the layout.
    pub holds: Holds,
}

/// The kind of content of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Words, which may be cut.
    Text,
    /// A state, a date or an id, which says nothing once it is cut.
    Word,
    /// A count or a sum of money, aligned at its end and never cut.
    Number,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        let holds = Holds::Text;
        Self { name, holds }
    }

    /// A column of states, dates or ids.
    #[must_use]
    pub const fn word(name: &'static str) -> Self {
        let holds = Holds::Word;
        Self { name, holds }
    }

    /// A column of counts or sums.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        let holds = Holds::Number;
        Self { name, holds }
    }
}
