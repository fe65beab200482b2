//! Offers, prices and reservations at Kinguin's simulator (`docs/providers/kinguin.md`).

use super::*;

// docs/providers/kinguin.md#lists
#[tokio::test]
async fn offers_are_paged_from_0_in_hal_and_the_last_page_has_no_next() {
    let bench = bench().await;
    let mut path = format!("{API}/offers?page=0&size=100");
    let (mut ids, mut pages) = (Vec::new(), 0);
    loop {
        let seen = bench.get(&path).await.json();
        let names: Vec<&String> = seen.as_object().unwrap().keys().collect();
        let of_hal = ["_embedded", "_links", "page", "summary", "sandboxExtra"];
        assert_eq!(names, of_hal, "in the order of live answers");
        assert_eq!(seen["page"]["number"], pages);
        let rows = seen["_embedded"]["offerList"].as_array().unwrap();
        ids.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        match seen["_links"]["next"]["href"].as_str() {
            Some(next) => path = next.split_once(&bench.to.to_string()).unwrap().1.to_owned(),
            None => break,
        }
    }
    assert_eq!((ids.len(), pages), (254, 3));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 254, "no offer stands twice");
    let beyond = bench
        .get(&format!("{API}/offers?page=3&size=100"))
        .await
        .json();
    assert!(beyond.get("_embedded").is_none() && beyond["_links"].get("next").is_none());
    assert_eq!(
        bench.get(&format!("{API}/offers?page=-1")).await.status,
        400
    );
    assert_eq!(bench.get(&format!("{API}/offers?size=0")).await.status, 400);
}

// docs/providers/kinguin.md#lists
#[tokio::test]
async fn filters_and_the_summary_fit_the_data() {
    let bench = bench().await;
    let all = format!("{API}/offers");
    let one = bench
        .get(&format!("{all}?productId={PRODUCT}"))
        .await
        .json();
    assert_eq!(one["page"]["totalElements"], 1);
    assert_eq!(one["_embedded"]["offerList"][0]["productId"], PRODUCT);
    let adapter = bench
        .get(&format!("{all}?filter.productId={PRODUCT}"))
        .await
        .json();
    assert_eq!(adapter["page"]["totalElements"], 1);
    let none = bench
        .get(&format!("{all}?productId=000000000000000000000000"))
        .await
        .json();
    assert!(none.get("_embedded").is_none());
    let summary = &one["summary"];
    for (status, name) in [("ACTIVE", "totalActive"), ("INACTIVE", "totalInactive")] {
        let list = bench
            .get(&format!("{all}?status={status}&size=1"))
            .await
            .json();
        assert_eq!(list["page"]["totalElements"], summary[name], "{name}");
    }
    let reasons = bench
        .get(&format!("{API}/offers/block-reasons"))
        .await
        .json();
    let blocked: i64 = reasons
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["count"].as_i64().unwrap())
        .sum();
    let result = summary["totalBlock"].as_i64().unwrap()
        + summary["totalManualVerification"].as_i64().unwrap();
    assert_eq!(blocked, result);
}

// docs/providers/kinguin.md#offers
#[tokio::test]
async fn blocked_inactive_unnamed_and_pre_order_offers_are_listed() {
    let bench = bench().await;
    bench.set("missing-rule", "on").unwrap();
    let mut rows = Vec::new();
    for page in 0..3 {
        let seen = bench
            .get(&format!("{API}/offers?size=100&page={page}"))
            .await
            .json();
        rows.extend(seen["_embedded"]["offerList"].as_array().unwrap().clone());
    }
    let some =
        |what: &str, is: &dyn Fn(&Value) -> bool| assert!(rows.iter().any(is), "none {what}");
    some("blocked", &|row| row["block"] == "ADMIN_DUPLICATE");
    some("inactive", &|row| row["status"] == "INACTIVE");
    some("without stock", &|row| {
        row["status"] == "ACTIVE" && row["buyableStock"] == 0
    });
    some("without a rule", &|row| row["commissionRule"].is_null());
    some("pre-order", &|row| row["preOrder"] == true);
    some("without a name", &|row| row["name"].is_null());
    assert!(
        rows.iter()
            .all(|row| row["updatedAt"].as_str().unwrap().ends_with("+0000"))
    );
}

