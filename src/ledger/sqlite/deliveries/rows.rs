//! Deliveries as rows: insert, read, classify.

use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params_from_iter};

use crate::domain::job::NewJob;
use crate::domain::{
    Delivery, DeliveryId, Job, JobId, JobKind, JobState, PaymentId, PlayerId, Subject, Verdict,
    WallTime,
};

use super::super::exchanges::malformed;
use crate::ledger::deliveries::{DeliveryQuery, NewDelivery, SealedParts};

/// The size of a row beside its texts.
const ROW_BYTES: usize = 250;

const COLUMNS: &str = "id, account, provider, received_at, sender, method, verdict, why, kind, payment, player, \
     attempt, status, bytes";
const JOB_COLUMNS: &str = "id, duty, target, tries, due_at, done, tried_at, told, status, took, \
     identity IS NULL";

/// The class that a delivery is pruned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub(super) enum Class {
    Accepted = 0,
    Repeat = 1,
    /// Anyone can send these, so they have their own share of the space.
    Junk = 2,
    /// It has an open job, so it is not dropped.
    Open = 3,
    /// It has an open job, and anyone may have made it up: see [`NewDelivery::proved`].
    Unknown = 4,
}

impl Class {
    /// `due`: for a delivery with an open job, whether its payment is known. `unfounded`: the provider was checked and
    /// does not know it either.
    fn of(verdict: Verdict, due: Option<bool>, unfounded: bool) -> Self {
        match (due, verdict) {
            (Some(true), _) => Self::Open,
            (Some(false), _) => Self::Unknown,
            (None, Verdict::Accepted) if unfounded => Self::Junk,
            (None, Verdict::Accepted) => Self::Accepted,
            (None, Verdict::Repeat) => Self::Repeat,
            (None, Verdict::Refused | Verdict::UnknownAccount | Verdict::Unreadable) => Self::Junk,
        }
    }
}

/// Whether it is proved, or about a payment that is watched, expected or known.
pub(super) fn is_known(conn: &Connection, new: &NewDelivery) -> rusqlite::Result<bool> {
    let Some(Subject::Payment(payment)) = &new.subject else {
        return Ok(new.proved);
    };
    if new.proved {
        return Ok(true);
    }
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM watches WHERE profile = ?1 AND account = ?2 AND payment = ?3)
             OR EXISTS (SELECT 1 FROM observations WHERE profile = ?1 AND account = ?2 AND payment = ?3)
             OR EXISTS (SELECT 1 FROM expectations WHERE profile = ?1 AND account = ?2 AND payment = ?3)",
    )?
    .query_row((&new.account_key, &new.account, payment.as_str()), |row| {
        row.get(0)
    })
}

/// A delivery's place among equal ones.
pub(super) struct Classified {
    pub(super) verdict: Verdict,
    pub(super) identity: Option<i64>,
    pub(super) attempt: u32,
    /// As [`is_known`] says.
    pub(super) known: bool,
}

pub(super) fn insert(
    conn: &Connection,
    new: &NewDelivery,
    jobs: &[NewJob],
    classified: &Classified,
) -> rusqlite::Result<Delivery> {
    let Classified {
        verdict,
        identity,
        attempt,
        known,
    } = *classified;
    let due = (!jobs.is_empty()).then_some(known);
    let (payment, player) = subject_columns(new.subject.as_ref());
    let texts = [
        &new.account_key,
        &new.account,
        &new.from,
        &new.method,
        &new.why,
        &new.kind,
    ];
    let size = ROW_BYTES + new.sealed.len() + texts.iter().map(|text| text.len()).sum::<usize>();
    conn.prepare_cached(
        "INSERT INTO deliveries (class, size, realm, account, provider, received_at, sender, method, verdict, why,
             kind, payment, player, identity, attempt, status, bytes, sealed)
         VALUES (:class, :size, :realm, :account, :provider, :received_at, :sender, :method, :verdict, :why,
             :kind, :payment, :player, :identity, :attempt, :status, :bytes, :sealed)",
    )?
    .execute(named_params! {
        ":class": Class::of(verdict, due, false) as i64,
        ":size": i64::try_from(size).unwrap_or(i64::MAX),
        ":realm": new.account_key,
        ":account": new.account,
        ":provider": new.provider,
        ":received_at": new.received_at.0,
        ":sender": new.from,
        ":method": new.method,
        ":verdict": verdict.as_str(),
        ":why": new.why,
        ":kind": new.kind,
        ":payment": payment,
        ":player": player,
        ":identity": identity,
        ":attempt": attempt,
        ":status": new.status,
        ":bytes": i64::try_from(new.bytes).unwrap_or(i64::MAX),
        ":sealed": new.sealed,
    })?;
    let id = DeliveryId(conn.last_insert_rowid());
    let mut taken_on = Vec::with_capacity(jobs.len());
    for job in jobs {
        let whose = JobOwner {
            delivery: id,
            account_key: &new.account_key,
            identity,
            known,
        };
        taken_on.push(insert_job(conn, &whose, job)?);
    }
    Ok(Delivery {
        id,
        account: new.account.clone(),
        provider: new.provider.clone(),
        received_at: new.received_at,
        from: new.from.clone(),
        method: new.method.clone(),
        verdict,
        why: new.why.clone(),
        kind: new.kind.clone(),
        subject: new.subject.clone(),
        attempt,
        status: new.status,
        bytes: new.bytes,
        jobs: taken_on,
    })
}

