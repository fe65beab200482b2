//! One request to a program on this machine, written by hand: nothing in it can be made to reach another machine.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::http::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{is_loopback, literal};

/// A request of the simulator to a program on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to: plain http on this machine.
    pub url: String,
    /// Besides those of every request. One with a line break in it is refused.
    pub headers: Vec<(String, String)>,
    /// Sent by POST; without one it is a GET.
    pub body: Option<String>,
}

impl Outgoing {
    /// `POST` where there is a body, else `GET`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        if self.body.is_some() { "POST" } else { "GET" }
    }
}

/// Why a request brought no status.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not an `http://` URL of this machine.
    #[error("only http:// URLs of this machine are called, like http://127.0.0.1:8787/callbacks")]
    NotLoopback,
    /// No connection, or it broke.
    #[error("no answer: {0}")]
    Io(#[from] io::Error),
    /// Nothing came in time.
    #[error("no answer in time")]
    TimedOut,
    /// A header that would not be one line.
    #[error("a header has a line break in it")]
    BadHeader,
    /// What came is not HTTP/1.
    #[error("the answer is not HTTP/1.1")]
    Nonsense,
}

/// Sends once and brings back the status; the answer's body is not read, redirects are not followed.
///
/// # Errors
/// If the URL is not plain http to this machine, or no status comes within `patience`.
pub async fn send(request: &Outgoing, patience: Duration) -> Result<u16, SendError> {
    let uri = local(&request.url)?;
    tokio::time::timeout(patience, exchange(&uri, request))
        .await
        .unwrap_or(Err(SendError::TimedOut))
}

/// As [`send`], to an address that is this machine's own whatever its number: a server there is asked whether it is well.
///
/// # Errors
/// If the URL is no URL, or no status comes within `patience`.
pub async fn send_to(
    own: SocketAddr,
    request: &Outgoing,
    patience: Duration,
) -> Result<u16, SendError> {
    let uri = request.url.parse().map_err(|_| SendError::NotLoopback)?;
    tokio::time::timeout(patience, exchange_with(own, &uri, request))
        .await
        .unwrap_or(Err(SendError::TimedOut))
}

/// Whether [`send`] would call `url`.
#[must_use]
pub fn is_local_url(url: &str) -> bool {
    local(url).is_ok()
}

fn local(url: &str) -> Result<Uri, SendError> {
    let uri: Uri = url.parse().map_err(|_| SendError::NotLoopback)?;
    let plain = uri.scheme_str() == Some("http");
    let anonymous = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    if plain && anonymous && uri.host().is_some_and(is_loopback) {
        Ok(uri)
    } else {
        Err(SendError::NotLoopback)
    }
}

async fn exchange(uri: &Uri, request: &Outgoing) -> Result<u16, SendError> {
    let host = uri.host().ok_or(SendError::NotLoopback)?;
    // A name is not looked up: what `localhost` means here is not up to the resolver.
    let ip = literal(host).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    exchange_with((ip, uri.port_u16().unwrap_or(80)).into(), uri, request).await
}

async fn exchange_with(to: SocketAddr, uri: &Uri, request: &Outgoing) -> Result<u16, SendError> {
    const HEAD_MAX: usize = 16 * 1024;
    let host = uri.host().ok_or(SendError::NotLoopback)?;
    let mut tcp = TcpStream::connect(to).await?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let method = request.method();
    let mut wire = format!(
        "{method} {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: tilldeck-sandbox\r\nAccept: */*\r\nConnection: close\r\n"
    );
    for (name, value) in &request.headers {
        if [name, value].iter().any(|text| text.contains(['\r', '\n'])) {
            return Err(SendError::BadHeader);
        }
        let _ = write!(wire, "{name}: {value}\r\n");
    }
    if let Some(body) = &request.body {
        let _ = write!(wire, "Content-Length: {}\r\n\r\n{body}", body.len());
    } else {
        wire.push_str("\r\n");
    }
    tcp.write_all(wire.as_bytes()).await?;
    let mut seen = Vec::with_capacity(512);
    let mut chunk = [0; 1024];
    loop {
        let got = tcp.read(&mut chunk).await?;
        seen.extend_from_slice(&chunk[..got]);
        if let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") {
            return status(&seen[..end]).ok_or(SendError::Nonsense);
        }
        if got == 0 || seen.len() > HEAD_MAX {
            return Err(SendError::Nonsense);
        }
    }
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    let code = rest.split(' ').nth(1)?;
    let plain = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
    code.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::super::tests::server;
    use super::*;

    fn get(url: &str) -> Outgoing {
        Outgoing {
            url: url.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    #[tokio::test]
    async fn a_get_goes_to_this_machine_only() {
        let server = server(Limits::default()).await;
        let patience = Duration::from_secs(5);
        let base = format!("http://{}", server.address());
        assert_eq!(
            send(&get(&format!("{base}/x?y=1")), patience)
                .await
                .unwrap(),
            200
        );
        assert_eq!(
            send(&get(&format!("{base}/302")), patience).await.unwrap(),
            302
        );
        let hang_up = send(&get(&format!("{base}/hang-up")), patience).await;
        assert!(matches!(
            hang_up,
            Err(SendError::Io(_) | SendError::Nonsense)
        ));
        let never = send(&get(&format!("{base}/never")), Duration::from_millis(20)).await;
        assert!(matches!(never, Err(SendError::TimedOut)));
        for bad in [
            "https://127.0.0.1/",
            "http://example.com/",
            "http://user@127.0.0.1/",
            "http://127.0.0.1@example.com/",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1/a b\r\nX: y",
            "/path",
            "",
        ] {
            assert!(!is_local_url(bad), "{bad}");
            assert!(matches!(
                send(&get(bad), patience).await,
                Err(SendError::NotLoopback)
            ));
        }
    }
    #[tokio::test]
    async fn a_body_is_posted_and_no_header_can_become_two() {
        let server = server(Limits::default()).await;
        let patience = Duration::from_secs(5);
        let with = |name: &str, value: &str| Outgoing {
            headers: vec![(name.into(), value.into())],
            body: Some("{}".into()),
            ..get(&format!("http://{}/posted", server.address()))
        };
        assert_eq!(send(&with("X-A", "b: c"), patience).await.unwrap(), 200);
        for (name, value) in [("X-A", "b\r\nX-C: d"), ("X-A\n", "b"), ("X-A", "b\r")] {
            let refused = send(&with(name, value), patience).await;
            assert!(matches!(refused, Err(SendError::BadHeader)), "{name:?}");
        }
    }
}
