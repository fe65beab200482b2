//! JSON laid out for reading. Only the space between tokens changes: a number shows exactly as it was
//! received.

use std::fmt::Write as _;

use ratatui::style::Style;
use serde::de::IgnoredAny;

use crate::domain::{bad_json, inert};
use crate::tui::theme::{Theme, Tone};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// An object or an array.
    Whole(Lines),
    /// An object or an array that ends too early.
    Torn(Lines),
    /// Not an object or array; with the parser's message.
    Not(String),
}

/// The text without space between tokens, control characters escaped, and the bounds of its lines. Indentation is a
/// number: written out it could be far longer than the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    pub text: String,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub from: usize,
    pub to: usize,
    pub indent: u16,
}

pub fn read(text: &str) -> Reading {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let error = serde_json::from_slice::<IgnoredAny>(text.as_bytes()).err();
    let nested = text.starts_with(['{', '[']);
    match error {
        None if nested => Reading::Whole(lines(text)),
        Some(error) if nested && error.is_eof() => Reading::Torn(lines(text)),
        None => Reading::Not("a single value".into()),
        Some(error) => Reading::Not(bad_json(&error)),
    }
}

/// The text indented, or `None` where it is not a JSON object or array.
pub fn indented(text: &str) -> Option<String> {
    let Reading::Whole(read) = read(text) else {
        return None;
    };
    let mut out = String::with_capacity(read.text.len() * 2);
    for (at, line) in read.lines.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        out.extend(std::iter::repeat_n(' ', usize::from(line.indent)));
        out.push_str(&read.text[line.from..line.to]);
    }
    Some(out)
}

/// Splits a JSON text into lines; it may end too early.
fn lines(text: &str) -> Lines {
    let mut out = Lines {
        text: String::with_capacity(text.len() + text.len() / 8),
        lines: Vec::with_capacity(text.len() / 24),
    };
    let (mut from, mut indent, mut depth) = (0, 0, 0_u16);
    let mut letters = text.chars().peekable();
    let mut end = |out: &mut Lines, indent: &mut u16, depth: u16| {
        out.lines.push(Line {
            from,
            to: out.text.len(),
            indent: *indent,
        });
        from = out.text.len();
        *indent = depth * 2;
    };
    while let Some(c) = letters.next() {
        match c {
            '"' => {
                out.text.push(c);
                while let Some(c) = letters.next() {
                    push(&mut out.text, c);
                    match c {
                        // The escaped character, so that `\"` does not end the string.
                        '\\' => out.text.extend(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.text.push(c);
                // An empty object or array stays on one line.
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = letters.next_if(|c| matches!(c, '}' | ']')) {
                    out.text.push(close);
                } else {
                    depth += 1;
                    end(&mut out, &mut indent, depth);
                }
            }
            '}' | ']' => {
                // A body that is cut off or wrong may close more than it opened.
                depth = depth.saturating_sub(1);
                end(&mut out, &mut indent, depth);
                out.text.push(c);
            }
            ',' => {
                out.text.push(c);
                end(&mut out, &mut indent, depth);
            }
            ':' => out.text.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => push(&mut out.text, c),
        }
    }
    // A text that ends too early has a last line without its end.
    if out.lines.last().is_none_or(|line| line.to < out.text.len()) {
        end(&mut out, &mut indent, depth);
    }
    out
}

fn push(out: &mut String, c: char) {
    if inert::is_hostile(c) {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

/// The part of JSON that a character belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    Mark,
    Key,
    Text,
    Number,
    Word,
}

/// A tokenizer that goes one character at a time, so that drawing can start at any row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ink {
    kind: Kind,
    escaped: bool,
}

impl Ink {
    /// The kind of `c`; `rest` is the text after it.
    pub fn step(&mut self, c: char, rest: &str) -> Kind {
        if matches!(self.kind, Kind::Key | Kind::Text) {
            let kind = self.kind;
            match (self.escaped, c) {
                (true, _) => self.escaped = false,
                (false, '\\') => self.escaped = true,
                (false, '"') => self.kind = Kind::Mark,
                _ => {}
            }
            return kind;
        }
        self.kind = match c {
            '"' if is_key(rest) => Kind::Key,
            '"' => Kind::Text,
            '-' | '0'..='9' => Kind::Number,
            '+' | '.' | 'e' | 'E' if self.kind == Kind::Number => Kind::Number,
            'a'..='z' => Kind::Word,
            _ => Kind::Mark,
        };
        self.kind
    }
}

/// Whether the string that begins here is followed by a colon: then it is a name.
fn is_key(rest: &str) -> bool {
    let mut escaped = false;
    let close = rest.bytes().position(|b| {
        let closes = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        closes
    });
    close.is_some_and(|at| {
        rest[at + 1..]
            .bytes()
            .find(|b| !b.is_ascii_whitespace())
            .is_some_and(|b| b == b':')
    })
}

pub fn style(theme: &Theme, kind: Kind) -> Style {
    match kind {
        Kind::Mark => theme.style(Tone::Dim),
        Kind::Key => theme.style(Tone::Accent),
        Kind::Text => theme.style(Tone::Good),
        Kind::Number => theme.style(Tone::Busy),
        Kind::Word => theme.bold(Tone::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_were_received() {
        assert_eq!(
            indented(r#"{"b":1E2,"a":"x:,{\"","n":[ ],"l":[0.10,{"b":2}],"b":3}"#).unwrap(),
            "{\n  \"b\": 1E2,\n  \"a\": \"x:,{\\\"\",\n  \"n\": [],\n  \"l\": [\n    0.10,\n    {\n      \"b\": 2\n    }\n  ],\n  \"b\": 3\n}"
        );
        assert_eq!(indented(r#"{"torn":"#), None);
        assert_eq!(indented("plain"), None);
        assert_eq!(indented(""), None);
    }

    #[test]
    fn incomplete_json_is_laid_out_as_far_as_it_goes() {
        let Reading::Torn(read) = read("{\"a\": [1,\n 2, \"x") else {
            panic!("it is incomplete");
        };
        let shown: Vec<_> = read
            .lines
            .iter()
            .map(|line| (line.indent, &read.text[line.from..line.to]))
            .collect();
        assert_eq!(
            shown,
            [(0, "{"), (2, "\"a\": ["), (4, "1,"), (4, "2,"), (4, "\"x")]
        );
        assert!(matches!(super::read("{]"), Reading::Not(_)));
        assert!(matches!(super::read("{"), Reading::Torn(_)));
        assert!(matches!(super::read("<html>"), Reading::Not(_)));
    }

    #[test]
    fn hostile_letters_in_strings_are_inert() {
        let Reading::Whole(read) = read("{\"a\":\"\u{202e}\u{7f}x\"}") else {
            panic!("it is JSON");
        };
        assert_eq!(read.text, "{\"a\": \"\\u{202e}\\u{7f}x\"}");
    }

    #[test]
    fn every_letter_has_its_meaning() {
        let text = r#"{"k\"": "v:", "n": -1.5E+3, "w": [true, null]}"#;
        let mut ink = Ink::default();
        let kinds: String = text
            .char_indices()
            .map(|(at, c)| match ink.step(c, &text[at + c.len_utf8()..]) {
                Kind::Mark => ' ',
                Kind::Key => 'k',
                Kind::Text => 't',
                Kind::Number => 'n',
                Kind::Word => 'w',
            })
            .collect();
        assert_eq!(kinds, " kkkkk  tttt  kkk  nnnnnnn  kkk   wwww  wwww  ");
    }
}
