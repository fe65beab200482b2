//! How the request log is drawn: one row an exchange, and one a request that waits.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ViewContext;
use crate::domain::{Exchange, Outcome, Waiting};
use crate::tui::theme::{Theme, Tone};
use crate::tui::widgets::text::{Pen, fit_middle, path_within, size, width};

/// Columns of a method: `DELETE` whole.
const METHOD: u16 = 6;

/// One request that waits: how long still, what it is and what for. `own` tells whether the console asked it,
/// `hidden` how many more there are.
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
        n => format!("{n} more wait"),
    };
    Pen::new(buf, area, row).flush(&more, theme.style(Tone::Warn));
    let left = waits
        .until
        .filter(|until| *until > ctx.now.mono)
        .map(|until| ctx.until(until));
    let word = left.map_or_else(|| "waits".into(), |left| format!("waits {left}"));
    let mut pen = Pen::new(buf, area, row);
    if hidden > 0 {
        pen.keep(width(&more) + 2);
    }
    pen.text("◌", theme.bold(Tone::Busy))
        .skip(1)
        .cell(&word, if ctx.still { 14 } else { 11 }, busy)
        .skip(1);
    if ctx.store.accounts.len() > 1 {
        let wide = if area.width >= 90 { 12 } else { 8 };
        pen.cell(waits.account.as_str(), wide, dim).skip(1);
    }
    pen.cell(&waits.method, method(&waits.method, area), dim)
        .skip(1);
    let whose = if own { "" } else { "by itself" };
    let mut parts = vec![
        (waits.about.as_str(), plain),
        (waits.why.as_str(), busy),
        (whose, dim),
    ];
    // Where it is narrow, what it waits for comes before where it goes.
    parts.insert(
        if area.width < 90 { 2 } else { 0 },
        (waits.path.as_str(), dim),
    );
    for (text, style) in parts.into_iter().filter(|(text, _)| !text.is_empty()) {
        pen.text(text, style).skip(2);
    }
}

/// Columns for a method: the same for all, but no more than it needs where there is little room.
fn method(name: &str, area: Rect) -> u16 {
    if area.width < 70 {
        width(name).min(METHOD)
    } else {
        METHOD
    }
}

/// How an outcome is told in a row.
pub fn outcome(exchange: &Exchange) -> (&'static str, String, Tone) {
    match &exchange.outcome {
        Outcome::Status(status) => {
            let (glyph, tone) = match status {
                0..300 => ("✔", Tone::Good),
                300..400 => ("→", Tone::Warn),
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
    // A failure's words follow the path, so that the columns stay where they are.
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
    // Where it is narrow, what tells the rows apart comes before what they share.
    let narrow = area.width < 70;
    let about = exchange.about.as_str();
    if !narrow {
        let others = [failure, about].into_iter().filter(|text| !text.is_empty());
        let others: u16 = others.map(|text| width(text) + 2).sum();
        let left = pen.left();
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
