//! A small HTTP/1.1 server for this machine, and the one-shot request that delivers simulated callbacks.
//! Knows nothing of what is served; never talks to another machine.

mod outgoing;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::serve::{IncomingStream, Listener};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

pub use outgoing::{Answered, Outgoing, SendError, is_local_url, send};

/// A request with its whole body.
pub type Request = axum::http::Request<Bytes>;
/// A response with its whole body.
pub type Response = axum::http::Response<Bytes>;

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// This is sent.
    Answer(Response),
    /// The connection is reset; not one byte is sent.
    HangUp,
}

/// Which `Host` a request may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// This machine only: a web page that rebinds its own name to 127.0.0.1 is refused.
    Loopback,
    /// Any, for a server that a tunnel or proxy stands in front of.
    Any,
}

/// What one server accepts.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest body in bytes; more is answered 413.
    pub body: usize,
    /// How many connections are open at once; more wait to be accepted.
    pub connections: usize,
    /// How long a connection may stay silent between requests, or a body take to arrive.
    pub silence: Duration,
    /// Which `Host` is accepted.
    pub hosts: Hosts,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            connections: 128,
            silence: Duration::from_mins(1),
            hosts: Hosts::Loopback,
        }
    }
}

/// A running server. Dropped, it stops accepting and lets go of its connections on its own time.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    abandon: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `listener` with `handler` until stopped.
    ///
    /// # Errors
    /// If the listener does not know its own address.
    pub fn start<H, F>(listener: TcpListener, limits: Limits, handler: H) -> io::Result<Self>
    where
        H: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let gate = Gate {
            listener,
            places: Arc::new(Semaphore::new(limits.connections)),
            silence: limits.silence,
        };
        let abandoned = abandon.clone();
        let app = Router::new().fallback(
            move |ConnectInfo(line): ConnectInfo<Line>, request: axum::http::Request<Body>| {
                let (handler, abandoned) = (handler.clone(), abandoned.clone());
                async move {
                    line.0.busy.store(true, Ordering::Relaxed);
                    let outcome = tokio::select! {
                        outcome = receive(request, limits, handler) => outcome,
                        () = abandoned.cancelled() => Outcome::HangUp,
                    };
                    line.0.busy.store(false, Ordering::Relaxed);
                    match outcome {
                        Outcome::Answer(response) => response.map(Body::from),
                        Outcome::HangUp => {
                            // From here on every write fails, so this empty response stays unsent.
                            line.0.cut.store(true, Ordering::Relaxed);
                            axum::http::Response::new(Body::empty())
                        }
                    }
                }
            },
        );
        let stopped = stop.clone().cancelled_owned();
        let served = axum::serve(gate, app.into_make_service_with_connect_info::<Line>())
            .with_graceful_shutdown(stopped);
        let task = tokio::spawn(async move {
            // It ends only when stopped; accepting retries on its own.
            let _ = served.await;
        });
        Ok(Self {
            address,
            stop,
            abandon,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, finishes what is being answered for at most `patience`, then hangs up.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(patience, &mut self.task)
            .await
            .is_err()
        {
            self.abandon.cancel();
            let _ = tokio::time::timeout(Duration::from_millis(100), &mut self.task).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
        self.task.abort();
    }
}

async fn receive<H, F>(request: axum::http::Request<Body>, limits: Limits, handler: H) -> Outcome
where
    H: Fn(Request) -> F,
    F: Future<Output = Outcome>,
{
    let (head, body) = request.into_parts();
    if limits.hosts == Hosts::Loopback && !names_loopback(&head.headers, &head.uri) {
        let words = "This server answers only to its loopback address.\n";
        return Outcome::Answer(text(StatusCode::MISDIRECTED_REQUEST, words));
    }
    match tokio::time::timeout(limits.silence, whole(body, limits.body)).await {
        Ok(Ok(bytes)) => handler(Request::from_parts(head, bytes)).await,
        Ok(Err(refusal)) => Outcome::Answer(text(refusal, "The body was not accepted.\n")),
        Err(_) => Outcome::HangUp,
    }
}

async fn whole(mut body: Body, limit: usize) -> Result<Bytes, StatusCode> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > limit {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

fn names_loopback(headers: &HeaderMap, uri: &Uri) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let host = host.to_str().ok().and_then(|host| host.parse::<Uri>().ok());
    let named = host.as_ref().and_then(Uri::host).is_some_and(is_loopback);
    named && uri.host().is_none_or(is_loopback)
}

/// Whether a host, as a URL writes it, is this machine: `127.0.0.1`, `[::1]`, `localhost`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || literal(host).is_some_and(|ip| ip.is_loopback())
}

fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}

/// A response in plain text.
#[must_use]
pub fn text(status: StatusCode, words: &str) -> Response {
    respond(
        status,
        "text/plain; charset=utf-8",
        Bytes::copy_from_slice(words.as_bytes()),
    )
}

/// A response with its status, `Content-Type` and body.
#[must_use]
pub fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// What the handler of a request and the connection it came on tell each other.
#[derive(Debug, Default)]
struct LineState {
    busy: AtomicBool,
    cut: AtomicBool,
}

