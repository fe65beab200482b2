//! The explorer's calls of this session, to open or to send again.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::tui::component::{Component, Intent, UpdateContext, ViewContext};
use crate::tui::keys::{NAV, OVERLAY, READER, Scope, keys};
use crate::tui::panes::explorer::history::CallSummary;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::text::{Pen, below, cells, width};

keys! {
    /// What a key does in the history.
    Action:
    HISTORY "History" keys [NAV, READER, OVERLAY] {
        Reopen "reopen" ["enter"] "open" "open the call and its response";
    }
}

/// The calls, newest first, and the selected one.
#[derive(Debug, Clone)]
pub struct State {
    list: List,
    rows: Vec<CallSummary>,
}

impl State {
    pub fn new(rows: Vec<CallSummary>) -> Self {
        Self {
            list: List::default(),
            rows,
        }
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        &HISTORY
    }

    fn can(&self, _action: Action, _ctx: ViewContext<'_>) -> bool {
        true
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::Reopen => {
                if let Some(call) = self.rows.get(self.list.selected) {
                    ctx.intend(Intent::ShowCall(call.number));
                }
            }
        }
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let height = ctx.area.height.saturating_sub(6);
        self.list.step(step, self.rows.len(), height);
    }

    /// A click selects; on the selected row it does what Enter does.
    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        if row == self.list.selected {
            return self.act(Action::Reopen, ctx);
        }
        self.list.selected = row;
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let height = cells(self.rows.len() + 4).min(screen.height.saturating_sub(2));
        let live = ctx.store.is_live();
        let inner = window(
            buf,
            screen,
            theme,
            "Calls of this session",
            (110, height),
            live,
        );
        let list = Rect {
            height: inner.height.saturating_sub(2),
            ..inner
        };
        let account = self.rows.iter().map(|row| width(row.account.as_str()));
        let account = account.max().unwrap_or(0).min(16);
        let shown = self.list.window(self.rows.len(), list.height);
        ctx.note_rows(list, shown.clone());
        for (row, at) in (0..).zip(shown) {
            let past = &self.rows[at];
            let mut pen = Pen::new(buf, list, row);
            pen.text(&past.at.clock(&ctx.store.zone), dim)
                .skip(2)
                .text(past.glyph, theme.bold(past.tone))
                .skip(1)
                .cell(&past.word, 14, theme.style(past.tone))
                .skip(1)
                .cell(past.account.as_str(), account, dim)
                .skip(1)
                .cell(&past.method, 7, theme.bold(Tone::Plain))
                .text(&past.path, theme.style(Tone::Plain));
            if at == self.list.selected {
                let whole = Rect {
                    y: list.y + row,
                    height: 1,
                    ..list
                };
                buf.set_style(whole, theme.selected(true));
            }
        }
        let note = "The last 50 calls. tilldeck deletes them when it quits.";
        Pen::new(buf, below(inner, inner.height.saturating_sub(1)), 0).text(note, dim);
        None
    }
}
