//! Reads a log in pages, oldest first: a long log never fits in memory.

use crate::domain::{Delivery, DeliveryId, Exchange, ExchangeId};
use crate::ledger::{DeliveryQuery, Ledger, LedgerError, LogQuery};

/// Rows read at a time; fewer with bodies.
const PAGE: usize = 500;
const PAGE_WHOLE: usize = 100;

/// A selection of the rows of a log.
pub(super) trait Query: Clone + Default {
    type Row;
    /// The name of a row in messages.
    const NOUN: &'static str;

    fn id(row: &Self::Row) -> i64;

    /// The most rows to read at a time.
    fn page(&self) -> usize {
        PAGE
    }

    /// With this `after` and `limit`. The rows after one are read oldest first; without one, the newest are read.
    fn within(&self, after: Option<i64>, limit: usize) -> Self;

    /// Without `since`.
    fn at_any_time(self) -> Self;

    /// The newest first.
    async fn rows(self, ledger: &Ledger) -> Result<Vec<Self::Row>, LedgerError>;

    async fn oldest(self, ledger: &Ledger) -> Result<Option<i64>, LedgerError>;

    async fn count(self, ledger: &Ledger) -> Result<usize, LedgerError>;
}

impl Query for LogQuery {
    type Row = Exchange;
    const NOUN: &'static str = "request";

    fn id(row: &Exchange) -> i64 {
        row.id.0
    }

    fn page(&self) -> usize {
        if self.bodies { PAGE_WHOLE } else { PAGE }
    }

    fn within(&self, after: Option<i64>, limit: usize) -> Self {
        let after = after.map(ExchangeId);
        Self {
            after,
            limit,
            ..self.clone()
        }
    }

    fn at_any_time(self) -> Self {
        Self {
            since: None,
            ..self
        }
    }

    async fn rows(self, ledger: &Ledger) -> Result<Vec<Exchange>, LedgerError> {
        ledger.log(self).await
    }

    async fn oldest(self, ledger: &Ledger) -> Result<Option<i64>, LedgerError> {
        Ok(ledger.oldest(self).await?.map(|id| id.0))
    }

    async fn count(self, ledger: &Ledger) -> Result<usize, LedgerError> {
        ledger.count_exchanges(self).await
    }
}

impl Query for DeliveryQuery {
    type Row = Delivery;
    const NOUN: &'static str = "callback";

    fn id(row: &Delivery) -> i64 {
        row.id.0
    }

    fn within(&self, after: Option<i64>, limit: usize) -> Self {
        let after = after.map(DeliveryId);
        Self {
            after,
            limit,
            ..self.clone()
        }
    }

    fn at_any_time(self) -> Self {
        Self {
            since: None,
            ..self
        }
    }

    async fn rows(self, ledger: &Ledger) -> Result<Vec<Delivery>, LedgerError> {
        ledger.deliveries(self).await
    }

    async fn oldest(self, ledger: &Ledger) -> Result<Option<i64>, LedgerError> {
        Ok(ledger.oldest_delivery(self).await?.map(|id| id.0))
    }

    async fn count(self, ledger: &Ledger) -> Result<usize, LedgerError> {
        ledger.count_deliveries(self).await
    }
}

/// The newest rows that a query selects.
pub(super) struct Pages<'a, Q> {
    ledger: &'a Ledger,
    query: Q,
    /// The row before the next page.
    after: Option<i64>,
    /// How many rows are left.
    limit: usize,
    /// The newest row of the whole log when this began.
    newest: i64,
}

impl<'a, Q: Query> Pages<'a, Q> {
    pub(super) async fn begin(
        ledger: &'a Ledger,
        query: Q,
        limit: usize,
    ) -> Result<Self, LedgerError> {
        // Only its id is needed, so one row.
        let newest = Q::default().within(None, 1).rows(ledger).await?;
        let oldest = query.within(None, limit).oldest(ledger).await?;
        Ok(Self {
            ledger,
            query,
            after: oldest.map(|id| id - 1),
            // No match: nothing to show.
            limit: oldest.map_or(0, |_| limit),
            newest: newest.first().map_or(0, Q::id),
        })
    }

    /// The next page, oldest first; empty after the last.
    pub(super) async fn next(&mut self) -> Result<Vec<Q::Row>, LedgerError> {
        let limit = self.limit.min(self.query.page());
        let page = self.query.within(self.after, limit);
        let mut rows = page.rows(self.ledger).await?;
        rows.reverse();
        self.limit -= rows.len();
        self.after = rows.last().map(Q::id).or(self.after);
        Ok(rows)
    }

    /// After the last page: from here on the pages have the new rows.
    pub(super) fn follow(self) -> Self {
        Self {
            // A clock that is set back must not hide new rows.
            query: self.query.at_any_time(),
            // Also where the limit hid the newest.
            after: self.after.max(Some(self.newest)),
            limit: usize::MAX,
            ..self
        }
    }
}
