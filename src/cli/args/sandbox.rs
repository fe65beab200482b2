//! The arguments of `sandbox`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::values::{act, bind_any_port, duration, fault, path, payment_id, seed, speed, times};
use crate::domain::PaymentId;
use crate::domain::simulate::{self, Fault};

/// `sandbox`.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Run the built-in simulator until interrupted. Prints its URL first.
    Serve {
        /// Address to listen on; loopback only. Port 0 selects a free port.
        #[arg(long, default_value = "127.0.0.1:0", value_parser = bind_any_port, value_name = "ADDRESS")]
        bind: SocketAddr,
        /// Seed for the simulated data; the same seed gives the same data.
        #[arg(
            long,
            default_value_t = 1,
            value_parser = seed,
            value_name = "N",
            allow_negative_numbers = true
        )]
        seed: u64,
        /// Run the simulator's clock N times faster than real time.
        #[arg(long, default_value_t = 1, value_parser = speed, value_name = "N", allow_negative_numbers = true)]
        speed: u32,
        /// Send callbacks to this URL on this machine. PROVIDER=URL sets one provider's URL. A URL without a path, or
        /// one that ends in `/callbacks`, is for all providers: each sends to `/callbacks/PROVIDER` there, where
        /// `tilldeck listen` receives it. Any other URL without PROVIDER= is for Kanga. Repeat the option for more URLs.
        /// PROVIDER=URL takes precedence over a URL for all providers.
        #[arg(long, value_name = "[PROVIDER=]URL")]
        callback_url: Vec<String>,
        /// Save nonces and payments in this file, so that a restart continues with them.
        #[arg(long, value_parser = path(), value_name = "FILE")]
        keep: Option<PathBuf>,
    },
    /// Trigger events in a running simulator, or send one callback to a receiver.
    Trigger {
        /// The URL that `sandbox serve` prints. Required, except for `deliver`.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// The event.
        #[command(subcommand)]
        what: Trigger,
    },
}

/// `sandbox trigger`.
#[derive(Debug, Subcommand)]
pub enum Trigger {
    /// In a running sandbox.
    #[command(flatten)]
    Event(SandboxEvent),
    /// Send one callback in a provider's format to a receiver on this machine. It needs no running simulator, and the
    /// payment, player or purchase need not exist.
    Deliver(Deliver),
}

/// `sandbox trigger`: the events of a running sandbox.
#[derive(Debug, Subcommand)]
pub enum SandboxEvent {
    /// Simulate a fault of every API call: none, latency (late responses), 429 (rate limit), 5xx (status 503), html (an
    /// error page), torn (incomplete JSON), lost-reply (the call is carried out, but no response arrives).
    Fault {
        /// The fault: none, latency, 429, 5xx, html, torn or lost-reply.
        #[arg(value_parser = fault)]
        fault: Fault,
    },
    /// Move the simulator's clock forward.
    Advance {
        /// How far (90s, 1h, 25h).
        #[arg(value_parser = duration, value_name = "TIME", allow_negative_numbers = true)]
        by: Duration,
    },
    /// Make the clocks of the providers run behind by this much, as the `Date` of their responses shows. Payments continue
    /// as usual. 0s makes the clocks right again.
    SetBack {
        /// How far (90s, 1h, 25h).
        #[arg(value_parser = duration, value_name = "TIME", allow_negative_numbers = true)]
        by: Duration,
    },
    /// Act as the payer: pay, pay-on-chain, pay-part, overpay, cancel, fail.
    Payer {
        /// The payment id.
        #[arg(value_parser = payment_id)]
        id: PaymentId,
        /// The payer's action: pay, pay-on-chain, pay-part, overpay, cancel or fail.
        #[arg(value_parser = act, value_name = "ACTION")]
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

/// `sandbox trigger deliver`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 5 if the status of the response is not 200: the providers would send the callback again.")]
pub struct Deliver {
    /// The receiver's URL for the account; http:// on this machine only.
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// The source of the signing secret: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…` or `keyring:NAME`.
    /// Default: the simulator's own secret. Never pass the secret itself.
    #[arg(long, value_name = "SOURCE")]
    pub secret: Option<String>,
    /// Send the callback unsigned.
    #[arg(long, conflicts_with_all = ["secret", "header"])]
    pub unsigned: bool,
    /// The name of the header that carries the secret. For kinguin, where the shop chooses the name.
    #[arg(long, value_name = "HEADER")]
    pub header: Option<String>,
    /// How many times to send the same callback.
    #[arg(long, default_value_t = 1, value_parser = times, value_name = "N", allow_negative_numbers = true)]
    pub times: u32,
    /// The provider: kanga, kinguin, kongregate or pledg.
    pub provider: String,
    /// What the callback is about: a payment id, a reservation id, a player's number or a purchase reference.
    #[arg(allow_hyphen_values = true)]
    pub subject: String,
    /// The event, by the provider's name for it: kinguin `DELIVERED`, kongregate `item_order_placed`, pledg `SCORING_KO`.
    /// For an unknown event, the error lists all events.
    pub event: Option<String>,
}
