//! Kinguin's JSON as read. Unknown fields are ignored, and a field that is missing or cannot be read counts as absent: live
//! answers differ from the API description, and one odd row must not hide the others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::{Number, Value};

use super::money::{BuyerPrice, Iwtr};
use crate::domain::WallTime;
use crate::domain::amount::Cents;

/// No answer has more rows.
const ROWS_MAX: usize = 1_000;

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// The fields that GET merchants always answers.
#[derive(Debug, Deserialize)]
pub struct Merchant {
    /// `C2C`, `MERCHANT` or `NFT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The account's status.
    pub status: String,
}

/// The merchant's full record, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MerchantRecord {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub tier_level: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub max_declared_stock: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub max_pre_order_stock: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub test_account: Option<bool>,
}

/// An offer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Offer {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub block: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub price: Option<BuyerPrice>,
    #[serde(rename = "priceIWTR", deserialize_with = "lenient")]
    pub iwtr: Option<Iwtr>,
    #[serde(deserialize_with = "lenient")]
    pub buyable_stock: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub sold: Option<i64>,
    /// The minimum quantity of an in-game product.
    #[serde(deserialize_with = "lenient")]
    pub min_quantity: Option<i64>,
    /// A bare number, as public clients see it; undocumented.
    #[serde(deserialize_with = "lenient")]
    pub unit_price: Option<Number>,
    #[serde(deserialize_with = "lenient")]
    pub updated_at: Option<String>,
}

/// A key, without its text: nothing here reads that.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Key {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub mime_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub reservation_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub created_at: Option<String>,
}

/// One sold key.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Reservation {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub order_increment_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub price: Option<BuyerPrice>,
    #[serde(rename = "priceIWTR", deserialize_with = "lenient")]
    pub iwtr: Option<Iwtr>,
    #[serde(deserialize_with = "lenient")]
    pub created_date: Option<String>,
    /// Until when it must be delivered.
    #[serde(deserialize_with = "lenient")]
    pub max_delivery_date: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub offer_id: Option<String>,
}

/// A sale that needs something done.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Alert {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub created_at: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub ignored: Option<bool>,
    /// The sale.
    #[serde(deserialize_with = "lenient")]
    pub source: Option<Reservation>,
}

/// The sales of one day.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Day {
    #[serde(deserialize_with = "lenient")]
    pub date_to_string: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub price: Option<Cents>,
    #[serde(deserialize_with = "lenient")]
    pub bid: Option<Cents>,
    #[serde(deserialize_with = "lenient")]
    pub count: Option<i64>,
}

/// An offer's place in the sales booster, now and after a change.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Position {
    #[serde(deserialize_with = "lenient")]
    pub current: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub new: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub current_buy_button_probability: Option<Number>,
    #[serde(deserialize_with = "lenient")]
    pub new_buy_button_probability: Option<Number>,
    #[serde(deserialize_with = "lenient")]
    pub next_valid_bid: Option<Cents>,
    #[serde(deserialize_with = "lenient")]
    pub tier: Option<Tier>,
}

/// What a place costs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tier {
    #[serde(deserialize_with = "lenient")]
    pub entry_fee: Option<Cents>,
    #[serde(deserialize_with = "lenient")]
    pub min_bid: Option<Cents>,
    #[serde(deserialize_with = "lenient")]
    pub step: Option<Cents>,
}

/// An answer of the price calculator: flat whole numbers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Calculated {
    /// What the buyer pays.
    pub price: Cents,
    /// What the seller receives.
    #[serde(rename = "priceIWTR")]
    pub iwtr: Cents,
    /// The name of the rule.
    #[serde(default, deserialize_with = "lenient")]
    pub rule: Option<String>,
    /// On top, in cents.
    #[serde(default, deserialize_with = "lenient")]
    pub fixed_amount: Option<Cents>,
    /// On top of what the seller receives; may have a fraction.
    #[serde(default, deserialize_with = "lenient")]
    pub percent_value: Option<Number>,
}

/// A product.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Product {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    /// Its lowest allowed price, where the call requests it.
    #[serde(deserialize_with = "lenient")]
    pub price: Option<BuyerPrice>,
}

