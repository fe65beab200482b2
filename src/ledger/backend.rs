//! What each database does in its own way. All of the ledger but the request log is shared by all processes that use it;
//! that is what makes nonces, rate limits and callbacks safe between them.

use async_trait::async_trait;
use tokio::sync::watch;

use super::error::LedgerError;
use super::nonces::Nonces;
use super::slots::RateSlots;
use super::status::Status;

/// A database that holds a ledger. Every call fails once the ledger has stopped, and where it cannot be read or written.
#[async_trait]
pub trait Backend: Nonces + RateSlots {
    /// The current state, once the file is open.
    async fn status(&self) -> Status;

    /// Tries to open and write the file again after a failure; [`Backend::status`] has the result.
    ///
    /// # Errors
    /// If it cannot be written.
    async fn try_again(&self) -> Result<(), LedgerError>;

    /// Whether machines of a team share it.
    fn is_shared(&self) -> bool {
        false
    }

    /// Reports each change: opening, writes fail, writes work again.
    fn status_changes(&self) -> watch::Receiver<Status>;

    /// Returns when all earlier jobs are done.
    async fn flush(&self);

    /// Writes all that waits and puts the file in order, so that the next program opens it fast. The ledger stays usable.
    async fn close(&self);

    /// The size of the saved tables, in bytes.
    ///
    /// # Errors
    /// If it cannot be read.
    async fn size(&self) -> Result<u64, LedgerError>;

    /// A number that changes with every write of another process.
    async fn data_version(&self) -> Result<i64, LedgerError>;
}
