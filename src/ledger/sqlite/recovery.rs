//! What is brought over from a ledger that was damaged, removed or moved away: all rows that can be read, of every table
//! in one list. So no nonce goes back, no slot is freed early, and nothing that was to be done or watched is forgotten.

use rusqlite::types::Value;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior,
    params_from_iter,
};

use crate::clock::Clock;

/// Every table but exchanges, which nothing depends on, and what triggers fill in; each with a condition for its rows. Its
/// first column begins its primary key.
const TABLES: [&str; 20] = [
    "ledger",
    "nonces",
    "slots",
    "holds",
    "provider_times",
    "clock",
    "credentials",
    "watches",
    "expectations",
    "notes",
    "handled",
    "marks",
    "observations",
    "hook_runs",
    // Apart, so that hints displace no orders.
    "dedup_keys WHERE relayed",
    "dedup_keys WHERE NOT relayed",
    // Those with jobs that are open or have failed: either table says so. Apart, since a query ends at a page of either that
    // cannot be read.
    "deliveries WHERE class IN (3, 4, 5)",
    "deliveries WHERE id IN (SELECT delivery FROM jobs NOT INDEXED WHERE NOT done)",
    "jobs WHERE NOT done",
    "jobs WHERE delivery IN (SELECT id FROM deliveries NOT INDEXED WHERE class IN (3, 4, 5))",
];

/// The tables that version 15 has renamed, with their names before: a damaged file may be older.
const RENAMED_TABLES: [(&str, &str); 2] = [("jobs", "errands"), ("dedup_keys", "identities")];

/// The name of a column that version 15 may have renamed.
fn current_name(column: &str) -> &str {
    match column {
        "realm" => "account_key",
        "identity" => "dedup_key",
        "duty" => "kind",
        "taken_until" => "leased_until",
        "told" => "summary",
        "matter" => "alert",
        same => same,
    }
}

/// Files before version 14 had only the marks that are in force. A newer one has these rows already.
const MARKS: &str = "INSERT INTO marks (profile, alert, at, handled, operator)
     SELECT profile, alert, at, 1, operator FROM handled WHERE true ON CONFLICT DO NOTHING";

/// A callback whose open jobs could not be read is shown as failed, so that the operator retries it: which forwards it had is
/// not known.
const LOST_JOBS: &str = "INSERT INTO jobs
         (delivery, account_key, dedup_key, kind, target, known, tries, leased_until, done, tried_at, summary)
     SELECT id, account_key, dedup_key, 'ask', '', class = 3, 0, 0, 0, received_at,
         'its jobs were lost with a damaged ledger; retry the check, and replay the callback if it is forwarded'
     FROM deliveries WHERE class IN (3, 4, 5)
         AND NOT EXISTS (SELECT 1 FROM jobs WHERE delivery = deliveries.id AND NOT done);
     UPDATE deliveries SET class = CASE WHEN class = 4 THEN 2 WHEN verdict = 'accepted' THEN 0 WHEN verdict = 'repeat' THEN 1
         ELSE 2 END
     WHERE class IN (3, 4) AND NOT EXISTS (SELECT 1 FROM jobs WHERE delivery = deliveries.id AND due_at IS NOT NULL)";

/// The most rows of one entry in [`TABLES`] whose rows are numbered: the newest, as many as orders are remembered. The key of
/// any other says nothing of age, so there all rows are read.
const MOST: usize = 1_000_000;

/// Rows read from a ledger that is being replaced.
#[derive(Default)]
pub(super) struct Recovered(Vec<Rows>);

struct Rows {
    name: &'static str,
    /// The last row id, so that none is used twice.
    last: Option<i64>,
    columns: String,
    values: Vec<Vec<Value>>,
    /// Whether no row can be missing.
    is_whole: bool,
}

