//! The selected payment: its verdict, the expected and the received amount, and its states so far.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::Payment;
use crate::tui::panes::ViewContext;
use crate::tui::panes::track::Track;
use crate::tui::theme::Tone;
use crate::tui::watched::{LastError, Watched};
use crate::tui::widgets::text::{Pen, below, paragraph, split_rows};

/// Draws it below its heading.
pub fn draw(watched: &Watched, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let theme = ctx.theme;
    // With fewer rows the spacing goes first, then the explanation of the amounts.
    let roomy = area.height >= 9;
    let mut left = below(area, if roomy { 2 } else { 1 });
    let (_, _, tone) = watched.badge(ctx.now);
    let [along, _] = split_rows(left, if area.height >= 7 { 3 } else { 1 });
    let track = Track {
        seen: watched.seen(),
        tone,
        theme,
        zone: &ctx.store.zone,
    };
    let used = track.draw(along, buf);
    left = below(left, used + u16::from(roomy));

    let (tone, words) = watched.explain(ctx.now);
    let mut text = vec![(tone, words)];
    let departs = |payment: &Payment| payment.departure(watched.expected()).is_some();
    if roomy || watched.latest().is_some_and(departs) {
        text.push((Tone::Dim, sums(watched, ctx)));
    }
    let text = text.into_iter().filter(|(_, words)| !words.is_empty());
    for (tone, words) in text.chain(last_error(watched, ctx)) {
        let room = Rect {
            height: left.height.saturating_sub(1).max(1).min(left.height),
            ..left
        };
        let rows = paragraph(buf, room, &words, theme.style(tone));
        left = below(left, rows);
    }
    let rows = paragraph(buf, left, &state(watched, ctx), theme.style(Tone::Dim));
    draw_history(watched, ctx, below(left, rows + 1), buf);
}

/// The difference, and who set the expected amount.
fn sums(watched: &Watched, ctx: ViewContext<'_>) -> String {
    let Some(expected) = &watched.watch.expected else {
        return String::new();
    };
    let set = format!("{}, {}", expected.by.words(), ctx.ago(expected.at));
    let apart = |payment: &Payment| payment.difference(&expected.sum);
    match watched
        .latest()
        .and_then(apart)
        .filter(|apart| apart != "0")
    {
        Some(apart) => format!(
            "difference {apart} {} · expected amount {set}",
            expected.sum.currency
        ),
        // The explanation above names the received amount.
        None if watched.latest().is_some() => format!("expected amount {set}"),
        None => format!("expected {}, {set}", expected.sum),
    }
}

/// Why there is no newer state.
fn last_error(watched: &Watched, ctx: ViewContext<'_>) -> Option<(Tone, String)> {
    let LastError::Failed(problem) = &watched.last_error else {
        return None;
    };
    let known = watched.stale_since().map_or_else(String::new, |since| {
        format!(", the state above is from {}", ctx.ago(since))
    });
    let why = problem.describe();
    Some((Tone::Bad, format!("last check failed{known}: {why}")))
}

/// Since when it has this state, and when it is checked next.
fn state(watched: &Watched, ctx: ViewContext<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(at) = watched.changed_at() {
        if watched.is_final() {
            parts.push(format!("since {}", at.date_and_clock(&ctx.store.zone)));
        } else {
            parts.push(format!("last change {}", ctx.ago(at)));
        }
    }
    if watched.asking.is_some() {
        parts.push(match ctx.store.waiting_for(watched.asking) {
            Some(why) => format!("waiting: {why}"),
            None => "checking now".into(),
        });
    } else if let Some(due) = watched.due() {
        parts.push(format!("next check {}", ctx.in_or_at(due)));
    } else if watched.is_final() {
        parts.push("final, no longer checked".into());
    }
    if let Some(at) = ctx.store.handled_at(&watched.alert_key(), watched.began()) {
        parts.push(format!("marked as handled {}", ctx.ago(at)));
    }
    parts.join(" · ")
}

/// The latest changes, newest first, where there is room.
fn draw_history(watched: &Watched, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    if area.height < 2 {
        return;
    }
    for (row, observation) in (0..area.height).zip(watched.seen().iter().rev()) {
        let payment = &observation.payment;
        Pen::new(buf, area, row)
            .cell(
                &observation.at.date_and_clock(&ctx.store.zone),
                20,
                theme.style(Tone::Dim),
            )
            .cell(&payment.state.to_string(), 12, theme.style(Tone::Plain))
            .text(&payment.sum(), theme.style(Tone::Dim));
    }
}
