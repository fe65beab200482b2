//! JSON objects in which each name occurs once. RFC 8259, 4 leaves open which of two equal names counts, so that two readers
//! could see different values; such an object is rejected.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::surrogates;
use crate::domain::inert;

/// An object whose own names are unique, in the order received. A number keeps its own text.
#[derive(Debug)]
pub struct UniqueKeys(pub Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = UniqueKeys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueKeys, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if object.contains_key(&name) {
                        // The name is a stranger's text and goes into an error.
                        let name = inert::quoted(&name, 40);
                        return Err(A::Error::custom(format!("the key {name} occurs twice")));
                    }
                    object.insert(name, value);
                }
                Ok(UniqueKeys(object))
            }
        }
        from.deserialize_map(Reader)
    }
}

/// The object that a message from elsewhere is. An unpaired surrogate must not cost the whole message (RFC 8259, 8.2).
///
/// # Errors
/// If it is no such object.
pub fn object(json: &[u8]) -> serde_json::Result<Map<String, Value>> {
    let parse = |json: &[u8]| serde_json::from_slice::<UniqueKeys>(json);
    let parsed = parse(json).or_else(|error| match surrogates::replaced(json) {
        Some(replaced) => parse(&replaced),
        None => Err(error),
    });
    parsed.map(|object| object.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_numbers_their_text_beside_half_a_character() {
        let read = object(br#"{"b":1.50e+3,"a":-0.010,"c":"x\ud800"}"#).unwrap();
        let shown: Vec<String> = read
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        assert_eq!(shown, ["b 1.50e+3", "a -0.010", "c \"x\u{fffd}\""]);
    }
}
