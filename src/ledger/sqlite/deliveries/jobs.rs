//! The job queues as rows: one process at a time leases a job, attempts it, and saves the result. The states and what
//! leads from one to the other: `domain/job.rs`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::domain::job::{JobResult, Lease, NewJob};
use crate::domain::{Delivery, DeliveryId, JobId, JobKind, JobState, WallTime};

use super::super::Sqlite;
use super::insert::{LATEST_NEW, require_file};
use super::rows;
use crate::ledger::deliveries::{DedupKey, FirstReply, JobFilter, Jobs, Retried, Retry};
use crate::ledger::error::LedgerError;

/// The SQL condition for a queue's account, its fourth parameter, if it has one.
const OF_ACCOUNT: &str =
    "(?4 IS NULL OR ?4 = (SELECT account FROM deliveries WHERE deliveries.id = errands.delivery))";

/// The lease end of a job without a lease.
const FREE: i64 = i64::MIN;

/// The longest wait between two attempts that tilldeck chooses, in milliseconds.
const LONGEST: i64 = 60 * 60 * 1000;
/// The longest wait at all. A job that seems due later is due now: the clock was set back.
const LONGEST_RETRY_AFTER: i64 = 24 * LONGEST;

#[async_trait]
impl Jobs for Sqlite {
    async fn add_job(&self, delivery: DeliveryId, new: NewJob) -> Result<Delivery, LedgerError> {
        self.run(move |store| {
            require_file(store)?;
            let added = store.write_durably(|conn| add(conn, delivery, &new))?;
            require_file(store)?;
            added.ok_or(LedgerError::Gone)
        })
        .await
    }

    async fn retry_jobs(&self, retry: Retry) -> Result<Retried, LedgerError> {
        self.run(move |store| {
            require_file(store)?;
            let retried = store.write_durably(|conn| make_due(conn, &retry))?;
            require_file(store)?;
            retried.ok_or(LedgerError::Gone)
        })
        .await
    }

    async fn take_jobs(
        &self,
        queue: JobFilter,
        lease: Lease,
    ) -> Result<Vec<(Delivery, JobId)>, LedgerError> {
        self.run(move |store| store.write(|conn| take(conn, &queue, lease)))
            .await
    }

    async fn next_job_due(&self, queue: JobFilter) -> Result<Option<WallTime>, LedgerError> {
        self.run(move |store| {
            store.read(|conn| {
                let mut next = conn.prepare_cached(&format!(
                    "SELECT max(due_at, taken_until) FROM errands
                     WHERE realm = ?1 AND duty = ?2 AND known = ?3 AND due_at IS NOT NULL AND {OF_ACCOUNT}
                     ORDER BY max(due_at, taken_until) LIMIT 1"
                ))?;
                let mut soonest = None;
                for kind in queue.kinds {
                    let which = (&*queue.account_key, kind.as_str(), queue.known, &queue.account);
                    let at: Option<i64> = next.query_row(which, |row| row.get(0)).optional()?;
                    soonest = soonest.into_iter().chain(at).min();
                }
                Ok(soonest.map(WallTime))
            })
        })
        .await
    }

    async fn unknown_waiting(
        &self,
        account_key: Arc<str>,
    ) -> Result<Vec<(String, u64)>, LedgerError> {
        self.run(move |store| {
            store.read(|conn| {
                conn.prepare_cached(
                    "SELECT account, rows FROM delivery_tally WHERE class = ?1 AND realm = ?2",
                )?
                .query_map((rows::Class::Unknown as i64, &*account_key), |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
                })?
                .collect()
            })
        })
        .await
    }

    async fn finish_attempt(
        &self,
        id: JobId,
        held_until: WallTime,
        result: JobResult,
    ) -> Result<Delivery, LedgerError> {
        self.run(move |store| {
            let saved = store.write_durably(|conn| save_attempt(conn, id, held_until, &result))?;
            saved.ok_or(LedgerError::Gone)
        })
        .await
    }

    async fn end_abandoned_jobs(
        &self,
        prefix: &'static str,
        before: WallTime,
    ) -> Result<(), LedgerError> {
        self.run(move |store| store.write(|conn| end_abandoned(conn, prefix, before)))
            .await
    }

    async fn first_reply(&self, identity: DedupKey) -> Result<FirstReply, LedgerError> {
        self.run(move |store| {
            store.read(|conn| {
                conn.prepare_cached(
                    "SELECT
                         (SELECT reply FROM errands
                             WHERE identity = known.id AND reply IS NOT NULL ORDER BY id LIMIT 1),
                         EXISTS (SELECT 1 FROM errands
                             WHERE identity = known.id AND duty = ?2 AND due_at IS NOT NULL)
                     FROM identities AS known WHERE hash = ?1",
                )?
                .query_row((identity.hash(), JobKind::Relay.as_str()), |row| {
                    let (sealed, awaited) = (row.get(0)?, row.get(1)?);
                    Ok(FirstReply { sealed, awaited })
                })
                .optional()
                .map(Option::unwrap_or_default)
            })
        })
        .await
    }
}

