//! The listener's state line: its address, its last heartbeat, and how many jobs are not done.

use std::time::Duration;

use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use crate::domain::ListenerStatus;
use crate::tui::prelude::*;
use crate::tui::widgets::columns::fit_line;

/// The listener tests itself far more often; an older test means that it may be down.
const HEARTBEAT_MAX_AGE: Duration = Duration::from_mins(1);

/// Glyph and tone of the listener's state.
fn state(ctx: ViewContext<'_>) -> (&'static str, Tone) {
    match &ctx.store.listening {
        ListenerStatus::Off | ListenerStatus::Elsewhere { .. } => ("○", Tone::Dim),
        ListenerStatus::Up { heartbeat, .. }
            if ctx.now.wall.since(*heartbeat) > HEARTBEAT_MAX_AGE =>
        {
            ("!", Tone::Warn)
        }
        ListenerStatus::Up { .. } => ("●", Tone::Good),
        ListenerStatus::Down { .. } => ("✘", Tone::Bad),
    }
}

/// The parts of the line in their order.
fn parts(ctx: ViewContext<'_>) -> Vec<(String, Tone)> {
    let mut parts = Vec::new();
    match &ctx.store.listening {
        ListenerStatus::Off if ctx.store.is_shared => {
            parts.push(("received on other machines".into(), Tone::Dim));
        }
        // An empty list explains in its own place how to switch the listener on.
        ListenerStatus::Off if ctx.store.deliveries.is_empty() => {
            parts.push(("off".into(), Tone::Dim));
        }
        ListenerStatus::Off => parts.push((
            "off: set `bind` under `[callbacks]`, or run `tilldeck listen`".into(),
            Tone::Dim,
        )),
        ListenerStatus::Up { url, heartbeat } => {
            parts.push((format!("{url}/callbacks/ACCOUNT"), Tone::Plain));
            let (_, tone) = state(ctx);
            let tone = if tone == Tone::Good { Tone::Dim } else { tone };
            // Noted by the model: the next one comes before this changes.
            let silent = ViewContext { hits: None, ..ctx };
            parts.push((format!("self-test {}", silent.ago(*heartbeat)), tone));
        }
        ListenerStatus::Elsewhere { url } => {
            parts.push((format!("{url}/callbacks/ACCOUNT"), Tone::Plain));
            let text = "received by another tilldeck on this machine";
            parts.push((text.into(), Tone::Dim));
        }
        ListenerStatus::Down { .. } => {}
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

/// Rows for the reason why the listener is down.
const ERROR_ROWS: u16 = 3;

/// How much a part matters where not all have room; the greatest goes first.
fn rank(tone: Tone) -> u8 {
    match tone {
        Tone::Bad => 0,
        // The address.
        Tone::Plain => 1,
        Tone::Warn => 2,
        Tone::Busy => 3,
        _ => 4,
    }
}

/// The parts wrapped to `columns`, at most `most` lines; of parts that do not fit, those that matter least are left out.
fn lines(ctx: ViewContext<'_>, columns: u16, most: usize) -> Vec<Line<'static>> {
    let mut parts = parts(ctx);
    loop {
        let lines = wrapped(&parts, ctx, columns);
        let least = parts.iter().enumerate();
        let least = least.max_by_key(|(_, (_, tone))| rank(*tone));
        match least {
            Some((at, _)) if lines.len() > most && parts.len() > 1 => drop(parts.remove(at)),
            _ => return lines,
        }
    }
}

fn wrapped(parts: &[(String, Tone)], ctx: ViewContext<'_>, columns: u16) -> Vec<Line<'static>> {
    let between = Span::styled(" · ", ctx.theme.style(Tone::Dim));
    let mut lines = vec![Line::default()];
    for (text, tone) in parts {
        let line = &lines[lines.len() - 1];
        // The glyph and its space come before the first part.
        let used = 2 + cells(line.width() + between.width()) + width(text);
        if line.width() > 0 && used > columns {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            if line.width() > 0 {
                line.push_span(between.clone());
            }
            line.push_span(Span::styled(text.clone(), ctx.theme.style(*tone)));
        }
    }
    lines
}

/// Rows the state takes in a pane of this size.
pub fn rows(ctx: ViewContext<'_>, area: Rect) -> u16 {
    let most = if area.height >= 7 { 2 } else { 1 };
    let why = wrap(&why_down(ctx), area.width.saturating_sub(2));
    let error = match &ctx.store.listening {
        ListenerStatus::Down { .. } => cells(why.len()).min(ERROR_ROWS),
        ListenerStatus::Off | ListenerStatus::Up { .. } | ListenerStatus::Elsewhere { .. } => 0,
    };
    let rows = cells(lines(ctx, area.width, most).len());
    (error + rows).min(area.height)
}

fn why_down(ctx: ViewContext<'_>) -> String {
    match &ctx.store.listening {
        ListenerStatus::Down {
            address,
            why,
            since,
        } => format!(
            "LISTENER DOWN at {address} since {}: {why}",
            since.clock(&ctx.store.zone)
        ),
        ListenerStatus::Off | ListenerStatus::Up { .. } | ListenerStatus::Elsewhere { .. } => {
            String::new()
        }
    }
}

pub fn draw(ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let (glyph, tone) = state(ctx);
    Pen::new(buf, area, 0).text(glyph, ctx.theme.bold(tone));
    let [_, inner] = split_columns(area, 2);
    let [room, _] = split_rows(inner, ERROR_ROWS);
    let rest = paragraph(buf, room, &why_down(ctx), ctx.theme.bold(Tone::Bad));
    let left = below(inner, room.height - rest.height);
    if !left.is_empty() {
        let lines = lines(ctx, area.width, left.height.into());
        for (line, place) in lines.into_iter().zip(left.rows()) {
            fit_line(line, place.width).render(place, buf);
        }
    }
}

/// The state in a few words, for the title of the pane that is drawn in its place.
pub fn brief(ctx: ViewContext<'_>) -> Line<'static> {
    let (_, tone) = state(ctx);
    let word = match (&ctx.store.listening, ctx.store.deliveries.front()) {
        (
            ListenerStatus::Off | ListenerStatus::Up { .. } | ListenerStatus::Elsewhere { .. },
            None,
        ) if ctx.store.is_unread => "callbacks not loaded".to_owned(),
        (ListenerStatus::Off, None) if !ctx.store.is_shared => "callbacks off".to_owned(),
        (ListenerStatus::Down { .. }, _) => "callback listener down".to_owned(),
        (_, Some(last)) => format!("last callback {}", ctx.ago(last.received_at)),
        (
            ListenerStatus::Off | ListenerStatus::Up { .. } | ListenerStatus::Elsewhere { .. },
            None,
        ) => "no callback yet".to_owned(),
    };
    let tone = if tone == Tone::Good { Tone::Dim } else { tone };
    Line::styled(word, ctx.theme.style(tone))
}
