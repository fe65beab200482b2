//! Kinguin's documented calls (`docs/providers/kinguin.md#calls`). Paths are from the provider's API description ("Sales
//! Manager API V1") and, where that has none, from what public clients call. Examples work at the simulator, whatever its
//! seed.

use percent_encoding::percent_decode_str;

use crate::domain::DocumentedCall;
use crate::domain::catalogue::{self, Param, next, write};
use crate::domain::raw_path::without_query;

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
/// The number of blocked offers by reason.
pub const BLOCK_REASONS: &str = "/sales-manager-api/api/v1/offers/block-reasons";
/// Converts between the buyer's price and the seller's.
pub const CALCULATOR: &str = "/sales-manager-api/api/v1/offers/calculations/priceAndCommission";
/// Keys sold.
pub const RESERVATIONS: &str = "/sales-manager-api/api/v1/reservations";
/// Keys sold long ago.
pub const RESERVATIONS_ARCHIVE: &str = "/sales-manager-api/api/v1/reservations/archive";
/// Wholesale offers of one product, from all sellers.
pub const WHOLESALE_PRODUCT: &str =
    "/sales-manager-api/api/v1/wholesale/product/{productId}/offers";
/// The cheapest of them.
pub const WHOLESALE_BEST: &str = "/sales-manager-api/api/v1/wholesale/product/{productId}/best";
/// Wholesale offers of all products.
pub const WHOLESALE: &str = "/sales-manager-api/api/v1/wholesale/offers";
/// Display settings of the merchant's wholesale offers.
pub const WHOLESALE_CONFIGURATION: &str = "/sales-manager-api/api/v1/wholesale/configuration";
/// The wholesale discounts that Kinguin suggests for a product.
pub const WHOLESALE_TIER: &str =
    "/sales-manager-api/api/v1/products/{productId}/defaultWholesaleTier";
/// Merchants by part of their name.
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
/// Products by words in their name.
pub const PRODUCT_SEARCH: &str = "/library/api/v1/products/search";
/// The product id of a shop number.
pub const PRODUCT_BY_NUMBER: &str = "/kpc/api/v1/products/search/findByTypeAndExternalId";

/// Where webhooks are sent.
const SUBSCRIPTION: &str = "/envoy2/api/v1/subscription";

/// Calls that need no token: none is sent with them (`docs/providers/kinguin.md#bearer`).
const PUBLIC: [&str; 6] = [
    WHOLESALE,
    WHOLESALE_TIER,
    MERCHANTS_LIKE,
    MINIMAL_PRICE,
    PRODUCT_SEARCH,
    PRODUCT_BY_NUMBER,
];

/// Whether a call needs no token.
pub fn is_public(method: &str, path: &str) -> bool {
    method == "GET"
        && catalogue::find(&CATALOGUE, method, path).is_some_and(|call| PUBLIC.contains(&call.path))
}

