//! `sandbox`, as it may be written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::values::{act, bind_any_port, duration, fault, path, payment_id};
use crate::domain::PaymentId;
use crate::domain::simulate::{self, Fault};

/// `sandbox`.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Run the embedded providers until interrupted; prints their URL first.
    Serve {
        /// Where to listen; loopback only. Port 0 takes any free one.
        #[arg(long, default_value = "127.0.0.1:0", value_parser = bind_any_port, value_name = "ADDR")]
        bind: SocketAddr,
        /// Same seed, same world.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many times faster than real time its clock runs.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        speed: u32,
        /// Where callbacks are sent, on this machine only: PROVIDER=URL for those of one provider. Without PROVIDER=, a
        /// URL without a path, or one that ends in `/callbacks`, is a receiver of all: each provider's go to
        /// `/callbacks/PROVIDER` there, as `tilldeck listen` takes them. Any other URL alone is Kanga's.
        /// Can be given several times; what names its provider goes before what does not.
        #[arg(long, value_name = "[PROVIDER=]URL")]
        callback_url: Vec<String>,
        /// File that keeps nonces and payments, so that a restart goes on where it stopped.
        #[arg(long, value_parser = path(), value_name = "PATH")]
        keep: Option<PathBuf>,
    },
    /// Make something happen in a running sandbox, or send one callback to any receiver on this machine.
    Trigger {
        /// URL that `sandbox serve` printed; all but `deliver` need it.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// What.
        #[command(subcommand)]
        what: Trigger,
    },
}

/// `sandbox trigger`.
#[derive(Debug, Subcommand)]
pub enum Trigger {
    /// Play a fault on every API call from now on: none, latency, 429, 5xx, html, torn, lost-reply.
    Fault {
        /// Which.
        #[arg(value_parser = fault)]
        fault: Fault,
    },
    /// Move the sandbox's clock on.
    Advance {
        /// By this much (90s, 1h, 25h).
        #[arg(value_parser = duration)]
        by: Duration,
    },
    /// Set the providers' clocks back: their `Date` headers are so far behind, and states go on. 0s sets them right.
    SetBack {
        /// By this much (90s, 1h, 25h).
        #[arg(value_parser = duration)]
        by: Duration,
    },
    /// Act as the payer: pay, pay-on-chain, pay-part, overpay, cancel, fail.
    Payer {
        /// Which payment.
        #[arg(value_parser = payment_id)]
        id: PaymentId,
        /// What happens.
        #[arg(value_parser = act)]
        act: simulate::PayerAct,
    },
    /// Send a payment's latest callback once more.
    Callback {
        /// Which payment.
        #[arg(value_parser = payment_id)]
        id: PaymentId,
    },
    /// Change how a provider is played (kanga, kongregate: callback-fault, …; kinguin: webhook-fault, token-life, …; pledg: notice-fault, …).
    Set {
        /// Provider's short name.
        provider: String,
        /// Which setting; one that is not known is answered with those that are.
        setting: String,
        /// Its new value: 20s, 2000, delay, …
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Make something happen at a provider (kanga: callback; kinguin: sale, reservation, …; kongregate: change-inventory, order, …; pledg: purchase, pay, …).
    Event {
        /// Provider's short name.
        provider: String,
        /// What happens; one that is not known is answered with those that are.
        event: String,
        /// To what: an id, an id and a state, a text.
        #[arg(allow_hyphen_values = true)]
        subject: Vec<String>,
    },
    /// Send one callback straight to a receiver, as the provider would send it, about something that need not exist.
    Deliver(Deliver),
}

/// `sandbox trigger deliver`.
#[derive(Debug, Args)]
#[command(after_help = "\
It exits with 5 unless the answer is 200, which alone means to a provider that a callback was taken.")]
pub struct Deliver {
    /// The account's callback address; http:// and on this machine only.
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Where the secret is that proves it: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…`, `keyring:NAME`.
    /// Without it, the sandbox's own. Never the secret itself.
    #[arg(long, value_name = "SOURCE")]
    pub secret: Option<String>,
    /// Let nothing prove it.
    #[arg(long, conflicts_with_all = ["secret", "header"])]
    pub unsigned: bool,
    /// The header that carries the secret, where that is yours to choose (kinguin).
    #[arg(long, value_name = "NAME")]
    pub header: Option<String>,
    /// Send the very same so many times.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "COUNT")]
    pub times: u32,
    /// Provider's short name.
    pub provider: String,
    /// Of what it tells: a payment's id, a reservation's, a player's number, a purchase's reference.
    #[arg(allow_hyphen_values = true)]
    pub subject: String,
    /// What it tells, in the provider's word: kinguin `DELIVERED`, kongregate `item_order_placed`, pledg `SCORING_KO`; one that is not known is answered
    /// with those that are.
    pub event: Option<String>,
}
