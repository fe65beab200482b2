//! Verified changes of accounts, before they are saved.

use crate::config::SecretSource;
use crate::config::edit::Entry;
use crate::domain::{AccountId, Problem, Secret};

/// A verified change that is not saved yet. How far it is verified depends on the caller's
/// [`Proof`](crate::domain::manage::Proof).
pub struct Verified(pub(super) Pending);

pub(super) enum Pending {
    /// The config file changes.
    Config(Step),
    /// The simulator has a new secret until its end.
    Simulated {
        account: AccountId,
        key: &'static str,
        secret: Secret,
    },
}

pub(super) enum Step {
    Add(Addition),
    Rotate(Rotation),
    Remove(AccountId),
}

/// An account that is verified.
pub(super) struct Addition {
    /// Its section in the config file, without its secrets.
    pub(super) entry: Entry,
    /// Its secrets, in the order of the config file.
    pub(super) secrets: Vec<AddedSecret>,
    /// Why it could not be verified.
    pub(super) unverified: Option<Problem>,
}

/// A secret of a new account.
pub(super) struct AddedSecret {
    pub(super) key: &'static str,
    pub(super) value: SecretValue,
}

/// A secret that the operator gives.
pub enum SecretValue {
    /// It stays where it is.
    At(SecretSource),
    /// tilldeck saves it.
    New(Secret),
}

/// A new secret of an account, and where the old one is stored.
pub(super) struct Rotation {
    pub(super) account: AccountId,
    pub(super) key: &'static str,
    pub(super) secret: Secret,
    pub(super) verified: bool,
    pub(super) home: Home,
}

impl Pending {
    /// The account it changes, where there is one already.
    pub(super) fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Config(Step::Add(_)) => None,
            Self::Config(Step::Rotate(Rotation { account, .. }) | Step::Remove(account))
            | Self::Simulated { account, .. } => Some(account),
        }
    }
}

/// Where the secret that a rotation replaces is stored.
pub(super) enum Home {
    /// In tilldeck's own vault.
    Vault(VaultEntry),
    /// In a place that only the operator writes to: a variable, a file, a command's output.
    Elsewhere(SecretSource),
}

/// A secret in tilldeck's own vault.
pub(super) struct VaultEntry {
    pub(super) name: String,
    pub(super) source: SecretSource,
}
