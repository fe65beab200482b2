//! Kanga's JSON exactly as sent. Strict where money is concerned: an amount is a string, a key stands once.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

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

/// Kanga's largest answer has a key for each currency; far more make no sense, and cost time.
const FIELDS_MAX: usize = 1_000;

/// A flat JSON object, in the order received; a key that stands twice is refused, since readers differ
/// in which of the two they believe.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Flat;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
                let mut fields: Vec<(String, Field)> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if fields.len() == FIELDS_MAX {
                        return Err(de::Error::custom(format!(
                            "it has more than {FIELDS_MAX} keys"
                        )));
                    }
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(de::Error::custom(format!(
                            "the key {} stands twice",
                            crate::domain::inert::quoted(&name, 40)
                        )));
                    }
                    let field = match map.next_value::<serde_json::Value>()? {
                        serde_json::Value::String(text) => Field::Text(text),
                        serde_json::Value::Number(number) => Field::Number(number.to_string()),
                        serde_json::Value::Null => Field::Other("null"),
                        serde_json::Value::Bool(_) => Field::Other("a boolean"),
                        serde_json::Value::Array(_) => Field::Other("an array"),
                        serde_json::Value::Object(_) => Field::Other("an object"),
                    };
                    fields.push((name, field));
                }
                Ok(Flat(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
