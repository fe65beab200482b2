//! Offers over HTTP: listed, made, changed. The `price` of a request is what the seller receives (IWTR), the `price`
//! of an answer what the buyer pays.

use hyper::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::amount::Cents;
use crate::http_server::respond;
use crate::sandbox::controls::choices;
use crate::sandbox::reply::ok;
use crate::sandbox::route::Answer;

use super::inventory::{Counts, Inventory, Offer, Wholesale, price};
use super::products::Product;
use super::query::{self, Page, Query, date};
use super::{Call, bad, error, not_found};

choices! {
    pub enum ListShape {
        // As live clients see it.
        Hal = "hal",
        /// As the API description has it.
        Spec = "spec",
    }
}

/// The most keys a seller may promise without having them.
pub const DECLARED_MAX: i64 = 20;
const AMOUNT_MAX: i64 = 1_000_000;

pub fn money(cents: i64) -> Value {
    json!({ "amount": cents, "currency": "EUR", "sandboxExtra": true })
}

/// An offer as this API writes it.
pub fn view(offer: &Offer, inventory: &Inventory, counts: Counts, products: &[Product]) -> Value {
    let product = &products[offer.product];
    let buyer = price(product, offer.iwtr);
    json!({
        "id": offer.id,
        "productId": product.id,
        "name": offer.named.then_some(&product.name),
        "sellerId": inventory.seller,
        "status": status(offer),
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
        "wholesale": wholesale_of(offer, product),
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

pub fn wholesale_of(offer: &Offer, product: &Product) -> Option<Value> {
    let wholesale = offer.wholesale.as_ref()?;
    let tiers = tiers(product, offer.iwtr, &wholesale.discounts);
    Some(json!({ "name": wholesale.name, "enabled": wholesale.enabled, "tiers": tiers }))
}

/// Wholesale prices by level, for what the seller receives of one key.
pub fn tiers(product: &Product, iwtr: i64, discounts: &[i64]) -> Vec<Value> {
    let levels = discounts.iter().zip(1..);
    let tiers = levels.map(|(discount, level)| {
        let iwtr = iwtr * (100 - discount) / 100;
        json!({
            "discount": discount,
            "level": level,
            "price": money(price(product, iwtr)),
            "priceIWTR": money(iwtr),
        })
    });
    tiers.collect()
}

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

fn status(offer: &Offer) -> &'static str {
    if offer.active { "ACTIVE" } else { "INACTIVE" }
}

/// One offer as this API writes it, with current stock counts.
pub fn one(inventory: &Inventory, at: usize, products: &[Product]) -> Value {
    let offer = &inventory.offers[at];
    view(offer, inventory, inventory.counts_of(&offer.id), products)
}

impl Call<'_> {
    /// The index of the offer in the path. For another seller's offer, writes get 403 and reads 404.
    fn offer(&self) -> Answer<usize> {
        let id = self.param("offer");
        let mut own = self.inventory().offers.iter();
        if let Some(at) = own.position(|offer| offer.id == id) {
            return Ok(at);
        }
        let mut all = self.state.inventories.iter();
        Err(
            if !self.reads() && all.any(|other| other.offer(id).is_some()) {
                error(StatusCode::FORBIDDEN, "Access is denied")
            } else {
                not_found("Offer not found")
            },
        )
    }

    pub(super) fn offer_id(&self) -> Answer<String> {
        Ok(self.inventory().offers[self.offer()?].id.clone())
    }

    fn shown(&self, at: usize) -> Answer {
        ok(one(self.inventory(), at, &self.state.products))
    }
}

pub fn show(call: &mut Call<'_>) -> Answer {
    call.shown(call.offer()?)
}

pub fn remove(call: &mut Call<'_>) -> Answer {
    let at = call.offer()?;
    let inventory = call.inventory_mut();
    let offer = inventory.offers.remove(at);
    // Keys without an offer could be reached by no call.
    inventory.keys.retain(|key| key.offer != offer.id);
    Ok(respond(StatusCode::NO_CONTENT, "application/json", ""))
}

pub fn list(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let (inventory, products) = (call.inventory(), &call.state.products);
    let counts = inventory.counts();
    let counted = |offer: &Offer| counts.get(offer.id.as_str()).copied().unwrap_or_default();
    let wanted = |offer: &&Offer| {
        query.is("productId", &products[offer.product].id) && query.is("status", status(offer))
    };
    let all: Vec<&Offer> = inventory.offers.iter().filter(wanted).collect();
    let (page, rows) = Page::of(call.request, all)?;
    let rows = rows
        .into_iter()
        .map(|offer| view(offer, inventory, counted(offer), products));
    let mut body = match call.state.rules.shape {
        ListShape::Hal => page.hal("offerList", rows.collect()),
        ListShape::Spec => page.listed(rows.collect()),
    };
    let count =
        |is: &dyn Fn(&Offer) -> bool| inventory.offers.iter().filter(|offer| is(offer)).count();
    let manual = |offer: &Offer| {
        let block = offer.block.as_deref();
        block.is_some_and(|block| block.starts_with("MANUAL_VERIFICATION"))
    };
    body["summary"] = json!({
        "totalActive": count(&|offer| offer.active),
        "totalActiveWithoutStock": count(&|offer| offer.active && counted(offer).buyable(offer) == 0),
        "totalInactive": count(&|offer| !offer.active),
        "totalBlock": count(&|offer| offer.block.is_some() && !manual(offer)),
        "totalManualVerification": count(&manual),
        "totalPrePurchaseStock": count(&|offer| products[offer.product].pre_order && offer.declared > 0),
        "totalSpaActive": count(&|offer| offer.special_price),
        "totalFavorite": count(&|offer| offer.favorite),
    });
    body["sandboxExtra"] = 1.into();
    ok(body)
}

pub fn create(call: &mut Call<'_>) -> Answer {
    let fields = call.object()?;
    let id = fields["productId"].as_str().unwrap_or_default();
    let mut products = call.state.products.iter();
    let Some(product) = products.position(|product| product.id == id) else {
        return Err(bad("Unable to create offer. Product does not exist."));
    };
    let mut own = call.inventory().offers.iter();
    if own.any(|offer| offer.product == product) {
        return Err(error(StatusCode::CONFLICT, "Offer already created"));
    }
    if fields["price"].is_null() {
        return Err(bad("price: must not be null"));
    }
    // Built on a copy, so that a rejected offer changes nothing.
    let mut trial = call.inventory().clone();
    let mut offer = Offer::new(trial.next_offer_id(), product, call.now);
    change(&fields, &mut offer, call)?;
    let at = trial.offers.len();
    trial.offers.push(offer);
    *call.inventory_mut() = trial;
    call.shown(at)
}

/// PUT and PATCH of one offer. The documented body is the same for both, with every field optional.
pub fn update(call: &mut Call<'_>) -> Answer {
    let at = call.offer()?;
    let fields = call.object()?;
    // Changed on a copy, so that a rejected update changes nothing.
    let mut offer = call.inventory().offers[at].clone();
    change(&fields, &mut offer, call)?;
    call.inventory_mut().offers[at] = offer;
    call.shown(at)
}

/// Changes the named fields; null counts as absent.
fn change(fields: &Value, offer: &mut Offer, call: &Call<'_>) -> Answer<()> {
    let product = &call.state.products[offer.product];
    let mut wrong: Vec<String> = Vec::new();
    // A PATCH changes only what it names (`docs/providers/kinguin.md#offers`).
    let get = |name: &str| fields.get(name).filter(|value| !value.is_null());
    if let Some(status) = get("status") {
        match status.as_str() {
            Some("ACTIVE") => offer.active = true,
            Some("INACTIVE") => offer.active = false,
            _ => wrong.push("status: must match \"^ACTIVE|INACTIVE$\"".into()),
        }
    }
    if let Some(input) = get("price") {
        match input["amount"].as_i64() {
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
        if input["currency"] != "EUR" {
            wrong.push("price.currency: must match \"^EUR$\"".into());
        }
    }
    if let Some(declared) = get("declaredStock") {
        match natural("declaredStock", declared) {
            Err(why) => wrong.push(why),
            Ok(declared) if declared > DECLARED_MAX => {
                wrong.push("Max declared stock has been exceeded".into());
            }
            Ok(declared) => offer.declared = declared,
        }
    }
    if let Some(text) = get("declaredTextStock") {
        match natural("declaredTextStock", text) {
            Err(why) => wrong.push(why),
            Ok(text) => offer.declared_text = Some(text),
        }
    }
    let declared_text = offer.declared_text.unwrap_or_default();
    if wrong.is_empty() && declared_text > offer.declared {
        wrong.push("declaredTextStock: must be less than or equal to declaredStock".into());
    }
    if let Some(input) = get("wholesale") {
        match wholesale(input) {
            Ok(input) => offer.wholesale = Some(input),
            Err(why) => wrong.push(why.into()),
        }
    }
    if let Some(delivery) = get("maxDeliveryDate") {
        let text = delivery.as_str();
        match text.filter(|text| query::instant(text).is_some()) {
            Some(text) => offer.delivery = Some(text.to_owned()),
            None => wrong.push("maxDeliveryDate: must be a date".into()),
        }
    }
    if wrong.is_empty() {
        offer.updated = call.now;
        Ok(())
    } else {
        // All validation errors at once.
        Err(bad(&wrong.join("; ")))
    }
}

fn natural(name: &str, value: &Value) -> Result<i64, String> {
    let number = value.as_i64().filter(|number| *number >= 0);
    number.ok_or_else(|| format!("{name}: must be greater than or equal to 0"))
}

pub fn wholesale(input: &Value) -> Result<Wholesale, &'static str> {
    let enabled = input["enabled"].as_bool();
    let enabled = enabled.ok_or("Wholesale tiers values are invalid")?;
    let tiers = input["tiers"].as_array();
    let mut discounts = Vec::new();
    for (tier, level) in tiers.into_iter().flatten().zip(1..) {
        let is_price = |name: &str| {
            let amount = tier[name]["amount"].as_i64();
            amount.is_some_and(|amount| amount >= 0) && tier[name]["currency"] == "EUR"
        };
        if tier["level"] != level || level > 4 || !["price", "priceIWTR"].into_iter().all(is_price)
        {
            return Err("Wholesale tiers values are invalid");
        }
        let discount = tier["discount"].as_i64();
        let discount = discount.filter(|discount| (0..100).contains(discount));
        discounts.push(discount.ok_or("Wholesale discount value is invalid")?);
    }
    Ok(Wholesale {
        name: input["name"].as_str().map(str::to_owned),
        enabled,
        discounts,
    })
}

pub fn bulk_favorites(call: &mut Call<'_>) -> Answer {
    let body = call.json()?;
    let places = places(call, &body["offersIds"], StatusCode::FORBIDDEN)?;
    let favorite = body["favorite"].as_bool();
    let favorite = favorite.ok_or_else(|| bad("favorite: must not be null"))?;
    each(call, &places, |offer| offer.favorite = favorite)
}

pub fn bulk_activate(call: &mut Call<'_>) -> Answer {
    let places = places(call, &call.json()?, StatusCode::FORBIDDEN)?;
    each(call, &places, |offer| offer.active = true)
}

pub fn bulk_deactivate(call: &mut Call<'_>) -> Answer {
    let places = places(call, &call.json()?, StatusCode::FORBIDDEN)?;
    each(call, &places, |offer| offer.active = false)
}

pub fn bulk_wholesale(call: &mut Call<'_>) -> Answer {
    let body = call.json()?;
    let places = places(call, &body["offersIds"], StatusCode::NOT_FOUND)?;
    let input = wholesale(&body["wholesale"]).map_err(bad)?;
    each(call, &places, |offer| offer.wholesale = Some(input.clone()))
}

/// The indices of the offers with these ids, or a refusal with `foreign` where one is not the caller's. All checks come
/// before the first change: one bad offer rejects the whole call.
fn places(call: &Call<'_>, ids: &Value, foreign: StatusCode) -> Answer<Vec<usize>> {
    let ids: Option<Vec<&str>> = ids
        .as_array()
        .and_then(|all| all.iter().map(Value::as_str).collect());
    let ids = ids.ok_or_else(|| bad("an array of offer ids is expected"))?;
    let place = |id| {
        let mut own = call.inventory().offers.iter();
        let place = own.position(|offer| offer.id == id);
        place.ok_or_else(|| error(foreign, "One of the offers is not yours"))
    };
    ids.into_iter().map(place).collect()
}

fn each(call: &mut Call<'_>, places: &[usize], change: impl Fn(&mut Offer)) -> Answer {
    let now = call.now;
    let inventory = call.inventory_mut();
    for at in places {
        change(&mut inventory.offers[*at]);
        inventory.offers[*at].updated = now;
    }
    let (inventory, products) = (call.inventory(), &call.state.products);
    let all = places.iter().map(|at| one(inventory, *at, products));
    ok(all.collect::<Vec<_>>())
}

pub fn bid(call: &mut Call<'_>) -> Answer {
    let at = call.offer()?;
    let fields = call.object()?;
    let now = call.now;
    let offer = &mut call.inventory_mut().offers[at];
    let bid = fields["maxBid"].as_i64();
    let bid = bid.filter(|bid| (0..=offer.iwtr).contains(bid));
    offer.bid = bid.ok_or_else(|| bad("Invalid bid"))?;
    offer.renewal = fields["salesBoosterRenewal"] == true;
    offer.updated = now;
    call.shown(at)
}

pub fn position(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let offer = &call.inventory().offers[call.offer()?];
    let place = |bid: i64, price: i64| (30 - bid / 5 + price / 500).clamp(1, 99);
    let own = price(&call.state.products[offer.product], offer.iwtr);
    let bid = query.number("bid")?.unwrap_or(offer.bid);
    let bid = bid.clamp(0, AMOUNT_MAX);
    let input = query.number("price")?.unwrap_or(own).clamp(0, AMOUNT_MAX);
    ok(json!({
        "current": place(offer.bid, own),
        "new": place(bid, input),
        "buyButtonBidEnabled": true,
        "tier": { "from": 0, "entryFee": 5, "step": 5, "minBid": 5 },
        "nextValidBid": (bid / 5 + 1) * 5,
        "sandboxExtra": true,
    }))
}

/// GET of the price calculator. Without a price it answers 404, as documented.
pub fn calculate(call: &mut Call<'_>) -> Answer {
    let query = Query::of(call.request);
    let Some(id) = query.get("kpcProductId") else {
        return Err(bad("Required parameter 'kpcProductId' is not present"));
    };
    let (price, iwtr) = (query.number("price")?, query.number("priceIWTR")?);
    let rule = call.product(id).and_then(|product| product.rule.as_ref());
    let rule = rule.ok_or_else(|| error(StatusCode::CONFLICT, "Commission Rule not found"))?;
    // Far above every price, so that the arithmetic cannot overflow.
    let within = |cents: &i64| (0..=10 * AMOUNT_MAX).contains(cents);
    let (price, iwtr) = match (iwtr.filter(within), price.filter(within)) {
        // `priceIWTR` wins where both are given (our choice).
        (Some(iwtr), _) => (rule.lowest_price(iwtr), iwtr),
        (None, Some(price)) => (price, rule.received(price)),
        (None, None) => return Err(not_found("Commission Price not found")),
    };
    ok(json!({
        "rule": rule.name,
        "priceIWTR": iwtr,
        "price": price,
        "fixedAmount": rule.fixed,
        "percentValue": rule.percent,
        "sandboxExtra": 0,
    }))
}

pub fn block_reasons(call: &mut Call<'_>) -> Answer {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    let offers = call.inventory().offers.iter();
    for block in offers.filter_map(|offer| offer.block.as_deref()) {
        *counts.entry(block).or_default() += 1;
    }
    let all = counts.into_iter().map(
        |(reason, count)| json!({ "blockReason": reason, "count": count, "sandboxExtra": true }),
    );
    ok(all.collect::<Vec<_>>())
}
