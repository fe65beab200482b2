//! Offers over HTTP: listed, made, changed. The `price` of a request is what the seller receives (IWTR), the `price`
//! of an answer what the buyer pays.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::domain::WallTime;
use crate::domain::amount::Cents;
use crate::http_server::{Request, Response};

use super::inventory::{Counts, Inventory, Offer, Wholesale, price};
use super::products::Product;
use super::query::{Page, Query, date};
use super::{ListShape, bad, error, json_response};

/// The most keys a seller may promise without having them.
pub const DECLARED_MAX: i64 = 20;
const AMOUNT_MAX: i64 = 1_000_000;

/// Money as this API writes it.
pub fn money(cents: i64) -> Value {
    json!({ "amount": cents, "currency": "EUR", "sandboxExtra": true })
}

/// An offer as this API writes it.
pub fn view(offer: &Offer, inventory: &Inventory, counts: Counts, products: &[Product]) -> Value {
    let product = &products[offer.product];
    let buyer = price(product, offer.iwtr);
    let wholesale = offer.wholesale.as_ref().map(|wholesale| {
        let tiers = wholesale
            .discounts
            .iter()
            .zip(1..)
            .map(|(discount, level)| {
                let iwtr = offer.iwtr * (100 - discount) / 100;
                json!({
                    "discount": discount,
                    "level": level,
                    "price": money(price(product, iwtr)),
                    "priceIWTR": money(iwtr),
                })
            });
        json!({
            "name": wholesale.name,
            "enabled": wholesale.enabled,
            "tiers": tiers.collect::<Vec<_>>(),
        })
    });
    json!({
        "id": offer.id,
        "productId": product.id,
        "name": offer.named.then_some(&product.name),
        "sellerId": inventory.seller,
        "status": if offer.active { "ACTIVE" } else { "INACTIVE" },
        "block": offer.block,
        "priceIWTR": money(offer.iwtr),
        "price": money(buyer),
        "commissionRule": rule(product),
        "declaredStock": offer.declared,
        "declaredTextStock": offer.declared_text,
        "maxDeliveryDate": offer.delivery,
        "reservedStock": counts.reserved,
        "availableStock": counts.available,
        "buyableStock": counts.buyable(offer),
        "sold": offer.sold[0],
        "sold1d": offer.sold[1],
        "sold7d": offer.sold[2],
        "sold30d": offer.sold[3],
        "wholesale": wholesale,
        "productDetails": { "region": { "id": 3, "name": "Region free" }, "platform": { "id": 1, "name": "PC" } },
        "preOrder": product.pre_order,
        "popularityBid": money(offer.bid),
        "salesBoosterRenewal": offer.renewal,
        "spaActive": offer.special_price,
        "favorite": offer.favorite,
        // In a plain offer it repeats the price; only in-game offers give it a meaning.
        "unitPrice": buyer,
        "minQuantity": product.in_game.then_some(100),
        "updatedAt": date(offer.updated),
        "createdAt": date(offer.created),
        "sandboxExtra": "an undocumented field",
    })
}

/// The commission on a product.
pub fn rule(product: &Product) -> Option<Value> {
    product.rule.as_ref().map(|rule| {
        json!({
            "id": rule.id,
            "ruleName": rule.name,
            "fixedAmount": rule.fixed,
            "percentValue": rule.percent,
            "sandboxExtra": true,
        })
    })
}

/// One offer as this API writes it, with current stock counts.
pub fn one(inventory: &Inventory, at: usize, products: &[Product]) -> Value {
    let offer = &inventory.offers[at];
    let counts = inventory.counts().get(offer.id.as_str()).copied();
    view(offer, inventory, counts.unwrap_or_default(), products)
}

