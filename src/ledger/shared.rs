//! The ledger in a database that a team's machines share.

use std::path::Path;

use crate::clock::Clock;

use super::Ledger;
use super::database::{DatabaseReport, DatabaseSettings, ImportError, Imported, Reseal};
use super::status::Retention;

/// Evaluates its argument, or fails in a build without PostgreSQL.
macro_rules! with_postgres {
    ($($result:tt)*) => {{
        #[cfg(feature = "postgres")]
        {
            $($result)*
        }
        #[cfg(not(feature = "postgres"))]
        {
            Err("this tilldeck was built without PostgreSQL (feature `postgres`)".to_owned())
        }
    }};
}

#[cfg_attr(
    not(feature = "postgres"),
    allow(unused_variables, clippy::needless_pass_by_value)
)]
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
        with_postgres! {
            let database = super::postgres::Postgres::start(settings, clock, limits)?;
            Ok(Self(super::Storage::Postgres(database)))
        }
    }

    /// Creates the ledger's tables or brings them to the newest version; returns the version before, 0 if there were
    /// none. Blocks.
    ///
    /// # Errors
    /// As [`Ledger::connect`], or if the database refuses it.
    pub fn migrate(settings: &DatabaseSettings, clock: &Clock) -> Result<usize, String> {
        with_postgres! { super::postgres::migrate(settings, clock) }
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
        let imported = with_postgres! {
            let old = super::sqlite::open_alone(file).map_err(|why| {
                let file = crate::domain::inert::cut(&file.to_string_lossy(), 400);
                ImportError::File(format!("{file}: {why}"))
            })?;
            super::postgres::import(settings, clock, &old, reseal)
        };
        imported.map_err(ImportError::Database)
    }

    /// Looks at the database. Blocks.
    ///
    /// # Errors
    /// As [`Ledger::connect`], or if the database cannot keep a ledger.
    pub fn survey(settings: &DatabaseSettings, clock: &Clock) -> Result<DatabaseReport, String> {
        with_postgres! { super::postgres::survey(settings, clock) }
    }
}
