//! Data that must survive a crash or is shared by several processes. A [`Ledger`] is a handle of the database that holds
//! it. It knows no provider, no secret and no screen.

mod backend;
#[cfg(test)]
mod contract;
mod database;
mod deliveries;
mod error;
mod nonces;
#[cfg(feature = "postgres")]
mod postgres;
mod shared;
mod slots;
mod sql;
mod sqlite;
mod status;

use std::ops::Deref;
use std::path::PathBuf;

use crate::clock::Clock;

pub use backend::Backend;
pub use database::{
    DatabaseReport, DatabaseSettings, FileReport, ImportError, Imported, Reseal, pass_file_lines,
};
pub use deliveries::{
    DedupKey, FirstReply, JobFilter, NewDelivery, OpenJobs, Retried, Retry, SealedParts,
};
pub use error::LedgerError;
pub use nonces::{
    HeldKey, KEY_LOCK_MAX, KeyHash, KeyLock, KeyedMutex, NONCE_LEAD_MAX, NONCE_SENT_WITHIN, Nonce,
    NonceRules, Nonces, Pause,
};
pub use slots::{Counted, Granted, HOLD_MAX, RateSlots, SlotId, SlotOutcome, SlotRequest};
pub use sql::deliveries::{Callbacks, DeliveryQuery, UNKNOWN_MAX};
pub use sql::exchanges::{LogQuery, Recorded, Requests};
pub use sql::hooks::{FailedHook, HookRun};
pub use sql::logs::{LogKind, RowQuery, SEARCHED_MAX};
pub use sql::payments::{PaymentKey, ProfileApis, Unwatched};
pub use sqlite::{set_aside_in, survey_file, written_by_another};
pub use status::{Persistence, Retention, Status};

#[cfg(feature = "postgres")]
use postgres::Postgres;
use sqlite::Sqlite;

/// A handle of the ledger. Clones share it. Its calls are those of [`Backend`], and those that are written in SQL once for
/// all databases.
#[derive(Debug, Clone)]
pub struct Ledger(Storage);

/// The database that a ledger is in.
#[derive(Debug, Clone)]
enum Storage {
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

/// Evaluates an expression with the database of a ledger, whichever it is.
macro_rules! with_database {
    ($ledger:expr, $database:ident => $result:expr) => {
        match &$ledger.0 {
            $crate::ledger::Storage::Sqlite($database) => $result,
            #[cfg(feature = "postgres")]
            $crate::ledger::Storage::Postgres($database) => $result,
        }
    };
}
use with_database;

impl Ledger {
    /// Returns at once; a thread opens the file in `folder`. The ledger always becomes usable: if necessary in memory
    /// only, which [`Backend::status`] reports.
    pub fn start(folder: PathBuf, clock: Clock, limits: Retention) -> Self {
        Self(Storage::Sqlite(Sqlite::start(folder, clock, limits)))
    }

    /// As [`Ledger::start`], for reading: every write fails with [`LedgerError::ReadOnly`].
    pub fn read_only(folder: PathBuf, clock: Clock) -> Self {
        let limits = Retention::unlimited();
        Self(Storage::Sqlite(Sqlite::read_only(folder, clock, limits)))
    }

    /// A ledger of its own in memory, without a file: what is saved in it ends with it.
    pub fn in_memory(clock: Clock) -> Self {
        let ledger = Sqlite::in_memory(clock, Retention::unlimited());
        Self(Storage::Sqlite(ledger))
    }
}

impl Deref for Ledger {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        with_database!(self, database => database)
    }
}