// docs/providers/kinguin.md#lists
#[tokio::test]
async fn a_setting_lists_offers_in_the_api_descriptions_shape() {
    let bench = bench().await;
    bench.set("list-shape", "spec").unwrap();
    let seen = bench
        .get(&format!("{API}/offers?page=2&size=100"))
        .await
        .json();
    assert_eq!(seen["content"].as_array().unwrap().len(), 54);
    assert_eq!(seen["metadata"]["page"], 2);
    assert_eq!(seen["metadata"]["totalPages"], 3);
    assert!(seen.get("_embedded").is_none() && seen["summary"].is_object());
}

// docs/providers/kinguin.md#prices
#[tokio::test]
async fn the_price_sent_is_the_iwtr_and_the_price_answered_is_the_buyers() {
    let bench = bench().await;
    let offers = format!("{API}/offers");
    let body = json!({ "productId": "5c9b712900000000000000ff", "price": { "amount": 1500, "currency": "EUR" } });
    let made = bench.write("POST", &offers, body.clone()).await;
    assert_eq!(made.status, 200);
    let made = made.json();
    assert_eq!(made["priceIWTR"]["amount"], 1500);
    let rule = &made["commissionRule"];
    let (percent, fixed) = (
        rule["percentValue"].as_i64().unwrap(),
        rule["fixedAmount"].as_i64().unwrap(),
    );
    assert_eq!(made["price"]["amount"], 1500 + 15 * percent + fixed);
    let again = bench.write("POST", &offers, body).await;
    assert_eq!(
        (again.status, again.message().as_str()),
        (409, "Offer already created")
    );
}

// docs/providers/kinguin.md#offers
#[tokio::test]
async fn a_bad_offer_is_refused_in_the_documented_words_and_changes_nothing() {
    let bench = bench().await;
    let offer = format!("{API}/offers/{OFFER}");
    let before = bench.get(&offer).await.json();
    let price = |amount: i64, currency: &str| json!({ "price": { "amount": amount, "currency": currency } });
    for (body, words) in [
        (price(-1, "EUR"), "Offer price must be greater than zero"),
        (price(1_000_001, "EUR"), "less than or equal to 1000000"),
        (price(1_500, "USD"), "must match \"^EUR$\""),
        (
            json!({ "price": { "amount": 15.5, "currency": "EUR" } }),
            "must be an integer",
        ),
        (
            json!({ "declaredStock": 21 }),
            "Max declared stock has been exceeded",
        ),
        (
            json!({ "declaredStock": 3, "declaredTextStock": 4 }),
            "declaredTextStock",
        ),
        (json!({ "status": "GONE" }), "status"),
        (
            json!({ "wholesale": { "enabled": true, "tiers": [{ "level": 2, "discount": 1 }] } }),
            "Wholesale tiers values are invalid",
        ),
        (
            json!({ "wholesale": { "enabled": true, "tiers": [{ "level": 1, "discount": 1 }] } }),
            "Wholesale tiers values are invalid",
        ),
    ] {
        let refused = bench.write("PATCH", &offer, body.clone()).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.message().contains(words), "{body}: {refused:?}");
    }
    let missing = bench
        .write(
            "POST",
            &format!("{API}/offers"),
            json!({ "productId": "x" }),
        )
        .await;
    assert_eq!(
        missing.message(),
        "Unable to create offer. Product does not exist."
    );
    assert_eq!(bench.get(&offer).await.json(), before);
}

// docs/providers/kinguin.md#offers
#[tokio::test]
async fn a_patch_changes_only_what_it_names_and_updated_at_moves() {
    let bench = bench().await;
    let offer = format!("{API}/offers/{OFFER}");
    let before = bench.get(&offer).await.json();
    bench.manual_clock.advance(Duration::from_secs(1));
    let after = bench
        .write(
            "PATCH",
            &offer,
            json!({ "declaredStock": 7, "status": null }),
        )
        .await
        .json();
    assert_ne!(after["updatedAt"], before["updatedAt"]);
    assert_eq!(after["declaredStock"], 7);
    let changed: Vec<_> = before
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, value)| after[name.as_str()] != **value)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(changed, ["declaredStock", "buyableStock", "updatedAt"]);
}

