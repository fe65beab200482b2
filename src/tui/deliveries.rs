//! A callback in words: its verdict, its jobs, and how it arrived.

use super::component::ViewContext;
use super::widgets::text::without_account;
use crate::domain::{CallbackVerdict, Delivery, Job, JobKind, JobState, Subject};
use crate::tui::theme::Tone;
use crate::tui::widgets::text::size;

/// Glyph, word and tone of a verdict.
pub fn verdict(delivery: &Delivery) -> (&'static str, String, Tone) {
    match delivery.verdict {
        CallbackVerdict::Accepted => ("✔", "accepted".into(), Tone::Good),
        // A number that is cut off would read as another number.
        CallbackVerdict::Repeat if delivery.attempt > 999 => ("↻", "repeat >1k".into(), Tone::Dim),
        CallbackVerdict::Repeat => ("↻", format!("repeat {}", delivery.attempt), Tone::Dim),
        CallbackVerdict::Refused => ("✘", "rejected".into(), Tone::Bad),
        CallbackVerdict::UnknownAccount => ("?", "no account".into(), Tone::Warn),
        CallbackVerdict::Unreadable => ("!", "unreadable".into(), Tone::Warn),
        CallbackVerdict::Unverified => ("?", "unverified".into(), Tone::Warn),
    }
}

/// The verdict in one sentence.
pub fn meaning(delivery: &Delivery) -> String {
    let why = |word: &str| match without_account(&delivery.why, &delivery.account) {
        "" => word.to_owned(),
        why => format!("{word}: {why}"),
    };
    match delivery.verdict {
        CallbackVerdict::Accepted if delivery.why.is_empty() => "accepted".into(),
        CallbackVerdict::Accepted => format!("accepted, {}", delivery.reason()),
        CallbackVerdict::Repeat => format!(
            "delivered for the {} time: shown only, not processed again",
            ordinal(delivery.attempt)
        ),
        CallbackVerdict::Refused => why("rejected, not processed"),
        CallbackVerdict::UnknownAccount => format!("no account is named `{}`", delivery.account),
        CallbackVerdict::Unreadable => why("unreadable, not processed"),
        CallbackVerdict::Unverified => why("not verified yet, not processed"),
    }
}

fn ordinal(n: u32) -> String {
    let end = match (n % 10, n % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}

/// What must be answered in time; then the jobs, the unfinished ones first, each with its tone; without jobs, the reason why there are none. A failed job's
/// row begins with a symbol and the reason: both must be seen where the rest is cut off.
pub fn outcome(delivery: &Delivery, ctx: ViewContext<'_>) -> Vec<(String, Tone)> {
    let mut outcome = jobs_of(delivery, ctx);
    outcome.splice(..0, due(delivery, ctx).map(|words| (words, Tone::Bad)));
    outcome
}

/// What the operator must do, and how long there is time: `14:03 to give a key`. The time first, which must be seen where
/// the rest is cut off.
pub fn due(delivery: &Delivery, ctx: ViewContext<'_>) -> Option<String> {
    let mut all = ctx.store.due.iter();
    let due = all.find(|due| due.delivery.id == delivery.id)?;
    let action = due.deadline.action;
    Some(if ctx.reduced_motion {
        format!("by {}: {action}", due.until.clock(&ctx.store.zone))
    } else {
        let left = ctx.countdown(due.until.since(ctx.now.wall));
        format!("{left} to {action}")
    })
}

fn jobs_of(delivery: &Delivery, ctx: ViewContext<'_>) -> Vec<(String, Tone)> {
    if !delivery.jobs.is_empty() {
        let row = |job: &Job| {
            let (words, tone) = state(job, &delivery.account, ctx);
            match job.state {
                JobState::GivenUp if job.is_dead_letter() => (format!("✘ {words}"), tone),
                JobState::Due { .. } if job.has_failed() => (format!("! {words}"), tone),
                JobState::Due { .. } | JobState::Done | JobState::GivenUp => (words, tone),
            }
        };
        let jobs = Job::failed_first(&delivery.jobs);
        return jobs.into_iter().map(row).collect();
    }
    let words = match delivery.verdict {
        CallbackVerdict::Accepted => return Vec::new(),
        CallbackVerdict::Repeat => "duplicate".to_owned(),
        _ => without_account(&delivery.why, &delivery.account).to_owned(),
    };
    let tone = match delivery.verdict {
        CallbackVerdict::Refused => Tone::Bad,
        CallbackVerdict::Repeat => Tone::Dim,
        _ => Tone::Warn,
    };
    vec![(words, tone)]
}

/// The state of one job, its reason first.
pub fn state(job: &Job, account: &str, ctx: ViewContext<'_>) -> (String, Tone) {
    let why = without_account(&job.summary, account);
    let (noun, done, doing) = match job.kind {
        JobKind::Check => ("check", "check", "checking"),
        JobKind::Forward => ("forward", "forwarded", "forwarding"),
        JobKind::Relay => ("relay", "relayed", "relaying"),
    };
    let took = match (job.kind, job.took) {
        (JobKind::Forward | JobKind::Relay, Some(took)) => format!(" {} ms", took.as_millis()),
        _ => String::new(),
    };
    match job.state {
        JobState::Done => (format!("{done}: {why}{took}"), Tone::Plain),
        JobState::GivenUp => {
            let attempts = match job.attempts {
                0 | 1 => String::new(),
                attempts => format!(" after {attempts} attempts"),
            };
            let tone = if job.is_dropped() {
                Tone::Dim
            } else {
                Tone::Bad
            };
            (format!("{why} · gave up {doing}{attempts}"), tone)
        }
        JobState::Due { at } => {
            let left = at.since(ctx.now.wall);
            let next = match (left.is_zero(), ctx.reduced_motion) {
                (true, _) => format!("{doing} now"),
                (false, true) => format!("{noun} at {}", at.clock(&ctx.store.zone)),
                (false, false) => {
                    ctx.ticks();
                    format!("{noun} in {} s", left.as_millis().div_ceil(1000))
                }
            };
            if job.has_failed() {
                (format!("{why} · {next}"), Tone::Warn)
            } else if why.is_empty() {
                (next, Tone::Busy)
            } else {
                (format!("{why} · {next}"), Tone::Busy)
            }
        }
    }
}

/// The payment or player that it is about.
pub fn subject(delivery: &Delivery) -> String {
    match &delivery.subject {
        Some(Subject::Payment(id)) => id.to_string(),
        Some(Subject::Player(id)) => format!("player {id}"),
        None => String::new(),
    }
}

/// When, from where and how it arrived, and the status it was answered with.
pub fn arrival(delivery: &Delivery, ctx: ViewContext<'_>) -> String {
    let kind = match delivery.kind.as_str() {
        "" => String::new(),
        kind => format!("“{kind}” "),
    };
    format!(
        "callback {} {kind}{} from {} by {}, {} · response HTTP {}",
        delivery.id.0,
        delivery.received_at.date_and_clock(&ctx.store.zone),
        delivery.from,
        delivery.method,
        size(delivery.bytes),
        delivery.status
    )
}

/// The target of a job and its number of attempts, which [`state`] has for one that failed.
pub fn target_and_attempts(job: &Job) -> String {
    let target = match job.kind {
        JobKind::Check => String::new(),
        JobKind::Forward | JobKind::Relay => format!(" · to {}", job.target),
    };
    let attempts = match job.attempts {
        attempts @ 2.. if job.state != JobState::GivenUp => format!(" · {attempts} attempts"),
        _ => String::new(),
    };
    target + &attempts
}
