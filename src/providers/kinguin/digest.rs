//! Responses in Kinguin's terms: tables in which the buyer's price and the seller's are never mixed up. A key's text is
//! in none of them.

mod sales;

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{catalogue, wire};
use crate::domain::amount::Cents;
use crate::domain::catalogue::find;
use crate::domain::explore::NOTHING;
use crate::domain::{Column, Digest, RawCall, RawReply};
use crate::providers::redacted;
use crate::providers::table::{Cell, Read, facts, flag, table};

/// Two prices that must never be mixed up. What the buyer pays is `price` in every answer; what the seller receives is
/// `priceIWTR` in answers, but `price` in the body that makes or changes an offer. An answer's `price` must therefore never
/// be copied into an update (`docs/providers/kinguin.md#prices`).
const PRICES: &str = "In responses, `price` is what the buyer pays and `priceIWTR` (\"I want to receive\") is what you receive. In requests, `price` is what you receive.";
const KEYS: &str = "the keys are secret and not shown here";

// Columns: the row's own id, what identifies it to an operator, money and states, then the ids of what it belongs to.
const BUYER: Cell = (Column::number("buyer pays"), "/price", money);
const SELLER: Cell = (Column::number("you receive"), "/priceIWTR", money);

/// A response as a table, for the calls that are known here.
pub fn digest(call: &RawCall, reply: &RawReply) -> Option<Digest> {
    // An error body is shown as it is.
    if !(200..300).contains(&reply.status) {
        return None;
    }
    let body = reply.body.as_slice();
    // The documented pattern, so that `/offers/{offerId}` matches every offer.
    let path = find(&catalogue::CATALOGUE, &call.method, &call.path)?.path;
    let reads = call.method == "GET";
    let wholesale = "wholesale offers";
    let digest = match path {
        catalogue::MERCHANT if reads => merchant(body),
        catalogue::MERCHANT_STATUS => wire::object(body).map(|it| facts("merchant", RECORD, &it)),
        catalogue::OFFERS if reads => paged("offers", body, OFFER, PRICES).map(without_in_game),
        catalogue::OFFERS | catalogue::OFFER => {
            one("offer", body, OFFER, PRICES).map(without_in_game)
        }
        catalogue::STOCK if reads => paged("keys", body, KEY, KEYS),
        catalogue::STOCK | catalogue::STOCK_ROW => one("key", body, KEY, KEYS),
        catalogue::STOCK_LIST => listed("keys", body, KEY, KEYS),
        catalogue::RESERVATIONS | catalogue::RESERVATIONS_ARCHIVE => {
            paged("reservations", body, sales::SALE, PRICES)
        }
        catalogue::ALERTS => paged("alerts", body, sales::ALERT, ""),
        catalogue::ALERT => one("alert", body, sales::ALERT, ""),
        catalogue::STATS => sales::by_day(body),
        catalogue::POSITION => {
            wire::object(body).map(|it| facts("place in the sales booster", POSITION, &it))
        }
        // Without its two prices it is no calculation.
        catalogue::CALCULATOR => one("price calculator", body, CALCULATED, PRICES)
            .filter(|digest| digest.rows[0][1] != NOTHING && digest.rows[0][2] != NOTHING),
        catalogue::PRODUCT_SEARCH | catalogue::PRODUCT_BY_NUMBER => {
            paged("products", body, PRODUCT, "")
        }
        catalogue::MINIMAL_PRICE => one(
            "lowest allowed price (Microsoft product)",
            body,
            MINIMAL,
            PRICES,
        ),
        catalogue::WHOLESALE_PRODUCT => listed(wholesale, body, WHOLESALE, ""),
        catalogue::WHOLESALE_BEST => one("best wholesale offer", body, WHOLESALE, ""),
        catalogue::WHOLESALE => paged(wholesale, body, WHOLESALE, ""),
        catalogue::BLOCK_REASONS => listed("block reasons", body, REASON, ""),
        _ => None,
    }?;
    // Cells are the provider's text, which may repeat a secret.
    Some(redacted(digest))
}

