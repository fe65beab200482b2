//! A text viewer: finds lines once, wraps them, draws only the visible ones, searches.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::json::{self, Ink, Line, Lines};
use super::list::Step;
use super::pager::{draw_below, place, visible};
use super::sheet::Kind;
use super::text::cells;
use crate::domain::inert;
use crate::tui::theme::{Theme, Tone};

/// Matches at most; where there are more, the count ends in `+`.
const FOUND_MAX: usize = 9_999;
/// The deepest indentation drawn; deeper lines use the same.
const INDENT_MAX: u16 = 40;

/// One row on the screen: a line, or a part of a wrapped line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    from: usize,
    to: usize,
    indent: u16,
    kind: Kind,
    ink: Ink,
}

/// A text, its rows, the scroll position and the search.
#[derive(Debug, Clone)]
pub struct Reader {
    text: String,
    lines: Vec<(Line, Kind)>,
    width: u16,
    rows: Vec<Row>,
    top: usize,
    query: String,
    found: Vec<usize>,
    at: usize,
}

impl Reader {
    /// A viewer of JSON, with coloured tokens.
    pub fn json(read: Lines) -> Self {
        let lines = read.lines.into_iter();
        Self::new(read.text, lines.map(|line| (line, Kind::Json)).collect())
    }

    pub fn text(text: &str) -> Self {
        let text = inert::block(text).replace('\t', "    ");
        let lines = text.lines().map(|line| (Kind::Text, line.to_owned()));
        Self::sheet(lines.collect())
    }

    /// A viewer of lines, each drawn by its kind.
    pub fn sheet(sheet: Vec<(Kind, String)>) -> Self {
        let (mut text, mut lines) = (String::new(), Vec::with_capacity(sheet.len()));
        for (kind, line) in sheet {
            let line = inert::line(&line);
            let bare = line.trim_start_matches(' ');
            let from = text.len();
            text.push_str(bare);
            let kind = match kind {
                Kind::Header(name) => Kind::Header(from + name),
                kind => kind,
            };
            let line = Line {
                from,
                to: text.len(),
                indent: cells(line.len() - bare.len()),
            };
            lines.push((line, kind));
            text.push('\n');
        }
        Self::new(text, lines)
    }

    fn new(text: String, lines: Vec<(Line, Kind)>) -> Self {
        Self {
            text,
            lines,
            width: 0,
            rows: Vec::new(),
            top: 0,
            query: String::new(),
            found: Vec::new(),
            at: 0,
        }
    }

    /// Replaces the lines; scroll position and search stay.
    pub fn replace(&mut self, sheet: Vec<(Kind, String)>) {
        let before = std::mem::replace(self, Self::sheet(sheet));
        self.found = places(&self.text, &before.query);
        self.at = before.at.min(self.found.len().saturating_sub(1));
        (self.top, self.query) = (before.top, before.query);
    }

    /// The rows, as they were laid out last.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Lays the text out, if the width changed; returns how many rows it has.
    pub fn lay_out(&mut self, width: u16) -> usize {
        if width != self.width && width > 0 {
            let seen = self.rows.get(self.top).map(|row| row.from);
            self.width = width;
            self.rows = self.laid_out(width);
            // The rows are other ones now: the byte at the top is what stays.
            self.top = seen.map_or(self.top, |seen| self.row_of(seen));
        }
        self.rows.len()
    }

    /// Lays the text out for an area, and scrolls no further than to its end.
    pub fn fit(&mut self, area: Rect) {
        let rows = self.lay_out(area.width);
        self.top = self.top.min(rows.saturating_sub(usize::from(area.height)));
    }

    pub fn step(&mut self, step: Step, height: u16) {
        self.top = step.scroll(self.top, self.rows.len(), height);
    }

    /// `12-46 of 240`, where not all rows are visible.
    pub fn place(&self, height: u16) -> Option<String> {
        let all = self.rows.len();
        place(&visible(self.top, all, height), all)
    }

    /// `3 of 17`, while a search is active.
    pub fn found(&self) -> Option<String> {
        let more = if self.found.len() == FOUND_MAX {
            "+"
        } else {
            ""
        };
        match (self.query.is_empty(), self.found.len()) {
            (true, _) => None,
            (false, 0) => Some("not found".into()),
            (false, all) => Some(format!("{} of {all}{more}", self.at + 1)),
        }
    }

    pub fn query(&self) -> &str {
        &self.query
    }

    /// Searches for a text, ASCII case ignored, and goes to the first match from the top row on.
    pub fn search(&mut self, query: &str, height: u16) {
        query.clone_into(&mut self.query);
        self.found = places(&self.text, query);
        let here = self.rows.get(self.top).map_or(0, |row| row.from);
        // From the row on screen, so that typing more letters does not jump back to the top.
        self.at = self.found.partition_point(|at| *at < here);
        if self.at == self.found.len() {
            self.at = 0;
        }
        self.show_found(height);
    }

