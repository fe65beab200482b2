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

/// The column with this name, case-insensitive.
#[must_use]
pub fn column<'a>(names: impl IntoIterator<Item = &'a str>, wanted: &str) -> Option<usize> {
    let mut names = names.into_iter();
    names.position(|name| name.trim().eq_ignore_ascii_case(wanted))
}

/// The ids in a line: `A-1, B-2` has two. A shop's id may itself have blanks and commas, so a tab, comma or semicolon
/// separates only parts with a digit and without a blank. A number may be an amount: it is an id only among whole numbers
/// that a tab, or a comma and a blank, separates.
#[must_use]
pub fn ids(line: &str) -> Vec<&str> {
    const SEPARATORS: [char; 3] = ['\t', ',', ';'];
    let parts = line.split(SEPARATORS).map(str::trim);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let is_id = |part: &&str| {
        part.contains(|c: char| c.is_ascii_digit()) && !part.contains(char::is_whitespace)
    };
    let is_whole = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_numbers = parts.iter().any(|part| Amount::typed(part).is_ok());
    let are_numbers = parts.iter().all(is_whole) && (line.contains('\t') || line.contains(", "));
    let are_ids = parts.iter().all(is_id) && (are_numbers || !has_numbers);
    if are_ids && line.contains(SEPARATORS) {
        parts
    } else {
        vec![line]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_several_ids_where_no_id_could_look_like_it() {
        for (line, expected) in [
            ("A-1, B-2,C-3", &["A-1", "B-2", "C-3"][..]),
            ("A-1\tB-2", &["A-1", "B-2"]),
            ("A-1; B-2", &["A-1", "B-2"]),
            (" A-1, ", &["A-1"]),
            ("1001, 1002", &["1001", "1002"]),
            ("1001\t1002", &["1001", "1002"]),
            ("order,17", &["order,17"]),
            ("INV-17 v2", &["INV-17 v2"]),
            ("A 17, part 2", &["A 17, part 2"]),
            ("A-1, 25", &["A-1, 25"]),
            ("A-1\t25.00\tEMT", &["A-1\t25.00\tEMT"]),
            ("1001;25", &["1001;25"]),
            ("1,5", &["1,5"]),
            (" A ", &[" A "]),
        ] {
            assert_eq!(ids(line), expected, "{line:?}");
        }
    }
}
