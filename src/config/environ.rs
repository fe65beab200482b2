//! Environment variables as a value.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

/// Environment variables as a value: the process's, or a test's.
#[derive(Clone)]
pub struct Environ(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

impl Environ {
    /// The process's variables.
    pub fn process() -> Self {
        Self(Arc::new(|name| std::env::var_os(name)))
    }

    /// Only these variables.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (name.to_owned(), OsString::from(value)));
        Self(Arc::new(move |name| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        }))
    }

    /// A variable's value. An empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<OsString> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set to an empty value, which other programs and libraries do not treat as unset.
    pub fn is_set_to_nothing(&self, name: &str) -> bool {
        (self.0)(name).is_some_and(|value| value.is_empty())
    }
}

impl fmt::Debug for Environ {
    /// Variables may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environ(…)")
    }
}
