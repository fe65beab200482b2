//! Rows that callers add one by one, and that a database gets in batches: those that are added during a write are written
//! together in the next one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::{Database, Store};

/// The most rows that wait for a database that is away, in number and bytes. Beyond it, the oldest are dropped.
pub(in crate::ledger) const WAITING_MAX: usize = 1024;
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Writes a batch on the database's thread; returns the rows that wait for the next attempt.
pub(in crate::ledger) type Write<S, T> = fn(&mut S, Vec<T>) -> Vec<T>;

/// What the rows are, and the limits of one write: other jobs wait meanwhile.
pub(in crate::ledger) struct Batch<T> {
    /// Their name in the program's log, which reports those that are lost.
    pub(in crate::ledger) name: &'static str,
    pub(in crate::ledger) rows: usize,
    pub(in crate::ledger) bytes: usize,
    pub(in crate::ledger) size: fn(&T) -> usize,
    /// How long rows are gathered after a write. The first one of a burst is written without delay.
    pub(in crate::ledger) gather: Duration,
    /// Tells a row's caller that it waits for a database that is away. The function makes an id for it.
    pub(in crate::ledger) delayed: fn(&mut T, &mut dyn FnMut() -> i64),
}

/// The rows that wait to be written.
pub(in crate::ledger) struct Batcher<T> {
    batch: Batch<T>,
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    waiting: VecDeque<T>,
    /// A job is on its way, and goes on until none wait.
    scheduled: bool,
}

impl<T> Batcher<T> {
    pub(in crate::ledger) fn new(batch: Batch<T>) -> Arc<Self> {
        let queue = Queue {
            waiting: VecDeque::new(),
            scheduled: false,
        };
        Arc::new(Self {
            batch,
            queue: Mutex::new(queue),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::ledger) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes all that wait: their caller writes them with something else.
    pub(in crate::ledger) fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.lock().waiting).into()
    }

    /// Drops all that wait, so that their callers learn it: nothing will write them.
    pub(in crate::ledger) fn abandon(&self) {
        self.report_lost(self.take().len());
    }

    fn report_lost(&self, rows: usize) {
        if rows > 0 {
            let what = self.batch.name;
            tracing::error!(
                rows,
                what,
                "the ledger has lost rows that could not be written"
            );
        }
    }
}

impl<T> Drop for Batcher<T> {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl<T: Send + 'static> Batcher<T> {
    /// Adds a row. `write` saves it after the jobs that are already in the queue, with those that are added meanwhile.
    pub(in crate::ledger) fn add<D: Database>(
        self: &Arc<Self>,
        database: &D,
        row: T,
        write: Write<D::Store, T>,
    ) {
        let scheduled = {
            let mut queue = self.lock();
            queue.waiting.push_back(row);
            std::mem::replace(&mut queue.scheduled, true)
        };
        // Outside the lock, which a thread that has ended takes at once.
        if !scheduled {
            let job = FlushJob {
                batcher: self.clone(),
                write,
                // Without a runtime, as while the program ends, there is no timer to gather with.
                runtime: Handle::try_current().ok(),
            };
            job.send(database);
        }
    }

    pub(in crate::ledger) fn write_all<S: Store>(&self, store: &mut S, write: Write<S, T>) {
        while self.write_some(store, write) == Written::Some {}
    }

