//! Requests that are called off: whatever they were made for stops waiting for them.

use super::msg::Level;
use super::overlays::Stage;
use super::panes::Pane;
use super::store::Purpose;
use super::{Effect, Model};
use crate::domain::{Now, RequestId, time};

impl Model {
    /// Calls the selected waiting request off; with none selected, selects the oldest. Where none waits, lifts the hold
    /// of the account that is shown first: a request that would wait for hours is not even begun.
    pub(super) fn cancel_waiting(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.store.waiting.is_empty() {
            self.lift_hold(now, out);
            return;
        }
        let Some(request) = self.requests.selected_waiting() else {
            self.focus = Pane::Requests;
            self.requests.select_waiting(&self.store);
            return;
        };
        let Some(waiting) = self.store.waiting.get(&request) else {
            // Between the look and the key; the next one was not meant.
            self.requests.select_waiting(&self.store);
            self.store.flash(Level::Info, "that request has gone on");
            return;
        };
        if self.store.in_flight_for(request).is_some() {
            self.call_off(request, now, out);
            // The next one in its place, so that several go one after another.
            self.requests.fit_waiting(&self.store);
        } else {
            let words = format!(
                "{}: this one goes out by itself, for others that need it; only what was asked here can be called off",
                waiting.account
            );
            self.store.flash(Level::Info, words);
        }
    }

    /// Sends again to a provider that answered 429.
    fn lift_hold(&mut self, now: Now, out: &mut Vec<Effect>) {
        let held = self.store.accounts.iter().find_map(|known| {
            let left = known.budgets(now).filter_map(|gauge| gauge.held).max()?;
            Some((known.id().clone(), left))
        });
        let Some((account, left)) = held else {
            return;
        };
        let words = format!(
            "{account}: the hold is lifted, though the provider answered 429 and asked to wait for another {}",
            time::fine(left)
        );
        self.store.flash(Level::Info, words);
        out.push(Effect::LiftHolds(account));
    }

    /// Stops a request of the console.
    pub(super) fn call_off(&mut self, request: RequestId, now: Now, out: &mut Vec<Effect>) {
        let Some(asked) = self.store.in_flight_for(request).cloned() else {
            return;
        };
        let mut words = "called off";
        match asked.purpose {
            Purpose::Verify => {
                if let Some(known) = self.store.known_mut(&asked.account) {
                    known.verifying = None;
                }
            }
            Purpose::Check(id) => {
                if let Some(watched) = self.store.payment_mut(&asked.account, &id) {
                    watched.cancelled(now);
                }
            }
            Purpose::Quote => {
                self.estimates
                    .cancel(&mut Self::hand(&mut self.store, now, out));
            }
            Purpose::Link(_) | Purpose::Manage => {
                let stage = self.overlay.stage();
                if let Some(stage) = stage.filter(|stage| stage.request() == Some(request)) {
                    *stage = Stage::Filling;
                }
            }
            Purpose::Explore => {
                let waits = self.store.waiting.contains_key(&request);
                if self.explorer.cancelled(request, waits, now) {
                    words = "called off; nothing was sent";
                }
            }
            // A fetch is nobody's own.
            Purpose::RefreshToken => {
                words = "no longer waited for; a token call that was begun goes on for the calls that need it";
            }
            Purpose::Authenticate(_) => {
                let stage = self.overlay.stage();
                if let Some(stage) = stage.filter(|stage| stage.request() == Some(request)) {
                    *stage = Stage::Filling;
                }
            }
            Purpose::Items(player) => self.players.settled(&asked.account, player),
            Purpose::CopyToken => words = "called off; nothing is copied",
        }
        self.store.cancel(request, out);
        self.requests.waiting_changed(&self.store);
        self.store.flash(Level::Info, words);
    }
}
