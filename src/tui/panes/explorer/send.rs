//! Sending the current call, with the safeguards of write calls, and copying it.

use super::{Part, State};
use crate::domain::{AccountId, RawCall, Secret, curl};
use crate::tui::component::UpdateContext;
use crate::tui::msg::Level;
use crate::tui::overlays::send_ask;
use crate::tui::panes::credentials;
use crate::tui::store::AccountState;
use crate::tui::store::Store;

use super::draft::InFlight;
use super::response::Response;

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
        let known = ctx.store.known(&account);
        let writes =
            |known: &AccountState| ctx.store.writes(&known.account, &call.method, &call.path);
        if known.is_some_and(|known| !writes(known)) {
            self.explore(account, call, ctx);
        } else if known.is_some_and(|known| known.may_write(ctx.now)) {
            let about = known.map_or("", |known| ctx.store.about(&known.account, &call));
            ctx.open(send_ask::State::new(account, call, about));
        } else {
            credentials::arm(&account, ctx);
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
        let request = ctx.store.explore(account, call.clone(), writes, ctx.out);
        self.sent(InFlight {
            request,
            call,
            writes,
            since: ctx.now.mono,
            exchange: None,
        });
    }

    pub(super) fn copy_response(&self, ctx: &mut UpdateContext<'_>) {
        if let Some(Ok(explored)) = self.past().map(|past| &past.outcome) {
            ctx.copy(Secret::new(explored.text.clone()), "the response body");
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
}