/// The delivery that a job belongs to.
pub(super) struct JobOwner<'a> {
    pub(super) delivery: DeliveryId,
    pub(super) account_key: &'a str,
    /// A callback's own jobs always have one: only valid callbacks have jobs. A replay has none, by which its row is
    /// distinguished from a configured forward.
    pub(super) identity: Option<i64>,
    pub(super) known: bool,
}

pub(super) fn insert_job(
    conn: &Connection,
    whose: &JobOwner<'_>,
    new: &NewJob,
) -> rusqlite::Result<Job> {
    conn.prepare_cached(
        "INSERT INTO errands (delivery, realm, identity, duty, target, known, tries, due_at, taken_until, done, told)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, 0, '')",
    )?
    .execute((
        whose.delivery.0,
        whose.account_key,
        whose.identity,
        new.kind.as_str(),
        &new.target,
        whose.known,
        new.at.0,
        new.taken_until.map_or(i64::MIN, |until| until.0),
    ))?;
    Ok(Job {
        id: JobId(conn.last_insert_rowid()),
        kind: new.kind,
        target: new.target.clone(),
        is_replay: whose.identity.is_none(),
        tries: 0,
        state: JobState::Due { at: new.at },
        tried_at: None,
        summary: String::new(),
        status: None,
        took: None,
    })
}

