//! Callbacks whose provider waits for what the shop says: how long it is waited for, and what a repeat is told.

use std::time::Duration;

use super::{Shared, json};
use crate::callbacks::{CallbackHandler, Inbound, RELAY_HOLD};
use crate::domain::{Delivery, JobKind, JobState};
use crate::http_server::Response;
use crate::ledger::{DedupKey, JobResult};

/// How soon it is looked again whether the shop has answered the first of several orders that are the same.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Shared {
    /// What the shop's own server says, within limits; its silence is kept, too, so that nobody asks it again.
    pub(super) async fn relay(
        &self,
        handler: &dyn CallbackHandler,
        inbound: &Inbound,
        delivery: &Delivery,
        identity: DedupKey,
    ) -> Option<Response> {
        let job = delivery
            .jobs
            .iter()
            .find(|job| job.kind == JobKind::Relay)?;
        let limit = self.setup.limits.relay;
        let relayed = handler.relay(inbound, delivery);
        if let Ok(said) = tokio::time::timeout(limit, relayed).await {
            return said;
        }
        let given_up = JobResult {
            state: JobState::GivenUp,
            at: inbound.at,
            told: "no answer in time".into(),
            status: None,
            took: Some(limit),
            settles: false,
            reply: None,
        };
        // Where this cannot be saved, the next process that takes the job gives it up. An answer that was saved at the last
        // moment stands, so that a repeat of the order gets the same one.
        let held_until = inbound.at.plus(RELAY_HOLD);
        let ledger = &self.setup.ledger;
        let _ = ledger.tried_errand(job.id, held_until, given_up).await;
        self.open(ledger.first_reply(identity).await.ok()?.sealed)
    }

    /// What was said to the first of those that this one repeats. Where the shop is being asked right now, its answer
    /// is waited for: two answers to one order must not differ.
    pub(super) async fn said_first(&self, identity: DedupKey) -> Option<Response> {
        let settled = async {
            loop {
                let first = self.setup.ledger.first_reply(identity).await.ok()?;
                if first.sealed.is_some() || !first.awaited {
                    return first.sealed;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let sealed = tokio::time::timeout(self.setup.limits.relay, settled).await;
        self.open(sealed.ok()?)
    }

    fn open(&self, sealed: Option<Vec<u8>>) -> Option<Response> {
        let said = self.setup.sealer.open_reply(&sealed?)?;
        Some(json(said.into()))
    }
}
