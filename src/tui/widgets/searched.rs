//! The text of a large window, and the search in it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::filter::Filter;
use super::list::Step;
use super::pager::draw_below;
use super::reader::Reader;
use super::sheet::Kind;
use super::text::split_rows;
use crate::tui::theme::Theme;

/// A text with a search. While that is typed, it has the last row.
#[derive(Debug, Clone)]
pub struct SearchedText {
    reader: Reader,
    pub search: Filter,
    /// Of the text, as it was fitted last.
    height: u16,
}

impl SearchedText {
    pub fn new(sheet: Vec<(Kind, String)>) -> Self {
        Self {
            reader: Reader::sheet(sheet),
            search: Filter::search(),
            height: 0,
        }
    }

    /// Replaces the lines; scroll position and search stay.
    pub fn replace(&mut self, sheet: Vec<(Kind, String)>) {
        self.reader.replace(sheet);
    }

    pub fn step(&mut self, step: Step) {
        self.reader.step(step, self.height);
    }

    pub fn next_match(&mut self, forward: bool) {
        self.reader.next_match(forward, self.height);
    }

    /// Lays it out for an area, and searches anew after the search changed.
    pub fn fit(&mut self, area: Rect) {
        let [text, _] = self.parts(area);
        self.height = text.height;
        self.reader.fit(text);
        if self.reader.query() != self.search.text() {
            self.reader.search(self.search.text(), text.height);
        }
    }

    /// Draws it; returns the cursor of the search.
    pub fn draw(&self, area: Rect, theme: &Theme, buf: &mut Buffer) -> Option<Position> {
        let [text, field] = self.parts(area);
        self.reader.draw(text, theme, buf);
        let notes = [self.reader.found(), self.reader.place(text.height)];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        if !notes.is_empty() {
            draw_below(area, &notes.join(" · "), theme, buf);
        }
        self.search.draw(theme, field, buf)
    }

    fn parts(&self, area: Rect) -> [Rect; 2] {
        let field = u16::from(self.search.is_typed() && area.height > 1);
        split_rows(area, area.height - field)
    }
}
