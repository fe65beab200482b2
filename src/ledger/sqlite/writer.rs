//! Reads and writes the file for its thread, and keeps the program going if the file is damaged, locked, or the disk
//! is full.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::Now;

use super::age;
use super::files::{self, FileId, LOCK_REPORTED_AFTER, Opened, Present, Replaced, durably};
use super::recovery::Recovered;
use crate::ledger::error::LedgerError;
use crate::ledger::slots::SlotId;
use crate::ledger::sql::{Access, Area, Change, Sql, SqlResult};
use crate::ledger::status::{Retention, Status};

/// A longer write-ahead log is emptied at rest: the next program that opens the ledger reads all of it first.
const LOG_AT_REST: u64 = 1024 * 1024;

/// How long to wait for another program's lock; shorter after a wait in vain, since other jobs wait behind.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_PATIENCE_AGAIN: Duration = Duration::from_millis(250);

/// The longest wait between two attempts at a locked database.
const LOCK_PAUSE_MAX: Duration = Duration::from_millis(50);

enum Failure {
    /// A newer tilldeck has migrated the file.
    Newer(String),
    Sqlite(rusqlite::Error),
}

type Job<'a> = &'a mut dyn FnMut(&Connection) -> rusqlite::Result<()>;

/// A slot that is not in the file, because the file cannot be written.
#[derive(Clone)]
pub(super) struct UnpersistedSlot {
    pub(super) id: i64,
    pub(super) scope: Arc<str>,
    pub(super) period: i64,
    pub(super) in_flight: bool,
    pub(super) free_at: i64,
}

/// Begins a transaction. SQLite has one lock, whatever is changed.
pub(super) fn change(conn: &Connection) -> SqlResult<Change<'_>> {
    (conn as &dyn Sql).change(Area::Exchanges)
}

/// Where rows are saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// In a file: one in memory does not count.
    File,
    /// In memory.
    Memory,
    /// Nowhere: the file is only read.
    ReadOnly,
}

/// The file, and this process's state beside it.
pub(in crate::ledger) struct Store {
    pub(super) clock: Clock,
    pub(super) limits: Retention,
    /// The last nonce of each key in this process, for when the file cannot be written.
    pub(super) nonces: HashMap<String, i64>,
    /// Slots that are not in the file.
    pub(super) unpersisted: Vec<UnpersistedSlot>,
    /// Slots that are released but not yet in the file, because it could not be written.
    pub(super) released: Vec<(SlotId, Now)>,
    /// Exchanges since the last pruning began.
    pub(super) recorded: u32,
    /// The size of the exchanges since that of all was last summed.
    pub(super) unsummed: u64,
    /// The last exchange to prune; `None` while no pruning runs.
    pub(super) pruning: Option<i64>,
    /// Whether this run has begun to prune.
    pub(super) pruned: bool,
    conn: Connection,
    file: Option<FileId>,
    /// Its write-ahead log, once that was seen.
    log: Option<FileId>,
    mode: Mode,
    folder: PathBuf,
    status_sender: watch::Sender<Status>,
    /// The state to return to when writes work again.
    opened_as: Status,
    failing: bool,
    last_unpersisted: i64,
}

impl Store {
    pub(super) fn open(
        folder: PathBuf,
        clock: Clock,
        limits: Retention,
        status_sender: watch::Sender<Status>,
    ) -> Self {
        let opened = files::open(&folder, &clock, &status_sender, Replaced::default());
        let store = Self::of(opened, clock, limits, status_sender);
        Self { folder, ..store }
    }

    /// In memory, by intent.
    pub(super) fn in_memory(
        clock: Clock,
        limits: Retention,
        status_sender: watch::Sender<Status>,
    ) -> Self {
        let opened = Opened {
            conn: files::in_memory(&Recovered::default()),
            file: None,
            status: Status::Ready,
        };
        let store = Self::of(opened, clock, limits, status_sender);
        Self {
            mode: Mode::Memory,
            ..store
        }
    }

