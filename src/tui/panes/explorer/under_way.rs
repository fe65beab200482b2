//! Calls in flight: sent, answered or cancelled.

use std::sync::Arc;
use std::time::Duration;

use super::draft::{Asking, Draft};
use super::past::{self, Past};
use super::{Part, State};
use crate::domain::{Exchange, Explored, Now, Problem, ProblemKind, RawCall, RequestId};
use crate::tui::panes::tick;

impl State {
    /// Notes that the draft's call was sent, and moves the focus to its answer.
    pub fn sent(&mut self, request: RequestId, call: RawCall, now: Now) {
        if let Some(draft) = self.draft_mut() {
            draft.asking = Some(Asking {
                request,
                call,
                since: now.mono,
                exchange: None,
            });
            self.part = Part::Answer;
        }
    }

    pub fn apply(&mut self, request: RequestId, result: Result<Explored, Problem>, now: Now) {
        let asked = |draft: &&mut Draft| {
            draft
                .asking
                .as_ref()
                .is_some_and(|asking| asking.request == request)
        };
        let Some(draft) = self.drafts.iter_mut().find(asked) else {
            return;
        };
        if let Some(asking) = draft.asking.take() {
            let past = Past {
                number: 0,
                at: now.wall,
                account: draft.account.clone(),
                documented: draft.call,
                values: draft.values().into_iter().map(str::to_owned).collect(),
                call: asking.call,
                outcome: result,
                exchange: asking.exchange,
            };
            draft.past = Some(self.history.push(past));
        }
    }

    /// An exchange arrived: it belongs to a call in flight, or to one that was answered before it.
    pub fn observe(&mut self, exchange: &Arc<Exchange>) {
        let under_way = self.drafts.iter_mut().find_map(|draft| {
            let here = draft.account == exchange.account;
            let asking = draft.asking.as_mut().filter(|_| here)?;
            past::is_of(&asking.call, exchange).then_some(asking)
        });
        match under_way {
            Some(asking) => asking.exchange = Some(exchange.clone()),
            None => self.history.observe(exchange),
        }
    }

    /// The request of the current draft that is in flight.
    pub fn asking(&self) -> Option<RequestId> {
        let asking = self.draft()?.asking.as_ref()?;
        Some(asking.request)
    }

    /// The operator cancelled a request; `waits` where it waited for a slot. Returns whether it is certain that
    /// nothing was sent.
    pub fn called_off(&mut self, request: RequestId, waits: bool, now: Now) -> bool {
        let mut asked = self.drafts.iter().filter_map(|draft| draft.asking.as_ref());
        let tried = asked.any(|asking| asking.request == request && asking.exchange.is_some());
        let unsent = waits && !tried;
        let problem = if unsent {
            Problem::new(
                ProblemKind::Interrupted,
                "Cancelled before it was sent.",
                "if in doubt, check the request log",
            )
        } else {
            Problem::new(
                ProblemKind::Interrupted,
                "Cancelled after sending: a write call may still have taken effect.",
                "the request log shows its last state",
            )
        };
        self.apply(request, Err(problem), now);
        unsent
    }

    /// Time until a call in flight must be redrawn.
    pub fn changes_in(&self, now: Now, still: bool) -> Option<Duration> {
        let asking = self.draft().and_then(|draft| draft.asking.as_ref());
        asking.filter(|_| !still).map(|_| tick(now))
    }
}
