//! JSON objects whose names stand in them once: of a name that stands twice, readers differ in which of the two they
//! believe.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::domain::inert;

/// An object each of whose own names stands in it once, in the order received.
#[derive(Debug)]
pub struct Once(pub Map<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Once;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if object.contains_key(&name) {
                        let name = inert::quoted(&name, 40);
                        return Err(A::Error::custom(format!("the key {name} stands twice")));
                    }
                    object.insert(name, value);
                }
                Ok(Once(object))
            }
        }
        from.deserialize_map(Reader)
    }
}
