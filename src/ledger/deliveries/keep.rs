//! How deliveries are made durable: those that come while others are being written are written next, all in one go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::domain::{Delivery, Duty, Verdict, WallTime};

use super::super::writer::Store;
use super::super::{Ledger, LedgerError, Status};
use super::{Identity, NewDelivery, prune, rows};

/// No more than this is written at once, in number and in bytes: whoever asks for something else meanwhile waits.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// No more than this waits in memory, in KiB; whoever brings more waits outside.
const WAITING_KIB: usize = 64 * 1024;

/// Deliveries that wait to be written.
pub(in super::super) struct Incoming {
    waiting: Mutex<Waiting>,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<One>,
    /// The writing thread knows, and comes until there are none.
    tended: bool,
}

struct One {
    new: NewDelivery,
    tell: oneshot::Sender<Result<Delivery, LedgerError>>,
    _room: OwnedSemaphorePermit,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            room: Arc::new(Semaphore::new(WAITING_KIB)),
        }
    }
}

impl Incoming {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(in super::super) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// The next that are written together; nobody is told to come for more once there are none.
    fn next(&self) -> Vec<One> {
        let mut waiting = self.lock();
        let mut bytes = 0;
        let fitting = waiting.queue.iter().take(BATCH).take_while(|one| {
            bytes += one.new.sealed.len();
            bytes <= BATCH_BYTES
        });
        // One that fits nowhere goes alone.
        let some = fitting.count().max(1).min(waiting.queue.len());
        let batch: Vec<One> = waiting.queue.drain(..some).collect();
        waiting.tended = !batch.is_empty();
        batch
    }

    /// Writes some of what waits, and tells who brought it; whether there may be more.
    fn write(&self, store: &mut Store) -> bool {
        let batch = self.next();
        if batch.is_empty() {
            return false;
        }
        // Whoever has gone away meanwhile will bring it again; it is kept all the same.
        let (news, tells): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|one| (one.new, one.tell)).unzip();
        match keep(store, &news) {
            Ok(kept) => {
                for (delivery, tell) in kept.into_iter().zip(tells) {
                    let _ = tell.send(Ok(delivery));
                }
            }
            Err(error) => {
                for tell in tells {
                    let _ = tell.send(Err(error.clone()));
                }
            }
        }
        true
    }
}

impl Ledger {
    /// Keeps a callback, and returns once it survives a power cut. Those that come together are written together.
    /// Dropped while it waits, it may be kept all the same.
    ///
    /// # Errors
    /// If it cannot be kept: it must then be answered so that it comes again.
    pub async fn deliver(&self, new: NewDelivery) -> Result<Delivery, LedgerError> {
        let incoming = &self.0.incoming;
        let kib = (new.sealed.len() / 1024 + 1).min(WAITING_KIB);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let room = incoming.room.clone().acquire_many_owned(kib).await;
        let (tell, told) = oneshot::channel();
        {
            let mut waiting = incoming.lock();
            waiting.queue.push_back(One {
                new,
                tell,
                _room: room.expect("it is never closed"),
            });
            if !std::mem::replace(&mut waiting.tended, true) {
                self.tend_incoming();
            }
        }
        told.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// Has the next batch written, letting go first whoever has asked for something else meanwhile.
    fn tend_incoming(&self) {
        let shared = Arc::downgrade(&self.0);
        let incoming = self.0.incoming.clone();
        self.tell(move |store| {
            if !incoming.write(store) {
                return;
            }
            // Without a handle, nobody is left who waits to be told.
            if let Some(shared) = shared.upgrade() {
                Ledger(shared).tend_incoming();
            }
        });
    }
}

fn keep(store: &mut Store, news: &[NewDelivery]) -> Result<Vec<Delivery>, LedgerError> {
    require_file(store)?;
    let (now, limits) = (store.clock.now().wall, store.limits.clone());
    let kept = store.write_durably(|conn| {
        let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        // First: what has just come is never what has to go.
        prune::prune(&change, &limits, now, news.len() * 2 + 16)?;
        if prune::is_full(&change, &limits)? {
            return Ok(None);
        }
        let kept = news
            .iter()
            .map(|new| keep_one(&change, new))
            .collect::<rusqlite::Result<Vec<_>>>()?;
        change.commit()?;
        Ok(Some(kept))
    })?;
    // The file may have proved damaged, with no other to be had.
    require_file(store)?;
    kept.ok_or_else(|| {
        LedgerError::NotKept("too many callbacks wait to be acted upon already".into())
    })
}

/// What is only in memory is not kept.
pub(super) fn require_file(store: &Store) -> Result<(), LedgerError> {
    if store.is_kept() {
        return Ok(());
    }
    Err(LedgerError::NotKept(match store.status() {
        Status::Degraded { why } => why,
        _ => "it has no file".into(),
    }))
}

fn keep_one(conn: &Connection, new: &NewDelivery) -> rusqlite::Result<Delivery> {
    let Some(identity) = &new.identity else {
        return rows::insert(conn, new, new.verdict, None, 1);
    };
    let (id, earlier, settled) = count(conn, identity.hash(), new.received_at)?;
    let repeat = earlier > 0
        && match identity {
            Identity::Message(_) => true,
            Identity::Subject(_) => settled || is_to_be_asked(conn, id, new.received_at)?,
        };
    let verdict = if repeat { Verdict::Repeat } else { new.verdict };
    rows::insert(conn, new, verdict, Some(id), earlier.saturating_add(1))
}

/// Counts a delivery of an identity: its number, how many came before, and whether it is settled.
fn count(conn: &Connection, hash: &[u8; 32], at: WallTime) -> rusqlite::Result<(i64, u32, bool)> {
    let known = conn
        .prepare_cached(
            "UPDATE identities SET deliveries = min(deliveries + 1, 4000000000), seen_at = max(seen_at, ?2)
             WHERE hash = ?1 RETURNING id, deliveries - 1, settled",
        )?
        .query_row((hash, at.0), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    conn.prepare_cached(
        "INSERT INTO identities (hash, deliveries, settled, seen_at) VALUES (?1, 1, 0, ?2)",
    )?
    .execute((hash, at.0))?;
    Ok((conn.last_insert_rowid(), 0, false))
}

/// Whether what an earlier delivery tells is still to be asked for. What is being asked at this moment does not count:
/// the answer may be of before the change that this one tells of.
fn is_to_be_asked(conn: &Connection, identity: i64, now: WallTime) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM errands
             WHERE identity = ?1 AND due_at IS NOT NULL AND duty = ?2 AND taken_until <= ?3)",
    )?
    .query_row((identity, Duty::Ask.as_str(), now.0), |row| row.get(0))
}
