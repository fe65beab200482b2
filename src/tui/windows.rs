//! What is done in windows: opening them, checking their forms, and what follows from one that is filled in.

use super::keys::{Action, TABLE};
use super::msg::{Level, NewWatch};
use super::overlays::sandbox::Chosen;
use super::overlays::{Overlay, Stage, add_watch, arm, palette, simulate_form};
use super::panes::{Pane, step};
use super::store::Purpose;
use super::widgets::form::{first_line, paste};
use super::{Effect, Model};
use crate::domain::{AccountId, ExpectedBy, LinkRequest, Now, Op, Secret, curl};

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
        let (accounts, at) = self.offered_accounts();
        if accounts.is_empty() {
            self.store
                .flash(Level::Warning, "this profile has no accounts");
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
            let text = format!("{account} is not a live account; it needs no arming");
            self.store.flash(Level::Info, text);
        } else if known.armed(now).is_some() {
            known.disarm();
            self.store
                .flash(Level::Info, format!("{account} is disarmed"));
        } else {
            self.overlay = Overlay::Arm(arm::State::new(account, None));
        }
    }

    /// The locked switch of the link form was pressed.
    pub(super) fn arm_for_form(&mut self) {
        if let Overlay::LinkForm(form) = &self.overlay
            && let Some(account) = form.account().cloned()
        {
            let resume = Some(Box::new(form.clone()));
            self.overlay = Overlay::Arm(arm::State::new(account, resume));
        }
    }

    /// Another account may have been chosen, or an arming have run out.
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
                        .watch(new, &mut Self::hand(&mut self.store, now, out));
                }
            }
            Overlay::Quote(form) => {
                if let Some(question) = form.submit() {
                    self.overlay = Overlay::None;
                    self.estimates
                        .ask(question, &mut Self::hand(&mut self.store, now, out));
                }
            }
            Overlay::LinkForm(form) => {
                if form.stage.asked().is_some() {
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
        let words = format!("{account} is armed for ten minutes");
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

    /// What a key does in the simulator's window.
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
                state.turned(&self.store, action == Action::NextChoice)
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
                let at = self
                    .store
                    .payments
                    .iter()
                    .position(|w| w.watch.account == account && w.watch.id == id);
                if let Some(at) = at {
                    self.payments.list.selected = at;
                }
                self.focus = Pane::Payments;
                self.overlay = Overlay::None;
            }
        }
    }

    /// A finished link is watched from the start, with what it asks for as the expectation.
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
            .watch(new, &mut Self::hand(&mut self.store, now, out));
    }

    pub(super) fn offered_accounts(&self) -> (Vec<AccountId>, usize) {
        let accounts = self
            .store
            .accounts
            .iter()
            .map(|known| known.id().clone())
            .collect();
        (accounts, self.credentials.list.selected)
    }

    pub(super) fn paste(&mut self, text: &str, now: Now) {
        self.dirty = true;
        let (id, more) = first_line(text);
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
                wanted
            }
            Overlay::Filter(pane, input) => {
                paste(input, text);
                let (pane, filter) = (*pane, input.value().to_owned());
                self.set_filter(pane, &filter);
                true
            }
            Overlay::Palette(state) => {
                state.paste(text);
                true
            }
            overlay => overlay.form().is_some_and(|form| form.paste(text)),
        };
        if taken && more {
            let words = "only the first line of what was pasted was taken";
            self.store.flash(Level::Warning, words);
        }
    }
}
