//! Responses in Kinguin's terms: tables in which the buyer's price and the seller's are never mixed up. A key's text is
//! in none of them.

mod sales;

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::Number;

use super::money::{BuyerPrice, Iwtr, Money};
use super::{catalogue, wire};
use crate::domain::amount::Cents;
use crate::domain::catalogue::find;
use crate::domain::explore::NOTHING;
use crate::domain::{Column, Digest, RawCall, RawReply};
use crate::providers::redacted;

const PRICES: &str = "In responses, `price` is what the buyer pays and `priceIWTR` (\"I want to receive\") is what you receive. In requests, `price` is what you receive.";
const KEYS: &str = "the keys are secret and not shown here";

// Columns: the row's own id, what identifies it to an operator, money and states, then the ids of what it belongs to.
const BUYER: Column = Column::number("buyer pays");
const SELLER: Column = Column::number("you receive");

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
    let digest = match path {
        catalogue::MERCHANT if reads => merchant(body),
        catalogue::MERCHANT_STATUS => merchant_record(body),
        catalogue::OFFERS if reads => {
            paged("offers", body, OFFER_COLUMNS, offer, PRICES).map(without_in_game)
        }
        catalogue::OFFERS | catalogue::OFFER => {
            one("offer", body, OFFER_COLUMNS, offer, PRICES).map(without_in_game)
        }
        catalogue::STOCK if reads => paged("keys", body, KEY_COLUMNS, key, KEYS),
        catalogue::STOCK | catalogue::STOCK_ROW => one("key", body, KEY_COLUMNS, key, KEYS),
        catalogue::STOCK_LIST => listed("keys", body, KEY_COLUMNS, key, KEYS),
        catalogue::RESERVATIONS | catalogue::RESERVATIONS_ARCHIVE => paged(
            "reservations",
            body,
            sales::SALE_COLUMNS,
            sales::sale,
            PRICES,
        ),
        catalogue::ALERTS => paged("alerts", body, sales::ALERT_COLUMNS, sales::alert, ""),
        catalogue::ALERT => one("alert", body, sales::ALERT_COLUMNS, sales::alert, ""),
        catalogue::STATS => sales::by_day(body),
        catalogue::POSITION => position(body),
        catalogue::CALCULATOR => one(
            "price calculator",
            body,
            CALCULATED_COLUMNS,
            calculated,
            PRICES,
        ),
        catalogue::PRODUCT_SEARCH | catalogue::PRODUCT_BY_NUMBER => {
            paged("products", body, PRODUCT_COLUMNS, product, "")
        }
        catalogue::MINIMAL_PRICE => one(
            "lowest allowed price (Microsoft product)",
            body,
            MINIMAL_COLUMNS,
            minimal_price,
            PRICES,
        ),
        catalogue::WHOLESALE_PRODUCT => {
            listed("wholesale offers", body, WHOLESALE_COLUMNS, wholesale, "")
        }
        catalogue::WHOLESALE_BEST => one(
            "best wholesale offer",
            body,
            WHOLESALE_COLUMNS,
            wholesale,
            "",
        ),
        catalogue::WHOLESALE => paged("wholesale offers", body, WHOLESALE_COLUMNS, wholesale, ""),
        catalogue::BLOCK_REASONS => listed("block reasons", body, REASON_COLUMNS, block_reason, ""),
        _ => None,
    }?;
    // Cells are the provider's text, which may repeat a secret.
    Some(redacted(digest))
}

type Columns = &'static [Column];

fn paged<T: DeserializeOwned>(
    what: &str,
    body: &[u8],
    columns: Columns,
    row: fn(T) -> Vec<String>,
    note: &'static str,
) -> Option<Digest> {
    let page = wire::page::<T>(body)?;
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
        columns: columns.to_vec(),
        rows: page.rows.into_iter().map(row).collect(),
        note,
        has_more: page.more,
    })
}

fn listed<T: DeserializeOwned>(
    what: &str,
    body: &[u8],
    columns: Columns,
    row: fn(T) -> Vec<String>,
    note: &'static str,
) -> Option<Digest> {
    let rows = wire::list::<T>(body)?;
    Some(Digest {
        title: format!("{what}: {}", rows.len()),
        columns: columns.to_vec(),
        rows: rows.into_iter().map(row).collect(),
        note,
        has_more: false,
    })
}