fn add(
    conn: &Connection,
    delivery: DeliveryId,
    new: &NewJob,
) -> rusqlite::Result<Option<Delivery>> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let known: Option<String> = change
        .prepare_cached("SELECT realm FROM deliveries WHERE id = ?1")?
        .query_row([delivery.0], |row| row.get(0))
        .optional()?;
    let Some(account_key) = known else {
        return Ok(None);
    };
    // Without an identity: a forward by the operator makes no later delivery a repeat.
    let whose = rows::JobOwner {
        delivery,
        account_key: &account_key,
        identity: None,
        known: true,
    };
    rows::insert_job(&change, &whose, new)?;
    rows::classify(&change, delivery)?;
    let now = rows::one(&change, delivery)?;
    change.commit()?;
    Ok(now)
}

fn make_due(conn: &Connection, retry: &Retry) -> rusqlite::Result<Option<Retried>> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let id = retry.delivery;
    let owned: bool = change
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = ?1 AND realm = ?2)")?
        .query_row((id.0, &*retry.account_key), |row| row.get(0))?;
    // Read in this transaction: no process can save another result in between.
    let Some(before) = rows::one(&change, id)?.filter(|_| owned) else {
        return Ok(None);
    };
    let mut jobs = Vec::new();
    for job in before.retryable() {
        // The result of the last attempt stays until the next one has its own.
        let changed = change
            .prepare_cached(
                "UPDATE errands SET tries = 0, due_at = ?2, taken_until = ?3
                 WHERE id = ?1 AND (due_at IS NULL OR taken_until <= ?2)",
            )?
            .execute((
                job.id.0,
                retry.now.0,
                retry.taken_until.map_or(FREE, |until| until.0),
            ))?;
        if changed > 0 {
            jobs.push(job.id);
        }
    }
    rows::classify(&change, id)?;
    let now = rows::one(&change, id)?;
    change.commit()?;
    Ok(now.map(|delivery| Retried { delivery, jobs }))
}

fn take(
    conn: &Connection,
    queue: &JobFilter,
    lease: Lease,
) -> rusqlite::Result<Vec<(Delivery, JobId)>> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let most = i64::try_from(lease.limit).unwrap_or(i64::MAX);
    // Made-up callbacks: the newest first, since real ones among a flood are likelier to be new.
    let order = if queue.known {
        "max(due_at, taken_until)"
    } else {
        "-id"
    };
    let mut due: Vec<(i64, i64, i64)> = Vec::new();
    for condition in [
        "max(due_at, taken_until) <= ?5".to_owned(),
        // Due later than any new job can be, or attempted in the future: the clock was set back.
        format!("tries = 0 AND max(due_at, taken_until) > ?5 + {LATEST_NEW} AND taken_until <= ?5"),
        format!(
            "max(due_at, taken_until) > ?5 + {LONGEST}
             AND (tried_at > ?5 OR max(due_at, taken_until) > ?5 + {LONGEST_RETRY_AFTER})"
        ),
    ] {
        let mut query = change.prepare_cached(&format!(
            "SELECT {order}, id, delivery FROM errands
             WHERE realm = ?1 AND duty = ?2 AND known = ?3 AND due_at IS NOT NULL AND {OF_ACCOUNT} AND {condition}
             ORDER BY {order}, id LIMIT ?6"
        ))?;
        for kind in queue.kinds {
            let which = (
                &*queue.account_key,
                kind.as_str(),
                queue.known,
                &queue.account,
                lease.now.0,
                most,
            );
            let found =
                query.query_map(which, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            for one in found {
                due.push(one?);
            }
        }
    }
    due.sort_unstable();
    // One job can meet several of the conditions.
    due.dedup();
    // Each kind was limited by itself.
    due.truncate(lease.limit);
    let mut taken = Vec::with_capacity(due.len());
    for (_, job, delivery) in due {
        change
            .prepare_cached("UPDATE errands SET taken_until = ?2 WHERE id = ?1")?
            .execute((job, lease.until.0))?;
        // Pruned meanwhile by another process: its job goes with it.
        if let Some(delivery) = rows::one(&change, DeliveryId(delivery))? {
            taken.push((delivery, JobId(job)));
        }
    }
    change.commit()?;
    Ok(taken)
}

