//! Received callbacks and their jobs. Repeats are detected as they are saved, so that two processes never both take one
//! as new.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::job::{JobResult, Lease, NewJob};
use crate::domain::{Delivery, DeliveryId, JobId, JobKind, Search, Subject, Verdict, WallTime};

use super::error::LedgerError;

/// A callback before it is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The owner: a profile, or one run of the built-in simulator.
    pub account_key: String,
    /// As in [`Delivery`].
    pub account: String,
    /// As in [`Delivery`].
    pub provider: String,
    /// As in [`Delivery`].
    pub received_at: WallTime,
    /// As in [`Delivery`].
    pub from: String,
    /// As in [`Delivery`].
    pub method: String,
    /// The verdict before repeats are detected: an accepted callback may become a repeat when it is saved.
    pub verdict: Verdict,
    /// As in [`Delivery`].
    pub why: String,
    /// As in [`Delivery`].
    pub kind: String,
    /// As in [`Delivery`].
    pub subject: Option<Subject>,
    /// Whether its signature or key proves the sender. Anyone may have made up one without proof: unless its payment is
    /// watched, expected or known, it has a small share of the space, where the newest replace the oldest, and its jobs
    /// have a queue of their own.
    pub proved: bool,
    /// What makes it equal to another; only for accepted ones.
    pub dedup_key: Option<DedupKey>,
    /// The HTTP status of its answer.
    pub status: u16,
    /// The size of its body in bytes.
    pub bytes: u64,
    /// Its request line, headers and body, sealed: the ledger cannot read them.
    pub sealed: Vec<u8>,
    /// Its jobs. A repeat gets only the jobs that [`DedupKey::Subject`] describes.
    pub jobs: Vec<NewJob>,
}

/// The jobs of one kind that are due or leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenJobs {
    /// The kind.
    pub kind: JobKind,
    /// How many.
    pub count: u64,
    /// When the callback of the oldest was received.
    pub oldest: WallTime,
}

/// What makes two deliveries equal: a SHA-256 of the fields that the provider tells them apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DedupKey {
    /// Names this message: any earlier accepted one makes it a repeat.
    Message([u8; 32]),
    /// Names only the subject, and the next change looks the same. It is a repeat while an earlier one's
    /// [`JobKind::Ask`] waits (one that is running may return the older state), and once that check has found a final
    /// state. A repeat has no [`JobKind::Ask`] of its own; the waiting one becomes due at once. It is forwarded all the
    /// same, since our own check says nothing about what the shop knows: a [`JobKind::Forward`] is left out only while
    /// an earlier one to the same target waits for its first attempt.
    Subject([u8; 32]),
}

/// A selection of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// As in [`NewDelivery`].
    pub account_key: Arc<str>,
    /// The kind of work.
    pub kinds: &'static [JobKind],
    /// `true`: jobs of proved callbacks or of known payments, the longest due first. `false`: the others, newest first,
    /// since among made-up ones the newest is the likeliest to matter. See [`NewDelivery::proved`].
    pub known: bool,
    /// Only this account's.
    pub account: Option<String>,
    /// Only forwards to these URLs; of others, only those that no process has taken for a day. With `None`, all.
    pub targets: Option<Vec<String>>,
}

/// The delivery whose unfinished jobs are to run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// As in [`NewDelivery`]; a delivery of another owner stays as it is.
    pub account_key: Arc<str>,
    /// The delivery.
    pub delivery: DeliveryId,
    /// When its jobs become due.
    pub now: WallTime,
    /// As in [`NewJob`].
    pub leased_until: Option<WallTime>,
}

/// A delivery whose jobs run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The delivery as it is now.
    pub delivery: Delivery,
    /// The jobs that became due; none if all are done, leased or must not be retried.
    pub jobs: Vec<JobId>,
}

/// The shop's answer to the first of several equal deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstReply {
    /// The sealed answer, if there is one.
    pub sealed: Option<Vec<u8>>,
    /// A [`JobKind::Relay`] is running: the answer may still arrive.
    pub awaited: bool,
}

