//! Text from outside, made harmless: control and escape characters, bidi overrides and invisible
//! characters are shown escaped, over-long text is cut with the cut shown.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character could move the cursor, recolour the screen, reorder or hide text.
pub fn is_hostile(c: char) -> bool {
    // Controls, then what Unicode calls default-ignorable or uses for direction: it takes no space on screen, or
    // reorders what does.
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// One line of text with every hostile character (line breaks too) written as an escape: `\n`, `\u{1b}`.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Text of several lines: line feeds and tabs stay, all else as in [`line()`]. A carriage return before a
/// line feed is dropped.
pub fn block(text: &str) -> Cow<'_, str> {
    match escape(text, |c| matches!(c, '\n' | '\t')) {
        Cow::Owned(escaped) if escaped.contains("\\r\n") => {
            Cow::Owned(escaped.replace("\\r\n", "\n"))
        }
        other => other,
    }
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |c: char| is_hostile(c) && !keep(c);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !bad(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    Cow::Owned(out)
}

/// Words in which [`line()`] made something inert, with the characters themselves: for JSON, which has escapes of its own.
pub fn unescaped(words: &str) -> Cow<'_, str> {
    const BEGIN: &str = "\\u{";
    if !words.contains(BEGIN) {
        return Cow::Borrowed(words);
    }
    let mut out = String::with_capacity(words.len());
    let mut rest = words;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        out.push_str(before);
        let escaped = after.split_once('}').and_then(|(code, after)| {
            let code = u32::from_str_radix(code, 16).ok()?;
            Some((char::from_u32(code)?, after))
        });
        // What is cut, or not of our making, has no character.
        let (c, after) = escaped.unwrap_or((char::REPLACEMENT_CHARACTER, after));
        out.push(c);
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// JSON, on one line, with every hostile character written as JSON's own escape, so that no reader loses any.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) {
            // JSON escapes UTF-16 units (RFC 8259, 7).
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// At most `max` characters of one line, escaped, with `…` where something was cut.
pub fn cut(text: &str, max: usize) -> String {
    let escaped = line(text);
    if escaped.chars().count() <= max {
        return escaped.into_owned();
    }
    // Escaped first, then cut: an escape that is cut in half shows nothing hostile.
    let mut out: String = escaped.chars().take(max.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// [`cut`] between backquotes, for use in a sentence.
pub fn quoted(text: &str, max: usize) -> String {
    format!("`{}`", cut(text, max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_inert() {
        assert_eq!(
            line("\u{1b}[2Jboo\u{7}\u{202e}x\u{9b}31m"),
            "\\u{1b}[2Jboo\\u{7}\\u{202e}x\\u{9b}31m"
        );
        assert_eq!(line("a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(block("a\r\nb\tc\u{0}"), "a\nb\tc\\u{0}");
        assert_eq!(line("plain zażółć 漢字"), "plain zażółć 漢字");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(quoted("a\u{200b}b", 20), "`a\\u{200b}b`");
        for text in ["plain", "\u{1b}[2J\u{7}\u{202e}x\u{e0001}"] {
            assert_eq!(unescaped(&line(text)), text);
        }
        assert_eq!(
            unescaped(r"\u{1b \u{zz} \u{"),
            "\u{fffd}1b \u{fffd}zz} \u{fffd}"
        );
    }
}
