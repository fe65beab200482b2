//! What is brought over from a ledger that is damaged or gone.

use rusqlite::types::Value;

use super::super::recovery::Recovered;
use super::super::schema;
use super::*;
use crate::ledger::contract::deliveries::{lease, queue};

/// One row of each kind that is brought over.
const ROWS: [(&str, &str); 16] = [
    ("nonces", "'k', 7"),
    ("slots", "5, 's', 60000, 1000, NULL, 99, 'boot'"),
    ("holds", "'s', 1, 2, 'boot'"),
    ("provider_times", "'k', 1, 1, 5, 'boot', 6, 7"),
    ("credentials", "'live', 'shop', 'good', 1, ''"),
    ("watches", "'live', 'shop', 'A-17', 7, 'alice'"),
    (
        "expectations",
        "1, 'live', 'shop', 'A-17', '250', 'EMT', 'form', 7, 'alice'",
    ),
    ("handled", "'live', 'alert', 1, 'alice'"),
    ("marks", "'live', 'alert', 1, 1, 'alice'"),
    ("hook_runs", "'live', 'shop', 'A-17', 'paid', 1, 'failed'"),
    (
        "observations",
        "1, 'live', 'shop', 'A-17', 1, 'NEW', '1', 'BTC', 'https://api.example'",
    ),
    ("dedup_keys", "3, x'00', 1, 0, 1, 1, 1"),
    (
        "deliveries",
        "4, 3, 9, 'live', 'shop', 'kanga', 1, '', 'POST', 'accepted', '', '', 'A-17', NULL, 3, 1, 200, 2, x'00', NULL",
    ),
    (
        "jobs",
        "6, 4, 'live', 3, 'ask', '', 1, 0, 1, 1, 0, NULL, '', NULL, NULL, NULL, 7, 3",
    ),
    ("slot_tally", ""),
    ("delivery_tally", ""),
];

fn all(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut query = conn.prepare(&format!("SELECT * FROM {table}"))?;
    let columns = query.column_count();
    query
        .query_map((), |row| (0..columns).map(|at| row.get(at)).collect())?
        .collect()
}

async fn rows(ledger: &Sqlite) -> Vec<(&'static str, Vec<Vec<Value>>)> {
    let read = |conn: &Connection| {
        let tables = ROWS.iter().map(|(name, _)| Ok((*name, all(conn, name)?)));
        tables.collect()
    };
    ledger.run(move |store| store.read(read)).await.unwrap()
}

/// Moves all rows from the log into the file.
async fn checkpoint(ledger: &Sqlite) {
    let truncate = |conn: &Connection| conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    ledger.run(move |store| store.read(truncate)).await.unwrap();
}

/// A ledger in `folder` with a row of each kind, and a large exchange behind them.
async fn filled(folder: &Path) -> Sqlite {
    let ledger = start(folder);
    let fill = |conn: &Connection| {
        for (table, values) in ROWS.iter().filter(|(_, values)| !values.is_empty()) {
            conn.execute(&format!("INSERT INTO {table} VALUES ({values})"), ())?;
        }
        Ok(())
    };
    ledger.run(move |store| store.write(fill)).await.unwrap();
    let mut large = exchange("https://x.example");
    large.response_body.text = "z".repeat(200_000);
    record(&shared(&ledger), large).await;
    checkpoint(&ledger).await;
    ledger
}

#[tokio::test]
async fn every_kind_is_brought_over_from_a_file_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = filled(folder.path()).await;
    let other = shared(&ledger);
    let agreed = other.agree_on_seal_key(Some("a".into()), None).await;
    assert_eq!(agreed, Ok(true));
    drop(other);
    let before = rows(&ledger).await;
    assert!(before.iter().all(|(_, rows)| rows.len() == 1), "{before:?}");
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    assert_eq!(rows(&ledger).await, before);
    close(ledger);
    let next = start(folder.path());
    assert_eq!(rows(&next).await, before, "for other processes, too");
    let other = shared(&next);
    let agreed = other.agree_on_seal_key(Some("b".into()), None).await;
    assert_eq!(agreed, Ok(false), "the key that sealed what was brought");
    drop(other);
    let log = LogQuery {
        limit: 9,
        ..LogQuery::default()
    };
    assert_eq!(shared(&next).log(log).await, Ok(vec![]), "but no exchange");
}

#[tokio::test]
async fn every_kind_is_brought_over_from_a_file_that_was_cut_short_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = filled(folder.path()).await;
    let before = rows(&ledger).await;
    close(ledger);
    let path = folder.path().join("ledger.db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100_000)
        .unwrap();
    let next = start(folder.path());
    let status = next.status().await;
    assert!(matches!(status, Status::SetAside { .. }), "{status:?}");
    assert_eq!(rows(&next).await, before);
    let watches = shared(&next).watches("live").await.unwrap();
    assert!(watches[0].expected.is_some(), "{watches:?}");
}

