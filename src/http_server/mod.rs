//! A small HTTP/1.1 server, and the single request that delivers simulated callbacks. Independent of its handlers;
//! calls no other machine.

mod body;
mod connection;
mod foreign;
mod outgoing;
mod slots;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::http::{HeaderMap, Uri, header};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::host::is_loopback;

use body::Bodies;
use connection::{Phase, TimedStream};
use slots::{ConnectionSlot, ConnectionSlots};

pub use foreign::UnsupportedProtocol;
pub use hyper::http::StatusCode;
pub use outgoing::{DeliveryResult, Outgoing, SendError, is_local_url, send, send_to};

/// A request with its complete body.
pub type Request = hyper::http::Request<Bytes>;
/// A response with its complete body.
pub type Response = hyper::http::Response<Bytes>;

/// What the handler decides.
#[derive(Debug)]
pub enum Outcome {
    /// Send this response.
    Answer(Response),
    /// Reset the connection without sending a byte.
    Reset,
}

/// The accepted `Host` values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// This machine only: rejects DNS rebinding, where a web page resolves its own name to 127.0.0.1.
    Loopback,
    /// Any, for a server behind a tunnel or reverse proxy.
    Any,
}

/// The limits of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest body in bytes; a larger one is answered 413.
    pub body: usize,
    /// The memory for bodies of all connections together, in bytes; the first [`SMALL_BODY`] of each do not count.
    pub bodies: usize,
    /// How long a body waits for that memory; then it is answered 503.
    pub room_time: Duration,
    /// The largest head in bytes, at least 8 KiB; a larger one is answered 431.
    pub head: usize,
    /// The most open connections. One more closes the connection that has been without a complete request for the
    /// longest, so idle and slow ones block no other.
    pub connections: usize,
    /// How long a connection may be idle between requests.
    pub silence: Duration,
    /// How long a head may take from its first byte to its last. Then the connection is closed (slow-loris protection).
    pub head_time: Duration,
    /// How long a body may take; then it is answered 408.
    pub body_time: Duration,
    /// The accepted `Host` values.
    pub hosts: Hosts,
    /// Whether a client that closes its sending half is still answered. Only for a handler that always ends: a client
    /// that has disconnected looks the same.
    pub half_close: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            bodies: 64 << 20,
            room_time: Duration::from_secs(2),
            head: 64 * 1024,
            connections: 128,
            silence: Duration::from_mins(1),
            head_time: Duration::from_secs(20),
            body_time: Duration::from_mins(1),
            hosts: Hosts::Loopback,
            half_close: false,
        }
    }
}

/// A body up to this size never waits for memory.
pub const SMALL_BODY: usize = 16 * 1024;

/// How long a server that stops waits for the first request of a connection that it has accepted.
const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// What happens to a request's body, decided by its head.
#[derive(Debug)]
pub enum Admission {
    /// Read it, up to this many bytes and [`Limits::body`]; a larger one is answered 413.
    Read(usize),
    /// As [`Admission::Read`], but the handler also answers unreadable bodies: it gets an empty body, and [`Unread`]
    /// among the request's extensions.
    Judge(usize),
    /// Discard it; the handler gets an empty body, and [`Unread`] if it is incomplete.
    Discard,
    /// Discard it, and send this answer.
    Refuse(Response),
}

/// The client's address; among the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The status to answer an unreadable body with; among the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread(pub StatusCode);

