//! The command line: its commands. Names here are a contract: scripts depend on them.

pub mod examples;

use clap::{CommandFactory as _, Parser};

use super::account::Account;
use super::budget::Budget;
use super::check::Check;
use super::complete::{Complete, Completions};
use super::config::Config;
use super::doctor::Doctor;
use super::estimate::Estimate;
use super::exit::EXITS;
use super::global::Global;
use super::keys::Keys;
use super::ledger::LedgerCommand;
use super::link::Link;
use super::listen::Listen;
use super::log::Log;
use super::man::Man;
use super::open::Open;
use super::payments::Payments;
use super::plain::Lines;
use super::player::Player;
use super::purchase_link::PurchaseLink;
use super::replay::Replay;
use super::request::Request;
use super::sandbox::Sandbox;
use super::start::commands;
use super::stock::Stock;
use super::token::Token;

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
    /// Open the console without the panes, filters and selection of the last run.
    #[arg(long)]
    pub no_restore: bool,
    /// Print one line for each event in place of the screen: for screen readers, logs and scripts. It reads no keys.
    /// With `all`, also checks that find nothing new, and every request. Chosen by itself where TERM is `dumb`.
    #[arg(long, value_enum, value_name = "LINES", num_args = 0..=1, require_equals = true, default_missing_value = "changes")]
    pub plain: Option<Lines>,
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
        #[command(subcommand)]
        Stock(Stock),
        Budget(Budget),
        Request(Request),
        PurchaseLink(PurchaseLink),
        #[command(subcommand)]
        Sandbox(Sandbox),
        Log(Log),
        Listen(Listen),
        Replay(Replay),
        #[command(subcommand)]
        Ledger(LedgerCommand),
        Doctor(Doctor),
        #[command(subcommand)]
        Config(Config),
        #[command(subcommand)]
        Open(Open),
        Keys(Keys),
        Completions(Completions),
        Man(Man),
        Complete(Complete),
    }
}

#[cfg(test)]
mod tests;
