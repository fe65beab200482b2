//! Draws a timeline: the current state, then one line for each entry along the axis.

use crate::domain::timeline::{Remark, Row};
use crate::domain::{
    Outcome, PaymentState, PaymentVerdict, Timeline, TimelineEntry, TimelineEvent, inert, time,
};
use crate::tui::deliveries;
use crate::tui::overlays::exchange::mark;
use crate::tui::prelude::*;
use crate::tui::widgets::text::counted;

/// Draws the current state and the number of entries.
pub fn draw_head(timeline: &Timeline, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let count = |what: fn(&TimelineEvent) -> bool| {
        timeline.entries.iter().filter(|it| what(&it.what)).count()
    };
    let mut pen = Pen::new(buf, area, 0);
    match &timeline.latest {
        Some(seen) => {
            let payment = &seen.payment;
            let expected = timeline.expected.as_ref();
            let tone = payment.tone(expected);
            pen.text(&payment.badge(expected).1, theme.bold(tone))
                .skip(1)
                .text(&payment.sum(), theme.style(Tone::Plain));
            // FINALIZED alone would be read as paid.
            let verdict = payment.verdict(expected);
            if payment.state == PaymentState::Finalized && verdict != PaymentVerdict::Paid {
                pen.text(&format!(" {}", verdict.words()), theme.bold(tone));
            }
            pen.text(&format!(" since {}", seen.at.clock(&ctx.store.zone)), dim);
        }
        None => {
            pen.text("no state known", dim);
        }
    }
    let calls = count(|what| matches!(what, TimelineEvent::Call { .. }));
    let callbacks = count(|what| matches!(what, TimelineEvent::Callback(_)));
    let (calls, callbacks) = (counted(calls, "request"), counted(callbacks, "callback"));
    let text = format!(" · {calls}, {callbacks}");
    pen.text(&text, dim);
    if timeline.cut {
        pen.text(" · older entries omitted", theme.style(Tone::Warn));
    }
}

/// The axis. A line has the time, the distance from the line before, a glyph for its kind, and its text.
pub struct Rail<'a> {
    pub timeline: &'a Timeline,
    pub ctx: ViewContext<'a>,
    /// Too narrow for distances.
    pub narrow: bool,
}

const CLOCK: u16 = 8;
/// Columns of a distance: `+12 min`.
const GAP: u16 = 9;

