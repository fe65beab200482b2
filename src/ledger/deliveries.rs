//! Callbacks as they came, and what is still to be done about each. A repeat is found here, under the file's lock, so
//! that two processes never both take one for new.

mod insert;
mod jobs;
mod prune;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Delivery, DeliveryId, JobId, JobKind, JobState, Subject, Verdict, WallTime};

use super::{Ledger, LedgerError};

pub(super) use insert::Incoming;
pub use prune::UNKNOWN_MAX;
pub(super) use prune::{Salvaged, at_rest};

/// A callback before it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Who may act on it: a profile, or one run of the embedded simulator.
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
    /// What was found, but for repeats: an accepted one may prove to be one when it is kept.
    pub verdict: Verdict,
    /// As in [`Delivery`].
    pub why: String,
    /// As in [`Delivery`].
    pub kind: String,
    /// As in [`Delivery`].
    pub subject: Option<Subject>,
    /// Whether something proves that it is its provider's. What nothing proves, anybody may have made up: unless it is
    /// about a payment that is watched, expected or was seen before, it has a small share of the room, in which the
    /// newest push out the oldest, and its errands a queue of their own.
    pub proved: bool,
    /// What makes it the same as another; only accepted ones have it.
    pub identity: Option<DedupKey>,
    /// The HTTP status that it is answered with once it is kept.
    pub status: u16,
    /// How many bytes its body has.
    pub bytes: u64,
    /// Its request line, headers and body, sealed: the ledger cannot read them.
    pub sealed: Vec<u8>,
    /// What is to be done about it. Of a repeat, nothing but what [`DedupKey::Subject`] says.
    pub jobs: Vec<NewJob>,
}

/// What makes a delivery the same as an earlier one; a SHA-256 of what its provider tells apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DedupKey {
    /// It names this very message: any earlier one that was accepted makes it a repeat.
    Message([u8; 32]),
    /// It names only what changed, and the next change looks the same: it is a repeat as long as an earlier one's
    /// [`JobKind::Ask`] waits to be done (one that is in hand may be answered with what was so before), and once that has
    /// found that nothing can change any more. A repeat has no [`JobKind::Ask`] of its own; the one that waits is done at
    /// once. It is handed on all the same, since our own question says nothing about what the shop knows: a
    /// [`JobKind::Forward`] is left out, of repeats and others, only while an earlier one to the same target waits for its
    /// first try.
    Subject([u8; 32]),
}

/// An errand before it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What is to be done.
    pub kind: JobKind,
    /// As in [`crate::domain::Job`].
    pub target: String,
    /// Since when it is to be done. Its first try is due at once.
    pub at: WallTime,
    /// It is already in hand until then: nobody else takes it before.
    pub taken_until: Option<WallTime>,
}

/// Which errands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// As in [`NewDelivery`].
    pub account_key: Arc<str>,
    /// What is to be done.
    pub kinds: &'static [JobKind],
    /// Those that are proved or about a known payment, the longest due first; or the others, the newest first: among what
    /// anybody may have made up, the newest is the likeliest to matter still. See [`NewDelivery::proved`].
    pub known: bool,
    /// Only this account's.
    pub account: Option<String>,
}

/// What came of one try of an errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    /// How it stands now.
    pub state: JobState,
    /// When it was tried.
    pub at: WallTime,
    /// As in [`crate::domain::Job`]; inert and redacted.
    pub told: String,
    /// As in [`crate::domain::Job`].
    pub status: Option<u16>,
    /// As in [`crate::domain::Job`].
    pub took: Option<Duration>,
    /// It was found that nothing can change any more: see [`DedupKey::Subject`].
    pub is_final: bool,
    /// What the shop's own server said, sealed.
    pub reply: Option<Vec<u8>>,
}

/// What is known of the shop's own answer to the first of several deliveries that are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstReply {
    /// It, sealed, where there was one.
    pub sealed: Option<Vec<u8>>,
    /// A [`JobKind::Relay`] is under way: it may come yet.
    pub awaited: bool,
}

/// Which deliveries to read. The default asks for none; set a limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryQuery {
    /// Only those of this realm; `None` takes all.
    pub account_key: Option<String>,
    /// Only older ones than this.
    pub before: Option<DeliveryId>,
    /// Only newer ones than this; the limit then leaves out the newest, so that a follower misses none.
    pub after: Option<DeliveryId>,
    /// Only those received at this instant or later.
    pub since: Option<WallTime>,
    /// Only this account's.
    pub account: Option<String>,
    /// Only those that tell of this.
    pub subject: Option<Subject>,
    /// At most this many.
    pub limit: usize,
}

/// A delivery's sealed parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedParts {
    /// Its request line, headers and body.
    pub request: Vec<u8>,
    /// The latest answer of the shop's own server to each errand that has one.
    pub replies: Vec<(JobId, Vec<u8>)>,
}

impl DedupKey {
    fn hash(&self) -> &[u8; 32] {
        let (Self::Message(hash) | Self::Subject(hash)) = self;
        hash
    }
}

impl Ledger {
    /// The newest first.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, LedgerError> {
        self.ask(move |store| store.read(|conn| rows::list(conn, &query)))
            .await
    }

    /// How many there are of what `query` asks for.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn count_deliveries(&self, query: DeliveryQuery) -> Result<usize, LedgerError> {
        self.ask(move |store| store.read(|conn| rows::count(conn, &query)))
            .await
    }

    /// One delivery, if it is still kept.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, LedgerError> {
        self.ask(move |store| store.read(|conn| rows::one(conn, id)))
            .await
    }

    /// The sealed bytes of one delivery, if it is still kept.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn sealed(&self, id: DeliveryId) -> Result<Option<SealedParts>, LedgerError> {
        self.ask(move |store| store.read(|conn| rows::sealed(conn, id)))
            .await
    }
}
