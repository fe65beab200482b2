//! JSON rows as tables: each column has the place of its value in a row, and the function that reads it. A value that is
//! missing or cannot be read is [`NOTHING`]: live answers differ from their documentation, and one odd value must not hide
//! the others.

use serde_json::Value;

use crate::domain::explore::NOTHING;
use crate::domain::{Column, Digest};

/// Reads a value as the text of a cell.
pub type Read = fn(&Value) -> Option<String>;

/// A column with the JSON pointer to its value (RFC 6901) and the value's reader; the empty pointer is the whole row.
pub type Cell = (Column, &'static str, Read);

/// Rows as a table that has no title yet; a row that is not an object is left out.
pub fn table<'v>(cells: &[Cell], rows: impl IntoIterator<Item = &'v Value>) -> Digest {
    let rows = rows.into_iter().filter(|row| row.is_object());
    let cells_of = |row: &Value| {
        let cells = cells.iter();
        cells.map(|(_, at, read)| shown(row, at, *read)).collect()
    };
    Digest {
        columns: cells.iter().map(|(column, ..)| *column).collect(),
        rows: rows.map(cells_of).collect(),
        ..Digest::default()
    }
}

/// The values of one object, one row each, under their names.
pub fn facts(title: &str, rows: &[(&str, &str, Read)], object: &Value) -> Digest {
    let row = |(name, at, read): &(&str, &str, Read)| {
        let name = (*name).to_owned();
        vec![name, shown(object, at, *read)]
    };
    Digest {
        title: title.to_owned(),
        columns: vec![Column::word("what"), Column::text("value")],
        rows: rows.iter().map(row).collect(),
        ..Digest::default()
    }
}

fn shown(row: &Value, at: &str, read: Read) -> String {
    or_nothing(row.pointer(at).and_then(read))
}

/// The text of a cell, which says so where there is none.
pub fn or_nothing(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty())
        .unwrap_or_else(|| NOTHING.to_owned())
}

/// Yes or no.
pub fn flag(value: &Value) -> Option<String> {
    let yes = value.as_bool()?;
    Some(if yes { "yes" } else { "no" }.to_owned())
}
