//! The market: products, lowest allowed prices, wholesale offers of all sellers.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::sandbox::reply::ok;
use crate::sandbox::route::Answer;
use crate::sandbox::simulator::seeded_hash;

use super::inventory::{Inventory, Offer, Wholesale, WholesaleShown, price};
use super::offers::{self, money, tiers};
use super::products::Product;
use super::query::{Page, Query};
use super::{Call, bad, not_found};

/// Other sellers, who have no client here.
const COMPETITORS: [(u32, &str); 4] = [
    (77_102, "Keystone Arcade"),
    (81_555, "Northgate Games"),
    (64_008, "Pixel Orchard"),
    (90_211, "Second Tower"),
];

/// The usual wholesale discounts, in per cent by level.
pub const DISCOUNTS: [i64; 4] = [2, 4, 6, 8];

fn view(product: &Product) -> Value {
    json!({
        "id": product.id,
        "name": product.name,
        "externalId": product.number.to_string(),
        "sandboxExtra": true,
    })
}

pub fn search(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let phrase = query.get("phrase").unwrap_or_default().to_lowercase();
    let products = call.state.products.iter();
    let found = products.filter(|product| product.name.to_lowercase().contains(&phrase));
    let (page, rows) = Page::of(call.request, found.collect())?;
    ok(page.hal("products", rows.into_iter().map(view).collect()))
}

pub fn by_number(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let number = query.number("externalId")?;
    let number = number.and_then(|number| usize::try_from(number).ok());
    let mut products = call.state.products.iter();
    let found = products.find(|product| Some(product.number) == number);
    let found = found.filter(|_| query.get("type") == Some("kinguin"));
    // HAL, as public clients read it. The answer for an unknown number is not documented; an empty HAL list is our choice.
    let rows = found.map(|product| {
        let mut row = view(product);
        row["type"] = "kinguin".into();
        row
    });
    ok(json!({
        "_embedded": { "products": rows.into_iter().collect::<Vec<_>>() },
        "_links": { "self": { "href": call.request.uri().to_string() } },
        "sandboxExtra": true,
    }))
}

pub fn wholesale_tier(call: &mut Call<'_>) -> Answer {
    let Some(product) = call.product(call.param("product")) else {
        return Err(bad("Unable to create offer. Product does not exist."));
    };
    let tiers = tiers(product, product.minimum + 1_000, &DISCOUNTS);
    ok(json!({ "name": "default", "enabled": true, "tiers": tiers, "sandboxExtra": true }))
}

pub fn sellers_like(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let Some(part) = query.get("name").map(str::to_lowercase) else {
        return Err(bad("Required parameter 'name' is not present"));
    };
    let own = call.state.inventories.iter();
    let own = own.map(|inventory| (inventory.seller, inventory.name.as_str()));
    let all = own.chain(COMPETITORS);
    let found = all.filter(|(_, name)| name.to_lowercase().contains(&part));
    let rows = found.map(|(id, name)| json!({ "id": id, "name": name, "sandboxExtra": true }));
    ok(rows.collect::<Vec<_>>())
}

pub fn seller_named(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let mut inventories = call.state.inventories.iter();
    let found = inventories.find(|inventory| query.get("name") == Some(&inventory.name));
    ok(found.ok_or_else(|| not_found("Merchant not found"))?.seller)
}

pub fn configuration(call: &mut Call<'_>) -> Answer {
    let shown = &call.inventory().wholesale_shown;
    ok(json!({
        "wholesaleVisibility": if shown.hidden { "INVISIBLE" } else { "VISIBLE" },
        "maxWholesaleStockDisplay": shown.most,
        "sandboxExtra": 1,
    }))
}

pub fn configure(call: &mut Call<'_>) -> Answer {
    let fields = call.object()?;
    let shown = &mut call.inventory_mut().wholesale_shown;
    let hidden = match fields.get("wholesaleVisibility").map(Value::as_str) {
        Some(Some("VISIBLE")) => false,
        Some(Some("INVISIBLE")) => true,
        None => shown.hidden,
        Some(_) => return Err(bad("wholesaleVisibility: must be VISIBLE or INVISIBLE")),
    };
    let most = match fields.get("maxWholesaleStockDisplay") {
        None => shown.most,
        Some(Value::Null) => None,
        Some(most) => match most.as_i64() {
            Some(most @ 0..) => Some(most),
            _ => return Err(bad("maxWholesaleStockDisplay: must be a whole number")),
        },
    };
    *shown = WholesaleShown { hidden, most };
    configuration(call)
}

