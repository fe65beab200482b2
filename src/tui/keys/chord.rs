//! One key with its modifiers: as a terminal reports it, as the config file writes it, as the screen shows it.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// Normalises what terminals report: Shift becomes part of the character, and `BackTab` becomes Shift-Tab.
    pub fn of(key: &KeyEvent) -> Self {
        let mut modifiers =
            key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match key.code {
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            KeyCode::Char(c) => {
                let shifted = modifiers.contains(KeyModifiers::SHIFT);
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(if shifted { c.to_ascii_uppercase() } else { c })
            }
            other => other,
        };
        Self { code, modifiers }
    }

    /// Whether a text field takes it as a letter.
    pub fn is_text(self) -> bool {
        matches!(self.code, KeyCode::Char(_))
            && !self
                .modifiers
                .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
    }

    /// Reads `ctrl-p`, `shift-tab`, `G`, `f5`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        while let Some((modifier, after)) = rest.split_once('-').filter(|(_, r)| !r.is_empty()) {
            modifiers |= match modifier.to_ascii_lowercase().as_str() {
                "ctrl" => KeyModifiers::CONTROL,
                "alt" => KeyModifiers::ALT,
                "shift" => KeyModifiers::SHIFT,
                _ => return None,
            };
            rest = after;
        }
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => named(&rest.to_ascii_lowercase())?,
        };
        Some(Self::of(&KeyEvent::new(code, modifiers)))
    }
}

/// The keys that have a name, besides F1 to F24: as the config file writes it, as the screen shows it.
const NAMED: [(&str, &str, KeyCode); 15] = [
    ("enter", "Enter", KeyCode::Enter),
    ("esc", "Esc", KeyCode::Esc),
    ("tab", "Tab", KeyCode::Tab),
    ("space", "Space", KeyCode::Char(' ')),
    ("up", "↑", KeyCode::Up),
    ("down", "↓", KeyCode::Down),
    ("left", "←", KeyCode::Left),
    ("right", "→", KeyCode::Right),
    ("pgup", "PgUp", KeyCode::PageUp),
    ("pgdn", "PgDn", KeyCode::PageDown),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("backspace", "Backspace", KeyCode::Backspace),
    ("delete", "Delete", KeyCode::Delete),
    ("insert", "Insert", KeyCode::Insert),
];

const MODIFIERS: [(&str, &str, KeyModifiers); 3] = [
    ("ctrl-", "Ctrl-", KeyModifiers::CONTROL),
    ("alt-", "Alt-", KeyModifiers::ALT),
    ("shift-", "Shift-", KeyModifiers::SHIFT),
];

fn named(word: &str) -> Option<KeyCode> {
    let known = NAMED.iter().find(|(name, ..)| *name == word);
    known.map(|(.., code)| *code).or_else(|| {
        let number = word.strip_prefix('f')?.parse().ok();
        number.filter(|n| (1..=24).contains(n)).map(KeyCode::F)
    })
}

impl Chord {
    /// As the config file writes it: `ctrl-p`.
    pub fn written(self) -> String {
        let held = self.held().map(|(name, ..)| *name).collect::<String>();
        match (self.name(), self.code) {
            (Some((name, ..)), _) => format!("{held}{name}"),
            (None, KeyCode::Char(letter)) => format!("{held}{letter}"),
            (None, KeyCode::F(number)) => format!("{held}f{number}"),
            (None, _) => String::new(),
        }
    }

    fn held(self) -> impl Iterator<Item = &'static (&'static str, &'static str, KeyModifiers)> {
        let modifiers = MODIFIERS.iter();
        modifiers.filter(move |(.., it)| self.modifiers.contains(*it))
    }

    fn name(self) -> Option<&'static (&'static str, &'static str, KeyCode)> {
        NAMED.iter().find(|(.., code)| *code == self.code)
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, name, _) in self.held() {
            f.write_str(name)?;
        }
        let has_control = self.modifiers.contains(KeyModifiers::CONTROL);
        match (self.name(), self.code) {
            (Some((_, name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) if has_control => write!(f, "{}", c.to_ascii_uppercase()),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, KeyCode::F(n)) => write!(f, "F{n}"),
            (None, _) => f.write_str("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_may_report_shift_either_way() {
        let upper = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::NONE);
        let kitty = KeyEvent::new(KeyCode::Char('g'), KeyModifiers::SHIFT);
        assert_eq!(Chord::of(&upper), Chord::of(&kitty));
        let back = KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT);
        assert_eq!(Some(Chord::of(&back)), Chord::parse("shift-tab"));
        assert_eq!(Chord::parse("ctrl-p").unwrap().to_string(), "Ctrl-P");
        assert_eq!(Chord::parse("-").unwrap().to_string(), "-");
    }
}
