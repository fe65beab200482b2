//! Reports received callbacks, of this process or of another one of the same user. It reads the ledger and not a queue
//! in memory, so that a flood cannot fill the memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Shared, log_lines};
use crate::domain::{
    AccountId, CheckedPayment, Delivery, DeliveryId, Job, JobId, JobKind, JobState, Subject,
};
use crate::ledger::{DeliveryQuery, LedgerError};
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
    let mut was_away = false;
    let (newest, last) = loop {
        if let Ok(begin) = begin(&shared, was_away).await {
            break begin;
        }
        // None is saved as long as the ledger cannot be read; but the port must answer.
        was_away = true;
        ready.send_replace(true);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(shared.pace.others) => {}
        }
    };
    let mut follower = Follower {
        shared: &shared,
        last,
        every,
        seen: None,
    };
    ready.send_replace(true);
    let ledger = &shared.queries.ledger;
    let failed = ledger.failed_deliveries(shared.account_key.clone(), WATCHED_MAX);
    for delivery in newest.iter().rev().chain(&failed.await.unwrap_or_default()) {
        shared.watched.lock().note(delivery);
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

/// The newest deliveries, and the last one that is not reported: older ones are listed by `Deck::deliveries`. If the
/// ledger `was_away`, all since the start are reported.
pub(super) async fn begin(
    shared: &Shared,
    was_away: bool,
) -> Result<(Vec<Delivery>, DeliveryId), LedgerError> {
    let query = DeliveryQuery {
        limit: PAGE,
        ..DeliveryQuery::of(&shared.account_key)
    };
    let ledger = &shared.queries.ledger;
    let newest = ledger.log(query.clone()).await?;
    let earlier = if was_away {
        // More than a page may have come since.
        let earlier = DeliveryQuery {
            until: Some(shared.since),
            limit: 1,
            ..query
        };
        ledger.log(earlier).await?.pop()
    } else {
        newest.first().cloned()
    };
    let last = earlier.map_or(DeliveryId(0), |earlier| earlier.id);
    Ok((newest, last))
}

impl Shared {
    pub(super) fn publish(&self, delivery: Delivery) {
        self.publish_as(&mut self.watched.lock(), delivery);
    }

    /// Publishes the result of an attempt of this process. What another process has done meanwhile, such as the check, is
    /// left to the follower: it reports the payment, too.
    pub(super) fn publish_attempt(&self, mut delivery: Delivery, own: JobId) {
        let mut watched = self.watched.lock();
        let before = watched.published(&delivery).cloned();
        for before in before.iter().flat_map(|before| &before.jobs) {
            let mut jobs = delivery.jobs.iter_mut();
            if let Some(job) = jobs.find(|job| job.id == before.id && job.id != own) {
                job.clone_from(before);
            }
        }
        self.publish_as(&mut watched, delivery);
    }

    /// With the lock held, so that the last published state is also the one that is noted.
    fn publish_as(&self, watched: &mut Watched, delivery: Delivery) {
        watched.note(&delivery);
        self.gate.emit(Event::Delivery(Arc::new(delivery)));
    }
}

struct Follower<'a> {
    shared: &'a Shared,
    last: DeliveryId,
    every: bool,
    /// The version of the ledger in which the watched deliveries were read. Writes of this process do not change it:
    /// their results are published as they are made.
    seen: Option<i64>,
}

/// The deliveries that another process may change, as last published.
#[derive(Default)]
pub(super) struct Watched {
    /// With open jobs: another process may run them.
    open: BTreeMap<DeliveryId, Delivery>,
    /// The same for deliveries whose jobs all ended, with a dead letter.
    failed: BTreeMap<DeliveryId, Delivery>,
    /// The last ones that no process changes any more.
    over: VecDeque<DeliveryId>,
}

impl Watched {
    fn note(&mut self, delivery: &Delivery) {
        let any = |is: fn(&Job) -> bool| delivery.jobs.iter().any(is);
        self.forget(delivery.id);
        let watched = if any(|job| matches!(job.state, JobState::Due { .. })) {
            &mut self.open
        } else if any(Job::is_dead_letter) {
            &mut self.failed
        } else {
            self.over.push_back(delivery.id);
            if self.over.len() > WATCHED_MAX {
                self.over.pop_front();
            }
            return;
        };
        watched.insert(delivery.id, delivery.clone());
        if watched.len() > WATCHED_MAX {
            // The oldest: its job fails for the longest time and changes least often.
            watched.pop_first();
        }
    }

