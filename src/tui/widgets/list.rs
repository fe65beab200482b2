//! The selection and the scroll position of a list. Knows the number of rows, not the rows.

use std::ops::Range;

use ratatui::layout::{Position, Rect};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct List {
    pub selected: usize,
    offset: usize,
    /// Its rows, and how many of them the screen has room for, as of the last [`List::fit`].
    len: usize,
    height: u16,
}

impl List {
    /// The visible rows for a height; the selected one is among them.
    pub fn window(self, len: usize, height: u16) -> Range<usize> {
        let height = usize::from(height);
        if height == 0 || len == 0 {
            return 0..0;
        }
        let selected = self.selected.min(len - 1);
        let offset = self
            .offset
            .min(len.saturating_sub(height))
            .min(selected)
            .max((selected + 1).saturating_sub(height));
        offset..(offset + height).min(len)
    }

    /// Saves the scroll position after a move. A list that is not on screen keeps its own.
    pub fn fit(&mut self, len: usize, height: u16) {
        self.selected = self.selected.min(len.saturating_sub(1));
        self.len = len;
        if height > 0 {
            self.height = height;
            self.offset = self.window(len, height).start;
        }
    }

    /// As [`List::fit`], with the row above the selected one on the screen, too, where there is room for both.
    pub fn fit_with_row_above(&mut self, len: usize, height: u16) {
        let selected = self.selected;
        self.selected = selected.saturating_sub(1);
        self.fit(len, height);
        self.selected = selected;
        self.fit(len, height);
    }

    /// The row drawn at a position of the list's area.
    pub fn at(self, at: Position, area: Rect, len: usize) -> Option<usize> {
        let window = self.window(len, area.height);
        let row = window.start + usize::from(at.y.saturating_sub(area.y));
        (area.contains(at) && window.contains(&row)).then_some(row)
    }

    /// The selected row is now at another place of the list. It keeps its place on the screen.
    pub fn move_to(&mut self, at: usize) {
        self.offset = (self.offset + at).saturating_sub(self.selected);
        self.selected = at;
    }

    /// Scrolls to the end, as far as the selected row stays visible.
    pub fn fit_to_end(&mut self, len: usize, height: u16) {
        self.offset = len;
        self.fit(len, height);
    }

    /// After a step to a row that cannot be selected, such as a heading: selects the nearest one that can, upwards after a
    /// step up, if there is one.
    pub fn skip(&mut self, by: Step, can: impl Fn(&usize) -> bool) {
        let above = (0..self.len.min(self.selected + 1)).rev().find(&can);
        let below = (self.selected..self.len).find(&can);
        let nearest = match by {
            Step::Up(_) | Step::PageUp | Step::Top => above.or(below),
            Step::Down(_) | Step::PageDown | Step::Bottom => below.or(above),
        };
        self.selected = nearest.unwrap_or(self.selected);
        self.fit(self.len, self.height);
    }

    /// Moves the selection in the list as it was fitted last.
    pub fn go(&mut self, by: Step) {
        self.step(by, self.len, self.height);
    }

    pub fn step(&mut self, by: Step, len: usize, height: u16) {
        // One row of the old page stays visible, so that the operator does not lose the place.
        let page = usize::from(height.max(2)) - 1;
        self.selected = match by {
            Step::Up(n) => self.selected.saturating_sub(n),
            Step::Down(n) => self.selected.saturating_add(n),
            Step::PageUp => self.selected.saturating_sub(page),
            Step::PageDown => self.selected.saturating_add(page),
            Step::Top => 0,
            // `fit` limits it to the last row.
            Step::Bottom => usize::MAX,
        };
        self.fit(len, height);
    }
}

/// A move in a list or a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Up(usize),
    Down(usize),
    PageUp,
    PageDown,
    Top,
    Bottom,
}

impl Step {
    /// The new scroll position of a text of `len` rows seen through `height`.
    pub fn scroll(self, from: usize, len: usize, height: u16) -> usize {
        let page = usize::from(height.max(2)) - 1;
        let last = len.saturating_sub(usize::from(height));
        match self {
            Self::Up(n) => from.min(last).saturating_sub(n),
            Self::Down(n) => from.saturating_add(n).min(last),
            Self::PageUp => from.min(last).saturating_sub(page),
            Self::PageDown => from.saturating_add(page).min(last),
            Self::Top => 0,
            Self::Bottom => last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_always_seen() {
        let mut list = List::default();
        list.step(Step::Bottom, 100, 10);
        assert_eq!((list.selected, list.window(100, 10)), (99, 90..100));
        list.step(Step::Up(3), 100, 10);
        assert_eq!(list.window(100, 10), 90..100, "the window stays");
        list.step(Step::PageUp, 100, 10);
        assert_eq!((list.selected, list.window(100, 10)), (87, 87..97));
        assert_eq!(list.window(100, 1), 87..88);
        assert_eq!(list.window(3, 10), 0..3, "a list that has shrunk");
        assert_eq!(list.window(0, 10), 0..0);
        assert_eq!(list.window(100, 0), 0..0);
    }

    #[test]
    fn a_step_skips_the_rows_that_cannot_be_selected() {
        let lands = |from, step, rows: &str| {
            let mut list = List {
                selected: from,
                ..List::default()
            };
            list.step(step, rows.len(), 4);
            list.skip(step, |at| rows.as_bytes()[*at] == b'x');
            list.selected
        };
        for (from, step, rows, to) in [
            (1, Step::Down(1), "-x--x-", 4),
            (4, Step::Down(1), "-x--x-", 4),
            (4, Step::Up(1), "-x--x-", 1),
            (1, Step::Up(1), "-x--x-", 1),
            (1, Step::Bottom, "-x--x-", 4),
            (4, Step::Top, "-x--x-", 1),
            (0, Step::Down(1), "--", 1),
            (0, Step::Down(1), "", 0),
        ] {
            assert_eq!(lands(from, step, rows), to, "{from} {step:?} {rows}");
        }
    }
}
