//! Retries what is not done about a callback, on request: the same jobs, each with a fresh retry schedule.

use tokio_util::sync::CancellationToken;

use super::jobs::ClaimedJob;
use crate::deck::Deck;
use crate::domain::job::{LEASE, LEASE_MAX};
use crate::domain::{Delivery, DeliveryId, JobKind, JobState, Problem};
use crate::ledger::{LedgerError, Retried, Retry};

impl Deck {
    /// Makes the [`Delivery::retryable`] jobs of a callback due now. Where the deck receives callbacks, the jobs run in
    /// the background. Elsewhere each is attempted here once, and the returned delivery has the results; later attempts
    /// are made by a process that receives callbacks.
    ///
    /// # Errors
    /// If there is no such callback in this profile, or it has no job that can be retried now.
    pub async fn retry(&self, id: DeliveryId) -> Result<Retried, Problem> {
        let shared = &self.callbacks.shared;
        // The operator may have unlocked the keyring.
        shared.queues.unverifiable.lock().clear();
        let known = self.delivery(id).await?;
        let now = self.clock.now().wall;
        // They are attempted one after the other.
        let most = u32::try_from(known.jobs.len()).unwrap_or(u32::MAX);
        let held_until = now.plus(LEASE.saturating_mul(most).min(LEASE_MAX));
        let retry = Retry {
            account_key: shared.account_key.clone(),
            delivery: id,
            now,
            leased_until: (!self.callbacks.workers()).then_some(held_until),
        };
        let mut retried = match self.ledger.retry_jobs(retry).await {
            Ok(retried) => retried,
            Err(LedgerError::Gone) => return Err(of_another_profile(id)),
            Err(error) => {
                let message = format!("callback {} cannot be retried: {error}", id.0);
                return Err(Problem::local(message, ""));
            }
        };
        if retried.jobs.is_empty() {
            return Err(nothing_to_retry(&retried.delivery));
        }
        if self.callbacks.workers() {
            shared.publish(retried.delivery.clone());
            shared.queues.wake();
            return Ok(retried);
        }
        for job in &retried.jobs {
            let taken = ClaimedJob::leased(retried.delivery.clone(), *job, held_until);
            if let Some(after) = shared.attempt(&taken, &CancellationToken::new()).await {
                retried.delivery = after;
            }
        }
        Ok(retried)
    }
}

fn of_another_profile(id: DeliveryId) -> Problem {
    Problem::usage(
        format!("callback {} belongs to another profile", id.0),
        "choose its profile with --profile; a console with the simulator retries its own callbacks only",
    )
}

const WAIT: &str = "wait a minute; `tilldeck log --deliveries` shows its result";

/// Why no job of this callback can be retried.
fn nothing_to_retry(delivery: &Delivery) -> Problem {
    let id = delivery.id.0;
    let forward = format!("`tilldeck replay {id} --to URL` forwards the callback again");
    let unfinished = || {
        delivery
            .jobs
            .iter()
            .filter(|job| job.state != JobState::Done)
    };
    let is_order = delivery.jobs.iter().any(|job| job.kind == JobKind::Relay);
    let is_done = delivery
        .jobs
        .iter()
        .any(|job| job.kind == JobKind::Forward && job.state == JobState::Done);
    let (why, hint) = if delivery.jobs.is_empty() {
        ("it has none".to_owned(), forward)
    } else if unfinished().next().is_none() {
        ("all are done".to_owned(), forward)
    } else if let Some(job) = delivery.retryable().next() {
        let doing = if job.kind == JobKind::Check {
            "check"
        } else {
            "forward"
        };
        (format!("its {doing} is running"), WAIT.to_owned())
    } else if is_order {
        (
            "the shop may have delivered this order, and a retry could deliver it twice".to_owned(),
            format!("look for the order in your shop; if it is missing, {forward}"),
        )
    } else if unfinished().any(|job| job.is_replay && matches!(job.state, JobState::Due { .. })) {
        (
            "its replay is running or waits for its next attempt".to_owned(),
            WAIT.to_owned(),
        )
    } else if is_done {
        ("the shop has accepted it".to_owned(), forward)
    } else {
        ("only its replays failed".to_owned(), forward)
    };
    let message = format!("callback {id} has no job to retry: {why}");
    Problem::usage(message, hint)
}
