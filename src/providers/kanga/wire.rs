//! Kanga's JSON: flat objects, whose numbers keep their own text, but `E` becomes `e`: another notation would be another
//! amount to look at.

use serde_json::{Map, Value};

/// An answer, in the order received.
pub type Answer = Map<String, Value>;

/// A number's own text; `None` for any other value.
pub fn number(value: Option<&Value>) -> Option<&str> {
    Some(value?.as_number()?.as_str())
}

/// What a value is, in words.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
