//! Queries of the two logs, of requests and of callbacks. Each names its columns, and what else it is selected by.

use std::fmt::Debug;

use super::selection::Selection;
use super::{Sql, SqlResult};
use crate::domain::{Search, WallTime};
use crate::ledger::error::LedgerError;
use crate::ledger::{Ledger, with_database};

/// The newest rows, in which texts are searched that no index finds.
pub const SEARCHED_MAX: usize = 200_000;

/// A selection of the rows of a log. The default selects none; set a limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowQuery<L> {
    /// Only rows with a lower id than this: older ones.
    pub before: Option<i64>,
    /// Only rows with a higher id than this; the limit then leaves out the newest, so that a follower misses none.
    pub after: Option<i64>,
    /// Only those sent or received at this instant or later.
    pub since: Option<WallTime>,
    /// Only those sent or received before this instant.
    pub until: Option<WallTime>,
    /// Only this profile's: also requests of older versions, which saved no profile, and callbacks of every run of the
    /// built-in simulator.
    pub profile: Option<String>,
    /// Only what it finds. Of a log of millions, only the newest [`SEARCHED_MAX`] are searched for words.
    pub search: Search,
    /// At most this many.
    pub limit: usize,
    /// The log, and what only its rows can be selected by.
    pub log: L,
}

/// A log in the ledger.
#[expect(
    private_bounds,
    reason = "only the ledger calls what has its own types"
)]
pub trait LogKind: Columns + Debug + Clone + Default + Send + 'static {
    /// One entry.
    type Row: Send;
    /// The name of a row in messages.
    const NOUN: &'static str;

    /// The ledger's number of a row.
    fn id(row: &Self::Row) -> i64;
}

/// A log in the words of SQL.
pub(super) trait Columns: Sized {
    /// The column with the time.
    const AT: &'static str;
    /// Whether its rows are written in the background.
    const IS_BEHIND: bool = false;

    /// The table to search.
    fn table(sql: &dyn Sql, search: &Search) -> String;

    /// Adds what the log alone can be selected by.
    fn require<'q>(query: &'q RowQuery<Self>, selection: &mut Selection<'q>);

    /// The rows of a selection, in any order.
    fn rows(&self, sql: &dyn Sql, selection: &Selection<'_>) -> SqlResult<Vec<Self::Row>>
    where
        Self: LogKind;
}

impl Ledger {
    /// The rows that a query selects, newest first.
    pub async fn log<L: LogKind>(&self, query: RowQuery<L>) -> Result<Vec<L::Row>, LedgerError> {
        self.read_log(query, |sql, query| {
            let mut rows = query.log.rows(sql, &query.selection(sql))?;
            // A follower's query reads oldest first, so that its limit leaves out the newest.
            rows.sort_unstable_by_key(|row| std::cmp::Reverse(L::id(row)));
            Ok(rows)
        })
        .await
    }

    /// The rows after one, newest first: where they are more than the limit, the newest, and whether some before them
    /// are left out.
    pub async fn news<L: LogKind>(
        &self,
        query: RowQuery<L>,
    ) -> Result<(Vec<L::Row>, bool), LedgerError> {
        let (after, limit) = (query.after, query.limit);
        let newest = RowQuery {
            after: None,
            ..query.clone()
        };
        let next = self.log(query).await?;
        if next.len() < limit {
            return Ok((next, false));
        }
        let mut newest = self.log(newest).await?;
        newest.retain(|row| Some(L::id(row)) > after);
        let is_gap = newest.last().map(L::id) > next.last().map(L::id);
        Ok((newest, is_gap))
    }

    /// The id of the oldest of the newest rows that a query selects.
    pub async fn oldest<L: LogKind>(&self, query: RowQuery<L>) -> Result<Option<i64>, LedgerError> {
        self.read_log(query, |sql, query| query.selection(sql).oldest(sql))
            .await
    }

    /// The number of rows that a query selects.
    pub async fn count<L: LogKind>(&self, query: RowQuery<L>) -> Result<usize, LedgerError> {
        self.read_log(query, |sql, query| query.selection(sql).count(sql))
            .await
    }

    fn read_log<L: LogKind, T: Send + 'static>(
        &self,
        query: RowQuery<L>,
        read: impl Fn(&dyn Sql, &RowQuery<L>) -> SqlResult<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, LedgerError>> + Send {
        if L::IS_BEHIND {
            self.catch_up();
        }
        self.read(move |sql| read(sql, &query))
    }

    /// Has the rows written that wait.
    pub(super) fn catch_up(&self) {
        with_database!(self, database => database.queue().write_all());
    }
}

impl<L: LogKind> RowQuery<L> {
    pub(super) fn selection(&self, sql: &dyn Sql) -> Selection<'_> {
        let mut selection = Selection::of(&L::table(sql, &self.search));
        selection.require("id <", self.before);
        selection.require("id >", self.after);
        selection.require(&format!("{} >=", L::AT), self.since);
        selection.require(&format!("{} <", L::AT), self.until);
        selection.require("account =", self.search.account.as_ref());
        L::require(self, &mut selection);
        selection.newest(self.limit, self.after.is_some());
        selection
    }
}
