//! How deliveries are made durable: those that come while others are being written are written next, all in one go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::domain::{Delivery, DeliveryId, JobKind, Verdict, WallTime};

use super::super::writer::Store;
use super::super::{Ledger, LedgerError, Status, age};
use super::{DedupKey, NewDelivery, NewJob, prune, rows};

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
    done: oneshot::Sender<Result<Delivery, LedgerError>>,
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

    /// Lets go of all that waits: nobody will write it.
    fn abandon(&self) {
        let waiting = std::mem::take(&mut *self.lock());
        drop(waiting);
    }

    /// Writes some of what waits, and tells who brought it; whether there may be more.
    fn write(&self, store: &mut Store) -> bool {
        let batch = self.next();
        if batch.is_empty() {
            return false;
        }
        // Whoever has gone away meanwhile will bring it again; it is kept all the same.
        let (news, tells): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|one| (one.new, one.done)).unzip();
        match insert(store, &news) {
            Ok(kept) => {
                for (kept, done) in kept.into_iter().zip(tells) {
                    let _ = done.send(kept.ok_or(LedgerError::TooManyWaiting));
                }
            }
            Err(error) => {
                for done in tells {
                    let _ = done.send(Err(error.clone()));
                }
            }
        }
        true
    }
}

/// The promise that the writing thread comes. Where it is broken, because the thread has ended or ends meanwhile, nobody
/// is left waiting for it.
struct Tending(Option<Arc<Incoming>>);

impl Tending {
    fn kept(mut self) {
        self.0 = None;
    }
}

impl Drop for Tending {
    fn drop(&mut self) {
        if let Some(incoming) = &self.0 {
            incoming.abandon();
        }
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
        let (done, told) = oneshot::channel();
        let tended = {
            let mut waiting = incoming.lock();
            waiting.queue.push_back(One {
                new,
                done,
                _room: room.expect("it is never closed"),
            });
            std::mem::replace(&mut waiting.tended, true)
        };
        // Without the lock: where the thread has ended, the promise is broken here.
        if !tended {
            self.tend_incoming();
        }
        told.await.unwrap_or(Err(LedgerError::Stopped))
    }

    /// Has the next batch written, letting go first whoever has asked for something else meanwhile.
    fn tend_incoming(&self) {
        let shared = Arc::downgrade(&self.0);
        let incoming = self.0.incoming.clone();
        let promise = Tending(Some(incoming.clone()));
        self.tell(move |store| {
            if !incoming.write(store) {
                promise.kept();
                return;
            }
            // Without a handle, nobody is left who waits to be told.
            if let Some(shared) = shared.upgrade() {
                promise.kept();
                Ledger(shared).tend_incoming();
            }
        });
    }
}

/// Keeps those for which there is room.
fn insert(store: &mut Store, news: &[NewDelivery]) -> Result<Vec<Option<Delivery>>, LedgerError> {
    require_file(store)?;
    let (clock, limits) = (store.clock.clone(), store.limits.clone());
    let kept = store.write_durably(|conn| {
        let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
        // First: what has just come is never what has to go.
        let now = age::reference(&change, &clock)?;
        prune::prune(&change, &limits, now, news.len() * 2 + 16)?;
        let insert = |new: &NewDelivery| {
            let known = rows::is_known(&change, new)?;
            // Before it is counted: it must not be a repeat of itself when it comes again. What anybody may have made up
            // has pushed out others like it.
            let room = new.jobs.is_empty()
                || !known
                || prune::has_room(&change, &limits, &new.account_key, &new.account)?;
            room.then(|| insert_one(&change, new, known)).transpose()
        };
        let kept = news.iter().map(insert).collect::<rusqlite::Result<_>>()?;
        change.commit()?;
        Ok(kept)
    })?;
    // The file may have proved damaged, with no other to be had.
    require_file(store)?;
    Ok(kept)
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

fn insert_one(conn: &Connection, new: &NewDelivery, known: bool) -> rusqlite::Result<Delivery> {
    let mut jobs = new.jobs.clone();
    let mut told = rows::Classified {
        verdict: new.verdict,
        identity: None,
        attempt: 1,
        known,
    };
    let Some(identity) = &new.identity else {
        return rows::insert(conn, new, &jobs, &told);
    };
    let relayed = jobs.iter().any(|job| job.kind == JobKind::Relay);
    let (id, earlier, settled) = count(conn, identity.hash(), new.received_at, relayed)?;
    let ask = Ask {
        identity: id,
        at: new.received_at,
        due: due_ask(conn, id, new, earlier)?,
        known,
    };
    let repeat = earlier > 0
        && match identity {
            DedupKey::Message(_) => true,
            DedupKey::Subject(_) => settled || wake_ask(conn, &ask)?,
        };
    match identity {
        DedupKey::Message(_) if repeat => jobs.clear(),
        DedupKey::Message(_) => {}
        // What it tells may be another change than the earlier one's: the shop learns of it, unless it will yet.
        DedupKey::Subject(_) => {
            let mut wanted = Vec::with_capacity(jobs.len());
            for mut job in jobs {
                let is_wanted = match job.kind {
                    JobKind::Ask | JobKind::Relay => !repeat,
                    JobKind::Forward => !is_to_be_forwarded(conn, id, &job, new.received_at)?,
                };
                if job.kind == JobKind::Ask {
                    job.at = job.at.max(ask.due);
                }
                if is_wanted {
                    wanted.push(job);
                }
            }
            jobs = wanted;
        }
    }
    if repeat {
        told.verdict = Verdict::Repeat;
    }
    told.identity = Some(id);
    told.attempt = earlier.saturating_add(1);
    rows::insert(conn, new, &jobs, &told)
}

/// Counts a delivery of an identity: its number, how many came before, and whether it is settled.
fn count(
    conn: &Connection,
    hash: &[u8; 32],
    at: WallTime,
    relayed: bool,
) -> rusqlite::Result<(i64, u32, bool)> {
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
        "INSERT INTO identities (hash, deliveries, settled, seen_at, relayed, number)
         SELECT ?1, 1, 0, ?2, ?3, coalesce(max(number), 0) + 1 FROM identities WHERE relayed = ?3",
    )?
    .execute((hash, at.0, relayed))?;
    Ok((conn.last_insert_rowid(), 0, false))
}

