//! The arguments of the command line. Names here are a contract: scripts depend on them.

mod accounts;
pub mod examples;
mod payments;
mod sandbox;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

pub use accounts::{AccountCommand, AddAccount, RemoveAccount, RotateSecret, TokenCommand};
pub use payments::{AddPayments, Check, ExpectPayment, Filters, PaymentsCommand, Source};
pub use sandbox::{Deliver, SandboxCommand, SandboxEvent, Trigger};
pub use values::Goal;
use values::{
    amount, auth_method, bind, callback_id, currency, email, limit, method, path, payment_id,
    player_id, since, timeout,
};

use super::output::Color;
use crate::domain::since::Since;
use crate::domain::{Amount, AuthMethod, Currency, PaymentId, PlayerId, Problem, ProblemKind};

/// What each exit code means, for the help and the man page.
pub const EXITS: [(&str, &str); 10] = [
    ("0", "done, and every expectation was met"),
    ("1", "an expectation was not met (state, amount, currency)"),
    ("2", "usage or configuration"),
    ("3", "credentials rejected"),
    ("4", "not found"),
    (
        "5",
        "the provider is unreachable, fails, or sends an invalid response",
    ),
    ("6", "rate limit reached with --no-wait"),
    ("7", "--wait timed out"),
    ("8", "cancelled at a prompt; nothing was changed"),
    ("130", "interrupted (Ctrl-C, SIGTERM, SIGHUP)"),
];

const WITHOUT_CONFIG: &str = "Without a config file, tilldeck uses the built-in simulator. It needs no credentials and no network.";

const LOG: &str = "A log for support is in `logs` in the state folder; `tilldeck config path` prints where. TILLDECK_LOG=debug logs more, TILLDECK_LOG=off logs nothing.";

fn exits() -> String {
    let lines = EXITS.map(|(code, meaning)| format!("{code:>3}  {meaning}\n"));
    format!("Exit codes:\n{}\n{WITHOUT_CONFIG}\n\n{LOG}", lines.concat())
}

/// A terminal console for merchant accounts: credentials, payments, prices, callbacks, and every request sent.
///
/// Run it without a command to open the console.
#[derive(Debug, Default, Parser)]
#[command(name = "tilldeck", version, after_help = exits(), max_term_width = 100)]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command; without one, the console opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The command line with examples in its help.
#[must_use]
pub fn with_examples() -> clap::Command {
    examples::add_to(commands())
}

/// The command line without examples, which is faster to build.
#[must_use]
pub fn commands() -> clap::Command {
    Arguments::command()
}

/// Options of every command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The profile of the config file to use, or `sandbox`, the built-in simulator.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Config file. Default: `TILLDECK_CONFIG`, then the platform's config folder.
    #[arg(long, global = true, value_parser = path(), value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State folder. Default: `TILLDECK_STATE_DIR`, then the platform's state folder.
    #[arg(long, global = true, value_parser = path(), value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// The account to use. Not needed if only one account fits.
    #[arg(long, global = true, value_name = "NAME")]
    pub account: Option<String>,
    /// Print one JSON object per line to stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// Send requests even if tilldeck cannot save them in the ledger (its database in the state folder). Each command
    /// then uses at most a tenth of each rate limit.
    #[arg(long, global = true)]
    pub uncoordinated: bool,
    /// Send even if the next nonce (Kanga's request number) is ahead of the provider's time. Until that time, the
    /// provider may reject other programs that use the same key.
    #[arg(long, global = true)]
    pub allow_nonce_ahead: bool,
    /// When to use colors.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check payments, one or thousands: state, amount, and whether they are paid (Kanga CHECK PAYMENT).
    #[command(after_help = payments::CHECK)]
    Check(Check),
    /// List watched payments; add, remove, change or export them.
    #[command(subcommand)]
    Payments(PaymentsCommand),
    /// Show what a payer would pay in each currency (Kanga GET PRICE ESTIMATE).
    Estimate {
        /// The settlement currency, such as EMT; case-sensitive.
        #[arg(value_name = "CURRENCY")]
        token: String,
        /// The amount in that currency.
        #[arg(value_name = "AMOUNT", allow_negative_numbers = true)]
        quantity: String,
    },
    /// Print the payment link for a payer, and save the expected amount (Kanga START PAYMENT).
    Link(Link),
    /// List and verify accounts; add and remove them, replace their secrets.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Show, renew and print access tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Verify a player and list the player's items (Kongregate).
    #[command(subcommand)]
    Player(PlayerCommand),
    /// Show how much of each rate limit is used, and when the next request may be sent.
    Budget,
    /// Send any API call with an account's credentials, within its rate limit. The response body goes to stdout, the
    /// status to stderr.
    Request(Request),
    /// Sign a purchase and print the link to the payer's page (Pledg). Sends nothing.
    PurchaseLink(PurchaseLink),
    /// Run the built-in simulator for other programs, or trigger events in it.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Show the requests that tilldeck sent, or the callbacks that it received.
    Log(Log),
    /// Receive callbacks until interrupted: verify, save, process and forward them.
    #[command(after_help = LISTEN)]
    Listen(Listen),
    /// Forward saved callbacks again, unchanged, and show the response of the shop's server.
    Replay(Replay),
    /// Create, find and check the config file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write one page per command.
    Man {
        /// Write all pages into this folder: `tilldeck.1`, `tilldeck-check.1`, …
        #[arg(long, value_parser = path(), value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// Called by the completion scripts.
    #[command(hide = true)]
    Complete {
        /// The shell.
        shell: String,
        /// The index of the word to complete.
        index: usize,
        /// The command line so far.
        #[arg(last = true)]
        words: Vec<std::ffi::OsString>,
    },
}

