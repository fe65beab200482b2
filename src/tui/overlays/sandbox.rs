//! The controls of the built-in simulator: payer, faults, clock, and each provider's settings and events.

use std::time::Duration;

use ratatui::layout::Constraint::{Fill, Length};

use super::simulate_form;
use crate::domain::PaymentId;
use crate::domain::simulate::{self, Fault, Part, PayerAct, Setting};
use crate::tui::prelude::*;
use crate::tui::widgets::pager::draw_below;

keys! {
    Action:
    SANDBOX "Simulator" keys [NAV, READER, OVERLAY] {
        Play "play" ["enter"] "run" "do the selected action";
        NextChoice "next-choice" ["right" "l"] "" "set the next value" else "this row has no values";
        PreviousChoice "previous-choice" ["left" "h"] "change" "set the previous value" else "this row has no values";
        OtherValue "other-value" ["e"] "other value" "type a value for the setting" else "this row has no values";
        NextSection "next-section" ["tab"] "next group" "go to the next group";
    }
}

const ADVANCES: [(Duration, &str, &str); 4] = [
    (Duration::from_mins(1), "+1 min", "one minute later"),
    (
        Duration::from_mins(15),
        "+15 min",
        "15 minutes later: failed callbacks are sent again",
    ),
    (Duration::from_hours(1), "+1 h", "one hour later"),
    (
        Duration::from_hours(25),
        "+25 h",
        "25 hours later: past the payer's limit of one day",
    ),
];
/// Rows for the whole text of the selected row, with the rule above them.
const DETAIL: u16 = 4;
/// On a lower screen the rows are left to the list.
const DETAIL_FROM: u16 = 14;
/// The fewest columns of a name.
const NAMES: u16 = 16;
/// Columns of a setting's value, with the arrows around it.
const VALUES: u16 = 14;

/// The selected row, and the payment whose payer can act.
#[derive(Debug, Clone)]
pub struct State {
    list: List,
    payment: Option<PaymentId>,
}

/// A row: a heading, or something to do.
struct Row<'a> {
    name: String,
    about: &'a str,
    /// What can be chosen or must be typed.
    more: String,
    does: Does<'a>,
}

#[derive(Clone)]
enum Does<'a> {
    Nothing,
    Run(simulate::Command),
    Set(&'a Part, &'a Setting),
    /// An event whose subject the operator types.
    Confirmation(&'a Part, simulate::Event),
}

impl<'a> Row<'a> {
    fn new(name: impl Into<String>, about: &'a str, does: Does<'a>) -> Self {
        Self {
            name: name.into(),
            about,
            more: String::new(),
            does,
        }
    }

    fn heading(text: impl Into<String>) -> Self {
        Self::new(text, "", Does::Nothing)
    }

    fn setting(part: &'a Part, setting: &'a Setting) -> Self {
        Self {
            more: format!("values: {}", setting.choices.join(", ")),
            ..Self::new(setting.name, setting.about, Does::Set(part, setting))
        }
    }

    fn event(part: &'a Part, event: simulate::Event) -> Self {
        if event.subject.is_empty() {
            let command = simulate::Command::Event {
                provider: part.provider.into(),
                event: event.name.into(),
                subject: String::new(),
            };
            return Self::new(event.name, event.about, Does::Run(command));
        }
        Self {
            more: format!("needs {}", event.subject),
            ..Self::new(event.name, event.about, Does::Confirmation(part, event))
        }
    }

    fn is_heading(&self) -> bool {
        matches!(self.does, Does::Nothing)
    }
}

impl State {
    pub fn new(payment: Option<PaymentId>) -> Self {
        let mut list = List::default();
        // The first row below its heading. Without a payment the first heading has no rows, so below the second one.
        list.selected = if payment.is_some() { 1 } else { 2 };
        Self { list, payment }
    }

