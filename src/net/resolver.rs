//! How the addresses of a host are found.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::connecting::Connecting;
use crate::clock::Clock;
use crate::domain::host::is_loopback;

/// The system resolver, except that `localhost` and names below it always mean this machine (RFC 6761), whatever a
/// name server says.
pub(super) struct Resolver {
    pub(super) clock: Clock,
    /// Where the time that it takes is noted.
    pub(super) measured: Option<Arc<Connecting>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (clock, measured) = (self.clock.clone(), self.measured.clone());
        Box::pin(async move {
            if is_loopback(name.as_str()) {
                let own: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                let own = own.map(|address| SocketAddr::new(address, 0));
                return Ok(Box::new(own.into_iter()) as Addrs);
            }
            let began = clock.now().mono;
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let took = clock.now().mono.saturating_sub(began);
            if let Some(measured) = measured {
                let _ = measured.resolved.set(took);
            }
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}
