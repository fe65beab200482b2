//! A PostgreSQL database that a team's machines share as their ledger.

use std::path::Path;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Secret;

use super::Ledger;
use super::status::Retention;

/// A database, and who uses it.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://…`, with its password.
    pub url: Secret,
    /// The schema with the ledger's tables: a plain name of `a-z`, `0-9` and `_`.
    pub schema: String,
    /// Who works with this program: "user@host".
    pub operator: String,
}

/// What there is to know about the database, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseReport {
    /// Its hosts and name, without user and password.
    pub place: String,
    /// The schema with the ledger's tables.
    pub schema: String,
    /// The server's version.
    pub server: String,
    /// The role that tilldeck has there.
    pub role: String,
    /// The time of one round trip.
    pub latency: Duration,
    /// How far the database's clock is ahead of this machine's; 0 where they agree to a second.
    pub clock_ahead_ms: i64,
    /// The version of the tables; `None` if there are none.
    pub version: Option<usize>,
    /// The version of this program's tables.
    pub newest: usize,
    /// The size of the tables on disk.
    pub bytes: u64,
    /// About how many requests are saved.
    pub exchanges: u64,
    /// About how many callbacks are saved.
    pub callbacks: u64,
}

/// Opens sealed bytes and seals them with another key; `None` if they cannot be opened.
pub type Reseal<'a> = dyn Fn(&[u8]) -> Option<Vec<u8>> + 'a;

/// What was copied from a ledger's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Whether the file had not been copied before; otherwise nothing was copied now.
    pub is_new: bool,
    /// Requests with their responses.
    pub exchanges: u64,
    /// Callbacks.
    pub callbacks: u64,
    /// Watches, expectations, observations, marks and states of credentials.
    pub others: u64,
    /// Callbacks that could not be opened: they are listed, but cannot be forwarded again.
    pub sealed_by_another: u64,
}

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
        Ok(Self(std::sync::Arc::new(database)))
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
    /// As [`Ledger::connect`], or if the file cannot be read or the database refuses a row; then nothing was copied.
    pub fn import(
        settings: &DatabaseSettings,
        clock: &Clock,
        file: &Path,
        reseal: &Reseal<'_>,
    ) -> Result<Imported, String> {
        super::postgres::import(settings, clock, file, reseal)
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
    ) -> Result<Imported, String> {
        Err(NOT_BUILT.to_owned())
    }
}
