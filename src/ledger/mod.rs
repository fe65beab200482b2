//! What must survive a crash or be shared by several processes of one user, in an embedded SQLite file.
//! A [`Ledger`] is a handle: one thread owns the file, and each call is a job for it. It knows no provider,
//! no secret and no screen.

mod age;
mod behind;
mod credentials;
mod deliveries;
mod exchanges;
mod files;
mod nonces;
mod payments;
mod schema;
mod slots;
mod writer;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::domain::time;

use behind::WriteBehind;
use deliveries::Incoming;
pub use deliveries::{
    DedupKey, DeliveryQuery, FirstReply, JobFilter, JobResult, NewDelivery, NewJob, SealedParts,
    UNKNOWN_MAX,
};
pub use exchanges::LogQuery;
pub use files::{set_aside_in, written_by_newer};
pub use nonces::{AHEAD_MAX, KeyHash, KeyLock, LANE_LIMIT, Nonce, NonceRules};
pub use slots::{Counted, Granted, HOLD_MAX, SlotId, Slots, Terms};

use writer::{Store, Task};

/// How much of the past is kept: of exchanges, and by itself of callbacks, where what anybody can send (refused,
/// unknown, unreadable) and repeats have a smaller share of their own. Nonces, slots, watches and callbacks that are
/// still to be acted upon are never dropped by it, but those that nothing proves and that are about payments nobody here
/// knows; and what tells that an order was relayed goes by number alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// What is older than this goes. A clock that has just jumped ahead makes nothing older until it has gone on for a
    /// day.
    pub age: Duration,
    /// The oldest go until the rest is no larger.
    pub bytes: u64,
    /// The oldest go until there are no more.
    pub count: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age: Duration::from_hours(30 * 24),
            bytes: 64 * 1024 * 1024,
            count: 100_000,
        }
    }
}

/// How the ledger fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not open yet. [`Ledger::status`] waits until it is.
    Opening,
    /// Another program holds the database's lock; whoever wants to write waits for it.
    Locked,
    /// All is kept.
    Ready,
    /// The old file could not be used and was moved; a fresh one is in its place, and all is kept there.
    SetAside {
        /// Where the old file is now.
        to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
    /// What is new is not kept beyond this run, and other processes cannot be coordinated with: they share
    /// neither nonces nor the rate budget with this one. So only the simulator is asked.
    Degraded {
        /// What is wrong, and with which folder.
        why: String,
    },
}

impl Status {
    /// What the operator must know of it.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Opening | Self::Locked | Self::Ready => None,
            Self::SetAside { to, why } => Some(format!(
                "the ledger was damaged ({why}); it was moved to {} and a new one started",
                to.display()
            )),
            Self::Degraded { why } => Some(format!(
                "the ledger cannot be written ({why}): nothing is saved, and without --uncoordinated no request is sent to a \
                 provider"
            )),
        }
    }
}

/// Why the ledger did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be written at present.
    #[error("the ledger cannot be written: {0}; make room or name another folder with --state-dir")]
    NotKept(String),
    /// Another program holds the database's lock for longer than is waited for.
    #[error(
        "the database in {0} is locked by another program; end that program, or name another folder with --state-dir"
    )]
    Locked(String),
    /// There is no room for one more callback of this account on which something is to be done.
    #[error(
        "too many callbacks of this account still wait to be forwarded or checked, and no more are accepted until some \
         are done; `tilldeck log --deliveries` shows what they wait for: a shop's server or a provider that fails"
    )]
    TooManyWaiting,
    /// The file cannot be read, or a row in it makes no sense.
    #[error("the ledger cannot be read: {0}; move ledger.db away to start afresh")]
    Unreadable(String),
    /// A delivery, or an errand of it, is not kept any more.
    #[error("this callback is not kept any more")]
    Gone,
    /// The thread that owns the file has ended.
    #[error("the ledger has stopped; start tilldeck again")]
    Stopped,
    /// Another process has kept the key to itself for too long.
    #[error(
        "another tilldeck has held this API key for over {0} s; end it, or let it go on if it is suspended"
    )]
    LaneBusy(u64),
    /// The file by which processes take turns with a key cannot be opened or locked.
    #[error("the lock file {} cannot be used: {why}", .path.display())]
    Unlockable {
        /// Which.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// There is no higher nonce.
    #[error(
        "the last nonce of this API key is the highest there is; make a new key at the provider"
    )]
    NoncesExhausted,
    /// The next nonce would be ahead of the provider's time by so much.
    #[error(
        "the last nonce of this API key is {} ahead of the provider's time: a program that uses the key with the right \
         time is refused for as long",
        time::fine(*.0)
    )]
    NonceAhead(Duration),
}

