//! The explorer's actions: sending with its safeguards, copying, arming, history.

use super::keys::Action;
use super::msg::Level;
use super::overlays::{Overlay, arm, history, send_ask};
use super::panes::Pane;
use super::{Effect, Model};
use crate::domain::{AccountId, Now, RawCall, Secret, curl};

impl Model {
    pub(super) fn explore(&mut self, action: Action, now: Now, out: &mut Vec<Effect>) {
        match action {
            Action::SendCall | Action::SendField | Action::SendAgain => self.send_call(now, out),
            Action::ConfirmSend => {
                if let Overlay::SendAsk(asked) = std::mem::take(&mut self.overlay) {
                    self.send_checked(asked, now, out);
                }
            }
            Action::DontSend => self.overlay = Overlay::None,
            Action::CopyCommand | Action::CopyCallCurl | Action::CopyResponse => {
                self.copy_call(action, out);
            }
            Action::ArmAccount => {
                if let Some(account) = self.explorer.account().cloned() {
                    self.toggle_arming_of(account, now);
                }
            }
            Action::History => {
                if self.explorer.history.is_empty() {
                    self.store
                        .flash(Level::Info, "no calls in this session yet");
                } else {
                    self.overlay =
                        Overlay::History(history::State::new(self.explorer.history.describe()));
                }
            }
            Action::Reopen => {
                if let Overlay::History(state) = std::mem::take(&mut self.overlay)
                    && let Some(number) = state.chosen()
                {
                    self.focus = Pane::Explorer;
                    self.explorer.reopen(number, &self.store);
                }
            }
            Action::ToCalls if let Some(request) = self.explorer.in_flight() => {
                self.cancel_request(request, now, out);
            }
            Action::OpenCall if self.explorer.draft().is_none() => {
                self.explore(Action::ArmAccount, now, out);
            }
            _ => self.explorer.act(
                action,
                now,
                &mut Self::update_ctx(&mut self.store, now, out),
            ),
        }
    }

    fn send_call(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.store.is_ready() {
            self.store
                .flash(Level::Info, "still starting; try again in a moment");
            return;
        }
        let Some(draft) = self.explorer.draft_mut() else {
            return;
        };
        if draft.in_flight.is_some() {
            let words = "this call is in progress; cancel it first, or wait for its response";
            self.store.flash(Level::Info, words);
            return;
        }
        let account = draft.account.clone();
        // Checked before anything is asked: no confirmation for a call that cannot be sent.
        let call = match draft.submit() {
            Ok(call) => call,
            Err(words) => {
                self.explorer.part = super::panes::explorer::Part::Request;
                self.store.flash(Level::Warning, words);
                return;
            }
        };
        if self.writes(&account, &call) {
            let may = self.store.known(&account).is_some_and(|k| k.may_write(now));
            self.overlay = if may {
                let known = self.store.known(&account);
                let about = known.and_then(|known| self.explorer.about(&known.account, &call));
                Overlay::SendAsk(send_ask::State {
                    account,
                    call,
                    about: about.unwrap_or_default(),
                })
            } else {
                Overlay::Arm(arm::State::new(account, None))
            };
        } else {
            self.send_now(account, call, false, now, out);
        }
    }

    /// Sends the confirmed call, unless the arming expired while the question was open.
    fn send_checked(&mut self, asked: send_ask::State, now: Now, out: &mut Vec<Effect>) {
        let send_ask::State { account, call, .. } = asked;
        let may = self.store.known(&account).is_some_and(|k| k.may_write(now));
        if may {
            self.send_now(account, call, true, now, out);
        } else {
            self.overlay = Overlay::Arm(arm::State::new(account, None));
        }
    }

    fn send_now(
        &mut self,
        account: AccountId,
        call: RawCall,
        writes: bool,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let request = self.store.explore(account, call.clone(), writes, out);
        self.explorer.sent(request, call, now);
    }

    fn writes(&self, account: &AccountId, call: &RawCall) -> bool {
        self.store
            .known(account)
            // An unknown account counts as writing: the stricter case.
            .is_none_or(|known| self.explorer.writes(&known.account, call))
    }

    fn copy_call(&mut self, action: Action, out: &mut Vec<Effect>) {
        let past = self.explorer.past();
        if action == Action::CopyResponse {
            if let Some(Ok(explored)) = past.map(|past| &past.outcome) {
                out.push(Effect::Copy {
                    text: Secret::new(explored.text.clone()),
                    what: "the response body",
                });
            }
            return;
        }
        let Some(draft) = self.explorer.draft() else {
            return;
        };
        let Some(known) = self.store.known(&draft.account) else {
            return;
        };
        let call = draft.as_it_stands();
        if action == Action::CopyCommand {
            out.push(Effect::Copy {
                text: Secret::new(curl::own_command(&self.profile, &known.account, &call)),
                what: "the call as a tilldeck command",
            });
            return;
        }
        // If the form still shows the sent call, copies the request as it was sent.
        let sent = past
            .filter(|past| past.call == call)
            .and_then(|past| past.exchange.as_ref());
        let text = sent.map_or_else(
            || curl::unsent(&known.account, &call),
            |exchange| curl::command(exchange),
        );
        out.push(Effect::Copy {
            text: Secret::new(text),
            what: "the call as a curl command, secrets replaced",
        });
    }
}
