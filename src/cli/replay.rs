//! `replay`: forwards saved callbacks again, or retries their unfinished jobs.

use super::deliveries;
use super::prelude::*;
use super::values::callback_id;
use crate::domain::{CallbackVerdict, Delivery, DeliveryId, Job, JobKind, JobState};
use crate::ledger::Retried;

/// Forward saved callbacks again, unchanged, or retry their failed jobs.
#[derive(Debug, Args)]
pub struct Replay {
    /// Ids of callbacks, from `log --deliveries`. With --to, rejected callbacks can be replayed, too.
    #[arg(required = true, value_name = "ID", allow_negative_numbers = true, value_parser = callback_id)]
    ids: Vec<i64>,
    /// Forward to this server: http:// on this machine, https:// elsewhere. Without --to, the failed checks and forwards
    /// of each callback start again: one attempt now, then the usual retries by `tilldeck listen` or the console. Orders
    /// and replays are not retried, because the shop could deliver twice.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
}

impl DeckCommand for Replay {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let mut exit = Exit::Done;
        for id in self.ids {
            let id = DeliveryId(id);
            let done = if let Some(to) = &self.to {
                let replayed = cx.deck.replay(id, to).await.map_err(Failure::from);
                replayed.and_then(|delivery| report(&delivery, cx.out))
            } else {
                let retried = cx.deck.retry(id).await.map_err(Failure::from);
                retried.and_then(|retried| report_retried(&retried, cx.out))
            };
            exit = exit.and(cx.out.settle_of(json!({ "id": id.0 }), done)?);
        }
        Ok(exit)
    }
}

fn report_retried(retried: &Retried, out: &Out) -> CommandResult {
    let Retried { delivery, jobs } = retried;
    let jobs = delivery.jobs.iter().filter(|job| jobs.contains(&job.id));
    let (done, failed): (Vec<_>, Vec<_>) = jobs.partition(|job| job.state == JobState::Done);
    let words = |jobs: &[&Job]| {
        let words = jobs.iter().map(|job| deliveries::in_words(job));
        words.collect::<Vec<_>>().join(", ")
    };
    let id = delivery.id.0;
    if !done.is_empty() {
        let line = format!("{id}  {}", words(&done));
        out.result(&deliveries::object(delivery), &inert::line(&line))?;
    }
    if failed.is_empty() {
        return Ok(Exit::Done);
    }
    let is_due = |job: &&Job| matches!(job.state, JobState::Due { .. });
    // A first attempt that no other may follow, without a response: its cause is here, such as a missing account.
    let is_local = |job: &&Job| job.state == JobState::GivenUp && job.status.is_none();
    let is_here = failed.iter().all(is_local);
    let hint = if failed.iter().any(is_due) {
        "fix the cause; `tilldeck listen` or the console makes the next attempts".to_owned()
    } else {
        let what = if is_here { "cause" } else { "server" };
        format!("it failed for good: fix the {what}, then retry: `tilldeck replay {id}`")
    };
    let kind = if is_here {
        ProblemKind::Local
    } else {
        ProblemKind::Unreachable
    };
    Err(Problem::new(kind, format!("callback {id} {}", words(&failed)), hint).into())
}

fn report(delivery: &Delivery, out: &Out) -> CommandResult {
    if !delivery.is_genuine() && delivery.verdict != CallbackVerdict::UnknownAccount {
        out.warn(&format!(
            "callback {} is {}: {}",
            delivery.id.0,
            deliveries::verdict(delivery),
            delivery.why
        ));
    }
    let forwards = delivery.jobs.iter();
    let newest = forwards
        .filter(|job| job.kind == JobKind::Forward)
        // A callback may have earlier forwards; the job of this run has the highest id.
        .max_by_key(|job| job.id);
    let job = newest.ok_or_else(|| {
        local(
            format!(
                "the result of forwarding callback {} is unknown",
                delivery.id.0
            ),
            "",
        )
    })?;
    if job.state == JobState::Done {
        let line = format!("{}  {}", delivery.id.0, deliveries::in_words(job));
        out.result(&deliveries::object(delivery), &inert::line(&line))?;
        return Ok(Exit::Done);
    }
    Err(Problem::new(
        ProblemKind::Unreachable,
        format!(
            "callback {} was not accepted by {}: {}",
            delivery.id.0, job.target, job.summary
        ),
        "the callback stays saved; fix the server, then replay it again",
    )
    .into())
}
