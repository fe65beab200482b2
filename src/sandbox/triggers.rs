//! Events that an operator triggers at a simulated provider, as a table: name, subject, purpose, and what happens.

use super::Simulator;
use crate::domain::simulate::Event;
use crate::domain::{WallTime, inert};

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

/// The events of a table, as they are listed.
pub fn listed<S>(table: &[Trigger<S>]) -> Vec<Event> {
    table.iter().map(|trigger| trigger.event).collect()
}

/// Triggers an event of a table and describes the result.
///
/// # Errors
/// A message, if there is no such event or the subject does not fit.
pub fn run<S>(
    table: &[Trigger<S>],
    state: &mut S,
    occasion: &Occasion<'_>,
) -> Result<String, String> {
    let mut known = table.iter();
    let Some(trigger) = known.find(|trigger| trigger.event.name == occasion.event) else {
        let names: Vec<_> = table.iter().map(|trigger| trigger.event.name).collect();
        let (event, names) = (inert::quoted(occasion.event, 40), names.join(", "));
        return Err(format!("there is no event {event}; the events are {names}"));
    };
    (trigger.run)(&mut Scene {
        state,
        simulator: occasion.simulator,
        now: occasion.simulator.now(),
        subject: occasion.subject,
    })
}
