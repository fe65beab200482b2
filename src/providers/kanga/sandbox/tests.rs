//! Kanga's simulator over real loopback HTTP, with a manual clock.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;

use super::*;
use crate::clock::Clock;
use crate::domain::simulate::{Command, Fault};
use crate::http_server::tests::raw;
use crate::sandbox::testing::{self, Receiver, Seen};
use crate::sandbox::{Options, StartError, start};

pub(super) const VECTOR: &str = "19626ab50989ecae16031cf6f90c90203d38b1d17797960d38551b80c37449c118e60050f941077c491ff50bdf48d21841a9379026b10903100708745f6c9a12";
const CHECK: &str = "/api/v2/tpg/transaction";
const CREATE: &str = "/api/v2/tpg/create/payment";

pub(super) fn sign(body: &str, secret: &[u8]) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret).unwrap();
    mac.update(body.as_bytes());
    let hex = |byte: u8| format!("{byte:02x}");
    mac.finalize().into_bytes().into_iter().map(hex).collect()
}

/// The provider's calls on the shared test bench.
struct Bench(testing::Bench);

impl Deref for Bench {
    type Target = testing::Bench;

    fn deref(&self) -> &testing::Bench {
        &self.0
    }
}

async fn bench_with(change: impl FnOnce(&mut Options)) -> Bench {
    Bench(testing::Bench::start(Box::new(Kanga::default()), change).await)
}

async fn bench() -> Bench {
    bench_with(|_| {}).await
}

impl Bench {
    async fn get(&self, target: &str) -> Seen {
        self.raw(&format!("GET {target}"), "", "").await.unwrap()
    }

    async fn form(&self, target: &str, body: &str) -> Seen {
        self.raw(&format!("POST {target}"), "", body).await.unwrap()
    }

    async fn signed(&self, path: &str, body: &str, secret: &str) -> Option<Seen> {
        let headers = format!("API-Sig: {}\r\n", sign(body, secret.as_bytes()));
        self.raw(&format!("POST {path}"), &headers, body).await
    }

    async fn create(&self, nonce: u64) -> Value {
        let body = json!({ "appId": API_KEY, "nonce": nonce }).to_string();
        self.signed(CREATE, &body, API_SECRET).await.unwrap().json()
    }

    async fn check(&self, id: &str, nonce: u64) -> Value {
        let body = json!({ "id": id, "appId": API_KEY, "nonce": nonce }).to_string();
        self.signed(CHECK, &body, API_SECRET).await.unwrap().json()
    }

    async fn estimate(&self, token: &str, quantity: &str) -> Seen {
        let body = json!({ "token": token, "quantity": quantity, "shopToken": API_KEY });
        self.form("/api/tpg/price/estimate", &body.to_string())
            .await
    }

    async fn act(&self, id: &str, act: &str) -> Seen {
        let target = format!("/tpg/payment/{API_KEY}/{act}");
        self.form(&target, &format!("transactionKey={id}")).await
    }
}

fn link(rest: &str) -> String {
    format!("/tpg/payment/{API_KEY}?{rest}")
}

fn refused(code: u16) -> Value {
    json!({ "result": "fail", "code": code })
}

// docs/providers/kanga.md#signature
#[tokio::test]
async fn the_signature_covers_the_raw_body_and_is_checked_first() {
    let bench = bench().await;
    let official = r#"{"appId":"TEST","nonce":1234}"#;
    let headers = format!("API-Sig: {VECTOR}\r\n");
    let seen = bench
        .raw("POST /api/v2/test", &headers, official)
        .await
        .unwrap();
    assert_eq!(seen.json(), json!({ "result": "ok" }));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let spaced = official.replace(',', ", ");
    let seen = bench
        .raw("POST /api/v2/test", &headers, &spaced)
        .await
        .unwrap();
    assert_eq!(seen.json(), json!({ "result": "fail" }));
    let unsigned = bench.form(CREATE, "not even JSON").await;
    assert_eq!((unsigned.status, unsigned.json()), (200, refused(9000)));
    let body = json!({ "appId": API_KEY, "nonce": 1 }).to_string();
    let wrong = bench.signed(CREATE, &body, "another secret").await.unwrap();
    assert_eq!(wrong.json(), refused(9000));
}

// docs/providers/kanga.md#signature
#[tokio::test]
async fn header_case_and_content_type_are_free_and_the_json_is_strict() {
    let bench = bench().await;
    let body = format!("{{\"nonce\": 1,\n \"appId\":\"{API_KEY}\"}}");
    let headers = format!(
        "aPi-SiG: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        sign(&body, API_SECRET.as_bytes())
    );
    let seen = bench
        .raw(&format!("POST {CREATE}"), &headers, &body)
        .await
        .unwrap();
    assert_eq!(seen.json()["result"], "ok");
    for bad in [
        format!("{{\"appId\":\"{API_KEY}\",\"nonce\":2,\"nonce\":3}}"),
        format!("{{\"appId\":\"{API_KEY}\",\"nonce\":2}}x"),
    ] {
        let seen = bench.signed(CREATE, &bad, API_SECRET).await.unwrap();
        assert_eq!(seen.json(), refused(9000), "{bad}");
    }
    assert_eq!(bench.get(CHECK).await.status, 405);
}

