//! What a command is: its arguments, with what it does. `commands!` lists them.

use std::time::Duration;

use super::exit::CommandResult;
use super::interrupt::Interrupts;
use super::output::Out;
use super::settings::Settings;
use super::start::Start;
use crate::deck::Deck;
use crate::domain::{Ability, Account, Now, Problem};

/// A command: its arguments, with what it does. Most need a deck and are a [`DeckCommand`].
pub trait Command {
    /// Runs it to its end.
    fn execute(self, start: Start<'_>) -> CommandResult;
}

/// A command that works with the accounts of a profile.
pub trait DeckCommand {
    /// How long to wait for a response, where the config does not decide.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Runs it until it ends, or until a signal ends it.
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult;
}

impl<C: DeckCommand> Command for C {
    fn execute(self, start: Start<'_>) -> CommandResult {
        start.with_deck(self)
    }
}

/// What a [`DeckCommand`] works with.
#[derive(Clone, Copy)]
pub struct CommandContext<'a> {
    pub settings: &'a Settings,
    pub deck: &'a Deck,
    pub interrupts: &'a Interrupts,
    pub out: &'a Out,
}

impl CommandContext<'_> {
    /// The account of `--account`, else the only one with this ability.
    pub fn account(&self, ability: Ability) -> Result<Account, Problem> {
        self.deck.pick(self.settings.account(), Some(ability))
    }

    pub fn now(&self) -> Now {
        self.settings.clock.now()
    }
}

/// Defines an enum of commands, each by the type of its arguments. The command line accepts them, and the chosen one
/// runs. A command's help is the documentation of its type.
macro_rules! commands {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$attr:meta])* $variant:ident($command:ty),)* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, clap::Subcommand)]
        pub enum $name { $($(#[$attr])* $variant($command),)* }

        impl $crate::cli::command::Command for $name {
            fn execute(
                self,
                start: $crate::cli::start::Start<'_>,
            ) -> $crate::cli::exit::CommandResult {
                match self { $(Self::$variant(command) => command.execute(start),)* }
            }
        }
    };
}
pub(super) use commands;
