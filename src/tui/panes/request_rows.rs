//! The rows of the request log: one for an exchange, one for a request that waits.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ViewContext;
use crate::domain::{Exchange, Outcome, Waiting};
use crate::tui::theme::{Theme, Tone};
use crate::tui::widgets::text::{Pen, fit_middle, path_within, size, width};

/// Columns of a method: `DELETE` fits.
const METHOD: u16 = 6;

/// One request that waits: the time left, what it is and why. `own` where the operator sent it, `hidden` is the
/// number of waiting requests without a row.
pub fn draw_waiting(
    waits: &Waiting,
    (own, hidden): (bool, usize),
    ctx: ViewContext<'_>,
    area: Rect,
    row: u16,
    buf: &mut Buffer,
) {
    let theme = ctx.theme;
    let (plain, dim, busy) = (
        theme.style(Tone::Plain),
        theme.style(Tone::Dim),
        theme.style(Tone::Busy),
    );
    let more = match hidden {
        0 => String::new(),
        n => format!("{n} more waiting"),
    };
    Pen::new(buf, area, row).flush(&more, theme.style(Tone::Warn));
    let left = waits
        .until
        .filter(|until| *until > ctx.now.mono)
        .map(|until| ctx.until(until));
    let word = left.map_or_else(|| "waiting".into(), |left| format!("waiting {left}"));
    let mut pen = Pen::new(buf, area, row);
    if hidden > 0 {
        pen.keep(width(&more) + 2);
    }
    pen.text("◌", theme.bold(Tone::Busy))
        .skip(1)
        .cell(&word, if ctx.still { 16 } else { 11 }, busy)
        .skip(1);
    if ctx.store.accounts.len() > 1 {
        let wide = if area.width >= 90 { 12 } else { 8 };
        pen.cell(waits.account.as_str(), wide, dim).skip(1);
    }
    pen.cell(&waits.method, method(&waits.method, area), dim)
        .skip(1);
    let origin = if own { "" } else { "automatic" };
    // The reason is worth more than the path, which is the same in most rows.
    let parts = [
        (waits.about.as_str(), plain),
        (waits.why.as_str(), busy),
        (waits.path.as_str(), dim),
        (origin, dim),
    ];
    for (text, style) in parts.into_iter().filter(|(text, _)| !text.is_empty()) {
        pen.text(text, style).skip(2);
    }
}

/// Columns of a method: the same for all; in a narrow pane no more than this one needs.
fn method(name: &str, area: Rect) -> u16 {
    if area.width < 70 {
        width(name).min(METHOD)
    } else {
        METHOD
    }
}

/// Glyph, word and tone of an outcome.
pub fn outcome(exchange: &Exchange) -> (&'static str, String, Tone) {
    match &exchange.outcome {
        Outcome::Status(status) => {
            let (glyph, tone) = match status {
                0..300 => ("✔", Tone::Good),
                300..400 => ("→", Tone::Warn),
                // A warning only: the request is retried once the rate limit allows.
                429 => ("!", Tone::Warn),
                _ => ("✘", Tone::Bad),
            };
            (glyph, status.to_string(), tone)
        }
        Outcome::Failed(why) => ("✘", why.clone(), Tone::Bad),
    }
}

pub fn draw_row(exchange: &Exchange, ctx: ViewContext<'_>, area: Rect, row: u16, buf: &mut Buffer) {
    let theme: &Theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let (glyph, word, tone) = outcome(exchange);
    let wide = area.width >= 90;
    let tries = if exchange.attempt > 1 {
        format!("try {}", exchange.attempt)
    } else {
        String::new()
    };
    let took = format!("{} ms", exchange.took.as_millis());
    let mut right = vec![(took, 10, Tone::Dim)];
    if !tries.is_empty() {
        right.insert(0, (tries, 7, Tone::Warn));
    }
    if wide {
        right.push((size(exchange.response_body.bytes), 9, Tone::Dim));
    }
    let keep: u16 = right.iter().map(|(_, wide, _)| wide).sum();
    let mut pen = Pen::new(buf, area, row);
    pen.keep(keep)
        .cell(&exchange.at.clock(&ctx.store.zone), 8, dim)
        .skip(1)
        .text(glyph, theme.bold(tone))
        .skip(1);
    // A failure's words follow the path, so that the columns do not move.
    let (status, failure) = match exchange.outcome {
        Outcome::Status(_) => (word.as_str(), ""),
        Outcome::Failed(_) => ("—", word.as_str()),
    };
    pen.cell(status, 3, theme.style(tone)).skip(1);
    if ctx.store.accounts.len() > 1 {
        pen.cell(exchange.account.as_str(), if wide { 12 } else { 8 }, dim)
            .skip(1);
    }
    pen.cell(&exchange.method, method(&exchange.method, area), dim)
        .skip(1);
    // In a narrow pane, what the request is about comes first; the path is the same in most rows.
    let narrow = area.width < 70;
    let about = exchange.about.as_str();
    if !narrow {
        let others = [failure, about].into_iter().filter(|text| !text.is_empty());
        let others: u16 = others.map(|text| width(text) + 2).sum();
        let left = pen.left();
        // The path gives way to the failure and the payment, down to a quarter of the room.
        let room = left.saturating_sub(others).max(left / 4);
        pen.text(&path_within(exchange.path(), room), dim).skip(2);
    }
    if !failure.is_empty() {
        pen.text(failure, theme.style(tone)).skip(2);
    }
    if !about.is_empty() {
        let room = pen.left();
        let about = fit_middle(about, room);
        pen.text(&about, theme.style(Tone::Plain)).skip(2);
    }
    if narrow {
        pen.path(exchange.path(), dim);
    }
    let mut pen = Pen::new(
        buf,
        Rect {
            x: area.right().saturating_sub(keep).max(area.x),
            width: keep.min(area.width),
            ..area
        },
        row,
    );
    for (text, wide, tone) in &right {
        pen.right(text, *wide, theme.style(*tone));
    }
}