// docs/providers/kanga.md#authentication
#[tokio::test]
async fn an_unknown_app_id_is_refused() {
    let bench = bench().await;
    for key in ["SOMEBODY", OTHER_API_KEY, "TEST"] {
        let body = json!({ "appId": key, "nonce": 1 }).to_string();
        let seen = bench.signed(CREATE, &body, API_SECRET).await.unwrap();
        assert_eq!(seen.json(), refused(9000), "{key}");
    }
    let body = json!({ "appId": API_KEY, "nonce": 1 }).to_string();
    for secret in [API_SECRET, TEST_SECRET] {
        let seen = bench.signed("/api/v2/test", &body, secret).await.unwrap();
        assert_eq!(seen.json(), json!({ "result": "fail" }));
    }
}

// docs/providers/kanga.md#nonce
#[tokio::test]
async fn a_nonce_is_greater_than_the_last_accepted_one_across_calls() {
    let bench = bench().await;
    assert_eq!(bench.create(100).await["result"], "ok");
    assert_eq!(bench.check("ORDER-1005", 100).await, refused(9000), "equal");
    assert_eq!(bench.check("ORDER-1005", 99).await, refused(9000), "lower");
    assert_eq!(bench.check("ORDER-1005", 101).await["result"], "ok");
    let forged = json!({ "appId": API_KEY, "nonce": 500 }).to_string();
    bench.signed(CREATE, &forged, "wrong").await;
    assert_eq!(
        bench.create(102).await["result"],
        "ok",
        "a failed signature does not move it"
    );
    for nonce in ["\"103\"", "-103", "103.5"] {
        let body = format!("{{\"appId\":\"{API_KEY}\",\"nonce\":{nonce}}}");
        let seen = bench.signed(CREATE, &body, API_SECRET).await.unwrap();
        assert_eq!(seen.json(), refused(9000), "{nonce}");
    }
    let other = json!({ "appId": OTHER_API_KEY, "nonce": 1 }).to_string();
    let seen = bench
        .signed(CREATE, &other, OTHER_API_SECRET)
        .await
        .unwrap();
    assert_eq!(seen.json()["result"], "ok", "each key has its own");
    let test = r#"{"appId":"TEST","nonce":5}"#;
    for _ in 0..2 {
        let seen = bench
            .signed("/api/v2/test", test, TEST_SECRET)
            .await
            .unwrap();
        assert_eq!(seen.json()["result"], "ok", "TEST ignores the order");
    }
}

// docs/providers/kanga.md#simulator
#[tokio::test]
async fn nonces_and_payments_survive_a_restart_and_secrets_are_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.json");
    let keep = |path: &Path| {
        let path = path.to_owned();
        move |options: &mut Options| options.state_file = Some(path)
    };
    let first = bench_with(keep(&path)).await;
    let page = link("currency=EMT&amount=12.50&transactionKey=A-1&email=payer@example.com");
    assert_eq!(first.get(&page).await.status, 200);
    let token = first.create(1_000).await["paymentToken"].clone();
    first.pass(60);
    first.act("A-1", "pay-part").await;
    first.0.sandbox.stop().await;

    let text = std::fs::read_to_string(&path).unwrap();
    let secrets = [API_KEY, API_SECRET, "payer@", token.as_str().unwrap()];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret}");
    }
    let second = bench_with(keep(&path)).await;
    assert_eq!(second.create(1_000).await, refused(9000));
    let saved = second.check("A-1", 1_001).await;
    assert_eq!(saved["state"], "ACTIVE");
    assert_eq!(
        second.check("ORDER-1001", 1_002).await["state"],
        "FINALIZED",
        "the world went on from where it was"
    );
    assert_ne!(
        second.create(1_003).await["paymentToken"],
        token,
        "no token is given out twice"
    );
    second.0.sandbox.stop().await;

    let other_seed = |options: &mut Options| {
        keep(&path)(options);
        options.seed = 2;
    };
    let third = bench_with(other_seed).await;
    assert_eq!(third.check("ORDER-1001", 1_004).await["state"], "NEW");
    assert_eq!(third.check("A-1", 1_005).await["state"], "ACTIVE");

    std::fs::write(&path, "{}").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::new(Clock::system());
    keep(&path)(&mut options);
    let Err(error) = start(listener, vec![Box::new(Kanga::default())], options).await else {
        panic!("it started on a foreign file");
    };
    assert!(error.to_string().contains("sandbox.json"), "{error}");
}

