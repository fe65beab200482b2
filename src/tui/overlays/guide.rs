//! The guide: how to get an account and credentials from each provider.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Overlay, steps_in};
use crate::domain::manage::ProviderSetup;
use crate::tui::keys::Action;
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::list::Step;
use crate::tui::widgets::text::{Pen, cells, width};

/// The most columns of the text: longer lines are hard to read.
const WIDE: u16 = 88;

/// The shown provider, the scroll position, and the window to go back to.
#[derive(Debug, Clone)]
pub struct State {
    setups: Vec<ProviderSetup>,
    at: usize,
    scroll: usize,
    pub resume: Option<Box<Overlay>>,
}

enum Row {
    Title(&'static str),
    Text(String),
}

impl State {
    /// Opens on the guide of `provider`, or on the first one.
    pub fn new(
        setups: Vec<ProviderSetup>,
        provider: Option<&str>,
        resume: Option<Box<Overlay>>,
    ) -> Self {
        // Of the selected account, because an operator opens the guide to replace its secret.
        let at = setups
            .iter()
            .position(|setup| Some(setup.provider.0) == provider);
        Self {
            setups,
            at: at.unwrap_or(0),
            scroll: 0,
            resume,
        }
    }

    pub fn turn(&mut self, on: bool) {
        let count = self.setups.len().max(1);
        self.at = (self.at + if on { 1 } else { count - 1 }) % count;
        self.scroll = 0;
    }

    fn rows(&self, width: u16) -> Vec<Row> {
        let mut rows = Vec::new();
        for guide in self.setups.get(self.at).map_or(&[][..], |o| o.guide) {
            if !rows.is_empty() {
                rows.push(Row::Text(String::new()));
            }
            rows.push(Row::Title(guide.title));
            rows.extend(steps_in(guide, width).into_iter().map(Row::Text));
        }
        rows
    }

    pub fn step(&mut self, step: Step, screen: Rect) {
        let rows = self.rows(text_width(screen)).len();
        self.scroll = step.scroll(self.scroll, rows, page(rows, screen));
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let rows = self.rows(text_width(screen));
        let page = page(rows.len(), screen);
        let inner = window(
            buf,
            screen,
            theme,
            "Guide",
            (WIDE, page + 4),
            ctx.store.is_live(),
        );
        let mut pen = Pen::new(buf, inner, 0);
        for (at, setup) in self.setups.iter().enumerate() {
            let style = match (at == self.at, theme.has_color()) {
                (true, true) => theme.badge(Tone::Accent),
                (true, false) => theme.badge(Tone::Plain),
                (false, _) => theme.style(Tone::Dim),
            };
            pen.text(&format!(" {} ", setup.title), style).skip(1);
        }
        if self.setups.len() > 1 {
            let words = format!("{} next", ctx.key(Action::NextGuide));
            if width(&words) < pen.left() {
                pen.flush(&words, theme.style(Tone::Dim));
            }
        }
        let first = self
            .scroll
            .min(rows.len().saturating_sub(usize::from(page)));
        for (row, line) in (2..2 + page).zip(rows.iter().skip(first)) {
            let mut pen = Pen::new(buf, inner, row);
            match line {
                Row::Title(title) => pen.text(title, theme.bold(Tone::Accent)),
                Row::Text(text) => pen.text(text, theme.style(Tone::Plain)),
            };
        }
        if rows.len() > usize::from(page) {
            let under = Rect {
                y: inner.bottom(),
                height: 1,
                ..inner
            };
            let last = first + usize::from(page);
            let words = format!(" {}-{last} of {} ", first + 1, rows.len());
            Pen::new(buf, under, 0).flush(&words, theme.style(Tone::Dim));
        }
    }
}

/// Columns inside the window's frame and padding.
fn text_width(screen: Rect) -> u16 {
    WIDE.min(screen.width).saturating_sub(4).max(1)
}

/// Rows of text below the providers' names and a blank line.
fn page(rows: usize, screen: Rect) -> u16 {
    cells(rows).min(screen.height.saturating_sub(4)).max(1)
}
