//! A received callback in print: a row for people, an object for scripts.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::output::{Listing, Out, OutputError, Tone, plain, toned, whole};
use crate::domain::time::millis;
use crate::domain::{CallbackVerdict, Delivery, Job, JobKind, JobState, Subject, WallTime, inert};
use crate::net::redact;

const HEADS: [&str; 10] = [
    "received",
    "   id",
    "",
    "verdict",
    "account",
    "about",
    "kind",
    "reason",
    "HTTP",
    "checks and forwards",
];
const FIELDS: &str = "\
    id,account,provider,kind,verdict,why,received_at,attempt,status,from,method,bytes,jobs,\
    payment,player";

pub(super) type Rows = Listing<{ HEADS.len() }>;

pub(super) fn listing(out: &Out) -> Rows {
    Listing::new(out, HEADS, FIELDS.split(','))
}

pub(super) fn print(
    rows: &[Delivery],
    zone: &TimeZone,
    listing: &mut Rows,
) -> Result<(), OutputError> {
    for row in rows {
        let (glyph, tone) = glyph(row.verdict);
        let subject = row.subject.as_ref().map(ToString::to_string);
        let cells = [
            toned(row.received_at.unambiguous(zone), Tone::Dim),
            toned(format!("{:>5}", row.id.0), Tone::Dim),
            toned(glyph, tone),
            toned(verdict(row), tone),
            plain(safe(&row.account)),
            whole(&safe(&subject.unwrap_or_default()), Tone::Accent),
            plain(safe(&row.kind)),
            plain(safe(&row.reason())),
            plain(row.status.to_string()),
            plain(all_in_words(&row.jobs)),
        ];
        listing.row(&object(row), cells)?;
    }
    listing.flush()
}

fn safe(text: &str) -> String {
    redact::scrub(text).into_owned()
}

pub(super) fn verdict(delivery: &Delivery) -> String {
    match delivery.verdict {
        CallbackVerdict::Repeat => format!("repeat {}", delivery.attempt),
        CallbackVerdict::UnknownAccount => "unknown account".into(),
        CallbackVerdict::Refused => "rejected".into(),
        other => other.as_str().into(),
    }
}

fn glyph(verdict: CallbackVerdict) -> (&'static str, Tone) {
    match verdict {
        CallbackVerdict::Accepted => ("✔", Tone::Good),
        CallbackVerdict::Repeat => ("↻", Tone::Dim),
        CallbackVerdict::Refused => ("✘", Tone::Bad),
        CallbackVerdict::UnknownAccount
        | CallbackVerdict::Unreadable
        | CallbackVerdict::Unverified => ("?", Tone::Warn),
    }
}

/// Those that failed come first: the end of a long cell is cut.
fn all_in_words(jobs: &[Job]) -> String {
    let words = Job::failed_first(jobs).into_iter().map(in_words);
    let words: Vec<String> = words.collect();
    words.join(", ")
}

pub(super) fn in_words(job: &Job) -> String {
    let what = match job.kind {
        JobKind::Check => "check".to_owned(),
        JobKind::Forward | JobKind::Relay => format!("to {}", safe(&job.target)),
    };
    let report = safe(&job.summary);
    match job.state {
        JobState::Done => format!("{what}: {report}"),
        JobState::GivenUp if job.is_dropped() => format!("{what}: dropped: {report}"),
        JobState::GivenUp => format!("{what}: failed after {}: {report}", attempts(job)),
        JobState::Due { .. } if job.has_failed() => {
            format!("{what}: failed {}, will retry: {report}", times(job))
        }
        JobState::Due { .. } if report.is_empty() => format!("{what}: waiting"),
        // What was given back, or is retried on request.
        JobState::Due { .. } => format!("{what}: waiting: {report}"),
    }
}

fn times(job: &Job) -> String {
    match job.attempts {
        1 => "once".into(),
        2 => "twice".into(),
        attempts => format!("{attempts} times"),
    }
}

fn attempts(job: &Job) -> String {
    match job.attempts {
        1 => "1 try".into(),
        attempts => format!("{attempts} tries"),
    }
}

/// A delivery as JSON. The names are a contract.
pub(super) fn object(delivery: &Delivery) -> Value {
    let mut object = json!({
        "id": delivery.id,
        "account": safe(&delivery.account),
        "provider": delivery.provider,
        "kind": safe(&delivery.kind),
        "verdict": delivery.verdict.as_str(),
        "why": safe(&inert::unescaped(&delivery.why)),
        "received_at": delivery.received_at.rfc3339(),
        "attempt": delivery.attempt,
        "status": delivery.status,
        "from": delivery.from,
        "method": delivery.method,
        "bytes": delivery.bytes,
        "jobs": delivery.jobs.iter().map(job).collect::<Vec<_>>(),
    });
    match &delivery.subject {
        Some(Subject::Payment(id)) => object["payment"] = json!(safe(id.as_str())),
        Some(Subject::Player(id)) => object["player"] = json!(id),
        None => {}
    }
    object
}

fn job(job: &Job) -> Value {
    let (state, due_at) = match job.state {
        JobState::Due { at } => ("due", Some(at.rfc3339())),
        JobState::Done => ("done", None),
        JobState::GivenUp => ("given_up", None),
    };
    json!({
        "kind": job.kind.word(),
        "target": (job.kind != JobKind::Check).then(|| safe(&job.target)),
        "state": state,
        "due_at": due_at,
        "tries": job.attempts,
        "tried_at": job.tried_at.map(WallTime::rfc3339),
        "result": safe(&inert::unescaped(&job.summary)),
        "status": job.status,
        "took_ms": job.took.map(millis),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::JobId;
    use crate::domain::job::UNKNOWN_NOT_FOUND_MAX;

    #[test]
    fn the_job_that_failed_comes_before_those_that_need_nothing() {
        let job = |attempts, state, summary: &str| Job {
            id: JobId(1),
            kind: JobKind::Check,
            target: String::new(),
            is_replay: false,
            attempts,
            not_found: 0,
            state,
            tried_at: None,
            summary: summary.into(),
            status: None,
            took: None,
        };
        let due = JobState::Due { at: WallTime(9) };
        let jobs = [
            job(1, JobState::Done, "FINALIZED"),
            job(0, due, ""),
            job(2, due, "HTTP 503"),
            // Its process ended during the try.
            job(1, due, ""),
            job(1, JobState::GivenUp, "HTTP 410"),
            Job {
                not_found: UNKNOWN_NOT_FOUND_MAX,
                ..job(2, JobState::GivenUp, "not found")
            },
        ];
        assert_eq!(
            all_in_words(&jobs),
            "check: failed after 1 try: HTTP 410, check: failed twice, will retry: HTTP 503, check: waiting, check: waiting, check: FINALIZED, check: dropped: not found"
        );
    }
}
