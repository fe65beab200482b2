//! Protocols that a proxy may speak in place of HTTP/1.1.

/// What a connection begins with that is not HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsupportedProtocol {
    /// The PROXY protocol before the request
    /// (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
    Proxy,
    /// HTTP/2 without TLS (RFC 9113, 3.4).
    Http2,
}

impl UnsupportedProtocol {
    /// By the first bytes of a connection.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let begins = |with: &[u8]| bytes.starts_with(with);
        if begins(b"PROXY ") || begins(b"\r\n\r\n\0\r\nQUIT\n") {
            Some(Self::Proxy)
        } else if begins(b"PRI * HTTP/2") {
            Some(Self::Http2)
        } else {
            None
        }
    }
}
