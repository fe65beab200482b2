//! Failed writes of callbacks, and what is deleted after a while.

use super::*;
use crate::ledger::contract::deliveries::new;
use crate::ledger::contract::fixtures::exchange;

/// Makes every new row of a table fail with an error of this code.
fn fail(schema: &TestSchema, table: &str, code: &str) {
    schema.batch(&format!(
        "CREATE OR REPLACE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$;
         CREATE TRIGGER failing BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail()"
    ));
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_database_that_saves_no_callback_is_reported_until_it_saves_again() {
    let schema = TestSchema::new();
    let ledger = connect(&schema).await;
    // A full disk, then a right that the role has lost.
    fail(&schema, "deliveries", "53100");
    let mend = [
        "DROP TRIGGER failing ON deliveries",
        "GRANT INSERT ON dedup_keys TO CURRENT_USER",
    ];
    for (number, mend) in (1..).zip(mend) {
        let failed = ledger.deliver(new(number)).await;
        assert!(
            matches!(failed, Err(LedgerError::Database(_))),
            "{failed:?}"
        );
        // Reading proves nothing.
        ledger.log(DeliveryQuery::default()).await.unwrap();
        let status = ledger.status().await;
        assert!(status.failure().is_some(), "{status:?}");
        assert!(ledger.try_again().await.is_err());
        assert_eq!(ledger.status().await, status);
        schema.batch(mend);
        ledger.try_again().await.unwrap();
        assert_eq!(ledger.status().await, Status::Ready);
        ledger.deliver(new(number)).await.unwrap();
        schema.batch("REVOKE INSERT ON dedup_keys FROM CURRENT_USER");
    }
    let left = schema.number("SELECT count(*) FROM deliveries WHERE id < 0");
    assert_eq!(left, 0);
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_callback_whose_data_is_refused_stops_nothing_else() {
    let schema = TestSchema::new();
    let ledger = connect(&schema).await;
    fail(&schema, "deliveries", "22021");
    let failed = ledger.deliver(new(1)).await;
    assert!(
        matches!(failed, Err(LedgerError::Database(_))),
        "{failed:?}"
    );
    assert_eq!(ledger.status().await, Status::Ready);
}

fn record_later(ledger: &Postgres) {
    let ledger = Ledger(Storage::Postgres(ledger.clone()));
    ledger.record_later(exchange("https://api.example/"), Box::new(|_| {}));
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn requests_that_were_refused_are_written_when_the_database_is_tried_again() {
    let schema = TestSchema::new();
    let ledger = Postgres::start(&schema.0, Clock::system(), Retention::default()).unwrap();
    assert_eq!(ledger.status().await, Status::Ready);
    // The role's rights to connect are gone: the database is away, but the open connection stays.
    fail(&schema, "exchanges", "28000");
    record_later(&ledger);
    ledger.flush().await;
    assert_eq!(ledger.queue().unsaved(), 1);
    schema.batch("DROP TRIGGER failing ON exchanges");
    ledger.try_again().await.unwrap();
    ledger.queue().run(|_| Ok(())).await.unwrap();
    assert_eq!(ledger.queue().unsaved(), 0);
}

#[tokio::test]
async fn requests_wait_for_a_database_that_is_away_until_the_ledger_is_closed_although_slots_hang()
{
    let nowhere = DatabaseSettings {
        url: Secret::new("postgres://tilldeck@127.0.0.1:1/tilldeck".to_owned()),
        password: None,
        pass_file: None,
        schema: "tilldeck".to_owned(),
        operator: String::new(),
    };
    let ledger = Postgres::start(&nowhere, Clock::system(), Retention::default()).unwrap();
    let (hold, until) = std::sync::mpsc::channel::<()>();
    ledger.0.slots.send(move |_| assert!(until.recv().is_err()));
    record_later(&ledger);
    ledger.queue().flush().await;
    assert_eq!(ledger.queue().unsaved(), 1);
    let mut closing = std::pin::pin!(ledger.close());
    let abandoned = async {
        while ledger.queue().unsaved() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = &mut closing => panic!("slots that are sent are lost"),
        waited = tokio::time::timeout(Duration::from_secs(10), abandoned) => waited.unwrap(),
    }
    drop(hold);
    closing.await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn what_is_noted_of_limits_and_keys_out_of_use_is_deleted() {
    let schema = TestSchema::new();
    let old = "now_ms(NULL) - CAST(400 AS BIGINT) * 24 * 3600 * 1000";
    schema.batch(&format!(
        "INSERT INTO slots (id, scope, period, flight, free_at, holder) VALUES
             (1, 'old', 1, 1, {old}, ''), (2, 'new', 1, 1, now_ms(NULL), '');
         INSERT INTO holds VALUES ('old', {old}, {old}), ('new', now_ms(NULL), now_ms(NULL));
         INSERT INTO provider_times VALUES
             ('old', 1, 1, 0, 'database', {old}, 0), ('new', 1, 1, 0, 'database', now_ms(NULL), 0);
         INSERT INTO nonces VALUES ('old', 1, NULL)"
    ));
    let ledger = Postgres::start(&schema.0, Clock::system(), Retention::shared()).unwrap();
    ledger.prune().await;
    for (table, left) in [
        ("slots", 1),
        ("holds", 1),
        ("provider_times", 1),
        ("nonces", 1),
    ] {
        let count = schema.number(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(count, left, "{table}");
    }
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn callbacks_of_an_account_or_a_time_are_found_by_an_index() {
    let schema = TestSchema::new();
    schema.batch(
        "INSERT INTO deliveries (class, size, account_key, account, provider, received_at, sender, method, verdict, why, kind,
                 attempt, status, bytes, sealed)
             SELECT 1, 1, 'live', CASE WHEN n < 5 THEN 'rare' ELSE 'shop' END, 'kinguin', n, '', 'POST', 'accepted', '',
                 '', 1, 200, 1, '' FROM generate_series(1, 20000) AS n;
         ANALYZE deliveries",
    );
    let ledger = connect(&schema).await;
    let since = DeliveryQuery {
        since: Some(crate::domain::WallTime(19_998)),
        ..DeliveryQuery::default()
    };
    let account = DeliveryQuery {
        search: crate::domain::Search::of_callbacks("account:rare"),
        ..DeliveryQuery::default()
    };
    for (query, found) in [(since, 3), (account, 4)] {
        let query = DeliveryQuery {
            profile: Some("live".into()),
            limit: 100,
            ..query
        };
        assert_eq!(ledger.log(query).await.unwrap().len(), found);
    }
    // The end of a session reports what it has read.
    drop(ledger);
    let scans = "SELECT CAST(count(*) AS BIGINT) FROM pg_stat_user_indexes WHERE schemaname = current_schema AND idx_scan > 0
                     AND indexrelname IN ('deliveries_by_age', 'deliveries_by_account')";
    let clock = Clock::system();
    let began = clock.now().mono;
    while schema.number(scans) < 2 {
        let waited = clock.now().mono.saturating_sub(began);
        assert!(waited < Duration::from_secs(10), "the table was scanned");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
