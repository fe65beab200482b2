//! Copies the ledger of one machine, a SQLite file, into the shared one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
        new: open,
        operator,
        reseal,
    };
    Ok(import.all()?)
}

/// Gets the columns, values and id of a row.
type Each<'a> = dyn FnMut(&[String], Vec<Value>, i64) -> SqlResult<()> + 'a;

struct Import<'a> {
    old: &'a rusqlite::Connection,
    new: &'a dyn Sql,
    operator: &'a str,
    reseal: &'a Reseal<'a>,
}

impl Import<'_> {
    fn all(&self) -> SqlResult<Imported> {
        let from: String = self
            .old
            .query_row("SELECT id FROM ledger", (), |row| row.get(0))?;
        let change = self.new.change(Area::Deliveries)?;
        // The log's ids, too, are taken by one program at a time.
        self.new.execute(&lock(Area::Exchanges), &[])?;
        let added = self.new.execute(
            "INSERT INTO imports (source, at) VALUES ($1, now_ms(NULL)) ON CONFLICT DO NOTHING",
            params![&from],
        )?;
        if added == 0 {
            return Ok(Imported::default());
        }
        self.nonces()?;
        self.slots()?;
        let mut rows = 0;
        for table in TABLES {
            rows += self.copy(table, "true")?;
        }
        // The newest row of a payment is in force, so the team's rows stay the newest.
        rows += self.copy_of_new_payments("observations")?.0;
        let (expectations, known) = self.copy_of_new_payments("expectations")?;
        rows += expectations;
        let mut kept = 0;
        for payment in &known {
            kept += u64::from(self.expects_another_sum(payment)?);
        }
        let exchanges = self.copy("exchanges", REAL_EXCHANGES)?;
        let (callbacks, sealed_by_another) = self.callbacks()?;
        self.new.execute("DELETE FROM delivery_tally", &[])?;
        self.new.execute(
            "INSERT INTO delivery_tally SELECT class, account_key, account, count(*), sum(size) FROM deliveries
                 GROUP BY class, account_key, account",
            &[],
        )?;
        change.commit()?;
        Ok(Imported {
            is_new: true,
            exchanges,
            callbacks,
            others: rows,
            expectations_kept: kept,
            sealed_by_another,
        })
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

    /// Copies the rows of a table for which `condition` holds, without their ids; returns how many.
    fn copy(&self, table: &str, condition: &str) -> SqlResult<u64> {
        let mut copied = 0;
        let mut columns = Vec::new();
        let mut waiting = Vec::new();
        self.each(table, condition, &mut |names, values, _| {
            columns = names.to_vec();
            waiting.push(values);
            if waiting.len() == ROWS {
                copied += self.insert(table, &columns, &waiting)?;
                waiting.clear();
            }
            Ok(())
        })?;
        copied += self.insert(table, &columns, &waiting)?;
        Ok(copied)
    }

    /// Copies the rows of payments that have none in the shared ledger; returns how many, and the payments that have.
    fn copy_of_new_payments(&self, table: &str) -> SqlResult<(u64, BTreeSet<Payment>)> {
        let mut payments: BTreeMap<Payment, bool> = BTreeMap::new();
        let mut copied = 0;
        self.each(table, "true", &mut |names, mut values, _| {
            let payment = ["profile", "account", "payment"].map(|column| {
                match value_of(names, &mut values, column) {
                    Some(Value::Text(text)) => text.clone(),
                    _ => String::new(),
                }
            });
            let is_known = if let Some(is_known) = payments.get(&payment) {
                *is_known
            } else {
                let statement = format!(
                    "SELECT EXISTS (SELECT 1 FROM {table} WHERE profile = $1 AND account = $2 AND payment = $3)"
                );
                let params = payment.each_ref().map(Param::from);
                self.new.value(&statement, &params)?
            };
            payments.insert(payment, is_known);
            if !is_known {
                copied += self.insert(table, names, &[values])?;
            }
            Ok(())
        })?;
        payments.retain(|_, is_known| *is_known);
        Ok((copied, payments.into_keys().collect()))
    }

    /// Whether the file expects another sum of a payment than the shared ledger.
    fn expects_another_sum(&self, payment: &Payment) -> SqlResult<bool> {
        const SUM: &str = "SELECT amount, currency FROM expectations
             WHERE profile = $1 AND account = $2 AND payment = $3 ORDER BY id DESC LIMIT 1";
        let params = payment.each_ref().map(Param::from);
        let team: (String, String) = self.new.value(SUM, &params)?;
        let own: (String, String) = self.old.query_row(SUM, payment.each_ref(), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        let amounts = [&team.0, &own.0].map(|text| Amount::received(text).ok());
        Ok(team.1 != own.1 || amounts[0] != amounts[1])
    }

    fn insert(&self, table: &str, names: &[String], rows: &[Vec<Value>]) -> SqlResult<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        let width = names.len();
        let groups: Vec<String> = (0..rows.len())
            .map(|row| {
                let places: Vec<String> = (1..=width)
                    .map(|column| format!("${}", row * width + column))
                    .collect();
                format!("({})", places.join(", "))
            })
            .collect();
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
                groups.join(", ")
            ),
            &params,
        )?;
        Ok(copied as u64)
    }

    /// Callbacks with their jobs and deduplication keys, whose ids are new here. Sealed again, with the key that all
    /// machines have; returns how many, and how many could not be opened.
    fn callbacks(&self) -> SqlResult<(u64, u64)> {
        let dedup_keys = self.dedup_keys()?;
        let (mut callbacks, mut lost) = (0, 0);
        let mut deliveries = HashMap::new();
        self.each(
            "deliveries",
            REAL_DELIVERIES,
            &mut |names, mut values, id| {
                renumber(names, &mut values, "dedup_key", &dedup_keys);
                if !self.seal_again(names, &mut values, "sealed") {
                    lost += 1;
                }
                deliveries.insert(id, self.insert_one("deliveries", names, &values)?);
                callbacks += 1;
                Ok(())
            },
        )?;
        self.each("jobs", "true", &mut |names, mut values, _| {
            renumber(names, &mut values, "dedup_key", &dedup_keys);
            if !renumber(names, &mut values, "delivery", &deliveries) {
                return Ok(());
            }
            self.seal_again(names, &mut values, "reply");
            self.insert_one("jobs", names, &values).map(drop)
        })?;
        Ok((callbacks, lost))
    }

    fn dedup_keys(&self) -> SqlResult<HashMap<i64, i64>> {
        let mut known = HashMap::new();
        self.each("dedup_keys", "true", &mut |names, values, id| {
            let hash = names.iter().position(|name| name == "hash");
            let hash = hash.and_then(|at| values.get(at));
            let found = match hash {
                Some(Value::Blob(hash)) => self.new.first(
                    "UPDATE dedup_keys SET deliveries = deliveries + 1 WHERE hash = $1 RETURNING id",
                    params![hash],
                )?,
                _ => None,
            };
            let new = match found {
                Some(id) => id,
                None => self.insert_one("dedup_keys", names, &values)?,
            };
            known.insert(id, new);
            Ok(())
        })?;
        Ok(known)
    }

    /// Calls `each` with the columns, values and id (0 without one) of every row for which `condition` holds, in their
    /// order.
    fn each(&self, table: &str, condition: &str, each: &mut Each<'_>) -> SqlResult<()> {
        let mut query = self.old.prepare(&format!(
            "SELECT * FROM {table} WHERE {condition} ORDER BY 1"
        ))?;
        let all: Vec<String> = query.column_names().map(str::to_owned).collect();
        let columns: Vec<usize> = (0..all.len())
            .filter(|at| !["id", COMPUTED].contains(&all[*at].as_str()))
            .collect();
        let names: Vec<String> = columns.iter().map(|at| all[*at].clone()).collect();
        let has_id = all.iter().any(|name| name == "id");
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let values: rusqlite::Result<Vec<Value>> =
                columns.iter().map(|at| row.get(*at)).collect();
            let id = if has_id { row.get("id")? } else { 0 };
            each(&names, values?, id)?;
        }
        Ok(())
    }

    fn insert_one(&self, table: &str, names: &[String], values: &[Value]) -> SqlResult<i64> {
        let params: Vec<Param<'_>> = names
            .iter()
            .zip(values)
            .map(|(name, value)| self.param(name, value))
            .collect();
        self.new.value(
            &format!(
                "INSERT INTO {table} ({}) VALUES ({}) RETURNING id",
                names.join(", "),
                places(names.len())
            ),
            &params,
        )
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
