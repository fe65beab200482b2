//! Keys over HTTP: list, upload (single, list, file), withhold, take back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::http::{StatusCode, header};
use serde_json::{Value, json};

use crate::http_server::{Request, Response};
use crate::sandbox::reply::ok;
use crate::sandbox::route::Answer;

use super::inventory::{Inventory, Key, KeyStatus, Upload};
use super::query::{Page, Query, date};
use super::{Call, bad, error, not_found};

const KEY_MAX: usize = 200 * 1024;
const FILE_KEYS_MAX: usize = 10_000;
const REQUEST_ID_MAX: usize = 36;
const UPLOADS_MAX: usize = 200;
const MIME_TYPES: [&str; 4] = ["text/plain", "image/jpeg", "image/png", "image/gif"];

/// A key as this API writes it, including its text.
fn view(call: &Call<'_>, key: &Key) -> Value {
    let (inventory, products) = (call.inventory(), &call.state.products);
    let offer = inventory.offer(&key.offer);
    json!({
        "id": key.id,
        "productId": offer.map(|offer| &products[offer.product].id),
        "offerId": key.offer,
        "sellerId": inventory.seller,
        "status": key.status.as_str(),
        "createdAt": date(key.created),
        "dispatchedAt": key.dispatched.map(date),
        "reservationId": key.reservation,
        "ktcId": key.card,
        "content": key.content,
        "mimeType": key.mime,
        "externalId": key.external,
        "externalName": null,
        "externalVendor": null,
        "externalPrice": null,
        "hidden": false,
        "sandboxExtra": "an undocumented field",
    })
}

/// GET of an offer's keys. The documentation has one shape for them, and no client is known to see another.
pub fn list(call: &mut Call<'_>) -> Answer {
    let offer = call.offer_id()?;
    let query = Query::of(call.request);
    let has = |name: &str, value: Option<&str>| {
        query.get(name).is_none_or(|wanted| value == Some(wanted))
    };
    let (created, dispatched) = (query.range("createdAt")?, query.range("dispatchedAt")?);
    let wanted = |key: &&Key| {
        key.offer == offer
            && has("status", Some(key.status.as_str()))
            && has("reservationId", key.reservation.as_deref())
            && has("ktcId", key.card.as_deref())
            && has("mimeType", Some(&key.mime))
            // The simulator has no names of external systems.
            && has("externalName", None)
            && has("externalVendor", None)
            && created.has(Some(key.created))
            && dispatched.has(key.dispatched)
    };
    let all: Vec<&Key> = call.inventory().keys.iter().filter(wanted).collect();
    let (page, rows) = Page::of(call.request, all)?;
    let rows = rows.into_iter().map(|key| view(call, key));
    let mut body = page.listed(rows.collect());
    body["sandboxExtra"] = 1.into();
    ok(body)
}

fn place(call: &Call<'_>) -> Answer<usize> {
    let (offer, id) = (call.offer_id()?, call.param("key"));
    let mut keys = call.inventory().keys.iter();
    keys.position(|key| key.id == id && key.offer == offer)
        .ok_or_else(|| not_found("Stock not found"))
}

pub fn one(call: &mut Call<'_>) -> Answer {
    ok(view(call, &call.inventory().keys[place(call)?]))
}

pub fn set_availability(call: &mut Call<'_>) -> Answer {
    let at = place(call)?;
    let settable =
        |status: &KeyStatus| matches!(status, KeyStatus::Available | KeyStatus::Disabled);
    let status = call.object()?["status"]
        .as_str()
        .and_then(KeyStatus::from_word);
    let status = status.filter(settable);
    let status = status.ok_or_else(|| bad("status: must match \"^AVAILABLE|DISABLED$\""))?;
    let known = &mut call.inventory_mut().keys[at].status;
    if !settable(known) {
        let message = "A sold key cannot be changed";
        return Err(error(StatusCode::FORBIDDEN, message));
    }
    *known = status;
    one(call)
}

fn busy(what: &str) -> Box<Response> {
    let words = "is already being processed by another action. Please try again in few seconds";
    error(StatusCode::CONFLICT, &format!("{what} {words}"))
}

