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
    /// The columns' names; the first is what tells rows apart.
    pub columns: Vec<&'static str>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
    /// What a reader must know of the figures: "price is what the buyer pays, IWTR what you receive".
    pub note: &'static str,
}
