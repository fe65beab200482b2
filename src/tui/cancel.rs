//! Cancelling requests: the pane or form that waits for one stops waiting.

use super::msg::Level;
use super::overlays::Stage;
use super::panes::Pane;
use super::store::Purpose;
use super::{Effect, Model};
use crate::domain::{Now, RequestId, time};

impl Model {
    /// Cancels the selected waiting request. Without a selection it selects the oldest one. Where none waits, it
    /// lifts the hold of the account that is shown first: a request that would wait for hours does not even start.
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
            // It ended between the last frame and the key press: must not cancel the next one instead.
            self.requests.select_waiting(&self.store);
            self.store
                .flash(Level::Info, "this request no longer waits");
            return;
        };
        if self.store.in_flight_for(request).is_some() {
            self.cancel_request(request, now, out);
            // Selects the next one, so that repeated presses cancel several.
            self.requests.fit_waiting(&self.store);
        } else {
            let words = format!(
                "{}: this request was not started in the console and cannot be cancelled here; other requests need it",
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
            "{account}: pause ended; the provider (429) wanted {} more",
            time::fine(left)
        );
        self.store.flash(Level::Info, words);
        out.push(Effect::LiftHolds(account));
    }

    /// Cancels a request of the console.
    pub(super) fn cancel_request(&mut self, request: RequestId, now: Now, out: &mut Vec<Effect>) {
        let Some(asked) = self.store.in_flight_for(request).cloned() else {
            return;
        };
        let mut words = "cancelled";
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
                    .cancel(&mut Self::update_ctx(&mut self.store, now, out));
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
                    words = "cancelled; nothing was sent";
                }
            }
            // The renewal is shared: other requests of the account may wait for it.
            Purpose::RefreshToken => {
                words = "cancelled; the token renewal continues for other requests";
            }
            Purpose::Authenticate(_) => {
                let stage = self.overlay.stage();
                if let Some(stage) = stage.filter(|stage| stage.request() == Some(request)) {
                    *stage = Stage::Filling;
                }
            }
            Purpose::Items(player) => self.players.settled(&asked.account, player),
            Purpose::CopyToken => words = "cancelled; nothing was copied",
        }
        self.store.cancel(request, out);
        self.requests.waiting_changed(&self.store);
        self.store.flash(Level::Info, words);
    }
}
