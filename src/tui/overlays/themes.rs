//! The list of themes. The screen takes the selected one at once; Enter saves it, and closing goes back.

use ratatui::layout::Constraint::{Fill, Length};

use crate::domain::ThemeChoice;
use crate::tui::prelude::*;

keys! {
    Action:
    THEMES "Theme" keys [NAV, READER, OVERLAY] {
        KeepTheme "keep-theme" ["enter"] "save" "save the selected theme";
    }
}

#[derive(Debug, Clone)]
pub struct State {
    list: List,
    before: ThemeChoice,
    /// Whether colours are turned off for this run.
    is_off: bool,
}

impl State {
    pub fn new(before: ThemeChoice, is_off: bool) -> Self {
        let mut list = List::default();
        let at = ThemeChoice::ALL.iter().position(|it| *it == before);
        list.selected = at.unwrap_or(0);
        Self {
            list,
            before,
            is_off,
        }
    }

    fn selected(&self) -> ThemeChoice {
        ThemeChoice::ALL[self.list.selected]
    }
}

impl Component for State {
    type Action = Action;

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::KeepTheme => {
                ctx.save_theme(self.selected());
                ctx.close();
            }
        }
    }

    fn word(&self, _action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        ctx.store.recording.is_some().then_some("use")
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let len = ThemeChoice::ALL.len();
        self.list.step(step, len, cells(len));
        ctx.console.push(Command::Theme(self.selected()));
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        if row == self.list.selected {
            return self.act(Action::KeepTheme, ctx);
        }
        self.list.selected = row;
        ctx.console.push(Command::Theme(self.selected()));
    }

    fn close(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        ctx.console.push(Command::Theme(self.before));
        true
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let len = ThemeChoice::ALL.len();
        let inner = Window {
            title: "Theme",
            size: Size::new(58, cells(len) + 7),
            live: ctx.store.is_live(),
        }
        .draw(theme, screen, buf);
        let [area, rest] = split_rows(inner, cells(len));
        let [_, sample, _, note] = rest.layout(&Layout::vertical([
            Length(1),
            Length(1),
            Length(1),
            Fill(1),
        ]));
        Pager::list(area, self.list, len).draw(ctx, buf, |at, line, buf| {
            let choice = ThemeChoice::ALL[at];
            Pen::new(buf, line, 0)
                .skip(1)
                .cell(choice.as_str(), 15, theme.bold(Tone::Plain))
                .text(choice.about(), theme.style(Tone::Dim));
        });
        let mut sample = Pen::new(buf, sample, 0);
        sample.skip(1);
        for (word, tone) in [
            ("✔ paid", Tone::Good),
            ("● open", Tone::Busy),
            ("! warning", Tone::Warn),
            ("✘ failed", Tone::Bad),
        ] {
            sample.text(word, theme.style(tone)).skip(2);
        }
        sample.text(" LIVE ", theme.badge(Tone::Live));
        let key = ctx.key(Action::KeepTheme);
        let text = if self.is_off {
            "Colors are off: NO_COLOR or --color never.".to_owned()
        } else if ctx.store.recording.is_some() {
            format!("{key} uses the theme. A recording saves nothing.")
        } else {
            format!("{key} saves the theme in the config file.")
        };
        paragraph(buf, note, &text, theme.style(Tone::Dim));
        None
    }
}
