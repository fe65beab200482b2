//! The frames of panes and windows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Block, Clear, Widget as _};

use super::text::{Pen, width};
use crate::tui::theme::{Theme, Tone};

/// The frame of a pane or a window.
pub struct Framed<'a> {
    pub theme: &'a Theme,
    pub focused: bool,
    /// Whether an account with real money is involved; the frame then has its own colour.
    pub live: bool,
    pub title: &'a str,
    /// Text at the right of the title, with its tone.
    pub note: Option<(&'a str, Tone)>,
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
        let top = Rect {
            x: area.x + 2,
            width: area.width - 4,
            height: 1,
            ..area
        };
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
        let mut pen = Pen::new(buf, top, 0);
        pen.text(&format!(" {} ", self.title), bare.patch(style));
        if let Some((note, tone)) = self.note {
            let note = format!(" {note} ");
            if width(&note) < pen.left() {
                pen.flush(&note, bare.patch(self.theme.style(tone)));
            }
        }
        inner
    }
}

/// A centred window, at most `width` by `height`, cleared and framed; returns the area inside.
pub fn window(
    buf: &mut Buffer,
    screen: Rect,
    theme: &Theme,
    title: &str,
    (width, height): (u16, u16),
    live: bool,
) -> Rect {
    let area = centred(screen, width, height);
    Clear.render(area, buf);
    let inner = Framed {
        theme,
        focused: true,
        live,
        title,
        note: None,
    }
    .draw(area, buf);
    // One column of padding on each side where there is room.
    if inner.width > 20 {
        Rect {
            x: inner.x + 1,
            width: inner.width - 2,
            ..inner
        }
    } else {
        inner
    }
}

pub fn centred(screen: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    }
}
