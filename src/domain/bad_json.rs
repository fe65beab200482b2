//! What is wrong with a JSON text, in plain words.

use serde_json::error::Category;

/// Says what is wrong and where. The words of `serde_json` name Rust types and parser states, so the common faults have
/// words of their own.
pub fn bad_json(error: &serde_json::Error) -> String {
    let reason = bad_json_reason(error);
    // Errors of the caller's own checks have no place; the place of an early end is the end.
    if error.line() == 0 || error.classify() == Category::Eof {
        return reason;
    }
    format!(
        "{reason} (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// As [`bad_json`], without the place.
pub fn bad_json_reason(error: &serde_json::Error) -> String {
    if error.classify() == Category::Eof {
        return "the JSON ends too early".into();
    }
    let whole = error.to_string();
    let reason = whole
        .rsplit_once(" at line ")
        .map_or(&*whole, |(reason, _)| reason);
    match reason {
        "expected value" => "a value is missing or invalid",
        "expected `:`" => "a `:` is missing",
        "expected `,` or `]`" => "a `,` or `]` is missing",
        "expected `,` or `}`" => "a `,` or `}` is missing",
        "invalid number" => "a number is not valid",
        "expected ident" => "an unknown word; only true, false and null need no quotes",
        "key must be a string" => "a name must be in double quotes",
        "trailing comma" => "a comma without a value after it",
        "trailing characters" => "more text after the end of the JSON",
        "invalid escape" => "an invalid escape after `\\`",
        "control character (\\u0000-\\u001F) found while parsing a string" => {
            "a line break or another control character within a string"
        }
        other => return wrong_type(other).unwrap_or_else(|| other.to_owned()),
    }
    .to_owned()
}

/// "invalid type: sequence, expected a map" in the words of JSON, without the value that was found.
fn wrong_type(reason: &str) -> Option<String> {
    let (found, wanted) = reason
        .strip_prefix("invalid type: ")?
        .split_once(", expected ")?;
    let found = match found.split([' ', '`']).next()? {
        "sequence" => "an array",
        "map" => "an object",
        "string" => "a string",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        other => other,
    };
    let wanted = match wanted {
        "a map" => "an object",
        "a sequence" => "an array",
        "a boolean" => "true or false",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    Some(format!("{found} in place of {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_fault_in_json_is_named_in_plain_words_with_its_place() {
        for (text, words) in [
            ("", "the JSON ends too early"),
            ("{\"a\": [1,", "the JSON ends too early"),
            ("{\"a\": \"b", "the JSON ends too early"),
            (
                "{\"a\": }",
                "a value is missing or invalid (line 1, column 7)",
            ),
            (
                "{\"a\": nil}",
                "an unknown word; only true, false and null need no quotes (line 1, column 8)",
            ),
            (
                "{a: 1}",
                "a name must be in double quotes (line 1, column 2)",
            ),
            (
                "[1,]",
                "a comma without a value after it (line 1, column 4)",
            ),
            (
                "{}\n}",
                "more text after the end of the JSON (line 2, column 1)",
            ),
            ("[1 2]", "a `,` or `]` is missing (line 1, column 4)"),
            ("[01]", "a number is not valid (line 1, column 3)"),
            ("\"\\x\"", "an invalid escape after `\\` (line 1, column 3)"),
            (
                "\"a\nb\"",
                "a line break or another control character within a string (line 2, column 0)",
            ),
        ] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(bad_json(&error), words, "{text}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_without_the_value() {
        type Lists = std::collections::BTreeMap<String, Vec<bool>>;
        for (text, words) in [
            ("[]", "an array in place of an object (line 1, column 0)"),
            (
                "{\"a\": \"planted\"}",
                "a string in place of an array (line 1, column 15)",
            ),
            (
                "{\"a\": [7]}",
                "a number in place of true or false (line 1, column 8)",
            ),
        ] {
            let error = serde_json::from_str::<Lists>(text).unwrap_err();
            assert_eq!(bad_json(&error), words, "{text}");
        }
    }
}
