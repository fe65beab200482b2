//! The last verified state of credentials.

use super::Bench;
use super::fixtures::*;
use crate::domain::{CredentialState, CredentialStatus};

pub async fn the_last_verified_state_is_saved_and_untested_is_not(bench: Bench) {
    let ledger = bench.process(&at_start());
    let recall = async || ledger.recall_credentials("live", &shop()).await.unwrap();
    let untested = CredentialStatus::default();
    assert_eq!(recall().await, untested);
    let failed = [
        CredentialState::Unreadable,
        CredentialState::Unreachable,
        CredentialState::Unverified,
        CredentialState::Refused,
    ];
    let failed = failed.map(|state| CredentialStatus {
        state,
        at: Some(START),
        why: Some("9000".into()),
    });
    let remember = async |status: &CredentialStatus| {
        ledger
            .remember_credentials("live", &shop(), status)
            .await
            .unwrap();
    };
    for status in [&CredentialStatus::after(Ok(()), START)]
        .into_iter()
        .chain(&failed)
    {
        remember(status).await;
        assert_eq!(recall().await, *status);
    }
    remember(&untested).await;
    assert_eq!(Some(&recall().await), failed.last());
}
