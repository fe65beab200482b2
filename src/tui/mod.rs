//! The console: `Model`, `update` and `view`, all pure. This file only routes; panes and windows decide.

mod act;
mod alerts;
mod callback_actions;
mod cancel;
mod chrome;
pub mod effect;
mod events;
mod explorer_actions;
mod history;
mod keys;
mod layout;
mod manage;
pub mod msg;
mod overlays;
mod panes;
mod player_actions;
mod pointer;
pub mod setup;
mod store;
mod theme;
mod traffic;
mod watched;
mod widgets;
mod windows;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ratatui::Frame;
use ratatui::crossterm::event::{KeyEvent, KeyEventKind, MouseEventKind};
use ratatui::layout::Rect;

use crate::domain::Now;
use crate::domain::manage::ProviderSetup;

pub use effect::Effect;
pub use keys::{KeyRow, key_rows};
pub use msg::Msg;
pub use setup::{Setup, ThemeChoice, UiOptions};

use keys::{Action, Keymap, Scope};
use layout::{Areas, Arrangement, LayoutInput, ZoomMode, arrange};
use overlays::Overlay;
use panes::{Pane, UpdateContext, ViewContext};
use store::{Phase, Store};
use theme::Theme;
use widgets::boxes::Framed;
use widgets::form::Typed;

/// The complete state of the console.
#[derive(Debug, Clone)]
pub struct Model {
    profile: String,
    setups: Vec<ProviderSetup>,
    may_manage: bool,
    options: UiOptions,
    theme: Theme,
    keymap: Keymap,
    screen: Rect,
    focus: Pane,
    zoom: ZoomMode,
    overlay: Overlay,
    store: Store,
    credentials: panes::credentials::State,
    tokens: panes::tokens::State,
    payments: panes::payments::State,
    estimates: panes::estimates::State,
    requests: panes::requests::State,
    explorer: panes::explorer::State,
    callbacks: panes::callbacks::State,
    players: panes::players::State,
    /// Rows that the details in the focused pane need, as of the last update.
    detail_rows: u16,
    /// The last focused of Requests and Callbacks, which share one place on small screens.
    log: Pane,
    dirty: bool,
}

impl Model {
    /// The console before its first message.
    ///
    /// # Errors
    /// Names the key override that is not valid.
    pub fn new(setup: Setup) -> Result<Self, String> {
        Ok(Self {
            profile: setup.profile,
            setups: setup.setups,
            may_manage: setup.may_manage,
            theme: Theme::new(&setup.ui),
            keymap: Keymap::new(&setup.ui.keys)?,
            options: setup.ui,
            screen: Rect::new(0, 0, 80, 24),
            focus: Pane::Payments,
            zoom: ZoomMode::All,
            overlay: Overlay::None,
            store: Store::new(setup.accounts),
            credentials: panes::credentials::State::default(),
            tokens: panes::tokens::State::default(),
            payments: panes::payments::State::default(),
            estimates: panes::estimates::State::default(),
            requests: panes::requests::State::default(),
            players: panes::players::State::new(&setup.catalogues),
            explorer: panes::explorer::State::new(setup.catalogues),
            callbacks: panes::callbacks::State::default(),
            detail_rows: 0,
            log: Pane::Requests,
            dirty: true,
        })
    }

    /// Whether the terminal should report the mouse.
    #[must_use]
    pub fn mouse_wanted(&self) -> bool {
        self.options.mouse
    }

