//! Selects the proxy of a request. Decided only here; the HTTP library gets the result.

use std::fmt;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::config::Environ;
use crate::domain::host;

/// Where proxies are named, in the order of precedence. A variable that is empty counts as not set.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy and its source. Displayed without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Host and port, for errors.
    host: String,
    /// The variable or key that names it: `HTTPS_PROXY`.
    pub(super) named_by: &'static str,
    /// As the HTTP library takes it, with user and password.
    pub(super) url: SecretUrl,
}

/// The way to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// Without TLS: to this machine alone.
    Plain,
    /// With TLS, and no proxy in between.
    Direct,
    /// With TLS, in a tunnel through a proxy.
    Through(Proxy),
}

/// May hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretUrl(pub(super) String);

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(…)")
    }
}

impl Proxy {
    /// Whether it is reached over TLS itself.
    pub(super) fn speaks_tls(&self) -> bool {
        self.url.0.starts_with("https://")
    }

    /// Whether this machine resolves the target's name for it: SOCKS without the `h`. Only where the proxy itself is
    /// an address, so that a DNS error can only concern the target.
    pub(super) fn takes_addresses_only(&self) -> bool {
        let by_address = ["socks5://", "socks4://"]
            .iter()
            .any(|it| self.url.0.starts_with(it));
        by_address
            && Url::parse(&self.url.0)
                .is_ok_and(|url| url.host_str().and_then(host::address).is_some())
    }
}

impl fmt::Display for Proxy {
    /// `the proxy 10.0.0.1:3128 (HTTPS_PROXY)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} ({})", self.host, self.named_by)
    }
}

