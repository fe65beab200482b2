//! The words of states in tables for people. JSON has the words of a contract instead.

use crate::domain::{CredentialStatus, Delivery, Environment, TokenState, Verdict};

pub fn environment(environment: Environment) -> &'static str {
    environment.title()
}

pub fn credentials(status: &CredentialStatus) -> &'static str {
    match status {
        CredentialStatus::Good { .. } => "valid",
        CredentialStatus::Refused { .. } => "rejected",
        other => other.word(),
    }
}

pub fn token(state: TokenState) -> &'static str {
    match state {
        TokenState::Missing => "no token",
        TokenState::Fresh => "valid",
        TokenState::Due => "renewal due",
        TokenState::Refreshing => "renewing",
        TokenState::Refused => "rejected",
        TokenState::Expired => "expired",
    }
}

pub fn verdict(delivery: &Delivery) -> String {
    match delivery.verdict {
        Verdict::Repeat => format!("repeat {}", delivery.attempt),
        Verdict::UnknownAccount => "unknown account".into(),
        Verdict::Refused => "rejected".into(),
        other => other.as_str().into(),
    }
}
