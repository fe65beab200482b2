//! The receiver's limits, with their defaults.

use std::time::Duration;

use super::rate::SenderRateLimit;
use crate::http_server::{self, Hosts};

/// The receiver's limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For connections.
    pub server: http_server::Limits,
    /// For each address. Senders on this machine are not limited.
    pub rate: SenderRateLimit,
    /// How long a provider waits for the shop's server; less than [`crate::domain::job::LEASE`].
    pub relay: Duration,
    /// How often it probes itself.
    pub heartbeat: Duration,
    /// The timeout of a probe.
    pub heartbeat_patience: Duration,
}

impl Limits {
    /// How long a receiver that stops waits for callbacks that are being answered.
    pub(crate) fn answering(&self) -> Duration {
        self.relay + Duration::from_secs(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            server: http_server::Limits {
                body: 1 << 20,
                bodies: 16 << 20,
                room_time: Duration::from_secs(2),
                head: 32 * 1024,
                connections: 512,
                silence: Duration::from_secs(75),
                head_time: Duration::from_secs(10),
                body_time: Duration::from_secs(20),
                // A proxy or tunnel forwards the `Host` that its caller sent.
                hosts: Hosts::Any,
                half_close: true,
            },
            rate: SenderRateLimit {
                per_second: 200,
                burst: 2_000,
            },
            // Kongregate cuts slow connections and documents no time; our simulator plays five seconds
            // (`docs/providers/kongregate.md#callbacks`).
            relay: Duration::from_secs(4),
            heartbeat: Duration::from_secs(5),
            heartbeat_patience: Duration::from_secs(4),
        }
    }
}