pub fn minimal_price(call: &mut Call<'_>) -> Answer {
    let product = call.product(call.param("product"));
    let product = product.ok_or_else(|| not_found("Product not found"))?;
    ok(json!({ "id": product.id, "price": money(product.minimum), "sandboxExtra": true }))
}

fn competitors(call: &Call<'_>, at: usize) -> Vec<Inventory> {
    let seed = call.simulator.seed();
    let mut rng = Rng::with_seed(seeded_hash(seed, "kinguin competitors", at as u64));
    let many = rng.usize(1..=COMPETITORS.len());
    let sellers = COMPETITORS.into_iter().take(many);
    let inventories = sellers.map(|(seller, name)| {
        let iwtr = call.state.products[at].minimum + rng.i64(90..6_000);
        let sold_out = rng.u32(..4) == 0;
        let offer = Offer {
            iwtr,
            declared: if sold_out { 0 } else { rng.i64(1..500) },
            wholesale: Some(Wholesale {
                name: None,
                enabled: true,
                discounts: DISCOUNTS.into(),
            }),
            ..Offer::new(format!("65c0{seller:06}{at:014x}"), at, call.now)
        };
        Inventory {
            seller,
            name: name.to_owned(),
            offers: vec![offer],
            ..Inventory::default()
        }
    });
    inventories.collect()
}

/// Wholesale offers of one product, the cheapest first.
fn of_product(call: &Call<'_>, at: usize) -> impl Iterator<Item = Value> {
    let product = &call.state.products[at];
    let mut all = Vec::new();
    for inventory in call.state.inventories.iter().chain(&competitors(call, at)) {
        let own = inventory.offers.iter();
        let own = own.filter(|offer| offer.product == at && offer.active);
        for offer in own.filter(|offer| offer.wholesale.as_ref().is_some_and(|w| w.enabled)) {
            let cents = price(product, offer.iwtr);
            let stock = inventory.counts_of(&offer.id).buyable(offer);
            let row = json!({
                "offerId": offer.id,
                "productId": product.id,
                "sellerName": inventory.name,
                "sellerId": inventory.seller,
                // A string, as documented.
                "buyableStock": stock.to_string(),
                "status": "ACTIVE",
                "price": money(cents),
                "name": product.name,
                "spaActive": false,
                "sandboxExtra": true,
                "wholesale": offers::wholesale_of(offer, product),
            });
            all.push((cents, row));
        }
    }
    // A stable sort, so that equal prices keep their order from page to page.
    all.sort_by_key(|(cents, _)| *cents);
    all.into_iter().map(|(_, row)| row)
}

fn in_stock(row: &Value) -> bool {
    row["buyableStock"] != "0"
}

/// Wholesale offers of the product in the path; none where it is unknown.
fn of_path(call: &Call<'_>) -> impl Iterator<Item = Value> {
    let id = call.param("product");
    let mut products = call.state.products.iter();
    let at = products.position(|product| product.id == id);
    at.map(|at| of_product(call, at)).into_iter().flatten()
}

pub fn of_one_product(call: &mut Call<'_>) -> Answer {
    let sold_out_too = Query::of(call.request).get("outOfStock") == Some("true");
    let rows = of_path(call).filter(|row| sold_out_too || in_stock(row));
    ok(rows.collect::<Vec<_>>())
}

pub fn best(call: &mut Call<'_>) -> Answer {
    let best = of_path(call).find(in_stock);
    ok(best.ok_or_else(|| not_found("Not found"))?)
}

pub fn wholesale(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let products = call.state.products.iter().enumerate();
    let wanted = products.filter(|(_, product)| query.is("productId", &product.id));
    let all = wanted.flat_map(|(at, _)| of_product(call, at)).collect();
    let (page, rows) = Page::of(call.request, all)?;
    ok(page.spring(rows))
}
