//! The columns of a list of orders, by the names in its first line.

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