/// GET offers.
pub fn list(
    request: &Request,
    inventory: &Inventory,
    products: &[Product],
    shape: ListShape,
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let counts = inventory.counts();
    let counted = |offer: &Offer| counts.get(offer.id.as_str()).copied().unwrap_or_default();
    let wanted = |offer: &&Offer| {
        let status = if offer.active { "ACTIVE" } else { "INACTIVE" };
        let of_product = |id: &str| products[offer.product].id == id;
        query.get("productId").is_none_or(of_product)
            && query.get("status").is_none_or(|wanted| wanted == status)
    };
    let all: Vec<&Offer> = inventory.offers.iter().filter(wanted).collect();
    let (page, rows) = Page::of(request, &query, all)?;
    let rows = rows
        .into_iter()
        .map(|offer| view(offer, inventory, counted(offer), products));
    let mut body = match shape {
        ListShape::Hal => page.hal("offerList", rows.collect()),
        ListShape::Spec => page.listed(rows.collect()),
    };
    let count =
        |is: &dyn Fn(&Offer) -> bool| inventory.offers.iter().filter(|offer| is(offer)).count();
    let manual = |offer: &Offer| {
        let block = offer.block.as_deref();
        block.is_some_and(|block| block.starts_with("MANUAL_VERIFICATION"))
    };
    body.insert(
        "summary".into(),
        json!({
            "totalActive": count(&|offer| offer.active),
            "totalActiveWithoutStock": count(&|offer| offer.active && counted(offer).buyable(offer) == 0),
            "totalInactive": count(&|offer| !offer.active),
            "totalBlock": count(&|offer| offer.block.is_some() && !manual(offer)),
            "totalManualVerification": count(&manual),
            "totalPrePurchaseStock": count(&|offer| products[offer.product].pre_order && offer.declared > 0),
            "totalSpaActive": count(&|offer| offer.special_price),
            "totalFavorite": count(&|offer| offer.favorite),
        }),
    );
    body.insert("sandboxExtra".into(), 1.into());
    Ok(json_response(StatusCode::OK, &body.into()))
}

/// The object that a write carries.
pub fn object(request: &Request) -> Result<Map<String, Value>, Box<Response>> {
    serde_json::from_slice(request.body()).map_err(|_| {
        Box::new(error(
            StatusCode::BAD_REQUEST,
            "JSON parse error: an object is expected",
        ))
    })
}

/// POST offers.
pub fn create(
    request: &Request,
    inventory: &mut Inventory,
    products: &[Product],
    now: WallTime,
) -> Result<Response, Box<Response>> {
    let fields = object(request)?;
    let id = fields
        .get("productId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Some(product) = products.iter().position(|product| product.id == id) else {
        return Err(bad(&["Unable to create offer. Product does not exist."]));
    };
    if inventory
        .offers
        .iter()
        .any(|offer| offer.product == product)
    {
        return Err(Box::new(error(
            StatusCode::CONFLICT,
            "Offer already created",
        )));
    }
    if fields.get("price").is_none_or(Value::is_null) {
        return Err(bad(&["price: must not be null"]));
    }
    // Built on a copy, so that a rejected offer changes nothing.
    let mut trial = inventory.clone();
    let at = trial.add_offer(product, 0, now);
    change(&fields, &mut trial.offers[at], &products[product], now)?;
    *inventory = trial;
    Ok(json_response(StatusCode::OK, &one(inventory, at, products)))
}

/// PUT and PATCH of one offer. The documented body is the same for both, with every field optional.
pub fn update(
    request: &Request,
    inventory: &mut Inventory,
    at: usize,
    products: &[Product],
    now: WallTime,
) -> Result<Response, Box<Response>> {
    let fields = object(request)?;
    // Changed on a copy, so that a rejected update changes nothing.
    let mut offer = inventory.offers[at].clone();
    let product = &products[offer.product];
    change(&fields, &mut offer, product, now)?;
    inventory.offers[at] = offer;
    Ok(json_response(StatusCode::OK, &one(inventory, at, products)))
}

