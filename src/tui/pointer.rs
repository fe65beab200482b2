//! The mouse: a click does what stands under it, the wheel moves the selection under it. What stands where is noted while
//! it is drawn: a click draws the screen once more, and asks.

use std::cell::RefCell;
use std::ops::Range;

use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::event::{MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::component::ViewContext;
use super::keys::Action;
use super::panes::Pane;
use super::widgets::list::Step;
use super::{Io, Model, Place, draw};
use crate::domain::Now;

/// Rows the wheel moves at once.
const WHEEL: usize = 3;

/// What a click does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// What a key of the action does.
    Act(Action),
    Focus(Pane),
    /// Picks a row or a field of the top component.
    Row(usize),
}

/// What a click does where, in the order of drawing.
#[derive(Debug, Default)]
pub struct Hits(RefCell<Vec<(Rect, Hit)>>);

impl Hits {
    fn at(&self, at: Position) -> Option<Hit> {
        let hits = self.0.borrow();
        let mut latest = hits.iter().rev();
        latest
            .find(|(area, _)| area.contains(at))
            .map(|(_, hit)| *hit)
    }

    /// Nothing behind a window can be clicked.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl ViewContext<'_> {
    /// Notes what a click does in an area that is being drawn.
    pub fn note(&self, area: Rect, hit: Hit) {
        if let Some(hits) = self.hits {
            hits.0.borrow_mut().push((area, hit));
        }
    }

    /// Notes the rows of a list, one below another from the top of its area.
    pub fn note_rows(&self, area: Rect, rows: Range<usize>) {
        for (line, row) in area.rows().zip(rows) {
            self.note(line, Hit::Row(row));
        }
    }
}

impl Model {
    pub(super) fn pointed(&mut self, mouse: MouseEvent, io: &mut Io<'_>) {
        let at = Position::new(mouse.column, mouse.row);
        let step = match mouse.kind {
            MouseEventKind::ScrollDown => Step::Down(WHEEL),
            MouseEventKind::ScrollUp => Step::Up(WHEEL),
            MouseEventKind::Down(_) => return self.clicked(at, io),
            _ => return,
        };
        if self.can_only_be_left() {
            return;
        }
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
        let hit = self.hit(at, io.now);
        if self.overlays.is_empty()
            && !self.can_only_be_left()
            && let Some(pane) = self.pane_at(at)
        {
            self.dirty = true;
            self.focus = pane;
            if hit.is_none() {
                self.call(Place::Pane(pane), io, |pane, ctx| pane.point(at, true, ctx));
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
            None if self.is_beside_window(at, io.now) => {
                self.dirty = true;
                self.store.flash = None;
                self.close(self.top(), io);
            }
            None => {}
        }
    }

    fn hit(&self, at: Position, now: Now) -> Option<Hit> {
        let hits = Hits::default();
        draw(self, now, Some(&hits), &mut Buffer::empty(self.screen));
        hits.at(at)
    }

    /// Whether a window is open that does not cover this place. It covers the cells that it draws.
    fn is_beside_window(&self, at: Position, now: Now) -> bool {
        let (Place::Window(_), area) = (self.top(), self.area(self.top())) else {
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
