//! The states of one payment as a line of steps. Draws what it is given; knows no list and no key.

use jiff::tz::TimeZone;

use crate::domain::{Observation, PaymentState, WallTime};
use crate::tui::prelude::*;
use crate::tui::theme::Theme;

/// How a step relates to the payment's current state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The payment was seen in this state.
    Seen(WallTime),
    /// The payment went through this state between two checks.
    Passed,
    Here(WallTime),
    Ahead,
}

#[derive(Debug, PartialEq, Eq)]
struct Step {
    state: PaymentState,
    place: Place,
}

impl Step {
    fn glyph(&self) -> &'static str {
        match (self.place, &self.state) {
            (Place::Seen(_), _) => "●",
            (Place::Passed, _) => "•",
            (Place::Here(_), PaymentState::Canceled) => "×",
            (Place::Here(_), PaymentState::Failed) => "✘",
            (Place::Here(_), _) => "◉",
            (Place::Ahead, _) => "○",
        }
    }
}

/// The steps of a normal payment; for one that was cancelled or failed, the steps until then and the way out.
fn steps(seen: &[Observation]) -> Vec<Step> {
    let first = |state: &PaymentState| {
        seen.iter()
            .find(|observation| observation.payment.state == *state)
            .map(|observation| observation.at)
    };
    let on_track = |state: &PaymentState| PaymentState::TRACK.iter().position(|s| s == state);
    let latest = seen.last().map(|observation| &observation.payment.state);
    let furthest = seen
        .iter()
        .filter_map(|observation| on_track(&observation.payment.state))
        .max();
    let off: &[PaymentState] = match latest {
        Some(PaymentState::Cancelling | PaymentState::Canceled) => {
            &[PaymentState::Cancelling, PaymentState::Canceled]
        }
        Some(PaymentState::Failed) => &[PaymentState::Failed],
        _ => &[],
    };
    let length = if off.is_empty() {
        PaymentState::TRACK.len()
    } else {
        // Steps that the payment never reached are left out.
        furthest.map_or(1, |at| at + 1)
    };
    let states = PaymentState::TRACK[..length].iter().chain(off);
    let steps = states.enumerate().map(|(at, state)| {
        // Kanga moves through the states in order, so an earlier one was passed between two checks.
        let is_passed = if at >= length {
            latest == Some(&PaymentState::Canceled)
        } else {
            !off.is_empty() || furthest.is_some_and(|furthest| at < furthest)
        };
        let place = match first(state) {
            Some(when) if latest == Some(state) => Place::Here(when),
            Some(when) => Place::Seen(when),
            None if is_passed => Place::Passed,
            None => Place::Ahead,
        };
        let state = state.clone();
        Step { state, place }
    });
    steps.collect()
}

/// The states of a payment as they were seen, and the tone of those that it reached.
pub struct Track<'a> {
    pub seen: &'a [Observation],
    pub tone: Tone,
    pub theme: &'a Theme,
    pub zone: &'a TimeZone,
}

impl Track<'_> {
    /// Draws the line, the states and, where there is room, the times; returns the rows used.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) -> u16 {
        let (theme, tone) = (self.theme, self.tone);
        let steps = steps(self.seen);
        let words: u16 = steps.iter().map(|step| width(step.state.as_str())).sum();
        let gaps = cells(steps.len()).saturating_sub(1).max(1);
        let spare = area.width.saturating_sub(words) / gaps;
        if spare == 0 || area.height < 2 {
            draw_short(&steps, tone, theme, &mut Pen::new(buf, area, 0));
            return 1;
        }
        let gap = spare.min(18);
        // From this gap on, a clock time fits below the shortest state.
        let times = gap >= 6 && area.height > 2;
        for (at, step) in steps.iter().enumerate() {
            let before: u16 = steps[..at]
                .iter()
                .map(|step| width(step.state.as_str()) + gap)
                .sum();
            let [_, cell] = split_columns(area, before);
            let (own, word, when) = match step.place {
                Place::Seen(at) => (tone, theme.style(Tone::Plain), at.clock(self.zone)),
                Place::Passed => (tone, theme.style(Tone::Dim), "not seen".into()),
                Place::Here(at) => (tone, theme.bold(tone), at.clock(self.zone)),
                Place::Ahead => (Tone::Dim, theme.style(Tone::Dim), String::new()),
            };
            let mut pen = Pen::new(buf, cell, 0);
            pen.text(step.glyph(), theme.bold(own));
            if let Some(next) = steps.get(at + 1) {
                let ahead = next.place == Place::Ahead;
                let line = if ahead { "┄" } else { "━" };
                let length = width(step.state.as_str()) + gap - 1;
                pen.text(
                    &line.repeat(usize::from(length)),
                    theme.style(if ahead { Tone::Dim } else { tone }),
                );
            }
            Pen::new(buf, cell, 1).text(step.state.as_str(), word);
            if times {
                Pen::new(buf, cell, 2).text(&when, theme.style(Tone::Dim));
            }
        }
        if times { 3 } else { 2 }
    }
}

