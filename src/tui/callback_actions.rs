//! Callbacks in the console: what they change on screen, and the actions on them.

use std::sync::Arc;

use super::events::{inventory, unexpected};
use super::keys::Action;
use super::msg::{Level, Notice};
use super::overlays::{Overlay, Stage, delivery, replay};
use super::panes::callbacks::words;
use super::panes::{self, Pane, ViewContext, age};
use super::store::LISTENER;
use super::theme::Tone;
use super::{Effect, Model};
use crate::domain::{
    AccountId, Answer, Delivery, Environment, Exchange, Expectation, JobState, Listening, Now, Op,
    Payment, Problem, Received, RequestId, Secret, Subject, Watch, curl,
};

/// The size of the watch list up to which a callback adds its payment. A sender of forged callbacks must not be able to
/// make the console check an endless list.
const WATCHED_MAX: usize = 100;

/// A request that a callback caused, and its result.
pub(super) struct AskedByCallback {
    pub(super) account: AccountId,
    pub(super) op: Op,
    pub(super) result: Result<Answer, Problem>,
    /// The expected amount of the payment.
    pub(super) expected: Option<Expectation>,
}

/// A view context that borrows single fields, so that another field can change at the same time.
macro_rules! ctx {
    ($model:ident, $now:ident) => {
        ViewContext {
            store: &$model.store,
            theme: &$model.theme,
            keymap: &$model.keymap,
            now: $now,
            focused: false,
            still: $model.options.reduced_motion,
        }
    };
}

impl Model {
    /// Shows a new callback, or the new state of its jobs.
    pub(super) fn delivered(&mut self, delivery: Arc<Delivery>, now: Now) {
        let given_up = |delivery: &Delivery| {
            let all = delivery.jobs.iter();
            all.filter(|job| job.state == JobState::GivenUp).count()
        };
        let before = self.callbacks.known(delivery.id);
        // Compared with the row before: a restart shows old failures as rows, without a notice for each.
        if before.is_some_and(|before| given_up(before) < given_up(&delivery)) {
            let job = delivery.jobs.iter().rev();
            let mut last = job.filter(|job| job.state == JobState::GivenUp);
            let why = last.next().map_or("", |job| job.summary.as_str());
            let about = match words::subject(&delivery).as_str() {
                "" => String::new(),
                subject => format!(" about {subject}"),
            };
            self.store.notice(
                Notice {
                    level: Level::Warning,
                    about: format!("callback {}", delivery.account),
                    text: format!(
                        "gave up processing the callback to {}{about}: {}",
                        delivery.account,
                        panes::without_account(why, &delivery.account)
                    ),
                },
                now,
            );
        }
        if let Some(Subject::Payment(payment)) = &delivery.subject
            && let Ok(account) = AccountId::new(delivery.account.as_str())
        {
            self.reload_timeline(&account, payment, now);
        }
        self.callbacks.push(delivery.clone());
        let ctx = ctx!(self, now);
        if let Overlay::Delivery(state) = &mut self.overlay
            && state.delivery.id == delivery.id
        {
            state.apply(delivery, ctx);
        }
    }

    /// Shows whether the listener works. A heartbeat alone redraws only if its age on screen changes.
    pub(super) fn on_listening(&mut self, listening: Listening, now: Now) {
        let beats = |listening: &Listening| match listening {
            Listening::Up { url, heartbeat } => Some((url.clone(), age(*heartbeat, now))),
            Listening::Off | Listening::Down { .. } => None,
        };
        let same = beats(&self.store.listening).is_some()
            && beats(&self.store.listening) == beats(&listening);
        self.dirty |= !same;
        match (&self.store.listening, &listening) {
            (Listening::Down { .. }, Listening::Up { url, .. }) => {
                let text = format!("receiving callbacks again at {url}");
                self.listener_notice(Level::Info, text, now);
            }
            (before, Listening::Down { address, why, .. }) if before != &listening => {
                let text = format!("cannot receive callbacks at {address}: {why}");
                self.listener_notice(Level::Error, text, now);
            }
            (_, Listening::Off) => self.store.dismiss(LISTENER),
            _ => {}
        }
        self.store.listening = listening;
    }

