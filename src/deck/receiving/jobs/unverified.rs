//! Callbacks whose secrets could not be read when they arrived. Once they can be, each is judged and saved as if it had
//! just arrived.

use super::{AGAIN, Shared};
use crate::callbacks::{Answer, Arrival, Inbound, Refusal};
use crate::domain::job::{AttemptOutcome, BLOCKED_AGAIN, Disposition};
use crate::domain::{CallbackVerdict, Delivery, Job};
use crate::ledger::NewDelivery;

impl Shared {
    /// Whether a secret of the account could not be read just before: however many callbacks wait, they cause one prompt
    /// in [`BLOCKED_AGAIN`].
    pub(super) fn is_unverifiable(&self, account: &str) -> bool {
        let now = self.queries.clock.now().mono;
        let until = self.queues.unverifiable.lock();
        until.get(account).is_some_and(|until| now < *until)
    }

    /// Judges a callback again. If it is judged twice, because a process ends in between, the second is a repeat, unless it
    /// is rejected or an order: then both are shown.
    pub(super) async fn verify(&self, delivery: &Delivery, job: &Job) -> AttemptOutcome {
        let runtime = match self.runtime_of(delivery, job) {
            Ok(runtime) => runtime,
            Err(outcome) => return outcome,
        };
        if self.is_unverifiable(&delivery.account) {
            let why = "a secret could not be read just before";
            return AttemptOutcome::without_answer(why, Disposition::Released);
        }
        let inbound = match self.bytes_of(delivery.id).await {
            Ok(inbound) => Inbound {
                from: delivery.from.parse().ok(),
                // A signature counts from when it was received.
                at: delivery.received_at,
                ..inbound
            },
            Err(problem) => return self.without_bytes(problem),
        };
        let readable = inbound.readable().unwrap_or_else(|| inbound.clone());
        let arrival = Arrival {
            account_key: &self.account_key,
            account: &delivery.account,
            provider: &delivery.provider,
            inbound: &inbound,
        };
        let mut note = "";
        let mut new = match self.judge(&runtime, &readable).await {
            // The config has no secret for it any more, or, on another machine of the team, never had one.
            Ok(parsed) if !parsed.proved => {
                let why = "the config has no secret that can verify it";
                return AttemptOutcome::without_answer(why, AGAIN);
            }
            Ok(parsed) => {
                // What the receiver of its time forwards to: this process may forward nothing.
                let to = Some(job.target.clone()).filter(|to| !to.is_empty());
                let new = arrival.accepted(&parsed, to);
                if parsed.answer == Answer::Plain {
                    new
                } else {
                    note = "; not forwarded, because the provider no longer waits for the answer";
                    // Without a key, so that the shop still gets the order if the provider sends it again.
                    NewDelivery {
                        dedup_key: None,
                        jobs: Vec::new(),
                        ..new
                    }
                }
            }
            Err(Refusal::Unable(problem)) => {
                let until = self.queries.clock.now().mono.saturating_add(BLOCKED_AGAIN);
                let account = delivery.account.clone();
                self.queues.unverifiable.lock().insert(account, until);
                return AttemptOutcome::without_answer(problem.message, Disposition::Blocked);
            }
            Err(refusal) => arrival.rejected(&refusal, None),
        };
        new.status = delivery.status;
        // The day for its jobs begins only now.
        let now = self.queries.clock.now().wall;
        new.jobs.iter_mut().for_each(|job| job.at = now);
        new.sealed = self.sealing.key().await.sealer.seal(&inbound);
        match self.queries.ledger.deliver(new).await {
            Ok(saved) => {
                self.saved.notify_one();
                self.queues.wake();
                let verdict = match saved.verdict {
                    CallbackVerdict::Refused => "rejected",
                    other => other.as_str(),
                };
                let summary = format!("{verdict} as callback {}{note}", saved.id.0);
                AttemptOutcome::without_answer(summary, Disposition::Done)
            }
            Err(error) => {
                let why = format!("it cannot be saved: {error}");
                AttemptOutcome::without_answer(why, Disposition::Blocked)
            }
        }
    }
}