fn paged(what: &str, body: &[u8], cells: &[Cell], note: &'static str) -> Option<Digest> {
    let page = wire::page(body)?;
    let count = page.rows.len() as u64;
    let of = page
        .total
        .map_or_else(String::new, |total| format!(" of {total}"));
    // Without a size in the response, a full page is the best guess.
    let before = page.number.saturating_mul(page.size.unwrap_or(count));
    let mut title = match count {
        0 => format!("{what}: none on page {}{of}", page.number),
        count => format!(
            "{what} {}-{}{of}",
            before.saturating_add(1),
            before.saturating_add(count)
        ),
    };
    if page.more {
        let _ = write!(title, "; next: page={}", page.number.saturating_add(1));
    }
    Some(Digest {
        title,
        note,
        has_more: page.more,
        ..table(cells, &page.rows)
    })
}

fn listed(what: &str, body: &[u8], cells: &[Cell], note: &'static str) -> Option<Digest> {
    let rows = wire::list(body)?;
    Some(Digest {
        title: format!("{what}: {}", rows.len()),
        note,
        ..table(cells, &rows)
    })
}

fn one(what: &str, body: &[u8], cells: &[Cell], note: &'static str) -> Option<Digest> {
    Some(Digest {
        title: what.to_owned(),
        note,
        ..table(cells, &[wire::object(body)?])
    })
}

/// The answer that verifies credentials always has both.
fn merchant(body: &[u8]) -> Option<Digest> {
    let merchant: wire::Merchant = serde_json::from_slice(body).ok()?;
    Some(Digest {
        title: "merchant".to_owned(),
        columns: vec![Column::word("type"), Column::word("status")],
        rows: vec![vec![merchant.kind, merchant.status]],
        ..Digest::default()
    })
}

const RECORD: &[(&str, &str, Read)] = &[
    ("number", "/id", number),
    ("name", "/name", text),
    ("type", "/type", text),
    ("status", "/status", text),
    ("tier", "/tierLevel", text),
    ("declared stock, at most", "/maxDeclaredStock", number),
    ("pre-order stock, at most", "/maxPreOrderStock", number),
    ("test account", "/testAccount", flag),
];

/// Where the sales booster puts an offer, and what another place costs.
const POSITION: &[(&str, &str, Read)] = &[
    ("place now", "/current", number),
    ("place with this bid and price", "/new", number),
    (
        "chance of the buy button now",
        "/currentBuyButtonProbability",
        digits,
    ),
    (
        "chance with this bid and price",
        "/newBuyButtonProbability",
        digits,
    ),
    ("next valid bid", "/nextValidBid", cents),
    ("lowest bid", "/tier/minBid", cents),
    ("step between bids", "/tier/step", cents),
    ("entry fee of each activation", "/tier/entryFee", cents),
];

/// The columns that only in-game offers have.
const IN_GAME: [&str; 2] = ["least", "unit price"];

/// Drops the in-game columns where no row is in-game: other offers' unit price has no meaning.
fn without_in_game(mut digest: Digest) -> Digest {
    let mut columns = digest.columns.iter();
    // Only in-game offers have a minimum quantity, so that column decides.
    let least = columns.position(|column| column.name == IN_GAME[0]);
    let Some(at) = least.filter(|at| digest.rows.iter().all(|row| row[*at] == NOTHING)) else {
        return digest;
    };
    let both = at..at + IN_GAME.len();
    digest.columns.drain(both.clone());
    for row in &mut digest.rows {
        row.drain(both.clone());
    }
    digest
}

const OFFER: &[Cell] = &[
    (Column::id("offer", "offerId"), "/id", text),
    (Column::text("name"), "/name", text),
    BUYER,
    SELLER,
    (Column::word("status"), "", offer_status),
    (Column::number("buyable"), "/buyableStock", number),
    (Column::number("sold"), "/sold", number),
    (Column::number(IN_GAME[0]), "/minQuantity", number),
    // A bare number, as public clients see it; undocumented.
    (Column::number(IN_GAME[1]), "/unitPrice", digits),
    (Column::word("blocked for"), "/block", text),
    (Column::word("updated (UTC)"), "/updatedAt", date),
];

