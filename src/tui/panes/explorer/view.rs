//! The areas of the explorer, and how the calls and the response are drawn.

use ratatui::layout::Margin;
use ratatui::text::Line;

use super::calls::Row;
use super::request::{self, Split, split};
use super::rows::mark_selected;
use super::{Action, Part, State, response};
use crate::tui::hits::Hit;
use crate::tui::prelude::*;
use crate::tui::widgets::boxes::{Framed, padded};
use crate::tui::widgets::text::counted;

/// From this size on, calls, request and response are drawn at once.
const WHOLE: (u16, u16) = (100, 26);
/// Rows left to the list above the selected call.
const LIST_MIN: u16 = 4;

/// The frames; one that is not drawn is empty.
pub struct Parts {
    pub calls: Rect,
    pub request: Rect,
    pub response: Rect,
}

pub fn parts(area: Rect, state: &State) -> Parts {
    let mut parts = Parts {
        calls: Rect::default(),
        request: Rect::default(),
        response: Rect::default(),
    };
    if area.width < WHOLE.0 || area.height < WHOLE.1 {
        match state.part {
            Part::Calls => parts.calls = area,
            Part::Request => parts.request = area,
            Part::Response => parts.response = area,
        }
        return parts;
    }
    // The focused part gets the room.
    let side = match state.part {
        Part::Calls => area.width * 11 / 20,
        Part::Request | Part::Response if area.width >= 160 => area.width * 9 / 20,
        Part::Request | Part::Response => (area.width * 3 / 10).max(34),
    };
    let [calls, right] = split_columns(area, side);
    let wanted = state.draft().map_or(8, |draft| {
        request::height(draft, right.width.saturating_sub(4))
    });
    let request = wanted.max(8).min(area.height / 2);
    parts.calls = calls;
    [parts.request, parts.response] = split_rows(right, request);
    parts
}

fn inside(frame: Rect) -> Rect {
    padded(frame.inner(Margin::new(1, 1)))
}

/// The rows of the list, below the search line.
pub fn list_area(area: Rect, state: &State) -> Rect {
    list_parts(area, state)[0]
}

/// The rows of the list, and below them the selected call, where no request is drawn beside it.
fn list_parts(area: Rect, state: &State) -> [Rect; 2] {
    let parts = parts(area, state);
    let inner = inside(parts.calls);
    let typed = state.filter.is_typed() || state.filter.is_active();
    let list = below(inner, u16::from(typed));
    let selected = match inner.height {
        _ if !parts.request.is_empty() => 0,
        14.. => 4,
        _ => 2,
    };
    let selected = if list.height < LIST_MIN + selected {
        0
    } else {
        selected
    };
    split_rows(list, list.height - selected)
}

pub fn response_area(area: Rect, state: &State) -> Rect {
    inside(parts(area, state).response)
}

pub fn request_areas(area: Rect, state: &State) -> Split {
    let area = inside(parts(area, state).request);
    let draft = state.draft();
    draft.map_or_else(Split::default, |draft| split(draft, area))
}

impl State {
    /// Draws the visible parts; returns the cursor.
    pub fn draw(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let parts = parts(area, self);
        let whole = !parts.calls.is_empty() && !parts.request.is_empty();
        let account = self.account();
        let live = account.is_some_and(|account| ctx.store.is_live_account(account.as_str()));
        let frame = |part: Part, area: Rect, name: &str, note: Option<String>, buf: &mut Buffer| {
            let title = match (whole, part) {
                (true, Part::Request | Part::Response) => name.to_owned(),
                (false, Part::Request | Part::Response) => format!("6 Explorer › {name}"),
                (_, Part::Calls) => "6 Explorer".to_owned(),
            };
            Framed {
                theme: ctx.theme,
                focused: ctx.focused && self.part == part,
                live: if part == Part::Calls {
                    ctx.store.is_live()
                } else {
                    live
                },
                title: &title,
                note: note.map(|note| Line::styled(note, ctx.theme.style(Tone::Dim))),
            }
            .draw(area, buf);
            inside(area)
        };
        let mut cursor = None;
        if !parts.calls.is_empty() {
            let count = self
                .rows
                .iter()
                .filter(|row| matches!(row, Row::Call { .. }))
                .count();
            let note = match (count, self.filter.is_active()) {
                (0, _) => None,
                (count, false) => Some(counted(count, "call")),
                (1, true) => Some("1 call matches".to_owned()),
                (count, true) => Some(format!("{count} calls match")),
            };
            frame(Part::Calls, parts.calls, "", note, buf);
            cursor = self.draw_calls(ctx, area, buf);
        }
        if !parts.request.is_empty() {
            let note = (!whole && self.has_response())
                .then(|| format!("{}: response", ctx.key(Action::ToResponse)));
            let inner = frame(Part::Request, parts.request, "Request", note, buf);
            if self.draft().is_none() {
                self.draw_no_draft(ctx, inner, buf);
            }
            let at = self.draw_request(ctx, inner, buf);
            cursor = cursor.or(at.filter(|_| ctx.focused));
        }
        if !parts.response.is_empty() {
            let shown = self.response.as_ref().zip(self.past());
            let note = shown.and_then(|(response, past)| response.place(past));
            let inner = frame(Part::Response, parts.response, "Response", note, buf);
            cursor = cursor.or(self.draw_response(ctx, inner, buf));
        }
        cursor
    }

