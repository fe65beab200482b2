//! The receiver's port: bound, open for the next receiver, or held by another program.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::{Receive, Shared};
use crate::callbacks::probe::{CHALLENGE, Challenge, ReceiverState};
use crate::callbacks::seal::Sealer;
use crate::callbacks::{HEARTBEAT, reachable};
use crate::config::Profile;
use crate::domain::filled;
use crate::http_server::{self, Outgoing};
use crate::providers::REGISTRY;

/// The result of binding the receiver's port.
pub(in crate::deck) enum Binding {
    /// No port is configured.
    Off,
    Open(TcpListener),
    Failed(SocketAddr, io::Error),
}

impl Binding {
    /// Takes over the open port if it is the configured one, else binds that.
    pub(in crate::deck) async fn new(
        profile: &Profile,
        receive: Option<&Receive>,
        open: Option<OpenPort>,
    ) -> Self {
        // The simulator runs in this process, so any free port of this machine does.
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let address = receive.and_then(|receive| receive.bind.or(profile.built_in.then_some(any)));
        match address {
            Some(address) => Self::at(address, open).await,
            None => Self::Off,
        }
    }

    /// Takes over the open port if it is at this address, else binds one.
    pub(super) async fn at(address: SocketAddr, open: Option<OpenPort>) -> Self {
        if let Some(listener) = open.and_then(|port| port.at(address)) {
            return Self::Open(listener);
        }
        match TcpListener::bind(address).await {
            Ok(listener) => Self::Open(listener),
            Err(error) => Self::Failed(address, error),
        }
    }

    fn port(&self) -> Option<OpenPort> {
        match self {
            Self::Open(listener) => OpenPort::of(listener),
            Self::Off | Self::Failed(..) => None,
        }
    }

    /// The URL that each provider's simulator sends its callbacks to.
    pub(in crate::deck) fn callback_urls(&self) -> BTreeMap<String, String> {
        let Some(url) = self.port().and_then(|port| port.url()) else {
            return BTreeMap::new();
        };
        let of = |name: &str| (name.to_owned(), format!("{url}/callbacks/{name}"));
        filled(REGISTRY.iter().map(|manifest| of(manifest.id.0)))
    }
}

/// Where this receiver listens, or tries to.
pub(in crate::deck) struct ReceiverPort {
    pub(super) configured: Option<SocketAddr>,
    open: Mutex<Option<OpenPort>>,
}

impl ReceiverPort {
    pub(super) fn new(configured: Option<SocketAddr>, bound: &Binding) -> Self {
        Self {
            configured,
            open: Mutex::new(bound.port()),
        }
    }

    /// Notes the port that is open now.
    pub(super) fn set(&self, bound: &Binding) {
        *self.open.lock() = bound.port();
    }

    /// The open port; it stays open as long as this lives.
    pub(in crate::deck) fn take(&self) -> Option<OpenPort> {
        self.open.lock().take()
    }

    /// The URL of the open port.
    pub(super) fn url(&self) -> Option<String> {
        self.open.lock().as_ref()?.url()
    }

    /// Whether this receiver is at the address, waits for it, or keeps all others from it.
    pub(super) fn claims(&self, address: SocketAddr) -> bool {
        let is_own = |port: &OpenPort| port.is_at(address) || port.blocks(address);
        // An address that this receiver waits for is no reason to refuse other changes.
        self.configured == Some(address) || self.open.lock().as_ref().is_some_and(is_own)
    }
}

/// An open port: connections wait until the next receiver accepts them.
pub(in crate::deck) struct OpenPort(std::net::TcpListener);

impl OpenPort {
    fn of(listener: &TcpListener) -> Option<Self> {
        let port = listener.as_fd().try_clone_to_owned().ok()?;
        Some(Self(port.into()))
    }