fn one<T: DeserializeOwned>(
    what: &str,
    body: &[u8],
    columns: Columns,
    row: fn(T) -> Vec<String>,
    note: &'static str,
) -> Option<Digest> {
    Some(Digest {
        title: what.to_owned(),
        columns: columns.to_vec(),
        rows: vec![row(serde_json::from_slice(body).ok()?)],
        note,
        has_more: false,
    })
}

const MERCHANT_COLUMNS: Columns = &[Column::word("type"), Column::word("status")];

fn merchant(body: &[u8]) -> Option<Digest> {
    let row = |merchant: wire::Merchant| vec![merchant.kind, merchant.status];
    one("merchant", body, MERCHANT_COLUMNS, row, "")
}

fn merchant_record(body: &[u8]) -> Option<Digest> {
    let record: wire::MerchantRecord = serde_json::from_slice(body).ok()?;
    Some(facts(
        "merchant",
        &[
            ("number", number(record.id)),
            ("name", text(record.name)),
            ("type", text(record.kind)),
            ("status", text(record.status)),
            ("tier", text(record.tier_level)),
            ("declared stock, at most", number(record.max_declared_stock)),
            (
                "pre-order stock, at most",
                number(record.max_pre_order_stock),
            ),
            ("test account", text(record.test_account.map(yes_or_no))),
        ],
    ))
}

/// Where the sales booster puts an offer, and what another place costs.
fn position(body: &[u8]) -> Option<Digest> {
    let at: wire::Position = serde_json::from_slice(body).ok()?;
    let tier = at.tier.unwrap_or_default();
    let cents = |cents: Option<Cents>| money(cents.map(Money::from));
    let part = |part: Option<Number>| text(part.map(|part| part.to_string()));
    Some(facts(
        "place in the sales booster",
        &[
            ("place now", number(at.current)),
            ("place with this bid and price", number(at.new)),
            (
                "chance of the buy button now",
                part(at.current_buy_button_probability),
            ),
            (
                "chance with this bid and price",
                part(at.new_buy_button_probability),
            ),
            ("next valid bid", cents(at.next_valid_bid)),
            ("lowest bid", cents(tier.min_bid)),
            ("step between bids", cents(tier.step)),
            ("entry fee of each activation", cents(tier.entry_fee)),
        ],
    ))
}

/// One object's fields, one row each.
fn facts(title: &str, rows: &[(&str, String)]) -> Digest {
    let row = |(what, value): &(&str, String)| vec![(*what).to_owned(), value.clone()];
    Digest {
        title: title.to_owned(),
        columns: vec![Column::word("what"), Column::text("value")],
        rows: rows.iter().map(row).collect(),
        ..Digest::default()
    }
}

/// The columns that only in-game offers have.
const IN_GAME: [&str; 2] = ["least", "unit price"];

/// Drops the in-game columns where no row is in-game: other offers' unit price has no meaning.
fn without_in_game(mut digest: Digest) -> Digest {
    let at = |name: &str| digest.columns.iter().position(|column| column.name == name);
    // Only in-game offers have a minimum quantity, so that column decides.
    let least = at(IN_GAME[0]);
    if least.is_some_and(|least| digest.rows.iter().any(|row| row[least] != NOTHING)) {
        return digest;
    }
    let stays: Vec<bool> = digest
        .columns
        .iter()
        .map(|column| !IN_GAME.contains(&column.name))
        .collect();
    for row in &mut digest.rows {
        let mut stays = stays.iter();
        row.retain(|_| *stays.next().unwrap_or(&true));
    }
    digest
        .columns
        .retain(|column| !IN_GAME.contains(&column.name));
    digest
}

const OFFER_COLUMNS: Columns = &[
    Column::id("offer", "offerId"),
    Column::text("name"),
    BUYER,
    SELLER,
    Column::word("status"),
    Column::number("buyable"),
    Column::number("sold"),
    Column::number(IN_GAME[0]),
    Column::number(IN_GAME[1]),
    Column::word("blocked for"),
    Column::word("updated (UTC)"),
];