// docs/providers/kinguin.md#prices
#[tokio::test]
async fn the_calculator_answers_flat_whole_numbers_both_ways() {
    let bench = bench().await;
    let calculator = format!("{API}/offers/calculations/priceAndCommission?kpcProductId=");
    // The second product has 5 % and 15 cents with every seed.
    let second = "5c9b71290000000000000002";
    for (asked, iwtr, price) in [
        ("price=10524", 10_009, 10_524),
        ("price=10525", 10_010, 10_525),
        ("price=10526", 10_010, 10_526),
        ("price=10527", 10_011, 10_527),
        ("priceIWTR=10010", 10_010, 10_525),
    ] {
        let seen = bench
            .get(&format!("{calculator}{second}&{asked}"))
            .await
            .json();
        assert_eq!(
            (seen["priceIWTR"].as_i64(), seen["price"].as_i64()),
            (Some(iwtr), Some(price)),
            "{asked}"
        );
        assert_eq!(
            (seen["percentValue"].as_i64(), seen["fixedAmount"].as_i64()),
            (Some(5), Some(15))
        );
    }
    let neither = bench.get(&format!("{calculator}{second}")).await;
    assert_eq!(
        (neither.status, neither.message().as_str()),
        (404, "Commission Price not found")
    );
    bench.set("missing-rule", "on").unwrap();
    let unruled = bench
        .get(&format!("{calculator}5c9b71290000000000000005&price=100"))
        .await;
    assert_eq!(unruled.status, 409);
    let nonsense = bench.get(&format!("{calculator}{second}&price=1.5")).await;
    assert_eq!(nonsense.status, 400);
    let huge = bench
        .get(&format!("{calculator}{second}&price={}", i64::MAX))
        .await;
    assert_eq!(huge.status, 404);
}

// docs/providers/kinguin.md#reservations
#[tokio::test]
async fn reservations_are_paged_and_filtered() {
    let bench = bench().await;
    let all = format!("{API}/reservations");
    let first = bench.get(&format!("{all}?size=30")).await.json();
    assert_eq!(
        (first["totalElements"].as_i64(), first["last"].as_bool()),
        (Some(40), Some(false))
    );
    let last = bench.get(&format!("{all}?size=30&page=1")).await.json();
    assert_eq!(
        (
            last["content"].as_array().unwrap().len(),
            last["last"].as_bool()
        ),
        (10, Some(true))
    );
    let bought = bench.get(&format!("{all}?status=BOUGHT")).await.json();
    let rows = bought["content"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["status"] == "BOUGHT"));
    let of_offer = bench
        .get(&format!("{all}?offerId={OFFER}&size=100"))
        .await
        .json();
    assert!(
        of_offer["content"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["offerId"] == OFFER)
    );
    let middle = first["content"][15]["createdDate"]
        .as_str()
        .unwrap()
        .replace('+', "%2B");
    let newer = bench
        .get(&format!("{all}?createdDateFrom={middle}"))
        .await
        .json();
    assert_eq!(
        newer["totalElements"], 16,
        "this one and the fifteen before it"
    );
    let older = bench
        .get(&format!("{all}?createdDateTo={middle}"))
        .await
        .json();
    assert_eq!(older["totalElements"], 25);
    assert_eq!(
        bench
            .get(&format!("{all}?createdDateFrom=soon"))
            .await
            .status,
        400
    );
}

