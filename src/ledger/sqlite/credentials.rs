//! The last verified state of each account's credentials, so that the next start can show it before any request. Never
//! the credentials themselves.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, Row};

use crate::domain::{AccountId, CredentialStatus, WallTime};

use super::Sqlite;
use crate::ledger::credentials::Credentials;
use crate::ledger::error::LedgerError;

#[async_trait]
impl Credentials for Sqlite {
    async fn remember_credentials(
        &self,
        profile: &str,
        account: &AccountId,
        status: &CredentialStatus,
    ) -> Result<(), LedgerError> {
        let Some(at) = status.at() else { return Ok(()) };
        let (word, why) = (status.word(), status.why().unwrap_or_default().to_owned());
        let (profile, account) = (profile.to_owned(), account.clone());
        self.run(move |store| {
            store.write(|conn| {
                conn.prepare_cached(
                    "INSERT INTO credentials (profile, account, status, at, why) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET status = excluded.status, at = excluded.at, why = excluded.why",
                )?
                .execute((&profile, account.as_str(), word, at.0, &why))
            })
        })
        .await
        .map(drop)
    }

    async fn recall_credentials(
        &self,
        profile: &str,
        account: &AccountId,
    ) -> Result<CredentialStatus, LedgerError> {
        let (profile, account) = (profile.to_owned(), account.clone());
        self.run(move |store| {
            store.read(|conn| {
                let found = conn
                    .prepare_cached(
                        "SELECT status, at, why FROM credentials WHERE profile = ?1 AND account = ?2",
                    )?
                    .query_row((&profile, account.as_str()), verdict)
                    .optional()?;
                Ok(found.unwrap_or(CredentialStatus::Untested))
            })
        })
        .await
    }
}

fn verdict(row: &Row<'_>) -> rusqlite::Result<CredentialStatus> {
    let at = WallTime(row.get(1)?);
    let why = row.get(2)?;
    Ok(match row.get::<_, String>(0)?.as_str() {
        "good" => CredentialStatus::Good { at },
        "refused" => CredentialStatus::Refused { at, why },
        "unreadable" => CredentialStatus::Unreadable { at, why },
        "unreachable" => CredentialStatus::Unreachable { at, why },
        "unverified" => CredentialStatus::Unverified { at, why },
        _ => CredentialStatus::Untested,
    })
}
