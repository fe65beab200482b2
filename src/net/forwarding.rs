//! Forwards a callback to the shop's own server unchanged. General HTTP clients cannot do that: reqwest normalises
//! the query and requests compression.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqwest::header::HOST;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Gate;
use super::call::{ForwardedRequest, Reply};
use super::error::{ANSWERING, CONNECTING, CONTINUING, NetError, foreign_words};
use super::http::{AttemptResult, Outgoing, REPLY_MAX, WHOLE_MAX, authority, texts};
use crate::domain::host;

/// How much of a response is read where only its status matters.
const PAGE_BYTES_MAX: usize = 64 * 1024;

/// How long to read that: a shop that took the callback must not get it again because its page is slow.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends once and reads the response, or as much of it as is needed.
pub(super) async fn send(
    gate: &Gate,
    outgoing: Outgoing<'_>,
    forwarded: &ForwardedRequest,
) -> AttemptResult {
    let began = gate.clock.now().mono;
    let tried = if outgoing.url.scheme() == "http" {
        let mut head = None;
        let result = plain(gate, outgoing, forwarded, &mut head).await;
        AttemptResult {
            result,
            head,
            took: gate.clock.now().mono.saturating_sub(began),
        }
    } else {
        let longest = forwarded.status_decides.then_some(PAGE_TIMEOUT);
        gate.http
            .send(Outgoing {
                decodes: !forwarded.status_decides,
                longest,
                ..outgoing
            })
            .await
    };
    if forwarded.status_decides {
        tried.by_status(gate.clock.now().wall)
    } else {
        tried
    }
}

/// Over plain http, which is allowed to this machine only.
async fn plain(
    gate: &Gate,
    outgoing: Outgoing<'_>,
    forwarded: &ForwardedRequest,
    head: &mut Option<(u16, Vec<(String, String)>)>,
) -> Result<Reply, NetError> {
    let host = authority(outgoing.url);
    let began = gate.clock.now().mono;
    let (connect, idle) = (gate.network().timeouts.connect, outgoing.idle);
    let timed_out = |what, limit: Duration| NetError::TimedOut {
        host: host.clone(),
        what,
        limit,
    };
    let broken = |when| NetError::Broken {
        host: host.clone(),
        when,
    };
    let addresses = addresses(outgoing.url);
    let tcp = timeout(connect, TcpStream::connect(&addresses[..])).await;
    let tcp = tcp.map_err(|_| timed_out(CONNECTING, connect))?;
    let tcp = tcp.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => NetError::ConnectionRefused(host.clone()),
        _ => NetError::Unreachable {
            host: host.clone(),
            why: foreign_words(&error.to_string()),
        },
    })?;
    // TCP_NODELAY is an optimisation: without it only latency suffers.
    let _ = tcp.set_nodelay(true);
    let mut request = hyper::Request::builder()
        .method(outgoing.method)
        .uri(&forwarded.target)
        // The shop's own host: the sender's `Host` names this receiver.
        .header(HOST, &host)
        .body(Full::new(outgoing.body))
        .map_err(|_| NetError::BadPath(foreign_words(&forwarded.target)))?;
    request.headers_mut().extend(outgoing.headers);
    let handshake = http1::handshake(TokioIo::new(tcp)).await;
    let (mut sender, connection) = handshake.map_err(|_| broken("before the response arrived"))?;
    // The connection task ends with the request, or when this call is cancelled.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = timeout(idle, sender.send_request(request)).await;
    let response = response.map_err(|_| timed_out(ANSWERING, idle))?;
    let response = response.map_err(|error| {
        if error.is_parse() {
            NetError::Undecodable {
                host: host.clone(),
                why: foreign_words(&error.to_string()),
            }
        } else {
            broken("before the response arrived")
        }
    })?;
    let to_head = gate.clock.now().mono.saturating_sub(began);
    let status = response.status().as_u16();
    let headers = texts(response.headers());
    *head = Some((status, headers.clone()));
    let mut incoming = response.into_body();
    let mut body = BytesMut::new();
    let longest = if forwarded.status_decides {
        PAGE_TIMEOUT
    } else {
        WHOLE_MAX
    };
    let reading = gate.clock.now().mono;
    loop {
        let taken = gate.clock.now().mono.saturating_sub(reading);
        let left = longest.saturating_sub(taken);
        let data = timeout(idle.min(left), next(&mut incoming)).await;
        let Some(data) = data.map_err(|_| timed_out(CONTINUING, idle.min(longest)))? else {
            break;
        };
        let data = data.map_err(|_| broken("in the middle of the response"))?;
        body.extend_from_slice(&data);
        // Not an error: the status is known, and nothing more is wanted.
        if forwarded.status_decides && body.len() > PAGE_BYTES_MAX {
            break;
        }
        if body.len() as u64 > REPLY_MAX {
            return Err(NetError::TooLarge {
                host,
                limit: REPLY_MAX,
            });
        }
    }
    Ok(Reply {
        status,
        version: "HTTP/1.1",
        headers,
        wire: Some(body.len() as u64),
        body: body.freeze(),
        to_head,
        took: gate.clock.now().mono.saturating_sub(began),
        at: gate.clock.now().wall,
    })
}

/// The next bytes of a body; its trailers are passed over.
async fn next(body: &mut Incoming) -> Option<Result<bytes::Bytes, hyper::Error>> {
    loop {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// The addresses of a loopback URL. `localhost` is not resolved: a name server must not decide what it means (RFC
/// 6761, 6.3).
fn addresses(url: &reqwest::Url) -> Vec<SocketAddr> {
    let port = url.port_or_known_default().unwrap_or(80);
    let host = url.host_str().unwrap_or_default();
    let own = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let ips = host::address(host).map_or_else(own, |ip| vec![ip]);
    ips.into_iter()
        .map(|ip| SocketAddr::from((ip, port)))
        .collect()
}
