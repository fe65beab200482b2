//! The callbacks of Kongregate's simulator, and the effect of a game's answers to orders
//! (`docs/providers/kongregate.md#callbacks`).

use hyper::http::Method;

use serde_json::json;

use super::*;
use crate::callbacks::{CallbackSecrets, Inbound, ParsedCallback, Refusal};
use crate::domain::{PlayerId, Secret, Subject, WallTime};
use crate::http_server;
use crate::providers::kongregate::callback::SPEC;
use crate::providers::kongregate::facts::{INVENTORY, ORDER_PLACED, ORDER_REQUEST};
use crate::providers::kongregate::sandbox::webhooks::provider_time;
use crate::sandbox::testing::Receiver;

/// What the game's own server answers: a status and a body, or nothing at all.
type Answer = Option<(u16, &'static str)>;

/// A sandbox whose callbacks go to a test receiver.
struct Posted {
    bench: Bench,
    receiver: Receiver,
}

impl Posted {
    async fn new() -> Self {
        let receiver = Receiver::open().await;
        let url = receiver.url("/callbacks/game");
        let bench = Bench::with(|options| {
            options.callback_urls.insert("kongregate".into(), url);
        });
        Self {
            bench: bench.await,
            receiver,
        }
    }

    fn says(&self, answer: Answer) {
        self.receiver.answers(move |_| answer);
    }

    /// Offers the items, and answers a placed order like this.
    fn offers_and_says(&self, placed: Answer) {
        self.receiver.answers(move |request| {
            let kind = judged(request).map(|callback| callback.kind);
            let is_placed = kind.as_deref() == Ok(ORDER_PLACED);
            if is_placed {
                placed
            } else {
                Some((200, OFFER))
            }
        });
    }

    /// The callbacks received since the last call. The sandbox's own dispatcher may have sent some first.
    async fn taken(&self) -> Vec<http_server::Request> {
        self.bench.sandbox.pump().await;
        self.receiver.taken()
    }

    /// The callbacks that an event causes.
    async fn event(&self, event: &str, subject: &str) -> Vec<http_server::Request> {
        self.bench.event(event, subject).unwrap();
        self.taken().await
    }

    async fn orders(&self) -> Value {
        self.bench.simulator().await["providers"]["kongregate"]["orders"].clone()
    }
}

fn fields(request: &http_server::Request) -> Vec<(String, String)> {
    serde_urlencoded::from_bytes(request.body()).unwrap()
}

/// The receiver's verdict on a callback.
fn judged(request: &http_server::Request) -> Result<ParsedCallback, Refusal> {
    let mut held = CallbackSecrets::default();
    held.secrets.insert("api_key", Secret::new(API_KEY));
    let inbound = Inbound {
        request: request.clone(),
        from: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        at: WallTime(0),
    };
    (SPEC.read)(&inbound, &held)
}

// docs/providers/kongregate.md#inventory-event
#[tokio::test]
async fn a_changed_inventory_sends_one_callback_in_plain_fields() {
    let posted = Posted::new().await;
    let received = posted.event("buy", "1001 tea-tin").await;
    let [request] = &received[..] else {
        panic!("one callback: {received:?}");
    };
    assert_eq!(request.method(), Method::POST);
    let kind = &request.headers()["content-type"];
    assert_eq!(kind, "application/x-www-form-urlencoded");
    let wanted = [
        ("event", INVENTORY),
        ("api_key", API_KEY),
        ("time", "2026-11-21 18:54:26 -0800"),
        ("user_id", "1001"),
        ("username", "PaperLantern"),
        ("game_auth_token", TOKEN_1001),
    ];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fields(request), wanted);
    let callback = judged(request).unwrap();
    assert_eq!(callback.subject, Some(Subject::Player(PlayerId(1001))));
    // One attempt: a failed callback is not repeated.
    posted.says(Some((500, "")));
    assert_eq!(posted.event("change-inventory", "1001").await.len(), 1);
    posted.bench.pass(24 * 60 * 60);
    assert!(posted.taken().await.is_empty());
    let use_one = "user_id=1001&game_auth_token=SANDBOX-TOKEN-1001-1&id=50001";
    posted.bench.post("/use_item.json", use_one).await;
    assert_eq!(
        posted.taken().await.len(),
        1,
        "a use changes the inventory, too"
    );
    posted.bench.set("callback-fault", "wrong-key").unwrap();
    let received = posted.event("give", "1002 sea-chart").await;
    let refused = Refusal::Refused("the key is not the account's api_key".into());
    assert_eq!(judged(&received[0]), Err(refused));
    posted.bench.set("callback-fault", "duplicate").unwrap();
    let received = posted.event("give", "1002 sea-chart").await;
    assert_eq!(
        judged(&received[0]).unwrap().dedup,
        judged(&received[1]).unwrap().dedup
    );
    posted.bench.set("callback-fault", "none").unwrap();
    for (way, proof) in [
        ("signed", "a signature"),
        ("both", "a signature"),
        ("plain", "the key"),
    ] {
        posted.bench.set("inventory-events", way).unwrap();
        let received = posted.event("change-inventory", "1001").await;
        let callback = judged(&received[0]).unwrap();
        assert_eq!(
            (callback.kind.as_str(), callback.proof, callback.needs_check),
            (INVENTORY, proof, true)
        );
    }
}

