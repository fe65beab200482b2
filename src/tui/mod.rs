//! The console: `Model`, `update` and `view`, all pure. This file only routes keys: to the top window, else to the focused
//! pane, else to the console itself.

mod ages;
mod alerts;
mod background;
mod chosen;
mod chrome;
mod component;
mod console;
mod deliveries;
mod dispatch;
mod draw;
mod due;
pub mod effect;
mod events;
mod finder;
mod hits;
mod intent;
mod jobs;
mod keys;
mod layout;
pub mod msg;
mod notifier;
mod overlays;
mod pane;
mod panes;
mod pasted;
mod plain;
mod pointer;
mod prelude;
mod recording;
mod reopening;
mod rows;
mod screen_state;
pub mod setup;
mod store;
mod table;
mod theme;
mod traffic;
mod watched;
mod widgets;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::crossterm::event::{KeyEvent, KeyEventKind};
use ratatui::layout::{Margin, Rect};

use crate::domain::{Color, ListenerStatus, Now, ThemeChoice, Ui, Words};

pub use draw::view;
pub use effect::{Effect, LOAD};
pub use layout::SMALLEST;
pub use msg::Msg;
pub use plain::{Detail, Plain};
pub use screen_state::ScreenState;
pub use setup::{OpenTarget, ProfileEntry, Recording, Setup, SetupError};
pub use table::{KeyRow, key_rows};

use component::{Command, Component, DynComponent, UpdateContext, ViewContext};
use hits::Target;
use keys::{
    Action, ColumnAction, ConsoleAction, DetailAction, FilterAction, Keymap, Keys as _, NavAction,
    Scope, WindowAction,
};
use layout::{Areas, LayoutInput, arrange};
use msg::Level;
use notifier::Notifier;
use overlays::timeline;
use pane::{GoTo, Pane};
use panes::{Panes, explorer};
use screen_state::Awaited;
use store::{Phase, Store};
use theme::Theme;
use widgets::boxes::padded;
use widgets::filter::Filter;
use widgets::input::Paste;
use widgets::list::Step;

/// The complete state of the console.
#[derive(Debug, Clone)]
pub struct Model {
    options: Ui,
    tint: Option<Color>,
    /// Whether colours are used at all.
    color: bool,
    theme: Theme,
    keymap: Keymap,
    screen: Rect,
    /// The operator's panes, in their order.
    shown: Vec<Pane>,
    focus: Pane,
    /// Whether one pane fills the body.
    is_zoomed: bool,
    /// The open windows; the last one is on top.
    overlays: Vec<Box<DynComponent>>,
    store: Store,
    panes: Panes,
    /// The explorers of the other profiles that were open in this session.
    explored: BTreeMap<String, explorer::State>,
    /// Rows that the details in the focused pane need, as of the last update.
    detail_rows: u16,
    /// The rows of the first notice.
    notice_rows: u16,
    /// The last focused of Requests and Callbacks, which share one place on small screens.
    log: Pane,
    /// Until when an answer about the terminal's background is of use; `None` before the question.
    background_until: Option<Duration>,
    /// The theme for the terminal's background, once it is known.
    background: ThemeChoice,
    /// What the pointer holds: the edge of a column, or a scroll bar.
    dragged: Option<Target>,
    dirty: bool,
    /// Clicks before this are for what was on the screen before.
    clicks_from: Duration,
    notifier: Notifier,
    /// The rows of the last run that are still to be selected.
    awaited: Awaited,
    /// Where to go once the console is ready.
    target: Option<OpenTarget>,
}

/// The component that gets a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ComponentId {
    Pane(Pane),
    /// The window at this place of the stack.
    Window(usize),
}

