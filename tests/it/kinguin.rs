//! Kinguin on its simulator: through the deck in this process, and from the command line against a served sandbox.

use serde_json::Value;
use tilldeck::domain::simulate::Command;
use tilldeck::domain::{AccountId, Explored, Problem, ProblemKind, RawCall};
use tilldeck::net::Event;

use crate::deck::{Bench, how, open};
use crate::program::Place;
use crate::simulated::{API, OFFER, Simulated};

fn kinguin() -> AccountId {
    AccountId::new("kinguin").unwrap()
}

async fn send(
    bench: &Bench,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Result<Explored, Problem> {
    let call = RawCall {
        method: method.into(),
        path: path.into(),
        body: body.map(Into::into),
        auth: None,
    };
    bench.deck.explore(&kinguin(), &call, how()).await
}

fn simulate(bench: &Bench, event: &str) -> String {
    let command = Command::Event {
        provider: "kinguin".into(),
        event: event.into(),
        subject: String::new(),
    };
    bench.deck.simulate(&command).unwrap()
}

/// Method, URL and headers of every try since last asked, and all of it as text.
async fn exchanges(bench: &mut Bench) -> Vec<(String, String)> {
    bench.deck.ledger().flush().await;
    let mut seen = Vec::new();
    while let Some(event) = bench.events.try_recv() {
        if let Event::Exchange(exchange) = event {
            let line = format!("{} {}", exchange.method, exchange.url);
            seen.push((line, format!("{exchange:?}")));
        }
    }
    seen
}

// docs/providers/kinguin.md#keys
#[tokio::test]
async fn the_text_of_a_key_is_neither_in_the_log_nor_on_the_screen() {
    let place = Place::new();
    let mut bench = open(&place, None).await;
    let stock = format!("{API}/offers/{OFFER}/stock");
    let key = r#"{"body": "PLANTED-KEY", "mimeType": "text/plain"}"#;
    let up = send(&bench, "POST", &stock, Some(key)).await.unwrap();
    assert_eq!(up.status, 200, "{up:?}");
    let file = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"k.txt\"\r\n\r\nPLANTED-TOO\r\n--edge--\r\n";
    let filed = send(&bench, "POST", &format!("{stock}/file"), Some(file))
        .await
        .unwrap();
    assert!(filed.text.contains("1 keys uploaded"), "{filed:?}");
    let down = send(&bench, "GET", &format!("{stock}?size=100"), None)
        .await
        .unwrap();
    let hook =
        r#"{"endpoints": {}, "headers": [{"name": "X-Auth-Token", "value": "PLANTED-HEADER"}]}"#;
    let subscribed = send(&bench, "POST", "/envoy2/api/v1/subscription", Some(hook))
        .await
        .unwrap();
    assert_eq!(subscribed.status, 200);
    for seen in [up, filed, down, subscribed] {
        assert!(!format!("{seen:?}").contains("PLANTED"), "{seen:?}");
        assert!(!seen.text.contains("SANDBOX-KEY"), "{seen:?}");
    }
    let all = exchanges(&mut bench).await;
    assert_eq!(all.len(), 5, "a token call and four others");
    assert!(all[0].0.ends_with("/auth/token"), "{}", all[0].0);
    for (_, whole) in all {
        assert!(
            !whole.contains("PLANTED") && !whole.contains("SANDBOX-KINGUIN-SECRET"),
            "{whole}"
        );
    }
    bench.deck.close().await;
}

#[tokio::test]
async fn a_body_that_is_not_json_is_not_sent_and_the_place_is_reported() {
    let place = Place::new();
    let mut bench = open(&place, None).await;
    let path = format!("{API}/offers/{OFFER}");
    let problem = send(&bench, "PATCH", &path, Some("{\n  \"price\": 15,}"))
        .await
        .unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Usage);
    assert!(
        problem.message.contains("line 2, column 15"),
        "{}",
        problem.message
    );
    assert!(exchanges(&mut bench).await.is_empty());
    bench.deck.close().await;
}