/// `link`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Link {
    /// The shop's unique payment id.
    #[arg(long, value_parser = payment_id)]
    pub id: PaymentId,
    /// The amount to pay.
    #[arg(long, value_parser = amount, allow_negative_numbers = true)]
    pub amount: Amount,
    /// The settlement currency; case-sensitive.
    #[arg(long, value_parser = currency)]
    pub currency: Currency,
    /// The product name that the payer sees.
    #[arg(long)]
    pub name: Option<String>,
    /// The payer's e-mail address.
    #[arg(long, value_parser = email)]
    pub email: Option<String>,
    /// The only currency the payer may pay with.
    #[arg(long, value_parser = currency, value_name = "CURRENCY")]
    pub force_currency: Option<Currency>,
    /// Add a payment token from Kanga to the link. With --email, the payer skips the e-mail verification.
    #[arg(long)]
    pub with_token: bool,
    /// Replace the saved expected amount of an open payment.
    #[arg(long)]
    pub replace_expectation: bool,
    /// Do not add the payment to the watch list.
    #[arg(long)]
    pub no_watch: bool,
    /// Also print the link as a QR code.
    #[arg(long)]
    pub qr: bool,
}

/// `player`.
#[derive(Debug, Subcommand)]
pub enum PlayerCommand {
    /// Verify a player's identity by the `game_auth_token` of the game's client.
    ///
    /// Exits with 3 if the player's number, the token and the game's key do not match.
    Auth {
        /// The player's number (Kongregate's `user_id`). Names may change; the number does not.
        #[arg(value_name = "USER_ID", value_parser = player_id, allow_negative_numbers = true)]
        player: PlayerId,
        /// The source of the player's token: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…`, `keyring:NAME`;
        /// `callback` takes it from the player's newest callback; `prompt` (the default) reads it from the terminal.
        /// Never pass the token itself.
        #[arg(long, value_name = "SOURCE")]
        token: Option<String>,
    },
    /// List a player's items, each with its number and the uses left.
    Items {
        /// The player's number (Kongregate's `user_id`).
        #[arg(value_name = "USER_ID", value_parser = player_id, allow_negative_numbers = true)]
        player: PlayerId,
    },
}

/// `request`.
#[derive(Debug, Args)]
pub struct Request {
    /// The account whose credentials are used.
    #[arg(value_name = "ACCOUNT")]
    pub account_name: String,
    /// HTTP method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
    #[arg(value_parser = method)]
    pub method: String,
    /// Path and query of the call, such as `/api/v1/offers?page=2`. tilldeck adds the host of the account.
    pub path: String,
    /// Request body: text, @FILE, or - for stdin.
    #[arg(long, value_name = "BODY", allow_hyphen_values = true)]
    pub data: Option<String>,
    /// A field of a multipart form: NAME=TEXT, or NAME=@FILE[;type=MIME] for a file. Repeat it for more fields.
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "data")]
    pub form: Vec<String>,
    /// Use this authentication instead of the documented one (Pledg): `basic` sends the dashboard's login,
    /// `bearer` the access token.
    #[arg(long, value_name = "METHOD", value_parser = auth_method(), ignore_case = true)]
    pub auth: Option<AuthMethod>,
    /// Do not ask for confirmation before a write request.
    #[arg(long)]
    pub yes: bool,
    /// Exit with 6 instead of waiting when the rate limit is reached.
    #[arg(long)]
    pub no_wait: bool,
    /// Wait at most this long for the response (90s, 2m), instead of the account's `timeout` in the config.
    #[arg(long, value_parser = timeout, value_name = "TIME", allow_negative_numbers = true)]
    pub timeout: Option<Duration>,
}

