//! The command line: its commands. Names here are a contract: scripts depend on them.

pub mod examples;

use clap::{CommandFactory as _, Parser};

use super::complete::{Complete, Completions};
use super::exit::EXITS;
use super::global::Global;
use super::start::commands;
use super::{
    account, budget, check, config, doctor, estimate, keys, ledger, link, listen, log, man, open,
    payments, player, replay, request, sandbox, stock, token,
};
use crate::tui::Detail;

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
    #[command(flatten)]
    pub global: Global,
    /// Open the console without the panes, filters and selection of the last run, also with `open`.
    #[arg(long)]
    pub no_restore: bool,
    /// Print one line for each event in place of the screen: for screen readers, logs and scripts. It reads no keys.
    /// With `all`, also checks that find nothing new, and every request. Chosen by itself where TERM is dumb, unknown or empty. With
    /// `--json`, one object a line.
    #[arg(long, value_enum, value_name = "LINES", num_args = 0..=1, require_equals = true, default_missing_value = "changes")]
    pub plain: Option<Detail>,
    /// The command; without one, the console opens.
    #[command(subcommand)]
    pub command: Option<Commands>,
}

/// The command line with examples in its help.
pub fn with_examples() -> clap::Command {
    examples::add_to(commands())
}

/// The command line without examples, which is faster to build.
pub fn commands() -> clap::Command {
    Arguments::command()
}

commands! {
    /// The commands.
    pub enum Commands {
        Check(check::Check),
        #[command(subcommand)]
        Payments(payments::Payments),
        Estimate(estimate::Estimate),
        Link(link::Link),
        #[command(subcommand)]
        Account(account::Account),
        #[command(subcommand)]
        Token(token::Token),
        #[command(subcommand)]
        Player(player::Player),
        #[command(subcommand)]
        Stock(stock::Stock),
        Budget(budget::Budget),
        Request(request::Request),
        PurchaseLink(link::PurchaseLink),
        #[command(subcommand)]
        Sandbox(sandbox::Sandbox),
        Log(log::Log),
        Listen(listen::Listen),
        Replay(replay::Replay),
        #[command(subcommand)]
        Ledger(ledger::LedgerCommand),
        Doctor(doctor::Doctor),
        #[command(subcommand)]
        Config(config::Config),
        #[command(subcommand)]
        Open(open::Open),
        Keys(keys::Keys),
        Completions(Completions),
        Man(man::Man),
        Complete(Complete),
    }
}

#[cfg(test)]
mod tests;
