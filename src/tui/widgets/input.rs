//! A line that is typed: its keys, its paste, and how it is drawn.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

use super::text::{Pen, cells};
use crate::domain::inert;
use crate::tui::theme::{Theme, Tone};

/// The most characters of a field. Far more than any valid value, so that a text that is too long is refused with
/// its length and not cut without a word.
pub const TYPED_MAX: usize = 16 * 1024;
/// Replaces a character of a pasted text that cannot be typed: it is visible, and `Form::find_error` refuses it.
pub const UNTYPEABLE: char = '\u{fffd}';

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paste {
    /// Nothing here takes text.
    Refused,
    Whole,
    /// Only the first line has a place.
    FirstLine,
}

impl Paste {
    /// Pastes into a line that is being typed.
    pub fn into_line(input: &mut Input, text: &str) -> Self {
        paste(input, text);
        if first_line(text).1 {
            Self::FirstLine
        } else {
            Self::Whole
        }
    }
}

/// A line that is being typed, scrolled so that the cursor is visible; returns the cursor's column.
pub fn draw_input(pen: &mut Pen<'_>, input: &Input, hint: &str, theme: &Theme) -> u16 {
    let from = pen.x();
    let room = usize::from(pen.left()).saturating_sub(1);
    if input.value().is_empty() {
        pen.text(hint, theme.style(Tone::Dim));
        return from;
    }
    let scrolled = input.visual_scroll(room);
    let mut hidden = 0;
    let mut shown: String = input
        .value()
        .chars()
        .skip_while(|c| {
            let skip = hidden < scrolled;
            hidden += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
            skip
        })
        .collect();
    if scrolled > 0
        && let Some(first) = shown.chars().next()
    {
        // The cursor is at the right end of a scrolled line, so the mark covers no character that is being edited.
        let wide = unicode_width::UnicodeWidthChar::width(first).unwrap_or(0);
        let mark = format!("…{}", " ".repeat(wide.saturating_sub(1)));
        shown.replace_range(..first.len_utf8(), &mark);
    }
    pen.text(&shown, theme.style(Tone::Plain));
    from + cells(input.visual_cursor().saturating_sub(scrolled).min(room))
}

/// What a key asks of a text line.
pub fn request(key: &KeyEvent) -> Option<InputRequest> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(match (key.code, control, alt) {
        (KeyCode::Char(c), false, false) if !inert::is_hostile(c) => {
            let c = if key.modifiers.contains(KeyModifiers::SHIFT) {
                c.to_ascii_uppercase()
            } else {
                c
            };
            InputRequest::InsertChar(c)
        }
        (KeyCode::Backspace, false, false) | (KeyCode::Char('h'), true, false) => {
            InputRequest::DeletePrevChar
        }
        (KeyCode::Backspace, _, _) | (KeyCode::Char('w'), true, false) => {
            InputRequest::DeletePrevWord
        }
        (KeyCode::Delete, _, _) => InputRequest::DeleteNextChar,
        (KeyCode::Left, false, false) => InputRequest::GoToPrevChar,
        (KeyCode::Right, false, false) => InputRequest::GoToNextChar,
        (KeyCode::Left, _, _) => InputRequest::GoToPrevWord,
        (KeyCode::Right, _, _) => InputRequest::GoToNextWord,
        (KeyCode::Home, _, _) | (KeyCode::Char('a'), true, false) => InputRequest::GoToStart,
        (KeyCode::End, _, _) | (KeyCode::Char('e'), true, false) => InputRequest::GoToEnd,
        (KeyCode::Char('u'), true, false) => InputRequest::DeleteFromStart,
        (KeyCode::Char('k'), true, false) => InputRequest::DeleteTillEnd,
        _ => return None,
    })
}

/// The usual keys of a text line; returns whether it changed.
pub fn edit(input: &mut Input, key: &KeyEvent) -> bool {
    let is_full = input.value().len() >= TYPED_MAX;
    let request = request(key).filter(|it| !(is_full && matches!(it, InputRequest::InsertChar(_))));
    if let Some(request) = request {
        input.handle(request);
    }
    request.is_some()
}

/// Inserts the first line of a pasted text at the cursor. A character that cannot be typed is marked, not dropped:
/// an id without it would be another id.
pub fn paste(input: &mut Input, text: &str) {
    let value = input.value();
    let pasted = typeable(text, TYPED_MAX.saturating_sub(value.chars().count()));
    let at = input.cursor();
    let split = value
        .char_indices()
        .nth(at)
        .map_or(value.len(), |(place, _)| place);
    let (before, after) = value.split_at(split);
    let cursor = at + pasted.chars().count();
    *input = Input::new(format!("{before}{pasted}{after}")).with_cursor(cursor);
}

/// The first line of a pasted text, and whether there are more. Terminals send a carriage return for a line end.
pub fn first_line(text: &str) -> (&str, bool) {
    let text = text.trim();
    match text.split_once(['\r', '\n']) {
        Some((first, _)) => (first.trim_end(), true),
        None => (text, false),
    }
}

/// The first line, with a mark for each character that cannot be typed, and cut after `max` characters.
pub fn typeable(text: &str, max: usize) -> String {
    first_line(text)
        .0
        .chars()
        .map(|c| if inert::is_hostile(c) { UNTYPEABLE } else { c })
        .take(max)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    #[test]
    fn a_line_whose_start_is_scrolled_off_begins_with_a_mark() {
        let theme = Theme::new(&crate::domain::Ui::default(), None, true);
        let drawn = |text: &str| {
            let area = Rect::new(0, 0, 8, 1);
            let mut buf = Buffer::empty(area);
            let input = Input::new(text.into());
            draw_input(&mut Pen::new(&mut buf, area, 0), &input, "", &theme);
            let cells = buf.content.iter().map(ratatui::buffer::Cell::symbol);
            cells.collect::<String>().trim_end().to_owned()
        };
        assert_eq!(drawn("ORDER-7"), "ORDER-7");
        assert_eq!(drawn("ORDER-1042"), "…R-1042");
    }

    #[test]
    fn a_paste_is_inserted_at_the_cursor_and_drops_nothing_silently() {
        let mut input = Input::new("ażd".into()).with_cursor(2);
        paste(&mut input, "  b\u{1b}[c\rnext line");
        assert_eq!(
            (input.value(), input.cursor()),
            ("ażb\u{fffd}[cd", 6),
            "after the pasted text"
        );
        paste(&mut input, &"漢".repeat(20_000));
        assert_eq!(input.value().chars().count(), TYPED_MAX);
        assert!(input.value().ends_with("漢d"));
    }
}
