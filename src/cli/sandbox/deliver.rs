//! `sandbox trigger deliver`: builds one callback and sends it to a receiver on this machine.

use crate::cli::prelude::*;
use crate::cli::secret::{read_from, source_of};
use crate::cli::values::times;
use crate::clock::Clock;
use crate::deck;

/// Send one callback in a provider's format to a receiver on this machine. It needs no running simulator, and the
/// payment, player or purchase need not exist.
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 5 if the status of the response is not 200: the providers would send the callback again.")]
pub struct Deliver {
    /// The receiver's URL for the account; http:// on this machine only.
    #[arg(long, value_name = "URL")]
    to: String,
    /// The source of the signing secret: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…` or `keyring:NAME`.
    /// Default: the simulator's own secret. Never pass the secret itself.
    #[arg(long, value_name = "SOURCE")]
    secret: Option<String>,
    /// Send the callback unsigned.
    #[arg(long, conflicts_with_all = ["secret", "header"])]
    unsigned: bool,
    /// The name of the header that carries the secret. For kinguin, where the shop chooses the name.
    #[arg(long, value_name = "HEADER")]
    header: Option<String>,
    /// How many times to send the same callback.
    #[arg(long, default_value_t = 1, value_parser = times, value_name = "N", allow_negative_numbers = true)]
    times: u32,
    /// The provider: kanga, kinguin, kongregate or pledg.
    provider: String,
    /// What the callback is about: a payment id, a reservation id, a player's number or a purchase reference.
    #[arg(allow_hyphen_values = true)]
    subject: String,
    /// The event, by the provider's name for it: kinguin `DELIVERED`, kongregate `item_order_placed`, pledg `SCORING_KO`.
    /// For an unknown event, the error lists all events.
    event: Option<String>,
}

impl Deliver {
    /// Sends it. `url` is a simulator's, which it does not need.
    pub(super) async fn run(self, url: Option<&str>, out: &Out) -> CommandResult {
        if url.is_some() {
            return Err(usage(
                "--url does not apply to `deliver`, which needs no simulator",
                "to send from a running simulator, use `sandbox trigger --url URL callback ID`",
            )
            .into());
        }
        let proof = match &self.secret {
            _ if self.unsigned => deck::Proof::None,
            Some(source) => {
                let source = source_of("--secret", source)?;
                let read = read_from(source, "tilldeck cannot read the secret", "").await?;
                deck::Proof::Own(read.secret)
            }
            None => deck::Proof::Simulator,
        };
        let posting = deck::TestCallback {
            provider: self.provider,
            to: self.to,
            subject: self.subject,
            event: self.event.unwrap_or_default(),
            proof,
            header: self.header,
            times: self.times,
        };
        let posted = deck::post(&posting, Clock::system().now().wall).await?;
        if let Some(sent) = posted.first().filter(|_| !out.is_json()) {
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
            if out.is_json() {
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
}
