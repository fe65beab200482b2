//! Webhooks of Kinguin's simulator, to a real receiver on this machine (`docs/providers/kinguin.md#webhooks`).

use super::*;
use crate::sandbox::testing::Receiver;

const SUBSCRIPTION: &str = "/envoy2/api/v1/subscription";

/// A shop, and the webhooks it received: the registered header's value and the body of each.
struct Shop {
    receiver: Receiver,
    received: Vec<(String, Value)>,
    url: String,
}

/// One that answers with this status.
async fn shop(status: u16) -> Shop {
    let receiver = Receiver::open().await;
    receiver.answers(move |_| Some((status, "")));
    Shop {
        url: receiver.url("/hook"),
        receiver,
        received: Vec::new(),
    }
}

impl Shop {
    fn look(&mut self) -> &[(String, Value)] {
        self.received
            .extend(self.receiver.taken().iter().map(|seen| {
                let header = seen.headers().get("x-auth-token");
                let header = header.map_or("none", |value| value.to_str().unwrap());
                (
                    header.to_owned(),
                    serde_json::from_slice(seen.body()).unwrap(),
                )
            }));
        &self.received
    }
}

impl Bench {
    async fn subscribe(&self, url: &str, events: &[&str]) -> Seen {
        let endpoints: serde_json::Map<_, _> = events
            .iter()
            .map(|event| ((*event).to_owned(), Value::from(url)))
            .collect();
        let headers = json!([{ "name": "X-Auth-Token", "value": "SANDBOX-HEADER" }]);
        self.write(
            "POST",
            SUBSCRIPTION,
            json!({ "endpoints": endpoints, "headers": headers }),
        )
        .await
    }

    /// Sends the due webhooks; the sandbox's own dispatcher may send some of them first.
    async fn until(&self, shop: &mut Shop, count: usize) -> Vec<(String, Value)> {
        for _ in 0..200 {
            self.sandbox.pump().await;
            if shop.look().len() >= count {
                return shop.received.clone();
            }
            tokio::task::yield_now().await;
        }
        panic!("{count} webhooks were expected: {:?}", shop.received);
    }
}