impl Model {
    /// The console before its first message.
    ///
    /// # Errors
    /// Names the key override or the pane that is not valid.
    pub fn new(setup: Setup) -> Result<Self, SetupError> {
        let shown = match &setup.ui.panes {
            None => Pane::ALL.to_vec(),
            Some(Words { words, place }) => Pane::chosen(words).map_err(|why| SetupError {
                place: place.clone(),
                message: format!("[ui] panes: {why}"),
                hint: "delete the line to show all panes",
            })?,
        };
        let keymap = table::keymap(&setup.ui.keys)?;
        let first = shown.first().copied().unwrap_or(Pane::Payments);
        let has_payments = shown.contains(&Pane::Payments);
        let mut store = Store::new(&setup);
        store.flash = setup.recording.as_ref().and_then(recording::greeting);
        Ok(Self {
            theme: Theme::new(&setup.ui, setup.tint, setup.color),
            keymap,
            screen: Rect::new(0, 0, 80, 24),
            focus: if has_payments { Pane::Payments } else { first },
            shown,
            is_zoomed: false,
            overlays: Vec::new(),
            store,
            panes: Panes::new(&setup),
            explored: BTreeMap::new(),
            detail_rows: 0,
            notice_rows: 0,
            log: Pane::Requests,
            background_until: None,
            background: ThemeChoice::Auto,
            dragged: None,
            dirty: true,
            clicks_from: Duration::ZERO,
            notifier: Notifier::default(),
            awaited: Vec::new(),
            target: None,
            tint: setup.tint,
            color: setup.color,
            options: setup.ui,
        })
    }

    /// Whether the terminal should report the mouse.
    pub fn mouse_wanted(&self) -> bool {
        self.options.mouse
    }

    /// Whether the screen may have changed since the last call of [`Model::take_dirty`].
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether the screen may have changed since the last call.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// What the operator must notice beside the screen: the window's title and new alerts. Called once for each frame, so
    /// that what arrives together is one notification.
    pub fn notify(&mut self, now: Now) -> Vec<Effect> {
        self.notifier.review(&self.store, now)
    }

    /// The time until a request or an alert is due by itself, besides what [`view`] says of the screen. `None` while idle.
    pub fn next_wake(&self, now: Now) -> Option<Duration> {
        let panes = Pane::ALL.into_iter().map(|pane| self.panes.get(pane));
        let windows = self.overlays.iter().map(AsRef::as_ref);
        let sends = panes.chain(windows).filter_map(Component::due);
        let due = self.store.poll_due().into_iter().chain(sends);
        let due = due.filter(|_| self.store.is_ready());
        let looks = self.store.budgets_due(now);
        let looks = looks.filter(|_| self.shows(Pane::Requests));
        let heartbeat = match self.store.listening {
            ListenerStatus::Up { heartbeat, .. } => Some(ages::age_changes_in(heartbeat, now)),
            ListenerStatus::Off
            | ListenerStatus::Elsewhere { .. }
            | ListenerStatus::Down { .. } => None,
        };
        let changes = self.store.changes_in(now).into_iter().chain(heartbeat);
        let changes = changes.map(|left| ages::whole_second(now.mono + left));
        let due = due.chain(looks).chain(changes);
        let due = due.map(|due| due.saturating_sub(now.mono));
        let wake = due.chain(self.notifier.due_in(now)).min();
        wake.map(|wake| wake.max(Duration::from_millis(1)))
    }

    fn arranged(&self, screen: Rect) -> Option<Areas> {
        let areas = self.arranged_panes(screen)?;
        Some(areas.with_notice(self.notice_rows))
    }

    fn arranged_panes(&self, screen: Rect) -> Option<Areas> {
        let log = match self.focus {
            pane @ (Pane::Requests | Pane::Callbacks) => pane,
            _ => self.log,
        };
        let is_hidden = !self.shown.contains(&self.focus);
        let input = LayoutInput {
            focus: self.focus,
            is_zoomed: is_hidden || self.is_zoomed,
            log,
            accounts: self.store.accounts.len(),
            tokens: self.store.token_users().count(),
            detail: self.detail_rows,
        };
        let alone = LayoutInput {
            is_zoomed: true,
            ..input
        };
        if self.shown == Pane::ALL {
            return arrange(screen, input);
        }
        // Among the operator's panes, the focused one may need the whole body only if it does not fit beside them.
        let together = LayoutInput {
            focus: Pane::Payments,
            ..input
        };
        let chosen = arrange(screen, together)
            .filter(|areas| areas.tabs.is_empty())
            .and_then(|areas| chosen::arrange(areas, &self.shown))
            .filter(|areas| !areas.pane(self.focus).is_empty());
        chosen.or_else(|| arrange(screen, alone))
    }