/// Updates a delivery's class after its jobs have changed.
pub(super) fn classify(conn: &Connection, id: DeliveryId) -> rusqlite::Result<()> {
    let (verdict, class, due, unfounded): (String, i64, Option<bool>, bool) = conn
        .prepare_cached(
            "SELECT verdict, class,
                 (SELECT max(known) FROM errands WHERE delivery = deliveries.id AND due_at IS NOT NULL),
                 EXISTS (SELECT 1 FROM errands WHERE delivery = deliveries.id AND duty = ?2 AND known = 0)
             FROM deliveries WHERE id = ?1",
        )?
        .query_row((id.0, JobKind::Ask.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    // An unknown word counts as a rejected callback.
    let verdict = Verdict::from_word(&verdict).unwrap_or(Verdict::Unreadable);
    let belongs = Class::of(verdict, due, unfounded) as i64;
    if belongs != class {
        conn.prepare_cached("UPDATE deliveries SET class = ?2 WHERE id = ?1")?
            .execute((id.0, belongs))?;
    }
    Ok(())
}

fn subject_columns(subject: Option<&Subject>) -> (Option<String>, Option<String>) {
    match subject {
        None => (None, None),
        Some(Subject::Payment(id)) => (Some(id.as_str().to_owned()), None),
        // Numbers beyond a column's range saturate.
        Some(Subject::Player(id)) => (None, Some(id.to_string())),
    }
}

pub(super) fn list(conn: &Connection, query: &DeliveryQuery) -> rusqlite::Result<Vec<Delivery>> {
    let (selection, values) = selection(query);
    let mut found: Vec<Delivery> = conn
        .prepare_cached(&format!("SELECT {COLUMNS} {selection}"))?
        .query_map(params_from_iter(values), from_row)?
        .collect::<Result<_, _>>()?;
    for delivery in &mut found {
        delivery.jobs = jobs(conn, delivery.id)?;
    }
    found.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
    Ok(found)
}

pub(super) fn count(conn: &Connection, query: &DeliveryQuery) -> rusqlite::Result<usize> {
    let (selection, values) = selection(query);
    conn.prepare_cached(&format!("SELECT count(*) FROM (SELECT id {selection})"))?
        .query_row(params_from_iter(values), |row| row.get::<_, i64>(0))
        .map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// The FROM and WHERE clauses of a query, with their values.
fn selection(query: &DeliveryQuery) -> (String, Vec<Value>) {
    let mut conditions = String::from("1");
    let mut values: Vec<Value> = Vec::new();
    let mut require = |condition: &str, value: Value| {
        conditions.push_str(" AND ");
        conditions.push_str(condition);
        values.push(value);
    };
    if let Some(account_key) = &query.account_key {
        require("realm = ?", account_key.clone().into());
    }
    if let Some(DeliveryId(id)) = query.before {
        require("id < ?", id.into());
    }
    if let Some(DeliveryId(id)) = query.after {
        require("id > ?", id.into());
    }
    if let Some(WallTime(at)) = query.since {
        require("received_at >= ?", at.into());
    }
    if let Some(account) = &query.account {
        require("account = ?", account.clone().into());
    }
    match subject_columns(query.subject.as_ref()) {
        (Some(payment), _) => require("payment = ?", payment.into()),
        (_, Some(player)) => require("player = ?", player.into()),
        (None, None) => {}
    }
    let order = if query.after.is_some() { "ASC" } else { "DESC" };
    values.push(i64::try_from(query.limit).unwrap_or(i64::MAX).into());
    let selection = format!("FROM deliveries WHERE {conditions} ORDER BY id {order} LIMIT ?");
    (selection, values)
}

pub(super) fn one(conn: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Delivery>> {
    let found = conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM deliveries WHERE id = ?1"))?
        .query_row([id.0], from_row)
        .optional()?;
    found
        .map(|delivery| {
            let jobs = jobs(conn, id)?;
            Ok(Delivery { jobs, ..delivery })
        })
        .transpose()
}

pub(super) fn sealed(conn: &Connection, id: DeliveryId) -> rusqlite::Result<Option<SealedParts>> {
    let request = conn
        .prepare_cached("SELECT sealed FROM deliveries WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    let Some(request) = request else {
        return Ok(None);
    };
    let replies = conn
        .prepare_cached(
            "SELECT id, reply FROM errands WHERE delivery = ?1 AND reply IS NOT NULL ORDER BY id",
        )?
        .query_map([id.0], |row| Ok((JobId(row.get(0)?), row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(Some(SealedParts { request, replies }))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let payment: Option<String> = row.get(9)?;
    let player: Option<String> = row.get(10)?;
    let subject = match (payment, player) {
        (Some(id), _) => Some(Subject::Payment(
            PaymentId::new(id).map_err(|error| malformed(9, error))?,
        )),
        (None, Some(id)) => Some(Subject::Player(PlayerId(
            id.parse().map_err(|error| malformed(10, error))?,
        ))),
        (None, None) => None,
    };
    Ok(Delivery {
        id: DeliveryId(row.get(0)?),
        account: row.get(1)?,
        provider: row.get(2)?,
        received_at: WallTime(row.get(3)?),
        from: row.get(4)?,
        method: row.get(5)?,
        verdict: word(row, 6, Verdict::from_word)?,
        why: row.get(7)?,
        kind: row.get(8)?,
        subject,
        attempt: row.get(11)?,
        status: row.get(12)?,
        bytes: row.get::<_, i64>(13)?.unsigned_abs(),
        jobs: Vec::new(),
    })
}

fn jobs(conn: &Connection, id: DeliveryId) -> rusqlite::Result<Vec<Job>> {
    conn.prepare_cached(&format!(
        "SELECT {JOB_COLUMNS} FROM errands WHERE delivery = ?1 ORDER BY id"
    ))?
    .query_map([id.0], |row| {
        let due_at: Option<i64> = row.get(4)?;
        let state = match due_at {
            Some(at) => JobState::Due { at: WallTime(at) },
            None if row.get(5)? => JobState::Done,
            None => JobState::GivenUp,
        };
        Ok(Job {
            id: JobId(row.get(0)?),
            kind: word(row, 1, JobKind::from_word)?,
            target: row.get(2)?,
            is_replay: row.get(10)?,
            tries: row.get(3)?,
            state,
            tried_at: row.get::<_, Option<i64>>(6)?.map(WallTime),
            summary: row.get(7)?,
            status: row.get(8)?,
            took: row
                .get::<_, Option<i64>>(9)?
                .map(|nanos| Duration::from_nanos(nanos.unsigned_abs())),
        })
    })?
    .collect()
}

fn word<T>(row: &Row<'_>, column: usize, known: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    known(&text).ok_or_else(|| {
        malformed(
            column,
            std::io::Error::other(format!("unknown word {text:?}")),
        )
    })
}
