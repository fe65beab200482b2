//! The filter of a list, or the search in a text: what it looks for, and the field while the operator types it.

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use tui_input::Input;

use super::input::{draw_input, edit};
use super::text::Pen;
use crate::tui::theme::{Theme, Tone};
use crate::tui::widgets::input::Paste;

/// A filter. The list shows all rows while its text is empty.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    text: String,
    input: Option<Input>,
    /// What it looks at; shown while nothing is typed.
    hint: &'static str,
    is_search: bool,
}

impl Filter {
    /// A search in a text, of which all lines stay. It is gone with the text.
    pub fn search() -> Self {
        Self {
            is_search: true,
            ..Self::default()
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_active(&self) -> bool {
        !self.text.is_empty()
    }

    /// What Esc does to it, if it is active.
    pub fn undoes(&self) -> Option<&'static str> {
        self.is_active().then_some("clears the filter")
    }

    pub fn is_typed(&self) -> bool {
        self.input.is_some()
    }

    /// Opens the field with the current text. The hint says what the filter looks at.
    pub fn open(&mut self, hint: &'static str) {
        self.hint = hint;
        self.input = Some(Input::new(self.text.clone()));
    }

    /// Applies a text without its field.
    pub fn set(&mut self, text: &str) {
        self.input = None;
        text.trim().clone_into(&mut self.text);
    }

    /// Closes the field; the text stays.
    pub fn keep(&mut self) {
        self.input = None;
    }

    /// Closes the field and clears the text; returns whether there was any.
    pub fn clear(&mut self) -> bool {
        self.input = None;
        !std::mem::take(&mut self.text).is_empty()
    }

    /// Handles a key in the field; returns whether it took the key.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let Some(input) = &mut self.input else {
            return false;
        };
        let taken = edit(input, key);
        self.take_over();
        taken
    }

    pub fn paste(&mut self, text: &str) -> Paste {
        let Some(input) = &mut self.input else {
            return Paste::Refused;
        };
        let pasted = Paste::into_line(input, text);
        self.take_over();
        pasted
    }

    /// Applies what is typed. In a text, spaces count: "7 " is not in "70".
    fn take_over(&mut self) {
        let typed = self.input.as_ref().map_or("", Input::value);
        let text = if self.is_search { typed } else { typed.trim() };
        text.clone_into(&mut self.text);
    }

    /// Draws the open field; returns the cursor.
    pub fn draw(&self, theme: &Theme, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let input = self.input.as_ref()?;
        let mut pen = Pen::new(buf, area, 0);
        let word = if self.is_search {
            "search / "
        } else {
            "filter / "
        };
        pen.text(word, theme.bold(Tone::Accent));
        let x = draw_input(&mut pen, input, self.hint, theme);
        Some(Position::new(x, area.y))
    }
}
