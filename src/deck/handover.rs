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
