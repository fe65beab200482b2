//! `replay`: forwards saved callbacks again.

use clap::Args;

use super::command::{CommandContext, DeckCommand};
use super::exit::{CommandResult, Exit, Failure, local};
use super::output::Out;
use super::values::callback_id;
use super::{deliveries, words};
use crate::domain::{
    Delivery, DeliveryId, JobKind, JobState, Problem, ProblemKind, Verdict, inert,
};

/// Forward saved callbacks again, unchanged, and show the response of the shop's server.
#[derive(Debug, Args)]
pub struct Replay {
    /// Ids of callbacks, from `log --deliveries`. Rejected callbacks can be replayed, too.
    #[arg(required = true, value_name = "ID", allow_negative_numbers = true, value_parser = callback_id)]
    ids: Vec<i64>,
    /// The shop's server: http:// on this machine, https:// elsewhere.
    #[arg(long, value_name = "URL")]
    to: String,
}

impl DeckCommand for Replay {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let mut exit = Exit::Done;
        for id in self.ids {
            let replayed = cx.deck.replay(DeliveryId(id), &self.to).await;
            let done = replayed.map_err(Failure::from);
            let done = done.and_then(|delivery| report(&delivery, cx.out));
            exit = exit.and(cx.out.settle(done)?);
        }
        Ok(exit)
    }
}

fn report(delivery: &Delivery, out: &Out) -> CommandResult {
    if matches!(delivery.verdict, Verdict::Refused | Verdict::Unreadable) {
        out.warn(&format!(
            "callback {} was {}: {}",
            delivery.id.0,
            words::verdict(delivery),
            delivery.why
        ));
    }
    let forwards = delivery.jobs.iter();
    let newest = forwards
        .filter(|job| job.kind == JobKind::Forward)
        // A callback may have earlier forwards; the job of this run has the highest id.
        .max_by_key(|job| job.id);
    let job = newest.ok_or_else(|| {
        local(format!(
            "the result of forwarding callback {} is unknown",
            delivery.id.0
        ))
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
