//! What operators note about payments.

use super::id::{IdError, Rule};
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
    const RULE: Rule = Rule {
        what: "the note",
        max: LONGEST,
        accepts: |c| !inert::is_hostile(c),
        accepted: "one line without control or invisible characters is accepted",
    };

    /// The text of a new note, without spaces around it, and as [`Note::pasted`].
    ///
    /// # Errors
    /// If it is empty, too long, or has a control character or an invisible one.
    pub fn typed(text: &str) -> Result<String, IdError> {
        let text = Self::pasted(text);
        let text = text.trim();
        Self::RULE.check(text)?;
        Ok(text.to_owned())
    }

    /// A text without the invisible characters that choose between the emoji and the text form of the one before them:
    /// keyboards add them unseen.
    pub fn pasted(text: &str) -> String {
        text.replace(['\u{fe0e}', '\u{fe0f}'], "")
    }

    /// Text and author: "refunded by hand (anna)".
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
        assert_eq!(
            Note::typed("refunded ❤\u{fe0f}"),
            Ok("refunded ❤".to_owned())
        );
        assert_eq!(Note::typed("a\u{fffd}b"), Ok("a\u{fffd}b".to_owned()));
        for (text, why) in [
            (" ", "the note is empty"),
            ("\u{fe0f}", "the note is empty"),
            ("a\nb", "the note has U+000A at position 2"),
            ("a\u{1b}[2Jb", "the note has U+001B at position 2"),
            ("a\u{202e}b", "the note has U+202E at position 2"),
            ("👨\u{200d}👧", "the note has U+200D at position 2"),
            (
                &"x".repeat(501),
                "the note has 501 characters; at most 500 are accepted",
            ),
        ] {
            let refused = Note::typed(text).unwrap_err().to_string();
            assert!(refused.contains(why), "{text:?}: {refused}");
        }
    }
}