/// A selection of deliveries. The default selects none; set a limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryQuery {
    /// Only this owner's; `None` selects all.
    pub account_key: Option<String>,
    /// Only this profile's, every run of the built-in simulator among them.
    pub profile: Option<String>,
    /// Only older ones than this.
    pub before: Option<DeliveryId>,
    /// Only newer ones than this; the limit then leaves out the newest, so that a follower misses none.
    pub after: Option<DeliveryId>,
    /// Only those received at this instant or later.
    pub since: Option<WallTime>,
    /// Only those received before this instant.
    pub until: Option<WallTime>,
    /// Only those about this subject.
    pub subject: Option<Subject>,
    /// Only what it finds: its words in account, provider, verdict, kind, subject, reason, method, status or the results
    /// of jobs. Of millions, words are searched in the newest [`super::SEARCHED_MAX`] only.
    pub search: Search,
    /// At most this many.
    pub limit: usize,
}

/// A delivery's sealed parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedParts {
    /// Its request line, headers and body.
    pub request: Vec<u8>,
    /// The latest answer of the shop's server for each job that has one.
    pub replies: Vec<(JobId, Vec<u8>)>,
}

impl DedupKey {
    pub(super) fn hash(&self) -> &[u8; 32] {
        let (Self::Message(hash) | Self::Subject(hash)) = self;
        hash
    }
}

/// Received callbacks.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Saves a callback; returns once it survives a power failure. Callbacks that come together are written together.
    /// If this future is dropped, the callback may be saved all the same.
    ///
    /// # Errors
    /// If it cannot be saved: the caller must then ask the provider to send it again.
    async fn deliver(&self, new: NewDelivery) -> Result<Delivery, LedgerError>;

    /// The newest first.
    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, LedgerError>;

    /// The number of deliveries that `query` selects.
    async fn count_deliveries(&self, query: DeliveryQuery) -> Result<usize, LedgerError>;

    /// One delivery, if it is still saved.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, LedgerError>;

    /// The sealed bytes of one delivery, if it is still saved.
    async fn sealed(&self, id: DeliveryId) -> Result<Option<SealedParts>, LedgerError>;
}

/// The job queues: one process at a time leases a job, attempts it, and saves the result.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Adds a job to a delivery of any verdict, to forward it again.
    ///
    /// # Errors
    /// If it cannot be saved, or there is no such delivery.
    async fn add_job(&self, delivery: DeliveryId, new: NewJob) -> Result<Delivery, LedgerError>;

    /// Makes the [`Delivery::retryable`] jobs of a delivery due now, each with a fresh retry schedule. Left out are
    /// those that are leased.
    ///
    /// # Errors
    /// If it cannot be saved, or this owner has no such delivery.
    async fn retry_jobs(&self, retry: Retry) -> Result<Retried, LedgerError>;

    /// Leases due jobs, with their deliveries. Jobs without an attempt are due whatever the clock says.
    ///
    /// # Errors
    /// If the leases cannot be written.
    async fn take_jobs(
        &self,
        queue: JobFilter,
        lease: Lease,
    ) -> Result<Vec<(Delivery, JobId)>, LedgerError>;

    /// The open jobs of each kind, those of all accounts of this owner; kinds without any are left out.
    async fn open_jobs(&self, account_key: Arc<str>) -> Result<Vec<OpenJobs>, LedgerError>;

    /// The callbacks of this owner with a job that failed for good, at most `limit`, newest first.
    async fn failed_deliveries(
        &self,
        account_key: Arc<str>,
        limit: usize,
    ) -> Result<Vec<Delivery>, LedgerError>;

    /// When the next job is due or its lease ends; `None` if there is none.
    async fn next_job_due(&self, queue: JobFilter) -> Result<Option<WallTime>, LedgerError>;

    /// The number of waiting callbacks of each account that anyone may have made up, see
    /// [`NewDelivery::proved`]; accounts without any are left out.
    async fn unknown_waiting(
        &self,
        account_key: Arc<str>,
    ) -> Result<Vec<(String, u64)>, LedgerError>;

    /// Saves the result of an attempt whose lease ends at `held_until`, and returns the delivery. If another process
    /// has leased or finished the job meanwhile, that result counts and this one is ignored.
    ///
    /// # Errors
    /// If it cannot be saved: the job is then retried.
    async fn finish_attempt(
        &self,
        id: JobId,
        held_until: WallTime,
        outcome: JobResult,
    ) -> Result<Delivery, LedgerError>;

    /// Ends the jobs that were due before `before` and whose account key begins with `prefix`: no process would take
    /// them.
    ///
    /// # Errors
    /// If it cannot be written.
    async fn end_abandoned_jobs(
        &self,
        prefix: &'static str,
        before: WallTime,
    ) -> Result<(), LedgerError>;

    /// The shop's answer to the first delivery with a key.
    async fn first_reply(&self, dedup_key: DedupKey) -> Result<FirstReply, LedgerError>;
}
