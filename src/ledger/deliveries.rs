//! Received callbacks and their jobs. Repeats are detected as they are saved, so that two processes never both take one
//! as new.

use std::sync::Arc;

use crate::domain::job::NewJob;
use crate::domain::{CallbackVerdict, Delivery, DeliveryId, JobId, JobKind, Subject, WallTime};

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
    pub happened_at: Option<WallTime>,
    /// As in [`Delivery`].
    pub from: String,
    /// As in [`Delivery`].
    pub method: String,
    /// The verdict before repeats are detected: an accepted callback may become a repeat when it is saved.
    pub verdict: CallbackVerdict,
    /// As in [`Delivery`].
    pub why: String,
    /// As in [`Delivery`].
    pub kind: String,
    /// As in [`Delivery`].
    pub subject: Option<Subject>,
    /// Whether its signature or key proves the sender. Anyone may have made up one without proof: unless its payment is
    /// watched, expected or known, it has a small share of the space, where the newest replace the oldest, except those
    /// that cannot be verified yet. Its jobs have a queue of their own.
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
    /// [`JobKind::Check`] waits (one that is running may return the older state), and once that check has found it paid.
    /// A repeat has no [`JobKind::Check`] of its own; the waiting one becomes due when that one would be, unless it is due earlier. It is forwarded all the
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
    /// Only forwards to these URLs, checks of these accounts (`shop`), and verifications of callbacks to them (`shop/`); of
    /// others, only those that no process has taken for a day. With `None`, all.
    pub targets: Option<Vec<String>>,
    /// None of these accounts' checks, and no forward to these URLs.
    pub busy: Vec<String>,
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
