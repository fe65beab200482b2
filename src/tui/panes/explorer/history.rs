//! The calls of this session with their outcomes. In memory only: lost when the console quits.

use std::collections::VecDeque;
use std::sync::Arc;

use hyper::StatusCode;

use crate::domain::{
    AccountId, Digest, DocumentedCall, Exchange, Explored, Outcome, Problem, ProblemKind, RawCall,
    WallTime,
};
use crate::tui::overlays::exchange::mark;
use crate::tui::overlays::history::CallSummary;
use crate::tui::prelude::*;

const KEPT_MAX: usize = 50;

#[derive(Debug, Clone)]
pub struct PastCall {
    pub number: u64,
    pub at: WallTime,
    pub account: AccountId,
    /// `None` for a free call.
    pub documented: Option<&'static DocumentedCall>,
    /// The parameters that it was sent with.
    pub values: Vec<String>,
    pub call: RawCall,
    /// Whether it may change something at the provider.
    pub writes: bool,
    pub outcome: Result<Explored, Problem>,
    /// The exchange of its last attempt, redacted.
    pub exchange: Option<Arc<Exchange>>,
    /// When a later call changed one of its rows.
    pub changed: Option<WallTime>,
}

impl PastCall {
    /// Its response as a table.
    pub fn digest(&self) -> Option<&Digest> {
        self.outcome.as_ref().ok()?.digest.as_ref()
    }

    /// Whether a row of its response is what another call was sent for.
    fn has_row_of(&self, other: &Self) -> bool {
        let Some(digest) = self.digest() else {
            return false;
        };
        let params = other.documented.map_or(&[][..], |call| call.params);
        let sent = |(name, id): &(&str, String)| {
            let mut sent = params.iter().zip(&other.values);
            sent.any(|(param, value)| param.name == *name && value == id)
        };
        let mut rows = 0..digest.rows.len();
        self.account == other.account
            && rows.any(|row| digest.ids(row).ids.first().is_some_and(sent))
    }

    pub fn verdict(&self) -> (&'static str, String, Tone) {
        match &self.outcome {
            Err(problem) if problem.kind == ProblemKind::Interrupted => {
                ("○", "cancelled".into(), Tone::Dim)
            }
            Err(problem) => ("✘", problem.kind.as_str().replace('_', " "), Tone::Bad),
            Ok(explored) => {
                let status = explored.status;
                let reason = match status {
                    301 | 302 | 303 | 307 | 308 => Some("redirect, not followed"),
                    _ => StatusCode::from_u16(status)
                        .ok()
                        .and_then(|status| status.canonical_reason()),
                };
                // As in Requests: that an id is not known is an answer.
                let is_answer = |it: &Arc<Exchange>| !it.outcome.is_failure();
                let failed = !self.exchange.as_ref().is_some_and(is_answer);
                let (outcome, word) = match (&explored.failure, reason) {
                    (Some(why), _) if status < 400 && failed => (
                        Outcome::Refused(status, why.clone()),
                        format!("{status}, failed"),
                    ),
                    (_, Some(reason)) => (Outcome::Status(status), format!("{status} {reason}")),
                    (_, None) => (Outcome::Status(status), status.to_string()),
                };
                let (glyph, tone) = mark(&outcome);
                (glyph, word, tone)
            }
        }
    }

    pub fn describe(&self) -> CallSummary {
        let (glyph, word, tone) = self.verdict();
        CallSummary {
            number: self.number,
            at: self.at,
            account: self.account.clone(),
            method: self.call.method.clone(),
            path: self.call.path.clone(),
            glyph,
            word,
            tone,
        }
    }
}

/// Whether an exchange belongs to a call.
pub fn is_of(call: &RawCall, exchange: &Exchange) -> bool {
    // The exchange does not name the request; a draft has one call in flight, so method and path are enough.
    call.method == exchange.method && call.path == exchange.path()
}

/// The sent calls, newest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    all: VecDeque<PastCall>,
    last: u64,
}

impl History {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn get(&self, number: u64) -> Option<&PastCall> {
        self.all.iter().find(|past| past.number == number)
    }

    /// Adds a call; returns its number. Notes which responses it made stale: `origin` is the one that it was made from.
    pub fn push(&mut self, mut past: PastCall, origin: Option<u64>) -> u64 {
        self.last += 1;
        past.number = self.last;
        let has_changed = past.writes && past.verdict().2 == Tone::Good;
        if has_changed {
            // Only a read can be loaded again: a write would be repeated.
            for old in self.all.iter_mut().filter(|old| !old.writes) {
                if Some(old.number) == origin || old.has_row_of(&past) {
                    old.changed = Some(past.at);
                }
            }
        }
        self.all.truncate(KEPT_MAX - 1);
        self.all.push_front(past);
        self.last
    }

    /// Removes the calls of the accounts that `is_removed` names.
    pub fn remove(&mut self, is_removed: impl Fn(&AccountId) -> bool) {
        self.all.retain(|past| !is_removed(&past.account));
    }

    pub fn describe(&self) -> Vec<CallSummary> {
        self.all.iter().map(PastCall::describe).collect()
    }

    /// An exchange arrived: it may belong to a call whose response came before.
    pub fn observe(&mut self, exchange: &Arc<Exchange>) {
        let past = self
            .all
            .iter_mut()
            .find(|past| past.account == exchange.account && is_of(&past.call, exchange));
        if let Some(past) = past {
            // The newest call comes first; one that has its exchange already is not overwritten by a later one.
            past.exchange.get_or_insert_with(|| exchange.clone());
        }
    }
}
