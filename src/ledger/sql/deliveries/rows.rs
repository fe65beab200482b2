//! Deliveries as rows: insert, read, classify.

use crate::domain::job::NewJob;
use crate::domain::{
    CallbackVerdict, Delivery, DeliveryId, Job, JobId, JobKind, JobState, PaymentId, PlayerId,
    Search, Subject, WallTime,
};

use super::super::logs::{Columns, LogKind, SEARCHED_MAX};
use super::super::selection::{Selection, patterns};
use super::super::value::{Row, params};
use super::super::{Sql, SqlResult, readable};
use super::{Callbacks, DeliveryQuery};
use crate::ledger::deliveries::{NewDelivery, SealedParts};

/// The size of a row beside its texts.
const ROW_BYTES: usize = 250;

/// A delivery in the columns that [`from_row`] reads, then a job in those that [`job`] reads.
const COLUMNS: &str = "d.id, d.account, d.provider, d.received_at, d.sender, d.method, d.verdict, d.why, d.kind, \
     d.payment, d.player, d.attempt, d.status, d.bytes, d.happened_at, \
     j.id, j.kind, j.target, j.tries, j.due_at, j.done, j.tried_at, j.summary, j.status, j.took, j.dedup_key IS NULL, \
     j.not_found";
/// Where the columns of the job begin.
const JOB: usize = 15;

/// The lease end of a job without a lease.
pub(super) const FREE: WallTime = WallTime(i64::MIN);

/// The name of a lease: its end by the clock of its holder, which is not shifted to the database's.
pub(super) fn name_of(lease_end: WallTime) -> i64 {
    lease_end.0
}

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
    /// The same, and it cannot be verified yet: it may be the only copy, so that it is not dropped for a newer one.
    Unverified = 5,
}

impl Class {
    /// `due`: for a delivery with an open job, whether its payment is known. `unfounded`: the provider was checked and
    /// does not know it either.
    fn of(verdict: CallbackVerdict, due: Option<bool>, unfounded: bool) -> Self {
        match (due, verdict) {
            (Some(true), _) => Self::Open,
            (Some(false), CallbackVerdict::Unverified) => Self::Unverified,
            (Some(false), _) => Self::Unknown,
            (None, CallbackVerdict::Accepted) if unfounded => Self::Junk,
            (None, CallbackVerdict::Accepted) => Self::Accepted,
            (None, CallbackVerdict::Repeat) => Self::Repeat,
            (
                None,
                CallbackVerdict::Refused
                | CallbackVerdict::UnknownAccount
                | CallbackVerdict::Unreadable
                | CallbackVerdict::Unverified,
            ) => Self::Junk,
        }
    }
}

/// Whether it is proved, or about a payment that is watched, expected or known.
pub(super) fn is_known(sql: &dyn Sql, new: &NewDelivery) -> SqlResult<bool> {
    let Some(Subject::Payment(payment)) = &new.subject else {
        return Ok(new.proved);
    };
    if new.proved {
        return Ok(true);
    }
    sql.value(
        "SELECT EXISTS (SELECT 1 FROM watches WHERE profile = $1 AND account = $2 AND payment = $3)
             OR EXISTS (SELECT 1 FROM observations WHERE profile = $1 AND account = $2 AND payment = $3)
             OR EXISTS (SELECT 1 FROM expectations WHERE profile = $1 AND account = $2 AND payment = $3)",
        params![&new.account_key, &new.account, payment],
    )
}

/// A delivery's place among equal ones.
pub(super) struct Classified {
    pub(super) verdict: CallbackVerdict,
    pub(super) dedup_key: Option<i64>,
    pub(super) attempt: u32,
    /// As [`is_known`] says.
    pub(super) known: bool,
}

