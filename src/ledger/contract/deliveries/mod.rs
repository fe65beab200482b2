//! Received callbacks and their jobs.

pub mod bounds;
pub mod jobs;
pub mod received;
pub mod unknown;

use std::time::Duration;

use super::Bench;
use super::fixtures::*;
use crate::domain::job::{AttemptOutcome, ClaimRequest, Disposition, JobResult, NewJob};
use crate::domain::{
    CallbackVerdict, Delivery, DeliveryId, JobId, JobKind, JobState, PaymentId, PlayerId, Search,
    Subject, WallTime,
};
use crate::ledger::{
    Callbacks, DedupKey, DeliveryQuery, FirstReply, JobFilter, Ledger, LedgerError, NewDelivery,
    Retention, Retry, SealedParts,
};

pub const LEASE: Duration = Duration::from_secs(30);

pub fn after(seconds: u64) -> WallTime {
    START.plus(Duration::from_secs(seconds))
}

pub fn lease(now: WallTime, until: WallTime, limit: usize) -> ClaimRequest {
    ClaimRequest { now, until, limit }
}

pub fn payment(id: &str) -> Subject {
    Subject::Payment(PaymentId::new(id).unwrap())
}

pub fn job(kind: JobKind, at: WallTime) -> NewJob {
    NewJob {
        kind,
        target: match kind {
            JobKind::Check => String::new(),
            JobKind::Forward | JobKind::Relay => "http://127.0.0.1:3000/hook".into(),
        },
        at,
        leased_until: None,
    }
}

pub fn message(number: u64) -> DedupKey {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    DedupKey::Message(hash)
}

/// An accepted callback without a job.
pub fn new(number: u64) -> NewDelivery {
    NewDelivery {
        account_key: "live".into(),
        account: "shop".into(),
        provider: "kinguin".into(),
        received_at: START,
        happened_at: Some(START),
        from: "203.0.113.7".into(),
        method: "POST".into(),
        verdict: CallbackVerdict::Accepted,
        why: "a signature".into(),
        kind: "payment changed".into(),
        subject: Some(payment("A-17")),
        proved: true,
        dedup_key: Some(message(number)),
        status: 200,
        bytes: 12,
        sealed: b"sealed bytes".to_vec(),
        jobs: vec![],
    }
}

pub fn refused() -> NewDelivery {
    NewDelivery {
        verdict: CallbackVerdict::Refused,
        dedup_key: None,
        subject: None,
        status: 403,
        ..new(0)
    }
}

/// A hint that something about a payment changed, which a check is to confirm.
pub fn hint(about: u64, at: WallTime) -> NewDelivery {
    let DedupKey::Message(hash) = message(about) else {
        unreachable!()
    };
    NewDelivery {
        received_at: at,
        dedup_key: Some(DedupKey::Subject(hash)),
        jobs: vec![job(JobKind::Check, at)],
        ..new(0)
    }
}

pub fn tried(state: JobState) -> JobResult {
    JobResult {
        state,
        at: after(1),
        outcome: AttemptOutcome {
            took: Some(Duration::from_millis(40)),
            ..AttemptOutcome::without_answer("PROCESSING", Disposition::Done)
        },
    }
}

pub fn all() -> DeliveryQuery {
    DeliveryQuery {
        limit: 100_000,
        ..DeliveryQuery::default()
    }
}

pub async fn saved(ledger: &Ledger) -> Vec<Delivery> {
    ledger.log(all()).await.unwrap()
}

/// Jobs of proved callbacks and of known payments.
pub fn queue(kinds: &'static [JobKind]) -> JobFilter {
    JobFilter {
        account_key: "live".into(),
        kinds,
        known: true,
        account: None,
        targets: None,
        busy: Vec::new(),
    }
}

pub async fn take_due(ledger: &Ledger, now: WallTime) -> Vec<JobId> {
    let until = now.plus(LEASE);
    let taken = ledger
        .take_jobs(queue(&JobKind::ALL), lease(now, until, 10))
        .await;
    taken.unwrap().into_iter().map(|(_, id)| id).collect()
}