/// The configured proxy cannot be used. Nothing is sent then: the proxy may be there so that nothing goes out without
/// it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} names no usable proxy")]
pub struct UnusableProxy(pub &'static str);

/// The proxy for `url`; `None` for a direct connection, which this machine always gets. `configured` is `proxy` of
/// the config and wins over the environment; empty, it switches proxies off.
///
/// # Errors
/// If the configured value is not the URL of a proxy.
pub fn proxy_for(
    url: &Url,
    configured: Option<&str>,
    environ: &Environ,
) -> Result<Option<Proxy>, UnusableProxy> {
    // A proxy on another machine would look for this address on itself.
    if url.host_str().is_none_or(host::is_loopback) {
        return Ok(None);
    }
    let text = |name: &str| Some(environ.get(name)?.to_string_lossy().into_owned());
    let named = match configured {
        Some("") => return Ok(None),
        Some(written) => Some(("`proxy` in [network]", written.to_owned())),
        None => VARIABLES
            .into_iter()
            .find_map(|name| Some((name, text(name)?))),
    };
    let destination = url.as_str().parse().ok();
    let intercept = |matcher: Matcher| matcher.intercept(destination.as_ref()?);
    let exceptions = EXCEPTIONS.into_iter().find_map(text).unwrap_or_default();
    let exceptions = exceptions_at(&exceptions, url.port_or_known_default());
    let Some((named_by, written)) = named else {
        // `from_system` reads system settings on macOS only; elsewhere it would read the environment again.
        let of_system = cfg!(target_os = "macos").then(Matcher::from_system);
        return Ok(of_system.and_then(intercept).map(|found| Proxy {
            host: authority(found.uri()),
            named_by: "the system's settings",
            url: SecretUrl(found.uri().to_string()),
        }));
    };
    let written = written.trim();
    let matcher = || Matcher::builder().all(written);
    // First without the exceptions: an unusable proxy is an error even for a host that it would not serve.
    let found = intercept(matcher().build()).filter(|found| found.uri().host().is_some());
    let (Some(found), Some(proxy)) = (found, unmistakable(written)) else {
        return Err(UnusableProxy(named_by));
    };
    Ok(intercept(matcher().no(exceptions).build()).map(|_| Proxy {
        host: authority(found.uri()),
        named_by,
        url: SecretUrl(proxy),
    }))
}

/// Host and port, without user and password.
fn authority(uri: &hyper::Uri) -> String {
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The URL as the HTTP library takes it, if it is unambiguous: programs disagree where the host begins after an
/// unencoded `#`, `/`, `?` or `@` in a password.
fn unmistakable(written: &str) -> Option<String> {
    let url = if written.contains("://") {
        written.to_owned()
    } else {
        format!("http://{written}")
    };
    let parsed = Url::parse(&url).ok()?;
    let (_, rest) = url.split_once("://")?;
    let is_plain = parsed.host_str().is_some()
        && matches!(parsed.path(), "" | "/")
        && parsed.query().is_none()
        && parsed.fragment().is_none()
        && rest.matches('@').count() <= 1;
    is_plain.then_some(url)
}

/// The exceptions for a server on `port`: an entry may have a port (`example.com:8443`) or begin with `*.`, as in
/// curl.
fn exceptions_at(list: &str, port: Option<u16>) -> String {
    let entries = list.split(',').map(str::trim).filter_map(|entry| {
        let (name, at) = match entry.rsplit_once(':') {
            // What is left of an IPv6 address without brackets has further colons.
            Some((name, at)) if !name.contains(':') || name.ends_with(']') => {
                (name, Some(at.parse::<u16>().ok()?))
            }
            _ => (entry, None),
        };
        (at.is_none() || at == port).then(|| {
            name.strip_prefix('*')
                .filter(|n| !n.is_empty())
                .unwrap_or(name)
        })
    });
    entries.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str, configured: Option<&str>, environ: &Environ) -> String {
        let url = Url::parse(url).unwrap();
        match proxy_for(&url, configured, environ) {
            Ok(None) => "direct".into(),
            Ok(Some(proxy)) => proxy.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_proxy_and_where_it_is_named_are_found() {
        const OUT: &str = "https://gateway.kinguin.net/api";
        let none = Environ::of([]);
        let https = Environ::of([("HTTPS_PROXY", "http://user:word@proxy.example:3128/")]);
        let both = Environ::of([("ALL_PROXY", "socks5h://10.0.0.9"), ("https_proxy", "p:1")]);
        let all = Environ::of([("ALL_PROXY", "socks5h://10.0.0.9")]);
        let with_hash = Environ::of([("HTTPS_PROXY", "http://bob:hunter#2@p:9")]);
        let with_slash = Environ::of([("HTTPS_PROXY", "http://bob:hun/ter@p:9")]);
        let with_at = Environ::of([("HTTPS_PROXY", "http://bob:hunt@er2@p:9")]);
        let encoded = Environ::of([("HTTPS_PROXY", "http://bob:hunt%40er%232@p:9")]);
        let junk = Environ::of([("HTTPS_PROXY", "garbage://x")]);
        let empty = Environ::of([("HTTPS_PROXY", ""), ("all_proxy", "http://[::2]:8080")]);
        for (url, configured, environ, wanted) in [
            (OUT, None, &none, "direct"),
            (
                OUT,
                None,
                &https,
                "the proxy proxy.example:3128 (HTTPS_PROXY)",
            ),
            (OUT, Some(""), &https, "direct"),
            (
                OUT,
                Some("http://own:8080"),
                &https,
                "the proxy own:8080 (`proxy` in [network])",
            ),
            (OUT, None, &both, "the proxy p:1 (https_proxy)"),
            (OUT, None, &all, "the proxy 10.0.0.9 (ALL_PROXY)"),
            (OUT, None, &empty, "the proxy [::2]:8080 (all_proxy)"),
            (OUT, None, &junk, "HTTPS_PROXY names no usable proxy"),
            (OUT, None, &with_hash, "HTTPS_PROXY names no usable proxy"),
            (OUT, None, &with_slash, "HTTPS_PROXY names no usable proxy"),
            (OUT, None, &with_at, "HTTPS_PROXY names no usable proxy"),
            (OUT, None, &encoded, "the proxy p:9 (HTTPS_PROXY)"),
            (
                OUT,
                Some("http://"),
                &none,
                "`proxy` in [network] names no usable proxy",
            ),
            ("https://127.0.0.1:9/x", None, &https, "direct"),
            ("https://localhost/x", None, &https, "direct"),
            ("https://shop.localhost./x", None, &https, "direct"),
            ("https://[::1]/x", Some("http://own:8080"), &https, "direct"),
        ] {
            assert_eq!(shown(url, configured, environ), wanted, "{url} {environ:?}");
        }
    }

    #[test]
    fn exceptions_are_reached_directly() {
        for (list, direct) in [
            ("gateway.kinguin.net", true),
            ("kinguin.net", true),
            (".kinguin.net", true),
            ("*.kinguin.net", true),
            ("*", true),
            ("other.example, gateway.kinguin.net:443", true),
            ("gateway.kinguin.net:8443", false),
            ("gateway.kinguin.net:80x", false),
            ("inguin.net", false),
            ("", false),
        ] {
            let environ = [("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", list)];
            let found = shown("https://gateway.kinguin.net/", None, &Environ::of(environ));
            assert_eq!(found == "direct", direct, "{list}: {found}");
        }
    }

    #[test]
    fn a_password_is_in_no_debug_form() {
        let environ = Environ::of([("HTTPS_PROXY", "http://user:planted@p:1")]);
        let url = Url::parse("https://x.example").unwrap();
        let found = proxy_for(&url, None, &environ);
        assert!(!format!("{found:?}").contains("planted"));
    }
}
