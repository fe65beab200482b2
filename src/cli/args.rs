//! The command line as it may be written. Names here are a contract: scripts depend on them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::output::Color;
use crate::domain::simulate::Fault;
use crate::domain::{Amount, Currency, PaymentId, PaymentState, PlayerId, simulate, time};

const EXITS: &str = "\
Exit codes:
  0  done, and every expectation held
  1  an expectation did not hold (state, amount, currency)
  2  usage or configuration
  3  credentials refused
  4  not found
  5  provider unreachable, failing or answering nonsense
  6  budget exhausted and --no-wait given
  7  --wait ran out of time
130  interrupted

Without a config file everything works on the embedded sandbox, which needs no key and no network.";

/// A terminal console for merchant accounts: credentials, payments, prices, callbacks, and every outbound request.
///
/// Without a command it opens the console.
#[derive(Debug, Default, Parser)]
#[command(name = "tilldeck", version, after_help = EXITS, max_term_width = 100)]
pub struct Arguments {
    /// Settings for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Settings for every command.
#[derive(Debug, Default, Args)]
pub struct Global {
    /// Profile of the config file ("sandbox" is built in).
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Config file, else `TILLDECK_CONFIG`, else the platform's config folder.
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// State folder, else `TILLDECK_STATE_DIR`, else the platform's.
    #[arg(long, global = true, value_name = "PATH")]
    pub state_dir: Option<PathBuf>,
    /// Account; may be left out where only one fits.
    #[arg(long, global = true, value_name = "NAME")]
    pub account: Option<String>,
    /// One JSON object a line on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// When to colour.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what became of payments (Kanga CHECK PAYMENT).
    Check(Check),
    /// Say what a sum is worth in other currencies (Kanga GET PRICE ESTIMATE).
    Estimate {
        /// Settlement currency; case matters.
        #[arg(value_parser = currency)]
        token: Currency,
        /// How much of it.
        #[arg(value_parser = amount)]
        quantity: Amount,
    },
    /// Build the URL a payer is sent to (Kanga START PAYMENT).
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
    /// Print the man page.
    Man,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The shop's ids of the payments.
    #[arg(required = true, value_parser = payment_id, value_name = "ID")]
    pub ids: Vec<PaymentId>,
    /// Exit with 1 unless the payment is in this state.
    #[arg(long, value_parser = state, value_name = "STATE")]
    pub expect: Option<PaymentState>,
    /// Exit with 1 unless the amount equals this one, by value.
    #[arg(long, value_parser = amount, requires = "currency")]
    pub amount: Option<Amount>,
    /// Exit with 1 unless the currency is this one; case matters.
    #[arg(long, value_parser = currency, requires = "amount")]
    pub currency: Option<Currency>,
    /// Ask again until the payment is in this state.
    #[arg(long, value_parser = state, value_name = "STATE")]
    pub wait: Option<PaymentState>,
    /// Give up waiting after this long (30s, 10m, 1h30m).
    #[arg(long, value_parser = duration, default_value = "10m", requires = "wait", value_name = "TIME")]
    pub timeout: Duration,
}

/// `link`.
#[derive(Debug, Args)]
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
    /// Print the URL as a QR code too.
    #[arg(long)]
    pub qr: bool,
}

/// `account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List the profile's accounts.
    List,
    /// Ask the provider whether the credentials are good, by the cheapest call that changes nothing.
    Verify {
        /// Only this account; all without it.
        name: Option<String>,
        /// Test the signature alone, with the provider's published test key (Kanga TEST).
        #[arg(long)]
        signature: bool,
    },
    /// Add an account: asks for what is not given, verifies it, and only then keeps it.
    Add(AddAccount),
    /// Replace an account's secret by a new one, once the provider has accepted that; else the old one stays.
    Rotate(RotateSecret),
    /// Take an account out of the config and forget what is kept of its secrets.
    Remove(RemoveAccount),
}

/// `account add`.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// Its name, yours to choose.
    #[arg(long)]
    pub name: Option<String>,
    /// Whose account it is: kanga, kinguin, …
    #[arg(long)]
    pub provider: Option<String>,
    /// production or sandbox.
    #[arg(long)]
    pub environment: Option<String>,
    /// What is no secret, like `api_key=…`; also `endpoints.NAME=URL`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where a secret is and stays: `KEY=env:NAME`, `KEY=file:PATH`, `KEY=command:PROGRAM ARGUMENTS…`,
    /// `KEY=keyring:NAME`. Left out, it is asked for and kept in the keyring or a file. Never the secret itself.
    #[arg(long, value_name = "KEY=SOURCE")]
    pub secret: Vec<String>,
    /// Do not ask before it is verified and kept.
    #[arg(long)]
    pub yes: bool,
    /// Keep it although the provider cannot be reached, or nothing it can be asked proves it, as with a Pledg account
    /// that has no `api_secret`; one that is refused is not kept.
    #[arg(long)]
    pub unverified: bool,
}

/// `account rotate`.
#[derive(Debug, Args)]
pub struct RotateSecret {
    /// The account.
    pub name: String,
    /// Which of its secrets; without it the one its calls are authorised with.
    #[arg(long)]
    pub key: Option<String>,
    /// Where the new secret is read from, once, instead of asking: `env:NAME`, `file:PATH`,
    /// `command:PROGRAM ARGUMENTS…`, `keyring:NAME`. Never the secret itself.
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Keep it also where nothing the provider can be asked proves it, as with Pledg's `merchant_secret` and
    /// `dashboard_password`; a secret that can be proved is proved all the same.
    #[arg(long)]
    pub unverified: bool,
}