    fn forget(&mut self, id: DeliveryId) {
        self.open.remove(&id);
        self.failed.remove(&id);
    }

    /// As it was published last, if it was.
    fn published<'d>(&'d self, now: &'d Delivery) -> Option<&'d Delivery> {
        let watched = self.open.get(&now.id).or_else(|| self.failed.get(&now.id));
        watched.or_else(|| self.over.contains(&now.id).then_some(now))
    }

    fn all(&self) -> impl Iterator<Item = &Delivery> {
        self.open.values().chain(self.failed.values())
    }
}

impl Follower<'_> {
    /// Reports one batch; returns whether there may be more at once.
    async fn emit(&mut self) -> bool {
        // Read after the wait, so that the batch is current.
        self.shared.gate.caught_up().await;
        let query = DeliveryQuery {
            after: Some(self.last.0),
            limit: PAGE,
            ..DeliveryQuery::of(&self.shared.account_key)
        };
        let ledger = &self.shared.queries.ledger;
        let read = if self.every {
            ledger.log(query).await.map(|page| (page, false))
        } else {
            ledger.news(query).await
        };
        let Ok((page, is_gap)) = read else {
            return false;
        };
        if is_gap {
            self.shared.gate.emit(Event::Lagged);
        }
        let full = self.every && page.len() == PAGE;
        // The ledger answers newest first; a reader expects them in order.
        for delivery in page.into_iter().rev() {
            self.last = delivery.id;
            // A worker may have published a newer state since the page was read.
            self.seen = None;
            log_lines::received(&delivery);
            // A worker of this process reports its own check.
            let before = self.shared.watched.lock().published(&delivery).cloned();
            self.shared.publish(delivery.clone());
            self.report_checked(&delivery, before.as_ref()).await;
        }
        full
    }

    /// Reports the payment of a callback whose check is done and was not done `before`, so that a console beside `listen`
    /// has the same notices and alerts.
    async fn report_checked(&self, delivery: &Delivery, before: Option<&Delivery>) {
        let is_new = |job: &Job| before.is_none_or(|before| !before.jobs.contains(job));
        let is_done = |job: &Job| job.kind == JobKind::Check && job.state == JobState::Done;
        let queries = &self.shared.queries;
        if let (false, Some(Subject::Payment(id))) = (self.every, &delivery.subject)
            && delivery.jobs.iter().any(|job| is_done(job) && is_new(job))
            && let Ok(account) = AccountId::new(&*delivery.account)
            && let Some(runtime) = queries.registry.find(&account)
            && let (key, api) = (queries.key(&account, id), runtime.account.base.clone())
            && let Ok(Some(seen)) = queries.payments.last_observation(key, Some(api)).await
        {
            let expected = queries.expectation(&account, id).await.ok().flatten();
            let checked = CheckedPayment {
                id: id.clone(),
                result: Ok(seen.payment),
                expected,
                account,
                here: false,
            };
            self.shared.gate.emit(Event::Checked(checked));
        }
    }

    /// Reports the deliveries with unfinished jobs that another process has changed.
    async fn report_changes(&mut self) {
        let ledger = &self.shared.queries.ledger;
        let version = ledger.data_version().await.ok();
        if version.is_some() && version == self.seen {
            return;
        }
        self.seen = version;
        let published: Vec<Delivery> = self.shared.watched.lock().all().cloned().collect();
        for before in published {
            let Ok(now) = ledger.delivery(before.id).await else {
                self.seen = None;
                continue;
            };
            let changed = {
                let mut watched = self.shared.watched.lock();
                if !watched.all().any(|delivery| *delivery == before) {
                    // A worker has published it while it was read; what was read may be older.
                    self.seen = None;
                    continue;
                }
                let Some(now) = now else {
                    watched.forget(before.id);
                    continue;
                };
                if now == before {
                    continue;
                }
                self.shared.publish_as(&mut watched, now.clone());
                now
            };
            self.shared.queues.wake();
            self.report_checked(&changed, Some(&before)).await;
        }
    }
}
