//! Several servers: one that hangs, one that is lost, and one with another clock.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ledger::contract::fixtures::{clock, terms};

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

/// A way to the server. Its connections from before the count was raised stay open and carry nothing more.
fn relay(server: String) -> (SocketAddr, Arc<AtomicUsize>) {
    fn copy(mut from: TcpStream, mut to: TcpStream, goes_on: impl Fn() -> bool + Send + 'static) {
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                if goes_on() && to.write_all(&bytes[..count]).is_err() {
                    return;
                }
            }
        });
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cut = Arc::new(AtomicUsize::new(0));
    let raised = cut.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let began = raised.load(Ordering::SeqCst);
            let goes_on = |raised: Arc<AtomicUsize>| move || raised.load(Ordering::SeqCst) == began;
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            copy(client, server, goes_on(raised.clone()));
            copy(back.0, back.1, goes_on(raised.clone()));
        }
    });
    (address, cut)
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_connection_that_was_lost_while_the_machine_slept_fails_no_job() {
    let schema = TestSchema::new();
    let mut settings = schema.0.clone();
    let url = settings.url.expose().to_owned();
    let (before, place) = url.rsplit_once('@').unwrap();
    let (server, database) = place.split_once('/').unwrap();
    let (through, cut) = relay(server.to_owned());
    settings.url = Secret::new(format!("{before}@{through}/{database}"));
    let (clock, hand) = clock();
    let ledger = Ledger::connect(&settings, clock, Retention::default()).unwrap();
    ledger.open_jobs("live".into()).await.unwrap();
    cut.fetch_add(1, Ordering::SeqCst);
    hand.advance(Duration::from_secs(16));
    ledger.open_jobs("live".into()).await.unwrap();
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
            matches!(slots, SlotOutcome::Held(held) if about(held)),
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
        matches!(slots, SlotOutcome::Held(held) if about(held)),
        "{slots:?}"
    );
}
