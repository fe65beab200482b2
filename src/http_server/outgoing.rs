//! One request to a program on this machine, on its own connection. Its parts are validated, so that it cannot reach
//! another machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::http::{Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::domain::host::{address, is_loopback};

/// A request of the simulator to a program on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The target: plain http on this machine.
    pub url: String,
    /// Additional headers. One with a line break is rejected.
    pub headers: Vec<(String, String)>,
    /// Sent by POST; without a body the method is GET.
    pub body: Option<String>,
}

impl Outgoing {
    /// `POST` where there is a body, else `GET`.
    pub fn method(&self) -> &'static str {
        if self.body.is_some() { "POST" } else { "GET" }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryResult {
    /// HTTP status.
    pub status: u16,
    /// Its body; `None` if it was incomplete, late, or larger than 64 KiB.
    pub body: Option<Vec<u8>>,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not an `http://` URL of this machine.
    #[error("the URL is not an http:// URL of this machine, like http://127.0.0.1:8787/callbacks")]
    NotLoopback,
    /// No connection, or it ended early.
    #[error("no response: {0}")]
    Io(#[from] io::Error),
    /// No answer in time.
    #[error("no response in time")]
    TimedOut,
    /// A header with a line break would be two headers.
    #[error("a header contains a line break")]
    BadHeader,
    /// The answer is not HTTP/1.
    #[error("the answer is not HTTP/1.1")]
    Nonsense,
}

const BODY_MAX: usize = 64 * 1024;

/// Sends once and returns the answer; redirects are not followed. The status counts even if the body is incomplete.
///
/// # Errors
/// If the URL is not plain http to this machine, or no status arrives within `patience`.
pub async fn send(request: &Outgoing, patience: Duration) -> Result<DeliveryResult, SendError> {
    let uri = local(&request.url)?;
    let host = uri.host().ok_or(SendError::NotLoopback)?;
    // Names are not resolved: a hosts file could point `localhost` elsewhere.
    let ip = address(host).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let to = (ip, uri.port_u16().unwrap_or(80)).into();
    exchange(to, &uri, request, patience).await
}

/// As [`send`], to any address of this machine: used to check a server's health.
///
/// # Errors
/// If the URL is invalid, or no status arrives within `patience`.
pub async fn send_to(
    own: SocketAddr,
    request: &Outgoing,
    patience: Duration,
) -> Result<DeliveryResult, SendError> {
    let uri = request.url.parse().map_err(|_| SendError::NotLoopback)?;
    exchange(own, &uri, request, patience).await
}

/// Whether [`send`] would call `url`.
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

async fn exchange(
    to: SocketAddr,
    uri: &Uri,
    request: &Outgoing,
    patience: Duration,
) -> Result<DeliveryResult, SendError> {
    let wire = wire(uri, request)?;
    // One deadline for connect, head and body.
    let deadline = tokio::time::sleep(patience);
    tokio::pin!(deadline);
    let response = async {
        let tcp = TcpStream::connect(to).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
        // The task ends when the request is answered or this future is dropped.
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(wire).await?;
        Ok::<_, SendError>((response, connection))
    };
    let (response, _connection) = tokio::select! {
        response = response => response?,
        () = &mut deadline => return Err(SendError::TimedOut),
    };
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_MAX).collect();
    let body = tokio::select! {
        body = body => body.ok().map(|body| body.to_bytes().to_vec()),
        () = &mut deadline => None,
    };
    Ok(DeliveryResult { status, body })
}

fn wire(uri: &Uri, request: &Outgoing) -> Result<hyper::Request<Full<Bytes>>, SendError> {
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut wire = hyper::Request::builder()
        .method(request.method())
        .uri(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "tilldeck-sandbox")
        .header(header::ACCEPT, "*/*")
        // One request for each connection, as providers send callbacks.
        .header(header::CONNECTION, "close");
    for (name, value) in &request.headers {
        wire = wire.header(name, value);
    }
    let body = request.body.clone().unwrap_or_default();
    wire.body(Full::from(body))
        .map_err(|_| SendError::BadHeader)
}

impl From<hyper::Error> for SendError {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() {
            Self::Nonsense
        } else {
            Self::Io(io::Error::other(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
        let seen = send(&get(&format!("{base}/x?y=1")), patience)
            .await
            .unwrap();
        let body = Some(b"/x 0".to_vec());
        assert_eq!(seen, DeliveryResult { status: 200, body });
        let seen = send(&get(&format!("{base}/302")), patience).await.unwrap();
        assert_eq!(seen.status, 302);
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
        let seen = send(&with("X-A", "b: c"), patience).await.unwrap();
        assert_eq!(seen.status, 200);
        for (name, value) in [("X-A", "b\r\nX-C: d"), ("X-A\n", "b"), ("X-A", "b\r")] {
            let refused = send(&with(name, value), patience).await;
            assert!(matches!(refused, Err(SendError::BadHeader)), "{name:?}");
        }
    }

    /// What [`send`] makes of this answer of a server that then stays silent.
    async fn answered(wire: Vec<u8>, closes: bool) -> Result<DeliveryResult, SendError> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _ = tcp.read(&mut [0; 1024]).await;
            let _ = tcp.write_all(&wire).await;
            if !closes {
                std::future::pending::<()>().await;
            }
        });
        let patience = Duration::from_millis(if closes { 5_000 } else { 30 });
        let answered = send(&get(&url), patience).await;
        serving.abort();
        answered
    }

    #[tokio::test]
    async fn an_answers_body_is_brought_if_it_is_whole_and_its_status_in_any_case() {
        const OK: &str = "HTTP/1.1 200 OK\r\n";
        let large = "x".repeat(BODY_MAX + 1);
        let table = [
            (
                format!("{OK}Content-Length: 2\r\n\r\n{{}}"),
                false,
                Some("{}"),
            ),
            (format!("{OK}content-length: 0\r\n\r\n"), false, Some("")),
            (format!("{OK}Content-Length: 5\r\n\r\n{{}}"), true, None),
            (format!("{OK}Content-Length: 5\r\n\r\n{{}}"), false, None),
            (format!("{OK}\r\n{{}}"), true, Some("{}")),
            (
                format!(
                    "{OK}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n1;x=y\r\n}}\r\n0\r\n\r\n"
                ),
                true,
                Some("{}"),
            ),
            (
                format!("{OK}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n1\r\n}}"),
                true,
                None,
            ),
            (
                format!("{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
                true,
                None,
            ),
            (
                format!("{OK}Content-Length: {}\r\n\r\n{large}", large.len()),
                true,
                None,
            ),
            (format!("{OK}\r\n{large}"), true, None),
        ];
        for (wire, closes, body) in table {
            let shown = wire[..wire.len().min(90)].to_owned();
            let seen = answered(wire.into(), closes).await.unwrap();
            let body = body.map(|body| body.as_bytes().to_vec());
            assert_eq!(seen, DeliveryResult { status: 200, body }, "{shown:?}");
        }
        for wire in ["SSH-2.0\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n"] {
            let seen = answered(wire.into(), true).await;
            assert!(matches!(seen, Err(SendError::Nonsense)), "{wire}: {seen:?}");
        }
        for wire in [OK, "HTTP/1.1", ""] {
            let seen = answered(wire.into(), true).await;
            assert!(matches!(seen, Err(SendError::Io(_))), "{wire}: {seen:?}");
        }
        let seen = answered(OK.into(), false).await;
        assert!(matches!(seen, Err(SendError::TimedOut)), "{seen:?}");
    }
}