    pub(super) async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await?.into_std().map(Self)
    }

    /// The listener, if it is at this address.
    fn at(self, address: SocketAddr) -> Option<TcpListener> {
        let listener = self.is_at(address).then_some(self.0)?;
        TcpListener::from_std(listener).ok()
    }

    /// Port 0 of an address is any port.
    fn is_at(&self, address: SocketAddr) -> bool {
        self.0.local_addr().is_ok_and(|bound| {
            bound.ip() == address.ip() && [0, bound.port()].contains(&address.port())
        })
    }

    /// Whether nothing can listen at the other address while this port is open: one of them is every address.
    fn blocks(&self, address: SocketAddr) -> bool {
        self.0.local_addr().is_ok_and(|bound| {
            bound.port() == address.port()
                && (bound.ip().is_unspecified() || address.ip().is_unspecified())
        })
    }

    fn url(&self) -> Option<String> {
        let address = self.0.local_addr().ok()?;
        Some(format!("http://{}", reachable(address)))
    }
}

/// Why a port cannot be bound, and what to do.
pub(super) fn bind_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program, perhaps another tilldeck, uses this port; end it, or choose another address with `bind` in \
             [callbacks] or --bind"
                .into()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root; choose a higher one, and put a reverse proxy in front".into()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have this address; 127.0.0.1 always works".into()
        }
        // The key that seals callbacks: no other address helps.
        io::ErrorKind::InvalidData => error.to_string(),
        _ => format!("{error}; choose another address with `bind` in [callbacks] or --bind"),
    }
}

/// How long a receiver on this machine may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks a path at an address of this machine whether a receiver answers: `None` if nothing does, and `Some(None)` if it is
/// a program without the key of `sealer`.
pub(in crate::deck) async fn who_answers(
    address: SocketAddr,
    path: &str,
    sealer: impl Future<Output = Option<Arc<Sealer>>>,
) -> Option<Option<ReceiverState>> {
    let challenge = Challenge::new().ok()?;
    let request = Outgoing {
        url: format!("http://{address}{path}"),
        headers: vec![(CHALLENGE.to_owned(), challenge.value().to_owned())],
        body: None,
    };
    let answer = http_server::send_to(address, &request, PATIENCE)
        .await
        .ok()?;
    let body = answer.body.unwrap_or_default();
    let sealer = sealer.await;
    Some(sealer.and_then(|sealer| challenge.verify(&body, &sealer)))
}

impl Shared {
    /// The state of another tilldeck that has the port that could not be bound, and receives the callbacks of this profile.
    pub(super) async fn elsewhere(
        &self,
        address: SocketAddr,
        error: &io::Error,
    ) -> Option<ReceiverState> {
        if error.kind() != io::ErrorKind::AddrInUse {
            return None;
        }
        let accounts = self.queries.registry.all();
        // Another profile's receiver does not know the account.
        let path = accounts.first().map_or_else(
            || HEARTBEAT.to_owned(),
            |runtime| format!("/callbacks/{}", runtime.account.id),
        );
        let sealer = async { Some(self.sealing.key().await.sealer) };
        let state = who_answers(reachable(address), &path, sealer)
            .await
            .flatten();
        state.filter(|state| *state != ReceiverState::NoAccount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_taken_over_where_the_address_is_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bound = listener.local_addr().unwrap();
        let any = SocketAddr::new(bound.ip(), 0);
        let other = SocketAddr::from(([127, 0, 0, 2], bound.port()));
        for (address, is_taken) in [(bound, true), (any, true), (other, false)] {
            let taken = OpenPort::of(&listener).unwrap().at(address);
            let taken = taken.map(|it| it.local_addr().unwrap());
            assert_eq!(taken, is_taken.then_some(bound), "{address}");
        }
        let taken = OpenPort::of(&listener).unwrap().at(bound).unwrap();
        drop(listener);
        let client = tokio::net::TcpStream::connect(bound).await.unwrap();
        let (_, peer) = taken.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[tokio::test]
    async fn every_address_of_the_machine_shares_its_port_with_each_of_them() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = OpenPort::of(&listener).unwrap();
        let number = listener.local_addr().unwrap().port();
        for (address, is_blocked) in [
            (SocketAddr::from(([0, 0, 0, 0], number)), true),
            (SocketAddr::from(([127, 0, 0, 2], number)), false),
            (SocketAddr::from(([0, 0, 0, 0], 0)), false),
        ] {
            assert_eq!(port.blocks(address), is_blocked, "{address}");
        }
    }
}
