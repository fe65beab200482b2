//! What the receiver of the next deck starts with: an open port and a readable key, also after a change of either.

use std::net::SocketAddr;

use super::CallbackService;
use super::port::{OpenPort, bind_error};
use super::sealing::{ConfiguredKeys, Key};
use crate::deck::Options;
use crate::domain::Problem;

/// What the receiver of the next deck starts with. The default leaves all of it to that receiver.
#[derive(Default)]
pub struct Prepared {
    pub(in crate::deck) port: Option<OpenPort>,
    pub(in crate::deck) seal_key: Option<Key>,
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
    async fn port_at(&self, address: SocketAddr) -> Result<Option<OpenPort>, Problem> {
        if self.shared.port.claims(address) {
            return Ok(None);
        }
        let port = OpenPort::bind(address).await.map_err(|error| {
            Problem::local(
                format!("cannot receive callbacks at {address}"),
                bind_error(&error),
            )
        })?;
        Ok(Some(port))
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