/// Changes the named fields; null counts as absent.
fn change(
    fields: &Map<String, Value>,
    offer: &mut Offer,
    product: &Product,
    now: WallTime,
) -> Result<(), Box<Response>> {
    let mut wrong = Vec::new();
    // A PATCH changes only what it names (`docs/providers/kinguin.md#offers`).
    let get = |name: &str| fields.get(name).filter(|value| !value.is_null());
    if let Some(status) = get("status") {
        match status.as_str() {
            Some("ACTIVE") => offer.active = true,
            Some("INACTIVE") => offer.active = false,
            _ => wrong.push("status: must match \"^ACTIVE|INACTIVE$\"".to_owned()),
        }
    }
    if let Some(input) = get("price") {
        match input.get("amount").and_then(Value::as_i64) {
            None => wrong.push("price.amount: must be an integer".into()),
            Some(..=0) => wrong.push("Offer price must be greater than zero".into()),
            Some(amount) if amount > AMOUNT_MAX => {
                wrong.push(format!(
                    "price.amount: must be less than or equal to {AMOUNT_MAX}"
                ));
            }
            // The minimum is what the buyer pays, the sent amount what the seller receives.
            Some(amount) if price(product, amount) < product.minimum => wrong.push(format!(
                "Minimal price limit of {} EUR not reached for this product",
                Cents(product.minimum)
            )),
            Some(amount) => offer.iwtr = amount,
        }
        if input.get("currency").and_then(Value::as_str) != Some("EUR") {
            wrong.push("price.currency: must match \"^EUR$\"".into());
        }
    }
    if let Some(declared) = get("declaredStock") {
        match declared.as_i64() {
            None | Some(..0) => {
                wrong.push("declaredStock: must be greater than or equal to 0".into());
            }
            Some(declared) if declared > DECLARED_MAX => {
                wrong.push("Max declared stock has been exceeded".into());
            }
            Some(declared) => offer.declared = declared,
        }
    }
    if let Some(text) = get("declaredTextStock") {
        match text.as_i64() {
            None | Some(..0) => {
                wrong.push("declaredTextStock: must be greater than or equal to 0".into());
            }
            Some(text) => offer.declared_text = Some(text),
        }
    }
    if wrong.is_empty()
        && offer
            .declared_text
            .is_some_and(|text| text > offer.declared)
    {
        wrong.push("declaredTextStock: must be less than or equal to declaredStock".into());
    }
    if let Some(input) = get("wholesale") {
        match wholesale(input) {
            Ok(input) => offer.wholesale = Some(input),
            Err(why) => wrong.push(why.into()),
        }
    }
    if let Some(delivery) = get("maxDeliveryDate") {
        match delivery
            .as_str()
            .filter(|text| super::query::instant(text).is_some())
        {
            Some(text) => offer.delivery = Some(text.to_owned()),
            None => wrong.push("maxDeliveryDate: must be a date".into()),
        }
    }
    if wrong.is_empty() {
        offer.updated = now;
        Ok(())
    } else {
        Err(bad(&wrong))
    }
}

/// Reads the requested discounts.
pub fn wholesale(input: &Value) -> Result<Wholesale, &'static str> {
    let enabled = input.get("enabled").and_then(Value::as_bool);
    let enabled = enabled.ok_or("Wholesale tiers values are invalid")?;
    let tiers = input.get("tiers").and_then(Value::as_array);
    let mut discounts = Vec::new();
    for (tier, level) in tiers.into_iter().flatten().zip(1..) {
        let number = |name: &str| tier.get(name).and_then(Value::as_i64);
        if number("level") != Some(level) || level > 4 {
            return Err("Wholesale tiers values are invalid");
        }
        let discount = number("discount").filter(|discount| (0..100).contains(discount));
        discounts.push(discount.ok_or("Wholesale discount value is invalid")?);
    }
    Ok(Wholesale {
        name: input.get("name").and_then(Value::as_str).map(str::to_owned),
        enabled,
        discounts,
    })
}

/// PATCH of several offers at once.
pub fn bulk(
    request: &Request,
    what: &str,
    inventory: &mut Inventory,
    products: &[Product],
    now: WallTime,
) -> Result<Response, Box<Response>> {
    let body: Value = serde_json::from_slice(request.body())
        .map_err(|_| Box::new(error(StatusCode::BAD_REQUEST, "JSON parse error")))?;
    let ids = if what.starts_with("status/") {
        Some(&body)
    } else {
        body.get("offersIds")
    };
    let ids: Option<Vec<&str>> = ids
        .and_then(Value::as_array)
        .and_then(|all| all.iter().map(Value::as_str).collect());
    let Some(ids) = ids else {
        return Err(bad(&["an array of offer ids is expected"]));
    };
    let mut places = Vec::new();
    for id in ids {
        let Some(at) = inventory.offers.iter().position(|offer| offer.id == id) else {
            let status = if what == "wholesale/bulk" {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::FORBIDDEN
            };
            return Err(Box::new(error(status, "One of the offers is not yours")));
        };
        places.push(at);
    }
    let input = match what {
        "wholesale/bulk" => {
            let input = body
                .get("wholesale")
                .ok_or("Wholesale tiers values are invalid");
            Some(input.and_then(wholesale).map_err(|why| bad(&[why]))?)
        }
        _ => None,
    };
    let favorite = body.get("favorite").and_then(Value::as_bool);
    // All checks come before the first change: one bad offer rejects the whole call.
    if what == "favorites" && favorite.is_none() {
        return Err(bad(&["favorite: must not be null"]));
    }
    for at in &places {
        let offer = &mut inventory.offers[*at];
        match what {
            "status/bulk/activate" => offer.active = true,
            "status/bulk/deactivate" => offer.active = false,
            "wholesale/bulk" => offer.wholesale.clone_from(&input),
            _ => offer.favorite = favorite.unwrap_or_default(),
        }
        offer.updated = now;
    }
    let all: Vec<_> = places
        .into_iter()
        .map(|at| one(inventory, at, products))
        .collect();
    Ok(json_response(StatusCode::OK, &all.into()))
}