fn draw_short(steps: &[Step], tone: Tone, theme: &Theme, pen: &mut Pen<'_>) {
    for (at, step) in steps.iter().enumerate() {
        let ahead = step.place == Place::Ahead;
        let own = if ahead { Tone::Dim } else { tone };
        if at > 0 {
            pen.text(if ahead { "┄" } else { "━" }, theme.style(own));
        }
        pen.text(step.glyph(), theme.style(own));
    }
    if let Some(here) = steps
        .iter()
        .find(|step| matches!(step.place, Place::Here(_)))
    {
        pen.skip(1).text(here.state.as_str(), theme.bold(tone));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Payment, PaymentId, Reported};

    fn seen(states: &[&str]) -> Vec<Observation> {
        (0..)
            .zip(states)
            .map(|(at, state)| Observation {
                at: WallTime(at),
                payment: Payment {
                    id: PaymentId::new("A-17").unwrap(),
                    currency: Reported::currency("EMT"),
                    amount: Reported::amount("25.00"),
                    state: PaymentState::from_word(state),
                },
            })
            .collect()
    }

    fn describe(states: &[&str]) -> Vec<String> {
        steps(&seen(states))
            .iter()
            .map(|step| {
                let mark = match step.place {
                    Place::Seen(_) => '+',
                    Place::Passed => '-',
                    Place::Here(_) => '!',
                    Place::Ahead => '.',
                };
                format!("{mark}{}", step.state)
            })
            .collect()
    }

    #[test]
    fn states_between_two_checks_are_passed_not_seen() {
        assert_eq!(
            describe(&["NEW", "PROCESSING"]),
            [
                "+NEW",
                "-ACTIVE",
                "!PROCESSING",
                ".FINALIZING",
                ".FINALIZED"
            ]
        );
        assert_eq!(
            describe(&[]),
            [
                ".NEW",
                ".ACTIVE",
                ".PROCESSING",
                ".FINALIZING",
                ".FINALIZED"
            ]
        );
    }

    #[test]
    fn passed_present_and_coming_differ_in_ascii() {
        let ui = crate::domain::Ui {
            ascii: true,
            ..crate::domain::Ui::default()
        };
        let theme = Theme::new(&ui, None, false);
        for width in [100, 20] {
            let area = Rect::new(0, 0, width, 3);
            let mut buf = Buffer::empty(area);
            let seen = seen(&["NEW", "PROCESSING"]);
            let track = Track {
                seen: &seen,
                tone: Tone::Busy,
                theme: &theme,
                zone: &TimeZone::UTC,
            };
            track.draw(area, &mut buf);
            theme.finish(&mut buf);
            let mut marks: Vec<&str> = (0..width)
                .map(|x| buf[(x, 0)].symbol())
                .filter(|symbol| ["*", ".", "@", "o"].contains(symbol))
                .collect();
            marks.truncate(5);
            assert_eq!(marks, ["*", ".", "@", "o", "o"], "{width}");
        }
    }

    #[test]
    fn a_payment_cancelled_leaves_the_track_where_it_stood() {
        assert_eq!(
            describe(&["NEW", "ACTIVE", "CANCELED"]),
            ["+NEW", "+ACTIVE", "-CANCELLING", "!CANCELED"]
        );
        assert_eq!(
            describe(&["ACTIVE", "CANCELLING"]),
            ["-NEW", "+ACTIVE", "!CANCELLING", ".CANCELED"]
        );
        assert_eq!(describe(&["FAILED"]), ["-NEW", "!FAILED"]);
    }

    #[test]
    fn an_unknown_state_moves_nothing() {
        assert_eq!(
            describe(&["ACTIVE", "SETTLED"]),
            [
                "-NEW",
                "+ACTIVE",
                ".PROCESSING",
                ".FINALIZING",
                ".FINALIZED"
            ]
        );
    }
}
