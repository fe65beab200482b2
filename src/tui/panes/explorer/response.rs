//! The response to a call: a table of what the provider's documents say about it, and the body as it was
//! received.

use ratatui::layout::Offset;

use super::history::{History, PastCall};
use super::table::Table;
use super::{Action, Part, State};
use crate::domain::{Explored, inert, time};
use crate::tui::prelude::*;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::json::{self, Reading};
use crate::tui::widgets::reader::Reader;
use crate::tui::widgets::text::{counted, size, stack};

/// Rows of a failure or a hint.
const WORDS_MAX: usize = 3;
/// Rows left to a table below its note; with fewer, the note is left out.
const ROWS_MIN: u16 = 3;

#[derive(Debug, Clone)]
pub struct Response {
    /// The number of its call in the history.
    pub number: u64,
    /// What kind of body it is: "JSON", "an HTML page".
    note: (String, Tone),
    table: Option<Table>,
    body: Reader,
    /// Whether the table is on the screen, and not the body.
    shows_table: bool,
    pub search: Filter,
    height: u16,
}

struct Parts {
    head: Rect,
    /// Rows of the head that the table's note uses.
    note: u16,
    text: Rect,
    search: Rect,
}

impl Response {
    pub fn new(past: &PastCall) -> Self {
        let (note, body, table) = match &past.outcome {
            Err(_) => ((String::new(), Tone::Dim), Reader::text("", true), None),
            Ok(explored) => {
                let (note, body) = read(explored);
                (note, body, explored.digest.as_ref().map(Table::new))
            }
        };
        Self {
            number: past.number,
            note,
            shows_table: table.is_some(),
            table,
            body,
            search: Filter::search(),
            height: 0,
        }
    }

    /// The text on the screen.
    pub fn reader(&self) -> &Reader {
        match (&self.table, self.shows_table) {
            (Some(table), true) => &table.rows,
            _ => &self.body,
        }
    }

    pub fn reader_mut(&mut self) -> &mut Reader {
        match (&mut self.table, self.shows_table) {
            (Some(table), true) => &mut table.rows,
            _ => &mut self.body,
        }
    }

    /// Lays the text out for the area of the next frame, and searches it anew after the search changed.
    pub fn fit(&mut self, past: &PastCall, area: Rect) {
        let text = self.parts(past, area).text;
        self.height = text.height;
        if let Some(table) = &mut self.table {
            table.fit(text.width);
        }
        self.reader_mut().fit(text);
        if self.reader().query() != self.search.text() {
            let query = self.search.text().to_owned();
            self.reader_mut().search(&query, text.height);
            self.select_found();
        }
    }

    pub fn has_table(&self) -> bool {
        self.table.is_some()
    }

    /// The selected row, while the table is shown and has rows.
    pub fn selected(&self) -> Option<usize> {
        let table = self.table.as_ref().filter(|_| self.shows_table);
        Some(table.filter(|table| !table.is_empty())?.selected)
    }

    /// The own id of the selected row.
    pub fn row_id(&self, history: &History) -> Option<(&'static str, String)> {
        let digest = history.get(self.number)?.digest()?;
        digest.ids(self.selected()?).ids.into_iter().next()
    }

