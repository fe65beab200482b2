//! The last verified state of each account's credentials, so that the next start can show it before any request. Never
//! the credentials themselves.

use crate::domain::{AccountId, CredentialState, CredentialStatus};

use super::SqlResult;
use super::value::{Row, params};
use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;

impl Ledger {
    /// Saves a state. "Untested" is not saved: the last real result is more useful.
    pub async fn remember_credentials(
        &self,
        profile: &str,
        account: &AccountId,
        status: &CredentialStatus,
    ) -> Result<(), LedgerError> {
        let Some(at) = status.at else { return Ok(()) };
        let (word, why) = (
            status.state.as_str(),
            status.why.clone().unwrap_or_default(),
        );
        let (profile, account) = (profile.to_owned(), account.clone());
        self.write(move |sql| {
            sql.execute(
                "INSERT INTO credentials (profile, account, status, at, why) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (profile, account)
                     DO UPDATE SET status = excluded.status, at = excluded.at, why = excluded.why",
                params![&profile, account.as_str(), word, at, &why],
            )
        })
        .await
        .map(drop)
    }

    /// The last saved state; [`CredentialState::Untested`] if there is none.
    pub async fn recall_credentials(
        &self,
        profile: &str,
        account: &AccountId,
    ) -> Result<CredentialStatus, LedgerError> {
        let (profile, account) = (profile.to_owned(), account.clone());
        self.read(move |sql| {
            let found = sql.optional(
                "SELECT status, at, why FROM credentials WHERE profile = $1 AND account = $2",
                params![&profile, account.as_str()],
                status,
            )?;
            Ok(found.unwrap_or_default())
        })
        .await
    }
}

fn status(row: Row<'_>) -> SqlResult<CredentialStatus> {
    let state = match row.get::<String>(0)?.as_str() {
        // Earlier versions wrote this.
        "good" => CredentialState::Valid,
        word => CredentialState::from_word(word).unwrap_or_default(),
    };
    if state == CredentialState::Untested {
        return Ok(CredentialStatus::default());
    }
    let why = row.get(2)?;
    Ok(CredentialStatus {
        state,
        at: Some(row.get(1)?),
        why: (state != CredentialState::Valid).then_some(why),
    })
}
