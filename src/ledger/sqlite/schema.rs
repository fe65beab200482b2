//! The tables, version by version. A released step is never changed; a new version is one more step.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The file's application id, in ASCII: "tdck".
pub(super) const APPLICATION_ID: i32 = 0x7464_636b;

/// The migration steps: each leads to the next version; the first from an empty file to version 1.
const STEPS: [&str; 21] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
    include_str!("schema/9.sql"),
    include_str!("schema/10.sql"),
    include_str!("schema/11.sql"),
    include_str!("schema/12.sql"),
    include_str!("schema/13.sql"),
    include_str!("schema/14.sql"),
    include_str!("schema/15.sql"),
    include_str!("schema/16.sql"),
    include_str!("schema/17.sql"),
    include_str!("schema/18.sql"),
    include_str!("schema/19.sql"),
    include_str!("schema/20.sql"),
    include_str!("schema/21.sql"),
];

/// The version of this program.
pub(super) const NEWEST: usize = STEPS.len();

/// Migrates the file to [`NEWEST`], in one transaction.
pub(super) fn migrate(conn: &Connection) -> rusqlite::Result<()> {
    migrate_by(conn, &STEPS)
}

fn migrate_by(conn: &Connection, steps: &[&str]) -> rusqlite::Result<()> {
    // Most openings end here, without a write lock.
    if version(conn)? >= steps.len() {
        return Ok(());
    }
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    // Read again inside the transaction: another process may have migrated the file meanwhile.
    for step in steps.iter().skip(version(&change)?) {
        change.execute_batch(step)?;
    }
    let reached = i32::try_from(steps.len()).expect("there are few versions");
    change.pragma_update(None, "user_version", reached)?;
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    change.commit()
}

