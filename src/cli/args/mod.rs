//! The command line: its commands, and the options of all of them. Names here are a contract: scripts depend on them.

pub mod examples;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser};

use super::account::Account;
use super::budget::Budget;
use super::check::Check;
use super::command::commands;
use super::complete::{Complete, Completions};
use super::config::Config;
use super::estimate::Estimate;
use super::link::Link;
use super::listen::Listen;
use super::log::Log;
use super::man::Man;
use super::output::Color;
use super::payments::Payments;
use super::player::Player;
use super::purchase_link::PurchaseLink;
use super::replay::Replay;
use super::request::Request;
use super::sandbox::Sandbox;
use super::token::Token;
use super::values::path;

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
    pub command: Option<Commands>,
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

commands! {
    /// The commands.
    pub enum Commands {
        Check(Check),
        #[command(subcommand)]
        Payments(Payments),
        Estimate(Estimate),
        Link(Link),
        #[command(subcommand)]
        Account(Account),
        #[command(subcommand)]
        Token(Token),
        #[command(subcommand)]
        Player(Player),
        Budget(Budget),
        Request(Request),
        PurchaseLink(PurchaseLink),
        #[command(subcommand)]
        Sandbox(Sandbox),
        Log(Log),
        Listen(Listen),
        Replay(Replay),
        #[command(subcommand)]
        Config(Config),
        Completions(Completions),
        Man(Man),
        Complete(Complete),
    }
}

#[cfg(test)]
mod tests;
