//! What is measured of a new connection.

use std::sync::OnceLock;
use std::time::Duration;

/// How long the parts of a new connection took.
#[derive(Debug, Default)]
pub struct Connecting {
    /// To resolve the host's name; not set for an address, and where a proxy does it.
    pub resolved: OnceLock<Duration>,
    /// To connect, after resolving: TCP, the proxy's tunnel if there is one, and TLS.
    pub connected: OnceLock<Duration>,
}