/// The names of JSON fields that are secret in this call and its response. A game key is `body` on its way up and
/// `content` on its way down, and a `requestId` may be made of it; the header that proves webhooks has a `value`.
pub fn hidden_fields(path: &str) -> &'static [&'static str] {
    // Decoded first, because an escaped path leads to the same keys. Hiding too much costs less than showing a key.
    let path = percent_decode_str(without_query(path)).decode_utf8_lossy();
    // Whole segments: an offer whose name contains "stock" has nothing to hide.
    let has = |part: &str| path.split('/').any(|known| known == part);
    match (has("stock"), has("subscription")) {
        (true, _) => &["body", "content", "requestId"],
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
    "the id in the response to the file upload",
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
const PAGE: Param = Param::page("page", "page number; the first is 0", 0);
const SIZE: Param = Param::optional("size", "rows per page", "25");
const OF_PRODUCT: Param =
    Param::optional("productId", "only this product", "5c9b71292539a4e8f1809707");
const STATUS: Param = Param::optional("status", "only ACTIVE or INACTIVE ones", "ACTIVE");
const RESERVATION_STATUS: Param = Param::optional(
    "status",
    "only this state: BUYING, BOUGHT, CANCELED, DELIVERED, OUT_OF_STOCK, RETURNED, REFUNDED, REVERSED, …",
    "BOUGHT",
);
const OF_OFFER: Param = Param::optional("offerId", "only this offer", "65a0c0de0000000000000001");
const CREATED_FROM: Param = Param::optional("createdDateFrom", "from this time", EARLIEST);
const CREATED_TO: Param = Param::optional("createdDateTo", "up to this time", LATEST);

const fn filter(name: &'static str, about: &'static str, example: &'static str) -> Param {
    Param::optional(name, about, example)
}

const EARLIEST: &str = "2024-03-29T10:01:42.177+0000";
const LATEST: &str = "2034-03-29T10:01:42.177+0000";

const OF_ORDER: Param = filter("orderIncrementId", "only this order number", "SBX-100001");
const OF_RESERVATION: Param = filter(
    "reservationId",
    "only this reservation",
    "65b000000000000000000001",
);
const OF_NAME: Param = filter(
    "name",
    "only products with this name",
    "Harbour of Glass PC Key",
);

/// The filters of sales. Left out: `sellerId` and `sellerName`, which are the caller's own, `textKey`, a key's text, which
/// would stand in the address, and `all`, a text of no documented meaning.
const SALES: [Param; 21] = [
    PAGE,
    SIZE,
    RESERVATION_STATUS,
    OF_ORDER,
    OF_RESERVATION,
    OF_OFFER,
    OF_PRODUCT,
    OF_NAME,
    filter("customerId", "only this buyer's number", "700001"),
    CREATED_FROM,
    CREATED_TO,
    filter("releasedDateFrom", "delivered from this time", EARLIEST),
    filter("releasedDateTo", "delivered up to this time", LATEST),
    filter(
        "maxDeliveryDateFrom",
        "delivery due from this time",
        EARLIEST,
    ),
    filter("maxDeliveryDateTo", "delivery due up to this time", LATEST),
    filter(
        "wholesale",
        "only wholesale (true) or without it (false)",
        "false",
    ),
    filter(
        "prePurchase",
        "only pre-purchases (true) or without them (false)",
        "false",
    ),
    filter(
        "replacedFromFlag",
        "only replacements of another sale (true) or without them (false)",
        "false",
    ),
    filter(
        "replacedToFlag",
        "only replaced sales (true) or without them (false)",
        "false",
    ),
    filter(
        "externalStockName",
        "only with this external name",
        "batch-7",
    ),
    filter("externalStockVendor", "only from this vendor", "vendor-1"),
];

/// Every documented call, reads first. Deleting stock is left out: the provider's change log says it was removed.
pub static CATALOGUE: [DocumentedCall; 47] = [
    // The explorer begins with the first call.
    DocumentedCall::get(
        OFFERS,
        &[PAGE, SIZE, OF_PRODUCT, STATUS],
        "list your offers",
    )
    .after(&[next("list your offers of the product", &["productId"])]),
    DocumentedCall::get(MERCHANT, &[], "this merchant's type and status"),
    DocumentedCall::get(MERCHANT_STATUS, &[], "this merchant's full record"),
    DocumentedCall::get(
        "/sales-manager-api/api/v1/merchants/findByName",
        &[Param::needed(
            "name",
            "the merchant's exact name",
            "Sandbox Keys",
        )],
        "find a merchant's number by name",
    ),
    DocumentedCall::get(
        MERCHANTS_LIKE,
        &[Param::needed("name", "part of the name", "Keys")],
        "find merchants by part of their name; needs no token",
    ),
    DocumentedCall::get(OFFER, &[OFFER_ID], "show one offer")
        .after(&[next("show the offer", &["offerId"])]),
    DocumentedCall::get(
        POSITION,
        &[
            OFFER_ID,
            Param::optional("bid", "a bid to try, in cents", "25"),
            Param::optional("price", "a buyer's price to try, in cents", "1660"),
        ],
        "the offer's place in the sales booster",
    )
    .after(&[next("show its place in the sales booster", &["offerId"])]),
    DocumentedCall::get(
        STOCK,
        &[
            OFFER_ID,
            PAGE,
            SIZE,
            Param::optional(
                "status",
                "only this state: AVAILABLE, DISABLED, DISPATCHING, DISPATCHED, REMOVED, RETURNED",
                "AVAILABLE",
            ),
            OF_RESERVATION,
            filter("ktcId", "only this card", "65ca2d000000000000000001"),
            filter("createdAtFrom", "uploaded from this time", EARLIEST),
            filter("createdAtTo", "uploaded up to this time", LATEST),
            filter("dispatchedAtFrom", "dispatched from this time", EARLIEST),
            filter("dispatchedAtTo", "dispatched up to this time", LATEST),
            filter("mimeType", "only this type", "text/plain"),
            filter("externalName", "only with this external name", "batch-7"),
            filter("externalVendor", "only from this vendor", "vendor-1"),
        ],
        "list an offer's keys; their text is secret",
    )
    .after(&[
        next("list the offer's keys", &["offerId"]),
        next("show the key that was sold", &["reservationId", "offerId"]),
    ]),
    DocumentedCall::get(
        STOCK_ROW,
        &[OFFER_ID, STOCK_ID],
        "show one key; its text is secret",
    )
    .after(&[next("show the key", &["offerId", "stockId"])]),
    DocumentedCall::get(
        "/sales-manager-api/api/v1/offers/{offerId}/stock/file/{uploadId}",
        &[OFFER_ID, UPLOAD_ID],
        "progress of a key file upload",
    ),
    DocumentedCall::get(BLOCK_REASONS, &[], "number of blocked offers by reason"),
    DocumentedCall::get(
        CALCULATOR,
        &[
            Param::needed(
                "kpcProductId",
                "the product's id",
                "5c9b71292539a4e8f1809707",
            ),
            Param::optional(
                "priceIWTR",
                "what you want to receive, in cents; or set `price`",
                "1500",
            ),
            Param::optional(
                "price",
                "what the buyer pays, in cents; or set `priceIWTR`",
                "1660",
            ),
            Param::optional("brokerId", "the seller's type", "internal"),
        ],
        "convert between the buyer's price and what you receive (`priceIWTR`); set one of the two",
    ),
    DocumentedCall::get(RESERVATIONS, &SALES, "list sales (sold keys)").after(&[
        next("list the offer's sales", &["offerId"]),
        next("list the order's sales", &["orderIncrementId"]),
    ]),
    DocumentedCall::get(RESERVATIONS_ARCHIVE, &SALES, "list archived sales"),
    DocumentedCall::get(
        STATS,
        &[
            Param::needed(
                "createdDateFrom",
                "from this time",
                EARLIEST,
            ),
            CREATED_TO,
            OF_OFFER,
            OF_PRODUCT,
            RESERVATION_STATUS,
        ],
        "sales by day",
    )
    .after(&[next("show the offer's sales by day", &["offerId"])]),
    DocumentedCall::get(
        "/sales-manager-api/api/v1/reservations/csv",
        &[
            RESERVATION_STATUS,
            OF_ORDER,
            OF_OFFER,
            OF_PRODUCT,
            CREATED_FROM,
            CREATED_TO,
        ],
        "sales as CSV",
    ),
    DocumentedCall::get(
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
                "only ignored ones (true) or without them (false)",
                "false",
            ),
            filter("createdAtFrom", "from this time", EARLIEST),
            filter("createdAtTo", "up to this time", LATEST),
        ],
        "list alerts: keys not uploaded in time",
    )
    .after(&[next("list alerts about the sale", &["reservationId"])]),
    DocumentedCall::get(ALERT, &[ALERT_ID], "show one alert")
        .after(&[next("show the alert", &["alertId"])]),
    DocumentedCall::get(
        WHOLESALE_PRODUCT,
        &[
            PRODUCT_ID,
            Param::optional("outOfStock", "include offers that are out of stock", "true"),
        ],
        "wholesale offers of a product, from all sellers",
    )
    .after(&[next("list wholesale offers of all sellers", &["productId"])]),
    DocumentedCall::get(
        WHOLESALE_BEST,
        &[PRODUCT_ID],
        "the cheapest wholesale offer of a product",
    ),
    DocumentedCall::get(
        WHOLESALE,
        &[PAGE, SIZE, OF_PRODUCT],
        "list wholesale offers; needs no token",
    ),
    DocumentedCall::get(
        WHOLESALE_CONFIGURATION,
        &[],
        "display settings of your wholesale offers",
    ),
    DocumentedCall::get(
        WHOLESALE_TIER,
        &[PRODUCT_ID],
        "Kinguin's suggested wholesale discounts for a product; needs no token",
    ),
    DocumentedCall::get(
        MINIMAL_PRICE,
        &[PRODUCT_ID],
        "a Microsoft product's lowest allowed price; needs no token",
    )
    .after(&[next("show the lowest allowed price (Microsoft)", &["productId"])]),
    DocumentedCall::get(
        PRODUCT_SEARCH,
        &[
            Param::needed("active", "1: only products that can be sold", "1"),
            Param::needed("phrase", "words in the name", "harbour"),
        ],
        "find products by name; needs no token",
    ),
    DocumentedCall::get(
        PRODUCT_BY_NUMBER,
        &[
            Param::needed("type", "the kind of number", "kinguin"),
            Param::needed("externalId", "the product's number in the shop", "1001"),
        ],
        "find a product's id by its shop number; needs no token",
    ),
    DocumentedCall::get(
        "/envoy2/api/v1/requests",
        &[PAGE, SIZE],
        "list sent webhooks and their results",
    ),
    DocumentedCall::get(SUBSCRIPTION, &[], "show where Kinguin sends webhooks"),
    DocumentedCall::post(OFFERS, &[], r#"{"productId": "5c9b712900000000000000ff", "price": {"amount": 1500, "currency": "EUR"}, "status": "ACTIVE", "declaredStock": 0}"#,
        "create an offer; the `price` you send is what you receive, the response's `price` is what the \
        buyer pays",
    )
    .after(&[write(
        "create an offer",
        &["productId"],
        r#"{"productId": "{productId}", "price": {"amount": "{#amount}", "currency": "EUR"}, "status": "ACTIVE", "declaredStock": 0}"#,
    )]),
    DocumentedCall::write(
        "PUT",
        OFFER,
        &[OFFER_ID],
        Some(
            r#"{"status": "ACTIVE", "price": {"amount": 1500, "currency": "EUR"}, "declaredStock": 0}"#,
        ),
        "change an offer; the `price` you send is what you receive (IWTR), in cents. From the fourth price change a \
        day Kinguin charges a fee",
    ),
    DocumentedCall::write(
        "PATCH",
        OFFER,
        &[OFFER_ID],
        Some(r#"{"price": {"amount": 1500, "currency": "EUR"}}"#),
        "change some fields of an offer; the `price` you send is what you receive (IWTR), in cents. From the fourth \
        price change a day Kinguin charges a fee",
    )
    .after(&[
        write(
            "change the offer's price (what you receive, in cents)",
            &["offerId"],
            r#"{"price": {"amount": "{#amount}", "currency": "EUR"}}"#,
        ),
        write("put the whole offer on sale", &["offerId"], r#"{"status": "ACTIVE"}"#),
        write("take the whole offer off sale", &["offerId"], r#"{"status": "INACTIVE"}"#),
    ]),
    DocumentedCall::write(
        "DELETE",
        OFFER,
        &[OFFER_ID],
        None,
        "delete an offer; undocumented",
    ),
    DocumentedCall::write(
        "PATCH",
        "/sales-manager-api/api/v1/offers/status/bulk/activate",
        &[],
        Some(r#"["65a0c0de0000000000000001", "65a0c0de0000000000000002"]"#),
        "put offers on sale",
    ),
    DocumentedCall::write(
        "PATCH",
        "/sales-manager-api/api/v1/offers/status/bulk/deactivate",
        &[],
        Some(r#"["65a0c0de0000000000000001", "65a0c0de0000000000000002"]"#),
        "take offers off sale",
    ),
    DocumentedCall::write(
        "PATCH",
        "/sales-manager-api/api/v1/offers/wholesale/bulk",
        &[],
        Some(
            r#"{"wholesale": {"name": "usual", "enabled": true, "tiers": [{"discount": 2, "level": 1, "price": {"amount": 1627, "currency": "EUR"}, "priceIWTR": {"amount": 1470, "currency": "EUR"}}, {"discount": 4, "level": 2, "price": {"amount": 1594, "currency": "EUR"}, "priceIWTR": {"amount": 1440, "currency": "EUR"}}, {"discount": 6, "level": 3, "price": {"amount": 1561, "currency": "EUR"}, "priceIWTR": {"amount": 1410, "currency": "EUR"}}, {"discount": 8, "level": 4, "price": {"amount": 1528, "currency": "EUR"}, "priceIWTR": {"amount": 1380, "currency": "EUR"}}]}, "offersIds": ["65a0c0de0000000000000001"]}"#,
        ),
        "set wholesale discounts of several offers, with what the buyer pays (price) and you receive (priceIWTR)",
    ),
    DocumentedCall::write(
        "PATCH",
        "/sales-manager-api/api/v1/offers/favorites",
        &[],
        Some(r#"{"favorite": true, "offersIds": ["65a0c0de0000000000000001"]}"#),
        "mark offers as favourites",
    ),
    DocumentedCall::post(STOCK, &[OFFER_ID], r#"{"body": "SANDBOX-KEY-0001", "mimeType": "text/plain"}"#,
        "upload one key; images as base64. With `reservationId` the key goes to that sale",
    )
    .after(&[
        write(
            "give a key to the sale",
            &["reservationId", "offerId"],
            r#"{"body": "{body}", "mimeType": "text/plain", "reservationId": "{reservationId}"}"#,
        ),
        write(
            "add a key to the offer",
            &["offerId"],
            r#"{"body": "{body}", "mimeType": "text/plain"}"#,
        ),
    ]),
    DocumentedCall::post("/sales-manager-api/api/v1/offers/{offerId}/popularity", &[OFFER_ID], r#"{"maxBid": 25, "salesBoosterRenewal": false}"#,
        "bid for a place in the sales booster, in cents; 0 ends the bid. Each activation costs an entry \
        fee; salesBoosterRenewal repeats it every seven days",
    )
    .after(&[write(
        "bid in the sales booster, in cents",
        &["offerId"],
        r#"{"maxBid": "{#maxBid}", "salesBoosterRenewal": false}"#,
    )]),
    DocumentedCall::post(STOCK_LIST, &[OFFER_ID], r#"[{"body": "SANDBOX-KEY-0002", "mimeType": "text/plain"}, {"body": "SANDBOX-KEY-0003", "mimeType": "text/plain"}]"#,
        "upload several keys",
    ),
    DocumentedCall::write(
        "POST",
        STOCK_FILE,
        &[OFFER_ID],
        None,
        "upload a .txt or .zip of up to 10000 keys: a multipart body, whose first line is its boundary",
    ),
    DocumentedCall::write(
        "PUT",
        STOCK_ROW,
        &[OFFER_ID, STOCK_ID],
        Some(r#"{"status": "DISABLED"}"#),
        "put a key on sale (AVAILABLE) or withhold it (DISABLED)",
    )
    .after(&[
        write(
            "withhold the key",
            &["offerId", "stockId"],
            r#"{"status": "DISABLED"}"#,
        ),
        write(
            "put the key on sale",
            &["offerId", "stockId"],
            r#"{"status": "AVAILABLE"}"#,
        ),
    ]),
    DocumentedCall::post("/sales-manager-api/api/v1/offers/restock", &[], r#"{"orderIncrementId": "SBX-100001", "offers": [{"offerId": "65a0c0de0000000000000001", "keysNumber": 1}]}"#,
        "restock: order new keys for the offers of an order",
    ),
    DocumentedCall::write(
        "POST",
        "/sales-manager-api/api/v1/returns/ktc/{cardId}",
        &[CARD_ID],
        None,
        "take a delivered key back into stock",
    ),
    DocumentedCall::post(WHOLESALE_CONFIGURATION, &[], r#"{"wholesaleVisibility": "VISIBLE", "maxWholesaleStockDisplay": 50}"#,
        "show or hide your wholesale offers (VISIBLE, INVISIBLE), and set the highest stock shown",
    ),
    DocumentedCall::post(MERCHANT, &[], r#"{"name": "Sandbox Keys", "type": "MERCHANT"}"#,
        "turn a customer account into a merchant account: C2C or MERCHANT",
    ),
    DocumentedCall::write(
        "PATCH",
        "/sales-manager-api/api/v1/reservations/delivery",
        &[],
        Some(r#"{"status": "DELIVERED"}"#),
        "report the delivery of an in-game product: DELIVERED or CANCELED. Kinguin documents no more",
    ),
    DocumentedCall::post(SUBSCRIPTION, &[], r#"{"endpoints": {"reserve": "http://127.0.0.1:8787/callbacks/kinguin", "give": "http://127.0.0.1:8787/callbacks/kinguin"}, "headers": [{"name": "X-Auth-Token", "value": "SANDBOX-HEADER"}]}"#,
        "set where Kinguin sends webhooks, and the header that authenticates them",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::ParamLocation;

    #[test]
    fn every_brace_of_a_path_is_a_parameter_and_every_body_is_json() {
        for call in &CATALOGUE {
            let braces = call.path.split('/').filter(|part| part.starts_with('{'));
            let braces: Vec<_> = braces.map(|part| part.trim_matches(['{', '}'])).collect();
            let params = call
                .params
                .iter()
                .filter(|param| param.place == ParamLocation::Path);
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

    // docs/providers/kinguin.md#bearer
    #[test]
    fn what_is_public_goes_without_a_token_and_nothing_else() {
        assert!(is_public(
            "GET",
            "/library/api/v1/products/search?active=1&phrase=x"
        ));
        for of_product in ["offers", "best"] {
            let path = format!("/sales-manager-api/api/v1/wholesale/product/5c9b/{of_product}");
            assert!(!is_public("GET", &path), "{path}");
        }
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

    // docs/providers/kinguin.md#keys
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
