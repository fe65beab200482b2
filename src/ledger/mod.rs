//! Data that must survive a crash or is shared by several processes. A [`Ledger`] is a handle of the database that holds
//! it. It knows no provider, no secret and no screen.

mod backend;
#[cfg(test)]
mod contract;
mod credentials;
mod database;
mod deliveries;
mod error;
mod exchanges;
mod hooks;
mod nonces;
mod payments;
#[cfg(feature = "postgres")]
mod postgres;
mod shared;
mod slots;
mod sql;
mod sqlite;
mod status;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;

pub use backend::Backend;
pub use credentials::Credentials;
pub use database::{DatabaseReport, DatabaseSettings, FileReport, ImportError, Imported, Reseal};
pub use deliveries::{
    DedupKey, Deliveries, DeliveryQuery, FirstReply, JobFilter, Jobs, NewDelivery, OpenJobs,
    Retried, Retry, SealedParts,
};
pub use error::LedgerError;
pub use exchanges::{Exchanges, LogQuery, Recorded, SEARCHED_MAX};
pub use hooks::{FailedHook, HookRun, HookRuns};
pub use nonces::{
    HeldKey, KEY_LOCK_MAX, KeyHash, KeyLock, NONCE_LEAD_MAX, NONCE_SENT_WITHIN, Nonce, NonceRules,
    Nonces,
};
pub use payments::{PaymentKey, Payments, Unwatched};
pub use slots::{Counted, Granted, HOLD_MAX, RateSlots, SlotId, Slots, Terms};
pub use sql::deliveries::UNKNOWN_MAX;
pub use sqlite::{set_aside_in, survey_file, written_by_newer};
pub use status::{Persistence, Retention, Status};

use sqlite::Sqlite;

/// A handle of the ledger. Clones share it; its calls are those of [`Backend`].
#[derive(Debug, Clone)]
pub struct Ledger(Arc<dyn Backend>);

impl Ledger {
    /// Returns at once; a thread opens the file in `folder`. The ledger always becomes usable: if necessary in memory
    /// only, which [`Backend::status`] reports.
    #[must_use]
    pub fn start(folder: PathBuf, clock: Clock, limits: Retention) -> Self {
        Self(Arc::new(Sqlite::start(folder, clock, limits)))
    }

    /// A ledger of its own in memory, without a file: what is saved in it ends with it.
    #[must_use]
    pub fn in_memory(clock: Clock) -> Self {
        Self(Arc::new(Sqlite::in_memory(clock, Retention::unlimited())))
    }
}

impl Deref for Ledger {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}
