//! Keeps the receiver on its port: waits for the port, the ledger and the key that seals, and reports the receiver's health.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::handler::CallbackRouter;
use super::port::{Binding, bind_error};
use super::{LEAVING, Shared};
use crate::callbacks::probe::ReceiverState;
use crate::callbacks::{self, Limits, Receiver, Setup, reachable};
use crate::domain::{ListenerStatus, WallTime};
use crate::net::Event;

/// Why the port stays closed after a receiver that forwards has ended, or does not answer.
pub(super) const FORWARDER_ENDED: &str = "`tilldeck listen`, which forwards them, has ended or does not answer; start it again, or start this program again to receive them \
     without forwarding";

pub(super) struct Supervisor {
    shared: Arc<Shared>,
    trusted_proxies: Vec<IpNet>,
    status: watch::Sender<ListenerStatus>,
    stop: CancellationToken,
    /// When the outage began.
    down_since: Option<WallTime>,
    /// Whether the port is left to a receiver that forwards.
    left_to_other: bool,
}

impl Supervisor {
    pub(super) fn new(
        shared: Arc<Shared>,
        trusted_proxies: Vec<IpNet>,
        status: watch::Sender<ListenerStatus>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            shared,
            trusted_proxies,
            status,
            stop,
            down_since: None,
            left_to_other: false,
        }
    }

    /// Receives until stopped.
    pub(super) async fn run(mut self, bound: Binding) {
        if let Some(receiver) = self.start(bound).await {
            self.report_health(&receiver).await;
            receiver.stop().await;
            self.status.send_replace(ListenerStatus::Off);
        }
    }

    /// Starts the receiver as soon as it has its port and can save callbacks. `None` if no port is configured, or if it
    /// was stopped.
    async fn start(&mut self, mut bound: Binding) -> Option<Receiver> {
        loop {
            bound = match bound {
                Binding::Off => return None,
                Binding::Open(listener) => {
                    let address = listener.local_addr().ok()?;
                    // Before the port is served: a callback must not wait for a keyring's prompt.
                    if let Some(why) = self.shared.sealing.awaited().await {
                        self.turn_away(listener, address, &why).await?
                    } else {
                        match self.receive(listener).await {
                            Ok(receiver) => return Some(receiver),
                            Err(error) => Binding::Failed(address, error),
                        }
                    }
                }
                Binding::Failed(address, error) => self.bind_again(address, error).await?,
            };
            // One that failed is closed: open, it could neither be bound again nor accept anything.
            self.shared.port.set(&bound);
        }
    }

    /// Answers 503 on the port until the ledger and the key that seals can be used, or the key cannot for another reason
    /// than `why`. `None` if it was stopped.
    async fn turn_away(
        &mut self,
        listener: TcpListener,
        address: SocketAddr,
        why: &str,
    ) -> Option<Binding> {
        let down = self.down(address, format!("tilldeck cannot save callbacks: {why}"));
        let shared = &self.shared;
        let ledger = &shared.queries.ledger;
        // The ledger reports itself what is wrong with it.
        if ledger.status().await.failure().is_none() {
            self.status.send_replace(down.clone());
        }
        shared.gate.emit(Event::ListenerStatus(down));
        let server = callbacks::turn_away(listener, Limits::default());
        let changed = async {
            loop {
                tokio::time::sleep(shared.pace.bind).await;
                if ledger.try_again().await.is_ok()
                    && shared.sealing.awaited().await.as_deref() != Some(why)
                {
                    return;
                }
            }
        };
        let changed = self.stop.run_until_cancelled(changed).await;
        if let Ok(server) = server {
            server.stop(LEAVING).await;
        }
        changed?;
        // Bound anew now, the port would stay open.
        if self.stop.is_cancelled() {
            return None;
        }
        Some(Binding::at(address, shared.port.take()).await)
    }

    async fn receive(&self, listener: TcpListener) -> io::Result<Receiver> {
        let shared = &self.shared;
        let key = shared.sealing.key().await;
        if let Some(why) = key.refused {
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if let Some(why) = key.fleeting {
            let text = format!(
                "the key that seals callbacks cannot be saved ({why}). After tilldeck ends, callbacks of this run cannot be \
                 opened or forwarded again"
            );
            let about = "callbacks key".to_owned();
            shared.gate.emit(Event::Warning { about, text });
        }
        let setup = Setup {
            limits: Limits::default(),
            ledger: shared.queries.ledger.clone(),
            clock: shared.queries.clock.clone(),
            sealer: key.sealer,
            account_key: shared.account_key.to_string(),
            trusted_proxies: self.trusted_proxies.clone(),
            handlers: Arc::new(CallbackRouter(shared.clone())),
        };
        Receiver::start(listener, setup)
    }

    /// Reports who has the port or why it is closed, and binds it after a moment: the program that holds it may end.
    /// `None` if it was stopped.
    async fn bind_again(&mut self, address: SocketAddr, error: io::Error) -> Option<Binding> {
        let elsewhere = self.shared.elsewhere(address, &error);
        let elsewhere = self.stop.run_until_cancelled(elsewhere).await?;
        // What this process received in its place would not be forwarded.
        self.left_to_other |=
            elsewhere == Some(ReceiverState::Forwards) && self.shared.targets.is_empty();
        let now = if elsewhere.is_some() {
            self.down_since = None;
            let url = format!("http://{}", reachable(address));
            ListenerStatus::Elsewhere { url }
        } else if self.left_to_other {
            self.down(address, FORWARDER_ENDED.to_owned())
        } else {
            self.down(address, bind_error(&error))
        };
        // Tried every second, reported once.
        if *self.status.borrow() != now {
            self.status.send_replace(now.clone());
            self.shared.gate.emit(Event::ListenerStatus(now));
        }
        let pause = tokio::time::sleep(self.shared.pace.bind);
        self.stop.run_until_cancelled(pause).await?;
        Some(if self.left_to_other {
            Binding::Failed(address, error)
        } else {
            Binding::at(address, None).await
        })
    }

    fn down(&mut self, address: SocketAddr, why: String) -> ListenerStatus {
        let clock = &self.shared.queries.clock;
        ListenerStatus::Down {
            address: address.to_string(),
            why,
            since: *self.down_since.get_or_insert_with(|| clock.now().wall),
        }
    }

    /// Reports the health of the receiver until it ends or is stopped.
    async fn report_health(&self, receiver: &Receiver) {
        let mut listening = receiver.listening();
        while let Some(Ok(())) = self.stop.run_until_cancelled(listening.changed()).await {
            let now = listening.borrow_and_update().clone();
            let before = self.status.send_replace(now.clone());
            // Each health check is a change.
            if let ListenerStatus::Up { url, .. } = &now
                && !matches!(before, ListenerStatus::Up { .. })
            {
                tracing::info!(url, "listening for callbacks");
            }
            self.shared.gate.emit(Event::ListenerStatus(now));
        }
    }
}
