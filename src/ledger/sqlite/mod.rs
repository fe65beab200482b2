//! The ledger in an embedded SQLite file, shared by the processes of one user on one machine. One thread owns the file, and
//! each call is a job for it.

mod age;
mod exchanges;
mod files;
mod nonces;
mod recovery;
mod schema;
mod slots;
mod sql;
mod survey;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
#[cfg(test)]
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::watch;

use crate::clock::Clock;

use super::backend::Backend;
use super::error::LedgerError;
use super::nonces::{KeyHash, KeyedMutex};
use super::sql::queue::Queue;
use super::status::{Retention, Status};
#[cfg(feature = "postgres")]
pub use files::open_alone;
pub use files::{set_aside_in, written_by_another};
pub use survey::survey_file;
use writer::Store;

/// A handle. Clones share one thread and one file.
#[derive(Clone)]
pub(super) struct Sqlite(Arc<Shared>);

pub(super) struct Shared {
    queue: Queue<Store>,
    status: watch::Receiver<Status>,
    folder: PathBuf,
    key_locks: KeyedMutex<KeyHash>,
    #[cfg(test)]
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sqlite({})", self.0.folder.display())
    }
}

impl Sqlite {
    /// Returns at once; a thread opens the file in `folder`. The ledger always becomes usable: if necessary in memory
    /// only, which [`Backend::status`] reports.
    pub(super) fn start(folder: PathBuf, clock: Clock, limits: Retention) -> Self {
        let there = folder.clone();
        Self::on_thread(folder, |changes| Store::open(there, clock, limits, changes))
    }

    /// The same file, where every write fails.
    pub(super) fn read_only(folder: PathBuf, clock: Clock, limits: Retention) -> Self {
        let there = folder.clone();
        Self::on_thread(folder, |changes| {
            Store::open(there, clock, limits, changes).for_reading()
        })
    }

    /// A ledger in memory alone, which no other process sees.
    pub(super) fn in_memory(clock: Clock, limits: Retention) -> Self {
        Self::on_thread(PathBuf::new(), |changes| {
            Store::in_memory(clock, limits, changes)
        })
    }

    pub(super) fn queue(&self) -> &Queue<Store> {
        &self.0.queue
    }

    fn on_thread(
        folder: PathBuf,
        open: impl FnOnce(watch::Sender<Status>) -> Store + Send + 'static,
    ) -> Self {
        let (changes, status) = watch::channel(Status::Opening);
        let (queue, thread) = Queue::start(String::new(), move || open(changes));
        #[cfg(not(test))]
        drop(thread);
        Self(Arc::new(Shared {
            queue,
            status,
            folder,
            key_locks: KeyedMutex::default(),
            #[cfg(test)]
            thread: Mutex::new(thread),
        }))
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn status(&self) -> Status {
        let mut status = self.0.status.clone();
        let open = status.wait_for(|status| *status != Status::Opening).await;
        let open = open.map(|status| status.clone());
        match open {
            // A state is meaningless once the thread has ended.
            Ok(now) if status.has_changed().is_ok() => now,
            _ => Status::Degraded {
                why: LedgerError::Stopped.to_string(),
            },
        }
    }

    async fn try_again(&self) -> Result<(), LedgerError> {
        let again = |store: &mut Store| {
            store.open_again();
            // As large as a callback: a nearly full disk accepts smaller writes, and the state would flap.
            store.write_durably(|conn| {
                conn.execute("INSERT INTO probe VALUES (zeroblob(65536))", ())?;
                conn.execute("DELETE FROM probe", ()).map(drop)
            })
        };
        self.queue().run(again).await
    }

    fn status_changes(&self) -> watch::Receiver<Status> {
        self.0.status.clone()
    }

    async fn flush(&self) {
        self.queue().flush().await;
    }

    async fn close(&self) {
        self.flush().await;
        let empty = |store: &mut Store| {
            store.empty_log();
            Ok(())
        };
        let _ = self.queue().run(empty).await;
    }

    async fn size(&self) -> Result<u64, LedgerError> {
        let pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let size = |conn: &Connection| conn.query_row(pages, [], |row| row.get::<_, i64>(0));
        let size = self.queue().run(move |store| store.read(size)).await;
        size.map(i64::unsigned_abs)
    }

    async fn data_version(&self) -> Result<i64, LedgerError> {
        let version =
            |conn: &Connection| conn.pragma_query_value(None, "data_version", |row| row.get(0));
        self.queue().run(move |store| store.read(version)).await
    }
}

#[cfg(test)]
mod tests;
