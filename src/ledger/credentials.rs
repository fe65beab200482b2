//! The last verified state of each account's credentials, so that the next start can show it before any request. Never
//! the credentials themselves.

use async_trait::async_trait;

use crate::domain::{AccountId, CredentialStatus};

use super::error::LedgerError;

/// The state of each account's credentials.
/// Each call also fails once the ledger has stopped, or if it cannot be read.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Saves a state. "Untested" is not saved: the last real result is more useful.
    ///
    /// # Errors
    /// If it cannot be saved.
    async fn remember_credentials(
        &self,
        profile: &str,
        account: &AccountId,
        status: &CredentialStatus,
    ) -> Result<(), LedgerError>;

    /// The last saved state; [`CredentialStatus::Untested`] if there is none.
    async fn recall_credentials(
        &self,
        profile: &str,
        account: &AccountId,
    ) -> Result<CredentialStatus, LedgerError>;
}
