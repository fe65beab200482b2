//! Names and values: of a query, a form, or a flat JSON object.

use serde_json::{Map, Value};

use crate::domain::bad_json;
use crate::http_server::Request;

/// The fields in the order received.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The parameters of a request's query; none if it has no query.
    pub fn of_query(request: &Request) -> Self {
        Self::of_form(request.uri().query().unwrap_or_default().as_bytes()).unwrap_or_default()
    }

    /// The fields of a form; `None` if it is unreadable.
    pub fn of_form(body: &[u8]) -> Option<Self> {
        serde_urlencoded::from_bytes(body).map(Self).ok()
    }

    /// The fields of a form or of a flat JSON object. Numbers have their JSON text, as a form would have them; null is empty.
    ///
    /// # Errors
    /// A message, if it is neither.
    pub fn of_body(body: &[u8]) -> Result<Self, String> {
        if !body.trim_ascii_start().starts_with(b"{") {
            let form = Self::of_form(body);
            return form.ok_or_else(|| "the body is neither a form nor a JSON object".into());
        }
        let object: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not a JSON object: {}", bad_json(&error)))?;
        let texts = object.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            Value::Null => (name, String::new()),
            other => (name, other.to_string()),
        });
        Ok(Self(texts.collect()))
    }

    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find_map(|(known, value)| (known == name).then_some(value))
    }

    /// The first field of this name that is not empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A name that occurs more than once: two readers could take different values.
    pub fn doubled(&self) -> Option<&str> {
        let names = self.0.iter().enumerate();
        let mut doubled =
            names.filter(|(at, (name, _))| self.0[..*at].iter().any(|(n, _)| n == name));
        doubled.next().map(|(_, (name, _))| name.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
