//! Kinguin's documented calls (`docs/providers/kinguin.md#calls`). Paths are from the provider's API description ("Sales
//! Manager API V1") and, where that has none, from what public clients call. Examples work at the simulator, whatever its seed.

use percent_encoding::percent_decode_str;

use crate::domain::Documented;
use crate::domain::catalogue::{self, Param};

/// "Who am I", the smallest call.
pub const MERCHANT: &str = "/sales-manager-api/api/v1/merchants";
/// The merchant's full record.
pub const MERCHANT_STATUS: &str = "/sales-manager-api/api/v1/merchants/status";
/// The merchant's offers.
pub const OFFERS: &str = "/sales-manager-api/api/v1/offers";
/// One offer.
pub const OFFER: &str = "/sales-manager-api/api/v1/offers/{offerId}";
/// The keys of one offer.
pub const STOCK: &str = "/sales-manager-api/api/v1/offers/{offerId}/stock";
/// One key.
pub const STOCK_ROW: &str = "/sales-manager-api/api/v1/offers/{offerId}/stock/{stockId}";
/// Several keys at once.
pub const STOCK_LIST: &str = "/sales-manager-api/api/v1/offers/{offerId}/stock/list";
/// A file of keys.
pub const STOCK_FILE: &str = "/sales-manager-api/api/v1/offers/{offerId}/stock/file";
/// How many offers are blocked for what.
pub const BLOCK_REASONS: &str = "/sales-manager-api/api/v1/offers/block-reasons";
/// What the buyer pays for what the seller wants, and the other way round.
pub const CALCULATOR: &str = "/sales-manager-api/api/v1/offers/calculations/priceAndCommission";
/// Keys sold.
pub const RESERVATIONS: &str = "/sales-manager-api/api/v1/reservations";
/// Keys sold long ago.
pub const RESERVATIONS_ARCHIVE: &str = "/sales-manager-api/api/v1/reservations/archive";
/// Wholesale offers of one product, whoever sells.
pub const WHOLESALE_PRODUCT: &str =
    "/sales-manager-api/api/v1/wholesale/product/{productId}/offers";
/// The cheapest of them.
pub const WHOLESALE_BEST: &str = "/sales-manager-api/api/v1/wholesale/product/{productId}/best";
/// Wholesale offers of all products.
pub const WHOLESALE: &str = "/sales-manager-api/api/v1/wholesale/offers";
/// How the merchant's wholesale offers are shown.
pub const WHOLESALE_CONFIGURATION: &str = "/sales-manager-api/api/v1/wholesale/configuration";
/// The wholesale discounts that Kinguin suggests for a product.
pub const WHOLESALE_TIER: &str =
    "/sales-manager-api/api/v1/products/{productId}/defaultWholesaleTier";
/// Merchants by a part of their names.
pub const MERCHANTS_LIKE: &str = "/sales-manager-api/api/v1/merchants/findByNameLike";
/// Alerts of the merchant.
pub const ALERTS: &str = "/sales-manager-api/api/v1/alerts";
/// One alert.
pub const ALERT: &str = "/sales-manager-api/api/v1/alerts/{alertId}";
/// Sales by day.
pub const STATS: &str = "/sales-manager-api/api/v1/reservations/stats";
/// Where the sales booster puts an offer.
pub const POSITION: &str = "/sales-manager-api/api/v1/offers/{offerId}/position";
/// A Microsoft product's lowest allowed price.
pub const MINIMAL_PRICE: &str = "/sales-manager-api/api/v1/product/minimalPrice/{productId}";
/// Products by words of their names.
pub const PRODUCT_SEARCH: &str = "/library/api/v1/products/search";
/// The product id of a shop number.
pub const PRODUCT_BY_NUMBER: &str = "/kpc/api/v1/products/search/findByTypeAndExternalId";

/// Where webhooks are sent.
const SUBSCRIPTION: &str = "/envoy2/api/v1/subscription";

