//! The job queues as rows: one process at a time leases a job, attempts it, and saves the result. The states and what
//! leads from one to the other: `domain/job.rs`.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::job::{
    ClaimRequest, Disposition, JobResult, LEASE_MAX, NewJob, UNKNOWN_NOT_FOUND_MAX,
};
use crate::domain::{Delivery, DeliveryId, JobId, JobKind, JobState, WallTime};

use super::super::selection::Selection;
use super::super::value::{Param, params};
use super::super::{Area, Sql, SqlResult};
use super::insert::LATEST_NEW;
use super::rows;
use crate::ledger::Ledger;
use crate::ledger::deliveries::{DedupKey, FirstReply, JobFilter, OpenJobs, Retried, Retry};
use crate::ledger::error::LedgerError;

/// The SQL condition for a queue, its first five parameters; the fourth is its account, if it has one, the fifth the accounts
/// and targets to leave out, as in [`HERE`].
const OF_QUEUE: &str = "account_key = $1 AND kind = $2 AND known = $3 AND due_at IS NOT NULL
     AND (CAST($4 AS TEXT) IS NULL
         OR $4 = (SELECT account FROM deliveries WHERE deliveries.id = jobs.delivery))
     AND (CAST($5 AS TEXT) = '' OR instr($5, ' ' || CASE kind
         WHEN 'ask' THEN (SELECT account FROM deliveries WHERE deliveries.id = jobs.delivery)
         ELSE target END || ' ') = 0)";

/// When a job of a queue is due; an index has it.
const DUE: &str = "max(due_at, leased_until)";

/// Whether a job is for this process, where the queue has only some targets: its sixth parameter, in spaces, which no URL
/// or account's name contains.
const HERE: &str = "CASE kind WHEN 'forward' THEN instr($6, ' ' || target || ' ') > 0
     WHEN 'ask' THEN instr($6, ' ' || (SELECT CASE verdict WHEN 'unverified' THEN account || '/' ELSE account END
                                       FROM deliveries WHERE deliveries.id = delivery) || ' ') > 0
     ELSE true END";

/// The parameters of a queue and one kind, and when its jobs are due.
struct Queue<'a> {
    filter: &'a JobFilter,
    busy: String,
    targets: Option<String>,
}

impl<'a> Queue<'a> {
    fn of(filter: &'a JobFilter) -> Self {
        let in_spaces = |names: &Vec<String>| format!(" {} ", names.join(" "));
        let busy = Some(&filter.busy).filter(|busy| !busy.is_empty());
        Self {
            filter,
            busy: busy.map_or_else(String::new, in_spaces),
            targets: filter.targets.as_ref().map(in_spaces),
        }
    }

    /// When a job is due, and whether it is for this process. One for other processes is due a day later.
    fn due(&self) -> (String, &'static str) {
        match self.targets {
            Some(_) => (
                format!("{DUE} + CASE WHEN {HERE} THEN 0 ELSE 86400000 END"),
                HERE,
            ),
            None => (DUE.to_owned(), "true"),
        }
    }

    fn params(&self, kind: JobKind) -> Vec<Param<'_>> {
        let mut params = params![
            &*self.filter.account_key,
            kind.as_str(),
            self.filter.known,
            self.filter.account.as_ref(),
            &*self.busy,
        ]
        .to_vec();
        params.extend(self.targets.as_ref().map(Param::from));
        params
    }
}

/// The longest wait between two attempts that tilldeck chooses.
const LONGEST: Duration = Duration::from_hours(1);
/// The longest wait at all. A job that seems due later is due now: the clock was set back.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

impl Ledger {
    /// Adds a job to a delivery of any verdict, to forward it again.
    ///
    /// # Errors
    /// If it cannot be saved, or there is no such delivery.
    pub async fn add_job(
        &self,
        delivery: DeliveryId,
        new: NewJob,
    ) -> Result<Delivery, LedgerError> {
        self.write_durably(move |sql| add(sql, delivery, &new))
            .await?
            .ok_or(LedgerError::Gone)
    }

