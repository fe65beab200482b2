//! Searches of what the ledger has saved: this profile's requests and callbacks.

use std::sync::Arc;

use super::Deck;
use crate::domain::search::Found;
use crate::domain::{Delivery, DeliveryId, Exchange, ExchangeId, Problem, Search};
use crate::ledger::{
    DeliveryQuery, LedgerError, LogKind, LogQuery, Requests, RowQuery, SEARCHED_MAX,
};
use crate::net::redact;

impl Deck {
    /// The query for this profile's requests that `search` finds. It has no limit yet, and so selects none.
    pub fn log_query(&self, mut search: Search) -> LogQuery {
        // The log has redacted texts, so an id is compared as the redactor leaves it.
        search.about = search.about.map(|id| redact::scrub(&id).into_owned());
        LogQuery {
            profile: Some(self.profile.clone()),
            search,
            ..LogQuery::default()
        }
    }

    /// This profile's requests older than `before`, with headers and bodies, newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn requests(
        &self,
        before: Option<ExchangeId>,
        search: Search,
        limit: usize,
    ) -> Result<Found<Exchange>, Problem> {
        let query = LogQuery {
            before: before.map(|id| id.0),
            limit,
            log: Requests { bodies: true },
            ..self.log_query(search)
        };
        self.found(query).await.map_err(|error| {
            Problem::local(
                format!("tilldeck cannot read older requests: {error}"),
                "requests of this run are still shown",
            )
        })
    }

    /// The received callbacks older than `before` that `search` finds, newest first; of the built-in simulator, those
    /// of this run.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn deliveries(
        &self,
        before: Option<DeliveryId>,
        search: Search,
        limit: usize,
    ) -> Result<Found<Delivery>, Problem> {
        self.callbacks.followed().await;
        let query = DeliveryQuery {
            before: before.map(|id| id.0),
            limit,
            search,
            ..DeliveryQuery::of(self.callbacks.account_key())
        };
        let found = self.found(query).await;
        found.map_err(|error| super::receiving::unread("callbacks", &error))
    }

    /// Rows, and in how many a search looked where that is counted.
    async fn found<L: LogKind>(&self, query: RowQuery<L>) -> Result<Found<L::Row>, LedgerError> {
        let counts = query.before.is_none() && query.search != Search::default();
        let all = RowQuery {
            limit: SEARCHED_MAX,
            search: Search::default(),
            ..query.clone()
        };
        let rows = self.ledger.log(query).await?;
        Ok(Found {
            rows: rows.into_iter().map(Arc::new).collect(),
            searched: if counts {
                Some(self.ledger.count(all).await?)
            } else {
                None
            },
        })
    }
}