    fn rows<'a>(&self, store: &'a Store) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        if let Some(payment) = &self.payment {
            rows.push(Row::heading(format!("Payer of {payment}")));
            rows.extend(PayerAct::ALL.map(|act| {
                let payment = payment.clone();
                let command = simulate::Command::Payer { payment, act };
                Row::new(act.as_str(), describe(act), Does::Run(command))
            }));
        } else {
            rows.push(Row::heading("Payer (select a simulated payment first)"));
        }
        rows.push(Row::heading("Faults"));
        rows.extend(Fault::ALL.map(|fault| {
            let command = simulate::Command::SetFault(fault);
            Row::new(fault.name(), fault.describe(), Does::Run(command))
        }));
        rows.push(Row::heading("Clock"));
        rows.extend(ADVANCES.map(|(by, name, about)| {
            Row::new(name, about, Does::Run(simulate::Command::Advance(by)))
        }));
        for part in &store.parts {
            if !part.settings.is_empty() {
                rows.push(Row::heading(format!("Settings of {}", part.provider)));
                rows.extend(part.settings.iter().map(|it| Row::setting(part, it)));
            }
            if !part.events.is_empty() {
                rows.push(Row::heading(format!("Events at {}", part.provider)));
                rows.extend(part.events.iter().map(|event| Row::event(part, *event)));
            }
        }
        rows
    }

    fn selected<'a>(&self, store: &'a Store) -> Does<'a> {
        let rows = self.rows(store);
        let row = rows.get(self.list.selected);
        row.map_or(Does::Nothing, |row| row.does.clone())
    }

    /// The command that sets the selected setting to its next or previous choice.
    fn next_value(&self, store: &Store, on: bool) -> Option<simulate::Command> {
        let Does::Set(part, setting) = self.selected(store) else {
            return None;
        };
        let choices = setting.choices;
        let last = choices.len().checked_sub(1)?;
        let at = choices.iter().position(|choice| *choice == setting.value);
        let next = match (at, on) {
            // A typed value that is not among the choices.
            (None, true) => 0,
            (None, false) => last,
            (Some(at), true) => (at + 1) % choices.len(),
            (Some(at), false) => at.checked_sub(1).unwrap_or(last),
        };
        Some(simulate::Command::Set {
            provider: part.provider.into(),
            setting: setting.name.into(),
            value: choices[next].into(),
        })
    }

    /// Selects the first row of the next group; after the last group, of the first one.
    fn next_section(&mut self, screen: Rect, store: &Store) {
        let rows = self.rows(store);
        let height = areas(screen, rows.len())[0].height;
        let begins = |at: &usize| *at > 0 && rows[*at - 1].is_heading() && !rows[*at].is_heading();
        let next = (self.list.selected + 1..rows.len()).find(begins);
        let Some(next) = next.or_else(|| (0..rows.len()).find(begins)) else {
            return;
        };
        let end = (next..rows.len())
            .find(|at| rows[*at].is_heading())
            .unwrap_or(rows.len());
        // Scrolls so that as much of the group as fits is on screen.
        self.list.selected = end - 1;
        self.list.fit(rows.len(), height);
        self.list.selected = next - 1;
        self.list.fit(rows.len(), height);
        self.list.selected = next;
        self.list.fit(rows.len(), height);
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        match action {
            Action::NextChoice | Action::PreviousChoice => {
                self.next_value(ctx.store, true).is_some()
            }
            Action::OtherValue => matches!(self.selected(ctx.store), Does::Set(..)),
            Action::Play | Action::NextSection => true,
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let command = match action {
            Action::NextSection => {
                self.next_section(ctx.area, ctx.store);
                None
            }
            Action::NextChoice => self.next_value(ctx.store, true),
            Action::PreviousChoice => self.next_value(ctx.store, false),
            Action::OtherValue => {
                if let Does::Set(part, setting) = self.selected(ctx.store) {
                    let form = simulate_form::State::setting(part.provider, setting);
                    ctx.open(form);
                }
                None
            }
            Action::Play => match self.selected(ctx.store) {
                Does::Nothing => None,
                Does::Run(command) => Some(command),
                Does::Set(..) => self.next_value(ctx.store, true),
                Does::Confirmation(part, event) => {
                    let form = simulate_form::State::event(part.provider, event);
                    ctx.open(form);
                    None
                }
            },
        };
        ctx.out.extend(command.map(Effect::Simulate));
    }

    /// Moves the selection and skips headings.
    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let (screen, store) = (ctx.area, &*ctx.store);
        let rows = self.rows(store);
        let height = areas(screen, rows.len())[0].height;
        self.list.step(step, rows.len(), height);
        self.list.skip(step, |at| {
            rows.get(*at).is_some_and(|row| !row.is_heading())
        });
        // Scrolls up to the heading of the first row.
        if self.list.selected <= 2 {
            let at = self.list.selected;
            self.list.step(Step::Top, rows.len(), height);
            self.list.selected = at;
            self.list.fit(rows.len(), height);
        }
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        let is_heading = self.rows(ctx.store).get(row).is_some_and(Row::is_heading);
        if row == self.list.selected {
            self.act(Action::Play, ctx);
        } else if !is_heading {
            self.list.selected = row;
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let rows = self.rows(ctx.store);
        let window = Window {
            title: "Simulator",
            size: size(screen, rows.len()),
            live: false,
        };
        let inner = window.draw(theme, screen, buf);
        let [list, detail] = areas(screen, rows.len());
        let entries = rows.iter().filter(|row| !row.is_heading());
        let names = widest(entries.map(|row| &row.name)) + 2;
        let names = names.min(inner.width * 2 / 5).max(NAMES);
        let pager = Pager::list(list, self.list, rows.len());
        pager.draw(ctx, buf, |at, line, buf| {
            let here = at == self.list.selected;
            rows[at].draw(names, here, ctx, &mut Pen::new(buf, line, 0));
        });
        if let Some(row) = rows.get(self.list.selected) {
            draw_detail(row, ctx, detail, buf);
        }
        if let Some(place) = pager.place() {
            let note = format!("{place}, {} next group", ctx.key(Action::NextSection));
            draw_below(inner, &note, theme, buf);
        }
        None
    }
}

