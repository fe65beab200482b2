//! The answer to a token call, read. Pure.

use std::time::Duration;

use serde::Deserialize;

use crate::domain::{Account, Problem, ProblemKind, Secret};
use crate::net::{NetError, Reply};

/// What a token call granted.
pub struct Grant {
    /// The access token.
    pub token: Secret,
    /// How long it lives from when it was asked for.
    pub life: Duration,
}

#[derive(Deserialize)]
struct Wire {
    access_token: String,
    expires_in: u64,
}

/// Reads the answer to a token call.
///
/// # Errors
/// If it grants nothing.
pub fn read(reply: &Reply, account: &Account) -> Result<Grant, NetError> {
    let told = |kind, what: String| {
        NetError::Unauthorised(Problem::new(
            kind,
            format!("account {}: {what}", account.id),
            "",
        ))
    };
    match reply.status {
        200 => {
            let wire: Wire = serde_json::from_slice(&reply.body).map_err(|_| {
                told(
                    ProblemKind::Nonsense,
                    "the token answer makes no sense".into(),
                )
            })?;
            Ok(Grant {
                token: Secret::new(wire.access_token),
                life: Duration::from_secs(wire.expires_in),
            })
        }
        status @ (400 | 401 | 403) => Err(told(
            ProblemKind::Refused,
            format!(
                "{} refused the credentials (status {status})",
                account.provider_title
            ),
        )),
        status => Err(told(
            ProblemKind::Failing,
            format!(
                "{}'s token endpoint is failing (status {status})",
                account.provider_title
            ),
        )),
    }
}
