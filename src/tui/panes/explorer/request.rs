//! The request that is being prepared: its path, its purpose, its fields and its body.

use unicode_width::UnicodeWidthChar as _;

use super::calls::is_hidden;
use super::draft::Draft;
use super::rows::{WRITES, method_tone};
use super::{Part, State};
use crate::domain::fill::Piece;
use crate::tui::panes::parts;
use crate::tui::prelude::*;
use crate::tui::theme::Theme;
use crate::tui::widgets::text::stack;

const PATH_ROWS: usize = 3;
/// Rows of a call's purpose, and of a field's help.
const ABOUT_ROWS: usize = 3;
/// Rows left to a body.
const BODY_MIN: u16 = 4;
/// Columns by which a field's help is indented.
const HINT_INDENT: u16 = 2;
/// Columns of the body's mark and heading.
const HEADING: u16 = 8;

/// The areas of a request, from the top.
#[derive(Default)]
pub struct Split {
    path: Rect,
    /// The account, and whether the call writes.
    account: Rect,
    about: Rect,
    pub fields: Rect,
    hint: Rect,
    heading: Rect,
    pub body: Rect,
}

fn path_text(draft: &Draft) -> String {
    draft.path().iter().map(Piece::text).collect()
}

/// The rows that it asks for, with its frame, in `width` columns.
pub fn height(draft: &Draft, width: u16) -> u16 {
    let body = draft
        .body
        .as_ref()
        .map_or(0, |body| cells(body.len()).clamp(4, 14) + 2);
    let about = cells(about_rows(draft, width) + hint_rows(draft, width));
    6 + about + draft.form.height(width) + body
}

/// Rows of the purpose, below the path.
fn about_rows(draft: &Draft, width: u16) -> usize {
    wrap(about_of(draft), width).len().min(ABOUT_ROWS)
}

/// Rows of the longest help of a field, so that the rows below do not move from field to field.
fn hint_rows(draft: &Draft, width: u16) -> usize {
    let helps = draft.field_helps();
    let rows = helps.map(|help| wrap(&help, width.saturating_sub(HINT_INDENT)).len());
    rows.max().unwrap_or(0).min(ABOUT_ROWS)
}

/// Why the body is not JSON, and where.
fn body_error(draft: &Draft) -> Option<String> {
    let wrong = draft.wrong.as_ref()?;
    Some(format!(
        "! not JSON, line {}, column {}: {}",
        wrong.line, wrong.column, wrong.words
    ))
}

/// Rows of the body's heading, beside which its error stands.
fn heading_rows(draft: &Draft, width: u16) -> u16 {
    let error = body_error(draft);
    let rows = error.map(|words| wrap(&words, width.saturating_sub(HEADING)).len());
    cells(rows.unwrap_or(1).min(2))
}

fn about_of(draft: &Draft) -> &'static str {
    draft
        .call
        .map_or("any API call, with the account's credentials", |call| {
            call.about
        })
}

pub fn split(draft: &Draft, area: Rect) -> Split {
    let indent = cells(draft.method().len() + 1);
    let room = area.width.saturating_sub(indent).max(1);
    let path = path_text(draft)
        .len()
        .div_ceil(usize::from(room))
        .clamp(1, PATH_ROWS);
    let path = cells(path);
    let about = cells(about_rows(draft, area.width));
    let body = draft.body.is_some();
    let heading_rows = if body {
        heading_rows(draft, area.width)
    } else {
        0
    };
    // The body is what is typed most: long forms scroll so that some of its rows stay.
    let reserved = if body {
        BODY_MIN.min(area.height / 3) + heading_rows
    } else {
        0
    };
    let wanted = draft.form.height(area.width);
    let above = (path + 1 + about).min(area.height);
    let free = area.height.saturating_sub(above + reserved);
    let fields = wanted.min(free.max(1));
    let hint = cells(hint_rows(draft, area.width)).min(free.saturating_sub(wanted));
    let rows = [path, 1, about, fields, hint, heading_rows, u16::MAX];
    let [path, account, about, fields, hint, heading, left] = stack(area, rows);
    Split {
        path,
        account,
        about,
        fields,
        hint,
        heading,
        body: if body { left } else { Rect::default() },
    }
}

