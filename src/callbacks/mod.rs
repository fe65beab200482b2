//! Inbound callbacks: limits, verdict, durable row, answer. Knows no provider: a [`CallbackHandler`] judges each
//! callback.

mod address;
mod content;
mod health;
mod limits;
pub mod probe;
mod rate;
mod receiver;
pub mod seal;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::http::StatusCode;
use hyper::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use crate::domain::{Delivery, Problem, Secret, Subject, WallTime};
use crate::http_server::Request;

pub use address::Address;
pub use health::{HEARTBEAT, reachable};
pub use limits::Limits;
pub use rate::SenderRateLimit;
pub use receiver::{Arrival, Receiver, Setup, turn_away};

/// A complete request to an account's callback address.
#[derive(Clone)]
pub struct Inbound {
    /// As received: method, path and query, headers, body.
    pub request: Request,
    /// The sender's address; `None` where a proxy names none.
    pub from: Option<IpAddr>,
    /// When its last byte was received.
    pub at: WallTime,
}

/// No provider's callbacks are larger when decompressed.
const READABLE_MAX: usize = 1024 * 1024;

impl Inbound {
    /// A request as it is saved: without its sender and its time.
    pub(crate) fn saved(request: Request) -> Self {
        Self {
            request,
            from: None,
            at: WallTime(0),
        }
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        let target = self.request.uri().path_and_query();
        target.map_or("/", |target| target.as_str())
    }

    /// The request with its body decoded as its provider's rules read it; `None` if it cannot be decoded.
    pub fn readable(&self) -> Option<Self> {
        let readable = content::readable(self, READABLE_MAX).ok()?;
        Some(readable.into_owned())
    }

    /// Whether the body is what its headers announce. That of a request that was too large, too slow or cut off was
    /// never received.
    pub fn is_whole(&self) -> bool {
        let (headers, body) = (self.request.headers(), self.request.body());
        if headers.contains_key(TRANSFER_ENCODING) {
            return !body.is_empty();
        }
        let length = headers.get(CONTENT_LENGTH);
        length.is_none_or(|length| *length == body.len().to_string())
    }
}

/// Leaves out what may be a secret: headers, query and body.
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

/// The content of a callback that passed its provider's checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedCallback {
    /// As in [`Delivery`]; made inert before it is saved.
    pub kind: String,
    /// As in [`Delivery`].
    pub subject: Option<Subject>,
    /// As in [`Delivery`].
    pub happened_at: Option<WallTime>,
    /// How it was verified, in a few words: "the key", "a signature".
    pub proof: &'static str,
    /// Whether it is signed or carries the key. Anyone may have made up one that is not.
    pub proved: bool,
    /// What makes two deliveries the same message, or about the same subject.
    pub dedup: Dedup,
    /// Whether to check with the provider: the payment's state, the player's inventory.
    pub needs_check: bool,
    /// The answer once it is saved, with status 200.
    pub answer: Answer,
}

/// What makes two deliveries the same. The receiver adds the account key and hashes it all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dedup {
    /// As [`crate::ledger::DedupKey::Message`].
    Message(Vec<u8>),
    /// As [`crate::ledger::DedupKey::Subject`].
    Subject(Vec<u8>),
}

/// The answer to a valid callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200 with a body that the provider ignores.
    Plain,
    /// The provider waits for the shop's answer: its server is called while the connection is open. Its answer is
    /// returned with status 200, as JSON. Without a server, or if it fails or is too slow, the answer is this JSON, which
    /// charges no player.
    Relayed {
        /// The answer without the shop.
        otherwise: &'static str,
    },
}

/// Why a callback is rejected: the last three by the receiver itself, before the provider's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A check failed, with its description. Answered 403.
    Refused(String),
    /// It cannot be parsed, with the reason. Answered 400.
    Unreadable(String),
    /// The provider does not use this method. Answered 405.
    Method {
        /// The methods it uses: "GET, POST".
        allowed: &'static str,
    },
    /// A secret cannot be read now. Answered 503, so that a provider that retries sends it again; saved all the same, and
    /// verified later.
    Unable(Problem),
    /// No account has its name, with the reason. Answered 404.
    NoAccount(String),
    /// Its body is incomplete or too large.
    Body {
        /// Answered with this.
        status: StatusCode,
        /// The reason.
        why: String,
    },
    /// Its `Content-Encoding` is not supported, with the reason. Answered 415.
    Encoding(String),
}

/// The texts and secrets of an account that are set, by config key.
#[derive(Debug, Clone, Default)]
pub struct CallbackSecrets {
    /// Not secret.
    pub texts: BTreeMap<&'static str, String>,
    /// Those of [`Spec::secrets`] that are set.
    pub secrets: BTreeMap<&'static str, Secret>,
}

/// The rules for a provider's callbacks.
#[derive(Clone, Copy)]
pub struct Spec {
    /// The secrets needed for verification, by key.
    pub secrets: &'static [&'static str],
    /// The largest body in bytes; a larger one is answered 413 and not saved.
    pub body_max: usize,
    /// What follows where one cannot be saved: whether the provider sends it again, else what to do.
    pub if_unsaved: &'static str,
    /// The body as it is shown, where the fields of a valid callback are inside its signature.
    pub shown: fn(&Inbound) -> Option<Vec<u8>>,
    /// Verifies and parses a request. Pure.
    pub read: fn(&Inbound, &CallbackSecrets) -> Result<ParsedCallback, Refusal>,
}

/// Finds the handlers for received callbacks.
pub trait CallbackHandlers: Send + Sync {
    /// The handler of this account.
    fn find(&self, name: &str) -> Option<Arc<dyn CallbackHandler>>;
    /// Whether it forwards callbacks.
    fn forwards(&self) -> bool {
        false
    }
    /// A callback was saved, with any verdict; called after it was answered. Must not block.
    fn saved(&self, delivery: Delivery);
    /// Callbacks to this account cannot be judged or saved; called at most once in 30 s for each account. Must not
    /// block.
    fn unable(&self, _name: &str, _problem: Problem) {}
    /// A proxy in front speaks another protocol, so that all its callbacks are lost; called once for each protocol. Must not
    /// block.
    fn foreign(&self, _words: String) {}
}

/// An account that receives callbacks.
#[async_trait]
pub trait CallbackHandler: Send + Sync {
    /// Its provider's short name.
    fn provider(&self) -> &'static str;
    /// As [`Spec::body_max`].
    fn body_max(&self) -> usize;
    /// As [`Spec::if_unsaved`].
    fn if_unsaved(&self) -> &'static str;
    /// Verifies and parses a request.
    async fn read(&self, inbound: &Inbound) -> Result<ParsedCallback, Refusal>;
    /// The forward target of its callbacks.
    fn forward_to(&self) -> Option<String>;
    /// Calls the shop's server while the provider waits, and saves the result. The body of its answer, also where the
    /// ledger could not save it; `None` if none arrived that can be returned. The job's lease is [`crate::domain::job::LEASE`]. The future is
    /// dropped after [`Limits::relay`].
    async fn relay(&self, inbound: &Inbound, delivery: &Delivery) -> Option<Bytes>;
}

#[cfg(test)]
mod tests {
    use super::{Inbound, Request};

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
            let mut request = Request::new(body.into());
            if let Some((name, value)) = header {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            let inbound = Inbound::saved(request);
            assert_eq!(inbound.is_whole(), is_whole, "{header:?} {body:?}");
        }
    }
}
