//! What only this ledger has: files, damage, reboots, locks. What every ledger promises is in [`super::super::contract`].

mod age;
mod batch;
mod deliveries;
mod files;
mod nonces;
mod pruning;
mod recovery;
mod search;
mod slots;

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::clock::ManualClock;
use crate::domain::job::{AttemptOutcome, Disposition, JobResult, NewJob};
use crate::domain::{CallbackVerdict, JobKind, Now, WallTime};
use crate::ledger::contract::fixtures::*;
use crate::ledger::*;

impl Sqlite {
    /// Drops all that is too old or too many, as the thread does while it has no work.
    pub(in crate::ledger) async fn prune(&self) {
        let all = |store: &mut Store| {
            exchanges::prune(store);
            while store.pruning.is_some() {
                exchanges::prune(store);
            }
            Ok(())
        };
        self.run(all).await.unwrap();
    }

    fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, LedgerError> + Send + 'static,
    ) -> impl Future<Output = Result<T, LedgerError>> {
        self.queue().run(job)
    }
}

fn start(folder: &Path) -> Sqlite {
    start_by(folder, &clock().0)
}

fn start_by(folder: &Path, clock: &Clock) -> Sqlite {
    Sqlite::start(folder.to_owned(), clock.clone(), Retention::default())
}

/// Keeps the ledger's thread busy until the sender is dropped; sent to, the thread panics.
async fn busy(ledger: &Sqlite) -> mpsc::Sender<()> {
    let (hold, until) = mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    ledger.queue().send(move |_| {
        begun.send(()).unwrap();
        assert!(until.recv().is_err());
    });
    begins.await.unwrap();
    hold
}

/// Ends the ledger's thread, as the end of a process does.
fn close(ledger: Sqlite) {
    let thread = ledger.0.thread.lock().take();
    drop(ledger);
    thread.unwrap().join().unwrap();
}

/// Sets a pragma of the ledger's own connection.
async fn set(ledger: &Sqlite, pragma: &'static str, value: i32) {
    let run = move |conn: &Connection| conn.execute_batch(&format!("PRAGMA {pragma} = {value}"));
    ledger.run(move |store| store.read(run)).await.unwrap();
}

async fn fill_disk(ledger: &Sqlite, full: bool) {
    set(ledger, "max_page_count", if full { 1 } else { 1_000_000 }).await;
}

/// Lets no write succeed.
async fn forbid_writing(ledger: &Sqlite, on: bool) {
    set(ledger, "query_only", i32::from(on)).await;
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The next nonce while the clock shows `wall`; in memory where it cannot be stored.
async fn next_nonce(key_lock: &mut KeyLock, wall: WallTime) -> Result<i64, LedgerError> {
    let now = Now {
        mono: Duration::ZERO,
        wall,
    };
    let rules = NonceRules {
        persistence: Persistence::BestEffort,
        ..NonceRules::default()
    };
    Ok(key_lock.next_nonce(now, rules).await?.value)
}

/// The same process, as a handle of any ledger.
fn shared(ledger: &Sqlite) -> Ledger {
    Ledger(Storage::Sqlite(ledger.clone()))
}

fn count(ledger: &Sqlite, table: &'static str) -> impl Future<Output = u64> {
    let count = move |conn: &Connection| {
        let query = format!("SELECT count(*) FROM {table}");
        conn.query_row(&query, (), |row| row.get::<_, i64>(0))
    };
    let rows = ledger.run(move |store| store.read(count));
    async { rows.await.unwrap().unsigned_abs() }
}

/// The number of transactions in the write-ahead log since it was last begun anew. The frame that ends one names the
/// database's size, the others have a zero there (<https://www.sqlite.org/fileformat2.html#wal_file_format>).
fn transactions(folder: &Path) -> usize {
    let wal = std::fs::read(folder.join("ledger.db-wal")).unwrap();
    let page = usize::try_from(u32::from_be_bytes(wal[8..12].try_into().unwrap())).unwrap();
    let frames = wal[32..].chunks(24 + page);
    frames
        .filter(|frame| frame[4..8] != [0; 4] && frame[8..16] == wal[16..24])
        .count()
}
