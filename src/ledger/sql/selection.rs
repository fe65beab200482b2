//! Statements whose text depends on what is asked for.

use super::value::Param;
use super::{Sql, SqlResult};

/// `$1, $2, …`
pub(in crate::ledger) fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
    places.join(", ")
}

/// The FROM, WHERE, ORDER and LIMIT clauses of a query, with their values.
pub(super) struct Selection<'a> {
    text: String,
    values: Vec<Param<'a>>,
}

impl<'a> Selection<'a> {
    /// All rows of a table.
    pub(super) fn of(table: &str) -> Self {
        Self {
            text: format!("FROM {table} WHERE 1 = 1"),
            values: Vec::new(),
        }
    }

    fn place(&mut self, value: Param<'a>) -> usize {
        self.values.push(value);
        self.values.len()
    }

    fn add(&mut self, words: &[&str]) {
        self.text.extend(words.iter().copied());
    }

    /// Only rows where `comparison`, followed by the value, is true.
    pub(super) fn require(&mut self, comparison: &str, value: impl Into<Param<'a>>) {
        let place = self.place(value.into());
        self.add(&[" AND ", comparison, " $", &place.to_string()]);
    }

    /// Only rows where `text` matches a pattern of LIKE, in upper or lower case.
    pub(super) fn require_like(&mut self, text: &str, pattern: &'a str) {
        let place = self.place(pattern.into());
        let place = place.to_string();
        self.add(&[
            " AND lower(",
            text,
            ") LIKE lower($",
            &place,
            ") ESCAPE '\\'",
        ]);
    }

    /// Only the newest rows; the oldest where `oldest`.
    pub(super) fn newest(&mut self, limit: usize, oldest: bool) {
        let place = self.place(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let order = if oldest { "ASC" } else { "DESC" };
        self.add(&[" ORDER BY id ", order, " LIMIT $", &place.to_string()]);
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn values(&self) -> &[Param<'a>] {
        &self.values
    }

    /// The number of rows.
    pub(super) fn count(&self, sql: &dyn Sql) -> SqlResult<usize> {
        sql.one(
            &format!("SELECT count(*) FROM (SELECT id {}) AS found", self.text),
            &self.values,
            |row| row.get(0),
        )
    }
}
