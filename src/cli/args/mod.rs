//! The command line as it may be written. Names here are a contract: scripts depend on them.

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
pub use sandbox::{Deliver, SandboxCommand, Trigger};
pub use values::Goal;
use values::{
    amount, auth_method, bind, currency, email, method, path, payment_id, player_id, since, timeout,
};

use super::output::Color;
use crate::domain::since::Since;
use crate::domain::{Amount, AuthMethod, Currency, PaymentId, PlayerId, Problem, ProblemKind};

/// What each exit code means.
pub const EXITS: [(&str, &str); 10] = [
    ("0", "done, and every expectation held"),
    ("1", "an expectation did not hold (state, amount, currency)"),
    ("2", "usage or configuration"),
    ("3", "credentials refused"),
    ("4", "not found"),
    (
        "5",
        "provider unreachable, failing, or it sent an invalid response",
    ),
    ("6", "budget exhausted and --no-wait given"),
    ("7", "--wait ran out of time"),
    ("8", "a question was answered with no; nothing was done"),
    ("130", "interrupted (Ctrl-C, SIGTERM, SIGHUP)"),
];

const WITHOUT_CONFIG: &str = "Without a config file everything works on the embedded sandbox, which needs no key and no network.";

const LOG: &str = "A log for support is in the folder logs of the state folder; `tilldeck config path` says where. TILLDECK_LOG=debug writes more, off nothing.";

fn exits() -> String {
    let lines = EXITS.map(|(code, meaning)| format!("{code:>3}  {meaning}\n"));
    format!("Exit codes:\n{}\n{WITHOUT_CONFIG}\n\n{LOG}", lines.concat())
}

