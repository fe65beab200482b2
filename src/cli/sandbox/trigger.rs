//! `sandbox trigger`: triggers an event in a running simulator.

use std::time::Duration;

use clap::Subcommand;

use super::deliver::Deliver;
use crate::cli::prelude::*;
use crate::cli::values::{act, fault, payment_id};
use crate::deck;
use crate::domain::simulate::{self, Fault};
use crate::domain::time::parse_duration;

/// Trigger events in a running simulator, or send one callback to a receiver.
#[derive(Debug, Args)]
pub struct Trigger {
    /// The URL that `sandbox serve` prints; `deliver` takes none.
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// The event.
    #[command(subcommand)]
    what: What,
}

/// What to trigger.
#[derive(Debug, Subcommand)]
enum What {
    #[command(flatten)]
    Event(SandboxEvent),
    Deliver(Deliver),
}

impl Command for Trigger {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let url = self.url;
        match self.what {
            What::Event(event) => block_on(event.trigger(url, start.out)),
            What::Deliver(deliver) => block_on(deliver.run(url.as_deref(), start.out)),
        }
    }
}

/// The events of a running simulator.
#[derive(Debug, Subcommand)]
enum SandboxEvent {
    /// Simulate a fault of every API call: none, latency (late responses), 429 (rate limit), 5xx (status 503), html (an
    /// error page), torn (incomplete JSON), lost-reply (the call is carried out, but no response arrives).
    Fault {
        /// The fault: none, latency, 429, 5xx, html, torn or lost-reply.
        #[arg(value_parser = fault(), hide_possible_values = true)]
        fault: Fault,
    },
    /// Move the simulator's clock forward.
    Advance {
        /// How far (90s, 1h, 25h).
        #[arg(value_parser = parse_duration, value_name = "TIME", allow_negative_numbers = true)]
        by: Duration,
    },
    /// Make the clocks of the providers run behind by this much, as the `Date` of their responses shows. Payments continue
    /// as usual. 0s makes the clocks right again.
    SetBack {
        /// How far (90s, 1h, 25h).
        #[arg(value_parser = parse_duration, value_name = "TIME", allow_negative_numbers = true)]
        by: Duration,
    },
    /// Act as the payer: pay, pay-on-chain, pay-part, overpay, cancel, fail.
    Payer {
        /// The payment id.
        #[arg(value_parser = payment_id)]
        id: PaymentId,
        /// The payer's action: pay, pay-on-chain, pay-part, overpay, cancel or fail.
        #[arg(value_parser = act(), hide_possible_values = true, value_name = "ACTION")]
        act: simulate::PayerAct,
    },
    /// Send the latest callback of a payment again.
    Callback {
        /// The payment id.
        #[arg(value_parser = payment_id)]
        id: PaymentId,
    },
    /// Change a setting of a simulated provider (kanga, kongregate: callback-fault, …; kinguin: webhook-fault,
    /// token-life, …; pledg: notice-fault, …).
    Set {
        /// The provider: kanga, kinguin, kongregate or pledg.
        provider: String,
        /// The setting. For an unknown setting, the error lists all settings.
        setting: String,
        /// The new value: 20s, 2000, delay, …
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Trigger an event at a simulated provider (kanga: callback; kinguin: sale, reservation, …; kongregate:
    /// change-inventory, order, …; pledg: purchase, pay, …).
    Event {
        /// The provider: kanga, kinguin, kongregate or pledg.
        provider: String,
        /// The event. For an unknown event, the error lists all events.
        event: String,
        /// What the event is about. Depending on the event: nothing, an id, an id and a state, or a text.
        #[arg(allow_hyphen_values = true)]
        subject: Vec<String>,
    },
}

impl SandboxEvent {
    async fn trigger(self, url: Option<String>, out: &Out) -> CommandResult {
        let url = url.ok_or_else(|| {
            usage(
                "--url is required",
                "pass the URL that `tilldeck sandbox serve` prints",
            )
        })?;
        let happened = deck::trigger(&url, &self.into()).await?;
        out.result(&json!({ "happened": happened }), &happened)?;
        Ok(Exit::Done)
    }
}

impl From<SandboxEvent> for simulate::Command {
    fn from(event: SandboxEvent) -> Self {
        match event {
            SandboxEvent::Fault { fault } => Self::SetFault(fault),
            SandboxEvent::Advance { by } => Self::Advance(by),
            SandboxEvent::SetBack { by } => Self::SetBack(by),
            SandboxEvent::Payer { id, act } => Self::Payer { payment: id, act },
            SandboxEvent::Callback { id } => Self::RepeatCallback(id),
            SandboxEvent::Set {
                provider,
                setting,
                value,
            } => Self::Set {
                provider,
                setting,
                value,
            },
            SandboxEvent::Event {
                provider,
                event,
                subject,
            } => Self::Event {
                provider,
                event,
                subject: subject.join(" "),
            },
        }
    }
}
