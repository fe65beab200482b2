//! Text in cells: cut, wrapped, aligned. Everything drawn passes here, and its control characters are escaped.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::domain::inert;

/// A count as a number of cells.
pub fn cells(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

pub fn width(text: &str) -> u16 {
    cells(text.width())
}

/// The cells of the widest of some texts.
pub fn widest<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> u16 {
    let widths = texts.map(|text| width(text.as_ref()));
    widths.max().unwrap_or(0)
}

/// The text in at most `max` cells, control characters escaped, with `…` where it is cut off.
pub fn fit(text: &str, max: u16) -> Cow<'_, str> {
    // A field of a megabyte must not be walked for the sake of eighty cells.
    let enough = usize::from(max).saturating_mul(8).saturating_add(64);
    let head = match text.char_indices().nth(enough) {
        None => text,
        Some((at, _)) => &text[..at],
    };
    let inert = inert::line(head);
    if head.len() == text.len() && inert.width() <= usize::from(max) {
        return inert;
    }
    if max == 0 {
        return Cow::Borrowed("");
    }
    let mut out = String::new();
    let mut used = 0;
    for c in inert.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > usize::from(max) - 1 {
            break;
        }
        used += wide;
        out.push(c);
    }
    out.push('…');
    Cow::Owned(out)
}

/// The text in at most `max` cells, with `…` in its middle where it is cut: ids differ at their ends.
pub fn fit_middle(text: &str, max: u16) -> Cow<'_, str> {
    let inert = inert::line(text);
    let max = usize::from(max);
    if inert.width() <= max {
        return inert;
    }
    let room = max.saturating_sub(1);
    let take = |chars: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        let fits = |c: &char| {
            used += c.width().unwrap_or(0);
            used <= room
        };
        chars.take_while(fits).collect::<Vec<char>>()
    };
    let head = take(&mut inert.chars(), room / 2);
    let mut tail = take(&mut inert.chars().rev(), room - room / 2);
    tail.reverse();
    let cut = head.into_iter().chain((max > 0).then_some('…')).chain(tail);
    Cow::Owned(cut.collect())
}

/// Words wrapped to lines of at most `max` cells; a longer word is broken.
pub fn wrap(text: &str, max: u16) -> Vec<String> {
    let max = usize::from(max.max(1));
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in inert::line(text).split(' ') {
        let wide = word.width();
        if used > 0 && used + 1 + wide > max {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > max {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += wide;
        }
    }
    lines.push(line);
    lines
}

/// The end of a path that fits after a `…` in `room` cells: whole segments where the last one fits.
pub fn path_end(path: &str, room: u16) -> &str {
    let parts = path.match_indices('/').map(|(at, _)| &path[at..]);
    let letters = path.char_indices().map(|(at, _)| &path[at..]);
    parts
        .chain(letters)
        .find(|end| width(end) < room)
        .unwrap_or_default()
}

/// A path in at most `room` cells, cut at its start: its end tells it from others.
pub fn path_within(path: &str, room: u16) -> Cow<'_, str> {
    if width(path) <= room {
        return Cow::Borrowed(path);
    }
    Cow::Owned(format!("…{}", path_end(path, room)))
}

/// Writes along one row, from left to right, and stops at its end.
pub struct Pen<'a> {
    buf: &'a mut Buffer,
    x: u16,
    y: u16,
    end: u16,
}

impl<'a> Pen<'a> {
    /// On row `row` of `area`, counted from its top; a row outside of it draws nothing.
    pub fn new(buf: &'a mut Buffer, area: Rect, row: u16) -> Self {
        let area = area.intersection(buf.area);
        let inside = row < area.height;
        Self {
            buf,
            x: area.x,
            y: area.y.saturating_add(row),
            end: if inside { area.right() } else { area.x },
        }
    }

    pub fn left(&self) -> u16 {
        self.end.saturating_sub(self.x)
    }

    pub fn x(&self) -> u16 {
        self.x
    }

    pub fn skip(&mut self, by: u16) -> &mut Self {
        self.x = self.x.saturating_add(by).min(self.end);
        self
    }

    /// Reserves the last `by` cells of the row.
    pub fn keep(&mut self, by: u16) -> &mut Self {
        self.end = self.end.saturating_sub(by).max(self.x);
        self
    }

    /// A path, cut as in [`path_within`].
    pub fn path(&mut self, path: &str, style: Style) -> &mut Self {
        let path = path_within(path, self.left());
        self.text(&path, style)
    }

    pub fn text(&mut self, text: &str, style: Style) -> &mut Self {
        let left = self.left();
        if left > 0 {
            let text = fit(text, left);
            let (x, _) = self
                .buf
                .set_stringn(self.x, self.y, &text, usize::from(left), style);
            self.x = x.min(self.end);
        }
        self
    }

    /// Left-aligned in a column of `width` cells.
    pub fn cell(&mut self, text: &str, width: u16, style: Style) -> &mut Self {
        let width = width.min(self.left());
        let next = self.x + width;
        if width > 0 {
            self.buf
                .set_stringn(self.x, self.y, fit(text, width), usize::from(width), style);
        }
        self.x = next;
        self
    }

