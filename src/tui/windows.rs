//! The actions of windows: opens them, checks their forms, and carries out a complete form.

use super::alerts::Target;
use tui_input::Input;

use super::keys::{Action, TABLE};
use super::msg::{Level, NewWatch};
use super::overlays::sandbox::Chosen;
use super::overlays::{
    Overlay, Stage, add_many, add_watch, arm, expect_ask, palette, simulate_form,
};
use super::panes::payments::pasted::{self, Pasted};
use super::panes::{Pane, step};
use super::store::Purpose;
use super::widgets::input::{first_line, paste};
use super::{Effect, Model};
use crate::domain::{
    Ability, AccountId, Expectation, ExpectedBy, LinkRequest, Now, Op, Problem, Secret, curl,
};

impl Model {
    pub(super) fn open_palette(&mut self) {
        let here = self.scope().chain();
        let offered = TABLE
            .iter()
            .filter(|row| {
                (here.contains(&row.scope) || Pane::of(row.scope).is_some())
                    && step(row.action).is_none()
                    && !matches!(row.action, Action::Palette | Action::Escape)
                    && self.can(row.action)
            })
            .map(|row| row.action)
            .collect();
        self.overlay = Overlay::Palette(palette::State::new(offered));
    }

    pub(super) fn open_add_watch(&mut self, id: &str) {
        let (accounts, at) = self.offered_accounts(Ability::Payments);
        if accounts.is_empty() {
            self.none_can(Ability::Payments);
        } else {
            self.overlay = Overlay::AddWatch(add_watch::State::new(accounts, at, id));
        }
    }

    pub(super) fn toggle_arming(&mut self, now: Now) {
        let selected = self.credentials.selected(&self.store);
        if let Some(account) = selected.map(|known| known.id().clone()) {
            self.toggle_arming_of(account, now);
        }
    }

    pub(super) fn toggle_arming_of(&mut self, account: AccountId, now: Now) {
        let Some(known) = self.store.known_mut(&account) else {
            return;
        };
        if !known.account.environment.is_live() {
            let text = format!("{account} is not a live account: write calls are always allowed");
            self.store.flash(Level::Info, text);
        } else if known.armed(now).is_some() {
            known.disarm();
            self.store
                .flash(Level::Info, format!("{account} is disarmed"));
        } else {
            self.overlay = Overlay::Arm(arm::State::new(account, None));
        }
    }

    /// Asks to arm the account, after a press on the locked switch of the link form.
    pub(super) fn arm_for_form(&mut self) {
        if let Overlay::LinkForm(form) = &self.overlay
            && let Some(account) = form.account().cloned()
        {
            let resume = Some(Box::new(form.clone()));
            self.overlay = Overlay::Arm(arm::State::new(account, resume));
        }
    }

    /// Updates the form: the chosen account may have changed, or its arming may have expired.
    pub(super) fn form_changed(&mut self, now: Now) {
        if let Overlay::LinkForm(form) = &mut self.overlay {
            let may = form
                .account()
                .and_then(|account| self.store.known(account))
                .is_some_and(|known| known.may_write(now));
            form.allow_writes(may);
        }
        if let Overlay::AddAccount(form) = &mut self.overlay {
            form.refit();
        }
    }

