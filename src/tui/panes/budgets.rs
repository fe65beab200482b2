//! The rows above the request log: the traffic of the last minute, and each account's rate limits.

use std::cmp::Reverse;
use std::time::Duration;

use crate::domain::{AccountId, BudgetGauge, Now, RequestId, time};
use crate::tui::panes::request_rows::spaced;
use crate::tui::prelude::*;
use crate::tui::widgets::bar::{columns, eighths};

/// Width of one idle gauge; two of them share a row where the pane is wide enough.
const CELL: u16 = 54;

/// Rows the gauges ask for; the layout may give fewer.
pub fn budget_rows(store: &Store, width: u16) -> u16 {
    // A recording has neither rate limits nor traffic.
    if store.recording.is_some() {
        return 0;
    }
    // Only the number of gauges matters here, so any instant will do.
    let now = Now {
        mono: Duration::ZERO,
        wall: crate::domain::WallTime(0),
    };
    cells(1 + rows(&gauges(store, now), across(width)))
}

/// Rows in which all gauges are drawn.
fn rows(gauges: &[(&AccountId, BudgetGauge)], across: usize) -> usize {
    let pressed = gauges.iter().filter(|(_, gauge)| is_pressed(gauge)).count();
    pressed + (gauges.len() - pressed).div_ceil(across)
}

fn gauges(store: &Store, now: Now) -> Vec<(&AccountId, BudgetGauge)> {
    let accounts = store.accounts.iter();
    let all = accounts.flat_map(|known| known.budgets(now).map(|gauge| (known.id(), gauge)));
    all.filter(|(_, gauge)| gauge.is_shown()).collect()
}

fn across(width: u16) -> usize {
    usize::from((width / CELL).clamp(1, 2))
}

/// Whether the gauge needs a row of its own, with a reason beside it.
fn is_pressed(gauge: &BudgetGauge) -> bool {
    gauge.used >= gauge.limit || gauge.waiting > 0 || gauge.held.is_some()
}

/// The accounts whose requests pause after a 429, and how long. The operator ends the first pause first.
pub fn held(store: &Store, now: Now) -> impl Iterator<Item = (&AccountId, Duration)> {
    store.accounts.iter().filter_map(move |known| {
        let left = known.budgets(now).filter_map(|gauge| gauge.held).max()?;
        Some((known.id(), left))
    })
}

/// Draws them. `key` ends the first pause where no request waits; while one does, it acts on that request.
pub fn draw_budgets(ctx: ViewContext<'_>, key: Option<&str>, area: Rect, buf: &mut Buffer) {
    let changes = ctx.store.accounts.iter();
    let changes = changes.filter_map(|known| known.budget_changes_in(ctx.now));
    let traffic = ctx.store.traffic.changes_in(ctx.now, ctx.reduced_motion);
    changes.chain(traffic).for_each(|left| ctx.changes_in(left));
    draw_traffic(ctx, area, buf);
    let area = below(area, 1);
    let ended = held(ctx.store, ctx.now).next();
    let ended = ended.filter(|_| ctx.store.waiting.is_empty());
    let mut all = gauges(ctx.store, ctx.now);
    let across = across(area.width);
    let all_fit = rows(&all, across) <= usize::from(area.height);
    // The most urgent first. The others keep their order, so that an operator finds them, unless some must be left out:
    // then those of which half is used come first.
    all.sort_by_key(|(_, gauge)| {
        let used = u64::from(gauge.used) * 1000 / u64::from(gauge.limit.max(1));
        let is_seen = all_fit || used < 500;
        Reverse((
            gauge.held.is_some(),
            is_pressed(gauge),
            if is_seen { 0 } else { used },
        ))
    });
    let names = widest(all.iter().map(|(account, gauge)| name(account, gauge))).min(24);
    let (pressed, calm) = all.split_at(all.partition_point(|(_, gauge)| is_pressed(gauge)));
    // Each row leaves the columns free that the last one may need to say how many gauges it leaves out.
    let reserved = if all_fit {
        0
    } else {
        spaced(&format!("+{} more", all.len()))
    };
    let mut hidden = all.len();
    let rows = pressed.chunks(1).chain(calm.chunks(across));
    for (row, line) in rows.zip(area.rows()) {
        hidden -= row.len();
        // The last row says how many accounts it leaves out; the layout gives no other row for that.
        let more = if hidden > 0 && line.bottom() == area.bottom() {
            format!("+{hidden} more")
        } else {
            String::new()
        };
        Pen::new(buf, line, 0).flush(&more, ctx.theme.style(Tone::Dim));
        let alone = across == 1 || is_pressed(&row[0].1);
        let (columns, gap) = if alone { (1, 0) } else { (cells(across), 2) };
        let cell = line.width.saturating_sub(reserved) / columns;
        for (at, (account, gauge)) in (0..).zip(row) {
            let place = Rect {
                x: line.x + cell * at,
                width: cell.saturating_sub(gap),
                ..line
            };
            let mut pen = Pen::new(buf, place, 0);
            pen.cell(&name(account, gauge), names, ctx.theme.style(Tone::Plain));
            let key = key.filter(|_| ended.is_some_and(|(held, _)| held == *account));
            draw_gauge(gauge, key, ctx, pen.skip(1));
        }
    }
}

fn name(account: &AccountId, gauge: &BudgetGauge) -> String {
    match gauge.calls() {
        "all" => account.to_string(),
        calls => format!("{account} {calls}"),
    }
}

