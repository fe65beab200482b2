//! The receiver's health check: it calls itself through its own socket. A bound port alone does not prove that
//! callbacks are answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::http::{HeaderValue, Method, StatusCode, header};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::limits::Limits;
use super::probe::{CHALLENGE, Challenge, ReceiverState};
use super::seal::Sealer;
use crate::clock::Clock;
use crate::domain::{ListenerStatus, WallTime};
use crate::http_server::{self, Outgoing, Request, Response, text};
use crate::ledger::{Ledger, Status};

/// The path of the health check, for monitoring tools too.
pub const HEARTBEAT: &str = "/heartbeat";

/// The result of the receiver's own probes.
pub(super) struct HealthCheck {
    clock: Clock,
    ledger: Ledger,
    sealer: Arc<Sealer>,
    listening: watch::Sender<ListenerStatus>,
    forwards: bool,
    run: Mutex<Probe>,
}

/// The probe in progress.
#[derive(Default)]
struct Probe {
    /// Its secret value.
    probe_id: Option<String>,
    /// Whether it arrived through the socket.
    seen: bool,
}

impl HealthCheck {
    pub(super) fn new(
        clock: Clock,
        ledger: Ledger,
        sealer: Arc<Sealer>,
        forwards: bool,
    ) -> (Self, watch::Receiver<ListenerStatus>) {
        let (status, listening) = watch::channel(ListenerStatus::Off);
        let health = Self {
            clock,
            ledger,
            sealer,
            listening: status,
            forwards,
            run: Mutex::default(),
        };
        (health, listening)
    }

    pub(super) fn stop(&self) {
        self.listening.send_replace(ListenerStatus::Off);
    }

    /// Answers health checks, and recognises its own probe. `has_account`: whether the address, if it is an account's,
    /// names one of the profile.
    pub(super) fn answer_probe(&self, request: &Request, has_account: bool) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "Use GET.\n");
            let allowed = HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(header::ALLOW, allowed);
            return refused;
        }
        if let Some(probe_id) = request.headers().get(CHALLENGE) {
            let mut run = self.run.lock();
            // Another caller's value proves nothing about this receiver's socket.
            if run.probe_id.as_deref().map(str::as_bytes) == Some(probe_id.as_bytes()) {
                run.seen = true;
                return ReceiverState::Alive.answer(request, &self.sealer);
            }
        }
        // The last probe alone is not enough: a write error of the ledger is known at once, the next probe may be
        // seconds away.
        let can_save = match *self.ledger.status_changes().borrow() {
            Status::Opening | Status::Ready | Status::SetAside { .. } => true,
            Status::Locked | Status::Degraded { .. } | Status::Away { .. } => false,
        };
        let state = match &*self.listening.borrow() {
            _ if !has_account => ReceiverState::NoAccount,
            ListenerStatus::Up { .. } | ListenerStatus::Off if can_save && self.forwards => {
                ReceiverState::Forwards
            }
            ListenerStatus::Up { .. } | ListenerStatus::Off if can_save => ReceiverState::Alive,
            _ => ReceiverState::Down,
        };
        state.answer(request, &self.sealer)
    }

    /// Probes itself repeatedly, until aborted.
    pub(super) async fn run_probe(self: Arc<Self>, bound: SocketAddr, limits: Limits) {
        let url = format!("http://{}", reachable(bound));
        loop {
            let patience = limits.heartbeat_patience;
            let probed = match self.call_itself(bound, patience).await {
                Ok(()) => self.can_save(patience).await,
                down => down,
            };
            let now = self.clock.now().wall;
            match probed {
                Ok(()) => {
                    self.listening.send_replace(ListenerStatus::Up {
                        url: url.clone(),
                        heartbeat: now,
                    });
                }
                Err(why) => self.report_down(bound, why, now),
            }
            tokio::time::sleep(limits.heartbeat).await;
        }
    }

    /// A receiver that cannot save callbacks is as useless as one that does not answer.
    async fn can_save(&self, patience: Duration) -> Result<(), String> {
        let check = async {
            let status = self.ledger.status().await;
            if status.failure().is_some() {
                // Without other writes, only this one can show that the ledger works again. Its result counts at the
                // next probe, so that a ledger with occasional errors does not flap between up and down.
                let _ = self.ledger.try_again().await;
            }
            status
        };
        match tokio::time::timeout(patience, check).await {
            Ok(status) => match status.failure() {
                Some(why) => Err(format!("tilldeck cannot save callbacks: {why}")),
                None => Ok(()),
            },
            Err(_) => Err("callbacks cannot be saved: the ledger does not answer".into()),
        }
    }

    async fn call_itself(&self, bound: SocketAddr, patience: Duration) -> Result<(), String> {
        let challenge = Challenge::new().map_err(|error| error.to_string())?;
        let probe_id = challenge.value().to_owned();
        *self.run.lock() = Probe {
            probe_id: Some(probe_id.clone()),
            seen: false,
        };
        // Through the real socket: a firewall rule or another program on the port would go unnoticed otherwise.
        let to = reachable(bound);
        let call = Outgoing {
            url: format!("http://{to}{HEARTBEAT}"),
            headers: vec![(CHALLENGE.to_owned(), probe_id)],
            body: None,
        };
        let answered = http_server::send_to(to, &call, patience)
            .await
            .map_err(|error| {
                format!("the receiver does not respond to its own health check: {error}")
            })?;
        let run = self.run.lock();
        // A 200 alone may come from another program that has taken over the port.
        if answered.status != 200 || !run.seen {
            return Err("another program responds on this port".into());
        }
        Ok(())
    }

    fn report_down(&self, bound: SocketAddr, why: String, now: WallTime) {
        self.listening.send_if_modified(|listening| {
            // The same cause is no change, or the console would redraw at each probe.
            if matches!(listening, ListenerStatus::Down { why: known, .. } if *known == why) {
                return false;
            }
            let since = match listening {
                // Another cause of the same outage: it lasts since the first.
                ListenerStatus::Down { since, .. } => *since,
                _ => now,
            };
            *listening = ListenerStatus::Down {
                address: bound.to_string(),
                why,
                since,
            };
            true
        });
    }
}

/// The address to reach a local server at: loopback, for one that listens on all addresses.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