/// Calls that the API description lists without security: no token is sent with them (`docs/providers/kinguin.md#bearer`).
const PUBLIC: [&str; 7] = [
    WHOLESALE_PRODUCT,
    WHOLESALE,
    WHOLESALE_TIER,
    MERCHANTS_LIKE,
    MINIMAL_PRICE,
    PRODUCT_SEARCH,
    PRODUCT_BY_NUMBER,
];

/// Whether a call goes without a token.
pub fn is_public(method: &str, path: &str) -> bool {
    method == "GET"
        && catalogue::find(&CATALOGUE, method, path).is_some_and(|call| PUBLIC.contains(&call.path))
}

/// The names of JSON fields that are secret in this call and its reply. A game key is `body` on its way up and
/// `content` on its way down; the header that proves webhooks has a `value`.
pub fn hidden_fields(path: &str) -> &'static [&'static str] {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    // Decoded first, since an escaped path leads to the same keys: hiding too much costs less than showing one.
    let path = percent_decode_str(path).decode_utf8_lossy();
    let has = |part: &str| path.split('/').any(|known| known == part);
    match (has("stock"), has("subscription")) {
        (true, _) => &["body", "content"],
        (_, true) => &["value"],
        _ => &[],
    }
}

const OFFER_ID: Param = Param::in_path("offerId", "the offer's id", "65a0c0de0000000000000001");
const STOCK_ID: Param = Param::in_path(
    "stockId",
    "the key's id, a UUID",
    "57000000-0000-4000-8000-000000000001",
);
const UPLOAD_ID: Param = Param::in_path(
    "uploadId",
    "the id that the upload of a file was answered with",
    "f11e0000-0000-4000-8000-000000000001",
);
const ALERT_ID: Param = Param::in_path("alertId", "the alert's id", "65a1e2700000000000000007");
const CARD_ID: Param = Param::in_path(
    "cardId",
    "the delivered key's card id (ktcId)",
    "65ca2d000000000000000001",
);
const PRODUCT_ID: Param =
    Param::in_path("productId", "the product's id", "5c9b71292539a4e8f1809707");
const PAGE: Param = Param::optional("page", "which page; the first is 0", "0");
const SIZE: Param = Param::optional("size", "how many on a page", "25");
const OF_PRODUCT: Param = Param::optional(
    "productId",
    "only of this product",
    "5c9b71292539a4e8f1809707",
);
const STATUS: Param = Param::optional("status", "only ACTIVE or INACTIVE ones", "ACTIVE");
const RESERVATION_STATUS: Param = Param::optional(
    "status",
    "only in this state: BUYING, BOUGHT, CANCELED, DELIVERED, OUT_OF_STOCK, RETURNED, REFUNDED, REVERSED, …",
    "BOUGHT",
);
const OF_OFFER: Param =
    Param::optional("offerId", "only of this offer", "65a0c0de0000000000000001");
const CREATED_FROM: Param = Param::optional(
    "createdDateFrom",
    "only from this instant on",
    "2024-03-29T10:01:42.177+0000",
);
const CREATED_TO: Param = Param::optional(
    "createdDateTo",
    "only up to this instant",
    "2034-03-29T10:01:42.177+0000",
);

const fn filter(name: &'static str, about: &'static str, example: &'static str) -> Param {
    Param::optional(name, about, example)
}

const EARLIEST: &str = "2024-03-29T10:01:42.177+0000";
const LATEST: &str = "2034-03-29T10:01:42.177+0000";

const OF_ORDER: Param = filter(
    "orderIncrementId",
    "only of this order number",
    "SBX-100001",
);
const OF_RESERVATION: Param = filter(
    "reservationId",
    "only of this reservation",
    "65b000000000000000000001",
);
const OF_NAME: Param = filter(
    "name",
    "only of products with this name",
    "Harbour of Glass PC Key",
);

