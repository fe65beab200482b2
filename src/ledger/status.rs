//! Whether the ledger saves what it is given, and for how long.

use std::path::PathBuf;
use std::time::Duration;

/// The ledger's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Not open yet. [`super::Backend::status`] waits until it is.
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
    /// The database that a team shares cannot be used: it is away, or refuses this program. Nothing is saved, and
    /// requests go to the simulator only.
    Away {
        /// The cause, with the database.
        why: String,
        /// Whether it can come back by itself; otherwise an operator must change something first.
        passes: bool,
    },
}

impl Status {
    /// Why nothing is saved; `None` where it is.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Degraded { why } | Self::Away { why, .. } => Some(why),
            Self::Opening | Self::Locked | Self::Ready | Self::SetAside { .. } => None,
        }
    }

    /// The message for the operator; `None` where all is well.
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
            Self::Away { why, .. } => Some(format!(
                "the shared ledger cannot be used: nothing is saved or sent to a provider; \
                 --ledger sqlite opens this machine's own ledger, for reading. Cause: {why}"
            )),
        }
    }
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

/// How much history the ledger holds: of exchanges, and separately of callbacks, where those that anyone can send (rejected,
/// unknown, unreadable) and repeats have a smaller share. Nonces, slots, watches and callbacks with open jobs are never
/// dropped, except unproved callbacks about unknown payments. Records of relayed orders are limited by number alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Older rows are dropped. After the clock has jumped ahead, ages count only once it has gone on for a day.
    pub age: Duration,
    /// The oldest rows are dropped until the rest is no larger; at most a sixteenth more is there until then.
    pub bytes: u64,
    /// The oldest rows are dropped until there are no more.
    pub count: u64,
}

impl Retention {
    /// Nothing is dropped.
    pub fn unlimited() -> Self {
        Self {
            age: Duration::MAX,
            bytes: u64::MAX,
            count: u64::MAX,
        }
    }

    /// The history of a ledger that a team shares: by age, and by a number that a database holds with ease.
    pub fn shared() -> Self {
        Self {
            age: Duration::from_hours(365 * 24),
            bytes: 1024 * 1024 * 1024 * 1024,
            count: 10_000_000,
        }
    }
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
