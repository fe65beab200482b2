//! Write-behind: no caller waits for these rows, so a burst is written in one transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{Exchange, Now};

use super::writer::Store;
use super::{Sqlite, exchanges, slots};
use crate::ledger::backend::Backend as _;
use crate::ledger::exchanges::Recorded;
use crate::ledger::slots::SlotId;
use crate::ledger::sql::Database as _;

/// In a burst, rows that come within this time are written together. A single row is written without delay.
const COALESCE: Duration = Duration::from_millis(20);

/// The most rows in one transaction: a slot request in between must not wait for long.
const CHUNK: usize = 64;

/// The most rows in memory: beyond it, the caller that adds one waits for the write.
const BUFFERED_MAX: usize = 1024;

/// Rows that wait to be written.
#[derive(Default)]
pub(super) struct WriteBehind(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    released: Vec<(SlotId, Now)>,
    exchanges: VecDeque<(Exchange, Recorded)>,
    /// A task is flushing, until no row has come for a while.
    flushing: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.released.is_empty() && self.exchanges.is_empty()
    }
}

impl WriteBehind {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the releases that wait: the next count of slots must include them.
    pub(super) fn released(&self) -> Vec<(SlotId, Now)> {
        std::mem::take(&mut self.lock().released)
    }

    /// Writes one chunk; returns whether there is more.
    pub(super) fn write(&self, store: &mut Store) -> bool {
        // Before the exchanges: other processes may be waiting for these slots.
        slots::serve(store, &self.released(), Vec::new());
        let (exchanges, more) = {
            let mut waiting = self.lock();
            let some = waiting.exchanges.len().min(CHUNK);
            let exchanges: Vec<_> = waiting.exchanges.drain(..some).collect();
            (exchanges, !waiting.exchanges.is_empty())
        };
        if exchanges.is_empty() {
            return more;
        }
        let (exchanges, thens): (Vec<_>, Vec<_>) = exchanges.into_iter().unzip();
        let ids = exchanges::record(store, &exchanges);
        for ((exchange, id), then) in exchanges.into_iter().zip(ids).zip(thens) {
            // Only now: the receiver may look it up by its id.
            then(Exchange { id, ..exchange });
        }
        more
    }
}

impl Sqlite {
    pub(super) fn release_later(&self, id: SlotId, seen_at: Now) {
        let mut waiting = self.0.behind.lock();
        waiting.released.push((id, seen_at));
        self.start_flushing(&mut waiting);
    }

    pub(super) fn write_behind(&self, exchange: Exchange, then: Recorded) {
        let mut waiting = self.0.behind.lock();
        waiting.exchanges.push_back((exchange, then));
        self.start_flushing(&mut waiting);
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.0.behind.lock().exchanges.is_empty()
    }

    pub(super) async fn wait_if_much_waits(&self) {
        let much = self.0.behind.lock().exchanges.len() > BUFFERED_MAX;
        if much {
            self.flush().await;
        }
    }

    /// Writes waiting rows one chunk a job, so that other jobs run in between.
    fn flush_in_chunks(&self) {
        // Weak, so that waiting rows do not keep the ledger's thread alive for ever.
        let shared = Arc::downgrade(&self.0);
        let behind = self.0.behind.clone();
        self.send(move |store| {
            if behind.write(store)
                && let Some(shared) = shared.upgrade()
            {
                Sqlite(shared).flush_in_chunks();
            }
        });
    }

    /// Starts flushing: the first row of a burst at once, those that follow together.
    fn start_flushing(&self, waiting: &mut Waiting) {
        // Called from `Drop` while the program ends: without a runtime there is no timer to wait with.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.flush_in_chunks();
            return;
        };
        if std::mem::replace(&mut waiting.flushing, true) {
            return;
        }
        self.flush_in_chunks();
        let shared = Arc::downgrade(&self.0);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(COALESCE).await;
                // With the last handle, the writing thread writes what is left.
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                {
                    let mut waiting = shared.behind.lock();
                    if waiting.is_empty() {
                        waiting.flushing = false;
                        return;
                    }
                }
                Sqlite(shared).flush_in_chunks();
            }
        });
    }
}