impl Recovered {
    pub(super) fn of(old: &Connection) -> Self {
        // SQLite then reads a file that was cut short, too.
        let _ = old.pragma_update(None, "writable_schema", true);
        Self(TABLES.iter().map(|table| Rows::of(old, table)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0
            .iter()
            .all(|rows| rows.values.is_empty() && rows.last.is_none())
    }

    /// Whether every slot of the rate limits was read.
    pub(super) fn has_all_slots(&self) -> bool {
        self.0
            .iter()
            .any(|rows| rows.name == "slots" && rows.is_whole)
    }

    /// Copies the rows into the new file, in one transaction. Each process that had the old file open does this.
    pub(super) fn bring(&self, new: &Connection) -> rusqlite::Result<()> {
        let change = Transaction::new_unchecked(new, TransactionBehavior::Immediate)?;
        for rows in &self.0 {
            rows.bring(&change)?;
        }
        change.execute_batch(MARKS)?;
        change.execute_batch(LOST_JOBS)?;
        change.commit()
    }
}

/// The scope in `holds` that marks all limits. Each limit has a name.
pub(super) const ALL_LIMITS: &str = "";

const MARKED: i64 = 24 * 60 * 60 * 1000;

/// Marks the slots that were taken until now as unknown: every limit is full for one of its periods. After a day no
/// limit needs the mark.
pub(super) fn forget_slots(conn: &Connection, clock: &Clock) -> rusqlite::Result<()> {
    let now = clock.shared(clock.now());
    conn.execute(
        "INSERT OR REPLACE INTO holds (scope, boot, since, until) VALUES (?1, ?2, ?3, ?3 + ?4)",
        (ALL_LIMITS, now.boot, now.ms, MARKED),
    )
    .map(drop)
}

impl Rows {
    fn of(old: &Connection, table: &'static str) -> Self {
        let (name, condition) = table.split_once(' ').unwrap_or((table, ""));
        // Indexes may be damaged, too.
        let mut select = format!("SELECT * FROM {name} NOT INDEXED {condition} ORDER BY 1");
        let mut stored_as = name;
        if old.table_exists(None, "errands").unwrap_or_default() {
            for (new, before) in RENAMED_TABLES {
                select = select.replace(&format!(" {new} "), &format!(" {before} "));
                if name == new {
                    stored_as = before;
                }
            }
        }
        let mut found = Self {
            name,
            last: last_number(old, stored_as).unwrap_or_default(),
            columns: String::new(),
            values: Vec::new(),
            is_whole: true,
        };
        if found.read(old, &format!("{select} DESC")).is_err() {
            found.is_whole = false;
            // The first damaged page ends a query, so the rest is read from the other end.
            let _ = found.read(old, &select);
        }
        found
    }

    fn read(&mut self, old: &Connection, select: &str) -> rusqlite::Result<()> {
        let most = self.last.map_or(usize::MAX, |_| MOST);
        let mut query = old.prepare(select)?;
        let columns: Vec<&str> = query.column_names().map(current_name).collect();
        self.columns = columns.join(", ");
        let columns = query.column_count();
        let mut rows = query.query(())?;
        while self.values.len() < most
            && let Some(row) = rows.next()?
        {
            let values: rusqlite::Result<Vec<Value>> =
                (0..columns).map(|column| row.get(column)).collect();
            match values {
                Ok(values) => self.values.push(values),
                // A value that cannot be read: only its row is lost.
                Err(_) => self.is_whole = false,
            }
        }
        self.is_whole &= self.values.len() < most;
        Ok(())
    }

    fn bring(&self, new: &Connection) -> rusqlite::Result<()> {
        let name = self.name;
        if let Some(last) = self.last.max(last_number(new, name)?) {
            // SQLite's own table of the last row ids has no unique key, so a row is replaced by hand.
            new.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [name])?;
            new.execute("INSERT INTO sqlite_sequence VALUES (?1, ?2)", (name, last))?;
        }
        let columns = &self.columns;
        let places = vec!["?"; self.values.first().map_or(0, Vec::len)].join(", ");
        let conflict = match name {
            // A nonce that goes back is rejected (`docs/providers/kanga.md#nonce`).
            "nonces" => "ON CONFLICT DO UPDATE SET last = max(last, excluded.last)",
            // What the new file has sealed already counts, and its identity is its own.
            "ledger" => {
                "ON CONFLICT DO UPDATE SET seal_key = coalesce(seal_key, excluded.seal_key)"
            }
            _ => "",
        };
        let insert = format!("INSERT INTO {name} ({columns}) VALUES ({places}) {conflict}");
        // Where none of its rows could be read, or an older version had other columns.
        let Ok(mut insert) = new.prepare(&insert) else {
            return Ok(());
        };
        for row in &self.values {
            match insert.execute(params_from_iter(row)) {
                // It is there already, or a damaged page made it up.
                Err(error) if is_no_row(&error) => {}
                done => drop(done?),
            }
        }
        Ok(())
    }
}

fn is_no_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch)
    )
}

fn last_number(conn: &Connection, table: &str) -> rusqlite::Result<Option<i64>> {
    conn.query_row(
        "SELECT seq FROM sqlite_sequence WHERE name = ?1",
        [table],
        |row| row.get(0),
    )
    .optional()
}
