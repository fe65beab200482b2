//! Events that an operator triggers at a simulated provider, as a table: name, subject, purpose, and what happens.

use super::Simulator;
use crate::domain::WallTime;
use crate::domain::simulate::Event;

/// One event of a provider whose state is an `S`.
pub struct Trigger<S> {
    pub event: Event,
    /// Makes it happen and describes the result.
    pub run: Run<S>,
}

/// Makes an event happen and describes the result, or says why it cannot.
pub type Run<S> = fn(&mut Scene<'_, S>) -> Result<String, String>;

impl<S> Trigger<S> {
    /// An event: its name, its subject (empty where it needs none), its purpose, and what happens.
    pub const fn new(
        name: &'static str,
        subject: &'static str,
        about: &'static str,
        run: Run<S>,
    ) -> Self {
        let event = Event {
            name,
            subject,
            about,
        };
        Self { event, run }
    }
}

/// What an event changes and by what.
pub struct Scene<'a, S> {
    pub state: &'a mut S,
    /// Seed, start and callback URLs.
    pub simulator: &'a Simulator,
    pub now: WallTime,
    pub subject: &'a str,
}

impl<'a, S> Scene<'a, S> {
    pub fn word(&self, at: usize) -> Option<&'a str> {
        self.subject.split_whitespace().nth(at)
    }
}

/// One event, as an operator orders it.
pub struct Occasion<'a> {
    pub event: &'a str,
    pub subject: &'a str,
    /// Seed, start and callback URLs.
    pub simulator: &'a Simulator,
}
