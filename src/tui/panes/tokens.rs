//! Access tokens: their state and countdown, never their value. No provider that is built in uses any.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Look;
use crate::tui::theme::Tone;
use crate::tui::widgets::text::{below, paragraph};

pub fn view(look: Look<'_>, area: Rect, buf: &mut Buffer) {
    let using: Vec<&str> = look
        .store
        .accounts
        .iter()
        .filter(|known| known.account.uses_access_tokens)
        .map(|known| known.id().as_str())
        .collect();
    if using.is_empty() {
        let short = "none: each call is signed";
        let long = "No account here uses access tokens.";
        let tight = area.height < 2;
        let rows = paragraph(
            buf,
            area,
            if tight { short } else { long },
            look.theme.style(Tone::Plain),
        );
        paragraph(
            buf,
            below(area, rows),
            "Kanga signs each request with its secret; nothing expires.",
            look.theme.style(Tone::Dim),
        );
    } else {
        let text = format!("{}: no token fetched yet.", using.join(", "));
        paragraph(buf, area, &text, look.theme.style(Tone::Dim));
    }
}