    /// Goes to the next or the previous match, around at the ends.
    pub fn next_match(&mut self, forward: bool, height: u16) {
        let all = self.found.len();
        if all > 0 {
            self.at = (self.at + if forward { 1 } else { all - 1 }) % all;
            self.show_found(height);
        }
    }

    fn show_found(&mut self, height: u16) {
        let Some(at) = self.found.get(self.at).copied() else {
            return;
        };
        let row = self.row_of(at);
        let height = usize::from(height.max(1));
        if row < self.top || row >= self.top + height {
            // A third from the top, so that the lines before the match show as well.
            self.top = row
                .saturating_sub(height / 3)
                .min(self.rows.len().saturating_sub(height));
        }
    }

    fn row_of(&self, at: usize) -> usize {
        self.rows
            .partition_point(|row| row.from <= at)
            .saturating_sub(1)
    }

    fn laid_out(&self, width: u16) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.lines.len());
        for (line, kind) in &self.lines {
            let first = Row {
                from: line.from,
                to: line.to,
                indent: line.indent.min(INDENT_MAX).min(width / 2),
                kind: *kind,
                ink: Ink::default(),
            };
            let text = &self.text[line.from..line.to];
            let room = usize::from(width.saturating_sub(first.indent).max(1));
            // No character has more cells than bytes, so a line of few bytes fits without being measured.
            if text.len() <= room || !text.is_ascii() && text.width() <= room {
                rows.push(first);
            } else {
                self.wrap(first, width, &mut rows);
            }
        }
        rows
    }

    /// Wraps a long line, after a space where one is near.
    fn wrap(&self, line: Row, width: u16, rows: &mut Vec<Row>) {
        let is_json = line.kind == Kind::Json;
        let (mut row, mut ink, mut used) = (line, Ink::default(), 0);
        let mut space: Option<(usize, Ink, usize)> = None;
        for (at, c) in self.text[line.from..line.to].char_indices() {
            let at = line.from + at;
            let wide = c.width().unwrap_or(0);
            let room = usize::from(width.saturating_sub(row.indent).max(1));
            // One space at the end of a row is not seen, so it needs no room.
            let room_here = room + usize::from(c == ' ');
            if used + wide > room_here && at > row.from {
                let (from, from_ink, kept) = space
                    // A break further back would leave more than half of the row empty.
                    .filter(|(_, _, before)| *before > room / 2)
                    .map_or((at, ink, 0), |(from, ink, before)| {
                        (from, ink, used - before)
                    });
                rows.push(Row { to: from, ..row });
                row = Row {
                    from,
                    ink: from_ink,
                    // JSON continues two columns deeper, so that the rest of a value does not look like a key.
                    indent: (line.indent + u16::from(is_json) * 2).min(width / 2),
                    ..line
                };
                used = kept;
                space = None;
            }
            if is_json {
                ink.step(c, &self.text[at + c.len_utf8()..]);
            }
            used += wide;
            if c == ' ' {
                space = Some((at + 1, ink, used));
            }
        }
        rows.push(row);
    }

    /// Draws the place on the frame's line below the area.
    pub fn draw_place(&self, area: Rect, theme: &Theme, buf: &mut Buffer) {
        if let Some(place) = self.place(area.height) {
            draw_below(area, &place, theme, buf);
        }
    }

    pub fn draw(&self, area: Rect, theme: &Theme, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        // Between a resize and its event, the area has another width than `fit` was given.
        let other;
        let rows = if self.width == area.width {
            &self.rows
        } else {
            other = self.laid_out(area.width);
            &other
        };
        let shown = visible(self.top, rows.len(), area.height);
        for (row, line) in rows[shown].iter().zip(area.rows()) {
            self.draw_row(row, line, theme, buf);
        }
    }

    fn draw_row(&self, row: &Row, area: Rect, theme: &Theme, buf: &mut Buffer) {
        let mut ink = row.ink;
        let mut column = row.indent;
        let mut run = (String::new(), Style::new(), column);
        let flush = |run: &mut (String, Style, u16), buf: &mut Buffer| {
            let left = area.width.saturating_sub(run.2);
            buf.set_stringn(area.x + run.2, area.y, &run.0, usize::from(left), run.1);
            run.0.clear();
        };
        let mut next = self
            .found
            .partition_point(|at| at + self.query.len() <= row.from);
        for (at, c) in self.text[row.from..row.to].char_indices() {
            let at = row.from + at;
            while self
                .found
                .get(next)
                .is_some_and(|found| found + self.query.len() <= at)
            {
                next += 1;
            }
            let hit = self.found.get(next).is_some_and(|found| *found <= at);
            let style = match row.kind {
                Kind::Json => json::style(theme, ink.step(c, &self.text[at + c.len_utf8()..])),
                Kind::Heading => theme.bold(Tone::Accent),
                Kind::Header(name) if at < name => theme.style(Tone::Dim),
                Kind::Note => theme.style(Tone::Dim),
                Kind::Header(_) | Kind::Text => theme.style(Tone::Plain),
            };
            let style = match hit {
                true if next == self.at => theme.badge(Tone::Warn),
                true => theme.badge(Tone::Accent),
                false => style,
            };
            if style != run.1 {
                flush(&mut run, buf);
                (run.1, run.2) = (style, column);
            }
            run.0.push(c);
            column += cells(c.width().unwrap_or(0));
        }
        flush(&mut run, buf);
    }
}

