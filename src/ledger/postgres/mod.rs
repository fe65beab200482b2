//! The ledger in a PostgreSQL database, shared by the programs of a team on several machines. Times are the database's:
//! the machines' clocks may differ.
//!
//! A few threads have a connection each: one for everything that takes its turn, one for slots, one for each API key in
//! use, and one that listens for the changes of others.

mod connection;
pub(super) mod error;
mod exchanges;
mod import;
mod listener;
mod nonces;
mod probe;
mod schema;
mod slots;
mod survey;
mod target;
mod trust;
mod url;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock::Clock;

use super::backend::Backend;
use super::database::{DatabaseReport, DatabaseSettings, Imported, Reseal};
use super::error::LedgerError;
use super::nonces::{KeyHash, KeyedMutex};
use super::sql::exchanges::Unsaved;
use super::sql::queue::Queue;
use super::sql::{self, Store as _};
use super::status::{Retention, Status};
use connection::Connection;
use target::Target;
use worker::{Setup, Store, start};

/// A handle. Clones share its connections.
#[derive(Clone)]
pub(super) struct Postgres(Arc<Shared>);

pub(super) struct Shared {
    setup: Setup,
    clock: Clock,
    general: Arc<Queue<Store>>,
    slots: Queue<Store>,
    key_workers: Mutex<Vec<Queue<Store>>>,
    key_locks: KeyedMutex<KeyHash>,
    /// How many notes of a provider's time were sent to be written, and how many were.
    notes: AtomicU64,
    notes_written: Arc<AtomicU64>,
    status: watch::Receiver<Status>,
    changes: Arc<AtomicI64>,
    _listening: DropGuard,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({})", self.0.setup.target.describe())
    }
}

impl Postgres {
    /// Where everything takes its turn but slots and nonces.
    pub(super) fn queue(&self) -> &Queue<Store> {
        &self.0.general
    }

    /// Returns at once; a thread connects. While the database is away every call fails.
    ///
    /// # Errors
    /// If the settings cannot be used.
    pub(super) fn start(
        settings: &DatabaseSettings,
        clock: Clock,
        limits: Retention,
    ) -> Result<Self, String> {
        let target = Arc::new(Target::new(settings)?);
        let (sender, status) = watch::channel(Status::Opening);
        let setup = Setup {
            target: target.clone(),
            clock: clock.clone(),
            limits,
            operator: settings.operator.clone(),
            status: sender,
            unsaved: Arc::default(),
            foreign: Arc::default(),
            prune: exchanges::prune,
            serve: slots::serve,
        };
        let changes = Arc::new(AtomicI64::new(0));
        let stop = CancellationToken::new();
        let general = Arc::new(start(setup.clone()));
        let connected = {
            let (general, clock) = (general.clone(), clock.clone());
            move || {
                let waiting = general.clone();
                // The requests that were sent when the database went away are then written.
                let connected = clock.now().mono;
                general.send(move |store| {
                    if waiting.unsaved() > 0 && store.try_again(connected).is_ok() {
                        store.record(Unsaved::default());
                    }
                });
            }
        };
        listener::start(target, changes.clone(), stop.clone(), connected);
        // The first connection is made at once.
        general.send(|store| drop(store.connection().map(drop)));
        Ok(Self(Arc::new(Shared {
            slots: start(setup.clone()),
            general,
            setup,
            clock,
            key_workers: Mutex::default(),
            key_locks: KeyedMutex::default(),
            notes: AtomicU64::new(0),
            notes_written: Arc::default(),
            status,
            changes,
            _listening: stop.drop_guard(),
        })))
    }
}

/// Creates the tables or brings them to the newest version; returns the version before. Blocks.
pub(super) fn migrate(settings: &DatabaseSettings, clock: &Clock) -> Result<usize, String> {
    let target = Target::new(settings)?;
    let open = Connection::open(&target, clock).map_err(|error| error.to_string())?;
    schema::migrate(&open, &target.schema).map_err(|error| error.to_string())
}

/// Copies a ledger's open file into the database. Blocks.
pub(super) fn import(
    settings: &DatabaseSettings,
    clock: &Clock,
    file: &rusqlite::Connection,
    reseal: &Reseal<'_>,
) -> Result<Imported, String> {
    let target = Target::new(settings)?;
    let open = Connection::open(&target, clock).map_err(|error| error.to_string())?;
    schema::require(&open, &target.schema).map_err(|error| error.to_string())?;
    import::import(&open, file, &settings.operator, reseal).map_err(|error| error.to_string())
}

/// What there is to know about the database. Blocks.
pub(super) fn survey(settings: &DatabaseSettings, clock: &Clock) -> Result<DatabaseReport, String> {
    let target = Target::new(settings)?;
    survey::survey(&target, clock).map_err(|error| error.to_string())
}

#[async_trait]
impl Backend for Postgres {
    async fn status(&self) -> Status {
        let mut status = self.0.status.clone();
        let open = status.wait_for(|status| *status != Status::Opening).await;
        open.map_or_else(
            |_| Status::Away {
                why: LedgerError::Stopped.to_string(),
                passes: false,
            },
            |status| status.clone(),
        )
    }

    async fn try_again(&self) -> Result<(), LedgerError> {
        let asked = self.0.clock.now().mono;
        let again = self.queue().run(move |store| {
            store.try_again(asked)?;
            store.record(Unsaved::default());
            Ok(())
        });
        again.await
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn status_changes(&self) -> watch::Receiver<Status> {
        self.0.status.clone()
    }

    async fn flush(&self) {
        tokio::join!(self.0.slots.flush(), self.queue().flush());
    }

    async fn close(&self) {
        self.queue().write_all();
        // Nothing will write requests that the database refuses now.
        let abandon = self.queue().run(|store| {
            store.refused = Unsaved::default();
            Ok(())
        });
        let _ = tokio::join!(self.0.slots.flush(), abandon);
    }

    async fn size(&self) -> Result<u64, LedgerError> {
        let size = self.queue().run(|store| {
            <dyn sql::Store>::read(store, |sql| {
                sql.value(
                    "SELECT CAST(coalesce(sum(pg_total_relation_size(oid)), 0) AS BIGINT) FROM pg_class
                     WHERE relnamespace = CAST(current_schema AS regnamespace) AND relkind = 'r'",
                    &[],
                )
            })
        });
        size.await
    }

    async fn data_version(&self) -> Result<i64, LedgerError> {
        Ok(self.0.changes.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
pub(super) mod tests;
