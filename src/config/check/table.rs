//! A table of the config file, read by type. Every error names file, line and key, but shows no value: a secret may be in
//! any place. A value is shown only where it is close to a known word.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::ConfigError;
use crate::config::file::{Source, nearest};
use crate::domain::{inert, time};

pub type Entry<'t, 'a> = (&'t Spanned<Cow<'a, str>>, &'t Spanned<DeValue<'a>>);

/// The longest word shown that is near no known one.
const WORD_MAX: usize = 12;

/// The texts of a list of texts.
pub fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    let text = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
    value.as_array()?.iter().map(text).collect()
}

/// A table of the file, and its name in errors.
pub struct Table<'t, 'a> {
    pub source: &'t Source<'a>,
    pub entries: &'t DeTable<'a>,
    /// The position to report a missing key at.
    pub span: Range<usize>,
    /// " in account `shop`", or nothing for the whole file.
    pub title: String,
}

/// A value of the right type, and its position.
pub struct Found<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<'t, 'a> Table<'t, 'a> {
    /// In the order of the file.
    pub fn in_order(&self) -> Vec<Entry<'t, 'a>> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    pub fn error(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ConfigError {
        self.source.error(span, message, hint)
    }

    /// Rejects all other keys.
    pub fn only(&self, known: &[&'static str]) -> Result<(), ConfigError> {
        for (key, _) in self.in_order() {
            let written = key.get_ref().as_ref();
            // A misspelt key must not be a setting that silently does nothing.
            if known.contains(&written) {
                continue;
            }
            let shown = inert::quoted(written, 64);
            let hint = match nearest(written, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known settings here: {}", known.join(", ")),
            };
            let message = format!("unknown setting {shown}{}", self.title);
            return Err(self.error(key.span(), message, hint));
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<Entry<'t, 'a>> {
        self.entries
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == name)
    }

    pub fn wrong_type(&self, entry: Entry<'t, 'a>, wanted: &str) -> ConfigError {
        let (key, value) = entry;
        let name = inert::quoted(key.get_ref(), 64);
        let found = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::String(_) => "a string",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("{name}{} is {found}", self.title);
        self.error(key.span(), message, format!("it must be {wanted}"))
    }

    /// The value that `read` finds under this key; an error where it finds none.
    fn value<T>(
        &self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&'t DeValue<'a>) -> Option<T>,
    ) -> Result<Option<Found<T>>, ConfigError> {
        let Some(entry) = self.get(name) else {
            return Ok(None);
        };
        let span = entry.1.span();
        match read(entry.1.get_ref()) {
            Some(value) => Ok(Some(Found { value, span })),
            None => Err(self.wrong_type(entry, wanted)),
        }
    }

    pub fn string(&self, name: &str) -> Result<Option<Found<&'t str>>, ConfigError> {
        self.value(name, "a string, in quotes", DeValue::as_str)
    }

    pub fn boolean(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        let found = self.value(name, "true or false, without quotes", DeValue::as_bool)?;
        Ok(found.map_or(default, |found| found.value))
    }

    /// The texts under this key.
    pub fn list(
        &self,
        name: &str,
        wanted: &str,
    ) -> Result<Option<Found<Vec<String>>>, ConfigError> {
        self.value(name, wanted, texts)
    }

    pub fn count(&self, name: &str) -> Result<Option<u32>, ConfigError> {
        let wanted = "a whole number of at least 1";
        let Some(found) = self.value(name, wanted, DeValue::as_integer)? else {
            return Ok(None);
        };
        match u32::from_str_radix(found.value.as_str(), found.value.radix()) {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(self.error(
                found.span,
                format!("`{name}`{} is out of range", self.title),
                format!("it must be {wanted}"),
            )),
        }
    }

    /// A duration above zero, up to `longest`.
    pub fn length(&self, name: &str, longest: Duration) -> Result<Option<Duration>, ConfigError> {
        let Some(written) = self.string(name)? else {
            return Ok(None);
        };
        let length = time::parse_duration(written.value)
            .ok()
            .filter(|length| !length.is_zero() && *length <= longest);
        length.map(Some).ok_or_else(|| {
            let (title, longest) = (&self.title, time::fine(longest));
            self.error(
                written.span,
                format!("`{name}`{title} is not a duration up to {longest}"),
                "write a number and a unit, like \"60s\" or \"1m\"",
            )
        })
    }

    pub fn table(&self, name: &str, title: String) -> Result<Option<Table<'t, 'a>>, ConfigError> {
        let entry = self.get(name);
        entry.map(|entry| self.as_table(entry, title)).transpose()
    }

    /// A table that has no other keys than these.
    pub fn section(
        &self,
        name: &str,
        title: String,
        known: &[&'static str],
    ) -> Result<Option<Table<'t, 'a>>, ConfigError> {
        let section = self.table(name, title)?;
        section.as_ref().map_or(Ok(()), |found| found.only(known))?;
        Ok(section)
    }

    pub fn as_table(
        &self,
        entry: Entry<'t, 'a>,
        title: String,
    ) -> Result<Table<'t, 'a>, ConfigError> {
        match entry.1.get_ref() {
            DeValue::Table(entries) => Ok(Table {
                source: self.source,
                entries,
                span: entry.0.span(),
                title,
            }),
            _ => Err(self.wrong_type(entry, "a table")),
        }
    }

    /// The error for a word that is not known.
    pub fn unknown(&self, what: &str, found: Found<&str>, known: &[&'static str]) -> ConfigError {
        let Found { value, span } = found;
        let list = format!("known: {}", known.join(", "));
        match nearest(value, known.iter().copied()) {
            Some(near) => self.error(
                span,
                format!("unknown {what}: {}", inert::quoted(value, 40)),
                format!("did you mean `{near}`? {list}"),
            ),
            None => self.error(span, format!("unknown {what}{}", shown_word(value)), list),
        }
    }
}

/// A value, to name it in an error, if it is surely no secret that was pasted into the wrong line: a short word such as
/// `staging`.
fn shown_word(written: &str) -> String {
    let is_word = written.len() <= WORD_MAX && written.bytes().all(|b| b.is_ascii_alphabetic());
    if is_word && !written.is_empty() {
        format!(": `{written}`")
    } else {
        String::new()
    }
}