#[derive(Debug, Clone)]
struct Line(Arc<LineState>);

impl Connected<IncomingStream<'_, Gate>> for Line {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        Self(stream.io().line.clone())
    }
}

struct Gate {
    listener: TcpListener,
    places: Arc<Semaphore>,
    silence: Duration,
}

impl Listener for Gate {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let places = self.places.clone();
        let place = places.acquire_owned().await.expect("it is never closed");
        loop {
            let Ok((tcp, peer)) = self.listener.accept().await else {
                // Out of file descriptors, mostly: a pause lets some come back.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            // Only costs latency where it is refused.
            let _ = tcp.set_nodelay(true);
            let wire = Wire {
                tcp,
                line: Arc::default(),
                silence: self.silence,
                alarm: Box::pin(tokio::time::sleep(self.silence)),
                _place: place,
            };
            return (wire, peer);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection, which can be cut and does not stay open in silence.
struct Wire {
    tcp: TcpStream,
    line: Arc<LineState>,
    silence: Duration,
    alarm: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Wire {
    fn refuse_if_cut(&self) -> io::Result<()> {
        if !self.line.cut.load(Ordering::Relaxed) {
            return Ok(());
        }
        // So that the other side sees a reset and not a tidy end.
        let _ = self.tcp.set_zero_linger();
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn rearm(&mut self) {
        self.alarm.set(tokio::time::sleep(self.silence));
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.refuse_if_cut()?;
        if let Poll::Ready(read) = Pin::new(&mut self.tcp).poll_read(cx, buf) {
            self.rearm();
            return Poll::Ready(read);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if !self.line.busy.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.rearm();
        }
        Poll::Pending
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.refuse_if_cut()?;
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.refuse_if_cut()?;
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Sends `wire` on a fresh connection and reads to its end.
    pub(crate) async fn raw(to: SocketAddr, wire: &[u8]) -> io::Result<Vec<u8>> {
        let mut tcp = TcpStream::connect(to).await?;
        tcp.write_all(wire).await?;
        let mut all = Vec::new();
        tcp.read_to_end(&mut all).await?;
        Ok(all)
    }

    pub(super) async fn server(limits: Limits) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Server::start(listener, limits, |request: Request| async move {
            match request.uri().path() {
                "/hang-up" => Outcome::HangUp,
                "/never" => std::future::pending().await,
                "/302" => Outcome::Answer(text(StatusCode::FOUND, "")),
                path => {
                    let words = format!("{path} {}", request.body().len());
                    Outcome::Answer(text(StatusCode::OK, &words))
                }
            }
        })
        .unwrap()
    }

    async fn said(server: &Server, wire: &str) -> String {
        let all = raw(server.address(), wire.as_bytes()).await.unwrap();
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn answers_several_requests_on_one_connection() {
        let server = server(Limits::default()).await;
        let two = "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc\
                   GET /b HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: close\r\n\r\n";
        let seen = said(&server, two).await;
        assert_eq!(seen.matches("HTTP/1.1 200 OK").count(), 2, "{seen}");
        assert!(seen.contains("/a 3") && seen.ends_with("/b 0"), "{seen}");
        let head = said(
            &server,
            "HEAD /b HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(head.contains("content-length: 4") && head.ends_with("\r\n\r\n"));
    }

    #[tokio::test]
    async fn another_host_or_too_large_a_body_is_refused() {
        let server = server(Limits {
            body: 4,
            ..Limits::default()
        })
        .await;
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "",
            "a\r\nHost: localhost",
        ] {
            let wire = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let seen = said(&server, &wire).await;
            assert!(seen.starts_with("HTTP/1.1 4"), "{host}: {seen}");
        }
        let wire = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde";
        assert!(said(&server, wire).await.starts_with("HTTP/1.1 413"));
    }

    #[tokio::test]
    async fn hanging_up_sends_not_one_byte() {
        let server = server(Limits::default()).await;
        let wire = "POST /hang-up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
        match raw(server.address(), wire.as_bytes()).await {
            Ok(bytes) => assert_eq!(bytes, b""),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }

    #[tokio::test]
    async fn stopping_is_bounded() {
        let server = server(Limits::default()).await;
        let address = server.address();
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut stuck = TcpStream::connect(address).await.unwrap();
        stuck
            .write_all(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        server.stop(Duration::from_millis(50)).await;
        let mut rest = Vec::new();
        assert!(idle.read_to_end(&mut rest).await.is_ok());
        assert!(stuck.read_to_end(&mut rest).await.is_err() || rest.is_empty());
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed() {
        let server = server(Limits {
            silence: Duration::from_millis(20),
            ..Limits::default()
        })
        .await;
        let mut silent = TcpStream::connect(server.address()).await.unwrap();
        let mut rest = Vec::new();
        let ended = silent.read_to_end(&mut rest);
        assert!(
            tokio::time::timeout(Duration::from_secs(5), ended)
                .await
                .is_ok()
        );
    }
}