/// The matches of a text in another, ASCII case ignored, without overlaps.
fn places(text: &str, query: &str) -> Vec<usize> {
    let (text, query) = (text.as_bytes(), query.as_bytes());
    let mut found = Vec::new();
    let Some(first) = query.first() else {
        return found;
    };
    let mut at = 0;
    while at + query.len() <= text.len() && found.len() < FOUND_MAX {
        if text[at].eq_ignore_ascii_case(first)
            && text[at..at + query.len()].eq_ignore_ascii_case(query)
        {
            found.push(at);
            at += query.len();
        } else {
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use ratatui::style::Modifier;

    use super::*;
    use crate::domain::Ui;

    fn shown(reader: &Reader, width: u16, height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        reader.draw(area, &Theme::new(&Ui::default(), None, true), &mut buf);
        (0..height)
            .map(|y| {
                let line: String = (0..width).map(|x| buf[(x, y)].symbol()).collect();
                line.trim_end().to_owned()
            })
            .collect()
    }

    fn read(text: &str) -> Reader {
        match json::read(text) {
            json::Reading::Whole(lines) | json::Reading::Torn(lines) => Reader::json(lines),
            json::Reading::Not(_) => Reader::text(text),
        }
    }

    #[test]
    fn long_lines_wrap_at_the_width_of_the_area() {
        let mut reader = read(r#"{"name": "one two three four", "n": 1}"#);
        reader.fit(Rect::new(0, 0, 20, 9));
        assert_eq!(
            shown(&reader, 20, 5),
            [
                "{",
                "  \"name\": \"one two",
                "    three four\",",
                "  \"n\": 1",
                "}"
            ]
        );
        // The area drawn into may differ from the one it was fitted to.
        assert_eq!(
            shown(&reader, 40, 2)[1],
            "  \"name\": \"one two three four\","
        );
    }

    #[test]
    fn lines_are_drawn_by_their_kinds_and_keep_the_scroll_position_when_replaced() {
        let lines = |last: &str| {
            vec![
                (Kind::Heading, "Request".to_owned()),
                (Kind::Header(5), "a-b: one two".to_owned()),
                (Kind::Text, "    {} of the body".to_owned()),
                (Kind::Note, last.to_owned()),
            ]
        };
        let mut reader = Reader::sheet(lines("end"));
        let area = Rect::new(0, 0, 12, 3);
        reader.fit(area);
        // A line that fills the row exactly, and one that continues with its indentation.
        let seen = ["Request", "a-b: one two", "    {} of"];
        assert_eq!(shown(&reader, 12, 3), seen);
        assert_eq!(reader.place(3).as_deref(), Some("1-3 of 5"));
        reader.step(Step::Down(2), 3);
        reader.replace(lines("another end"));
        reader.fit(area);
        assert_eq!(
            shown(&reader, 12, 3),
            ["    {} of", "    the body", "another end"]
        );
        let theme = Theme::new(&Ui::default(), None, true);
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 5));
        Reader::sheet(lines("end")).draw(buf.area, &theme, &mut buf);
        for (at, is_dim) in [((0, 1), true), ((5, 1), false), ((0, 4), true)] {
            assert_eq!(buf[at].modifier.contains(Modifier::DIM), is_dim, "{at:?}");
        }
    }

    #[test]
    fn a_match_is_found_and_scrolled_into_view() {
        let text: Vec<String> = (0..500).map(|at| format!("line {at}")).collect();
        let mut reader = read(&text.join("\n"));
        reader.fit(Rect::new(0, 0, 30, 10));
        reader.search("LINE 4", 10);
        assert_eq!(reader.found().as_deref(), Some("1 of 111"));
        reader.next_match(true, 10);
        assert!(shown(&reader, 30, 10).contains(&"line 40".to_owned()));
        reader.next_match(false, 10);
        reader.next_match(false, 10);
        assert_eq!(reader.found().as_deref(), Some("111 of 111"));
        assert!(shown(&reader, 30, 10).contains(&"line 499".to_owned()));
        reader.search("nowhere", 10);
        assert_eq!(reader.found().as_deref(), Some("not found"));
        reader.search("", 10);
        assert_eq!(reader.found(), None);
    }

    #[test]
    fn wide_letters_and_deep_nesting_stay_in_their_rows() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for text in [
            "{\"漢字漢字漢字漢字\": \"漢字漢字漢字漢字\"}",
            &deep,
            "漢字 漢字漢字漢字漢字\n\u{1b}[2J",
        ] {
            for width in 1..30 {
                let mut reader = read(text);
                reader.fit(Rect::new(0, 0, width, 7));
                reader.search("漢", 7);
                shown(&reader, width, 7);
            }
        }
    }
}
