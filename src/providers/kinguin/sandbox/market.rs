//! What is seen of the market: products, the lowest prices allowed, wholesale offers whoever sells.

use axum::http::StatusCode;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::http_server::{Request, Response};
use crate::sandbox::world::scatter;

use super::offers::{self, money};
use super::products::Product;
use super::query::{Page, Query};
use super::shelf::{Shelf, price};
use super::{error, json_response};

/// Other sellers, who have no client here.
const COMPETITORS: [(u32, &str); 4] = [
    (77_102, "Keystone Arcade"),
    (81_555, "Northgate Games"),
    (64_008, "Pixel Orchard"),
    (90_211, "Second Tower"),
];

/// GET of products by words of their names.
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
    let Some(product) = found else {
        return Err(Box::new(error(StatusCode::NOT_FOUND, "Product not found")));
    };
    let body = json!({
        "id": product.id,
        "name": product.name,
        "externalId": product.number.to_string(),
        "type": "kinguin",
        "sandboxExtra": true,
    });
    Ok(json_response(StatusCode::OK, &body))
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
fn of_product(at: usize, shelves: &[Shelf], products: &[Product], seed: u64) -> Vec<(i64, Value)> {
    let product = &products[at];
    let mut all = Vec::new();
    for shelf in shelves {
        let counts = shelf.counts();
        let own = shelf
            .offers
            .iter()
            .filter(|offer| offer.product == at && offer.active);
        for offer in own.filter(|offer| offer.wholesale.as_ref().is_some_and(|w| w.enabled)) {
            let counts = counts.get(offer.id.as_str()).copied().unwrap_or_default();
            let whole = offers::view(offer, shelf, counts, products);
            let seller = (shelf.seller, shelf.name.as_str());
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
    let mut rng = Rng::with_seed(scatter(seed, "kinguin competitors", at as u64));
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
        // A text, as documented.
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
    shelves: &[Shelf],
    products: &[Product],
    seed: u64,
) -> Response {
    let sold_out_too = Query::of(request).get("outOfStock") == Some("true");
    let at = products.iter().position(|product| product.id == id);
    let rows = at
        .map(|at| of_product(at, shelves, products, seed))
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
    shelves: &[Shelf],
    products: &[Product],
    seed: u64,
) -> Result<Response, Box<Response>> {
    let at = products.iter().position(|product| product.id == id);
    let rows = at
        .map(|at| of_product(at, shelves, products, seed))
        .unwrap_or_default();
    match rows.into_iter().find(|(_, row)| in_stock(row)) {
        Some((_, row)) => Ok(json_response(StatusCode::OK, &row)),
        None => Err(Box::new(error(StatusCode::NOT_FOUND, "Not found"))),
    }
}

/// GET of wholesale offers, all or of one product.
pub fn wholesale(
    request: &Request,
    shelves: &[Shelf],
    products: &[Product],
    seed: u64,
) -> Result<Response, Box<Response>> {
    let query = Query::of(request);
    let wanted = query.get("productId");
    let places = (0..products.len()).filter(|at| wanted.is_none_or(|id| products[*at].id == id));
    let all = places.flat_map(|at| of_product(at, shelves, products, seed));
    let (page, rows) = Page::of(request, &query, all.map(|(_, row)| row).collect())?;
    Ok(json_response(StatusCode::OK, &page.spring(rows)))
}
