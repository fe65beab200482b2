//! Copies the ledger of one machine, a SQLite file, into the shared one.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use rusqlite::types::Value;

use crate::domain::Amount;
use crate::ledger::database::{Imported, Reseal};
use crate::ledger::sql::selection::places;
use crate::ledger::sql::{Area, Param, Sql, SqlResult, params};

use super::connection::{Connection, lock};
use super::error::PostgresError;

/// Tables whose rows are copied as they are, unless the shared ledger has them.
const TABLES: [&str; 6] = [
    "credentials",
    "watches",
    "notes",
    "handled",
    "marks",
    "hook_runs",
];

/// A payment: profile, account and id.
type Payment = [String; 3];
/// Its columns.
const PAYMENT: &str = "profile, account, payment";

/// Columns with an instant of the wall clock, which may differ from the database's.
const INSTANTS: [&str; 8] = [
    "at",
    "since",
    "received_at",
    "happened_at",
    "seen_at",
    "due_at",
    "leased_until",
    "tried_at",
];

/// Not the requests and callbacks of the built-in simulator, which belong to one run on one machine.
const REAL_EXCHANGES: &str = "environment <> 'embedded'";
const REAL_DELIVERIES: &str = "account_key NOT LIKE 'sandbox %'";

/// A column whose values each database computes.
const COMPUTED: &str = "words";

/// Tables whose rows get the next ids by hand; in the others, the database gives them.
const NUMBERED: [&str; 4] = [LOG, "dedup_keys", "deliveries", "jobs"];
const LOG: &str = "exchanges";

/// A statement ends after this many bytes, so that a slow connection answers in time.
const BYTES: usize = 1 << 20;

/// The most rows that one statement inserts.
const ROWS: usize = 200;

/// Copies all rows in one transaction. `operator` imports the file, and is the operator of rows that name none.
pub(super) fn import(
    open: &Connection,
    file: &rusqlite::Connection,
    operator: &str,
    reseal: &Reseal<'_>,
) -> Result<Imported, PostgresError> {
    let import = Import {
        old: file,
        open,
        new: open,
        log_id: Cell::default(),
        operator,
        reseal,
    };
    Ok(import.all()?)
}

/// Gets the columns of a row with its values, which it may change, and its old and new id if the table is numbered; returns
/// whether the row is copied.
type Edit<'a> = dyn FnMut(&[String], &mut [Value], (i64, i64)) -> SqlResult<bool> + 'a;

struct Import<'a> {
    old: &'a rusqlite::Connection,
    open: &'a Connection,
    new: &'a dyn Sql,
    /// The last id of the log that a row got.
    log_id: Cell<i64>,
    operator: &'a str,
    reseal: &'a Reseal<'a>,
}

