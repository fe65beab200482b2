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
    pub(super) fn of(table: &str) -> Self {
        Self {
            text: format!("FROM {table} WHERE 1 = 1"),
            values: Vec::new(),
        }
    }

    /// Adds a value for [`Selection::require_that`]; returns its place: `$3`.
    pub(super) fn place(&mut self, value: impl Into<Param<'a>>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn add(&mut self, words: &[&str]) {
        self.text.extend(words.iter().copied());
    }

    /// Only rows where `comparison`, followed by the value, is true; all rows without a value.
    pub(super) fn require(&mut self, comparison: &str, value: Option<impl Into<Param<'a>>>) {
        if let Some(value) = value {
            let place = self.place(value);
            self.add(&[" AND ", comparison, " ", &place]);
        }
    }

    pub(super) fn require_that(&mut self, condition: &str) {
        self.add(&[" AND (", condition, ")"]);
    }

    /// Only the newest rows; the oldest where `oldest`.
    pub(super) fn newest(&mut self, limit: usize, oldest: bool) {
        let place = self.place(limit);
        let order = if oldest { "ASC" } else { "DESC" };
        self.add(&[" ORDER BY id ", order, " LIMIT ", &place]);
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn values(&self) -> &[Param<'a>] {
        &self.values
    }

    /// The lowest id of the rows, if there are any.
    pub(super) fn oldest(&self, sql: &dyn Sql) -> SqlResult<Option<i64>> {
        sql.value(
            &format!("SELECT min(id) FROM (SELECT id {}) AS found", self.text),
            &self.values,
        )
    }

    pub(super) fn count(&self, sql: &dyn Sql) -> SqlResult<usize> {
        sql.value(
            &format!("SELECT count(*) FROM (SELECT id {}) AS found", self.text),
            &self.values,
        )
    }
}

/// Words as patterns of LIKE.
pub(super) fn patterns(words: &[String]) -> Vec<String> {
    // `%` and `_` are wildcards of LIKE; an operator means them literally.
    let literal = |word: &str| {
        let word = word.replace('\\', "\\\\");
        word.replace('%', "\\%").replace('_', "\\_")
    };
    words
        .iter()
        .map(|word| format!("%{}%", literal(word)))
        .collect()
}
