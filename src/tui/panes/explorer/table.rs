//! A digest as a table whose rows are selected. Numbers, states and ids are never cut off; texts are cut first, and
//! columns that still do not fit are reached by scrolling.

use unicode_width::UnicodeWidthStr as _;

use crate::domain::{Column, Digest, Holds};
use crate::tui::prelude::*;
use crate::tui::widgets::reader::Reader;

/// A text is cut to no less than this to make room for the columns after it.
const TEXT_MIN: usize = 16;
/// The widest text in a table that scrolls.
const TEXT_MAX: usize = 36;
/// The widest cell, whatever a provider sends.
const CELL_MAX: u16 = 64;
/// Columns between two cells.
const GAP: usize = 2;

#[derive(Debug, Clone)]
pub struct Table {
    pub title: String,
    pub note: &'static str,
    pub heading: String,
    pub rows: Reader,
    pub selected: usize,
    columns: Vec<Column>,
    cells: Vec<Vec<String>>,
    widths: Vec<usize>,
    width: u16,
}

impl Table {
    pub fn new(digest: &Digest) -> Self {
        let cell = |text: &String| fit(text, CELL_MAX).into_owned();
        let mut table = Self {
            title: digest.title.clone(),
            note: digest.note,
            heading: String::new(),
            rows: Reader::text("", false),
            selected: 0,
            columns: digest.columns.clone(),
            cells: digest
                .rows
                .iter()
                .map(|row| row.iter().map(cell).collect())
                .collect(),
            widths: Vec::new(),
            width: 0,
        };
        table.fit(80);
        table
    }

    /// Lays the columns out, if the width changed.
    pub fn fit(&mut self, width: u16) {
        if self.width == width || width == 0 {
            return;
        }
        self.width = width;
        self.widths = self.widths(usize::from(width));
        let names: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        self.heading = self.line(&names);
        let lines: Vec<_> = self.cells.iter().map(|row| self.line(row)).collect();
        self.rows.replace(&lines.join("\n"));
    }

    /// The width of each column in `room` cells: as many as fit with their texts cut; the texts share what is left.
    fn widths(&self, room: usize) -> Vec<usize> {
        let wide = |(at, column): (usize, &Column)| {
            let cells = self.cells.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|text| text.width()).max().unwrap_or(0);
            widest.max(column.name.width())
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(wide).collect();
        let is_text = |at: usize| self.columns[at].holds == Holds::Text;
        let least = |at: usize| {
            if is_text(at) {
                widths[at].min(TEXT_MIN)
            } else {
                widths[at]
            }
        };
        let fitting = |room: usize| {
            let mut used = 0;
            (0..widths.len())
                .take_while(|at| {
                    used += least(*at) + if *at > 0 { GAP } else { 0 };
                    used <= room
                })
                .count()
        };
        // In a row that is wider than the area, the reader draws `…` over the last cell.
        let room = if fitting(room) == widths.len() {
            room
        } else {
            room.saturating_sub(GAP)
        };
        let seen = fitting(room);
        let fixed = (0..seen).filter(|at| !is_text(*at)).map(|at| widths[at]);
        let mut left = room.saturating_sub(fixed.sum::<usize>() + GAP * seen.saturating_sub(1));
        // The narrow columns first: what they do not need is shared among the wider ones.
        let mut texts: Vec<usize> = (0..seen).filter(|at| is_text(*at)).collect();
        texts.sort_by_key(|at| widths[*at]);
        for (done, at) in texts.iter().enumerate() {
            let share = left / (texts.len() - done);
            widths[*at] = widths[*at].min(share);
            left -= widths[*at];
        }
        for at in (seen..widths.len()).filter(|at| is_text(*at)) {
            widths[at] = widths[at].min(TEXT_MAX);
        }
        widths
    }

