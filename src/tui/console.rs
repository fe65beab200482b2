//! The console's own keys: focus, zoom, the windows that belong to no pane, quitting.

use std::any::Any;

use super::component::{Command, Component, DynComponent};
use super::intent::Intent;
use super::keys::{
    Action, ColumnAction, ConsoleAction, DetailAction, FILTER, FilterAction, GLOBAL, Keys as _,
    NavAction, WindowAction,
};
use super::msg::{Level, WatchKey};
use super::overlays::ask::Confirmation;
use super::overlays::{
    alerts, doctor, guide, help, link_form, palette, profiles, questions, sandbox, themes, timeline,
};
use super::pane::{GoTo, Pane};
use super::setup::OpenTarget;
use super::watched::Watched;
use super::{ComponentId, Effect, EffectSink, Model};
use crate::domain::{Ability, AccountId, Environment, Now, PaymentId, Secret, ThemeChoice};

/// What Esc does with a notice.
pub const DISMISSES: &str = "dismisses";

/// The timeline that a window is.
fn timeline_in(window: &DynComponent) -> Option<&timeline::State> {
    (window as &dyn Any).downcast_ref()
}

impl Model {
    /// The question that has the keys.
    pub(super) fn question(&self) -> Option<&Confirmation> {
        let top: &dyn Any = &**self.overlays.last()?;
        top.downcast_ref()
    }

    pub(super) fn act_console(&mut self, action: ConsoleAction, io: &mut EffectSink<'_>) {
        match action {
            ConsoleAction::Suspend => io.out.push(Effect::Suspend),
            ConsoleAction::Quit if self.store.may_lose() => {
                self.open(Box::new(questions::quit(Effect::Quit, &self.store)));
            }
            ConsoleAction::Quit | ConsoleAction::Leave => io.out.push(Effect::Quit),
            ConsoleAction::Escape => self.escape(io),
            ConsoleAction::Zoom if !self.can_zoom() => {
                let text = "this pane always fills the screen";
                self.store.flash(Level::Info, text);
            }
            ConsoleAction::Zoom => {
                self.is_zoomed = !self.is_zoomed;
            }
            ConsoleAction::Profiles => {
                self.open(Box::new(profiles::State::new(&self.store)));
            }
            ConsoleAction::Theme => {
                let is_off = !self.color;
                self.open(Box::new(themes::State::new(self.options.theme, is_off)));
            }
            ConsoleAction::CopyCommandLine => self.copy_command_line(io),
            ConsoleAction::NextPane => self.focus = self.beside(1),
            ConsoleAction::PreviousPane => self.focus = self.beside(self.shown.len() - 1),
            ConsoleAction::Help => self.open(Box::new(help::State::new(self.scope()))),
            ConsoleAction::Palette => {
                self.open(Box::new(palette::State::new(
                    self.offered(io.now),
                    self.scope(),
                )));
            }
            ConsoleAction::ShowAlerts => self.open(Box::new(alerts::State::new(&self.store))),
            ConsoleAction::Link | ConsoleAction::Sandbox | ConsoleAction::Doctor
                if !self.store.is_ready() =>
            {
                let text = "still starting; try again in a moment";
                self.store.flash(Level::Info, text);
            }
            ConsoleAction::Link => self.open_link_form(),
            ConsoleAction::Sandbox => self.open_sandbox(),
            ConsoleAction::Doctor => {
                let request = self.store.number();
                io.out.push(Effect::Diagnose(request));
                self.open(Box::new(doctor::State::new(request)));
            }
        }
    }

    fn copy_command_line(&mut self, io: &mut EffectSink<'_>) {
        let top = self.component(self.top());
        let command = top.command(self.ctx(io.now, false));
        let Some(command) = self.store.recording_command().or(command) else {
            let text = "no command gives what is selected here";
            self.store.flash(Level::Info, text);
            return;
        };
        let text = Secret::new(command);
        let what = "the tilldeck command".into();
        io.out.push(Effect::Copy { text, what });
    }

    /// The shown pane this many places after the focused one; from a hidden pane, the first.
    fn beside(&self, places: usize) -> Pane {
        let mut shown = self.shown.iter();
        let at = shown.position(|pane| *pane == self.focus);
        at.map_or(self.shown[0], |at| {
            self.shown[(at + places) % self.shown.len()]
        })
    }

    /// Goes to a place once the console is ready.
    pub fn open_at(&mut self, target: OpenTarget) {
        self.target = Some(target);
    }

