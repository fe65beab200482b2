//! The mouse: a click focuses and selects, the wheel moves the selection under it.

use ratatui::crossterm::event::{MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::overlays::{Overlay, alerts};
use super::panes::Pane;
use super::widgets::list::Step;
use super::{Effect, Model, chrome};
use crate::domain::Now;

/// Rows the wheel moves at once.
const WHEEL: usize = 3;

impl Model {
    pub(super) fn pointed(&mut self, mouse: MouseEvent, now: Now, out: &mut Vec<Effect>) {
        let at = Position::new(mouse.column, mouse.row);
        let step = match mouse.kind {
            MouseEventKind::ScrollDown => Step::Down(WHEEL),
            MouseEventKind::ScrollUp => Step::Up(WHEEL),
            MouseEventKind::Down(_) => {
                if matches!(self.overlay, Overlay::None) {
                    self.clicked(at, now);
                }
                return;
            }
            _ => return,
        };
        if matches!(self.overlay, Overlay::None) {
            let Some(pane) = self.pane_at(at) else {
                return;
            };
            self.focus = pane;
            if pane == Pane::Explorer {
                self.explorer.pointed(at, false, &self.store);
            }
        }
        self.dirty = true;
        self.step(step, now, out);
    }

    fn pane_at(&self, at: Position) -> Option<Pane> {
        let areas = self.areas()?;
        Pane::ALL
            .into_iter()
            .find(|pane| areas.pane(*pane).contains(at))
    }

    fn clicked(&mut self, at: Position, now: Now) {
        let Some(areas) = self.areas() else {
            return;
        };
        if areas.header.contains(at) && chrome::alerts_at(&self.store, areas.header, at.x) {
            self.overlay = Overlay::Alerts(alerts::State::new(&self.store));
            self.dirty = true;
            return;
        }
        if areas.tabs.contains(at) {
            if let Some(pane) = chrome::tab_at(self.focus, areas.tabs, at.x) {
                self.focus = pane;
                self.dirty = true;
            }
            return;
        }
        let Some(pane) = self.pane_at(at) else {
            return;
        };
        self.dirty = true;
        self.focus = pane;
        let waiting = self.request_parts().waiting;
        if pane == Pane::Requests && waiting.contains(at) {
            let row = at.y - waiting.y;
            self.requests
                .select_waiting_row(row, waiting.height, &self.store);
            return;
        }
        if pane == Pane::Explorer {
            self.explorer.pointed(at, true, &self.store);
            return;
        }
        if pane == Pane::Players {
            let area = self.inside(Pane::Players);
            self.players.point(at, area);
            return;
        }
        let list = self.list_area(pane, now);
        if list.contains(at) {
            self.select(pane, at.y - list.y, list);
        }
    }

    fn select(&mut self, pane: Pane, row: u16, list: Rect) {
        let pick = |from: std::ops::Range<usize>| {
            let at = from.start + usize::from(row);
            from.contains(&at).then_some(at)
        };
        match pane {
            Pane::Credentials => {
                let window = self
                    .credentials
                    .list
                    .window(self.store.accounts.len(), list.height);
                if let Some(at) = pick(window) {
                    self.credentials.list.selected = at;
                }
            }
            Pane::Payments => {
                self.payments.point(row, list.height, &self.store);
            }
            Pane::Requests => self.requests.point(row, list.height),
            Pane::Tokens => {
                let len = self.store.token_users().count();
                if let Some(at) = pick(self.tokens.list.window(len, list.height)) {
                    self.tokens.list.selected = at;
                }
            }
            Pane::Callbacks => {
                let window = self
                    .callbacks
                    .list
                    .window(self.callbacks.len(), list.height);
                if let Some(at) = pick(window) {
                    self.callbacks.list.selected = at;
                }
            }
            Pane::Estimates | Pane::Explorer | Pane::Players => {}
        }
    }
}
