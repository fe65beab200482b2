//! Kinguin's JSON as read: pages in their shapes, dates, refusals. Unknown fields are ignored, and a field that is missing or
//! cannot be read counts as absent: live answers differ from the API description.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::WallTime;
use crate::domain::unique_keys::UniqueKeys;

/// No answer has more rows.
const ROWS_MAX: usize = 1_000;

/// The fields that GET merchants always answers.
#[derive(Debug, Deserialize)]
pub struct Merchant {
    /// `C2C`, `MERCHANT` or `NFT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The account's status.
    pub status: String,
}

/// One page of a list, in whichever shape it came.
#[derive(Debug)]
pub struct Page {
    /// The rows on this page.
    pub rows: Vec<Value>,
    /// The page number, from 0.
    pub number: u64,
    /// Rows per page.
    pub size: Option<u64>,
    /// The total number of rows.
    pub total: Option<u64>,
    /// Whether another page follows.
    pub more: bool,
}

/// A page in any of the three shapes: HAL (`_embedded`, absent where it is empty), `content` with `metadata`, or
/// `content` with the paging fields beside it (`docs/providers/kinguin.md#lists`). `None` where it is none of them.
pub fn page(body: &[u8]) -> Option<Page> {
    let paged = object(body)?;
    let (embedded, links) = (paged["_embedded"].as_object(), paged["_links"].as_object());
    let is_hal = embedded.is_some() || links.is_some() && paged["page"].is_object();
    let rows = match embedded {
        // The only list; its name differs by call.
        Some(embedded) => {
            let lists = embedded.iter().filter(|(_, value)| value.is_array());
            lists.min_by_key(|(name, _)| *name)?.1.as_array()?
        }
        None if is_hal => &Vec::new(),
        None => paged["content"].as_array()?,
    };
    let mut places = [&paged["page"], &paged["metadata"]].into_iter();
    let place = places.find(|place| place.is_object());
    let count = |name: &str| place.unwrap_or(&paged)[name].as_u64();
    let page = || place.and_then(|place| place["page"].as_u64());
    let number = count("number").or_else(page).unwrap_or(0);
    let follows = count("totalPages").is_some_and(|pages| number.saturating_add(1) < pages);
    Some(Page {
        rows: objects(rows),
        number,
        size: count("size"),
        total: count("totalElements"),
        more: match (is_hal, paged["last"].as_bool()) {
            (true, _) => links.is_some_and(|links| links.contains_key("next")),
            (false, Some(last)) => !last,
            (false, None) => follows,
        },
    })
}

/// An object; `None` if a name occurs twice in it, since either could be meant.
pub fn object(body: &[u8]) -> Option<Value> {
    let UniqueKeys(fields) = serde_json::from_slice(body).ok()?;
    Some(Value::Object(fields.into_iter().collect()))
}

/// The rows of a list that is not paged.
pub fn list(body: &[u8]) -> Option<Vec<Value>> {
    let rows: Vec<Value> = serde_json::from_slice(body).ok()?;
    Some(objects(&rows))
}

fn objects(rows: &[Value]) -> Vec<Value> {
    let rows = rows.iter().take(ROWS_MAX);
    rows.filter(|row| row.is_object()).cloned().collect()
}

/// An instant as Kinguin writes it: ISO 8601 with no colon in the offset (`+0000`), which RFC 3339 parsers refuse. One with
/// a colon is read too (`docs/providers/kinguin.md#times`).
pub fn instant(text: &str) -> Option<WallTime> {
    let at: Option<Timestamp> = text.parse().ok();
    at.or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
        .map(|at| WallTime(at.as_millisecond()))
}

/// An error body. The seller API documents none; public clients read these names (`docs/providers/kinguin.md#failures`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: Value,
    detail: Value,
    error_description: Value,
    error: Value,
}