    pub(super) fn submit(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.form_changed(now);
        match &mut self.overlay {
            Overlay::AddWatch(form) => {
                if let Some(new) = form.submit() {
                    self.overlay = Overlay::None;
                    self.focus = Pane::Payments;
                    self.payments
                        .watch(new, &mut Self::update_ctx(&mut self.store, now, out));
                }
            }
            Overlay::AddMany(form) => {
                if let Some(account) = form.account().cloned() {
                    let pasted = std::mem::take(&mut form.pasted);
                    self.overlay = Overlay::None;
                    let update_ctx = &mut Self::update_ctx(&mut self.store, now, out);
                    self.payments.watch_all(&account, pasted, update_ctx);
                }
            }
            Overlay::ExpectForm(form) => {
                if let Some(new) = form.submit() {
                    self.overlay = Overlay::None;
                    out.push(Effect::Watch(new));
                }
            }
            Overlay::Quote(form) => {
                if let Some(question) = form.submit() {
                    self.overlay = Overlay::None;
                    self.estimates
                        .ask(question, &mut Self::update_ctx(&mut self.store, now, out));
                }
            }
            Overlay::LinkForm(form) => {
                if form.stage.request().is_some() {
                    return;
                }
                if let Some((account, link)) = form.submit() {
                    let op = Op::PaymentLink(link.clone());
                    let purpose = Purpose::Link(link);
                    let request = self.store.ask(account, op, purpose, false, out);
                    form.stage = Stage::Asked(request);
                }
            }
            Overlay::Arm(_) => self.submit_arming(now),
            Overlay::AddAccount(_) | Overlay::Remove(_) | Overlay::Rotate(_) => {
                self.submit_change(out);
            }
            Overlay::Replay(_) => self.submit_replay(out),
            Overlay::Player(_) => self.submit_player(now, out),
            Overlay::SimulateForm(form) => {
                out.push(Effect::Simulate(form.command()));
                self.overlay = Overlay::Sandbox(form.back.clone());
            }
            _ => {}
        }
    }

    pub(super) fn submit_arming(&mut self, now: Now) {
        let Overlay::Arm(form) = &mut self.overlay else {
            return;
        };
        if !form.submit() {
            return;
        }
        let account = form.account.clone();
        let resume = form.resume.take();
        if let Some(known) = self.store.known_mut(&account) {
            known.arm(now);
        }
        let words = format!("{account} is armed: write calls are allowed for ten minutes");
        self.store.flash(Level::Warning, words);
        self.overlay = match resume {
            Some(mut form) => {
                form.unlock();
                Overlay::LinkForm(*form)
            }
            None => Overlay::None,
        };
    }

    pub(super) fn copy_exchange(&mut self, action: Action, out: &mut Vec<Effect>) {
        let Overlay::Exchange(state) = &self.overlay else {
            return;
        };
        out.push(if action == Action::CopyCurl {
            Effect::Copy {
                text: Secret::new(curl::command(&state.exchange)),
                what: "the request as a curl command",
            }
        } else {
            Effect::Copy {
                text: Secret::new(state.body()),
                what: "the body",
            }
        });
    }

    /// The actions of the simulator's window.
    pub(super) fn play(&mut self, action: Action, out: &mut Vec<Effect>) {
        let screen = self.overlay_screen();
        let Overlay::Sandbox(state) = &mut self.overlay else {
            return;
        };
        let command = match action {
            Action::NextSection => {
                state.next_section(screen, &self.store);
                None
            }
            Action::NextChoice | Action::PreviousChoice => {
                state.next_value(&self.store, action == Action::NextChoice)
            }
            Action::OtherValue => {
                if let Some((provider, setting)) = state.setting(&self.store) {
                    let form = simulate_form::State::setting(provider, setting, state.clone());
                    self.overlay = Overlay::SimulateForm(Box::new(form));
                }
                None
            }
            _ => match state.chosen(&self.store) {
                Some(Chosen::Do(command)) => Some(command),
                Some(Chosen::Ask(provider, event)) => {
                    let form = simulate_form::State::event(&provider, event, state.clone());
                    self.overlay = Overlay::SimulateForm(Box::new(form));
                    None
                }
                None => None,
            },
        };
        out.extend(command.map(Effect::Simulate));
    }

    pub(super) fn use_link(&mut self, action: Action, out: &mut Vec<Effect>) {
        let Overlay::LinkResult(state) = &self.overlay else {
            return;
        };
        match action {
            Action::CopyLink => out.push(Effect::Copy {
                text: state.link.url.clone(),
                what: "the payment link",
            }),
            Action::OpenLink => out.push(Effect::Browse(state.link.url.clone())),
            _ => {
                let (account, id) = (state.account.clone(), state.request.id.clone());
                self.payments.select(&account, &id, &self.store);
                self.focus = Pane::Payments;
                self.overlay = Overlay::None;
            }
        }
    }

