//! What can be made to happen in the embedded simulator.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::PaymentId;
use crate::domain::simulate::{Command, Fault, PayerAct};
use crate::tui::panes::Look;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::text::{Pen, cells};

const ADVANCES: [(Duration, &str, &str); 3] = [
    (Duration::from_mins(1), "+1 min", "one minute later"),
    (Duration::from_hours(1), "+1 h", "one hour later"),
    (
        Duration::from_hours(25),
        "+25 h",
        "past the day a payer has for paying",
    ),
];

/// What is selected, and whose payer can act.
#[derive(Debug, Clone)]
pub struct State {
    list: List,
    payment: Option<PaymentId>,
}

enum Row {
    Heading(String),
    Choice(Command, &'static str, String),
}

impl State {
    pub fn new(payment: Option<PaymentId>) -> Self {
        let mut state = Self {
            list: List::default(),
            payment,
        };
        state.list.selected = state
            .rows()
            .iter()
            .position(|row| matches!(row, Row::Choice(..)))
            .unwrap_or(0);
        state
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        if let Some(payment) = &self.payment {
            rows.push(Row::Heading(format!("The payer of {payment}")));
            rows.extend(PayerAct::ALL.map(|(act, name)| {
                let command = Command::Payer {
                    payment: payment.clone(),
                    act,
                };
                Row::Choice(command, name, describe(act).into())
            }));
        } else {
            rows.push(Row::Heading(
                "The payer (select a simulated payment first)".into(),
            ));
        }
        rows.push(Row::Heading("Faults".into()));
        rows.extend(Fault::ALL.map(|fault| {
            Row::Choice(
                Command::SetFault(fault),
                fault.name(),
                fault.describe().into(),
            )
        }));
        rows.push(Row::Heading("Its clock".into()));
        rows.extend(
            ADVANCES
                .map(|(by, name, words)| Row::Choice(Command::Advance(by), name, words.to_owned())),
        );
        rows
    }

    pub fn chosen(&self) -> Option<Command> {
        match self.rows().into_iter().nth(self.list.selected)? {
            Row::Choice(command, ..) => Some(command),
            Row::Heading(_) => None,
        }
    }

    /// Moves on to the next choice, over headings.
    pub fn step(&mut self, step: Step, screen: Rect) {
        let rows = self.rows();
        let height = screen.height.saturating_sub(4);
        let before = self.list.selected;
        self.list.step(step, rows.len(), height);
        let is_heading = |at: usize| matches!(rows.get(at), Some(Row::Heading(_)));
        if is_heading(self.list.selected) {
            let on = if self.list.selected >= before && !matches!(step, Step::Up(_)) {
                Step::Down(1)
            } else {
                Step::Up(1)
            };
            self.list.step(on, rows.len(), height);
        }
        if is_heading(self.list.selected) {
            self.list.step(Step::Down(1), rows.len(), height);
        }
        if is_heading(self.list.selected) {
            self.list.step(Step::Down(1), rows.len(), height);
        }
    }

    pub fn view(&self, look: Look<'_>, screen: Rect, buf: &mut Buffer) {
        let theme = look.theme;
        let rows = self.rows();
        let height = cells(rows.len() + 2).min(screen.height.saturating_sub(2));
        let inner = window(buf, screen, theme, "Simulator", (66, height), false);
        for (row, at) in (0..).zip(self.list.window(rows.len(), inner.height)) {
            let mut pen = Pen::new(buf, inner, row);
            match &rows[at] {
                Row::Heading(text) => {
                    pen.text(text, theme.bold(Tone::Accent));
                }
                Row::Choice(command, name, words) => {
                    let in_force = *command == Command::SetFault(look.store.fault);
                    let (mark, tone) = match (in_force, look.store.fault) {
                        (true, Fault::None) => ("●", Tone::Good),
                        (true, _) => ("●", Tone::Warn),
                        (false, _) => (" ", Tone::Dim),
                    };
                    pen.skip(1)
                        .text(mark, theme.style(tone))
                        .skip(1)
                        .cell(name, 14, theme.style(Tone::Plain))
                        .text(words, theme.style(Tone::Dim));
                }
            }
            if at == self.list.selected {
                let line = Rect {
                    y: inner.y + row,
                    height: 1,
                    ..inner
                };
                buf.set_style(line, theme.selected(true));
            }
        }
    }
}

fn describe(act: PayerAct) -> &'static str {
    match act {
        PayerAct::Pay => "the full amount, settles within seconds",
        PayerAct::PayOnChain => "the full amount, on-chain: takes days",
        PayerAct::PayPart => "a part; the payment waits for more",
        PayerAct::Overpay => "more than the amount",
        PayerAct::Cancel => "calls the payment off",
        PayerAct::Fail => "the payment goes wrong",
    }
}
