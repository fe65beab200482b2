//! What the panes draw alike: the heading of details, details, and an empty pane.

use ratatui::style::Style;

use crate::domain::AccountId;
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

/// Draws an account's name and its badges. The name is cut where they do not all fit.
pub fn draw_account(id: &AccountId, style: Style, ctx: ViewContext<'_>, pen: &mut Pen<'_>) {
    let known = ctx.store.known(id);
    let environment = known.map(|known| badge(known.account.environment));
    let armed = known.and_then(|known| known.armed(ctx.now));
    let badges = [environment, armed.map(|_| ("ARMED", Tone::Warn))];
    let badges = badges.into_iter().flatten();
    let reserved: u16 = badges.clone().map(|(word, _)| width(word) + 3).sum();
    let name = fit(id.as_str(), pen.left().saturating_sub(reserved));
    pen.text(&name, style).skip(1);
    for (word, tone) in badges {
        pen.text(&format!(" {word} "), ctx.theme.badge(tone))
            .skip(1);
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