    fn listener_notice(&mut self, level: Level, text: String, now: Now) {
        self.store.notice(
            Notice {
                level,
                about: LISTENER.into(),
                text,
            },
            now,
        );
    }

    /// Shows the result of a request that a callback caused.
    pub(super) fn query_after_callback(
        &mut self,
        asked: AskedByCallback,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let AskedByCallback {
            account,
            op,
            result,
            expected,
        } = asked;
        let account = &account;
        match op {
            Op::CheckPayment(id) => {
                let result = match result {
                    Ok(Answer::Payment(payment)) => Ok(payment),
                    Ok(_) => Err(unexpected()),
                    Err(problem) => Err(problem),
                };
                self.reload_timeline(account, &id, now);
                if let Some(watched) = self.store.payment_mut(account, &id) {
                    // A check of the console may be in progress and has its own response.
                    let asking = watched.asking;
                    self.checked(account, &id, result, now, out);
                    if let Some(watched) = self.store.payment_mut(account, &id) {
                        watched.asking = asking;
                    }
                } else if let Ok(payment) = result {
                    let watch = Watch {
                        account: account.clone(),
                        id: payment.id.clone(),
                        expected,
                        since: now.wall,
                    };
                    self.watch_reported(watch, payment, now, out);
                }
            }
            Op::PlayerItems(player) => {
                self.on_inventory(account, player, inventory(result), now);
            }
            _ => {}
        }
    }

    /// Watches the payment of a callback, after the provider confirmed it. A payment that the operator removed is not
    /// added again.
    fn watch_reported(&mut self, watch: Watch, payment: Payment, now: Now, out: &mut Vec<Effect>) {
        let (account, id) = (watch.account.clone(), watch.id.clone());
        let known = self.store.known(&account).is_some();
        if !known || self.payments.was_removed(&account, &id) {
            return;
        }
        if self.store.payments.len() >= WATCHED_MAX {
            let text = format!(
                "callback for {id}: not watched, because the watch list already has {WATCHED_MAX} payments"
            );
            self.store.notice(
                Notice {
                    level: Level::Info,
                    about: "watch list".into(),
                    text,
                },
                now,
            );
            return;
        }
        panes::payments::add_from_callback(watch, &mut Self::update_ctx(&mut self.store, now, out));
        self.checked(&account, &id, Ok(payment), now, out);
        let Some(watched) = self.store.payment_mut(&account, &id) else {
            return;
        };
        let over = watched.is_final();
        let (tone, words) = watched.explain(now);
        let level = match tone {
            Tone::Bad => Level::Error,
            Tone::Warn if over => Level::Warning,
            _ => Level::Info,
        };
        self.store.notice(
            Notice {
                level,
                about: super::watched::about(&account, &id),
                text: format!("callback for {id}, now watched: {words}"),
            },
            now,
        );
        if over {
            // The operator may look at another window: a payment that ended is worth a sound.
            out.push(Effect::Bell);
        }
    }

    pub(super) fn received(
        &mut self,
        request: RequestId,
        result: Result<Received, Problem>,
        now: Now,
    ) {
        let ctx = ctx!(self, now);
        if let Overlay::Delivery(state) = &mut self.overlay {
            state.received(request, result, ctx);
        }
    }

    /// Updates the countdowns of the open callback.
    pub(super) fn lay_out_delivery(&mut self, now: Now) {
        let ctx = ctx!(self, now);
        if let Overlay::Delivery(state) = &mut self.overlay {
            state.lay_out(ctx);
        }
    }

    pub(super) fn replayed(&mut self, request: RequestId, result: Result<(), Problem>) {
        let stage = self.overlay.stage();
        let stage = stage.filter(|stage| stage.request() == Some(request));
        match (result, stage) {
            (Ok(()), open) => {
                if open.is_some()
                    && let Overlay::Replay(state) = std::mem::take(&mut self.overlay)
                {
                    self.overlay = *state.under;
                }
                let words = "forwarding; the result will appear in its row";
                self.store.flash(Level::Info, words);
            }
            (Err(problem), Some(stage)) => *stage = Stage::Failed(problem),
            (Err(problem), None) => self.store.flash(Level::Error, problem.describe()),
        }
    }

