//! A PostgreSQL database that a team's machines share as their ledger: its settings, and what is known of it.

use std::time::Duration;

use crate::domain::Secret;

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