/// The last minute second by second, its total, and the requests in flight.
fn draw_traffic(ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let minute = ctx.store.traffic.minute(ctx.now);
    let sum: u64 = minute.iter().map(|count| u64::from(*count)).sum();
    // In flight counts only the console's own requests, of which some wait; the sum counts those of this whole process.
    let own = |id: &&RequestId| ctx.store.in_flight_for(**id).is_some();
    let waiting_own = ctx.store.waiting.keys().filter(own).count();
    let in_flight = ctx.store.in_flight().count() - waiting_own;
    let waiting = ctx.store.waiting.len();
    let right = match (in_flight, waiting) {
        (0, 0) => String::new(),
        (n, 0) => format!("{n} in flight"),
        (0, n) => format!("{n} waiting"),
        (n, w) => format!("{n} in flight, {w} waiting"),
    };
    let tone = if waiting > 0 { Tone::Warn } else { Tone::Busy };
    Pen::new(buf, area, 0).flush(&right, theme.style(tone));
    let mut pen = Pen::new(buf, area, 0);
    pen.keep(width(&right) + 2);
    if sum == 0 {
        if right.is_empty() {
            pen.text(
                "no requests by this console in the last minute",
                theme.style(Tone::Dim),
            );
        }
        return;
    }
    // The current second is not over, so the rate is that of the second before it.
    let second = minute[minute.len() - 2];
    // The list and the gauges below have those of colleagues as well.
    let own = if ctx.store.is_shared { " by you" } else { "" };
    let words = if ctx.reduced_motion {
        format!("{sum} requests in the last minute{own}")
    } else {
        format!("{sum}/min{own}  {second}/s")
    };
    if !ctx.reduced_motion && area.width >= 60 {
        let room = usize::from(pen.left().saturating_sub(width(&words) + 10));
        let shown = &minute[minute.len().saturating_sub(room)..];
        pen.text("last ", theme.style(Tone::Dim))
            .text(&format!("{}s ", shown.len()), theme.style(Tone::Dim))
            .text(&columns(shown), theme.style(Tone::Accent))
            .skip(1);
    }
    pen.text(&words, theme.style(Tone::Plain));
}

fn draw_gauge(gauge: &BudgetGauge, key: Option<&str>, ctx: ViewContext<'_>, pen: &mut Pen<'_>) {
    let (theme, dim) = (ctx.theme, ctx.theme.style(Tone::Dim));
    let full = gauge.used >= gauge.limit;
    // Nearly full from 90 %: 5 % are reserved for the operator, so background checks stop soon after.
    let tone = match (full, gauge.is_nearly_used()) {
        (true, _) => Tone::Bad,
        (false, true) => Tone::Warn,
        (false, false) => Tone::Good,
    };
    let waiting = match gauge.waiting {
        0 => String::new(),
        n => format!(", {n} waiting"),
    };
    if let Some(left) = gauge.held {
        let when = when(left, ctx);
        let ends = key.map_or_else(String::new, |key| format!("; {key} ends the pause"));
        let words = [
            format!(
                "rate limit (429): next request {when}{waiting}{ends}; another program may be using this key"
            ),
            format!("rate limit (429): next request {when}{waiting}{ends}"),
            format!("rate limit (429): next request {when}{waiting}"),
            format!("429: next {when}"),
        ];
        let room = pen.left().saturating_sub(2);
        pen.text("! ", theme.bold(Tone::Warn))
            .text(fitting(&words, room), theme.style(Tone::Warn));
        return;
    }
    let count = gauge.count();
    let per = format!(" per {}", period(gauge.period));
    let next = match gauge.next_free {
        _ if !full => String::new(),
        Some(left) => format!(", next free slot {}", when(left, ctx)),
        None => ", all slots in use".into(),
    };
    // In a narrow pane the wait is worth more than the length of the window.
    let per = fitting(
        &[per, String::new()],
        pen.left()
            .saturating_sub(5 + width(&count) + width(&next) + width(&waiting)),
    )
    .to_owned();
    let words = width(&per) + width(&next) + width(&waiting);
    let bar = pen
        .left()
        .saturating_sub(width(&count).max(9) + words + 1)
        .clamp(4, 16);
    let (used, free) = eighths(gauge.used.into(), gauge.limit.into(), bar);
    pen.text(&used, theme.style(tone))
        .text(&free, dim)
        .skip(1)
        .text(
            &count,
            theme.style(if full { Tone::Bad } else { Tone::Plain }),
        )
        .text(&per, dim)
        .text(&next, theme.style(Tone::Warn))
        .text(&waiting, theme.style(Tone::Warn));
}

/// The longest of these that fits `room`, given longest first; else the last.
fn fitting(words: &[String], room: u16) -> &str {
    let fit = words.iter().find(|words| width(words) <= room);
    fit.or(words.last()).map_or("", String::as_str)
}

/// `in 42 s`, or with reduced motion `at 02:54:26`.
fn when(left: Duration, ctx: ViewContext<'_>) -> String {
    if ctx.reduced_motion {
        format!("at {}", ctx.now.wall.plus(left).clock(&ctx.store.zone))
    } else {
        ctx.ticks();
        let whole =
            Duration::from_secs(u64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u64::MAX));
        format!("in {}", time::fine(whole))
    }
}

fn period(length: Duration) -> String {
    match time::exact(length).as_str() {
        "1 s" => "second".into(),
        "1 min" => "minute".into(),
        "1 h" => "hour".into(),
        other => other.to_owned(),
    }
}
