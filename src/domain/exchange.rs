//! One request and its response, redacted: the record that the ledger saves and the screen shows.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{AccountId, WallTime};

/// The most bytes of one body that are saved.
pub const BODY_KEPT_MAX: usize = 256 * 1024;

/// What a URL cannot have in a part (RFC 3986, 2.3).
pub(super) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The ledger's number of one exchange; grows with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangeId(pub i64);

/// One attempt of one request. Every text in it is redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Unique within the ledger; negative where the ledger could not be written, 0 before it is recorded.
    pub id: ExchangeId,
    /// The account of the request.
    pub account: AccountId,
    /// The provider's short name.
    pub provider: String,
    /// The account's environment, as [`super::Environment::as_str`].
    pub environment: String,
    /// When it was sent.
    pub at: WallTime,
    /// `GET`, `POST`, …
    pub method: String,
    /// The whole URL, redacted.
    pub url: String,
    /// Its purpose in a few words: "ORDER-1001", "3000 EMT"; may be empty.
    pub about: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Its result.
    pub outcome: Outcome,
    /// The protocol of the response, as HAR names it: `HTTP/1.1`; empty where unknown.
    pub http_version: String,
    /// From sending until the head of the response; `None` where none came.
    pub to_head: Option<Duration>,
    /// From sending until the end of the response, or until the request was cancelled.
    pub took: Duration,
    /// The request headers, in order.
    pub request_headers: Vec<(String, String)>,
    /// The request body.
    pub request_body: Body,
    /// The response headers, in order.
    pub response_headers: Vec<(String, String)>,
    /// The response body.
    pub response_body: Body,
    /// How many bytes of the response's body went over the wire, where that is known.
    pub response_wire: Option<u64>,
    /// Who sent it, in a ledger that a team shares; empty in one of this machine alone.
    pub operator: String,
    /// The profile of its account; empty where an older version saved it.
    pub profile: String,
}

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A response with this HTTP status.
    Status(u16),
    /// A response with the status of a success whose body says that the call failed; in a few words: "fail 9000".
    Refused(u16, String),
    /// No complete response; in a few words: "timed out", "connection refused".
    Failed(String),
}

impl Outcome {
    /// The HTTP status, and the failure in words.
    pub fn parts(&self) -> (Option<u16>, Option<&str>) {
        match self {
            Self::Status(status) => (Some(*status), None),
            Self::Refused(status, why) => (Some(*status), Some(why)),
            Self::Failed(why) => (None, Some(why)),
        }
    }

    /// Whether the request failed. A redirect did not.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Status(..400))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Refused(status, why) => write!(f, "{status}, {why}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// The purpose of a token request, in [`Exchange::about`].
pub const TOKEN_CALL: &str = "an access token";

/// A body as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Body {
    /// At most [`BODY_KEPT_MAX`] bytes of it, as text; in base64 where it is none.
    pub text: String,
    /// Whether `text` is base64.
    #[serde(default)]
    pub base64: bool,
    /// How many bytes the body has, after any decompression; more than `text` holds where it was cut.
    pub bytes: u64,
    /// Whether `text` is only the beginning.
    pub cut: bool,
}

impl Body {
    /// The bytes that `text` represents; text is UTF-8, whatever its original charset.
    pub fn raw(&self) -> Cow<'_, [u8]> {
        let decoded = self.base64.then(|| STANDARD.decode(&self.text).ok());
        match decoded.flatten() {
            Some(bytes) => Cow::Owned(bytes),
            None => Cow::Borrowed(self.text.as_bytes()),
        }
    }

    /// As readable text; invalid bytes are replaced. Hostile until made inert.
    pub fn readable(&self) -> Cow<'_, str> {
        match self.raw() {
            Cow::Borrowed(_) => Cow::Borrowed(&self.text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

impl Exchange {
    /// Whether it is about the payment or other subject of this id. A call that an operator wrote names no subject; it
    /// is about each id in its path.
    pub fn is_about(&self, id: &str) -> bool {
        is_about(&self.about, &self.url, id)
    }

    /// Whether it has no response yet.
    pub fn is_running(&self) -> bool {
        self.id == ExchangeId(0)
    }

    /// The path of the URL, with its query.
    pub fn path(&self) -> &str {
        // By hand: a redacted URL has placeholders, which a URL parser would encode.
        let after_scheme = self.url.find("://").map_or(0, |at| at + 3);
        self.url[after_scheme..]
            .find('/')
            .map_or("/", |at| &self.url[after_scheme + at..])
    }
}

fn is_about(about: &str, url: &str, id: &str) -> bool {
    if !about.is_empty() {
        return about == id;
    }
    // Each part stands between slashes then.
    let parts = url.replace(['?', '&', '=', '#'], "/") + "/";
    let mut ids = in_url(id).into_iter();
    ids.any(|id| parts.contains(&format!("/{id}/")))
}

/// An id as a URL may have it: as it is, and encoded as browsers do where that differs.
pub fn in_url(id: &str) -> Vec<String> {
    let encoded = utf8_percent_encode(id, ENCODED).to_string();
    let mut ids = vec![id.to_owned(), encoded];
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_a_subject_is_about_each_id_in_its_path() {
        for (about, path, id, expected) in [
            ("A-1", "/check", "A-1", true),
            ("A-12", "/check", "A-1", false),
            ("A-2", "/A-1", "A-1", false),
            ("", "/orders/A-1", "A-1", true),
            ("", "/orders?id=A-1&x=2", "A-1", true),
            ("", "/orders/A-12", "A-1", false),
            ("", "/orders/a-1", "A-1", false),
            ("", "/orders/A%20%C5%82", "A ł", true),
        ] {
            let url = format!("https://api.example{path}");
            assert_eq!(is_about(about, &url, id), expected, "{about} {url} {id}");
        }
    }
}
