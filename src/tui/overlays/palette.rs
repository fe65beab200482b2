//! The palette: finds an action by its name or its help, and runs it.

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect, Size};
use tui_input::Input;

use crate::tui::component::{Command, Component, UpdateContext, ViewContext};
use crate::tui::keys::{self, Binding, OVERLAY, Scope, keys};
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::Window;
use crate::tui::widgets::input::{Paste, draw_input, edit};
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::pager::Pager;
use crate::tui::widgets::text::{Pen, below};

keys! {
    /// What a key does in the palette.
    Action:
    PALETTE "Palette" text [OVERLAY] {
        Choose "choose" ["enter"] "run" "run the selected action";
        ChooseDown "choose-down" ["down" "ctrl-n"] "" "next action";
        ChooseUp "choose-up" ["up" "ctrl-p"] "" "previous action";
    }
}

/// Rows of matches on a screen of this height.
fn rows(screen: Rect) -> u16 {
    (screen.height / 2).clamp(12, 30)
}

/// The typed text and the actions that match it.
#[derive(Debug, Clone)]
pub struct State {
    input: Input,
    list: List,
    /// The actions that are available now, in the order of the key table.
    offered: Vec<keys::Action>,
}

impl State {
    pub fn new(offered: Vec<keys::Action>) -> Self {
        Self {
            input: Input::default(),
            list: List::default(),
            offered,
        }
    }

    fn found(&self) -> impl Iterator<Item = &'static Binding> {
        let offered = self.offered.iter().map(|action| action.0);
        offered.filter(|binding| {
            is_subsequence(self.input.value(), binding.name)
                || binding.help.contains(&self.input.value().to_lowercase())
        })
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        &PALETTE
    }

    fn can(&self, _action: Action, _ctx: ViewContext<'_>) -> bool {
        true
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let len = self.found().count();
        match action {
            Action::Choose => {
                ctx.close();
                if let Some(binding) = self.found().nth(self.list.selected) {
                    ctx.console.push(Command::Act(keys::Action(binding)));
                }
            }
            Action::ChooseDown => self.list.step(Step::Down(1), len, rows(ctx.area)),
            Action::ChooseUp => self.list.step(Step::Up(1), len, rows(ctx.area)),
        }
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let len = self.found().count();
        self.list.step(step, len, rows(ctx.area));
    }

    /// A click runs the action.
    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        self.list.selected = row;
        self.act(Action::Choose, ctx);
    }

    fn key(&mut self, key: &KeyEvent, _ctx: &mut UpdateContext<'_>) -> bool {
        let changed = edit(&mut self.input, key);
        if changed {
            self.list = List::default();
        }
        changed
    }

    fn paste(&mut self, text: &str, _ctx: &mut UpdateContext<'_>) -> Paste {
        self.list = List::default();
        Paste::into_line(&mut self.input, text)
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let found: Vec<&Binding> = self.found().collect();
        let inner = Window {
            title: "Actions",
            size: Size::new(80, rows(screen) + 4),
            live: ctx.store.is_live(),
        }
        .draw(theme, screen, buf);
        let mut pen = Pen::new(buf, inner, 0);
        pen.text("› ", theme.bold(Tone::Accent));
        let x = draw_input(&mut pen, &self.input, "type to search actions", theme);
        let area = below(inner, 2);
        if found.is_empty() {
            Pen::new(buf, area, 0).text("no action matches", theme.style(Tone::Dim));
        }
        ctx.note_rows(area, self.list.window(found.len(), area.height));
        let pager = Pager::list(area, self.list, found.len());
        pager.draw(theme, buf, |at, line, buf| {
            let binding = found[at];
            let key = ctx.key(keys::Action(binding));
            Pen::new(buf, line, 0)
                .cell(binding.name, 18, theme.bold(Tone::Plain))
                .skip(1)
                .right(&key, 9, theme.style(Tone::Accent))
                .skip(2)
                .text(binding.help, theme.style(Tone::Dim));
        });
        pager.draw_place(theme, buf);
        (!inner.is_empty()).then(|| Position::new(x, inner.y))
    }
}

/// Whether `text` has the letters of `part` in the same order, whatever their case.
fn is_subsequence(part: &str, text: &str) -> bool {
    let mut letters = text.chars();
    part.chars()
        .filter(|c| !c.is_whitespace())
        .all(|wanted| letters.any(|c| c == wanted.to_ascii_lowercase()))
}