    /// Whether the screen may have changed since the last call of [`Model::take_dirty`].
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether the screen may have changed since the last call.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// The time until the screen changes or a request is due by itself. `None` while idle.
    #[must_use]
    pub fn next_wake(&self, now: Now) -> Option<Duration> {
        let still = self.options.reduced_motion;
        let dues = self
            .store
            .poll_due()
            .into_iter()
            .chain(self.estimates.due())
            .filter(|_| self.store.is_ready());
        let armed = self.store.accounts.iter().filter_map(|k| k.armed(now));
        let mut wakes: Vec<Duration> = dues.map(|due| due.saturating_sub(now.mono)).collect();
        // The header counts the minutes until an account is disarmed.
        wakes.extend(armed.map(|left| {
            let into = left.as_millis().saturating_sub(1) % 60_000 + 1;
            Duration::from_millis(u64::try_from(into).unwrap_or(1))
        }));
        if let Arrangement::Console(areas) = self.arranged(self.screen) {
            for pane in Pane::ALL {
                if !areas.pane(pane).is_empty() {
                    wakes.extend(match pane {
                        Pane::Credentials => {
                            panes::credentials::State::changes_in(&self.store, now, still)
                        }
                        Pane::Tokens => panes::tokens::State::changes_in(&self.store, now, still),
                        Pane::Payments => {
                            panes::payments::State::changes_in(&self.store, now, still)
                        }
                        Pane::Estimates => self.estimates.changes_in(now, still),
                        Pane::Requests => {
                            panes::requests::State::changes_in(&self.store, now, still)
                        }
                        Pane::Explorer => self.explorer.changes_in(now, still),
                        Pane::Callbacks => {
                            let listening = &self.store.listening;
                            self.callbacks.changes_in(listening, now, still)
                        }
                        Pane::Players => self.players.changes_in(now),
                    });
                }
            }
        }
        if let Overlay::Timeline(state) = &self.overlay {
            wakes.extend(state.changes_in(now, still));
        }
        if let Overlay::Alerts(_) = &self.overlay {
            wakes.extend(overlays::alerts::State::changes_in(&self.store, now));
        }
        wakes
            .into_iter()
            .min()
            .map(|wake| wake.max(Duration::from_millis(1)))
    }

    fn arranged(&self, screen: Rect) -> Arrangement {
        let accounts = self.store.accounts.len();
        let tokens = self.store.token_users().count();
        let log = match self.focus {
            pane @ (Pane::Requests | Pane::Callbacks) => pane,
            _ => self.log,
        };
        let input = LayoutInput {
            focus: self.focus,
            zoom: self.zoom,
            log,
            accounts,
            tokens,
            detail: self.detail_rows,
        };
        arrange(screen, input)
    }

    /// Measures the details of the focused pane, for which the layout makes room.
    fn measure_detail(&mut self, now: Now) {
        let columns = padded(Rect::new(
            0,
            0,
            layout::inside_of_side(self.screen.width),
            1,
        ))
        .width;
        let ctx = self.ctx(now, true);
        self.detail_rows = match self.focus {
            Pane::Credentials => self.credentials.detail_rows(ctx, columns),
            Pane::Tokens => self.tokens.detail_rows(ctx, columns),
            _ => 0,
        };
    }

    fn areas(&self) -> Option<Areas> {
        match self.arranged(self.screen) {
            Arrangement::Console(areas) => Some(areas),
            Arrangement::TooSmall(_) => None,
        }
    }

    fn shows(&self, pane: Pane) -> bool {
        self.areas()
            .is_some_and(|areas| !areas.pane(pane).is_empty())
    }

    /// The innermost scope whose keys work now.
    fn scope(&self) -> Scope {
        if self.can_only_be_left() {
            return self.focus.scope();
        }
        self.overlay.scope().unwrap_or_else(|| match self.focus {
            Pane::Explorer => self.explorer.scope(),
            pane => pane.scope(),
        })
    }

    /// Nothing is on screen to work with: only the keys to quit are active.
    fn can_only_be_left(&self) -> bool {
        matches!(self.store.phase, Phase::Failed(_)) || self.areas().is_none()
    }

    fn fit_explorer(&mut self, now: Now) {
        if self.focus == Pane::Explorer
            && let Some(areas) = self.areas()
        {
            let area = areas.pane(Pane::Explorer);
            self.explorer.fit(&self.store, area, now);
        }
    }

