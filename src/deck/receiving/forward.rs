//! Forwards a callback byte for byte to the shop's own server. The request goes through the gate, so it is recorded and
//! redacted.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use reqwest::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};

use super::Shared;
use crate::callbacks::{Address, Inbound};
use crate::domain::job::{AttemptOutcome, Disposition};
use crate::domain::{Account, AccountId, Delivery, Environment, ProviderId, time};
use crate::net::{
    self, Authorise, Call, ForwardedRequest, NetError, Repeat, Reply, RequestOptions, Session,
    SignedRequest,
};

/// How much of the shop's response body is saved with the job.
pub(super) const REPLY_KEPT_MAX: usize = 64 * 1024;

/// Marks a request that forwards a callback, to tell it from a check of the same payment.
const FORWARD: &str = ", forward";

/// Headers of one connection, in lower case (hop-by-hop, RFC 9110 7.6.1), and headers that our own client sets. Our
/// client decodes what `Accept-Encoding` asks for, so the sender's value must not reach the shop.
const OWN_HEADERS: [&str; 13] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "host",
    "content-length",
    "accept-encoding",
];

pub(super) struct ForwardResult(pub(super) Result<Reply, NetError>);

pub(super) struct Destination {
    pub(super) url: Url,
    /// Whether only the status of its answer counts; otherwise the whole answer goes back to the provider.
    pub(super) status_decides: bool,
}

/// The shop has removed the address for good (410 Gone, RFC 9110 15.5.11).
const GONE: u16 = 410;

impl ForwardResult {
    /// The result of the job's attempt, with the sealed answer of the shop.
    pub(super) fn outcome(&self, reply: Option<Vec<u8>>) -> AttemptOutcome {
        AttemptOutcome {
            summary: self.describe(),
            status: self.status(),
            took: self.took(),
            settles: false,
            reply,
            next: match self.status() {
                Some(200..300) => Disposition::Done,
                Some(GONE) => Disposition::PermanentFailure,
                _ => Disposition::Retry {
                    after: self.retry_after(),
                },
            },
        }
    }

    /// One line for the job's row.
    fn describe(&self) -> String {
        match &self.0 {
            Ok(reply) if reply.status == GONE => {
                format!("HTTP {GONE}: the shop removed this address; no retry")
            }
            Ok(reply) => match self.retry_after() {
                Some(wait) => format!("HTTP {}, wait {} requested", reply.status, time::fine(wait)),
                None => format!("HTTP {}", reply.status),
            },
            Err(NetError::Redirected { status, to, .. }) => {
                format!("HTTP {status}, redirect to {to} not followed")
            }
            Err(error @ (NetError::Tls { .. } | NetError::NoTls(_))) => {
                let hint = error.clone().problem(&unnamed()).hint;
                format!("{error}; {hint}")
            }
            Err(error) => error.to_string(),
        }
    }

    /// How long the shop's `Retry-After` asks to wait, if it did not accept the callback.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let requested = self.0.as_ref().ok()?.retry_after()?;
        (!self.taken()).then_some(requested)
    }

    fn status(&self) -> Option<u16> {
        match &self.0 {
            Ok(reply) => Some(reply.status),
            Err(NetError::Redirected { status, .. }) => Some(*status),
            Err(_) => None,
        }
    }

    /// Whether the shop accepted the callback (2xx).
    pub(super) fn taken(&self) -> bool {
        matches!(self.status(), Some(200..300))
    }

    /// The start of the response body, which is saved with the job.
    pub(super) fn saved_body(&self) -> Option<&[u8]> {
        let body = &self.0.as_ref().ok()?.body;
        Some(&body[..body.len().min(REPLY_KEPT_MAX)])
    }

    fn took(&self) -> Option<Duration> {
        Some(self.0.as_ref().ok()?.took)
    }
}

impl Shared {
    pub(super) async fn forward(
        &self,
        delivery: &Delivery,
        inbound: &Inbound,
        destination: &Destination,
    ) -> ForwardResult {
        let to = &destination.url;
        let account = self.account_for(&delivery.account, to);
        let options = RequestOptions::background();
        self.know_secrets(&account.id).await;
        // Joined as text: a URL library would re-encode parts of the path.
        let target = joined(to, inbound.target());
        let mut url = to.clone();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target.as_str(), None),
        };
        url.set_path(path);
        url.set_query(query);
        let session = Session::new(
            self.gate.clone(),
            account,
            // No limits: the shop's server is the operator's own.
            vec![("forward", url)],
            Vec::new(),
        );
        let call = Call {
            about: about(delivery),
            // A retry is a new attempt of the job, with its own row and after its own wait.
            repeat: Repeat::NoResponse,
            ..Call::new(inbound.request.method().as_str(), "forward", "/")
        };
        let as_received = AsReceived {
            forwarded: ForwardedRequest {
                headers: forwarded_headers(inbound),
                target,
                status_decides: destination.status_decides,
            },
            body: inbound.request.body().clone(),
        };
        ForwardResult(session.send(&call, &as_received, options).await)
    }

    /// The account that the exchange is recorded under, if it still exists.
    fn account_for(&self, name: &str, to: &Url) -> Account {
        let id = AccountId::new(name).unwrap_or_else(|_| unnamed());
        let at = |account: Account| Account {
            host: net::http::authority(to),
            base: to.as_str().to_owned(),
            ..account
        };
        match self.queries.registry.find(&id) {
            Some(runtime) => at(runtime.account.clone()),
            None => at(Account {
                id,
                // The account was removed while its callbacks still waited: they are forwarded all the same.
                provider: ProviderId("callbacks"),
                provider_title: "callbacks",
                environment: Environment::Production,
                host: String::new(),
                base: String::new(),
                secret_source: String::new(),
                uses_access_tokens: false,
                abilities: &[],
            }),
        }
    }
}

