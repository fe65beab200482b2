//! Routes requests, once the caller is known.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::domain::WallTime;
use crate::http_server::{Request, Response};

use super::inventory::Inventory;
use super::query::{Query, date};
use super::{Event, Memory, error, json_response, market, offers, only, sales, stock};

/// Answers public calls; `None` where the call needs a token.
pub fn public(request: &Request, memory: &Memory, seed: u64) -> Option<Response> {
    let (inventories, products) = (&memory.inventories, &memory.products);
    let parts = parts(request.uri().path());
    let answered = match (reads(request), parts.as_slice()) {
        // All public calls are reads.
        (false, _) => return None,
        (_, ["library", "api", "v1", "products", "search"]) => market::search(request, products),
        (
            _,
            [
                "kpc",
                "api",
                "v1",
                "products",
                "search",
                "findByTypeAndExternalId",
            ],
        ) => market::by_number(request, products),
        (
            _,
            [
                "sales-manager-api",
                "api",
                "v1",
                "product",
                "minimalPrice",
                id,
            ],
        ) => market::minimal_price(id, products),
        (
            _,
            [
                "sales-manager-api",
                "api",
                "v1",
                "wholesale",
                "product",
                id,
                "offers",
            ],
        ) => Ok(market::wholesale_product(
            request,
            id,
            inventories,
            products,
            seed,
        )),
        (_, ["sales-manager-api", "api", "v1", "wholesale", "offers"]) => {
            market::wholesale(request, inventories, products, seed)
        }
        (
            _,
            [
                "sales-manager-api",
                "api",
                "v1",
                "products",
                id,
                "defaultWholesaleTier",
            ],
        ) => market::wholesale_tier(id, products),
        (
            _,
            [
                "sales-manager-api",
                "api",
                "v1",
                "merchants",
                "findByNameLike",
            ],
        ) => market::sellers_like(request, inventories),
        _ => return None,
    };
    Some(answered.unwrap_or_else(|refusal| *refusal))
}

/// Answers a request of `client`, whose token is valid.
pub fn answer(
    request: &Request,
    memory: &mut Memory,
    client: usize,
    seed: u64,
    now: WallTime,
) -> Result<Response, Box<Response>> {
    let parts = parts(request.uri().path());
    let posts = request.method() == Method::POST;
    match parts.as_slice() {
        ["envoy2", "api", "v1", rest @ ..] => match (request.method(), rest) {
            (&Method::POST, ["subscription"]) => memory.webhooks.subscribe(client, request),
            (_, ["subscription"]) if reads(request) => memory.webhooks.subscription(client),
            (_, ["requests"]) if reads(request) => memory.webhooks.requests(client, request),
            (_, ["requests"]) => Ok(only("GET")),
            _ => Err(nothing()),
        },
        ["sales-manager-api", "api", "v1", "offers", rest @ ..] => {
            let mut events = Vec::new();
            let answered = offer_calls(request, rest, memory, client, now, &mut events)?;
            queue_webhooks(memory, client, events, now);
            Ok(answered)
        }
        ["sales-manager-api", "api", "v1", "returns", "ktc", card] => {
            if request.method() != Method::POST {
                return Ok(only("POST"));
            }
            let mut events = Vec::new();
            let answered =
                stock::take_back(&mut memory.inventories[client], card, now, &mut events)?;
            queue_webhooks(memory, client, events, now);
            Ok(answered)
        }
        [
            "sales-manager-api",
            "api",
            "v1",
            "wholesale",
            "configuration",
        ] if posts => market::configure(request, &mut memory.inventories[client]),
        // Both sellers are merchants already.
        ["sales-manager-api", "api", "v1", "merchants"] if posts => Err(Box::new(error(
            StatusCode::CONFLICT,
            "Merchant already created",
        ))),
        ["sales-manager-api", "api", "v1", "reservations", "delivery"]
            if request.method() == Method::PATCH =>
        {
            sales::deliver(request)
        }
        ["sales-manager-api", "api", "v1", rest @ ..] if reads(request) => {
            seller_calls(request, rest, memory, client, seed)
        }
        ["sales-manager-api", "api", "v1", ..] => Ok(only("GET")),
        _ => Err(nothing()),
    }
}

fn queue_webhooks(memory: &mut Memory, client: usize, events: Vec<Event>, now: WallTime) {
    for Event::Sale(id) in events {
        let inventory = &memory.inventories[client];
        memory
            .webhooks
            .sale(client, inventory, &id, &memory.products, now);
    }
}

/// Reads that are not below an offer.
fn seller_calls(
    request: &Request,
    rest: &[&str],
    memory: &Memory,
    client: usize,
    seed: u64,
) -> Result<Response, Box<Response>> {
    let (inventory, products) = (&memory.inventories[client], &memory.products);
    match rest {
        ["merchants"] => {
            let body = json!({ "type": "MERCHANT", "status": "ACTIVE", "sandboxExtra": true });
            Ok(json_response(StatusCode::OK, &body))
        }
        ["merchants", "status"] => Ok(merchant(inventory, memory.began.unwrap_or(WallTime(0)))),
        ["merchants", "findByName"] => {
            let name = Query::of(request);
            let mut inventories = memory.inventories.iter();
            let found = inventories.find(|inventory| name.get("name") == Some(&inventory.name));
            let found = found
                .ok_or_else(|| Box::new(error(StatusCode::NOT_FOUND, "Merchant not found")))?;
            Ok(json_response(StatusCode::OK, &found.seller.into()))
        }
        ["reservations"] => sales::list(request, inventory, products, false),
        ["reservations", "archive"] => sales::list(request, inventory, products, true),
        ["reservations", "stats"] => sales::stats(request, inventory, products),
        ["reservations", "csv"] => sales::csv(request, inventory, products),
        ["alerts"] => sales::alert_list(request, inventory, products),
        ["alerts", id] => sales::alert(inventory, id, products),
        ["wholesale", "product", id, "best"] => {
            market::best(id, &memory.inventories, products, seed)
        }
        ["wholesale", "configuration"] => Ok(market::configuration(inventory)),
        _ => Err(nothing()),
    }
}