pub(super) fn version(conn: &Connection) -> rusqlite::Result<usize> {
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // A negative version is never ours; it counts as newer.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::types::Value;

    use super::super::recovery::Recovered;
    use super::*;

    #[test]
    fn each_version_leads_to_the_newest_and_keeps_its_rows() {
        for from in 1..=NEWEST {
            let conn = Connection::open_in_memory().unwrap();
            migrate_by(&conn, &STEPS[..from]).unwrap();
            assert_eq!(version(&conn), Ok(from));
            conn.execute("INSERT INTO nonces (key, last) VALUES ('k', 7)", [])
                .unwrap();
            migrate(&conn).unwrap();
            migrate(&conn).unwrap();
            assert_eq!(version(&conn), Ok(NEWEST));
            let last: i64 = conn
                .query_row("SELECT last FROM nonces", [], |row| row.get(0))
                .unwrap();
            assert_eq!(last, 7);
        }
    }

    #[test]
    fn a_watch_of_an_older_version_keeps_its_expected_amount() {
        let conn = Connection::open_in_memory().unwrap();
        migrate_by(&conn, &STEPS[..3]).unwrap();
        conn.execute_batch(
            "INSERT INTO watches VALUES ('live', 'shop', 'A-17', '250', 'EMT', 7);
             INSERT INTO watches VALUES ('live', 'shop', 'B-1', NULL, NULL, 8);",
        )
        .unwrap();
        migrate(&conn).unwrap();
        let row = |sql: &str| {
            conn.query_row(sql, [], |row| row.get::<_, String>(0))
                .unwrap()
        };
        assert_eq!(
            row(
                "SELECT group_concat(concat_ws(' ', profile, account, payment, amount, currency, set_by, at)) FROM expectations"
            ),
            "live shop A-17 250 EMT form 7"
        );
        assert_eq!(row("SELECT group_concat(payment) FROM watches"), "A-17,B-1");
    }

    #[test]
    #[cfg(feature = "postgres")]
    fn an_older_file_is_brought_up_to_date_and_another_programs_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger.db");
        let conn = Connection::open(&file).unwrap();
        migrate_by(&conn, &STEPS[..3]).unwrap();
        conn.pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        drop(conn);
        let alone = super::super::open_alone(&file).unwrap();
        assert_eq!(version(&alone), Ok(NEWEST));
        let other = folder.path().join("other.db");
        let conn = Connection::open(&other).unwrap();
        conn.execute_batch("CREATE TABLE a (b)").unwrap();
        let refused = super::super::open_alone(&other).unwrap_err();
        assert!(refused.contains("another program"), "{refused}");
        assert!(super::super::open_alone(&folder.path().join("none")).is_err());
    }

    #[test]
    fn requests_of_an_older_version_are_found_by_words_and_belong_to_no_profile() {
        let conn = Connection::open_in_memory().unwrap();
        migrate_by(&conn, &STEPS[..8]).unwrap();
        conn.execute_batch(
            "INSERT INTO exchanges (size, account, provider, environment, at, method, url, about, attempt, failure, took,
                 request_bytes, request_cut, response_bytes, response_cut, request_headers, response_headers,
                 request_body, response_body)
             VALUES (1, 'shop', 'kanga', 'production', 7, 'POST', 'https://x.example', 'A-17', 1, 'Timed out', 1, 0, 0,
                 0, 0, '[]', '[]', '', '')",
        )
        .unwrap();
        migrate(&conn).unwrap();
        let row = conn.query_row("SELECT words, profile FROM exchanges", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let words = "post https://x.example timed out shop a-17 ";
        assert_eq!(row, Ok((words.into(), String::new())));
    }

    /// A file of version 14 with a row in every table, and what each has in the newest version: its name and its rows.
    fn of_version_14(conn: &Connection) -> Vec<(String, Vec<Vec<Value>>)> {
        migrate_by(conn, &STEPS[..14]).unwrap();
        conn.pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        conn.execute_batch(
            "INSERT INTO nonces VALUES ('k', 7);
             INSERT INTO slots VALUES (5, 's', 60000, 1000, NULL, 99, 'boot');
             INSERT INTO holds VALUES ('s', 1, 2, 'boot');
             INSERT INTO provider_times VALUES ('k', 1, 1, 5, 'boot', 6, 7);
             INSERT INTO clock VALUES (1, 5, NULL, 'boot', 6);
             INSERT INTO trial VALUES (x'00');
             INSERT INTO credentials VALUES ('live', 'shop', 'good', 1, '');
             INSERT INTO watches VALUES ('live', 'shop', 'A-17', 7, 'alice');
             INSERT INTO expectations VALUES (1, 'live', 'shop', 'A-17', '250', 'EMT', 'form', 7, 'alice');
             INSERT INTO notes VALUES (1, 'live', 'shop', 'A-17', 'call them', 7, 'alice');
             INSERT INTO handled VALUES ('live', 'alert', 1, 'alice');
             INSERT INTO observations VALUES (1, 'live', 'shop', 'A-17', 1, 'NEW', '1', 'BTC');
             INSERT INTO hook_runs VALUES ('live', 'shop', 'A-17', 'paid', 1, 'failed');
             INSERT INTO marks VALUES ('live', 'alert', 1, 1, 'alice');
             INSERT INTO identities VALUES (3, x'00', 1, 0, 1, 1, 1);
             INSERT INTO deliveries VALUES (4, 3, 9, 'live', 'shop', 'kanga', 1, '', 'POST', 'accepted', '', '', 'A-17',
                 NULL, 3, 1, 200, 2, x'00');
             INSERT INTO errands VALUES (6, 4, 'live', 3, 'ask', '', 1, 0, 1, 1, 0, NULL, 'HTTP 500', 500, 8, x'01', 7);
             INSERT INTO exchanges (size, account, provider, environment, at, method, url, about, attempt, failure, took,
                 request_bytes, request_cut, response_bytes, response_cut, request_headers, response_headers,
                 request_body, response_body)
             VALUES (1, 'shop', 'kanga', 'production', 7, 'POST', 'https://x.example', 'A-17', 1, 'Timed out', 1, 0, 0,
                 0, 0, '[]', '[]', '', '')",
        )
        .unwrap();
        let found = tables(conn);
        let empty = found.iter().find(|(_, rows)| rows.is_empty());
        assert_eq!(empty, None, "a row for each table");
        let renamed = |name: String| match name.as_str() {
            "errands" => "jobs".to_owned(),
            "identities" => "dedup_keys".to_owned(),
            "trial" => "probe".to_owned(),
            "identity" => "ledger".to_owned(),
            _ => name,
        };
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(name, rows)| (renamed(name), rows))
            .collect();
        // Columns that versions 17 to 21 add.
        for (table, value) in [
            ("jobs", Value::Integer(0)),
            ("deliveries", Value::Null),
            ("ledger", Value::Null),
            ("observations", Value::Null),
        ] {
            let table = found.iter_mut().find(|(name, _)| name == table);
            table.unwrap().1[0].push(value);
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }

    /// The tables by name, with all their rows.
    fn tables(conn: &Connection) -> Vec<(String, Vec<Vec<Value>>)> {
        let list = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let mut names = conn.prepare(list).unwrap();
        let names = names.query_map((), |row| row.get::<_, String>(0)).unwrap();
        names
            .map(|name| {
                let name = name.unwrap();
                let mut rows = conn.prepare(&format!("SELECT * FROM {name}")).unwrap();
                let width = rows.column_count();
                let rows = rows.query_map((), |row| (0..width).map(|at| row.get(at)).collect());
                let rows = rows.unwrap().collect::<rusqlite::Result<_>>().unwrap();
                (name, rows)
            })
            .collect()
    }

    #[test]
    fn two_programs_that_open_a_file_with_the_old_names_at_once_keep_every_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger.db");
        let expected = of_version_14(&Connection::open(&file).unwrap());
        let open = || {
            let conn = Connection::open(&file).unwrap();
            conn.busy_timeout(Duration::from_secs(10)).unwrap();
            migrate(&conn).unwrap();
            tables(&conn)
        };
        std::thread::scope(|scope| {
            for opened in [scope.spawn(open), scope.spawn(open)] {
                assert_eq!(opened.join().unwrap(), expected);
            }
        });
        let conn = Connection::open(&file).unwrap();
        // The triggers and the indexes are there under their new names.
        conn.execute_batch(
            "UPDATE deliveries SET class = 0; INSERT INTO jobs SELECT 7, 4, account_key, dedup_key, kind, target, known, \
             tries, due_at, leased_until, done, tried_at, summary, status, took, reply, lease, not_found FROM jobs",
        )
        .unwrap();
        let tally = "SELECT group_concat(concat_ws(' ', class, account_key, account, rows, bytes)) FROM delivery_tally";
        let one = |sql: &str| conn.query_row(sql, (), |row| row.get::<_, String>(0));
        assert_eq!(one(tally).unwrap(), "0 live shop 1 9");
        conn.execute_batch("DELETE FROM deliveries").unwrap();
        assert_eq!(one("SELECT count(*) || '' FROM jobs").unwrap(), "0");
        let old_words = "SELECT coalesce(group_concat(name), '') FROM sqlite_schema
             WHERE name LIKE '%errand%' OR name LIKE '%identities%' OR name LIKE '%realm%' OR name LIKE '%kept%'";
        assert_eq!(one(old_words).unwrap(), "");
    }

    #[test]
    fn a_damaged_file_with_the_old_names_loses_no_row() {
        let old = Connection::open_in_memory().unwrap();
        let expected = of_version_14(&old);
        let new = Connection::open_in_memory().unwrap();
        migrate(&new).unwrap();
        Recovered::of(&old).bring(&new).unwrap();
        let found = tables(&new);
        // The request log is not brought over; the new file has an id of its own.
        let without = ["exchanges", "ledger", "probe"];
        for (expected, found) in expected.iter().zip(&found) {
            if !without.contains(&expected.0.as_str()) {
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_damaged_file_from_before_marks_were_remembered_has_those_in_force() {
        let old = Connection::open_in_memory().unwrap();
        migrate_by(&old, &STEPS[..13]).unwrap();
        old.execute_batch(
            "INSERT INTO handled VALUES ('live', 'payment shop A-17 less', 7, 'alice')",
        )
        .unwrap();
        let recovered = Recovered::of(&old);
        let new = Connection::open_in_memory().unwrap();
        migrate(&new).unwrap();
        // Each process that had the file open does this.
        for _ in 0..2 {
            recovered.bring(&new).unwrap();
        }
        let marks =
            "SELECT group_concat(concat_ws(' ', profile, alert, at, handled, operator)) FROM marks";
        let found = new.query_row(marks, [], |row| row.get::<_, String>(0));
        assert_eq!(found.unwrap(), "live payment shop A-17 less 7 1 alice");
    }

    #[test]
    fn a_later_step_runs_once_on_an_older_file() {
        let later = [&STEPS[..], &["ALTER TABLE nonces ADD COLUMN note TEXT"]].concat();
        let conn = Connection::open_in_memory().unwrap();
        migrate(&conn).unwrap();
        migrate_by(&conn, &later).unwrap();
        migrate_by(&conn, &later).unwrap();
        conn.execute(
            "INSERT INTO nonces (key, last, note) VALUES ('k', 7, 'n')",
            [],
        )
        .unwrap();
        assert_eq!(version(&conn), Ok(NEWEST + 1));
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let broken = [
            &STEPS[..],
            &["CREATE TABLE more (a); CREATE TABLE more (a)"],
        ]
        .concat();
        let conn = Connection::open_in_memory().unwrap();
        migrate(&conn).unwrap();
        assert!(migrate_by(&conn, &broken).is_err());
        assert_eq!(version(&conn), Ok(NEWEST));
        assert!(!conn.table_exists(None, "more").unwrap());
    }
}