impl Row<'_> {
    /// Draws it, with names of `names` columns; `here`: it is the selected one.
    fn draw(&self, names: u16, here: bool, ctx: ViewContext<'_>, pen: &mut Pen<'_>) {
        let theme = ctx.theme;
        let fault = ctx.store.fault;
        let (mark, more) = match &self.does {
            Does::Nothing => {
                pen.text(&self.name, theme.bold(Tone::Accent));
                return;
            }
            Does::Run(command) if *command == simulate::Command::SetFault(fault) => ("●", ""),
            Does::Run(_) | Does::Set(..) => (" ", ""),
            Does::Confirmation(..) => (" ", "…"),
        };
        let tone = if fault == Fault::None {
            Tone::Good
        } else {
            Tone::Warn
        };
        let name = format!("{}{more}", self.name);
        pen.skip(1)
            .text(mark, theme.style(tone))
            .skip(1)
            .cell(&name, names - 1, theme.style(Tone::Plain))
            .skip(1);
        if let Does::Set(_, setting) = &self.does {
            let value = if here {
                format!("← {} →", setting.value)
            } else {
                setting.value.clone()
            };
            let wide = width(&value).clamp(VALUES, 28);
            pen.cell(&value, wide, theme.bold(Tone::Plain)).skip(1);
        }
        pen.text(self.about, theme.style(Tone::Dim));
    }
}

fn size(screen: Rect, rows: usize) -> Size {
    let height = cells(rows) + detail_rows(screen) + 2;
    Size::new(100, height.min(screen.height.saturating_sub(1)))
}

/// The rows, and the text of the selected one.
fn areas(screen: Rect, rows: usize) -> [Rect; 2] {
    inside(screen, size(screen, rows))
        .layout(&Layout::vertical([Fill(1), Length(detail_rows(screen))]))
}

fn detail_rows(screen: Rect) -> u16 {
    if screen.height < DETAIL_FROM {
        0
    } else {
        DETAIL
    }
}

/// The whole text of the selected row, and what can be chosen or must be typed.
fn draw_detail(row: &Row<'_>, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let dim = ctx.theme.style(Tone::Dim);
    if row.is_heading() {
        return;
    }
    let rule = "┄".repeat(usize::from(area.width));
    Pen::new(buf, area, 0).text(&rule, dim);
    let area = below(area, 1);
    let left = paragraph(buf, area, row.about, ctx.theme.style(Tone::Plain));
    paragraph(buf, left, &row.more, dim);
}

fn describe(act: PayerAct) -> &'static str {
    match act {
        PayerAct::Pay => "pays the full amount; the payment is final within seconds",
        PayerAct::PayOnChain => "pays the full amount on the blockchain; this takes days",
        PayerAct::PayPart => "pays a part; the payment waits for the rest",
        PayerAct::Overpay => "pays more than the amount",
        PayerAct::Cancel => "cancels the payment",
        PayerAct::Fail => "lets the payment fail",
    }
}
