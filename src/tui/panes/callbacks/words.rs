//! What is told of a callback, in words: its verdict, and what it gives rise to.

use crate::domain::{Delivery, Job, JobKind, JobState, Subject, Verdict};
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::text::size;

use super::window::has_failed;

/// Glyph, word and tone of a verdict.
pub fn verdict(delivery: &Delivery) -> (&'static str, String, Tone) {
    match delivery.verdict {
        Verdict::Accepted => ("✔", "accepted".into(), Tone::Good),
        // Cut, a number would read as another.
        Verdict::Repeat if delivery.attempt > 999 => ("↻", "repeat >1k".into(), Tone::Dim),
        Verdict::Repeat => ("↻", format!("repeat {}", delivery.attempt), Tone::Dim),
        Verdict::Refused => ("✘", "refused".into(), Tone::Bad),
        Verdict::UnknownAccount => ("?", "no account".into(), Tone::Warn),
        Verdict::Unreadable => ("!", "unreadable".into(), Tone::Warn),
    }
}

/// What it comes to, in one sentence.
pub fn meaning(delivery: &Delivery) -> String {
    let why = |word: &str| match delivery.why.as_str() {
        "" => word.to_owned(),
        why => format!("{word}: {why}"),
    };
    match delivery.verdict {
        Verdict::Accepted if delivery.why.is_empty() => "accepted".into(),
        Verdict::Accepted => format!("accepted, proved by {}", delivery.why),
        Verdict::Repeat => format!(
            "delivered for the {} time: shown, and acted upon no more",
            ordinal(delivery.attempt)
        ),
        Verdict::Refused => why("refused, not acted upon"),
        Verdict::UnknownAccount => format!("no account here is called {}", delivery.account),
        Verdict::Unreadable => why("it cannot be understood"),
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

/// What came of it so far, what is not done yet first, each errand with its tone; why not, where nothing is to be done.
pub fn outcome(delivery: &Delivery, ctx: ViewContext<'_>) -> Vec<(String, Tone)> {
    if !delivery.jobs.is_empty() {
        let mut jobs: Vec<&Job> = delivery.jobs.iter().collect();
        jobs.sort_by_key(|job| match job.state {
            JobState::GivenUp => 0,
            JobState::Due { .. } if has_failed(job) => 1,
            JobState::Due { .. } => 2,
            JobState::Done => 3,
        });
        return jobs.into_iter().map(|job| state(job, ctx)).collect();
    }
    let words = match delivery.verdict {
        Verdict::Accepted => return Vec::new(),
        Verdict::Repeat => "told before".to_owned(),
        _ => delivery.why.clone(),
    };
    let tone = match delivery.verdict {
        Verdict::Refused => Tone::Bad,
        Verdict::Repeat => Tone::Dim,
        _ => Tone::Warn,
    };
    vec![(words, tone)]
}

/// How one errand stands.
pub fn state(job: &Job, ctx: ViewContext<'_>) -> (String, Tone) {
    let verb = match job.kind {
        JobKind::Ask => "asked",
        JobKind::Forward => "forwarded",
        JobKind::Relay => "relayed",
    };
    let took = match (job.kind, job.took) {
        (JobKind::Forward | JobKind::Relay, Some(took)) => format!(" {} ms", took.as_millis()),
        _ => String::new(),
    };
    match job.state {
        JobState::Done => (format!("{verb}: {}{took}", job.told), Tone::Plain),
        JobState::GivenUp => (format!("given up: {}", job.told), Tone::Bad),
        JobState::Due { at } => {
            let left = at.since(ctx.now.wall);
            let next = match (left.is_zero(), ctx.still) {
                (true, _) => String::new(),
                (false, true) => format!("next try at {}", at.clock(&ctx.store.zone)),
                (false, false) => format!("next try in {} s", left.as_millis().div_ceil(1000)),
            };
            let now = match (job.kind, next.is_empty()) {
                (_, false) => next,
                (JobKind::Ask, true) => "asking now".into(),
                (JobKind::Forward, true) => "forwarding now".into(),
                (JobKind::Relay, true) => "relaying now".into(),
            };
            if has_failed(job) {
                (format!("{now}: {}", job.told), Tone::Warn)
            } else {
                (now, Tone::Busy)
            }
        }
    }
}

/// Of what it tells, in the words of a sentence.
pub fn subject(delivery: &Delivery) -> String {
    match &delivery.subject {
        Some(Subject::Payment(id)) => id.to_string(),
        Some(Subject::Player(id)) => format!("player {id}"),
        None => String::new(),
    }
}

/// When, from where and how it came, and what it was answered.
pub fn arrival(delivery: &Delivery, ctx: ViewContext<'_>) -> String {
    let kind = match delivery.kind.as_str() {
        "" => String::new(),
        kind => format!("“{kind}” "),
    };
    format!(
        "callback {} {kind}{} from {} by {}, {} · answered {}",
        delivery.id.0,
        delivery.received_at.date_and_clock(&ctx.store.zone),
        delivery.from,
        delivery.method,
        size(delivery.bytes),
        delivery.status
    )
}

/// Where an errand goes and how often it was tried.
pub fn history(job: &Job) -> String {
    let target = match job.target.as_str() {
        "" => String::new(),
        target => format!(" · to {target}"),
    };
    let tries = match job.tries {
        0 | 1 => String::new(),
        tries => format!(" · {tries} tries"),
    };
    target + &tries
}
