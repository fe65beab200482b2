//! Calls in flight: sent, then with a response or cancelled.

use std::sync::Arc;
use std::time::Duration;

use super::draft::{Draft, InFlight};
use super::history::{self, PastCall};
use super::{Part, State};
use crate::domain::{Exchange, Explored, Now, Problem, ProblemKind, RequestId};
use crate::tui::ages::tick;

impl State {
    /// Notes that the draft's call was sent, and moves the focus to its response.
    pub(super) fn sent(&mut self, in_flight: InFlight) {
        if let Some(draft) = self.draft_mut() {
            draft.in_flight = Some(in_flight);
            self.part = Part::Response;
        }
    }

    pub(super) fn apply(
        &mut self,
        request: RequestId,
        result: Result<Explored, Problem>,
        now: Now,
    ) {
        let owns = |draft: &&mut Draft| {
            draft
                .in_flight
                .as_ref()
                .is_some_and(|in_flight| in_flight.request == request)
        };
        // Among all drafts: the operator may have gone on to another call.
        let Some(draft) = self.drafts.iter_mut().find(owns) else {
            return;
        };
        if let Some(in_flight) = draft.in_flight.take() {
            let past = PastCall {
                number: 0,
                at: now.wall,
                account: draft.account.clone(),
                documented: draft.call,
                values: draft.values().into_iter().map(str::to_owned).collect(),
                call: in_flight.call,
                writes: in_flight.writes,
                outcome: result,
                exchange: in_flight.exchange,
                changed: None,
            };
            let origin = draft.origin.map(|origin| origin.number);
            draft.past = Some(self.history.push(past, origin));
        }
    }

    /// An exchange arrived: it belongs to a call in flight, or to one whose response came before it.
    pub(super) fn observe(&mut self, exchange: &Arc<Exchange>) {
        let in_flight = self.drafts.iter_mut().find_map(|draft| {
            let here = draft.account == exchange.account;
            let in_flight = draft.in_flight.as_mut().filter(|_| here)?;
            history::is_of(&in_flight.call, exchange).then_some(in_flight)
        });
        match in_flight {
            Some(in_flight) => in_flight.exchange = Some(exchange.clone()),
            None => self.history.observe(exchange),
        }
    }

    /// The request of the current draft that is in flight.
    pub(super) fn in_flight(&self) -> Option<RequestId> {
        let in_flight = self.draft()?.in_flight.as_ref()?;
        Some(in_flight.request)
    }

    /// The operator cancelled a request; `waits` where it waited for a slot. Returns whether it is certain that
    /// nothing was sent.
    pub(super) fn cancelled(&mut self, request: RequestId, waits: bool, now: Now) -> bool {
        let mut all = self.drafts.iter().filter_map(|it| it.in_flight.as_ref());
        let in_flight = all.find(|in_flight| in_flight.request == request);
        let tried = in_flight.is_some_and(|in_flight| in_flight.exchange.is_some());
        let writes = in_flight.is_none_or(|in_flight| in_flight.writes);
        // A request that waits for a retry was sent before: then there is an exchange.
        let unsent = waits && !tried;
        let problem = if unsent {
            Problem::new(
                ProblemKind::Interrupted,
                "Cancelled before it was sent.",
                "if in doubt, see Requests",
            )
        } else {
            Problem::new(
                ProblemKind::Interrupted,
                if writes {
                    "Cancelled after sending: a write call may still have taken effect."
                } else {
                    "Cancelled after sending."
                },
                "Requests shows its last state",
            )
        };
        self.apply(request, Err(problem), now);
        unsent
    }

    /// Time until a call in flight must be redrawn.
    pub(super) fn changes_in(&self, now: Now, still: bool) -> Option<Duration> {
        let in_flight = self.draft().and_then(|draft| draft.in_flight.as_ref());
        in_flight.filter(|_| !still).map(|_| tick(now))
    }
}
