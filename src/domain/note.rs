//! What operators note about payments.

use super::{WallTime, inert};

/// A note on a payment. It is never changed; a later one follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// One line, inert.
    pub text: String,
    /// When it was written.
    pub at: WallTime,
    /// By which operator, in a ledger that a team shares; empty in one of this machine alone.
    pub operator: String,
}

/// The longest text of a note, in characters.
const LONGEST: usize = 500;

impl Note {
    /// The text of a new note, without spaces around it.
    ///
    /// # Errors
    /// Why it cannot be saved: it is empty, too long, or has control characters.
    pub fn typed(text: &str) -> Result<String, String> {
        let text = text.trim();
        let length = text.chars().count();
        if text.is_empty() {
            Err("a note needs a text".to_owned())
        } else if length > LONGEST {
            Err(format!(
                "a note has at most {LONGEST} characters; this one has {length}"
            ))
        } else if text.chars().any(inert::is_hostile) {
            Err("a note is one line of plain text, without control characters".to_owned())
        } else {
            Ok(text.to_owned())
        }
    }

    /// Text and author: "refunded by hand (anna)".
    #[must_use]
    pub fn signed(&self) -> String {
        if self.operator.is_empty() {
            self.text.clone()
        } else {
            format!("{} ({})", self.text, self.operator)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_of_text() {
        assert_eq!(
            Note::typed("  refunded, ślad #12 "),
            Ok("refunded, ślad #12".to_owned())
        );
        for (text, why) in [
            (" ", "needs a text"),
            ("a\nb", "control characters"),
            ("a\u{1b}[2Jb", "control characters"),
            ("a\u{202e}b", "control characters"),
            (&"x".repeat(501), "this one has 501"),
        ] {
            let refused = Note::typed(text).unwrap_err();
            assert!(refused.contains(why), "{text:?}: {refused}");
        }
    }
}
