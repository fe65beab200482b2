//! What only a database on a server has: clocks of several machines, lost connections, refusals. They need a server:
//! `.ci/postgres cargo test --lib -- --ignored postgres`.

mod failover;
mod import;
mod leases;
mod migration;
mod saving;
mod sessions;

use std::time::Duration;

use super::*;
use crate::domain::Secret;
use crate::ledger::*;

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
            password: None,
            pass_file: None,
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

impl TestSchema {
    /// One of this name.
    fn named(schema: &str) -> Self {
        let mut empty = Self::empty();
        schema.clone_into(&mut empty.0.schema);
        empty
    }

    /// Leaves out this many ids of the request log.
    pub(in crate::ledger) fn skip_exchanges(&self, count: usize) {
        self.batch(&format!(
            "SELECT setval(pg_get_serial_sequence('exchanges', 'id'), max(id) + {count}) FROM exchanges"
        ));
    }

    /// Works in a session of its own.
    fn session<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> T {
        let settings = self.0.clone();
        off_runtime(move || {
            let target = Target::new(&settings).unwrap();
            work(&Connection::open(&target, &Clock::system()).unwrap())
        })
    }

    /// Runs statements that return nothing.
    pub(in crate::ledger) fn batch(&self, sql: &str) {
        let sql = sql.to_owned();
        self.session(move |open| open.batch(&sql).unwrap());
    }

