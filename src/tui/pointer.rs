//! The mouse: a click focuses and selects, the wheel moves the selection under it.

use ratatui::crossterm::event::{MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::overlays::alerts;
use super::panes::Pane;
use super::widgets::list::Step;
use super::{Io, Model, Place, chrome};

/// Rows the wheel moves at once.
const WHEEL: usize = 3;

impl Model {
    pub(super) fn pointed(&mut self, mouse: MouseEvent, io: &mut Io<'_>) {
        let at = Position::new(mouse.column, mouse.row);
        let step = match mouse.kind {
            MouseEventKind::ScrollDown => Step::Down(WHEEL),
            MouseEventKind::ScrollUp => Step::Up(WHEEL),
            MouseEventKind::Down(_) => {
                if self.overlays.is_empty() {
                    self.clicked(at, io);
                }
                return;
            }
            _ => return,
        };
        if self.overlays.is_empty() {
            let Some(pane) = self.pane_at(at) else {
                return;
            };
            self.focus = pane;
            self.call(Place::Pane(pane), io, |pane, ctx| {
                pane.point(at, false, ctx);
            });
        }
        self.dirty = true;
        let top = self.top();
        self.call(top, io, |it, ctx| it.step(step, ctx));
    }

    fn pane_at(&self, at: Position) -> Option<Pane> {
        let areas = self.areas()?;
        let mut panes = Pane::ALL.into_iter();
        panes.find(|pane| areas.pane(*pane).contains(at))
    }

    fn clicked(&mut self, at: Position, io: &mut Io<'_>) {
        let Some(areas) = self.areas() else {
            return;
        };
        if areas.header.contains(at) && chrome::alerts_at(&self.store, areas.header, at.x) {
            self.open(alerts::State::new(&self.store));
            self.dirty = true;
        } else if areas.tabs.contains(at) {
            let pane = chrome::tab_at(self.focus, areas.tabs, at.x);
            self.dirty |= pane.is_some();
            self.focus = pane.unwrap_or(self.focus);
        } else if let Some(pane) = self.pane_at(at) {
            self.dirty = true;
            self.focus = pane;
            self.call(Place::Pane(pane), io, |pane, ctx| pane.point(at, true, ctx));
        }
    }
}
