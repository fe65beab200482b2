//! The controls of the built-in simulator: payer, faults, clock, and each provider's settings and events.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Position, Rect, Size};

use super::simulate_form;
use crate::domain::PaymentId;
use crate::domain::simulate::{Command, Event, Fault, Part, PayerAct, Setting};
use crate::tui::Effect;
use crate::tui::component::{Component, UpdateContext, ViewContext};
use crate::tui::keys::{NAV, OVERLAY, READER, keys};
use crate::tui::msg::Level;
use crate::tui::store::Store;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::{Window, inside};
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::pager::{Pager, draw_below};
use crate::tui::widgets::text::{Pen, below, cells, paragraph, width};

keys! {
    Action:
    SANDBOX "Simulator" keys [NAV, READER, OVERLAY] {
        Play "play" ["enter"] "run" "do the selected action";
        NextChoice "next-choice" ["right" "l"] "" "next value of the setting";
        PreviousChoice "previous-choice" ["left" "h"] "change" "previous value of the setting";
        OtherValue "other-value" ["e"] "other value" "type a value for the setting";
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

enum Row<'a> {
    Heading(String),
    Choice(Command, &'static str, String),
    Setting(&'a Part, &'a Setting),
    Event(&'a Part, Event),
}

/// The effect of the selected row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Chosen {
    /// A complete command.
    Do(Command),
    /// An event whose subject the operator types.
    Ask(String, Event),
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
            rows.push(Row::Heading(format!("Payer of {payment}")));
            rows.extend(PayerAct::ALL.map(|act| {
                let command = Command::Payer {
                    payment: payment.clone(),
                    act,
                };
                Row::Choice(command, act.as_str(), describe(act).into())
            }));
        } else {
            rows.push(Row::Heading(
                "Payer (select a simulated payment first)".into(),
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
        rows.push(Row::Heading("Clock".into()));
        rows.extend(
            ADVANCES
                .map(|(by, name, words)| Row::Choice(Command::Advance(by), name, words.to_owned())),
        );
        for part in &store.parts {
            if !part.settings.is_empty() {
                rows.push(Row::Heading(format!("Settings of {}", part.provider)));
                rows.extend(
                    part.settings
                        .iter()
                        .map(|setting| Row::Setting(part, setting)),
                );
            }
            if !part.events.is_empty() {
                rows.push(Row::Heading(format!("Events at {}", part.provider)));
                rows.extend(part.events.iter().map(|event| Row::Event(part, *event)));
            }
        }
        rows
    }

    fn selected<'a>(&self, store: &'a Store) -> Option<Row<'a>> {
        self.rows(store).into_iter().nth(self.list.selected)
    }

    fn chosen(&self, store: &Store) -> Option<Chosen> {
        Some(match self.selected(store)? {
            Row::Heading(_) => return None,
            Row::Choice(command, ..) => Chosen::Do(command),
            Row::Setting(..) => Chosen::Do(self.next_value(store, true)?),
            Row::Event(part, event) if event.subject.is_empty() => Chosen::Do(Command::Event {
                provider: part.provider.into(),
                event: event.name.into(),
                subject: String::new(),
            }),
            Row::Event(part, event) => Chosen::Ask(part.provider.into(), event),
        })
    }

    /// The command that sets the selected setting to its next or previous choice.
    fn next_value(&self, store: &Store, on: bool) -> Option<Command> {
        let Row::Setting(part, setting) = self.selected(store)? else {
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
        Some(Command::Set {
            provider: part.provider.into(),
            setting: setting.name.into(),
            value: choices[next].into(),
        })
    }

    /// The selected setting and its provider, to type a value.
    pub fn setting<'a>(&self, store: &'a Store) -> Option<(&'static str, &'a Setting)> {
        match self.selected(store)? {
            Row::Setting(part, setting) => Some((part.provider, setting)),
            _ => None,
        }
    }

    /// Selects the first row of the next group; after the last group, of the first one.
    fn next_section(&mut self, screen: Rect, store: &Store) {
        let rows = self.rows(store);
        let height = areas(screen, rows.len())[0].height;
        let begins = |at: &usize| {
            *at > 0
                && matches!(rows[*at - 1], Row::Heading(_))
                && !matches!(rows[*at], Row::Heading(_))
        };
        let next = (self.list.selected + 1..rows.len()).find(begins);
        let Some(next) = next.or_else(|| (0..rows.len()).find(begins)) else {
            return;
        };
        let end = (next..rows.len())
            .find(|at| matches!(rows[*at], Row::Heading(_)))
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

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let command = match action {
            Action::NextSection => {
                self.next_section(ctx.area, ctx.store);
                None
            }
            Action::NextChoice => self.next_value(ctx.store, true),
            Action::PreviousChoice => self.next_value(ctx.store, false),
            Action::OtherValue => {
                let chosen = self.setting(ctx.store);
                let form = chosen
                    .map(|(provider, setting)| simulate_form::State::setting(provider, setting));
                if let Some(form) = form {
                    ctx.open(form);
                }
                None
            }
            Action::Play => match self.chosen(ctx.store) {
                Some(Chosen::Do(command)) => Some(command),
                Some(Chosen::Ask(provider, event)) => {
                    ctx.open(simulate_form::State::event(&provider, event));
                    None
                }
                None => None,
            },
        };
        let is_silent = command.is_none() && ctx.console.is_empty();
        ctx.out.extend(command.map(Effect::Simulate));
        if is_silent && action != Action::NextSection {
            ctx.flash(Level::Info, "this row has no values");
        }
    }

    /// Moves the selection and skips headings.
    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let (screen, store) = (ctx.area, &*ctx.store);
        let rows = self.rows(store);
        let height = areas(screen, rows.len())[0].height;
        let before = self.list.selected;
        self.list.step(step, rows.len(), height);
        let is_heading = |at: usize| matches!(rows.get(at), Some(Row::Heading(_)));
        let down = self.list.selected >= before && !matches!(step, Step::Up(_));
        let mut on = if down { Step::Down(1) } else { Step::Up(1) };
        while is_heading(self.list.selected) {
            let here = self.list.selected;
            self.list.step(on, rows.len(), height);
            // At the top heading the way up ends: turn round.
            if self.list.selected == here {
                on = Step::Down(1);
            }
        }
        // Scrolls up to the heading of the first row.
        if self.list.selected <= 2 {
            let at = self.list.selected;
            self.list.step(Step::Top, rows.len(), height);
            self.list.selected = at;
            self.list.fit(rows.len(), height);
        }
    }

    /// A click selects; on the selected row it does what Enter does.
    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        let is_heading = matches!(self.rows(ctx.store).get(row), Some(Row::Heading(_)));
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
        let longest = rows.iter().map(|row| width(row.name()) + 2).max();
        let names = longest
            .unwrap_or_default()
            .min(inner.width * 2 / 5)
            .max(NAMES);
        ctx.note_rows(list, self.list.window(rows.len(), list.height));
        let pager = Pager::list(list, self.list, rows.len());
        pager.draw(theme, buf, |at, line, buf| {
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
    fn name(&self) -> &str {
        match self {
            Self::Heading(_) => "",
            Self::Choice(_, name, _) => name,
            Self::Setting(_, setting) => setting.name,
            Self::Event(_, event) => event.name,
        }
    }

    /// Draws it, with names of `names` columns; `here`: it is the selected one.
    fn draw(&self, names: u16, here: bool, ctx: ViewContext<'_>, pen: &mut Pen<'_>) {
        let theme = ctx.theme;
        let (plain, dim) = (theme.style(Tone::Plain), theme.style(Tone::Dim));
        match self {
            Self::Heading(text) => {
                pen.text(text, theme.bold(Tone::Accent));
            }
            Self::Choice(command, name, words) => {
                let is_current = *command == Command::SetFault(ctx.store.fault);
                let (mark, tone) = match (is_current, ctx.store.fault) {
                    (true, Fault::None) => ("●", Tone::Good),
                    (true, _) => ("●", Tone::Warn),
                    (false, _) => (" ", Tone::Dim),
                };
                pen.skip(1)
                    .text(mark, theme.style(tone))
                    .skip(1)
                    .cell(name, names - 1, plain)
                    .skip(1)
                    .text(words, dim);
            }
            Self::Setting(_, setting) => {
                let value = if here {
                    format!("← {} →", setting.value)
                } else {
                    setting.value.clone()
                };
                let wide = width(&value).clamp(VALUES, 28);
                pen.skip(3)
                    .cell(setting.name, names - 1, plain)
                    .skip(1)
                    .cell(&value, wide, theme.bold(Tone::Plain))
                    .skip(1)
                    .text(setting.about, dim);
            }
            Self::Event(_, event) => {
                let more = if event.subject.is_empty() { "" } else { "…" };
                pen.skip(3)
                    .cell(&format!("{}{more}", event.name), names - 1, plain)
                    .skip(1)
                    .text(event.about, dim);
            }
        }
    }
}

/// The window's size for this many rows.
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
    let (text, more) = match row {
        Row::Heading(_) => return,
        Row::Choice(_, _, words) => (words.as_str(), String::new()),
        Row::Setting(_, setting) => (
            setting.about,
            format!("values: {}", setting.choices.join(", ")),
        ),
        Row::Event(_, event) if event.subject.is_empty() => (event.about, String::new()),
        Row::Event(_, event) => (event.about, format!("needs {}", event.subject)),
    };
    let rule = "┄".repeat(usize::from(area.width));
    Pen::new(buf, area, 0).text(&rule, dim);
    let area = below(area, 1);
    let rows = paragraph(buf, area, text, ctx.theme.style(Tone::Plain));
    paragraph(buf, below(area, rows), &more, dim);
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