// docs/providers/kanga.md#price-estimate
#[tokio::test]
async fn estimates_are_unsigned_decimal_strings_in_no_fixed_order() {
    let bench = bench().await;
    let first = bench.estimate("EMT", "3000").await;
    let prices = first.json();
    assert_eq!(prices["EMT"], "3090");
    assert_eq!(prices["BTC"], "0.0015");
    let mut orders = std::collections::HashSet::new();
    for _ in 0..8 {
        let again = bench.estimate("EMT", "3000").await;
        assert_eq!(again.json(), prices, "the clock stands still");
        orders.insert(again.body);
    }
    assert!(orders.len() > 1);
    bench.pass(600);
    let later = bench.estimate("EMT", "3000").await.json();
    assert_eq!(later["EMT"], "3090");
    assert_ne!(later["BTC"], prices["BTC"]);

    let both = json!({ "token": "oPLN", "quantity": "10", "shopToken": API_KEY }).to_string();
    let heading = bench.form("/tpg/price/estimate", &both).await;
    let sample = bench.form("/api/tpg/price/estimate", &both).await;
    assert_eq!(heading.json(), sample.json());
    for (token, quantity) in [
        ("XXX", "1"),
        ("EMT", "-1"),
        ("EMT", "1e3"),
        ("EMT", "1,5"),
        ("EMT", ""),
    ] {
        let seen = bench.estimate(token, quantity).await;
        assert_eq!(seen.json()["result"], "fail", "{token} {quantity}");
    }
    let number = json!({ "token": "EMT", "quantity": 1, "shopToken": API_KEY }).to_string();
    let stranger = json!({ "token": "EMT", "quantity": "1", "shopToken": "X" }).to_string();
    for bad in [number, stranger] {
        let seen = bench.form("/api/tpg/price/estimate", &bad).await;
        assert_eq!(seen.json()["result"], "fail", "{bad}");
    }
}

// docs/providers/kanga.md#payment-token
#[tokio::test]
async fn a_payment_token_works_once_and_expires() {
    let bench = bench().await;
    let token = bench.create(1).await["paymentToken"].clone();
    let token = token.as_str().unwrap();
    assert_eq!(token.len(), 32);
    assert!(token.bytes().all(|b| b.is_ascii_alphanumeric()));
    let page = |id: &str, token: &str| {
        link(&format!(
            "currency=EMT&amount=1&transactionKey={id}&email=a@b.example&paymentToken={token}"
        ))
    };
    assert!(bench.get(&page("T-1", token)).await.body.contains("ACTIVE"));
    assert!(
        bench.get(&page("T-1", token)).await.body.contains("ACTIVE"),
        "the page may be loaded again"
    );
    let again = bench.get(&page("T-2", token)).await.body;
    assert!(again.contains("NEW") && again.contains("used or expired"));

    let late = bench.create(2).await["paymentToken"].clone();
    bench.pass(15 * 60);
    let seen = bench.get(&page("T-3", late.as_str().unwrap())).await.body;
    assert!(seen.contains("NEW") && seen.contains("used or expired"));
}

// docs/providers/kanga.md#payment-page
#[tokio::test]
async fn the_payment_page_creates_a_payment_once_with_whatever_amount_its_link_has() {
    let bench = bench().await;
    let page = link("currency=oPLN&amount=10.00&transactionKey=A%2017&name=Tea");
    assert_eq!(bench.check("A 17", 1).await, refused(9001), "not yet");
    let head = bench.raw(&format!("HEAD {page}"), "", "").await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(bench.check("A 17", 2).await, refused(9001), "only looked");
    let seen = bench.get(&page).await;
    assert_eq!(seen.status, 200);
    assert!(seen.body.contains("no money moves") && seen.body.contains("Tea"));
    assert!(!seen.body.contains("<script"));
    let expected = json!({ "result": "ok", "currency": "oPLN", "amount": "10.00", "state": "NEW" });
    assert_eq!(bench.check("A 17", 3).await, expected);

    let same = link("currency=oPLN&amount=10&transactionKey=A+17");
    assert_eq!(bench.get(&same).await.status, 200, "equal by value");
    for other in ["currency=oPLN&amount=11", "currency=EMT&amount=10.00"] {
        let page = link(&format!("{other}&transactionKey=A%2017"));
        assert_eq!(bench.get(&page).await.status, 409, "{other}");
    }
    for bad in [
        "amount=1&transactionKey=B",
        "currency=EMT&transactionKey=B",
        "currency=EMT&amount=1",
        "currency=EMT&amount=1e3&transactionKey=B",
        "currency=XXX&amount=1&transactionKey=B",
        "currency=EMT&amount=1&amount=2&transactionKey=B",
        "currency=EMT&amount=1&transactionKey=%1b",
        "currency=EMT&amount=1&transactionKey=B&forceCurrency=XXX",
    ] {
        assert_eq!(bench.get(&link(bad)).await.status, 400, "{bad}");
    }
    let unknown = "/tpg/payment/SOMEBODY?currency=EMT&amount=1&transactionKey=B";
    assert_eq!(bench.get(unknown).await.status, 404);
    let tampered = link("currency=EMT&amount=0.01&transactionKey=DEAR");
    assert_eq!(bench.get(&tampered).await.status, 200);
    bench.act("DEAR", "pay").await;
    bench.pass(10);
    let seen = bench.check("DEAR", 4).await;
    assert_eq!(
        (&seen["amount"], &seen["state"]),
        (&json!("0.01"), &json!("FINALIZED"))
    );
}