fn end_abandoned(conn: &Connection, prefix: &str, before: WallTime) -> rusqlite::Result<()> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let ended: Vec<i64> = change
        .prepare_cached(
            "UPDATE errands SET due_at = NULL
             WHERE due_at IS NOT NULL AND max(due_at, taken_until) < ?2 AND substr(realm, 1, length(?1)) = ?1
             RETURNING delivery",
        )?
        .query_map((prefix, before.0), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for delivery in ended {
        rows::classify(&change, DeliveryId(delivery))?;
    }
    change.commit()
}

fn save_attempt(
    conn: &Connection,
    id: JobId,
    held_until: WallTime,
    result: &JobResult,
) -> rusqlite::Result<Option<Delivery>> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let known: Option<(i64, Option<i64>, i64, bool, bool)> = change
        .prepare_cached(
            "SELECT delivery, identity, coalesce(length(reply), 0), due_at IS NOT NULL AND taken_until = ?2,
                 duty = ?3 AND NOT known
             FROM errands WHERE id = ?1",
        )?
        .query_row((id.0, held_until.0, JobKind::Ask.as_str()), |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })
        .optional()?;
    let Some((delivery, identity, had, held, unknown)) = known else {
        return Ok(None);
    };
    // The lease has expired and another process has the job, or has finished it.
    if !held {
        return rows::one(&change, DeliveryId(delivery));
    }
    let outcome = &result.outcome;
    let due_at = match result.state {
        JobState::Due { at } => Some(at.0),
        JobState::Done | JobState::GivenUp => None,
    };
    let nanos = |took: Duration| i64::try_from(took.as_nanos()).unwrap_or(i64::MAX);
    change
        .prepare_cached(
            "UPDATE errands SET tries = tries + 1, due_at = ?2, taken_until = ?3, done = ?4, tried_at = ?5, told = ?6,
                 status = ?7, took = ?8, reply = coalesce(?9, reply)
             WHERE id = ?1",
        )?
        .execute((
            id.0,
            due_at,
            FREE,
            result.state == JobState::Done,
            result.at.0,
            &outcome.summary,
            outcome.status,
            outcome.took.map(nanos),
            &outcome.reply,
        ))?;
    if let Some(reply) = &outcome.reply {
        // The tally by which rows are pruned counts responses, too.
        let more = i64::try_from(reply.len()).unwrap_or(i64::MAX) - had;
        change
            .prepare_cached("UPDATE deliveries SET size = size + ?2 WHERE id = ?1")?
            .execute((delivery, more))?;
    }
    if outcome.is_final {
        change
            .prepare_cached("UPDATE identities SET settled = 1 WHERE id = ?1")?
            .execute([identity])?;
    }
    if unknown && result.state == JobState::Done {
        mark_known(&change, identity)?;
    }
    rows::classify(&change, DeliveryId(delivery))?;
    let now = rows::one(&change, DeliveryId(delivery))?;
    change.commit()?;
    Ok(now)
}

/// The provider knows the payment of these deliveries, so they are not made up.
fn mark_known(conn: &Connection, identity: Option<i64>) -> rusqlite::Result<()> {
    let known: Vec<i64> = conn
        .prepare_cached(
            "UPDATE errands SET known = 1 WHERE identity = ?1 AND NOT known RETURNING delivery",
        )?
        .query_map([identity], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for delivery in known {
        rows::classify(conn, DeliveryId(delivery))?;
    }
    Ok(())
}
