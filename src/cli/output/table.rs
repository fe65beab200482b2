//! Tables: rows with aligned columns.

use unicode_width::UnicodeWidthStr as _;

use super::{Out, Tone};
use crate::domain::inert;

/// The longest text of a cell; a longer one is cut, visibly.
const CELL_MAX: usize = 120;

#[derive(Debug)]
pub struct Cell {
    pub text: String,
    tone: Tone,
}

/// Rows with aligned columns. Color is added after measuring, so it does not count as width.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
    /// The widest cell so far of each column.
    widths: Vec<usize>,
}

impl Table {
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.widths.resize(self.widths.len().max(N), 0);
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = cell.text.width().max(*width);
        }
        self.rows.push(cells.into());
    }

    /// Removes the rows. Later ones line up with them, as far as they are no wider.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// The rows as lines, the last column without padding.
    pub fn lines(&self, out: &Out) -> Vec<String> {
        self.rows
            .iter()
            .map(|row| {
                let mut line = String::new();
                for (i, Cell { text, tone }) in row.iter().enumerate() {
                    line.push_str(&out.paint(*tone, text));
                    if i + 1 < row.len() {
                        line.extend(std::iter::repeat_n(' ', self.widths[i] - text.width() + 2));
                    }
                }
                line.trim_end().to_owned()
            })
            .collect()
    }
}

pub fn plain(text: impl Into<String>) -> Cell {
    toned(text, Tone::Plain)
}

pub fn toned(text: impl Into<String>, tone: Tone) -> Cell {
    Cell {
        text: inert::cut(&text.into(), CELL_MAX),
        tone,
    }
}

/// An identifier, never cut: two long ones may differ only in their last character.
pub fn whole(text: &str, tone: Tone) -> Cell {
    Cell {
        text: inert::line(text).into_owned(),
        tone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour_and_width() {
        let mut table = Table::default();
        table.row([toned("✔", Tone::Good), plain("漢字"), plain("x")]);
        table.row([toned("✘", Tone::Bad), plain("abcdef"), plain("y")]);
        let plain_out = Out::default();
        assert_eq!(table.lines(&plain_out), ["✔  漢字    x", "✘  abcdef  y"]);
        let colored = Out {
            color: true,
            ..plain_out.clone()
        };
        assert_eq!(table.lines(&colored)[0], "\u{1b}[32m✔\u{1b}[0m  漢字    x");
    }

    #[test]
    fn later_rows_line_up_with_those_that_are_printed() {
        let mut table = Table::default();
        table.row([plain("account"), plain("x")]);
        table.clear();
        table.row([plain("shop"), plain("y")]);
        assert_eq!(table.lines(&Out::default()), ["shop     y"]);
    }

    #[test]
    fn hostile_text_is_inert_in_rows() {
        let mut table = Table::default();
        table.row([plain("a\u{1b}[2Jb\nc")]);
        assert_eq!(table.lines(&Out::default()), ["a\\u{1b}[2Jb\\nc"]);
    }

    #[test]
    fn an_id_is_never_cut_in_a_table() {
        let long = "ł".repeat(256);
        let mut table = Table::default();
        table.row([whole(&long, Tone::Accent), plain("a".repeat(200))]);
        let line = table.lines(&Out::default()).remove(0);
        assert!(line.starts_with(&long) && line.ends_with('…'), "{line}");
    }
}