    fn write_some<S: Store>(&self, store: &mut S, write: Write<S, T>) -> Written {
        let batch = self.next();
        if batch.is_empty() {
            return Written::None;
        }
        let left = write(store, batch);
        if left.is_empty() {
            return Written::Some;
        }
        self.put_back(left, &mut || store.unsaved_id());
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

    /// They wait for the next row, or for [`Self::write_all`], and with them all that were added during the write: no job
    /// comes for those.
    fn put_back(&self, rows: Vec<T>, new_id: &mut dyn FnMut() -> i64) {
        let mut rows = VecDeque::from(rows);
        let mut reported = 0;
        let mut queue = loop {
            for row in rows.iter_mut().skip(reported) {
                (self.batch.delayed)(row, new_id);
            }
            reported = rows.len();
            let mut queue = self.lock();
            if queue.waiting.is_empty() {
                break queue;
            }
            rows.append(&mut queue.waiting);
        };
        queue.scheduled = false;
        queue.waiting = rows;
        let mut bytes: usize = queue.waiting.iter().map(self.batch.size).sum();
        let mut dropped = 0;
        while queue.waiting.len() > WAITING_MAX || bytes > WAITING_BYTES_MAX {
            let Some(oldest) = queue.waiting.pop_front() else {
                break;
            };
            bytes -= (self.batch.size)(&oldest);
            dropped += 1;
        }
        drop(queue);
        self.report_lost(dropped);
    }

    /// Whether the job that has written this much is the last.
    fn is_last(&self, written: Written) -> bool {
        let mut queue = self.lock();
        match written {
            Written::Some => return false,
            Written::Refused => return true,
            // Under the same lock as the queue, so that a row added now finds a job that still comes.
            Written::None => queue.scheduled = !queue.waiting.is_empty(),
        }
        !queue.scheduled
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
struct FlushJob<S, T: Send + 'static> {
    batcher: Arc<Batcher<T>>,
    write: Write<S, T>,
    runtime: Option<Handle>,
}

impl<S: Store + 'static, T: Send + 'static> FlushJob<S, T> {
    fn send<D: Database<Store = S>>(self, database: &D) {
        let later = database.downgrade();
        let guard = AbandonGuard(Some(self.batcher.clone()));
        database.send(move |store| {
            self.run::<D>(store, later);
            guard.disarm();
        });
    }

    fn run<D: Database<Store = S>>(self, store: &mut S, later: D::Weak) {
        let written = self.batcher.write_some(store, self.write);
        if self.batcher.is_last(written) {
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
struct AbandonGuard<T: Send + 'static>(Option<Arc<Batcher<T>>>);

impl<T: Send + 'static> AbandonGuard<T> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl<T: Send + 'static> Drop for AbandonGuard<T> {
    fn drop(&mut self) {
        if let Some(batcher) = &self.0 {
            batcher.lock().scheduled = false;
            batcher.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::fmt::MakeWriter;

    use super::super::{Access, Statements};
    use super::*;
    use crate::clock::Clock;
    use crate::ledger::error::LedgerError;
    use crate::ledger::status::Retention;

    /// A database that is away. It adds a row while it refuses others.
    struct Away {
        batcher: Arc<Batcher<Row>>,
        added: Option<Row>,
        last_id: i64,
    }

    type Row = (usize, Arc<Mutex<Vec<i64>>>);

    impl Store for Away {
        fn run(&mut self, _: Access, _: Statements<'_>) -> Result<(), LedgerError> {
            Err(LedgerError::Stopped)
        }

        fn limits(&self) -> (Clock, Retention) {
            (Clock::system(), Retention::default())
        }

        fn unsaved_id(&mut self) -> i64 {
            self.last_id += 1;
            self.last_id
        }

        fn recorded(&mut self, _rows: usize, _bytes: usize) {}
    }

    fn refuse(store: &mut Away, rows: Vec<Row>) -> Vec<Row> {
        store.batcher.lock().waiting.extend(store.added.take());
        rows
    }

    impl Away {
        /// With these rows waiting, of which one is written at once.
        fn with(rows: impl IntoIterator<Item = Row>) -> Self {
            let batcher = Batcher::new(Batch {
                name: "rows",
                rows: 1,
                bytes: usize::MAX,
                size: |(size, _): &Row| *size,
                gather: Duration::ZERO,
                delayed: |(_, ids): &mut Row, new_id| ids.lock().unwrap().push(new_id()),
            });
            batcher.lock().waiting.extend(rows);
            Self {
                batcher,
                added: None,
                last_id: 0,
            }
        }
    }

    #[test]
    fn a_row_that_was_not_tried_when_the_database_refused_others_is_reported_with_them() {
        let [tried, waits, added] = [(); 3].map(|()| Row::default());
        let mut away = Away::with([tried.clone(), waits.clone()]);
        away.added = Some(added.clone());
        away.batcher.clone().write_all(&mut away, refuse);
        for (_, ids) in [tried, waits, added] {
            assert_eq!(ids.lock().unwrap().len(), 1);
        }
        assert_eq!(away.batcher.len(), 3, "they wait");
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn rows_that_are_lost_are_counted_in_the_programs_log() {
        let lines = Lines::default();
        let to = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(to);
        let logged = |expected: &[usize]| {
            let text = String::from_utf8(std::mem::take(&mut *lines.0.lock().unwrap())).unwrap();
            let found: Vec<&str> = text.lines().collect();
            assert_eq!(found.len(), expected.len(), "{text}");
            for (line, rows) in found.iter().zip(expected) {
                assert!(line.contains("ERROR"), "{line}");
                assert!(
                    line.ends_with(&format!(" rows={rows} what=\"rows\"")),
                    "{line}"
                );
            }
        };
        tracing::subscriber::with_default(subscriber.finish(), || {
            let mut away = Away::with(vec![Row::default(); WAITING_MAX + 2]);
            away.batcher.clone().write_all(&mut away, refuse);
            logged(&[2]);
            drop(away);
            logged(&[WAITING_MAX]);

            let large = (WAITING_BYTES_MAX / 2 + 1, Arc::default());
            let mut away = Away::with([large.clone(), large]);
            away.batcher.clone().write_all(&mut away, refuse);
            logged(&[1]);
            away.batcher.abandon();
            logged(&[1]);
            drop(away);
            logged(&[]);
        });
    }
}