/// The key of an upload, and the index of the sale that it is for.
fn checked(input: &Value, inventory: &Inventory, offer: &str) -> Answer<(Key, Option<usize>)> {
    let text = |name: &str| input[name].as_str().map(str::to_owned);
    let mut wrong = Vec::new();
    let new = Key {
        content: text("body").unwrap_or_default(),
        mime: text("mimeType").unwrap_or_default(),
        request: text("requestId"),
        external: text("externalId"),
        ..Key::of(offer)
    };
    let (content, mime) = (new.content.as_str(), new.mime.as_str());
    if content.is_empty() {
        wrong.push("body: must not be empty");
    } else if content.len() > KEY_MAX {
        wrong.push("Key is too big");
    }
    if !MIME_TYPES.contains(&mime) {
        wrong.push("mimeType: must be one of text/plain, image/jpeg, image/png, image/gif");
    } else if mime != "text/plain" && STANDARD.decode(content).is_err() {
        wrong.push("body: an image must be base64");
    }
    let fits = |id: &String| (1..=REQUEST_ID_MAX).contains(&id.len());
    if !new.request.as_ref().is_none_or(fits) {
        wrong.push("requestId: length must be between 1 and 36");
    }
    if !wrong.is_empty() {
        return Err(bad(&wrong.join("; ")));
    }
    let sale = match text("reservationId") {
        None => None,
        Some(id) => {
            let mut sales = inventory.reservations.iter();
            let at = sales.position(|sale| sale.id == id && sale.offer == offer);
            match at.map(|at| inventory.reservations[at].status.as_str()) {
                Some("BOUGHT" | "OUT_OF_STOCK" | "PROCESSING_PREORDER") => at,
                Some("BUYING") => return Err(busy("Reservation")),
                _ => {
                    let message =
                        "Invalid reservation ID (does not exist or has already been processed)";
                    return Err(bad(message));
                }
            }
        }
    };
    let duplicates = |key: &Key| {
        key.offer == offer && key.content == content
            || new.request.is_some() && key.request == new.request
    };
    if inventory.keys.iter().any(duplicates) {
        return Err(error(StatusCode::CONFLICT, "Stock already uploaded"));
    }
    Ok((new, sale))
}

pub fn upload(call: &mut Call<'_>) -> Answer {
    let (offer, input) = (call.offer_id()?, call.json()?);
    if !input.is_object() {
        return Err(bad("the body has the wrong shape"));
    }
    let mut rows = uploaded(call, &offer, std::slice::from_ref(&input))?;
    ok(rows.remove(0))
}

pub fn upload_list(call: &mut Call<'_>) -> Answer {
    let (offer, input) = (call.offer_id()?, call.json()?);
    let Value::Array(input) = input else {
        return Err(bad("the body has the wrong shape"));
    };
    ok(uploaded(call, &offer, &input)?)
}

/// Adds keys and shows them. All or nothing: a list with one invalid key changes nothing.
fn uploaded(call: &mut Call<'_>, offer: &str, input: &[Value]) -> Answer<Vec<Value>> {
    if call.state.rules.busy_stock {
        return Err(busy("Offer"));
    }
    let now = call.now;
    let mut trial = call.inventory().clone();
    let (mut places, mut delivered) = (Vec::new(), Vec::new());
    for input in input {
        let (new, sale) = checked(input, &trial, offer)?;
        let at = trial.add_key(new, now);
        places.push(at);
        delivered.extend(trial.deliver(at, sale, now));
    }
    *call.inventory_mut() = trial;
    for id in delivered {
        call.state.announce(call.caller, &id, now);
    }
    let keys = places.into_iter().map(|at| &call.inventory().keys[at]);
    Ok(keys.map(|key| view(call, key)).collect())
}

pub fn upload_file(call: &mut Call<'_>) -> Answer {
    let (offer, now) = (call.offer_id()?, call.now);
    let file = file(call.request);
    let (name, text) = file.ok_or_else(|| bad("Required part 'file' is not present"))?;
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let inventory = call.inventory_mut();
    let mut delivered = Vec::new();
    let (status, details) = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("txt") => {
            let lines = text.lines().map(str::trim);
            let keys: Vec<&str> = lines.filter(|key| !key.is_empty()).collect();
            if keys.len() > FILE_KEYS_MAX {
                return Err(bad("Too many keys in file"));
            }
            if keys.iter().any(|key| key.len() > KEY_MAX) {
                return Err(bad("Key is too big"));
            }
            for key in &keys {
                let new = Key {
                    content: (*key).to_owned(),
                    ..Key::of(&offer)
                };
                let at = inventory.add_key(new, now);
                delivered.extend(inventory.deliver(at, None, now));
            }
            ("DONE", format!("{} keys uploaded", keys.len()))
        }
        Some("zip") => ("ERROR", "this sandbox reads only .txt files".to_owned()),
        _ => return Err(bad("Unsupported file extension")),
    };
    let number = inventory.uploads.len() + 1;
    let upload = Upload {
        id: format!("f11e0000-0000-4000-8000-{number:012}"),
        offer,
        status: status.to_owned(),
        details,
    };
    let body = upload_view(&upload);
    if inventory.uploads.len() < UPLOADS_MAX {
        inventory.uploads.push(upload);
    }
    for id in delivered {
        call.state.announce(call.caller, &id, now);
    }
    ok(body)
}