    pub(super) fn go_to(&mut self, target: OpenTarget, io: &mut EffectSink<'_>) {
        let intent = match target {
            OpenTarget::Account(account) => Intent::ShowAccount(account),
            OpenTarget::Request(id) => Intent::OpenRequest(id),
            OpenTarget::Callback(id) => Intent::OpenCallback(id),
            OpenTarget::Payment { account, id } => {
                let keys = self.store.payments.iter().map(Watched::key);
                let is_it = |key: &WatchKey| {
                    key.1 == id && account.as_ref().is_none_or(|account| *account == key.0)
                };
                match keys.into_iter().find(is_it) {
                    Some(key) => Intent::ShowPayment(key),
                    None => return self.open_unwatched(account, id, io),
                }
            }
        };
        self.carry_out(Command::Do(intent), io);
    }

    /// Opens the timeline of a payment that is not on the watch list.
    fn open_unwatched(
        &mut self,
        account: Option<AccountId>,
        id: PaymentId,
        io: &mut EffectSink<'_>,
    ) {
        let (accounts, _) = self.store.accounts_with(Ability::Payments);
        self.focus = Pane::Payments;
        match (account, &accounts[..]) {
            (Some(account), _) => self.carry_out(Command::Timeline(account, id), io),
            (None, [only]) => self.carry_out(Command::Timeline(only.clone(), id), io),
            (None, _) => {
                let text = format!("{id} is not watched; start with --account to see its timeline");
                self.store.flash(Level::Warning, text);
            }
        }
    }

    /// Opens a window. A timeline that is open already comes back instead: windows must not pile up.
    pub(super) fn open(&mut self, window: Box<DynComponent>) {
        let opened = timeline_in(&*window);
        let mut open = self.overlays.iter();
        let same = open.position(|below| {
            let both = timeline_in(&**below).zip(opened);
            both.is_some_and(|(below, opened)| below.is_of(opened))
        });
        match same {
            Some(at) => self.overlays.truncate(at + 1),
            None => self.overlays.push(window),
        }
    }

    fn open_link_form(&mut self) {
        let (accounts, at) = self.store.accounts_with(Ability::Links);
        if accounts.is_empty() {
            self.store.none_can(Ability::Links);
        } else {
            self.open(Box::new(link_form::State::of(accounts, at)));
        }
    }

    fn open_sandbox(&mut self) {
        if self.store.simulator.is_none() {
            let text = "this profile has no built-in simulator";
            self.store.flash(Level::Info, text);
            return;
        }
        let selected = self.store.selected_payment.clone();
        let simulated = selected.filter(|(account, _)| {
            let known = self.store.known(account);
            known.is_some_and(|known| known.account.environment == Environment::Embedded)
        });
        self.open(Box::new(sandbox::State::new(simulated.map(|(_, id)| id))));
    }

    /// Cancels, dismisses or goes back, whichever comes first.
    fn escape(&mut self, io: &mut EffectSink<'_>) {
        let pane = ComponentId::Pane(self.focus);
        // Clears a filter before the notice: hidden rows matter more than a notice that was read.
        if self.call(pane, io, Component::cancel) {
            return;
        }
        if let Some(notice) = self.store.first_notice() {
            let about = notice.about.clone();
            self.store.dismiss(&about);
            return;
        }
        if !self.call(pane, io, Component::back) {
            self.is_zoomed = false;
        }
    }