impl Import<'_> {
    fn all(&self) -> SqlResult<Imported> {
        let from: String = self
            .old
            .query_row("SELECT id FROM ledger", (), |row| row.get(0))?;
        let known = "SELECT EXISTS (SELECT 1 FROM imports WHERE source = $1)";
        if self.new.value(known, params![&from])? {
            return Ok(Imported::default());
        }
        // The team's programs wait for what has a lock, each up to the longest wait for an answer. So the log's ids are taken
        // before, callbacks and payments are copied last, and the nonces, one of which each request changes, after them.
        self.take_log_ids()?;
        let change = self.new.change(Area::Nonces)?;
        let added = self.new.execute(
            "INSERT INTO imports (source, at) VALUES ($1, now_ms(NULL)) ON CONFLICT DO NOTHING",
            params![&from],
        )?;
        if added == 0 {
            return Ok(Imported::default());
        }
        self.slots()?;
        let exchanges = self.copy(LOG, REAL_EXCHANGES)?;
        let mut rows = 0;
        for table in TABLES {
            rows += self.copy(table, "true")?;
        }
        self.new.execute(&lock(Area::Deliveries), &[])?;
        let (callbacks, sealed_by_another) = self.callbacks()?;
        self.new.execute("DELETE FROM delivery_tally", &[])?;
        self.new.execute(
            "INSERT INTO delivery_tally SELECT class, account_key, account, count(*), sum(size) FROM deliveries
                 GROUP BY class, account_key, account",
            &[],
        )?;
        // The newest row of a payment is in force, so the team's rows stay the newest, and no other program adds one meanwhile.
        self.new.execute(&lock(Area::Payments), &[])?;
        let newest = "SELECT coalesce((SELECT max(id) FROM observations), 0), coalesce((SELECT max(id) FROM expectations), 0)";
        let (seen, expected): (i64, i64) = self.new.rows(newest, &[])?.remove(0);
        rows += self.copy_of_new_payments("observations")?.0;
        let (expectations, known) = self.copy_of_new_payments("expectations")?;
        rows += expectations;
        // What this machine saw become paid or fail must not run the team's hooks: it may be delivered.
        self.new.execute(
            "INSERT INTO hook_runs (profile, account, payment, event, at)
             SELECT DISTINCT o.profile, o.account, o.payment, event, now_ms(NULL)
             FROM observations o CROSS JOIN unnest(ARRAY['paid', 'underpaid', 'overpaid', 'failed']) AS event
             WHERE o.id > $1 AND (o.state = 'FAILED' OR o.state = 'FINALIZED' AND EXISTS (
                 SELECT 1 FROM expectations e WHERE e.id > $2
                     AND e.profile = o.profile AND e.account = o.account AND e.payment = o.payment))
             ON CONFLICT DO NOTHING",
            params![seen, expected],
        )?;
        let conflicts = self.differing_sums(&known)?;
        self.nonces()?;
        change.commit()?;
        Ok(Imported {
            is_new: true,
            exchanges,
            callbacks,
            others: rows,
            expectations_kept: conflicts,
            sealed_by_another,
        })
    }

    /// Takes an id for each row of the log, before those of the requests that the team sends meanwhile.
    fn take_log_ids(&self) -> SqlResult<()> {
        let count: i64 = self.old.query_row(
            &format!("SELECT count(*) FROM {LOG} WHERE {REAL_EXCHANGES}"),
            (),
            |row| row.get(0),
        )?;
        let change = self.new.change(Area::Exchanges)?;
        self.log_id.set(change.value(
            "SELECT setval('exchanges_id_seq', last_value + $1) - $1 FROM exchanges_id_seq",
            params![count],
        )?);
        change.commit()
    }

    fn next_id(&self, table: &'static str) -> SqlResult<i64> {
        if table != LOG {
            return self.open.next_id(table);
        }
        self.log_id.set(self.log_id.get() + 1);
        Ok(self.log_id.get())
    }

    /// The higher nonce counts: one that goes back is rejected (`docs/providers/kanga.md#nonce`).
    fn nonces(&self) -> SqlResult<()> {
        let mut query = self.old.prepare("SELECT key, last FROM nonces")?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let (key, last): (String, i64) = (row.get(0)?, row.get(1)?);
            self.new.execute(
                "INSERT INTO nonces (key, last) VALUES ($1, $2)
                 ON CONFLICT (key) DO UPDATE SET last = greatest(nonces.last, excluded.last)",
                params![&key, last],
            )?;
        }
        Ok(())
    }

    /// Each slot is held for its whole time again: the file counts on another clock.
    fn slots(&self) -> SqlResult<()> {
        let mut query = self
            .old
            .prepare("SELECT scope, period, iif(seen_at IS NULL, flight, 0) FROM slots")?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let (scope, period, flight): (String, i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let mut id = [0; 8];
            getrandom::fill(&mut id).expect("the system has random numbers");
            self.new.execute(
                "INSERT INTO slots (id, scope, period, flight, seen_at, free_at, holder)
                 VALUES ($1, $2, $3, $4, now_ms(NULL), now_ms(NULL) + $3 + $4, 'import')",
                params![i64::from_ne_bytes(id) & i64::MAX, &scope, period, flight],
            )?;
        }
        Ok(())
    }

    /// Copies the rows of a table for which `condition` holds; returns how many.
    fn copy(&self, table: &'static str, condition: &str) -> SqlResult<u64> {
        self.copy_edited(table, condition, &mut |_, _, _| Ok(true))
    }

    fn copy_edited(
        &self,
        table: &'static str,
        condition: &str,
        edit: &mut Edit<'_>,
    ) -> SqlResult<u64> {
        let mut query = self.old.prepare(&format!(
            "SELECT * FROM {table} WHERE {condition} ORDER BY 1"
        ))?;
        let is_numbered = NUMBERED.contains(&table);
        let all: Vec<String> = query.column_names().map(str::to_owned).collect();
        let is_copied = |name: &str| name != COMPUTED && (name != "id" || is_numbered);
        let columns: Vec<usize> = (0..all.len()).filter(|at| is_copied(&all[*at])).collect();
        let names: Vec<String> = columns.iter().map(|at| all[*at].clone()).collect();
        let (mut copied, mut waiting, mut bytes) = (0, Vec::new(), 0);
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let values: rusqlite::Result<Vec<Value>> =
                columns.iter().map(|at| row.get(*at)).collect();
            let mut values = values?;
            let mut ids = (0, 0);
            if is_numbered && let Some(id) = value_of(&names, &mut values, "id") {
                ids = (row.get("id")?, self.next_id(table)?);
                *id = Value::Integer(ids.1);
            }
            if edit(&names, &mut values, ids)? {
                bytes += values.iter().map(size).sum::<usize>();
                waiting.push(values);
            }
            if waiting.len() == ROWS || bytes > BYTES {
                copied += self.insert(table, &names, &waiting)?;
                waiting.clear();
                bytes = 0;
            }
        }
        copied += self.insert(table, &names, &waiting)?;
        Ok(copied)
    }

    /// Copies the rows of payments that have none in the shared ledger; returns how many, and the payments that have.
    fn copy_of_new_payments(&self, table: &'static str) -> SqlResult<(u64, Vec<Payment>)> {
        let mut query = self
            .old
            .prepare(&format!("SELECT DISTINCT {PAYMENT} FROM {table}"))?;
        let own = query.query_map((), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
        let own: Vec<Payment> = own.collect::<rusqlite::Result<_>>()?;
        let mut known = Vec::new();
        for group in own.chunks(ROWS) {
            let among = format!("({PAYMENT}) IN ({})", tuples(group.len(), 3));
            let select = format!("SELECT DISTINCT {PAYMENT} FROM {table} WHERE {among}");
            let rows = self.new.rows(&select, &of_payments(group))?;
            known.extend(rows.into_iter().map(|(a, b, c)| [a, b, c]));
        }
        let is_known: HashSet<&Payment> = known.iter().collect();
        let copied = self.copy_edited(table, "true", &mut |names, values, _| {
            let payment = ["profile", "account", "payment"].map(|column| {
                match value_of(names, values, column) {
                    Some(Value::Text(text)) => text.clone(),
                    _ => String::new(),
                }
            });
            Ok(!is_known.contains(&payment))
        })?;
        Ok((copied, known))
    }

    /// How many of these payments the file expects another sum of than the shared ledger.
    fn differing_sums(&self, known: &[Payment]) -> SqlResult<u64> {
        let mut differing = 0;
        for group in known.chunks(ROWS) {
            let newest = format!(
                "SELECT {PAYMENT}, amount, currency FROM expectations WHERE id IN (
                     SELECT max(id) FROM expectations WHERE ({PAYMENT}) IN ({}) GROUP BY {PAYMENT})",
                tuples(group.len(), 3)
            );
            let team: Vec<(String, String, String, String, String)> =
                self.new.rows(&newest, &of_payments(group))?;
            for (profile, account, payment, amount, currency) in team {
                let own: (String, String) = self.old.query_row(
                    "SELECT amount, currency FROM expectations
                     WHERE profile = ?1 AND account = ?2 AND payment = ?3 ORDER BY id DESC LIMIT 1",
                    (&profile, &account, &payment),
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                let amounts = [&amount, &own.0].map(|text| Amount::received(text).ok());
                differing += u64::from(currency != own.1 || amounts[0] != amounts[1]);
            }
        }
        Ok(differing)
    }

    fn insert(&self, table: &str, names: &[String], rows: &[Vec<Value>]) -> SqlResult<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        let width = names.len();
        let params: Vec<Param<'_>> = rows
            .iter()
            .flat_map(|row| {
                names
                    .iter()
                    .zip(row)
                    .map(|(name, value)| self.param(name, value))
            })
            .collect();
        let copied = self.new.execute(
            &format!(
                "INSERT INTO {table} ({}) VALUES {} ON CONFLICT DO NOTHING",
                names.join(", "),
                tuples(rows.len(), width)
            ),
            &params,
        )?;
        Ok(copied as u64)
    }

    /// Callbacks with their jobs and deduplication keys, whose ids are new here. Sealed again, with the key that all
    /// machines have; returns how many, and how many could not be opened.
    fn callbacks(&self) -> SqlResult<(u64, u64)> {
        let dedup_keys = self.dedup_keys()?;
        let mut lost = 0;
        let mut deliveries = HashMap::new();
        let callbacks =
            self.copy_edited("deliveries", REAL_DELIVERIES, &mut |names, values, ids| {
                renumber(names, values, "dedup_key", &dedup_keys);
                lost += u64::from(!self.seal_again(names, values, "sealed"));
                deliveries.insert(ids.0, ids.1);
                Ok(true)
            })?;
        self.copy_edited("jobs", "true", &mut |names, values, _| {
            renumber(names, values, "dedup_key", &dedup_keys);
            self.seal_again(names, values, "reply");
            Ok(renumber(names, values, "delivery", &deliveries))
        })?;
        Ok((callbacks, lost))
    }

    /// The new id of each key, copied or known to the team.
    fn dedup_keys(&self) -> SqlResult<HashMap<i64, i64>> {
        let mut query = self.old.prepare("SELECT hash, id FROM dedup_keys")?;
        let own = query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let own: HashMap<Vec<u8>, i64> = own.collect::<rusqlite::Result<_>>()?;
        let hashes: Vec<Param<'_>> = own.keys().map(Param::from).collect();
        let mut known = HashMap::new();
        for group in hashes.chunks(ROWS) {
            let counted = format!(
                "UPDATE dedup_keys SET deliveries = deliveries + 1 WHERE hash IN ({}) RETURNING hash, id",
                places(group.len())
            );
            for (hash, id) in self.new.rows::<(Vec<u8>, i64)>(&counted, group)? {
                known.extend(own.get(&hash).map(|own| (*own, id)));
            }
        }
        self.copy_edited("dedup_keys", "true", &mut |_, _, (own, new)| {
            let is_new = !known.contains_key(&own);
            known.entry(own).or_insert(new);
            Ok(is_new)
        })?;
        Ok(known)
    }

    /// False where the bytes could not be opened; they stay as they are.
    fn seal_again(&self, names: &[String], values: &mut [Value], column: &str) -> bool {
        let Some(Value::Blob(sealed)) = value_of(names, values, column) else {
            return true;
        };
        let again = (self.reseal)(sealed);
        again.map(|again| *sealed = again).is_some()
    }
}

