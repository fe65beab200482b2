//! Callbacks whose secrets cannot be read when they arrive.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::auth::sign::{hmac_sha256, jwt_hs256};

const SECRET: &str = "planted-secret-of-callbacks";

async fn post(url: &str, account: &str, body: &str) -> String {
    let address = &url["http://".len()..];
    let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST /callbacks/{account} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    tcp.read_to_string(&mut said).await.unwrap();
    said
}

fn keep_secret(folder: &std::path::Path) {
    crate::private::replace(&folder.join("callback_secret"), SECRET.as_bytes()).unwrap();
}

/// A notice as Pledg signs it, a forged one, and an order of Kongregate.
fn callbacks() -> [(&'static str, String); 3] {
    let notice = |secret: &str| {
        let payload = json!({
            "reference": "ORDER 1", "created": "2020-09-17 15:00:02.052177", "amount_cents": 10_250,
            "transfer_order_item_uid": "tri_1",
        });
        json!({"signature": jwt_hs256(&Secret::new(secret), &payload)}).to_string()
    };
    let order = json!({"algorithm": "HMAC-SHA256", "event": "item_order_placed", "order_id": 7, "user_id": 1});
    let order = URL_SAFE_NO_PAD.encode(order.to_string());
    let mac = URL_SAFE_NO_PAD.encode(hmac_sha256(&Secret::new(SECRET), order.as_bytes()));
    [
        ("later", notice(SECRET)),
        ("later", notice("another")),
        ("play", format!("signed_request={mac}.{order}")),
    ]
}

#[tokio::test]
async fn a_service_warns_at_its_start_of_accounts_whose_secret_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let receive = Receive {
        bind: Some(([127, 0, 0, 1], 0).into()),
        every: true,
        ..WORKING
    };
    let mut bench = open(folder.path(), "http://127.0.0.1:1", Some(receive)).await;
    let mut warned = Vec::new();
    while warned.len() < 2 {
        if let Event::Warning { about, text } = bench.event().await {
            assert!(text.contains("answered 503 until this is fixed"), "{text}");
            warned.push(about);
        }
    }
    warned.sort();
    assert_eq!(warned, ["callbacks later", "callbacks play"]);
}

#[tokio::test]
async fn a_callback_whose_secret_cannot_be_read_is_saved_and_judged_once_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(200, "{}")]).await;
    let receive = Receive {
        bind: Some(([127, 0, 0, 1], 0).into()),
        forward: vec![(None, super::super::target(&shop.url).unwrap())],
        ..WORKING
    };
    let mut bench = open(folder.path(), &shop.url, Some(receive)).await;
    while !matches!(
        bench.event().await,
        Event::ListenerStatus(ListenerStatus::Up { .. })
    ) {}
    let url = bench.deck.port_url().unwrap();
    for (account, body) in callbacks() {
        let said = post(&url, account, &body).await;
        assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
        assert!(said.contains("\r\nretry-after: 30\r\n"), "{said}");
    }
    let waiting = || {
        bench
            .deck
            .ledger
            .unknown_waiting(bench.deck.callbacks.shared.account_key.clone())
    };
    let mut counts = waiting().await.unwrap();
    counts.sort();
    assert_eq!(
        counts,
        [("later".into(), 2), ("play".into(), 1)],
        "they are bounded"
    );
    // What is saved is forwarded to where its receiver forwards, by whichever process verifies it.
    bench.deck.close().await;
    let mut bench = open(folder.path(), &shop.url, Some(WORKING)).await;
    bench
        .deck
        .callbacks
        .shared
        .targets
        .add(&format!("{}/", shop.url));
    keep_secret(folder.path());
    bench.advance(60);
    let mut seen = BTreeMap::new();
    let is_done = |delivery: &Delivery| delivery.jobs.iter().all(|job| job.state == JobState::Done);
    while seen.len() < 6
        || !seen
            .values()
            .all(|delivery: &Arc<Delivery>| is_done(delivery))
    {
        if let Event::Delivery(delivery) = bench.event().await {
            seen.insert(delivery.id, delivery);
        }
    }
    let mut found: Vec<_> = seen
        .values()
        .map(|delivery| {
            let jobs = delivery.jobs.iter().map(|job| job.kind.word());
            let account = delivery.account.as_str();
            (
                account,
                delivery.verdict.as_str(),
                delivery.status,
                jobs.collect::<Vec<_>>(),
            )
        })
        .collect();
    found.sort();
    let check = || vec!["check"];
    assert_eq!(
        found,
        [
            ("later", "accepted", 503, vec!["forward"]),
            ("later", "refused", 503, vec![]),
            ("later", "unverified", 503, check()),
            ("later", "unverified", 503, check()),
            ("play", "accepted", 503, vec![]),
            ("play", "unverified", 503, check()),
        ]
    );
    assert_eq!(shop.asked(), 1, "an order is not forwarded late");
    // The shop gets it if the provider sends it again.
    let order = seen.values().rfind(|delivery| delivery.account == "play");
    let order = order.unwrap();
    assert_eq!(order.attempt, 1);
    // Its amount can be compared with the order's.
    let notice = seen
        .values()
        .find(|delivery| delivery.is_genuine() && delivery.account == "later");
    let shown = bench
        .deck
        .received(notice.unwrap().id)
        .await
        .unwrap()
        .body
        .text;
    for field in [
        r#""amount_cents":10250"#,
        r#""created":"2020-09-17 15:00:02.052177""#,
        r#""signature":"<signature>""#,
    ] {
        assert!(shown.contains(field), "{field}: {shown}");
    }
}