#[tokio::test]
async fn rows_on_both_sides_of_a_damaged_page_are_brought_over() {
    const ALL: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let fill = |conn: &Connection| {
        let change = conn.unchecked_transaction()?;
        for number in 0..ALL {
            let insert = "INSERT INTO watches VALUES ('live', 'shop', ?1, 7, '')";
            change.execute(insert, [format!("P-{number:05}")])?;
        }
        change.commit()
    };
    ledger.run(move |store| store.write(fill)).await.unwrap();
    checkpoint(&ledger).await;
    close(ledger);
    damage(folder.path(), Some(b"P-01000"));
    let next = start(folder.path());
    let watches = shared(&next).watches("live").await.unwrap();
    let has = |id: &str| watches.iter().any(|watch| watch.id.as_str() == id);
    assert!(has("P-00000") && has("P-01999") && !has("P-01000"));
    assert!(watches.len() > ALL - 400, "{}", watches.len());
    let status = next.status().await;
    assert!(matches!(status, Status::SetAside { .. }), "{status:?}");
}

#[tokio::test]
async fn a_callback_whose_job_failed_for_good_is_brought_over_and_one_without_open_jobs_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = filled(folder.path()).await;
    let fill = |conn: &Connection| {
        for (id, done) in [(7, 0), (8, 1)] {
            let row = "0, 9, 'live', 'shop', 'kanga', 1, '', 'POST', 'accepted', '', '', 'A-17', NULL, 2, 1, 200, 2, x'00', NULL";
            conn.execute(&format!("INSERT INTO deliveries VALUES ({id}, {row})"), ())?;
            let job = "'live', 3, 'forward', 'http://127.0.0.1/', 1, 5, NULL, 0";
            let result = "1, 'HTTP 410', 410, NULL, NULL";
            let insert =
                format!("INSERT INTO jobs VALUES ({id}, {id}, {job}, {done}, {result}, NULL, 0)");
            conn.execute(&insert, ())?;
        }
        Ok(())
    };
    ledger.run(move |store| store.write(fill)).await.unwrap();
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    for table in ["deliveries", "jobs"] {
        let read = move |conn: &Connection| all(conn, table);
        let rows = ledger.run(move |store| store.read(read)).await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row[0].clone()).collect();
        assert!(ids.contains(&Value::Integer(7)), "{table}: {ids:?}");
        assert!(!ids.contains(&Value::Integer(8)), "{table}: {ids:?}");
    }
}

#[tokio::test]
async fn callbacks_and_jobs_beside_a_damaged_page_of_either_are_brought_over_and_go_on() {
    const ALL: usize = 400;
    for words in ["W-00200", "T-00200"] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = start(folder.path());
        let fill = |conn: &Connection| {
            let change = conn.unchecked_transaction()?;
            for id in 1..=ALL {
                let now = START.0;
                let row = format!(
                    "{id}, 3, 9, 'live', 'shop', 'kanga', {now}, '', 'POST', 'accepted', 'W-{id:05}', ''"
                );
                let row = format!("{row}, 'P-{id:05}', NULL, 1, 3, 200, 2, x'00', NULL");
                change.execute(&format!("INSERT INTO deliveries VALUES ({row})"), ())?;
                let job = format!(
                    "{id}, {id}, 'live', {id}, 'forward', 'http://T-{id:05}/', 1, 0, 1, 0, 0"
                );
                let job = format!("{job}, NULL, '', NULL, NULL, NULL, NULL, 0");
                change.execute(&format!("INSERT INTO jobs VALUES ({job})"), ())?;
            }
            change.commit()
        };
        ledger.run(move |store| store.write(fill)).await.unwrap();
        checkpoint(&ledger).await;
        close(ledger);
        damage(folder.path(), Some(words.as_bytes()));
        let next = start(folder.path());
        for table in ["deliveries", "jobs"] {
            let read = move |conn: &Connection| all(conn, table);
            let rows = next.run(move |store| store.read(read)).await.unwrap();
            assert!(rows.len() > ALL - 100, "{words} {table}: {}", rows.len());
        }
        let without = "deliveries WHERE id NOT IN (SELECT delivery FROM jobs WHERE NOT done)";
        let read = move |conn: &Connection| all(conn, without);
        let lost = next.run(move |store| store.read(read)).await.unwrap();
        assert_eq!(lost, [] as [Vec<Value>; 0], "{words}");
        // Also where a job has lost its callback.
        let taken = shared(&next)
            .take_jobs(queue(&JobKind::ALL), lease(START, START, ALL))
            .await
            .unwrap();
        assert!(taken.len() > ALL - 200, "{words}: {}", taken.len());
    }
}

