//! What only a database on a server has: clocks of several machines, lost connections, refusals. They need a server:
//! `.ci/postgres cargo test --lib -- --ignored postgres`.

use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::domain::{Secret, WallTime};
use crate::ledger::*;

const START: WallTime = WallTime(1_795_316_066_000);
const MINUTE: Duration = Duration::from_mins(1);

/// Names a database in which tests may create schemas.
const VARIABLE: &str = "TILLDECK_TEST_DATABASE_URL";

/// A new schema, dropped at the end.
pub(in crate::ledger) struct TestSchema(pub(in crate::ledger) DatabaseSettings);

impl TestSchema {
    /// An empty schema.
    pub(in crate::ledger) fn empty() -> Self {
        let url =
            std::env::var(VARIABLE).unwrap_or_else(|_| panic!("{VARIABLE} names no database"));
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        Self(DatabaseSettings {
            url: Secret::new(url),
            schema: format!("test_{:016x}", u64::from_be_bytes(random)),
            operator: String::new(),
        })
    }

    /// One with the ledger's tables.
    pub(in crate::ledger) fn new() -> Self {
        let schema = Self::empty();
        let settings = schema.0.clone();
        off_runtime(move || migrate(&settings, &Clock::system())).unwrap();
        schema
    }
}

impl Drop for TestSchema {
    fn drop(&mut self) {
        let settings = self.0.clone();
        let dropped = std::thread::spawn(move || {
            let target = Target::new(&settings).unwrap();
            let open = Connection::open(&target, &Clock::system()).unwrap();
            open.batch(&format!(
                "DROP SCHEMA IF EXISTS {} CASCADE",
                settings.schema
            ))
            .unwrap();
        });
        let dropped = dropped.join();
        // A second panic would end the other tests as well.
        if !std::thread::panicking() {
            dropped.unwrap();
        }
    }
}

/// Runs what blocks.
fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().unwrap()
}

impl Postgres {
    /// Drops all that is too old or too many.
    pub(in crate::ledger) async fn prune(&self) {
        let all = |store: &mut Store| {
            while super::exchanges::prune(store) {}
            Ok(())
        };
        self.run(all).await.unwrap();
    }
}

fn terms(limit: u32) -> Terms {
    Terms {
        scope: "kinguin writes".into(),
        limit,
        period: MINUTE,
        reserve: 0,
        flight: MINUTE,
        persistence: Persistence::Required,
    }
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn smoke() {
    let schema = TestSchema::new();
    let (clock, hand): (Clock, ManualClock) = Clock::by_hand(START);
    let ledger = Ledger::connect(&schema.0, clock.clone(), Retention::default()).unwrap();
    assert_eq!(ledger.status().await, Status::Ready);
    let Slots::Granted(one) = ledger.take_slot(terms(1)).await.unwrap() else {
        panic!()
    };
    let one = one.take();
    assert_eq!(
        ledger.take_slot(terms(1)).await.unwrap(),
        Slots::Full { next_free: None }
    );
    ledger.release_slot(one, clock.now());
    assert_eq!(
        ledger.take_slot(terms(1)).await.unwrap(),
        Slots::Full {
            next_free: Some(MINUTE)
        }
    );
    hand.advance(MINUTE);
    assert!(matches!(
        ledger.take_slot(terms(1)).await.unwrap(),
        Slots::Granted(_)
    ));
    let mut key = ledger.key_lock(&KeyHash::of("kanga", "k")).await.unwrap();
    let first = key
        .next_nonce(clock.now(), NonceRules::default())
        .await
        .unwrap();
    let second = key
        .next_nonce(clock.now(), NonceRules::default())
        .await
        .unwrap();
    assert!(second.value > first.value);
    drop(key);
    let mut key = ledger.key_lock(&KeyHash::of("kanga", "k")).await.unwrap();
    let third = key
        .next_nonce(clock.now(), NonceRules::default())
        .await
        .unwrap();
    assert!(third.value > second.value);
}