    fn ctx(&self, now: Now, focused: bool) -> ViewContext<'_> {
        ViewContext {
            store: &self.store,
            theme: &self.theme,
            keymap: &self.keymap,
            now,
            focused,
            still: self.options.reduced_motion,
        }
    }

    /// What a pane may change besides its own state.
    fn update_ctx<'a>(
        store: &'a mut Store,
        now: Now,
        out: &'a mut Vec<Effect>,
    ) -> UpdateContext<'a> {
        UpdateContext { store, out, now }
    }
}

/// Applies one message to the model and returns the effects to carry out.
pub fn update(model: &mut Model, now: Now, msg: Msg) -> Vec<Effect> {
    let mut out = Vec::new();
    match msg {
        Msg::Key(key) => on_key(model, now, &key, &mut out),
        Msg::Paste(text) => model.paste(&text, now, &mut out),
        Msg::Mouse(mouse) => {
            if matches!(
                mouse.kind,
                MouseEventKind::Moved | MouseEventKind::Drag(_) | MouseEventKind::Up(_)
            ) {
                return out;
            }
            model.pointed(mouse, now, &mut out);
        }
        Msg::Resized { width, height } => model.resized(width, height, now),
        Msg::Woke => {
            model.dirty = true;
            model.form_changed(now);
            model.lay_out_delivery(now);
        }
        Msg::Listening(listening) => model.on_listening(listening, now),
        fact => {
            model.dirty = true;
            model.on_message(fact, now, &mut out);
        }
    }
    let before = out.len();
    model.store.poll(now, &mut out);
    model
        .estimates
        .poll(&mut Model::update_ctx(&mut model.store, now, &mut out));
    model.dirty |= out.len() > before;
    if matches!(model.focus, Pane::Requests | Pane::Callbacks) {
        model.log = model.focus;
    }
    model.measure_detail(now);
    model.load_due_timeline(now, &mut out);
    // Reading rate limits changes nothing on screen; their messages will.
    if model.shows(Pane::Requests) {
        model.store.look_at_budgets(now, &mut out);
    }
    model.fit_explorer(now);
    let height = model.list_area(Pane::Payments, now).height;
    model.payments.fit(height, &model.store);
    out
}

fn on_key(model: &mut Model, now: Now, key: &KeyEvent, out: &mut Vec<Effect>) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    if let Some(action) = model.keymap.action(model.scope(), key) {
        if model.can_only_be_left()
            && !matches!(action, Action::Quit | Action::Leave | Action::Suspend)
        {
            return;
        }
        model.dirty = true;
        model.store.flash = None;
        model.act(action, now, out);
        return;
    }
    if model.can_only_be_left() {
        return;
    }
    match model.overlay.typed(key) {
        Typed::Nothing => {
            if let Overlay::Filter(pane, input) = &mut model.overlay
                && widgets::input::edit(input, key)
            {
                let (pane, filter) = (*pane, input.value().to_owned());
                model.set_filter(pane, &filter);
                model.dirty = true;
            }
            if matches!(model.overlay, Overlay::None) && model.focus == Pane::Explorer {
                model.store.flash = None;
                model.dirty |= model.explorer.key(key, &mut model.store, now);
            }
        }
        Typed::Changed => {
            model.dirty = true;
            model.form_changed(now);
        }
        Typed::Locked => {
            model.dirty = true;
            model.arm_for_form();
        }
    }
}

