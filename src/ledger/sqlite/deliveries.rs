//! Received callbacks and their jobs. Repeats are detected here, under the file's lock, so that two processes never
//! both take one as new.

mod insert;
mod jobs;
mod prune;
mod rows;

use crate::domain::{Delivery, DeliveryId};
use async_trait::async_trait;

use super::Sqlite;
use crate::ledger::deliveries::{Deliveries, DeliveryQuery, NewDelivery, SealedParts};
use crate::ledger::error::LedgerError;

pub(super) use insert::Incoming;
pub use prune::UNKNOWN_MAX;
pub(super) use prune::at_rest;

#[async_trait]
impl Deliveries for Sqlite {
    async fn deliver(&self, new: NewDelivery) -> Result<Delivery, LedgerError> {
        self.insert(new).await
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, LedgerError> {
        self.run(move |store| store.read(|conn| rows::list(conn, &query)))
            .await
    }

    async fn count_deliveries(&self, query: DeliveryQuery) -> Result<usize, LedgerError> {
        self.run(move |store| store.read(|conn| rows::count(conn, &query)))
            .await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, LedgerError> {
        self.run(move |store| store.read(|conn| rows::one(conn, id)))
            .await
    }

    async fn sealed(&self, id: DeliveryId) -> Result<Option<SealedParts>, LedgerError> {
        self.run(move |store| store.read(|conn| rows::sealed(conn, id)))
            .await
    }
}