/// The target's path and query, followed by the callback's own, byte for byte.
fn joined(to: &Url, callback: &str) -> String {
    let (path, query) = match callback.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (callback, None),
    };
    let rest = Address::of(path).map_or("".into(), |address| address.rest);
    let mut joined = match &*rest {
        "" => to.path().to_owned(),
        // Panels append the order's path to the callback URL; the shop gets it at the same place.
        rest => format!("{}{rest}", to.path().trim_end_matches('/')),
    };
    let own = to.query().filter(|query| !query.is_empty());
    let queries: Vec<&str> = own.into_iter().chain(query).collect();
    if !queries.is_empty() {
        joined.push('?');
        joined.push_str(&queries.join("&"));
    }
    joined
}

/// The account name of exchanges that belong to no account.
fn unnamed() -> AccountId {
    AccountId::new("callbacks").expect("a plain word is a fine name")
}

fn forwarded_headers(inbound: &Inbound) -> HeaderMap {
    let received = inbound.request.headers();
    // RFC 9110, 7.6.1: headers that `Connection` names belong to that connection alone.
    let named: Vec<String> = received
        .get_all(CONNECTION)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
        .collect();
    let named = named
        .iter()
        .flat_map(|names| names.split(',').map(str::trim));
    let left_out: HashSet<&str> = named.chain(OWN_HEADERS).collect();
    let mut map = HeaderMap::new();
    for (name, value) in received {
        if !left_out.contains(name.as_str()) {
            map.append(name, value.clone());
        }
    }
    // An empty body needs a Content-Length where the sender had one, and where the method expects one (RFC 9110 8.6).
    let expected = matches!(inbound.request.method().as_str(), "POST" | "PUT" | "PATCH");
    let announced = [CONTENT_LENGTH, TRANSFER_ENCODING];
    if inbound.request.body().is_empty()
        && (expected || announced.iter().any(|name| received.contains_key(name)))
    {
        map.insert(CONTENT_LENGTH, HeaderValue::from(0));
    }
    map
}

struct AsReceived {
    forwarded: ForwardedRequest,
    body: bytes::Bytes,
}

#[async_trait]
impl Authorise for AsReceived {
    async fn authorise(&self, _call: &Call) -> Result<SignedRequest, NetError> {
        Ok(SignedRequest {
            forwarded: Some(self.forwarded.clone()),
            ..SignedRequest::new(Vec::new(), self.body.clone())
        })
    }
}

/// Whether a request with this subject forwards a callback.
pub fn is_forward(about: &str) -> bool {
    // Ledgers have the longer word from earlier versions.
    about.ends_with(FORWARD) || about.ends_with(", forwarded")
}

/// The log's subject of a forwarded callback. The callback's bytes are stored with the delivery only.
fn about(delivery: &Delivery) -> String {
    let id = delivery.id.0;
    match &delivery.subject {
        Some(subject) => format!("{subject}, callback {id}{FORWARD}"),
        None => format!("callback {id}{FORWARD}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_the_accounts_name_and_the_query_go_on_byte_for_byte() {
        for (target, callback, wanted) in [
            ("http://h/x", "/callbacks/shop", "/x"),
            ("http://h/x", "/callbacks/shop?", "/x?"),
            ("http://h/x/", "/callbacks/shop/", "/x/"),
            (
                "http://h/x?a=1",
                "/callbacks/shop?b=%41+c&b=2",
                "/x?a=1&b=%41+c&b=2",
            ),
            (
                "http://h",
                "/callbacks/shop?transactionKey=A",
                "/?transactionKey=A",
            ),
            ("http://h/x", "/callbacks/shop/order/1/?a", "/x/order/1/?a"),
            (
                "http://h/x/?b",
                "//callbacks//shop/order/1?a",
                "/x/order/1?b&a",
            ),
            ("http://h", "/callbacks/shop/a%2Fb", "/a%2Fb"),
            (
                "http://h/x",
                "/callbacks/shop?a='&b=ż&c=\"{|}",
                "/x?a='&b=ż&c=\"{|}",
            ),
        ] {
            let to = Url::parse(target).unwrap();
            assert_eq!(joined(&to, callback), wanted, "{callback}");
        }
    }

    #[test]
    fn headers_of_the_connection_stay_and_all_others_go_on_in_their_order() {
        let headers = [
            ("Host", "h"),
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("Content-Length", "2"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("Content-Type", "application/json"),
            ("X-Twice", "b"),
            ("X-Twice", "a"),
        ];
        let request = headers.iter().fold(
            hyper::http::Request::builder().method("POST"),
            |request, (name, value)| request.header(*name, *value),
        );
        let request = request.header("X-Latin", &[0xe9][..]).body("{}".into());
        let on = forwarded_headers(&Inbound::saved(request.unwrap()));
        let on: Vec<(&str, &[u8])> = on
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        assert_eq!(
            on,
            [
                ("x-forwarded-for", &b"192.0.2.1"[..]),
                ("content-type", b"application/json"),
                ("x-twice", b"b"),
                ("x-twice", b"a"),
                ("x-latin", b"\xe9"),
            ]
        );
    }
}
