//! A PostgreSQL database that a team's machines share as their ledger.

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
}
