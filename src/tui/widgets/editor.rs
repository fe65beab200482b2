//! A multi-line text editor, mostly for JSON. Knows no call and no account.
//!
//! Not `ratatui-textarea`: a body needs JSON in colours, control characters as escapes, an undo history limited in bytes,
//! and a refusal of text beyond the limit. Of this file only the cursor's moves would go.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Position, Rect};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::json::{self, Ink};
use super::list::List;
use super::text::cells;
use crate::domain::inert;
use crate::tui::theme::{Theme, Tone};

/// The most bytes it holds: the same limit as `request --data`.
const TEXT_MAX: usize = 1024 * 1024;
/// Bytes of earlier texts that can be undone.
const UNDO_MAX: usize = 4 * 1024 * 1024;
/// Lines that a page key moves.
const PAGE: usize = 10;

/// The lines, the cursor and the undo history.
#[derive(Debug, Clone)]
pub struct Editor {
    lines: Vec<String>,
    list: List,
    /// Bytes of the line before the cursor.
    at: usize,
    /// The column to return to after shorter lines, as other editors do.
    goal: Option<usize>,
    undo: Vec<(String, usize, usize)>,
    /// Whether the last change was a typed character: a run of them is undone together.
    typing: bool,
}

impl Editor {
    pub fn new(text: &str) -> Self {
        let mut editor = Self {
            lines: vec![String::new()],
            list: List::default(),
            at: 0,
            goal: None,
            undo: Vec::new(),
            typing: false,
        };
        editor.lines = lines_of(&clean(text));
        editor
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    pub fn is_blank(&self) -> bool {
        self.lines.iter().all(|line| line.trim().is_empty())
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    fn bytes(&self) -> usize {
        self.lines.iter().map(|line| line.len() + 1).sum()
    }

    /// Moves the cursor to a line and a byte in it, both counted from 0.
    pub fn go_to(&mut self, line: usize, byte: usize) {
        self.list.selected = line.min(self.lines.len() - 1);
        let line = self.line();
        self.at = line.floor_char_boundary(byte.min(line.len()));
        self.goal = None;
    }

    /// Replaces the whole text; can be undone.
    pub fn replace(&mut self, text: &str) {
        self.remember(false);
        self.lines = lines_of(&clean(text));
        // The new text may be shorter: `go_to` limits the cursor to it.
        let (line, at) = (self.list.selected, self.at);
        self.go_to(line, at);
    }

    pub fn undo(&mut self) -> bool {
        let Some((text, line, at)) = self.undo.pop() else {
            return false;
        };
        self.lines = lines_of(&text);
        self.typing = false;
        self.go_to(line, at);
        true
    }

    fn remember(&mut self, typing: bool) {
        if !(typing && self.typing) {
            self.undo.push((self.text(), self.list.selected, self.at));
            let mut kept = 0;
            let fits = |(text, ..): &&(String, usize, usize)| {
                // 64: the entry itself, so that many empty texts do not fill the memory.
                kept += text.len() + 64;
                kept <= UNDO_MAX
            };
            let fitting = self.undo.iter().rev().take_while(fits).count();
            self.undo.drain(..self.undo.len() - fitting);
        }
        self.typing = typing;
    }

    fn line(&self) -> &str {
        &self.lines[self.list.selected]
    }

    fn line_mut(&mut self) -> &mut String {
        &mut self.lines[self.list.selected]
    }

    pub fn key(&mut self, key: &KeyEvent, height: u16) -> Edited {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let edited = match (key.code, control, alt) {
            (KeyCode::Char(c), false, false) => {
                let shift = key.modifiers.contains(KeyModifiers::SHIFT);
                let c = if shift { c.to_ascii_uppercase() } else { c };
                self.insert(&clean(c.encode_utf8(&mut [0; 4])), true)
            }
            (KeyCode::Enter, _, _) => self.new_line(),
            (KeyCode::Backspace, false, false) | (KeyCode::Char('h'), true, false) => {
                let to = self.before(false);
                self.delete(to)
            }
            (KeyCode::Backspace, _, _) | (KeyCode::Char('w'), true, false) => {
                let to = self.before(true);
                self.delete(to)
            }
            (KeyCode::Delete, _, _) | (KeyCode::Char('d'), true, false) => {
                let to = self.after(false);
                self.delete(to)
            }
            (KeyCode::Char('k'), true, false) => {
                let end = (self.list.selected, self.line().len());
                // At the end of a line it joins the next one, as in Emacs and readline.
                let to = if self.at == end.1 {
                    self.after(false)
                } else {
                    end
                };
                self.delete(to)
            }
            (KeyCode::Char('u'), true, false) => self.delete((self.list.selected, 0)),
            _ => self.moved(key, control, alt),
        };
        self.list.fit(self.lines.len(), height);
        edited
    }

    fn moved(&mut self, key: &KeyEvent, control: bool, alt: bool) -> Edited {
        let (line, last) = (self.list.selected, self.lines.len() - 1);
        let vertical = match key.code {
            KeyCode::Up => Some(line.saturating_sub(1)),
            KeyCode::Down => Some((line + 1).min(last)),
            KeyCode::PageUp => Some(line.saturating_sub(PAGE)),
            KeyCode::PageDown => Some((line + PAGE).min(last)),
            _ => None,
        };
        self.typing = false;
        if let Some(to) = vertical {
            let goal = self.goal.unwrap_or_else(|| self.line()[..self.at].width());
            self.list.selected = to;
            self.at = byte_at(self.line(), goal);
            self.goal = Some(goal);
            return Edited::Moved;
        }
        let to = match (key.code, control || alt) {
            (KeyCode::Left, word) => self.before(word),
            (KeyCode::Right, word) => self.after(word),
            (KeyCode::Home, true) => (0, 0),
            (KeyCode::End, true) => (last, self.lines[last].len()),
            (KeyCode::Home, false) => {
                // First to the first non-blank character, then to the start of the line.
                let text = self.line();
                let first = text.len() - text.trim_start().len();
                (line, if self.at == first { 0 } else { first })
            }
            (KeyCode::Char('a'), true) => (line, 0),
            (KeyCode::End, false) | (KeyCode::Char('e'), true) => (line, self.line().len()),
            _ => return Edited::No,
        };
        self.go_to(to.0, to.1);
        Edited::Moved
    }

    /// The position one character or one word before the cursor.
    fn before(&self, word: bool) -> (usize, usize) {
        let (line, head) = (self.list.selected, &self.line()[..self.at]);
        if head.is_empty() {
            return match line.checked_sub(1) {
                Some(line) => (line, self.lines[line].len()),
                None => (0, 0),
            };
        }
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        let kept = if word {
            head.trim_end_matches(|c| !letter(c))
                .trim_end_matches(letter)
        } else {
            let mut letters = head.chars();
            letters.next_back();
            letters.as_str()
        };
        (line, kept.len())
    }

    /// The position one character or one word after the cursor.
    fn after(&self, word: bool) -> (usize, usize) {
        let (line, tail) = (self.list.selected, &self.line()[self.at..]);
        if tail.is_empty() {
            return if line + 1 < self.lines.len() {
                (line + 1, 0)
            } else {
                (line, self.at)
            };
        }
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        let left = if word {
            tail.trim_start_matches(|c| !letter(c))
                .trim_start_matches(letter)
        } else {
            let mut letters = tail.chars();
            letters.next();
            letters.as_str()
        };
        (line, self.line().len() - left.len())
    }

    /// Deletes the text between the cursor and another position.
    fn delete(&mut self, to: (usize, usize)) -> Edited {
        let here = (self.list.selected, self.at);
        if here == to {
            return Edited::Moved;
        }
        self.remember(false);
        let (from, till) = (here.min(to), here.max(to));
        let tail = self.lines[till.0][till.1..].to_owned();
        self.lines.drain(from.0 + 1..=till.0);
        self.lines[from.0].truncate(from.1);
        self.lines[from.0].push_str(&tail);
        self.go_to(from.0, from.1);
        Edited::Changed
    }

    fn new_line(&mut self) -> Edited {
        let head = &self.line()[..self.at];
        let indent = head.len() - head.trim_start_matches(' ').len();
        // The body is mostly JSON: after an opening bracket the next line is one step deeper.
        let deeper = head.trim_end().ends_with(['{', '[']);
        let indent = " ".repeat(indent + if deeper { 2 } else { 0 });
        self.insert(&format!("\n{indent}"), false)
    }

    fn insert(&mut self, text: &str, typing: bool) -> Edited {
        // Not cut: a body without its end would be sent as another body.
        if self.bytes() + text.len() > TEXT_MAX {
            return Edited::Full;
        }
        self.remember(typing);
        let at = self.at;
        let tail = self.line_mut().split_off(at);
        let mut parts = text.split('\n');
        let first = parts.next().unwrap_or_default();
        self.line_mut().push_str(first);
        let more: Vec<String> = parts.map(str::to_owned).collect();
        let line = self.list.selected;
        self.list.selected += more.len();
        let below = self.lines.split_off(line + 1);
        self.lines.extend(more);
        self.lines.extend(below);
        self.at = self.line().len();
        self.line_mut().push_str(&tail);
        self.goal = None;
        Edited::Changed
    }

    /// Inserts a pasted text at the cursor.
    pub fn paste(&mut self, text: &str, height: u16) -> Edited {
        let edited = self.insert(&clean(text), false);
        self.list.fit(self.lines.len(), height);
        edited
    }

    /// Draws the visible lines; returns the cursor.
    pub fn draw(&self, area: Rect, theme: &Theme, buf: &mut Buffer) -> Option<Position> {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return None;
        }
        let column = self.line()[..self.at].width();
        let left = (column + 1).saturating_sub(usize::from(area.width));
        let shown = self.list.window(self.lines.len(), area.height);
        for (at, line) in shown.clone().zip(area.rows()) {
            // Only the cursor's line scrolls sideways.
            let left = if at == self.list.selected { left } else { 0 };
            draw_line(&self.lines[at], left, line, theme, buf);
        }
        let row = self.list.selected - shown.start;
        let across = area.x + cells(column - left);
        Some(Position::new(across, area.y + cells(row)))
    }
}

/// What a key did to an editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    No,
    Moved,
    Changed,
    /// The text would be too long; nothing changed.
    Full,
}

