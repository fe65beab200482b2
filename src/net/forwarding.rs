//! Forwards a callback to the shop's own server unchanged. General HTTP clients cannot do that: reqwest normalises
//! the query and requests compression.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqwest::header::HOST;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Gate;
use super::call::{ForwardedRequest, Reply};
use super::error::{ANSWERING, CONNECT, CONNECTING, NetError, foreign_words};
use super::http::{AttemptResult, Outgoing, Reading, authority};
use super::proxy::Route;
use crate::domain::host;

/// How long a response is read where only its status matters: a shop that took the callback must not get it again because its
/// page is slow.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends once and reads the response, or as much of it as is needed.
pub(super) async fn send(
    gate: &Gate,
    outgoing: Outgoing<'_>,
    forwarded: &ForwardedRequest,
) -> AttemptResult {
    let began = gate.clock.now().mono;
    let outgoing = Outgoing {
        decodes: !forwarded.status_decides,
        longest: forwarded.status_decides.then_some(PAGE_TIMEOUT),
        ..outgoing
    };
    let tried = if outgoing.url.scheme() == "http" {
        let mut head = None;
        let result = plain(gate, outgoing, &forwarded.target, &mut head).await;
        AttemptResult {
            result,
            head,
            took: gate.clock.now().mono.saturating_sub(began),
        }
    } else {
        gate.http.send(outgoing).await
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
    target: &str,
    head: &mut Option<(u16, Vec<(String, String)>)>,
) -> Result<Reply, NetError> {
    let host = authority(outgoing.url);
    let began = gate.clock.now().mono;
    let idle = outgoing.idle;
    let timed_out = |what, limit: Duration| NetError::TimedOut {
        host: host.clone(),
        what,
        limit,
    };
    let broken = || NetError::Broken {
        host: host.clone(),
        when: "before the response arrived",
    };
    let addresses = addresses(outgoing.url);
    let tcp = timeout(CONNECT, TcpStream::connect(&addresses[..])).await;
    let tcp = tcp.map_err(|_| timed_out(CONNECTING, CONNECT))?;
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
        .uri(target)
        // The shop's own host: the sender's `Host` names this receiver.
        .header(HOST, &host)
        .body(Full::new(outgoing.body))
        .map_err(|_| NetError::BadPath(foreign_words(target)))?;
    request.headers_mut().extend(outgoing.headers);
    let handshake = http1::handshake(TokioIo::new(tcp)).await;
    let (mut sender, connection) = handshake.map_err(|_| broken())?;
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
            broken()
        }
    })?;
    let reading = Reading {
        route: &Route::Plain,
        host: &host,
        began,
        idle,
        longest: outgoing.longest,
        decodes: outgoing.decodes,
    };
    let response = response.map(reqwest::Body::wrap).into();
    gate.http.read(response, reading, head).await
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
