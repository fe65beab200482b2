//! What was sold, in tables: sales, alerts about them, sales by day.

use std::collections::BTreeMap;

use super::super::wire;
use super::{BUYER, Columns, Money, SELLER, buyer, date, money, number, seller, text, yes_or_no};
use crate::domain::{Column, Digest};

pub const SALE_COLUMNS: Columns = &[
    Column::id("reservation", "reservationId"),
    Column::text("name"),
    BUYER,
    SELLER,
    Column::word("state"),
    Column::word("created (UTC)"),
    Column::word("deliver by (UTC)"),
    Column::id("order", "orderIncrementId"),
    Column::id("offer", "offerId"),
];

pub fn sale(sale: wire::Reservation) -> Vec<String> {
    vec![
        text(sale.id),
        text(sale.name),
        buyer(sale.price),
        seller(sale.iwtr),
        text(sale.status),
        date(sale.created_date),
        date(sale.max_delivery_date),
        text(sale.order_increment_id),
        text(sale.offer_id),
    ]
}

pub const ALERT_COLUMNS: Columns = &[
    Column::id("id", "alertId"),
    Column::text("name"),
    Column::word("alert"),
    Column::word("state"),
    Column::word("since (UTC)"),
    Column::word("ignored"),
    Column::word("sale"),
    Column::id("order", "orderIncrementId"),
    Column::id("offer", "offerId"),
    Column::id("reservation", "reservationId"),
];

pub fn alert(alert: wire::Alert) -> Vec<String> {
    let sale = alert.source.unwrap_or_default();
    vec![
        text(alert.id),
        text(sale.name),
        text(alert.kind),
        text(alert.status),
        date(alert.created_at),
        text(alert.ignored.map(yes_or_no)),
        text(sale.status),
        text(sale.order_increment_id),
        text(sale.offer_id),
        text(sale.id),
    ]
}

/// Sales by day, the newest first: a map in the answer.
pub fn by_day(body: &[u8]) -> Option<Digest> {
    let days: BTreeMap<String, wire::Day> = serde_json::from_slice(body).ok()?;
    let cents = |cents: Option<_>| money(cents.map(Money::from));
    // The keys are dates, which sort as text.
    let rows = days.into_iter().rev().map(|(key, day)| {
        vec![
            day.date_to_string.unwrap_or(key),
            number(day.count),
            cents(day.price),
            cents(day.bid),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Some(Digest {
        title: format!("sales by day: {}", rows.len()),
        columns: vec![
            Column::word("day"),
            Column::number("keys sold"),
            Column::number("buyers paid"),
            Column::number("bids"),
        ],
        rows,
        ..Digest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // docs/providers/kinguin.md#reservations
    #[test]
    fn a_sale_shows_until_when_it_must_be_delivered_and_its_offer() {
        let row = r#"{"id":"65b0","offerId":"65a0","maxDeliveryDate":"2024-03-29T10:16:42.177+0000","status":"BOUGHT"}"#;
        let cells = sale(serde_json::from_str(row).unwrap());
        assert_eq!(cells.len(), SALE_COLUMNS.len());
        assert_eq!(cells[0], "65b0");
        assert_eq!(&cells[6..], ["2024-03-29 10:16:42", "–", "65a0"]);
    }

    #[test]
    fn an_alert_names_the_sale_it_is_about() {
        let row = r#"{"id":"65a1","type":"STOCK_NOT_UPLOADED","status":"OPEN","ignored":false,"source":{"id":"65b0","name":"Harbour","status":"OUT_OF_STOCK","orderIncrementId":"SBX-1"}}"#;
        let cells = alert(serde_json::from_str(row).unwrap());
        assert_eq!(cells.len(), ALERT_COLUMNS.len());
        assert_eq!(cells[..2], ["65a1", "Harbour"]);
        assert_eq!(cells[5..8], ["no", "OUT_OF_STOCK", "SBX-1"]);
        let bare = alert(serde_json::from_str("{}").unwrap());
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
