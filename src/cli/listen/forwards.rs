//! What `listen` prints about the servers it forwards to.

use std::collections::BTreeMap;

use crate::cli::output::{Out, Tone};
use crate::domain::{Job, JobState, inert};
use crate::net::redact;

/// Servers that reject forwards. Each cause is printed once, when it first occurs, and again when it is over.
#[derive(Default)]
pub(super) struct Forwards {
    /// The cause printed last, by target.
    failing: BTreeMap<String, String>,
}

impl Forwards {
    pub(super) fn note(&mut self, job: &Job, out: &Out) {
        let target = redact::scrub(&job.target).into_owned();
        if job.state == JobState::Done {
            if self.failing.remove(&target).is_some() {
                let words = format!("{target} accepts callbacks again");
                out.message(Tone::Good, "forwarding:", &words);
            }
            return;
        }
        if self.failing.get(&target) == Some(&job.summary) {
            return;
        }
        let next = match job.state {
            JobState::Due { .. } => "callbacks are saved and retried",
            JobState::Done | JobState::GivenUp => "this callback is saved and not retried",
        };
        let cause = inert::line(&redact::scrub(&job.summary)).into_owned();
        let words = format!("{target} does not accept callbacks: {cause} ({next})");
        out.warn(&words);
        self.failing.insert(target, job.summary.clone());
    }
}
