//! Several servers: one that hangs, and one with another clock.

use std::net::TcpListener;

use super::*;
use crate::ledger::contract::fixtures::terms;

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_server_that_hangs_leaves_time_for_the_next() {
    let mut schema = TestSchema::new();
    // The system accepts connections for it.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = schema.0.url.expose().to_owned();
    let (before, place) = url.rsplit_once('@').unwrap();
    let both = format!("{before}@{},{place}", hangs.local_addr().unwrap());
    let one = std::mem::replace(&mut schema.0.url, Secret::new(both));
    let ledger = connect(&schema).await;
    drop(ledger);
    schema.0.url = one;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_nonce_of_a_later_clock_is_waited_for_no_longer_than_another() {
    let schema = TestSchema::new();
    let ledger = connect(&schema).await;
    let key = KeyHash::of("kanga", &schema.0.schema);
    schema.batch(&format!(
        "INSERT INTO nonces VALUES ('{}', 1, now_ms(NULL) + 3600000)",
        key.as_str()
    ));
    let limit = NONCE_SENT_WITHIN + Duration::from_secs(4);
    let held = tokio::time::timeout(limit, ledger.key_lock(&key)).await;
    held.expect("it waits for the other clock").unwrap();
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_hold_of_a_later_clock_lasts_its_whole_time_and_no_longer() {
    let schema = TestSchema::new();
    let ledger = connect(&schema).await;
    let terms = terms("shop", 10, 0);
    schema
        .batch("INSERT INTO holds VALUES ('shop', now_ms(NULL) + 3600000, now_ms(NULL) + 3630000)");
    let about = |held: Duration| (29..=30).contains(&held.as_secs());
    let counted = ledger.budget(terms.scope.clone(), 10, terms.period).await;
    assert!(counted.unwrap().held.is_some_and(about));
    for _ in 0..2 {
        let slots = ledger.take_slot(terms.clone()).await.unwrap();
        assert!(
            matches!(slots, Slots::Held(held) if about(held)),
            "{slots:?}"
        );
    }
    // Another 429, by the earlier clock.
    ledger.hold_slots(
        terms.scope.clone(),
        Clock::system().now(),
        Duration::from_secs(10),
    );
    let slots = ledger.take_slot(terms).await.unwrap();
    assert!(
        matches!(slots, Slots::Held(held) if about(held)),
        "{slots:?}"
    );
}
