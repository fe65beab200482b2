//! Rows that callers add one by one, and that a database gets in batches: those that are added during a write are written
//! together in the next one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::Database;

/// The most rows that wait for a database that is away, in number and bytes. Beyond it, the oldest are dropped.
pub(in crate::ledger) const KEPT: usize = 1024;
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// Writes a batch on the database's thread; returns the rows that wait for the next attempt.
pub(in crate::ledger) type Write<S, T> = fn(&mut S, Vec<T>) -> Vec<T>;

/// The limits of one write: other jobs wait meanwhile.
pub(in crate::ledger) struct Batch<T> {
    pub(in crate::ledger) rows: usize,
    pub(in crate::ledger) bytes: usize,
    /// The size of a row.
    pub(in crate::ledger) size: fn(&T) -> usize,
    /// How long rows are gathered after a write. The first one of a burst is written without delay.
    pub(in crate::ledger) gather: Duration,
}

/// The rows that wait to be written.
pub(in crate::ledger) struct Batcher<T> {
    batch: Batch<T>,
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    waiting: VecDeque<T>,
    /// A job is on its way, and goes on until none wait.
    tended: bool,
}

impl<T: Send + 'static> Batcher<T> {
    pub(in crate::ledger) fn new(batch: Batch<T>) -> Arc<Self> {
        let queue = Queue {
            waiting: VecDeque::new(),
            tended: false,
        };
        Arc::new(Self {
            batch,
            queue: Mutex::new(queue),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of rows that wait.
    pub(in crate::ledger) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes all that wait: their caller writes them with something else.
    pub(in crate::ledger) fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.lock().waiting).into()
    }

    /// Adds a row. `write` saves it after the jobs that are already in the queue, with those that are added meanwhile.
    pub(in crate::ledger) fn add<D: Database>(
        self: &Arc<Self>,
        database: &D,
        row: T,
        write: Write<D::Store, T>,
    ) {
        let tended = {
            let mut queue = self.lock();
            queue.waiting.push_back(row);
            std::mem::replace(&mut queue.tended, true)
        };
        // Outside the lock, which a thread that has ended takes at once.
        if !tended {
            let tending = Tending {
                batcher: self.clone(),
                write,
                // Without a runtime, as while the program ends, there is no timer to gather with.
                runtime: Handle::try_current().ok(),
            };
            tending.send(database);
        }
    }

    /// Writes all that wait.
    pub(in crate::ledger) fn write_all<S>(&self, store: &mut S, write: Write<S, T>) {
        while self.write_some(store, write) == Written::Some {}
    }

    fn write_some<S>(&self, store: &mut S, write: Write<S, T>) -> Written {
        let batch = self.next();
        if batch.is_empty() {
            return Written::None;
        }
        let left = write(store, batch);
        if left.is_empty() {
            return Written::Some;
        }
        self.put_back(left);
        Written::Refused
    }

    fn next(&self) -> Vec<T> {
        let Batch {
            rows, bytes, size, ..
        } = self.batch;
        let mut queue = self.lock();
        let mut sum = 0;
        let fitting = queue.waiting.iter().take(rows).take_while(|row| {
            sum += size(row);
            sum <= bytes
        });
        // One that exceeds the limit alone is written alone.
        let some = fitting.count().max(1).min(queue.waiting.len());
        queue.waiting.drain(..some).collect()
    }

    /// They wait for the next row, or for [`Self::write_all`].
    fn put_back(&self, rows: Vec<T>) {
        let mut queue = self.lock();
        queue.tended = false;
        for row in rows.into_iter().rev() {
            queue.waiting.push_front(row);
        }
        let mut bytes: usize = queue.waiting.iter().map(self.batch.size).sum();
        while queue.waiting.len() > KEPT || bytes > KEPT_BYTES {
            let Some(oldest) = queue.waiting.pop_front() else {
                return;
            };
            bytes -= (self.batch.size)(&oldest);
        }
    }

    /// Whether the job that has written this much is the last.
    fn rests(&self, written: Written) -> bool {
        let mut queue = self.lock();
        match written {
            Written::Some => return false,
            Written::Refused => return true,
            // Under the same lock as the queue, so that a row added now finds a job that still comes.
            Written::None => queue.tended = !queue.waiting.is_empty(),
        }
        !queue.tended
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    None,
    Some,
    /// The database is away.
    Refused,
}

/// The job that writes one batch, and comes again until none wait: other jobs are served between two batches.
struct Tending<S, T: Send + 'static> {
    batcher: Arc<Batcher<T>>,
    write: Write<S, T>,
    runtime: Option<Handle>,
}

impl<S: 'static, T: Send + 'static> Tending<S, T> {
    fn send<D: Database<Store = S>>(self, database: &D) {
        let later = database.downgrade();
        let guard = Guard(Some(self.batcher.clone()));
        database.send(move |store| {
            self.run::<D>(store, later);
            guard.disarm();
        });
    }

    fn run<D: Database<Store = S>>(self, store: &mut S, later: D::Weak) {
        let written = self.batcher.write_some(store, self.write);
        if self.batcher.rests(written) {
            return;
        }
        let Some(database) = D::upgrade(&later) else {
            // Without a handle, no further job comes.
            return self.batcher.write_all(store, self.write);
        };
        let gather = self.batcher.batch.gather;
        match &self.runtime {
            Some(runtime) if !gather.is_zero() && self.batcher.len() == 0 => {
                // A handle that sleeps must not keep the database open.
                drop(database);
                runtime.clone().spawn(async move {
                    tokio::time::sleep(gather).await;
                    if let Some(database) = D::upgrade(&later) {
                        self.send(&database);
                    }
                });
            }
            _ => self.send(&database),
        }
    }
}

/// Drops all rows that wait if the thread ends before or during the job, so that their callers learn it.
struct Guard<T: Send + 'static>(Option<Arc<Batcher<T>>>);

impl<T: Send + 'static> Guard<T> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl<T: Send + 'static> Drop for Guard<T> {
    fn drop(&mut self) {
        if let Some(batcher) = &self.0 {
            batcher.lock().tended = false;
            drop(batcher.take());
        }
    }
}
