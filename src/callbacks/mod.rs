//! Inbound callbacks: limits, verdict, durable row, answer. Knows no provider: an [`CallbackHandler`] judges what comes.

mod address;
mod content;
mod health;
mod rate;
mod receiver;
pub mod seal;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::{Delivery, Problem, Secret, Subject, WallTime};
use crate::http_server::{Request, Response};
use crate::net::BoxFuture;

pub use address::Address;
pub use health::reachable;
pub use rate::Rate;
pub use receiver::{Limits, Receiver, Setup};

/// One request to an account's callback address, whole.
#[derive(Clone)]
pub struct Inbound {
    /// As it came: method, path and query, headers, body.
    pub request: Request,
    /// Who sent it; `None` where a proxy names no address.
    pub from: Option<IpAddr>,
    /// When its last byte was received.
    pub at: WallTime,
}

/// Without what may be a secret: headers, query and body.
impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("method", self.request.method())
            .field("path", &self.request.uri().path())
            .field("headers", &self.request.headers().len())
            .field("body", &self.request.body().len())
            .field("from", &self.from)
            .field("at", &self.at)
            .finish()
    }
}

/// What a provider's callback says, once it is known to be genuine as far as that can be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedCallback {
    /// As in [`Delivery`]; made inert by whoever keeps it.
    pub kind: String,
    /// As in [`Delivery`].
    pub subject: Option<Subject>,
    /// By what it is known to be genuine, in a few words: "the key", "a signature", "nothing: unsigned".
    pub proof: &'static str,
    /// Whether that proves anything. What does not, anybody may have made up.
    pub proved: bool,
    /// What is the same for two deliveries of one message, or of one subject.
    pub dedup: Dedup,
    /// Whether the provider is asked what is so: the payment's state, the player's inventory.
    pub asks: bool,
    /// The body that it is answered with, status 200, once it is kept.
    pub answer: Answer,
}

/// What makes two deliveries the same. The receiver adds realm and account to it and hashes all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dedup {
    /// As [`crate::ledger::DedupKey::Message`].
    Message(Vec<u8>),
    /// As [`crate::ledger::DedupKey::Subject`].
    Subject(Vec<u8>),
}

/// What a genuine callback is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200 without a body worth reading.
    Plain,
    /// The provider waits for what the shop says: its own server is asked while the connection is open. Where there
    /// is none, it fails or it is too slow, this JSON is the answer, which makes nobody pay.
    Relayed {
        /// What is answered in the shop's stead.
        otherwise: &'static str,
    },
}

/// Why a callback is not acted upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A check failed; which, in words. Answered 403.
    Refused(String),
    /// It makes no sense; what, in words. Answered 400.
    Unreadable(String),
    /// The provider does not call by this method. Answered 405.
    Method {
        /// Those it calls by: "GET, POST".
        allowed: &'static str,
    },
    /// It cannot be judged now: a secret cannot be read. Answered 503, so that it comes again.
    Unable(Problem),
}

/// An account's texts and secrets, as far as they are set, by their keys in the config file.
#[derive(Debug, Clone, Default)]
pub struct CallbackSecrets {
    /// Those that are no secret.
    pub texts: BTreeMap<&'static str, String>,
    /// Those of [`Spec::secrets`] that are set.
    pub secrets: BTreeMap<&'static str, Secret>,
}

/// How a provider's callbacks are read.
#[derive(Clone, Copy)]
pub struct Spec {
    /// The secrets that judging takes, by key.
    pub secrets: &'static [&'static str],
    /// No body of theirs is longer, in bytes; what is longer is answered 413 and not kept.
    pub body_max: usize,
    /// Judges a request and reads it. Pure.
    pub read: fn(&Inbound, &CallbackSecrets) -> Result<ParsedCallback, Refusal>,
}

/// Of a callback that is relayed, the errand is in hand for so long; whoever finds it later gives it up.
pub const RELAY_HOLD: Duration = Duration::from_mins(1);

/// Who receives callbacks.
pub trait CallbackHandlers: Send + Sync {
    /// The account of this name.
    fn find(&self, name: &str) -> Option<Arc<dyn CallbackHandler>>;
    /// A callback was kept, of whatever verdict; told after it was answered. Must not block.
    fn saved(&self, delivery: Delivery);
    /// Callbacks to this account cannot be judged or kept; told at most once in 30 s for each account. Must not block.
    fn unable(&self, _name: &str, _problem: Problem) {}
}

/// An account that receives callbacks.
pub trait CallbackHandler: Send + Sync {
    /// Its provider's short name.
    fn provider(&self) -> &'static str;
    /// As [`Spec::body_max`].
    fn body_max(&self) -> usize;
    /// Judges a request and reads it.
    fn read<'a>(&'a self, inbound: &'a Inbound) -> BoxFuture<'a, Result<ParsedCallback, Refusal>>;
    /// Where its callbacks are handed on to.
    fn forward_to(&self) -> Option<String>;
    /// Asks the shop's own server while the provider waits, and keeps what came of it; `None` where no answer came. The
    /// errand is held until [`RELAY_HOLD`] after it came. Dropped when [`Limits::relay`] is over.
    fn relay<'a>(
        &'a self,
        inbound: &'a Inbound,
        delivery: &'a Delivery,
    ) -> BoxFuture<'a, Option<Response>>;
}

/// A request as it came, for keeping and for handing on.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In the order received.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Bytes,
}

/// No provider's callbacks are larger when decompressed.
const READABLE_MAX: usize = 1024 * 1024;

impl Raw {
    /// The request once more, with the body as its provider's rules read it; `None` where nobody can.
    #[must_use]
    pub fn readable(&self) -> Option<Inbound> {
        let request = axum::http::Request::builder()
            .method(self.method.as_str())
            .uri(&self.target);
        let request = self.headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value.as_slice())
        });
        let inbound = Inbound {
            request: request.body(self.body.clone()).ok()?,
            from: None,
            at: WallTime(0),
        };
        let readable = content::readable(&inbound, READABLE_MAX).ok()?;
        Some(readable.into_owned())
    }

    /// Whether the body is what its headers announce. That of a request that was too large, too slow or cut off was
    /// never received.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut headers = self.headers.iter();
        let announced = headers.find_map(|(name, value)| match name.as_str() {
            "content-length" => Some(value.as_slice() == self.body.len().to_string().as_bytes()),
            "transfer-encoding" => Some(!self.body.is_empty()),
            _ => None,
        });
        announced.unwrap_or(true)
    }
}

/// Without what may be a secret: headers, query and body.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw")
            .field("method", &self.method)
            .field("path", &self.target.split('?').next())
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish()
    }
}

impl Raw {
    /// The request as it came.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let target = request.uri().path_and_query();
        Self {
            method: request.method().to_string(),
            target: target.map_or("/", |target| target.as_str()).to_owned(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            body: request.body().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Raw;

    #[test]
    fn a_callback_is_whole_where_its_body_is_what_its_headers_announce() {
        for (header, body, is_whole) in [
            (None, "", true),
            (Some(("content-length", "0")), "", true),
            (Some(("content-length", "4")), "paid", true),
            (Some(("content-length", "9")), "", false),
            (Some(("transfer-encoding", "chunked")), "paid", true),
            (Some(("transfer-encoding", "chunked")), "", false),
        ] {
            let headers = header.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
            let raw = Raw {
                method: "POST".into(),
                target: "/callbacks/shop".into(),
                headers: headers.into_iter().collect(),
                body: body.into(),
            };
            assert_eq!(raw.is_whole(), is_whole, "{header:?} {body:?}");
        }
    }
}
