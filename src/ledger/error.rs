//! Errors of the ledger.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::time;

/// Why the ledger did not do a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be written at present.
    #[error(
        "tilldeck cannot write the ledger: {0}; make sure that the disk has space and that this user may write the folder"
    )]
    NotSaved(String),
    /// There is a file, but it cannot be opened: what is saved in it is unknown.
    #[error("tilldeck cannot open the ledger: {0}")]
    Unopened(String),
    /// The file was opened for reading, in place of the ledger that a team shares.
    #[error(
        "--ledger sqlite opens this machine's own ledger for reading, so nothing is saved; run it without that option"
    )]
    ReadOnly,
    /// The file is of another version of tilldeck.
    #[error("tilldeck cannot use the ledger: {0}")]
    Newer(String),
    /// The team's database cannot be used.
    #[error("{0}")]
    Database(String),
    /// Another program holds the database's lock for too long.
    #[error(
        "the database in {0} is locked by another program; end that program, or choose another folder with --state-dir"
    )]
    Locked(String),
    /// There is no space for one more callback of this account with open jobs.
    #[error(
        "too many callbacks of this account still wait to be forwarded, checked or verified, and no more are accepted \
         until some are done. `tilldeck log --deliveries` shows why they wait"
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
