//! Tells what is received, by this process or by another one of the same user: it reads the ledger, where a flood
//! waits, and not a queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Shared, log_lines};
use crate::domain::{Delivery, DeliveryId, JobState};
use crate::ledger::DeliveryQuery;
use crate::net::Event;

/// So many are told in one go; the console's list is no longer, so that it has no gaps.
const PAGE: usize = crate::net::events::ROOM;
/// The console is told no more often: of any flood it has the newest, and time to draw.
const PACE: Duration = Duration::from_millis(250);
/// So many deliveries with something due are looked at again.
const OPEN_MAX: usize = 32;

/// Tells all that comes from now on, until stopped; what was kept by then is told first. `begun` is told once nothing
/// can be missed any more.
pub(super) async fn follow(
    shared: Arc<Shared>,
    stop: CancellationToken,
    every: bool,
    begun: watch::Sender<bool>,
) {
    let newest = DeliveryQuery {
        limit: 1,
        ..DeliveryQuery::default()
    };
    let newest = shared.queries.ledger.deliveries(newest).await;
    let newest = newest.unwrap_or_default();
    let mut follower = Follower {
        shared: &shared,
        last: newest.first().map_or(DeliveryId(0), |newest| newest.id),
        every,
        open: BTreeMap::new(),
    };
    begun.send_replace(true);
    loop {
        let stopped = tokio::select! {
            () = shared.came.notified() => false,
            () = tokio::time::sleep(shared.pace.others) => {
                follower.look_again().await;
                false
            }
            () = stop.cancelled() => true,
        };
        while follower.emit().await {}
        if stopped {
            return;
        }
        if !every {
            tokio::time::sleep(PACE).await;
        }
    }
}

struct Follower<'a> {
    shared: &'a Shared,
    last: DeliveryId,
    every: bool,
    /// Those with something due, as they were told: another process may be doing it.
    open: BTreeMap<DeliveryId, Delivery>,
}

impl Follower<'_> {
    /// Tells a page; whether there may be more at once.
    async fn emit(&mut self) -> bool {
        // It is read after the wait: what is told is as new as it can be.
        self.shared.gate.caught_up().await;
        let account_key = Some(self.shared.account_key.to_string());
        let query = DeliveryQuery {
            account_key: account_key.clone(),
            after: Some(self.last),
            limit: PAGE,
            ..DeliveryQuery::default()
        };
        let ledger = &self.shared.queries.ledger;
        let Ok(mut page) = ledger.deliveries(query).await else {
            return false;
        };
        let mut full = page.len() == PAGE;
        if full && !self.every {
            let newest = DeliveryQuery {
                account_key,
                limit: PAGE,
                ..DeliveryQuery::default()
            };
            let Ok(newest) = ledger.deliveries(newest).await else {
                return false;
            };
            let gap = newest.last().map(|oldest| oldest.id) > page.first().map(|next| next.id);
            if gap {
                self.shared.gate.emit(Event::Missed);
            }
            page = newest;
            page.retain(|delivery| delivery.id > self.last);
            full = false;
        }
        for delivery in page.into_iter().rev() {
            self.last = delivery.id;
            self.note(&delivery);
            log_lines::received(&delivery);
            self.shared.publish(delivery);
        }
        full
    }

    fn note(&mut self, delivery: &Delivery) {
        let due = |delivery: &Delivery| {
            let mut jobs = delivery.jobs.iter();
            jobs.any(|job| matches!(job.state, JobState::Due { .. }))
        };
        if due(delivery) {
            self.open.insert(delivery.id, delivery.clone());
            if self.open.len() > OPEN_MAX {
                self.open.pop_first();
            }
        } else {
            self.open.remove(&delivery.id);
        }
    }

    /// Tells how it stands with those that something was due about.
    async fn look_again(&mut self) {
        let told: Vec<Delivery> = self.open.values().cloned().collect();
        for told in told {
            let now = self.shared.queries.ledger.delivery(told.id).await;
            let Ok(Some(now)) = now else {
                self.open.remove(&told.id);
                continue;
            };
            self.note(&now);
            if now != told {
                self.shared.due.notify_waiters();
                self.shared.publish(now);
            }
        }
    }
}
