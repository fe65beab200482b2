//! `sandbox trigger deliver`: builds one callback and sends it to a receiver on this machine.

use serde_json::json;

use super::Exit;
use super::args::Deliver;
use super::manage::{read_from, source_of};
use super::output::{Out, OutputError};
use crate::clock::Clock;
use crate::deck;
use crate::domain::{Problem, ProblemKind, Secret, inert};

/// Sends one callback to a receiver on this machine.
pub async fn run(url: Option<&str>, args: &Deliver, out: &Out) -> Result<Exit, OutputError> {
    if url.is_some() {
        return out.fail(&Problem::new(
            ProblemKind::Usage,
            "--url does not apply to `deliver`, which needs no simulator",
            "to send from a running simulator, use `sandbox trigger --url URL callback ID`",
        ));
    }
    let posted = async {
        let proof = match &args.secret {
            _ if args.unsigned => deck::Proof::None,
            Some(source) => deck::Proof::Own(secret(source).await?),
            None => deck::Proof::Simulator,
        };
        let posting = deck::Posting {
            provider: args.provider.clone(),
            to: args.to.clone(),
            subject: args.subject.clone(),
            event: args.event.clone().unwrap_or_default(),
            proof,
            header: args.header.clone(),
            times: args.times,
        };
        deck::post(&posting, Clock::system().now().wall).await
    };
    let posted = match posted.await {
        Ok(posted) => posted,
        Err(problem) => return out.fail(&problem),
    };
    if let Some(sent) = posted.first().filter(|_| !out.json) {
        out.say(&format!("{} {}", sent.method, inert::line(&sent.url)));
        for (name, value) in &sent.headers {
            out.say(&format!("{name}: {}", inert::line(value)));
        }
        if let Some(body) = &sent.body {
            out.say(&format!("\n{}", inert::block(body)));
        }
    }
    for sent in &posted {
        let taken = sent.is_taken();
        if out.json {
            let headers: Vec<_> = sent.headers.iter().collect();
            out.object(&json!({
                "method": sent.method, "url": sent.url, "headers": headers, "body": sent.body,
                "status": sent.answer.as_ref().ok().map(|(status, _)| status),
                "answer": sent.answer.as_ref().ok().and_then(|(_, body)| body.as_deref()),
                "error": sent.answer.as_ref().err(), "taken": taken,
            }))?;
            continue;
        }
        let word = if taken { "accepted" } else { "not accepted" };
        match &sent.answer {
            Ok((status, body)) => {
                let body = inert::cut(body.as_deref().unwrap_or_default().trim(), 400);
                let separator = if body.is_empty() { "" } else { ": " };
                out.line(&format!("{status} {word}{separator}{body}"))?;
            }
            Err(why) => out.line(&format!("{word}: {}", inert::line(why)))?,
        }
    }
    Ok(if posted.iter().all(deck::Posted::is_taken) {
        Exit::Done
    } else {
        Exit::Provider
    })
}

async fn secret(source: &str) -> Result<Secret, Problem> {
    match read_from(source_of("--secret", source)?).await {
        Ok(read) => Ok(read.secret),
        Err(why) => Err(Problem::new(
            ProblemKind::Config,
            format!("tilldeck cannot read the secret: {why}"),
            "",
        )),
    }
}