    /// Right-aligned in a column of `width` cells.
    pub fn right(&mut self, text: &str, width: u16, style: Style) -> &mut Self {
        let width = width.min(self.left());
        let next = self.x + width;
        if width > 0 {
            let text = fit(text, width);
            let at = next - self::width(&text).min(width);
            self.buf
                .set_stringn(at, self.y, &text, usize::from(width), style);
        }
        self.x = next;
        self
    }

    /// At the right end of the row.
    pub fn flush(&mut self, text: &str, style: Style) -> &mut Self {
        let left = self.left();
        self.right(text, left, style)
    }
}

/// Wrapped text in `area`; returns the area below it.
pub fn paragraph(buf: &mut Buffer, area: Rect, text: &str, style: Style) -> Rect {
    if area.is_empty() || text.is_empty() {
        return area;
    }
    let lines = wrap(text, area.width);
    let rows = cells(lines.len());
    for (row, line) in (0..area.height).zip(&lines) {
        let mut pen = Pen::new(buf, area, row);
        if row + 1 == area.height && rows > area.height {
            pen.text(&format!("{line} …"), style);
        } else {
            pen.text(line, style);
        }
    }
    below(area, rows)
}

/// A size in at most eight characters.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// The first `rows` rows of an area, as far as it has them, and the rest.
pub fn split_rows(area: Rect, rows: u16) -> [Rect; 2] {
    area.layout(&Layout::vertical([Length(rows), Fill(1)]))
}

/// The first `columns` columns of an area, as far as it has them, and the rest.
pub fn split_columns(area: Rect, columns: u16) -> [Rect; 2] {
    area.layout(&Layout::horizontal([Length(columns), Fill(1)]))
}

/// Parts of an area from its top, of this many rows each. Where they do not fit, the last ones are cut; a `Layout` would
/// cut any of them.
pub fn stack<const N: usize>(area: Rect, rows: [u16; N]) -> [Rect; N] {
    let mut left = area;
    rows.map(|rows| {
        let [part, rest] = split_rows(left, rows);
        left = rest;
        part
    })
}

/// `area` without its first `rows` rows.
pub fn below(area: Rect, rows: u16) -> Rect {
    split_rows(area, rows)[1]
}

/// The first row of `area`; empty where it has none.
pub fn first_row(area: Rect) -> Rect {
    split_rows(area, 1)[0]
}

/// Whether `text` contains `part`, ASCII case ignored. Copies nothing: a text may be a whole body.
pub fn contains(text: &str, part: &str) -> bool {
    text.as_bytes()
        .windows(part.len().max(1))
        .any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// Whether each word is found in one of these texts, in upper or lower case.
pub fn has_words(words: &[String], texts: &[&str]) -> bool {
    let is_found = |word: &String| texts.iter().any(|text| contains(text, word));
    words.iter().all(is_found)
}

/// `1 payment`, `2 payments`.
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// A number with its thousands apart: 100,000.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        n => format!(" and {n} more"),
    }
}

/// A reason without the account that it begins with, for a place that names the account already.
pub fn without_account<'a>(why: &'a str, account: &str) -> &'a str {
    let rest = why.strip_prefix("account ");
    let rest = rest.and_then(|rest| rest.strip_prefix(account));
    rest.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_by_cells_not_characters() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(fit("漢字漢字", 4), "漢…");
        assert_eq!(fit("漢字", 4), "漢字");
        assert_eq!(fit("a\u{1b}b", 20), "a\\u{1b}b");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit(&"x".repeat(10_000_000), 3), "xx…");
    }

    #[test]
    fn ids_are_cut_in_the_middle_where_they_are_alike() {
        let (a, b) = ("SHOP-2026-11-28-000123", "SHOP-2026-11-28-000124");
        assert_eq!(fit_middle(a, 22), a);
        assert_eq!(fit_middle(a, 16), "SHOP-20…8-000123");
        for max in 2..22 {
            assert_ne!(fit_middle(a, max), fit_middle(b, max), "{max}");
            assert_eq!(width(&fit_middle(a, max)), max);
        }
        assert_eq!(fit_middle("漢字漢字", 5), "漢…字");
        assert_eq!(fit_middle("abc", 1), "…");
        assert_eq!(fit_middle("abc", 0), "");
        assert_eq!(fit_middle("A\u{202e}B", 20), "A\\u{202e}B");
    }

    #[test]
    fn words_wrap_and_long_words_break() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("a\nb", 9), ["a\\nb"]);
    }

    #[test]
    fn the_end_of_a_long_path_is_shown() {
        let drawn = |path: &str, room| {
            let area = Rect::new(0, 0, room, 1);
            let mut buf = Buffer::empty(area);
            Pen::new(&mut buf, area, 0).path(path, Style::new());
            let cells = buf.content.iter().map(ratatui::buffer::Cell::symbol);
            cells.collect::<String>().trim_end().to_owned()
        };
        assert_eq!(drawn("/sales/api/v1/offers", 20), "/sales/api/v1/offers");
        assert_eq!(drawn("/sales/api/v1/offers", 19), "…/api/v1/offers");
        assert_eq!(drawn("/sales/api/v1/offers", 8), "…/offers");
        assert_eq!(drawn("/sales/api/v1/offers", 4), "…ers");
        assert_eq!(drawn("/\u{1b}[2J/offers", 9), "…/offers");
        assert_eq!(drawn("/x", 0), "");
    }
}
