//! Keys over HTTP: list, upload (single, list, file), withhold, take back.

use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::domain::WallTime;
use crate::http_server::{Request, Response};

use super::inventory::{Inventory, Key, KeyStatus, Upload};
use super::products::Product;
use super::query::{Page, Query, date};
use super::{Event, bad, error, json_response, offers};

const KEY_MAX: usize = 200 * 1024;
const FILE_KEYS_MAX: usize = 10_000;
const REQUEST_ID_MAX: usize = 36;
const UPLOADS_MAX: usize = 200;
const MIME_TYPES: [&str; 4] = ["text/plain", "image/jpeg", "image/png", "image/gif"];

/// A key as this API writes it, including its text.
fn view(key: &Key, inventory: &Inventory, products: &[Product]) -> Value {
    let offer = inventory.offers.iter().find(|offer| offer.id == key.offer);
    json!({
        "id": key.id,
        "productId": offer.map(|offer| &products[offer.product].id),
        "offerId": key.offer,
        "sellerId": inventory.seller,
        "status": key.status.word(),
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
pub fn list(
    request: &Request,
    inventory: &Inventory,
    offer: &str,
    products: &[Product],
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let is = |name: &str, value: Option<&str>| {
        query.get(name).is_none_or(|wanted| value == Some(wanted))
    };
    let range = |name: &str| -> Result<_, Box<Response>> {
        let from = query.instant(&format!("{name}From"))?;
        Ok((from, query.instant(&format!("{name}To"))?))
    };
    let (created, dispatched) = (range("createdAt")?, range("dispatchedAt")?);
    let within = |at: Option<WallTime>, (from, to): (Option<WallTime>, Option<WallTime>)| {
        from.is_none_or(|from| at.is_some_and(|at| at >= from))
            && to.is_none_or(|to| at.is_some_and(|at| at <= to))
    };
    let wanted = |key: &&Key| {
        key.offer == offer
            && is("status", Some(key.status.word()))
            && is("reservationId", key.reservation.as_deref())
            && is("ktcId", key.card.as_deref())
            && is("mimeType", Some(&key.mime))
            // The simulator has no names of external systems.
            && is("externalName", None)
            && is("externalVendor", None)
            && within(Some(key.created), created)
            && within(key.dispatched, dispatched)
    };
    let all: Vec<&Key> = inventory.keys.iter().filter(wanted).collect();
    let (page, rows) = Page::of(request, &query, all)?;
    let rows = rows.into_iter().map(|key| view(key, inventory, products));
    let mut body = page.listed(rows.collect());
    body.insert("sandboxExtra".into(), 1.into());
    Ok(json_response(StatusCode::OK, &body.into()))
}

fn place(inventory: &Inventory, offer: &str, id: &str) -> Result<usize, Box<Response>> {
    let mut keys = inventory.keys.iter();
    keys.position(|key| key.id == id && key.offer == offer)
        .ok_or_else(|| Box::new(error(StatusCode::NOT_FOUND, "Stock not found")))
}

/// GET of one key.
pub fn one(
    inventory: &Inventory,
    offer: &str,
    id: &str,
    products: &[Product],
) -> Result<Response, Box<Response>> {
    let key = &inventory.keys[place(inventory, offer, id)?];
    Ok(json_response(
        StatusCode::OK,
        &view(key, inventory, products),
    ))
}

/// PUT of one key: on sale, or withheld.
pub fn set_availability(
    request: &Request,
    inventory: &mut Inventory,
    offer: &str,
    id: &str,
    products: &[Product],
) -> Result<Response, Box<Response>> {
    let at = place(inventory, offer, id)?;
    let fields = offers::object(request)?;
    let status = match fields.get("status").and_then(Value::as_str) {
        Some("AVAILABLE") => KeyStatus::Available,
        Some("DISABLED") => KeyStatus::Disabled,
        _ => return Err(bad(&["status: must match \"^AVAILABLE|DISABLED$\""])),
    };
    if !matches!(
        inventory.keys[at].status,
        KeyStatus::Available | KeyStatus::Disabled
    ) {
        return Err(Box::new(error(
            StatusCode::FORBIDDEN,
            "A sold key cannot be changed",
        )));
    }
    inventory.keys[at].status = status;
    Ok(json_response(
        StatusCode::OK,
        &view(&inventory.keys[at], inventory, products),
    ))
}

/// A validated key upload.
struct NewKey {
    content: String,
    mime: String,
    request: Option<String>,
    external: Option<String>,
    sale: Option<usize>,
}

fn checked(input: &Value, inventory: &Inventory, offer: &str) -> Result<NewKey, Box<Response>> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut wrong = Vec::new();
    let content = text("body").unwrap_or_default();
    let mime = text("mimeType").unwrap_or_default();
    if content.is_empty() {
        wrong.push("body: must not be empty");
    } else if content.len() > KEY_MAX {
        wrong.push("Key is too big");
    }
    if !MIME_TYPES.contains(&mime.as_str()) {
        wrong.push("mimeType: must be one of text/plain, image/jpeg, image/png, image/gif");
    } else if mime != "text/plain" && STANDARD.decode(&content).is_err() {
        wrong.push("body: an image must be base64");
    }
    let request = text("requestId");
    if request
        .as_ref()
        .is_some_and(|id| id.is_empty() || id.len() > REQUEST_ID_MAX)
    {
        wrong.push("requestId: length must be between 1 and 36");
    }
    if !wrong.is_empty() {
        return Err(bad(&wrong));
    }
    let sale = match text("reservationId") {
        None => None,
        Some(id) => {
            let mut sales = inventory.reservations.iter();
            let at = sales.position(|sale| sale.id == id && sale.offer == offer);
            let at = at.filter(|at| {
                let status = inventory.reservations[*at].status.as_str();
                matches!(
                    status,
                    "BUYING" | "BOUGHT" | "OUT_OF_STOCK" | "PROCESSING_PREORDER"
                )
            });
            let at = at.ok_or_else(|| {
                bad(&["Invalid reservation ID (does not exist or has already been processed)"])
            })?;
            if inventory.reservations[at].status == "BUYING" {
                let message = "Reservation is being proceeded by another action now. Please try again in few seconds";
                return Err(Box::new(error(StatusCode::CONFLICT, message)));
            }
            Some(at)
        }
    };
    let duplicates = |key: &Key| {
        key.offer == offer && key.content == content || request.is_some() && key.request == request
    };
    if inventory.keys.iter().any(duplicates) {
        return Err(Box::new(error(
            StatusCode::CONFLICT,
            "Stock already uploaded",
        )));
    }
    Ok(NewKey {
        content,
        mime,
        request,
        external: text("externalId"),
        sale,
    })
}

fn put_in(
    new_key: NewKey,
    inventory: &mut Inventory,
    offer: &str,
    now: WallTime,
    events: &mut Vec<Event>,
) -> usize {
    let at = inventory.add_key(offer, &new_key.mime, Some(new_key.content), now);
    inventory.keys[at].request = new_key.request;
    inventory.keys[at].external = new_key.external;
    if let Some(sale) = new_key.sale {
        let id = inventory.reservations[sale].id.clone();
        inventory.dispatch(at, &id, now);
        let sale = &mut inventory.reservations[sale];
        "DELIVERED".clone_into(&mut sale.status);
        sale.updated = now;
        events.push(Event::Sale(id));
    }
    at
}

/// POST of one key, or of a list.
pub fn upload(
    request: &Request,
    inventory: &mut Inventory,
    offer: &str,
    products: &[Product],
    now: WallTime,
    events: &mut Vec<Event>,
) -> Result<Response, Box<Response>> {
    let body: Value = serde_json::from_slice(request.body())
        .map_err(|_| Box::new(error(StatusCode::BAD_REQUEST, "JSON parse error")))?;
    let many = request.uri().path().ends_with("/list");
    let input = match (&body, many) {
        (Value::Array(all), true) => all.as_slice(),
        (Value::Object(_), false) => std::slice::from_ref(&body),
        _ => return Err(bad(&["the body has the wrong shape"])),
    };
    // All or nothing: a list with one invalid key changes nothing.
    let mut trial = inventory.clone();
    let mut rows = Vec::new();
    let mut places = Vec::new();
    for input in input {
        let new_key = checked(input, &trial, offer)?;
        places.push(put_in(new_key, &mut trial, offer, now, &mut rows));
    }
    *inventory = trial;
    events.append(&mut rows);
    let rows = places
        .into_iter()
        .map(|at| view(&inventory.keys[at], inventory, products));
    let mut rows: Vec<Value> = rows.collect();
    let body = if many { rows.into() } else { rows.remove(0) };
    Ok(json_response(StatusCode::OK, &body))
}

/// POST of a file of keys.
pub fn upload_file(
    request: &Request,
    inventory: &mut Inventory,
    offer: &str,
    now: WallTime,
) -> Result<Response, Box<Response>> {
    let (name, text) =
        file(request).ok_or_else(|| bad(&["Required part 'file' is not present"]))?;
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    let (status, details) = match extension.as_deref() {
        Some("txt") => {
            let keys: Vec<&str> = text
                .lines()
                .map(str::trim)
                .filter(|key| !key.is_empty())
                .collect();
            if keys.len() > FILE_KEYS_MAX {
                return Err(bad(&["Too many keys in file"]));
            }
            if keys.iter().any(|key| key.len() > KEY_MAX) {
                return Err(bad(&["Key is too big"]));
            }
            for key in &keys {
                inventory.add_key(offer, "text/plain", Some((*key).to_owned()), now);
            }
            ("DONE", format!("{} keys uploaded", keys.len()))
        }
        Some("zip") => ("ERROR", "this sandbox reads only .txt files".to_owned()),
        _ => return Err(bad(&["Unsupported file extension"])),
    };
    let upload = Upload {
        id: format!(
            "f11e0000-0000-4000-8000-{:012}",
            inventory.uploads.len() + 1
        ),
        offer: offer.to_owned(),
        status: status.to_owned(),
        details,
    };
    let body = upload_view(&upload);
    if inventory.uploads.len() < UPLOADS_MAX {
        inventory.uploads.push(upload);
    }
    Ok(json_response(StatusCode::OK, &body))
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

/// GET of an upload's progress.
pub fn upload_status(
    inventory: &Inventory,
    offer: &str,
    id: &str,
) -> Result<Response, Box<Response>> {
    let mut uploads = inventory.uploads.iter();
    let found = uploads.find(|upload| upload.id == id && upload.offer == offer);
    let found = found.ok_or_else(|| Box::new(error(StatusCode::NOT_FOUND, "Upload not found")))?;
    Ok(json_response(StatusCode::OK, &upload_view(found)))
}

/// POST of an order to be restocked.
pub fn restock(
    request: &Request,
    inventory: &mut Inventory,
    now: WallTime,
) -> Result<Response, Box<Response>> {
    let fields = offers::object(request)?;
    let order = fields
        .get("orderIncrementId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !inventory
        .reservations
        .iter()
        .any(|sale| sale.order == order)
    {
        return Err(Box::new(error(StatusCode::NOT_FOUND, "Order not found")));
    }
    if inventory.restocked.iter().any(|known| known == order) {
        return Err(Box::new(error(
            StatusCode::CONFLICT,
            "Order already restocked",
        )));
    }
    let mut rows = Vec::new();
    for input in fields
        .get("offers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let offer = input
            .get("offerId")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let keys = input.get("keysNumber").and_then(Value::as_i64);
        let known = inventory.offers.iter().any(|known| known.id == offer);
        let Some(keys) = keys.filter(|keys| known && (1..=100).contains(keys)) else {
            return Err(bad(&[
                "offers: a known offerId and a keysNumber are needed",
            ]));
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
    Ok(json_response(StatusCode::OK, &rows.into()))
}

/// POST of a delivered key to be taken back.
pub fn take_back(
    inventory: &mut Inventory,
    card: &str,
    now: WallTime,
    events: &mut Vec<Event>,
) -> Result<Response, Box<Response>> {
    if card.len() != 24 || !card.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Box::new(error(
            StatusCode::METHOD_NOT_ALLOWED,
            "Invalid cardId",
        )));
    }
    let key = inventory
        .keys
        .iter_mut()
        .find(|key| key.card.as_deref() == Some(card));
    let Some(key) = key.filter(|key| key.status == KeyStatus::Dispatched) else {
        return Err(Box::new(error(StatusCode::NOT_FOUND, "Card not found")));
    };
    key.status = KeyStatus::Returned;
    let id = key.reservation.clone();
    let mut sales = inventory.reservations.iter_mut();
    if let Some(sale) = sales.find(|sale| Some(&sale.id) == id.as_ref()) {
        "RETURNED".clone_into(&mut sale.status);
        sale.updated = now;
        events.push(Event::Sale(sale.id.clone()));
    }
    Ok(json_response(
        StatusCode::OK,
        &json!({ "sandboxExtra": true }),
    ))
}
