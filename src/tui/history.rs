//! The timeline of a payment: finds the payment, opens and reloads the timeline, and opens its entries.

use std::sync::Arc;

use super::keys::Action;
use super::msg::Level;
use super::overlays::timeline::{self, Chosen};
use super::overlays::{Overlay, exchange};
use super::panes::contains;
use super::{Effect, Model};
use crate::domain::{
    AccountId, Exchange, ExchangeId, Now, PaymentId, Problem, RequestId, Secret, Subject, Timeline,
};

impl Model {
    /// Opens the timeline of a payment over the current window.
    pub(super) fn open_timeline(&mut self, account: AccountId, payment: PaymentId, now: Now) {
        let under = std::mem::take(&mut self.overlay);
        // Returns to the timeline below, if it is the same one: windows must not pile up.
        let under = match under {
            Overlay::Exchange(state) => match *state.under {
                Overlay::Timeline(below) if below.payment == payment => {
                    self.overlay = Overlay::Timeline(below);
                    return;
                }
                _ => Overlay::Exchange(state),
            },
            Overlay::Delivery(state) => match *state.under {
                Overlay::Timeline(below) if below.payment == payment => {
                    self.overlay = Overlay::Timeline(below);
                    return;
                }
                _ => Overlay::Delivery(state),
            },
            other => other,
        };
        let state = timeline::State::new(account, payment, under, now);
        self.overlay = Overlay::Timeline(Box::new(state));
    }

    /// Reloads the open timeline when that is due.
    pub(super) fn load_due_timeline(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.store.is_ready() {
            return;
        }
        // Only while it is open: the ledger is read for what is on screen.
        if let Overlay::Timeline(state) = &mut self.overlay
            && state.due().is_some_and(|due| due <= now.mono)
        {
            let request = self.store.number();
            state.set_request(request);
            out.push(Effect::LoadHistory {
                request,
                account: state.account.clone(),
                payment: state.payment.clone(),
            });
        }
    }

    /// Reloads the open timeline soon, if it is this payment's.
    pub(super) fn reload_timeline(&mut self, account: &AccountId, payment: &PaymentId, now: Now) {
        if let Overlay::Timeline(state) = &mut self.overlay
            && state.account == *account
            && state.payment == *payment
        {
            state.poll_soon(now);
        }
    }

    pub(super) fn reload_timeline_for(&mut self, exchange: &Exchange, now: Now) {
        if let Overlay::Timeline(state) = &mut self.overlay
            && state.account == exchange.account
            && is_about(exchange, state.payment.as_str())
        {
            state.poll_soon(now);
        }
    }

    pub(super) fn on_timeline(
        &mut self,
        request: RequestId,
        result: Result<Timeline, Problem>,
        now: Now,
    ) {
        let screen = self.overlay_screen();
        if let Overlay::Timeline(state) = &mut self.overlay {
            state.apply(request, result, now, &self.store, screen);
        }
    }

    /// Shows the exchange that the timeline loaded.
    pub(super) fn opened(&mut self, request: RequestId, result: Result<Arc<Exchange>, Problem>) {
        if let Overlay::Timeline(state) = &mut self.overlay
            && state.opening == Some(request)
        {
            state.opening = None;
            match result {
                Ok(exchange) => self.open_exchange(exchange),
                Err(problem) => self.store.flash(Level::Error, problem.describe()),
            }
        }
    }

    pub(super) fn open_exchange(&mut self, exchange: Arc<Exchange>) {
        let screen = self.overlay_screen();
        let under = std::mem::take(&mut self.overlay);
        self.overlay = Overlay::Exchange(exchange::State::new(
            exchange,
            under,
            &self.store.zone,
            screen,
        ));
    }

    /// The payment of an exchange: the one that the request names.
    pub(super) fn payment_of(&self, exchange: &Exchange) -> Option<PaymentId> {
        let sent =
            |id: &str| contains(&exchange.url, id) || contains(&exchange.request_body.text, id);
        if let Ok(id) = PaymentId::new(exchange.about.as_str())
            && (sent(id.as_str()) || self.is_watched(&exchange.account, &id))
        {
            return Some(id);
        }
        // An explorer call has no subject: looks for the ids of known payments in it.
        let watched = self.store.payments.iter();
        let watched = watched.filter(|w| w.watch.account == exchange.account);
        let reported = self.callbacks.rows().iter().filter_map(|delivery| {
            let of = delivery.account == exchange.account.as_str();
            match &delivery.subject {
                Some(Subject::Payment(id)) if of => Some(id),
                _ => None,
            }
        });
        watched
            .map(|watched| &watched.watch.id)
            .chain(reported)
            .find(|id| is_about(exchange, id.as_str()))
            .cloned()
    }

    pub(super) fn is_watched(&self, account: &AccountId, id: &PaymentId) -> bool {
        let mut all = self.store.payments.iter();
        all.any(|w| w.watch.account == *account && w.watch.id == *id)
    }

    pub(super) fn act_in_timeline(&mut self, action: Action, now: Now, out: &mut Vec<Effect>) {
        let Overlay::Timeline(state) = &mut self.overlay else {
            return;
        };
        match action {
            Action::OpenHappening => match state.choose(now, &self.store) {
                Chosen::Exchange(id) => self.open_exchange_of(id, out),
                Chosen::Delivery(delivery) => {
                    // The pane may have a newer version than the timeline.
                    let newer = self.callbacks.known(delivery.id).cloned();
                    self.open_delivery(newer.unwrap_or(delivery), now, out);
                }
                Chosen::Expanded | Chosen::Nothing => {}
            },
            Action::AllCalls => state.toggle_all(),
            Action::CheckTimeline => {
                let (account, id) = (state.account.clone(), state.payment.clone());
                let mut all = self.store.payments.iter();
                let at = all.position(|w| w.watch.account == account && w.watch.id == id);
                match at {
                    Some(at) => self.store.check(at, false, out),
                    None => self.store.flash(
                        Level::Info,
                        "this payment is not watched; add it in Payments first",
                    ),
                }
            }
            _ => out.push(Effect::Copy {
                text: Secret::new(state.payment.as_str()),
                what: "the payment id",
            }),
        }
    }

    pub(super) fn open_exchange_of(&mut self, id: ExchangeId, out: &mut Vec<Effect>) {
        if let Some(exchange) = self.requests.known(id).cloned() {
            self.open_exchange(exchange);
        } else if let Overlay::Timeline(state) = &mut self.overlay {
            let request = self.store.number();
            state.opening = Some(request);
            out.push(Effect::OpenExchange {
                request,
                exchange: id,
            });
        }
    }
}

/// Whether an exchange is about a payment, or has its id in the path.
fn is_about(exchange: &Exchange, payment: &str) -> bool {
    // A shorter id would match by accident.
    let named = payment.len() >= 4 && contains(exchange.path(), payment);
    exchange.about == payment || named
}
