//! What an operator controls at a simulated provider: its settings and events, listed, changed and triggered by name.

use std::borrow::Borrow;

use super::settings::Control;
use super::triggers::{Occasion, Scene, Trigger};
use crate::domain::inert;
use crate::domain::simulate::{Event, Setting};

/// The settings and events of a provider.
pub trait Controls {
    fn settings(&mut self) -> Vec<Setting>;

    /// Changes a setting and describes the new state.
    ///
    /// # Errors
    /// A message, if there is no such setting or the value does not fit.
    fn set(&mut self, name: &str, value: &str) -> Result<String, String>;

    fn events(&self) -> Vec<Event>;

    /// Triggers an event and describes the result.
    ///
    /// # Errors
    /// A message, if there is no such event or the subject does not fit.
    fn trigger(&mut self, occasion: &Occasion<'_>) -> Result<String, String>;
}

/// The tables of a provider, and the state that holds their values.
pub struct Tables<'a, S: 'static> {
    pub settings: &'static [Control<S>],
    pub triggers: &'static [Trigger<S>],
    pub state: &'a mut S,
}

impl<S> Controls for Tables<'_, S> {
    fn settings(&mut self) -> Vec<Setting> {
        let settings = self.settings.iter();
        settings.map(|control| control.shown(self.state)).collect()
    }

    fn set(&mut self, name: &str, value: &str) -> Result<String, String> {
        let Some(control) = self.settings.iter().find(|control| control.name == name) else {
            return Err(unknown(
                "setting",
                name,
                self.settings.iter().map(|c| c.name),
            ));
        };
        control.set(self.state, value)?;
        let now = control.shown(self.state).value;
        Ok(format!("{name} is now {now}"))
    }

    fn events(&self) -> Vec<Event> {
        self.triggers.iter().map(|trigger| trigger.event).collect()
    }

    fn trigger(&mut self, occasion: &Occasion<'_>) -> Result<String, String> {
        let name = occasion.event;
        let mut known = self.triggers.iter();
        let Some(trigger) = known.find(|trigger| trigger.event.name == name) else {
            return Err(unknown(
                "event",
                name,
                self.triggers.iter().map(|t| t.event.name),
            ));
        };
        (trigger.run)(&mut Scene {
            state: self.state,
            simulator: occasion.simulator,
            now: occasion.simulator.now(),
            subject: occasion.subject,
        })
    }
}

/// Says that there is nothing of this name, and what there is.
pub fn unknown<N: Borrow<str>>(what: &str, name: &str, known: impl Iterator<Item = N>) -> String {
    let (name, known) = (inert::quoted(name, 40), known.collect::<Vec<_>>());
    format!(
        "there is no {what} {name}; the {what}s are {}",
        known.join(", ")
    )
}