/// A running server. Dropped, it stops accepting and closes its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    foreign: watch::Receiver<Option<(UnsupportedProtocol, Peer)>>,
    stop: CancellationToken,
    abandon: CancellationToken,
    tasks: TaskTracker,
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
        let admit = |_: &Parts| Admission::Read(usize::MAX);
        Self::start_admitting(listener, limits, admit, handler)
    }

    /// As [`Server::start`]; `admit` decides by a request's head whether its body is read.
    ///
    /// # Errors
    /// If the listener does not know its own address.
    pub fn start_admitting<A, H, F>(
        listener: TcpListener,
        limits: Limits,
        admit: A,
        handler: H,
    ) -> io::Result<Self>
    where
        A: Fn(&Parts) -> Admission + Clone + Send + Sync + 'static,
        H: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let address = listener.local_addr()?;
        // Two stages: `stop` finishes requests in progress, `abandon` cuts them off.
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let (report_foreign, foreign) = watch::channel(None);
        let service = Service {
            report_foreign,
            admit,
            handler,
            bodies: Bodies::new(limits),
            limits,
            stop: stop.clone(),
            abandon: abandon.clone(),
        };
        tasks.spawn(service.run(listener, tasks.clone()));
        Ok(Self {
            address,
            foreign,
            stop,
            abandon,
            tasks,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The latest client that did not speak HTTP/1.1, as far as its protocol is known.
    pub fn foreign(&self) -> watch::Receiver<Option<(UnsupportedProtocol, Peer)>> {
        self.foreign.clone()
    }

    /// Accepts no new connections, finishes requests in progress for at most `patience`, then closes all.
    pub async fn stop(self, patience: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            self.abandon.cancel();
            let _ = tokio::time::timeout(Duration::from_millis(100), self.tasks.wait()).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
    }
}

#[derive(Clone)]
struct Service<A, H> {
    report_foreign: watch::Sender<Option<(UnsupportedProtocol, Peer)>>,
    admit: A,
    handler: H,
    bodies: Bodies,
    limits: Limits,
    stop: CancellationToken,
    abandon: CancellationToken,
}

impl<A, H, F> Service<A, H>
where
    A: Fn(&Parts) -> Admission + Clone + Send + Sync + 'static,
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    async fn run(self, listener: TcpListener, tasks: TaskTracker) {
        let slots = ConnectionSlots::new(self.limits.connections);
        loop {
            // Both in one future: while all slots are taken, new connections wait in the system's backlog.
            let next = async {
                let (tcp, peer) = accept(&listener, &slots).await;
                (tcp, peer, slots.take().await)
            };
            let (tcp, peer, slot) = tokio::select! {
                next = next => next,
                () = self.stop.cancelled() => return,
            };
            // If it cannot be set, only latency suffers.
            let _ = tcp.set_nodelay(true);
            tasks.spawn(self.clone().serve(tcp, peer, slot));
        }
    }

    async fn serve(self, tcp: TcpStream, peer: SocketAddr, slot: ConnectionSlot) {
        let limits = self.limits;
        let connection = slot.connection();
        let answer = |request: hyper::http::Request<Incoming>| {
            let (service, connection, slot) = (self.clone(), connection.clone(), &slot);
            async move {
                // hyper calls this when the head is complete.
                connection.enter(Phase::Body);
                let received = || {
                    connection.enter(Phase::Answering);
                    // A complete request makes the connection the youngest again, so that `evict` takes another.
                    slot.renew();
                };
                let outcome = service.receive(request, peer, received).await;
                connection.enter(Phase::Waiting);
                Ok::<_, Infallible>(match outcome {
                    Outcome::Answer(response) => response.map(Full::new),
                    Outcome::Reset => {
                        // All writes fail from here on, so this empty response is never sent.
                        connection.cut();
                        hyper::http::Response::new(Full::default())
                    }
                })
            }
        };
        let io = TokioIo::new(TimedStream::new(tcp, connection.clone()));
        let service = hyper::service::service_fn(answer);
        let http = http1::Builder::new()
            .max_header_size(limits.head)
            // hyper panics below 8 KiB.
            .max_buf_size(limits.head.max(8 * 1024))
            .half_close(limits.half_close)
            .serve_connection(io, service);
        let mut http = std::pin::pin!(http);
        let mut late = std::pin::pin!(connection.late(limits));
        let mut stopped = std::pin::pin!(async {
            self.stop.cancelled().await;
            if connection.is_fresh() {
                tokio::time::sleep(FIRST_REQUEST).await;
            }
        });
        let mut ending = false;
        loop {
            let served = poll_fn(|cx| {
                // Poll the connection first: its progress decides whether the phase is late.
                if http.as_mut().poll(cx).is_ready() {
                    return std::task::Poll::Ready(());
                }
                late.as_mut().poll(cx)
            });
            tokio::select! {
                // Its errors are the client's.
                () = served => {
                    if let Some(foreign) = connection.foreign() {
                        self.report_foreign.send_replace(Some((foreign, Peer(peer))));
                    }
                    return;
                }
                () = self.abandon.cancelled() => {
                    // One that was never used ends in order.
                    if !connection.is_fresh() {
                        connection.cut();
                    }
                    return;
                }
                () = slot.evicted(), if !ending => {
                    // A request that is being answered is finished first: its callback may be saved already.
                    if connection.phase() != Phase::Answering {
                        return;
                    }
                    ending = true;
                    http.as_mut().graceful_shutdown();
                }
                () = &mut stopped, if !ending => {
                    ending = true;
                    http.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Reads a request and answers it; calls `received` when it is complete.
    async fn receive(
        self,
        request: hyper::http::Request<Incoming>,
        peer: SocketAddr,
        received: impl FnOnce(),
    ) -> Outcome {
        let limits = self.limits;
        let (mut head, body) = request.into_parts();
        if limits.hosts == Hosts::Loopback && !names_loopback(&head.headers, &head.uri) {
            // 421 (RFC 9110, 15.5.20): the request was meant for another host.
            let words = "This server answers only to its loopback address.\n";
            return Outcome::Answer(text(StatusCode::MISDIRECTED_REQUEST, words));
        }
        // hyper hides a Content-Length beside Transfer-Encoding. A proxy in front may frame the request differently, so no
        // other request may follow on this connection (RFC 9112 6.3).
        let last = head.headers.contains_key(header::TRANSFER_ENCODING);
        let expected = head.headers.contains_key(header::EXPECT);
        head.extensions.insert(Peer(peer));
        let mut room = self.bodies.room();
        let admission = (self.admit)(&head);
        let read = async {
            match &admission {
                Admission::Read(most) | Admission::Judge(most) => {
                    body::whole(body, limits.body.min(*most), expected, &mut room).await
                }
                Admission::Discard | Admission::Refuse(_) => {
                    let thrown_away = body::discard(body, expected).await;
                    thrown_away.map(|()| Bytes::new())
                }
            }
        };
        // For the whole body: a byte now and then would hold the connection for ever.
        let read = tokio::time::timeout(limits.body_time, read).await;
        let read = read.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT));
        let (last, bytes) = match (&admission, read) {
            (_, Ok(bytes)) => (last, bytes),
            // The rest of the body is still arriving.
            (Admission::Judge(_) | Admission::Discard, Err(refusal)) => {
                head.extensions.insert(Unread(refusal));
                (true, Bytes::new())
            }
            (_, Err(refusal)) => {
                return Outcome::Answer(closing(text(refusal, "The body was not accepted.\n")));
            }
        };
        received();
        let outcome = match admission {
            Admission::Refuse(answer) => Outcome::Answer(answer),
            Admission::Read(_) | Admission::Judge(_) | Admission::Discard => {
                (self.handler)(Request::from_parts(head, bytes)).await
            }
        };
        match outcome {
            Outcome::Answer(response) if last => Outcome::Answer(closing(response)),
            outcome => outcome,
        }
    }
}

async fn accept(listener: &TcpListener, slots: &ConnectionSlots) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client disconnected before the accept.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => {
                // Usually the process has no free file descriptor: a pause lets other connections end.
                slots.evict();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn closing(mut response: Response) -> Response {
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

fn names_loopback(headers: &HeaderMap, uri: &Uri) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    // No `Host`, or two of them, is a bad request (RFC 9112, 3.2).
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let host = host.to_str().ok().filter(|host| !host.contains('@'));
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let named = host.is_some_and(|host| {
        let whole = host.port().is_some() || host.as_str() == host.host();
        whole && is_loopback(host.host())
    });
    named && uri.host().is_none_or(is_loopback)
}

/// A response in plain text.
pub fn text(status: StatusCode, words: &str) -> Response {
    respond(
        status,
        "text/plain; charset=utf-8",
        Bytes::copy_from_slice(words.as_bytes()),
    )
}

/// A response with its status, `Content-Type` and body.
pub fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
pub(crate) mod tests;
