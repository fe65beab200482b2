//! The ledger in a database that a team's machines share.

use std::path::Path;

use crate::clock::Clock;
#[cfg(feature = "postgres")]
use crate::domain::inert;

use super::Ledger;
use super::database::{DatabaseReport, DatabaseSettings, ImportError, Imported, Reseal};
use super::status::Retention;

#[cfg(feature = "postgres")]
impl Ledger {
    /// The ledger in a database that other machines use as well. Returns at once; a thread connects.
    /// [`Backend::status`](super::Backend::status) reports whether the database can be used.
    ///
    /// # Errors
    /// If the settings cannot be used, or this build has no PostgreSQL. The message contains no password.
    pub fn connect(
        settings: &DatabaseSettings,
        clock: Clock,
        limits: Retention,
    ) -> Result<Self, String> {
        let database = super::postgres::Postgres::start(settings, clock, limits)?;
        Ok(Self(super::Storage::Postgres(database)))
    }

    /// Creates the ledger's tables or brings them to the newest version; returns the version before, 0 if there were
    /// none. Blocks.
    ///
    /// # Errors
    /// As [`Ledger::connect`], or if the database refuses it.
    pub fn migrate(settings: &DatabaseSettings, clock: &Clock) -> Result<usize, String> {
        super::postgres::migrate(settings, clock)
    }

    /// Copies the ledger's file of one machine into the database, in one transaction and only once. Blocks.
    ///
    /// # Errors
    /// As [`Ledger::connect`], or if another program uses the file, it cannot be read, or the database refuses a row; then
    /// nothing was copied.
    pub fn import(
        settings: &DatabaseSettings,
        clock: &Clock,
        file: &Path,
        reseal: &Reseal<'_>,
    ) -> Result<Imported, ImportError> {
        let old = super::sqlite::open_alone(file).map_err(|why| {
            let file = inert::cut(&file.to_string_lossy(), 400);
            ImportError::File(format!("{file}: {why}"))
        })?;
        super::postgres::import(settings, clock, &old, reseal).map_err(ImportError::Database)
    }

    /// Looks at the database. Blocks.
    ///
    /// # Errors
    /// As [`Ledger::connect`], or if the database cannot keep a ledger.
    pub fn survey(settings: &DatabaseSettings, clock: &Clock) -> Result<DatabaseReport, String> {
        super::postgres::survey(settings, clock)
    }
}

#[cfg(not(feature = "postgres"))]
const NOT_BUILT: &str = "this tilldeck was built without PostgreSQL (feature `postgres`)";

#[cfg(not(feature = "postgres"))]
impl Ledger {
    /// Always fails.
    ///
    /// # Errors
    /// This build has no PostgreSQL.
    pub fn connect(_: &DatabaseSettings, _: Clock, _: Retention) -> Result<Self, String> {
        Err(NOT_BUILT.to_owned())
    }

    /// Always fails.
    ///
    /// # Errors
    /// This build has no PostgreSQL.
    pub fn migrate(_: &DatabaseSettings, _: &Clock) -> Result<usize, String> {
        Err(NOT_BUILT.to_owned())
    }

    /// Always fails.
    ///
    /// # Errors
    /// This build has no PostgreSQL.
    pub fn survey(_: &DatabaseSettings, _: &Clock) -> Result<DatabaseReport, String> {
        Err(NOT_BUILT.to_owned())
    }

    /// Always fails.
    ///
    /// # Errors
    /// This build has no PostgreSQL.
    pub fn import(
        _: &DatabaseSettings,
        _: &Clock,
        _: &Path,
        _: &Reseal<'_>,
    ) -> Result<Imported, ImportError> {
        Err(ImportError::Database(NOT_BUILT.to_owned()))
    }
}
