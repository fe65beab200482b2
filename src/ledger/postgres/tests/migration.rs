//! Tables of an earlier version.

use super::*;
use crate::domain::DeliveryId;
use crate::ledger::contract::deliveries::new;
use crate::ledger::contract::fixtures::{take, terms};

/// Tables of version 2 that have other names now.
const RENAMED: [(&str, &str); 2] = [("errands", "jobs"), ("identities", "dedup_keys")];

/// A row for each table of version 2.
const ROWS: &str = "
    INSERT INTO imports VALUES ('file', 1);
    INSERT INTO nonces VALUES ('k', 7, NULL);
    INSERT INTO provider_times VALUES ('k', 1, 1, 5, 'database', 6, 7);
    INSERT INTO slots VALUES (5, 's', 60000, 1000, NULL, 99, 'a');
    INSERT INTO holds VALUES ('s', 1, 2);
    INSERT INTO exchanges (size, account, provider, environment, at, method, url, about, attempt, failure, took,
        request_bytes, request_cut, request_base64, response_bytes, response_cut, response_base64, http_version,
        request_headers, response_headers, request_body, response_body, operator, profile)
    VALUES (1, 'shop', 'kanga', 'production', 7, 'POST', 'https://x.example', 'A-17', 1, 'Timed out', 1, 0, 0, 0, 0, 0,
        0, '', '[]', '[]', '', '', 'anna', 'live');
    INSERT INTO observations VALUES (1, 'live', 'shop', 'A-17', 1, 'NEW', '1', 'BTC');
    INSERT INTO watches VALUES ('live', 'shop', 'A-17', 7, 'anna');
    INSERT INTO expectations VALUES (1, 'live', 'shop', 'A-17', '250', 'EMT', 'form', 7, 'anna');
    INSERT INTO notes VALUES (1, 'live', 'shop', 'A-17', 'call them', 7, 'anna');
    INSERT INTO handled VALUES ('live', 'alert', 1, 'anna');
    INSERT INTO hook_runs VALUES ('live', 'shop', 'A-17', 'paid', 1, 'failed');
    INSERT INTO marks VALUES ('live', 'alert', 1, 1, 'anna');
    INSERT INTO credentials VALUES ('live', 'shop', 'good', 1, '');
    INSERT INTO identities (hash, deliveries, settled, seen_at, relayed, number) VALUES ('x', 1, 0, 1, 1, 1);
    INSERT INTO deliveries (class, size, realm, account, provider, received_at, sender, method, verdict, why, kind,
        payment, identity, attempt, status, bytes, sealed)
    VALUES (3, 9, 'live', 'shop', 'kanga', 1, '', 'POST', 'accepted', '', '', 'A-17', 1, 1, 200, 2, 'x');
    INSERT INTO errands (delivery, realm, identity, duty, target, known, tries, due_at, taken_until, done, told)
    VALUES (1, 'live', 1, 'ask', '', 1, 2, 1, 1, 0, 'HTTP 500');
    INSERT INTO delivery_tally VALUES (3, 'live', 'shop', 1, 9);
    UPDATE ledger SET seal_key = 'fingerprint', version = 2";