fn offer_status(offer: &Value) -> Option<String> {
    match (text(&offer["status"]), text(&offer["block"])) {
        (Some(status), Some(_)) => Some(format!("{status}, blocked")),
        (None, Some(_)) => Some("blocked".to_owned()),
        (status, None) => status,
    }
}

const KEY: &[Cell] = &[
    (Column::id("key", "stockId"), "/id", text),
    (Column::word("status"), "/status", text),
    (Column::word("uploaded (UTC)"), "/createdAt", date),
    (Column::word("type"), "/mimeType", text),
    (
        Column::id("reservation", "reservationId"),
        "/reservationId",
        text,
    ),
];

/// The price calculator's answer has flat whole numbers.
const CALCULATED: &[Cell] = &[
    (Column::text("rule"), "/rule", text),
    (BUYER.0, BUYER.1, cents),
    (SELLER.0, SELLER.1, cents),
    (Column::number("per cent"), "/percentValue", percent),
    (Column::number("fixed"), "/fixedAmount", cents),
];

const PRODUCT: &[Cell] = &[
    (Column::id("product", "productId"), "/id", text),
    (Column::text("name"), "/name", text),
];

const MINIMAL: &[Cell] = &[(Column::id("product", "productId"), "/id", text), BUYER];

const WHOLESALE: &[Cell] = &[
    (Column::text("name"), "/name", text),
    (Column::text("seller"), "/sellerName", text),
    BUYER,
    // Documented as a string; a number means the same.
    (Column::number("buyable"), "/buyableStock", |stock| {
        text(stock).or_else(|| digits(stock))
    }),
    (Column::word("status"), "/status", text),
    (Column::word("offer"), "/offerId", text),
];

const REASON: &[Cell] = &[
    (Column::text("reason"), "/blockReason", text),
    (Column::number("offers"), "/count", number),
];

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn number(value: &Value) -> Option<String> {
    value.as_i64().map(|number| number.to_string())
}

/// A number that may have a fraction.
fn digits(value: &Value) -> Option<String> {
    value.as_number().map(ToString::to_string)
}

fn percent(value: &Value) -> Option<String> {
    digits(value).map(|percent| format!("{percent} %"))
}

/// Whole cents with their currency, which is the euro unless the provider says otherwise.
fn money(value: &Value) -> Option<String> {
    let amount = Cents(value["amount"].as_i64()?);
    match &value["currency"] {
        Value::Null => Some(amount.euros()),
        currency => Some(amount.of(currency.as_str()?)),
    }
}

fn cents(value: &Value) -> Option<String> {
    Some(Cents(value.as_i64()?).euros())
}

