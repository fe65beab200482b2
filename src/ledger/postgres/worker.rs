//! A thread with a connection and a queue of jobs. It connects when there is work, and again after a failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::Now;

use super::connection::Connection;
use super::error::PostgresError;
use super::probe;
use super::schema;
use super::target::Target;
use crate::ledger::error::LedgerError;
use crate::ledger::slots::SlotId;
use crate::ledger::sql::exchanges::{self, Unsaved};
use crate::ledger::sql::queue::{Queue, SlotCall};
use crate::ledger::sql::{self, Access, SqlError, Statements};
use crate::ledger::status::{Retention, Status};

/// The waits after failed attempts to connect: the first, and the longest. Meanwhile every job fails at once.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Old rows are pruned after this many new exchanges, and at the first.
const PRUNE_EVERY: usize = 512;

type Serve = fn(&mut Store, Vec<(SlotId, Now)>, Vec<SlotCall>);

/// What all connections of a ledger need.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) target: Arc<Target>,
    pub(super) clock: Clock,
    pub(super) limits: Retention,
    pub(super) operator: String,
    pub(super) status: watch::Sender<Status>,
    /// Whether callbacks could not be saved last. What else succeeds proves nothing then.
    pub(super) unsaved: Arc<AtomicBool>,
    /// Why the tables are not those of this program, once a connection has found that. No other connection may go on with
    /// the tables that happen to be as before.
    pub(super) foreign: Arc<Mutex<Option<PostgresError>>>,
    /// Drops some old rows; returns whether there may be more.
    pub(super) prune: fn(&mut Store) -> bool,
    /// See [`sql::Store::serve`].
    pub(super) serve: Serve,
}

/// An attempt to connect that failed.
struct Failed {
    /// On the monotonic clock.
    began: Duration,
    /// No attempt before.
    until: Duration,
    why: PostgresError,
}

/// A thread's connection.
pub(in crate::ledger) struct Store {
    pub(super) setup: Setup,
    connection: Option<Connection>,
    failed: Option<Failed>,
    pause: Duration,
    /// The last id of an exchange that is not saved.
    unsaved_id: i64,
    recorded: usize,
    /// The released slots and requests that are not in the database because it was away.
    pub(super) released: Vec<SlotId>,
    pub(super) refused: Unsaved,
}

/// Starts a thread with a connection of its own.
pub(super) fn start(setup: Setup) -> Queue<Store> {
    let (queue, _) = Queue::start(setup.operator.clone(), move || Store {
        setup,
        connection: None,
        failed: None,
        pause: PAUSE,
        unsaved_id: -1_000_000_000_000,
        recorded: 0,
        released: Vec::new(),
        refused: Unsaved::default(),
    });
    queue
}

