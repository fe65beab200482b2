//! The ledger through its handles. Several handles on one folder stand for several processes: each has its
//! own thread, connection and locks.

mod age;
mod batch;
mod deliveries;
mod files;
mod nonces;
mod recovery;
mod rows;
mod slots;

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::clock::ManualClock;
use crate::domain::{
    AccountId, Amount, Body, CredentialStatus, Currency, Exchange, ExchangeId, Expectation,
    Expected, ExpectedBy, Now, Observation, Outcome, Payment, PaymentId, PaymentState, Replaced,
    Reported, WallTime, Watch,
};
use crate::ledger::*;

const START: WallTime = WallTime(1_795_316_066_000);
const MINUTE: Duration = Duration::from_mins(1);
const FLIGHT: Duration = Duration::from_secs(30);

fn clock() -> (Clock, ManualClock) {
    Clock::by_hand(START)
}

fn start(folder: &Path) -> Sqlite {
    start_by(folder, &clock().0)
}

fn start_by(folder: &Path, clock: &Clock) -> Sqlite {
    Sqlite::start(folder.to_owned(), clock.clone(), Retention::default())
}

/// Ends the ledger's thread, as the end of a process does.
fn close(ledger: Sqlite) {
    let thread = ledger.0.thread.lock().unwrap().take();
    drop(ledger);
    thread.unwrap().join().unwrap();
}

/// Sets a pragma of the ledger's own connection.
async fn set(ledger: &Sqlite, pragma: &'static str, value: i32) {
    let run = move |conn: &Connection| conn.execute_batch(&format!("PRAGMA {pragma} = {value}"));
    ledger.run(move |store| store.read(run)).await.unwrap();
}

async fn fill_disk(ledger: &Sqlite, full: bool) {
    set(ledger, "max_page_count", if full { 1 } else { 1_000_000 }).await;
}

/// Lets no write succeed.
async fn forbid_writing(ledger: &Sqlite, on: bool) {
    set(ledger, "query_only", i32::from(on)).await;
}

fn shop() -> AccountId {
    AccountId::new("shop").unwrap()
}

fn key() -> KeyHash {
    KeyHash::of("kanga", "public-key")
}

fn exchange(url: &str) -> Exchange {
    Exchange {
        id: ExchangeId(0),
        account: shop(),
        provider: "kanga".into(),
        environment: "production".into(),
        at: START,
        method: "POST".into(),
        url: url.into(),
        about: "A-17".into(),
        attempt: 1,
        outcome: Outcome::Status(200),
        http_version: "HTTP/2.0".into(),
        response_wire: Some(12_345),
        operator: String::new(),
        to_head: Some(Duration::from_nanos(1_234_567)),
        took: Duration::from_millis(40),
        request_headers: vec![("accept".into(), "a".into()), ("accept".into(), "b".into())],
        request_body: Body {
            text: "{}".into(),
            bytes: 2,
            ..Body::default()
        },
        response_headers: vec![],
        response_body: Body {
            text: "x".repeat(10),
            bytes: 300_000,
            cut: true,
            base64: true,
        },
    }
}

fn observation(state: &str, amount: &str, after: u64) -> Observation {
    Observation {
        at: START.plus(Duration::from_secs(after)),
        payment: Payment {
            id: PaymentId::new("A-17").unwrap(),
            currency: Reported::currency("BTC"),
            amount: Reported::amount(amount),
            state: PaymentState::from_word(state),
        },
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn terms(scope: &str, limit: u32, reserve: u32) -> Terms {
    Terms {
        scope: scope.into(),
        limit,
        period: MINUTE,
        reserve,
        flight: FLIGHT,
        persistence: Persistence::BestEffort,
    }
}

/// The next nonce while the clock shows `wall`; in memory where it cannot be stored.
async fn next_nonce(key_lock: &mut KeyLock, wall: WallTime) -> Result<i64, LedgerError> {
    let now = Now {
        mono: Duration::ZERO,
        wall,
    };
    let rules = NonceRules {
        persistence: Persistence::BestEffort,
        ..NonceRules::default()
    };
    Ok(key_lock.next_nonce(now, rules).await?.value)
}

fn counted(used: u32, next_free: Option<Duration>) -> Counted {
    Counted {
        used,
        next_free,
        held: None,
    }
}

/// Keeps an exchange, and gives it back with its id.
async fn record(ledger: &Sqlite, exchange: Exchange) -> Exchange {
    let (kept_to, kept) = tokio::sync::oneshot::channel();
    ledger.record_later(
        exchange,
        Box::new(|exchange| kept_to.send(exchange).unwrap()),
    );
    ledger.flush().await;
    kept.await.unwrap()
}

async fn take(ledger: &Sqlite, reserve: u32) -> Slots {
    ledger.take_slot(terms("kanga", 3, reserve)).await.unwrap()
}

fn granted(slots: Slots) -> SlotId {
    match slots {
        Slots::Granted(granted) => granted.take(),
        _ => panic!("{slots:?}"),
    }
}
