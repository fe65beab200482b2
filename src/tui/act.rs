//! Dispatches actions: opens a window, moves a selection, or calls the pane.

use ratatui::layout::Rect;

use super::keys::Action;
use super::layout::ZoomMode;
use super::msg::Level;
use super::overlays::{
    Overlay, Stage, alerts, arm, claims, copy_token, expect_form, guide, help, link_form,
    quote_form, sandbox,
};
use super::panes::{self, Pane, step};
use super::store::{AccountState, Purpose};
use super::widgets::list::Step;
use super::{Effect, Model, padded};
use crate::domain::{Ability, Environment, Now};

impl Model {
    pub(super) fn act(&mut self, action: Action, now: Now, out: &mut Vec<Effect>) {
        if let Some(step) = step(action) {
            self.step(step, now, out);
            return;
        }
        if let Some(pane) = Pane::focused_by(action) {
            self.focus = pane;
            return;
        }
        match action {
            Action::Suspend => out.push(Effect::Suspend),
            Action::Quit => self.quit(out),
            Action::Leave | Action::ConfirmQuit => out.push(Effect::Quit),
            Action::Close | Action::Back | Action::Stay | Action::LeaveExpected => {
                self.close(now, out);
            }
            Action::Escape => self.escape(now, out),
            Action::Zoom => {
                self.spread = match self.spread {
                    ZoomMode::All => ZoomMode::Zoomed,
                    ZoomMode::Zoomed => ZoomMode::All,
                };
            }
            Action::NextPane => self.focus = self.focus.next(),
            Action::PreviousPane => self.focus = self.focus.previous(),
            action if action.binding().scope.is_explorers() => self.explore(action, now, out),
            Action::NextField | Action::PreviousField => {
                if let Some(form) = self.overlay.form() {
                    if action == Action::NextField {
                        form.next();
                    } else {
                        form.previous();
                    }
                }
            }
            Action::Submit => self.submit(now, out),
            Action::Choose => {
                if let Overlay::Palette(state) = &self.overlay {
                    let chosen = state.chosen();
                    self.overlay = Overlay::None;
                    if let Some((scope, action)) = chosen {
                        // Shows the pane that the action changes.
                        self.focus = Pane::of(scope).unwrap_or(self.focus);
                        self.act(action, now, out);
                    }
                }
            }
            Action::ChooseDown | Action::ChooseUp => {
                if let Overlay::Palette(state) = &mut self.overlay {
                    state.step(if action == Action::ChooseDown {
                        Step::Down(1)
                    } else {
                        Step::Up(1)
                    });
                }
            }
            Action::CopyCurl | Action::CopyBody => self.copy_exchange(action, out),
            Action::CopyLink | Action::OpenLink | Action::WatchLink => self.use_link(action, out),
            Action::Play
            | Action::NextChoice
            | Action::PreviousChoice
            | Action::OtherValue
            | Action::NextSection => self.play(action, out),
            Action::Claims => {
                let known = self.tokens.selected(&self.store);
                if let Some(known) = known.filter(|known| has_claims(known)) {
                    self.overlay = Overlay::Claims(claims::State::new(known.id().clone()));
                }
            }
            Action::Guide | Action::FormGuide => self.open_guide(),
            Action::NextGuide | Action::PreviousGuide => {
                if let Overlay::Guide(state) = &mut self.overlay {
                    state.turn(action == Action::NextGuide);
                }
            }
            Action::Help => self.overlay = Overlay::Help(help::State::new(self.scope())),
            Action::FindInHelp | Action::ApplyHelpSearch | Action::DropHelpSearch => {
                if let Overlay::Help(state) = &mut self.overlay {
                    state.search(action);
                }
            }
            Action::Palette => self.open_palette(),
            Action::ShowAlerts => self.overlay = Overlay::Alerts(alerts::State::new(&self.store)),
            Action::GoToAlert => self.go_to_alert(),
            Action::FilterPayments => self.type_filter(Pane::Payments),
            Action::Filter => self.type_filter(Pane::Requests),
            Action::FilterCallbacks => self.type_filter(Pane::Callbacks),
            Action::OpenExchange => {
                if let Some(exchange) = self.requests.selected().cloned() {
                    self.open_exchange(exchange);
                }
            }
            _ if !self.store.is_ready() => self
                .store
                .flash(Level::Info, "still starting; try again in a moment"),
            _ => self.act_when_ready(action, now, out),
        }
    }

