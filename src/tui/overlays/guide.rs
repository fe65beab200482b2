//! The guide: how to get an account and credentials from each provider.

use ratatui::layout::Constraint::{Fill, Length};

use crate::domain::ProviderId;
use crate::domain::manage::{Guide, ProviderSetup};
use crate::tui::prelude::*;

keys! {
    Action:
    GUIDE "Guide" keys [NAV, READER, OVERLAY] {
        NextGuide "next-guide" ["tab" "right" "l"] "next provider" "next provider";
        PreviousGuide "previous-guide" ["shift-tab" "left" "h"] "" "previous provider";
    }
}

/// The most columns of the text: longer lines are hard to read.
const WIDE: u16 = 88;

#[derive(Debug, Clone)]
pub struct State {
    setups: Vec<ProviderSetup>,
    at: usize,
    scroll: usize,
}

enum Row {
    Title(&'static str),
    Text(String),
}

impl State {
    /// Opens on the guide of `provider`, or on the first one.
    pub fn new(setups: &[ProviderSetup], provider: Option<ProviderId>) -> Self {
        let mut all = setups.iter();
        let at = all.position(|setup| Some(setup.provider) == provider);
        Self {
            setups: setups.to_vec(),
            at: at.unwrap_or(0),
            scroll: 0,
        }
    }

    fn turn(&mut self, on: bool) {
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
}

impl State {
    /// The providers, the shown one marked, and the key for the next one where there is room; where not all fit, the
    /// shown one alone.
    fn draw_tabs(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let tone = if theme.has_color() {
            Tone::Accent
        } else {
            Tone::Plain
        };
        let tabs = self.setups.iter().map(|it| format!(" {} ", it.title));
        let used: u16 = tabs.clone().map(|tab| width(&tab) + 1).sum();
        let mut pen = Pen::new(buf, area, 0);
        for (at, tab) in tabs.enumerate() {
            if at == self.at {
                pen.text(&tab, theme.badge(tone)).skip(1);
            } else if used <= area.width + 1 {
                pen.text(&tab, theme.style(Tone::Dim)).skip(1);
            }
        }
        let words = format!("{} next", ctx.key(Action::NextGuide));
        if self.setups.len() > 1 && width(&words) < pen.left() {
            pen.flush(&words, theme.style(Tone::Dim));
        }
    }
}

impl Component for State {
    type Action = Action;

    fn act(&mut self, action: Action, _ctx: &mut UpdateContext<'_>) {
        match action {
            Action::NextGuide => self.turn(true),
            Action::PreviousGuide => self.turn(false),
        }
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let rows = self.rows(columns_inside(ctx.area, WIDE)).len();
        let [_, _, text] = areas(ctx.area, rows);
        self.scroll = step.scroll(self.scroll, rows, text.height);
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let rows = self.rows(columns_inside(screen, WIDE));
        let window = Window {
            title: "Guide",
            size: size(rows.len()),
            live: ctx.store.is_live(),
        };
        window.draw(theme, screen, buf);
        let [tabs, _, text] = areas(screen, rows.len());
        self.draw_tabs(ctx, tabs, buf);
        let pager = Pager::text(text, self.scroll, rows.len());
        pager.draw(ctx, buf, |at, line, buf| {
            let mut pen = Pen::new(buf, line, 0);
            match &rows[at] {
                Row::Title(title) => pen.text(title, theme.bold(Tone::Accent)),
                Row::Text(text) => pen.text(text, theme.style(Tone::Plain)),
            };
        });
        pager.draw_place(theme, buf);
        None
    }
}

fn size(rows: usize) -> Size {
    Size::new(WIDE, cells(rows) + 4)
}

/// The providers' names, a blank row, and the text.
fn areas(screen: Rect, rows: usize) -> [Rect; 3] {
    inside(screen, size(rows)).layout(&Layout::vertical([Length(1), Length(1), Fill(1)]))
}

/// The steps of a guide, numbered and wrapped.
pub fn steps_in(guide: &Guide, width: u16) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, step) in (1..).zip(guide.steps) {
        let number = format!("{at}. ");
        let indent = " ".repeat(number.len());
        let room = width.saturating_sub(cells(number.len())).max(1);
        for (line, text) in wrap(step, room).into_iter().enumerate() {
            let lead = if line == 0 { &number } else { &indent };
            lines.push(format!("{lead}{text}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::{sandbox_setup, second, setups, sized};

    #[test]
    fn the_shown_provider_is_named_where_not_all_fit() {
        let mut guide = State::new(&[setups(), setups()].concat(), None);
        let model = sized(sandbox_setup(), 80, 24);
        for (columns, turns, shown) in [
            (36, 0, " Kanga TPG                  Tab next"),
            (36, 1, " Kinguin                    Tab next"),
            (44, 0, " Kanga TPG   Kinguin   Kanga TPG   Kinguin"),
        ] {
            guide.at = turns;
            let area = Rect::new(0, 0, columns, 1);
            let mut buf = Buffer::empty(area);
            guide.draw_tabs(model.ctx(second(0), true), area, &mut buf);
            let cells = buf.content.iter().map(ratatui::buffer::Cell::symbol);
            assert_eq!(cells.collect::<String>().trim_end(), shown);
        }
    }
}