// docs/providers/kongregate.md#callbacks
#[tokio::test]
async fn a_slow_receiver_is_cut_off() {
    let posted = Posted::new().await;
    assert!(
        posted.bench.0.sandbox.settings()[0]
            .1
            .iter()
            .any(|setting| { (setting.name, setting.value.as_str()) == ("patience", "5000ms") })
    );
    posted.bench.set("patience", "500ms").unwrap();
    posted.says(None);
    assert_eq!(posted.event("change-inventory", "1001").await.len(), 1);
    let simulator = posted.bench.simulator().await;
    let sent = &simulator["providers"]["kongregate"]["callbacks_sent"][0];
    assert_eq!(sent["came"], "no response in time");
}

// docs/providers/kongregate.md#callbacks
#[test]
fn the_providers_time_has_its_offset_in_summer_and_winter() {
    for (at, wanted) in [
        (1_460_294_459_000, "2016-04-10 06:20:59 -0700"),
        // The clocks go back at 2 a.m. on 1 November 2026.
        (1_793_523_599_000, "2026-11-01 01:59:59 -0700"),
        (1_793_523_600_000, "2026-11-01 01:00:00 -0800"),
        // And forward on 14 March 2027.
        (1_805_018_399_000, "2027-03-14 01:59:59 -0800"),
        (1_805_018_400_000, "2027-03-14 03:00:00 -0700"),
    ] {
        assert_eq!(provider_time(WallTime(at)), wanted);
    }
}

// docs/providers/kongregate.md#signed-requests
#[tokio::test]
async fn a_faulty_signed_request_is_refused_with_its_reason_and_a_valid_one_accepted() {
    let posted = Posted::new().await;
    for (fault, words) in [
        ("bad-signature", "does not match these bytes"),
        ("wrong-key", "does not match these bytes"),
        ("algorithm-none", "`none`"),
        ("algorithm-sha1", "`HMAC-SHA1`"),
        ("padded", "unpadded"),
        ("no-dot", "no dot"),
        ("two-dots", "unpadded"),
        ("not-json", "JSON object"),
    ] {
        posted.bench.set("callback-fault", fault).unwrap();
        let received = posted.event("order", "1001 sword").await;
        let Err(Refusal::Refused(why)) = judged(&received[0]) else {
            panic!("{fault} is accepted");
        };
        assert!(why.contains(words), "{fault}: {why}");
        // On a plain event, too: a valid key does not outweigh a bad signature.
        if fault != "wrong-key" {
            let received = posted.event("change-inventory", "1001").await;
            assert!(
                matches!(judged(&received[0]), Err(Refusal::Refused(_))),
                "{fault}"
            );
        }
    }
    posted.bench.set("callback-fault", "none").unwrap();
    for (event, proof) in [
        ("unknown-event", "the key"),
        ("unknown-signed-event", "a signature"),
    ] {
        let received = posted.event(event, "1001").await;
        let callback = judged(&received[0]).unwrap();
        assert_eq!((callback.proof, callback.needs_check), (proof, false));
    }
    let received = posted.event("order", "1001 sword 1002").await;
    let signed = &fields(&received[0])[0].1;
    let key = Secret::new(API_KEY);
    let payload = crate::providers::kongregate::signed::verify(&key, signed).unwrap();
    let names: Vec<&String> = payload.keys().collect();
    let order = [
        "algorithm",
        "event",
        "game_id",
        "buyer_id",
        "recipient_id",
        "order_id",
        "order_info",
    ];
    assert_eq!(names, order, "as in the published example");
    assert_eq!(
        (&payload["buyer_id"], &payload["recipient_id"]),
        (&json!(1001), &json!(1002))
    );
}

#[tokio::test]
async fn what_waits_for_an_address_is_bounded_and_forgotten_with_its_order() {
    let bench = Bench::with(|options| {
        let nobody = "http://127.0.0.1:9/".to_owned();
        options.callback_urls.insert("kongregate".into(), nobody);
    })
    .await;
    // This test has one thread, so the dispatcher does not run meanwhile.
    for _ in 0..230 {
        bench.event("order", "1001 sword").unwrap();
    }
    let simulator = bench.simulator().await;
    let simulator = &simulator["providers"]["kongregate"];
    assert_eq!(simulator["orders"].as_array().unwrap().len(), 200);
    assert!(simulator["callbacks_waiting"].as_array().unwrap().len() <= 200);
    while bench.sandbox.pump().await > 0 {}
    let simulator = bench.simulator().await;
    assert_eq!(
        simulator["providers"]["kongregate"]["callbacks_waiting"],
        json!([])
    );
}