impl Store {
    /// The connection; a new one if there is none or it was lost.
    pub(super) fn connection(&mut self) -> Result<&Connection, PostgresError> {
        let foreign = self.foreign().is_some();
        if self
            .connection
            .as_ref()
            .is_some_and(|open| foreign || open.has_stepped() || !open.is_alive())
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let opened = self.open();
            // Whatever the reason is, all who wait for the first connection learn of it.
            self.report(opened.as_ref().err());
            self.connection = Some(opened?);
        }
        Ok(self.connection.as_ref().expect("it was just opened"))
    }

    fn open(&mut self) -> Result<Connection, PostgresError> {
        let began = self.setup.clock.now().mono;
        // Where another thread has connected since, the database is back.
        let is_away = *self.setup.status.borrow() != Status::Ready;
        if let Some(failed) = &self.failed
            && began < failed.until
            && is_away
        {
            return Err(failed.why.clone());
        }
        let opened = Connection::open(&self.setup.target, &self.setup.clock)
            .and_then(|open| schema::require(&open, &self.setup.target.schema).map(|()| open));
        let of_others = opened.as_ref().err();
        let of_others = of_others.filter(|error| error.is_of_other_tables());
        // A lost connection says nothing about the tables.
        if opened.is_ok() || of_others.is_some() {
            *self.setup.foreign.lock() = of_others.cloned();
        }
        match &opened {
            Ok(_) => (self.failed, self.pause) = (None, PAUSE),
            Err(error) => {
                // From now on: an attempt at a host that does not answer takes longer than the pause.
                let until = self.setup.clock.now().mono + self.pause;
                let why = error.clone();
                self.failed = Some(Failed { began, until, why });
                self.pause = (self.pause * 2).min(PAUSE_MAX);
            }
        }
        opened
    }

    fn foreign(&self) -> Option<PostgresError> {
        self.setup.foreign.lock().clone()
    }

    fn report(&self, problem: Option<&PostgresError>) {
        let is_unsaved = || self.setup.unsaved.load(Ordering::Relaxed);
        if problem.is_none() && (is_unsaved() || self.foreign().is_some()) {
            return;
        }
        let status = match problem {
            None => Status::Ready,
            Some(error) => Status::Away {
                why: format!("{}: {error}", self.setup.target.describe()),
                passes: error.is_passing() || error.is_of_one_statement(),
            },
        };
        self.setup.status.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
    }

    /// Connects without a pause, unless an attempt has begun since `asked`, and tries whether callbacks can be saved if they
    /// could not be.
    pub(super) fn try_again(&mut self, asked: Duration) -> Result<(), PostgresError> {
        self.failed.take_if(|failed| failed.began < asked);
        if !self.setup.unsaved.load(Ordering::Relaxed) {
            return self.connection().map(drop);
        }
        let target = self.setup.target.clone();
        self.with(|open| probe::save(open, &target.schema))?;
        self.saved(None);
        Ok(())
    }

    fn saved(&self, problem: Option<&PostgresError>) {
        self.setup
            .unsaved
            .store(problem.is_some(), Ordering::Relaxed);
        self.report(problem);
    }

    pub(super) fn with<T, E: Into<PostgresError>>(
        &mut self,
        job: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, PostgresError> {
        match self
            .connection()
            .and_then(|open| job(open).map_err(E::into))
        {
            Ok(done) => {
                self.report(None);
                Ok(done)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Reports a failure that the next statement would meet, too; gives up a connection that is lost.
    fn failed(&mut self, mut error: PostgresError) -> PostgresError {
        if error.is_passing() {
            self.connection = None;
        }
        if matches!(error, PostgresError::Changed(_)) {
            // A new connection reads the version, which says what to do.
            self.failed = None;
            match self.open() {
                Ok(opened) => self.connection = Some(opened),
                Err(why) if why.is_of_other_tables() => error = why,
                Err(_) => {}
            }
        }
        if !error.is_of_one_statement() {
            self.report(Some(&error));
        }
        error
    }

    /// Runs a job in the session that the thread has, if it still has it. A silent server gets the time of any statement
    /// to answer: no other session could stand in for this one.
    pub(super) fn within_session<T, E: Into<PostgresError>>(
        &mut self,
        job: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, PostgresError> {
        let lost = || PostgresError::Away("the connection was lost".to_owned());
        if let Some(why) = self.foreign() {
            self.connection = None;
            return Err(why);
        }
        let open = self.connection.as_ref().filter(|open| open.is_open());
        let done = open
            .ok_or_else(lost)
            .and_then(|open| job(open).map_err(E::into));
        if done.as_ref().is_err_and(PostgresError::is_passing) {
            self.connection = None;
        }
        done
    }

    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    fn attempt(&mut self, job: Statements<'_>) -> Result<(), SqlError> {
        // Another session may have got in between: the transaction is as if it had never been, so it runs again.
        for _ in 0..CONFLICTS_MAX {
            match self.with(|connection| Ok::<_, PostgresError>(job(connection)))? {
                Err(SqlError::Postgres(PostgresError::Conflict)) => {}
                Err(SqlError::Postgres(error)) => return Err(self.failed(error).into()),
                done => return done,
            }
        }
        Err(PostgresError::Conflict.into())
    }
}

/// How often a transaction that has met another one is tried.
const CONFLICTS_MAX: u32 = 5;

impl sql::Store for Store {
    fn run(&mut self, access: Access, job: Statements<'_>) -> Result<(), LedgerError> {
        let done = self.attempt(job);
        if access == Access::WriteDurably {
            match &done {
                Ok(()) => self.saved(None),
                Err(SqlError::Postgres(error)) if error.stops_saving() => self.saved(Some(error)),
                Err(_) => {}
            }
        }
        Ok(done?)
    }

    fn limits(&self) -> (Clock, Retention) {
        (self.setup.clock.clone(), self.setup.limits.clone())
    }

    fn is_away(&self) -> bool {
        // Another connection may have reported meanwhile that it can be used.
        self.connection.is_none() || matches!(*self.setup.status.borrow(), Status::Away { .. })
    }

    fn unsaved_id(&mut self) -> i64 {
        self.unsaved_id += 1;
        self.unsaved_id
    }

    fn record(&mut self, new: Unsaved) {
        let mut refused = std::mem::take(&mut self.refused);
        exchanges::write(self, &mut refused, new);
        self.refused = refused;
    }

    fn recorded(&mut self, rows: usize, _: usize) {
        let before = self.recorded;
        self.recorded += rows;
        if before == 0 || before / PRUNE_EVERY != self.recorded / PRUNE_EVERY {
            (self.setup.prune)(self);
        }
    }

    fn serve(&mut self, released: Vec<(SlotId, Now)>, calls: Vec<SlotCall>) {
        (self.setup.serve)(self, released, calls);
    }
}
