//! How callbacks are drawn: one row each, and the selected one in detail.

use ratatui::text::{Line, Span};

use super::{Action, HEAD_FROM};
use crate::domain::Delivery;
use crate::tui::deliveries;
use crate::tui::panes::parts::Heading;
use crate::tui::prelude::*;

/// Columns that a long payment id leaves to the result: this many, and in a wide list a quarter.
const OUTCOME_MIN: u16 = 18;

pub fn columns(total: u16, ctx: ViewContext<'_>) -> Vec<Column<'_, Delivery>> {
    let dim = ctx.theme.style(Tone::Dim);
    let most = |narrow, wide| if total < 100 { narrow } else { wide };
    // The columns of a title, where it is drawn.
    let head = |title| if total < HEAD_FROM { 0 } else { title };
    vec![
        Column::new("time", Width::Fit(8, 11), move |it: &Delivery, _| {
            Line::styled(
                if total < 100 {
                    ctx.clock_or_date(it.received_at, true)
                } else {
                    ctx.clock_and_date(it.received_at)
                },
                dim,
            )
        }),
        Column::new("", Width::Exact(1), move |it, _| {
            let (glyph, _, tone) = deliveries::verdict(it);
            Line::styled(glyph, ctx.theme.bold(tone))
        }),
        // `unreadable` fits.
        Column::new("verdict", Width::Exact(10), move |it, _| {
            let (_, word, tone) = deliveries::verdict(it);
            Line::styled(word, ctx.theme.style(tone))
        }),
        // With one account the column would repeat the same word in every row.
        Column::new(
            "account",
            if total >= 82 {
                Width::Fit(7, 14)
            } else {
                Width::Fit(0, 10)
            },
            move |it: &Delivery, _| Line::styled(it.account.as_str(), dim),
        )
        .id()
        .when(ctx.store.names_accounts()),
        Column::new("payment", Width::Fit(head(7), most(20, 40)), |it, _| {
            deliveries::subject(it).into()
        })
        .id()
        .shrinks(OUTCOME_MIN.max(total / 4)),
        // The result of the jobs is worth more than the provider's name for the event.
        Column::new(
            "event",
            Width::Fit(head(5), if total < 112 { 12 } else { 22 }),
            move |it: &Delivery, _| Line::styled(it.kind.as_str(), dim),
        )
        .id()
        .from(86),
        Column::new("HTTP", Width::Exact(4), move |it: &Delivery, _| {
            Line::styled(it.status.to_string(), dim)
        })
        .from(140),
        Column::new("result", Width::REST, move |it, _| outcome(it, ctx)),
    ]
}

fn outcome<'r>(delivery: &Delivery, ctx: ViewContext<'_>) -> Line<'r> {
    let mut line = Line::default();
    for (text, tone) in deliveries::outcome(delivery, ctx) {
        if !line.spans.is_empty() {
            line.push_span(Span::styled(" · ", ctx.theme.style(Tone::Dim)));
        }
        line.push_span(Span::styled(text, ctx.theme.style(tone)));
    }
    line
}

/// The selected callback in full sentences.
pub fn draw_detail(delivery: &Delivery, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    if area.height < 3 {
        return;
    }
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let (_, _, tone) = deliveries::verdict(delivery);
    let subject = deliveries::subject(delivery);
    let name = match (subject.as_str(), delivery.kind.as_str()) {
        ("", "") => "callback",
        ("", kind) => kind,
        (subject, _) => subject,
    };
    Heading {
        name,
        account: &delivery.account,
    }
    .draw(theme, area, buf);
    let meaning = deliveries::meaning(delivery);
    let mut left = paragraph(buf, below(area, 1), &meaning, theme.style(tone));
    if let Some(words) = deliveries::due(delivery, ctx) {
        let keys = format!(
            "{words}: {} lists the calls",
            ctx.key(Action::FollowCallback)
        );
        left = paragraph(buf, left, &keys, theme.bold(Tone::Bad));
    }
    left = paragraph(buf, left, &deliveries::arrival(delivery, ctx), dim);
    for job in &delivery.jobs {
        let (words, tone) = deliveries::state(job, &delivery.account, ctx);
        let words = words + &deliveries::target_and_attempts(job);
        left = paragraph(buf, left, &words, theme.style(tone));
    }
}
