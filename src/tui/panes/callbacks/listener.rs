//! The listener's state line: its address, its last heartbeat, and how many jobs are not done.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use crate::domain::Listening;
use crate::tui::panes::{ViewContext, age_changes_in};
use crate::tui::theme::Tone;
use crate::tui::widgets::text::{Pen, paragraph, split_rows, width};

/// The listener tests itself far more often; an older test means that it may be down.
const HEARTBEAT_MAX_AGE: Duration = Duration::from_mins(1);

/// Glyph and tone of the listener's state.
fn state(ctx: ViewContext<'_>) -> (&'static str, Tone) {
    match &ctx.store.listening {
        Listening::Off => ("○", Tone::Dim),
        Listening::Up { heartbeat, .. } if ctx.now.wall.since(*heartbeat) > HEARTBEAT_MAX_AGE => {
            ("!", Tone::Warn)
        }
        Listening::Up { .. } => ("●", Tone::Good),
        Listening::Down { .. } => ("✘", Tone::Bad),
    }
}

/// The parts of the line, the most important first.
fn parts(ctx: ViewContext<'_>) -> Vec<(String, Tone)> {
    let mut parts = Vec::new();
    match &ctx.store.listening {
        // An empty list explains in its own place how to switch the listener on.
        Listening::Off if ctx.store.deliveries.is_empty() => {
            parts.push(("off".into(), Tone::Dim));
        }
        Listening::Off => parts.push((
            "off: set `bind` under `[callbacks]`, or run `tilldeck listen`".into(),
            Tone::Dim,
        )),
        Listening::Up { url, heartbeat } => {
            parts.push((format!("{url}/callbacks/ACCOUNT"), Tone::Plain));
            let (_, tone) = state(ctx);
            let tone = if tone == Tone::Good { Tone::Dim } else { tone };
            parts.push((format!("self-test {}", ctx.ago(*heartbeat)), tone));
        }
        Listening::Down { .. } => {}
    }
    // An empty list says so in its own place.
    if let Some(last) = ctx.store.deliveries.front() {
        let text = format!("last callback {}", ctx.ago(last.received_at));
        parts.push((text, Tone::Dim));
    }
    let sum = ctx.store.open_jobs.sum;
    for (count, word, tone) in [
        (sum.queued - sum.failing, "queued", Tone::Busy),
        (sum.failing, "will retry", Tone::Warn),
        (sum.given_up, "failed", Tone::Bad),
    ] {
        let jobs = if count == 1 { "job" } else { "jobs" };
        if count > 0 {
            parts.push((format!("{count} {jobs} {word}"), tone));
        }
    }
    parts
}

/// The parts wrapped to `columns`, at most `most` lines; parts that do not fit are left out.
fn lines(parts: Vec<(String, Tone)>, columns: u16, most: usize) -> Vec<Vec<(String, Tone)>> {
    let mut lines: Vec<Vec<(String, Tone)>> = vec![Vec::new()];
    // The glyph and its space.
    let mut used = 2;
    for part in parts {
        let wide = width(&part.0);
        let here = lines.last_mut().filter(|line| !line.is_empty());
        if let Some(line) = here {
            if used + 3 + wide <= columns {
                used += 3 + wide;
                line.push(part);
                continue;
            }
            if lines.len() == most {
                break;
            }
            lines.push(vec![part]);
            used = 2 + wide;
        } else {
            lines[0].push(part);
            used += wide;
        }
    }
    lines
}

/// Rows for the reason why the listener is down.
const ERROR_ROWS: u16 = 3;

/// Rows the state takes in a pane of this size.
pub fn rows(ctx: ViewContext<'_>, area: Rect) -> u16 {
    let most = if area.height >= 7 { 2 } else { 1 };
    let rows = lines(parts(ctx), area.width, most).len();
    let rows = u16::try_from(rows).unwrap_or(1);
    match &ctx.store.listening {
        Listening::Down { .. } => {
            let why = wrapped_rows(&why_down(ctx), area.width.saturating_sub(2));
            (why.min(ERROR_ROWS) + rows).min(area.height)
        }
        _ => rows.min(area.height),
    }
}

fn wrapped_rows(text: &str, columns: u16) -> u16 {
    let lines = crate::tui::widgets::text::wrap(text, columns).len();
    u16::try_from(lines).unwrap_or(u16::MAX)
}

fn why_down(ctx: ViewContext<'_>) -> String {
    match &ctx.store.listening {
        Listening::Down {
            address,
            why,
            since,
        } => format!(
            "LISTENER DOWN at {address} since {}: {why}",
            since.clock(&ctx.store.zone)
        ),
        _ => String::new(),
    }
}

pub fn draw(ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let (glyph, tone) = state(ctx);
    Pen::new(buf, area, 0).text(glyph, theme.bold(tone));
    let [_, inner] = area.layout(&Layout::horizontal([Length(2), Fill(1)]));
    let down = matches!(ctx.store.listening, Listening::Down { .. });
    let mut row = 0;
    if down {
        let [room, _] = split_rows(inner, ERROR_ROWS);
        row = paragraph(buf, room, &why_down(ctx), theme.bold(Tone::Bad));
    }
    let most = usize::from(area.height.saturating_sub(row));
    if most == 0 {
        return;
    }
    for line in lines(parts(ctx), area.width, most) {
        let mut pen = Pen::new(buf, inner, row);
        for (at, (text, tone)) in line.iter().enumerate() {
            if at > 0 {
                pen.text(" · ", theme.style(Tone::Dim));
            }
            pen.text(text, theme.style(*tone));
        }
        row += 1;
    }
}

/// The state in a few words, for the title of the pane that is drawn in its place.
pub fn brief(ctx: ViewContext<'_>) -> (String, Tone) {
    let (_, tone) = state(ctx);
    let word = match (&ctx.store.listening, ctx.store.deliveries.front()) {
        (Listening::Off, None) => "callbacks off".to_owned(),
        (Listening::Down { .. }, _) => "callback listener down".to_owned(),
        (_, Some(last)) => format!("last callback {}", ctx.ago(last.received_at)),
        (Listening::Up { .. }, None) => "no callback yet".to_owned(),
    };
    let tone = if tone == Tone::Good { Tone::Dim } else { tone };
    (word, tone)
}

/// Time until the line must be redrawn without an event.
pub fn changes_in(ctx: ViewContext<'_>) -> Option<Duration> {
    let beat = match &ctx.store.listening {
        Listening::Up { heartbeat, .. } => Some(*heartbeat),
        Listening::Off | Listening::Down { .. } => None,
    };
    let last = ctx.store.deliveries.front().map(|last| last.received_at);
    beat.into_iter()
        .chain(last)
        .map(|at| age_changes_in(at, ctx.now))
        .min()
}
