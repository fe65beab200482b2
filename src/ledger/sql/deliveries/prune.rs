//! Pruning by age and size, a little at a time.

use std::collections::HashMap;

use crate::domain::WallTime;

use super::super::value::params;
use super::super::{Area, Sql, SqlResult, Store};
use super::rows::Class;
use crate::ledger::deliveries::NewDelivery;
use crate::ledger::status::Retention;

/// The most rows of callbacks that anyone can send.
const JUNK_MAX: u64 = 1_000;

/// The most waiting callbacks that anyone may have made up, of all accounts together. Beyond it, the oldest of the
/// account with the most is dropped, so that a flood to one account does not affect the others.
pub const UNKNOWN_MAX: u64 = 1_000;

/// The share of bytes for repeats and for rejected callbacks each, and the share of rows for repeats: they never
/// displace accepted ones.
const SHARE: u64 = 8;

/// Deduplication keys are small, so this many times more of them than deliveries are saved.
const DEDUP_KEYS: u64 = 10;

/// Deliveries with open jobs may take this many times the limit of the others, and one account at most one part of
/// that. A flood to one account does not affect the others. The same holds for those that cannot be verified yet.
const OPEN: u64 = 4;

/// The most rows of each kind that one idle step drops.
const AT_REST: usize = 256;

struct Bounds {
    rows: u64,
    bytes: u64,
}

fn bounds(class: Class, limits: &Retention) -> Bounds {
    let Retention { count, bytes, .. } = *limits;
    match class {
        Class::Accepted => Bounds { rows: count, bytes },
        Class::Repeat => Bounds {
            rows: count / SHARE,
            bytes: bytes / SHARE,
        },
        Class::Junk => Bounds {
            rows: JUNK_MAX,
            bytes: bytes / SHARE,
        },
        Class::Unknown => Bounds {
            rows: UNKNOWN_MAX.min(count),
            bytes: bytes / SHARE,
        },
        Class::Unverified => Bounds {
            rows: UNKNOWN_MAX.min(count).saturating_mul(OPEN),
            bytes,
        },
        Class::Open => Bounds {
            rows: count.saturating_mul(OPEN),
            bytes: bytes.saturating_mul(OPEN),
        },
    }
}

const SUM: &str =
    "SELECT CAST(coalesce(sum(rows), 0) AS BIGINT), CAST(coalesce(sum(bytes), 0) AS BIGINT)
     FROM delivery_tally WHERE class = $1";

/// The space for deliveries with open jobs, or for those that cannot be verified yet, as a transaction fills it.
pub(super) struct Room<'a> {
    sql: &'a dyn Sql,
    class: Class,
    most: Bounds,
    /// Rows and bytes of all accounts, once they are read.
    all: Option<(u64, u64)>,
    accounts: HashMap<(String, String), (u64, u64)>,
}

impl<'a> Room<'a> {
    pub(super) fn of(sql: &'a dyn Sql, class: Class, limits: &Retention) -> Self {
        Self {
            sql,
            class,
            most: bounds(class, limits),
            all: None,
            accounts: HashMap::new(),
        }
    }

    /// Whether there is space for one more delivery; takes it.
    pub(super) fn take(&mut self, new: &NewDelivery) -> SqlResult<bool> {
        let class = self.class as i64;
        if self.all.is_none() {
            self.all = Some(self.sql.value(SUM, params![class])?);
        }
        let key = (new.account_key.clone(), new.account.clone());
        if !self.accounts.contains_key(&key) {
            let own = self.sql.value(
                &format!("{SUM} AND account_key = $2 AND account = $3"),
                params![class, &new.account_key, &new.account],
            )?;
            self.accounts.insert(key.clone(), own);
        }
        let (all, most) = (self.all.get_or_insert_default(), &self.most);
        let own = self.accounts.entry(key).or_default();
        // First all accounts together: many accounts with a fair share each could fill the disk as well.
        let fits = all.0 < most.rows
            && all.1 < most.bytes
            && own.0 < most.rows / OPEN
            && own.1 < most.bytes / OPEN;
        if fits {
            for (rows, bytes) in [all, own] {
                *rows += 1;
                *bytes += new.sealed.len() as u64;
            }
        }
        Ok(fits)
    }
}

