//! A provider's documented calls, from which explorer, help and simulator are made.

/// One documented call.
#[derive(Debug, PartialEq, Eq)]
pub struct Documented {
    /// HTTP method.
    pub method: &'static str,
    /// Path below the account's first API endpoint. `{name}` is filled in: `/api/v1/offers/{offerId}`.
    pub path: &'static str,
    /// What is filled into the path and appended as query, in this order.
    pub params: &'static [Param],
    /// The body to begin with, as JSON text; `None` where the call takes none.
    pub body: Option<&'static str>,
    /// Whether it changes anything.
    pub writes: bool,
    /// What it is for.
    pub about: &'static str,
}

/// One parameter of a documented call.
#[derive(Debug, PartialEq, Eq)]
pub struct Param {
    /// As in the path's braces or the query.
    pub name: &'static str,
    /// Where it goes.
    pub place: Place,
    /// Whether the call makes no sense without it.
    pub required: bool,
    /// What it is, as a noun phrase.
    pub about: &'static str,
    /// A value that works at the simulator; also shows the format.
    pub example: &'static str,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path's braces, percent-encoded.
    Path,
    /// In the query.
    Query,
}

impl Param {
    /// One in the path.
    #[must_use]
    pub const fn in_path(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self {
            name,
            place: Place::Path,
            required: true,
            about,
            example,
        }
    }

    /// One in the query that must be there.
    #[must_use]
    pub const fn needed(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self {
            name,
            place: Place::Query,
            required: true,
            about,
            example,
        }
    }

    /// One in the query that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self {
            required: false,
            ..Self::needed(name, about, example)
        }
    }
}

impl Documented {
    /// A GET, which changes nothing.
    #[must_use]
    pub const fn get(path: &'static str, params: &'static [Param], about: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            params,
            body: None,
            writes: false,
            about,
        }
    }

    /// A call that changes something.
    #[must_use]
    pub const fn write(
        method: &'static str,
        path: &'static str,
        params: &'static [Param],
        body: Option<&'static str>,
        about: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            params,
            body,
            writes: true,
            about,
        }
    }

    /// Whether this is what a call to `path` (with or without a query) does.
    #[must_use]
    pub fn covers(&self, method: &str, path: &str) -> bool {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let (mut given, mut known) = (path.split('/'), self.path.split('/'));
        self.method == method
            && loop {
                match (given.next(), known.next()) {
                    (None, None) => break true,
                    (Some(part), Some(own))
                        // An empty segment fills no parameter: `/offers/` is not `/offers/{offerId}`.
                        if own.starts_with('{') && !part.is_empty() || part == own => {}
                    _ => break false,
                }
            }
    }
}

/// What `method` at `path` is documented as. A path without braces wins over one with.
#[must_use]
pub fn find<'a>(catalogue: &'a [Documented], method: &str, path: &str) -> Option<&'a Documented> {
    let covering = || catalogue.iter().filter(|call| call.covers(method, path));
    covering()
        .find(|call| !call.path.contains('{'))
        .or_else(|| covering().next())
}

/// Whether a call writes: as documented; one that is not is taken to write unless it is a GET, HEAD or OPTIONS.
#[must_use]
pub fn writes(catalogue: &[Documented], method: &str, path: &str) -> bool {
    find(catalogue, method, path).map_or(!matches!(method, "GET" | "HEAD" | "OPTIONS"), |call| {
        call.writes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn get(path: &'static str) -> Documented {
        Documented {
            method: "GET",
            path,
            params: &[],
            body: None,
            writes: false,
            about: "",
        }
    }

    #[test]
    fn a_path_finds_its_documentation() {
        let catalogue = [get("/offers/{id}"), get("/offers/reasons"), get("/offers")];
        let found = |path| find(&catalogue, "GET", path).map(|call| call.path);
        assert_eq!(found("/offers?page=0"), Some("/offers"));
        assert_eq!(found("/offers/12"), Some("/offers/{id}"));
        assert_eq!(found("/offers/reasons"), Some("/offers/reasons"));
        assert_eq!(found("/offers/"), None);
        assert_eq!(found("/offers/12/stock"), None);
        assert_eq!(find(&catalogue, "POST", "/offers"), None);
    }
}
