//! The last verified state of credentials.

use super::Bench;
use super::fixtures::*;
use crate::domain::CredentialStatus;

pub async fn the_last_verified_state_is_saved_and_untested_is_not(bench: Bench) {
    let ledger = bench.process(&at_start());
    let recall = async || ledger.recall_credentials("live", &shop()).await.unwrap();
    assert_eq!(recall().await, CredentialStatus::Untested);
    let why = || "9000".to_owned();
    for status in [
        CredentialStatus::Good { at: START },
        CredentialStatus::Unreachable {
            at: START,
            why: why(),
        },
        CredentialStatus::Unverified {
            at: START,
            why: why(),
        },
        CredentialStatus::Refused {
            at: START,
            why: why(),
        },
    ] {
        ledger
            .remember_credentials("live", &shop(), &status)
            .await
            .unwrap();
        assert_eq!(recall().await, status);
    }
    let verifying = CredentialStatus::Verifying;
    ledger
        .remember_credentials("live", &shop(), &verifying)
        .await
        .unwrap();
    assert_eq!(
        recall().await,
        CredentialStatus::Refused {
            at: START,
            why: why()
        }
    );
}
