//! The tables, version by version. A released step is never changed; a new version is one more step.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The file's application id, in ASCII: "tdck".
pub(super) const APPLICATION_ID: i32 = 0x7464_636b;

/// The migration steps: each leads to the next version; the first from an empty file to version 1.
const STEPS: [&str; 14] = [
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
        assert_eq!(super::super::bring_up_to_date(&file), Ok(()));
        assert_eq!(version(&conn), Ok(NEWEST));
        let other = folder.path().join("other.db");
        let conn = Connection::open(&other).unwrap();
        conn.execute_batch("CREATE TABLE a (b)").unwrap();
        let refused = super::super::bring_up_to_date(&other).unwrap_err();
        assert!(refused.contains("another program"), "{refused}");
        assert!(super::super::bring_up_to_date(&folder.path().join("none")).is_err());
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
