//! Durable inserts of deliveries.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::domain::job::NewJob;
use crate::domain::{CallbackVerdict, Delivery, DeliveryId, JobKind, PaymentState, WallTime};

use super::super::value::{Param, params};
use super::super::{Access, Area, Sql, SqlResult, Store};
use super::rows::Class;
use super::{prune, rows};
use crate::ledger::deliveries::{DedupKey, NewDelivery};
use crate::ledger::error::LedgerError;

/// A callback, and the caller that waits until it is saved.
pub(in crate::ledger::sql) struct Incoming {
    pub(in crate::ledger::sql) new: NewDelivery,
    pub(in crate::ledger::sql) done: oneshot::Sender<Result<Delivery, LedgerError>>,
    /// Its part of the memory for those that wait.
    pub(in crate::ledger::sql) _room: OwnedSemaphorePermit,
}

/// Writes callbacks in one transaction and answers their callers.
pub(in crate::ledger::sql) fn write(store: &mut dyn Store, batch: &mut Vec<Incoming>) {
    // If a caller is gone, its provider sends the callback again; the row is saved all the same.
    match insert(store, batch) {
        Ok(saved) => {
            for (one, saved) in batch.drain(..).zip(saved) {
                let _ = one.done.send(saved.ok_or(LedgerError::TooManyWaiting));
            }
        }
        Err(error) => {
            for one in batch.drain(..) {
                let _ = one.done.send(Err(error.clone()));
            }
        }
    }
}

/// Saves the deliveries that there is space for.
fn insert(store: &mut dyn Store, news: &[Incoming]) -> Result<Vec<Option<Delivery>>, LedgerError> {
    let (clock, limits) = store.limits();
    store.result(Access::WriteDurably, |sql| {
        let change = sql.change(Area::Deliveries)?;
        // First: a new delivery must never be the one that is dropped.
        let now = change.reference(&clock)?;
        // More than are added, so that a file that is over its limits shrinks.
        prune::prune(
            &*change,
            &limits,
            now,
            prune::Step {
                most: news.len() * 2 + 16,
                looked: 1,
            },
        )?;
        let mut open = prune::Room::of(&*change, Class::Open, &limits);
        let mut unverified = prune::Room::of(&*change, Class::Unverified, &limits);
        let mut fitting = Vec::with_capacity(news.len());
        for Incoming { new, .. } in news {
            let known = rows::is_known(&*change, new)?;
            // Before it is counted: a rejected delivery must not count as a repeat of itself when it is sent again.
            // Made-up ones only replace others like them, but none that may turn out to be genuine.
            let fits = if new.jobs.is_empty() {
                true
            } else if known {
                open.take(new)?
            } else {
                new.verdict != CallbackVerdict::Unverified || unverified.take(new)?
            };
            fitting.push(fits.then_some((new, known)));
        }
        let mut counts = count(&*change, fitting.iter().flatten().map(|(new, _)| *new))?;
        let mut insert = |(new, known): (&NewDelivery, bool)| {
            let counted = new.dedup_key.as_ref().and_then(|_| counts.pop_front());
            insert_one(&*change, new, known, counted)
        };
        let saved = fitting
            .into_iter()
            .map(|fitting| fitting.map(&mut insert).transpose())
            .collect::<SqlResult<_>>()?;
        change.commit()?;
        Ok(saved)
    })
}

fn insert_one(
    sql: &dyn Sql,
    new: &NewDelivery,
    known: bool,
    counted: Option<Counted>,
) -> SqlResult<Delivery> {
    let mut jobs = new.jobs.clone();
    let mut classified = rows::Classified {
        verdict: new.verdict,
        dedup_key: None,
        attempt: 1,
        known,
    };
    let (Some(dedup_key), Some(counted)) = (&new.dedup_key, counted) else {
        return rows::insert(sql, new, &jobs, &classified);
    };
    let Counted {
        id,
        earlier,
        settled,
    } = counted;
    let check = PendingCheck {
        dedup_key: id,
        at: new.received_at,
        due: check_due(sql, id, new, earlier)?,
        known,
    };
    // Counted first: the number of the attempt is shown for repeats as well.
    let repeat = earlier > 0
        && match dedup_key {
            DedupKey::Message(_) => true,
            DedupKey::Subject(_) => {
                settled && is_last_finalized(sql, new)? || advance_check(sql, &check)?
            }
        };
    match dedup_key {
        // The first delivery's jobs still run or have run; the shop must not get the same order twice.
        DedupKey::Message(_) if repeat => jobs.clear(),
        DedupKey::Message(_) => {}
        // It may report another change than the earlier one: the shop gets it, unless the earlier one is still to be
        // sent.
        DedupKey::Subject(_) => {
            let mut wanted = Vec::with_capacity(jobs.len());
            for mut job in jobs {
                let is_wanted = match job.kind {
                    JobKind::Check | JobKind::Relay => !repeat,
                    JobKind::Forward => !is_to_be_forwarded(sql, id, &job, new.received_at)?,
                };
                if job.kind == JobKind::Check {
                    job.at = job.at.max(check.due);
                }
                if is_wanted {
                    wanted.push(job);
                }
            }
            jobs = wanted;
        }
    }
    if repeat {
        classified.verdict = CallbackVerdict::Repeat;
    }
    classified.dedup_key = Some(id);
    classified.attempt = earlier.saturating_add(1);
    rows::insert(sql, new, &jobs, &classified)
}