#[test]
fn of_two_nonces_the_higher_one_wins_and_other_rows_stay_as_they_are() {
    for (old, new) in [(5, 7), (7, 5)] {
        let [from, to] = [old, new].map(|last| {
            let conn = Connection::open_in_memory().unwrap();
            schema::migrate(&conn).unwrap();
            for insert in [
                "nonces VALUES ('k', ?1)",
                "watches VALUES ('live', 'shop', 'A-17', ?1, '')",
            ] {
                conn.execute(&format!("INSERT INTO {insert}"), [last])
                    .unwrap();
            }
            conn
        });
        Recovered::of(&from).bring(&to).unwrap();
        assert_eq!(all(&to, "nonces").unwrap()[0][1], Value::Integer(7));
        assert_eq!(all(&to, "watches").unwrap()[0][3], Value::Integer(new));
    }
}

#[test]
fn every_hook_run_and_the_newest_keys_are_brought_over_however_many_there_are() {
    const ALL: i64 = 150_000;
    let [from, to] = [(); 2].map(|()| {
        let conn = Connection::open_in_memory().unwrap();
        schema::migrate(&conn).unwrap();
        conn
    });
    for row in [
        "hook_runs SELECT 'live', 'shop', 'A-' || i, 'paid', 1, NULL",
        "dedup_keys SELECT i, CAST(i AS BLOB), 1, 1, 1, 1, i",
    ] {
        let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1)";
        let insert = format!("{numbers} INSERT INTO {row} FROM n");
        assert_eq!(from.execute(&insert, [ALL]), Ok(150_000));
    }
    Recovered::of(&from).bring(&to).unwrap();
    for table in ["hook_runs", "dedup_keys"] {
        let count = format!("SELECT count(*) FROM {table}");
        let brought: i64 = to.query_row(&count, (), |row| row.get(0)).unwrap();
        assert_eq!(brought, ALL, "{table}");
    }
}

/// Makes a page unreadable: the first, or the first with these words.
fn damage(folder: &Path, words: Option<&[u8]>) {
    let path = folder.join("ledger.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let found = |words| bytes.windows(7).position(|at| at == words).unwrap();
    let page = words.map_or(0, found) / 4_096 * 4_096;
    bytes[page..page + 4_096].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
}

/// A ledger on `clock` in place of one with slots of which this page, counted from the start of the file or by the words
/// on it, cannot be read.
async fn after_damage(folder: &Path, clock: &Clock, words: Option<&[u8]>) -> Sqlite {
    let ledger = filled(folder).await;
    let fill = |conn: &Connection| {
        let change = conn.unchecked_transaction()?;
        for _ in 0..500 {
            let insert = "INSERT INTO slots VALUES (abs(random() >> 1), 'damaged', 60000, 0, NULL, 1, 'first boot')";
            change.execute(insert, ())?;
        }
        change.commit()
    };
    ledger.run(move |store| store.write(fill)).await.unwrap();
    checkpoint(&ledger).await;
    close(ledger);
    damage(folder, words);
    let ledger = start_by(folder, clock);
    // Damage is found where it is read.
    let read = |conn: &Connection| all(conn, "slots NOT INDEXED");
    let left = ledger.run(move |store| store.read(read)).await.unwrap();
    assert!(left.len() < 500, "{}", left.len());
    let status = ledger.status().await;
    assert!(matches!(status, Status::SetAside { .. }), "{status:?}");
    ledger
}

#[tokio::test]
async fn after_unreadable_slots_each_limit_is_full_for_one_period() {
    for words in [None, Some(&b"damaged"[..])] {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = clock();
        let ledger = after_damage(folder.path(), &clock, words).await;
        for (passed, next_free) in [(0, Some(MINUTE)), (59, Some(Duration::from_secs(1)))] {
            hand.advance(Duration::from_secs(passed));
            assert_eq!(take(&ledger, 0).await, SlotOutcome::Full { next_free });
            let counted = ledger.budget("kanga".into(), 2, MINUTE).await.unwrap();
            assert_eq!((counted.used, counted.next_free), (2, next_free));
        }
        hand.advance(Duration::from_secs(1));
        granted(take(&ledger, 0).await);
        let counted = ledger.budget("kanga".into(), 2, MINUTE).await.unwrap();
        assert_eq!(counted.used, 1);
    }
}

#[tokio::test]
async fn unreadable_slots_are_waited_for_again_after_a_reboot_or_a_clock_that_was_set_back() {
    for reboots in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = clock();
        if !reboots {
            hand.share_wall();
        }
        let ledger = after_damage(folder.path(), &clock, None).await;
        hand.advance(Duration::from_secs(59));
        if reboots {
            hand.reboot();
        } else {
            hand.set_wall(WallTime(START.0 - 3_600_000));
        }
        let next_free = Some(MINUTE);
        assert_eq!(take(&ledger, 0).await, SlotOutcome::Full { next_free });
        hand.advance(MINUTE);
        granted(take(&ledger, 0).await);
        // A day later no limit needs the mark.
        hand.advance(Duration::from_hours(25));
        granted(take(&ledger, 0).await);
        let marks = |conn: &Connection| all(conn, "holds WHERE scope = ''");
        let marks = ledger.run(move |store| store.read(marks)).await.unwrap();
        assert_eq!(marks.len(), 0);
    }
}