/// A terminal console for merchant accounts: credentials, payments, prices, callbacks, and every outbound request.
///
/// Without a command it opens the console.
#[derive(Debug, Default, Parser)]
#[command(name = "tilldeck", version, after_help = exits(), max_term_width = 100)]
pub struct Arguments {
    /// Settings for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The command line with its examples.
#[must_use]
pub fn with_examples() -> clap::Command {
    examples::add_to(commands())
}

/// The command line.
#[must_use]
pub fn commands() -> clap::Command {
    Arguments::command()
}

/// Settings for every command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Profile of the config file ("sandbox" is built in).
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Config file, else `TILLDECK_CONFIG`, else the platform's config folder.
    #[arg(long, global = true, value_parser = path(), value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// State folder, else `TILLDECK_STATE_DIR`, else the platform's.
    #[arg(long, global = true, value_parser = path(), value_name = "PATH")]
    pub state_dir: Option<PathBuf>,
    /// Account; may be left out where only one fits.
    #[arg(long, global = true, value_name = "NAME")]
    pub account: Option<String>,
    /// One JSON object a line on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Send requests although the ledger cannot be written: each command within a tenth of each rate limit by itself.
    #[arg(long, global = true)]
    pub uncoordinated: bool,
    /// Send nonces that are ahead of the provider's time.
    #[arg(long, global = true)]
    pub allow_nonce_ahead: bool,
    /// When to colour.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check payments, one or thousands: state, amount, and whether they are paid (Kanga CHECK PAYMENT).
    #[command(after_help = payments::CHECK)]
    Check(Check),
    /// List watched payments, and add, remove, change or export them without the console.
    #[command(subcommand)]
    Payments(PaymentsCommand),
    /// Show what a payer would pay in each currency (Kanga GET PRICE ESTIMATE).
    Estimate {
        /// Settlement currency; case matters.
        token: String,
        /// How much of it.
        quantity: String,
    },
    /// Build the payment URL for a payer, and save the expected amount (Kanga START PAYMENT).
    Link(Link),
    /// Show and verify credentials; add accounts, replace their secrets, remove them.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Show, renew and print access tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Ask who a player is and what they own (Kongregate).
    #[command(subcommand)]
    Player(PlayerCommand),
    /// Say how much of each rate limit is used, when the next slot frees, and whether someone else spends.
    Budget,
    /// Send any call through the gate, authorised; body to stdout, status line to stderr.
    Request(Request),
    /// Sign a purchase and print the link to the page where the payer makes it (Pledg). Nothing is sent.
    PurchaseLink(PurchaseLink),
    /// Run the embedded providers for other programs, or make something happen in them.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Show the outbound requests that the ledger has kept, or the callbacks.
    Log(Log),
    /// Receive callbacks until interrupted: verify, keep, act, hand on. Prints its URL first, then each delivery.
    #[command(after_help = LISTEN)]
    Listen(Listen),
    /// Hand kept callbacks on once more, as they came, and say what the shop's server answered.
    Replay(Replay),
    /// The config file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write a page for each command.
    Man {
        /// Write all pages into this folder: `tilldeck.1`, `tilldeck-check.1`, …
        #[arg(long, value_parser = path(), value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// What the completion scripts call.
    #[command(hide = true)]
    Complete {
        /// For which shell.
        shell: String,
        /// Which of the words is to be completed.
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
    /// The shop's unique id of the payment.
    #[arg(long, value_parser = payment_id)]
    pub id: PaymentId,
    /// What is to be paid.
    #[arg(long, value_parser = amount)]
    pub amount: Amount,
    /// Settlement currency; case matters.
    #[arg(long, value_parser = currency)]
    pub currency: Currency,
    /// What the payer reads.
    #[arg(long)]
    pub name: Option<String>,
    /// The payer's e-mail address.
    #[arg(long, value_parser = email)]
    pub email: Option<String>,
    /// The only currency the payer may pay in.
    #[arg(long, value_parser = currency)]
    pub force_currency: Option<Currency>,
    /// Ask Kanga for a payment token and put it in; with --email it spares the payer the verification.
    #[arg(long)]
    pub with_token: bool,
    /// Change the expected amount of an open payment that an earlier link or command saved.
    #[arg(long)]
    pub replace_expectation: bool,
    /// Do not add the payment to the watch list.
    #[arg(long)]
    pub no_watch: bool,
    /// Print the URL as a QR code too.
    #[arg(long)]
    pub qr: bool,
}

/// `player`.
#[derive(Debug, Subcommand)]
pub enum PlayerCommand {
    /// Ask whether a player is who they claim to be, by the `game_auth_token` that the game's client was given.
    ///
    /// Exits with 3 if number, token and the game's key do not belong together.
    Auth {
        /// The player's number; a name may change, the number does not.
        #[arg(value_name = "USER_ID", value_parser = player_id)]
        player: PlayerId,
        /// Where the player's token is: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…`, `keyring:NAME`,
        /// `callback` for the one that the newest callback about the player brought, or `prompt` to be asked, as
        /// without it. Never the token itself.
        #[arg(long, value_name = "SOURCE")]
        token: Option<String>,
    },
    /// List what a player owns: each item's own number, and how often it can still be used.
    Items {
        /// The player's number.
        #[arg(value_name = "USER_ID", value_parser = player_id)]
        player: PlayerId,
    },
}

/// `request`.
#[derive(Debug, Args)]
pub struct Request {
    /// Account.
    #[arg(value_name = "ACCOUNT")]
    pub of: String,
    /// HTTP method.
    #[arg(value_parser = method)]
    pub method: String,
    /// Path with its query, from the root of the account's first API endpoint.
    pub path: String,
    /// Body: text, @FILE, or - for standard input.
    #[arg(long, value_name = "BODY", allow_hyphen_values = true)]
    pub data: Option<String>,
    /// A field of a multipart form: NAME=TEXT, or NAME=@FILE[;type=MIME] for a file. Can be given several times.
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "data")]
    pub form: Vec<String>,
    /// Authorise by this method instead of the documented one (Pledg): `basic` sends the dashboard's login, `bearer` the
    /// access token.
    #[arg(long, value_name = "METHOD", value_parser = auth_method(), ignore_case = true)]
    pub auth: Option<AuthMethod>,
    /// Do not ask before a call that writes.
    #[arg(long)]
    pub yes: bool,
    /// Exit with 6 instead of waiting for a slot in the rate budget.
    #[arg(long)]
    pub no_wait: bool,
    /// Wait for the answer for this long (90s, 2m) instead of the account's `timeout`.
    #[arg(long, value_parser = timeout, value_name = "TIME")]
    pub timeout: Option<Duration>,
}

/// `purchase-link`.
#[derive(Debug, Args)]
pub struct PurchaseLink {
    /// Account.
    #[arg(value_name = "ACCOUNT")]
    pub of: String,
    /// The purchase as JSON, `{"data": {"merchantUid": "mer_…", "amountCents": 2000, …}}`: text, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub data: String,
    /// Print the link as a QR code too.
    #[arg(long)]
    pub qr: bool,
}

const LISTEN: &str = "\
An account's callbacks come to http://ADDR/callbacks/ACCOUNT, or to a path below that, which is forwarded, too;
GET /heartbeat there tells that it is alive. A callback is answered 200 once it is kept safe on the disk; what is to be
done about it is done after that, and again after a restart. A shop's server that answers anything but 2xx, or nothing,
is tried again for a day, ever less often; Retry-After is respected, and 410 ends it.
Run it behind a reverse proxy with TLS, and have no other proxy write X-Forwarded-For.

