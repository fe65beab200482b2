//! CSV by RFC 4180.

use std::io::IsTerminal as _;

use clap::Args;
use serde_json::Value;

use super::{Format, Out, OutputError};
use crate::domain::inert;

/// The option of a command that prints a table.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct AsCsv {
    /// Print the rows as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl AsCsv {
    /// The streams, with CSV if it is wanted.
    pub fn on(self, out: &Out) -> Out {
        let format = if self.csv { Format::Csv } else { out.format };
        out.with_format(format)
    }
}

impl Out {
    /// Writes a CSV record to stdout, each field as it is.
    pub fn record(&self, mut fields: Vec<String>) -> Result<(), OutputError> {
        if std::io::stdout().is_terminal() {
            for field in &mut fields {
                *field = inert::line(field).into_owned();
            }
        }
        self.bytes(&line(&fields))
    }
}

/// Whether a spreadsheet would calculate this text, which may come from a stranger, instead of showing it.
fn is_formula(field: &str) -> bool {
    let is_number = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.'));
    match field.chars().next() {
        Some('=' | '@') => true,
        Some('+' | '-') => !is_number(&field[1..]),
        _ => false,
    }
}

pub fn line(fields: &[String]) -> Vec<u8> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail, and a single record cannot have a wrong length.
    let _ = writer.write_record(fields);
    writer.into_inner().unwrap_or_default()
}

/// A text as a cell: inert, since a pager or `tee` passes it to a terminal. One that a spreadsheet takes for a formula
/// gets an apostrophe in front.
pub fn cell(text: &str) -> String {
    match inert::line(text) {
        text if is_formula(&text) => format!("'{text}"),
        text => text.into_owned(),
    }
}

/// A field of an object as a [`cell`], by its name; `failure.at` is the field `at` of the object `failure`. Empty if it
/// is null or missing. A list is its JSON.
pub(super) fn field(object: &Value, name: &str) -> String {
    match object.pointer(&format!("/{}", name.replace('.', "/"))) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => cell(text),
        Some(value) => inert::json(&value.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_spreadsheet_would_calculate_is_recognised() {
        for formula in ["=1+1", "@SUM(A1)", "+cmd|x", "-2+3"] {
            assert!(is_formula(formula), "{formula:?}");
        }
        for text in ["", "A-1", "-25.01", "+5", "a=b", " =1", "'=1"] {
            assert!(!is_formula(text), "{text:?}");
        }
    }

    #[test]
    fn a_field_is_found_by_its_name_at_any_depth() {
        let object = json!({ "h": "\u{1b}]0;a\n", "hl": ["\u{202e}"], "a": "x", "n": 1.50, "no": null, "f": { "at": true }, "l": ["y"], "formula": "=1" });
        for (name, text) in [
            ("a", "x"),
            ("h", r"\u{1b}]0;a\n"),
            ("hl", r#"["\u202e"]"#),
            ("n", "1.5"),
            ("no", ""),
            ("missing", ""),
            ("f.at", "true"),
            ("f.why", ""),
            ("l", r#"["y"]"#),
            ("formula", "'=1"),
        ] {
            assert_eq!(field(&object, name), text, "{name}");
        }
    }

    #[test]
    fn a_record_is_quoted_where_it_must_be() {
        let fields = ["a", "b,c", "d\"e", "f\ng", ""].map(str::to_owned);
        assert_eq!(line(&fields), b"a,\"b,c\",\"d\"\"e\",\"f\ng\",\n");
    }
}