fn draw_line(text: &str, left: usize, area: Rect, theme: &Theme, buf: &mut Buffer) {
    let mut ink = Ink::default();
    let (mut column, right) = (0, left + usize::from(area.width));
    for (at, c) in text.char_indices() {
        let kind = ink.step(c, &text[at + c.len_utf8()..]);
        let wide = c.width().unwrap_or(0);
        if column + wide > right {
            buf.set_string(area.right() - 1, area.y, "…", theme.bold(Tone::Warn));
            return;
        }
        if column >= left {
            let x = area.x + cells(column - left);
            let room = usize::from(area.right() - x);
            let style = json::style(theme, kind);
            buf.set_stringn(x, area.y, c.encode_utf8(&mut [0; 4]), room, style);
        }
        column += wide;
    }
}

fn lines_of(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

/// The byte of a line at a column, or its end.
fn byte_at(line: &str, column: usize) -> usize {
    let mut used = 0;
    for (at, c) in line.char_indices() {
        if used >= column {
            return at;
        }
        used += c.width().unwrap_or(0);
    }
    line.len()
}

/// Line feeds as line ends, tabs as spaces, and characters that could harm the terminal as JSON escapes: inside a
/// JSON string these mean the same, outside of one both are an error.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\r' => {
                letters.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' => out.push('\n'),
            '\t' => out.push_str("  "),
            c if inert::is_hostile(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(editor: &mut Editor, keys: &[KeyCode]) {
        for code in keys {
            editor.key(&KeyEvent::new(*code, KeyModifiers::NONE), 10);
        }
    }

    #[test]
    fn letters_lines_and_words() {
        let mut editor = Editor::new("{\"ż\": 1}");
        press(
            &mut editor,
            &[KeyCode::End, KeyCode::Left, KeyCode::Char('2')],
        );
        assert_eq!(editor.text(), "{\"ż\": 12}");
        press(
            &mut editor,
            &[KeyCode::Home, KeyCode::Right, KeyCode::Enter],
        );
        assert_eq!(editor.text(), "{\n  \"ż\": 12}", "one step deeper");
        press(&mut editor, &[KeyCode::End, KeyCode::Left]);
        editor.key(
            &KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL),
            10,
        );
        assert_eq!(editor.text(), "{\n  \"ż\": }");
        press(
            &mut editor,
            &[KeyCode::Home, KeyCode::Home, KeyCode::Backspace],
        );
        assert_eq!(editor.text(), "{  \"ż\": }");
        press(&mut editor, &[KeyCode::End, KeyCode::Delete, KeyCode::Down]);
        assert_eq!(editor.text(), "{  \"ż\": }");
        while editor.undo() {}
        assert_eq!(editor.text(), "{\"ż\": 1}");
    }

    #[test]
    fn the_column_stays_across_short_lines() {
        let mut editor = Editor::new("漢字漢字\n\nabcdefgh");
        press(&mut editor, &[KeyCode::End, KeyCode::Down, KeyCode::Down]);
        assert_eq!((editor.list.selected, editor.at), (2, 8));
        press(&mut editor, &[KeyCode::Up, KeyCode::Left]);
        assert_eq!((editor.list.selected, editor.at), (0, 12));
    }

    #[test]
    fn a_large_paste_is_inserted_whole_and_escaped() {
        let mut editor = Editor::new("[]");
        press(&mut editor, &[KeyCode::Right]);
        let large = format!(
            "\"{}\",\r\n\"\u{1b}\u{200d}\u{e0001}\"",
            "x".repeat(100_000)
        );
        assert_eq!(editor.paste(&large, 10), Edited::Changed);
        let text = editor.text();
        assert!(text.ends_with("\",\n\"\\u001b\\u200d\\udb40\\udc01\"]"));
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        assert_eq!(editor.paste(&"y".repeat(TEXT_MAX), 10), Edited::Full);
        assert_eq!(editor.text(), text);
        let area = Rect::new(0, 0, 20, 3);
        let mut buf = Buffer::empty(area);
        let theme = Theme::new(&crate::domain::Ui::default(), None, true);
        let cursor = editor.draw(area, &theme, &mut buf).unwrap();
        assert!(area.contains(cursor));
    }
}