#[tokio::test]
async fn a_callback_waits_for_its_secret_however_long_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let receive = Receive {
        bind: Some(([127, 0, 0, 1], 0).into()),
        ..WORKING
    };
    let mut bench = open(folder.path(), "http://127.0.0.1:9", Some(receive)).await;
    while !matches!(
        bench.event().await,
        Event::ListenerStatus(ListenerStatus::Up { .. })
    ) {}
    let url = bench.deck.port_url().unwrap();
    let [(account, body), ..] = callbacks();
    post(&url, account, &body).await;
    for minutes in 1..=40 {
        let job = bench.tried(1).await;
        assert!(matches!(job.state, JobState::Due { .. }), "{minutes}");
        assert!(job.has_failed(), "its reason is shown");
        if minutes == 40 {
            keep_secret(folder.path());
        }
        bench.advance(60);
    }
    assert_eq!(bench.tried(2).await.summary, "accepted as callback 2");
}

#[tokio::test]
async fn a_replay_verifies_what_could_not_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    let receive = Receive {
        bind: Some(([127, 0, 0, 1], 0).into()),
        ..WORKING
    };
    let mut bench = open(folder.path(), "http://127.0.0.1:9", Some(receive)).await;
    while !matches!(
        bench.event().await,
        Event::ListenerStatus(ListenerStatus::Up { .. })
    ) {}
    let url = bench.deck.port_url().unwrap();
    let [(account, body), ..] = callbacks();
    post(&url, account, &body).await;
    let job = bench.tried(1).await;
    assert!(
        job.has_failed() && job.summary.contains("merchant_secret"),
        "{}",
        job.summary
    );
    bench.deck.close().await;
    let bench = open(folder.path(), "http://127.0.0.1:9", None).await;
    let id = DeliveryId(1);
    let failed = bench.deck.retry(id).await.unwrap().delivery;
    assert!(failed.jobs[0].has_failed());
    keep_secret(folder.path());
    bench.advance(6);
    let verified = bench.deck.retry(id).await.unwrap().delivery;
    assert_eq!(verified.jobs[0].summary, "accepted as callback 2");
    assert_eq!(
        verified.verdict,
        CallbackVerdict::Unverified,
        "what was received stays"
    );
}
