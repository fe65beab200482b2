//! One call of the API, documented or not: as it is entered, as it is sent, and its response, ready for display.

use std::time::Duration;

use super::RowIds;
use super::words::words;

/// A call as entered, documented or not, to be sent with an account's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCall {
    /// `GET`, `POST`, …
    pub method: String,
    /// From the root of the account's first API endpoint, with its query: `/api/v2/test`.
    pub path: String,
    /// Sent unchanged, unless the provider's scheme adds fields (Kanga: `appId`, `nonce`).
    pub body: Option<Vec<u8>>,
    /// The authorisation method, where the caller chooses it.
    pub auth: Option<AuthMethod>,
}

words! {
    /// The authorisation of one call, at a provider that has several methods.
    /// The words are those of the command line.
    pub enum AuthMethod {
        /// `Authorization: Basic`, with a user name and a password (Pledg: the dashboard's login).
        Basic = "basic",
        /// `Authorization: Bearer`, with an access token.
        Bearer = "bearer",
    }
}

/// The response to a [`RawCall`], whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct RawReply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, where there is one. Hostile until made inert.
    pub content_type: Option<String>,
    /// The body as received. Hostile until made inert.
    pub body: Vec<u8>,
    /// From sending to its end, without the wait before.
    pub took: Duration,
}

impl std::fmt::Debug for RawReply {
    /// Without the body: it is as received, secrets and all.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawReply({}, {} bytes)", self.status, self.body.len())
    }
}

/// The same response, redacted, so that it may be shown and copied; not inert yet.
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
    /// The columns: the row's own id first, then what distinguishes rows; other ids last.
    pub columns: Vec<Column>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
    /// A note on the figures: "price is what the buyer pays, IWTR what you receive".
    pub note: &'static str,
    /// Whether it is a page of a list and another page follows.
    pub has_more: bool,
}

impl Digest {
    /// The ids of a row.
    pub fn ids(&self, row: usize) -> RowIds {
        let mut ids = RowIds::default();
        for (column, cell) in self
            .columns
            .iter()
            .zip(self.rows.get(row).into_iter().flatten())
        {
            if let ColumnKind::Id(name) = column.holds
                && cell != NOTHING
            {
                ids.add(name, cell);
            }
        }
        ids
    }
}

/// The cell where the provider gives no value or an unreadable one.
pub const NOTHING: &str = "–";

/// One column of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// Its kind of content, which decides the layout.
    pub holds: ColumnKind,
}

/// The kind of content of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Words, which may be cut.
    Text,
    /// A state, a date or a name, which says nothing once it is cut.
    Word,
    /// An id, never cut, and the name under which follow-ups take it.
    Id(&'static str),
    /// A count or a sum of money, aligned at its end and never cut.
    Number,
}

impl Column {
    /// A column of words.
    pub const fn text(name: &'static str) -> Self {
        let holds = ColumnKind::Text;
        Self { name, holds }
    }

    /// A column of ids, which follow-ups take under the name `fills`.
    pub const fn id(name: &'static str, fills: &'static str) -> Self {
        let holds = ColumnKind::Id(fills);
        Self { name, holds }
    }

    /// A column of states, dates or names.
    pub const fn word(name: &'static str) -> Self {
        let holds = ColumnKind::Word;
        Self { name, holds }
    }

    /// A column of counts or sums.
    pub const fn number(name: &'static str) -> Self {
        let holds = ColumnKind::Number;
        Self { name, holds }
    }
}
