//! Received callbacks and their jobs. Repeats are detected here, in one transaction, so that two processes never both
//! take one as new.

mod insert;
mod jobs;
mod prune;
mod rows;

use super::Sql;
use super::logs::RowQuery;
use super::value::params;
use crate::domain::{Delivery, DeliveryId, Subject};
use crate::ledger::deliveries::{NewDelivery, SealedParts};
use crate::ledger::error::LedgerError;
use crate::ledger::{Ledger, with_database};

pub(super) use insert::{Incoming, write};
pub use prune::UNKNOWN_MAX;
pub(in crate::ledger) use prune::at_rest;

/// A query of the received callbacks. Its words are searched in account, provider, verdict, kind, subject, reason, method,
/// status and the results of jobs.
pub type DeliveryQuery = RowQuery<Callbacks>;

/// The received callbacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Callbacks {
    /// Only this owner's; `None` selects all.
    pub account_key: Option<String>,
    /// Only those about this subject.
    pub subject: Option<Subject>,
}

impl DeliveryQuery {
    /// Selects only this owner's, once it has a limit.
    pub fn of(account_key: &str) -> Self {
        let log = Callbacks {
            account_key: Some(account_key.to_owned()),
            subject: None,
        };
        Self {
            log,
            ..Self::default()
        }
    }
}

impl Ledger {
    /// Saves a callback; returns once it survives a power failure. Callbacks that come together are written together.
    /// If this future is dropped, the callback may be saved all the same.
    ///
    /// # Errors
    /// If it cannot be saved: the caller must then ask the provider to send it again.
    pub async fn deliver(&self, new: NewDelivery) -> Result<Delivery, LedgerError> {
        with_database!(self, database => database.queue().deliver(new).await)
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
        let agrees = move |sql: &dyn Sql, key: Option<&String>| {
            let agrees = "SELECT seal_key IS NOT DISTINCT FROM $1 FROM ledger";
            sql.value(agrees, params![key])
        };
        let known = key.clone();
        // Most often nothing changes, and a reader need not wait for the file's lock.
        if self.read(move |sql| agrees(sql, known.as_ref())).await? {
            return Ok(true);
        }
        self.write_durably(move |sql| {
            sql.execute(
                "UPDATE ledger SET seal_key = $1 WHERE seal_key IS NULL OR seal_key = $2",
                params![key.as_ref(), previous.as_ref()],
            )?;
            agrees(sql, key.as_ref())
        })
        .await
    }
}
