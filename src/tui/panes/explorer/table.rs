//! A response as a table. Columns that do not fit are left out; the selected row stands below the table with all of
//! them.

use std::borrow::Cow;

use ratatui::text::Line;

use crate::domain::explore::NOTHING;
use crate::domain::{self, ColumnKind, Digest};
use crate::tui::prelude::*;
use crate::tui::theme::Theme;
use crate::tui::widgets::text::fit_middle;

/// The widest cell, whatever a provider sends.
const CELL_MAX: u16 = 64;
/// The widest text beside the first one.
const TEXT_MAX: u16 = 36;
/// The first text is cut to no less than this while another column can be left out.
const TEXT_MIN: u16 = 16;
/// Between two cells of the described row.
const BETWEEN: &str = " · ";

/// The selection in a digest.
#[derive(Debug, Clone)]
pub struct Table {
    pub list: List,
    /// The row with the most to show.
    longest: usize,
}

impl Table {
    pub fn new(digest: &Digest) -> Self {
        let rows = 0..digest.rows.len();
        let longest = rows.max_by_key(|row| {
            let cells = described(digest, *row);
            let widths = cells.map(|(_, cell)| u32::from(width(&fit(cell, CELL_MAX))));
            widths.sum::<u32>()
        });
        Self {
            list: List::default(),
            longest: longest.unwrap_or(0),
        }
    }

    /// The lines that a row needs below the table: as many for each, so that the table stays where it is.
    pub fn lines_below(&self, digest: &Digest, width: u16) -> usize {
        let rows = [self.longest, self.list.selected].into_iter();
        let lines = rows.map(|row| describe(digest, row, width).len());
        lines.max().unwrap_or(0)
    }
}

/// The cells of a row that have a value, in the order of the columns.
fn described(digest: &Digest, row: usize) -> impl Iterator<Item = (domain::Column, &str)> {
    let cells = digest.rows.get(row).into_iter().flatten();
    let cells = digest
        .columns
        .iter()
        .copied()
        .zip(cells.map(String::as_str));
    cells.filter(|(_, cell)| *cell != NOTHING)
}