    pub(super) fn submit_replay(&mut self, out: &mut Vec<Effect>) {
        let Overlay::Replay(form) = &mut self.overlay else {
            return;
        };
        if form.stage.request().is_some() {
            return;
        }
        if let Some(to) = form.submit() {
            let request = self.store.number();
            form.stage = Stage::Asked(request);
            let delivery = form.delivery.id;
            out.push(Effect::Replay {
                request,
                delivery,
                to,
            });
        }
    }

    pub(super) fn open_delivery(
        &mut self,
        delivery: Arc<Delivery>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let request = self.store.number();
        out.push(Effect::OpenDelivery {
            request,
            delivery: delivery.id,
        });
        let screen = self.overlay_screen();
        let under = std::mem::take(&mut self.overlay);
        let ctx = ctx!(self, now);
        let state = delivery::State::new(delivery, request, under, ctx, screen);
        self.overlay = Overlay::Delivery(Box::new(state));
    }

    pub(super) fn open_replay(&mut self, delivery: Arc<Delivery>) {
        let account = AccountId::new(delivery.account.as_str()).ok();
        let known = account.and_then(|account| self.store.known(&account).cloned());
        // The shop may deliver goods a second time, so a live account's name must be typed.
        let live = known.is_some_and(|known| known.account.environment == Environment::Production);
        let under = std::mem::take(&mut self.overlay);
        self.overlay = Overlay::Replay(replay::State::new(delivery, live, under));
    }

    /// The current callback: of the open window, or the pane's selected one.
    pub(super) fn current_delivery(&self) -> Option<&Arc<Delivery>> {
        match &self.overlay {
            Overlay::Delivery(state) => Some(&state.delivery),
            _ => self.callbacks.selected(),
        }
    }

    /// The current exchange: of the open window, or the pane's selected one.
    pub(super) fn current_exchange(&self) -> Option<&Arc<Exchange>> {
        match &self.overlay {
            Overlay::Exchange(state) => Some(&state.exchange),
            _ => self.requests.selected(),
        }
    }

