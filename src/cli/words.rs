//! The words of states in tables for people. JSON has the words of a contract instead.

use crate::domain::{Delivery, TokenState, Verdict};

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