/// The cells of a row in lines of this width, each in the first one with room. Sums come before the rest, since the last
/// lines may not be drawn; a text stands last and is cut rather than moved to a line of its own.
fn describe(digest: &Digest, row: usize, room: u16) -> Vec<Vec<(domain::Column, &str)>> {
    let mut all: Vec<_> = described(digest, row).collect();
    all.sort_by_key(|(column, _)| match column.holds {
        ColumnKind::Number => 0,
        ColumnKind::Id(_) => 1,
        ColumnKind::Word => 2,
        ColumnKind::Text => 3,
    });
    // Each with the room that is left in it.
    let mut lines: Vec<(u16, Vec<_>)> = Vec::new();
    for (column, cell) in all {
        let is_text = column.holds == ColumnKind::Text;
        let most = width(&fit(cell, CELL_MAX));
        let least = if is_text { most.min(TEXT_MIN) } else { most };
        let name = width(column.name) + 2;
        let has_room = |line: &&mut (u16, Vec<_>)| width(BETWEEN) + name + least <= line.0;
        let line = if is_text {
            lines.last_mut().filter(has_room)
        } else {
            lines.iter_mut().find(has_room)
        };
        match line {
            Some((left, line)) => {
                *left = left.saturating_sub(width(BETWEEN) + name + most);
                line.push((column, cell));
            }
            None => lines.push((room.saturating_sub(name + most), vec![(column, cell)])),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Whether a row has this text, in lower case, in a cell as it is shown.
pub fn has(digest: &Digest, row: usize, text: &str) -> bool {
    let mut cells = digest.rows.get(row).into_iter().flatten();
    cells.any(|cell| cell.to_lowercase().contains(text))
}

/// Draws a row with the names of its columns, as in "price: 9.00 EUR · offer: 65a0c0de". The names have a style of their
/// own: a provider's text may look like another column.
pub fn draw_row(digest: &Digest, row: usize, area: Rect, theme: &Theme, buf: &mut Buffer) {
    let lines = describe(digest, row, area.width);
    let names = theme.style(Tone::Dim);
    for (at, line) in (0..area.height).zip(&lines) {
        let mut pen = Pen::new(buf, area, at);
        let is_cut = at + 1 == area.height && lines.len() > usize::from(area.height);
        pen.keep(if is_cut { 2 } else { 0 });
        for (at, (column, cell)) in line.iter().enumerate() {
            let before = if at > 0 { BETWEEN } else { "" };
            pen.text(&format!("{before}{}: ", column.name), names);
            let cell = shown(column.holds, cell, pen.left());
            pen.text(&cell, theme.style(Tone::Plain));
        }
        if is_cut {
            Pen::new(buf, area, at).flush("…", names);
        }
    }
}

/// A cell in at most `room` columns. A number is whole or absent: half of one would be another number.
fn shown(holds: ColumnKind, cell: &str, room: u16) -> Cow<'_, str> {
    let room = room.min(CELL_MAX);
    match holds {
        ColumnKind::Id(_) => fit_middle(cell, room),
        ColumnKind::Text | ColumnKind::Word => fit(cell, room),
        ColumnKind::Number => match fit(cell, room) {
            cut if cut.ends_with('…') => Cow::Borrowed("…"),
            whole => whole,
        },
    }
}

/// The rows around the selected one. The first text, else the first column that holds no number, gets narrower where the
/// room is short; then the last columns are left out.
pub fn grid(digest: &Digest, list: List, area: Rect) -> Grid {
    let position = |is: fn(ColumnKind) -> bool| {
        let mut holds = digest.columns.iter().map(|column| column.holds);
        holds.position(is)
    };
    let narrowed = position(|holds| holds == ColumnKind::Text)
        .or_else(|| position(|holds| holds != ColumnKind::Number))
        .unwrap_or(0);
    let columns = digest.columns.iter().enumerate().map(|(at, column)| {
        let most = match column.holds {
            ColumnKind::Text if at != narrowed => TEXT_MAX,
            _ => CELL_MAX,
        };
        let least = width(column.name);
        let shown = Column::new(
            column.name,
            Width::Fit(least, most),
            move |row: &Vec<_>, room| {
                let text = row.get(at).map_or("", String::as_str);
                Line::from(shown(column.holds, text, room))
            },
        );
        let shown = match column.holds {
            ColumnKind::Number => shown.right(),
            ColumnKind::Id(_) => shown.id(),
            ColumnKind::Text | ColumnKind::Word => shown,
        };
        match at {
            0 if narrowed > 0 => shown,
            _ if at == narrowed => shown.shrinks(0),
            _ => shown.gives_way(TEXT_MIN + cells(at), 0),
        }
    });
    let rows: Vec<_> = digest.rows.iter().collect();
    Grid::new(columns.collect(), &rows, list, area)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Column as Holding;
    use crate::domain::Ui;

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

    const NUMBERS: [&str; 3] = ["9.00 EUR", "12345.67 EUR", "314"];

    /// A row of each mix of columns that providers' tables have, and some that none has.
    fn all_kinds() -> Vec<Digest> {
        let [id, word, text, number] = [
            Holding::id("offer", "offerId"),
            Holding::word("updated (UTC)"),
            Holding::text("name"),
            Holding::number("buyer pays"),
        ];
        let kinds: [&[Holding]; 12] = [
            // Kinguin: offers, sales by day, the calculator, the lowest price, wholesale, reasons, facts.
            &[
                id, text, number, number, word, number, number, number, number, word, word,
            ],
            &[word, number, number, number],
            &[text, number, number, number, number],
            &[id, number],
            &[text, text, number, number, word, word],
            &[text, number],
            &[word, text],
            // Pledg: a schedule. Kongregate: items and scores.
            &[word, word, number, number, number],
            &[id, text, number, text, word],
            &[number, number, text],
            &[number, word, number],
            &[number, number, number],
        ];
        let cell = |(at, column): (usize, &Holding)| match column.holds {
            ColumnKind::Number => NUMBERS[at % NUMBERS.len()].to_owned(),
            ColumnKind::Id(_) => "abcdefabcdefabcdefabcdef".to_owned(),
            ColumnKind::Word => "the day before".to_owned(),
            ColumnKind::Text => "Harbour of the Long Winter, the whole collection".to_owned(),
        };
        let digest = |columns: &&[Holding]| Digest {
            columns: columns.to_vec(),
            rows: vec![columns.iter().enumerate().map(cell).collect()],
            ..Digest::default()
        };
        kinds.iter().map(digest).collect()
    }

    fn text_of(buf: &Buffer) -> String {
        let rows = buf.area.rows();
        let line = |row: Rect| {
            row.columns()
                .map(|at| buf[at.as_position()].symbol())
                .collect()
        };
        rows.map(line).collect::<Vec<String>>().join("\n")
    }

    fn described_in(digest: &Digest, row: usize, width: u16, height: u16) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        draw_row(
            digest,
            row,
            area,
            &Theme::new(&Ui::default(), None, true),
            &mut buf,
        );
        text_of(&buf)
    }

    #[test]
    fn a_number_is_shown_whole_or_not_at_all() {
        for digest in all_kinds() {
            for width in 1..140 {
                let area = Rect::new(0, 0, width, 1);
                let mut buf = Buffer::empty(area);
                grid(&digest, List::default(), area).paint(None, &mut buf);
                let below = (1..5).map(|height| described_in(&digest, 0, width, height));
                for shown in below.chain([text_of(&buf)]) {
                    let mut rest = shown.clone();
                    for number in ["12345.67 EUR", "9.00 EUR", "314"] {
                        rest = rest.replace(number, "");
                    }
                    assert!(
                        !rest.contains(|c: char| c.is_ascii_digit()) && !rest.contains('E'),
                        "{width}: {shown}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_selected_row_is_described_with_all_its_columns_the_sums_first() {
        let offers = offers();
        let lines = |row, width, height| {
            let text = described_in(&offers, row, width, height);
            let lines = text.lines().map(|line| line.trim_end().to_owned());
            lines.collect::<Vec<_>>()
        };
        let second = "buyer pays: 16.60 EUR · offer: 65a0c0df · name: Tide";
        assert_eq!(lines(1, 60, 1), [second]);
        assert_eq!(lines(2, 60, 1), [""]);
        assert_eq!(
            lines(0, 40, 3),
            [
                "buyer pays: 9.00 EUR · status: ACTIVE",
                "offer: 65a0c0de · name: Harbour of the …",
                "",
            ]
        );
        assert_eq!(
            lines(0, 40, 1),
            ["buyer pays: 9.00 EUR · status: ACTIVE  …"]
        );
        let table = Table::new(&offers);
        // As many lines for the second row as for the first, which is longer.
        assert_eq!(table.lines_below(&offers, 40), 2);
    }

    #[test]
    fn a_text_that_looks_like_a_column_has_the_style_of_a_text() {
        let mut offers = offers();
        offers.rows[0][0] = "X · buyer pays: 0.01 EUR".into();
        for color in [true, false] {
            let theme = Theme::new(&Ui::default(), None, color);
            let area = Rect::new(0, 0, 140, 1);
            let mut buf = Buffer::empty(area);
            draw_row(&offers, 0, area, &theme, &mut buf);
            let text = text_of(&buf);
            let mut names = text.match_indices("buyer pays").map(|(at, _)| {
                let at = text[..at].chars().count();
                buf[(cells(at), 0)].style()
            });
            let [real, imitated] = [names.next(), names.next()].map(Option::unwrap);
            assert_ne!(real, imitated);
        }
    }
}