/// `purchase-link`.
#[derive(Debug, Args)]
pub struct PurchaseLink {
    /// The Pledg account whose `merchant_secret` signs the purchase.
    #[arg(value_name = "ACCOUNT")]
    pub account_name: String,
    /// The purchase as JSON, `{"data": {"merchantUid": "mer_…", "amountCents": 2000, …}}`:
    /// text, @FILE, or - for stdin.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub data: String,
    /// Also print the link as a QR code.
    #[arg(long)]
    pub qr: bool,
}

const LISTEN: &str = "\
The provider sends the callbacks of an account to http://ADDRESS/callbacks/ACCOUNT. If the provider adds a path, \
tilldeck adds it to the URL of --forward-to. To monitor the receiver, request http://ADDRESS/heartbeat: the status is \
200 while it works.

tilldeck first saves a callback on disk, then responds 200, then processes and forwards it. A restart loses nothing. \
Until the shop's server responds 2xx, tilldeck retries for a day, at growing intervals. It respects Retry-After. The \
status 410 stops the retries.

Run it behind a reverse proxy with TLS. Only that proxy may set X-Forwarded-For.

With --json, tilldeck prints each callback as one JSON object when it arrives. Messages about its processing go to \
stderr. SIGTERM exits with 0, Ctrl-C with 130. If the receiver fails permanently, tilldeck exits with 2.";

/// `listen`.
#[derive(Debug, Args)]
pub struct Listen {
    /// Address to listen on (8787, localhost:8787, `[::1]:8787`). Default: `callbacks.bind` of the config, then
    /// 127.0.0.1:8787. Port 0 selects a free port.
    #[arg(long, value_parser = bind, value_name = "ADDRESS")]
    pub bind: Option<SocketAddr>,
    /// Forward callbacks unchanged to the shop's server: http:// on this machine, https:// elsewhere. With ACCOUNT=,
    /// only the callbacks of that account.
    #[arg(long, value_name = "[ACCOUNT=]URL")]
    pub forward_to: Vec<String>,
}

/// `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Ids of callbacks, from `log --deliveries`. Rejected callbacks can be replayed, too.
    #[arg(required = true, value_name = "ID", allow_negative_numbers = true, value_parser = callback_id)]
    pub ids: Vec<i64>,
    /// The shop's server: http:// on this machine, https:// elsewhere.
    #[arg(long, value_name = "URL")]
    pub to: String,
}

/// `log`.
#[derive(Debug, Args)]
pub struct Log {
    /// Show received callbacks instead of sent requests.
    #[arg(long)]
    pub deliveries: bool,
    /// Keep printing new entries.
    #[arg(long, short)]
    pub follow: bool,
    /// Only entries newer than this: 30m, 24h, 7d, today, yesterday, 2026-11-28, "2026-11-28 14:30", 14:30.
    #[arg(long, value_parser = since, value_name = "TIME", allow_negative_numbers = true)]
    pub since: Option<Since>,
    /// Show only the newest N entries. Default: 200, or all with --export.
    #[arg(long, value_parser = limit, value_name = "N", allow_negative_numbers = true)]
    pub limit: Option<usize>,
    /// Export whole requests with responses, or whole callbacks, in this format. Secrets are redacted.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "follow")]
    pub export: Option<Export>,
}

/// Formats of `log --export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Export {
    /// HTTP Archive 1.2.
    Har,
    /// One JSON object per line.
    Ndjson,
    /// Shell commands, with placeholders for secrets.
    Curl,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Write a commented example config file. Never overwrites an existing file.
    Init,
    /// Print the path of the config file, even if there is no such file yet.
    Path,
    /// Check the config file, and check that every secret in it can be read.
    Check,
}

/// Parses the arguments of `estimate`.
///
/// # Errors
/// If they are invalid; the hint says so where the two are swapped.
pub fn sum_of(token: &str, quantity: &str) -> Result<(Currency, Amount), Problem> {
    let invalid = |message: String| {
        let swapped = amount(token).is_ok() && currency(quantity).is_ok();
        let hint = if swapped {
            format!("did you mean `estimate {quantity} {token}`?")
        } else {
            "write the settlement currency, then the amount: `estimate EMT 250`".into()
        };
        Problem::new(ProblemKind::Usage, message, hint)
    };
    let quantity = amount(quantity).map_err(invalid)?;
    Ok((currency(token).map_err(invalid)?, quantity))
}

#[cfg(test)]
mod tests;