    /// The footer's word for the target of the selected callback.
    pub(super) fn subject_word(&self) -> &'static str {
        match self.callbacks.selected().map(|it| &it.subject) {
            Some(Some(Subject::Player(_))) => "inventory",
            Some(None) => "details",
            _ => "timeline",
        }
    }

    pub(super) fn act_on_received(&mut self, action: Action, now: Now, out: &mut Vec<Effect>) {
        match action {
            Action::PaymentTimeline => {
                let watch = self.payments.selected(&self.store).map(|w| w.watch.clone());
                if let Some(watch) = watch {
                    self.open_timeline(watch.account, watch.id, now);
                }
            }
            Action::RequestTimeline | Action::ExchangeTimeline => {
                let exchange = self.current_exchange().cloned();
                let payment = exchange.as_ref().and_then(|it| self.payment_of(it));
                match (exchange, payment) {
                    (Some(exchange), Some(payment)) => {
                        self.open_timeline(exchange.account.clone(), payment, now);
                    }
                    (Some(_), None) => self
                        .store
                        .flash(Level::Info, "this request names no known payment"),
                    _ => {}
                }
            }
            Action::CallbackSubject | Action::DeliveryTimeline => {
                let Some(delivery) = self.current_delivery().cloned() else {
                    return;
                };
                let account = AccountId::new(delivery.account.as_str()).ok();
                match (&delivery.subject, account) {
                    (Some(Subject::Payment(id)), Some(account)) => {
                        self.open_timeline(account, id.clone(), now);
                    }
                    (Some(Subject::Player(id)), Some(account))
                        if self.store.known(&account).is_some() =>
                    {
                        self.overlay = Overlay::None;
                        self.focus = Pane::Players;
                        self.players.select(&account, *id);
                    }
                    _ if action == Action::CallbackSubject => {
                        self.open_delivery(delivery, now, out);
                    }
                    _ => self
                        .store
                        .flash(Level::Info, "this callback names no payment"),
                }
            }
            Action::OpenDelivery => {
                if let Some(delivery) = self.callbacks.selected().cloned() {
                    self.open_delivery(delivery, now, out);
                }
            }
            Action::Replay | Action::ReplayDelivery => {
                if let Some(delivery) = self.current_delivery().cloned() {
                    self.open_replay(delivery);
                }
            }
            Action::CopySubject => self.copy_subject(out),
            Action::OlderCallbacks => {
                self.callbacks
                    .load_older(&mut Self::update_ctx(&mut self.store, now, out));
            }
            Action::CopyDelivery | Action::CopyDeliveryBody => self.copy_delivery(action, out),
            Action::OpenHappening
            | Action::AllCalls
            | Action::CheckTimeline
            | Action::CopyTimelineId => {
                self.act_in_timeline(action, now, out);
            }
            Action::Authenticate => self.open_player_form(),
            Action::RefreshItems => {
                self.players
                    .refresh(&mut Self::update_ctx(&mut self.store, now, out));
            }
            Action::ForgetPlayer => {
                self.players
                    .remove_selected(&mut Self::update_ctx(&mut self.store, now, out));
            }
            Action::CopyPlayer => {
                if let Some(known) = self.players.selected() {
                    out.push(Effect::Copy {
                        text: Secret::new(known.id.to_string()),
                        what: "the player's number",
                    });
                }
            }
            _ => {}
        }
    }

    fn copy_subject(&mut self, out: &mut Vec<Effect>) {
        let subject = self.callbacks.selected().and_then(|it| it.subject.as_ref());
        if let Some(subject) = subject {
            out.push(Effect::Copy {
                text: Secret::new(subject.to_string()),
                what: match subject {
                    Subject::Payment(_) => "the payment id",
                    Subject::Player(_) => "the player's number",
                },
            });
        }
    }

    fn copy_delivery(&mut self, action: Action, out: &mut Vec<Effect>) {
        let Overlay::Delivery(state) = &self.overlay else {
            return;
        };
        let Some(received) = state.bytes() else {
            self.store.flash(
                Level::Info,
                "still loading the callback; try again in a moment",
            );
            return;
        };
        out.push(if action == Action::CopyDeliveryBody {
            Effect::Copy {
                text: Secret::new(received.body.readable()),
                what: "the body",
            }
        } else {
            // Without a listener, the command names the address that `tilldeck listen` has by default.
            let base = match &self.store.listening {
                Listening::Up { url, .. } => url.as_str(),
                Listening::Off | Listening::Down { .. } => "http://127.0.0.1:8787",
            };
            Effect::Copy {
                text: Secret::new(curl::command(&Exchange::of_callback(
                    &state.delivery,
                    received,
                    base,
                ))),
                what: "the callback as a curl command, secrets replaced",
            }
        });
    }

    /// Whether an action on callbacks, timelines or players is available now.
    pub(super) fn can_with_received(&self, action: Action) -> bool {
        let ready = self.store.is_ready();
        match action {
            Action::RequestTimeline | Action::ExchangeTimeline => {
                let exchange = self.current_exchange();
                ready && exchange.is_some_and(|it| self.payment_of(it).is_some())
            }
            Action::CallbackSubject => ready && self.callbacks.selected().is_some(),
            Action::DeliveryTimeline => {
                let subject = self.current_delivery().and_then(|it| it.subject.as_ref());
                ready && subject.is_some()
            }
            // For a callback without a subject, Enter already opens the details.
            Action::OpenDelivery => {
                let selected = self.callbacks.selected();
                ready && selected.is_some_and(|it| it.subject.is_some())
            }
            Action::Replay | Action::ReplayDelivery => ready && self.current_delivery().is_some(),
            Action::CopySubject => {
                let selected = self.callbacks.selected();
                ready && selected.is_some_and(|it| it.subject.is_some())
            }
            Action::OlderCallbacks => self.callbacks.can_load(&self.store),
            Action::CheckTimeline => match &self.overlay {
                Overlay::Timeline(state) => self.is_watched(&state.account, &state.payment),
                _ => false,
            },
            Action::Authenticate => ready && self.store.games().next().is_some(),
            Action::RefreshItems => {
                let selected = self.players.selected();
                ready && selected.is_some_and(|known| known.request.is_none())
            }
            Action::CopyPlayer | Action::ForgetPlayer => ready && self.players.selected().is_some(),
            _ => true,
        }
    }
}