/// A check that a callback calls for.
struct Ask {
    identity: i64,
    /// When the callback came.
    at: WallTime,
    /// When it may be made.
    due: WallTime,
    known: bool,
}

/// What proves nothing can be sent by anybody who knows the payment, as often as he likes. Its payment is checked again
/// no sooner than this after the last check, or after one that is under way; and later where more came than any payment
/// gives rise to.
const NEXT_CHECK: Duration = Duration::from_secs(2);
const NEXT_CHECK_OF_MANY: Duration = Duration::from_millis(LATEST_NEW);
const MANY: u32 = 20;

/// No new errand is due later than so many milliseconds.
pub(super) const LATEST_NEW: u64 = 30_000;

fn due_ask(
    conn: &Connection,
    identity: i64,
    new: &NewDelivery,
    earlier: u32,
) -> rusqlite::Result<WallTime> {
    let now = new.received_at;
    if new.proved || earlier == 0 {
        return Ok(now);
    }
    let last: Option<i64> = conn
        .prepare_cached(
            "SELECT max(CASE WHEN due_at IS NOT NULL AND taken_until > ?3 THEN ?3 ELSE tried_at END)
             FROM errands WHERE identity = ?1 AND duty = ?2",
        )?
        .query_row((identity, JobKind::Ask.as_str(), now.0), |row| row.get(0))?;
    let pause = if earlier < MANY {
        NEXT_CHECK
    } else {
        NEXT_CHECK_OF_MANY
    };
    // A check that a wrong clock dated later counts as one of now.
    Ok(last.map_or(now, |last| now.max(WallTime(last.min(now.0)).plus(pause))))
}

/// Whether what an earlier delivery tells is still to be asked for; that is then done as soon as it may, however long it
/// was to wait. What is being asked at this moment does not count: the answer may be of before the change that this one
/// tells of. Its payment may have come to be known meanwhile.
fn wake_ask(conn: &Connection, ask: &Ask) -> rusqlite::Result<bool> {
    let woken: Vec<i64> = conn
        .prepare_cached(
            "UPDATE errands SET due_at = min(due_at, ?4), known = max(known, ?5)
             WHERE identity = ?1 AND due_at IS NOT NULL AND duty = ?2 AND taken_until <= ?3
             RETURNING delivery",
        )?
        .query_map(
            (
                ask.identity,
                JobKind::Ask.as_str(),
                ask.at.0,
                ask.due.0,
                ask.known,
            ),
            |row| row.get(0),
        )?
        .collect::<Result<_, _>>()?;
    for delivery in &woken {
        rows::classify(conn, DeliveryId(*delivery))?;
    }
    Ok(!woken.is_empty())
}

/// Whether an earlier delivery is still to be handed on there for the first time: the shop then learns of both at once.
fn is_to_be_forwarded(
    conn: &Connection,
    identity: i64,
    job: &NewJob,
    now: WallTime,
) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM errands
             WHERE identity = ?1 AND due_at IS NOT NULL AND duty = ?2 AND target = ?3 AND tries = 0
                 AND taken_until <= ?4)",
    )?
    .query_row((identity, job.kind.as_str(), &job.target, now.0), |row| {
        row.get(0)
    })
}
