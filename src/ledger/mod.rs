//! Data that must survive a crash or is shared by several processes of one user, in an embedded SQLite file. A
//! [`Ledger`] is a handle: one thread owns the file, and each call is a job for it. It knows no provider, no secret and
//! no screen.

mod age;
mod behind;
mod credentials;
mod deliveries;
mod exchanges;
mod files;
mod nonces;
mod payments;
mod recovery;
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
    DedupKey, DeliveryQuery, FirstReply, JobFilter, NewDelivery, Retried, Retry, SealedParts,
    UNKNOWN_MAX,
};
pub use exchanges::LogQuery;
pub use files::{set_aside_in, written_by_newer};
pub use nonces::{KEY_LOCK_MAX, KeyHash, KeyLock, NONCE_LEAD_MAX, Nonce, NonceRules};
pub use payments::PaymentKey;
pub use slots::{Counted, Granted, HOLD_MAX, SlotId, Slots, Terms};

use writer::{Store, Task};

/// How much history is kept: of exchanges, and separately of callbacks, where those that anyone can send (rejected,
/// unknown, unreadable) and repeats have a smaller share. Nonces, slots, watches and callbacks with open jobs are never
/// dropped, except unproved callbacks about unknown payments. Records of relayed orders are limited by number alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Older rows are dropped. After the clock has jumped ahead, ages count only once it has gone on for a day.
    pub age: Duration,
    /// The oldest rows are dropped until the rest is no larger.
    pub bytes: u64,
    /// The oldest rows are dropped until there are no more.
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

/// The ledger's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not open yet. [`Ledger::status`] waits until it is.
    Opening,
    /// Another program holds the database's lock; writes wait for it.
    Locked,
    /// Everything is saved.
    Ready,
    /// The old file was damaged and moved away; a new one is in its place.
    SetAside {
        /// Where the old file is now.
        to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
    /// New data is lost at the end of this run, and other processes cannot be coordinated with: they share neither
    /// nonces nor rate limits with this one. So requests go to the simulator only.
    Degraded {
        /// The cause, with the folder.
        why: String,
    },
}

impl Status {
    /// The message for the operator; `None` where all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Opening | Self::Locked | Self::Ready => None,
            Self::SetAside { to, why } => Some(format!(
                "the ledger was damaged ({why}); it was moved to {}, and a new one started with what could be \
                 read of it",
                to.display()
            )),
            Self::Degraded { why } => Some(format!(
                "the ledger cannot be written ({why}): nothing is saved, and without --uncoordinated no request is sent to a \
                 provider"
            )),
        }
    }
}

/// Why the ledger did not do a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be written at present.
    #[error(
        "tilldeck cannot write the ledger: {0}; free disk space, or choose another folder with --state-dir"
    )]
    NotSaved(String),
    /// Another program holds the database's lock for too long.
    #[error(
        "the database in {0} is locked by another program; end that program, or choose another folder with --state-dir"
    )]
    Locked(String),
    /// There is no space for one more callback of this account with open jobs.
    #[error(
        "too many callbacks of this account still wait to be forwarded or checked, and no more are accepted until some \
         are done. `tilldeck log --deliveries` shows the server or provider that fails"
    )]
    TooManyWaiting,
    /// The file or a row in it cannot be read.
    #[error("tilldeck cannot read the ledger: {0}; move ledger.db away to start with a new one")]
    Unreadable(String),
    /// A delivery, or its job, is no longer saved.
    #[error("this callback is no longer saved")]
    Gone,
    /// The thread that owns the file has ended.
    #[error("the ledger has stopped; start tilldeck again")]
    Stopped,
    /// Another process has held the key's lock for too long.
    #[error(
        "another tilldeck process has used this API key for over {0} s; end it, or continue it if it is suspended"
    )]
    KeyBusy(u64),
    /// The lock file of a key cannot be opened or locked.
    #[error("the lock file {} cannot be used: {why}", .path.display())]
    Unlockable {
        /// The lock file.
        path: PathBuf,
        /// The system's message.
        why: String,
    },
    /// There is no higher nonce.
    #[error(
        "the last nonce of this API key is the highest possible number; create a new key at the provider"
    )]
    NoncesExhausted,
    /// The next nonce would be this far ahead of the provider's time.
    #[error(
        "the last nonce of this API key is {} ahead of the provider's time: the provider rejects \
         other programs that use the key until then",
        time::fine(*.0)
    )]
    NonceAhead(Duration),
}

