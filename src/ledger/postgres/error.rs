//! What goes wrong with the database, in words for the operator.

use std::error::Error;

use rustls::CertificateError;

use super::trust;
use crate::domain::inert;
use crate::ledger::error::LedgerError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::ledger) enum PostgresError {
    #[error("the database cannot be reached: {0}")]
    Away(String),
    #[error("the database refuses the connection: {0}")]
    Refused(String),
    #[error("the connection to the database is not safe: {0}")]
    Unsafe(String),
    #[error("the database's role lacks rights: {0}; grant them as docs/operating.md shows")]
    Forbidden(String),
    #[error("the database is PostgreSQL {0}; version 13 or newer is needed")]
    TooOld(i64),
    #[error("the server is a standby, which cannot be written; name the primary in [ledger] url")]
    Standby,
    /// Between two transactions, another session may serve.
    #[error(
        "a connection pooler such as PgBouncer stands before the database, where locks and notifications do not work; \
         name the database server itself in [ledger] url"
    )]
    Pooler,
    #[error(
        "the database's encoding is {0}, which cannot store every text; create one with \
         CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding(String),
    #[error(
        "the database may lose what it confirms: {setting} is not on; set it with ALTER SYSTEM or ALTER ROLE"
    )]
    NotDurable { setting: &'static str },
    #[error("the database has no ledger in schema {schema}; run `tilldeck ledger init`")]
    NotThere { schema: String },
    #[error(
        "the ledger in schema {schema} is of an older tilldeck; run `tilldeck ledger migrate` as the owner of its tables, after all tilldecks have ended"
    )]
    Older { schema: String },
    #[error("the ledger in schema {schema} was written by a newer tilldeck; update tilldeck")]
    Newer { schema: String },
    /// Only the owner of the tables can change them.
    #[error(
        "the tables in schema {schema} belong to the role {owner}: run it as the owner of the tables ({owner})"
    )]
    NotOwner { schema: String, owner: String },
    #[error("other programs change the same rows all the time")]
    Conflict,
    /// A table or a column is not there: another program may have migrated them.
    #[error("the ledger's tables are not those of this tilldeck: {0}")]
    Changed(String),
    /// An earlier statement of the transaction has failed.
    #[error("the database has discarded the transaction")]
    Aborted,
    #[error("a lock was not free in time")]
    LockTimeout,
    /// A row that this program cannot have written.
    #[error("{0}")]
    Malformed(String),
    #[error("the database reports: {0}")]
    Value(String),
    #[error("the database reports: {0}")]
    Statement(String),
}

impl PostgresError {
    /// Whether it says nothing about the next statement.
    pub(super) fn is_of_one_statement(&self) -> bool {
        matches!(
            self,
            Self::Statement(_)
                | Self::Value(_)
                | Self::Aborted
                | Self::Forbidden(_)
                | Self::Conflict
                | Self::LockTimeout
                | Self::Malformed(_)
        )
    }

    /// Whether the tables are not those of this program.
    pub(super) fn is_of_other_tables(&self) -> bool {
        matches!(
            self,
            Self::NotThere { .. } | Self::Older { .. } | Self::Newer { .. }
        )
    }

    /// Whether no callback could be saved, whatever it contains: the disk is full, the role lacks rights, or a table is
    /// not there.
    pub(super) fn stops_saving(&self) -> bool {
        matches!(
            self,
            Self::Statement(_) | Self::Forbidden(_) | Self::Changed(_)
        )
    }

    /// Whether another connection can help, now or later: after a failover, too. Opening one also reads the version.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Standby | Self::Changed(_))
    }

    /// By the server's code for it (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    fn reported(code: &str, text: String) -> Self {
        match code {
            // PgBouncer refuses options that it does not know with the code of a protocol violation. Statements that
            // are unknown or exist already are those of another session.
            "08P01" if text.contains("startup parameter") => Self::Pooler,
            "26000" | "42P05" => Self::Pooler,
            // A transaction that lasted too long, since the machine slept, loses its session as well.
            "53300" | "25P03" | "25P04" => Self::Away(text),
            _ if code.starts_with("08") || code.starts_with("57P") => Self::Away(text),
            _ if code.starts_with("28") || code == "3D000" => Self::Refused(text),
            "42501" => Self::Forbidden(text),
            "42P01" | "42703" => Self::Changed(text),
            "25006" => Self::Standby,
            // Serialization failures and deadlocks.
            "40001" | "40P01" => Self::Conflict,
            "55P03" => Self::LockTimeout,
            "25P02" => Self::Aborted,
            // Invalid data, and what exceeds a limit of the program.
            _ if code.starts_with("22") || code.starts_with("54") => {
                Self::Value(format!("{text} ({code})"))
            }
            _ => Self::Statement(format!("{text} ({code})")),
        }
    }

    /// By an error of this side, and its cause.
    fn noticed(text: &str, cause: Option<&(dyn Error + 'static)>) -> Self {
        let Some(cause) = cause else {
            return Self::Away(inert::cut(text, WORDS_MAX));
        };
        if let Some(why) = distrust(cause) {
            return Self::Unsafe(why);
        }
        let words = inert::cut(&cause.to_string(), WORDS_MAX);
        match &*words {
            "password missing" => Self::Refused(
                "the server wants a password, and neither the URL nor PGPASSWORD nor the password file has one; libpq's file \
                 (~/.pgpass) counts only if no other user can read it"
                    .to_owned(),
            ),
            "server does not support TLS" => {
                Self::Unsafe("the server does not offer TLS, which sslmode requires".to_owned())
            }
            _ => Self::Away(words),
        }
    }
}

