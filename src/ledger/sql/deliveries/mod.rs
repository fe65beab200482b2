//! Received callbacks and their jobs. Repeats are detected here, in one transaction, so that two processes never both
//! take one as new.

mod insert;
mod jobs;
mod prune;
mod rows;

use crate::domain::{Delivery, DeliveryId};

use super::value::params;
use crate::ledger::deliveries::{DeliveryQuery, NewDelivery, SealedParts};
use crate::ledger::error::LedgerError;
use crate::ledger::{Ledger, with_database};

pub(super) use insert::{Incoming, write};
pub use prune::UNKNOWN_MAX;
pub(in crate::ledger) use prune::at_rest;

impl Ledger {
    /// Saves a callback; returns once it survives a power failure. Callbacks that come together are written together.
    /// If this future is dropped, the callback may be saved all the same.
    ///
    /// # Errors
    /// If it cannot be saved: the caller must then ask the provider to send it again.
    pub async fn deliver(&self, new: NewDelivery) -> Result<Delivery, LedgerError> {
        with_database!(self, database => database.queue().deliver(new).await)
    }

    /// The newest first.
    pub async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, LedgerError> {
        self.read(move |sql| rows::list(sql, &query)).await
    }

    /// The oldest of the newest deliveries that `query` selects.
    pub async fn oldest_delivery(
        &self,
        query: DeliveryQuery,
    ) -> Result<Option<DeliveryId>, LedgerError> {
        self.read(move |sql| rows::oldest(sql, &query)).await
    }

    /// The number of deliveries that `query` selects.
    pub async fn count_deliveries(&self, query: DeliveryQuery) -> Result<usize, LedgerError> {
        self.read(move |sql| rows::count(sql, &query)).await
    }

    /// One delivery, if it is still saved.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, LedgerError> {
        self.read(move |sql| rows::one(sql, id)).await
    }

    /// The sealed bytes of one delivery, if it is still saved.
    pub async fn sealed(&self, id: DeliveryId) -> Result<Option<SealedParts>, LedgerError> {
        self.read(move |sql| rows::sealed(sql, id)).await
    }

    /// Whether the fingerprint of a sealing key is that of the ledger's saved callbacks. The first one is saved; one whose
    /// `previous` is the ledger's takes its place. Without a key: whether the ledger has no fingerprint yet.
    pub async fn agree_on_seal_key(
        &self,
        key: Option<String>,
        previous: Option<String>,
    ) -> Result<bool, LedgerError> {
        self.write_durably(move |sql| {
            sql.execute(
                "UPDATE ledger SET seal_key = $1 WHERE seal_key IS NULL OR seal_key = $2",
                params![key.as_ref(), previous.as_ref()],
            )?;
            sql.value(
                "SELECT seal_key IS NOT DISTINCT FROM $1 FROM ledger",
                params![key.as_ref()],
            )
        })
        .await
    }
}