    /// Makes the [`Delivery::retryable`] jobs of a delivery due now, each with a fresh retry schedule. Left out are
    /// those that are leased.
    ///
    /// # Errors
    /// If it cannot be saved, or this owner has no such delivery.
    pub async fn retry_jobs(&self, retry: Retry) -> Result<Retried, LedgerError> {
        self.write_durably(move |sql| make_due(sql, &retry))
            .await?
            .ok_or(LedgerError::Gone)
    }

    /// Leases due jobs, with their deliveries. Jobs without an attempt are due whatever the clock says.
    pub async fn take_jobs(
        &self,
        queue: JobFilter,
        lease: ClaimRequest,
    ) -> Result<Vec<(Delivery, JobId)>, LedgerError> {
        self.write(move |sql| take(sql, &queue, lease)).await
    }

    /// When the next job is due or its lease ends; `None` if there is none.
    pub async fn next_job_due(&self, queue: JobFilter) -> Result<Option<WallTime>, LedgerError> {
        self.read(move |sql| {
            let mut soonest = None;
            let of = Queue::of(&queue);
            let (due, _) = of.due();
            let statement = match queue.targets {
                Some(_) => format!(
                    "WITH of_queue AS (SELECT * FROM jobs WHERE {OF_QUEUE}) SELECT min({due}) FROM of_queue"
                ),
                // Read off the index.
                None => {
                    format!("SELECT {DUE} FROM jobs WHERE {OF_QUEUE} ORDER BY {DUE} LIMIT 1")
                }
            };
            for kind in queue.kinds {
                let at: Option<Option<WallTime>> =
                    sql.first(&statement, &of.params(*kind))?;
                let at = at.flatten();
                soonest = soonest.into_iter().chain(at).min();
            }
            Ok(soonest)
        })
        .await
    }

    /// The open jobs of each kind, those of all accounts of this owner; kinds without any are left out.
    pub async fn open_jobs(&self, account_key: Arc<str>) -> Result<Vec<OpenJobs>, LedgerError> {
        self.read(move |sql| {
            sql.all(
                "SELECT j.kind, count(*), min(d.received_at) FROM jobs j JOIN deliveries d ON d.id = j.delivery
                 WHERE j.account_key = $1 AND j.due_at IS NOT NULL GROUP BY j.kind ORDER BY j.kind",
                params![&*account_key],
                |row| {
                    Ok(OpenJobs {
                        kind: rows::word(row, 0, JobKind::from_word)?,
                        count: row.get(1)?,
                        oldest: row.get(2)?,
                    })
                },
            )
        })
        .await
    }