    /// The panes that have a tab: the operator's, and the focused one.
    fn tabs(&self) -> Vec<Pane> {
        let hidden = (!self.shown.contains(&self.focus)).then_some(self.focus);
        self.shown.iter().copied().chain(hidden).collect()
    }

    fn areas(&self) -> Option<Areas> {
        self.arranged(self.screen)
    }

    fn shows(&self, pane: Pane) -> bool {
        self.areas()
            .is_some_and(|areas| !areas.pane(pane).is_empty())
    }

    /// The component that has the keys.
    fn top(&self) -> ComponentId {
        match self.overlays.len() {
            0 => ComponentId::Pane(self.focus),
            n => ComponentId::Window(n - 1),
        }
    }

    fn component(&self, place: ComponentId) -> &DynComponent {
        match place {
            ComponentId::Pane(pane) => self.panes.get(pane),
            ComponentId::Window(at) => self.overlays[at].as_ref(),
        }
    }

    /// Where a component is drawn: inside a pane's frame, or above the footer.
    fn area(&self, place: ComponentId) -> Rect {
        let ComponentId::Pane(pane) = place else {
            return Rect {
                height: self.screen.height.saturating_sub(1),
                ..self.screen
            };
        };
        let Some(areas) = self.areas() else {
            return Rect::default();
        };
        let area = areas.pane(pane);
        if self.panes.get(pane).draws_frames() {
            area
        } else {
            padded(area.inner(Margin::new(1, 1)))
        }
    }

    /// Calls a component, and carries out what it asks of the console.
    fn call<R>(
        &mut self,
        place: ComponentId,
        io: &mut EffectSink<'_>,
        call: impl FnOnce(&mut DynComponent, &mut UpdateContext<'_>) -> R,
    ) -> R {
        let (area, is_top) = (self.area(place), place == self.top());
        let mut commands = Vec::new();
        let mut ctx = UpdateContext {
            store: &mut self.store,
            out: io.out,
            console: &mut commands,
            theme: &self.theme,
            keymap: &self.keymap,
            now: io.now,
            area,
            is_top,
            place: match place {
                ComponentId::Pane(_) => 0,
                ComponentId::Window(at) => at,
            },
            reduced_motion: self.options.reduced_motion,
        };
        let result = match place {
            ComponentId::Pane(pane) => call(self.panes.get_mut(pane), &mut ctx),
            ComponentId::Window(at) => call(self.overlays[at].as_mut(), &mut ctx),
        };
        for command in commands {
            self.carry_out(command, io);
        }
        result
    }

    fn carry_out(&mut self, command: Command, io: &mut EffectSink<'_>) {
        match command {
            Command::Open(window) => self.open(window),
            Command::Timeline(account, payment) => {
                self.open(Box::new(timeline::State::new(account, payment, io.now)));
            }
            Command::Close(place) => self.overlays.truncate(place),
            Command::Do(intent) => {
                self.overlays.clear();
                self.focus = intent.pane();
                let pane = ComponentId::Pane(self.focus);
                self.call(pane, io, |pane, ctx| pane.on_intent(intent, ctx));
            }
            Command::Act(action) => {
                // Shows the pane that the action changes.
                self.focus = Pane::of(action.0.scope).unwrap_or(self.focus);
                self.act(action, io);
            }
            Command::Cancel(request) => self.cancel(request, io),
            Command::Theme(choice) => self.set_theme(choice, io),
            Command::Profile(name) => self.switch_profile(name, io),
        }
    }

    /// The innermost scope whose keys work now.
    fn scope(&self) -> &'static Scope {
        if self.can_only_be_left() {
            return self.focus.scope();
        }
        self.component(self.top()).scope_any()
    }