    /// Selects the row with this id, if it is there.
    pub fn select_id(&mut self, past: &PastCall, id: &(&'static str, String)) {
        let Some(digest) = past.digest() else { return };
        let mut rows = 0..digest.rows.len();
        if let Some(row) = rows.find(|row| digest.ids(*row).ids.first() == Some(id)) {
            self.select(row);
        }
    }

    pub fn select(&mut self, row: usize) {
        let height = self.height;
        if let Some(table) = &mut self.table {
            table.select(row, height);
        }
    }

    /// Handles a click in the area of the text: selects the row there.
    pub fn click(&mut self, below: usize) {
        let line = self.reader().line_at(below);
        if let Some(row) = line.filter(|_| self.shows_table) {
            self.select(row);
        }
    }

    pub fn step(&mut self, step: Step) {
        let height = self.height;
        match (&mut self.table, self.shows_table) {
            (Some(table), true) => table.step(step, height),
            _ => self.body.step(step, height),
        }
    }

    pub fn toggle_table(&mut self) {
        self.shows_table = !self.shows_table;
    }

    pub fn next_match(&mut self, forward: bool) {
        let height = self.height;
        self.reader_mut().next_match(forward, height);
        self.select_found();
    }

    fn select_found(&mut self) {
        if let (Some(table), true) = (&mut self.table, self.shows_table) {
            table.select_found();
        }
    }

    pub fn text_area(&self, past: &PastCall, area: Rect) -> Rect {
        self.parts(past, area).text
    }

    /// The note at the right of the frame's title: the match and the rows on the screen.
    pub fn place(&self) -> Option<String> {
        let place = self.reader().place(self.height);
        let found = self.reader().found();
        match (found, place) {
            (Some(found), Some(place)) => Some(format!("{found} · {place}")),
            (found, place) => found.or(place),
        }
    }

    fn parts(&self, past: &PastCall, area: Rect) -> Parts {
        let words = match &past.outcome {
            Ok(explored) => explored.failure.as_deref(),
            Err(_) => None,
        };
        let failure = words.map_or(0, |words| wrap(words, area.width).len().min(WORDS_MAX));
        // Below the title: the note on the figures, then the names of the columns.
        let (table, note) = match (&self.table, self.shows_table) {
            (Some(table), true) => (2, note_rows(table, failure, area)),
            _ => (1, 0),
        };
        let head = cells(1 + failure + table + note).min(area.height);
        let search = u16::from(self.search.is_typed() && area.height > head + 1);
        let text = area.height - head - search;
        let [head, text, search] = stack(area, [head, text, search]);
        Parts {
            head,
            note: cells(note),
            text,
            search,
        }
    }
}

impl State {
    /// Draws the response to a call of the explorer; returns the cursor.
    pub(super) fn draw_answer(
        &self,
        ctx: ViewContext<'_>,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let theme = ctx.theme;
        let (response, past) = (self.response.as_ref()?, self.past()?);
        let Ok(explored) = &past.outcome else {
            draw_problem(past, ctx, area, buf);
            return None;
        };
        let parts = response.parts(past, area);
        let mut left = parts.head;
        let (glyph, word, tone) = past.verdict();
        Pen::new(buf, left, 0)
            .text(glyph, theme.bold(tone))
            .skip(1)
            .text(&word, theme.bold(tone))
            .text(&changed(past, ctx), theme.style(Tone::Warn))
            .text(&facts(past, explored, ctx), theme.style(Tone::Dim));
        left = below(left, 1);
        if let Some(failure) = &explored.failure {
            let rows = cells(wrap(failure, area.width).len().min(WORDS_MAX));
            let [words, rest] = split_rows(left, rows);
            paragraph(buf, words, failure, theme.style(Tone::Bad));
            left = rest;
        }
        if let (Some(table), true) = (&response.table, response.shows_table) {
            let hidden_columns = hidden_columns(table, ctx);
            Pen::new(buf, left, 0)
                .keep(width(&hidden_columns))
                .text(&table.title, theme.bold(Tone::Plain));
            Pen::new(buf, left, 0).flush(&hidden_columns, theme.style(Tone::Accent));
            left = below(left, 1);
            let [note, names] = split_rows(left, parts.note);
            paragraph(buf, note, table.note, theme.style(Tone::Dim));
            let heading: String = table.heading.chars().skip(table.rows.left()).collect();
            Pen::new(buf, names, 0).text(&heading, theme.bold(Tone::Accent));
        } else {
            Pen::new(buf, left, 0).text(&response.note.0, theme.style(response.note.1));
        }
        response.reader().draw(parts.text, theme, buf);
        let row = response.selected();
        let row = row.and_then(|row| response.reader().rows_to(row));
        if let Some(line) = row.and_then(|row| parts.text.rows().nth(row)) {
            let focused = ctx.focused && self.part == Part::Response;
            let tone = if focused { Tone::Accent } else { Tone::Dim };
            let beside = line.offset(Offset::new(-1, 0));
            Pen::new(buf, beside, 0).text("▸", theme.bold(tone));
        }
        response.search.draw(theme, parts.search, buf)
    }
}

/// Rows of the note: all of them, or none where they would leave no room for the table.
fn note_rows(table: &Table, failure: usize, area: Rect) -> usize {
    if table.note.is_empty() {
        return 0;
    }
    let rows = wrap(table.note, area.width).len();
    let others = cells(3 + failure + rows).saturating_add(ROWS_MIN);
    if others > area.height { 0 } else { rows }
}

/// How many columns are off the screen at each side, with the key that scrolls there.
fn hidden_columns(table: &Table, ctx: ViewContext<'_>) -> String {
    let (left, right) = table.hidden_columns();
    let side = |count: usize, action| {
        let (columns, key) = (counted(count, "more column"), ctx.key(action));
        (count > 0).then(|| format!("  {columns}: {key}"))
    };
    [
        side(left, Action::ScrollLeft),
        side(right, Action::ScrollRight),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// That a later call changed a row, and the key that loads the response again.
fn changed(past: &PastCall, ctx: ViewContext<'_>) -> String {
    past.changed.map_or_else(String::new, |at| {
        let (at, key) = (at.clock(&ctx.store.zone), ctx.key(Action::SendAgain));
        format!(" · changed at {at}: {key} loads it again")
    })
}

fn facts(past: &PastCall, explored: &Explored, ctx: ViewContext<'_>) -> String {
    let bytes = u64::try_from(explored.bytes).unwrap_or(u64::MAX);
    let kind = explored.content_type.as_deref();
    format!(
        " · {} ms · {} · {} · {}",
        explored.took.as_millis(),
        size(bytes),
        past.at.clock(&ctx.store.zone),
        kind.map_or("no content type".into(), |kind| inert::cut(kind, 40)),
    )
}

/// Draws the outcome, and why the call failed.
fn draw_problem(past: &PastCall, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let (glyph, word, tone) = past.verdict();
    let at = format!(" · {}", past.at.clock(&ctx.store.zone));
    Pen::new(buf, area, 0)
        .text(glyph, theme.bold(tone))
        .skip(1)
        .text(&word, theme.bold(tone))
        .text(&at, theme.style(Tone::Dim));
    if let Err(problem) = &past.outcome {
        let left = below(area, 1);
        let rows = paragraph(buf, left, &problem.message, theme.style(Tone::Plain));
        paragraph(
            buf,
            below(left, rows),
            &problem.hint,
            theme.style(Tone::Dim),
        );
    }
}

/// The body in its best readable form, and a note that says what it is.
fn read(explored: &Explored) -> ((String, Tone), Reader) {
    let text = explored.text.as_str();
    let kind = explored.content_type.as_deref().unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    let cut = if explored.cut {
        let shown = u64::try_from(text.len()).unwrap_or(u64::MAX);
        format!("; cut: only the first {} are shown", size(shown))
    } else {
        String::new()
    };
    let plain = |note: &str, tone| {
        let tone = if explored.cut { Tone::Warn } else { tone };
        ((format!("{note}{cut}"), tone), Reader::text(text, true))
    };
    if explored.bytes == 0 {
        return plain("no body", Tone::Dim);
    }
    // `Explored::text` has U+FFFD in place of bytes that are not UTF-8.
    let strange = text
        .chars()
        .take(4096)
        .filter(|c| *c == '\u{fffd}' || *c == '\0')
        .count();
    // A few bad bytes are a wrong charset; more than one in sixteen is no text.
    if strange > text.len().min(4096) / 16 {
        return plain(
            "binary body: invalid UTF-8 is shown as \u{fffd} or escaped",
            Tone::Warn,
        );
    }
    match json::read(text) {
        Reading::Whole(lines) => (
            (format!("JSON, indented{cut}"), Tone::Dim),
            Reader::json(lines),
        ),
        Reading::Torn(lines) if explored.cut => {
            ((format!("JSON{cut}"), Tone::Warn), Reader::json(lines))
        }
        Reading::Torn(lines) => (
            (
                "incomplete JSON: the response ends too early".into(),
                Tone::Bad,
            ),
            Reader::json(lines),
        ),
        Reading::Not(why) => {
            // Gateways answer errors with HTML, often under another Content-Type.
            let page = text.trim_start().starts_with('<');
            if kind.contains("html") || page && !kind.contains("xml") {
                plain(
                    "an HTML page: from a proxy or a web site, not from the API",
                    Tone::Warn,
                )
            } else if kind.contains("json") && why != "a single value" {
                plain(
                    &format!("Content-Type says JSON, but the body is not: {why}"),
                    Tone::Bad,
                )
            } else {
                plain("text", Tone::Dim)
            }
        }
    }
}

/// `sent 3s ago`, or with reduced motion the clock time.
pub fn sent(since: std::time::Duration, ctx: ViewContext<'_>) -> String {
    let age = ctx.now.mono.saturating_sub(since);
    if ctx.still {
        let at =
            crate::domain::WallTime(ctx.now.wall.0 - i64::try_from(age.as_millis()).unwrap_or(0));
        format!("sent at {}", at.clock(&ctx.store.zone))
    } else if age.as_secs() == 0 {
        ctx.ticks();
        "sent".into()
    } else {
        ctx.ticks();
        format!(
            "sent {} ago",
            time::fine(std::time::Duration::from_secs(age.as_secs()))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn note(text: &str, kind: &str, cut: bool) -> String {
        let explored = Explored {
            status: 200,
            content_type: Some(kind.into()),
            took: Duration::ZERO,
            bytes: text.len(),
            text: text.into(),
            cut,
            failure: None,
            digest: None,
        };
        read(&explored).0.0
    }

    #[test]
    fn a_body_is_called_what_it_is() {
        let json = "application/json";
        assert_eq!(note("{\"a\":1}", json, false), "JSON, indented");
        assert!(note("{\"a\":", json, false).contains("incomplete"));
        assert!(note("{\"a\":", json, true).starts_with("JSON; cut: only the first 5 B"));
        assert!(note("<html>", "text/html", false).starts_with("an HTML page"));
        assert!(note("<html>", json, false).starts_with("an HTML page"));
        assert!(note("{'a'}", json, false).starts_with("Content-Type says JSON"));
        assert_eq!(note("", json, false), "no body");
        assert!(note("\u{fffd}PNG\0\0\u{fffd}", "image/png", false).starts_with("binary body"));
        assert_eq!(note("true", json, false), "text");
        assert_eq!(note("hello", "text/plain", false), "text");
    }
}
