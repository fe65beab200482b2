//! Query parameters, pages, and times as this API writes them.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::domain::WallTime;
use crate::http_server::{Request, Response};

use super::error;

/// The largest page; larger requests get this size.
const SIZE_MAX: usize = 100;
const SIZE_USUAL: usize = 25;

/// The parameters of a request.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters of this request; none if it has no query.
    pub fn of(request: &Request) -> Self {
        let text = request.uri().query().unwrap_or_default();
        Self(serde_urlencoded::from_str(text).unwrap_or_default())
    }

    /// A parameter that is not empty. Filters have flat names; one adapter in the field writes `filter.` before them.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find(|(known, _)| known == name || known.strip_prefix("filter.") == Some(name))
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A whole number.
    ///
    /// # Errors
    /// The error response, if the value is invalid.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Box<Response>> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    let message =
                        format!("Failed to convert value of parameter '{name}' to a number");
                    Box::new(error(StatusCode::BAD_REQUEST, &message))
                })
            })
            .transpose()
    }

    /// An instant.
    ///
    /// # Errors
    /// The error response, if the value is invalid.
    pub fn instant(&self, name: &str) -> Result<Option<WallTime>, Box<Response>> {
        self.get(name)
            .map(|text| {
                instant(text).ok_or_else(|| {
                    let message =
                        format!("Failed to convert value of parameter '{name}' to a date");
                    Box::new(error(StatusCode::BAD_REQUEST, &message))
                })
            })
            .transpose()
    }

    /// The parameters as a query with another page.
    fn with_page(&self, page: usize, size: usize) -> String {
        let found = self
            .0
            .iter()
            .filter(|(name, _)| name != "page" && name != "size");
        let mut all: Vec<(&str, String)> = found
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        all.push(("page", page.to_string()));
        all.push(("size", size.to_string()));
        serde_urlencoded::to_string(all).unwrap_or_default()
    }
}

/// A place in a list.
pub struct Page {
    number: usize,
    size: usize,
    total: usize,
    href: String,
    next: Option<String>,
}

impl Page {
    /// The requested page and its rows of `all`. Pages count from 0.
    ///
    /// # Errors
    /// The error response, if the page or its size is invalid.
    pub fn of<T>(
        request: &Request,
        query: &Query,
        all: Vec<T>,
    ) -> Result<(Self, Vec<T>), Box<Response>> {
        let refuse = |message: &str| Box::new(error(StatusCode::BAD_REQUEST, message));
        let number = query.number("page")?.unwrap_or(0);
        let number =
            usize::try_from(number).map_err(|_| refuse("Page index must not be less than zero"))?;
        let size = match query.number("size")? {
            None => SIZE_USUAL,
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(|| refuse("Page size must not be less than one"))?
                // Cut without a word (our choice).
                .min(SIZE_MAX),
        };
        let total = all.len();
        // A page behind the end is empty, not an error.
        let from = number.saturating_mul(size).min(total);
        let rows: Vec<T> = all.into_iter().skip(from).take(size).collect();
        let host = request.headers().get(axum::http::header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        // HAL links are absolute, by the name under which the client called.
        let base = format!("http://{host}{}", request.uri().path());
        let page = Self {
            number,
            size,
            total,
            href: format!("{base}?{}", query.with_page(number, size)),
            next: (from + rows.len() < total)
                .then(|| format!("{base}?{}", query.with_page(number + 1, size))),
        };
        Ok((page, rows))
    }

    fn pages(&self) -> usize {
        self.total.div_ceil(self.size)
    }

    /// In HAL, as public clients see the live API answer: no `_embedded` where nothing is on the page, no `next` on the
    /// last one.
    pub fn hal(&self, name: &str, rows: Vec<Value>) -> Map<String, Value> {
        let mut body = Map::new();
        if !rows.is_empty() {
            body.insert("_embedded".into(), json!({ name: Value::from(rows) }));
        }
        let mut links = json!({ "self": { "href": self.href } });
        if let Some(next) = &self.next {
            links["next"] = json!({ "href": next });
        }
        body.insert("_links".into(), links);
        body.insert(
            "page".into(),
            json!({
                "size": self.size,
                "totalElements": self.total,
                "totalPages": self.pages(),
                "number": self.number,
            }),
        );
        body
    }

    /// The shape that the API description has for offers and keys.
    pub fn listed(&self, rows: Vec<Value>) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("content".into(), rows.into());
        body.insert(
            "metadata".into(),
            json!({
                "page": self.number,
                "size": self.size,
                "totalElements": self.total,
                "totalPages": self.pages(),
            }),
        );
        body
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