    fn line(&self, cells: &[impl AsRef<str>]) -> String {
        let mut out = String::new();
        let columns = self.columns.iter().zip(&self.widths);
        for (text, (column, wide)) in cells.iter().zip(columns) {
            let text = fit(text.as_ref(), u16::try_from(*wide).unwrap_or(u16::MAX));
            let air = " ".repeat(wide.saturating_sub(text.width()));
            let (before, after) = match column.holds {
                Holds::Number => (air.as_str(), ""),
                Holds::Text | Holds::Word | Holds::Id(_) => ("", air.as_str()),
            };
            for part in [before, &text, after, &" ".repeat(GAP)] {
                out.push_str(part);
            }
        }
        out.trim_end().to_owned()
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub fn step(&mut self, step: Step, height: u16) {
        let mut list = List::default();
        list.selected = self.selected;
        list.step(step, self.cells.len(), height);
        self.select(list.selected, height);
    }

    pub fn select(&mut self, row: usize, height: u16) {
        self.selected = row.min(self.cells.len().saturating_sub(1));
        self.rows.show_line(self.selected, height);
    }

    pub fn select_found(&mut self) {
        self.selected = self.rows.found_line().unwrap_or(self.selected);
    }

    /// How many columns are partly or fully off the screen: at the left, at the right.
    pub fn hidden_columns(&self) -> (usize, usize) {
        if self.rows.wraps() {
            return (0, 0);
        }
        let left = self.rows.left();
        let right = left + usize::from(self.width);
        let (mut from, mut hidden_columns) = (0, (0, 0));
        for wide in &self.widths {
            if from < left {
                hidden_columns.0 += 1;
            } else if from + wide > right {
                hidden_columns.1 += 1;
            }
            from += wide + GAP;
        }
        hidden_columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new(&Digest {
            title: "offers".into(),
            columns: vec![
                Column::text("name"),
                Column::number("buyer pays"),
                Column::word("status"),
                Column::word("offer"),
            ],
            rows: vec![
                vec![
                    "Harbour of the Long Winter".into(),
                    "9.00 EUR".into(),
                    "ACTIVE".into(),
                    "65a0c0de".into(),
                ],
                vec![
                    "Tide".into(),
                    "16.60 EUR".into(),
                    "INACTIVE".into(),
                    "65a0c0df".into(),
                ],
            ],
            ..Digest::default()
        })
    }

    fn lines(table: &Table) -> Vec<String> {
        let rows = table.cells.iter().map(|row| table.line(row));
        std::iter::once(table.heading.clone()).chain(rows).collect()
    }

    #[test]
    fn texts_give_way_and_numbers_stand_at_the_right() {
        let mut table = table();
        assert_eq!(
            lines(&table),
            [
                "name                        buyer pays  status    offer",
                "Harbour of the Long Winter    9.00 EUR  ACTIVE    65a0c0de",
                "Tide                         16.60 EUR  INACTIVE  65a0c0df",
            ]
        );
        assert_eq!(table.hidden_columns(), (0, 0));
        table.fit(50);
        assert_eq!(
            lines(&table)[1],
            "Harbour of the Lo…    9.00 EUR  ACTIVE    65a0c0de"
        );
        assert_eq!(table.hidden_columns(), (0, 0));
    }

    #[test]
    fn what_does_not_fit_is_scrolled_to_and_counted() {
        let mut table = table();
        table.fit(40);
        assert_eq!(
            lines(&table)[1],
            "Harbour of the …    9.00 EUR  ACTIVE    65a0c0de"
        );
        assert_eq!(table.hidden_columns(), (0, 1));
        table.rows.fit(ratatui::layout::Rect::new(0, 0, 40, 5));
        table.rows.sideways(true);
        assert_eq!(table.hidden_columns(), (1, 0));
        for width in 0..60 {
            table.fit(width);
            let (left, right) = table.hidden_columns();
            assert!(left + right <= 4);
        }
    }

    #[test]
    fn another_width_keeps_the_place_and_the_search() {
        let mut table = table();
        table.rows.fit(ratatui::layout::Rect::new(0, 0, 80, 1));
        table.rows.search("tide", 1);
        table.fit(40);
        assert_eq!(table.rows.found().as_deref(), Some("1 of 1"));
        assert_eq!(table.rows.place(1).as_deref(), Some("2-2 of 2"));
    }
}
