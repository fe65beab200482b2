//! Received callbacks and their jobs. Repeats are detected here, in one transaction, so that two processes never both
//! take one as new.

mod insert;
mod jobs;
mod prune;
mod rows;

use async_trait::async_trait;

use crate::domain::{Delivery, DeliveryId};

use super::Database;
use crate::ledger::deliveries::{Deliveries, DeliveryQuery, NewDelivery, SealedParts};
use crate::ledger::error::LedgerError;

pub(in crate::ledger) use insert::Incoming;
pub use prune::UNKNOWN_MAX;
pub(in crate::ledger) use prune::at_rest;

#[async_trait]
impl<D: Database> Deliveries for D {
    async fn deliver(&self, new: NewDelivery) -> Result<Delivery, LedgerError> {
        insert::deliver(self, new).await
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, LedgerError> {
        self.read(move |sql| rows::list(sql, &query)).await
    }

    async fn count_deliveries(&self, query: DeliveryQuery) -> Result<usize, LedgerError> {
        self.read(move |sql| rows::count(sql, &query)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, LedgerError> {
        self.read(move |sql| rows::one(sql, id)).await
    }

    async fn sealed(&self, id: DeliveryId) -> Result<Option<SealedParts>, LedgerError> {
        self.read(move |sql| rows::sealed(sql, id)).await
    }
}
