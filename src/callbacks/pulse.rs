//! The receiver's call to itself, through its own socket: what looks alive and would not answer is found out.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use tokio::sync::watch;

use super::receiver::Limits;
use crate::clock::Clock;
use crate::domain::{Listening, WallTime};
use crate::http_server::{self, Outgoing, Request, Response, text};

/// Where it is called, by others too.
pub(super) const HEARTBEAT: &str = "/heartbeat";
/// Carries what only the receiver itself can know.
const PULSE: &str = "x-tilldeck-pulse";

/// Whether the receiver would answer, as its own calls find.
pub(super) struct Heart {
    clock: Clock,
    tell: watch::Sender<Listening>,
    beat: Mutex<Beat>,
}

/// The call that is under way.
#[derive(Default)]
struct Beat {
    /// What it is known by.
    pulse: Option<String>,
    /// Whether it came through the socket.
    felt: bool,
}

impl Heart {
    pub(super) fn new(clock: Clock) -> (Self, watch::Receiver<Listening>) {
        let (tell, listening) = watch::channel(Listening::Off);
        let beat = Mutex::default();
        (Self { clock, tell, beat }, listening)
    }

    pub(super) fn stop(&self) {
        self.tell.send_replace(Listening::Off);
    }

    /// Answers whoever asks whether somebody is there, and knows its own call.
    pub(super) fn feel(&self, request: &Request) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "GET it.\n");
            let allowed = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(header::ALLOW, allowed);
            return refused;
        }
        let pulse = request.headers().get(PULSE);
        if let Some(pulse) = pulse {
            let mut beat = self.beat.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody else's pulse is nobody's business.
            beat.felt |= beat.pulse.as_deref().map(str::as_bytes) == Some(pulse.as_bytes());
        }
        text(StatusCode::OK, "alive\n")
    }

    /// Calls itself again and again, until aborted.
    pub(super) async fn beat(self: Arc<Self>, bound: SocketAddr, limits: Limits) {
        let url = format!("http://{}", reachable(bound));
        loop {
            let beaten = self.call_itself(bound, limits.heartbeat_patience).await;
            let now = self.clock.now().wall;
            match beaten {
                Ok(()) => {
                    self.tell.send_replace(Listening::Up {
                        url: url.clone(),
                        heartbeat: now,
                    });
                }
                Err(why) => self.tell_down(bound, why, now),
            }
            tokio::time::sleep(limits.heartbeat).await;
        }
    }

    async fn call_itself(&self, bound: SocketAddr, patience: Duration) -> Result<(), String> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        let pulse = random.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Beat {
            pulse: Some(pulse.clone()),
            felt: false,
        };
        let to = reachable(bound);
        let call = Outgoing {
            url: format!("http://{to}{HEARTBEAT}"),
            headers: vec![(PULSE.to_owned(), pulse)],
            body: None,
        };
        let answered = http_server::send_to(to, &call, patience)
            .await
            .map_err(|error| format!("it does not answer its own call: {error}"))?;
        let beat = self.beat.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.status != 200 || !beat.felt {
            return Err("another program answers in its place".into());
        }
        Ok(())
    }

    fn tell_down(&self, bound: SocketAddr, why: String, now: WallTime) {
        self.tell.send_if_modified(|listening| {
            if matches!(listening, Listening::Down { why: known, .. } if *known == why) {
                return false;
            }
            let since = match listening {
                Listening::Down { since, .. } => *since,
                _ => now,
            };
            *listening = Listening::Down {
                address: bound.to_string(),
                why,
                since,
            };
            true
        });
    }
}

/// By what a server that listens there is called from here.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
