//! A place of storage, and processes that share a ledger on it.

use tempfile::TempDir;

use crate::clock::Clock;
#[cfg(feature = "postgres")]
use crate::ledger::postgres::{Postgres, tests::TestSchema};
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
    #[cfg(feature = "postgres")]
    Postgres(TestSchema),
}

impl Bench {
    pub fn sqlite() -> Self {
        Self {
            storage: Storage::Sqlite(tempfile::tempdir().unwrap()),
            retention: Retention::default(),
        }
    }

    #[cfg(feature = "postgres")]
    pub fn postgres() -> Self {
        Self {
            storage: Storage::Postgres(TestSchema::new()),
            retention: Retention::default(),
        }
    }

    /// Another empty place of the same kind, for the next case of a property test.
    pub fn another(&self) -> Self {
        match self.storage {
            Storage::Sqlite(_) => Self::sqlite(),
            #[cfg(feature = "postgres")]
            Storage::Postgres(_) => Self::postgres(),
        }
    }

    /// The ledger as a further process has it, which shares nothing else with those before. Dropped, the process ends.
    pub fn process(&self, clock: &Clock) -> Ledger {
        let (clock, limits) = (clock.clone(), self.retention.clone());
        match &self.storage {
            Storage::Sqlite(folder) => Ledger::start(folder.path().to_owned(), clock, limits),
            #[cfg(feature = "postgres")]
            Storage::Postgres(schema) => Ledger::connect(&schema.0, clock, limits).unwrap(),
        }
    }

    /// Whom the ledger names as the one who saved an exchange or an expectation.
    pub fn operator(&self) -> String {
        match &self.storage {
            Storage::Sqlite(_) => String::new(),
            #[cfg(feature = "postgres")]
            Storage::Postgres(schema) => schema.0.operator.clone(),
        }
    }

    /// Changes rows as no program of this version does.
    pub fn update(&self, statement: &str) {
        match &self.storage {
            Storage::Sqlite(folder) => {
                let file = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
                file.execute_batch(statement).unwrap();
            }
            #[cfg(feature = "postgres")]
            Storage::Postgres(schema) => schema.batch(statement),
        }
    }

    /// Leaves out this many ids of the request log, as if that many requests had been recorded.
    pub fn skip_exchanges(&self, count: usize) {
        match &self.storage {
            Storage::Sqlite(folder) => {
                let file = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
                let skip = "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'exchanges'";
                assert_eq!(file.execute(skip, [i64::try_from(count).unwrap()]), Ok(1));
            }
            #[cfg(feature = "postgres")]
            Storage::Postgres(schema) => schema.skip_exchanges(count),
        }
    }

    /// Drops all that is too old or too many, as an idle process does after a while.
    pub async fn prune(&self, clock: &Clock) {
        let (clock, limits) = (clock.clone(), self.retention.clone());
        match &self.storage {
            Storage::Sqlite(folder) => {
                let process = Sqlite::start(folder.path().to_owned(), clock, limits);
                process.prune().await;
            }
            #[cfg(feature = "postgres")]
            Storage::Postgres(schema) => {
                let process = Postgres::start(&schema.0, clock, limits).unwrap();
                process.prune().await;
            }
        }
    }
}
