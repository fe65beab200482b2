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
        let found = async {
            let rows = self.ledger.log(query).await?;
            let searched = if counts {
                Some(self.ledger.count_exchanges(all).await?)
            } else {
                None
            };
            Ok(Found {
                rows: rows.into_iter().map(Arc::new).collect(),
                searched,
            })
        };
        found.await.map_err(|error: LedgerError| {
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
        let found = async {
            let rows = self.ledger.deliveries(query).await?;
            let searched = if counts {
                Some(self.ledger.count_deliveries(all).await?)
            } else {
                None
            };
            Ok(Found {
                rows: rows.into_iter().map(Arc::new).collect(),
                searched,
            })
        };
        found
            .await
            .map_err(|error: LedgerError| super::receiving::unread("callbacks", &error))
    }
}