    /// Nothing is on screen to work with: only the keys to quit are active, or those to open another profile.
    fn can_only_be_left(&self) -> bool {
        (self.has_failed() && self.overlays.is_empty()) || self.areas().is_none()
    }

    /// Whether the profile could not be opened.
    fn has_failed(&self) -> bool {
        matches!(self.store.phase, Phase::Failed(_))
    }

    fn ctx(&self, now: Now, focused: bool) -> ViewContext<'_> {
        ViewContext {
            store: &self.store,
            theme: &self.theme,
            keymap: &self.keymap,
            now,
            focused,
            reduced_motion: self.options.reduced_motion,
            hits: None,
        }
    }

    /// Does what a key does: in the top window, else in the focused pane, else in the console.
    fn act(&mut self, action: Action, io: &mut EffectSink<'_>) {
        if let Some(why) = self.why_barred(action) {
            self.store.flash(Level::Info, why);
            return;
        }
        let top = self.top();
        if let Some(action) = NavAction::of(action) {
            self.call(top, io, |it, ctx| it.step(action.step(), ctx));
        } else if let Some(action) = ColumnAction::of(action) {
            self.act_on_columns(action, io);
        } else if let Some(action) = WindowAction::of(action) {
            match action {
                WindowAction::HelpHere if self.can(action.into(), io.now) => {
                    self.act_console(ConsoleAction::Help, io);
                }
                WindowAction::Close | WindowAction::Back | WindowAction::HelpHere => {
                    self.close(top, io);
                }
            }
        } else if let Some(action) = FilterAction::of(action) {
            self.call(top, io, |it, ctx| match action {
                FilterAction::KeepFilter => it.filter().map_or((), Filter::keep),
                FilterAction::FoundDown => it.step(Step::Down(1), ctx),
                FilterAction::FoundUp => it.step(Step::Up(1), ctx),
            });
        } else if let Some(action) = DetailAction::of(action) {
            self.call(top, io, |it, ctx| match (action, it.filter()) {
                (DetailAction::Find, Some(search)) => search.open("text, case ignored"),
                (DetailAction::NextEntry | DetailAction::PreviousEntry, _) if ctx.place > 0 => {
                    ctx.flash(Level::Info, "open it from the list to go to the next row");
                }
                (DetailAction::NextEntry, _) => it.open_beside(true, ctx),
                (DetailAction::PreviousEntry, _) => it.open_beside(false, ctx),
                (_, Some(search)) if search.is_active() => {
                    it.next_match(action == DetailAction::FindNext);
                }
                _ => ctx.flash(Level::Info, "nothing is searched"),
            });
        } else if let Some(action) = GoTo::of(action) {
            self.focus = action.pane();
        } else if let Some(action) = ConsoleAction::of(action) {
            self.act_console(action, io);
        } else {
            let can = self.can(action, io.now);
            let before = (io.out.len(), self.overlays.len());
            self.call(top, io, |it, ctx| it.act_any(action, ctx));
            let is_silent =
                self.store.flash.is_none() && before == (io.out.len(), self.overlays.len());
            if !can && is_silent {
                let ctx = self.ctx(io.now, true);
                let why = self.component(self.top()).why_not_any(action, ctx);
                // A help text may say more, as in "cancel a waiting request; end a pause".
                let what = action.0.help.split([';', '(']).next().unwrap_or_default();
                let text = format!("cannot {}: {why}", what.trim_end());
                self.store.flash(Level::Info, text);
            }
        }
    }

    fn close(&mut self, place: ComponentId, io: &mut EffectSink<'_>) {
        let closes = self.call(place, io, Component::close);
        if let ComponentId::Window(at) = place
            && closes
        {
            self.overlays.truncate(at);
        }
    }

    fn on_key(&mut self, key: &KeyEvent, io: &mut EffectSink<'_>) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        let action = self.keymap.action(self.scope(), key);
        if let Some(action) = action {
            self.press(action, io);
        } else if !self.can_only_be_left() {
            let top = self.top();
            self.dirty |= self.call(top, io, |it, ctx| it.key(key, ctx));
        }
    }

    /// Does what a key or a click on its hint asks for.
    fn press(&mut self, action: Action, io: &mut EffectSink<'_>) {
        let leaves = [
            ConsoleAction::Quit,
            ConsoleAction::Leave,
            ConsoleAction::Suspend,
        ];
        let leaves = ConsoleAction::of(action).is_some_and(|action| {
            let switches = action == ConsoleAction::Profiles && self.has_failed();
            leaves.contains(&action) || (switches && self.areas().is_some())
        });
        if leaves || !self.can_only_be_left() {
            self.dirty = true;
            self.store.flash = None;
            self.act(action, io);
        }
    }

    fn on_paste(&mut self, text: &str, io: &mut EffectSink<'_>) {
        let top = self.top();
        self.dirty = true;
        match self.call(top, io, |it, ctx| it.paste(text, ctx)) {
            Paste::Whole => {}
            Paste::FirstLine => self
                .store
                .flash(Level::Warning, "pasted only the first line"),
            Paste::Refused if text.trim().is_empty() => {}
            Paste::Refused => {
                let text = "cannot paste here: type the keys one by one";
                self.store.flash(Level::Info, text);
            }
        }
    }

    /// Measures the notice and the details of the focused pane, for which the layout makes room.
    fn measure(&mut self, now: Now) {
        // The panes behind a window stay as they are.
        if let Some(areas) = self.areas().filter(|_| self.overlays.is_empty()) {
            let ctx = self.ctx(now, false);
            self.notice_rows = chrome::notice_rows(ctx, areas.notice, self.escape_word());
        }
        let width = layout::inside_of_side(self.screen.width);
        let columns = padded(Rect::new(0, 0, width, 1)).width;
        let pane = self.panes.get(self.focus);
        self.detail_rows = pane.detail_rows(self.ctx(now, true), columns);
    }

    /// Fits everything to the screen, and sends what is due.
    fn fit(&mut self, io: &mut EffectSink<'_>) {
        self.store.poll(io.now, io.out);
        for pane in Pane::ALL {
            self.call(ComponentId::Pane(pane), io, Component::fit);
        }
        for at in 0..self.overlays.len() {
            self.call(ComponentId::Window(at), io, Component::fit);
        }
    }
}