// docs/providers/kinguin.md#webhooks
#[tokio::test]
async fn a_change_of_state_sends_a_webhook_with_the_registered_headers_and_no_signature() {
    let bench = bench().await;
    let mut shop = shop(200).await;
    assert_eq!(
        bench
            .subscribe(&shop.url, &["reserve", "give", "delivered"])
            .await
            .status,
        200
    );
    let message = bench.event("sale", OFFER).unwrap();
    let id = message.split(' ').nth(1).unwrap();
    for state in ["BOUGHT", "DELIVERED"] {
        bench
            .until(&mut shop, if state == "BOUGHT" { 1 } else { 2 })
            .await;
        bench
            .event("reservation", &format!("{id} {state}"))
            .unwrap();
    }
    let seen = bench.until(&mut shop, 3).await;
    let states: Vec<_> = seen
        .iter()
        .map(|(_, body)| body["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["BUYING", "BOUGHT", "DELIVERED"]);
    for (header, body) in &seen {
        assert_eq!(header, "SANDBOX-HEADER");
        assert_eq!(body["reservationId"], id);
        assert_eq!(body["priceIWTR"]["amount"], 1500);
        assert!(body["updatedAt"].as_str().unwrap().ends_with("+0000"));
    }
    assert!(seen[1].1.get("releasedStockId").is_none());
    assert!(seen[2].1["releasedStockId"].is_string());
    let log = bench.get("/envoy2/api/v1/requests").await.json();
    let newest = &log["content"][0]["request"];
    assert_eq!(newest["toSent"]["bodyId"], id);
    assert_eq!(newest["deployAttempts"], 1);
    let body: Value = serde_json::from_str(newest["toSent"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, seen[2].1, "the body is a text in the log");
}

// docs/providers/kinguin.md#simulator
#[tokio::test]
async fn a_sale_out_of_stock_gets_the_next_key_or_is_cancelled_after_fifteen_minutes() {
    let bench = bench().await;
    let mut shop = shop(200).await;
    let events = ["outofstock", "delivered", "cancel"];
    bench.subscribe(&shop.url, &events).await;
    let mut waits = Vec::new();
    for count in 1..=3 {
        let sale = bench.event("sale", OFFER).unwrap();
        let id = sale.split(' ').nth(1).unwrap().to_owned();
        bench
            .event("reservation", &format!("{id} OUT_OF_STOCK"))
            .unwrap();
        bench.until(&mut shop, count).await;
        waits.push(id);
    }
    let stock = format!("{API}/offers/{OFFER}/stock");
    let key = |body: &str| json!({ "body": body, "mimeType": "text/plain" });
    let added = bench.write("POST", &stock, key("SANDBOX-NEXT")).await;
    assert_eq!(added.json()["reservationId"], waits[0], "the oldest");
    let list = json!([key("SANDBOX-SECOND")]);
    bench.write("POST", &format!("{stock}/list"), list).await;
    bench.until(&mut shop, 5).await;
    bench.pass(15 * 60);
    let seen = bench.until(&mut shop, 6).await;
    let seen: Vec<_> = seen[3..]
        .iter()
        .map(|(_, body)| (body["status"].as_str(), body["reservationId"].as_str()))
        .collect();
    let [first, second, third] = [0, 1, 2].map(|at: usize| Some(waits[at].as_str()));
    assert_eq!(
        seen,
        [
            (Some("DELIVERED"), first),
            (Some("DELIVERED"), second),
            (Some("CANCELED"), third)
        ]
    );
    let added = bench.write("POST", &stock, key("SANDBOX-SPARE")).await;
    assert_eq!(added.json()["status"], "AVAILABLE", "no sale waits");
}

// docs/providers/kinguin.md#webhooks
#[tokio::test]
async fn a_refused_webhook_is_retried_at_once_and_five_minutes_later() {
    let bench = bench().await;
    let mut shop = shop(500).await;
    bench.subscribe(&shop.url, &["reserve"]).await;
    bench.event("sale", OFFER).unwrap();
    bench.until(&mut shop, 2).await;
    bench.manual_clock.advance(Duration::from_secs(299));
    assert_eq!(
        bench.sandbox.pump().await,
        0,
        "not before five minutes have passed"
    );
    bench.manual_clock.advance(Duration::from_secs(1));
    bench.until(&mut shop, 3).await;
    bench.manual_clock.advance(Duration::from_mins(30));
    assert_eq!(bench.sandbox.pump().await, 0);
    assert_eq!(shop.look().len(), 3, "given up");
    let log = bench.get("/envoy2/api/v1/requests").await.json();
    let request = &log["content"][0]["request"];
    assert_eq!(
        (
            request["deployAttempts"].as_i64(),
            request["status"].as_str()
        ),
        (Some(3), Some("FAILED"))
    );
    let held = bench.get(SUBSCRIPTION).await.json();
    assert_eq!(held["blockedEndpoints"], json!(["reserve"]));
    bench.event("sale", OFFER).unwrap();
    assert_eq!(
        bench.sandbox.pump().await,
        0,
        "a blocked endpoint gets nothing"
    );
    assert_eq!(
        bench.subscribe(&shop.url, &["reserve"]).await.json()["version"],
        2
    );
    bench.event("sale", OFFER).unwrap();
    bench.until(&mut shop, 4).await;
}

// docs/providers/kinguin.md#webhooks
#[tokio::test]
async fn webhooks_about_offers_chats_and_orders_have_their_documented_shapes() {
    let bench = bench().await;
    let mut shop = shop(200).await;
    bench
        .subscribe(
            &shop.url,
            &["offerblocked", "chatmessage", "orderprocessing", "reserve"],
        )
        .await;
    bench
        .event("block-offer", &format!("{OFFER} ADMIN_TRIAL_KEYS"))
        .unwrap();
    bench.until(&mut shop, 1).await;
    bench.event("chat", "where is my key?").unwrap();
    bench.until(&mut shop, 2).await;
    bench.event("order", PRODUCT).unwrap();
    bench.until(&mut shop, 3).await;
    bench.event("surprise", "").unwrap();
    let seen = bench.until(&mut shop, 4).await;
    assert_eq!(seen[0].1["block"], "ADMIN_TRIAL_KEYS");
    assert_eq!(seen[1].1["message"], "where is my key?");
    assert_eq!(seen[2].1["qtyOrdered"], "20", "the quantity is a text");
    assert_eq!(seen[3].1["status"], "SANDBOX_UNDOCUMENTED");
    bench.pass(1);
    bench.event("order", PRODUCT).unwrap();
    let seen = bench.until(&mut shop, 5).await;
    assert_ne!(seen[4].1["orderId"], seen[2].1["orderId"], "no repeat");
}

// docs/providers/kinguin.md#simulator
#[tokio::test]
async fn without_a_subscription_webhooks_go_to_the_callback_url_with_the_chosen_fault() {
    let mut shop = shop(200).await;
    let url = shop.url.clone();
    let bench = bench_with(|options| {
        options.callback_urls.insert("kinguin".into(), url.clone());
    })
    .await;
    let mut count = 0;
    let mut after = async |more: usize| {
        count += more;
        let seen = bench.until(&mut shop, count).await;
        seen[count - more..].to_vec()
    };
    let message = bench.event("sale", "").unwrap();
    let seen = after(1).await;
    assert_eq!(seen[0].0, WEBHOOK_SECRET);
    assert!(
        message.contains(seen[0].1["reservationId"].as_str().unwrap()),
        "{message}"
    );
    for (fault, headers) in [
        (
            "wrong-header",
            &["SANDBOX-KINGUIN-WRONG-WEBHOOK-SECRET"][..],
        ),
        ("no-header", &["none"]),
        ("duplicate", &[WEBHOOK_SECRET, WEBHOOK_SECRET]),
        ("unknown", &[WEBHOOK_SECRET, WEBHOOK_SECRET]),
        ("none", &[WEBHOOK_SECRET]),
    ] {
        bench.set("webhook-fault", fault).unwrap();
        bench.event("chat", fault).unwrap();
        let seen = after(headers.len()).await;
        let found: Vec<_> = seen.iter().map(|(header, _)| header.as_str()).collect();
        assert_eq!(found, headers, "{fault}");
        assert_eq!(seen[0].1["message"], fault);
        match fault {
            "duplicate" => assert_eq!(seen[0].1, seen[1].1),
            "unknown" => assert_eq!(seen[1].1["status"], "SANDBOX_UNDOCUMENTED"),
            _ => {}
        }
    }
    assert!(
        bench
            .set("webhook-fault", "often")
            .unwrap_err()
            .contains("no-header")
    );
    // A subscription to some events gets only those.
    bench.subscribe(&url, &["reserve"]).await;
    assert!(
        bench
            .event("chat", "hello")
            .unwrap()
            .contains("no webhook sent")
    );
    bench.event("order", "").unwrap();
    bench.event("sale", "").unwrap();
    assert_eq!(after(1).await[0].0, "SANDBOX-HEADER");
}

#[tokio::test]
async fn webhooks_go_to_this_machine_only_and_need_valid_headers() {
    let bench = bench().await;
    assert_eq!(bench.get(SUBSCRIPTION).await.status, 404, "none yet");
    assert!(
        bench
            .event("chat", "hello")
            .unwrap()
            .contains("no webhook sent")
    );
    for url in [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "file:///etc/passwd",
        "",
    ] {
        let refused = bench.subscribe(url, &["reserve"]).await;
        assert_eq!(refused.status, 400, "{url}");
    }
    assert_eq!(
        bench
            .subscribe("http://127.0.0.1:9/", &["exploded"])
            .await
            .status,
        400
    );
    for header in [
        json!({ "name": "A B", "value": "x" }),
        json!({ "name": "A", "value": "x\r\nB: y" }),
    ] {
        let body = json!({ "endpoints": {}, "headers": [header] });
        assert_eq!(bench.write("POST", SUBSCRIPTION, body).await.status, 400);
    }
}
