//! The rows of the list: the purpose of a call before its path, and of the path its end, since calls differ there.

use std::ops::Range;

use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthChar as _;

use super::calls::{Row, common_start, describe, strip_start};
use super::view::below_rule;
use super::{Action, State};
use crate::domain::{AccountId, Documented, ProviderId};
use crate::tui::prelude::*;
use crate::tui::store::Catalogues;
use crate::tui::theme::Theme;
use crate::tui::widgets::text::{counted, path_end};

/// The mark of a write call.
pub const WRITES: &str = "✎ writes";
/// Columns before the purpose: a margin, the method, the mark of a write call.
const BEFORE: u16 = 1 + 7 + 2;
/// With fewer columns after that, a row shows the purpose and no path.
const BOTH_MIN: u16 = 40;
/// Columns between two cells.
const GAP: u16 = 2;

/// The path prefix that most calls of each provider share.
pub type Starts = Vec<(ProviderId, &'static str)>;

/// Computed once: a catalogue does not change.
pub fn starts(catalogues: &Catalogues) -> Starts {
    let of =
        |(provider, calls): &(ProviderId, &'static [Documented])| (*provider, common_start(calls));
    catalogues.iter().map(of).collect()
}

/// How the rows are drawn, with the width of purpose and path.
pub struct Rows<'a> {
    state: &'a State,
    ctx: ViewContext<'a>,
    about: u16,
    path: u16,
}

impl State {
    /// The path prefix that most calls of an account share.
    fn start(&self, account: &AccountId, ctx: ViewContext<'_>) -> &'static str {
        let provider = ctx.store.known(account).map(|known| known.account.provider);
        let start = self.starts.iter().find(|(id, _)| Some(*id) == provider);
        start.map_or("", |(_, start)| start)
    }

    /// The columns of the list in `room` cells: as wide as their longest text; the purpose gets at least 55 %.
    pub fn rows<'a>(&'a self, ctx: ViewContext<'a>, room: u16) -> Rows<'a> {
        let room = room.saturating_sub(BEFORE);
        let rows = |about, path| Rows {
            state: self,
            ctx,
            about,
            path,
        };
        if room < BOTH_MIN {
            return rows(room, 0);
        }
        let (mut about, mut path) = (0, 0);
        for row in &self.rows {
            if let Row::Call { account, call, .. } = row {
                let start = self.start(account, ctx);
                let end = strip_start(call.path, start);
                about = about.max(width(call.about));
                path = path.max(width(end) + u16::from(end != call.path));
            }
        }
        // The purpose first: an operator knows what a call is for, rarely its path.
        let half = room * 11 / 20;
        let about = about.min(half.max(room.saturating_sub(GAP + path)));
        rows(about, room - about - GAP)
    }
    /// The selected call with its whole path and purpose, where no request is drawn beside the list.
    pub fn draw_selected(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let Some(Row::Call { account, call, .. }) = self.rows.get(self.list.selected) else {
            return;
        };
        let theme = ctx.theme;
        let area = below_rule(2, area, theme, buf);
        let mut pen = Pen::new(buf, area, 0);
        pen.text(call.method, theme.bold(method_tone(call.writes)))
            .skip(1);
        let room = pen.left();
        let letters = Letters::new(call, account, &[], theme);
        letters.draw_end(&mut pen, "", room);
        let about = if call.writes {
            format!("{WRITES}: {}", call.about)
        } else {
            call.about.to_owned()
        };
        paragraph(buf, below(area, 1), &about, theme.style(Tone::Plain));
    }
}

impl Rows<'_> {
    pub fn draw(&self, row: &Row, pen: &mut Pen<'_>) {
        let theme = self.ctx.theme;
        match row {
            Row::Account(id) => self.draw_heading(id, pen),
            Row::Locked(id, count) => {
                let calls = counted(*count, "write call");
                let key = self.ctx.key(Action::ArmAccount);
                pen.skip(1).text("✎ ", theme.bold(Tone::Live)).text(
                    &format!("{calls} hidden; {key} arms {id}"),
                    theme.style(Tone::Live),
                );
            }
            Row::Other(_) => {
                pen.skip(1)
                    .cell("…", BEFORE - 1, theme.style(Tone::Dim))
                    .text("any other call", theme.style(Tone::Plain));
            }
            Row::Call {
                account,
                call,
                hits,
            } => {
                let letters = Letters::new(call, account, hits, theme);
                let mark = if call.writes { "✎" } else { "" };
                pen.skip(1);
                letters.draw(pen, &letters.method, 7);
                pen.cell(mark, 2, theme.style(Tone::Warn));
                letters.draw(pen, &letters.about, self.about);
                if self.path > 0 {
                    pen.skip(GAP);
                    let start = self.state.start(account, self.ctx);
                    letters.draw_end(pen, start, self.path);
                }
            }
        }
    }

    fn draw_heading(&self, id: &AccountId, pen: &mut Pen<'_>) {
        let ctx = self.ctx;
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        pen.text(id.as_str(), theme.bold(Tone::Plain));
        let Some(known) = ctx.store.known(id) else {
            return;
        };
        let (word, tone) = badge(known.account.environment);
        pen.skip(1)
            .text(&format!(" {word} "), theme.badge(tone))
            .skip(1)
            .text(known.account.provider_title, dim);
        if known.armed(ctx.now).is_some() {
            pen.skip(1).text(" ARMED ", theme.badge(Tone::Warn));
        }
        let start = self.state.start(id, ctx);
        let legend = format!("… stands for {start}");
        if self.path > 0 && !start.is_empty() && width(&legend) + GAP <= pen.left() {
            pen.flush(&legend, dim);
        }
    }
}

/// The tone of a method: read calls green, write calls as a warning.
pub fn method_tone(writes: bool) -> Tone {
    if writes { Tone::Warn } else { Tone::Good }
}

/// The searched text of a call, its parts, and the characters that match.
struct Letters<'a> {
    all: Vec<char>,
    hits: &'a [u32],
    theme: &'a Theme,
    method: Section,
    path: Section,
    about: Section,
}

