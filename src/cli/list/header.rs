//! The first line of a list: its separator and its columns.

use super::records::{Record, count};
use crate::config::nearest;
use crate::domain::inert;
use crate::domain::order_list::{AMOUNT, CURRENCY, Columns, ID, Refusal};

pub struct Header {
    pub delimiter: u8,
    pub columns: Vec<String>,
    pub id: usize,
    /// The column with half of the expected sum.
    pub amount: Option<usize>,
    /// The column with the other half.
    pub currency: Option<usize>,
}

/// The separator: the candidate most frequent in the first line.
pub fn delimiter(first_line: &[u8]) -> u8 {
    // On a tie, the last candidate wins.
    let known = [b'\t', b';', b','].into_iter();
    let most = known.max_by_key(|byte| count(first_line, *byte));
    most.unwrap_or(b',')
}

impl Header {
    pub fn read(record: &Record, delimiter: u8) -> Result<Self, Refusal> {
        let not_text = |_| {
            let hint = "save it as CSV in UTF-8".to_owned();
            ("is not UTF-8 text".to_owned(), hint)
        };
        let names = record.fields.iter().map(std::str::from_utf8);
        let names = names.map(|name| name.map(|name| name.trim().to_owned()));
        let columns = names.collect::<Result<Vec<_>, _>>().map_err(not_text)?;
        if !record.well_quoted {
            return Err((
                "has an unclosed quotation mark in its first line".into(),
                "close it, or double it within a quoted name".into(),
            ));
        }
        let places = Columns::named(columns.iter().map(String::as_str))?;
        let (amount, currency) = (places.amount, places.currency);
        let id = places.id.ok_or_else(|| without_id(&columns))?;
        match (amount, currency) {
            (Some(_), None) => Err(half_a_sum(&columns, AMOUNT, CURRENCY)),
            (None, Some(_)) => Err(half_a_sum(&columns, CURRENCY, AMOUNT)),
            (Some(_), Some(_)) | (None, None) => Ok(Self {
                delimiter,
                columns,
                id,
                amount,
                currency,
            }),
        }
    }

    /// Whether a column is neither the id nor a part of the sum.
    pub fn is_extra(&self, column: usize) -> bool {
        column != self.id && Some(column) != self.amount && Some(column) != self.currency
    }
}

fn without_id(columns: &[String]) -> Refusal {
    let known = ID.into_iter().chain([AMOUNT, CURRENCY]);
    let near = |name: &String| nearest(name, known.clone()).filter(|near| ID.contains(near));
    let hint = match columns.iter().find_map(near) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            "the first line must name the columns: id, and amount and currency where you have them"
                .into()
        }
    };
    let message = format!(
        "has no column `id`; its first line names {}",
        shown(columns)
    );
    (message, hint)
}

fn half_a_sum(columns: &[String], has: &str, lacks: &str) -> Refusal {
    let near = columns.iter().any(|name| nearest(name, [lacks]).is_some());
    let hint = if near {
        format!("did you mean `{lacks}`?")
    } else {
        "an amount needs a currency; omit both to compare with the saved expected amounts".into()
    };
    let columns = shown(columns);
    let message =
        format!("has a column `{has}` but no column `{lacks}`; its first line names {columns}");
    (message, hint)
}

fn shown(columns: &[String]) -> String {
    let names = columns.iter().take(12).map(|name| inert::quoted(name, 40));
    names.collect::<Vec<_>>().join(", ")
}
