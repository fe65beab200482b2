//! A machine's own file that is copied while the team works.

use std::cell::Cell;

use super::super::connection::lock;
use super::*;
use crate::domain::{CallbackVerdict, DeliveryId, HookEvent, JobKind};
use crate::ledger::contract::deliveries::{hint, job, new, saved};
use crate::ledger::contract::fixtures::{START, at_start};
use crate::ledger::sql::Area;

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn callbacks_are_copied_with_their_jobs_while_the_team_sends_requests() {
    let folder = tempfile::tempdir().unwrap();
    let [made, copied] = ["made", "copied"].map(|name| folder.path().join(name));
    let own = Ledger::start(made.clone(), at_start(), Retention::default());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..250 {
        let own = own.clone();
        tasks.spawn(async move { own.deliver(new(number)).await.unwrap() });
    }
    tasks.join_all().await;
    own.deliver(hint(300, START)).await.unwrap();
    std::fs::create_dir(&copied).unwrap();
    for name in ["ledger.db", "ledger.db-wal"] {
        std::fs::copy(made.join(name), copied.join(name)).unwrap();
    }
    let file = copied.join("ledger.db");
    let edit = rusqlite::Connection::open(&file).unwrap();
    edit.execute_batch(
        "INSERT INTO nonces VALUES ('k', 7);
         INSERT INTO observations (profile, account, payment, at, state, amount, currency)
             VALUES ('live', 'shop', 'A-1', 1, 'FINALIZED', '5', 'EMT'), ('live', 'shop', 'A-2', 1, 'FINALIZED', '5', 'EMT');
         INSERT INTO expectations (profile, account, payment, amount, currency, set_by, at)
             VALUES ('live', 'shop', 'A-1', '5', 'EMT', 'link', 1)",
    )
    .unwrap();
    drop(edit);

    let schema = TestSchema::new();
    schema.batch("INSERT INTO nonces VALUES ('k', 5, NULL)");
    let team = connect(&schema).await;
    assert_eq!(team.deliver(new(249)).await.unwrap().id, DeliveryId(1));
    let import = || {
        let first = Cell::new(true);
        let reseal = |sealed: &[u8]| {
            if first.take() {
                let log = lock(Area::Exchanges);
                schema.batch(&format!(
                    "SET lock_timeout TO 2000; UPDATE nonces SET last = 9; {log}"
                ));
            }
            Some([sealed, b" again"].concat())
        };
        Ledger::import(&schema.0, &Clock::system(), &file, &reseal).unwrap()
    };
    let imported = std::thread::scope(|scope| scope.spawn(import).join().unwrap());
    assert_eq!((imported.callbacks, imported.sealed_by_another), (251, 0));
    assert_eq!(schema.number("SELECT last FROM nonces"), 9);
    // What was paid before runs no hook of the team.
    let runs = |payment| {
        schema.number(&format!(
            "SELECT count(*) FROM hook_runs WHERE payment = '{payment}'"
        ))
    };
    let every = i64::try_from(HookEvent::OF_PAYMENTS.len()).unwrap();
    assert_eq!([runs("A-1"), runs("A-2")], [every, 0]);
    let rows = saved(&team).await;
    assert_eq!(rows.len(), 252);
    let jobs: Vec<_> = rows.iter().flat_map(|row| &row.jobs).collect();
    assert_eq!((jobs.len(), jobs[0].kind), (1, JobKind::Check));
    let sealed = team.sealed(rows[0].id).await.unwrap().unwrap();
    assert_eq!(sealed.request, b"sealed bytes again");
    // What both have received is one message, and new ids follow.
    for number in [0, 249] {
        let again = team.deliver(new(number)).await.unwrap();
        assert_eq!(again.verdict, CallbackVerdict::Repeat);
    }
    let forward = job(JobKind::Forward, START);
    let next = team.add_job(rows[0].id, forward).await.unwrap();
    assert_eq!(next.jobs.len(), rows[0].jobs.len() + 1);
}
