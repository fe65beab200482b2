//! Settings of a simulated provider as a table: name, allowed values, purpose, and the field that holds the value.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::domain::simulate::Setting;
use crate::domain::{inert, time};

/// A value that is one of several words.
pub trait Choice {
    /// The word of the current value.
    fn word(&self) -> &'static str;
    /// Changes the value; nothing changes where no value has this word.
    fn choose(&mut self, word: &str);
}

/// An enum whose values have words, the first being the default.
macro_rules! choices {
    ($(#[$about:meta])* $vis:vis enum $name:ident {
        $first:ident = $first_word:literal $(, $(#[$one:meta])* $value:ident = $word:literal)* $(,)?
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
        $vis enum $name { #[default] $first $(, $(#[$one])* $value)* }

        impl $name {
            /// The words of all values.
            $vis const WORDS: &'static [&'static str] = &[$first_word $(, $word)*];
        }

        impl $crate::sandbox::settings::Choice for $name {
            fn word(&self) -> &'static str {
                match self { Self::$first => $first_word $(, Self::$value => $word)* }
            }

            fn choose(&mut self, word: &str) {
                // Only a word of `WORDS` arrives here: the setting refuses others before.
                match word { $first_word => *self = Self::$first, $($word => *self = Self::$value,)* _ => {} }
            }
        }
    };
}
pub(crate) use choices;

pub const OFF_ON: &[&str] = &["off", "on"];

/// One setting of a provider whose state is an `S`.
pub struct Control<S> {
    pub name: &'static str,
    choices: &'static [&'static str],
    about: &'static str,
    field: Field<S>,
}

/// The field of a setting, and what fits into it.
pub enum Field<S> {
    /// Off and on, in the first two of the setting's words.
    Switch(fn(&mut S) -> &mut bool),
    /// One of the setting's words.
    Choice(fn(&mut S) -> &mut dyn Choice),
    /// One of the setting's words, kept as text.
    Word(fn(&mut S) -> &mut String),
    /// A number in this range; the setting's words are examples.
    Number(fn(&mut S) -> &mut usize, RangeInclusive<usize>),
    /// A time in whole seconds, from a second to a day; the words are examples.
    Life(fn(&mut S) -> &mut Duration),
    /// A time from a millisecond to a minute; the words are examples.
    Wait(fn(&mut S) -> &mut Duration),
    /// Any text that passes the check; the words are examples.
    Text(fn(&mut S) -> &mut String, fn(&str) -> Result<(), String>),
}

const LIFE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);

impl<S> Control<S> {
    /// A setting with its words, or examples of its values.
    pub const fn new(
        name: &'static str,
        choices: &'static [&'static str],
        field: Field<S>,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            choices,
            about,
            field,
        }
    }

    pub fn shown(&self, state: &mut S) -> Setting {
        let value = match &self.field {
            Field::Switch(field) => self.choices[usize::from(*field(state))].to_owned(),
            Field::Choice(field) => field(state).word().to_owned(),
            Field::Word(field) | Field::Text(field, _) => field(state).clone(),
            Field::Number(field, _) => field(state).to_string(),
            Field::Life(field) => format!("{}s", field(state).as_secs()),
            Field::Wait(field) => format!("{}ms", field(state).as_millis()),
        };
        Setting::new(self.name, value, self.choices, self.about)
    }

    /// Changes the value.
    ///
    /// # Errors
    /// A message, if the value does not fit.
    pub fn set(&self, state: &mut S, value: &str) -> Result<(), String> {
        let is_listed = self.choices.contains(&value);
        match &self.field {
            Field::Switch(_) | Field::Choice(_) | Field::Word(_) if !is_listed => {
                let (choices, value) = (self.choices.join(", "), inert::quoted(value, 40));
                return Err(format!("{} is one of {choices}, not {value}", self.name));
            }
            Field::Switch(field) => *field(state) = value == self.choices[1],
            Field::Choice(field) => field(state).choose(value),
            Field::Word(field) => value.clone_into(field(state)),
            Field::Text(field, check) => {
                check(value)?;
                value.clone_into(field(state));
            }
            Field::Number(field, range) => {
                let number = value.parse().ok().filter(|number| range.contains(number));
                *field(state) = number.ok_or_else(|| {
                    let (least, most) = (range.start(), range.end());
                    format!("enter a whole number from {least} to {most}")
                })?;
            }
            // Whole seconds: `expires_in` has no fraction (RFC 6749, 5.1).
            Field::Life(field) => {
                *field(state) = Duration::from_secs(span(value, &LIFE)?.as_secs());
            }
            Field::Wait(field) => *field(state) = span(value, &WAIT)?,
        }
        Ok(())
    }
}

fn span(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let span = time::parse_duration(text).map_err(|error| error.to_string())?;
    if range.contains(&span) {
        return Ok(span);
    }
    let (least, most) = (time::fine(*range.start()), time::fine(*range.end()));
    Err(format!("enter a time from {least} to {most}"))
}
