//! What an operator controls at a simulated provider: its settings and events, in one table that [`controls`] declares,
//! and listed, changed and triggered by name.

use std::borrow::Borrow;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Simulator;
use crate::domain::simulate::{Event, Setting};
use crate::domain::{WallTime, inert, time};

/// The description of what a command did, or of why it could not.
pub type Done = Result<String, String>;

/// Declares what an operator controls at a provider: the struct that holds the settings, in the field `rules` of the
/// provider, and the events. A setting has its name, its field with type and default, its words or examples of its values,
/// and its purpose. An event has its name, its subject (empty where it needs none), its purpose, and what happens.
macro_rules! controls {
    (
        $Provider:ident:
        $(#[$meta:meta])*
        settings $Rules:ident {
            $($(#[$attr:meta])* $setting:literal $field:ident: $Kind:ty = $default:expr, $words:expr, $purpose:literal;)*
        }
        events {
            $($event:literal ($subject:expr) $about:literal => $run:expr;)*
        }
    ) => {
        $(#[$meta])*
        pub struct $Rules {
            $($(#[$attr])* #[doc = $purpose] pub $field: $Kind,)*
        }

        impl Default for $Rules {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::sandbox::controls::Controlled for $Provider {
            const SETTINGS: &'static [$crate::sandbox::controls::Control<Self>] =
                &[$($crate::sandbox::controls::Control {
                    name: $setting,
                    words: &$words,
                    about: $purpose,
                    field: |provider| &mut provider.rules.$field,
                }),*];
            const EVENTS: &'static [(
                $crate::domain::simulate::Event,
                $crate::sandbox::controls::Run<Self>,
            )] = &[$((
                $crate::domain::simulate::Event { name: $event, subject: $subject, about: $about },
                $run,
            )),*];
        }
    };
}
pub(crate) use controls;

/// A provider with its table.
pub trait Controlled: Sized + 'static {
    const SETTINGS: &'static [Control<Self>];
    const EVENTS: &'static [(Event, Run<Self>)];
}

/// One setting of a provider.
pub struct Control<S> {
    pub name: &'static str,
    /// Its words, or examples of its values.
    pub words: &'static [&'static str],
    pub about: &'static str,
    pub field: fn(&mut S) -> &mut dyn Value,
}

/// Makes an event happen and describes the result, or says why it cannot.
pub type Run<S> = fn(&mut Scene<'_, S>) -> Done;

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

/// The value of a setting, as an operator reads and types it.
pub trait Value {
    fn shown(&self, words: &[&str]) -> String;

    /// Changes it; `false` if it is not one of the words.
    ///
    /// # Errors
    /// A message, if it does not fit otherwise.
    fn set(&mut self, text: &str, words: &[&str]) -> Result<bool, String>;
}

/// Off and on, in the first two of the setting's words.
impl Value for bool {
    fn shown(&self, words: &[&str]) -> String {
        words[usize::from(*self)].to_owned()
    }

    fn set(&mut self, text: &str, words: &[&str]) -> Result<bool, String> {
        let place = words.iter().position(|word| *word == text);
        if let Some(at) = place {
            *self = at == 1;
        }
        Ok(place.is_some())
    }
}

pub const OFF_ON: [&str; 2] = ["off", "on"];

/// An enum whose values are the words of a setting, the first being the default.
macro_rules! choices {
    ($(#[$meta:meta])* pub enum $name:ident { $first:ident = $word:literal, $($others:tt)* }) => {
        $crate::domain::words::words! {
            #[derive(Default, serde::Serialize, serde::Deserialize)]
            $(#[$meta])*
            pub enum $name { #[default] $first = $word, $($others)* }
        }

        impl $crate::sandbox::controls::Value for $name {
            fn shown(&self, _: &[&str]) -> String {
                self.as_str().to_owned()
            }

            fn set(&mut self, text: &str, _: &[&str]) -> Result<bool, String> {
                let value = Self::from_word(text);
                if let Some(value) = value {
                    *self = value;
                }
                Ok(value.is_some())
            }
        }
    };
}
pub(crate) use choices;

/// A limit of calls.
impl Value for usize {
    fn shown(&self, _: &[&str]) -> String {
        self.to_string()
    }

    fn set(&mut self, text: &str, _: &[&str]) -> Result<bool, String> {
        const LIMITS: RangeInclusive<usize> = 3..=100_000;
        let limit = text.parse().ok().filter(|limit| LIMITS.contains(limit));
        let (least, most) = (LIMITS.start(), LIMITS.end());
        *self = limit.ok_or_else(|| format!("enter a whole number from {least} to {most}"))?;
        Ok(true)
    }
}

/// A lifetime in whole seconds: `expires_in` has no fraction (RFC 6749, 5.1).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Life(pub Duration);

impl Value for Life {
    fn shown(&self, _: &[&str]) -> String {
        format!("{}s", self.0.as_secs())
    }

    fn set(&mut self, text: &str, _: &[&str]) -> Result<bool, String> {
        let life = span(text, Duration::from_secs(1)..=Duration::from_hours(24))?;
        self.0 = Duration::from_secs(life.as_secs());
        Ok(true)
    }
}

/// A time to wait for an answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Wait(pub Duration);

impl Value for Wait {
    fn shown(&self, _: &[&str]) -> String {
        format!("{}ms", self.0.as_millis())
    }

    fn set(&mut self, text: &str, _: &[&str]) -> Result<bool, String> {
        self.0 = span(text, Duration::from_millis(1)..=Duration::from_mins(1))?;
        Ok(true)
    }
}

fn span(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let span = time::parse_duration(text).map_err(|error| error.to_string())?;
    if range.contains(&span) {
        return Ok(span);
    }
    let (least, most) = (time::fine(*range.start()), time::fine(*range.end()));
    Err(format!("enter a time from {least} to {most}"))
}

/// The settings and events of any provider.
pub trait Controls {
    fn settings(&mut self) -> Vec<Setting>;

    /// Changes a setting and describes the new state.
    ///
    /// # Errors
    /// A message, if there is no such setting or the value does not fit.
    fn set(&mut self, name: &str, value: &str) -> Done;

    fn events(&self) -> Vec<Event>;

    /// Triggers an event and describes the result.
    ///
    /// # Errors
    /// A message, if there is no such event or the subject does not fit.
    fn trigger(&mut self, event: &str, subject: &str, simulator: &Simulator) -> Done;
}

impl<S: Controlled> Controls for S {
    fn settings(&mut self) -> Vec<Setting> {
        let shown = S::SETTINGS.iter().map(|control| {
            let value = (control.field)(self).shown(control.words);
            Setting::new(control.name, value, control.words, control.about)
        });
        shown.collect()
    }

    fn set(&mut self, name: &str, value: &str) -> Done {
        let Some(control) = S::SETTINGS.iter().find(|control| control.name == name) else {
            let known = S::SETTINGS.iter().map(|control| control.name);
            return Err(unknown("setting", name, known));
        };
        let field = (control.field)(self);
        if !field.set(value, control.words)? {
            let (words, value) = (control.words.join(", "), inert::quoted(value, 40));
            return Err(format!("{name} is one of {words}, not {value}"));
        }
        Ok(format!("{name} is now {}", field.shown(control.words)))
    }

    fn events(&self) -> Vec<Event> {
        S::EVENTS.iter().map(|(event, _)| *event).collect()
    }

    fn trigger(&mut self, event: &str, subject: &str, simulator: &Simulator) -> Done {
        let Some((_, run)) = S::EVENTS.iter().find(|(known, _)| known.name == event) else {
            let known = S::EVENTS.iter().map(|(known, _)| known.name);
            return Err(unknown("event", event, known));
        };
        run(&mut Scene {
            state: self,
            simulator,
            now: simulator.now(),
            subject,
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
