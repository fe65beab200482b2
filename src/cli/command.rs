//! A command that works with the accounts of a profile, and what it works with.

use std::time::Duration;

use super::exit::CommandResult;
use super::interrupt::Interrupts;
use super::output::Out;
use super::settings::Settings;
use crate::deck::Deck;
use crate::domain::{Ability, Account, Now, Problem, RequestId};
use crate::net::RequestOptions;

pub trait DeckCommand {
    /// How long to wait for a response, where the config does not decide.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Runs it until it ends, or until a signal ends it.
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult;
}

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

pub fn request_options(no_wait: bool) -> RequestOptions {
    RequestOptions {
        request: RequestId(0),
        background: false,
        no_wait,
    }
}