impl State {
    /// Draws the request, if a call is chosen; returns the cursor.
    pub fn draw_request(
        &self,
        ctx: ViewContext<'_>,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let draft = self.draft()?;
        let here = self.part == Part::Request;
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let split = split(draft, area);
        let known = ctx.store.known(&draft.account);
        let writes = known.is_some_and(|known| {
            let store = ctx.store;
            store.writes(&known.account, draft.method(), &path_text(draft))
        });
        let method = draft.method();
        Pen::new(buf, split.path, 0).text(method, theme.bold(method_tone(writes)));
        let [_, path] = split_columns(split.path, cells(method.len() + 1));
        draw_path(draft, theme, path, buf);

        let mut pen = Pen::new(buf, split.account, 0);
        if writes {
            pen.text(WRITES, theme.bold(Tone::Warn)).skip(2);
        }
        parts::draw_account(&draft.account, theme.style(Tone::Plain), ctx, &mut pen);
        if known.is_some_and(|known| is_hidden(known, writes, ctx.now)) {
            let words = format!("not armed: to send, type the name {}", draft.account);
            pen.text(&words, theme.bold(Tone::Live));
        }
        paragraph(buf, split.about, about_of(draft), dim);

        let mut cursor = None;
        if draft.in_body {
            draft.form.idle().draw(buf, split.fields, theme);
        } else {
            let form = draft.form.draw(buf, split.fields, theme);
            cursor = form.filter(|_| here);
        }
        let current = (here && !draft.in_body).then_some(draft.form.at);
        if let Some(help) = current.and_then(|at| draft.field_helps().nth(at)) {
            let [_, area] = split_columns(split.hint, HINT_INDENT);
            paragraph(buf, area, &help, dim);
        }
        if let Some(body) = &draft.body {
            let mut pen = Pen::new(buf, split.heading, 0);
            let (mark, style) = if draft.in_body && here {
                ("▸ ", theme.bold(Tone::Accent))
            } else {
                ("  ", dim)
            };
            pen.text(mark, style).text("Body", style).skip(2);
            match (body_error(draft), body.is_blank()) {
                (_, true) => {
                    pen.text("none", dim);
                }
                (None, false) => {
                    pen.text("✔ ", theme.style(Tone::Good)).text("JSON", dim);
                }
                (Some(words), false) => {
                    let tone = if draft.call.is_some() {
                        Tone::Bad
                    } else {
                        Tone::Warn
                    };
                    let [_, beside] = split_columns(split.heading, HEADING);
                    paragraph(buf, beside, &words, theme.style(tone));
                }
            }
            let at = body.draw(split.body, theme, buf);
            cursor = at.filter(|_| here && draft.in_body).or(cursor);
        }
        cursor
    }
}

/// The path, after the method; values stand out, missing ones more so.
fn draw_path(draft: &Draft, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (mut row, mut used) = (0, 0);
    let room = usize::from(area.width.max(1));
    let rows = usize::from(area.height);
    let all: usize = draft
        .path()
        .iter()
        .map(|piece| piece.text().chars().count())
        .sum();
    // The end of a long path is shown: that is where the operator types.
    let mut skip = all.saturating_sub(room * rows);
    for piece in draft.path() {
        let style = match &piece {
            Piece::Fixed(_) => theme.style(Tone::Plain),
            Piece::Value(_) => theme.bold(Tone::Accent),
            Piece::Missing(_) => theme.bold(Tone::Warn),
        };
        for c in piece.text().chars() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let wide = c.width().unwrap_or(0);
            if used + wide > room {
                (row, used) = (row + 1, 0);
            }
            let mut pen = Pen::new(buf, area, row);
            pen.skip(cells(used))
                .text(c.encode_utf8(&mut [0; 4]), style);
            used += wide;
        }
    }
}
