//! The key table as it stands in this scope.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::keys::{Chord, Keymap, Scope, TABLE};
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::list::Step;
use crate::tui::widgets::text::{Pen, cells};

/// Whose keys, and how far down.
#[derive(Debug, Clone)]
pub struct State {
    scope: Scope,
    scroll: usize,
}

/// Columns of the keys.
const KEYS: u16 = 18;

enum Row {
    Heading(&'static str),
    Key(String, &'static str),
    Blank,
}

impl State {
    pub fn new(scope: Scope) -> Self {
        Self { scope, scroll: 0 }
    }

    pub fn step(&mut self, step: Step, screen: Rect, keymap: &Keymap) {
        let height = screen.height.saturating_sub(4);
        self.scroll = step.scroll(self.scroll, rows(self.scope, keymap).len(), height);
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let rows = rows(self.scope, ctx.keymap);
        let height = cells(rows.len() + 2).min(screen.height.saturating_sub(2));
        let inner = window(buf, screen, theme, "Keys", (86, height), false);
        let first = self
            .scroll
            .min(rows.len().saturating_sub(usize::from(inner.height)));
        for (row, line) in (0..inner.height).zip(rows.iter().skip(first)) {
            let mut pen = Pen::new(buf, inner, row);
            match line {
                Row::Blank => {}
                Row::Heading(title) => {
                    pen.text(title, theme.bold(Tone::Accent));
                }
                Row::Key(keys, help) => {
                    pen.cell(keys, KEYS, theme.bold(Tone::Plain))
                        .skip(1)
                        .text(help, theme.style(Tone::Dim));
                }
            }
        }
        if rows.len() > usize::from(inner.height) {
            let under = Rect {
                y: inner.bottom(),
                height: 1,
                ..inner
            };
            let last = first + usize::from(inner.height);
            Pen::new(buf, under, 0).flush(
                &format!(" {}-{last} of {} ", first + 1, rows.len()),
                theme.style(Tone::Dim),
            );
        }
    }
}

fn rows(scope: Scope, keymap: &Keymap) -> Vec<Row> {
    let mut rows = Vec::new();
    for scope in scope.chain() {
        let before = rows.len();
        if before > 0 {
            rows.push(Row::Blank);
        }
        rows.push(Row::Heading(scope.title()));
        let heading = rows.len();
        for binding in TABLE.iter().filter(|binding| binding.scope == *scope) {
            let keys: Vec<String> = keymap
                .all(binding.action)
                .iter()
                .map(Chord::to_string)
                .collect();
            rows.push(Row::Key(keys.join("  "), binding.help));
        }
        if rows.len() == heading {
            rows.truncate(before);
        }
    }
    rows
}
