//! Query parameters, pages, and times as this API writes them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::WallTime;
use crate::http_server::Request;
use crate::sandbox::fields::Fields;
use crate::sandbox::reply;
use crate::sandbox::route::Answer;

use super::bad;

/// The largest page; larger requests get this size.
const SIZE_MAX: usize = 100;
const SIZE_USUAL: usize = 25;

pub struct Query(Fields);

impl Query {
    pub fn of(request: &Request) -> Self {
        Self(Fields::of_query(request))
    }

    /// A parameter that is not empty. Filters have flat names; one adapter in the field writes `filter.` before them.
    pub fn get(&self, name: &str) -> Option<&str> {
        let is = |known: &str| known == name || known.strip_prefix("filter.") == Some(name);
        let value = self.0.iter().find(|(known, _)| is(known));
        value
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }

    /// Whether the filter of this name lets a value pass; without a filter any value passes.
    pub fn is(&self, name: &str, value: impl AsRef<str>) -> bool {
        self.get(name).is_none_or(|wanted| wanted == value.as_ref())
    }

    fn read<T>(&self, name: &str, kind: &str, read: fn(&str) -> Option<T>) -> Answer<Option<T>> {
        let invalid = || {
            bad(&format!(
                "Failed to convert value of parameter '{name}' to a {kind}"
            ))
        };
        let value = self.get(name);
        value.map(|text| read(text).ok_or_else(invalid)).transpose()
    }

    pub fn number(&self, name: &str) -> Answer<Option<i64>> {
        self.read(name, "number", |text| text.parse().ok())
    }

    /// The filter of two instants: `createdAtFrom` and `createdAtTo`.
    pub fn range(&self, name: &str) -> Answer<Range> {
        Ok(Range {
            from: self.read(&format!("{name}From"), "date", instant)?,
            to: self.read(&format!("{name}To"), "date", instant)?,
        })
    }

    /// The parameters as a query with another page.
    fn with_page(&self, page: usize, size: usize) -> String {
        let others = self
            .0
            .iter()
            .filter(|(name, _)| !["page", "size"].contains(name));
        let mut all: Vec<(&str, String)> = others
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        all.extend([("page", page.to_string()), ("size", size.to_string())]);
        serde_urlencoded::to_string(all).unwrap_or_default()
    }
}

pub struct Range {
    from: Option<WallTime>,
    to: Option<WallTime>,
}

impl Range {
    /// Whether it lets an instant pass; one that is missing passes only where there is no filter.
    pub fn has(&self, at: Option<WallTime>) -> bool {
        self.from.is_none_or(|from| at.is_some_and(|at| at >= from))
            && self.to.is_none_or(|to| at.is_some_and(|at| at <= to))
    }
}

pub struct Page {
    number: usize,
    size: usize,
    total: usize,
    href: String,
    next: Option<String>,
}

impl Page {
    /// The requested page and its rows of `all`. Pages count from 0.
    pub fn of<T>(request: &Request, all: Vec<T>) -> Answer<(Self, Vec<T>)> {
        let query = Query::of(request);
        let number = query.number("page")?.unwrap_or(0);
        let number =
            usize::try_from(number).map_err(|_| bad("Page index must not be less than zero"))?;
        let size = match query.number("size")? {
            None => SIZE_USUAL,
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(|| bad("Page size must not be less than one"))?
                // Cut without a word (our choice).
                .min(SIZE_MAX),
        };
        let total = all.len();
        // A page behind the end is empty, not an error.
        let from = number.saturating_mul(size).min(total);
        let rows: Vec<T> = all.into_iter().skip(from).take(size).collect();
        // HAL links are absolute, by the name under which the client called.
        let host = reply::host(request.headers());
        let href = |number| {
            let query = query.with_page(number, size);
            format!("http://{host}{}?{query}", request.uri().path())
        };
        let page = Self {
            number,
            size,
            total,
            href: href(number),
            next: (from + rows.len() < total).then(|| href(number + 1)),
        };
        Ok((page, rows))
    }

    fn pages(&self) -> usize {
        self.total.div_ceil(self.size)
    }

    /// In HAL, as public clients see the live API answer: no `_embedded` where nothing is on the page, no `next` on the
    /// last one.
    pub fn hal(&self, name: &str, rows: Vec<Value>) -> Value {
        let mut body = json!({});
        if !rows.is_empty() {
            body["_embedded"] = json!({ name: Value::from(rows) });
        }
        body["_links"] = json!({ "self": { "href": self.href } });
        if let Some(next) = &self.next {
            body["_links"]["next"] = json!({ "href": next });
        }
        body["page"] = self.counts("number");
        body
    }

    /// The shape that the API description has for offers and keys.
    pub fn listed(&self, rows: Vec<Value>) -> Value {
        json!({ "content": Value::from(rows), "metadata": self.counts("page") })
    }

    fn counts(&self, number: &str) -> Value {
        json!({
            number: self.number,
            "size": self.size,
            "totalElements": self.total,
            "totalPages": self.pages(),
        })
    }

    /// The shape that the API description has for all other lists.
    pub fn spring(&self, rows: Vec<Value>) -> Value {
        json!({
            "content": Value::from(rows),
            "pageable": { "pageNumber": self.number, "pageSize": self.size, "paged": true, "unpaged": false },
            "totalPages": self.pages(),
            "totalElements": self.total,
            "last": self.next.is_none(),
            "size": self.size,
            "number": self.number,
            "sort": { "sorted": false, "unsorted": true, "empty": true },
        })
    }
}
/// An instant as this API writes it: ISO 8601 with no colon in the offset (`docs/providers/kinguin.md#times`).
pub fn date(at: WallTime) -> String {
    at.rfc3339().replace('Z', "+0000")
}

/// An instant with or without a colon in its offset. A plus that was not percent-encoded arrives as a space.
pub fn instant(text: &str) -> Option<WallTime> {
    let text = text.replace(' ', "+");
    let at: Option<Timestamp> = text.parse().ok();
    at.or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", &text).ok())
        .map(|at| WallTime(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // docs/providers/kinguin.md#times
    #[test]
    fn dates_have_no_colon_in_their_offset() {
        assert_eq!(
            date(WallTime(1_711_706_502_177)),
            "2024-03-29T10:01:42.177+0000"
        );
        for text in [
            "2024-03-29T10:01:42.177+0000",
            "2024-03-29T10:01:42.177 0000",
            "2024-03-29T11:01:42.177+01:00",
            "2024-03-29T10:01:42.177Z",
        ] {
            assert_eq!(instant(text), Some(WallTime(1_711_706_502_177)), "{text}");
        }
        assert_eq!(instant("soon"), None);
    }
}
