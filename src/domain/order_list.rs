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
pub fn column<'a>(names: impl IntoIterator<Item = &'a str>, wanted: &str) -> Option<usize> {
    let mut names = names.into_iter();
    names.position(|name| name.trim().eq_ignore_ascii_case(wanted))
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
