//! The explorer's calls of this session, to open or to send again.

use ratatui::layout::Constraint::{Fill, Length};

use crate::domain::{AccountId, WallTime};
use crate::tui::prelude::*;

keys! {
    Action:
    HISTORY "History" keys [NAV, READER, OVERLAY] {
        Reopen "reopen" ["enter"] "open" "open the call and its response";
    }
}

/// A sent call as a row of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSummary {
    pub number: u64,
    pub at: WallTime,
    pub account: AccountId,
    pub method: String,
    pub path: String,
    pub glyph: &'static str,
    pub word: String,
    pub tone: Tone,
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
        let [list, _] = areas(ctx.area, self.rows.len());
        self.list.step(step, self.rows.len(), list.height);
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        if row == self.list.selected {
            return self.act(Action::Reopen, ctx);
        }
        self.list.selected = row;
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let window = Window {
            title: "Calls of this session",
            size: size(screen, self.rows.len()),
            live: ctx.store.is_live(),
        };
        window.draw(theme, screen, buf);
        let [list, note] = areas(screen, self.rows.len());
        let account = widest(self.rows.iter().map(|row| row.account.as_str())).min(16);
        let pager = Pager::list(list, self.list, self.rows.len());
        pager.draw(ctx, buf, |at, line, buf| {
            let past = &self.rows[at];
            Pen::new(buf, line, 0)
                .text(&past.at.clock(&ctx.store.zone), dim)
                .skip(2)
                .text(past.glyph, theme.bold(past.tone))
                .skip(1)
                .cell(&past.word, 14, theme.style(past.tone))
                .skip(1)
                .cell(past.account.as_str(), account, dim)
                .skip(1)
                .cell(&past.method, 7, theme.bold(Tone::Plain))
                .text(&past.path, theme.style(Tone::Plain));
        });
        if let Some(place) = pager.place() {
            Pen::new(buf, note, 0).flush(&place, dim);
        }
        let text = "The last 50 calls. tilldeck deletes them when it quits.";
        Pen::new(buf, note, 1).text(text, dim);
        None
    }
}

fn size(screen: Rect, rows: usize) -> Size {
    let height = cells(rows + 4).min(screen.height.saturating_sub(1));
    Size::new(110, height)
}

/// The calls; the row of their place, and the note.
fn areas(screen: Rect, rows: usize) -> [Rect; 2] {
    inside(screen, size(screen, rows)).layout(&Layout::vertical([Fill(1), Length(2)]))
}
