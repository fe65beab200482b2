//! Reads a log in pages, oldest first: a long log never fits in memory.

use crate::ledger::{Ledger, LedgerError, LogKind, RowQuery};

/// Rows read at a time; fewer to export, since those have bodies.
pub(super) const PAGE: usize = 500;
pub(super) const PAGE_WHOLE: usize = 100;

/// The newest rows that a query selects.
pub(super) struct Pages<'a, L> {
    ledger: &'a Ledger,
    /// With the most rows to read at a time, after the last page.
    query: RowQuery<L>,
    /// How many rows are left.
    limit: usize,
    /// The newest row of the whole log when this began.
    newest: i64,
}

impl<'a, L: LogKind> Pages<'a, L> {
    pub(super) async fn begin(
        ledger: &'a Ledger,
        mut query: RowQuery<L>,
        page: usize,
    ) -> Result<Self, LedgerError> {
        let newest = RowQuery::<L> {
            limit: 1,
            ..RowQuery::default()
        };
        let newest = ledger.oldest(newest).await?.unwrap_or(0);
        let oldest = ledger.oldest(query.clone()).await?;
        // No match: nothing to show.
        let limit = oldest.map_or(0, |_| query.limit);
        query.after = oldest.map(|id| id - 1);
        query.limit = page;
        Ok(Self {
            ledger,
            query,
            limit,
            newest,
        })
    }

    /// The next page, oldest first; empty after the last.
    pub(super) async fn next(&mut self) -> Result<Vec<L::Row>, LedgerError> {
        let mut page = self.query.clone();
        page.limit = page.limit.min(self.limit);
        let mut rows = self.ledger.log(page).await?;
        rows.reverse();
        self.limit -= rows.len();
        self.query.after = rows.last().map(L::id).or(self.query.after);
        Ok(rows)
    }

    /// After the last page: from here on the pages have the new rows.
    pub(super) fn follow(mut self) -> Self {
        // A clock that is set back must not hide new rows.
        self.query.since = None;
        // Also where the limit hid the newest.
        self.query.after = self.query.after.max(Some(self.newest));
        self.limit = usize::MAX;
        self
    }
}
