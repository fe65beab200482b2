//! A response as a table. Columns that do not fit are left out; the selected row stands below the table with all of
//! them.

use ratatui::text::Line;

use crate::domain::explore::NOTHING;
use crate::domain::{Digest, Holds};
use crate::tui::prelude::*;

/// The widest cell, whatever a provider sends.
const CELL_MAX: u16 = 64;
/// The widest text beside the first one.
const TEXT_MAX: u16 = 36;
/// The first text is cut to no less than this while another column can be left out.
const TEXT_MIN: u16 = 16;

/// The selection in a digest.
#[derive(Debug, Clone)]
pub struct Table {
    pub list: List,
    /// The row whose description is the longest.
    longest: usize,
}

impl Table {
    pub fn new(digest: &Digest) -> Self {
        let rows = 0..digest.rows.len();
        let longest = rows.max_by_key(|row| width(&describe(digest, *row)));
        Self {
            list: List::default(),
            longest: longest.unwrap_or(0),
        }
    }

    /// The lines that a row needs below the table: as many for each, so that the table stays where it is.
    pub fn lines_below(&self, digest: &Digest, width: u16) -> usize {
        let rows = [self.longest, self.list.selected].into_iter();
        let lines = rows.map(|row| wrap(&describe(digest, row), width).len());
        lines.max().unwrap_or(0)
    }
}

/// The cells of a row with their columns' names, as in "offer: 65a0c0de · price: 9.00 EUR".
pub fn describe(digest: &Digest, row: usize) -> String {
    let cells = digest.rows.get(row).into_iter().flatten();
    let cells = digest.columns.iter().zip(cells);
    let cells = cells.filter(|(_, cell)| *cell != NOTHING);
    let cells = cells.map(|(column, cell)| format!("{}: {}", column.name, fit(cell, CELL_MAX)));
    cells.collect::<Vec<_>>().join(" · ")
}

/// The rows around the selected one. The first text gets narrower where the room is short; then the last columns are
/// left out: half a number would be another number.
pub fn grid(digest: &Digest, list: List, area: Rect) -> Grid<'_, '_, Vec<String>> {
    let mut holds = digest.columns.iter().map(|column| column.holds);
    let narrowed = holds.position(|holds| holds == Holds::Text).unwrap_or(0);
    let columns = digest.columns.iter().enumerate().map(|(at, column)| {
        let most = match column.holds {
            Holds::Text if at != narrowed => TEXT_MAX,
            _ => CELL_MAX,
        };
        let least = width(column.name);
        let shown = Column::new(
            column.name,
            Width::Fit(least, most),
            move |row: &Vec<_>, _| {
                let text = row.get(at).map_or("", String::as_str);
                Line::from(fit(text, CELL_MAX))
            },
        );
        let shown = match column.holds {
            Holds::Number => shown.right(),
            Holds::Id(_) => shown.id(),
            Holds::Text | Holds::Word => shown,
        };
        match at {
            0 if narrowed > 0 => shown,
            _ if at == narrowed => shown.shrinks(0),
            _ => shown.gives_way(TEXT_MIN + cells(at), 0),
        }
    });
    Grid::new(columns.collect(), digest.rows.iter().collect(), list, area)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Column as Holding;

    fn offers() -> Digest {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        Digest {
            title: "offers".into(),
            columns: vec![
                Holding::text("name"),
                Holding::number("buyer pays"),
                Holding::word("status"),
                Holding::word("offer"),
            ],
            rows: vec![
                row([
                    "Harbour of the Long Winter",
                    "9.00 EUR",
                    "ACTIVE",
                    "65a0c0de",
                ]),
                row(["Tide", "16.60 EUR", NOTHING, "65a0c0df"]),
            ],
            ..Digest::default()
        }
    }

    fn drawn(width: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, 2);
        let mut buf = Buffer::empty(area);
        grid(&offers(), List::default(), area).paint(None, &mut buf);
        let line = |y| (0..width).map(|x| buf[(x, y)].symbol()).collect::<String>();
        (0..2).map(|y| line(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn texts_give_way_and_then_the_last_columns() {
        for (width, first, second) in [
            (
                60,
                "Harbour of the Long Winter   9.00 EUR ACTIVE 65a0c0de",
                "Tide                        16.60 EUR –      65a0c0df",
            ),
            (
                46,
                "Harbour of the Lon…   9.00 EUR ACTIVE 65a0c0de",
                "Tide                 16.60 EUR –      65a0c0df",
            ),
            (
                40,
                "Harbour of the Long W…   9.00 EUR ACTIVE",
                "Tide                    16.60 EUR –",
            ),
            (20, "Harbour of the Long…", "Tide"),
        ] {
            assert_eq!(drawn(width), [first, second], "{width}");
        }
    }

    #[test]
    fn a_number_is_shown_whole_or_not_at_all() {
        for width in 1..60 {
            let shown = drawn(width).join("\n");
            let whole = ["9.00 EUR", "16.60 EUR"].map(|number| shown.contains(number));
            assert!(
                whole == [true; 2] || !shown.contains(['9', '6']),
                "{width}: {shown}"
            );
        }
    }

    #[test]
    fn the_selected_row_is_described_with_all_its_columns() {
        let offers = offers();
        let second = "name: Tide · buyer pays: 16.60 EUR · offer: 65a0c0df";
        assert_eq!(describe(&offers, 1), second);
        assert_eq!(describe(&offers, 2), "");
        let table = Table::new(&offers);
        // As many lines for the second row as for the first, which is longer.
        assert_eq!(table.lines_below(&offers, 60), 2);
    }
}
