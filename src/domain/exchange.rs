//! One request and its reply, already redacted: what the ledger keeps and the screen shows.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{AccountId, Delivery, Received, WallTime};

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
    /// The protocol of the reply, as HAR names it: `HTTP/1.1`; empty where that is not known.
    pub http_version: String,
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
    /// How many bytes of the reply's body went over the wire, where that is known.
    pub response_wire: Option<u64>,
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

/// What a token call is for, in [`Exchange::about`].
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
    /// The bytes that `text` stands for. Those of a text are UTF-8, whatever its charset was.
    #[must_use]
    pub fn raw(&self) -> Cow<'_, [u8]> {
        let decoded = self.base64.then(|| STANDARD.decode(&self.text).ok());
        match decoded.flatten() {
            Some(bytes) => Cow::Owned(bytes),
            None => Cow::Borrowed(self.text.as_bytes()),
        }
    }

    /// As text for people; bytes that are none are replaced. Hostile until made inert.
    #[must_use]
    pub fn readable(&self) -> Cow<'_, str> {
        match self.raw() {
            Cow::Borrowed(_) => Cow::Borrowed(&self.text),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

impl Exchange {
    /// A callback as the request that was received at `base`, answered by this program.
    #[must_use]
    pub fn of_callback(delivery: &Delivery, received: &Received, base: &str) -> Self {
        Self {
            id: ExchangeId(delivery.id.0),
            // A callback may have named any account.
            account: AccountId::new(delivery.account.as_str())
                .unwrap_or_else(|_| AccountId::new("account").expect("letters make a name")),
            provider: delivery.provider.clone(),
            environment: String::new(),
            at: delivery.received_at,
            method: delivery.method.clone(),
            url: format!("{base}{}", received.target),
            about: String::new(),
            attempt: delivery.attempt,
            outcome: Outcome::Status(delivery.status),
            // The receiver speaks no other.
            http_version: "HTTP/1.1".into(),
            to_head: None,
            took: Duration::ZERO,
            request_headers: received.headers.clone(),
            request_body: received.body.clone(),
            response_headers: Vec::new(),
            response_body: Body::default(),
            response_wire: None,
        }
    }

    /// The path of the URL, with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        let after_scheme = self.url.find("://").map_or(0, |at| at + 3);
        self.url[after_scheme..]
            .find('/')
            .map_or("/", |at| &self.url[after_scheme + at..])
    }
}