// docs/providers/kinguin.md#reservations
#[tokio::test]
async fn a_sale_moves_from_buying_to_delivered_and_takes_a_key() {
    let bench = bench().await;
    let stock = || async {
        let seen = bench.get(&format!("{API}/offers/{OFFER}")).await.json();
        seen["availableStock"].as_i64().unwrap()
    };
    let before = stock().await;
    let message = bench.event("sale", OFFER).unwrap();
    let id = message.split(' ').nth(1).unwrap();
    bench.event("reservation", &format!("{id} BOUGHT")).unwrap();
    assert!(
        bench
            .event("reservation", &format!("{id} BOUGHT"))
            .unwrap_err()
            .contains("already")
    );
    assert!(
        bench
            .event("reservation", &format!("{id} LOST"))
            .unwrap_err()
            .contains("BUYING")
    );
    assert!(bench.event("reservation", "nobody BOUGHT").is_err());
    assert!(bench.event("reservation", id).is_err());
    bench
        .event("reservation", &format!("{id} DELIVERED"))
        .unwrap();
    assert_eq!(stock().await, before - 1);
    let seen = bench
        .get(&format!("{API}/reservations?reservationId={id}"))
        .await
        .json();
    let row = &seen["content"][0];
    assert_eq!(row["status"], "DELIVERED");
    let key = row["releasedStockId"].as_str().unwrap();
    let key = bench
        .get(&format!("{API}/offers/{OFFER}/stock/{key}"))
        .await
        .json();
    assert_eq!(
        (key["status"].as_str(), key["reservationId"].as_str()),
        (Some("DISPATCHED"), Some(id))
    );
    let back = bench
        .write(
            "POST",
            &format!("{API}/returns/ktc/{}", key["ktcId"].as_str().unwrap()),
            json!({}),
        )
        .await;
    assert_eq!(back.status, 200);
    let seen = bench
        .get(&format!("{API}/reservations?reservationId={id}"))
        .await
        .json();
    assert_eq!(seen["content"][0]["status"], "RETURNED");
}

// docs/providers/kinguin.md#keys
#[tokio::test]
async fn keys_are_checked_on_their_way_in() {
    let bench = bench().await;
    let stock = format!("{API}/offers/{OFFER}/stock");
    let key = |body: &str, mime: &str| json!({ "body": body, "mimeType": mime });
    for (body, status) in [
        (key("", "text/plain"), 400),
        (key("A", "text/html"), 400),
        (key("not base64!", "image/png"), 400),
        (key(&"x".repeat(200 * 1024 + 1), "text/plain"), 400),
        (
            json!({ "body": "B", "mimeType": "text/plain", "requestId": "r".repeat(37) }),
            400,
        ),
        (
            json!({ "body": "B", "mimeType": "text/plain", "reservationId": "nobody" }),
            400,
        ),
        (key("A", "text/plain"), 200),
        (key("A", "text/plain"), 409),
        (
            json!({ "body": "C", "mimeType": "text/plain", "requestId": "7" }),
            200,
        ),
        (
            json!({ "body": "D", "mimeType": "text/plain", "requestId": "7" }),
            409,
        ),
    ] {
        let seen = bench.write("POST", &stock, body.clone()).await;
        assert_eq!(seen.status, status, "{seen:?}");
    }
    let list = json!([key("E", "text/plain"), key("A", "text/plain")]);
    assert_eq!(
        bench
            .write("POST", &format!("{stock}/list"), list)
            .await
            .status,
        409
    );
    let all = bench.get(&format!("{stock}?size=100")).await;
    assert!(
        !all.body.contains("\"content\":\"E\""),
        "all of a list or none of it"
    );
}

// docs/providers/kinguin.md#keys, docs/providers/kinguin.md#reservations
#[tokio::test]
async fn a_key_uploaded_to_a_sale_that_waits_delivers_it() {
    let bench = bench().await;
    let late = bench
        .get(&format!("{API}/reservations?status=OUT_OF_STOCK"))
        .await
        .json();
    let late = late["content"][0].clone();
    let stock = format!("{API}/offers/{}/stock", late["offerId"].as_str().unwrap());
    let body = json!({ "body": "SANDBOX-LATE", "mimeType": "text/plain", "reservationId": late["id"], "externalId": "E-7" });
    assert_eq!(bench.write("POST", &stock, body.clone()).await.status, 200);
    let now = bench
        .get(&format!(
            "{API}/reservations?reservationId={}",
            late["id"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(now["content"][0]["status"], "DELIVERED");
    let again = bench.write("POST", &stock, body).await;
    assert!(
        again.message().starts_with("Invalid reservation ID"),
        "{again:?}"
    );
    let buying = bench
        .get(&format!("{API}/reservations?status=BUYING"))
        .await
        .json();
    let body = json!({ "body": "SANDBOX-SOON", "mimeType": "text/plain", "reservationId": buying["content"][0]["id"] });
    let stock = format!(
        "{API}/offers/{}/stock",
        buying["content"][0]["offerId"].as_str().unwrap()
    );
    assert_eq!(
        bench.write("POST", &stock, body).await.status,
        409,
        "it is being bought right now"
    );
}