    /// Watches the payment of a new link, with the link's amount as the expected one.
    pub(super) fn watch_link(
        &mut self,
        account: &AccountId,
        link: &LinkRequest,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let new = NewWatch {
            account: account.clone(),
            id: link.id.clone(),
            expected: Some(link.expected()),
            by: ExpectedBy::Link,
        };
        self.payments
            .watch(new, &mut Self::update_ctx(&mut self.store, now, out));
    }

    /// The accounts with an ability, and the index of the selected payment's account among them, or 0.
    pub(super) fn offered_accounts(&self, ability: Ability) -> (Vec<AccountId>, usize) {
        let able = self.store.accounts.iter();
        let able = able.filter(|known| known.account.can(ability));
        let accounts: Vec<AccountId> = able.map(|known| known.id().clone()).collect();
        let selected = self.payments.selected(&self.store);
        let at = selected.and_then(|watched| {
            let mut all = accounts.iter();
            all.position(|id| *id == watched.watch.account)
        });
        (accounts, at.unwrap_or(0))
    }

    pub(super) fn any_can(&self, ability: Ability) -> bool {
        let mut all = self.store.accounts.iter();
        all.any(|known| known.account.can(ability))
    }

    /// Shows a notice that no account has the ability.
    pub(super) fn none_can(&mut self, ability: Ability) {
        let text = format!("no account of this profile has {}", ability.noun());
        self.store.flash(Level::Warning, text);
    }

    /// Goes to the target of the selected alert.
    pub(super) fn go_to_alert(&mut self) {
        let Overlay::Alerts(state) = &self.overlay else {
            return;
        };
        let Some(alert) = state.chosen(&self.store) else {
            return;
        };
        match alert.target {
            Target::Payment((account, id)) => {
                self.focus = Pane::Payments;
                self.payments.select(&account, &id, &self.store);
            }
            Target::Account(account) => {
                let mut all = self.store.accounts.iter();
                if let Some(at) = all.position(|known| *known.id() == account) {
                    self.credentials.list.selected = at;
                }
                self.focus = Pane::Credentials;
            }
            Target::Callbacks => self.focus = Pane::Callbacks,
            Target::Notice(_) => return,
        }
        self.overlay = Overlay::None;
    }

    /// Marks the selected alert as handled, or dismisses it if it is a notice.
    pub(super) fn mark_handled(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Overlay::Alerts(state) = &self.overlay else {
            return;
        };
        let Some(alert) = state.chosen(&self.store) else {
            return;
        };
        match alert.target {
            Target::Notice(about) => self.store.dismiss(&about),
            Target::Payment(_) | Target::Account(_) | Target::Callbacks => {
                let handled = alert.handled.is_none();
                let words = if handled {
                    "marked as handled"
                } else {
                    "no longer marked as handled"
                };
                self.store.mark_handled(alert.key, handled, now, out);
                self.store.flash(Level::Info, words);
            }
        }
    }

    /// Replaces the expected amount, after the operator confirmed.
    pub(super) fn confirm_expected(&mut self, now: Now, out: &mut Vec<Effect>) {
        match std::mem::take(&mut self.overlay) {
            Overlay::ExpectAsk(state) if state.is_read(now) => out.push(Effect::Expect {
                new: state.new,
                shown: state.current.sum,
            }),
            other => self.overlay = other,
        }
    }