    /// The callbacks of this owner with a [dead letter](crate::domain::Job::is_dead_letter), at most `limit`, newest
    /// first.
    pub async fn failed_deliveries(
        &self,
        account_key: Arc<str>,
        limit: usize,
    ) -> Result<Vec<Delivery>, LedgerError> {
        self.read(move |sql| {
            let mut failed = Selection::of("deliveries");
            let owner = failed.place(&*account_key);
            let [dropped, limit] = [failed.place(UNKNOWN_NOT_FOUND_MAX), failed.place(limit)];
            // An index has these jobs alone, and the dropped checks. Anyone can cause those, so they must not fill the limit.
            failed.require_that(&format!(
                "id IN (SELECT DISTINCT delivery FROM jobs
                     WHERE account_key = {owner} AND due_at IS NULL AND done = 0 AND not_found <> {dropped}
                     ORDER BY delivery DESC LIMIT {limit})"
            ));
            rows::selected(sql, &failed)
        })
        .await
    }

    /// The number of waiting callbacks of each account that anyone may have made up, see
    /// [`NewDelivery::proved`](crate::ledger::deliveries::NewDelivery::proved). One that is replayed meanwhile is not
    /// counted; only accounts without any open job are left out.
    pub async fn unknown_waiting(
        &self,
        account_key: Arc<str>,
    ) -> Result<Vec<(String, u64)>, LedgerError> {
        self.read(move |sql| {
            sql.rows(
                "SELECT account, CAST(sum(CASE class WHEN $1 THEN 0 ELSE rows END) AS BIGINT) FROM delivery_tally
                 WHERE class IN ($1, $2, $3) AND account_key = $4 GROUP BY account HAVING sum(rows) > 0",
                params![
                    rows::Class::Open as i64,
                    rows::Class::Unknown as i64,
                    rows::Class::Unverified as i64,
                    &*account_key
                ],
            )
        })
        .await
    }

    /// Saves the result of an attempt whose lease ends at `held_until`, and returns the delivery. If another process
    /// has leased or finished the job meanwhile, that result counts and this one is ignored.
    ///
    /// # Errors
    /// If it cannot be saved: the job is then retried.
    pub async fn finish_attempt(
        &self,
        id: JobId,
        held_until: WallTime,
        result: JobResult,
    ) -> Result<Delivery, LedgerError> {
        self.write_durably(move |sql| save_attempt(sql, id, held_until, &result))
            .await?
            .ok_or(LedgerError::Gone)
    }

    /// Ends the jobs that were due before `before` and whose account key begins with `prefix`: no process would take
    /// them.
    pub async fn end_abandoned_jobs(
        &self,
        prefix: &'static str,
        before: WallTime,
    ) -> Result<(), LedgerError> {
        self.write(move |sql| end_abandoned(sql, prefix, before))
            .await
    }

    /// The shop's answer to the first delivery with a key.
    pub async fn first_reply(&self, dedup_key: DedupKey) -> Result<FirstReply, LedgerError> {
        self.read(move |sql| {
            let found = sql.optional(
                "SELECT
                     (SELECT reply FROM jobs
                         WHERE dedup_key = known.id AND reply IS NOT NULL ORDER BY id LIMIT 1),
                     EXISTS (SELECT 1 FROM jobs
                         WHERE dedup_key = known.id AND kind = $1 AND due_at IS NOT NULL)
                 FROM dedup_keys AS known WHERE hash = $2",
                params![&JobKind::Relay, dedup_key.hash()],
                |row| {
                    let (sealed, awaited) = (row.get(0)?, row.get(1)?);
                    Ok(FirstReply { sealed, awaited })
                },
            )?;
            Ok(found.unwrap_or_default())
        })
        .await
    }
}

fn add(sql: &dyn Sql, delivery: DeliveryId, new: &NewJob) -> SqlResult<Option<Delivery>> {
    let change = sql.change(Area::Deliveries)?;
    let known: Option<String> = change.first(
        "SELECT account_key FROM deliveries WHERE id = $1",
        params![delivery.0],
    )?;
    let Some(account_key) = known else {
        return Ok(None);
    };
    // Without a deduplication key: a forward by the operator makes no later delivery a repeat.
    let whose = rows::JobOwner {
        delivery,
        account_key: &account_key,
        dedup_key: None,
        known: true,
    };
    rows::insert_job(&*change, &whose, new)?;
    rows::classify(&*change, delivery)?;
    let now = rows::one(&*change, delivery)?;
    change.commit()?;
    Ok(now)
}

fn make_due(sql: &dyn Sql, retry: &Retry) -> SqlResult<Option<Retried>> {
    let change = sql.change(Area::Deliveries)?;
    let id = retry.delivery;
    let owned: bool = change.value(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = $1 AND account_key = $2)",
        params![id.0, &*retry.account_key],
    )?;
    // Read in this transaction: no process can save another result in between.
    let Some(before) = rows::one(&*change, id)?.filter(|_| owned) else {
        return Ok(None);
    };
    let mut jobs = Vec::new();
    for job in before.retryable() {
        // The result of the last attempt stays until the next one has its own.
        let changed = change.execute(
            "UPDATE jobs SET tries = 0, not_found = 0, due_at = $1, leased_until = $2, lease = $3
             WHERE id = $4 AND (due_at IS NULL OR leased_until <= $1 OR leased_until > $5)",
            params![
                retry.now,
                retry.leased_until.unwrap_or(rows::FREE),
                retry.leased_until.map(rows::name_of),
                job.id.0,
                retry.now.plus(LEASE_MAX),
            ],
        )?;
        if changed > 0 {
            jobs.push(job.id);
        }
    }
    rows::classify(&*change, id)?;
    let now = rows::one(&*change, id)?;
    change.commit()?;
    Ok(now.map(|delivery| Retried { delivery, jobs }))
}