    /// Actions that cause effects, so that they need a started runtime.
    fn act_when_ready(&mut self, action: Action, now: Now, out: &mut Vec<Effect>) {
        match action {
            Action::Link => {
                let (accounts, at) = self.offered_accounts(Ability::Links);
                let may = accounts
                    .get(at)
                    .and_then(|account| self.store.known(account))
                    .is_some_and(|known| known.may_write(now));
                if accounts.is_empty() {
                    self.none_can(Ability::Links);
                } else {
                    self.overlay = Overlay::LinkForm(link_form::State::new(accounts, at, may));
                }
            }
            Action::AddWatch => self.open_add_watch(""),
            Action::Quote => {
                let (accounts, _) = self.offered_accounts(Ability::Estimates);
                if accounts.is_empty() {
                    self.none_can(Ability::Estimates);
                } else {
                    let last = self.estimates.question.as_ref();
                    let same = |last: &panes::estimates::Question| {
                        accounts.iter().position(|id| *id == last.account)
                    };
                    let at = last.and_then(same).unwrap_or(0);
                    self.overlay = Overlay::Quote(quote_form::State::new(accounts, at, last));
                }
            }
            Action::Sandbox => {
                if self.store.simulator.is_some() {
                    let payment = self.payments.selected(&self.store).filter(|watched| {
                        self.store
                            .known(&watched.watch.account)
                            .is_some_and(|k| k.account.environment == Environment::Embedded)
                    });
                    let payment = payment.map(|watched| watched.watch.id.clone());
                    self.overlay = Overlay::Sandbox(sandbox::State::new(payment));
                } else {
                    self.store
                        .flash(Level::Info, "this profile has no built-in simulator");
                }
            }
            Action::RefreshToken => self
                .tokens
                .act(action, &mut Self::update_ctx(&mut self.store, now, out)),
            Action::CopyToken => {
                if let Some(known) = self.tokens.selected(&self.store) {
                    let account = known.id().clone();
                    self.overlay = Overlay::CopyToken(copy_token::State { account });
                }
            }
            Action::ConfirmCopy => {
                if let Overlay::CopyToken(state) = &self.overlay {
                    let account = state.account.clone();
                    self.overlay = Overlay::None;
                    self.store.request_token(&account, &Purpose::CopyToken, out);
                }
            }
            Action::CancelWaiting => self.cancel_waiting(now, out),
            Action::Arm => self.toggle_arming(now),
            Action::AddAccount => self.open_add_account(),
            Action::RotateSecret => self.open_rotation(),
            Action::RemoveAccount => self.open_removal(),
            Action::ExpectPayment => {
                if let Some(watched) = self.payments.selected(&self.store) {
                    self.overlay = Overlay::ExpectForm(expect_form::State::new(watched));
                }
            }
            Action::MarkHandled => self.mark_handled(now, out),
            Action::ConfirmExpected => self.confirm_expected(now, out),
            Action::Verify | Action::VerifyAll => self
                .credentials
                .act(action, &mut Self::update_ctx(&mut self.store, now, out)),
            Action::Check
            | Action::RemoveWatch
            | Action::UndoRemove
            | Action::MarkPayment
            | Action::CopyId
            | Action::SortPayments
            | Action::ClearSettled => self
                .payments
                .act(action, &mut Self::update_ctx(&mut self.store, now, out)),
            Action::Refresh | Action::AutoRefresh => self
                .estimates
                .act(action, &mut Self::update_ctx(&mut self.store, now, out)),
            Action::KeepFilter if self.overlay.filter(Pane::Requests).is_none() => {
                self.overlay = Overlay::None;
            }
            Action::LoadOlder | Action::KeepFilter => {
                if action == Action::KeepFilter {
                    self.overlay = Overlay::None;
                }
                self.requests
                    .act(action, &mut Self::update_ctx(&mut self.store, now, out));
            }
            _ => self.act_on_received(action, now, out),
        }
    }

