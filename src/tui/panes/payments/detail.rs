//! The selected payment: its verdict, the expected and the received amount, and its states so far.

use crate::domain::amount::SHOWN_MAX;
use crate::domain::{Outcome, Payment, PaymentVerdict, Subject, WallTime, inert};
use crate::tui::overlays::alerts::handled_words;
use crate::tui::panes::track::Track;
use crate::tui::prelude::*;
use crate::tui::store::is_about;
use crate::tui::watched::Watched;
use crate::tui::widgets::text::without_account;

/// Draws it below its heading.
pub fn draw(watched: &Watched, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let theme = ctx.theme;
    // With fewer rows the spacing goes first, then the explanation of the amounts.
    let roomy = area.height >= 9;
    let mut left = below(area, if roomy { 2 } else { 1 });
    let (_, _, tone) = watched.badge();
    let [along, _] = split_rows(left, if area.height >= 7 { 3 } else { 1 });
    let track = Track {
        seen: watched.seen(),
        tone,
        theme,
        zone: &ctx.store.zone,
    };
    let used = track.draw(along, buf);
    left = below(left, used + u16::from(roomy));

    // Why the state is old comes first: the rows below may not be enough.
    let mut text: Vec<(Tone, String)> = why_old(watched, ctx).into_iter().collect();
    text.push(watched.explain());
    let explained = text.len();
    if let Some(note) = &watched.watch.note {
        let words = format!("note: {} · {}", note.signed(), ctx.ago(note.at));
        text.push((Tone::Accent, words));
    }
    let departs = |payment: &Payment| payment.departure(watched.expected()).is_some();
    let state = state(watched, ctx);
    let rows = |words: &str| cells(wrap(words, left.width).len());
    let used = text
        .iter()
        .fold(rows(&state), |used, (_, words)| used + rows(words));
    if left.height > used || watched.latest().is_some_and(departs) {
        text.insert(explained, (Tone::Dim, sums(watched, ctx)));
    }
    let text = text.into_iter().filter(|(_, words)| !words.is_empty());
    for (tone, words) in text {
        let [room, _] = split_rows(left, left.height.saturating_sub(1).max(1));
        let rest = paragraph(buf, room, &words, theme.style(tone));
        left = below(left, room.height - rest.height);
    }
    let left = paragraph(buf, left, &state, theme.style(Tone::Dim));
    draw_history(watched, ctx, below(left, 1), buf);
}

/// The difference, and who set the expected amount.
fn sums(watched: &Watched, ctx: ViewContext<'_>) -> String {
    let Some(expected) = &watched.watch.expected else {
        return String::new();
    };
    let set = format!("{}, {}", expected.origin(), ctx.ago(expected.at));
    let apart = |payment: &Payment| payment.difference(&expected.sum);
    match watched
        .latest()
        .and_then(apart)
        .filter(|apart| apart != "0")
    {
        Some(apart) => format!(
            "difference {} {} · expected amount {set}",
            inert::cut(&apart, SHOWN_MAX),
            expected.sum.currency
        ),
        // The explanation above names it.
        None if watched.verdict() == Some(PaymentVerdict::Paid) => format!("expected amount {set}"),
        None => format!("expected {}, {set}", expected.sum),
    }
}

/// Why there is no newer state, and how old it is.
fn why_old(watched: &Watched, ctx: ViewContext<'_>) -> Option<(Tone, String)> {
    let since = watched.stale_since(ctx.now, ctx.store.round_of_checks());
    let old = match (since, watched.answered_at()) {
        (Some(_), None) => "; not checked since the start".to_owned(),
        (Some(since), Some(_)) => format!("; state from {}", ctx.ago(since)),
        (None, _) => String::new(),
    };
    Some(match &watched.failure {
        // The title above names the account.
        Some(problem) => {
            let why = without_account(&problem.message, watched.watch.account.as_str());
            let why = why.trim_end_matches('.');
            (Tone::Bad, format!("check failed: {why}{old}"))
        }
        None if since.is_some() => (Tone::Warn, format!("the check is late{old}")),
        None => return None,
    })
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
    if watched.unsaved.is_some() {
        parts.push("not saved yet".into());
    }
    if watched.asking.is_some() {
        parts.push(match ctx.store.waiting_for(watched.asking) {
            Some(why) => format!("waiting: {why}"),
            None => "checking now".into(),
        });
    } else if let Some(due) = watched.due() {
        parts.push(if due <= ctx.now.mono {
            "check queued".to_owned()
        } else {
            format!("next check {}", ctx.in_or_at(due))
        });
    } else if watched.is_final() {
        parts.push("final, no longer checked".into());
    }
    if let Some(handled) = ctx.store.handled(&watched.alert_key(), watched.began()) {
        parts.push(handled_words(handled, ctx));
    }
    parts.join(" · ")
}

struct Entry {
    at: WallTime,
    what: String,
    words: String,
    tone: Tone,
}

/// The states seen, the callbacks received and the requests that failed, as far as they are loaded; newest first.
fn history(watched: &Watched, ctx: ViewContext<'_>) -> Vec<Entry> {
    let seen = watched.seen().iter().map(|seen| Entry {
        at: seen.at,
        what: seen.payment.state.to_string(),
        words: seen.payment.sum(),
        tone: Tone::Plain,
    });
    let watch = &watched.watch;
    let subject = Some(Subject::Payment(watch.id.clone()));
    let callbacks = ctx.store.deliveries.iter();
    let callbacks = callbacks
        .filter(|it| it.account == watch.account.as_str() && it.subject == subject)
        .map(|it| Entry {
            at: it.received_at,
            what: "callback".into(),
            words: format!("{} {}", it.verdict.as_str(), it.kind),
            tone: Tone::Accent,
        });
    let failures = ctx.store.exchanges.iter().filter_map(|it| {
        let why = match &it.outcome {
            Outcome::Status(0..400) => return None,
            Outcome::Status(_) | Outcome::Refused(..) => format!("HTTP {}", it.outcome),
            Outcome::Failed(why) => why.clone(),
        };
        let is_this = it.account == watch.account && is_about(it, watch.id.as_str());
        is_this.then(|| Entry {
            at: it.at,
            what: "request".into(),
            words: format!("{} {}: {why}", it.method, it.path()),
            tone: Tone::Bad,
        })
    });
    let mut all: Vec<Entry> = seen.chain(callbacks).chain(failures).collect();
    all.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    all
}

/// Draws as much of the history as there is room for.
fn draw_history(watched: &Watched, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let dim = ctx.theme.style(Tone::Dim);
    for (entry, line) in history(watched, ctx).iter().zip(area.rows()) {
        Pen::new(buf, line, 0)
            .cell(&entry.at.date_and_clock(&ctx.store.zone), 20, dim)
            .cell(&entry.what, 11, ctx.theme.style(entry.tone))
            .skip(1)
            .text(&entry.words, dim);
    }
}