/// How much one [`prune`] does.
pub(super) struct Step {
    /// The most rows of each kind to drop.
    pub(super) most: usize,
    /// How many rows of a class are looked at for one that is too old. The first alone tells it, unless it is dated in the
    /// future, because the clock was ahead.
    pub(super) looked: usize,
}

/// Drops rows that are too old or too many; returns whether there may be more. Ages count to `now`.
pub(super) fn prune(
    sql: &dyn Sql,
    limits: &Retention,
    now: WallTime,
    Step { most, looked }: Step,
) -> SqlResult<bool> {
    let since = now.minus(limits.age);
    let mut more = false;
    let pruning = Pruning {
        sql,
        limits,
        since,
        most,
    };
    // One question for all classes: mostly there is nothing to drop.
    let full: Vec<(i64, u64, u64, Option<WallTime>)> = sql.rows(
        "SELECT class, CAST(sum(rows) AS BIGINT), CAST(sum(bytes) AS BIGINT),
             (SELECT min(received_at) FROM
                 (SELECT received_at FROM deliveries
                     WHERE deliveries.class = delivery_tally.class ORDER BY id LIMIT $1) AS first)
         FROM delivery_tally GROUP BY class",
        params![looked],
    )?;
    for class in [
        Class::Accepted,
        Class::Repeat,
        Class::Junk,
        Class::Unknown,
        Class::Unverified,
    ] {
        let found = full.iter().find(|(of, ..)| *of == class as i64);
        let Some((_, rows, bytes, oldest)) = found.copied() else {
            continue;
        };
        let bounds = bounds(class, limits);
        if rows > bounds.rows || bytes > bounds.bytes || oldest.is_some_and(|at| at < since) {
            more |= pruning.drop_oldest(class, (rows, bytes))? == most;
        }
    }
    let remembered = limits.count.saturating_mul(DEDUP_KEYS);
    // Separately, so that a flood of hints displaces no order. By number alone, since a repeat of an old message is
    // still a repeat.
    let (old, others, relayed): (bool, Option<i64>, Option<i64>) = sql.value(
        "SELECT EXISTS (SELECT 1 FROM
                 (SELECT seen_at FROM dedup_keys WHERE relayed = 0 ORDER BY number LIMIT $1) AS first
                 WHERE seen_at < $2),
             (SELECT max(number) FROM dedup_keys WHERE relayed = 0)
                 - (SELECT min(number) FROM dedup_keys WHERE relayed = 0),
             (SELECT max(number) FROM dedup_keys WHERE relayed = 1)
                 - (SELECT min(number) FROM dedup_keys WHERE relayed = 1)",
        params![most, since],
    )?;
    let exceeds = |span: Option<i64>| {
        span.is_some_and(|span| span >= i64::try_from(remembered).unwrap_or(i64::MAX))
    };
    for (relayed, since, has_some) in [
        (false, since, old || exceeds(others)),
        (true, WallTime(i64::MIN), exceeds(relayed)),
    ] {
        if !has_some {
            continue;
        }
        let dropped = sql.execute(
            "DELETE FROM dedup_keys WHERE id IN (
                 SELECT oldest.id FROM (
                     SELECT id, seen_at, number FROM dedup_keys WHERE relayed = $1 ORDER BY number LIMIT $2) AS oldest
                 WHERE (oldest.seen_at < $3
                         OR oldest.number <= (SELECT max(number) FROM dedup_keys WHERE relayed = $1) - $4)
                     AND NOT EXISTS (SELECT 1 FROM jobs
                         WHERE jobs.dedup_key = oldest.id AND jobs.due_at IS NOT NULL))",
            params![relayed, most, since, remembered],
        )?;
        more |= dropped == most;
    }
    Ok(more)
}

/// One removal of old rows.
struct Pruning<'a> {
    sql: &'a dyn Sql,
    limits: &'a Retention,
    /// Rows before this instant are too old.
    since: WallTime,
    /// The most rows of one class to drop.
    most: usize,
}