    /// The same, where nothing may be written any more.
    pub(super) fn for_reading(self) -> Self {
        Self {
            mode: Mode::ReadOnly,
            ..self
        }
    }

    fn of(
        opened: Opened,
        clock: Clock,
        limits: Retention,
        status_sender: watch::Sender<Status>,
    ) -> Self {
        let Opened { conn, file, status } = opened;
        // Before any row gets a time that may be wrong.
        let _ = age::reference(&conn, &clock);
        status_sender.send_replace(status.clone());
        Self {
            clock,
            limits,
            nonces: HashMap::new(),
            unpersisted: Vec::new(),
            released: Vec::new(),
            recorded: 0,
            unsummed: u64::MAX,
            pruning: None,
            pruned: false,
            conn,
            file,
            log: None,
            mode: Mode::File,
            folder: PathBuf::new(),
            status_sender,
            opened_as: status,
            failing: false,
            // Negative, and growing with time like the ids in the file.
            last_unpersisted: -1_000_000_000_000,
        }
    }

    /// Whether there is a file, or none is needed.
    pub(super) fn has_file(&self) -> bool {
        self.file.is_some() || self.mode == Mode::Memory
    }

    /// An error if the ledger is in memory although there is a file: its rows say nothing about those in the file.
    pub(super) fn must_know_file(&self) -> Result<(), LedgerError> {
        if !self.has_file() && files::is_there(&self.folder) {
            return Err(LedgerError::Unopened(self.no_file()));
        }
        Ok(())
    }

    /// Why there is no file.
    pub(super) fn no_file(&self) -> String {
        match self.status() {
            Status::Degraded { why } => why,
            _ => "it has no file".into(),
        }
    }

    pub(super) fn status(&self) -> Status {
        self.status_sender.borrow().clone()
    }

    /// An id for a row that is not in the file.
    pub(super) fn unpersisted_id(&mut self) -> i64 {
        self.last_unpersisted += 1;
        self.last_unpersisted
    }

    /// Whether there is something to do at rest.
    pub(super) fn is_untidy(&self) -> bool {
        !self.pruned || self.log_size() > LOG_AT_REST
    }

    fn log_size(&self) -> u64 {
        files::log_size(&self.folder)
    }

