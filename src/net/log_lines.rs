//! Events as lines of the support log: failures and durations, never contents of requests or responses.

use std::time::Duration;

use tracing::{info, warn};

use super::{ClockWarning, Event};
use crate::domain::raw_path::without_query;
use crate::domain::{
    AccountId, CheckedPayment, Exchange, ListenerStatus, LoadedInventory, Outcome, TokenStatus,
    Waiting,
};

/// Shorter waits are not logged.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// Frequent events and events that name a person are not logged.
pub(super) fn log(event: &Event) {
    match event {
        Event::Exchange(exchange) => request(exchange),
        Event::Waiting(_, Some(waiting)) => wait(waiting),
        Event::Token(account, status) => token(account, status),
        Event::ListenerStatus(ListenerStatus::Down { address, why, .. }) => {
            warn!(address, why, "callbacks cannot be received");
        }
        Event::Checked(CheckedPayment {
            account,
            result: Err(problem),
            ..
        })
        | Event::PlayerItems(LoadedInventory {
            account,
            result: Err(problem),
            ..
        }) => {
            let (account, kind) = (account.as_str(), problem.kind.as_str());
            warn!(
                account,
                kind,
                why = problem.message,
                "the check after a callback failed"
            );
        }
        Event::Lagged => warn!("events were dropped: the reader is slow"),
        Event::Warning { about, text } => warn!(about, text, "warning"),
        Event::Resolved(about) => info!(about, "what the warning was about is over"),
        Event::ClockWarning(account, warning) => clock(account, *warning),
        Event::Waiting(_, None)
        | Event::Running(..)
        | Event::Budget(..)
        // Sent again at every change; the workers log callbacks themselves.
        | Event::Delivery(_)
        | Event::ListenerStatus(ListenerStatus::Off | ListenerStatus::Up { .. } | ListenerStatus::Elsewhere { .. })
        | Event::Player(..)
        | Event::Checked(_)
        | Event::PlayerItems(_) => {}
    }
}

fn request(exchange: &Exchange) {
    let account = exchange.account.as_str();
    let (method, path) = (exchange.method.as_str(), without_query(exchange.path()));
    let (attempt, ms) = (exchange.attempt, exchange.took.as_millis());
    match &exchange.outcome {
        Outcome::Status(status) if *status < 400 => {
            info!(account, method, path, status, ms, attempt, "request");
        }
        Outcome::Status(status) => warn!(account, method, path, status, ms, attempt, "request"),
        Outcome::Refused(status, why) => {
            warn!(account, method, path, status, why, ms, attempt, "request");
        }
        Outcome::Failed(why) => warn!(account, method, path, why, ms, attempt, "request"),
    }
}

fn wait(waiting: &Waiting) {
    // A wait of unknown length is mostly a short one.
    let Some(left) = waiting.left.filter(|left| *left >= WAIT_MIN) else {
        return;
    };
    let account = waiting.account.as_str();
    let (method, path, why) = (&waiting.method, without_query(&waiting.path), &waiting.why);
    let ms = left.as_millis();
    info!(account, method, path, why, ms, "request waits");
}

fn token(account: &AccountId, status: &TokenStatus) {
    let account = account.as_str();
    match &status.failure {
        _ if status.fetching => info!(account, "requesting an access token"),
        Some(failure) => {
            let again_ms = failure.again.map(|again| again.as_millis());
            let (refused, why) = (failure.refused, &failure.why);
            warn!(account, refused, why, again_ms, "no access token");
        }
        None => {
            let life_s = status.life.map(|life| life.life.as_secs());
            let (saved, fetched) = (status.stored_in.as_str(), status.fetched);
            info!(account, life_s, saved, fetched, "access token");
        }
    }
}

fn clock(account: &AccountId, warning: ClockWarning) {
    let account = account.as_str();
    match warning {
        ClockWarning::Clock(by, _) => {
            warn!(
                account,
                ms = by.as_millis(),
                "clock is ahead of the provider's"
            );
        }
        ClockWarning::Nonces(by) => {
            warn!(
                account,
                ms = by.as_millis(),
                "nonces are ahead of the provider's time"
            );
        }
    }
}