    /// Whether an action is available now. Footer and palette omit the others.
    pub(super) fn can(&self, action: Action) -> bool {
        // A closure, because finding the selected payment sorts the list.
        let payment = || self.payments.selected(&self.store);
        let ready = self.store.is_ready();
        match action {
            Action::Check => {
                let idle = || payment().is_some_and(|w| w.asking.is_none());
                ready && (self.payments.has_marks() || idle())
            }
            Action::RemoveWatch
            | Action::CopyId
            | Action::PaymentTimeline
            | Action::ExpectPayment
            | Action::MarkPayment => ready && payment().is_some(),
            Action::UndoRemove => ready && self.payments.can_undo(),
            Action::FilterPayments | Action::SortPayments => {
                ready && !self.store.payments.is_empty()
            }
            Action::ClearSettled => ready && panes::payments::State::can_clear(&self.store),
            Action::AddWatch => ready && self.any_can(Ability::Payments),
            Action::Link => ready && self.any_can(Ability::Links),
            Action::Quote => ready && self.any_can(Ability::Estimates),
            Action::GoToAlert | Action::MarkHandled => {
                ready && !super::alerts::all(&self.store).is_empty()
            }
            Action::VerifyAll => ready && self.store.accounts.len() > 1,
            Action::AddAccount => ready && self.may_manage,
            Action::Verify | Action::RotateSecret => ready && !self.store.accounts.is_empty(),
            Action::RemoveAccount => ready && self.may_manage && !self.store.accounts.is_empty(),
            Action::FormGuide => self.is_about_accounts(),
            Action::Arm => {
                ready
                    && self
                        .credentials
                        .selected(&self.store)
                        .is_some_and(|known| known.account.environment.is_live())
            }
            Action::RefreshToken | Action::CopyToken => {
                let known = self.tokens.selected(&self.store);
                let idle = |known: &AccountState| self.store.token_request(known.id()).is_none();
                ready && known.is_some_and(idle)
            }
            Action::Claims => self.tokens.selected(&self.store).is_some_and(has_claims),
            Action::CancelWaiting => {
                !self.store.waiting.is_empty()
                    || self.store.accounts.iter().any(AccountState::is_held)
            }
            Action::Refresh | Action::AutoRefresh => ready && self.estimates.question.is_some(),
            Action::OpenExchange => self.requests.selected().is_some(),
            Action::LoadOlder => self.requests.can_load(&self.store),
            Action::Sandbox => ready && self.store.simulator.is_some(),
            Action::Zoom => !self.focus.is_alone(),
            Action::FocusExplorer => self.focus != Pane::Explorer,
            Action::FocusPlayers => {
                self.focus != Pane::Players && self.store.games().next().is_some()
            }
            Action::ArmAccount => {
                let known = self.explorer.account().and_then(|id| self.store.known(id));
                ready && known.is_some_and(|known| known.account.environment.is_live())
            }
            action if action.binding().scope.is_explorers() => self.explorer.can(action),
            _ => self.can_with_received(action),
        }
    }

