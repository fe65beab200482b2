//! The slots of the rate limits: an exact sliding window over all processes that share the ledger. A slot is taken before
//! sending and freed one period after the response was seen. So no window at the provider, wherever it begins, contains
//! more requests than the limit. Never waits; returns how long to wait.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::Now;

use super::error::LedgerError;
use super::status::Persistence;

/// The longest wait that a provider can ask for: one header must not block an account for ever.
pub const HOLD_MAX: Duration = Duration::from_hours(24);

/// One taken slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotId {
    /// Random, so that it means the same slot in the file that replaces a damaged one.
    pub(super) id: i64,
    pub(super) scope: Arc<str>,
    pub(super) period: i64,
}

/// A request for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRequest {
    /// The limit's name.
    pub scope: Arc<str>,
    /// The number of slots.
    pub limit: u32,
    /// The window.
    pub period: Duration,
    /// How many stay free for more urgent requests.
    pub reserve: u32,
    /// The longest time between taking a slot and the response. A process that dies releases nothing, so its slots are
    /// freed after this time and one period.
    pub flight: Duration,
    /// Whether a slot is granted that cannot be written.
    pub persistence: Persistence,
}

/// The answer to a request for a slot.
#[derive(Debug, PartialEq, Eq)]
pub enum SlotOutcome<G = Granted> {
    /// One. Send, then call [`RateSlots::release_slot`].
    Granted(G),
    /// None is free.
    Full {
        /// The wait for one; `None` if it depends on responses that are still to come.
        next_free: Option<Duration>,
    },
    /// The provider asked some process to wait this long.
    Held(Duration),
}

/// A granted slot that no caller has yet. Dropped, it is returned: the caller has gone.
#[derive(Debug)]
pub struct Granted {
    pub(super) ledger: Arc<dyn RateSlots>,
    pub(super) id: Option<SlotId>,
}

impl Granted {
    /// Passes it to the caller.
    pub fn take(mut self) -> SlotId {
        self.id.take().expect("only this and `Drop` take it")
    }
}

impl PartialEq for Granted {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl Eq for Granted {}

impl Drop for Granted {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.ledger.return_slot(id);
        }
    }
}

/// The current use of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Slots taken.
    pub used: u32,
    /// How many of them this operator has taken.
    pub own: u32,
    /// The wait for the next, if all are taken and it is known.
    pub next_free: Option<Duration>,
    /// How long the provider asked some process to wait.
    pub held: Option<Duration>,
}

impl<A> SlotOutcome<A> {
    pub(super) fn map<B>(self, granted: impl FnOnce(A) -> B) -> SlotOutcome<B> {
        match self {
            Self::Granted(some) => SlotOutcome::Granted(granted(some)),
            Self::Full { next_free } => SlotOutcome::Full { next_free },
            Self::Held(wait) => SlotOutcome::Held(wait),
        }
    }
}

/// The slots of all rate limits.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait RateSlots: Debug + Send + Sync {
    /// Takes a slot, in one transaction.
    async fn take_slot(&self, terms: SlotRequest) -> Result<SlotOutcome, LedgerError>;

    /// Returns a slot that no request used.
    fn return_slot(&self, id: SlotId);

    /// Reports that the response was seen or the request was abandoned: the slot stays used for one period from then.
    fn release_slot(&self, id: SlotId, seen_at: Now);

    /// The provider asks for a pause from `since` on ([`HOLD_MAX`] at most): no process takes a slot of `scope`
    /// meanwhile.
    fn hold_slots(&self, scope: Arc<str>, since: Now, wait: Duration);

    /// Lifts a provider's pause.
    fn lift_hold(&self, scope: Arc<str>);

    /// The current use of the limit `scope`.
    async fn budget(
        &self,
        scope: Arc<str>,
        limit: u32,
        period: Duration,
    ) -> Result<Counted, LedgerError>;
}
