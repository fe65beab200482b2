//! Reservations and alerts over HTTP, and the transitions of a reservation. A reservation is one sold key.

use hyper::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::domain::{WallTime, inert};
use crate::http_server::respond;
use crate::sandbox::reply::ok;
use crate::sandbox::route::Answer;

use super::inventory::{Inventory, KeyStatus, Reservation, STATES};
use super::offers::{self, money};
use super::query::{Page, Query, date, instant};
use super::{Call, bad, not_found};

/// A reservation as this API writes it.
fn view(call: &Call<'_>, sale: &Reservation) -> Value {
    let (inventory, product) = (call.inventory(), &call.state.products[sale.product]);
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
        "maxDeliveryDate": date(sale.deliver_by()),
        "updatedAt": date(sale.updated),
        "sandboxExtra": "an undocumented field",
    })
}

/// The buyer's number, which follows from the order's.
fn customer(sale: &Reservation) -> u64 {
    let order = sale.order.trim_start_matches("SBX-").parse::<u64>();
    600_000 + order.unwrap_or_default()
}

/// The reservations that the query's filters let pass, the newest first.
fn matching<'a>(call: &'a Call<'_>, archived: bool) -> Answer<Vec<&'a Reservation>> {
    let (inventory, products) = (call.inventory(), &call.state.products);
    let query = Query::of(call.request);
    let (created, released) = (query.range("createdDate")?, query.range("releasedDate")?);
    let deliver = query.range("maxDeliveryDate")?;
    let wanted = |sale: &&Reservation| {
        sale.archived == archived
            && query.is("status", &sale.status)
            && query.is("offerId", &sale.offer)
            && query.is("productId", &products[sale.product].id)
            && query.is("reservationId", &sale.id)
            && query.is("orderIncrementId", &sale.order)
            && query.is("name", &products[sale.product].name)
            && query.is("customerId", customer(sale).to_string())
            // The simulator sells no wholesale, pre-purchase, replacement or external keys.
            && ["wholesale", "prePurchase", "replacedFromFlag", "replacedToFlag"]
                .iter()
                .all(|flag| query.is(flag, "false"))
            && query.is("externalStockName", "")
            && query.is("externalStockVendor", "")
            && created.has(Some(sale.created))
            && released.has(sale.key.as_ref().map(|_| sale.updated))
            && deliver.has(Some(sale.deliver_by()))
    };
    let mut all: Vec<_> = inventory.reservations.iter().filter(wanted).collect();
    all.sort_by_key(|sale| std::cmp::Reverse(sale.created));
    Ok(all)
}

pub fn list(call: &mut Call<'_>) -> Answer {
    listed(call, false)
}

pub fn archive(call: &mut Call<'_>) -> Answer {
    listed(call, true)
}

fn listed(call: &Call<'_>, archived: bool) -> Answer {
    let (page, rows) = Page::of(call.request, matching(call, archived)?)?;
    let rows = rows.into_iter().map(|sale| view(call, sale));
    ok(page.spring(rows.collect()))
}

/// PATCH of the delivery of an in-game product. Kinguin does not document which field names the sale, so nothing changes
/// here.
pub fn deliver(call: &mut Call<'_>) -> Answer {
    match call.object()?["status"].as_str() {
        Some("DELIVERED" | "CANCELED") => {
            Ok(respond(StatusCode::NO_CONTENT, "application/json", ""))
        }
        _ => Err(bad("status: must be DELIVERED or CANCELED")),
    }
}

pub fn stats(call: &mut Call<'_>) -> Answer {
    if Query::of(call.request).get("createdDateFrom").is_none() {
        return Err(bad("createdDateFrom: must not be null"));
    }
    let mut days = std::collections::BTreeMap::<String, (i64, i64)>::new();
    for sale in matching(call, false)? {
        // The date alone: sales of a day in UTC.
        let day = sale.created.rfc3339()[..10].to_owned();
        let day = days.entry(day).or_default();
        day.0 += sale.price;
        day.1 += 1;
    }
    let days = days.into_iter().map(|(day, (price, count))| {
        let stats = json!({
            "dateToString": day, "price": price, "bid": 0, "count": count, "sandboxExtra": true,
        });
        (day, stats)
    });
    ok(days.collect::<Map<String, Value>>())
}

pub fn csv(call: &mut Call<'_>) -> Answer {
    let mut text =
        "id,orderIncrementId,offerId,name,status,price,priceIWTR,createdDate\n".to_owned();
    for sale in matching(call, false)? {
        let cells = [
            &sale.id,
            &sale.order,
            &sale.offer,
            &call.state.products[sale.product].name,
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
fn alerts(call: &Call<'_>) -> impl Iterator<Item = Value> {
    let inventory = call.inventory();
    let late = inventory.reservations.iter();
    let late = late.filter(|sale| sale.status == "OUT_OF_STOCK");
    late.map(|sale| {
        json!({
            "id": sale.id.replacen("65b00000", "65a1e270", 1),
            "sellerId": inventory.seller,
            "type": "STOCK_NOT_UPLOADED",
            "status": "OPEN",
            "createdAt": date(sale.updated),
            "lastStatusCheck": date(sale.updated),
            "source": view(call, sale),
            "emailCount": 1,
            "ignored": false,
            "sandboxExtra": true,
        })
    })
}

pub fn alert_list(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let created = query.range("createdAt")?;
    let is = |name: &str, value: &Value| match value {
        Value::String(text) => query.is(name, text),
        other => query.is(name, other.to_string()),
    };
    let wanted = |alert: &Value| {
        is("status", &alert["status"])
            && is("ignored", &alert["ignored"])
            && is("reservationId", &alert["source"]["id"])
            && is("orderIncrementId", &alert["source"]["orderIncrementId"])
            && is("name", &alert["source"]["name"])
            && created.has(alert["createdAt"].as_str().and_then(instant))
    };
    let (page, rows) = Page::of(call.request, alerts(call).filter(wanted).collect())?;
    ok(page.spring(rows))
}

pub fn alert(call: &mut Call<'_>) -> Answer {
    let id = call.param("alert");
    let found = alerts(call).find(|alert| alert["id"] == id);
    ok(found.ok_or_else(|| not_found("Alert not found"))?)
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
    sale.enter(state, now);
    if *state == "RETURNED" {
        let key = sale.key.clone();
        let mut keys = inventory.keys.iter_mut();
        if let Some(key) = keys.find(|known| Some(&known.id) == key.as_ref()) {
            key.status = KeyStatus::Returned;
        }
    }
    Ok(())
}
