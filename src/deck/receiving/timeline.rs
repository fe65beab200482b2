//! The timeline of one payment, from the request log, its observations, and its callbacks.

use std::sync::Arc;

use super::unread;
use crate::deck::Deck;
use crate::domain::payment::about;
use crate::domain::{
    AccountId, Environment, Exchange, PaymentId, PaymentVerdict, Problem, Search, Subject,
    Timeline, TimelineEntry, TimelineEvent,
};
use crate::ledger::{Callbacks, DeliveryQuery, LogQuery};

/// The most requests and callbacks, the newest.
const ENTRIES_MAX: usize = 2_000;

impl Deck {
    /// The timeline of a payment: calls, callbacks, changes of its state.
    ///
    /// # Errors
    /// If there is no such account, or what is known cannot be read.
    pub async fn timeline(
        &self,
        account: &AccountId,
        payment: &PaymentId,
    ) -> Result<Timeline, Problem> {
        let runtime = self.runtime(account)?;
        let shared = &self.callbacks.shared;
        // Another run of the simulator reuses the same ids for other payments.
        let embedded = runtime.account.environment == Environment::Embedded;
        let of_account = Search {
            account: Some(account.to_string()),
            ..Search::default()
        };
        let about = Search {
            about: Some(payment.to_string()),
            ..of_account.clone()
        };
        let calls = LogQuery {
            since: embedded.then_some(shared.since),
            // One more than is shown, to know whether something is left out.
            limit: ENTRIES_MAX + 1,
            ..self.log_query(about)
        };
        let calls = self.ledger.log(calls).await;
        let calls = calls.map_err(|error| unread("the request log", &error))?;
        let deliveries = DeliveryQuery {
            log: Callbacks {
                account_key: Some(shared.account_key.to_string()),
                subject: Some(Subject::Payment(payment.clone())),
            },
            search: of_account,
            limit: ENTRIES_MAX + 1,
            ..DeliveryQuery::default()
        };
        let deliveries = self.ledger.log(deliveries).await;
        let deliveries = deliveries.map_err(|error| unread("callbacks", &error))?;
        let seen = self.observations(account, payment).await?;
        let expectations = self.expectations(account, payment).await?;
        let done = self.operator_actions(account, payment).await?;
        let latest = seen.last().cloned();
        let environment = runtime.account.environment.as_str();
        // Another console's simulator runs at the same time, at another port.
        let simulator = self.simulator_url().filter(|_| embedded);
        let simulator = simulator.map_or_else(String::new, |url| format!("{url}/"));
        let mut entries: Vec<TimelineEntry> = calls
            .into_iter()
            .filter(|call| call.environment == environment && call.url.starts_with(&simulator))
            .map(call)
            .chain(seen.into_iter().map(|seen| TimelineEntry {
                at: seen.at,
                what: TimelineEvent::State(seen),
            }))
            .chain(
                expectations
                    .iter()
                    .enumerate()
                    .map(|(at, new)| TimelineEntry {
                        at: new.at,
                        what: TimelineEvent::Expected {
                            old: at.checked_sub(1).map(|at| expectations[at].clone()),
                            new: new.clone(),
                        },
                    }),
            )
            .chain(done)
            .chain(deliveries.into_iter().map(|delivery| TimelineEntry {
                at: delivery.received_at,
                what: TimelineEvent::Callback(Arc::new(delivery)),
            }))
            .collect();
        // A stable sort: entries of the same instant stay in the order call, its state, callback.
        entries.sort_by_key(|entry| entry.at);
        let over = entries.len().saturating_sub(ENTRIES_MAX);
        let mut left = over;
        entries.retain(|entry| {
            // States and what operators did are few.
            let is_many = matches!(
                entry.what,
                TimelineEvent::Call { .. } | TimelineEvent::Callback(_)
            );
            let goes = is_many && left > 0;
            left -= usize::from(goes);
            !goes
        });
        Ok(Timeline {
            account: account.clone(),
            payment: payment.clone(),
            latest,
            expected: expectations.last().map(|last| last.sum.clone()),
            entries,
            cut: over > 0,
        })
    }

    /// What operators did with a payment: watched it, noted something, handled its alerts.
    async fn operator_actions(
        &self,
        account: &AccountId,
        payment: &PaymentId,
    ) -> Result<Vec<TimelineEntry>, Problem> {
        let list = self.watchlist().await?;
        let watched = list.watches.into_iter();
        let watched = watched.filter(|watch| watch.account == *account && watch.id == *payment);
        let watched = watched.map(|watch| TimelineEntry {
            at: watch.since,
            what: TimelineEvent::Watched {
                operator: watch.operator,
            },
        });
        let about = format!("{} ", about(account, payment));
        let alerts = PaymentVerdict::WORDS.map(|verdict| format!("{about}{verdict}"));
        let marks = self
            .marks(alerts.to_vec())
            .await?
            .into_iter()
            .filter_map(|mark| {
                let verdict = mark.alert.strip_prefix(&about)?;
                Some(TimelineEntry {
                    at: mark.at,
                    what: TimelineEvent::Marked {
                        verdict: PaymentVerdict::from_word(verdict)?,
                        handled: mark.handled,
                        operator: mark.operator,
                    },
                })
            });
        let notes = self.notes(account, payment).await?;
        let notes = notes.into_iter().map(|note| TimelineEntry {
            at: note.at,
            what: TimelineEvent::Noted(note),
        });
        Ok(watched.chain(marks).chain(notes).collect())
    }
}

fn call(exchange: Exchange) -> TimelineEntry {
    TimelineEntry {
        at: exchange.at,
        what: TimelineEvent::Call {
            exchange: exchange.id,
            path: exchange.path().to_owned(),
            method: exchange.method,
            outcome: exchange.outcome,
            operator: exchange.operator,
            took: exchange.took,
        },
    }
}