const OFFER: &str = r#"{"items":[{"name":"Sword","description":"Sharp","price":7,"image_url":"https://x.example/s.png"},{"name":"Sheath","description":"For it","price":0,"image_url":"https://x.example/t.png"}]}"#;

// docs/providers/kongregate.md#orders
#[tokio::test]
async fn an_order_is_charged_only_if_the_game_answers_completed() {
    let posted = Posted::new().await;
    let kreds = async |id: u64| posted.bench.player(id).await["kreds"].as_u64().unwrap();
    // Without a price in the answer the order ends.
    for (answer, why) in [
        (Some((200, "")), "not JSON"),
        (Some((200, "{}")), "no list of items"),
        (Some((200, r#"{"items":[]}"#)), "no item"),
        (
            Some((
                200,
                r#"{"items":[{"name":"A","description":" ","price":1,"image_url":"u"}]}"#,
            )),
            "lacks its name",
        ),
        (
            Some((
                200,
                r#"{"items":[{"name":"A","description":"B","price":"1","image_url":"u"}]}"#,
            )),
            "not a whole number",
        ),
        (
            Some((
                200,
                r#"{"items":[{"name":"A","description":"B","price":1.5,"image_url":"u"}]}"#,
            )),
            "not a whole number",
        ),
        (
            Some((
                200,
                r#"{"items":[{"name":"A","description":"B","price":-1,"image_url":"u"}]}"#,
            )),
            "not a whole number",
        ),
        (
            Some((
                200,
                r#"{"items":[{"name":"A","description":"B","price":99999,"image_url":"u"}]}"#,
            )),
            "less than 99999 Kreds",
        ),
        (Some((503, OFFER)), "does not have status 200"),
        (None, "did not answer"),
    ] {
        posted.says(answer);
        if answer.is_none() {
            posted.bench.set("patience", "500ms").unwrap();
        }
        let received = posted.event("order", "1001 sword").await;
        assert_eq!(judged(&received[0]).unwrap().kind, ORDER_REQUEST);
        assert!(posted.taken().await.is_empty(), "{answer:?}");
        let orders = posted.orders().await;
        let state = orders.as_array().unwrap().last().unwrap()["state"].clone();
        assert!(state.as_str().unwrap().contains(why), "{answer:?}: {state}");
    }
    posted.bench.set("patience", "5s").unwrap();
    // A price, and then the game's answer to the placed order.
    let before = kreds(1001).await;
    for (placed, charged, state) in [
        (Some((200, r#"{"state":"canceled"}"#)), 0, "canceled"),
        (
            Some((200, r#"{"state":"done"}"#)),
            0,
            "neither completed nor canceled",
        ),
        (Some((200, "completed")), 0, "not JSON"),
        (
            Some((500, r#"{"state":"completed"}"#)),
            0,
            "does not have status 200",
        ),
        (
            Some((200, r#"{"state":"completed"}"#)),
            7,
            "completed; charged 7 Kreds",
        ),
    ] {
        posted.offers_and_says(placed);
        let mut received = posted.event("order", "1001 sword 1002").await;
        received.extend(posted.taken().await);
        let kinds: Vec<String> = received
            .iter()
            .map(|one| judged(one).unwrap().kind)
            .collect();
        assert_eq!(kinds, [ORDER_REQUEST, ORDER_PLACED]);
        assert_eq!(before - kreds(1001).await, charged, "{placed:?}");
        let orders = posted.orders().await;
        let order = orders.as_array().unwrap().last().unwrap();
        let shown = order["state"].as_str().unwrap();
        assert!(shown.contains(state), "{placed:?}: {shown}");
        // A repeated callback: the player is not charged twice.
        let id = PaymentId::new(order["id"].to_string()).unwrap();
        let again = crate::domain::simulate::Command::RepeatCallback(id);
        posted.bench.sandbox.command(&again).unwrap();
        let received = posted.taken().await;
        assert_eq!(judged(&received[0]).unwrap().kind, ORDER_PLACED);
        assert_eq!(before - kreds(1001).await, charged, "{placed:?}");
    }
}

// docs/providers/kongregate.md#orders
#[tokio::test]
async fn the_games_uploader_pays_nothing() {
    let posted = Posted::new().await;
    posted.offers_and_says(Some((200, r#"{"state":"completed"}"#)));
    let own = posted.bench.player(1005).await["kreds"].as_u64().unwrap();
    posted.event("order", "1005 sword").await;
    posted.taken().await;
    let orders = posted.orders().await;
    let state = orders.as_array().unwrap().last().unwrap()["state"].clone();
    assert_eq!(state, "completed; charged 0 Kreds");
    assert_eq!(
        posted.bench.player(1005).await["kreds"].as_u64().unwrap(),
        own
    );
}