With --json a delivery is one object a line, printed when it is received; how its errands end is told on standard error.
SIGTERM ends it with 0 and Ctrl-C with 130; when it cannot serve any more, it exits with 2.";

/// `listen`.
#[derive(Debug, Args)]
pub struct Listen {
    /// Where to listen (8787, localhost:8787, `[::1]:8787`), else `callbacks.bind` of the config, else 127.0.0.1:8787.
    /// Port 0 takes any free one.
    #[arg(long, value_parser = bind, value_name = "ADDR")]
    pub bind: Option<SocketAddr>,
    /// Hand callbacks on, byte for byte, to the shop's own server: http:// on this machine, https:// elsewhere. With a
    /// name only that account's.
    #[arg(long, value_name = "[ACCOUNT=]URL")]
    pub forward_to: Vec<String>,
}

/// `replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Numbers of callbacks, as `log --deliveries` lists them; refused ones, too.
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<i64>,
    /// Where to: http:// on this machine, https:// elsewhere.
    #[arg(long, value_name = "URL")]
    pub to: String,
}

/// `log`.
#[derive(Debug, Args)]
pub struct Log {
    /// The callbacks that were received instead of the requests that were sent.
    #[arg(long)]
    pub deliveries: bool,
    /// Go on printing what comes.
    #[arg(long, short)]
    pub follow: bool,
    /// Only what is newer: 30m, 24h, 7d, today, yesterday, 2026-11-28, "2026-11-28 14:30", 14:30.
    #[arg(long, value_parser = since, value_name = "TIME")]
    pub since: Option<Since>,
    /// The newest so many, else 200; of an export, else all.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Whole requests with their responses, or whole callbacks, redacted, in this format.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "follow")]
    pub export: Option<Export>,
}

/// Formats of `log --export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Export {
    /// HTTP Archive 1.2.
    Har,
    /// One JSON object a line.
    Ndjson,
    /// Shell commands, with placeholders for secrets.
    Curl,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Write a commented example where the config file belongs; never over an existing one.
    Init,
    /// Print where the config file is, or would be; and where the log for support is.
    Path,
    /// Check the config file and that every secret it names can be read.
    Check,
}

/// The sum that `estimate` is given.
///
/// # Errors
/// If it is none; says so where the two were swapped.
pub fn sum_of(token: &str, quantity: &str) -> Result<(Currency, Amount), Problem> {
    let refused = |message: String| {
        let swapped = amount(token).is_ok() && currency(quantity).is_ok();
        let hint = if swapped {
            format!("did you mean `estimate {quantity} {token}`?")
        } else {
            "write the settlement currency, then how much of it: `estimate EMT 250`".into()
        };
        Problem::new(ProblemKind::Usage, message, hint)
    };
    let quantity = amount(quantity).map_err(refused)?;
    Ok((currency(token).map_err(refused)?, quantity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_arguments_are_the_defaults() {
        let parsed = Arguments::try_parse_from(["tilldeck"]).unwrap();
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Arguments::default()));
    }

    #[test]
    fn bad_values_are_refused_with_reasons() {
        for bad in ["1e5", "-1", "1,5", "", &"9".repeat(60)] {
            let refusal = sum_of("EMT", bad).unwrap_err();
            assert!(refusal.message.contains("amount"), "{refusal}");
        }
        let refusal =
            Arguments::try_parse_from(["tilldeck", "check", "A", "--expect", "PAYED"]).unwrap_err();
        assert_eq!(refusal.exit_code(), 2);
        for known in ["FINALIZED", "PAID"] {
            assert!(refusal.to_string().contains(known), "{refusal}");
        }
        assert!(
            Arguments::try_parse_from(["tilldeck", "check", "A", "--amount", "1"]).is_err(),
            "needs a currency"
        );
        assert!(Arguments::try_parse_from(["tilldeck", "check"]).is_err());
        assert!(Arguments::try_parse_from(["tilldeck", "check", "A", "--from", "b.csv"]).is_err());
    }

    #[test]
    fn a_sum_in_the_wrong_order_is_recognised() {
        let refusal = sum_of("250", "EMT").unwrap_err();
        assert_eq!(refusal.hint, "did you mean `estimate EMT 250`?");
        assert!(sum_of("EMT", "250").is_ok());
    }
}
