//! Why the HTTP library got no response, as a [`NetError`].

use std::error::Error as _;

use super::error::{CONNECT, CONNECTING, NetError, foreign_words};
use super::proxy::Route;
use super::trust;
use crate::domain::time::exact;

/// The error of a request to `host`.
pub(super) fn classify(error: &reqwest::Error, route: &Route, host: &str) -> NetError {
    let host = host.to_owned();
    let cause = Cause::of(error);
    if error.is_connect() || error.is_dns() {
        let tls = cause.tls.as_ref().map(trust::words);
        return match (route, tls) {
            (Route::Through(proxy), Some(why)) if proxy.speaks_tls() => NetError::Proxy {
                why: format!("or {host} behind it: {why}; is it an http:// proxy?"),
                proxy: proxy.to_string(),
            },
            // SOCKS proxies that take addresses only: this machine resolves the target's name.
            (Route::Through(proxy), None) if error.is_dns() && proxy.takes_addresses_only() => {
                NetError::Dns(host)
            }
            (Route::Through(proxy), None) => NetError::Proxy {
                why: why_no_tunnel(error, &cause, &host),
                proxy: proxy.to_string(),
            },
            (_, Some(why)) => NetError::Tls { host, why },
            _ if error.is_timeout() => NetError::TimedOut {
                host,
                what: CONNECTING,
                limit: CONNECT,
            },
            _ if error.is_dns() => NetError::Dns(host),
            _ if cause.io == Some(std::io::ErrorKind::ConnectionRefused) => {
                NetError::ConnectionRefused(host)
            }
            _ => NetError::Unreachable {
                host,
                why: deepest(error),
            },
        };
    }
    // reqwest found the request itself invalid; nothing was sent.
    if error.is_builder() {
        return NetError::BadPath(deepest(error));
    }
    match cause.malformed {
        Some(why) => NetError::Undecodable { host, why },
        None => NetError::Broken {
            host,
            when: if error.is_body() || error.is_decode() {
                "in the middle of the response"
            } else {
                "before the response arrived"
            },
        },
    }
}

fn why_no_tunnel(error: &reqwest::Error, cause: &Cause, host: &str) -> String {
    let words = deepest(error);
    if error.is_timeout() {
        let limit = exact(CONNECT);
        format!("opened no connection to {host} within {limit}")
    } else if error.is_dns() {
        "cannot be resolved".into()
    } else if cause.io == Some(std::io::ErrorKind::ConnectionRefused) {
        "refused the connection".into()
    } else if words.contains("authorization required") {
        "requires a user name and password, other than any in its URL (407)".into()
    } else if words.contains("unsuccessful") {
        // The HTTP library keeps the status to itself; some answer a wrong password with 401 or 403.
        format!("refused to open a connection to {host}, or its login, if it needs one")
    } else {
        format!("opened no connection to {host}: {words}")
    }
}

/// The cause below the layers of the HTTP library.
#[derive(Default)]
struct Cause {
    tls: Option<rustls::Error>,
    io: Option<std::io::ErrorKind>,
    /// Set where the bytes received are not HTTP.
    malformed: Option<String>,
}

impl Cause {
    fn of(error: &reqwest::Error) -> Self {
        let mut found = Self::default();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
        while let Some(inner) = cause {
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                found.tls = Some(tls.clone());
            }
            if inner
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_parse)
            {
                found.malformed = Some(foreign_words(&inner.to_string()));
            }
            cause = match inner.downcast_ref::<std::io::Error>() {
                // An I/O error hides what it wraps from `source`; a TLS error may be wrapped twice.
                Some(outer) => {
                    found.io = Some(outer.kind());
                    outer.get_ref().map(|wrapped| wrapped as _)
                }
                None => inner.source(),
            };
        }
        found
    }
}

/// The innermost cause in words; the outer layers of the library name the URL, which may hold a token.
pub(super) fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.source().is_none() {
        "the request cannot be built".into()
    } else {
        foreign_words(&cause.to_string())
    }
}
