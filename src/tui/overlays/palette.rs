//! The palette: finds actions, accounts, payments, profiles, calls, themes and help by their names, and does or opens the
//! selected one.

use std::cmp::Reverse;

use ratatui::crossterm::event::KeyEvent;
use tui_input::Input;

use crate::tui::finder::{Closeness, Finder, Rank};
use crate::tui::keys::{OVERLAY, keys};
use crate::tui::prelude::*;
use crate::tui::widgets::input::{Paste, draw_input, edit};

keys! {
    Action:
    PALETTE "Palette" text [OVERLAY] {
        Choose "choose" ["enter"] "run" "run or open the selected entry";
        ChooseDown "choose-down" ["down" "ctrl-n"] "" "next entry";
        ChooseUp "choose-up" ["up" "ctrl-p"] "" "previous entry";
        ChoosePageDown "choose-page-down" ["pgdn"] "" "one page of entries down";
        ChoosePageUp "choose-page-up" ["pgup"] "" "one page of entries up";
        ChooseFirst "choose-first" ["home"] "" "first entry";
        ChooseLast "choose-last" ["end"] "" "last entry";
    }
}

/// What the palette can do or open.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The kind; of an action, its pane.
    pub kind: &'static str,
    pub name: String,
    pub about: String,
    pub does: Command,
}

impl Entry {
    /// How well it matches, and of those that match as well, whether it is an action of this scope. Scattered letters count in
    /// its name alone: they fit nearly any sentence.
    fn rank(&self, finder: &mut Finder, here: &Scope) -> Option<(Closeness, bool, u32)> {
        let name = finder.find(&self.name);
        // By a pane's name, the action that goes there is found first.
        let kind = match self.does {
            Command::Act(_) => "action",
            _ => self.kind,
        };
        let whole = format!("{kind} {} {}", self.name, self.about);
        let whole = finder.find(&whole);
        let whole = whole.filter(|rank| rank.closeness > Closeness::Scattered);
        let Rank { closeness, score } = name.max(whole)?;
        let is_here = matches!(self.does, Command::Act(action) if action.0.scope == here);
        Some((closeness, is_here, score))
    }
}

/// The columns of the first columns: the kind of an entry, and its keys.
const KIND: u16 = 11;
const KEYS: u16 = 9;
const NAME_MAX: u16 = 44;
/// Rows and columns of the window around the entries: frame, text field, and a blank row below it.
const AROUND: Size = Size::new(4, 4);

#[derive(Debug, Clone)]
pub struct State {
    input: Input,
    list: List,
    /// What is available now, in the order that is shown while nothing is typed.
    offered: Vec<Entry>,
    /// The places of the matching entries, the best first.
    found: Vec<usize>,
    /// Where it was opened.
    here: &'static Scope,
}

impl State {
    pub fn new(offered: Vec<Entry>, here: &'static Scope) -> Self {
        let mut state = Self {
            input: Input::default(),
            list: List::default(),
            found: Vec::new(),
            offered,
            here,
        };
        state.find();
        state
    }

    fn find(&mut self) {
        self.list = List::default();
        let mut finder = Finder::new(self.input.value());
        let entries = self.offered.iter().enumerate();
        let mut found: Vec<_> = entries
            .filter_map(|(at, entry)| Some((Reverse(entry.rank(&mut finder, self.here)?), at)))
            .collect();
        found.sort();
        self.found = found.into_iter().map(|(_, at)| at).collect();
    }

    fn entry(&self, row: usize) -> Option<&Entry> {
        self.offered.get(*self.found.get(row)?)
    }

    /// The size of the window: as wide as the widest entry needs, and as high as the screen allows.
    fn size(&self, screen: Rect) -> Size {
        let abouts = widest(self.offered.iter().map(|entry| &entry.about));
        let names = names_width(self.offered.iter());
        let wanted = KIND + names + KEYS + 4 + abouts;
        Size::new(
            (wanted + AROUND.width).max(60),
            self.rows(screen) + AROUND.height,
        )
    }

