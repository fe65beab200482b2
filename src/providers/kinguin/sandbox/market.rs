//! The market: products, lowest allowed prices, wholesale offers of all sellers.

use axum::http::StatusCode;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::http_server::{Request, Response};
use crate::sandbox::simulator::seeded_hash;

use super::inventory::{Inventory, WholesaleShown, price};
use super::offers::{self, money};
use super::products::Product;
use super::query::{Page, Query};
use super::{bad, error, json_response};

/// Other sellers, who have no client here.
const COMPETITORS: [(u32, &str); 4] = [
    (77_102, "Keystone Arcade"),
    (81_555, "Northgate Games"),
    (64_008, "Pixel Orchard"),
    (90_211, "Second Tower"),
];

/// GET of products by words in their name.
pub fn search(request: &Request, products: &[Product]) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let phrase = query.get("phrase").unwrap_or_default().to_lowercase();
    let found = products
        .iter()
        .filter(|product| product.name.to_lowercase().contains(&phrase));
    let (page, rows) = Page::of(request, &query, found.collect())?;
    let rows = rows.into_iter().map(|product| {
        json!({ "id": product.id, "name": product.name, "externalId": product.number.to_string(), "sandboxExtra": true })
    });
    let body = page.hal("products", rows.collect());
    Ok(json_response(StatusCode::OK, &body.into()))
}