// docs/providers/kanga.md#payment-page
#[tokio::test]
async fn force_currency_limits_the_choice_of_currency() {
    let bench = bench().await;
    let page = link("currency=EMT&amount=10&transactionKey=F-1&forceCurrency=ETH");
    bench.get(&page).await;
    let verify = format!("/tpg/payment/{API_KEY}/verify");
    let seen = bench
        .form(&verify, "transactionKey=F-1&email=a%40b.example")
        .await;
    assert_eq!(seen.status, 303);
    let body = bench.get(seen.header("location").unwrap()).await.body;
    assert!(body.contains("value=\"ETH\"") && !body.contains("value=\"BTC\""));
    let choose = format!("/tpg/payment/{API_KEY}/choose");
    let seen = bench.form(&choose, "transactionKey=F-1&currency=BTC").await;
    assert_eq!(seen.status, 400);
    let seen = bench.form(&choose, "transactionKey=F-1&currency=ETH").await;
    assert_eq!(seen.status, 303);
}

#[tokio::test]
async fn a_page_keeps_the_typed_address_never_reloads_itself_and_links_to_the_current_state() {
    const REFRESH: &str = "http-equiv=\"refresh\"";
    const LOOK: &str = "Show the state now";
    let bench = bench().await;
    let page = bench
        .get(&link("currency=EMT&amount=1&transactionKey=F-2"))
        .await;
    assert!(!page.body.contains(REFRESH), "{}", page.body);
    let verify = format!("/tpg/payment/{API_KEY}/verify");
    let typed = "transactionKey=F-2&email=payer+at+b.example";
    let seen = bench.form(&verify, typed).await;
    assert_eq!(seen.status, 400);
    assert!(
        seen.body.contains("value=\"payer at b.example\""),
        "{}",
        seen.body
    );
    assert!(
        seen.body.contains("This is not an e-mail address"),
        "{}",
        seen.body
    );
    assert!(
        !seen.body.contains("Receipt to"),
        "it is not accepted: {}",
        seen.body
    );
    let valid = bench
        .form(&verify, "transactionKey=F-2&email=a%40b.example")
        .await;
    assert_eq!(valid.status, 303);
    let choosing = bench
        .get(&link("currency=EMT&amount=1&transactionKey=F-2"))
        .await;
    assert!(!choosing.body.contains(REFRESH) && choosing.body.contains("Receipt to"));
    assert!(!choosing.body.contains(LOOK), "nothing happens by itself");
    bench.act("F-2", "pay").await;
    let waiting = bench
        .get(&link("currency=EMT&amount=1&transactionKey=F-2"))
        .await;
    assert!(!waiting.body.contains(REFRESH), "{}", waiting.body);
    let (before, _) = waiting.body.split_once(LOOK).unwrap();
    let address = before.rsplit('"').nth(1).unwrap().replace("&amp;", "&");
    assert_eq!(bench.get(&address).await.status, 200);
}

#[tokio::test]
async fn a_hostile_payment_name_stays_text_on_the_payment_page() {
    let bench = bench().await;
    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%1b%5B2J%7B%7Bstep%7D%7D";
    let id = "%22%3E%3Cimg%20src=x%3E";
    let page = link(&format!(
        "currency=EMT&amount=1&transactionKey={id}&name={hostile}&email=%3Cb%3E@x"
    ));
    let seen = bench.get(&page).await;
    assert_eq!(seen.status, 200);
    assert!(!seen.body.contains("<script") && !seen.body.contains("<img"));
    assert!(!seen.body.contains("<b>@") && !seen.body.contains('\u{1b}'));
    assert!(seen.body.contains("&lt;script&gt;alert(1)"));
    let policy = seen.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"));
}

// docs/providers/kanga.md#failures
#[tokio::test]
async fn check_payment_knows_only_the_shops_own_payments() {
    let bench = bench().await;
    assert_eq!(bench.check("NOPE", 1).await, refused(9001));
    assert_eq!(
        bench.check("NOPE", 1).await,
        refused(9000),
        "9001 took its nonce"
    );
    let expected =
        json!({ "result": "ok", "currency": "EMT", "amount": "3000", "state": "FINALIZED" });
    assert_eq!(bench.check("ORDER-1005", 2).await, expected);
    let body = json!({ "id": "ORDER-1005", "appId": OTHER_API_KEY, "nonce": 1 }).to_string();
    let other = bench.signed(CHECK, &body, OTHER_API_SECRET).await.unwrap();
    assert_eq!(other.json(), refused(9001));
    let missing = json!({ "appId": API_KEY, "nonce": 3 }).to_string();
    let seen = bench.signed(CHECK, &missing, API_SECRET).await.unwrap();
    assert_eq!(seen.json(), refused(9001));
}

// docs/providers/kanga.md#failures
#[tokio::test]
async fn failures_can_come_with_status_400() {
    let bench = bench().await;
    bench.set("failure-status", "400").unwrap();
    let seen = bench.form(CHECK, "{}").await;
    assert_eq!((seen.status, seen.json()), (400, refused(9000)));
}

