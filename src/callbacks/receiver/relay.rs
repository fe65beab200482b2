//! Callbacks with a provider that waits for the shop's answer: the time limit, and the answer to a repeat.

use std::time::Duration;

use bytes::Bytes;

use super::Shared;
use crate::callbacks::{CallbackHandler, Inbound};
use crate::domain::job::{AttemptOutcome, JobResult, LEASE};
use crate::domain::{Delivery, JobKind, JobState};
use crate::ledger::DedupKey;

/// The interval of checks for the shop's answer to the first of several equal orders.
const POLL: Duration = Duration::from_millis(50);

/// The shop did not answer in time.
pub(super) struct TimedOut;

impl Shared {
    /// Calls the shop's server, within the time limit. A timeout is saved too, so that no process calls the shop again.
    pub(super) async fn relay(
        &self,
        handler: &dyn CallbackHandler,
        inbound: &Inbound,
        delivery: &Delivery,
    ) -> Result<Option<Bytes>, TimedOut> {
        let mut jobs = delivery.jobs.iter();
        let Some(job) = jobs.find(|job| job.kind == JobKind::Relay) else {
            return Ok(None);
        };
        let limit = self.setup.limits.relay;
        let relayed = handler.relay(inbound, delivery);
        if let Ok(answer) = tokio::time::timeout(limit, relayed).await {
            return Ok(answer);
        }
        let outcome = AttemptOutcome {
            took: Some(limit),
            ..AttemptOutcome::hopeless("no response in time")
        };
        let timed_out = JobResult {
            state: JobState::GivenUp,
            at: inbound.at,
            outcome,
        };
        // Where this cannot be saved, the next process that finds the job ends it as failed.
        let held_until = inbound.at.plus(LEASE);
        let ledger = &self.setup.ledger;
        let _ = ledger.finish_attempt(job.id, held_until, timed_out).await;
        Err(TimedOut)
    }

    /// The answer of the shop after a timeout. One that was saved at the last moment wins, so that a repeat of the
    /// order gets the same one.
    pub(super) async fn saved_answer(&self, dedup_key: DedupKey) -> Option<Bytes> {
        self.open(self.setup.ledger.first_reply(dedup_key).await.ok()?.sealed)
    }

    /// The answer to the first of these equal orders. While the shop is still being called, this waits: two answers to
    /// one order must not differ.
    pub(super) async fn first_answer(&self, dedup_key: DedupKey) -> Option<Bytes> {
        let answered = async {
            loop {
                let first = self.setup.ledger.first_reply(dedup_key).await.ok()?;
                if first.sealed.is_some() || !first.awaited {
                    return first.sealed;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        // The provider waits for the repeat, too.
        let sealed = tokio::time::timeout(self.setup.limits.relay, answered).await;
        self.open(sealed.ok()?)
    }

    fn open(&self, sealed: Option<Vec<u8>>) -> Option<Bytes> {
        self.setup.sealer.open_reply(&sealed?).map(Bytes::from)
    }
}
