//! One call of the explorer and what came of it, fit to be shown.

use std::time::Duration;

/// A call as it was put together: any documented one, or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCall {
    /// `GET`, `POST`, …
    pub method: String,
    /// From the root of the account's first API endpoint, with its query.
    pub path: String,
    /// Sent as it is, unless the provider's scheme adds to it.
    pub body: Option<String>,
    /// As in [`super::Op::Raw`].
    pub auth: Option<super::AuthMethod>,
}

/// What came of it. Redacted, so that it may be shown and copied; not inert yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explored {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, where there is one.
    pub content_type: Option<String>,
    /// From sending to the end of the reply.
    pub took: Duration,
    /// How many bytes the body had, after decompression.
    pub bytes: usize,
    /// The body, cut where it is longer than is shown.
    pub text: String,
    /// Whether it was cut.
    pub cut: bool,
    /// What the provider itself says is wrong, where it does: a failure may stand inside a 200.
    pub failure: Option<String>,
    /// What it says in the provider's terms, where the call is known.
    pub digest: Option<Digest>,
}

/// A reply read by who knows what its fields mean. Texts are redacted; not inert yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digest {
    /// What it is, in a line: "offers 0-24 of 251".
    pub title: String,
    /// What a reader tells rows apart by comes first, ids come last.
    pub columns: Vec<Column>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
    /// What a reader must know of the figures: "price is what the buyer pays, IWTR what you receive".
    pub note: &'static str,
}

/// One column of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// What stands in it, and so how it is laid out.
    pub holds: Holds,
}

/// What stands in a column.
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
