//! What the console keeps when another profile opens, when its settings change, and when its profile is opened anew.

use super::component::Event;
use super::store::{Purpose, Store};
use super::{EffectSink, Model};
use crate::domain::{AccountId, Now, RequestId};

impl Model {
    /// Whether a change of the configuration must wait: a window may have half of a form, and the response to a change
    /// in flight would be lost.
    pub fn is_busy(&self) -> bool {
        !self.overlays.is_empty() || self.store.is_changing()
    }

    /// Takes over what belongs to the terminal from the console of the profile before, and from an earlier one of this
    /// profile what belongs to the session: the calls of the explorer, which no file has.
    pub fn follow(&mut self, before: &mut Self, now: Now) {
        before.end_requests(now);
        self.explored = std::mem::take(&mut before.explored);
        let explorer = std::mem::take(&mut before.panes.explorer);
        self.explored.insert(before.store.profile.clone(), explorer);
        if let Some(explorer) = self.explored.remove(&self.store.profile) {
            self.panes.explorer = explorer;
        }
        self.screen = before.screen;
        self.background = before.background;
        self.background_until = before.background_until;
        self.clicks_from = now.mono;
        self.renew_theme();
    }

    /// Takes over the settings of a fresh console of the same profile. Nothing else changes.
    pub fn set_preferences(&mut self, fresh: &Self) {
        self.options = fresh.options.clone();
        (self.tint, self.color) = (fresh.tint, fresh.color);
        self.keymap = fresh.keymap.clone();
        self.shown.clone_from(&fresh.shown);
        self.store.profiles.clone_from(&fresh.store.profiles);
        self.notifier.forget_title();
        self.renew_theme();
    }

    /// Continues with the accounts of a fresh console of the same profile, which is opened anew. What is known of the
    /// accounts in `unchanged` stays, and so does the screen; the others are as after a start, and not armed.
    pub fn reopen(&mut self, fresh: Self, unchanged: &[AccountId], now: Now) {
        let selected = self.selected_names();
        self.end_requests(now);
        self.set_preferences(&fresh);
        self.store = fresh.store.continuing(&self.store, unchanged);
        let out = &mut Vec::new();
        self.publish(Event::Reopened, &mut EffectSink { now, out });
        self.awaited = selected;
    }

    /// Notes that the requests end with the deck that sent them: no effect is left to carry out.
    fn end_requests(&mut self, now: Now) {
        let out = &mut Vec::new();
        let requests: Vec<RequestId> = self.store.requests().collect();
        for request in requests {
            self.cancel(request, &mut EffectSink { now, out });
        }
        self.store.flash = None;
    }
}

impl Store {
    /// Whether a response would be lost that the operator needs: to a write request, or to a change of the accounts.
    pub(super) fn is_changing(&self) -> bool {
        self.is_writing()
            || self
                .in_flight()
                .any(|asked| asked.purpose == Purpose::Manage)
    }

    /// Whether something would be lost with the console that the operator needs.
    pub(super) fn may_lose(&self) -> bool {
        self.is_changing() || self.unsaved_payments().next().is_some()
    }
}