    /// Moves a long write-ahead log into the database and empties it, unless another process reads it now.
    pub(super) fn empty_log(&self) {
        if self.log_size() > LOG_AT_REST {
            // Best effort: what is committed is safe in the log as well.
            let _ = self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }

    pub(super) fn read<T>(
        &mut self,
        job: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.result(Access::Read, job)
    }

    pub(super) fn write<T>(
        &mut self,
        job: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.result(Access::Write, job)
    }

    pub(super) fn write_durably<T>(
        &mut self,
        job: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.result(Access::WriteDurably, job)
    }

    fn result<T>(
        &mut self,
        access: Access,
        job: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let mut result = None;
        self.run_on_file(access, &mut |conn| {
            result = Some(job(conn)?);
            Ok(())
        })?;
        Ok(result.expect("a job that succeeds has a result"))
    }

    /// Reads or writes the file. `job` may run more than once, on a new file if this one is damaged and after waiting for
    /// a lock; so it must be one transaction. Not generic, so that only the job itself is compiled for each job.
    pub(super) fn run_on_file(&mut self, access: Access, job: Job<'_>) -> Result<(), LedgerError> {
        if self.mode == Mode::ReadOnly && access != Access::Read {
            return Err(LedgerError::ReadOnly);
        }
        let done = match access {
            Access::WriteDurably => self.attempt(&mut |conn| durably(conn, &mut *job)),
            Access::Read | Access::Write => self.attempt(job),
        };
        let folder = self.folder.display();
        let (why, error) = match done {
            Ok(()) => {
                if access != Access::Read && std::mem::take(&mut self.failing) {
                    self.status_sender.send_replace(self.opened_as.clone());
                }
                return Ok(());
            }
            Err(Failure::Newer(why)) => (format!("{folder}: {why}"), LedgerError::Newer(why)),
            Err(Failure::Sqlite(error)) if access == Access::Read => {
                return Err(LedgerError::Unreadable(error.to_string()));
            }
            Err(Failure::Sqlite(error)) if files::is_locked(&error) => {
                let why = format!("{folder}: the database is locked by another program");
                (why, LedgerError::Locked(folder.to_string()))
            }
            Err(Failure::Sqlite(error)) => {
                let why = format!("{folder}: {error}");
                (why, LedgerError::NotSaved(error.to_string()))
            }
        };
        self.report(why);
        Err(error)
    }

    /// Reports once that nothing is saved; without a file, the opening has reported it already.
    fn report(&mut self, why: String) {
        if self.has_file() && !std::mem::replace(&mut self.failing, true) {
            self.status_sender.send_replace(Status::Degraded { why });
        }
    }

    fn attempt(&mut self, job: Job<'_>) -> Result<(), Failure> {
        self.follow_file();
        // Tables that a newer tilldeck has left as they were must not be used either.
        if self.failing {
            self.require_own()?;
        }
        self.attempt_here(job).or_else(|error| {
            self.require_own()?;
            Err(Failure::Sqlite(error))
        })
    }

    /// Fails where a newer tilldeck has migrated the file.
    fn require_own(&self) -> Result<(), Failure> {
        let newer = files::migrated(&self.conn);
        newer.map_or(Ok(()), |why| Err(Failure::Newer(why)))
    }

    fn attempt_here(&mut self, job: Job<'_>) -> rusqlite::Result<()> {
        let patience = if self.failing {
            LOCK_PATIENCE_AGAIN
        } else {
            LOCK_PATIENCE
        };
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(1);
        loop {
            match (job(&self.conn), self.file) {
                // Once only: a fault of the new file, too, is the disk's and goes to the caller.
                (Err(error), Some(file)) if files::is_damage(&error) => {
                    self.reopen(Some((file, error.to_string())));
                    return job(&self.conn);
                }
                // Here and not by SQLite's busy handler, which fails at once on some locks.
                (Err(error), _) if files::is_locked(&error) && waited < patience => {
                    std::thread::sleep(pause);
                    waited += pause;
                    pause = (pause * 2).min(LOCK_PAUSE_MAX);
                    if waited >= LOCK_REPORTED_AFTER
                        && !self.failing
                        && self.status() != Status::Locked
                    {
                        self.status_sender.send_replace(Status::Locked);
                    }
                }
                (result, _) => {
                    if result.is_ok() && self.status() == Status::Locked {
                        self.status_sender.send_replace(self.opened_as.clone());
                    }
                    return result;
                }
            }
        }
    }

    /// Tries again to open a file that could not be opened.
    pub(super) fn open_again(&mut self) {
        if !self.has_file() {
            self.reopen(None);
        }
    }

    /// Another process may have moved the file away, or the user may have deleted it.
    fn follow_file(&mut self) {
        let Some(file) = self.file else {
            return;
        };
        match Present::look(&self.folder) {
            Some(present) if present.id == file => {
                let why = if present.is_cut_short {
                    "it was cut short"
                } else if self.log.is_some() && self.log != present.log {
                    // What is only in the log that is still open. Not beside another log, which may be in use.
                    if present.log.is_none() {
                        let _ = self.conn.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
                    }
                    "its write-ahead log was removed"
                } else {
                    self.log = present.log;
                    return;
                };
                self.reopen(Some((file, why.to_owned())));
            }
            _ => self.reopen(None),
        }
    }

    fn reopen(&mut self, damaged: Option<(FileId, String)>) {
        // The old file is still open and may be readable, whatever name it has now. Read before the new one is opened,
        // which takes over the old one's log by its name.
        let old = Replaced {
            damaged,
            rows: Recovered::of(&self.conn),
        };
        let opened = files::open(&self.folder, &self.clock, &self.status_sender, old);
        self.conn = opened.conn;
        self.file = opened.file;
        self.log = None;
        self.opened_as = opened.status.clone();
        // The new file has its own history of failures.
        self.failing = false;
        self.status_sender.send_replace(opened.status);
    }
}
