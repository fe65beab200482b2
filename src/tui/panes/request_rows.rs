//! The rows of the request log: one for an exchange, one for a request that waits.

use std::borrow::Cow;
use std::time::Duration;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::{Exchange, Waiting, time};
use crate::tui::overlays::exchange::mark;
use crate::tui::prelude::*;
use crate::tui::widgets::columns::fit_line;
use crate::tui::widgets::text::{path_within, size};

/// Columns of a method: `DELETE` fits.
const METHOD: u16 = 6;
/// From this width on, a row shows how the response's body begins.
pub const RESPONSE_FROM: u16 = 150;

pub struct WaitingRow<'a> {
    pub waits: &'a Waiting,
    /// Whether the console sent it; the others come from polling and callbacks.
    pub is_own: bool,
    /// Columns that the row leaves free at its end.
    pub free: u16,
}

/// The columns of the requests that wait: the time left, what each is and why.
pub fn waiting_columns(total: u16, ctx: ViewContext<'_>) -> Vec<Column<'_, WaitingRow<'_>>> {
    let theme = ctx.theme;
    let (dim, busy) = (theme.style(Tone::Dim), theme.style(Tone::Busy));
    let narrow = total < 70;
    vec![
        Column::new("", Width::Exact(1), move |_, _| {
            Line::styled("◌", theme.bold(Tone::Busy))
        }),
        Column::new(
            "",
            Width::Exact(if ctx.reduced_motion { 16 } else { 11 }),
            move |it: &WaitingRow<'_>, _| {
                let until = it.waits.until.filter(|until| *until > ctx.now.mono);
                let left = until.map_or_else(String::new, |until| ctx.until(until));
                Line::styled(format!("waiting {left}"), busy)
            },
        ),
        Column::new(
            "account",
            Width::Exact(if total >= 90 { 12 } else { 8 }),
            move |it: &WaitingRow<'_>, _| Line::styled(it.waits.account.to_string(), dim),
        )
        .when(ctx.store.accounts.len() > 1),
        Column::new("", Width::Exact(METHOD), move |it: &WaitingRow<'_>, _| {
            Line::styled(it.waits.method.clone(), dim)
        })
        .when(!narrow),
        Column::new(
            "",
            Width::Rest(0, u16::MAX),
            move |it: &WaitingRow<'_>, room| {
                let waits = it.waits;
                let origin = if it.is_own { "" } else { "automatic" };
                // The reason is worth more than the path, which is the same in most rows.
                let words = parts([
                    (waits.about.as_str().into(), theme.style(Tone::Plain)),
                    (waits.why.as_str().into(), busy),
                    (waits.path.as_str().into(), dim),
                    (origin.into(), dim),
                ]);
                let words = if narrow {
                    with_method(&waits.method, dim, words)
                } else {
                    words
                };
                fit_line(words, room.saturating_sub(it.free))
            },
        ),
    ]
}

