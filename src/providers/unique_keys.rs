//! JSON objects in which each name occurs once. RFC 8259, 4 leaves open which of two equal names counts, so that two readers
//! could see different values; such an object is rejected.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::domain::inert;

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