    fn draw_calls(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let inner = inside(parts(area, self).calls);
        let theme = ctx.theme;
        let cursor = self.filter.draw(theme, inner, buf);
        if cursor.is_none() && self.filter.is_active() {
            let text = format!(
                "`{}` · {} shows all",
                self.filter.text(),
                ctx.key(ConsoleAction::Escape)
            );
            Pen::new(buf, inner, 0).text(&text, theme.style(Tone::Accent));
        }
        let [list, selected] = list_parts(area, self);
        if self.rows.is_empty() {
            let words = if ctx.store.accounts.is_empty() {
                "This profile has no accounts. `tilldeck account add` adds one; the sandbox profile has one for each provider."
            } else {
                "No call matches the search."
            };
            paragraph(buf, list, words, theme.style(Tone::Dim));
        }
        self.draw_selected(ctx, selected, buf);
        let rows = self.rows(ctx, list.width);
        let focused = ctx.focused && self.part == Part::Calls;
        let pager = Pager::list(list, self.list, self.rows.len()).focused(focused);
        pager.draw_bar(ctx, buf);
        pager.draw(ctx, buf, |at, line, buf| {
            let mut pen = Pen::new(buf, line, 0);
            if at == pager.shown().start && at != self.list.selected {
                // It stays in view while its calls scroll: rows of several accounts look alike.
                rows.draw_heading(self.rows[at].account(), &mut pen);
                let heading = self.rows[..at].iter().rposition(Row::is_heading);
                ctx.note(line, Hit::Row(heading.unwrap_or(at)));
            } else {
                rows.draw(&self.rows[at], &mut pen);
            }
            if at == self.list.selected {
                mark_selected(line, Tone::Accent, theme, buf);
            }
        });
        cursor
    }

    fn draw_no_draft(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let words = match self.rows.get(self.list.selected) {
            Some(Row::Locked(id, _)) => format!(
                "{id} moves real money. {} arms it: type its name, and its write calls appear for ten minutes.",
                ctx.key(Action::ArmAccount)
            ),
            _ => "Choose a call.".into(),
        };
        paragraph(buf, area, &words, ctx.theme.style(Tone::Dim));
    }

    fn draw_response(
        &self,
        ctx: ViewContext<'_>,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let theme = ctx.theme;
        let draft = self.draft()?;
        if let Some(in_flight) = &draft.in_flight {
            let words = match ctx.store.waiting.get(&in_flight.request) {
                Some(waiting) => {
                    // Where it is cut off, the remaining time still shows.
                    let until = waiting.until.map(|until| format!(" {}", ctx.until(until)));
                    format!("waiting{}: {}", until.unwrap_or_default(), waiting.why)
                }
                None => response::sent(in_flight.since, ctx),
            };
            Pen::new(buf, area, 0)
                .text("◌ ", theme.bold(Tone::Busy))
                .text(&words, theme.style(Tone::Busy));
            let call = format!("{} {}", in_flight.call.method, in_flight.call.path);
            paragraph(buf, below(area, 1), &call, theme.style(Tone::Dim));
            // Below the call, which wraps.
            let escape = format!("{} cancels it.", ctx.key(ConsoleAction::Escape));
            Pen::new(buf, area, 2 + cells(wrap(&call, area.width).len() - 1))
                .text(&escape, theme.style(Tone::Dim));
            // It can be typed before the response is there.
            let search = self.response.as_ref().map(|response| &response.search);
            let line = area.rows().next_back()?;
            return search.and_then(|search| search.draw(theme, line, buf));
        }
        if self.response.is_none() || self.past().is_none() {
            let words = if !ctx.store.is_ready() {
                "Opening: sending is possible in a moment."
            } else if draft.past.is_none() {
                "Not sent yet."
            } else {
                "Sent; its response is no longer in memory. The Requests pane has it."
            };
            paragraph(buf, area, words, theme.style(Tone::Dim));
            return None;
        }
        self.draw_answer(ctx, area, buf)
    }
}
