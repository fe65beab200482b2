//! What goes through the gate: a [`Call`] before authorising, a [`SignedRequest`] whose bytes are sent unchanged, and
//! a [`Reply`].

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use serde_json::{Map, Value};

use super::connecting::Connecting;
use super::{coding, redact};
use crate::domain::{
    AuthMethod, DocumentedCall, Now, RawCall, RawReply, Secret, WallTime, catalogue,
};
use crate::ledger::NONCE_SENT_WITHIN;

/// One request in the provider's terms, not yet authorised.
#[derive(Clone, PartialEq)]
pub struct Call {
    /// `GET`, `POST`, …
    pub method: String,
    /// Which of the account's endpoints: "api".
    pub endpoint: &'static str,
    /// Joined to the endpoint; begins with `/`, may have a query. `/` alone is the endpoint's own URL.
    pub path: String,
    /// The body.
    pub body: RequestBody,
    /// Its purpose in a few words, for the log.
    pub about: String,
    /// Whether it may be sent again when its outcome is unknown.
    pub repeat: Repeat,
    /// The authorisation method, where the provider allows several.
    pub auth: Option<AuthMethod>,
}

impl Call {
    /// A call without a body. Only a GET may be repeated.
    pub fn new(method: &str, endpoint: &'static str, path: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            endpoint,
            path: path.into(),
            body: RequestBody::Empty,
            about: String::new(),
            repeat: Repeat::of(method != "GET"),
            auth: None,
        }
    }

    /// A call as an operator writes it, with the body to be authorised. The catalogue says whether it writes.
    pub fn raw(
        call: &RawCall,
        documented: &[DocumentedCall],
        endpoint: &'static str,
        body: RequestBody,
    ) -> Self {
        let writes = catalogue::writes(documented, &call.method, &call.path);
        Self {
            body,
            repeat: Repeat::of(writes),
            auth: call.auth,
            ..Self::new(&call.method, endpoint, call.path.as_str())
        }
    }
}

impl fmt::Debug for Call {
    /// Without the body, and with the path redacted: a player's token is in its query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = redact::body(&self.path);
        write!(f, "Call({} {} {path})", self.method, self.endpoint)
    }
}

/// A body before authorising.
#[derive(Clone, PartialEq)]
pub enum RequestBody {
    /// None.
    Empty,
    /// A JSON object, to which authorising may add fields. Serialised once, then.
    Fields(Map<String, Value>),
    /// Exactly these bytes.
    Bytes(Vec<u8>),
}

/// The boundary of a multipart form, where a body is one: it begins with that, in its first line.
pub fn form_boundary(body: &[u8]) -> Option<&str> {
    let end = body.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let boundary = body[..end].strip_prefix(b"--")?;
    // RFC 2046, 5.1.1: the characters and the length of a boundary.
    let is_one = (1..=70).contains(&boundary.len())
        && boundary
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(byte));
    std::str::from_utf8(boundary).ok().filter(|_| is_one)
}

/// Whether a call may be sent again when its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing; sending it twice is harmless.
    Safe,
    /// It writes: sent again only where the provider certainly did not carry it out.
    Never,
    /// Sent again only where no connection was made. The caller decides what follows a response.
    NoResponse,
}

impl Repeat {
    /// `Never` if the call writes, else `Safe`.
    pub fn of(writes: bool) -> Self {
        if writes { Self::Never } else { Self::Safe }
    }
}

/// The parts of a forwarded callback besides method and body.
#[derive(Debug, Clone)]
pub struct ForwardedRequest {
    /// The sender's headers that are forwarded. Few of their values are recorded.
    pub headers: HeaderMap,
    /// Path and query, byte for byte. Over https they go as a URL has them: `'` becomes `%27` there.
    pub target: String,
    /// Whether only the response's status matters; otherwise the body is needed completely.
    pub status_decides: bool,
}

/// The final bytes of one attempt. What is signed here is what is sent.
#[derive(Default)]
pub struct SignedRequest {
    /// Added to the request, in order.
    pub headers: Vec<(&'static str, MaybeSecret)>,
    /// For a forwarded callback: how to send it. The recipient is not the provider, so its `Date` header says nothing
    /// about the provider's clock.
    pub forwarded: Option<ForwardedRequest>,
    /// Added to the query, in order, percent-encoded.
    pub query: Vec<(&'static str, MaybeSecret)>,
    /// Sent unchanged.
    pub body: Bytes,
    /// The API key's lock or its place in a queue, held until the response, so that nonces arrive in order.
    pub key_lock: Option<Box<dyn Any + Send>>,
    /// The access token that it carries, or the secret that it is authorised with: a rejection then replaces this one, not
    /// a newer one.
    pub credential: Option<Secret>,
    /// When its nonce was given out, by the monotonic clock: after [`NONCE_SENT_WITHIN`] other machines may have gone on
    /// with a later one.
    pub nonce_at: Option<Duration>,
    /// How far its nonce is ahead of the provider's time, where the operator should be warned.
    pub nonce_ahead: Option<Duration>,
    /// Names of JSON fields whose strings are secret in this call and its response, besides the fields that are
    /// secret everywhere.
    pub hidden: &'static [&'static str],
    /// For a probe: measures a connection of its own.
    pub measured: Option<Arc<Connecting>>,
}

impl SignedRequest {
    /// A body and headers, and nothing else.
    pub fn new(headers: Vec<(&'static str, MaybeSecret)>, body: Bytes) -> Self {
        Self {
            headers,
            body,
            ..Self::default()
        }
    }

    /// Whether its nonce is too old to be sent, because this process was stopped or its ledger is slow.
    pub(super) fn has_late_nonce(&self, now: Now) -> bool {
        self.nonce_at
            .is_some_and(|at| now.mono.saturating_sub(at) > NONCE_SENT_WITHIN)
    }

    /// The URL with the parameters that authorising added.
    pub(super) fn url(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if !self.query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &self.query {
                pairs.append_pair(
                    name,
                    match value {
                        MaybeSecret::Open(text) => text,
                        MaybeSecret::Secret(secret) => {
                            redact::learn_temporary(secret, name);
                            secret.expose()
                        }
                    },
                );
            }
        }
        url
    }

