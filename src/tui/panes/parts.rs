//! What the panes draw alike: the heading of details, details, and an empty pane.

use crate::tui::prelude::*;
use crate::tui::theme::Theme;

/// The line above the details of a selected row: `── ORDER-1042 at shop ─────`
pub struct Heading<'a> {
    pub name: &'a str,
    pub account: &'a str,
}

impl Heading<'_> {
    pub fn draw(&self, theme: &Theme, line: Rect, buf: &mut Buffer) {
        let rule = theme.border(false, false);
        let mut pen = Pen::new(buf, line, 0);
        pen.text("── ", rule);
        let name = fit_middle(self.name, pen.left().saturating_sub(12));
        pen.text(&name, theme.bold(Tone::Plain))
            .text(" at ", theme.style(Tone::Dim))
            .text(self.account, theme.style(Tone::Dim))
            .skip(1);
        let rest = usize::from(pen.left());
        pen.text(&"─".repeat(rest), rule);
    }
}

/// Draws what an empty pane says: what is missing, and how it comes; returns the area below.
pub fn draw_empty(texts: [&str; 2], ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Rect {
    let [what, how] = texts;
    let left = paragraph(buf, area, what, ctx.theme.style(Tone::Plain));
    paragraph(buf, below(left, 1), how, ctx.theme.style(Tone::Dim))
}

/// The rows that details need, each of them wrapped to `columns`.
pub fn line_rows(lines: &[(String, Tone)], columns: u16) -> u16 {
    let rows = lines.iter().map(|(text, _)| wrap(text, columns).len());
    cells(rows.sum())
}

/// Draws details below a list, each of them wrapped, after a blank row where there is one to spare; returns the area
/// below them.
pub fn draw_lines(
    lines: &[(String, Tone)],
    ctx: ViewContext<'_>,
    area: Rect,
    buf: &mut Buffer,
) -> Rect {
    let spare = area.height > line_rows(lines, area.width);
    let mut left = below(area, u16::from(spare));
    for (text, tone) in lines {
        let style = match tone {
            Tone::Live => ctx.theme.bold(*tone),
            _ => ctx.theme.style(*tone),
        };
        // A single row shows more of a text that is cut at its end than of one that is wrapped.
        if left.height == 1 {
            Pen::new(buf, left, 0).text(text, style);
            left = below(left, 1);
        } else {
            left = paragraph(buf, left, text, style);
        }
    }
    left
}
