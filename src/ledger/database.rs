//! A PostgreSQL database that a team's machines share as their ledger.

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
}