// docs/providers/kinguin.md#bearer
#[tokio::test]
async fn public_calls_go_without_a_token_and_cost_none() {
    let place = Place::new();
    let mut bench = open(&place, None).await;
    let path = "/library/api/v1/products/search?active=1&phrase=harbour";
    let seen = send(&bench, "GET", path, None).await.unwrap();
    assert!(seen.digest.unwrap().rows.len() == 1);
    let all = exchanges(&mut bench).await;
    assert_eq!(all.len(), 1);
    assert!(!all[0].1.contains("authorization"), "{}", all[0].1);
    bench.deck.close().await;
}

// docs/providers/kinguin.md#credentials
#[tokio::test]
async fn verifying_finds_a_reset_secret_though_the_token_in_hand_is_still_good() {
    let place = Place::new();
    let bench = open(&place, None).await;
    let verify = async || bench.deck.verify(&kinguin(), how()).await;
    verify().await.unwrap();
    assert!(simulate(&bench, "reset-secret").contains("SANDBOX-KINGUIN-SECRET-2"));
    let problem = verify().await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused, "{problem:?}");
    bench.deck.close().await;
}

#[tokio::test]
async fn what_kinguin_does_not_have_is_said_so() {
    let place = Place::new();
    let bench = open(&place, None).await;
    let id = tilldeck::domain::PaymentId::new("A").unwrap();
    let problem = bench
        .deck
        .check_payment(&kinguin(), &id, how())
        .await
        .unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Usage);
    assert!(
        problem.message.contains("Kinguin has no payments"),
        "{}",
        problem.message
    );
    let gone = send(
        &bench,
        "GET",
        &format!("{API}/offers/000000000000000000000000"),
        None,
    )
    .await
    .unwrap();
    assert!(gone.failure.unwrap().contains("Offer not found"));
    bench.deck.close().await;
}

#[test]
fn a_served_kinguin_wait_for_one_and_played_from_the_command_line() {
    let simulated = Simulated::start(&[], "");
    let verified = simulated.run(&["account", "verify", "keys"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let setups = simulated.run(&["request", "keys", "GET", &format!("{API}/offers?size=1")]);
    assert_eq!(setups.code, 0, "{setups:?}");
    let body: Value = serde_json::from_str(&setups.out).unwrap();
    assert_eq!(body["page"]["totalElements"], 254);

    let set = simulated.try_trigger(&["set", "kinguin", "limit-reads", "3"]);
    assert_eq!(
        (set.code, set.out.trim()),
        (0, "kinguin: limit-reads is now 3"),
        "{set:?}"
    );
    let unknown = simulated.try_trigger(&["set", "kinguin", "colour", "blue"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("token-life"), "{unknown:?}");
    assert_eq!(
        simulated
            .try_trigger(&["set", "kinguin", "limit-reads", "-1"])
            .code,
        2
    );

    let sale = simulated.try_trigger(&["event", "kinguin", "sale", OFFER]);
    assert_eq!(sale.code, 0, "{sale:?}");
    let id = sale.out.split(' ').nth(1).unwrap();
    let moved = simulated.try_trigger(&["event", "kinguin", "reservation", id, "BOUGHT"]);
    assert_eq!(
        (moved.code, moved.out.trim()),
        (0, format!("reservation {id} is BOUGHT").as_str())
    );
    assert_eq!(
        simulated
            .try_trigger(&["event", "kinguin", "reservation", id, "BOUGHT"])
            .code,
        2
    );
    assert_eq!(simulated.try_trigger(&["event", "nobody", "sale"]).code, 2);

    let reset = simulated.try_trigger(&["event", "kinguin", "reset-secret"]);
    assert!(reset.out.contains("SANDBOX-KINGUIN-SECRET-2"), "{reset:?}");
}

#[test]
fn a_body_that_is_not_json_has_exit_code_2() {
    let simulated = Simulated::start(&[], "");
    let ran = simulated.run(&[
        "request",
        "keys",
        "POST",
        &format!("{API}/offers"),
        "--yes",
        "--data",
        "{\"price\": }",
    ]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("line 1, column 11"), "{ran:?}");
}
