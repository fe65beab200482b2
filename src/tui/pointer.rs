//! The mouse: a click does what stands under it, the wheel moves the selection under it. What stands where is noted while
//! it is drawn: a click draws the screen once more, and asks.

use std::time::Duration;

use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::event::{MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::draw::draw;
use super::hits::{Hit, Hits, Target};
use super::keys::{ColumnAction, WindowAction};
use super::msg::Level;
use super::pane::Pane;
use super::widgets::list::Step;
use super::{ComponentId, EffectSink, Model};
use crate::domain::Now;

/// Rows the wheel moves at once.
const WHEEL: usize = 3;

/// After a window opens or closes by a click, for this long another click does nothing: the second one of a double click
/// on "Esc close" would find "q quit" in its place.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);

impl Model {
    /// Handles the mouse; returns whether it did something.
    pub(super) fn pointed(&mut self, mouse: MouseEvent, io: &mut EffectSink<'_>) -> bool {
        let at = Position::new(mouse.column, mouse.row);
        let step = match mouse.kind {
            MouseEventKind::ScrollDown => Step::Down(WHEEL),
            MouseEventKind::ScrollUp => Step::Up(WHEEL),
            MouseEventKind::Down(_) => {
                self.clicked(at, io);
                return true;
            }
            MouseEventKind::Drag(_) => {
                // A window may have opened meanwhile.
                let dragged = self.dragged.filter(|_| self.overlays.is_empty());
                if let Some(target) = dragged {
                    self.drag(target, at, io);
                }
                return dragged.is_some();
            }
            _ => {
                self.dragged = None;
                return false;
            }
        };
        if self.can_only_be_left() {
            return true;
        }
        if self.overlays.is_empty() {
            let Some(pane) = self.pane_at(at) else {
                return true;
            };
            self.focus = pane;
            self.call(ComponentId::Pane(pane), io, |pane, ctx| {
                pane.point(at, false, ctx);
            });
        }
        self.dirty = true;
        let top = self.top();
        self.call(top, io, |it, ctx| it.step(step, ctx));
        true
    }

    /// Moves what the pointer holds.
    fn drag(&mut self, target: Target, at: Position, io: &mut EffectSink<'_>) {
        let (top, area) = (self.top(), target.area);
        match target.hit {
            Hit::Edge { column, left } => {
                let width = at.x.saturating_sub(left);
                self.call(top, io, |it, _| {
                    if let Some(widths) = it.widths() {
                        widths.set(column, width);
                    }
                });
            }
            Hit::Bar(_) => {
                // The list may have other rows now than when the bar was taken.
                let now = self.drawn(io.now).at(area.as_position());
                let Some(Hit::Bar(len)) = now.map(|target| target.hit) else {
                    return;
                };
                let down = at.y.saturating_sub(area.y).min(area.height - 1);
                let row = usize::from(down) * (len - 1) / usize::from(area.height - 1);
                self.call(top, io, |it, ctx| it.pick(row, ctx));
            }
            Hit::Act(_) | Hit::Focus(_) | Hit::Row(_) | Hit::Heading(_) => return,
        }
        self.dirty = true;
    }

    /// Does what a key does to the columns of the focused list.
    pub(super) fn act_on_columns(&mut self, action: ColumnAction, io: &mut EffectSink<'_>) {
        let hits = self.drawn(io.now);
        let columns = hits.columns.borrow();
        let top = self.top();
        self.call(top, io, |it, ctx| {
            if let Some(widths) = it.widths() {
                let text = widths.act(action, &columns);
                ctx.flash(Level::Info, text);
            }
        });
    }

    fn pane_at(&self, at: Position) -> Option<Pane> {
        let areas = self.areas()?;
        let mut panes = Pane::ALL.into_iter();
        panes.find(|pane| areas.pane(*pane).contains(at))
    }

    fn clicked(&mut self, at: Position, io: &mut EffectSink<'_>) {
        if io.now.mono < self.clicks_from {
            return;
        }
        let windows = self.overlays.len();
        self.click(at, io);
        if self.overlays.len() != windows {
            self.clicks_from = io.now.mono + DOUBLE_CLICK;
        }
    }

    fn click(&mut self, at: Position, io: &mut EffectSink<'_>) {
        let target = self.drawn(io.now).at(at);
        let hit = target.map(|target| target.hit);
        self.dragged = target;
        if self.overlays.is_empty()
            && !self.can_only_be_left()
            && let Some(pane) = self.pane_at(at)
        {
            self.dirty = true;
            self.focus = pane;
            if hit.is_none() {
                self.call(ComponentId::Pane(pane), io, |pane, ctx| {
                    pane.point(at, true, ctx);
                });
            }
        }
        match hit {
            Some(Hit::Act(action)) => self.press(action, io),
            Some(Hit::Focus(pane)) => {
                self.dirty = true;
                self.focus = pane;
            }
            Some(Hit::Row(row)) => {
                self.dirty = true;
                self.store.flash = None;
                let top = self.top();
                self.call(top, io, |it, ctx| it.pick(row, ctx));
            }
            Some(Hit::Heading(column)) => {
                self.dirty = true;
                self.store.flash = None;
                let top = self.top();
                self.call(top, io, |it, ctx| it.pick_column(column, ctx));
            }
            Some(Hit::Bar(_)) => {
                if let Some(target) = target {
                    self.drag(target, at, io);
                }
            }
            None if self.is_beside_window(at, io.now) => {
                self.dirty = true;
                self.store.flash = None;
                if self.component(self.top()).is_changed() {
                    let key = self.keymap.first(WindowAction::Close);
                    let text = format!("{key} closes the form, and what is typed is lost");
                    self.store.flash(Level::Info, text);
                } else {
                    self.close(self.top(), io);
                }
            }
            // Only a drag resizes: the edge is one cell wide, and a click that misses a title must change nothing.
            Some(Hit::Edge { .. }) | None => {}
        }
    }

    /// What is on the screen to work with.
    fn drawn(&self, now: Now) -> Hits {
        let hits = Hits::default();
        draw(self, now, Some(&hits), &mut Buffer::empty(self.screen));
        hits
    }

    /// Whether a window is open that does not cover this place. It covers the cells that it draws.
    fn is_beside_window(&self, at: Position, now: Now) -> bool {
        let (ComponentId::Window(_), area) = (self.top(), self.area(self.top())) else {
            return false;
        };
        if self.can_only_be_left() || !area.contains(at) {
            return false;
        }
        let untouched = Cell::new("\0");
        let mut buf = Buffer::filled(self.screen, untouched.clone());
        let window = self.component(self.top());
        window.view(self.ctx(now, false), area, &mut buf);
        buf.cell(at)
            .is_some_and(|cell| cell.symbol() == untouched.symbol())
    }
}
