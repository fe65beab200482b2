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
        let account = &asked.account;
        let words = match asked.purpose {
            Purpose::Verify => {
                if let Some(known) = self.store.known_mut(account) {
                    known.verifying = None;
                }
                format!("cancelled the verification of {account}")
            }
            Purpose::Check(id) => {
                if let Some(watched) = self.store.payment_mut(account, &id) {
                    watched.cancelled(now);
                }
                format!("cancelled the check of {id}")
            }
            Purpose::Quote => {
                self.estimates
                    .cancel(&mut Self::update_ctx(&mut self.store, now, out));
                "cancelled the price estimate".to_owned()
            }
            Purpose::Link(link) => {
                self.reopen_form_of(request);
                format!("cancelled the payment link for {}", link.id)
            }
            Purpose::Manage => {
                self.reopen_form_of(request);
                format!("cancelled the change of account {account}")
            }
            Purpose::Explore => {
                let waits = self.store.waiting.contains_key(&request);
                if self.explorer.cancelled(request, waits, now) {
                    "cancelled the call; nothing was sent".to_owned()
                } else if asked.writes {
                    "cancelled the call after sending; it may still have taken effect".to_owned()
                } else {
                    "cancelled the call".to_owned()
                }
            }
            // The renewal is shared: other requests of the account may wait for it.
            Purpose::RefreshToken => {
                format!("no longer waits for the token of {account}; its renewal continues")
            }
            Purpose::Authenticate(player) => {
                self.reopen_form_of(request);
                self.players.settled(account, player);
                format!("cancelled the authentication of player {player}")
            }
            Purpose::Items(player) => {
                self.players.settled(account, player);
                format!("cancelled the inventory of player {player}")
            }
            Purpose::CopyToken => {
                format!("cancelled: the token of {account} was not copied")
            }
        };
        self.store.cancel(request, out);
        self.requests.waiting_changed(&self.store);
        self.store.flash(Level::Info, words);
    }

    /// Lets the operator go on with the form that waits for this request.
    fn reopen_form_of(&mut self, request: RequestId) {
        let stage = self.overlay.stage();
        if let Some(stage) = stage.filter(|stage| stage.request() == Some(request)) {
            *stage = Stage::Filling;
        }
    }

    /// The request of the focused pane's selection, which Esc cancels.
    pub(super) fn request_in_focus(&self) -> Option<RequestId> {
        match self.focus {
            Pane::Credentials => self.credentials.selected(&self.store)?.verifying,
            Pane::Tokens => self.tokens.asking(&self.store),
            Pane::Payments => self.payments.selected(&self.store)?.asking,
            Pane::Estimates => self.estimates.request(),
            Pane::Explorer => self.explorer.in_flight(),
            Pane::Players => self.players.selected()?.request,
            Pane::Requests | Pane::Callbacks => None,
        }
    }
}
