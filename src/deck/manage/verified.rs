//! Verified changes of accounts, before they are saved.

use crate::config::SecretSource;
use crate::config::edit::Entry;
use crate::domain::{AccountId, Problem, Secret};

/// A verified change that is not saved yet. How far it is verified depends on the caller's
/// [`Proof`](crate::domain::manage::Proof).
pub struct Verified(pub(super) Pending);

pub(super) enum Pending {
    Add(Addition),
    Rotate(Rotation),
    Remove(AccountId),
    /// The simulator has a new secret until its end.
    Simulated {
        account: AccountId,
        key: &'static str,
        secret: Secret,
    },
}

/// An account that is verified.
pub(super) struct Addition {
    /// Its section in the config file. The places of new secrets are not known yet.
    pub(super) entry: Entry,
    /// The new secrets, which tilldeck saves.
    pub(super) secrets: Vec<(&'static str, Secret)>,
    /// Why it could not be verified.
    pub(super) unverified: Option<Problem>,
}

/// A secret that the operator gives.
pub enum SecretValue {
    /// It stays where it is.
    At(SecretSource),
    /// tilldeck saves it.
    New(Secret),
}

/// A new secret of an account.
pub(super) struct Rotation {
    pub(super) account: AccountId,
    pub(super) key: &'static str,
    pub(super) secret: Secret,
    pub(super) verified: bool,
    /// Where the old one is.
    pub(super) source: SecretSource,
    /// Its name in tilldeck's own vault; `None` where only the operator writes: a variable, a file, a command's output.
    pub(super) saved_as: Option<String>,
}

impl Pending {
    /// The account whose token must not be used again: it is of the old secret, or of a removed account.
    pub(super) fn superseded(&self) -> Option<&AccountId> {
        match self {
            // A secret that is not verified grants no token, and leaves the existing one valid.
            Self::Add(_)
            | Self::Rotate(Rotation {
                verified: false, ..
            }) => None,
            Self::Rotate(Rotation { account, .. })
            | Self::Remove(account)
            | Self::Simulated { account, .. } => Some(account),
        }
    }
}