fn offer(offer: wire::Offer) -> Vec<String> {
    let status = match (offer.status, &offer.block) {
        (Some(status), Some(_)) => format!("{status}, blocked"),
        (None, Some(_)) => "blocked".to_owned(),
        (status, None) => text(status),
    };
    vec![
        text(offer.id),
        text(offer.name),
        buyer(offer.price),
        seller(offer.iwtr),
        status,
        number(offer.buyable_stock),
        number(offer.sold),
        number(offer.min_quantity),
        text(offer.unit_price.map(|price| price.to_string())),
        text(offer.block),
        date(offer.updated_at),
    ]
}

const KEY_COLUMNS: Columns = &[
    Column::id("key", "stockId"),
    Column::word("status"),
    Column::word("uploaded (UTC)"),
    Column::word("type"),
    Column::id("reservation", "reservationId"),
];

fn key(key: wire::Key) -> Vec<String> {
    vec![
        text(key.id),
        text(key.status),
        date(key.created_at),
        text(key.mime_type),
        text(key.reservation_id),
    ]
}

const CALCULATED_COLUMNS: Columns = &[
    Column::text("rule"),
    BUYER,
    SELLER,
    Column::number("per cent"),
    Column::number("fixed"),
];

fn calculated(sum: wire::Calculated) -> Vec<String> {
    let (price, iwtr) = (BuyerPrice(sum.price.into()), Iwtr(sum.iwtr.into()));
    vec![
        text(sum.rule),
        buyer(Some(price)),
        seller(Some(iwtr)),
        sum.percent_value
            .map_or_else(|| NOTHING.to_owned(), |percent| format!("{percent} %")),
        money(sum.fixed_amount.map(Money::from)),
    ]
}

const PRODUCT_COLUMNS: Columns = &[Column::id("product", "productId"), Column::text("name")];

fn product(product: wire::Product) -> Vec<String> {
    vec![text(product.id), text(product.name)]
}

const MINIMAL_COLUMNS: Columns = &[Column::id("product", "productId"), BUYER];

fn minimal_price(product: wire::Product) -> Vec<String> {
    vec![text(product.id), buyer(product.price)]
}

const WHOLESALE_COLUMNS: Columns = &[
    Column::text("name"),
    Column::text("seller"),
    BUYER,
    Column::number("buyable"),
    Column::word("status"),
    Column::word("offer"),
];

fn wholesale(offer: wire::WholesaleOffer) -> Vec<String> {
    // Documented as a string; a number means the same.
    let stock = offer.buyable_stock.and_then(|stock| match stock {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    vec![
        text(offer.name),
        text(offer.seller_name),
        buyer(offer.price),
        text(stock),
        text(offer.status),
        text(offer.offer_id),
    ]
}

const REASON_COLUMNS: Columns = &[Column::text("reason"), Column::number("offers")];

fn block_reason(reason: wire::BlockReason) -> Vec<String> {
    vec![text(reason.block_reason), number(reason.count)]
}

fn text(value: Option<String>) -> String {
    value
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| NOTHING.to_owned())
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn number(value: Option<i64>) -> String {
    text(value.map(|number| number.to_string()))
}

fn money(value: Option<Money>) -> String {
    text(value.map(|money| money.to_string()))
}

fn buyer(price: Option<BuyerPrice>) -> String {
    money(price.map(|price| price.0))
}

fn seller(iwtr: Option<Iwtr>) -> String {
    money(iwtr.map(|iwtr| iwtr.0))
}

/// A text that is not a date is shown unchanged.
fn date(value: Option<String>) -> String {
    text(value.map(|text| match wire::instant(&text) {
        Some(at) => at.date_and_clock(&TimeZone::UTC),
        None => text,
    }))
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
    fn an_empty_page_says_so() {
        let empty = r#"{"_links":{"self":{}},"page":{"number":3,"size":100,"totalElements":254}}"#;
        let digest = read("GET", &format!("{API}/offers?page=3"), empty).unwrap();
        assert_eq!(digest.title, "offers: none on page 3 of 254");
        assert!(digest.rows.is_empty());
    }
}
