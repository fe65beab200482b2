//! The selected payment: its verdict, what is expected and received, and how it got there.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::Payment;
use crate::tui::panes::{Look, track};
use crate::tui::theme::Tone;
use crate::tui::watched::{Trouble, Watched};
use crate::tui::widgets::text::{Pen, below, paragraph};

/// Draws it below its heading.
pub fn draw(watched: &Watched, look: Look<'_>, area: Rect, buf: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let theme = look.theme;
    let roomy = area.height >= 9;
    let mut left = below(area, if roomy { 2 } else { 1 });
    let (_, _, tone) = watched.badge(look.now);
    let along = Rect {
        height: left.height.min(if area.height >= 7 { 3 } else { 1 }),
        ..left
    };
    let used = track::draw(watched.seen(), tone, theme, &look.store.zone, along, buf);
    left = below(left, used + u16::from(roomy));

    let (tone, words) = watched.explain(look.now);
    let mut text = vec![(tone, words)];
    let departs = |payment: &Payment| payment.departure(watched.expected()).is_some();
    if roomy || watched.latest().is_some_and(departs) {
        text.push((Tone::Dim, sums(watched, look)));
    }
    let text = text.into_iter().filter(|(_, words)| !words.is_empty());
    for (tone, words) in text.chain(trouble(watched, look)) {
        let room = Rect {
            height: left.height.saturating_sub(1).max(1).min(left.height),
            ..left
        };
        let rows = paragraph(buf, room, &words, theme.style(tone));
        left = below(left, rows);
    }
    let rows = paragraph(buf, left, &state(watched, look), theme.style(Tone::Dim));
    draw_history(watched, look, below(left, rows + 1), buf);
}

/// By how much it differs, and who set what is expected.
fn sums(watched: &Watched, look: Look<'_>) -> String {
    let Some(expected) = &watched.watch.expected else {
        return String::new();
    };
    let set = format!("set by {}, {}", expected.by.as_str(), look.ago(expected.at));
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
        // What was received is told beside it already.
        None if watched.latest().is_some() => format!("expected amount {set}"),
        None => format!("expected {}, {set}", expected.sum),
    }
}

/// Why nothing newer is known.
fn trouble(watched: &Watched, look: Look<'_>) -> Option<(Tone, String)> {
    let Trouble::Failed(problem) = &watched.trouble else {
        return None;
    };
    let known = watched.stale_since().map_or_else(String::new, |since| {
        format!(", the state above is from {}", look.ago(since))
    });
    let told = problem.told();
    Some((Tone::Bad, format!("last check failed{known}: {told}")))
}

/// Since when it stands so, and when it is checked again.
fn state(watched: &Watched, look: Look<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(at) = watched.changed_at() {
        if watched.is_final() {
            parts.push(format!("since {}", at.date_and_clock(&look.store.zone)));
        } else {
            parts.push(format!("last change {}", look.ago(at)));
        }
    }
    if watched.asking.is_some() {
        parts.push(match look.store.waiting_for(watched.asking) {
            Some(why) => format!("waits {why}"),
            None => "checking now".into(),
        });
    } else if let Some(due) = watched.due() {
        let again = look.until(due);
        parts.push(if look.still {
            format!("next check at {again}")
        } else {
            format!("next check in {again}")
        });
    } else if watched.is_final() {
        parts.push("final, no longer checked".into());
    }
    if let Some(at) = look.store.handled_at(&watched.matter(), watched.began()) {
        parts.push(format!("handled {}", look.ago(at)));
    }
    parts.join(" · ")
}

/// The latest changes, newest first, where there is room.
fn draw_history(watched: &Watched, look: Look<'_>, area: Rect, buf: &mut Buffer) {
    let theme = look.theme;
    if area.height < 2 {
        return;
    }
    for (row, observation) in (0..area.height).zip(watched.seen().iter().rev()) {
        let payment = &observation.payment;
        Pen::new(buf, area, row)
            .cell(
                &observation.at.date_and_clock(&look.store.zone),
                20,
                theme.style(Tone::Dim),
            )
            .cell(&payment.state.to_string(), 12, theme.style(Tone::Plain))
            .text(&payment.sum(), theme.style(Tone::Dim));
    }
}
