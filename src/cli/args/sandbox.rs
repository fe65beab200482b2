//! The arguments of `sandbox`.

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
    /// Run the built-in simulator until interrupted. Prints its URL first.
    Serve {
        /// Address to listen on; loopback only. Port 0 selects a free port.
        #[arg(long, default_value = "127.0.0.1:0", value_parser = bind_any_port, value_name = "ADDR")]
        bind: SocketAddr,
        /// Seed for the simulated data; the same seed gives the same data.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Run the simulator's clock this many times faster than real time.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        speed: u32,
        /// Send callbacks to this URL on this machine. PROVIDER=URL sets one provider's URL. A URL without a path, or
        /// one that ends in `/callbacks`, is for all providers: each sends to `/callbacks/PROVIDER` there, which
        /// `tilldeck listen` receives. Any other URL without PROVIDER= is Kanga's. Repeat the option for more URLs;
        /// PROVIDER=URL wins over a URL for all.
        #[arg(long, value_name = "[PROVIDER=]URL")]
        callback_url: Vec<String>,
        /// File for nonces and payments, so that a restart continues with the same data.
        #[arg(long, value_parser = path(), value_name = "PATH")]
        keep: Option<PathBuf>,
    },
    /// Trigger events in a running sandbox, or send one callback to a receiver on this machine.
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
    /// Simulate a fault on every API call: none, latency, 429, 5xx, html, torn, lost-reply.
    Fault {
        /// The fault.
        #[arg(value_parser = fault)]
        fault: Fault,
    },
    /// Move the simulator's clock forward.
    Advance {
        /// How far (90s, 1h, 25h).
        #[arg(value_parser = duration)]
        by: Duration,
    },
    /// Set the providers' clocks back, as seen in their `Date` headers. Payments continue. 0s corrects the clocks.
    SetBack {
        /// How far (90s, 1h, 25h).
        #[arg(value_parser = duration)]
        by: Duration,
    },
    /// Act as the payer: pay, pay-on-chain, pay-part, overpay, cancel, fail.
    Payer {
        /// The payment id.
        #[arg(value_parser = payment_id)]
        id: PaymentId,
        /// The payer's action.
        #[arg(value_parser = act)]
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
        /// Short name of the provider.
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
        /// Short name of the provider.
        provider: String,
        /// The event. For an unknown event, the error lists all events.
        event: String,
        /// What the event is about: an id, an id and a state, a text.
        #[arg(allow_hyphen_values = true)]
        subject: Vec<String>,
    },
    /// Send one callback directly to a receiver, in the provider's form. Its subject need not exist.
    Deliver(Deliver),
}

/// `sandbox trigger deliver`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with 5 unless the response is 200. Providers treat every other status as a failed delivery.")]
pub struct Deliver {
    /// URL of the account's callbacks; http:// and on this machine only.
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// The source of the signing secret: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…` or `keyring:NAME`.
    /// Default: the sandbox's own secret. Never pass the secret itself.
    #[arg(long, value_name = "SOURCE")]
    pub secret: Option<String>,
    /// Send the callback unsigned.
    #[arg(long, conflicts_with_all = ["secret", "header"])]
    pub unsigned: bool,
    /// The header that carries the secret, where you choose it (kinguin).
    #[arg(long, value_name = "NAME")]
    pub header: Option<String>,
    /// Send the same callback N times.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    pub times: u32,
    /// Short name of the provider.
    pub provider: String,
    /// What the callback is about: a payment id, a reservation id, a player's number or a purchase reference.
    #[arg(allow_hyphen_values = true)]
    pub subject: String,
    /// The event in the provider's word: kinguin `DELIVERED`, kongregate `item_order_placed`, pledg `SCORING_KO`.
    /// For an unknown event, the error lists all events.
    pub event: Option<String>,
}
