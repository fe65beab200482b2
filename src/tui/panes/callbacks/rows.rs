//! How callbacks are drawn: one row each, and the selected one in detail.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::words;
use crate::domain::{Delivery, WallTime};
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::text::{Pen, below, paragraph, width};

/// Columns of a clock time, and of a date.
const TIME: u16 = 8;
/// Columns of a verdict: `unreadable` fits.
const VERDICT: u16 = 10;

/// The width of each column.
pub struct Columns {
    account: u16,
    kind: u16,
    subject: u16,
}

impl Columns {
    pub fn new(total: u16, rows: &[&Delivery], ctx: ViewContext<'_>) -> Self {
        let widest = |measure: fn(&Delivery) -> u16, most: u16| {
            rows.iter()
                .copied()
                .map(measure)
                .max()
                .unwrap_or(0)
                .min(most)
        };
        let fixed = TIME + VERDICT + 4;
        let rest = total.saturating_sub(fixed);
        // With one account the column would repeat the same word in every row.
        let account = if ctx.store.accounts.len() > 1 {
            widest(|row| width(&row.account), if rest >= 60 { 14 } else { 10 })
        } else {
            0
        };
        // The result of the jobs is worth more than the provider's name for the event.
        let kind = match rest {
            0..64 => 0,
            64..90 => widest(|row| width(&row.kind), 12),
            _ => widest(|row| width(&row.kind), 22),
        };
        let room = rest.saturating_sub(account + kind + 3);
        let subject = {
            let most = if total < 100 { 20 } else { 40 };
            widest(|row| width(&words::subject(row)), most).min(room / 2)
        };
        Self {
            account,
            kind,
            subject,
        }
    }

    pub fn draw(
        &self,
        delivery: &Delivery,
        ctx: ViewContext<'_>,
        area: Rect,
        row: u16,
        buf: &mut Buffer,
    ) {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let (glyph, word, tone) = words::verdict(delivery);
        let mut pen = Pen::new(buf, area, row);
        pen.cell(&when(delivery.received_at, ctx), TIME, dim)
            .skip(1)
            .text(glyph, theme.bold(tone))
            .skip(1)
            .cell(&word, VERDICT, theme.style(tone))
            .skip(1);
        for (text, wide, style) in [
            (delivery.account.as_str(), self.account, dim),
            (
                &words::subject(delivery),
                self.subject,
                theme.style(Tone::Plain),
            ),
            (&delivery.kind, self.kind, dim),
        ] {
            if wide > 0 {
                // Cut in the middle: ids of one shop often differ only at their ends.
                pen.id(text, wide, style).skip(1);
            }
        }
        for (at, (text, tone)) in words::outcome(delivery, ctx).iter().enumerate() {
            if at > 0 {
                pen.text(" · ", dim);
            }
            pen.text(text, theme.style(*tone));
        }
    }
}

/// A clock time for today, a date for any other day.
fn when(at: WallTime, ctx: ViewContext<'_>) -> String {
    let at = at.date_and_clock(&ctx.store.zone);
    let today = ctx.now.wall.date_and_clock(&ctx.store.zone);
    let part = if at.get(..10) == today.get(..10) {
        11..19
    } else {
        5..10
    };
    at.get(part).unwrap_or(&at).to_owned()
}

/// The selected callback in full sentences.
pub fn draw_detail(delivery: &Delivery, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    if area.height < 3 {
        return;
    }
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let (_, _, tone) = words::verdict(delivery);
    let subject = words::subject(delivery);
    let name = match (subject.as_str(), delivery.kind.as_str()) {
        ("", "") => "callback",
        ("", kind) => kind,
        (subject, _) => subject,
    };
    let mut pen = Pen::new(buf, area, 0);
    pen.text("── ", theme.border(false, false))
        .text(name, theme.bold(Tone::Plain))
        .text(" at ", dim)
        .text(&delivery.account, dim)
        .skip(1);
    let rest = usize::from(pen.left());
    pen.text(&"─".repeat(rest), theme.border(false, false));
    let mut left = below(area, 1);
    let rows = paragraph(buf, left, &words::meaning(delivery), theme.style(tone));
    left = below(left, rows);
    let rows = paragraph(buf, left, &words::arrival(delivery, ctx), dim);
    left = below(left, rows);
    for job in &delivery.jobs {
        let (words, tone) = words::state(job, &delivery.account, ctx);
        let words = words + &words::history(job);
        let rows = paragraph(buf, left, &words, theme.style(tone));
        left = below(left, rows);
    }
}