fn merchant(inventory: &Inventory, began: WallTime) -> Response {
    let sold = inventory
        .reservations
        .iter()
        .filter(|sale| sale.status == "DELIVERED");
    let body = json!({
        "id": inventory.seller,
        "name": inventory.name,
        "status": "ACTIVE",
        "type": "MERCHANT",
        "maxDeclaredStock": offers::DECLARED_MAX,
        "maxPreOrderStock": 50,
        "tierLevel": "LEVEL_2",
        "testAccount": true,
        "wholesaler": true,
        "wholesaleVisibility": "FULL",
        "merchantStatistics": {
            "soldReservationsCount": sold.clone().count(),
            "completedOrders": sold.count(),
            "last90dAlerts": 1,
        },
        "createdAt": date(WallTime(began.0 - 900 * 24 * 60 * 60 * 1000)),
        "updatedAt": date(began),
        "sandboxExtra": "an undocumented field",
    });
    json_response(StatusCode::OK, &body)
}

/// Calls at and below `/offers`.
fn offer_calls(
    request: &Request,
    rest: &[&str],
    memory: &mut Memory,
    client: usize,
    now: WallTime,
    events: &mut Vec<Event>,
) -> Result<Response, Box<Response>> {
    let method = request.method();
    let (get, post) = (reads(request), *method == Method::POST);
    let (put, patch) = (*method == Method::PUT, *method == Method::PATCH);
    if let [id, ..] = rest
        // Distinguishes an id from the names of collection calls, which are never 24 characters long.
        && id.len() == 24
    {
        // Before the method is looked at: a foreign offer is foreign to every call.
        let at = place(memory, client, id, !get)?;
        let products = &memory.products;
        let inventory = &mut memory.inventories[client];
        return match &rest[1..] {
            [] if get => Ok(json_response(
                StatusCode::OK,
                &offers::one(inventory, at, products),
            )),
            [] if put || patch => offers::update(request, inventory, at, products, now),
            [] if *method == Method::DELETE => {
                // Keys without an offer could be reached by no call.
                inventory.keys.retain(|key| key.offer != *id);
                inventory.offers.remove(at);
                Ok(crate::http_server::respond(
                    StatusCode::NO_CONTENT,
                    "application/json",
                    "",
                ))
            }
            ["position"] if get => offers::position(request, &inventory.offers[at], products),
            ["popularity"] if post => offers::bid(request, inventory, at, products, now),
            ["stock"] if get => stock::list(request, inventory, id, products),
            ["stock"] | ["stock", "list"] if post => {
                stock::upload(request, inventory, id, products, now, events)
            }
            ["stock", "file"] if post => stock::upload_file(request, inventory, id, now),
            ["stock", "file", upload] if get => stock::upload_status(inventory, id, upload),
            ["stock", key] if get => stock::one(inventory, id, key, products),
            ["stock", key] if put => stock::set_availability(request, inventory, id, key, products),
            _ => Err(nothing()),
        };
    }
    let products = &memory.products;
    let inventory = &mut memory.inventories[client];
    match rest {
        [] if get => offers::list(request, inventory, products, memory.rules.shape),
        [] if post => offers::create(request, inventory, products, now),
        ["block-reasons"] if get => Ok(offers::block_reasons(inventory)),
        ["calculations", "priceAndCommission"] if get => offers::calculate(request, products),
        ["restock"] if post => stock::restock(request, inventory, now),
        ["favorites"] | ["status" | "wholesale", ..] if patch => {
            let what = rest.join("/");
            if ![
                "favorites",
                "status/bulk/activate",
                "status/bulk/deactivate",
                "wholesale/bulk",
            ]
            .contains(&what.as_str())
            {
                return Err(nothing());
            }
            offers::bulk(request, &what, inventory, products, now)
        }
        _ => Err(nothing()),
    }
}

/// An offer's index in the caller's list. For another seller's offer, writes get 403 and reads 404.
fn place(memory: &Memory, client: usize, id: &str, writes: bool) -> Result<usize, Box<Response>> {
    let mut own = memory.inventories[client].offers.iter();
    if let Some(at) = own.position(|offer| offer.id == id) {
        return Ok(at);
    }
    let elsewhere = memory
        .inventories
        .iter()
        .any(|inventory| inventory.offers.iter().any(|offer| offer.id == id));
    Err(Box::new(if elsewhere && writes {
        error(StatusCode::FORBIDDEN, "Access is denied")
    } else {
        error(StatusCode::NOT_FOUND, "Offer not found")
    }))
}

fn nothing() -> Box<Response> {
    Box::new(error(StatusCode::NOT_FOUND, "No such path"))
}

fn parts(path: &str) -> Vec<&str> {
    path.trim_start_matches('/').split('/').collect()
}

/// Whether a request is counted as a read.
pub fn reads(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}