    /// The number that a query returns.
    fn number(&self, sql: &str) -> i64 {
        let sql = sql.to_owned();
        self.session(move |open| open.sql().one(&sql, &[], |row| row.get(0)).unwrap())
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
                super::target::quoted(&settings.schema)
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

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn the_use_of_a_limit_is_counted_for_all_and_for_each_operator() {
    let schema = TestSchema::new();
    let clock = Clock::system();
    let of = |operator: &str| {
        let settings = DatabaseSettings {
            operator: operator.to_owned(),
            ..schema.0.clone()
        };
        Ledger::connect(&settings, clock.clone(), Retention::default()).unwrap()
    };
    let (anna, ben) = (of("anna"), of("ben"));
    let terms = SlotRequest {
        scope: "shop".into(),
        limit: 10,
        period: Duration::from_mins(1),
        reserve: 0,
        flight: Duration::from_mins(1),
        persistence: Persistence::Required,
    };
    let mut held = Vec::new();
    for ledger in [&anna, &anna, &ben] {
        let Ok(SlotOutcome::Granted(granted)) = ledger.take_slot(terms.clone()).await else {
            panic!("there are slots");
        };
        held.push(granted.take());
    }
    // Also those whose response was seen.
    anna.release_slot(held.remove(0), clock.now());
    for (ledger, own) in [(&anna, 2), (&ben, 1)] {
        let counted = ledger.budget(terms.scope.clone(), 10, terms.period).await;
        let counted = counted.unwrap();
        assert_eq!((counted.used, counted.own), (3, own));
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
        self.queue().run(all).await.unwrap();
    }
}

/// Ends the session that has the lock of a key, as an administrator or a broken network does.
fn end_session(schema: &TestSchema, key: &KeyHash) {
    schema.batch(&format!(
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_locks
         WHERE locktype = 'advisory' AND granted AND (classid::INT8 << 32 | objid::INT8) = {}",
        super::nonces::number(key)
    ));
}

async fn connect(schema: &TestSchema) -> Ledger {
    let ledger = Ledger::connect(&schema.0, Clock::system(), Retention::default()).unwrap();
    assert_eq!(ledger.status().await, Status::Ready);
    ledger
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_lost_session_gets_no_nonce_and_the_next_holder_waits_until_its_last_one_has_arrived() {
    let schema = TestSchema::new();
    let (one, other) = (connect(&schema).await, connect(&schema).await);
    // Its lock is one of the ledger's, and no other test's.
    let key = KeyHash::of("kanga", &schema.0.schema);
    let clock = Clock::system();
    let mut held = one.key_lock(&key).await.unwrap();
    let rules = NonceRules::default();
    let first = held.next_nonce(clock.now(), rules).await.unwrap();
    let of = key.clone();
    let waits = tokio::spawn(async move {
        let clock = Clock::system();
        let began = clock.now();
        let mut held = other.key_lock(&of).await.unwrap();
        let waited = clock.now().mono.saturating_sub(began.mono);
        let nonce = held.next_nonce(clock.now(), rules).await.unwrap();
        (waited, nonce.value)
    });
    end_session(&schema, &key);
    let lost = held.next_nonce(clock.now(), rules).await;
    assert!(matches!(lost, Err(LedgerError::Database(_))), "{lost:?}");
    // It is not dropped: its request may be on its way.
    let (waited, later) = waits.await.unwrap();
    assert!(waited >= NONCE_SENT_WITHIN, "{waited:?}");
    assert!(later > first.value);
    drop(held);
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_nonce_whose_response_was_seen_makes_nobody_wait() {
    let schema = TestSchema::new();
    let (one, other) = (connect(&schema).await, connect(&schema).await);
    let key = KeyHash::of("kanga", &schema.0.schema);
    let clock = Clock::system();
    let began = clock.now();
    for ledger in [&one, &other, &one] {
        let mut held = ledger.key_lock(&key).await.unwrap();
        let nonce = held.next_nonce(clock.now(), NonceRules::default()).await;
        nonce.unwrap();
    }
    assert!(clock.now().mono.saturating_sub(began.mono) < NONCE_SENT_WITHIN);
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn tables_that_are_missing_or_of_another_version_are_refused_with_what_to_do() {
    let schema = TestSchema::empty();
    let refusal = |schema: &TestSchema| {
        let settings = schema.0.clone();
        async move {
            let ledger = Ledger::connect(&settings, Clock::system(), Retention::default());
            match ledger.unwrap().status().await {
                Status::Away { why, passes: false } => why,
                status => panic!("{status:?}"),
            }
        }
    };
    assert!(
        refusal(&schema)
            .await
            .contains("run `tilldeck ledger init`")
    );
    let set_version =
        |version: usize| schema.batch(&format!("UPDATE ledger SET version = {version}"));
    let here = schema.0.clone();
    off_runtime(move || migrate(&here, &Clock::system())).unwrap();
    set_version(super::schema::NEWEST + 1);
    assert!(refusal(&schema).await.contains("update tilldeck"));
    set_version(0);
    assert!(
        refusal(&schema)
            .await
            .contains("run `tilldeck ledger migrate`")
    );
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_key_that_seals_for_one_machine_alone_is_refused_until_the_others_change_too() {
    let schema = TestSchema::new();
    let ledger = connect(&schema).await;
    let agree = async |key: &str, previous: Option<&str>| {
        let previous = previous.map(str::to_owned);
        ledger
            .agree_on_seal_key(Some(key.to_owned()), previous)
            .await
            .unwrap()
    };
    assert!(agree("one", None).await, "the first");
    assert!(agree("one", None).await, "another machine");
    assert!(!agree("two", None).await, "a wrong key");
    assert!(agree("two", Some("one")).await, "a new key");
    assert!(!agree("one", None).await, "a machine without the new key");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn each_right_that_the_role_lacks_is_named() {
    let schema = TestSchema::new();
    let settings = schema.0.clone();
    let survey = move || super::survey(&settings, &Clock::system());
    let whole = off_runtime(survey.clone()).unwrap();
    assert_eq!(whole.missing_rights, Vec::<String>::new());
    assert_eq!((whole.problem(), whole.is_superuser), (None, false));
    assert!(whole.full_page_writes && whole.synchronous_commit == "on");
    schema.batch(
        "REVOKE INSERT, DELETE ON slots FROM CURRENT_USER;
         REVOKE UPDATE ON SEQUENCE exchanges_id_seq FROM CURRENT_USER;
         REVOKE EXECUTE ON FUNCTION now_ms(BIGINT) FROM PUBLIC, CURRENT_USER",
    );
    let part = off_runtime(survey.clone()).unwrap();
    let missing = [
        "INSERT, DELETE on slots",
        "UPDATE on exchanges_id_seq",
        "EXECUTE on now_ms",
    ];
    assert_eq!(part.missing_rights, missing);
    assert_eq!(part.version, whole.version);
    // Then not even the version of the tables can be read.
    schema.batch("REVOKE SELECT ON ledger FROM CURRENT_USER");
    let least = off_runtime(survey).unwrap();
    assert_eq!(least.version, None);
    let problem = least.problem().unwrap();
    let words = "lacks rights: SELECT on ledger, INSERT, DELETE on slots";
    assert!(problem.message.contains(words), "{problem:?}");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_search_by_subject_or_status_reads_an_index() {
    let schema = TestSchema::new();
    schema.session(|open| {
        // Few rows are read faster without an index.
        open.batch("SET enable_seqscan TO off; SET enable_indexscan TO off")
            .unwrap();
        for (text, index) in [
            ("about:A-17", "exchanges_by_about"),
            ("about:A-17 words", "exchanges_by_about"),
            ("status:5xx", "exchanges_by_status"),
            ("status:failed", "exchanges_by_status"),
            ("account:shop", "exchanges_by_account"),
            ("operator:anna", "exchanges_by_operator"),
        ] {
            let query = LogQuery {
                profile: Some("live".into()),
                search: crate::domain::Search::of_requests(text),
                limit: 100,
                ..LogQuery::default()
            };
            let plan = crate::ledger::sql::exchanges::plan(open, &query, ("EXPLAIN", 0)).unwrap();
            assert!(plan.contains(index), "{text}: {plan}");
        }
    });
}
