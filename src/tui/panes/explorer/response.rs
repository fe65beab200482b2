//! The response to a call: a table of what the provider's documents say about it, and the body as it was
//! received.

use super::history::{History, PastCall};
use super::rows::{below_rule, mark_selected};
use super::table::{self, Table};
use super::{Action, Part, State};
use crate::domain::{Digest, Explored, inert, time};
use crate::tui::prelude::*;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::json::{self, Reading};
use crate::tui::widgets::pager;
use crate::tui::widgets::reader::Reader;
use crate::tui::widgets::text::{size, stack};

/// Rows of a failure or a hint.
const WORDS_MAX: usize = 3;

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
    /// What was last searched in the table.
    searched: String,
    /// Whether no row has it.
    is_missed: bool,
    height: u16,
}

struct Parts {
    head: Rect,
    /// The note on a table's figures.
    note: Rect,
    /// The names of its columns.
    names: Rect,
    /// The rows of the table, or the body.
    text: Rect,
    /// The selected row with all its columns.
    row: Rect,
    search: Rect,
}

impl Response {
    pub fn new(past: &PastCall) -> Self {
        let (note, body) = match &past.outcome {
            Err(_) => ((String::new(), Tone::Dim), Reader::text("")),
            Ok(explored) => read(explored),
        };
        let table = past.digest().map(Table::new);
        Self {
            number: past.number,
            note,
            shows_table: table.is_some(),
            table,
            body,
            search: Filter::search(),
            searched: String::new(),
            is_missed: false,
            height: 0,
        }
    }