/// Whether what other processes must know may be known to this one alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persistence {
    /// What cannot be written is not used.
    #[default]
    Required,
    /// What cannot be written is kept in memory: for the simulator, whom no other process asks.
    BestEffort,
}

/// A handle of the ledger. Clones share one thread and one file.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

struct Shared {
    jobs: mpsc::Sender<Task>,
    status: watch::Receiver<Status>,
    folder: PathBuf,
    lanes: Mutex<HashMap<KeyHash, Arc<tokio::sync::Mutex<()>>>>,
    behind: Arc<WriteBehind>,
    incoming: Arc<Incoming>,
    #[cfg(test)]
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The thread ends once its queue is empty: what waits to be written is put into it last.
        let behind = self.behind.clone();
        let _ = self
            .jobs
            .send(Box::new(move |store| while behind.write(store) {}));
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({})", self.0.folder.display())
    }
}

impl Ledger {
    /// Returns at once; a thread opens the file in `folder`. It always comes to be usable: if need be
    /// without keeping anything, which [`Ledger::status`] tells.
    #[must_use]
    pub fn start(folder: PathBuf, clock: Clock, limits: Retention) -> Self {
        let (jobs, queue) = mpsc::channel();
        let (tell, status) = watch::channel(Status::Opening);
        let there = folder.clone();
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer::run(Store::open(there, clock, limits, tell), &queue));
        // Without its thread, every call answers `Stopped`.
        #[cfg(not(test))]
        drop(thread);
        Self(Arc::new(Shared {
            jobs,
            status,
            folder,
            lanes: Mutex::default(),
            behind: Arc::default(),
            incoming: Arc::default(),
            #[cfg(test)]
            thread: Mutex::new(thread.ok()),
        }))
    }

    /// How it fares, once it is open.
    pub async fn status(&self) -> Status {
        let mut status = self.0.status.clone();
        let open = status.wait_for(|status| *status != Status::Opening).await;
        let open = open.map(|status| status.clone());
        match open {
            // Its last word says nothing once its thread has ended.
            Ok(now) if status.has_changed().is_ok() => now,
            _ => Status::Degraded {
                why: LedgerError::Stopped.to_string(),
            },
        }
    }

    /// Tries whether it can be opened and written again, where it could not before; [`Ledger::status`] tells.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn try_again(&self) -> Result<(), LedgerError> {
        let again = |store: &mut Store| {
            store.open_again();
            // As much as a callback takes: a full disk has room for less, and would be left and entered by turns.
            store.write_durably(|conn| {
                conn.execute("INSERT INTO trial VALUES (zeroblob(65536))", ())?;
                conn.execute("DELETE FROM trial", ()).map(drop)
            })
        };
        self.ask(again).await
    }

    /// Tells each change: opening, writing fails, writing works again.
    #[must_use]
    pub fn status_changes(&self) -> watch::Receiver<Status> {
        self.0.status.clone()
    }

    /// Returns when all that was asked before is done.
    pub async fn flush(&self) {
        self.catch_up();
        let _ = self.ask(|_| Ok(())).await;
    }

    /// Puts a job in the queue; it is done even if nobody waits for its answer.
    async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.tell(move |store| {
            let _ = answer.send(job(store));
        });
        answered.await.unwrap_or(Err(LedgerError::Stopped))
    }

    fn tell(&self, job: impl FnOnce(&mut Store) + Send + 'static) {
        let _ = self.0.jobs.send(Box::new(job));
    }
}

#[cfg(test)]
mod tests;
