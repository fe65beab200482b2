//! The click targets of a frame and the time of its next change, recorded while it is drawn.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use ratatui::layout::{Position, Rect};

use super::keys::Action;
use super::pane::Pane;

/// A column as it is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub title: &'static str,
    pub width: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// What a key of the action does.
    Act(Action),
    Focus(Pane),
    /// Picks a row or a field of the top component.
    Row(usize),
    /// Picks a column by its title.
    Heading(&'static str),
    /// Resizes a column, which begins `left`, while it is dragged.
    Edge {
        column: &'static str,
        left: u16,
    },
    /// The scroll bar of a list with this many rows: picks a row, also while it is dragged.
    Bar(usize),
}

/// A place on the screen that can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub area: Rect,
    pub hit: Hit,
}

/// What is on the screen to work with.
#[derive(Debug, Default)]
pub struct Hits {
    /// In the order of drawing.
    pub targets: RefCell<Vec<Target>>,
    /// The columns of the focused list.
    pub columns: RefCell<Vec<Shown>>,
    /// The time until a part of it changes by itself.
    pub changes: Cell<Option<Duration>>,
}

impl Hits {
    pub fn at(&self, at: Position) -> Option<Target> {
        let targets = self.targets.borrow();
        let mut latest = targets.iter().rev();
        latest.find(|target| target.area.contains(at)).copied()
    }

    /// Nothing behind a window can be clicked.
    pub fn clear(&self) {
        self.targets.borrow_mut().clear();
    }
}