/// Whether data for other processes may stay in this process's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persistence {
    /// No: it is an error if it cannot be written.
    #[default]
    Required,
    /// Yes, if it cannot be written: for the simulator, which no other process uses.
    BestEffort,
}

/// A handle of the ledger. Clones share one thread and one file.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

struct Shared {
    jobs: mpsc::Sender<Task>,
    status: watch::Receiver<Status>,
    folder: PathBuf,
    key_locks: Mutex<HashMap<KeyHash, Arc<tokio::sync::Mutex<()>>>>,
    behind: Arc<WriteBehind>,
    incoming: Arc<Incoming>,
    #[cfg(test)]
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The thread ends once its queue is empty, so waiting rows are added last.
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
    /// Returns at once; a thread opens the file in `folder`. The ledger always becomes usable: if necessary in memory
    /// only, which [`Ledger::status`] reports.
    #[must_use]
    pub fn start(folder: PathBuf, clock: Clock, limits: Retention) -> Self {
        let (jobs, queue) = mpsc::channel();
        let (changes, status) = watch::channel(Status::Opening);
        let there = folder.clone();
        // A thread of its own: SQLite blocks, and a full disk or a lock must not stop the screen.
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer::run(Store::open(there, clock, limits, changes), &queue));
        // Without its thread, every call answers `Stopped`.
        #[cfg(not(test))]
        drop(thread);
        Self(Arc::new(Shared {
            jobs,
            status,
            folder,
            key_locks: Mutex::default(),
            behind: Arc::default(),
            incoming: Arc::default(),
            #[cfg(test)]
            thread: Mutex::new(thread.ok()),
        }))
    }

    /// The current state, once the file is open.
    pub async fn status(&self) -> Status {
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

    /// Tries to open and write the file again after a failure; [`Ledger::status`] has the result.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn try_again(&self) -> Result<(), LedgerError> {
        let again = |store: &mut Store| {
            store.open_again();
            // As large as a callback: a nearly full disk accepts smaller writes, and the state would flap.
            store.write_durably(|conn| {
                conn.execute("INSERT INTO trial VALUES (zeroblob(65536))", ())?;
                conn.execute("DELETE FROM trial", ()).map(drop)
            })
        };
        self.run(again).await
    }

    /// Reports each change: opening, writes fail, writes work again.
    #[must_use]
    pub fn status_changes(&self) -> watch::Receiver<Status> {
        self.0.status.clone()
    }

    /// Returns when all earlier jobs are done.
    pub async fn flush(&self) {
        // Waiting rows are jobs as well: they run before this one.
        self.catch_up();
        let _ = self.run(|_| Ok(())).await;
    }

    /// Writes all that waits and puts the file in order, so that the next program opens it fast. The ledger stays usable.
    pub async fn close(&self) {
        self.catch_up();
        let empty = |store: &mut Store| {
            store.empty_log();
            Ok(())
        };
        let _ = self.run(empty).await;
    }

    /// Adds a job to the queue; it runs even if its caller is gone.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.send(move |store| {
            let _ = answer.send(job(store));
        });
        answered.await.unwrap_or(Err(LedgerError::Stopped))
    }

    fn send(&self, job: impl FnOnce(&mut Store) + Send + 'static) {
        // Fails only where the thread has ended; `run` then reports it, other jobs have no caller.
        let _ = self.0.jobs.send(Box::new(job));
    }
}

#[cfg(test)]
mod tests;