/// The provider's own error message; `None` where the body has none that can be read.
pub fn error_message(body: &[u8]) -> Option<String> {
    // Refusals are short; a longer body is not worth parsing for a message.
    if body.len() > 64 * 1024 {
        return None;
    }
    let text = |value: &Value| match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Array(all) => {
            let texts: Vec<_> = all.iter().filter_map(Value::as_str).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        _ => None,
    };
    match serde_json::from_slice(body).ok()? {
        // Some validation errors are a list of strings.
        list @ Value::Array(_) => text(&list),
        other => {
            let refusal: Refusal = serde_json::from_value(other).ok()?;
            [
                &refusal.message,
                &refusal.detail,
                &refusal.error_description,
                &refusal.error,
            ]
            .into_iter()
            .find_map(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // docs/providers/kinguin.md#lists
    #[test]
    fn a_page_is_read_in_each_of_its_shapes() {
        let read = |json: &str| {
            let page = page(json.as_bytes())?;
            let ids = page.rows.iter().map(|row| row["id"].as_str().unwrap());
            let ids: Vec<_> = ids.collect();
            Some((ids.join(","), page.number, page.size, page.total, page.more))
        };
        let hal = r#"{"_embedded":{"offerList":[{"id":"a"},{"id":"b","x":1}]},"_links":{"self":{},"next":{"href":"h"}},"page":{"size":2,"totalElements":3,"totalPages":2,"number":0},"summary":{}}"#;
        assert_eq!(read(hal), Some(("a,b".into(), 0, Some(2), Some(3), true)));
        let last = r#"{"_embedded":{"offerList":[{"id":"c"}]},"_links":{"self":{}},"page":{"size":2,"totalElements":3,"number":1}}"#;
        assert_eq!(read(last), Some(("c".into(), 1, Some(2), Some(3), false)));
        let empty = r#"{"_links":{"self":{}},"page":{"size":2,"totalElements":0,"number":0}}"#;
        assert_eq!(
            read(empty),
            Some((String::new(), 0, Some(2), Some(0), false))
        );
        let spec = r#"{"content":[{"id":"a"}],"metadata":{"page":1,"size":1,"totalElements":3,"totalPages":3}}"#;
        assert_eq!(read(spec), Some(("a".into(), 1, Some(1), Some(3), true)));
        let spring = r#"{"content":[{"id":"a"}],"number":2,"size":1,"totalElements":3,"totalPages":3,"last":true,"pageable":{}}"#;
        assert_eq!(read(spring), Some(("a".into(), 2, Some(1), Some(3), false)));
    }

    #[test]
    fn an_invalid_body_is_no_page_and_an_odd_row_does_not_hide_the_others() {
        for none in [
            "",
            "[]",
            "{}",
            "null",
            "7",
            "<html>",
            r#"{"content":7}"#,
            r#"{"_embedded":[]}"#,
        ] {
            assert!(page(none.as_bytes()).is_none(), "{none}");
        }
        let odd =
            r#"{"content":[7,{"id":7,"price":{"amount":1.5},"sold":"many"},{"id":"b"},null]}"#;
        let page = page(odd.as_bytes()).unwrap();
        assert_eq!(page.rows.len(), 2);
        assert_eq!(page.rows[0]["id"], 7);
        assert_eq!(page.rows[1]["id"], "b");
    }

    // docs/providers/kinguin.md#times
    #[test]
    fn dates_need_no_colon_in_their_offset() {
        for text in [
            "2024-03-29T10:01:42.177+0000",
            "2024-03-29T12:01:42.177+02:00",
            "2024-03-29T10:01:42.177Z",
        ] {
            assert_eq!(instant(text), Some(WallTime(1_711_706_502_177)), "{text}");
        }
        assert_eq!(instant("2024-03-29"), None);
    }

    // docs/providers/kinguin.md#failures
    #[test]
    fn an_error_message_is_read_from_any_of_the_known_fields() {
        let message = |json: &str| error_message(json.as_bytes());
        assert_eq!(
            message(r#"{"error":"invalid_client","error_description":"no"}"#).as_deref(),
            Some("no")
        );
        assert_eq!(
            message(r#"{"kind":"Authorization","detail":"Invalid"}"#).as_deref(),
            Some("Invalid")
        );
        assert_eq!(
            message(r#"{"message":["a","b"],"error":"Bad Request"}"#).as_deref(),
            Some("a; b")
        );
        assert_eq!(message(r#"["too cheap"]"#).as_deref(), Some("too cheap"));
        assert_eq!(
            message(r#"{"message":"","error":"Conflict"}"#).as_deref(),
            Some("Conflict")
        );
        for none in ["", "<html>", "{}", r#"{"message":7}"#, "[]"] {
            assert_eq!(message(none), None, "{none}");
        }
    }
}
