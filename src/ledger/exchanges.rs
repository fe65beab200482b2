//! Recorded requests and responses, already redacted, of which old ones are pruned. They are read in windows.

use crate::domain::{Exchange, ExchangeId, Search, WallTime};

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
