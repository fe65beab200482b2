//! Whether a server can be reached: one GET without credentials, on a connection of its own, with the time of each part.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::attempt::{Outbound, lead};
use super::connecting::Connecting;
use super::{
    Authorise, Call, MaybeSecret, NetError, Reply, RequestOptions, Session, SignedRequest,
};
use crate::domain::WallTime;

/// A server that answered. Any status counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The response.
    pub reply: Reply,
    /// To resolve the name; `None` for an address, and where a proxy does it.
    pub resolved: Option<Duration>,
    /// To connect: TCP, the proxy's tunnel if there is one, and TLS.
    pub connected: Duration,
    /// How far this machine's clock is ahead of the server's `Date`, in milliseconds; negative where it is behind, 0
    /// where they agree to a second. `None` without a date.
    pub clock_ahead_ms: Option<i64>,
}

impl Reached {
    /// From sending the request until the head of the response.
    pub fn answered(&self) -> Duration {
        let before = self.connected + self.resolved.unwrap_or_default();
        self.reply.to_head.saturating_sub(before)
    }
}

impl Session {
    /// Sends a GET of an endpoint's path once, without credentials and without waiting for a slot. It is recorded like
    /// every request.
    ///
    /// # Errors
    /// If no response arrives, or the request must not be sent now.
    pub async fn probe(
        &self,
        call: &Call,
        headers: Vec<(&'static str, MaybeSecret)>,
    ) -> Result<Reached, NetError> {
        let url = self.resolve(call)?;
        let probe = Probe {
            headers,
            measured: Arc::default(),
        };
        let outbound = Outbound {
            session: self,
            call,
            url: &url,
            authorise: &probe,
            options: RequestOptions {
                no_wait: true,
                ..RequestOptions::default()
            },
        };
        let sent = self.gate.clock.now().wall;
        let reply = outbound.attempt(1).await?.result?;
        let took = |part: Option<&Duration>| part.copied();
        Ok(Reached {
            resolved: took(probe.measured.resolved.get()),
            connected: took(probe.measured.connected.get()).unwrap_or_default(),
            clock_ahead_ms: reply.date().map(|date| ahead(sent, date, reply.at)),
            reply,
        })
    }
}

struct Probe {
    headers: Vec<(&'static str, MaybeSecret)>,
    measured: Arc<Connecting>,
}

#[async_trait]
impl Authorise for Probe {
    async fn authorise(&self, _call: &Call) -> Result<SignedRequest, NetError> {
        Ok(SignedRequest {
            measured: Some(self.measured.clone()),
            ..SignedRequest::new(self.headers.clone(), Bytes::new())
        })
    }
}

/// How far a clock is ahead of a server that dates its response between `sent` and `seen`.
fn ahead(sent: WallTime, date: WallTime, seen: WallTime) -> i64 {
    let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match lead(sent, date) {
        Duration::ZERO => -millis(date.since(seen)),
        lead => millis(lead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_within_the_exchange_or_its_second_agrees_with_this_machine() {
        for (date, expected) in [
            (8_000, 1_001),
            (9_000, 1),
            (10_000, 0),
            (11_000, 0),
            (12_000, -1_000),
        ] {
            let ahead = ahead(WallTime(10_000), WallTime(date), WallTime(11_000));
            assert_eq!(ahead, expected, "{date}");
        }
    }
}
