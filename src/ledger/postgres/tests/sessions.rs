//! What a session is like: its settings, its waits, its schema.

use std::future::poll_fn;
use std::sync::mpsc;
use std::task::Poll;

use super::*;
use crate::ledger::contract::fixtures::{granted, of, terms};
use crate::ledger::sql::Param;

/// Changes settings of the tests' role, and sets them back at the end.
struct RoleSettings<'a>(&'a TestSchema);

impl<'a> RoleSettings<'a> {
    fn set(schema: &'a TestSchema, settings: &[(&str, &str)]) -> Self {
        for (name, value) in settings {
            schema.batch(&format!("ALTER ROLE CURRENT_USER SET {name} TO '{value}'"));
        }
        Self(schema)
    }
}

impl Drop for RoleSettings<'_> {
    fn drop(&mut self) {
        self.0.batch("ALTER ROLE CURRENT_USER RESET ALL");
    }
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn a_session_has_its_own_settings_whatever_the_role_has() {
    let schema = TestSchema::empty();
    let _role = RoleSettings::set(
        &schema,
        &[
            ("default_transaction_isolation", "repeatable read"),
            ("statement_timeout", "10min"),
            ("lock_timeout", "10min"),
            ("idle_session_timeout", "10min"),
            ("tcp_keepalives_idle", "600"),
        ],
    );
    schema.session(|open| {
        for (name, expected) in [
            ("transaction_isolation", "read committed"),
            ("statement_timeout", "0"),
            ("lock_timeout", "0"),
            ("idle_session_timeout", "0"),
            ("transaction_timeout", "0"),
            ("idle_in_transaction_session_timeout", "10s"),
            // As the socket has them.
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "10000"),
            ("client_connection_check_interval", "5s"),
        ] {
            let value: Option<String> = open
                .sql()
                .one(
                    "SELECT current_setting($1, true)",
                    &[Param::from(name)],
                    |row| row.get(0),
                )
                .unwrap();
            // A server of an older version does not have all.
            assert_eq!(value.as_deref().unwrap_or(expected), expected, "{name}");
        }
    });
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_nonce_does_not_run_ahead_by_the_time_that_the_database_stalls() {
    let schema = TestSchema::new();
    let clock = Clock::system();
    let ledger = Ledger::connect(&schema.0, clock.clone(), Retention::default()).unwrap();
    assert_eq!(ledger.status().await, Status::Ready);
    let key = KeyHash::of("kanga", &schema.0.schema);
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let settings = schema.0.clone();
    let stall = std::thread::spawn(move || {
        let target = Target::new(&settings).unwrap();
        let open = Connection::open(&target, &Clock::system()).unwrap();
        open.batch("BEGIN; LOCK TABLE nonces IN ACCESS EXCLUSIVE MODE")
            .unwrap();
        locked.send(()).unwrap();
        open.batch("SELECT pg_sleep(0.8); COMMIT").unwrap();
    });
    is_locked.await.unwrap();
    let mut held = ledger.key_lock(&key).await.unwrap();
    let nonce = held.next_nonce(clock.now(), NonceRules::default()).await;
    let nonce = nonce.unwrap();
    stall.join().unwrap();
    let latest = clock.now().wall.0;
    assert!(nonce.value <= latest, "{} > {latest}", nonce.value);
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_session_that_has_a_key_waits_for_rows_without_the_time_limit_of_the_key() {
    let schema = TestSchema::new();
    let ledger = Postgres::start(&schema.0, Clock::system(), Retention::default()).unwrap();
    let key = KeyHash::of("kanga", &schema.0.schema);
    drop(ledger.key_lock(&key).await.unwrap());
    let worker = ledger.0.key_workers.lock().pop().unwrap();
    let limit = worker.run(|store| {
        let setting = "SELECT current_setting('lock_timeout')";
        Ok(store.within_session(|open| open.sql().value::<String>(setting, &[]))?)
    });
    assert_eq!(limit.await.unwrap(), "0");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_caller_that_no_longer_waits_for_a_key_leaves_no_session() {
    let schema = TestSchema::new();
    let (one, other) = (connect(&schema).await, connect(&schema).await);
    let key = KeyHash::of("kanga", &schema.0.schema);
    let held = one.key_lock(&key).await.unwrap();
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND (classid::INT8 << 32 | objid::INT8) = {}",
        crate::ledger::postgres::nonces::number(&key)
    );
    let (ledger, of) = (other.clone(), key.clone());
    let waits = tokio::spawn(async move { ledger.key_lock(&of).await.map(drop) });
    while schema.number(&waiting) == 0 {
        tokio::task::yield_now().await;
    }
    waits.abort();
    let clock = Clock::system();
    let began = clock.now().mono;
    while schema.number(&waiting) > 0 {
        let waited = clock.now().mono.saturating_sub(began);
        assert!(waited < Duration::from_secs(10), "it still waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(held);
    other.key_lock(&key).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_caller_that_goes_while_another_gets_its_slot_takes_none() {
    let schema = TestSchema::new();
    // Counts the slots that are taken, also those that are returned.
    schema.batch("CREATE SEQUENCE taken; ALTER TABLE slots ADD n INT8 DEFAULT nextval('taken')");
    let ledger = Postgres::start(&schema.0, Clock::system(), Retention::default()).unwrap();
    let (hold, until) = mpsc::channel::<()>();
    ledger.0.slots.send(move |_| assert!(until.recv().is_err()));
    let mut calls = Vec::new();
    for _ in 0..2 {
        let ledger = ledger.clone();
        let mut call = Box::pin(async move { ledger.take_slot(terms("shop", 10, 0)).await });
        let sent = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending()));
        assert!(sent.await);
        calls.push(call);
    }
    let gone = calls.pop();
    schema.session(move |open| {
        open.batch("BEGIN; LOCK TABLE slots IN ACCESS EXCLUSIVE MODE")
            .unwrap();
        drop(hold);
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = CAST('slots' AS REGCLASS) AND NOT granted";
        while open.sql().value::<i64>(waiting, &[]).unwrap() == 0 {}
        drop(gone);
        open.batch("COMMIT").unwrap();
    });
    granted(calls.remove(0).await.unwrap());
    ledger.0.slots.flush().await;
    assert_eq!(schema.number("SELECT nextval('taken')"), 2);
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_schema_may_have_a_word_of_sql_or_the_longest_name() {
    for name in ["order", &format!("test_{:0>49}", fastrand::u64(..))] {
        let schema = TestSchema::named(name);
        let settings = schema.0.clone();
        off_runtime(move || migrate(&settings, &Clock::system())).unwrap();
        let (one, other) = (connect(&schema).await, connect(&schema).await);
        let before = other.data_version().await.unwrap();
        let at = Clock::system().now().wall;
        one.note(of("live", "A-17"), "by hand".to_owned(), at)
            .await
            .unwrap();
        assert!(one.size().await.unwrap() > 0, "{name}");
        let clock = Clock::system();
        let began = clock.now().mono;
        while other.data_version().await.unwrap() == before {
            let waited = clock.now().mono.saturating_sub(began);
            assert!(waited < Duration::from_secs(10), "{name}: no notification");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let settings = schema.0.clone();
        let report = off_runtime(move || survey(&settings, &Clock::system())).unwrap();
        assert_eq!((report.problem(), report.schema.as_str()), (None, name));
    }
}
