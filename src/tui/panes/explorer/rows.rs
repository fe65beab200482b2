//! The rows of the list: the purpose of a call before its path, and of the path its end, since calls differ there.

use ratatui::layout::Offset;

use super::calls::Row;
use super::{Action, State};
use crate::domain::AccountId;
use crate::tui::panes::parts;
use crate::tui::prelude::*;
use crate::tui::theme::Theme;
use crate::tui::widgets::text::counted;

/// The mark of a write call.
pub const WRITES: &str = "✎ writes";
/// Columns before the purpose: a margin, the method, the mark of a write call.
const BEFORE: u16 = 1 + 7 + 2;
/// With fewer columns after that, a row shows the purpose and no path.
const BOTH_MIN: u16 = 40;
/// Columns between two cells.
const GAP: u16 = 2;

/// How the rows are drawn, with the width of the purpose.
pub struct Rows<'a> {
    ctx: ViewContext<'a>,
    about: u16,
}

impl State {
    /// The columns of the list in `room` cells: as wide as their longest text; the purpose gets at least 55 %.
    pub fn rows<'a>(&self, ctx: ViewContext<'a>, room: u16) -> Rows<'a> {
        let room = room.saturating_sub(BEFORE);
        if room < BOTH_MIN {
            return Rows { ctx, about: room };
        }
        let calls = self.rows.iter().filter_map(|row| match row {
            Row::Call { call, .. } => Some(call),
            _ => None,
        });
        let path = widest(calls.clone().map(|call| call.path));
        let about = widest(calls.map(|call| call.about));
        // The purpose first: an operator knows what a call is for, rarely its path.
        let half = room * 11 / 20;
        let about = about.min(half.max(room.saturating_sub(GAP + path)));
        Rows { ctx, about }
    }

    /// The selected call with its whole path and purpose, where no request is drawn beside the list.
    pub fn draw_selected(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let Some(Row::Call { call, .. }) = self.rows.get(self.list.selected) else {
            return;
        };
        let theme = ctx.theme;
        let area = below_rule(2, area, theme, buf);
        Pen::new(buf, area, 0)
            .text(call.method, theme.bold(method_tone(call.writes)))
            .skip(1)
            .path(call.path, theme.style(Tone::Dim));
        let about = if call.writes {
            format!("{WRITES}: {}", call.about)
        } else {
            call.about.to_owned()
        };
        paragraph(buf, below(area, 1), &about, theme.style(Tone::Plain));
    }
}

impl Rows<'_> {
    pub fn draw(&self, row: &Row, pen: &mut Pen<'_>) {
        let theme = self.ctx.theme;
        match row {
            Row::Account(id) => self.draw_heading(id, pen),
            Row::Locked(id, count) => {
                let calls = counted(*count, "write call");
                let key = self.ctx.key(Action::ArmAccount);
                pen.skip(1).text("✎ ", theme.bold(Tone::Live)).text(
                    &format!("{calls} hidden; {key} arms {id}"),
                    theme.style(Tone::Live),
                );
            }
            Row::Other(_) => {
                pen.skip(1)
                    .cell("…", BEFORE - 1, theme.style(Tone::Dim))
                    .text("any other call", theme.style(Tone::Plain));
            }
            Row::Call { call, .. } => {
                let mark = if call.writes { "✎" } else { "" };
                pen.skip(1)
                    .cell(call.method, 7, theme.style(method_tone(call.writes)))
                    .cell(mark, 2, theme.style(Tone::Warn))
                    .cell(call.about, self.about, theme.style(Tone::Plain))
                    .skip(GAP)
                    .path(call.path, theme.style(Tone::Dim));
            }
        }
    }

    /// Draws the heading of an account's calls.
    pub fn draw_heading(&self, id: &AccountId, pen: &mut Pen<'_>) {
        let (ctx, theme) = (self.ctx, self.ctx.theme);
        parts::draw_account(id, theme.bold(Tone::Plain), ctx, pen);
        if let Some(known) = ctx.store.known(id) {
            pen.text(known.account.provider_title, theme.style(Tone::Dim));
        }
    }
}

/// The tone of a method: read calls green, write calls as a warning.
pub fn method_tone(writes: bool) -> Tone {
    if writes { Tone::Warn } else { Tone::Good }
}

/// Marks the selected row of a list at its left.
pub fn mark_selected(line: Rect, tone: Tone, theme: &Theme, buf: &mut Buffer) {
    let beside = line.offset(Offset::new(-1, 0));
    Pen::new(buf, beside, 0).text("▸", theme.bold(tone));
}

/// Draws a rule above a text of this many lines where there is room for both; returns the area of the text.
pub fn below_rule(lines: usize, area: Rect, theme: &Theme, buf: &mut Buffer) -> Rect {
    let is_ruled = usize::from(area.height) > lines;
    if is_ruled {
        let rule = "┄".repeat(usize::from(area.width));
        Pen::new(buf, area, 0).text(&rule, theme.style(Tone::Dim));
    }
    below(area, u16::from(is_ruled))
}