impl Pruning<'_> {
    /// Drops the oldest rows of a class, of which there are `tally` rows and bytes; returns how many.
    fn drop_oldest(&self, class: Class, tally: (u64, u64)) -> SqlResult<usize> {
        let Self {
            sql, since, most, ..
        } = *self;
        let bounds = bounds(class, self.limits);
        let (mut rows, mut bytes) = tally;
        // Of those that may yet turn out to be genuine, none is dropped for another.
        let is_bounded = class != Class::Unverified;
        let drop_one = |id: i64| -> SqlResult<()> {
            let dedup_key: Option<i64> = sql.value(
                "DELETE FROM deliveries WHERE id = $1 RETURNING dedup_key",
                params![id],
            )?;
            if class == Class::Unknown {
                forget_unknown(sql, dedup_key)?;
            }
            Ok(())
        };
        let old: Vec<(i64, u64)> = sql.rows(
            "SELECT id, size FROM
                 (SELECT id, size, received_at FROM deliveries WHERE class = $1 ORDER BY id LIMIT $2) AS first
             WHERE received_at < $3 ORDER BY id",
            params![class as i64, most, since],
        )?;
        for (id, size) in &old {
            drop_one(*id)?;
            (rows, bytes) = (rows.saturating_sub(1), bytes.saturating_sub(*size));
        }
        for dropped in old.len()..most {
            let is_too_much = rows > bounds.rows || bytes > bounds.bytes;
            if !is_bounded || !is_too_much {
                return Ok(dropped);
            }
            let first: Option<(i64, u64)> = sql.first(
                "SELECT id, size FROM deliveries WHERE class = $1 ORDER BY id LIMIT 1",
                params![class as i64],
            )?;
            let Some((mut id, mut size)) = first else {
                return Ok(dropped);
            };
            // A flood to one account displaces nothing of another.
            if matches!(class, Class::Accepted | Class::Unknown) {
                (id, size) = oldest_of_the_largest(sql, class, rows > bounds.rows)?;
            }
            drop_one(id)?;
            (rows, bytes) = (rows.saturating_sub(1), bytes.saturating_sub(size));
        }
        Ok(most)
    }
}

/// Deletes the deduplication key of a dropped made-up delivery, so that it takes no space from real ones.
fn forget_unknown(sql: &dyn Sql, dedup_key: Option<i64>) -> SqlResult<()> {
    sql.execute(
        "DELETE FROM dedup_keys WHERE id = $1 AND settled = 0
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE dedup_key = $1 AND due_at IS NOT NULL)",
        params![dedup_key],
    )
    .map(drop)
}

/// The oldest delivery of a class, of the account with the most rows or bytes.
fn oldest_of_the_largest(sql: &dyn Sql, class: Class, in_number: bool) -> SqlResult<(i64, u64)> {
    let by = if in_number { "rows" } else { "bytes" };
    // Only accepted ones have an index by account; for other classes it would be slow, so `|| ''` turns it off.
    let plain = if class == Class::Accepted {
        ""
    } else {
        " || ''"
    };
    let class = class as i64;
    sql.value(
        &format!(
            "SELECT id, size FROM deliveries JOIN
                 (SELECT account_key AS whose, account AS its FROM delivery_tally
                     WHERE class = {class} GROUP BY account_key, account ORDER BY sum({by}) DESC LIMIT 1) AS largest
                 ON account_key{plain} = whose AND account{plain} = its
             WHERE class = {class} ORDER BY id LIMIT 1"
        ),
        &[],
    )
}

/// Runs [`prune`] while the ledger is idle; returns whether there may be more. After a failure the next run continues.
pub(in crate::ledger) fn at_rest(store: &mut dyn Store) -> bool {
    let (clock, limits) = store.limits();
    let more = store.write(|sql| {
        let change = sql.change(Area::Deliveries)?;
        let now = change.reference(&clock)?;
        let more = prune(
            &*change,
            &limits,
            now,
            Step {
                most: AT_REST,
                looked: AT_REST,
            },
        )?;
        change.commit()?;
        Ok(more)
    });
    more.unwrap_or(false)
}