/// Whether the last state that each host reported of its payment is FINALIZED. Where the provider has contradicted itself,
/// the payment is checked again.
fn is_last_finalized(sql: &dyn Sql, new: &NewDelivery) -> SqlResult<bool> {
    let (payment, _) = rows::subject_columns(new.subject.as_ref());
    let last: Vec<String> = sql.rows(
        "SELECT state FROM observations WHERE id IN (
             SELECT max(id) FROM observations WHERE profile = $1 AND account = $2 AND payment = $3 GROUP BY api)",
        params![&new.account_key, &new.account, payment],
    )?;
    Ok(last
        .iter()
        .all(|state| state == PaymentState::Finalized.as_str()))
}

/// A deduplication key with one more delivery.
struct Counted {
    id: i64,
    /// How many came before.
    earlier: u32,
    /// It is paid.
    settled: bool,
}

/// Counts those deliveries that have a deduplication key.
fn count<'n>(
    sql: &dyn Sql,
    news: impl Iterator<Item = &'n NewDelivery>,
) -> SqlResult<VecDeque<Counted>> {
    let params: Vec<Vec<Param<'_>>> = news
        .filter_map(|new| {
            let hash = new.dedup_key.as_ref()?.hash();
            let relayed = new.jobs.iter().any(|job| job.kind == JobKind::Relay);
            Some(params![hash, new.received_at, relayed].to_vec())
        })
        .collect();
    let mut counts = VecDeque::with_capacity(params.len());
    sql.query_each(
        // Bounded, since it is read as a `u32`.
        "INSERT INTO dedup_keys (hash, deliveries, settled, seen_at, relayed, number)
         VALUES ($1, 1, 0, $2, $3, (SELECT coalesce(max(number), 0) + 1 FROM dedup_keys WHERE relayed = $3))
         ON CONFLICT (hash) DO UPDATE SET deliveries = min(dedup_keys.deliveries + 1, 4000000000),
             seen_at = max(dedup_keys.seen_at, excluded.seen_at)
         RETURNING id, deliveries - 1, settled",
        &params,
        &mut |row| {
            counts.push_back(Counted {
                id: row.get(0)?,
                earlier: row.get(1)?,
                settled: row.get(2)?,
            });
            Ok(())
        },
    )?;
    Ok(counts)
}

/// A check that a callback causes.
struct PendingCheck {
    dedup_key: i64,
    /// When the callback was received.
    at: WallTime,
    /// When the check may run.
    due: WallTime,
    known: bool,
}

/// Anyone who knows a payment's id can send an unsigned callback about it, any number of times. So the payment is
/// checked again no sooner than this after the last or current check, and later if there are more callbacks than any
/// payment causes.
const NEXT_CHECK: Duration = Duration::from_secs(2);
const NEXT_CHECK_OF_MANY: Duration = LATEST_NEW;
const MANY: u32 = 20;

/// The latest that a new job is due.
pub(super) const LATEST_NEW: Duration = Duration::from_secs(30);

fn check_due(
    sql: &dyn Sql,
    dedup_key: i64,
    new: &NewDelivery,
    earlier: u32,
) -> SqlResult<WallTime> {
    let now = new.received_at;
    // A signed callback is the provider's own, and the first one of any is worth a check at once.
    if new.proved || earlier == 0 {
        return Ok(now);
    }
    let last: Option<WallTime> = sql.value(
        "SELECT max(CASE WHEN due_at IS NOT NULL AND leased_until > $1 THEN $1 ELSE tried_at END)
         FROM jobs WHERE dedup_key = $2 AND kind = $3",
        params![now, dedup_key, &JobKind::Check],
    )?;
    let pause = if earlier < MANY {
        NEXT_CHECK
    } else {
        NEXT_CHECK_OF_MANY
    };
    // A check that a wrong clock dated in the future counts as one of now.
    Ok(last.map_or(now, |last| now.max(last.min(now).plus(pause))))
}

/// Makes an earlier delivery's waiting check due as soon as allowed; returns whether there is one. A running check does
/// not count: its answer may be older than the change that this delivery reports. Nor does one that has found nothing new:
/// its schedule is that of the earlier delivery, and the check of this one replaces it. The payment may have become known
/// meanwhile.
fn advance_check(sql: &dyn Sql, check: &PendingCheck) -> SqlResult<bool> {
    let replaced: Vec<i64> = sql.rows(
        "UPDATE jobs SET due_at = NULL, done = 1, tries = 1
         WHERE dedup_key = $1 AND due_at IS NOT NULL AND kind = $2 AND leased_until <= $3
             AND tries = 0 AND tried_at IS NOT NULL
         RETURNING delivery",
        params![check.dedup_key, &JobKind::Check, check.at],
    )?;
    let woken: Vec<i64> = sql.rows(
        "UPDATE jobs SET due_at = min(due_at, $1), known = max(known, $2)
         WHERE dedup_key = $3 AND due_at IS NOT NULL AND kind = $4 AND leased_until <= $5
         RETURNING delivery",
        params![
            check.due,
            check.known,
            check.dedup_key,
            &JobKind::Check,
            check.at,
        ],
    )?;
    for delivery in woken.iter().chain(&replaced) {
        rows::classify(sql, DeliveryId(*delivery))?;
    }
    Ok(!woken.is_empty())
}

/// Whether an earlier delivery still waits for its first forward to this target: the shop then gets the news by that
/// one.
fn is_to_be_forwarded(
    sql: &dyn Sql,
    dedup_key: i64,
    job: &NewJob,
    now: WallTime,
) -> SqlResult<bool> {
    sql.value(
        "SELECT EXISTS (SELECT 1 FROM jobs
             WHERE dedup_key = $1 AND due_at IS NOT NULL AND kind = $2 AND target = $3 AND tries = 0
                 AND leased_until <= $4)",
        params![dedup_key, &job.kind, &job.target, now],
    )
}
