//! The only owner of the HTTP client. Sends given bytes to a given URL once; knows neither accounts nor retries.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Method, Url, header::HeaderMap};

use super::call::Reply;
use super::error::{ANSWERING, CONNECTING, NetError, foreign_words};
use crate::clock::Clock;

/// The most bytes of a reply that are read (after decompression).
pub const REPLY_MAX: u64 = 8 * 1024 * 1024;

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// From the beginning until the reply's end.
    pub whole: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            whole: Duration::from_secs(10),
        }
    }
}

/// One connection pool: HTTP/1.1 with keep-alive, and HTTP/2 where TLS agrees on it.
pub struct Http {
    timeouts: Timeouts,
    clock: Clock,
    plain: Mutex<Option<Client>>,
    tls: Mutex<Option<Client>>,
}

/// What was seen of one try, whole or not.
pub struct Tried {
    /// The reply, or why there is none.
    pub result: Result<Reply, NetError>,
    /// The head of a reply whose body could not be read.
    pub head: Option<(u16, Vec<(String, String)>)>,
    /// From sending until the end, or until it was given up.
    pub took: Duration,
}

impl Http {
    /// Nothing is set up until the first request: reading the CA certificates takes time, and the
    /// offline simulator must open on a machine that has none.
    #[must_use]
    pub fn new(timeouts: Timeouts, clock: Clock) -> Self {
        Self {
            timeouts,
            clock,
            plain: Mutex::new(None),
            tls: Mutex::new(None),
        }
    }

    /// The limits in force.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn client(&self, url: &Url) -> Result<Client, NetError> {
        // Not needed for plain http, but the library asks for it whatever the scheme. A second call is
        // refused and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = url.scheme() == "http";
        let slot = if plain { &self.plain } else { &self.tls };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that builds an HTTP client"
        )]
        let builder = Client::builder()
            .user_agent(concat!("tilldeck/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            // Every try takes its own slot in the budget, so none may happen in here.
            .retry(reqwest::retry::never())
            .connect_timeout(self.timeouts.connect)
            .timeout(self.timeouts.whole)
            .pool_idle_timeout(Duration::from_mins(1));
        let builder = if plain {
            // To loopback only: no proxy can be meant, and no certificates are needed.
            builder.no_proxy().tls_certs_only(std::iter::empty())
        } else {
            builder.https_only(true)
        };
        let client = builder
            .build()
            .map_err(|error| NetError::NoTls(deepest(&error)))?;
        Ok(slot.insert(client).clone())
    }

    /// Sends once and reads the reply to its end.
    #[expect(clippy::disallowed_methods, reason = "the one place that sends")]
    pub async fn send(&self, method: &str, url: &Url, headers: HeaderMap, body: Bytes) -> Tried {
        let began = self.clock.now().mono;
        let mut head = None;
        let result = async {
            let client = self.client(url)?;
            let host = authority(url);
            let method = Method::from_bytes(method.as_bytes())
                .map_err(|_| NetError::BadPath(foreign_words(method)))?;
            let mut request = client.request(method, url.clone()).headers(headers);
            if !body.is_empty() {
                request = request.body(body);
            }
            let mut response = request
                .send()
                .await
                .map_err(|error| self.classify(&error, &host, "before the reply came"))?;
            let to_head = self.clock.now().mono.saturating_sub(began);
            let status = response.status().as_u16();
            let headers: Vec<(String, String)> = response
                .headers()
                .iter()
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect();
            head = Some((status, headers.clone()));
            let mut body = BytesMut::new();
            while let Some(chunk) = response
                .chunk()
                .await
                .map_err(|error| self.classify(&error, &host, "in the middle of the reply"))?
            {
                if (body.len() + chunk.len()) as u64 > REPLY_MAX {
                    return Err(NetError::TooLarge {
                        host,
                        limit: REPLY_MAX,
                    });
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Reply {
                status,
                headers,
                body: body.freeze(),
                to_head,
                took: self.clock.now().mono.saturating_sub(began),
                at: self.clock.now().wall,
            })
        }
        .await;
        Tried {
            result,
            head,
            took: self.clock.now().mono.saturating_sub(began),
        }
    }

    fn classify(&self, error: &reqwest::Error, host: &str, when: &'static str) -> NetError {
        let host = host.to_owned();
        if error.is_timeout() {
            return if error.is_connect() {
                NetError::TimedOut {
                    host,
                    what: CONNECTING,
                    limit: self.timeouts.connect,
                }
            } else {
                NetError::TimedOut {
                    host,
                    what: ANSWERING,
                    limit: self.timeouts.whole,
                }
            };
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
        let mut io = None;
        while let Some(inner) = cause {
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                return NetError::Tls {
                    host,
                    why: foreign_words(&tls.to_string()),
                };
            }
            if inner.to_string().starts_with("dns error") {
                return NetError::Dns { host };
            }
            cause = match inner.downcast_ref::<std::io::Error>() {
                // An I/O error hides what it wraps from `source`; a TLS error may be wrapped twice.
                Some(outer) => {
                    io = Some(outer.kind());
                    outer.get_ref().map(|wrapped| wrapped as _)
                }
                None => inner.source(),
            };
        }
        match io {
            Some(std::io::ErrorKind::ConnectionRefused) => NetError::ConnectionRefused { host },
            _ if error.is_connect() => NetError::Other {
                host,
                why: deepest(error),
            },
            _ if error.is_builder() => NetError::Other {
                host,
                why: deepest(error),
            },
            _ => NetError::Broken { host, when },
        }
    }
}

/// Host and port as written in the URL.
#[must_use]
pub fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

/// The innermost cause in words; the outer layers of the library name the URL, which may hold a token.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.source().is_none() {
        "the request could not be made".into()
    } else {
        foreign_words(&cause.to_string())
    }
}