pub fn columns(total: u16, ctx: ViewContext<'_>) -> Vec<Column<'_, Exchange>> {
    let dim = ctx.theme.style(Tone::Dim);
    let wide = total >= 90;
    // In a narrow pane, what the request is about comes first; the path is the same in most rows.
    let narrow = total < 70;
    vec![
        Column::new("time", Width::Fit(8, 11), move |it: &Exchange, _| {
            Line::styled(
                if wide {
                    ctx.clock_and_date(it.at)
                } else {
                    ctx.clock_or_date(it.at, true)
                },
                dim,
            )
        }),
        Column::new("", Width::Exact(1), move |it: &Exchange, _| {
            let (glyph, tone) = look(it);
            Line::styled(glyph, ctx.theme.bold(tone))
        }),
        Column::new("", Width::Exact(3), move |it: &Exchange, _| {
            let (_, tone) = look(it);
            // A failure's words follow the path, so that the columns do not move.
            let (status, _) = it.outcome.parts();
            let none = if it.is_running() { "" } else { "—" };
            let word = status.map_or_else(|| none.to_owned(), |status| status.to_string());
            Line::styled(word, ctx.theme.style(tone))
        }),
        Column::new(
            "account",
            Width::Exact(if wide { 12 } else { 8 }),
            move |it: &Exchange, _| Line::styled(it.account.as_str(), dim),
        )
        .when(ctx.store.names_accounts()),
        Column::new("", Width::Exact(METHOD), move |it: &Exchange, _| {
            Line::styled(it.method.as_str(), dim)
        })
        .when(!narrow),
        Column::new(
            "request",
            if total >= RESPONSE_FROM {
                Width::Fit(30, total / 2)
            } else {
                Width::REST
            },
            move |it: &Exchange, room| {
                if narrow {
                    about_first(it, room, ctx)
                } else {
                    path_first(it, room, ctx)
                }
            },
        ),
        Column::new("response", Width::REST, move |it: &Exchange, room| {
            let body = it.response_body.readable();
            let head: String = body.chars().take(usize::from(room) + 1).collect();
            Line::styled(head, dim)
        })
        .from(RESPONSE_FROM),
        Column::new("", Width::Fit(0, 6), move |it: &Exchange, _| {
            let attempts = (it.attempt > 1).then(|| format!("try {}", it.attempt));
            Line::styled(attempts.unwrap_or_default(), ctx.theme.style(Tone::Warn))
        })
        .right(),
        Column::new("took", Width::Exact(9), move |it: &Exchange, _| {
            let took = match it.is_running() {
                true if ctx.reduced_motion => String::new(),
                true => {
                    ctx.ticks();
                    time::fine(Duration::from_secs(ctx.now.wall.since(it.at).as_secs()))
                }
                false => format!("{} ms", it.took.as_millis()),
            };
            Line::styled(took, dim)
        })
        .right(),
        Column::new("size", Width::Exact(8), move |it: &Exchange, _| {
            let size = (!it.is_running()).then(|| size(it.response_body.bytes));
            Line::styled(size.unwrap_or_default(), dim)
        })
        .right()
        .when(wide),
    ]
}

fn look(exchange: &Exchange) -> (&'static str, Tone) {
    if exchange.is_running() {
        ("◉", Tone::Busy)
    } else {
        mark(&exchange.outcome)
    }
}

/// The words of a failure, or `running`; empty where the status says all.
fn failure(exchange: &Exchange) -> &str {
    exchange.outcome.parts().1.unwrap_or_default()
}

/// The columns of a text and of the two blanks beside it.
pub fn spaced(text: &str) -> u16 {
    if text.is_empty() { 0 } else { width(text) + 2 }
}

/// The path, then the failure and what the request is about.
fn path_first<'r>(exchange: &'r Exchange, room: u16, ctx: ViewContext<'_>) -> Line<'r> {
    let theme = ctx.theme;
    let (failure, about) = (failure(exchange), exchange.about.as_str());
    let operator = exchange.operator.as_str();
    let others = spaced(failure) + spaced(about) + spaced(operator);
    // The path gives way to the failure and the payment; of less than a quarter of the room, nothing can be read.
    let path = match room.saturating_sub(others) {
        left if left < room / 4 && others > 0 => Cow::default(),
        left => path_within(exchange.path(), left),
    };
    let left = room.saturating_sub(spaced(&path) + spaced(failure) + spaced(operator));
    parts([
        (path, theme.style(Tone::Dim)),
        (failure.into(), theme.style(look(exchange).1)),
        (fit_middle(about, left), theme.style(Tone::Plain)),
        (operator.into(), theme.style(Tone::Dim)),
    ])
}

/// The method, the failure and what the request is about, then the path.
fn about_first<'r>(exchange: &'r Exchange, room: u16, ctx: ViewContext<'_>) -> Line<'r> {
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let failure = failure(exchange);
    let used = width(&exchange.method).min(METHOD) + 1 + spaced(failure);
    let about = fit_middle(&exchange.about, room.saturating_sub(used));
    let left = room.saturating_sub(used + spaced(&about));
    let words = parts([
        (failure.into(), theme.style(look(exchange).1)),
        (about, theme.style(Tone::Plain)),
        (path_within(exchange.path(), left), dim),
    ]);
    with_method(&exchange.method, dim, words)
}

/// The words after a method that has no column of its own.
fn with_method<'r>(method: &'r str, style: Style, words: Line<'r>) -> Line<'r> {
    let mut line = Line::from(vec![Span::styled(fit(method, METHOD), style), " ".into()]);
    line.extend(words);
    line
}

/// Texts with two blanks between them; the empty ones are left out.
fn parts<const N: usize>(texts: [(Cow<'_, str>, Style); N]) -> Line<'_> {
    let mut line = Line::default();
    for (text, style) in texts.into_iter().filter(|(text, _)| !text.is_empty()) {
        if !line.spans.is_empty() {
            line.push_span("  ");
        }
        line.push_span(Span::styled(text, style));
    }
    line
}