// docs/providers/kanga.md#states
#[tokio::test]
async fn states_follow_the_clock_and_the_payers_actions() {
    let bench = bench().await;
    let mut nonce = 0;
    let mut seen = Vec::new();
    for _ in 0..70 {
        nonce += 1;
        let state = bench.check("ORDER-1001", nonce).await["state"].clone();
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        bench.pass(1);
    }
    let way = ["NEW", "ACTIVE", "PROCESSING", "FINALIZING", "FINALIZED"];
    assert_eq!(seen, way);

    bench
        .get(&link("currency=BTC&amount=0.01&transactionKey=P"))
        .await;
    for act in ["pay-part", "pay-on-chain"] {
        assert_eq!(bench.act("P", act).await.status, 303, "{act}");
    }
    bench.pass(86_400);
    assert_eq!(bench.check("P", 1_000).await["state"], "PROCESSING");
    assert_eq!(bench.act("P", "pay").await.status, 409);
    let foreign = bench
        .raw(
            &format!("POST /tpg/payment/{API_KEY}/cancel"),
            "Origin: https://evil.example\r\n",
            "transactionKey=P",
        )
        .await
        .unwrap();
    assert_eq!(foreign.status, 403);
    let own = format!("Origin: http://{}\r\n", bench.to);
    let target = format!("/tpg/payment/{API_KEY}/cancel");
    let seen = bench
        .raw(&format!("POST {target}"), &own, "transactionKey=P")
        .await;
    assert_eq!(seen.unwrap().status, 303);
    assert_eq!(bench.check("P", 1_001).await["state"], "CANCELLING");
    bench.pass(3);
    assert_eq!(bench.check("P", 1_002).await["state"], "CANCELED");
    assert_eq!(bench.check("ORDER-1004", 1_003).await["state"], "CANCELED");
}

/// A shop that receives callbacks.
struct Shop(Receiver);

async fn shop() -> Shop {
    Shop(Receiver::open().await)
}

impl Shop {
    /// Method, target and length of the body of each callback since the last call.
    fn received(&self) -> Vec<String> {
        let line = |seen: &Request| {
            let (method, target) = (seen.method(), seen.uri());
            format!("{method} {target} {}", seen.body().len())
        };
        self.0.taken().iter().map(line).collect()
    }

    fn answers(&self, status: u16) {
        self.0.answers(move |_| Some((status, "")));
    }

    async fn bench(&self, path: &str) -> Bench {
        let url = self.0.url(path);
        bench_with(|options| {
            options.callback_urls.insert("kanga".into(), url);
        })
        .await
    }
}

// docs/providers/kanga.md#callbacks
#[tokio::test]
async fn each_change_of_state_sends_one_callback_with_the_id_alone() {
    let shop = shop().await;
    let bench = shop.bench("/hook?a=1").await;
    bench.sandbox.pump().await;
    assert_eq!(shop.received(), [""; 0], "what is past is not news");
    bench.pass(6);
    bench.sandbox.pump().await;
    let one = "GET /hook?a=1&transactionKey=ORDER-1001 0";
    assert_eq!(shop.received(), [one]);
    bench.sandbox.pump().await;
    assert_eq!(shop.received(), [""; 0], "200 ends it");
    bench.pass(60);
    bench.sandbox.pump().await;
    let mut received = shop.received();
    received.retain(|line| line.contains("ORDER-1001"));
    assert_eq!(
        received, [one; 3],
        "each change is told, also when several are due"
    );

    bench
        .get(&link("currency=EMT&amount=1&transactionKey=a%26b%20%23"))
        .await;
    bench.act("a%26b%20%23", "pay-part").await;
    bench.sandbox.pump().await;
    assert!(
        shop.received()
            .contains(&"GET /hook?a=1&transactionKey=a%26b%20%23 0".to_owned())
    );
    let repeat = Command::RepeatCallback(PaymentId::new("ORDER-1005").unwrap());
    bench.sandbox.command(&repeat).unwrap();
    bench.sandbox.pump().await;
    assert!(shop.received()[0].contains("ORDER-1005"));
}

#[tokio::test]
async fn without_a_callback_url_callbacks_wait_and_schedule_no_wake_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.json");
    let shop = shop().await;
    let url = shop.0.url("/hook");
    let run = |url: Option<String>| {
        let path = path.clone();
        bench_with(|options| {
            options.speed = 0;
            options.callback_urls = url.map(|url| ("kanga".into(), url)).into_iter().collect();
            options.state_file = Some(path);
        })
    };
    let waiting = async |bench: &Bench| {
        let state = bench.simulator().await;
        state["providers"]["kanga"]["callbacks_waiting"].clone()
    };
    let first = run(Some(url.clone())).await;
    shop.answers(404);
    let repeat = Command::RepeatCallback(PaymentId::new("ORDER-1003").unwrap());
    first.sandbox.command(&repeat).unwrap();
    first.sandbox.pump().await;
    assert_eq!(waiting(&first).await[0]["tries"], 1);
    first.0.sandbox.stop().await;
    shop.received();

    let second = run(None).await;
    let later = Command::Advance(Duration::from_mins(20));
    second.sandbox.command(&later).unwrap();
    assert_eq!(second.sandbox.pump().await, 0);
    assert_eq!(waiting(&second).await[0]["tries"], 1, "that was no try");
    second.0.sandbox.stop().await;
    assert_eq!(shop.received(), [""; 0]);

    shop.answers(200);
    let third = run(Some(url)).await;
    third.sandbox.command(&later).unwrap();
    third.sandbox.pump().await;
    let one = "GET /hook?transactionKey=ORDER-1003 0".to_owned();
    assert!(shop.received().contains(&one));

    let options = Options::new(Clock::by_hand(WallTime(0)).0);
    let simulator = Simulator::new(&options, None);
    let mut kanga = Kanga::default();
    kanga.begin(&simulator, Saved::default()).unwrap();
    assert_eq!(
        kanga.next_change(&simulator),
        None,
        "payments change, yet untold"
    );
}

