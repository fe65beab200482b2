//! A list of orders: its columns, by the names in its first line, and several ids in one line.

use super::Amount;

/// Names of the id column, the preferred one first.
pub const ID: [&str; 6] = [
    "id",
    "transactionKey",
    "order",
    "order_id",
    "payment",
    "payment_id",
];
/// The column with the number of the expected amount.
pub const AMOUNT: &str = "amount";
/// The column with its currency.
pub const CURRENCY: &str = "currency";

/// Columns of a result, whose `amount` is the received amount, not the expected one.
const RESULT: [&str; 2] = ["verdict", "expected_amount"];

/// What is wrong with a list, to follow its name, and a hint.
pub type Refusal = (String, String);

/// The places of the columns that the first line of a list names.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// The payment's id.
    pub id: Option<usize>,
    /// The number of the expected amount.
    pub amount: Option<usize>,
    /// Its currency.
    pub currency: Option<usize>,
}

impl Columns {
    /// The columns by their names, case-insensitive.
    ///
    /// # Errors
    /// If two have the same name, or the list is a result.
    pub fn named<'a>(
        names: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
    ) -> Result<Self, Refusal> {
        let names = names.into_iter();
        let find = |wanted: &str| {
            let places = names.clone().enumerate();
            let mut same = places.filter(|(_, name)| name.trim().eq_ignore_ascii_case(wanted));
            (same.next().map(|(at, _)| at), same.next().is_some())
        };
        if RESULT.iter().all(|name| find(name).0.is_some()) {
            return Err((
                "is a result of tilldeck: its `amount` is the received amount".into(),
                "pass the list of orders; to continue a run, use --resume".into(),
            ));
        }
        let only = |wanted: &str| match find(wanted) {
            (_, true) => Err((
                format!("has two columns named `{wanted}`"),
                "remove one of them".into(),
            )),
            (place, false) => Ok(place),
        };
        let mut id = None;
        for name in ID {
            id = id.or(only(name)?);
        }
        Ok(Self {
            id,
            amount: only(AMOUNT)?,
            currency: only(CURRENCY)?,
        })
    }
}

/// The ids in a line: `A-1, B-2` has two. A shop's id may itself have blanks, commas and semicolons, so only a comma or a
/// semicolon and a blank separate, and only parts with a digit and without a blank, none of which could be an amount.
pub fn ids(line: &str) -> Vec<&str> {
    let parts = parts(line);
    if parts.is_empty() || parts.iter().any(is_amount) {
        vec![line]
    } else {
        parts
    }
}

/// Whether a line may have several ids, of which one could also be an amount: `1001, 1002`.
pub fn is_ambiguous(line: &str) -> bool {
    parts(line).iter().any(is_amount)
}

fn is_amount(part: &&str) -> bool {
    Amount::typed(part).is_ok()
}

/// The parts of a line that has several, each with a digit and without a blank.
fn parts(line: &str) -> Vec<&str> {
    let parts = line.split("; ").flat_map(|part| part.split(", "));
    let parts: Vec<&str> = parts
        .map(|part| part.trim().trim_end_matches([',', ';']))
        .collect();
    let is_word = |part: &&str| {
        part.contains(|c: char| c.is_ascii_digit()) && !part.contains(char::is_whitespace)
    };
    if parts.len() > 1 && parts.iter().all(is_word) {
        parts
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_several_ids_where_no_id_could_look_like_it() {
        for (line, expected) in [
            ("A-1, B-2; C-3", &["A-1", "B-2", "C-3"][..]),
            ("A-1, B-2,", &["A-1", "B-2"]),
            ("1001, 1002", &["1001, 1002"]),
            ("A1,A2", &["A1,A2"]),
            ("A-1, ", &["A-1, "]),
            (",", &[","]),
            ("A-1\tanna7@example.com", &["A-1\tanna7@example.com"]),
            ("A-1\t2026-01-02", &["A-1\t2026-01-02"]),
            ("1001\t25", &["1001\t25"]),
            ("INV-17 v2", &["INV-17 v2"]),
            ("A 17, part 2", &["A 17, part 2"]),
            ("A-1, 25", &["A-1, 25"]),
            ("1001;25", &["1001;25"]),
            ("1,5", &["1,5"]),
            (" A ", &[" A "]),
        ] {
            assert_eq!(ids(line), expected, "{line:?}");
        }
    }
}
