//! The first line of a list: its separator and its columns.

use super::records::{Record, count};
use crate::config::nearest;
use crate::domain::inert;
use crate::domain::order_list::{AMOUNT, CURRENCY, ID};

/// Columns of a result, whose `amount` is the received amount, not the expected one.
const RESULT: [&str; 2] = ["verdict", "expected_amount"];

pub struct Header {
    pub delimiter: u8,
    pub columns: Vec<String>,
    pub id: usize,
    /// The column with half of the expected sum.
    pub amount: Option<usize>,
    /// The column with the other half.
    pub currency: Option<usize>,
}

/// What is wrong with a list, to follow its name, and a hint.
type Refusal = (String, String);

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
        let is_result = RESULT
            .iter()
            .all(|name| find(&columns, name).ok().flatten().is_some());
        if is_result {
            return Err((
                "is a result of tilldeck: its `amount` is the received amount".into(),
                "pass the list of orders; to continue a run, use --resume".into(),
            ));
        }
        let mut id = None;
        for name in ID {
            id = id.or(find(&columns, name)?);
        }
        let (amount, currency) = (find(&columns, AMOUNT)?, find(&columns, CURRENCY)?);
        let id = id.ok_or_else(|| without_id(&columns))?;
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

/// The only column of this name, case-insensitive.
fn find(columns: &[String], wanted: &str) -> Result<Option<usize>, Refusal> {
    let places = columns.iter().enumerate();
    let mut same = places.filter(|(_, name)| name.eq_ignore_ascii_case(wanted));
    match (same.next(), same.next()) {
        (Some(_), Some(_)) => Err((
            format!("has two columns named `{wanted}`"),
            "remove one of them".into(),
        )),
        (place, _) => Ok(place.map(|(at, _)| at)),
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
