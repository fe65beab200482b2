//! Kanga's JSON exactly as sent. An object with one key twice is rejected, since two readers could see different values.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::unique_keys::UniqueKeys;

/// One value of a flat answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A string.
    Text(String),
    /// A number, by its own text.
    Number(String),
    /// Anything else, by name.
    Other(&'static str),
}

/// A flat JSON object, in the order received; a duplicate key is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "UniqueKeys<Box<RawValue>>")]
pub struct Flat(pub Vec<(String, Field)>);

impl Flat {
    /// A field by its exact name.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, field)| field)
    }
}

impl From<UniqueKeys<Box<RawValue>>> for Flat {
    fn from(object: UniqueKeys<Box<RawValue>>) -> Self {
        let fields = object.0.into_iter().map(|(name, value)| {
            let raw = value.get();
            let field = match raw.as_bytes().first() {
                Some(b'"') => match serde_json::from_slice(raw.as_bytes()) {
                    Ok(text) => Field::Text(text),
                    Err(_) => Field::Other("no text"),
                },
                // Its own text: parsing and printing could change the notation of an amount.
                Some(b'-' | b'0'..=b'9') => Field::Number(raw.to_owned()),
                Some(b't' | b'f') => Field::Other("a boolean"),
                Some(b'[') => Field::Other("an array"),
                Some(b'{') => Field::Other("an object"),
                _ => Field::Other("null"),
            };
            (name, field)
        });
        Self(fields.collect())
    }
}