impl Rail<'_> {
    fn rail_at(&self) -> u16 {
        CLOCK + if self.narrow { 2 } else { GAP + 3 }
    }

    pub fn day(&self, at: usize, line: Rect, buf: &mut Buffer) {
        let day = self.timeline.entries[at]
            .at
            .date_and_clock(&self.ctx.store.zone);
        let dim = self.ctx.theme.style(Tone::Dim);
        let mut pen = Pen::new(buf, line, 0);
        pen.text(day.get(..10).unwrap_or(&day), dim);
        let mut pen = Pen::new(buf, line, 0);
        pen.skip(self.rail_at()).text("│", dim);
    }

    pub fn remark(&self, remark: &Remark, line: Rect, buf: &mut Buffer) {
        let theme = self.ctx.theme;
        let tone = match remark {
            Remark::NotReported { .. } | Remark::NeverReported(_) => Tone::Warn,
            Remark::SeenBefore { .. } => Tone::Accent,
            _ => Tone::Dim,
        };
        let glyph = match remark {
            Remark::NotReported { .. } => "┄",
            _ => "│",
        };
        Pen::new(buf, line, 0)
            .skip(self.rail_at())
            .text(glyph, theme.style(Tone::Dim))
            .skip(3)
            .text(&remark.to_string(), theme.style(tone));
    }

    pub fn row(&self, entry: &Row, line: Rect, buf: &mut Buffer) {
        if entry.last == entry.first {
            self.entry(entry.first, line, buf);
            return;
        }
        let theme = self.ctx.theme;
        let mut pen = self.begin(entry.first, ("→", Tone::Dim), line, buf);
        if let Some(remark) = entry.remarks.first() {
            pen.text(&remark.to_string(), theme.style(Tone::Plain));
        }
        let entries = &self.timeline.entries;
        let took = entries[entry.last].at.since(entries[entry.first].at);
        let text = format!(", over {}", time::fine(took));
        pen.text(&text, theme.style(Tone::Dim));
        // Success is what repeated calls usually have; only a failure is worth the room.
        if let TimelineEvent::Call { outcome, .. } = &entries[entry.first].what
            && !matches!(outcome, Outcome::Status(200..300))
        {
            pen.text(": ", theme.style(Tone::Dim));
            outcome_in(&mut pen, outcome, self.ctx);
        }
    }

    /// Draws the time, the distance from the line before, and the glyph.
    fn begin<'a>(
        &self,
        at: usize,
        (glyph, tone): (&str, Tone),
        line: Rect,
        buf: &'a mut Buffer,
    ) -> Pen<'a> {
        let theme = self.ctx.theme;
        let entries = &self.timeline.entries;
        let here = entries[at].at;
        let before = at.checked_sub(1).and_then(|before| entries.get(before));
        let gap = before.map_or_else(String::new, |before| distance(before, &entries[at]));
        let mut pen = Pen::new(buf, line, 0);
        pen.text(&here.clock(&self.ctx.store.zone), theme.style(Tone::Dim))
            .skip(1);
        if self.narrow {
            pen.skip(1);
        } else {
            pen.right(&gap, GAP, theme.style(Tone::Dim)).skip(2);
        }
        pen.text(glyph, theme.bold(tone)).skip(1);
        pen
    }

    pub fn entry(&self, at: usize, line: Rect, buf: &mut Buffer) {
        let theme = self.ctx.theme;
        let (plain, dim) = (theme.style(Tone::Plain), theme.style(Tone::Dim));
        match &self.timeline.entries[at].what {
            TimelineEvent::Call {
                method,
                path,
                outcome,
                took,
                operator,
                ..
            } => {
                let mut pen = self.begin(at, ("→", Tone::Busy), line, buf);
                pen.text(method, dim).skip(1);
                outcome_in(&mut pen, outcome, self.ctx);
                let took = format!(" {} ms  ", took.as_millis());
                pen.text(&took, dim);
                if !operator.is_empty() {
                    pen.text(&format!("{operator}  "), dim);
                }
                pen.path(path, dim);
            }
            TimelineEvent::State(seen) => {
                let payment = &seen.payment;
                let expected = self.timeline.expected.as_ref();
                let verdict = payment.verdict(expected);
                let tone = payment.tone(expected);
                let mut pen = self.begin(at, ("●", tone), line, buf);
                pen.text(payment.state.as_str(), theme.bold(tone))
                    .skip(2)
                    .text(&payment.sum(), plain);
                // "Not paid yet" at every open state would hide the one that says more.
                if verdict != PaymentVerdict::Open {
                    let words = format!("  {}", verdict.words());
                    pen.text(&words, theme.style(tone));
                }
            }
            TimelineEvent::Expected { old, new } => {
                let mut pen = self.begin(at, ("✎", Tone::Accent), line, buf);
                pen.text("expects ", dim);
                if let Some(old) = old {
                    pen.text(&old.sum.to_string(), dim).text(" → ", dim);
                }
                pen.text(&new.sum.to_string(), plain)
                    .text(&format!("  {}", new.origin()), dim);
            }
            TimelineEvent::Watched { operator } => {
                let mut pen = self.begin(at, ("+", Tone::Accent), line, buf);
                pen.text("added to the watch list", dim);
                self.operator(operator, &mut pen);
            }
            TimelineEvent::Noted(note) => {
                let mut pen = self.begin(at, ("✎", Tone::Accent), line, buf);
                pen.text("note: ", dim).text(&note.text, plain);
                self.operator(&note.operator, &mut pen);
            }
            TimelineEvent::Marked {
                verdict,
                handled,
                operator,
            } => {
                let (glyph, done) = if *handled {
                    ("✔", "handled")
                } else {
                    ("○", "not handled any more")
                };
                let mut pen = self.begin(at, (glyph, Tone::Accent), line, buf);
                let words = format!("alert {done}: {}", verdict.words());
                pen.text(&words, dim);
                self.operator(operator, &mut pen);
            }
            TimelineEvent::Callback(delivery) => {
                let (_, word, tone) = deliveries::verdict(delivery);
                let mut pen = self.begin(at, ("←", Tone::Accent), line, buf);
                pen.text(
                    &format!("callback {} ", delivery.id.0),
                    theme.bold(Tone::Plain),
                )
                .text(&word, theme.style(tone));
                if !delivery.kind.is_empty() {
                    pen.text(&format!(", {}", delivery.kind), dim);
                }
                for (text, tone) in deliveries::outcome(delivery, self.ctx) {
                    pen.text(" · ", dim).text(&text, theme.style(tone));
                }
            }
        }
    }

    /// Who did it, in a ledger that a team shares.
    fn operator(&self, operator: &str, pen: &mut Pen<'_>) {
        if !operator.is_empty() {
            let words = format!("  {}", inert::cut(operator, 40));
            pen.text(&words, self.ctx.theme.style(Tone::Dim));
        }
    }
}

fn outcome_in(pen: &mut Pen<'_>, outcome: &Outcome, ctx: ViewContext<'_>) {
    let (_, tone) = mark(outcome);
    pen.text(&outcome.to_string(), ctx.theme.style(tone));
}

/// The time since the line before, in one unit; empty for the same instant.
fn distance(before: &TimelineEntry, here: &TimelineEntry) -> String {
    let gap = here.at.since(before.at);
    let seconds = gap.as_secs();
    match seconds {
        0 if gap.is_zero() => String::new(),
        0 => format!("+{} ms", gap.as_millis()),
        1..60 => format!("+{seconds} s"),
        60..3_600 => format!("+{} min", seconds / 60),
        3_600..86_400 => format!("+{} h", seconds / 3_600),
        _ => format!("+{} d", seconds / 86_400),
    }
}
