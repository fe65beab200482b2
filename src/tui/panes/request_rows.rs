//! How the request log is drawn: one row an exchange, and the line of budgets above them.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Look;
use crate::domain::{BudgetGauge, Exchange, Outcome, time};
use crate::tui::theme::{Theme, Tone};
use crate::tui::widgets::bar::gauge;
use crate::tui::widgets::text::{Pen, fit, width};

pub fn draw_budget(look: Look<'_>, area: Rect, buf: &mut Buffer) {
    let theme = look.theme;
    let dim = theme.style(Tone::Dim);
    let in_flight = look.store.in_flight().count();
    let waiting = look.store.waiting.values().next();
    let (right, tone) = match (in_flight, waiting) {
        (0, _) => (String::new(), Tone::Dim),
        (n, None) => (format!("{n} in flight"), Tone::Busy),
        (n, Some(first)) => (
            format!("{n} in flight, {} waits {}", first.account, first.why),
            Tone::Warn,
        ),
    };
    let right = fit(&right, area.width / 2).into_owned();
    Pen::new(buf, area, 0).flush(&right, theme.style(tone));
    let mut pen = Pen::new(buf, area, 0);
    pen.keep(width(&right) + 1);
    let mut first = true;
    for known in &look.store.accounts {
        if !first {
            pen.text("   ", dim);
        }
        first = false;
        pen.text(known.id().as_str(), theme.style(Tone::Plain));
        // Not known is not unlimited: nothing is said.
        for gauge_now in known.budgets(look.now) {
            draw_gauge(&gauge_now, look, area, &mut pen);
        }
    }
}

fn draw_gauge(gauge_now: &BudgetGauge, look: Look<'_>, area: Rect, pen: &mut Pen<'_>) {
    let (theme, dim) = (look.theme, look.theme.style(Tone::Dim));
    let full = gauge_now.used >= gauge_now.limit;
    let (used, free) = gauge(
        gauge_now.used,
        gauge_now.limit,
        if area.width >= 90 { 12 } else { 6 },
    );
    let tone = match (full, gauge_now.used > gauge_now.limit / 10 * 9) {
        (true, _) => Tone::Bad,
        (false, true) => Tone::Warn,
        (false, false) => Tone::Good,
    };
    pen.text(" ", dim)
        .text(&used, theme.style(tone))
        .text(&free, dim)
        .text(
            &format!(" {}/{}", gauge_now.used, gauge_now.limit),
            theme.style(if full { Tone::Bad } else { Tone::Plain }),
        )
        .text(&format!(" per {}", period(gauge_now.period)), dim);
    if let (true, Some(left)) = (full, gauge_now.next_free) {
        pen.text(
            &format!(", next slot in {} s", left.as_millis().div_ceil(1000)),
            theme.style(Tone::Warn),
        );
    }
    if gauge_now.waiting > 0 {
        pen.text(
            &format!(", {} waiting", gauge_now.waiting),
            theme.style(Tone::Warn),
        );
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

pub fn draw_row(exchange: &Exchange, look: Look<'_>, area: Rect, row: u16, buf: &mut Buffer) {
    let theme: &Theme = look.theme;
    let dim = theme.style(Tone::Dim);
    let (glyph, word, tone) = outcome(exchange);
    let wide = area.width >= 90;
    let tries = if exchange.attempt > 1 {
        format!("try {}", exchange.attempt)
    } else {
        String::new()
    };
    let took = format!("{} ms", exchange.took.as_millis());
    let mut right = vec![(tries, 7, Tone::Warn), (took, 10, Tone::Dim)];
    if wide {
        right.push((size(exchange.response_body.bytes), 9, Tone::Dim));
    }
    let keep: u16 = right.iter().map(|(_, wide, _)| wide).sum();
    let mut pen = Pen::new(buf, area, row);
    pen.keep(keep)
        .cell(&exchange.at.clock(&look.store.zone), 8, dim)
        .skip(1)
        .text(glyph, theme.bold(tone))
        .skip(1);
    // A failure's words follow the path, so that the columns stay where they are.
    let (status, failure) = match exchange.outcome {
        Outcome::Status(_) => (word.as_str(), ""),
        Outcome::Failed(_) => ("—", word.as_str()),
    };
    pen.cell(status, 3, theme.style(tone)).skip(1);
    if look.store.accounts.len() > 1 {
        pen.cell(exchange.account.as_str(), if wide { 12 } else { 8 }, dim)
            .skip(1);
    }
    pen.cell(&exchange.method, 4, dim).skip(1);
    // Where it is narrow, what tells the rows apart comes before what they share.
    let path = (exchange.path(), dim);
    let mut parts = vec![
        (failure, theme.style(tone)),
        (exchange.about.as_str(), theme.style(Tone::Plain)),
    ];
    parts.insert(if area.width < 70 { 2 } else { 0 }, path);
    for (text, style) in parts.into_iter().filter(|(text, _)| !text.is_empty()) {
        pen.text(text, style).skip(2);
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

fn period(length: Duration) -> String {
    match length.as_secs() {
        1 => "second".into(),
        60 => "minute".into(),
        3_600 => "hour".into(),
        _ => time::fine(length),
    }
}

/// A size in at most eight characters.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