/// The longest text of a server that is shown.
const WORDS_MAX: usize = 300;

/// Why the server's certificate is not valid, if that is the cause.
fn distrust(cause: &(dyn Error + 'static)) -> Option<String> {
    let inner = cause.downcast_ref::<std::io::Error>()?.get_ref()?;
    let rustls::Error::InvalidCertificate(why) = inner.downcast_ref()? else {
        return None;
    };
    Some(match why {
        CertificateError::UnknownIssuer => {
            "its certificate is from an authority that this machine does not trust; name the authority's file as \
             sslrootcert in the URL"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; renew it on the server".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host; use a name in the URL that the certificate has"
                .to_owned()
        }
        why if trust::is_own_authority(why) => {
            "its certificate is self-signed: it is its own authority; name the certificate's file as sslrootcert in the URL"
                .to_owned()
        }
        other => inert::cut(&format!("its certificate is not valid: {other}"), WORDS_MAX),
    })
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(reported) => Self::reported(
                reported.code().code(),
                inert::cut(reported.message(), WORDS_MAX),
            ),
            None => Self::noticed(&error.to_string(), error.source()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_reports_is_told_apart_by_its_code() {
        let text = || "words of the server".to_owned();
        for (code, expected) in [
            ("08006", PostgresError::Away(text())),
            ("57P01", PostgresError::Away(text())),
            ("57P03", PostgresError::Away(text())),
            ("53300", PostgresError::Away(text())),
            ("25P03", PostgresError::Away(text())),
            ("28P01", PostgresError::Refused(text())),
            ("28000", PostgresError::Refused(text())),
            ("3D000", PostgresError::Refused(text())),
            ("42501", PostgresError::Forbidden(text())),
            ("42P01", PostgresError::Changed(text())),
            ("42703", PostgresError::Changed(text())),
            ("25006", PostgresError::Standby),
            ("26000", PostgresError::Pooler),
            ("42P05", PostgresError::Pooler),
            ("40001", PostgresError::Conflict),
            ("55P03", PostgresError::LockTimeout),
            ("25P02", PostgresError::Aborted),
            (
                "53100",
                PostgresError::Statement("words of the server (53100)".to_owned()),
            ),
            (
                "22021",
                PostgresError::Value("words of the server (22021)".to_owned()),
            ),
            (
                "54000",
                PostgresError::Value("words of the server (54000)".to_owned()),
            ),
        ] {
            assert_eq!(PostgresError::reported(code, text()), expected, "{code}");
        }
        let parameter = "unsupported startup parameter: options".to_owned();
        assert_eq!(
            PostgresError::reported("08P01", parameter),
            PostgresError::Pooler
        );
    }

    #[test]
    fn a_certificate_that_is_not_valid_says_why_and_what_to_do() {
        for (why, words) in [
            (CertificateError::UnknownIssuer, "name the authority's file"),
            (CertificateError::Expired, "has expired; renew it"),
            (CertificateError::NotValidForName, "is for another host"),
            (CertificateError::Revoked, "is not valid: "),
        ] {
            let error = std::io::Error::other(rustls::Error::InvalidCertificate(why));
            let noticed = PostgresError::noticed("error performing TLS handshake", Some(&error));
            assert!(matches!(noticed, PostgresError::Unsafe(_)), "{noticed:?}");
            assert!(noticed.to_string().contains(words), "{noticed}");
        }
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let noticed = PostgresError::noticed("error connecting to server", Some(&refused));
        let expected = "the database cannot be reached: connection refused";
        assert_eq!(noticed.to_string(), expected);
    }
}