    /// The footer's word for an action, which may depend on the selection.
    pub(super) fn footer_word(&self, action: Action, now: Now) -> &'static str {
        match action {
            action if self.disarms(action, now) => "disarm",
            Action::CallbackSubject => self.subject_word(),
            Action::Submit => self.overlay.submit_word().unwrap_or(action.binding().short),
            action => action.binding().short,
        }
    }

    /// Whether an action would disarm an account now.
    fn disarms(&self, action: Action, now: Now) -> bool {
        let known = match action {
            Action::Arm => self.credentials.selected(&self.store),
            Action::ArmAccount => self.explorer.account().and_then(|id| self.store.known(id)),
            _ => None,
        };
        known.is_some_and(|known| known.armed(now).is_some())
    }

    fn quit(&mut self, out: &mut Vec<Effect>) {
        if self.store.in_flight().any(|asked| asked.writes) {
            self.overlay = Overlay::QuitAsk;
        } else {
            out.push(Effect::Quit);
        }
    }

    fn close(&mut self, now: Now, out: &mut Vec<Effect>) {
        // The first Esc cancels the form's request. Removals and replays take effect at once, so they cannot be
        // cancelled.
        let stage = match &mut self.overlay {
            Overlay::Remove(_) | Overlay::Replay(_) => None,
            overlay => overlay.stage(),
        };
        if let Some(stage) = stage
            && let Some(request) = stage.request()
        {
            *stage = Stage::Filling;
            self.store.cancel(request, out);
            self.form_changed(now);
            return;
        }
        match std::mem::take(&mut self.overlay) {
            Overlay::Guide(guide::State {
                resume: Some(overlay),
                ..
            }) => self.overlay = *overlay,
            Overlay::Arm(arm::State {
                resume: Some(form), ..
            }) => self.overlay = Overlay::LinkForm(*form),
            Overlay::Filter(pane, _) => self.set_filter(pane, ""),
            Overlay::Exchange(left) => self.overlay = *left.under,
            Overlay::Delivery(left) => self.overlay = *left.under,
            Overlay::Timeline(left) => self.overlay = *left.under,
            Overlay::Replay(left) => self.overlay = *left.under,
            Overlay::SimulateForm(form) => self.overlay = Overlay::Sandbox(form.back),
            _ => {}
        }
        self.form_changed(now);
    }

    fn escape(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.focus == Pane::Requests && self.requests.selected_waiting().is_some() {
            self.cancel_waiting(now, out);
            return;
        }
        if self.focus == Pane::Tokens
            && let Some(request) = self.tokens.asking(&self.store)
        {
            self.cancel_request(request, now, out);
            return;
        }
        if self.focus == Pane::Explorer
            && let Some(request) = self.explorer.in_flight()
        {
            self.cancel_request(request, now, out);
            return;
        }
        // Marks first: the console checks payments all the time, so Esc would almost always cancel a check instead.
        if self.focus == Pane::Payments && self.payments.drop_marks() {
            return;
        }
        let update_ctx = &mut Self::update_ctx(&mut self.store, now, out);
        let cancelled = match self.focus {
            Pane::Credentials => self.credentials.cancel(update_ctx),
            Pane::Payments => self.payments.cancel(update_ctx),
            Pane::Estimates => self.estimates.cancel(update_ctx),
            Pane::Players => self.players.cancel(update_ctx),
            Pane::Explorer | Pane::Tokens | Pane::Requests | Pane::Callbacks => false,
        };
        if cancelled {
            self.store.flash(Level::Info, "cancelled");
            return;
        }
        // Clears the filter before the notice: hidden rows matter more than a notice that was read.
        let narrowed = match self.focus {
            Pane::Payments if !self.payments.filter().is_empty() => {
                self.payments.set_filter("");
                true
            }
            Pane::Requests if !self.requests.filter().is_empty() => {
                self.requests.set_filter("");
                true
            }
            Pane::Callbacks if !self.callbacks.filter().is_empty() => {
                self.callbacks.set_filter("");
                true
            }
            Pane::Credentials
            | Pane::Tokens
            | Pane::Payments
            | Pane::Estimates
            | Pane::Requests
            | Pane::Explorer
            | Pane::Callbacks
            | Pane::Players => false,
        };
        if narrowed {
            return;
        }
        if let Some(notice) = self.store.notices.last() {
            let about = notice.about.clone();
            self.store.dismiss(&about);
            return;
        }
        if self.focus == Pane::Explorer && self.explorer.back(&self.store, now) {
            return;
        }
        self.spread = ZoomMode::All;
    }

    pub(super) fn step(&mut self, step: Step, now: Now, out: &mut Vec<Effect>) {
        let screen = self.overlay_screen();
        match &mut self.overlay {
            Overlay::Alerts(state) => state.step(step, screen, &self.store),
            Overlay::Exchange(state) => state.step(step, screen),
            Overlay::Delivery(state) => state.step(step, screen),
            Overlay::Timeline(state) => state.step(step, screen, now, &self.store),
            Overlay::Guide(state) => state.step(step, screen),
            Overlay::Help(state) => state.step(step, screen, &self.keymap),
            Overlay::History(state) => state.step(step, screen),
            Overlay::Claims(state) => state.step(step, screen, &self.store),
            Overlay::Sandbox(state) => state.step(step, screen, &self.store),
            Overlay::Palette(state) => state.step(step),
            Overlay::None => self.step_pane(step, now, out),
            _ => {}
        }
    }

    fn step_pane(&mut self, step: Step, now: Now, out: &mut Vec<Effect>) {
        let list = self.list_area(self.focus, now);
        let height = list.height;
        match self.focus {
            Pane::Credentials => {
                let len = self.store.accounts.len();
                self.credentials.list.step(step, len, height);
            }
            Pane::Tokens => {
                let len = self.store.token_users().count();
                self.tokens.list.step(step, len, height);
            }
            Pane::Payments => {
                self.payments.step(step, height, &self.store);
            }
            Pane::Estimates => {
                let len = self.estimates.rows();
                self.estimates.list.step(step, len, height);
            }
            Pane::Requests => {
                let parts = self.request_parts();
                self.requests.step(
                    step,
                    parts,
                    &mut Self::update_ctx(&mut self.store, now, out),
                );
            }
            Pane::Explorer => self.explorer.step(step, &self.store),
            Pane::Callbacks => {
                let update_ctx = &mut Self::update_ctx(&mut self.store, now, out);
                self.callbacks.step(step, height, update_ctx);
            }
            Pane::Players => {
                let area = self.inside(Pane::Players);
                self.players.step(step, area);
            }
        }
    }

    /// The area of a pane's rows.
    pub(super) fn list_area(&self, pane: Pane, now: Now) -> Rect {
        let inner = self.inside(pane);
        if inner.is_empty() {
            return inner;
        }
        match pane {
            Pane::Credentials => panes::credentials::list_area(inner, self.store.accounts.len()),
            Pane::Tokens => panes::tokens::list_area(inner, self.store.token_users().count()),
            Pane::Payments => {
                let len = self.payments.rows(&self.store).len();
                let typing = self.overlay.filter(pane).is_some();
                self.payments.parts(inner, len, typing).list
            }
            Pane::Requests => panes::requests::parts(inner, &self.store).list,
            Pane::Callbacks => self.callbacks.parts(self.ctx(now, false), inner).list,
            Pane::Estimates | Pane::Explorer | Pane::Players => inner,
        }
    }

    pub(super) fn request_parts(&self) -> panes::requests::Parts {
        panes::requests::parts(self.inside(Pane::Requests), &self.store)
    }

    /// The inside of a pane's frame.
    pub(super) fn inside(&self, pane: Pane) -> Rect {
        let Some(areas) = self.areas() else {
            return Rect::default();
        };
        let area = areas.pane(pane);
        if area.width < 3 || area.height < 3 {
            return Rect::default();
        }
        padded(Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width - 2,
            height: area.height - 2,
        })
    }

    /// Windows leave the footer free.
    pub(super) fn overlay_screen(&self) -> Rect {
        Rect {
            height: self.screen.height.saturating_sub(1),
            ..self.screen
        }
    }

    pub(super) fn resized(&mut self, width: u16, height: u16, now: Now) {
        self.screen = Rect::new(0, 0, width, height);
        self.dirty = true;
        let screen = self.overlay_screen();
        match &mut self.overlay {
            Overlay::Exchange(state) => state.resized(screen),
            Overlay::Delivery(state) => state.resized(screen),
            _ => {}
        }
        for pane in Pane::ALL {
            let height = self.list_area(pane, now).height;
            match pane {
                Pane::Credentials => {
                    let len = self.store.accounts.len();
                    self.credentials.list.fit(len, height);
                }
                Pane::Payments => self.payments.fit(height, &self.store),
                Pane::Tokens => {
                    let len = self.store.token_users().count();
                    self.tokens.list.fit(len, height);
                }
                Pane::Callbacks => {
                    let len = self.callbacks.len();
                    self.callbacks.list.fit(len, height);
                }
                Pane::Estimates | Pane::Requests | Pane::Explorer | Pane::Players => {}
            }
        }
    }
}

fn has_claims(known: &AccountState) -> bool {
    known
        .token
        .as_ref()
        .is_some_and(|status| status.claims.is_some())
}
