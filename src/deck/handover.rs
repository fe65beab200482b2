//! What the next deck of the same profile takes over, so that opening the profile anew loses nothing.

use std::net::{SocketAddr, TcpListener};

use super::Deck;
use super::secrets::SecretOverrides;
use crate::domain::AccountId;

/// What the next deck of the same profile takes over: the receiver's port, which stays open in between, and the secrets
/// that were replaced in this run where tilldeck cannot save them.
#[derive(Default)]
pub struct Handover {
    pub(super) port: Option<Port>,
    pub(super) secrets: SecretOverrides,
}

/// The open port of a receiver: connections wait until the next receiver accepts them.
pub(super) struct Port(TcpListener);

impl Port {
    pub(super) fn of(listener: &tokio::net::TcpListener) -> Option<Self> {
        use std::os::fd::AsFd as _;
        let port = listener.as_fd().try_clone_to_owned().ok()?;
        Some(Self(TcpListener::from(port)))
    }

    /// The listener, if it is at this address; port 0 of an address is any port.
    pub(super) fn at(self, address: SocketAddr) -> Option<tokio::net::TcpListener> {
        let bound = self.0.local_addr().ok()?;
        let is_same = bound.ip() == address.ip() && [0, bound.port()].contains(&address.port());
        let listener = is_same.then_some(self.0)?;
        tokio::net::TcpListener::from_std(listener).ok()
    }
}

impl Deck {
    /// Hands over what the next deck of this profile needs. Of the accounts that are not in `kept`, no secret is.
    #[must_use]
    pub fn hand_over(&self, kept: &[AccountId]) -> Handover {
        let secrets = self.factory.secret_overrides.of(kept);
        let port = self.callbacks.shared.take_port();
        Handover { port, secrets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

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

    #[test]
    fn only_unchanged_accounts_hand_over_their_replaced_secrets() {
        let [shop, outlet] = ["shop", "outlet"].map(|name| AccountId::new(name).unwrap());
        let before = SecretOverrides::default();
        for account in [&shop, &outlet] {
            before.insert(account, "api_secret", Secret::new("new"));
        }
        let after = before.of(std::slice::from_ref(&shop));
        assert!(after.has(&shop) && !after.has(&outlet));
        assert!(before.has(&outlet), "the open deck goes on with its own");
    }
}