    /// Shows the result of watching a payment or of setting its expected amount.
    pub(super) fn watched(
        &mut self,
        new: NewWatch,
        result: Result<Option<Expectation>, Problem>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.reload_timeline(&new.account, &new.id, now);
        let update_ctx = &mut Self::update_ctx(&mut self.store, now, out);
        let Some(current) = self.payments.watched(&new, result, update_ctx) else {
            return;
        };
        if matches!(self.overlay, Overlay::None) {
            let opened = now.mono;
            let state = expect_ask::State {
                new,
                current,
                opened,
            };
            self.overlay = Overlay::ExpectAsk(Box::new(state));
        } else {
            let text = format!(
                "{} still expects {}; the amount you typed is not saved",
                new.id, current.sum
            );
            self.store.flash(Level::Warning, text);
        }
    }

    /// Watches several pasted payments. With several accounts, a form asks for the account.
    fn add_pasted(
        &mut self,
        pasted: Pasted,
        account: Option<&AccountId>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let (accounts, at) = self.offered_accounts(Ability::Payments);
        let mut all = accounts.iter();
        let at = all.position(|id| Some(id) == account).unwrap_or(at);
        match accounts.as_slice() {
            [] => self.none_can(Ability::Payments),
            [only] => {
                let update_ctx = &mut Self::update_ctx(&mut self.store, now, out);
                self.payments.watch_all(only, pasted, update_ctx);
            }
            _ => {
                let state = add_many::State::new(accounts, at, pasted);
                self.overlay = Overlay::AddMany(Box::new(state));
            }
        }
    }

    /// Opens a pane's filter input with the current filter.
    pub(super) fn type_filter(&mut self, pane: Pane) {
        let filter = match pane {
            Pane::Callbacks => self.callbacks.filter(),
            Pane::Payments => self.payments.filter(),
            Pane::Credentials
            | Pane::Tokens
            | Pane::Estimates
            | Pane::Requests
            | Pane::Explorer
            | Pane::Players => self.requests.filter(),
        };
        self.overlay = Overlay::Filter(pane, Input::new(filter.to_owned()));
    }

    pub(super) fn set_filter(&mut self, pane: Pane, filter: &str) {
        match pane {
            Pane::Callbacks => self.callbacks.set_filter(filter),
            Pane::Payments => self.payments.set_filter(filter),
            Pane::Credentials
            | Pane::Tokens
            | Pane::Estimates
            | Pane::Requests
            | Pane::Explorer
            | Pane::Players => self.requests.set_filter(filter),
        }
    }

    pub(super) fn paste(&mut self, text: &str, now: Now, out: &mut Vec<Effect>) {
        self.dirty = true;
        let (id, more) = first_line(text);
        let (takes_list, account) = match &self.overlay {
            Overlay::None => (self.focus == Pane::Payments && self.store.is_ready(), None),
            Overlay::AddWatch(form) => (form.types_id(), form.account().cloned()),
            _ => (false, None),
        };
        if takes_list && let Some(pasted) = pasted::read(text) {
            self.overlay = Overlay::None;
            self.add_pasted(pasted, account.as_ref(), now, out);
            return;
        }
        // `Some(true)`: the target took the first line only.
        let taken = match &mut self.overlay {
            Overlay::None if self.focus == Pane::Explorer => {
                self.explorer.paste(text, &mut self.store, now)
            }
            Overlay::None => {
                let wanted =
                    self.focus == Pane::Payments && self.store.is_ready() && !id.is_empty();
                if wanted {
                    self.open_add_watch(id);
                }
                wanted.then_some(true)
            }
            Overlay::Filter(pane, input) => {
                paste(input, text);
                let (pane, filter) = (*pane, input.value().to_owned());
                self.set_filter(pane, &filter);
                Some(true)
            }
            Overlay::Palette(state) => {
                state.paste(text);
                Some(true)
            }
            Overlay::Help(state) => state.paste(text).then_some(true),
            overlay => overlay
                .form()
                .is_some_and(|form| form.paste(text))
                .then_some(true),
        };
        if taken == Some(true) && more {
            let words = "pasted only the first line";
            self.store.flash(Level::Warning, words);
        }
        if taken.is_none() && !text.trim().is_empty() {
            self.store
                .flash(Level::Info, "cannot paste here: type the keys one by one");
        }
    }
}