/// The filters of sales. Left out: `sellerId` and `sellerName`, which are the caller's own, and `textKey`, a key's text,
/// which would stand in the address.
const SALES: [Param; 21] = [
    PAGE,
    SIZE,
    RESERVATION_STATUS,
    OF_ORDER,
    OF_RESERVATION,
    OF_OFFER,
    OF_PRODUCT,
    OF_NAME,
    filter("customerId", "only of this buyer's number", "700001"),
    CREATED_FROM,
    CREATED_TO,
    filter(
        "releasedDateFrom",
        "only delivered from this instant on",
        EARLIEST,
    ),
    filter(
        "releasedDateTo",
        "only delivered up to this instant",
        LATEST,
    ),
    filter(
        "maxDeliveryDateFrom",
        "only to be delivered from this instant on",
        EARLIEST,
    ),
    filter(
        "maxDeliveryDateTo",
        "only to be delivered up to this instant",
        LATEST,
    ),
    filter(
        "wholesale",
        "only wholesale, or only not: true or false",
        "false",
    ),
    filter(
        "prePurchase",
        "only pre-purchases, or only not: true or false",
        "false",
    ),
    filter(
        "replacedFromFlag",
        "only replacements of another sale: true or false",
        "false",
    ),
    filter(
        "replacedToFlag",
        "only sales that were replaced: true or false",
        "false",
    ),
    filter(
        "externalStockName",
        "only with this name of yours",
        "batch-7",
    ),
    filter("externalStockVendor", "only from this vendor", "vendor-1"),
];