// docs/providers/kanga.md#callbacks
#[tokio::test]
async fn a_refused_callback_is_retried_after_15_minutes_1_hour_and_6_hours() {
    let shop = shop().await;
    let bench = shop.bench("/hook").await;
    let attempts = |received: Vec<String>| {
        let one = "GET /hook?transactionKey=ORDER-1003 0";
        received.iter().filter(|line| *line == one).count()
    };
    bench.sandbox.pump().await;
    let repeat = Command::RepeatCallback(PaymentId::new("ORDER-1003").unwrap());
    shop.answers(204);
    bench.sandbox.command(&repeat).unwrap();
    bench.sandbox.pump().await;
    assert_eq!(attempts(shop.received()), 1, "204 is not 200");
    for (wait, status) in [(15 * 60, 201), (3_600, 302), (6 * 3_600, 500)] {
        bench.pass(wait - 1);
        bench.sandbox.pump().await;
        assert_eq!(attempts(shop.received()), 0, "too early");
        shop.answers(status);
        bench.pass(1);
        bench.sandbox.pump().await;
        assert_eq!(attempts(shop.received()), 1, "after {wait} s");
    }
    bench.pass(20 * 3_600);
    bench.sandbox.pump().await;
    assert_eq!(attempts(shop.received()), 0, "silence after four tries");
    shop.answers(200);
    bench.pass(2 * 86_400);
    bench.sandbox.pump().await;
    assert_eq!(attempts(shop.received()), 2, "later changes are still told");
}

// docs/providers/kanga.md#simulator
#[tokio::test]
async fn callbacks_can_be_duplicated_late_out_of_order_posted_or_about_unknown_payments() {
    let shop = shop().await;
    let bench = shop.bench("/hook").await;
    let received = async |seconds: u64| {
        bench.pass(seconds);
        bench.sandbox.pump().await;
        let mut received = shop.received();
        received.retain(|line| !line.contains("ORDER-10"));
        received
            .into_iter()
            .map(|line| line.replace("GET /hook?transactionKey=", ""))
            .collect::<Vec<_>>()
    };
    let open = async |id: &str| {
        bench
            .get(&link(&format!("currency=EMT&amount=1&transactionKey={id}")))
            .await;
        bench.act(id, "pay").await;
    };
    bench.set("callback-fault", "duplicate").unwrap();
    open("D").await;
    assert_eq!(received(0).await, ["D 0", "D 0"], "ACTIVE");
    assert_eq!(received(60).await, ["D 0"; 6]);

    bench.set("callback-fault", "late").unwrap();
    open("L").await;
    assert_eq!(received(59).await, [""; 0]);
    assert_eq!(received(1).await, ["L 0"]);
    assert_eq!(received(60).await, ["L 0"; 3]);

    bench.set("callback-fault", "out-of-order").unwrap();
    open("O").await;
    assert_eq!(received(7).await, ["O 0"], "FINALIZED is told first");
    assert_eq!(
        received(60).await,
        ["O 0"; 3],
        "what was before it after it"
    );

    bench.set("callback-fault", "none").unwrap();
    bench.set("callback-method", "form").unwrap();
    open("F").await;
    assert_eq!(received(0).await, ["POST /hook 16"]);
    bench.set("callback-method", "get").unwrap();
    bench.event("callback", "no such/payment").unwrap();
    assert_eq!(received(0).await, ["no%20such%2Fpayment 0"]);

    for (setting, value, words) in [
        (
            "callback-fault",
            "sometimes",
            "duplicate, late, out-of-order",
        ),
        ("notices", "x", "callback-method"),
    ] {
        let refused = bench.set(setting, value).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
    assert!(
        bench
            .event("reset", "x")
            .unwrap_err()
            .contains("the events are callback")
    );
}

#[tokio::test]
async fn callbacks_are_sent_unprompted_and_to_this_machine_only() {
    let shop = shop().await;
    let bench = shop.bench("/hook").await;
    let pay = |id| Command::Payer {
        payment: PaymentId::new(id).unwrap(),
        act: PayerAct::Pay,
    };
    let unopened = bench.sandbox.command(&pay("SHOP-1")).unwrap_err();
    assert!(unopened.contains("open its payment link"), "{unopened}");
    let pay = pay("ORDER-1001");
    assert!(bench.sandbox.command(&pay).unwrap().contains("ORDER-1001"));
    let arrived = async {
        while shop.received().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), arrived)
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::new(Clock::system());
    options
        .callback_urls
        .insert("kanga".into(), "http://shop.example/hook".into());
    let refused = start(listener, vec![Box::new(Kanga::default())], options).await;
    assert!(refused.is_err());
}

