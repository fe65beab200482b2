//! JSON objects in which each name occurs once. RFC 8259, 4 leaves open which of two equal names counts, so that two readers
//! could see different values; such an object is rejected.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{bad_json_reason, inert};

/// An object in which no name occurs twice, at any depth, in the order received.
///
/// # Errors
/// If the JSON is none.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    // First: it limits the depth.
    let object: UniqueKeys<Value> = serde_json::from_slice(body)?;
    check(body)?;
    Ok(object.0.into_iter().collect())
}

fn check(json: &[u8]) -> Result<(), serde_json::Error> {
    let parts: Vec<Box<RawValue>> = match json.trim_ascii_start().first() {
        Some(b'{') => {
            let object: UniqueKeys<Box<RawValue>> = serde_json::from_slice(json)?;
            object.0.into_iter().map(|(_, value)| value).collect()
        }
        Some(b'[') => serde_json::from_slice(json)?,
        _ => return Ok(()),
    };
    // The place within a part is not the place in the whole.
    let placeless = |error| serde_json::Error::custom(bad_json_reason(&error));
    let checked = |part: Box<RawValue>| check(part.get().as_bytes()).map_err(placeless);
    parts.into_iter().try_for_each(checked)
}

/// An object whose own names are unique, in the order received.
#[derive(Debug)]
pub struct UniqueKeys<V>(pub Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for UniqueKeys<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Reader<V> {
            type Value = UniqueKeys<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueKeys<V>, A::Error> {
                let mut names = HashSet::new();
                let mut object = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, V>()? {
                    if !names.insert(name.clone()) {
                        // The name is a stranger's text and goes into an error.
                        let name = inert::quoted(&name, 40);
                        return Err(A::Error::custom(format!("the key {name} occurs twice")));
                    }
                    object.push((name, value));
                }
                Ok(UniqueKeys(object))
            }
        }
        from.deserialize_map(Reader(PhantomData))
    }
}