fn take(
    sql: &dyn Sql,
    queue: &JobFilter,
    lease: ClaimRequest,
) -> SqlResult<Vec<(Delivery, JobId)>> {
    let change = sql.change(Area::Deliveries)?;
    let of = Queue::of(queue);
    let (when, here) = of.due();
    // Made-up callbacks: the newest first, since real ones among a flood are likelier to be new.
    let order = if queue.known { DUE } else { "-id" };
    let now = lease.now;
    let mut due = Vec::new();
    let first = 6 + usize::from(of.targets.is_some());
    let [one, two, three] = [0, 1, 2].map(|at| format!("${}", first + at));
    for (condition, instants) in [
        (format!("{when} <= {one}"), vec![now]),
        // Due later than any new job can be, or attempted in the future: the clock was set back.
        (
            format!("{here} AND leased_until <= {one} AND tries = 0 AND {DUE} > {two}"),
            vec![now, now.plus(LATEST_NEW)],
        ),
        (
            format!("{here} AND (tried_at > {one} OR {DUE} > {two}) AND {DUE} > {three}"),
            vec![now, now.plus(LONGEST_RETRY_AFTER), now.plus(LONGEST)],
        ),
        (
            // An order that is being answered is not interrupted.
            format!("{here} AND kind <> 'relay' AND leased_until > {one} AND {DUE} > {one}"),
            vec![now.plus(LEASE_MAX)],
        ),
    ] {
        let limit = first + instants.len();
        let statement = format!(
            "SELECT {order}, id, delivery FROM jobs WHERE {OF_QUEUE} AND {condition}
             ORDER BY {order}, id LIMIT ${limit}"
        );
        for kind in queue.kinds {
            let mut params = of.params(*kind);
            params.extend(instants.iter().copied().map(Param::from));
            params.push(lease.limit.into());
            due.extend(change.rows::<(i64, i64, i64)>(&statement, &params)?);
        }
    }
    due.sort_unstable();
    // One job can meet several of the conditions.
    due.dedup();
    // Each kind was limited by itself.
    due.truncate(lease.limit);
    let mut taken = Vec::with_capacity(due.len());
    for (_, job, delivery) in due {
        change.execute(
            "UPDATE jobs SET leased_until = $1, lease = $2 WHERE id = $3",
            params![lease.until, rows::name_of(lease.until), job],
        )?;
        let found = rows::one(&*change, DeliveryId(delivery))?;
        let found = found.filter(|delivery| delivery.jobs.iter().any(|found| found.id.0 == job));
        if let Some(delivery) = found {
            taken.push((delivery, JobId(job)));
        } else {
            // Of a damaged file, its callback may be missing.
            change.execute(
                "DELETE FROM jobs WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE id = $2)",
                params![job, delivery],
            )?;
            // It cannot be read, so that no attempt could end.
            let end = "UPDATE jobs SET due_at = NULL WHERE id = $1 RETURNING delivery";
            for ended in change.rows::<i64>(end, params![job])? {
                rows::classify(&*change, DeliveryId(ended))?;
            }
        }
    }
    change.commit()?;
    Ok(taken)
}

