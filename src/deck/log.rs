//! The log of requests, as the console follows it.

use std::time::Duration;

use super::Deck;
use crate::domain::{Exchange, ExchangeId, Search};
use crate::ledger::LogQuery;
use crate::net::Event;

/// How often the requests of other programs are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The most requests in one batch.
const BATCH: usize = 200;

/// Reads the requests that other programs save in the shared ledger.
pub struct RequestFollower {
    last: ExchangeId,
    /// The ledger's version at the last read.
    seen: Option<i64>,
}

impl RequestFollower {
    /// Reads those after `last`.
    #[must_use]
    pub fn new(last: ExchangeId) -> Self {
        Self { last, seen: None }
    }

    /// Waits until there are new requests of this profile's accounts; returns them, oldest first. This program's own can
    /// be among them. Where they are more than fit, returns the newest and sends [`Event::Missed`].
    pub async fn next(&mut self, deck: &Deck) -> Vec<Exchange> {
        loop {
            // Cheap, and not changed by what this program saves.
            let version = deck.ledger.data_version().await.ok();
            if version != self.seen
                && let Some(mut new) = self.read(deck).await
            {
                self.seen = version;
                new.retain(|exchange| deck.has_sent(exchange));
                if !new.is_empty() {
                    return new;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn read(&mut self, deck: &Deck) -> Option<Vec<Exchange>> {
        let after = LogQuery {
            after: Some(self.last),
            limit: BATCH,
            bodies: true,
            ..deck.log_query(Search::default())
        };
        let newest = LogQuery {
            after: None,
            ..after.clone()
        };
        let mut new = deck.ledger.log(after).await.ok()?;
        if new.len() == BATCH {
            deck.gate.emit(Event::Missed);
            new = deck.ledger.log(newest).await.ok()?;
        }
        // The ledger answers newest first.
        new.reverse();
        if let Some(newest) = new.last() {
            self.last = newest.id;
        }
        Some(new)
    }
}

impl Deck {
    /// Whether one of this profile's accounts sent the request: the ledger has those of all profiles.
    fn has_sent(&self, exchange: &Exchange) -> bool {
        self.accounts().any(|account| {
            account.id == exchange.account && account.environment.as_str() == exchange.environment
        })
    }
}
