//! Recorded requests and responses, already redacted, of which old ones are pruned. They are read in windows.

use async_trait::async_trait;

use crate::domain::{Exchange, ExchangeId, Search, WallTime};

use super::error::LedgerError;

/// The newest rows, in which texts are searched that no index finds.
pub const SEARCHED_MAX: usize = 200_000;

/// A selection of exchanges. The default selects none; set a limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// Only older ones than this.
    pub before: Option<ExchangeId>,
    /// Only newer ones than this; the limit then leaves out the newest, so that a follower misses none.
    pub after: Option<ExchangeId>,
    /// Only those sent at this instant or later.
    pub since: Option<WallTime>,
    /// Only those sent before this instant.
    pub until: Option<WallTime>,
    /// Only this profile's, and those of older versions, which saved no profile.
    pub profile: Option<String>,
    /// Only what it finds: its words in method, URL, status, failure, account, subject or operator. Of a log of
    /// millions, only the newest [`SEARCHED_MAX`] are searched for words, unless the search names a subject, and for an
    /// id in the path of a call without a subject.
    pub search: Search,
    /// At most this many.
    pub limit: usize,
    /// Whether to read headers and bodies; otherwise they are empty, with the bodies' sizes.
    pub bodies: bool,
}

/// Receives a saved exchange, with its id.
pub type Recorded = Box<dyn FnOnce(Exchange) + Send>;

/// The log of requests. No process depends on the rows of another, so they may also stay on one machine.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait Exchanges: Send + Sync {
    /// The newest first.
    async fn log(&self, query: LogQuery) -> Result<Vec<Exchange>, LedgerError>;

    /// The oldest of the newest exchanges that `query` selects.
    async fn oldest(&self, query: LogQuery) -> Result<Option<ExchangeId>, LedgerError>;

    /// The number of exchanges that `query` selects.
    async fn count_exchanges(&self, query: LogQuery) -> Result<usize, LedgerError>;

    /// One exchange in full, if it is still saved.
    async fn exchange(&self, id: ExchangeId) -> Result<Option<Exchange>, LedgerError>;

    /// Saves an exchange in the background, then calls `then` with it and its id. The id is negative if it cannot be
    /// saved.
    fn record_later(&self, exchange: Exchange, then: Recorded);

    /// Whether exchanges wait to be written.
    #[must_use]
    fn has_unsaved(&self) -> bool;

    /// Waits while too many rows are in memory.
    async fn keep_up(&self);
}
