//! A PostgreSQL database that a team's machines share as their ledger: its settings, and what is known of it; and what
//! is known of the file of one machine.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::{Problem, Secret, inert, time};

/// A database, and who uses it.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://…`, with its password.
    pub url: Secret,
    /// The password where the URL has none.
    pub password: Option<Secret>,
    /// The text of libpq's password file, for hosts without either.
    pub pass_file: Option<Secret>,
    /// The schema with the ledger's tables: a plain name of `a-z`, `0-9` and `_`.
    pub schema: String,
    /// Who works with this program: "user@host".
    pub operator: String,
}

/// The lines of libpq's password file: host, port, database, user, password. `\` escapes `:` and itself.
pub fn pass_file_lines(text: &str) -> impl Iterator<Item = [String; 5]> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut fields = vec![String::new()];
        let mut chars = line.chars();
        while let Some(char) = chars.next() {
            match char {
                '\\' => fields.last_mut()?.extend(chars.next()),
                // What follows a password is not a part of it.
                ':' if fields.len() == 5 => break,
                ':' => fields.push(String::new()),
                char => fields.last_mut()?.push(char),
            }
        }
        fields.try_into().ok()
    })
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
    /// Whether the role is a superuser.
    pub is_superuser: bool,
    /// The rights that the role lacks, and on what: "DELETE on slots".
    pub missing_rights: Vec<String>,
    /// The server's `synchronous_commit`: one that survives a crash of the server.
    pub synchronous_commit: String,
    /// Whether the server can repair a page that a crash has torn: `full_page_writes`.
    pub full_page_writes: bool,
    /// The time of one round trip.
    pub latency: Duration,
    /// How far the database's clock is ahead of this machine's; 0 where they agree to a second.
    pub clock_ahead_ms: i64,
    /// The version of the tables; `None` if there are none, or the role may not read it.
    pub version: Option<usize>,
    /// The version of this program's tables.
    pub newest: usize,
    /// The size of the tables on disk.
    pub bytes: u64,
    /// About how many requests are saved.
    pub exchanges: u64,
    /// About how many callbacks are saved.
    pub callbacks: u64,
    /// The fingerprint of the key that seals its callbacks, once a machine has used one.
    pub seal_key: Option<String>,
}

impl DatabaseReport {
    /// Why the ledger cannot be used, and what to do.
    pub fn problem(&self) -> Option<Problem> {
        let (what, hint) = match self.version {
            _ if !self.missing_rights.is_empty() => (
                format!(
                    "the role {} lacks rights: {}",
                    inert::line(&self.role),
                    self.lacks()
                ),
                "grant them as docs/operating.md shows under \"Roles\"",
            ),
            None => (
                "the database has no ledger yet".to_owned(),
                "run `tilldeck ledger init`",
            ),
            Some(version) if version < self.newest => (
                "the ledger's tables are of an older tilldeck".to_owned(),
                "run `tilldeck ledger migrate` as the owner of the tables, after all tilldecks have ended",
            ),
            Some(version) if version > self.newest => (
                "the ledger's tables are of a newer tilldeck".to_owned(),
                "update this tilldeck",
            ),
            Some(_) => return None,
        };
        Some(Problem::local(what, hint))
    }

    /// The first of the missing rights.
    fn lacks(&self) -> String {
        let (first, rest) = self
            .missing_rights
            .split_at(self.missing_rights.len().min(SHOWN_MAX));
        let first = first.join(", ");
        match rest.len() {
            0 => first,
            more => format!("{first} and {more} more"),
        }
    }

    /// How the database's clock differs from this machine's; `None` where they agree.
    pub fn clock_difference(&self) -> Option<String> {
        let by = time::fine(Duration::from_millis(self.clock_ahead_ms.unsigned_abs()));
        let way = match self.clock_ahead_ms {
            0 => return None,
            1.. => "ahead of",
            _ => "behind",
        };
        Some(format!("{by} {way} this machine's; the database's counts"))
    }
}

/// The ledger's file in the state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its path.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The size of its write-ahead log.
    pub log_bytes: u64,
    /// The version of its tables.
    pub version: usize,
    /// Why this program cannot use it, such as that another program wrote it.
    pub refusal: Option<String>,
    /// What SQLite's quick check has found.
    pub damage: Option<String>,
}

const SHOWN_MAX: usize = 3;

/// Opens sealed bytes and seals them with another key; `None` if they cannot be opened.
pub type Reseal<'a> = dyn Fn(&[u8]) -> Option<Vec<u8>> + 'a;

/// Why a ledger's file was not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportError {
    /// The file cannot be used.
    File(String),
    /// The database cannot be used.
    Database(String),
}

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
    /// Payments whose expected amount in the file differs from that of the shared ledger, which stays in force.
    pub expectations_kept: u64,
    /// Callbacks that could not be opened: they are listed, but cannot be forwarded again.
    pub sealed_by_another: u64,
}
