//! A provider's documented calls, from which explorer, help and simulator are made.

use super::raw_path::without_query;

/// One documented call.
#[derive(Debug, PartialEq, Eq)]
pub struct DocumentedCall {
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
    /// The rows after which it is offered, by the ids that it takes from them.
    pub follow_ups: &'static [FollowUp],
}

/// A call as the next step after a row of a table, or after a callback.
#[derive(Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// What it does, as a verb and a noun: "change the price".
    pub name: &'static str,
    /// The ids that it takes. Each is the name of a parameter, or stands in `body`.
    pub takes: &'static [&'static str],
    /// The body in place of the documented one, as JSON. In its texts, `{name}` is filled in, and `"{#name}"` becomes a whole
    /// number. A name that `takes` does not list stays empty, for the operator to type.
    pub body: Option<&'static str>,
}

/// A follow-up with the documented body, if the call has one.
pub const fn next(name: &'static str, takes: &'static [&'static str]) -> FollowUp {
    FollowUp {
        name,
        takes,
        body: None,
    }
}

/// A follow-up with a body of its own.
pub const fn write(
    name: &'static str,
    takes: &'static [&'static str],
    body: &'static str,
) -> FollowUp {
    FollowUp {
        name,
        takes,
        body: Some(body),
    }
}

/// One parameter of a documented call.
#[derive(Debug, PartialEq, Eq)]
pub struct Param {
    /// As in the path's braces or the query.
    pub name: &'static str,
    /// Where it goes.
    pub place: ParamLocation,
    /// Whether the call makes no sense without it.
    pub required: bool,
    /// What it is, as a noun phrase.
    pub about: &'static str,
    /// A value that works at the simulator; also shows the format.
    pub example: &'static str,
    /// How it pages through a list, if it does.
    pub paging: Option<Paging>,
}

/// How a parameter pages through a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// The number of the first page.
    pub first: u32,
    /// The value of another parameter with which it does; `None`: with any.
    pub only_with: Option<&'static str>,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamLocation {
    /// In the path's braces, percent-encoded.
    Path,
    /// In the query.
    Query,
}

impl Param {
    /// One in the path.
    pub const fn in_path(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self {
            place: ParamLocation::Path,
            ..Self::needed(name, about, example)
        }
    }

    /// One in the query that must be there.
    pub const fn needed(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self {
            name,
            place: ParamLocation::Query,
            required: true,
            about,
            example,
            paging: None,
        }
    }

    /// One in the query that may be left out.
    pub const fn optional(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self {
            required: false,
            ..Self::needed(name, about, example)
        }
    }

    /// One in the query that chooses the page of a list, counted from `first`.
    pub const fn page(name: &'static str, about: &'static str, first: u32) -> Self {
        let only_with = None;
        let example = if first == 0 { "0" } else { "1" };
        Self {
            paging: Some(Paging { first, only_with }),
            ..Self::optional(name, about, example)
        }
    }

    /// The same for a parameter that pages only with this value of another one.
    #[must_use]
    pub const fn only_with(self, value: &'static str) -> Self {
        let paging = match self.paging {
            Some(paging) => Some(Paging {
                only_with: Some(value),
                ..paging
            }),
            None => None,
        };
        Self { paging, ..self }
    }
}

impl DocumentedCall {
    /// A GET, which changes nothing.
    pub const fn get(path: &'static str, params: &'static [Param], about: &'static str) -> Self {
        Self {
            writes: false,
            ..Self::write("GET", path, params, None, about)
        }
    }

    /// A call that changes something.
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
            follow_ups: &[],
        }
    }

    /// A POST of this body, which changes something.
    pub const fn post(
        path: &'static str,
        params: &'static [Param],
        body: &'static str,
        about: &'static str,
    ) -> Self {
        Self::write("POST", path, params, Some(body), about)
    }

    /// The same, which changes nothing.
    #[must_use]
    pub const fn reading(self) -> Self {
        Self {
            writes: false,
            ..self
        }
    }

    /// The same, offered after rows with these ids.
    #[must_use]
    pub const fn after(self, follow_ups: &'static [FollowUp]) -> Self {
        Self { follow_ups, ..self }
    }

    /// The parameter that pages through the list, where the parameters have these values; and its place among them.
    pub fn page_param(&self, values: &[&str]) -> Option<(usize, Paging)> {
        let mut params = self.params.iter().enumerate();
        params.find_map(|(at, param)| {
            let paging = param.paging?;
            let fits = |value: &str| values.contains(&value);
            paging.only_with.is_none_or(fits).then_some((at, paging))
        })
    }

    /// Whether this is what a call to `path` (with or without a query) does.
    pub fn covers(&self, method: &str, path: &str) -> bool {
        let (mut given, mut known) = (without_query(path).split('/'), self.path.split('/'));
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
pub fn find<'a>(
    catalogue: &'a [DocumentedCall],
    method: &str,
    path: &str,
) -> Option<&'a DocumentedCall> {
    let covering = || catalogue.iter().filter(|call| call.covers(method, path));
    covering()
        .find(|call| !call.path.contains('{'))
        .or_else(|| covering().next())
}

/// Whether a call writes: as documented; one that is not is taken to write unless it is a GET, HEAD or OPTIONS.
pub fn writes(catalogue: &[DocumentedCall], method: &str, path: &str) -> bool {
    find(catalogue, method, path).map_or(!matches!(method, "GET" | "HEAD" | "OPTIONS"), |call| {
        call.writes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn get(path: &'static str) -> DocumentedCall {
        DocumentedCall {
            method: "GET",
            path,
            params: &[],
            body: None,
            writes: false,
            about: "",
            follow_ups: &[],
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