pub(super) fn insert(
    sql: &dyn Sql,
    new: &NewDelivery,
    jobs: &[NewJob],
    classified: &Classified,
) -> SqlResult<Delivery> {
    let Classified {
        verdict,
        dedup_key,
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
    let class = Class::of(verdict, due, false) as i64;
    sql.count_delivery(new, class, size);
    let columns = params![
        class,
        size,
        &new.account_key,
        &new.account,
        &new.provider,
        new.received_at,
        &new.from,
        &new.method,
        &verdict,
        &new.why,
        &new.kind,
        payment.as_deref(),
        player.as_deref(),
        dedup_key,
        attempt,
        new.status,
        new.bytes,
        &new.sealed,
        new.happened_at,
    ];
    let id = sql.insert(
        "deliveries",
        "class, size, account_key, account, provider, received_at, sender, method, verdict, why, kind, payment, player, \
         dedup_key, attempt, status, bytes, sealed, happened_at",
        columns,
    )?;
    let id = DeliveryId(id);
    let mut taken_on = Vec::with_capacity(jobs.len());
    for job in jobs {
        let whose = JobOwner {
            delivery: id,
            account_key: &new.account_key,
            dedup_key,
            known,
        };
        taken_on.push(insert_job(sql, &whose, job)?);
    }
    Ok(Delivery {
        id,
        account: new.account.clone(),
        provider: new.provider.clone(),
        received_at: new.received_at,
        happened_at: new.happened_at,
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

pub(super) struct JobOwner<'a> {
    pub(super) delivery: DeliveryId,
    pub(super) account_key: &'a str,
    /// The jobs of a valid callback always have one. A replay has none, by which its row is distinguished from a
    /// configured forward.
    pub(super) dedup_key: Option<i64>,
    pub(super) known: bool,
}

pub(super) fn insert_job(sql: &dyn Sql, whose: &JobOwner<'_>, new: &NewJob) -> SqlResult<Job> {
    let id = sql.insert(
        "jobs",
        "delivery, account_key, dedup_key, kind, target, known, tries, due_at, leased_until, lease, done, summary",
        params![
            whose.delivery.0,
            whose.account_key,
            whose.dedup_key,
            &new.kind,
            &new.target,
            whose.known,
            0_i64,
            new.at,
            new.leased_until.unwrap_or(FREE),
            new.leased_until.map(name_of),
            false,
            "",
        ],
    )?;
    Ok(Job {
        id: JobId(id),
        kind: new.kind,
        target: new.target.clone(),
        is_replay: whose.dedup_key.is_none(),
        attempts: 0,
        not_found: 0,
        state: JobState::Due { at: new.at },
        tried_at: None,
        summary: String::new(),
        status: None,
        took: None,
    })
}

/// Updates a delivery's class after its jobs have changed.
pub(super) fn classify(sql: &dyn Sql, id: DeliveryId) -> SqlResult<()> {
    let found: Option<(String, i64, Option<bool>, bool)> = sql.first(
        "SELECT verdict, class,
             (SELECT max(known) FROM jobs WHERE delivery = $1 AND due_at IS NOT NULL),
             EXISTS (SELECT 1 FROM jobs WHERE delivery = $1 AND kind = $2 AND known = 0)
         FROM deliveries WHERE id = $1",
        params![id.0, &JobKind::Check],
    )?;
    // Of a damaged file, a job may be left without its delivery.
    let Some((verdict, class, due, unfounded)) = found else {
        return Ok(());
    };
    let belongs = Class::of(known_verdict(&verdict), due, unfounded) as i64;
    if belongs != class {
        sql.execute(
            "UPDATE deliveries SET class = $1 WHERE id = $2",
            params![belongs, id.0],
        )?;
    }
    Ok(())
}

/// An unknown word counts as a rejected callback.
fn known_verdict(word: &str) -> CallbackVerdict {
    CallbackVerdict::from_word(word).unwrap_or(CallbackVerdict::Unreadable)
}

pub(super) fn subject_columns(subject: Option<&Subject>) -> (Option<String>, Option<String>) {
    match subject {
        None => (None, None),
        Some(Subject::Payment(id)) => (Some(id.as_str().to_owned()), None),
        // Numbers beyond a column's range saturate.
        Some(Subject::Player(id)) => (None, Some(id.to_string())),
    }
}

/// Deliveries with their jobs, newest first: in one statement, however many they are.
pub(super) fn selected(sql: &dyn Sql, selection: &Selection<'_>) -> SqlResult<Vec<Delivery>> {
    let mut found: Vec<Delivery> = Vec::new();
    let statement = format!(
        "SELECT {COLUMNS} FROM (SELECT id {}) AS found JOIN deliveries d ON d.id = found.id
         LEFT JOIN jobs j ON j.delivery = d.id ORDER BY d.id DESC, j.id",
        selection.text()
    );
    sql.query(&statement, selection.values(), &mut |row| {
        let id = DeliveryId(row.get(0)?);
        if found.last().is_none_or(|last| last.id != id) {
            found.extend(readable(from_row(row))?);
        }
        if row.get::<Option<i64>>(JOB)?.is_some()
            && let Some(last) = found.last_mut().filter(|last| last.id == id)
        {
            last.jobs.extend(readable(job(row))?);
        }
        Ok(())
    })?;
    Ok(found)
}

impl LogKind for Callbacks {
    type Row = Delivery;
    const NOUN: &'static str = "callback";

    fn id(row: &Delivery) -> i64 {
        row.id.0
    }
}

impl Columns for Callbacks {
    const AT: &'static str = "received_at";

    fn table(_: &dyn Sql, _: &Search) -> String {
        "deliveries".into()
    }

    fn require<'q>(query: &'q DeliveryQuery, selection: &mut Selection<'q>) {
        let (log, search) = (&query.log, &query.search);
        selection.require("account_key =", log.account_key.as_ref());
        if let Some(profile) = &query.profile {
            // A run of the simulator has the profile's name and a number.
            let profile = selection.place(format!("{profile} "));
            selection.require_that(&format!(
                "substr(account_key || ' ', 1, length({profile})) = {profile}"
            ));
        }
        let (payment, player) = subject_columns(log.subject.as_ref());
        selection.require("payment =", payment);
        selection.require("player =", player);
        if let Some(about) = &search.about {
            let about = selection.place(about);
            selection.require_that(&format!("payment = {about} OR player = {about}"));
        }
        if !search.words.is_empty() {
            let newest = "id > (SELECT max(id) FROM deliveries) -";
            selection.require(newest, Some(SEARCHED_MAX));
        }
        for pattern in patterns(&search.words) {
            let place = selection.place(pattern);
            let like = format!("LIKE lower({place}) ESCAPE '\\'");
            // With the words of the screen beside those of scripts.
            selection.require_that(&format!(
                "lower(account || ' ' || provider || ' ' || verdict || CASE verdict \
                     WHEN 'refused' THEN ' rejected' WHEN 'unknown_account' THEN ' unknown no account' ELSE '' END \
                     || ' ' || kind || ' ' || coalesce(payment, player, '') || ' ' || why || ' ' || method || ' ' || \
                     CAST(status AS TEXT)) {like} \
                 OR EXISTS (SELECT 1 FROM jobs WHERE delivery = deliveries.id \
                     AND lower(summary || ' ' || target) {like})"
            ));
        }
    }

    fn rows(&self, sql: &dyn Sql, selection: &Selection<'_>) -> SqlResult<Vec<Delivery>> {
        selected(sql, selection)
    }
}

pub(super) fn one(sql: &dyn Sql, id: DeliveryId) -> SqlResult<Option<Delivery>> {
    let mut selection = Selection::of("deliveries");
    selection.require("id =", Some(id.0));
    Ok(selected(sql, &selection)?.pop())
}

pub(super) fn sealed(sql: &dyn Sql, id: DeliveryId) -> SqlResult<Option<SealedParts>> {
    let request = sql.first("SELECT sealed FROM deliveries WHERE id = $1", params![id.0])?;
    let Some(request) = request else {
        return Ok(None);
    };
    let replies = sql.all(
        "SELECT id, reply FROM jobs WHERE delivery = $1 AND reply IS NOT NULL ORDER BY id",
        params![id.0],
        |row| Ok((JobId(row.get(0)?), row.get(1)?)),
    )?;
    Ok(Some(SealedParts { request, replies }))
}

/// A callback whose subject or verdict is none of ours, since another program has written it, is shown without.
fn from_row(row: Row<'_>) -> SqlResult<Delivery> {
    let verdict: String = row.get(6)?;
    let subject = match (
        row.get::<Option<String>>(9)?,
        row.get::<Option<String>>(10)?,
    ) {
        (Some(id), _) => PaymentId::new(id).ok().map(Subject::Payment),
        (None, Some(id)) => id.parse().ok().map(|id| Subject::Player(PlayerId(id))),
        (None, None) => None,
    };
    Ok(Delivery {
        id: DeliveryId(row.get(0)?),
        account: row.get(1)?,
        provider: row.get(2)?,
        received_at: row.get(3)?,
        from: row.get(4)?,
        method: row.get(5)?,
        verdict: known_verdict(&verdict),
        why: row.get(7)?,
        kind: row.get(8)?,
        subject,
        attempt: row.get(11)?,
        status: row.get(12)?,
        bytes: row.get(13)?,
        happened_at: row.get(14)?,
        jobs: Vec::new(),
    })
}

fn job(row: Row<'_>) -> SqlResult<Job> {
    let due_at: Option<WallTime> = row.get(JOB + 4)?;
    let state = match due_at {
        Some(at) => JobState::Due { at },
        None if row.get(JOB + 5)? => JobState::Done,
        None => JobState::GivenUp,
    };
    Ok(Job {
        id: JobId(row.get(JOB)?),
        kind: word(row, JOB + 1, JobKind::from_word)?,
        target: row.get(JOB + 2)?,
        is_replay: row.get(JOB + 10)?,
        attempts: row.get(JOB + 3)?,
        not_found: row.get(JOB + 11)?,
        state,
        tried_at: row.get(JOB + 6)?,
        summary: row.get(JOB + 7)?,
        status: row.get(JOB + 8)?,
        took: row.get(JOB + 9)?,
    })
}

pub(super) fn word<T>(
    row: Row<'_>,
    column: usize,
    known: impl Fn(&str) -> Option<T>,
) -> SqlResult<T> {
    row.parsed(column, |text: String| {
        known(&text).ok_or_else(|| format!("unknown word {text:?}"))
    })
}
