//! The visible rows of a text or a list: where they are drawn, and which of how many they are.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Offset, Rect};
use ratatui::style::Color;
use ratatui::widgets::{Scrollbar, ScrollbarOrientation, ScrollbarState, StatefulWidget};

use super::list::List;
use super::text::Pen;
use crate::tui::component::ViewContext;
use crate::tui::hits::Hit;
use crate::tui::theme::{Theme, Tone};

/// The rows that fit an area.
///
/// ```text
/// let pager = Pager::list(area, self.list, rows.len());
/// pager.draw(ctx, buf, |at, line, buf| draw_row(&rows[at], line, buf));
/// pager.draw_place(theme, buf); // "12-46 of 240" on the frame
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pager {
    area: Rect,
    shown: Range<usize>,
    len: usize,
    selected: Option<usize>,
    focused: bool,
}

impl Pager {
    /// The rows of a text from the scroll position on.
    pub fn text(area: Rect, scroll: usize, len: usize) -> Self {
        Self {
            area,
            shown: visible(scroll, len, area.height),
            len,
            selected: None,
            focused: true,
        }
    }

    /// The rows of a list around the selected one.
    pub fn list(area: Rect, list: List, len: usize) -> Self {
        Self {
            area,
            shown: list.window(len, area.height),
            len,
            selected: Some(list.selected.min(len.saturating_sub(1))),
            focused: true,
        }
    }

    /// Whether the selected row looks like that of the focused pane.
    pub fn focused(self, focused: bool) -> Self {
        Self { focused, ..self }
    }

    /// Draws each visible row by `row`, which gets its number and its line. Those of a list can be clicked; the selected
    /// one is marked.
    pub fn draw(
        &self,
        ctx: ViewContext<'_>,
        buf: &mut Buffer,
        row: impl Fn(usize, Rect, &mut Buffer),
    ) {
        if self.selected.is_some() {
            ctx.note_rows(self.area, self.shown());
        }
        for (at, line) in self.shown.clone().zip(self.area.rows()) {
            row(at, line, buf);
            if Some(at) == self.selected {
                let style = ctx.theme.selected(self.focused);
                for place in line.positions() {
                    // A badge keeps its background, or it could not be read.
                    if buf[place].bg == Color::Reset {
                        buf[place].set_style(style);
                    }
                }
            }
        }
    }

    pub fn area(&self) -> Rect {
        self.area
    }

    /// The number of all rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The places of the visible rows in the list.
    pub fn shown(&self) -> Range<usize> {
        self.shown.clone()
    }

    /// The selected row, counted from the first visible one.
    pub fn selected(&self) -> Option<usize> {
        self.selected?.checked_sub(self.shown.start)
    }

    /// Draws a scroll bar where a frame has its border or its padding, if not all rows are visible. A click on it picks
    /// the row at that part of the list.
    pub fn draw_bar(&self, ctx: ViewContext<'_>, buf: &mut Buffer) {
        let bar = Rect {
            x: self.area.right(),
            width: 1,
            ..self.area
        };
        let hidden = self.len - self.shown.len();
        if hidden == 0 || bar.height < 2 || bar.right() > buf.area.right() {
            return;
        }
        let mut state = ScrollbarState::new(hidden + 1)
            .position(self.shown.start)
            .viewport_content_length(self.shown.len());
        let thumb = Scrollbar::new(ScrollbarOrientation::VerticalRight)
            .begin_symbol(None)
            .end_symbol(None)
            .track_symbol(None)
            .thumb_symbol("█")
            .thumb_style(ctx.theme.border(false, false));
        StatefulWidget::render(thumb, bar, buf, &mut state);
        ctx.note(bar, Hit::Bar(self.len));
    }

    /// `12-46 of 240`, where not all rows are visible.
    pub fn place(&self) -> Option<String> {
        place(&self.shown, self.len)
    }

    /// Draws the place on the frame's line below the area.
    pub fn draw_place(&self, theme: &Theme, buf: &mut Buffer) {
        if let Some(place) = self.place() {
            draw_below(self.area, &place, theme, buf);
        }
    }
}

/// The rows of a text that are visible in `height` rows from the scroll position on.
pub fn visible(scroll: usize, len: usize, height: u16) -> Range<usize> {
    let height = usize::from(height);
    let first = scroll.min(len.saturating_sub(height));
    first..(first + height).min(len)
}

/// `12-46 of 240`, where not all rows are visible.
pub fn place(shown: &Range<usize>, len: usize) -> Option<String> {
    let is_part = !shown.is_empty() && shown.len() < len;
    is_part.then(|| format!("{}-{} of {len}", shown.start + 1, shown.end))
}

/// Draws a note at the right end of the frame's line below an area.
pub fn draw_below(area: Rect, note: &str, theme: &Theme, buf: &mut Buffer) {
    let down = Offset::new(0, i32::from(area.height));
    let note = format!(" {note} ");
    Pen::new(buf, area.offset(down), 0).flush(&note, theme.style(Tone::Dim));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_names_the_visible_rows() {
        let pager = |scroll, len, height| Pager::text(Rect::new(0, 0, 9, height), scroll, len);
        let cases = [
            (0, 240, 35, Some("1-35 of 240")),
            (11, 240, 35, Some("12-46 of 240")),
            // Scrolled too far: the text has shrunk, or the screen has grown.
            (900, 240, 35, Some("206-240 of 240")),
            (0, 35, 35, None),
            (0, 0, 35, None),
            (0, 240, 0, None),
        ];
        for (scroll, len, height, expected) in cases {
            let place = pager(scroll, len, height).place();
            assert_eq!(place.as_deref(), expected, "{scroll} {len} {height}");
        }
    }
}
