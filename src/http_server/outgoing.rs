//! One request to a program on this machine, written by hand: nothing in it can be made to reach another machine.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
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

/// What a request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Its body; `None` where it was cut off, did not end in time, or is larger than 64 KiB.
    pub body: Option<Vec<u8>>,
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

/// The largest body of an answer that is read.
const BODY_MAX: usize = 64 * 1024;

/// No head of an answer is larger.
const HEAD_MAX: usize = 16 * 1024;

/// Sends once and brings back what was answered; redirects are not followed. A status that came counts, whatever
/// became of the body.
///
/// # Errors
/// If the URL is not plain http to this machine, or no status comes within `patience`.
pub async fn send(request: &Outgoing, patience: Duration) -> Result<Answered, SendError> {
    let uri = local(&request.url)?;
    let mut seen = Vec::with_capacity(512);
    let ended = tokio::time::timeout(patience, exchange(&uri, request, &mut seen)).await;
    let line = seen.windows(2).position(|pair| pair == b"\r\n");
    match (line, ended) {
        (Some(end), _) => {
            let status = status(&seen[..end]).ok_or(SendError::Nonsense)?;
            let body = answer(&seen, status);
            Ok(Answered { status, body })
        }
        (None, Err(_)) => Err(SendError::TimedOut),
        (None, Ok(Err(error))) => Err(error),
        (None, Ok(Ok(()))) => Err(SendError::Nonsense),
    }
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

/// Sends, and reads until the answer is whole or the connection ends. What was read by then is in `seen`, however
/// this ends.
async fn exchange(uri: &Uri, request: &Outgoing, seen: &mut Vec<u8>) -> Result<(), SendError> {
    let host = uri.host().ok_or(SendError::NotLoopback)?;
    // A name is not looked up: what `localhost` means here is not up to the resolver.
    let ip = literal(host).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut tcp = TcpStream::connect((ip, uri.port_u16().unwrap_or(80))).await?;
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
    let mut chunk = [0; 4096];
    loop {
        let got = tcp.read(&mut chunk).await?;
        seen.extend_from_slice(&chunk[..got]);
        let head = head_end(seen);
        let is_whole = head
            .is_some_and(|(body, length)| length.is_some_and(|length| seen.len() - body >= length));
        let is_too_large = match head {
            Some((body, _)) => seen.len() - body > BODY_MAX,
            None => seen.len() > HEAD_MAX,
        };
        if got == 0 || is_whole || is_too_large {
            return Ok(());
        }
    }
}

/// Where the body begins, and how long it is where the head says so.
fn head_end(seen: &[u8]) -> Option<(usize, Option<usize>)> {
    let end = seen.windows(4).position(|four| four == b"\r\n\r\n")?;
    let length = field(&seen[..end], "content-length").and_then(|text| text.parse().ok());
    Some((end + 4, length))
}

/// A header's first value.
fn field<'h>(head: &'h [u8], name: &str) -> Option<&'h str> {
    let head = std::str::from_utf8(head).ok()?;
    head.split("\r\n").skip(1).find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The body of an answer, if it is whole.
fn answer(seen: &[u8], status: u16) -> Option<Vec<u8>> {
    let (begin, length) = head_end(seen)?;
    let body = &seen[begin..];
    if status == 204 || status == 304 {
        return Some(Vec::new());
    }
    if field(&seen[..begin - 4], "transfer-encoding").is_some() {
        return unchunked(body);
    }
    match length {
        Some(length) if length <= BODY_MAX => body.get(..length).map(<[u8]>::to_vec),
        // Without a length it ends where the connection does, and nobody can tell whether that was its end.
        None if body.len() <= BODY_MAX => Some(body.to_vec()),
        Some(_) | None => None,
    }
}

/// A body in chunks (RFC 9112, 7.1), if it is whole. Trailers are passed over.
fn unchunked(mut wire: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = wire.windows(2).position(|pair| pair == b"\r\n")?;
        let size = std::str::from_utf8(&wire[..end]).ok()?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let from = end + 2;
        body.extend_from_slice(wire.get(from..from.checked_add(size)?)?);
        if body.len() > BODY_MAX {
            return None;
        }
        wire = wire.get(from + size..)?.strip_prefix(b"\r\n")?;
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
        let seen = send(&get(&format!("{base}/x?y=1")), patience)
            .await
            .unwrap();
        let body = Some(b"/x 0".to_vec());
        assert_eq!(seen, Answered { status: 200, body });
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
    async fn answered(wire: Vec<u8>, closes: bool) -> Result<Answered, SendError> {
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
            (OK.into(), true, None),
            (OK.into(), false, None),
        ];
        for (wire, closes, body) in table {
            let shown = wire[..wire.len().min(90)].to_owned();
            let seen = answered(wire.into(), closes).await.unwrap();
            let body = body.map(|body| body.as_bytes().to_vec());
            assert_eq!(seen, Answered { status: 200, body }, "{shown:?}");
        }
        for wire in ["SSH-2.0\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1", ""] {
            let seen = answered(wire.into(), true).await;
            assert!(matches!(seen, Err(SendError::Nonsense)), "{wire}: {seen:?}");
        }
    }
}