/// `account remove`.
#[derive(Debug, Args)]
pub struct RemoveAccount {
    /// The account.
    pub name: String,
    /// Do not ask first.
    #[arg(long)]
    pub yes: bool,
}

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Say how access tokens stand, without fetching any and without their value.
    Show {
        /// Only this account's; all accounts' without it.
        name: Option<String>,
    },
    /// Fetch a new access token, whatever there is.
    Refresh {
        /// Only this account's; all accounts' without it.
        name: Option<String>,
    },
    /// Print an access token, fetching one if none is good. Whoever has it can act as the account.
    Print {
        /// Whose.
        name: String,
    },
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
        /// Where the player's token is: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…`, `keyring:NAME`, or
        /// `prompt` to be asked, as without it. Never the token itself.
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
    /// Do not ask before a call that writes.
    #[arg(long)]
    pub yes: bool,
    /// Exit with 6 instead of waiting for a slot in the rate budget.
    #[arg(long)]
    pub no_wait: bool,
}

/// `sandbox`.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Run the embedded providers until interrupted; prints their URL first.
    Serve {
        /// Where to listen; loopback only. Port 0 takes any free one.
        #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
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
        #[arg(long, value_name = "PATH")]
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
Examples:
  deliver --to http://127.0.0.1:8787/callbacks/shop kanga ORDER-1
  deliver --to http://127.0.0.1:8787/callbacks/keys --secret env:HOOK kinguin R-1 DELIVERED
  deliver --to http://127.0.0.1:8787/callbacks/later pledg ORDER-1 SCORING_KO

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

const LISTEN: &str = "\
An account's callbacks come to http://ADDR/callbacks/ACCOUNT; GET /heartbeat there tells that it is alive. A callback is
answered 200 once it is kept safe on the disk; what is to be done about it is done after that, and again after a restart.
A shop's server that fails is tried again for a day; one that answers 4xx (but 408, 425, 429) three times is given up.
Run it behind a reverse proxy with TLS, and have no other proxy write X-Forwarded-For.

With --json a delivery is one object a line, printed when it is received; how its errands end is told on standard error.
SIGTERM ends it with 0 and Ctrl-C with 130; when it cannot serve any more, it exits with 2.";

/// `listen`.
#[derive(Debug, Args)]
pub struct Listen {
    /// Where to listen, else `callbacks.bind` of the config, else 127.0.0.1:8787. Port 0 takes any free one.
    #[arg(long, value_name = "ADDR")]
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
    #[arg(long, conflicts_with = "export")]
    pub deliveries: bool,
    /// Go on printing what comes.
    #[arg(long, short)]
    pub follow: bool,
    /// Only what is newer than this (30s, 1h).
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub since: Option<Duration>,
    /// The newest so many.
    #[arg(long, default_value_t = 200, value_name = "COUNT")]
    pub limit: usize,
    /// Whole exchanges, redacted, in this format.
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
    /// Print where the config file is, or would be.
    Path,
    /// Check the config file and that every secret it names can be read.
    Check,
}

fn amount(text: &str) -> Result<Amount, String> {
    Amount::typed(text).map_err(|error| error.to_string())
}

fn currency(text: &str) -> Result<Currency, String> {
    Currency::new(text).map_err(|error| error.to_string())
}

fn payment_id(text: &str) -> Result<PaymentId, String> {
    PaymentId::new(text).map_err(|error| error.to_string())
}

fn player_id(text: &str) -> Result<PlayerId, String> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.map(PlayerId)
        .ok_or_else(|| "a player's number is a whole number, like 1480702".into())
}

fn duration(text: &str) -> Result<Duration, String> {
    time::parse_duration(text).map_err(|error| error.to_string())
}

fn state(text: &str) -> Result<PaymentState, String> {
    match PaymentState::from_word(&text.to_ascii_uppercase()) {
        PaymentState::Unknown(_) => {
            let known: Vec<&str> = PaymentState::KNOWN
                .iter()
                .map(PaymentState::as_str)
                .collect::<Vec<_>>();
            Err(format!(
                "there is no such state; the states are {}",
                known.join(", ")
            ))
        }
        state => Ok(state),
    }
}

fn fault(text: &str) -> Result<Fault, String> {
    Fault::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        format!(
            "there is no such fault; the faults are {}",
            names.join(", ")
        )
    })
}

fn act(text: &str) -> Result<simulate::PayerAct, String> {
    simulate::PayerAct::ALL
        .iter()
        .find(|(_, name)| *name == text)
        .map(|(act, _)| *act)
        .ok_or_else(|| {
            let names: Vec<&str> = simulate::PayerAct::ALL
                .iter()
                .map(|(_, name)| *name)
                .collect();
            format!("there is no such act; the acts are {}", names.join(", "))
        })
}

fn method(text: &str) -> Result<String, String> {
    let method = text.to_ascii_uppercase();
    if ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method.as_str()) {
        Ok(method)
    } else {
        Err("the methods are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".into())
    }
}

fn email(text: &str) -> Result<String, String> {
    let plausible = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if plausible
        && text.len() <= 254
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
    {
        Ok(text.to_owned())
    } else {
        Err("this is not an e-mail address, like payer@example.com".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

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
            let refusal =
                Arguments::try_parse_from(["tilldeck", "estimate", "EMT", "--", bad]).unwrap_err();
            assert_eq!(refusal.exit_code(), 2, "{bad}");
            assert!(refusal.to_string().contains("amount"), "{refusal}");
        }
        let refusal =
            Arguments::try_parse_from(["tilldeck", "check", "A", "--expect", "PAID"]).unwrap_err();
        assert!(refusal.to_string().contains("FINALIZED"), "{refusal}");
        assert!(
            Arguments::try_parse_from(["tilldeck", "check", "A", "--amount", "1"]).is_err(),
            "needs a currency"
        );
        assert!(Arguments::try_parse_from(["tilldeck", "check"]).is_err());
    }
}
