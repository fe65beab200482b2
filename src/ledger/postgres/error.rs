//! What goes wrong with the database, in words for the operator.

use std::error::Error as _;

use crate::domain::inert;
use crate::ledger::error::LedgerError;

/// Why PostgreSQL did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::ledger) enum PostgresError {
    /// It cannot be reached, or the connection was lost.
    #[error("the database cannot be reached: {0}")]
    Away(String),
    /// It refuses the login, or its certificate is refused.
    #[error("the database refuses the connection: {0}")]
    Refused(String),
    /// Too old.
    #[error("the database is PostgreSQL {0}; version 13 or newer is needed")]
    TooOld(i64),
    /// Read-only.
    #[error("the server is a standby, which cannot be written; name the primary in [ledger] url")]
    Standby,
    /// Between two transactions, another session may serve.
    #[error(
        "a connection pooler such as PgBouncer stands before the database, where locks and notifications do not work; \
         name the database server itself in [ledger] url"
    )]
    Pooler,
    /// A commit could be lost.
    #[error(
        "the database may lose what it confirms: {setting} is not on; set it with ALTER SYSTEM or ALTER ROLE"
    )]
    NotDurable {
        /// The server's setting.
        setting: &'static str,
    },
    /// There are no tables.
    #[error("the database has no ledger in schema {schema}; run `tilldeck ledger init`")]
    NotThere {
        /// Where it was looked for.
        schema: String,
    },
    /// An older version's tables.
    #[error("the ledger in schema {schema} is of an older tilldeck; run `tilldeck ledger migrate`")]
    Older {
        /// Where it is.
        schema: String,
    },
    /// A newer version's tables.
    #[error("the ledger in schema {schema} was written by a newer tilldeck; update tilldeck")]
    Newer {
        /// Where it is.
        schema: String,
    },
    /// Another transaction has changed the same rows.
    #[error("another program has changed the same rows")]
    Conflict,
    /// An earlier statement of the transaction has failed.
    #[error("the database has discarded the transaction")]
    Aborted,
    /// A lock was not free in time.
    #[error("a lock was not free in time")]
    LockTimeout,
    /// A row that this program cannot have written.
    #[error("{0}")]
    Malformed(String),
    /// A statement failed.
    #[error("the database reports: {0}")]
    Statement(String),
}

impl PostgresError {
    /// Whether it says nothing about the next statement.
    pub(super) fn is_of_one_statement(&self) -> bool {
        matches!(
            self,
            Self::Statement(_)
                | Self::Aborted
                | Self::Conflict
                | Self::LockTimeout
                | Self::Malformed(_)
        )
    }

    /// Whether trying again later can help.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(reported) = error.as_db_error() else {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let text = inert::cut(
                &format!("{error}{}{cause}", if cause.is_empty() { "" } else { ": " }),
                300,
            );
            return if cause.contains("certificate") || text.contains("TLS") {
                Self::Refused(text)
            } else {
                Self::Away(text)
            };
        };
        let text = inert::cut(reported.message(), 300);
        // <https://www.postgresql.org/docs/current/errcodes-appendix.html>
        match reported.code().code() {
            // PgBouncer refuses options that it does not know with the code of a protocol violation.
            "08P01" if text.contains("startup parameter") => Self::Pooler,
            code if code.starts_with("08") || code.starts_with("57P") || code == "53300" => {
                Self::Away(text)
            }
            code if code.starts_with("28") || code == "3D000" => Self::Refused(text),
            "25006" => Self::Standby,
            // Serialization failures and deadlocks.
            "40001" | "40P01" => Self::Conflict,
            "55P03" => Self::LockTimeout,
            "25P02" => Self::Aborted,
            code => Self::Statement(format!("{text} ({code})")),
        }
    }
}

impl From<PostgresError> for LedgerError {
    fn from(error: PostgresError) -> Self {
        match error {
            PostgresError::Malformed(why) => Self::Unreadable(why),
            error => Self::Database(error.to_string()),
        }
    }
}
