//! What other programs save in the ledger, as the console follows it.

use std::time::Duration;

use super::Deck;
use crate::domain::{AccountId, Exchange, ExchangeId, Observation, Search};
use crate::ledger::{FailedHook, LogQuery, Requests};
use crate::net::Event;

/// How often that is looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The most reads that are left out because nothing changed: that a hook was interrupted shows by its age alone.
const UNCHANGED_MAX: u32 = 20;

/// The most rows of each kind in one batch.
const BATCH: usize = 200;

/// Reads what other programs save in the ledger: requests of this profile's accounts, states of its payments, and its hooks
/// that failed. This program's own can be among them.
pub struct Follower {
    request: ExchangeId,
    /// The number of the last observation; `None` while the ledger cannot be read.
    observation: Option<i64>,
    /// The failed hooks that were read last.
    failed_hooks: Vec<FailedHook>,
    /// The ledger's version at the last read.
    seen: Option<i64>,
}

/// What was read, each oldest first.
#[derive(Debug, Default)]
pub struct News {
    /// Requests; where they are more than fit, the newest, and [`Event::Lagged`] is sent if others were read before.
    pub requests: Vec<Exchange>,
    /// States of payments, each with its account.
    pub observations: Vec<(AccountId, Observation)>,
    /// Hooks that failed within the last week.
    pub failed_hooks: Vec<FailedHook>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.observations.is_empty() && self.failed_hooks.is_empty()
    }
}

impl Follower {
    /// Reads all requests and failed hooks, and observations from now on.
    pub async fn new(deck: &Deck) -> Self {
        let read = deck
            .ledger
            .observations_after(deck.queries.apis(), None, 0)
            .await;
        Self {
            request: ExchangeId(0),
            observation: read.ok().map(|(last, _)| last),
            failed_hooks: Vec::new(),
            seen: None,
        }
    }

    /// Reads only requests after this one.
    #[must_use]
    pub fn after(self, request: ExchangeId) -> Self {
        Self { request, ..self }
    }

    /// Waits until there is something new.
    pub async fn next(&mut self, deck: &Deck) -> News {
        let mut looks = 0;
        loop {
            looks += 1;
            // Cheap, and not changed by what this program saves.
            let version = deck.ledger.data_version().await.ok();
            if (version != self.seen || looks % UNCHANGED_MAX == 0)
                && let Some(news) = self.read(deck).await
            {
                self.seen = version;
                if !news.is_empty() {
                    return news;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// `None` if the ledger cannot be read.
    async fn read(&mut self, deck: &Deck) -> Option<News> {
        let failed = deck.failed_hooks().await.ok()?;
        // The states first: of a request that is read, the state that it found must not come later.
        let mut news = News::default();
        let read = deck
            .ledger
            .observations_after(deck.queries.apis(), self.observation, BATCH);
        let (last, observations) = read.await.ok()?;
        // Each run of the simulator has its own payments.
        if !deck.forgets_payments() {
            news.observations = observations;
        }
        let query = LogQuery {
            after: Some(self.request.0),
            limit: BATCH,
            log: Requests { bodies: true },
            ..deck.log_query(Search::default())
        };
        let (requests, is_gap) = deck.ledger.news(query).await.ok()?;
        news.requests = requests;
        // Before the first read there is no gap.
        if is_gap && self.request != ExchangeId(0) {
            deck.gate.emit(Event::Lagged);
        }
        // Nothing fails from here on: what is read counts as seen.
        self.observation = Some(last);
        let is_new = |hook: &&FailedHook| !self.failed_hooks.contains(hook);
        news.failed_hooks = failed.iter().filter(is_new).cloned().collect();
        self.failed_hooks = failed;
        // The ledger answers newest first.
        news.requests.reverse();
        if let Some(newest) = news.requests.last() {
            self.request = newest.id;
        }
        news.requests.retain(|exchange| deck.has_sent(exchange));
        Some(news)
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
