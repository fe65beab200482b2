//! JSON errors in plain words: `serde_json` speaks of `EOF` and `value`s to the author of a parser.

use serde_json::Error;

/// What `serde_json` says of a syntax error, and what the operator reads. Its texts are not part of its contract: one
/// that is not listed is shown as it is.
const SYNTAX: [(&str, &str); 11] = [
    ("expected value", "a value is missing or not valid"),
    ("expected ident", "a word is not true, false or null"),
    ("expected `:`", "a `:` is missing"),
    ("expected `,` or `]`", "a `,` or `]` is missing"),
    ("expected `,` or `}`", "a `,` or `}` is missing"),
    ("key must be a string", "a name is not in double quotes"),
    ("trailing comma", "there is a comma too many"),
    ("trailing characters", "more text follows the JSON"),
    ("invalid number", "a number is not valid"),
    ("invalid escape", r"a `\` is followed by a wrong character"),
    (
        "control character",
        r"a text contains a line break or control character; write \n or \t",
    ),
];

/// What is wrong, without its place.
#[must_use]
pub fn words(error: &Error) -> String {
    if error.is_eof() {
        return "the JSON ends too early".into();
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let known = SYNTAX
        .iter()
        .find(|(begin, _)| error.is_syntax() && text.starts_with(begin));
    known.map_or(text, |(_, words)| words).to_owned()
}

/// What is wrong, and where: `the JSON ends too early (line 3, column 1)`.
#[must_use]
pub fn describe(error: &Error) -> String {
    let words = words(error);
    // An error of a value that was parsed before has no place.
    if error.line() == 0 {
        return words;
    }
    format!("{words} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_errors_are_described_in_plain_words() {
        for (text, expected) in [
            ("", "the JSON ends too early (line 1, column 0)"),
            ("{\n", "the JSON ends too early (line 2, column 0)"),
            ("[x]", "a value is missing or not valid (line 1, column 2)"),
            (
                "[nul]",
                "a word is not true, false or null (line 1, column 5)",
            ),
            ("{\"a\" 1}", "a `:` is missing (line 1, column 6)"),
            ("[1 2]", "a `,` or `]` is missing (line 1, column 4)"),
            ("{\"a\":1 2}", "a `,` or `}` is missing (line 1, column 8)"),
            ("{a:1}", "a name is not in double quotes (line 1, column 2)"),
            ("[1,]", "there is a comma too many (line 1, column 4)"),
            ("[] x", "more text follows the JSON (line 1, column 4)"),
            ("[01]", "a number is not valid (line 1, column 3)"),
            (
                "[\"\\q\"]",
                "a `\\` is followed by a wrong character (line 1, column 4)",
            ),
            (
                "[\"a\nb\"]",
                "a text contains a line break or control character; write \\n or \\t (line 2, column 0)",
            ),
        ] {
            let error = serde_json::from_str::<serde_json::Value>(text).unwrap_err();
            assert_eq!(describe(&error), expected, "{text}");
        }
        let wrong = serde_json::from_str::<Vec<u8>>("[\"a\"]").unwrap_err();
        assert_eq!(
            describe(&wrong),
            "invalid type: string \"a\", expected u8 (line 1, column 4)"
        );
        let placeless = serde_json::from_value::<u8>(serde_json::Value::Null).unwrap_err();
        assert_eq!(describe(&placeless), "invalid type: null, expected u8");
    }
}
