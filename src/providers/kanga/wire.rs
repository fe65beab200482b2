//! Kanga's JSON exactly as sent; a key stands once.

use serde::Deserialize;
use serde_json::Value;

use crate::providers::once::Once;

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

/// A flat JSON object, in the order received; a key that stands twice is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Once")]
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

impl From<Once> for Flat {
    fn from(object: Once) -> Self {
        let fields = object.0.into_iter().map(|(name, value)| {
            let field = match value {
                Value::String(text) => Field::Text(text),
                Value::Number(number) => Field::Number(number.to_string()),
                Value::Null => Field::Other("null"),
                Value::Bool(_) => Field::Other("a boolean"),
                Value::Array(_) => Field::Other("an array"),
                Value::Object(_) => Field::Other("an object"),
            };
            (name, field)
        });
        Self(fields.collect())
    }
}