    /// What Esc does while a notice is shown, unless a request is cancelled first; empty in a window or a text field.
    pub(super) fn escape_word(&self) -> &'static str {
        if !self.scope().is_in(&GLOBAL) {
            return "";
        }
        let pane = self.component(ComponentId::Pane(self.focus));
        pane.undoes().unwrap_or(DISMISSES)
    }

    /// Opens another profile, or the current one where that has failed. Asks first while a write request is in flight or a
    /// payment is not saved.
    pub(super) fn switch_profile(&mut self, name: String, io: &mut EffectSink<'_>) {
        if name == self.store.profile && !self.has_failed() {
            return;
        }
        let switch = Effect::SwitchProfile(name);
        if self.store.may_lose() {
            self.open(Box::new(questions::quit(switch, &self.store)));
        } else {
            io.out.push(switch);
        }
    }

    /// What the palette offers: the actions that work here and those of every pane, then accounts, payments, other
    /// profiles, themes, help, calls.
    fn offered(&self, now: Now) -> Vec<palette::Entry> {
        let here = self.scope();
        let offered = self
            .keymap
            .bindings()
            .filter(|binding| here.is_in(binding.scope) || Pane::of(binding.scope).is_some());
        let offered = offered.map(Action).filter(|action| {
            let own = [ConsoleAction::Palette.into(), ConsoleAction::Escape.into()];
            NavAction::of(*action).is_none() && !own.contains(action) && self.can(*action, now)
        });
        let actions = offered.map(|action| palette::Entry {
            kind: Pane::of(action.0.scope).map_or("console", Pane::name),
            name: action.0.name.to_owned(),
            about: action.0.help.to_owned(),
            does: Command::Act(action),
        });
        let accounts = self.store.accounts.iter();
        let accounts = accounts.map(|known| palette::Entry {
            kind: "account",
            name: known.id().to_string(),
            about: known.account.provider_title.to_owned(),
            does: Command::Do(Intent::ShowAccount(known.id().clone())),
        });
        let payments = self.store.payments.iter();
        let round = self.store.round_of_checks();
        let payments = payments.map(|watched| {
            let key = watched.key();
            palette::Entry {
                kind: "payment",
                name: key.1.to_string(),
                about: format!("{} at {}", watched.mark(now, round).1, key.0),
                does: Command::Do(Intent::ShowPayment(key)),
            }
        });
        let profiles = self.store.profiles.iter();
        let profiles = profiles.filter(|profile| profile.name != self.store.profile);
        let profiles = profiles.map(|profile| palette::Entry {
            kind: "profile",
            name: profile.name.clone(),
            about: format!("switch to profile {}", profile.name),
            does: Command::Profile(profile.name.clone()),
        });
        let themes = ThemeChoice::ALL.map(|theme| palette::Entry {
            kind: "theme",
            name: theme.as_str().to_owned(),
            about: theme.about().to_owned(),
            does: Command::Theme(theme),
        });
        let calls = super::panes::explorer::offered(&self.store, now);
        let calls = calls.into_iter().map(|(account, call)| palette::Entry {
            kind: "call",
            name: format!("{} {}", call.method, call.path),
            about: format!("{} at {account}", call.about),
            does: Command::Do(Intent::FillIn(account, call)),
        });
        let topics = help::topics(&self.keymap).map(|title| palette::Entry {
            kind: "help",
            name: title.to_owned(),
            about: "keys and symbols".to_owned(),
            does: Command::Open(Box::new(help::State::about(title))),
        });
        let setups = &self.store.setups;
        let guides = setups.iter().map(|setup| palette::Entry {
            kind: "guide",
            name: setup.title.to_owned(),
            about: "how to get an account and credentials".to_owned(),
            does: Command::Open(Box::new(guide::State::new(setups, Some(setup.provider)))),
        });
        let entries = actions.chain(accounts).chain(payments).chain(profiles);
        let help = topics.chain(guides);
        entries.chain(themes).chain(help).chain(calls).collect()
    }

    /// Whether an action is available now. Footer and palette omit the others.
    pub(super) fn can(&self, action: Action, now: Now) -> bool {
        if self.why_barred(action).is_some() {
            return false;
        }
        if let Some(action) = ConsoleAction::of(action) {
            return self.can_console(action);
        }
        if let Some(action) = GoTo::of(action) {
            return self.focus != action.pane();
        }
        if WindowAction::of(action) == Some(WindowAction::HelpHere) {
            return *self.scope() != help::HELP;
        }
        if NavAction::of(action).is_some()
            || ColumnAction::of(action).is_some()
            || WindowAction::of(action).is_some()
            || FilterAction::of(action).is_some()
            || DetailAction::of(action).is_some()
        {
            return true;
        }
        let ctx = self.ctx(now, false);
        let panes = Pane::ALL.into_iter().map(ComponentId::Pane);
        let mut places = std::iter::once(self.top()).chain(panes);
        let can = places.find_map(|place| self.component(place).can_any(action, ctx));
        can.unwrap_or(false)
    }

    fn can_zoom(&self) -> bool {
        let is_beside = self.areas().is_some_and(|areas| areas.tabs.is_empty());
        let may = !self.focus.is_alone() || is_beside || self.is_zoomed;
        may && self.shown.contains(&self.focus)
    }

    fn can_console(&self, action: ConsoleAction) -> bool {
        let ready = self.store.is_ready();
        match action {
            ConsoleAction::Link => ready && self.store.any_can(Ability::Links),
            ConsoleAction::Sandbox => ready && self.store.simulator.is_some(),
            ConsoleAction::Doctor => ready,
            ConsoleAction::Zoom => self.can_zoom(),
            ConsoleAction::ShowAlerts
            | ConsoleAction::Profiles
            | ConsoleAction::Theme
            | ConsoleAction::CopyCommandLine
            | ConsoleAction::NextPane
            | ConsoleAction::PreviousPane
            | ConsoleAction::Escape
            | ConsoleAction::Palette
            | ConsoleAction::Help
            | ConsoleAction::Quit
            | ConsoleAction::Leave
            | ConsoleAction::Suspend => true,
        }
    }

    /// The footer's word for an action, which may depend on the selection.
    pub(super) fn footer_word(&self, action: Action, now: Now) -> &'static str {
        // In an open filter, the key that closes a window leaves it open.
        if *self.scope() == FILTER && WindowAction::of(action).is_some() {
            return "clear";
        }
        let word = self
            .component(self.top())
            .word_any(action, self.ctx(now, false));
        word.unwrap_or(action.0.short)
    }
}
