//! Reservations and alerts over HTTP, and the transitions of a reservation. A reservation is one sold key.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::domain::{WallTime, inert};
use crate::http_server::{Request, Response, respond};

use super::inventory::{Inventory, KeyStatus, Reservation, STATES};
use super::offers::{self, money};
use super::products::Product;
use super::query::{Page, Query, date, instant};
use super::{bad, error, json_response};

/// A reservation as this API writes it.
fn view(sale: &Reservation, inventory: &Inventory, products: &[Product]) -> Value {
    let product = &products[sale.product];
    json!({
        "id": sale.id,
        "orderIncrementId": sale.order,
        "itemPrice": money(sale.price),
        "price": money(sale.price),
        "priceIWTR": money(sale.iwtr),
        "popularityBid": money(0),
        "commissionRule": offers::rule(product),
        "sellerId": inventory.seller,
        "sellerName": inventory.name,
        "offerId": sale.offer,
        "productId": product.id,
        "name": product.name,
        "customerId": customer(sale),
        "rowNumber": 1,
        "createdDate": date(sale.created),
        "releasedDate": sale.key.as_ref().map(|_| date(sale.updated)),
        "releaseTryCount": i64::from(sale.key.is_some()),
        "releasedStockId": sale.key,
        "releasedExternalStockId": null,
        "status": sale.status,
        "maxDeliveryDate": date(deliver_by(sale)),
        "updatedAt": date(sale.updated),
        "sandboxExtra": "an undocumented field",
    })
}

/// A seller without keys has a quarter of an hour to upload one (`docs/providers/kinguin.md#reservations`).
fn deliver_by(sale: &Reservation) -> WallTime {
    sale.created.plus(Duration::from_mins(15))
}

/// The buyer's number, which follows from the order's.
fn customer(sale: &Reservation) -> u64 {
    let order = sale.order.trim_start_matches("SBX-").parse::<u64>();
    600_000 + order.unwrap_or_default()
}

fn matching<'a>(
    query: &Query,
    inventory: &'a Inventory,
    products: &[Product],
    archived: bool,
) -> Result<Vec<&'a Reservation>, Box<Response>> {
    let (from, to) = (
        query.instant("createdDateFrom")?,
        query.instant("createdDateTo")?,
    );
    let (released_from, released_to) = (
        query.instant("releasedDateFrom")?,
        query.instant("releasedDateTo")?,
    );
    let (deliver_from, deliver_to) = (
        query.instant("maxDeliveryDateFrom")?,
        query.instant("maxDeliveryDateTo")?,
    );
    let within = |at: Option<WallTime>, from: Option<WallTime>, to: Option<WallTime>| {
        from.is_none_or(|from| at.is_some_and(|at| at >= from))
            && to.is_none_or(|to| at.is_some_and(|at| at <= to))
    };
    let is = |name: &str, value: &str| query.get(name).is_none_or(|wanted| wanted == value);
    let mut all: Vec<_> = inventory
        .reservations
        .iter()
        .filter(|sale| {
            sale.archived == archived
                && is("status", &sale.status)
                && is("offerId", &sale.offer)
                && is("productId", &products[sale.product].id)
                && is("reservationId", &sale.id)
                && is("orderIncrementId", &sale.order)
                && is("name", &products[sale.product].name)
                && is("customerId", &customer(sale).to_string())
                // The simulator sells no wholesale, pre-purchase, replacement or external keys.
                && ["wholesale", "prePurchase", "replacedFromFlag", "replacedToFlag"]
                    .iter()
                    .all(|flag| is(flag, "false"))
                && is("externalStockName", "")
                && is("externalStockVendor", "")
                && within(Some(sale.created), from, to)
                && within(sale.key.as_ref().map(|_| sale.updated), released_from, released_to)
                && within(Some(deliver_by(sale)), deliver_from, deliver_to)
        })
        .collect();
    all.sort_by_key(|sale| std::cmp::Reverse(sale.created));
    Ok(all)
}

/// GET of reservations, the newest first.
pub fn list(
    request: &Request,
    inventory: &Inventory,
    products: &[Product],
    archived: bool,
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let all = matching(&query, inventory, products, archived)?;
    let (page, rows) = Page::of(request, &query, all)?;
    let rows = rows.into_iter().map(|sale| view(sale, inventory, products));
    Ok(json_response(StatusCode::OK, &page.spring(rows.collect())))
}

/// PATCH of the delivery of an in-game product. Kinguin does not document which field names the sale, so nothing changes
/// here.
pub fn deliver(request: &Request) -> Result<Response, Box<Response>> {
    let fields = offers::object(request)?;
    match fields.get("status").and_then(Value::as_str) {
        Some("DELIVERED" | "CANCELED") => {
            Ok(respond(StatusCode::NO_CONTENT, "application/json", ""))
        }
        _ => Err(bad(&["status: must be DELIVERED or CANCELED"])),
    }
}