/// Places for the values of this many rows: `($1, $2), ($3, $4)`.
fn tuples(rows: usize, width: usize) -> String {
    let tuple = |row: usize| {
        let places: Vec<String> = (1..=width)
            .map(|column| format!("${}", row * width + column))
            .collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(tuple).collect::<Vec<_>>().join(", ")
}

fn of_payments(payments: &[Payment]) -> Vec<Param<'_>> {
    payments.iter().flatten().map(Param::from).collect()
}

/// Puts the new id in place of the old one; false where its row is not there.
fn renumber(
    names: &[String],
    values: &mut [Value],
    column: &str,
    known: &HashMap<i64, i64>,
) -> bool {
    let Some(value) = value_of(names, values, column) else {
        return false;
    };
    let new = match *value {
        Value::Integer(id) => known.get(&id).copied(),
        _ => None,
    };
    *value = new.map_or(Value::Null, Value::Integer);
    new.is_some()
}

/// How many bytes a value has, about.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => 8,
    }
}

fn value_of<'v>(names: &[String], values: &'v mut [Value], column: &str) -> Option<&'v mut Value> {
    let at = names.iter().position(|name| name == column)?;
    values.get_mut(at)
}

impl<'a> Import<'a> {
    fn param<'v>(&self, name: &str, value: &'v Value) -> Param<'v>
    where
        'a: 'v,
    {
        match value {
            Value::Null | Value::Real(_) => Param::Null,
            Value::Integer(at) if INSTANTS.contains(&name) => Param::Time(*at),
            Value::Integer(value) => Param::Int(*value),
            Value::Text(text) if name == "operator" && text.is_empty() => self.operator.into(),
            Value::Text(text) => text.into(),
            Value::Blob(bytes) => Param::Bytes(bytes),
        }
    }
}
