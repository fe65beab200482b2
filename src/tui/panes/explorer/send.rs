//! Sending the current call, with the safeguards of write calls, what becomes of it, and copying it.

use std::sync::Arc;

use super::draft::{Draft, InFlight};
use super::history::{self, PastCall};
use super::response::Response;
use super::{Part, State};
use crate::domain::{
    AccountId, Exchange, Explored, Now, Op, Problem, ProblemKind, RawCall, RequestId, Secret, curl,
};
use crate::tui::overlays::questions;
use crate::tui::panes::credentials;
use crate::tui::prelude::*;

impl State {
    pub(super) fn with_response(&mut self, change: impl FnOnce(&mut Response)) {
        if let Some(response) = &mut self.response {
            change(response);
        }
    }

    pub(super) fn toggle_arming(&self, ctx: &mut UpdateContext<'_>) {
        if let Some(account) = self.account().cloned() {
            credentials::toggle_arming(&account, ctx);
        }
    }

    /// Sends the current call. A write call of a live account needs an armed account, and every write call a
    /// confirmation.
    pub(super) fn send(&mut self, ctx: &mut UpdateContext<'_>) {
        if !ctx.is_ready() {
            return;
        }
        let Some(draft) = self.draft_mut() else {
            return;
        };
        if draft.in_flight.is_some() {
            let text = "this call is in progress; cancel it first, or wait for its response";
            ctx.flash(Level::Info, text);
            return;
        }
        let account = draft.account.clone();
        let call = match draft.submit() {
            Ok(call) => call,
            Err(text) => {
                self.part = Part::Request;
                ctx.flash(Level::Warning, text);
                return;
            }
        };
        let writes =
            |known: &AccountState| ctx.store.writes(&known.account, &call.method, &call.path);
        match ctx.store.known(&account) {
            Some(known) if !writes(known) => self.explore(account, call, ctx),
            Some(known) if known.may_write(ctx.now) => {
                let about = ctx.store.about(&known.account, &call);
                ctx.open(questions::send(known, call, about));
            }
            Some(_) | None => credentials::arm(&account, ctx),
        }
    }

    /// Sends the confirmed call, unless the arming expired while the question was open.
    pub(super) fn send_confirmed(
        &mut self,
        account: AccountId,
        call: RawCall,
        ctx: &mut UpdateContext<'_>,
    ) {
        let known = ctx.store.known(&account);
        if known.is_some_and(|known| known.may_write(ctx.now)) {
            self.explore(account, call, ctx);
        } else {
            credentials::arm(&account, ctx);
        }
    }

    fn explore(&mut self, account: AccountId, call: RawCall, ctx: &mut UpdateContext<'_>) {
        let known = ctx.store.known(&account);
        let writes =
            known.is_none_or(|known| ctx.store.writes(&known.account, &call.method, &call.path));
        let op = Op::Explore {
            call: call.clone(),
            writes,
        };
        let request = ctx.store.ask(account, op, false, ctx.out);
        if let Some(draft) = self.draft_mut() {
            draft.in_flight = Some(InFlight {
                request,
                call,
                values: draft.values().into_iter().map(str::to_owned).collect(),
                writes,
                since: ctx.now.mono,
                exchange: None,
            });
            self.part = Part::Response;
        }
    }

    /// The response to the current call, if it has a body.
    pub(super) fn response_body(&self) -> Option<&Explored> {
        let explored = self.past()?.outcome.as_ref().ok()?;
        (!explored.text.is_empty()).then_some(explored)
    }

    pub(super) fn copy_response(&self, ctx: &mut UpdateContext<'_>) {
        if let Some(Explored { text, cut, .. }) = self.response_body() {
            ctx.copy_body(text.as_str(), *cut);
        }
    }

    pub(super) fn own_command(&self, store: &Store) -> Option<String> {
        let draft = self.draft()?;
        let known = store.known(&draft.account)?;
        let call = draft.as_it_stands();
        Some(curl::own_command(&store.profile, &known.account, &call))
    }

    pub(super) fn copy_curl(&self, ctx: &mut UpdateContext<'_>) {
        let draft = self.draft();
        if let Some(draft) = draft
            && let Some(known) = ctx.store.known(&draft.account)
        {
            let call = draft.as_it_stands();
            // If the form still shows the sent call, copies the request as it was sent.
            let past = self.past().filter(|past| past.call == call);
            let text = past.and_then(|past| past.exchange.as_ref()).map_or_else(
                || curl::unsent(&known.account, &call),
                |exchange| curl::command(exchange),
            );
            ctx.copy(
                Secret::new(text),
                "the call as a curl command, secrets replaced",
            );
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
                values: in_flight.values,
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
}