    /// Rows of entries on a screen of this height.
    fn rows(&self, screen: Rect) -> u16 {
        let most = screen.height.saturating_sub(AROUND.height + 4).max(12);
        cells(self.offered.len()).clamp(1, most)
    }

    /// Where the entries are drawn: below the text field.
    fn list_area(&self, screen: Rect) -> Rect {
        below(inside(screen, self.size(screen)), 2)
    }

    fn go(&mut self, step: Step, ctx: &UpdateContext<'_>) {
        let height = self.list_area(ctx.area).height;
        self.list.step(step, self.found.len(), height);
    }

    fn choose(&self, ctx: &mut UpdateContext<'_>) {
        ctx.close();
        let Some(entry) = self.entry(self.list.selected) else {
            return;
        };
        if let Command::Theme(theme) = entry.does {
            ctx.save_theme(theme);
        }
        ctx.console.push(entry.does.clone());
    }
}

fn names_width<'e>(entries: impl Iterator<Item = &'e Entry>) -> u16 {
    widest(entries.map(|entry| &entry.name)).min(NAME_MAX)
}

impl Component for State {
    type Action = Action;

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::Choose => self.choose(ctx),
            Action::ChooseDown => self.go(Step::Down(1), ctx),
            Action::ChooseUp => self.go(Step::Up(1), ctx),
            Action::ChoosePageDown => self.go(Step::PageDown, ctx),
            Action::ChoosePageUp => self.go(Step::PageUp, ctx),
            Action::ChooseFirst => self.go(Step::Top, ctx),
            Action::ChooseLast => self.go(Step::Bottom, ctx),
        }
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        self.go(step, ctx);
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        self.list.selected = row;
        self.choose(ctx);
    }

    fn key(&mut self, key: &KeyEvent, _ctx: &mut UpdateContext<'_>) -> bool {
        let changed = edit(&mut self.input, key);
        if changed {
            self.find();
        }
        changed
    }

    fn paste(&mut self, text: &str, _ctx: &mut UpdateContext<'_>) -> Paste {
        let pasted = Paste::into_line(&mut self.input, text);
        self.find();
        pasted
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let inner = Window {
            title: "Find",
            size: self.size(screen),
            live: ctx.store.is_live(),
        }
        .draw(theme, screen, buf);
        let mut pen = Pen::new(buf, inner, 0);
        pen.text("› ", theme.bold(Tone::Accent));
        let hint = "an action, account, payment, call, theme or help";
        let x = draw_input(&mut pen, &self.input, hint, theme);
        let area = self.list_area(screen);
        if self.found.is_empty() {
            Pen::new(buf, area, 0).text("nothing matches", theme.style(Tone::Dim));
        }
        let len = self.found.len();
        // A narrow window has no room for the kind.
        let kind = if area.width < 60 { 0 } else { KIND + 1 };
        let found = self.found.iter().map(|at| &self.offered[*at]);
        let names = names_width(found).min(area.width.saturating_sub(kind + KEYS) / 2);
        let pager = Pager::list(area, self.list, len);
        pager.draw(ctx, buf, |at, line, buf| {
            let Some(entry) = self.entry(at) else { return };
            let key = match entry.does {
                Command::Act(action) => ctx.key(action),
                _ => String::new(),
            };
            Pen::new(buf, line, 0)
                .cell(entry.kind, kind, theme.style(Tone::Dim))
                .cell(&entry.name, names, theme.bold(Tone::Plain))
                .skip(1)
                .right(&key, KEYS, theme.style(Tone::Accent))
                .skip(2)
                .text(&entry.about, theme.style(Tone::Dim));
        });
        pager.draw_place(theme, buf);
        (!inner.is_empty()).then(|| Position::new(x, inner.y))
    }
}