/// POST of a bid for an offer's place.
pub fn bid(
    request: &Request,
    inventory: &mut Inventory,
    at: usize,
    products: &[Product],
    now: WallTime,
) -> Result<Response, Box<Response>> {
    let fields = object(request)?;
    let bid = fields.get("maxBid").and_then(Value::as_i64);
    let Some(bid) = bid.filter(|bid| (0..=inventory.offers[at].iwtr).contains(bid)) else {
        return Err(bad(&["Invalid bid"]));
    };
    let offer = &mut inventory.offers[at];
    offer.bid = bid;
    offer.renewal = fields.get("salesBoosterRenewal") == Some(&Value::Bool(true));
    offer.updated = now;
    Ok(json_response(StatusCode::OK, &one(inventory, at, products)))
}

/// GET of where the sales booster puts an offer: higher bids and lower prices come first.
pub fn position(
    request: &Request,
    offer: &Offer,
    products: &[Product],
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let place = |bid: i64, price: i64| (30 - bid / 5 + price / 500).clamp(1, 99);
    let own = price(&products[offer.product], offer.iwtr);
    let bid = query
        .number("bid")?
        .unwrap_or(offer.bid)
        .clamp(0, AMOUNT_MAX);
    let input = query.number("price")?.unwrap_or(own).clamp(0, AMOUNT_MAX);
    let body = json!({
        "current": place(offer.bid, own),
        "new": place(bid, input),
        "buyButtonBidEnabled": true,
        "tier": { "from": 0, "entryFee": 5, "step": 5, "minBid": 5 },
        "nextValidBid": (bid / 5 + 1) * 5,
        "sandboxExtra": true,
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// GET of the price calculator. Without a price it answers 404, as documented.
pub fn calculate(request: &Request, products: &[Product]) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let id = query.get("kpcProductId");
    let Some(id) = id else {
        return Err(bad(&["Required parameter 'kpcProductId' is not present"]));
    };
    let (price, iwtr) = (query.number("price")?, query.number("priceIWTR")?);
    let product = products.iter().find(|product| product.id == id);
    let Some(rule) = product.and_then(|product| product.rule.as_ref()) else {
        return Err(Box::new(error(
            StatusCode::CONFLICT,
            "Commission Rule not found",
        )));
    };
    // Far above every price, so that the arithmetic cannot overflow.
    let within = |cents: &i64| (0..=10 * AMOUNT_MAX).contains(cents);
    let (price, iwtr) = match (iwtr.filter(within), price.filter(within)) {
        // `priceIWTR` wins where both are given (our choice).
        (Some(iwtr), _) => (rule.lowest_price(iwtr), iwtr),
        (None, Some(price)) => (price, rule.received(price)),
        (None, None) => {
            return Err(Box::new(error(
                StatusCode::NOT_FOUND,
                "Commission Price not found",
            )));
        }
    };
    let body = json!({
        "rule": rule.name,
        "priceIWTR": iwtr,
        "price": price,
        "fixedAmount": rule.fixed,
        "percentValue": rule.percent,
        "sandboxExtra": 0,
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// GET of how many offers are blocked, by reason.
pub fn block_reasons(inventory: &Inventory) -> Response {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for block in inventory
        .offers
        .iter()
        .filter_map(|offer| offer.block.as_deref())
    {
        *counts.entry(block).or_default() += 1;
    }
    let all = counts.into_iter().map(
        |(reason, count)| json!({ "blockReason": reason, "count": count, "sandboxExtra": true }),
    );
    json_response(StatusCode::OK, &all.collect())
}