/// Every documented call, reads first. Deleting stock is left out: the provider's change log says it was removed.
pub static CATALOGUE: [Documented; 47] = [
    Documented::get(MERCHANT, &[], "who am I: the merchant's type and status"),
    Documented::get(MERCHANT_STATUS, &[], "the merchant's full record"),
    Documented::get(
        "/sales-manager-api/api/v1/merchants/findByName",
        &[Param::needed(
            "name",
            "the merchant's exact name",
            "Sandbox Keys",
        )],
        "a merchant's number by name",
    ),
    Documented::get(
        MERCHANTS_LIKE,
        &[Param::needed("name", "a part of the name", "Keys")],
        "merchants by a part of their names; needs no token",
    ),
    Documented::get(
        OFFERS,
        &[PAGE, SIZE, OF_PRODUCT, STATUS],
        "your offers, a page",
    ),
    Documented::get(OFFER, &[OFFER_ID], "one offer"),
    Documented::get(
        POSITION,
        &[
            OFFER_ID,
            Param::optional("bid", "a bid to try, in cents", "25"),
            Param::optional("price", "a buyer's price to try, in cents", "1660"),
        ],
        "where the sales booster puts an offer",
    ),
    Documented::get(
        STOCK,
        &[
            OFFER_ID,
            PAGE,
            SIZE,
            Param::optional(
                "status",
                "only in this state: AVAILABLE, DISABLED, DISPATCHING, DISPATCHED, REMOVED, RETURNED",
                "AVAILABLE",
            ),
            OF_RESERVATION,
            filter("ktcId", "only of this card", "65ca2d000000000000000001"),
            filter(
                "createdAtFrom",
                "only uploaded from this instant on",
                EARLIEST,
            ),
            filter("createdAtTo", "only uploaded up to this instant", LATEST),
            filter(
                "dispatchedAtFrom",
                "only dispatched from this instant on",
                EARLIEST,
            ),
            filter(
                "dispatchedAtTo",
                "only dispatched up to this instant",
                LATEST,
            ),
            filter("mimeType", "only of this type", "text/plain"),
            filter("externalName", "only with this name of yours", "batch-7"),
            filter("externalVendor", "only from this vendor", "vendor-1"),
        ],
        "an offer's keys, a page; the keys' text is secret",
    ),
    Documented::get(
        STOCK_ROW,
        &[OFFER_ID, STOCK_ID],
        "one key; its text is secret",
    ),
    Documented::get(
        "/sales-manager-api/api/v1/offers/{offerId}/stock/file/{uploadId}",
        &[OFFER_ID, UPLOAD_ID],
        "how the upload of a file of keys is getting on",
    ),
    Documented::get(BLOCK_REASONS, &[], "how many offers are blocked, by reason"),
    Documented::get(
        CALCULATOR,
        &[
            Param::needed(
                "kpcProductId",
                "the product's id",
                "5c9b71292539a4e8f1809707",
            ),
            Param::optional(
                "priceIWTR",
                "what you want to receive, in cents; or give `price`",
                "1500",
            ),
            Param::optional(
                "price",
                "what the buyer pays, in cents; or give `priceIWTR`",
                "1660",
            ),
            Param::optional("brokerId", "who sells", "internal"),
        ],
        "buyer's price and what you receive (IWTR), one from the other; give one of the two",
    ),
    Documented::get(RESERVATIONS, &SALES, "keys sold, a page: the orders"),
    Documented::get(RESERVATIONS_ARCHIVE, &SALES, "keys sold long ago, a page"),
    Documented::get(
        STATS,
        &[
            Param::needed(
                "createdDateFrom",
                "from this instant on",
                "2024-03-29T10:01:42.177+0000",
            ),
            CREATED_TO,
            OF_OFFER,
            OF_PRODUCT,
            RESERVATION_STATUS,
        ],
        "sales by day",
    ),
    Documented::get(
        "/sales-manager-api/api/v1/reservations/csv",
        &[
            RESERVATION_STATUS,
            OF_ORDER,
            OF_OFFER,
            OF_PRODUCT,
            CREATED_FROM,
            CREATED_TO,
        ],
        "keys sold, as CSV",
    ),
    Documented::get(
        ALERTS,
        &[
            PAGE,
            SIZE,
            filter("status", "only in this state", "OPEN"),
            OF_ORDER,
            OF_RESERVATION,
            OF_NAME,
            filter(
                "ignored",
                "only ignored ones, or only not: true or false",
                "false",
            ),
            filter("createdAtFrom", "only from this instant on", EARLIEST),
            filter("createdAtTo", "only up to this instant", LATEST),
        ],
        "alerts, a page: keys that were not uploaded in time",
    ),
    Documented::get(ALERT, &[ALERT_ID], "one alert"),
    Documented::get(
        WHOLESALE_PRODUCT,
        &[
            PRODUCT_ID,
            Param::optional(
                "outOfStock",
                "whether to list what is out of stock, too",
                "true",
            ),
        ],
        "wholesale offers of a product, whoever sells; needs no token",
    ),
    Documented::get(
        WHOLESALE_BEST,
        &[PRODUCT_ID],
        "the cheapest wholesale offer of a product",
    ),
    Documented::get(
        WHOLESALE,
        &[PAGE, SIZE, OF_PRODUCT],
        "wholesale offers, a page; needs no token",
    ),
    Documented::get(
        WHOLESALE_CONFIGURATION,
        &[],
        "how your wholesale offers are shown",
    ),
    Documented::get(
        WHOLESALE_TIER,
        &[PRODUCT_ID],
        "the wholesale discounts that Kinguin suggests for a product; needs no token",
    ),
    Documented::get(
        MINIMAL_PRICE,
        &[PRODUCT_ID],
        "a Microsoft product's lowest allowed price; needs no token",
    ),
    Documented::get(
        PRODUCT_SEARCH,
        &[
            Param::needed("active", "1: only what can be sold", "1"),
            Param::needed("phrase", "words of the name", "harbour"),
        ],
        "products by name; needs no token",
    ),
    Documented::get(
        PRODUCT_BY_NUMBER,
        &[
            Param::needed("type", "whose number it is", "kinguin"),
            Param::needed("externalId", "the product's number in the shop", "1001"),
        ],
        "a product's id by its number in the shop; needs no token",
    ),
    Documented::get(
        "/envoy2/api/v1/requests",
        &[PAGE, SIZE],
        "webhooks sent, and what came of them",
    ),
    Documented::get(SUBSCRIPTION, &[], "where webhooks are sent"),
    Documented::write(
        "POST",
        OFFERS,
        &[],
        Some(
            r#"{"productId": "5c9b712900000000000000ff", "price": {"amount": 1500, "currency": "EUR"}, "status": "ACTIVE", "declaredStock": 0}"#,
        ),
        "new offer; the `price` sent is what you receive (IWTR), the one in the answer what the buyer pays",
    ),
    Documented::write(
        "PUT",
        OFFER,
        &[OFFER_ID],
        Some(
            r#"{"status": "ACTIVE", "price": {"amount": 1500, "currency": "EUR"}, "declaredStock": 0}"#,
        ),
        "change an offer; the `price` sent is what you receive (IWTR). Beyond three a day a change of price costs a fee",
    ),
    Documented::write(
        "PATCH",
        OFFER,
        &[OFFER_ID],
        Some(r#"{"price": {"amount": 1500, "currency": "EUR"}}"#),
        "change some of an offer; the `price` sent is what you receive (IWTR). Beyond three a day a change of price costs a fee",
    ),
    Documented::write(
        "DELETE",
        OFFER,
        &[OFFER_ID],
        None,
        "delete an offer; not in the provider's own text",
    ),
    Documented::write(
        "PATCH",
        "/sales-manager-api/api/v1/offers/status/bulk/activate",
        &[],
        Some(r#"["65a0c0de0000000000000001", "65a0c0de0000000000000002"]"#),
        "offer these for sale",
    ),
    Documented::write(
        "PATCH",
        "/sales-manager-api/api/v1/offers/status/bulk/deactivate",
        &[],
        Some(r#"["65a0c0de0000000000000001", "65a0c0de0000000000000002"]"#),
        "take these off sale",
    ),
    Documented::write(
        "PATCH",
        "/sales-manager-api/api/v1/offers/wholesale/bulk",
        &[],
        Some(
            r#"{"wholesale": {"name": "usual", "enabled": true, "tiers": [{"discount": 2, "level": 1}, {"discount": 4, "level": 2}, {"discount": 6, "level": 3}, {"discount": 8, "level": 4}]}, "offersIds": ["65a0c0de0000000000000001"]}"#,
        ),
        "wholesale discounts of several offers",
    ),
    Documented::write(
        "PATCH",
        "/sales-manager-api/api/v1/offers/favorites",
        &[],
        Some(r#"{"favorite": true, "offersIds": ["65a0c0de0000000000000001"]}"#),
        "mark offers as favourites",
    ),
    Documented::write(
        "POST",
        "/sales-manager-api/api/v1/offers/{offerId}/popularity",
        &[OFFER_ID],
        Some(r#"{"maxBid": 25, "salesBoosterRenewal": false}"#),
        "bid for an offer's place (sales booster), in cents; 0 ends it. Each activation costs an entry fee, with \
         salesBoosterRenewal again every seven days",
    ),
    Documented::write(
        "POST",
        STOCK,
        &[OFFER_ID],
        Some(r#"{"body": "SANDBOX-KEY-0001", "mimeType": "text/plain"}"#),
        "upload one key; images as base64. With `reservationId` it answers a sale",
    ),
    Documented::write(
        "POST",
        STOCK_LIST,
        &[OFFER_ID],
        Some(
            r#"[{"body": "SANDBOX-KEY-0002", "mimeType": "text/plain"}, {"body": "SANDBOX-KEY-0003", "mimeType": "text/plain"}]"#,
        ),
        "upload several keys",
    ),
    Documented::write(
        "POST",
        STOCK_FILE,
        &[OFFER_ID],
        None,
        "upload a .txt or .zip of up to 10000 keys: a multipart body, whose first line is its boundary",
    ),
    Documented::write(
        "PUT",
        STOCK_ROW,
        &[OFFER_ID, STOCK_ID],
        Some(r#"{"status": "DISABLED"}"#),
        "put a key on sale (AVAILABLE) or hold it back (DISABLED)",
    ),
    Documented::write(
        "POST",
        "/sales-manager-api/api/v1/offers/restock",
        &[],
        Some(
            r#"{"orderIncrementId": "SBX-100001", "offers": [{"offerId": "65a0c0de0000000000000001", "keysNumber": 1}]}"#,
        ),
        "order keys anew for offers of an order",
    ),
    Documented::write(
        "POST",
        "/sales-manager-api/api/v1/returns/ktc/{cardId}",
        &[CARD_ID],
        None,
        "take a delivered key back into stock",
    ),
    Documented::write(
        "POST",
        WHOLESALE_CONFIGURATION,
        &[],
        Some(r#"{"wholesaleVisibility": "VISIBLE", "maxWholesaleStockDisplay": 50}"#),
        "show or hide your wholesale offers (VISIBLE, INVISIBLE), and the most stock that is shown",
    ),
    Documented::write(
        "POST",
        MERCHANT,
        &[],
        Some(r#"{"name": "Sandbox Keys", "type": "MERCHANT"}"#),
        "turn a customer account into a merchant's: C2C or MERCHANT",
    ),
    Documented::write(
        "PATCH",
        "/sales-manager-api/api/v1/reservations/delivery",
        &[],
        Some(r#"{"status": "DELIVERED"}"#),
        "delivery of an in-game product: DELIVERED or CANCELED. The published text has no more of it",
    ),
    Documented::write(
        "POST",
        SUBSCRIPTION,
        &[],
        Some(
            r#"{"endpoints": {"reserve": "http://127.0.0.1:8787/callbacks/kinguin", "give": "http://127.0.0.1:8787/callbacks/kinguin"}, "headers": [{"name": "X-Auth-Token", "value": "SANDBOX-HEADER"}]}"#,
        ),
        "register or change where webhooks are sent, and the header that proves them",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::Place;

    #[test]
    fn every_brace_of_a_path_is_a_parameter_and_every_body_is_json() {
        for call in &CATALOGUE {
            let braces = call.path.split('/').filter(|part| part.starts_with('{'));
            let braces: Vec<_> = braces.map(|part| part.trim_matches(['{', '}'])).collect();
            let params = call
                .params
                .iter()
                .filter(|param| param.place == Place::Path);
            let params: Vec<_> = params.map(|param| param.name).collect();
            assert_eq!(braces, params, "{}", call.path);
            if let Some(body) = call.body {
                assert!(
                    serde_json::from_str::<serde_json::Value>(body).is_ok(),
                    "{body}"
                );
            }
            assert_eq!(call.writes, call.method != "GET", "{}", call.path);
        }
    }

    #[test]
    fn what_is_public_goes_without_a_token_and_nothing_else() {
        assert!(is_public(
            "GET",
            "/library/api/v1/products/search?active=1&phrase=x"
        ));
        assert!(is_public(
            "GET",
            "/sales-manager-api/api/v1/wholesale/product/5c9b/offers"
        ));
        assert!(!is_public(
            "GET",
            "/sales-manager-api/api/v1/wholesale/product/5c9b/best"
        ));
        assert!(is_public(
            "GET",
            "/sales-manager-api/api/v1/products/5c9b/defaultWholesaleTier"
        ));
        assert!(is_public(
            "GET",
            "/sales-manager-api/api/v1/merchants/findByNameLike?name=x"
        ));
        assert!(!is_public(
            "GET",
            "/sales-manager-api/api/v1/merchants/findByName?name=x"
        ));
        assert!(!is_public("POST", "/library/api/v1/products/search"));
        assert!(!is_public("GET", "/sales-manager-api/api/v1/offers"));
    }

    #[test]
    fn keys_and_the_headers_of_webhooks_are_hidden() {
        let at = |path: &str| !hidden_fields(path).is_empty();
        assert!(at("/sales-manager-api/api/v1/offers/1/stock?page=0"));
        assert!(at("/sales-manager-api/api/v1/offers/1/stock/list"));
        assert!(at("/sales-manager-api/api/v1/offers/1/stock/2"));
        assert!(!at("/sales-manager-api/api/v1/offers/1"));
        assert!(at("/sales-manager-api/api/v1//offers/1/%73tock"));
        assert!(!at("/envoy2/api/v1/requests"));
        assert!(at("/envoy2/api/v1/subscription"));
    }
}