    /// The table, while it is on the screen.
    fn shown_table<'a>(&'a self, past: &'a PastCall) -> Option<(&'a Table, &'a Digest)> {
        let table = self.table.as_ref().filter(|_| self.shows_table);
        table.zip(past.digest())
    }

    /// Lays it out for the area of the next frame, and searches anew after the search changed.
    pub fn fit(&mut self, past: &PastCall, area: Rect) {
        let text = self.parts(past, area).text;
        self.height = text.height;
        if self.shows_table {
            if self.searched != self.search.text() {
                self.search.text().clone_into(&mut self.searched);
                self.select_match(past, 0, true);
            }
            let rows = past.digest().map_or(0, |digest| digest.rows.len());
            self.with_list(|list| list.fit(rows, text.height));
            return;
        }
        self.body.fit(text);
        if self.body.query() != self.search.text() {
            self.body.search(self.search.text(), text.height);
        }
    }

    fn with_list(&mut self, change: impl FnOnce(&mut List)) {
        if let Some(table) = &mut self.table {
            change(&mut table.list);
        }
    }

    pub fn has_table(&self) -> bool {
        self.table.is_some()
    }

    /// The selected row, while the table is shown. An empty table has none of that number.
    pub fn selected(&self) -> Option<usize> {
        let table = self.table.as_ref().filter(|_| self.shows_table);
        Some(table?.list.selected)
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
        self.with_list(|list| list.selected = row);
    }

    /// The row of the table that is drawn at a position.
    pub fn row_at(&self, at: Position, past: &PastCall, area: Rect) -> Option<usize> {
        let (table, digest) = self.shown_table(past)?;
        let text = self.parts(past, area).text;
        table.list.at(at, text, digest.rows.len())
    }

    pub fn step(&mut self, step: Step) {
        if self.shows_table {
            self.with_list(|list| list.go(step));
        } else {
            self.body.step(step, self.height);
        }
    }

    pub fn toggle_table(&mut self) {
        self.shows_table = !self.shows_table;
    }

    /// Opens the search in the table or the body.
    pub fn find(&mut self) {
        self.search.open("text, case ignored");
    }

    /// Takes over a search that is being typed: its next letters must not become commands.
    pub fn go_on_searching(&mut self, search: Filter) {
        if search.is_typed() {
            self.search = search;
        }
    }

    /// Whether matches of a search are shown.
    pub fn is_searched(&self) -> bool {
        self.search.is_active()
    }

    pub fn next_match(&mut self, past: &PastCall, forward: bool) {
        if self.shows_table {
            self.select_match(past, 1, forward);
        } else {
            self.body.next_match(forward, self.height);
        }
    }

    /// Selects the next row of the table that the search finds, beginning at this distance from the selected one.
    fn select_match(&mut self, past: &PastCall, first: usize, forward: bool) {
        let Some((table, digest)) = self.shown_table(past) else {
            return;
        };
        let (rows, selected) = (digest.rows.len(), table.list.selected);
        let mut others = (first..first + rows).map(|step| {
            let step = step % rows;
            let step = if forward { step } else { rows - step };
            (selected + step) % rows
        });
        let text = self.search.text().to_lowercase();
        let found = others.find(|row| table::has(digest, *row, &text));
        self.is_missed = found.is_none() && !text.is_empty();
        if let Some(row) = found {
            self.select(row);
        }
    }

    /// The note at the right of the frame's title: the match and the rows on the screen.
    pub fn place(&self, past: &PastCall) -> Option<String> {
        if let Some((table, digest)) = self.shown_table(past) {
            let rows = digest.rows.len();
            let place = pager::place(&table.list.window(rows, self.height), rows);
            let missed = self.is_missed.then(|| "not found".to_owned());
            return match (missed, place) {
                (Some(missed), Some(place)) => Some(format!("{missed} · {place}")),
                (missed, place) => missed.or(place),
            };
        }
        match (self.body.found(), self.body.place(self.height)) {
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
        let mut head = cells(2 + failure);
        let (mut note, mut names, mut row) = (0, 0, 0);
        if let Some((table, digest)) = self.shown_table(past) {
            // The verdict and one row of the table stay; then comes what keeps an amount from being misread.
            let mut room = area.height.saturating_sub(head);
            row = cells(table.lines_below(digest, area.width)).min(room);
            room -= row;
            let mut take = |lines: usize| {
                let is_room = cells(lines) <= room;
                let taken = if is_room { cells(lines) } else { 0 };
                room -= taken;
                taken
            };
            names = take(1);
            head = cells(1 + failure) + take(1);
            if !digest.note.is_empty() {
                note = take(wrap(digest.note, area.width).len());
            }
            if row > 0 {
                // A second row, then a rule above the selected one.
                take(1);
                row += take(1);
            }
        }
        head = head.min(area.height);
        let search = u16::from(self.search.is_typed() && area.height > head + 1);
        let rest = area
            .height
            .saturating_sub(head + note + names + row + search);
        let [head, note, names, text, row, search] =
            stack(area, [head, note, names, rest, row, search]);
        Parts {
            head,
            note,
            names,
            text,
            row,
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
            // It may have been typed before the request failed.
            let line = area.rows().next_back()?;
            return response.search.draw(theme, line, buf);
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
        if let Some((table, digest)) = response.shown_table(past) {
            Pen::new(buf, left, 0).text(&digest.title, theme.bold(Tone::Plain));
            paragraph(buf, parts.note, digest.note, theme.style(Tone::Dim));
            let grid = table::grid(digest, table.list, parts.text);
            // Without hits: a click on a title focuses the response, as elsewhere in it.
            grid.draw_head(ViewContext { hits: None, ..ctx }, parts.names, buf);
            let focused = ctx.focused && self.part == Part::Response;
            grid.paint(Some(theme.selected(focused)), buf);
            let shown = table.list.window(digest.rows.len(), parts.text.height);
            let mut lines = shown.zip(parts.text.rows());
            if let Some((_, line)) = lines.find(|(row, _)| *row == table.list.selected) {
                let tone = if focused { Tone::Accent } else { Tone::Dim };
                mark_selected(line, tone, theme, buf);
            }
            let row = below_rule(table.lines_below(digest, area.width), parts.row, theme, buf);
            table::draw_row(digest, table.list.selected, row, theme, buf);
        } else {
            Pen::new(buf, left, 0).text(&response.note.0, theme.style(response.note.1));
            response.body.draw(parts.text, theme, buf);
        }
        response.search.draw(theme, parts.search, buf)
    }
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
        let (left, plain) = (below(area, 1), theme.style(Tone::Plain));
        let left = paragraph(buf, left, &problem.message, plain);
        paragraph(buf, left, &problem.hint, theme.style(Tone::Dim));
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
        ((format!("{note}{cut}"), tone), Reader::text(text))
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
    if ctx.reduced_motion {
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