/// A wholesale offer of any seller.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WholesaleOffer {
    #[serde(deserialize_with = "lenient")]
    pub offer_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub seller_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub price: Option<BuyerPrice>,
    /// A string as documented; a number is accepted.
    #[serde(deserialize_with = "lenient")]
    pub buyable_stock: Option<Value>,
}

/// How many offers are blocked for one reason.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BlockReason {
    #[serde(deserialize_with = "lenient")]
    pub block_reason: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub count: Option<i64>,
}

/// One page of a list, in whichever shape it came.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows on this page.
    pub rows: Vec<T>,
    /// The page number, from 0.
    pub number: u64,
    /// Rows per page.
    pub size: Option<u64>,
    /// The total number of rows.
    pub total: Option<u64>,
    /// Whether another page follows.
    pub more: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Paged {
    #[serde(rename = "_embedded", deserialize_with = "lenient")]
    embedded: Option<BTreeMap<String, Value>>,
    #[serde(rename = "_links", deserialize_with = "lenient")]
    links: Option<BTreeMap<String, Value>>,
    #[serde(deserialize_with = "lenient")]
    content: Option<Vec<Value>>,
    /// HAL.
    #[serde(deserialize_with = "lenient")]
    page: Option<Place>,
    /// As the API description has it for offers and keys.
    #[serde(deserialize_with = "lenient")]
    metadata: Option<Place>,
    #[serde(deserialize_with = "lenient")]
    last: Option<bool>,
    // The API description's shape for all other lists.
    #[serde(deserialize_with = "lenient")]
    number: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    size: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    total_elements: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    total_pages: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Place {
    #[serde(alias = "page", deserialize_with = "lenient")]
    number: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    size: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    total_elements: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    total_pages: Option<u64>,
}

/// A page in any of the three shapes: HAL (`_embedded`, absent where it is empty), `content` with `metadata`, or
/// `content` with the paging fields beside it (`docs/providers/kinguin.md#lists`). `None` where it is none of them.
pub fn page<T: DeserializeOwned>(body: &[u8]) -> Option<Page<T>> {
    let paged: Paged = serde_json::from_slice(body).ok()?;
    let is_hal = paged.embedded.is_some() || paged.links.is_some() && paged.page.is_some();
    let place = paged.page.or(paged.metadata).unwrap_or(Place {
        number: paged.number,
        size: paged.size,
        total_elements: paged.total_elements,
        total_pages: paged.total_pages,
    });
    let rows = match paged.embedded {
        // The only list; its name differs by call.
        Some(embedded) => embedded.into_values().find_map(|value| match value {
            Value::Array(rows) => Some(rows),
            _ => None,
        }),
        None if is_hal => Some(Vec::new()),
        None => paged.content,
    }?;
    let number = place.number.unwrap_or(0);
    let follows = place
        .total_pages
        .is_some_and(|pages| number.saturating_add(1) < pages);
    Some(Page {
        rows: typed(rows),
        number,
        size: place.size,
        total: place.total_elements,
        more: match (is_hal, paged.last) {
            (true, _) => paged.links.is_some_and(|links| links.contains_key("next")),
            (false, Some(last)) => !last,
            (false, None) => follows,
        },
    })
}

/// The rows of a list that is not paged.
pub fn list<T: DeserializeOwned>(body: &[u8]) -> Option<Vec<T>> {
    serde_json::from_slice(body).ok().map(typed)
}

fn typed<T: DeserializeOwned>(rows: Vec<Value>) -> Vec<T> {
    let rows = rows.into_iter().take(ROWS_MAX);
    rows.filter_map(|row| serde_json::from_value(row).ok())
        .collect()
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
            let page = page::<Offer>(json.as_bytes())?;
            let ids: Vec<_> = page
                .rows
                .into_iter()
                .map(|row| row.id.unwrap_or_default())
                .collect();
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
            assert!(page::<Offer>(none.as_bytes()).is_none(), "{none}");
        }
        let odd =
            r#"{"content":[7,{"id":7,"price":{"amount":1.5},"sold":"many"},{"id":"b"},null]}"#;
        let page = page::<Offer>(odd.as_bytes()).unwrap();
        assert_eq!(page.rows.len(), 2);
        assert!(page.rows[0].id.is_none() && page.rows[0].price.is_none());
        assert_eq!(page.rows[1].id.as_deref(), Some("b"));
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
