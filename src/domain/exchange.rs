//! One request and its reply, already redacted: what the ledger keeps and the screen shows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AccountId, WallTime};

/// The most bytes of one body that are kept.
pub const BODY_KEPT_MAX: usize = 256 * 1024;

/// The ledger's number of one exchange; grows with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangeId(pub i64);

/// One try of one request. Every text in it has passed the redactor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Unique within the ledger; negative where the ledger could not be written.
    pub id: ExchangeId,
    /// Whose call it was.
    pub account: AccountId,
    /// The provider's short name.
    pub provider: String,
    /// The account's environment, as [`super::Environment::as_str`].
    pub environment: String,
    /// When it left.
    pub at: WallTime,
    /// `GET`, `POST`, …
    pub method: String,
    /// The whole URL, secrets in it replaced.
    pub url: String,
    /// What it was for, in a few words: "ORDER-1001", "3000 EMT"; may be empty.
    pub about: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// From sending until the head of the reply; `None` where none came.
    pub to_head: Option<Duration>,
    /// From sending until the end of the reply, or until it was given up.
    pub took: Duration,
    /// What was sent, in order.
    pub request_headers: Vec<(String, String)>,
    /// What was sent.
    pub request_body: Body,
    /// What came back, in order.
    pub response_headers: Vec<(String, String)>,
    /// What came back.
    pub response_body: Body,
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A reply with this HTTP status.
    Status(u16),
    /// No whole reply; in a few words: "timed out", "connection refused".
    Failed(String),
}

/// A body as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Body {
    /// At most [`BODY_KEPT_MAX`] bytes of it, as text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// How many bytes went over the wire (after any decompression); more than `text` holds where it was cut.
    pub bytes: u64,
    /// Whether `text` is only the beginning.
    pub cut: bool,
}

impl Exchange {
    /// The path of the URL, with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        let after_scheme = self.url.find("://").map_or(0, |at| at + 3);
        self.url[after_scheme..]
            .find('/')
            .map_or("/", |at| &self.url[after_scheme + at..])
    }
}