/// Draws the console at any size, even if the size changed since the last update.
pub fn view(model: &Model, now: Now, frame: &mut Frame) {
    let screen = frame.area();
    let areas = match model.arranged(screen) {
        Arrangement::TooSmall(area) => {
            chrome::draw_too_small(model.ctx(now, false), area, frame.buffer_mut());
            model.theme.finish(frame.buffer_mut());
            return;
        }
        Arrangement::Console(areas) => areas,
    };
    let buf = frame.buffer_mut();
    let ctx = model.ctx(now, false);
    chrome::draw_header(&model.profile, ctx, areas.header, buf);
    let mut cursor = None;
    if let Phase::Failed(problem) = &model.store.phase {
        chrome::draw_failed(problem, ctx, areas.body, buf);
    } else {
        if !areas.tabs.is_empty() {
            chrome::draw_tabs(model.focus, ctx, areas.tabs, buf);
        }
        for pane in Pane::ALL {
            cursor = cursor.or(draw_pane(model, pane, areas.pane(pane), now, buf));
        }
        chrome::draw_notice(ctx, areas.notice, buf);
        if !matches!(model.overlay, Overlay::None | Overlay::Filter(..)) {
            buf.set_style(areas.tabs, model.theme.behind_window());
            buf.set_style(areas.body, model.theme.behind_window());
        }
        let over = Rect {
            height: screen.height - 1,
            ..screen
        };
        cursor = model.overlay.view(ctx, over, buf).or(cursor);
        // A notice about a key pressed in a window must not hide behind the window.
        if model.store.flash.is_some() {
            chrome::draw_notice(ctx, areas.notice, buf);
        }
    }
    chrome::draw_footer(model, now, areas.footer, buf);
    model.theme.finish(buf);
    if let Some(at) = cursor.filter(|at| screen.contains(*at)) {
        frame.set_cursor_position(at);
    }
}

fn draw_pane(
    model: &Model,
    pane: Pane,
    area: Rect,
    now: Now,
    buf: &mut ratatui::buffer::Buffer,
) -> Option<ratatui::layout::Position> {
    if area.is_empty() {
        return None;
    }
    let focused = model.focus == pane;
    let ctx = model.ctx(now, focused);
    if pane == Pane::Explorer {
        // It draws its own frames.
        return model.explorer.view(ctx, area, buf);
    }
    let note = match pane {
        Pane::Requests => model.requests.note(ctx).or_else(|| {
            // A short note replaces the hidden Callbacks pane.
            let hidden = !model.shows(Pane::Callbacks);
            hidden.then(|| panes::callbacks::listener::brief(&model.callbacks, ctx))
        }),
        Pane::Callbacks => model.callbacks.note(ctx),
        Pane::Players if !model.players.players.is_empty() => Some((
            format!("{} known", model.players.players.len()),
            theme::Tone::Dim,
        )),
        Pane::Payments => {
            let title = widgets::text::width(&pane.title());
            model
                .payments
                .note(ctx, area.width.saturating_sub(title + 9))
        }
        _ => None,
    };
    let inner = Framed {
        theme: &model.theme,
        focused,
        live: model.store.is_live(),
        title: &pane.title(),
        note: note.as_ref().map(|(text, tone)| (text.as_str(), *tone)),
    }
    .draw(area, buf);
    let inner = padded(inner);
    match pane {
        Pane::Credentials => model.credentials.view(ctx, inner, buf),
        Pane::Tokens => model.tokens.view(ctx, inner, buf),
        Pane::Payments => {
            let typing = model.overlay.filter(pane);
            return model
                .payments
                .view(ctx, typing, inner, buf)
                .map(|x| ratatui::layout::Position::new(x, inner.y));
        }
        Pane::Estimates => model.estimates.view(ctx, inner, buf),
        Pane::Requests => {
            let typing = model.overlay.filter(pane);
            return model
                .requests
                .view(ctx, typing, inner, buf)
                .map(|x| ratatui::layout::Position::new(x, inner.y));
        }
        Pane::Callbacks => {
            let typing = model.overlay.filter(pane);
            return model
                .callbacks
                .view(ctx, typing, inner, buf)
                .map(|x| ratatui::layout::Position::new(x, inner.y));
        }
        Pane::Players => model.players.view(ctx, inner, buf),
        Pane::Explorer => {}
    }
    None
}

/// The inside of a frame, with padding if there is room.
fn padded(inner: Rect) -> Rect {
    let (left, both) = match inner.width {
        0..26 => (0, 0),
        26..60 => (1, 1),
        _ => (1, 2),
    };
    Rect {
        x: inner.x + left,
        width: inner.width - both,
        ..inner
    }
}