struct EffectSink<'a> {
    now: Now,
    out: &'a mut Vec<Effect>,
}

/// Applies one message to the model and returns the effects to carry out.
pub fn update(model: &mut Model, now: Now, msg: Msg) -> Vec<Effect> {
    let mut out = Vec::new();
    let io = &mut EffectSink { now, out: &mut out };
    if msg.is_input() {
        // From now on, the operator chooses.
        model.awaited.clear();
    }
    match msg {
        Msg::Key(key) => model.on_key(&key, io),
        Msg::Paste(text) => model.on_paste(&text, io),
        Msg::Mouse(mouse) => {
            if !model.pointed(mouse, io) {
                return out;
            }
        }
        Msg::Resized { width, height } => {
            model.screen = Rect::new(0, 0, width, height);
            model.dirty = true;
            model.ask_background(io);
        }
        Msg::Background(theme) => model.on_background(theme, now),
        msg => {
            model.dirty |= model.store.is_news(&msg, now);
            model.on_message(&msg, io);
        }
    }
    if matches!(model.focus, Pane::Requests | Pane::Callbacks) {
        model.log = model.focus;
    }
    model.dirty |= model.store.review(now);
    model.select_awaited();
    if model.store.is_ready()
        && let Some(target) = model.target.take()
    {
        model.go_to(target, io);
    }
    model.measure(now);
    let before = io.out.len();
    if matches!(io.out.last(), Some(Effect::SwitchProfile(_))) {
        // What is due now would be sent to the other profile, which may have an account of the same name.
        return out;
    }
    model.fit(io);
    model.dirty |= io.out.len() > before;
    model.dirty |= model.store.end_flash(now);
    // Reading rate limits changes nothing on screen; their messages will.
    if model.shows(Pane::Requests) {
        model.store.look_at_budgets(now, io.out);
    }
    out
}