/// Where a part lies in the searched text, and its colour.
#[derive(Clone)]
struct Section {
    range: Range<usize>,
    tone: Tone,
}

impl<'a> Letters<'a> {
    fn new(call: &Documented, account: &AccountId, hits: &'a [u32], theme: &'a Theme) -> Self {
        let mut from = 0;
        // The parts follow each other after one space.
        let mut part = |text: &str, tone| {
            let range = from..from + text.chars().count();
            from = range.end + 1;
            Section { range, tone }
        };
        Self {
            all: describe(call, account).chars().collect(),
            hits,
            theme,
            method: part(call.method, method_tone(call.writes)),
            path: part(call.path, Tone::Dim),
            about: part(call.about, Tone::Plain),
        }
    }

    fn is_hit(&self, at: usize) -> bool {
        u32::try_from(at).is_ok_and(|at| self.hits.binary_search(&at).is_ok())
    }

    fn found(&self) -> Style {
        let bold = self.theme.bold(Tone::Accent);
        bold.add_modifier(Modifier::UNDERLINED)
    }

    /// Draws a part in `room` cells, its end cut off.
    fn draw(&self, pen: &mut Pen<'_>, part: &Section, room: u16) {
        let plain = self.theme.style(part.tone);
        let next = pen.left().saturating_sub(room);
        let mut left = room.min(pen.left());
        let wide = |at: usize| cells(self.all[at].width().unwrap_or(0));
        let mut rest: u16 = part.range.clone().map(wide).sum();
        for at in part.range.clone() {
            let wide = wide(at);
            if rest > left && left <= wide {
                pen.text("…", plain);
                break;
            }
            let style = if self.is_hit(at) { self.found() } else { plain };
            pen.text(self.all[at].encode_utf8(&mut [0; 4]), style);
            (left, rest) = (left - wide.min(left), rest - wide);
        }
        pen.skip(pen.left().saturating_sub(next));
    }

    /// Draws the path in `room` cells without the prefix `start`, cut from the left where it is too long.
    fn draw_end(&self, pen: &mut Pen<'_>, start: &str, room: u16) {
        let whole = self.path.range.clone();
        let path: String = self.all[whole.clone()].iter().collect();
        let end = tail(&path, start, room);
        let from = whole.end - end.chars().count();
        if from > whole.start {
            let hidden = (whole.start..from).any(|at| self.is_hit(at));
            // A match in the part that is cut off must show somewhere.
            let style = if hidden {
                self.found()
            } else {
                self.theme.style(Tone::Dim)
            };
            pen.text("…", style);
        }
        let end = Section {
            range: from..whole.end,
            ..self.path.clone()
        };
        self.draw(pen, &end, pen.left());
    }
}

/// The end of a path that fits `room` cells, with `…` where it is not the whole: whole segments where the last
/// one fits.
fn tail<'a>(path: &'a str, start: &str, room: u16) -> &'a str {
    let rest = strip_start(path, start);
    let dots = |rest: &str| u16::from(rest.len() < path.len());
    if width(rest) + dots(rest) <= room {
        return rest;
    }
    path_end(rest, room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_path_is_shown() {
        let path = "/sales/api/v1/offers/{offerId}/stock/{stockId}";
        let start = "/sales/api/v1";
        assert_eq!(tail(path, start, 60), "/offers/{offerId}/stock/{stockId}");
        assert_eq!(tail(path, "", 60), path);
        assert_eq!(tail(path, start, 33), "/{offerId}/stock/{stockId}");
        assert_eq!(tail(path, start, 12), "/{stockId}");
        assert_eq!(tail(path, start, 10), "{stockId}");
        assert_eq!(tail(path, start, 4), "Id}");
        assert_eq!(tail(path, start, 0), "");
        assert_eq!(tail("/library/products", start, 30), "/library/products");
    }
}
