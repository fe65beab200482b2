//! Calls on their way: sent, seen going out, answered or called off.

use std::sync::Arc;
use std::time::Duration;

use super::draft::{Asking, Draft};
use super::past::{self, Past};
use super::{Part, State};
use crate::domain::{Exchange, Explored, Now, Problem, ProblemKind, RawCall, RequestId};
use crate::tui::panes::tick;

impl State {
    /// Notes that the draft's call was sent, and goes where its answer will be.
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

    /// An exchange: perhaps that of a call under way, or of one just answered.
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

    /// What the draft in hand asks.
    pub fn asking(&self) -> Option<RequestId> {
        let asking = self.draft()?.asking.as_ref()?;
        Some(asking.request)
    }

    /// The operator waits no longer for the answer to this call, which may be waiting itself. Whether nothing of it
    /// was sent.
    pub fn called_off(&mut self, request: RequestId, waits: bool, now: Now) -> bool {
        let mut asked = self.drafts.iter().filter_map(|draft| draft.asking.as_ref());
        let tried = asked.any(|asking| asking.request == request && asking.exchange.is_some());
        let unsent = waits && !tried;
        let problem = if unsent {
            Problem::new(
                ProblemKind::Interrupted,
                "You called it off while it waited: nothing was sent.",
                "should it have gone out at that very moment, the request log shows it",
            )
        } else {
            Problem::new(
                ProblemKind::Interrupted,
                "You called it off. What was sent was sent: a call that writes may have been carried out.",
                "the request log shows how far it came",
            )
        };
        self.apply(request, Err(problem), now);
        unsent
    }

    /// Until what is shown of a call under way must change by itself.
    pub fn changes_in(&self, now: Now, still: bool) -> Option<Duration> {
        let asking = self.draft().and_then(|draft| draft.asking.as_ref());
        asking.filter(|_| !still).map(|_| tick(now))
    }
}