/// A text that is not a date is shown unchanged.
fn date(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let at = wire::instant(text);
    Some(at.map_or_else(|| text.to_owned(), |at| at.date_and_clock(&TimeZone::UTC)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "/sales-manager-api/api/v1";

    fn read(method: &str, path: &str, body: &str) -> Option<Digest> {
        let call = RawCall {
            method: method.into(),
            path: path.into(),
            body: None,
            auth: None,
        };
        let reply = RawReply {
            took: std::time::Duration::ZERO,
            status: 200,
            content_type: None,
            body: body.as_bytes().to_vec(),
        };
        digest(&call, &reply)
    }

    const ROW: &str = r#"{"id":"65a0","name":"Harbour","status":"ACTIVE","block":"ADMIN_DUPLICATE","priceIWTR":{"amount":1500,"currency":"EUR"},"price":{"amount":1660,"currency":"EUR"},"buyableStock":4,"sold":9,"updatedAt":"2024-03-29T10:01:42.177+0000","content":"KEY"}"#;

    fn cell<'a>(digest: &'a Digest, column: &str) -> &'a str {
        let at = digest
            .columns
            .iter()
            .position(|known| known.name == column)
            .unwrap();
        &digest.rows[0][at]
    }

    // docs/providers/kinguin.md#prices
    #[test]
    fn the_two_prices_stand_under_their_own_names_wherever_they_stand() {
        let page = format!(
            r#"{{"_embedded":{{"offerList":[{ROW}]}},"_links":{{"next":{{}}}},"page":{{"number":1,"size":25,"totalElements":254}}}}"#
        );
        let offers = format!("{API}/offers");
        let list = read("GET", &format!("{offers}?page=1"), &page).unwrap();
        assert_eq!(list.title, "offers 26-26 of 254; next: page=2");
        for digest in [
            list,
            read("GET", &format!("{offers}/65a0"), ROW).unwrap(),
            read("POST", &offers, ROW).unwrap(),
            read("PATCH", &format!("{offers}/65a0"), ROW).unwrap(),
            read("GET", &format!("{API}/reservations"), &format!(r#"{{"content":[{ROW}],"last":true}}"#)).unwrap(),
            read(
                "GET",
                &format!("{offers}/calculations/priceAndCommission?price=1660"),
                r#"{"rule":"Standard","priceIWTR":1500,"price":1660,"fixedAmount":10,"percentValue":10}"#,
            )
            .unwrap(),
        ] {
            assert_eq!(cell(&digest, "buyer pays"), "16.60 EUR", "{}", digest.title);
            assert_eq!(cell(&digest, "you receive"), "15.00 EUR", "{}", digest.title);
            assert!(digest.rows.iter().all(|row| row.len() == digest.columns.len()));
            assert!(!digest.note.is_empty());
        }
        let one = read("GET", &format!("{offers}/65a0"), ROW).unwrap();
        assert_eq!(cell(&one, "status"), "ACTIVE, blocked");
        assert_eq!(cell(&one, "blocked for"), "ADMIN_DUPLICATE");
        assert_eq!(cell(&one, "updated (UTC)"), "2024-03-29 10:01:42");
    }

    // docs/providers/kinguin.md#money
    #[test]
    fn a_currency_is_named_and_fractions_of_a_cent_are_no_money() {
        for (json, wanted) in [
            (
                r#"{"amount":1660,"currency":"EUR","x":1}"#,
                Some("16.60 EUR"),
            ),
            (r#"{"amount":1660}"#, Some("16.60 EUR")),
            (
                r#"{"amount":1660,"currency":"JPY"}"#,
                Some("1660 JPY, as written"),
            ),
            (r#"{"amount":1660,"currency":7}"#, None),
            (r#"{"amount":16.5}"#, None),
            (r#"{"amount":"16"}"#, None),
            (r#"{"amount":1e3}"#, None),
            ("16", None),
            ("{}", None),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(money(&value).as_deref(), wanted, "{json}");
        }
    }

    #[test]
    fn a_product_is_found_by_its_number_in_the_shop() {
        let path = "/kpc/api/v1/products/search/findByTypeAndExternalId?type=kinguin&externalId=7";
        let body =
            r#"{"_embedded":{"products":[{"id":"5c9b","name":"Harbour"}]},"_links":{"self":{}}}"#;
        let digest = read("GET", path, body).unwrap();
        assert_eq!(
            (cell(&digest, "name"), cell(&digest, "product")),
            ("Harbour", "5c9b")
        );
        let none = read("GET", path, r#"{"_embedded":{"products":[]},"_links":{}}"#).unwrap();
        assert!(none.rows.is_empty());
    }

    #[test]
    fn the_least_quantity_and_the_unit_price_are_shown_of_in_game_offers() {
        let path = format!("{API}/offers/65a0");
        let in_game = ROW.replace(
            "\"sold\":9",
            "\"sold\":9,\"minQuantity\":100,\"unitPrice\":1660",
        );
        let digest = read("GET", &path, &in_game).unwrap();
        assert_eq!(
            (cell(&digest, "least"), cell(&digest, "unit price")),
            ("100", "1660")
        );
        let other = ROW.replace(
            "\"sold\":9",
            "\"sold\":9,\"unitPrice\":1660,\"minQuantity\":null",
        );
        let digest = read("GET", &path, &other).unwrap();
        assert!(
            digest
                .columns
                .iter()
                .all(|column| !IN_GAME.contains(&column.name))
        );
        assert_eq!(digest.rows[0].len(), digest.columns.len());
        assert_eq!(cell(&digest, "offer"), "65a0");
    }

    #[test]
    fn a_place_in_the_sales_booster_is_read() {
        let body = r#"{"current":7,"new":3,"newBuyButtonProbability":0.25,"nextValidBid":30,"tier":{"entryFee":5,"step":5,"minBid":5}}"#;
        let digest = read("GET", &format!("{API}/offers/65a0/position?bid=25"), body).unwrap();
        let value = |what: &str| {
            let row = digest.rows.iter().find(|row| row[0] == what).unwrap();
            row[1].clone()
        };
        assert_eq!(value("place with this bid and price"), "3");
        assert_eq!(value("chance with this bid and price"), "0.25");
        assert_eq!(value("next valid bid"), "0.30 EUR");
        assert_eq!(value("chance of the buy button now"), NOTHING);
    }

    // docs/providers/kinguin.md#keys
    #[test]
    fn a_keys_text_is_in_no_digest() {
        let row = r#"{"id":"5700","status":"AVAILABLE","content":"PLANTED","body":"PLANTED","mimeType":"text/plain"}"#;
        let stock = format!("{API}/offers/65a0/stock");
        for digest in [
            read(
                "GET",
                &stock,
                &format!(r#"{{"content":[{row}],"metadata":{{}}}}"#),
            ),
            read("GET", &format!("{stock}/5700"), row),
            read("POST", &stock, row),
            read("POST", &format!("{stock}/list"), &format!("[{row}]")),
        ] {
            let digest = digest.unwrap();
            assert_eq!(cell(&digest, "key"), "5700");
            assert!(!format!("{digest:?}").contains("PLANTED"));
        }
    }

    #[test]
    fn invalid_replies_and_unknown_calls_have_no_digest() {
        for body in ["", "7", "<html>", r#"{"page":"#, "{\"_embedded\":{}}"] {
            assert_eq!(read("GET", &format!("{API}/offers"), body), None, "{body}");
        }
        assert_eq!(read("GET", "/no/such/path", "{}"), None);
        assert_eq!(
            read(
                "GET",
                &format!("{API}/offers/calculations/priceAndCommission"),
                r#"{"price":1.5}"#
            ),
            None
        );
        let missing = read("GET", &format!("{API}/offers/65a0"), "{}").unwrap();
        assert!(missing.rows[0].iter().all(|cell| cell == NOTHING));
    }

    #[test]
    fn no_reply_however_torn_or_huge_its_numbers_brings_a_panic() {
        let max = u64::MAX;
        let huge = format!(
            r#"{{"content":[{{"price":{{"amount":{max}}},"priceIWTR":{{"amount":-9223372036854775808}},"buyableStock":1e999,"updatedAt":"+9999999-01-01T00:00:00+0000"}}],"metadata":{{"page":{max},"size":{max},"totalElements":{max},"totalPages":0}}}}"#
        );
        let list = format!("[{ROW},{ROW}]");
        for call in &catalogue::CATALOGUE {
            for body in [huge.as_str(), list.as_str(), ROW] {
                for end in (0..body.len()).step_by(29).chain([body.len()]) {
                    let digest = read(call.method, call.path, &body[..end]);
                    let rows = digest.iter().flat_map(|digest| &digest.rows);
                    let width = digest.as_ref().map_or(0, |digest| digest.columns.len());
                    assert!(rows.into_iter().all(|row| row.len() == width));
                }
            }
        }
    }

    #[test]
    fn an_odd_value_counts_as_absent() {
        let odd =
            r#"{"content":[7,{"id":7,"price":{"amount":1.5},"sold":"many"},{"id":"b"},null]}"#;
        let digest = read("GET", &format!("{API}/offers"), odd).unwrap();
        assert_eq!(digest.rows.len(), 2);
        assert!(digest.rows[0].iter().all(|cell| cell == NOTHING));
        assert_eq!(digest.rows[1][0], "b");
    }

    #[test]
    fn an_empty_page_says_so() {
        let empty = r#"{"_links":{"self":{}},"page":{"number":3,"size":100,"totalElements":254}}"#;
        let digest = read("GET", &format!("{API}/offers?page=3"), empty).unwrap();
        assert_eq!(digest.title, "offers: none on page 3 of 254");
        assert!(digest.rows.is_empty());
    }
}
