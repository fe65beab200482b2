//! What was sold, in tables: sales, alerts about them, sales by day.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{BUYER, SELLER, cents, date, number, text};
use crate::domain::{Column, Digest};
use crate::providers::table::{Cell, flag, table};

pub const SALE: &[Cell] = &[
    (Column::id("reservation", "reservationId"), "/id", text),
    (Column::text("name"), "/name", text),
    BUYER,
    SELLER,
    (Column::word("state"), "/status", text),
    (Column::word("created (UTC)"), "/createdDate", date),
    (Column::word("deliver by (UTC)"), "/maxDeliveryDate", date),
    (
        Column::id("order", "orderIncrementId"),
        "/orderIncrementId",
        text,
    ),
    (Column::id("offer", "offerId"), "/offerId", text),
];

pub const ALERT: &[Cell] = &[
    (Column::id("id", "alertId"), "/id", text),
    (Column::text("name"), "/source/name", text),
    (Column::word("alert"), "/type", text),
    (Column::word("state"), "/status", text),
    (Column::word("since (UTC)"), "/createdAt", date),
    (Column::word("ignored"), "/ignored", flag),
    (Column::word("sale"), "/source/status", text),
    (
        Column::id("order", "orderIncrementId"),
        "/source/orderIncrementId",
        text,
    ),
    (Column::id("offer", "offerId"), "/source/offerId", text),
    (
        Column::id("reservation", "reservationId"),
        "/source/id",
        text,
    ),
];

const DAY: &[Cell] = &[
    (Column::word("day"), "/dateToString", text),
    (Column::number("keys sold"), "/count", number),
    (Column::number("buyers paid"), "/price", cents),
    (Column::number("bids"), "/bid", cents),
];

/// Sales by day, the newest first: a map in the answer.
pub fn by_day(body: &[u8]) -> Option<Digest> {
    let days: BTreeMap<String, Value> = serde_json::from_slice(body).ok()?;
    // The keys are dates, which sort as text.
    let days = days.into_iter().rev().map(|(key, mut day)| {
        let named = day.as_object()?.get("dateToString");
        if !named.is_some_and(Value::is_string) {
            day["dateToString"] = key.into();
        }
        Some(day)
    });
    let days = days.collect::<Option<Vec<_>>>()?;
    Some(Digest {
        title: format!("sales by day: {}", days.len()),
        ..table(DAY, &days)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(table: &[Cell], row: &str) -> Vec<String> {
        let row: Value = serde_json::from_str(row).unwrap();
        super::table(table, &[row]).rows.remove(0)
    }

    // docs/providers/kinguin.md#reservations
    #[test]
    fn a_sale_shows_until_when_it_must_be_delivered_and_its_offer() {
        let row = r#"{"id":"65b0","offerId":"65a0","maxDeliveryDate":"2024-03-29T10:16:42.177+0000","status":"BOUGHT"}"#;
        let cells = cells(SALE, row);
        assert_eq!(cells.len(), SALE.len());
        assert_eq!(cells[0], "65b0");
        assert_eq!(&cells[6..], ["2024-03-29 10:16:42", "–", "65a0"]);
    }

    #[test]
    fn an_alert_names_the_sale_it_is_about() {
        let row = r#"{"id":"65a1","type":"STOCK_NOT_UPLOADED","status":"OPEN","ignored":false,"source":{"id":"65b0","name":"Harbour","status":"OUT_OF_STOCK","orderIncrementId":"SBX-1"}}"#;
        let cells = cells(ALERT, row);
        assert_eq!(cells.len(), ALERT.len());
        assert_eq!(cells[..2], ["65a1", "Harbour"]);
        assert_eq!(cells[5..8], ["no", "OUT_OF_STOCK", "SBX-1"]);
        let bare = self::cells(ALERT, "{}");
        assert!(bare.iter().all(|cell| cell == "–"));
    }

    #[test]
    fn sales_by_day_are_a_map_and_shown_newest_first() {
        let body = br#"{"2024-03-01":{"dateToString":"2024-03-01","price":1660,"bid":0,"count":1},"2024-03-02":{"price":5,"count":2,"x":1}}"#;
        let digest = by_day(body).unwrap();
        assert_eq!(digest.rows[0], ["2024-03-02", "2", "0.05 EUR", "–"]);
        assert_eq!(digest.rows[1], ["2024-03-01", "1", "16.60 EUR", "0.00 EUR"]);
        assert!(by_day(b"[]").is_none());
    }
}
