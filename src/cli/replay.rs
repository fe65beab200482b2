//! `replay`: forwards saved callbacks again.

use super::args::Replay;
use super::deliveries;
use super::output::{Out, OutputError, Tone};
use super::{Exit, local, words};
use crate::deck::Deck;
use crate::domain::{
    Delivery, DeliveryId, JobKind, JobState, Problem, ProblemKind, Verdict, inert,
};

pub async fn run(args: &Replay, deck: &Deck, out: &Out) -> Result<Exit, OutputError> {
    let mut exit = Exit::Done;
    for id in &args.ids {
        let done = match deck.replay(DeliveryId(*id), &args.to).await {
            Ok(delivery) => report(&delivery, out)?,
            Err(problem) => out.fail(&problem)?,
        };
        exit = exit.and(done);
    }
    Ok(exit)
}

fn report(delivery: &Delivery, out: &Out) -> Result<Exit, OutputError> {
    if matches!(delivery.verdict, Verdict::Refused | Verdict::Unreadable) {
        out.message(
            Tone::Warn,
            "warning:",
            &format!(
                "callback {} was {}: {}",
                delivery.id.0,
                words::verdict(delivery),
                delivery.why
            ),
        );
    }
    let forwards = delivery.jobs.iter();
    let newest = forwards
        .filter(|job| job.kind == JobKind::Forward)
        // A callback may have earlier forwards; the job of this run has the highest id.
        .max_by_key(|job| job.id);
    let Some(job) = newest else {
        return out.fail(&local(&format!(
            "the result of forwarding callback {} is unknown",
            delivery.id.0
        )));
    };
    if job.state == JobState::Done {
        if out.json {
            out.object(&deliveries::object(delivery))?;
        } else {
            out.line(&inert::line(&format!(
                "{}  {}",
                delivery.id.0,
                deliveries::in_words(job)
            )))?;
        }
        return Ok(Exit::Done);
    }
    out.fail(&Problem::new(
        ProblemKind::Unreachable,
        format!(
            "callback {} was not accepted by {}: {}",
            delivery.id.0, job.target, job.summary
        ),
        "the callback stays saved; fix the server, then replay it again",
    ))
}