/// The file of a multipart body: its name and text.
fn file(request: &Request) -> Option<(String, String)> {
    let kind = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = kind
        .strip_prefix("multipart/form-data;")?
        .trim()
        .strip_prefix("boundary=")?;
    let boundary = format!("--{}", boundary.trim_matches('"'));
    let body = String::from_utf8_lossy(request.body());
    body.split(boundary.as_str()).find_map(|part| {
        let part = part.replace("\r\n", "\n");
        let (head, text) = part.trim_start_matches('\n').split_once("\n\n")?;
        let name = head.split("filename=\"").nth(1)?.split('"').next()?;
        Some((name.to_owned(), text.to_owned()))
    })
}

fn upload_view(upload: &Upload) -> Value {
    json!({
        "id": upload.id,
        "status": upload.status,
        "details": upload.details,
        "sandboxExtra": true,
    })
}

pub fn upload_status(call: &mut Call<'_>) -> Answer {
    let (offer, id) = (call.offer_id()?, call.param("upload"));
    let mut uploads = call.inventory().uploads.iter();
    let found = uploads.find(|upload| upload.id == id && upload.offer == offer);
    ok(upload_view(
        found.ok_or_else(|| not_found("Upload not found"))?,
    ))
}

pub fn restock(call: &mut Call<'_>) -> Answer {
    let fields = call.object()?;
    let now = call.now;
    let inventory = call.inventory_mut();
    let order = fields["orderIncrementId"].as_str().unwrap_or_default();
    let mut sales = inventory.reservations.iter();
    if !sales.any(|sale| sale.order == order) {
        return Err(not_found("Order not found"));
    }
    if inventory.restocked.iter().any(|known| known == order) {
        return Err(error(StatusCode::CONFLICT, "Order already restocked"));
    }
    let mut rows = Vec::new();
    for input in fields["offers"].as_array().into_iter().flatten() {
        let offer = input["offerId"].as_str().unwrap_or_default();
        let known = inventory.offer(offer).is_some();
        let keys = input["keysNumber"].as_i64();
        let Some(keys) = keys.filter(|keys| known && (1..=100).contains(keys)) else {
            return Err(bad("offers: a known offerId and a keysNumber are needed"));
        };
        rows.push(json!({
            "id": format!("{order}-{}", rows.len() + 1),
            "orderIncrementId": order,
            "offerId": offer,
            "keysNumber": keys,
            "status": "PENDING",
            "createdAt": date(now),
            "updatedAt": null,
            "restockedKeys": 0,
            "remainingToRestock": keys,
            "cancelledKeys": 0,
            "sandboxExtra": true,
        }));
    }
    inventory.restocked.push(order.to_owned());
    ok(rows)
}

pub fn take_back(call: &mut Call<'_>) -> Answer {
    let (card, now) = (call.param("card"), call.now);
    if card.len() != 24 || !card.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(error(StatusCode::METHOD_NOT_ALLOWED, "Invalid cardId"));
    }
    let inventory = call.inventory_mut();
    let mut keys = inventory.keys.iter_mut();
    let key = keys.find(|key| key.card.as_deref() == Some(card));
    let key = key.filter(|key| key.status == KeyStatus::Dispatched);
    let key = key.ok_or_else(|| not_found("Card not found"))?;
    key.status = KeyStatus::Returned;
    let id = key.reservation.clone().unwrap_or_default();
    let mut sales = inventory.reservations.iter_mut();
    if let Some(sale) = sales.find(|sale| sale.id == id) {
        sale.enter("RETURNED", now);
        call.state.announce(call.caller, &id, now);
    }
    ok(json!({ "sandboxExtra": true }))
}
