//! Support log lines about callbacks. They contain nothing of a callback's content.

use tracing::{info, warn};

use crate::domain::job::AttemptEnd;
use crate::domain::raw_path::without_query;
use crate::domain::{CallbackVerdict, Delivery, Job, JobId, JobKind};

pub(super) fn received(delivery: &Delivery) {
    let account = delivery.account.as_str();
    let (verdict, kind) = (delivery.verdict.as_str(), delivery.kind.as_str());
    let (status, attempt, why) = (delivery.status, delivery.attempt, &delivery.why);
    match delivery.verdict {
        CallbackVerdict::Accepted | CallbackVerdict::Repeat => {
            info!(account, verdict, kind, status, attempt, "callback");
        }
        _ => warn!(account, verdict, kind, status, attempt, why, "callback"),
    }
}

pub(super) fn tried(delivery: &Delivery, id: JobId) {
    let Some(job) = delivery.jobs.iter().find(|job| job.id == id) else {
        return;
    };
    let account = delivery.account.as_str();
    let what = match job.kind {
        JobKind::Check => "check of a callback",
        JobKind::Forward => "forward of a callback",
        JobKind::Relay => "relay of an order",
    };
    let Job {
        attempts, status, ..
    } = *job;
    // A check has no target.
    let to = Some(without_query(&job.target)).filter(|to| !to.is_empty());
    let ms = job.took.map(|took| took.as_millis());
    let result = job.result().as_str();
    match job.result() {
        AttemptEnd::Done | AttemptEnd::Dropped => {
            info!(account, to, result, status, ms, attempts, "{what}");
        }
        AttemptEnd::Retry | AttemptEnd::Failed => {
            warn!(account, to, result, status, ms, attempts, "{what}");
        }
    }
}