/// GET of sales by day.
pub fn stats(
    request: &Request,
    inventory: &Inventory,
    products: &[Product],
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    if query.get("createdDateFrom").is_none() {
        return Err(bad(&["createdDateFrom: must not be null"]));
    }
    let mut days = std::collections::BTreeMap::<String, (i64, i64)>::new();
    for sale in matching(&query, inventory, products, false)? {
        let day = days
            // The date alone: sales of a day in UTC.
            .entry(sale.created.rfc3339()[..10].to_owned())
            .or_default();
        day.0 += sale.price;
        day.1 += 1;
    }
    let days = days.into_iter().map(|(day, (price, count))| {
        let stats = json!({
            "dateToString": day, "price": price, "bid": 0, "count": count, "sandboxExtra": true,
        });
        (day, stats)
    });
    let days: Map<String, Value> = days.collect();
    Ok(json_response(StatusCode::OK, &days.into()))
}

/// GET of reservations as CSV.
pub fn csv(
    request: &Request,
    inventory: &Inventory,
    products: &[Product],
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let mut text =
        "id,orderIncrementId,offerId,name,status,price,priceIWTR,createdDate\n".to_owned();
    for sale in matching(&query, inventory, products, false)? {
        let cells = [
            &sale.id,
            &sale.order,
            &sale.offer,
            &products[sale.product].name,
            &sale.status,
            &sale.price.to_string(),
            &sale.iwtr.to_string(),
            &date(sale.created),
        ];
        text.push_str(&cells.map(String::as_str).join(","));
        text.push('\n');
    }
    Ok(respond(StatusCode::OK, "text/csv", text))
}

/// One alert for each key that was not uploaded in time.
fn alerts<'a>(
    inventory: &'a Inventory,
    products: &'a [Product],
) -> impl Iterator<Item = Value> + 'a {
    let late = inventory
        .reservations
        .iter()
        .filter(|sale| sale.status == "OUT_OF_STOCK");
    late.map(|sale| {
        json!({
            "id": sale.id.replacen("65b00000", "65a1e270", 1),
            "sellerId": inventory.seller,
            "type": "STOCK_NOT_UPLOADED",
            "status": "OPEN",
            "createdAt": date(sale.updated),
            "lastStatusCheck": date(sale.updated),
            "source": view(sale, inventory, products),
            "emailCount": 1,
            "ignored": false,
            "sandboxExtra": true,
        })
    })
}

/// GET of alerts.
pub fn alert_list(
    request: &Request,
    inventory: &Inventory,
    products: &[Product],
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let (from, to) = (
        query.instant("createdAtFrom")?,
        query.instant("createdAtTo")?,
    );
    let is = |name: &str, value: &Value| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        query.get(name).is_none_or(|wanted| wanted == value)
    };
    let mut all: Vec<Value> = alerts(inventory, products).collect();
    all.retain(|alert| {
        let at = alert["createdAt"].as_str().and_then(instant);
        is("status", &alert["status"])
            && is("ignored", &alert["ignored"])
            && is("reservationId", &alert["source"]["id"])
            && is("orderIncrementId", &alert["source"]["orderIncrementId"])
            && is("name", &alert["source"]["name"])
            && from.is_none_or(|from| at >= Some(from))
            && to.is_none_or(|to| at <= Some(to))
    });
    let (page, rows) = Page::of(request, &query, all)?;
    Ok(json_response(StatusCode::OK, &page.spring(rows)))
}

/// GET of one alert.
pub fn alert(
    inventory: &Inventory,
    id: &str,
    products: &[Product],
) -> Result<Response, Box<Response>> {
    let found = alerts(inventory, products).find(|alert| alert["id"] == id);
    let found = found.ok_or_else(|| Box::new(error(StatusCode::NOT_FOUND, "Alert not found")))?;
    Ok(json_response(StatusCode::OK, &found))
}

/// Moves a reservation to a state; delivering takes a key from the stock.
///
/// # Errors
/// A message, if there is no such state, the reservation already has it, or no key is left.
pub fn move_on(
    inventory: &mut Inventory,
    at: usize,
    state: &str,
    now: WallTime,
) -> Result<(), String> {
    let Some((state, _)) = STATES.iter().find(|(known, _)| *known == state) else {
        let known = STATES.map(|(state, _)| state).join(", ");
        return Err(format!(
            "{} is not a state; the states are {known}",
            inert::quoted(state, 40)
        ));
    };
    let sale = &inventory.reservations[at];
    let (id, offer) = (sale.id.clone(), sale.offer.clone());
    if sale.status == *state {
        return Err(format!("{id} is already {state}"));
    }
    // Taken before the state changes, so that a seller without keys changes nothing.
    if *state == "DELIVERED" && sale.key.is_none() {
        let mut keys = inventory.keys.iter();
        let key = keys.position(|key| key.offer == offer && key.status == KeyStatus::Available);
        let key =
            key.ok_or_else(|| format!("offer {offer} has no key to deliver; upload one for {id}"))?;
        inventory.dispatch(key, &id, now);
    }
    let sale = &mut inventory.reservations[at];
    (*state).clone_into(&mut sale.status);
    sale.updated = now;
    if *state == "RETURNED" {
        let key = sale.key.clone();
        let mut keys = inventory.keys.iter_mut();
        if let Some(key) = keys.find(|known| Some(&known.id) == key.as_ref()) {
            key.status = KeyStatus::Returned;
        }
    }
    Ok(())
}
