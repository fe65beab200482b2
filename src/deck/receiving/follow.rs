//! Reports received callbacks, of this process or of another one of the same user. It reads the ledger and not a queue
//! in memory, so that a flood cannot fill the memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Shared, log_lines};
use crate::domain::{Delivery, DeliveryId, JobState};
use crate::ledger::DeliveryQuery;
use crate::net::Event;

/// Deliveries in one batch. The console's list is no longer, so that it has no gaps.
const PAGE: usize = crate::net::events::ROOM;
/// The minimum time between two batches: during a flood the console shows the newest and has time to draw.
const PACE: Duration = Duration::from_millis(250);
/// How many deliveries with open jobs are read again for changes, and how many with failed ones: another process may
/// retry those.
const WATCHED_MAX: usize = 32;

/// Reports all deliveries until stopped. Sets `ready` once no new delivery can be missed.
pub(super) async fn follow(
    shared: Arc<Shared>,
    stop: CancellationToken,
    every: bool,
    ready: watch::Sender<bool>,
) {
    let newest = DeliveryQuery {
        account_key: Some(shared.account_key.to_string()),
        limit: PAGE,
        ..DeliveryQuery::default()
    };
    let newest = shared.queries.ledger.deliveries(newest).await;
    let newest = newest.unwrap_or_default();
    let mut follower = Follower {
        shared: &shared,
        // Older ones are listed by `Deck::deliveries`, not reported.
        last: newest.first().map_or(DeliveryId(0), |newest| newest.id),
        every,
        open: BTreeMap::new(),
        failed: BTreeMap::new(),
    };
    ready.send_replace(true);
    for delivery in newest.iter().rev() {
        follower.note(delivery);
    }
    loop {
        let stopped = tokio::select! {
            () = shared.saved.notified() => false,
            () = tokio::time::sleep(shared.pace.others) => {
                follower.report_changes().await;
                false
            }
            () = stop.cancelled() => true,
        };
        // Also after `stop`: what was answered 200 is reported before the program ends.
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
    /// Deliveries with open jobs, as last reported: another process may run the jobs.
    open: BTreeMap<DeliveryId, Delivery>,
    /// The same for deliveries whose jobs all ended, not all of them done.
    failed: BTreeMap<DeliveryId, Delivery>,
}

impl Follower<'_> {
    /// Reports one batch; returns whether there may be more at once.
    async fn emit(&mut self) -> bool {
        // Read after the wait, so that the batch is current.
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
        // The ledger answers newest first; a reader expects them in order.
        for delivery in page.into_iter().rev() {
            self.last = delivery.id;
            self.note(&delivery);
            log_lines::received(&delivery);
            self.shared.publish(delivery);
        }
        full
    }

    fn note(&mut self, delivery: &Delivery) {
        let any = |is: fn(&JobState) -> bool| delivery.jobs.iter().any(|job| is(&job.state));
        self.open.remove(&delivery.id);
        self.failed.remove(&delivery.id);
        let watched = if any(|state| matches!(state, JobState::Due { .. })) {
            &mut self.open
        } else if any(|state| *state == JobState::GivenUp) {
            &mut self.failed
        } else {
            return;
        };
        watched.insert(delivery.id, delivery.clone());
        if watched.len() > WATCHED_MAX {
            // The oldest: its job fails for the longest time and changes least often.
            watched.pop_first();
        }
    }

    /// Reports the deliveries with unfinished jobs that have changed.
    async fn report_changes(&mut self) {
        let watched = self.open.values().chain(self.failed.values());
        let reported: Vec<Delivery> = watched.cloned().collect();
        for reported in reported {
            let now = self.shared.queries.ledger.delivery(reported.id).await;
            let Ok(Some(now)) = now else {
                self.open.remove(&reported.id);
                self.failed.remove(&reported.id);
                continue;
            };
            self.note(&now);
            if now != reported {
                self.shared.due.notify_waiters();
                self.shared.publish(now);
            }
        }
    }
}