/// GET of the product with a number in the shop.
pub fn by_number(request: &Request, products: &[Product]) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let number = query
        .number("externalId")?
        .and_then(|number| usize::try_from(number).ok());
    let found = products
        .iter()
        .find(|product| Some(product.number) == number);
    let found = found.filter(|_| query.get("type") == Some("kinguin"));
    let row = |product: &Product| {
        json!({
            "id": product.id,
            "name": product.name,
            "externalId": product.number.to_string(),
            "type": "kinguin",
            "sandboxExtra": true,
        })
    };
    // HAL, as public clients read it. The answer for an unknown number is not documented; an empty HAL list is our choice.
    let rows: Vec<Value> = found.map(row).into_iter().collect();
    let body = json!({
        "_embedded": { "products": rows },
        "_links": { "self": { "href": request.uri().to_string() } },
        "sandboxExtra": true,
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// GET of the wholesale discounts suggested for a product.
pub fn wholesale_tier(id: &str, products: &[Product]) -> Result<Response, Box<Response>> {
    let Some(product) = products.iter().find(|product| product.id == id) else {
        return Err(bad(&["Unable to create offer. Product does not exist."]));
    };
    let tiers = (1..=4).map(|level| {
        let iwtr = (product.minimum + 1_000) * (100 - 2 * level) / 100;
        json!({
            "discount": 2 * level,
            "level": level,
            "price": money(price(product, iwtr)),
            "priceIWTR": money(iwtr),
        })
    });
    let tiers: Vec<Value> = tiers.collect();
    let body = json!({ "name": "default", "enabled": true, "tiers": tiers, "sandboxExtra": true });
    Ok(json_response(StatusCode::OK, &body))
}

/// GET of sellers by part of their name, competitors included.
pub fn sellers_like(
    request: &Request,
    inventories: &[Inventory],
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let Some(part) = query.get("name").map(str::to_lowercase) else {
        return Err(bad(&["Required parameter 'name' is not present"]));
    };
    let own = inventories
        .iter()
        .map(|inventory| (inventory.seller, inventory.name.as_str()));
    let all = own.chain(COMPETITORS);
    let found = all.filter(|(_, name)| name.to_lowercase().contains(&part));
    let rows = found.map(|(id, name)| json!({ "id": id, "name": name, "sandboxExtra": true }));
    Ok(json_response(StatusCode::OK, &rows.collect()))
}

/// GET of the display settings of a seller's wholesale offers.
pub fn configuration(inventory: &Inventory) -> Response {
    let shown = &inventory.wholesale_shown;
    let body = json!({
        "wholesaleVisibility": if shown.hidden { "INVISIBLE" } else { "VISIBLE" },
        "maxWholesaleStockDisplay": shown.most,
        "sandboxExtra": 1,
    });
    json_response(StatusCode::OK, &body)
}

/// POST of the same.
pub fn configure(request: &Request, inventory: &mut Inventory) -> Result<Response, Box<Response>> {
    let fields = offers::object(request)?;
    let hidden = match fields.get("wholesaleVisibility").map(Value::as_str) {
        Some(Some("VISIBLE")) => false,
        Some(Some("INVISIBLE")) => true,
        None => inventory.wholesale_shown.hidden,
        Some(_) => return Err(bad(&["wholesaleVisibility: must be VISIBLE or INVISIBLE"])),
    };
    let most = match fields.get("maxWholesaleStockDisplay") {
        None => inventory.wholesale_shown.most,
        Some(Value::Null) => None,
        Some(most) => match most.as_i64() {
            Some(most @ 0..) => Some(most),
            _ => return Err(bad(&["maxWholesaleStockDisplay: must be a whole number"])),
        },
    };
    inventory.wholesale_shown = WholesaleShown { hidden, most };
    Ok(configuration(inventory))
}

/// GET of a product's lowest allowed price.
pub fn minimal_price(id: &str, products: &[Product]) -> Result<Response, Box<Response>> {
    let product = products.iter().find(|product| product.id == id);
    let product =
        product.ok_or_else(|| Box::new(error(StatusCode::NOT_FOUND, "Product not found")))?;
    let body = json!({ "id": product.id, "price": money(product.minimum), "sandboxExtra": true });
    Ok(json_response(StatusCode::OK, &body))
}

/// Wholesale offers of one product, the cheapest first.
fn of_product(
    at: usize,
    inventories: &[Inventory],
    products: &[Product],
    seed: u64,
) -> Vec<(i64, Value)> {
    let product = &products[at];
    let mut all = Vec::new();
    for inventory in inventories {
        let counts = inventory.counts();
        let own = inventory
            .offers
            .iter()
            .filter(|offer| offer.product == at && offer.active);
        for offer in own.filter(|offer| offer.wholesale.as_ref().is_some_and(|w| w.enabled)) {
            let counts = counts.get(offer.id.as_str()).copied().unwrap_or_default();
            let whole = offers::view(offer, inventory, counts, products);
            let seller = (inventory.seller, inventory.name.as_str());
            let cents = price(product, offer.iwtr);
            let row = row(
                &offer.id,
                product,
                seller,
                counts.buyable(offer),
                cents,
                whole["wholesale"].clone(),
            );
            all.push((cents, row));
        }
    }
    let mut rng = Rng::with_seed(seeded_hash(seed, "kinguin competitors", at as u64));
    for (number, name) in COMPETITORS
        .into_iter()
        .take(rng.usize(1..=COMPETITORS.len()))
    {
        let iwtr = product.minimum + rng.i64(90..6_000);
        let tiers: Vec<Value> = (1..=4)
            .map(|level| {
                let iwtr = iwtr * (100 - 2 * level) / 100;
                json!({
                    "discount": 2 * level,
                    "level": level,
                    "price": money(price(product, iwtr)),
                    "priceIWTR": money(iwtr),
                })
            })
            .collect();
        let id = format!("65c0{number:06}{at:014x}");
        let cents = price(product, iwtr);
        let wholesale = json!({ "name": null, "enabled": true, "tiers": tiers });
        let stock = if rng.u32(..4) == 0 {
            0
        } else {
            rng.i64(1..500)
        };
        all.push((
            cents,
            row(&id, product, (number, name), stock, cents, wholesale),
        ));
    }
    // A stable sort, so that equal prices keep their order from page to page.
    all.sort_by_key(|(cents, _)| *cents);
    all
}

fn row(
    id: &str,
    product: &Product,
    (number, name): (u32, &str),
    stock: i64,
    cents: i64,
    wholesale: Value,
) -> Value {
    let mut row = json!({
        "offerId": id,
        "productId": product.id,
        "sellerName": name,
        "sellerId": number,
        // A string, as documented.
        "buyableStock": stock.to_string(),
        "status": "ACTIVE",
        "price": money(cents),
        "name": product.name,
        "spaActive": false,
        "sandboxExtra": true,
    });
    row["wholesale"] = wholesale;
    row
}

fn in_stock(row: &Value) -> bool {
    row["buyableStock"] != "0"
}

/// GET of the wholesale offers of a product.
pub fn wholesale_product(
    request: &Request,
    id: &str,
    inventories: &[Inventory],
    products: &[Product],
    seed: u64,
) -> Response {
    let sold_out_too = Query::of(request).get("outOfStock") == Some("true");
    let at = products.iter().position(|product| product.id == id);
    let rows = at
        .map(|at| of_product(at, inventories, products, seed))
        .unwrap_or_default();
    let rows = rows.into_iter().map(|(_, row)| row);
    json_response(
        StatusCode::OK,
        &rows.filter(|row| sold_out_too || in_stock(row)).collect(),
    )
}

/// GET of the cheapest of them.
pub fn best(
    id: &str,
    inventories: &[Inventory],
    products: &[Product],
    seed: u64,
) -> Result<Response, Box<Response>> {
    let at = products.iter().position(|product| product.id == id);
    let rows = at
        .map(|at| of_product(at, inventories, products, seed))
        .unwrap_or_default();
    match rows.into_iter().find(|(_, row)| in_stock(row)) {
        Some((_, row)) => Ok(json_response(StatusCode::OK, &row)),
        None => Err(Box::new(error(StatusCode::NOT_FOUND, "Not found"))),
    }
}

/// GET of wholesale offers, all or of one product.
pub fn wholesale(
    request: &Request,
    inventories: &[Inventory],
    products: &[Product],
    seed: u64,
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let wanted = query.get("productId");
    let places = (0..products.len()).filter(|at| wanted.is_none_or(|id| products[*at].id == id));
    let all = places.flat_map(|at| of_product(at, inventories, products, seed));
    let (page, rows) = Page::of(request, &query, all.map(|(_, row)| row).collect())?;
    Ok(json_response(StatusCode::OK, &page.spring(rows)))
}
