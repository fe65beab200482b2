//! `payments`: the watch list without the console.
use super::args::PaymentsCommand;
use super::output::{Out, OutputError};
use super::{Context, Exit};
use crate::deck::Deck;
pub async fn run(_command: &PaymentsCommand, _context: &Context, _deck: &Deck, _out: &Out) -> Result<Exit, OutputError> { Ok(Exit::Done) }
