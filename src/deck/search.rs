//! Searches of what the ledger has saved: this profile's requests and callbacks.

use std::sync::Arc;

use super::Deck;
use crate::domain::search::Found;
use crate::domain::{Delivery, DeliveryId, Exchange, ExchangeId, Problem, Search};
use crate::ledger::{DeliveryQuery, LedgerError, LogQuery, SEARCHED_MAX};
use crate::net::redact;

impl Deck {
    /// The query for this profile's requests that `search` finds. It has no limit yet, and so selects none.
    #[must_use]
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
        let counts = before.is_none() && search != Search::default();
        let query = LogQuery {
            before,
            limit,
            bodies: true,
            ..self.log_query(search)
        };
        let all = LogQuery {
            limit: SEARCHED_MAX,
            ..self.log_query(Search::default())
        };
        let searched = counts.then(|| self.ledger.count_exchanges(all));
        let found = found(self.ledger.log(query), searched);
        found.await.map_err(|error| {
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
        let counts = before.is_none() && search != Search::default();
        let query = DeliveryQuery {
            account_key: Some(self.callbacks.account_key().to_owned()),
            before,
            limit,
            search,
            ..DeliveryQuery::default()
        };
        let all = DeliveryQuery {
            limit: SEARCHED_MAX,
            search: Search::default(),
            ..query.clone()
        };
        let searched = counts.then(|| self.ledger.count_deliveries(all));
        let found = found(self.ledger.deliveries(query), searched);
        found
            .await
            .map_err(|error| super::receiving::unread("callbacks", &error))
    }
}

/// Rows, and in how many a search looked where that is counted.
async fn found<T>(
    rows: impl Future<Output = Result<Vec<T>, LedgerError>>,
    searched: Option<impl Future<Output = Result<usize, LedgerError>>>,
) -> Result<Found<T>, LedgerError> {
    Ok(Found {
        rows: rows.await?.into_iter().map(Arc::new).collect(),
        searched: match searched {
            Some(count) => Some(count.await?),
            None => None,
        },
    })
}
