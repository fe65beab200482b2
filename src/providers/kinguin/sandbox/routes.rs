//! Routes requests: first the calls that are open to all, then those of a client with a valid token.

use hyper::http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::domain::WallTime;
use crate::http_server::Response;
use crate::sandbox::Late;
use crate::sandbox::reply::{self, ok};
use crate::sandbox::route::{Answer, NoRoute, Route, delete, get, knows, patch, post, put};

use super::access::OverLimit;
use super::query::date;
use super::{Call, Kinguin, access, error, market, not_found, offers, sales, stock, webhooks};

/// The prefix of most calls; the tables leave it out.
const API: &str = "/sales-manager-api/api/v1";

/// Calls without a token.
const PUBLIC: &[Route<Kinguin>] = &[
    post(super::TOKEN_PATH, access::grant),
    get("/library/api/v1/products/search", market::search),
    get(
        "/kpc/api/v1/products/search/findByTypeAndExternalId",
        market::by_number,
    ),
    get("/product/minimalPrice/{product}", market::minimal_price),
    get(
        "/wholesale/product/{product}/offers",
        market::of_one_product,
    ),
    get("/wholesale/offers", market::wholesale),
    get(
        "/products/{product}/defaultWholesaleTier",
        market::wholesale_tier,
    ),
    get("/merchants/findByNameLike", market::sellers_like),
];

/// Calls of a client.
const OWN: &[Route<Kinguin>] = &[
    get("/envoy2/api/v1/subscription", webhooks::subscription),
    post("/envoy2/api/v1/subscription", webhooks::subscribe),
    get("/envoy2/api/v1/requests", webhooks::requests),
    get("/merchants", merchant_type),
    post("/merchants", create_merchant),
    get("/merchants/status", merchant),
    get("/merchants/findByName", market::seller_named),
    get("/reservations", sales::list),
    get("/reservations/archive", sales::archive),
    get("/reservations/stats", sales::stats),
    get("/reservations/csv", sales::csv),
    patch("/reservations/delivery", sales::deliver),
    get("/alerts", sales::alert_list),
    get("/alerts/{alert}", sales::alert),
    get("/wholesale/product/{product}/best", market::best),
    get("/wholesale/configuration", market::configuration),
    post("/wholesale/configuration", market::configure),
    post("/returns/ktc/{card}", stock::take_back),
    get("/offers", offers::list),
    post("/offers", offers::create),
    get("/offers/block-reasons", offers::block_reasons),
    get("/offers/calculations/priceAndCommission", offers::calculate),
    post("/offers/restock", stock::restock),
    patch("/offers/favorites", offers::bulk_favorites),
    patch("/offers/status/bulk/activate", offers::bulk_activate),
    patch("/offers/status/bulk/deactivate", offers::bulk_deactivate),
    patch("/offers/wholesale/bulk", offers::bulk_wholesale),
    get("/offers/{offer}", offers::show),
    put("/offers/{offer}", offers::update),
    patch("/offers/{offer}", offers::update),
    delete("/offers/{offer}", offers::remove),
    get("/offers/{offer}/position", offers::position),
    post("/offers/{offer}/popularity", offers::bid),
    get("/offers/{offer}/stock", stock::list),
    post("/offers/{offer}/stock", stock::upload),
    post("/offers/{offer}/stock/list", stock::upload_list),
    post("/offers/{offer}/stock/file", stock::upload_file),
    get("/offers/{offer}/stock/file/{upload}", stock::upload_status),
    get("/offers/{offer}/stock/{key}", stock::one),
    put("/offers/{offer}/stock/{key}", stock::set_availability),
];

pub fn answer(mut call: Call<'_>) -> Response {
    let path = call.request.uri().path();
    let path = path.strip_prefix(API).unwrap_or(path);
    let answered = if knows(PUBLIC, path) {
        routed(&mut call, PUBLIC, path)
    } else {
        as_client(&mut call, path)
    };
    answered.unwrap_or_else(|refusal| *refusal)
}

fn routed<'a>(call: &mut Call<'a>, table: &[Route<Kinguin>], path: &'a str) -> Answer {
    call.route(table, path).unwrap_or_else(|unrouted| {
        Err(match unrouted {
            NoRoute::Path => not_found("No such path"),
            NoRoute::Method(methods) => {
                let refusal = *error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
                Box::new(reply::allowing(refusal, &methods))
            }
        })
    })
}

fn as_client<'a>(call: &mut Call<'a>, path: &'a str) -> Answer {
    call.caller = call.state.access.bearer(call.request.headers(), call.now)?;
    let late = admit(call)?;
    let mut response = routed(call, OWN, path).unwrap_or_else(|refusal| *refusal);
    if let Some(late) = late {
        response.extensions_mut().insert(late);
    }
    Ok(response)
}

/// Counts a call, rejects it, or returns the delay of its answer.
fn admit(call: &mut Call<'_>) -> Answer<Option<Late>> {
    let (now, at) = (call.now, usize::from(call.reads()));
    let rules = &call.state.rules;
    let window = &mut call.state.windows[call.caller][at];
    let wait = window.wait([rules.limit_writes, rules.limit_reads][at], now);
    // `None` where the simulated clock stands still: a delayed call would never be answered, so it is rejected.
    let outside = call.simulator.outside_span(wait);
    match (rules.over_limit, outside) {
        _ if wait.is_zero() => {
            window.enter(now, wait);
            Ok(None)
        }
        (OverLimit::Delay, Some(outside)) => {
            window.enter(now, wait);
            Ok(Some(Late(outside)))
        }
        (over, outside) => {
            let mut refusal = error(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            if over == OverLimit::RefuseWithRetryAfter {
                let seconds = outside.unwrap_or(wait).as_millis().div_ceil(1_000).max(1);
                let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                let headers = refusal.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Err(refusal)
        }
    }
}

fn create_merchant(_: &mut Call<'_>) -> Answer {
    Err(error(StatusCode::CONFLICT, "Merchant already created"))
}

fn merchant_type(_: &mut Call<'_>) -> Answer {
    ok(json!({ "type": "MERCHANT", "status": "ACTIVE", "sandboxExtra": true }))
}

fn merchant(call: &mut Call<'_>) -> Answer {
    let inventory = call.inventory();
    let sold = inventory.reservations.iter();
    let sold = sold.filter(|sale| sale.status == "DELIVERED").count();
    let began = call.simulator.start();
    ok(json!({
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
            "soldReservationsCount": sold,
            "completedOrders": sold,
            "last90dAlerts": 1,
        },
        "createdAt": date(WallTime(began.0 - 900 * 24 * 60 * 60 * 1000)),
        "updatedAt": date(began),
        "sandboxExtra": "an undocumented field",
    }))
}
