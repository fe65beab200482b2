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
mod worker;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock::Clock;

use super::backend::Backend;
use super::database::{DatabaseReport, DatabaseSettings, Imported, Reseal};
use super::error::LedgerError;
use super::nonces::{KeyHash, KeyedMutex};
use super::slots::SlotId;
use super::sql::batch::Batcher;
use super::sql::deliveries::Incoming;
use super::sql::exchanges::Recording;
use super::sql::{self, Database, params};
use super::status::{Retention, Status};
use connection::Connection;
use target::Target;
use worker::{Setup, Store, Worker};

/// A handle. Clones share its connections.
#[derive(Clone)]
pub(super) struct Postgres(Arc<Shared>);

pub(super) struct Shared {
    setup: Setup,
    clock: Clock,
    operator: String,
    general: Worker,
    slots: Worker,
    key_workers: Mutex<Vec<Worker>>,
    key_locks: KeyedMutex<KeyHash>,
    /// How many notes of a provider's time were sent to be written, and how many were.
    notes: AtomicU64,
    notes_written: Arc<AtomicU64>,
    released: Mutex<Vec<SlotId>>,
    incoming: Arc<Incoming>,
    log: Arc<Batcher<Recording>>,
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
            status: sender,
            unsaved: Arc::default(),
            foreign: Arc::default(),
            prune: exchanges::prune,
        };
        let changes = Arc::new(AtomicI64::new(0));
        let stop = CancellationToken::new();
        let general = Worker::start(setup.clone());
        let log = sql::exchanges::queue(exchanges::CHUNK, Duration::ZERO);
        let connected = {
            let (general, log) = (general.clone(), log.clone());
            move || {
                let log = log.clone();
                general.send(move |store| write_again(store, &log));
            }
        };
        listener::start(target, changes.clone(), stop.clone(), connected);
        // The first connection is made at once.
        general.send(|store| drop(store.connection().map(drop)));
        Ok(Self(Arc::new(Shared {
            slots: Worker::start(setup.clone()),
            general,
            setup,
            clock,
            operator: settings.operator.clone(),
            key_workers: Mutex::default(),
            key_locks: KeyedMutex::default(),
            notes: AtomicU64::new(0),
            notes_written: Arc::default(),
            released: Mutex::default(),
            incoming: Arc::default(),
            log,
            status,
            changes,
            _listening: stop.drop_guard(),
        })))
    }
}

/// Writes the requests that were sent when the database went away.
fn write_again(store: &mut Store, log: &Batcher<Recording>) {
    if log.len() > 0 && store.try_again().is_ok() {
        log.write_all(store, |store, rows| sql::exchanges::save(store, rows));
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
        self.0.general.run(|store| Ok(store.try_again()?)).await?;
        self.catch_up();
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn status_changes(&self) -> watch::Receiver<Status> {
        self.0.status.clone()
    }

    async fn flush(&self) {
        self.catch_up();
        let _ = self.0.slots.run(|_| Ok(())).await;
        let _ = self.0.general.run(|_| Ok(())).await;
    }

    async fn close(&self) {
        self.flush().await;
        self.0.log.abandon();
    }

    async fn agree_on_seal_key(
        &self,
        key: String,
        previous: Option<String>,
    ) -> Result<bool, LedgerError> {
        self.run(move |store| {
            <dyn sql::Store>::write(store, |sql| {
                sql.execute(
                    "UPDATE ledger SET seal_key = $1 WHERE seal_key IS NULL OR seal_key = $2",
                    params![&key, previous.as_ref()],
                )?;
                sql.value(
                    "SELECT coalesce(seal_key = $1, false) FROM ledger",
                    params![&key],
                )
            })
        })
        .await
    }

    async fn size(&self) -> Result<u64, LedgerError> {
        self.run(|store| {
            <dyn sql::Store>::read(store, |sql| {
                sql.value(
                    "SELECT CAST(coalesce(sum(pg_total_relation_size(oid)), 0) AS BIGINT) FROM pg_class
                     WHERE relnamespace = CAST(current_schema AS regnamespace) AND relkind = 'r'",
                    &[],
                )
            })
        })
        .await
    }

    async fn data_version(&self) -> Result<i64, LedgerError> {
        Ok(self.0.changes.load(Ordering::Relaxed))
    }
}

impl Database for Postgres {
    type Store = Store;
    type Weak = Weak<Shared>;

    fn send(&self, job: impl FnOnce(&mut Store) + Send + 'static) {
        self.0.general.send(job);
    }

    fn incoming(&self) -> &Arc<Incoming> {
        &self.0.incoming
    }

    fn log_queue(&self) -> &Arc<Batcher<Recording>> {
        &self.0.log
    }

    fn operator(&self) -> Option<&str> {
        Some(&self.0.operator)
    }

    fn downgrade(&self) -> Self::Weak {
        Arc::downgrade(&self.0)
    }

    fn upgrade(weak: &Self::Weak) -> Option<Self> {
        weak.upgrade().map(Self)
    }
}

#[cfg(test)]
pub(super) mod tests;
