//! What most commands use: how they begin, print and end.

pub use clap::Args;
pub use serde_json::json;

pub use super::exit::{CommandResult, Exit, Failure, local, usage};
pub use super::output::{
    AsCsv, Cell, Format, Listing, Out, OutputError, Records, Table, Tone, csv_cell, plain,
    problem_json, toned, whole,
};
pub use super::settings::Settings;
pub(super) use super::start::commands;
pub use super::start::{
    Command, CommandContext, DeckCommand, LogStart, Start, block_on, on_threads, request_options,
};
pub use crate::config::Environ;
pub use crate::deck::Deck;
pub use crate::domain::{
    Ability, AccountId, Amount, Currency, Expected, PaymentId, Problem, ProblemKind, WallTime,
    inert,
};
