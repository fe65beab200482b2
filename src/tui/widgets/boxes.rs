//! The frames of panes and windows.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Margin, Rect, Size};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget as _};

use super::text::{Pen, cells};
use crate::tui::theme::{Theme, Tone};

pub struct Framed<'a> {
    pub theme: &'a Theme,
    pub focused: bool,
    /// Whether an account with real money is involved; the frame then has its own colour.
    pub live: bool,
    pub title: &'a str,
    /// Text at the right of the title.
    pub note: Option<Line<'a>>,
}

impl Framed<'_> {
    /// Draws the frame; returns the area inside.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) -> Rect {
        let block = Block::bordered()
            .border_type(self.theme.border_type(self.focused))
            .border_style(self.theme.border(self.focused, self.live));
        let inner = block.inner(area);
        block.render(area, buf);
        if area.width < 6 {
            return inner;
        }
        let style = match (self.focused, self.theme.has_color()) {
            (true, true) if self.live => self.theme.badge(Tone::Live),
            // A badge: a hue alone is not seen by everyone.
            (true, _) => self.theme.badge(Tone::Accent),
            (false, _) => self.theme.style(Tone::Plain),
        };
        // A bare style, so that the border's colour and weight do not show in the title.
        let bare = Style::new()
            .fg(Color::Reset)
            .remove_modifier(Modifier::DIM | Modifier::BOLD);
        let mut pen = Pen::new(buf, area.inner(Margin::new(2, 0)), 0);
        pen.text(&format!(" {} ", self.title), bare.patch(style));
        if let Some(note) = &self.note
            && let Some(free) = usize::from(pen.left()).checked_sub(note.width() + 3)
        {
            pen.skip(cells(free) + 1).text(" ", bare);
            for span in note {
                pen.text(&span.content, bare.patch(span.style));
            }
            pen.text(" ", bare);
        }
        inner
    }
}

/// A window over the panes, in the middle of the screen.
pub struct Window<'a> {
    pub title: &'a str,
    /// The size with the frame, on a screen that is large enough.
    pub size: Size,
    /// Whether an account with real money is involved.
    pub live: bool,
}

impl Window<'_> {
    /// Clears and frames it; returns the area inside.
    pub fn draw(&self, theme: &Theme, screen: Rect, buf: &mut Buffer) -> Rect {
        let area = centred(screen, self.size);
        Clear.render(area, buf);
        let framed = Framed {
            theme,
            focused: true,
            live: self.live,
            title: self.title,
            note: None,
        };
        framed.draw(area, buf);
        inside(screen, self.size)
    }
}

/// The inside of a frame, with padding if there is room.
pub fn padded(inner: Rect) -> Rect {
    let (left, both) = match inner.width {
        0..26 => (0, 0),
        26..60 => (1, 1),
        _ => (1, 2),
    };
    Rect {
        x: inner.x + left,
        width: inner.width - both,
        ..inner
    }
}

/// The area inside of a window of a size.
pub fn inside(screen: Rect, size: Size) -> Rect {
    let inner = Block::bordered().inner(centred(screen, size));
    // One column of padding on each side where there is room.
    inner.inner(Margin::new(u16::from(inner.width > 20), 0))
}

/// The columns inside of a window that is `width` wide, on a screen that is large enough.
pub fn columns_inside(screen: Rect, width: u16) -> u16 {
    inside(screen, Size::new(width, u16::MAX)).width
}

/// In the middle; an odd spare row is above, where the header shows.
fn centred(screen: Rect, size: Size) -> Rect {
    screen.centered(
        Constraint::Length(size.width),
        Constraint::Length(size.height),
    )
}