    /// All headers of the request except `Host`, so that the record shows what is sent.
    pub(super) fn headers(&self, method: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let (text, secret) = match value {
                MaybeSecret::Open(text) => (text.as_str(), false),
                MaybeSecret::Secret(secret) => {
                    redact::learn_temporary(secret, name);
                    (secret.expose(), true)
                }
            };
            // A secret with a line break is not a valid header value: the call goes out without it and the provider
            // rejects it.
            if let (Ok(name), Ok(mut value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(text))
            {
                // Hidden in debug output.
                value.set_sensitive(secret);
                map.append(name, value);
            }
        }
        if let Some(forwarded) = &self.forwarded {
            map.extend(forwarded.headers.clone());
        } else {
            let agent = concat!("tilldeck/", env!("CARGO_PKG_VERSION"));
            // Headers that a call sets itself stay.
            for (name, value) in [
                (ACCEPT, "*/*"),
                (ACCEPT_ENCODING, coding::ACCEPTED),
                (USER_AGENT, agent),
            ] {
                map.entry(name).or_insert(HeaderValue::from_static(value));
            }
        }
        // RFC 9110, 8.6: where a body is usual, some servers refuse a request that does not say that it has none (411).
        if !self.body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            map.entry(CONTENT_LENGTH).or_insert(self.body.len().into());
        }
        map
    }
}

/// The value of a header or of a parameter: open, or secret.
#[derive(Debug, Clone)]
pub enum MaybeSecret {
    /// May be shown.
    Open(String),
    /// Never shown; the redactor learns it.
    Secret(Secret),
}

/// One whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The protocol, as HAR names it: `HTTP/1.1`.
    pub version: &'static str,
    /// In the order received; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// After decompression.
    pub body: Bytes,
    /// How many bytes of the body went over the wire, where that is known.
    pub wire: Option<u64>,
    /// From sending until the head.
    pub to_head: Duration,
    /// From sending until its end, without the wait before.
    pub took: Duration,
    /// When its end was seen.
    pub at: WallTime,
}

impl Reply {
    /// A header's first value, by name without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// An HTTP date in a header.
    fn date_in(&self, name: &str) -> Option<WallTime> {
        let date = httpdate::parse_http_date(self.header(name)?.trim()).ok()?;
        let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(WallTime(i64::try_from(date.as_millis()).ok()?))
    }

    /// The server's time when it made this response, in whole seconds: `Date`.
    pub fn date(&self) -> Option<WallTime> {
        self.date_in("date")
    }

    /// How long the provider wants no further request, counted from the end of this response: `Retry-After` (RFC
    /// 9110, 10.2.3). Accepts seconds, also with a fraction or a sign as some servers send them, and an HTTP date,
    /// which is compared with the server's own `Date` where present.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Some(until) = self.date_in("retry-after") {
            // Against the server's own clock: this machine's may be wrong.
            return Some(until.since(self.date().unwrap_or(self.at)));
        }
        let (below_zero, number) = match text.strip_prefix(['-', '+']) {
            Some(number) => (text.starts_with('-'), number),
            None => (false, text),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        if below_zero {
            return Some(Duration::ZERO);
        }
        // A number beyond u64 counts as the longest wait; a fraction is rounded up to a whole second.
        let seconds: u64 = whole.parse().unwrap_or(u64::MAX);
        let part = u64::from(fraction.bytes().any(|digit| digit != b'0'));
        Some(Duration::from_secs(seconds.saturating_add(part)))
    }

    /// This response as the answer to a raw call.
    pub fn into_raw(self) -> RawReply {
        RawReply {
            status: self.status,
            content_type: self.header("content-type").map(str::to_owned),
            body: self.body.to_vec(),
            took: self.took,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_is_repeated_unless_the_caller_says_so() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "get"] {
            assert_eq!(
                Call::new(method, "api", "/").repeat,
                Repeat::Never,
                "{method}"
            );
        }
        assert_eq!(Call::new("GET", "api", "/").repeat, Repeat::Safe);
    }
}
