//! What the receiver of the next deck starts with: an open port and a readable key, also after a change of either.

use std::net::{SocketAddr, TcpListener};

use super::sealing::{ConfiguredKeys, Key};
use super::{CallbackService, bind_error};
use crate::deck::Options;
use crate::domain::Problem;

/// What the receiver of the next deck starts with. The default leaves all of it to that receiver.
#[derive(Default)]
pub struct Prepared {
    pub(in crate::deck) port: Option<Port>,
    pub(in crate::deck) seal_key: Option<Key>,
}

/// The open port of a receiver: connections wait until the next receiver accepts them.
pub(in crate::deck) struct Port(TcpListener);

impl Port {
    pub(super) fn of(listener: &tokio::net::TcpListener) -> Option<Self> {
        use std::os::fd::AsFd as _;
        let port = listener.as_fd().try_clone_to_owned().ok()?;
        Some(Self(TcpListener::from(port)))
    }

    /// Where it is.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    /// The listener, if it is at this address.
    pub(super) fn at(self, address: SocketAddr) -> Option<tokio::net::TcpListener> {
        let listener = self.is_at(address).then_some(self.0)?;
        tokio::net::TcpListener::from_std(listener).ok()
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
}

impl CallbackService {
    /// Gets what differs for the receiver of the next deck and may fail, while this one receives.
    pub(in crate::deck) async fn prepare(&self, next: &Options) -> Result<Prepared, Problem> {
        let bind = next.receive.as_ref().and_then(|receive| receive.bind);
        let Some(address) = bind else {
            return Ok(Prepared::default());
        };
        Ok(Prepared {
            port: self.port_at(address).await?,
            seal_key: self.seal_key_of(next).await?,
        })
    }

    /// A new port. `None` for that of this receiver, or one that can only be bound once this is closed.
    async fn port_at(&self, address: SocketAddr) -> Result<Option<Port>, Problem> {
        let is_own = |port: &Port| port.is_at(address) || port.blocks(address);
        // An address that this receiver waits for is no reason to refuse other changes.
        if self.shared.bind == Some(address) || self.shared.port().as_ref().is_some_and(is_own) {
            return Ok(None);
        }
        let bound = tokio::net::TcpListener::bind(address).await;
        let bound = bound.and_then(tokio::net::TcpListener::into_std);
        let port = bound.map_err(|error| {
            Problem::local(
                format!("cannot receive callbacks at {address}"),
                bind_error(&error),
            )
        })?;
        Ok(Some(Port(port)))
    }

    /// The key that seals the next deck's callbacks: this one's, unless the config names another.
    async fn seal_key_of(&self, next: &Options) -> Result<Option<Key>, Problem> {
        let (sealing, callbacks) = (&self.shared.sealing, &next.callbacks);
        if sealing.is_configured_by(callbacks) {
            return Ok(sealing.usable_key());
        }
        let keys = ConfiguredKeys::new(callbacks.clone(), &next.environ);
        let sealing = sealing.configured_by(keys);
        let key = sealing.key().await;
        match key.refused {
            None => Ok(Some(key)),
            Some(why) => Err(Problem::config(
                format!("callbacks cannot be sealed: {why}"),
                "correct `seal_key` in [callbacks]",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_taken_over_where_the_address_is_the_same() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bound = listener.local_addr().unwrap();
        let any = SocketAddr::new(bound.ip(), 0);
        let other = SocketAddr::from(([127, 0, 0, 2], bound.port()));
        for (address, is_taken) in [(bound, true), (any, true), (other, false)] {
            let taken = Port::of(&listener).unwrap().at(address);
            let taken = taken.map(|it| it.local_addr().unwrap());
            assert_eq!(taken, is_taken.then_some(bound), "{address}");
        }
        let taken = Port::of(&listener).unwrap().at(bound).unwrap();
        drop(listener);
        let client = tokio::net::TcpStream::connect(bound).await.unwrap();
        let (_, peer) = taken.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[tokio::test]
    async fn every_address_of_the_machine_shares_its_port_with_each_of_them() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = Port::of(&listener).unwrap();
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