// docs/providers/kanga.md#simulator
#[tokio::test]
async fn faults_apply_to_api_calls_alone() {
    let bench = bench().await;
    let set = |fault| bench.sandbox.command(&Command::SetFault(fault)).unwrap();
    set(Fault::TooManyRequests {
        retry_after: Some(7),
    });
    let seen = bench.form(CHECK, "").await;
    assert_eq!((seen.status, seen.header("retry-after")), (429, Some("7")));
    set(Fault::TooManyRequests { retry_after: None });
    assert_eq!(bench.form(CHECK, "").await.header("retry-after"), None);
    set(Fault::ServerError);
    assert_eq!(bench.form("/tpg/price/estimate", "").await.status, 503);
    set(Fault::Html);
    let seen = bench.form(CREATE, "").await;
    assert!(seen.status == 502 && seen.body.contains("<html>"));
    let page = link("currency=EMT&amount=1&transactionKey=A");
    assert_eq!(bench.get(&page).await.status, 200);
    assert_eq!(bench.get("/_control/state").await.status, 200);
    set(Fault::TornBody);
    let torn = bench.estimate("EMT", "1").await;
    assert!(torn.status == 200 && serde_json::from_str::<Value>(&torn.body).is_err());
    set(Fault::Latency(Duration::from_millis(1)));
    assert_eq!(bench.estimate("EMT", "1").await.status, 200);
    set(Fault::None);
    assert_eq!(bench.create(1).await["result"], "ok");
}

// docs/providers/kanga.md#nonce
#[tokio::test]
async fn a_lost_reply_uses_up_its_nonce() {
    let bench = bench().await;
    let lose = Command::SetFault(Fault::LostReply);
    bench.sandbox.command(&lose).unwrap();
    let body = json!({ "appId": API_KEY, "nonce": 50 }).to_string();
    assert!(bench.signed(CREATE, &body, API_SECRET).await.is_none());
    bench
        .sandbox
        .command(&Command::SetFault(Fault::None))
        .unwrap();
    assert_eq!(bench.create(50).await, refused(9000));
    assert_eq!(bench.create(51).await["result"], "ok");
}

// docs/providers/kanga.md#simulator
#[tokio::test]
async fn a_clock_set_back_changes_neither_states_nor_nonces() {
    let bench = bench().await;
    bench.pass(60);
    assert_eq!(
        bench.check("ORDER-1001", 10_000).await["state"],
        "FINALIZED"
    );
    bench.manual_clock.set_wall(WallTime(0));
    assert_eq!(bench.check("ORDER-1001", 9_999).await, refused(9000));
    assert_eq!(
        bench.check("ORDER-1001", 10_001).await["state"],
        "FINALIZED"
    );
    let date = bench.get("/").await;
    assert_eq!(
        date.header("date"),
        Some("Thu, 01 Jan 1970 00:00:00 GMT"),
        "Date tells the injected clock's time"
    );
}

// docs/providers/kanga.md#simulator, docs/providers/kanga.md#signature
#[tokio::test]
async fn what_the_documentation_leaves_open_is_set_while_it_runs() {
    let bench = bench().await;
    let body = r#"{"appId":"SANDBOX-KANGA-KEY","nonce":7}"#;
    let upper = sign(body, API_SECRET.as_bytes()).to_uppercase();
    let sent = async || {
        let headers = format!("API-Sig: {upper}\r\n");
        bench
            .raw(&format!("POST {CREATE}"), &headers, body)
            .await
            .unwrap()
    };
    assert_eq!(sent().await.json(), refused(9000));
    bench.set("failure-status", "400").unwrap();
    assert_eq!(sent().await.status, 400);
    bench.set("upper-case-signatures", "on").unwrap();
    assert_eq!(sent().await.json()["result"], "ok");
    assert!(
        bench
            .set("failure-status", "500")
            .unwrap_err()
            .contains("200, 400")
    );
    assert!(
        bench
            .set("boom", "on")
            .unwrap_err()
            .contains("payment-token-life")
    );
}

// docs/providers/kanga.md#simulator
#[tokio::test]
async fn the_providers_clock_can_be_set_back_and_right_again() {
    let bench = bench().await;
    let state = bench.check("ORDER-1001", 10_000).await["state"].clone();
    let date = async || bench.get("/").await.header("date").unwrap().to_owned();
    let before = date().await;
    let back = |by| bench.sandbox.command(&Command::SetBack(by)).unwrap();
    assert!(back(Duration::from_hours(24)).contains("back by"));
    assert_ne!(date().await, before);
    assert_eq!(bench.check("ORDER-1001", 10_001).await["state"], state);
    back(Duration::ZERO);
    assert_eq!(date().await, before);
    // The console's window offers events, so the clock is one.
    bench.event("clock-back", "1h").unwrap();
    assert_ne!(date().await, before);
    bench.event("clock-back", "0s").unwrap();
    assert_eq!(date().await, before);
    assert!(bench.event("clock-back", "soon").is_err());
}

