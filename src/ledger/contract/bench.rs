//! A place of storage, and processes that share a ledger on it.

use tempfile::TempDir;

use crate::clock::Clock;
use crate::ledger::sqlite::Sqlite;
use crate::ledger::{Ledger, Retention};

/// An empty place of storage, removed at the end of the test.
pub struct Bench {
    storage: Storage,
    /// The limits that its processes prune by.
    pub retention: Retention,
}

enum Storage {
    /// A folder for the file.
    Sqlite(TempDir),
}

impl Bench {
    pub fn sqlite() -> Self {
        Self {
            storage: Storage::Sqlite(tempfile::tempdir().unwrap()),
            retention: Retention::default(),
        }
    }

    /// Another empty place of the same kind, for the next case of a property test.
    pub fn another(&self) -> Self {
        match self.storage {
            Storage::Sqlite(_) => Self::sqlite(),
        }
    }

    /// The ledger as a further process has it, which shares nothing else with those before. Dropped, the process ends.
    pub fn process(&self, clock: &Clock) -> Ledger {
        match &self.storage {
            Storage::Sqlite(folder) => Ledger::start(
                folder.path().to_owned(),
                clock.clone(),
                self.retention.clone(),
            ),
        }
    }

    /// Drops all that is too old or too many, as an idle process does after a while.
    pub async fn prune(&self, clock: &Clock) {
        match &self.storage {
            Storage::Sqlite(folder) => {
                let folder = folder.path().to_owned();
                Sqlite::start(folder, clock.clone(), self.retention.clone())
                    .prune()
                    .await;
            }
        }
    }
}