fn end_abandoned(sql: &dyn Sql, prefix: &str, before: WallTime) -> SqlResult<()> {
    let change = sql.change(Area::Deliveries)?;
    let ended: Vec<i64> = change.rows(
        "UPDATE jobs SET due_at = NULL, not_found = 0
         WHERE due_at IS NOT NULL AND max(due_at, leased_until) < $1 AND substr(account_key, 1, length($2)) = $2
         RETURNING delivery",
        params![before, prefix],
    )?;
    for delivery in ended {
        rows::classify(&*change, DeliveryId(delivery))?;
    }
    change.commit()
}

fn save_attempt(
    sql: &dyn Sql,
    id: JobId,
    held_until: WallTime,
    result: &JobResult,
) -> SqlResult<Option<Delivery>> {
    let change = sql.change(Area::Deliveries)?;
    let known: Option<(i64, Option<i64>, i64, bool, bool, u32)> = change.first(
        "SELECT delivery, dedup_key, coalesce(length(reply), 0), due_at IS NOT NULL AND lease = $1,
             kind = $2 AND known = 0, not_found
         FROM jobs WHERE id = $3",
        params![rows::name_of(held_until), &JobKind::Check, id.0],
    )?;
    let Some((delivery, dedup_key, had, held, unknown, not_found)) = known else {
        return Ok(None);
    };
    // The lease has expired and another process has the job, or has finished it.
    if !held {
        return rows::one(&*change, DeliveryId(delivery));
    }
    let outcome = &result.outcome;
    // The check of a later callback, which came meanwhile, replaces what would follow.
    let is_replaced = outcome.next == Disposition::Unchanged
        && change.value(
            "SELECT EXISTS (SELECT 1 FROM jobs
                 WHERE dedup_key = $1 AND due_at IS NOT NULL AND kind = $2 AND id > $3)",
            params![dedup_key, &JobKind::Check, id.0],
        )?;
    let state = if is_replaced {
        JobState::Done
    } else {
        result.state
    };
    let due_at = match state {
        JobState::Due { at } => Some(at),
        JobState::Done | JobState::GivenUp => None,
    };
    let is_attempt = match outcome.next {
        Disposition::Released | Disposition::Blocked => false,
        Disposition::Unchanged => state == JobState::Done,
        _ => true,
    };
    change.execute(
        "UPDATE jobs SET tries = max(tries + $1, $2), due_at = $3, leased_until = $4, done = $5, tried_at = $6, summary = $7,
             status = $8, took = $9, reply = coalesce($10, reply), not_found = $11
         WHERE id = $12",
        params![
            i64::from(is_attempt),
            i64::from(is_attempt || outcome.next == Disposition::Blocked),
            due_at,
            rows::FREE,
            state == JobState::Done,
            result.at,
            &outcome.summary,
            outcome.status,
            outcome.took,
            outcome.reply.as_ref(),
            result.not_found(not_found, !unknown),
            id.0,
        ],
    )?;
    if let Some(reply) = &outcome.reply {
        // The tally by which rows are pruned counts responses, too.
        let more = i64::try_from(reply.len()).unwrap_or(i64::MAX) - had;
        change.execute(
            "UPDATE deliveries SET size = size + $1 WHERE id = $2",
            params![more, delivery],
        )?;
    }
    if outcome.settles {
        change.execute(
            "UPDATE dedup_keys SET settled = 1 WHERE id = $1",
            params![dedup_key],
        )?;
    }
    if unknown && (state == JobState::Done || outcome.next == Disposition::Unchanged) {
        mark_known(&*change, dedup_key)?;
    }
    rows::classify(&*change, DeliveryId(delivery))?;
    let now = rows::one(&*change, DeliveryId(delivery))?;
    change.commit()?;
    Ok(now)
}

/// The provider knows the payment of these deliveries, so they are not made up.
fn mark_known(sql: &dyn Sql, dedup_key: Option<i64>) -> SqlResult<()> {
    let known: Vec<i64> = sql.rows(
        "UPDATE jobs SET known = 1 WHERE dedup_key = $1 AND known = 0 RETURNING delivery",
        params![dedup_key],
    )?;
    for delivery in known {
        rows::classify(sql, DeliveryId(delivery))?;
    }
    Ok(())
}