/// The tables but the ledger's own row, with their rows as text.
fn tables(open: &Connection) -> Vec<(String, Option<String>)> {
    let names: Vec<String> = open
        .sql()
        .all(
            "SELECT CAST(relname AS TEXT) FROM pg_class
             WHERE relnamespace = CAST(current_schema AS regnamespace) AND relkind = 'r' AND relname <> 'ledger'",
            &[],
            |row| row.get(0),
        )
        .unwrap();
    let mut found: Vec<_> = names
        .into_iter()
        .map(|name| {
            let rows = format!("SELECT string_agg(CAST(t AS TEXT), '; ') FROM {name} AS t");
            let rows = open.sql().one(&rows, &[], |row| row.get(0)).unwrap();
            let now = RENAMED.iter().find(|(before, _)| *before == name);
            (now.map_or(name, |(_, now)| (*now).to_owned()), rows)
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn two_machines_that_migrate_tables_with_the_old_names_at_once_keep_every_row() {
    let schema = TestSchema::empty();
    let name = schema.0.schema.clone();
    let mut before = schema.session(move |open| {
        open.batch(&format!("CREATE SCHEMA {name}")).unwrap();
        open.batch(include_str!("../schema/1.sql")).unwrap();
        open.batch(include_str!("../schema/2.sql")).unwrap();
        open.batch(ROWS).unwrap();
        tables(open)
    });
    assert!(before.iter().all(|(_, rows)| rows.is_some()), "{before:?}");
    // Columns that versions 5 to 8 add.
    for (table, value) in [
        ("jobs", ",0)"),
        ("deliveries", ",)"),
        ("observations", ",)"),
    ] {
        let table = before.iter_mut().find(|(name, _)| name == table);
        let row = table.unwrap().1.as_mut().unwrap();
        *row = row.replace(')', value);
    }
    let migrated = [(); 2].map(|()| {
        let settings = schema.0.clone();
        std::thread::spawn(move || migrate(&settings, &Clock::system()).unwrap())
    });
    let mut versions = migrated.map(|thread| thread.join().unwrap());
    versions.sort_unstable();
    assert_eq!(versions, [2, super::super::schema::NEWEST]);
    assert_eq!(schema.session(tables), before);
    let old_words = schema.number(
        "SELECT count(*) FROM pg_class WHERE relnamespace = CAST(current_schema AS regnamespace)
             AND relname ~ 'errand|identit(y|ies)_|realm'",
    );
    assert_eq!(old_words, 0);
    let ledger = connect(&schema).await;
    let found = ledger.delivery(DeliveryId(1)).await.unwrap().unwrap();
    assert_eq!(found.jobs[0].summary, "HTTP 500");
    // New ids follow the old ones, and the tally is counted by the new names.
    assert_eq!(ledger.deliver(new(9)).await.unwrap().id, DeliveryId(2));
    schema.batch("DELETE FROM deliveries");
    assert_eq!(schema.number("SELECT count(*) FROM jobs"), 0);
    assert_eq!(schema.number("SELECT count(*) FROM delivery_tally"), 0);
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_program_whose_tables_a_newer_one_has_changed_says_so() {
    let schema = TestSchema::new();
    let ledger = connect(&schema).await;
    // Its connection is open, and meets none of the tables that are gone.
    take(&*ledger, 0).await;
    schema.batch(&format!(
        "ALTER TABLE jobs RENAME TO later; UPDATE ledger SET version = {}",
        super::super::schema::NEWEST + 1
    ));
    let mut changes = ledger.status_changes();
    let why = ledger.open_jobs("live".into()).await.unwrap_err();
    assert!(why.to_string().contains("update tilldeck"), "{why}");
    changes.mark_unchanged();
    for _ in 0..2 {
        let slot = ledger.take_slot(terms("kanga", 3, 0)).await.unwrap_err();
        let log = ledger.log(LogQuery::default()).await.unwrap_err();
        let job = ledger.open_jobs("live".into()).await.unwrap_err();
        for why in [slot, log, job] {
            assert!(why.to_string().contains("update tilldeck"), "{why}");
        }
    }
    assert!(!changes.has_changed().unwrap(), "up in between");
    let status = ledger.status().await;
    let Status::Away { why, passes: false } = status else {
        panic!("{status:?}");
    };
    assert!(why.contains("update tilldeck"), "{why}");
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn a_migration_that_loses_its_connection_says_why() {
    let schema = TestSchema::new();
    schema.batch(
        "CREATE FUNCTION stop() RETURNS TRIGGER LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
         CREATE TRIGGER stops BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION stop()",
    );
    let settings = schema.0.clone();
    let why = off_runtime(move || migrate(&settings, &Clock::system())).unwrap_err();
    assert!(why.contains("due to administrator command"), "{why}");
}
