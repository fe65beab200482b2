//! Which request goes where, once it is known who calls.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::domain::WallTime;
use crate::http_server::{Request, Response};

use super::query::{Query, date};
use super::shelf::Shelf;
use super::{Event, Memory, error, json_response, market, offers, only, sales, stock};

/// What is answered without a token; `None` where one is needed.
pub fn public(request: &Request, memory: &Memory, seed: u64) -> Option<Response> {
    let (shelves, products) = (&memory.shelves, &memory.products);
    let parts = parts(request.uri().path());
    let answered = match (reads(request), parts.as_slice()) {
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
            request, id, shelves, products, seed,
        )),
        (_, ["sales-manager-api", "api", "v1", "wholesale", "offers"]) => {
            market::wholesale(request, shelves, products, seed)
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
        ) => market::sellers_like(request, shelves),
        _ => return None,
    };
    Some(answered.unwrap_or_else(|refusal| *refusal))
}

/// Answers a request of `client`, whose token is good.
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
            tell(memory, client, events, now);
            Ok(answered)
        }
        ["sales-manager-api", "api", "v1", "returns", "ktc", card] => {
            if request.method() != Method::POST {
                return Ok(only("POST"));
            }
            let mut events = Vec::new();
            let answered = stock::take_back(&mut memory.shelves[client], card, now, &mut events)?;
            tell(memory, client, events, now);
            Ok(answered)
        }
        [
            "sales-manager-api",
            "api",
            "v1",
            "wholesale",
            "configuration",
        ] if posts => market::configure(request, &mut memory.shelves[client]),
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

fn tell(memory: &mut Memory, client: usize, events: Vec<Event>, now: WallTime) {
    for Event::Sale(id) in events {
        let shelf = &memory.shelves[client];
        memory
            .webhooks
            .sale(client, shelf, &id, &memory.products, now);
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
    let (shelf, products) = (&memory.shelves[client], &memory.products);
    match rest {
        ["merchants"] => {
            let body = json!({ "type": "MERCHANT", "status": "ACTIVE", "sandboxExtra": true });
            Ok(json_response(StatusCode::OK, &body))
        }
        ["merchants", "status"] => Ok(merchant(shelf, memory.began.unwrap_or(WallTime(0)))),
        ["merchants", "findByName"] => {
            let name = Query::of(request);
            let mut shelves = memory.shelves.iter();
            let found = shelves.find(|shelf| name.get("name") == Some(&shelf.name));
            let found = found
                .ok_or_else(|| Box::new(error(StatusCode::NOT_FOUND, "Merchant not found")))?;
            Ok(json_response(StatusCode::OK, &found.seller.into()))
        }
        ["reservations"] => sales::list(request, shelf, products, false),
        ["reservations", "archive"] => sales::list(request, shelf, products, true),
        ["reservations", "stats"] => sales::stats(request, shelf, products),
        ["reservations", "csv"] => sales::csv(request, shelf, products),
        ["alerts"] => sales::alert_list(request, shelf, products),
        ["alerts", id] => sales::alert(shelf, id, products),
        ["wholesale", "product", id, "best"] => market::best(id, &memory.shelves, products, seed),
        ["wholesale", "configuration"] => Ok(market::configuration(shelf)),
        _ => Err(nothing()),
    }
}

fn merchant(shelf: &Shelf, began: WallTime) -> Response {
    let sold = shelf
        .reservations
        .iter()
        .filter(|sale| sale.status == "DELIVERED");
    let body = json!({
        "id": shelf.seller,
        "name": shelf.name,
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
        "sandboxExtra": "a field that no documentation names",
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
        && id.len() == 24
    {
        let at = place(memory, client, id, !get)?;
        let products = &memory.products;
        let shelf = &mut memory.shelves[client];
        return match &rest[1..] {
            [] if get => Ok(json_response(
                StatusCode::OK,
                &offers::one(shelf, at, products),
            )),
            [] if put || patch => offers::update(request, shelf, at, products, now),
            [] if *method == Method::DELETE => {
                shelf.keys.retain(|key| key.offer != *id);
                shelf.offers.remove(at);
                Ok(crate::http_server::respond(
                    StatusCode::NO_CONTENT,
                    "application/json",
                    "",
                ))
            }
            ["position"] if get => offers::position(request, &shelf.offers[at], products),
            ["popularity"] if post => offers::bid(request, shelf, at, products, now),
            ["stock"] if get => stock::list(request, shelf, id, products),
            ["stock"] | ["stock", "list"] if post => {
                stock::upload(request, shelf, id, products, now, events)
            }
            ["stock", "file"] if post => stock::upload_file(request, shelf, id, now),
            ["stock", "file", upload] if get => stock::upload_status(shelf, id, upload),
            ["stock", key] if get => stock::one(shelf, id, key, products),
            ["stock", key] if put => stock::hold(request, shelf, id, key, products),
            _ => Err(nothing()),
        };
    }
    let products = &memory.products;
    let shelf = &mut memory.shelves[client];
    match rest {
        [] if get => offers::list(request, shelf, products, memory.rules.shape),
        [] if post => offers::create(request, shelf, products, now),
        ["block-reasons"] if get => Ok(offers::block_reasons(shelf)),
        ["calculations", "priceAndCommission"] if get => offers::calculate(request, products),
        ["restock"] if post => stock::restock(request, shelf, now),
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
            offers::bulk(request, &what, shelf, products, now)
        }
        _ => Err(nothing()),
    }
}

/// Where an offer stands in the caller's list. Another seller's is forbidden to writes and unknown to reads.
fn place(memory: &Memory, client: usize, id: &str, writes: bool) -> Result<usize, Box<Response>> {
    let mut own = memory.shelves[client].offers.iter();
    if let Some(at) = own.position(|offer| offer.id == id) {
        return Ok(at);
    }
    let elsewhere = memory
        .shelves
        .iter()
        .any(|shelf| shelf.offers.iter().any(|offer| offer.id == id));
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
