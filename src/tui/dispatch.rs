//! Delivers each message to the store, then to all windows and panes. A response to a cancelled request is dropped.

use super::component::Event;
use super::msg::{Level, Msg};
use super::pane::Pane;
use super::store::{InFlight, Purpose};
use super::{ComponentId, EffectSink, Model};
use crate::domain::manage::Changed;
use crate::domain::{Problem, RequestId};

impl Model {
    /// Passes a message to every component, the windows from the top down.
    pub(super) fn publish(&mut self, event: Event<'_>, io: &mut EffectSink<'_>) {
        for at in (0..self.overlays.len()).rev() {
            // A window above may have closed this one.
            if at < self.overlays.len() {
                self.call(ComponentId::Window(at), io, |it, ctx| {
                    it.on_event(event, ctx);
                });
            }
        }
        for pane in Pane::ALL {
            self.call(ComponentId::Pane(pane), io, |it, ctx| {
                it.on_event(event, ctx);
            });
        }
    }

    pub(super) fn on_message(&mut self, msg: &Msg, io: &mut EffectSink<'_>) {
        self.store.apply(msg, io.now);
        if matches!(msg, Msg::NotReady(_)) {
            // What they wait for never comes.
            self.overlays.clear();
        }
        let (request, failure) = match msg {
            Msg::Answered(request, result) => (*request, result.problem()),
            Msg::AccountChanged(request, result) => (*request, result.as_ref().err()),
            Msg::Replayed(request, result) | Msg::Retried(request, result) => {
                self.report_unless_shown(*request, result.as_ref().err());
                self.publish(Event::Message(msg, None), io);
                return;
            }
            _ => {
                self.publish(Event::Message(msg, None), io);
                return;
            }
        };
        let asked = self.store.answered(request);
        // The response to a cancelled request may still arrive. A change of the accounts that was cancelled too late is
        // done, and must be shown.
        let is_done = matches!(msg, Msg::AccountChanged(_, Ok(_)));
        if asked.is_none() && !is_done {
            return;
        }
        let purpose = asked.as_ref().map(|asked| &asked.purpose);
        if matches!(purpose, Some(Purpose::Manage | Purpose::Authenticate(_))) {
            self.report_unless_shown(request, failure);
        }
        if let Msg::AccountChanged(_, Ok(Changed::Removed { account, .. })) = msg {
            // First: no pane may show an account that is not in the config any more.
            self.store.forget(account, io.out);
        }
        self.publish(Event::Message(msg, asked.as_ref()), io);
    }

    /// Shows a failure, unless a window waits for it.
    pub(super) fn report_unless_shown(&mut self, request: RequestId, failure: Option<&Problem>) {
        let mut windows = self.overlays.iter();
        let is_shown = windows.any(|window| window.request() == Some(request));
        if let Some(problem) = failure.filter(|_| !is_shown) {
            self.store.flash(Level::Error, problem.describe());
        }
    }

    pub(super) fn cancel(&mut self, request: RequestId, io: &mut EffectSink<'_>) {
        let Some(asked) = self.store.in_flight_for(request).cloned() else {
            return;
        };
        let waited = self.store.waiting.contains_key(&request);
        self.store.cancel(request, io.out);
        // Nothing else says that it may have taken effect.
        let level = if asked.writes && !waited {
            Level::Warning
        } else {
            Level::Info
        };
        self.store.flash(level, cancelled(&asked, waited));
        let event = Event::Cancelled {
            request,
            asked: &asked,
            waited,
        };
        self.publish(event, io);
    }
}

/// The notice about a cancelled request.
fn cancelled(asked: &InFlight, waited: bool) -> String {
    let account = &asked.account;
    let text = match &asked.purpose {
        Purpose::Verify => format!("cancelled the verification of {account}"),
        Purpose::Check(id) => format!("cancelled the check of {id}"),
        Purpose::Quote => "cancelled the price estimate".to_owned(),
        Purpose::Link(link) => format!("cancelled the payment link for {}", link.id),
        Purpose::Manage => format!("cancelled the change of account {account}"),
        Purpose::Explore => "cancelled the call".to_owned(),
        // The renewal is shared: other requests of the account may wait for it.
        Purpose::RenewToken => {
            format!("no longer waits for the token of {account}; its renewal continues")
        }
        Purpose::CopyToken => format!("cancelled: the token of {account} was not copied"),
        Purpose::Authenticate(player) => {
            format!("cancelled the authentication of player {player}")
        }
        Purpose::Items(player) => format!("cancelled the inventory of player {player}"),
    };
    if asked.writes && !waited {
        format!("{text} after sending; it may still have taken effect")
    } else {
        text
    }
}