// docs/providers/kanga.md#payment-token
#[tokio::test]
async fn a_payment_token_lives_as_long_as_is_set() {
    let bench = bench().await;
    bench.set("payment-token-life", "2m").unwrap();
    for (nonce, age, state) in [(1, 119, "ACTIVE"), (3, 120, "NEW")] {
        let token = bench.create(nonce).await["paymentToken"].clone();
        bench.pass(age);
        let id = format!("LIFE-{age}");
        let token = token.as_str().unwrap();
        let query = format!(
            "currency=EMT&amount=1&transactionKey={id}&email=a@b.example&paymentToken={token}"
        );
        assert_eq!(bench.get(&link(&query)).await.status, 200);
        assert_eq!(bench.check(&id, nonce + 1).await["state"], state);
    }
}

// docs/providers/kanga.md#simulator
#[tokio::test]
async fn secrets_and_payment_tokens_are_never_shown() {
    let bench = bench().await;
    let token = bench.create(1).await["paymentToken"].clone();
    let page = bench
        .get(&link(&format!(
            "currency=EMT&amount=1&transactionKey=A&email=a@b.example&paymentToken={}",
            token.as_str().unwrap()
        )))
        .await;
    let index = bench.get("/").await;
    let state = bench.get("/_control/state").await;
    assert!(index.body.contains(API_KEY) && index.body.contains("/api/v2/tpg/transaction"));
    assert!(!state.body.contains(API_KEY));
    let mut kanga = Kanga::default();
    let value = token.as_str().unwrap().to_owned();
    kanga.tokens.add("shop", value, WallTime(0)..WallTime(1));
    let debug = format!("{kanga:?}");
    for shown in [&page.body, &index.body, &state.body, &debug] {
        for secret in [
            API_SECRET,
            OTHER_API_SECRET,
            TEST_SECRET,
            token.as_str().unwrap(),
        ] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

#[tokio::test]
async fn commands_are_accepted_over_http_but_not_from_other_sites() {
    let bench = bench().await;
    let seen = bench
        .form("/_control/payer", r#"{"payment":"ORDER-1004","act":"pay"}"#)
        .await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert!(seen.body.contains("settles"));
    let seen = bench.form("/_control/advance", "seconds=10").await;
    assert_eq!(seen.status, 200);
    assert_eq!(bench.check("ORDER-1004", 1).await["state"], "FINALIZED");
    let again = bench
        .form("/_control/payer", "payment=ORDER-1004&act=pay")
        .await;
    assert_eq!(again.status, 422);
    assert!(again.body.contains("ORDER-1004 is FINALIZED"), "{again:?}");
    let unknown = bench.form("/_control/payer", "payment=X&act=pay").await;
    assert_eq!(unknown.status, 422);
    let callback = bench.form("/_control/callback", "payment=ORDER-1001").await;
    assert_eq!(callback.status, 422, "nobody is to be called");
    for origin in ["https://evil.example", "null"] {
        let headers = format!("Origin: {origin}\r\n");
        let seen = bench
            .raw("POST /_control/fault", &headers, "name=html")
            .await
            .unwrap();
        assert_eq!(seen.status, 403, "{origin}");
    }
    assert_eq!(bench.get("/_control/fault").await.status, 405);
    assert_eq!(bench.get("/_control/nope").await.status, 404);
    assert_eq!(bench.get("/nope").await.status, 404);
    assert_eq!(bench.get("/api/v2/nope").await.status, 404);
    let state = bench.simulator().await;
    assert_eq!(state["fault"]["name"], "none");
    let payments = state["providers"]["kanga"]["payments"].as_array().unwrap();
    assert_eq!(payments.len(), bench.sandbox.seeded().len());
}

#[tokio::test]
async fn it_listens_to_this_machine_only() {
    let open = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let started = start(open, vec![Box::new(Kanga::default())], Options::default()).await;
    assert!(matches!(started, Err(StartError::Exposed)));
    let bench = bench().await;
    let rebound = "GET /_control/state HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let seen = raw(bench.to, rebound.as_bytes()).await.unwrap();
    assert!(seen.starts_with(b"HTTP/1.1 421"));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_data_over_http() {
    let with = |seed| bench_with(move |options| options.seed = seed);
    let (a, b, c) = (with(5).await, with(5).await, with(6).await);
    let state = async |bench: &Bench| bench.simulator().await;
    assert_eq!(state(&a).await, state(&b).await);
    assert_ne!(state(&a).await["providers"], state(&c).await["providers"]);
    assert_eq!(a.create(1).await, b.create(1).await);
    assert_eq!(a.sandbox.seeded(), b.sandbox.seeded());
}
